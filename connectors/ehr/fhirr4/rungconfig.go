package fhirr4

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/fhir"
	"github.com/ringback-health/ringback/internal/redact"
	"github.com/ringback-health/ringback/mapping"
)

// RungConfig says as what a callback is filed. What an EHR demands of a resource, and
// where it puts it, does not stand in /metadata; so what is below a Task is filed
// only where somebody who has tried it says how.
type RungConfig struct {
	// Rung is auto, or the one kind that is filed: task, communication,
	// service-request, document-reference; worklist files nothing.
	Rung string `yaml:"rung"`
	// FileAgain: where nobody can tell whether an item has arrived, it is filed
	// again. Some callbacks then stand in the EHR twice.
	FileAgain bool `yaml:"file_again"`
	// NoMarkerSearch: this EHR lists the search parameter "identifier" and does not
	// search by it.
	NoMarkerSearch bool `yaml:"no_marker_search"`
	// Guard says how an edit is kept from writing over a change that was made since
	// the item was read: if-match, if-unmodified-since (to the second), none.
	Guard string `yaml:"guard"`

	Communication     CommunicationConfig  `yaml:"communication"`
	ServiceRequest    ServiceRequestConfig `yaml:"service_request"`
	DocumentReference DocumentConfig       `yaml:"document_reference"`
}

// CommunicationConfig says how a Communication is filed. References are written as
// Practitioner/12.
type CommunicationConfig struct {
	// Form is item: it stands for the callback and is worked on; or message: it was
	// sent to staff and does not change.
	Form      string `yaml:"form"`
	Sender    string `yaml:"sender"`
	Recipient string `yaml:"recipient"` // to whom it goes for an owner who is not in owners
	Category  Coded  `yaml:"category"`
	Payload   string `yaml:"payload"` // string or attachment
	Marker    string `yaml:"marker"`  // identifier, topic or payload
	// StateExtension is the URL of the extension in which this EHR tells what became
	// of a message, as a code of task-status.
	StateExtension string   `yaml:"state_extension"`
	Priorities     []string `yaml:"priorities"` // that the EHR takes; empty: routine, urgent, asap, stat
	NeedsPatient   bool     `yaml:"needs_patient"`
}

// ServiceRequestConfig says how a ServiceRequest is filed.
type ServiceRequestConfig struct {
	Code      Coded  `yaml:"code"` // what is ordered: by it the EHR decides who gets it
	Category  Coded  `yaml:"category"`
	Requester string `yaml:"requester"`
	Performer string `yaml:"performer"` // for an owner who is not in owners
}

// DocumentConfig says how a DocumentReference is filed.
type DocumentConfig struct {
	Type     Coded  `yaml:"type"` // what kind of document it is: by it the EHR decides who gets it
	Category Coded  `yaml:"category"`
	Author   string `yaml:"author"`
	// NeedsPatient is on by default, because EHRs keep documents in charts.
	NeedsPatient bool `yaml:"needs_patient"`
}

// Coded is a code with its system, or a mere text, or both.
type Coded struct {
	System string `yaml:"system"`
	Code   string `yaml:"code"`
	Text   string `yaml:"text"`
}

func (c Coded) concept() fhir.Concept {
	if c == (Coded{}) {
		return fhir.Concept{}
	}
	concept := fhir.Concept{Text: redact.NewText(c.Text)}
	if c.Code != "" {
		concept.Codings = []fhir.Coding{{System: c.System, Code: c.Code}}
	}
	return concept
}

func (c Coded) incomplete() bool { return c.System != "" && c.Code == "" }

const (
	rungAuto = "auto"

	formItem    = "item"
	formMessage = "message"

	payloadString     = "string"
	payloadAttachment = "attachment"

	guardIfMatch      = "if-match"
	guardIfUnmodified = "if-unmodified-since"
	guardNone         = "none"
)

// pins are the values of rung beside auto.
var pins = map[string]callback.ResourceType{
	"task": callback.TaskResource, "communication": callback.CommunicationResource,
	"service-request": callback.ServiceRequestResource, "document-reference": callback.DocumentReferenceResource,
	"worklist": callback.Worklist,
}

func defaultRungs() RungConfig {
	return RungConfig{Rung: rungAuto, Guard: guardIfMatch,
		Communication:     CommunicationConfig{Form: formItem, Payload: payloadString, Marker: string(mapping.MarkerIdentifier)},
		DocumentReference: DocumentConfig{NeedsPatient: true}}
}

// validate checks the values. What a rung lacks is no error of the configuration: the
// rung is refused then, and says so.
func (c RungConfig) validate() error {
	var errs []error
	oneOf := func(key, value string, allowed ...string) {
		if !slices.Contains(allowed, value) {
			errs = append(errs, fmt.Errorf("%s: %q is none of %s", key, value, strings.Join(allowed, ", ")))
		}
	}
	m := c.Communication
	oneOf("rung", c.Rung, rungAuto, "task", "communication", "service-request", "document-reference", "worklist")
	oneOf("guard", c.Guard, guardIfMatch, guardIfUnmodified, guardNone)
	oneOf("communication.form", m.Form, formItem, formMessage)
	oneOf("communication.payload", m.Payload, payloadString, payloadAttachment)
	oneOf("communication.marker", m.Marker, string(mapping.MarkerIdentifier), string(mapping.MarkerTopic), string(mapping.MarkerPayload))
	for _, p := range m.Priorities {
		if !callback.Priority(p).Valid() {
			errs = append(errs, fmt.Errorf("communication.priorities: %q is none of routine, urgent, asap, stat", p))
		}
	}
	if m.StateExtension != "" && m.Form != formMessage {
		errs = append(errs, errors.New("communication.state_extension belongs to form message; the status of an item says the same"))
	}
	return errors.Join(append(errs, c.validateCodes(), c.validateReferences())...)
}

func (c RungConfig) validateCodes() error {
	var errs []error
	for _, k := range []struct {
		key   string
		coded Coded
	}{
		{"communication.category", c.Communication.Category}, {"service_request.code", c.ServiceRequest.Code},
		{"service_request.category", c.ServiceRequest.Category}, {"document_reference.type", c.DocumentReference.Type},
		{"document_reference.category", c.DocumentReference.Category},
	} {
		if k.coded.incomplete() {
			errs = append(errs, fmt.Errorf("%s: a system without a code; write {system: ..., code: ...}, or text alone", k.key))
		}
	}
	return errors.Join(errs...)
}

// validateReferences checks that each reference is of a type that R4 allows there.
func (c RungConfig) validateReferences() error {
	senders := []string{"Practitioner", "PractitionerRole", "Organization", "Device", "Patient", "RelatedPerson", "HealthcareService"}
	writers := []string{"Practitioner", "PractitionerRole", "Organization", "Device", "Patient", "RelatedPerson"}
	var errs []error
	for _, r := range []struct {
		key, reference string
		types          []string
	}{
		{"communication.sender", c.Communication.Sender, senders},
		{"communication.recipient", c.Communication.Recipient, mapping.RecipientTypes},
		{"service_request.requester", c.ServiceRequest.Requester, writers},
		{"service_request.performer", c.ServiceRequest.Performer, mapping.OwnerTypes},
		{"document_reference.author", c.DocumentReference.Author, writers},
	} {
		t, id, _ := strings.Cut(r.reference, "/")
		if r.reference != "" && (!mapping.ValidID(id) || !slices.Contains(r.types, t)) {
			errs = append(errs, fmt.Errorf("%s: %q is no reference that can stand there; write %s/12, or one of %s",
				r.key, r.reference, r.types[0], strings.Join(r.types, ", ")))
		}
	}
	return errors.Join(errs...)
}

// rules are the settings in the words of package mapping.
func (c RungConfig) rules(s *mapping.Site) {
	m := c.Communication
	s.Communication = mapping.CommunicationRules{Message: m.Form == formMessage, Sender: m.Sender, Recipient: m.Recipient,
		Category: m.Category.concept(), Attachment: m.Payload == payloadAttachment, Marker: mapping.MarkerPlace(m.Marker),
		StateExtension: m.StateExtension}
	for _, p := range m.Priorities {
		s.Communication.Priorities = append(s.Communication.Priorities, callback.Priority(p))
	}
	r, d := c.ServiceRequest, c.DocumentReference
	s.ServiceRequest = mapping.ServiceRequestRules{Code: r.Code.concept(), Category: r.Category.concept(), Requester: r.Requester, Performer: r.Performer}
	s.Document = mapping.DocumentRules{Type: d.Type.concept(), Category: d.Category.concept(), Author: d.Author}
}
