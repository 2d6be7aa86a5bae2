package fhir

import (
	"time"

	"github.com/ringback-health/ringback/internal/redact"
)

// TaskView is what is read of a Task.
type TaskView struct {
	Meta              Meta
	Identifiers       []Identifier
	GroupIdentifier   Identifier
	Status            string
	StatusReason      Concept
	BusinessStatus    Concept
	Intent            string
	Priority          string
	Code              Concept
	Description       redact.Text
	Focus, For, Owner Reference
	AuthoredOn        DateTime
	LastModified      DateTime
	Notes             []Annotation
	RestrictionPeriod Period
	Inputs, Outputs   []Parameter
	Tags              []Coding
	// ModifierExtension: something that was read carries an extension that may
	// change its meaning; do not act on it without a person.
	ModifierExtension bool
}

// ParseTask reads a Task. The error is a *TypeError or a *MemberError.
func ParseTask(raw []byte) (TaskView, error) {
	n, err := root(raw, "Task")
	if err != nil {
		return TaskView{}, err
	}
	v := TaskView{
		Meta:              n.meta(),
		Identifiers:       each(n, "identifier", node.identifier),
		GroupIdentifier:   n.child("groupIdentifier").identifier(),
		Status:            n.str("status"),
		StatusReason:      n.child("statusReason").concept(),
		BusinessStatus:    n.child("businessStatus").concept(),
		Intent:            n.str("intent"),
		Priority:          n.str("priority"),
		Code:              n.child("code").concept(),
		Description:       n.text("description"),
		Focus:             n.child("focus").reference(),
		For:               n.child("for").reference(),
		Owner:             n.child("owner").reference(),
		AuthoredOn:        n.dateTime("authoredOn"),
		LastModified:      n.dateTime("lastModified"),
		Notes:             each(n, "note", node.annotation),
		RestrictionPeriod: n.child("restriction").child("period").period(),
		Inputs:            each(n, "input", node.parameter),
		Outputs:           each(n, "output", node.parameter),
		Tags:              each(n.child("meta"), "tag", node.coding),
	}
	if v.Status == "" {
		n.fail("status", "absent")
	}
	v.ModifierExtension = n.state.modifier
	return orZero(v, n.err())
}

// AppointmentView is what is read of an Appointment.
type AppointmentView struct {
	Meta                  Meta
	Identifiers           []Identifier
	Status                string
	CancelationReason     Concept
	ServiceCategories     []Concept
	ServiceTypes          []Concept
	Specialties           []Concept
	AppointmentType       Concept
	ReasonCodes           []Concept
	Description           redact.Text
	SupportingInformation []Reference
	BasedOn               []Reference
	Start, End            time.Time // zero when absent
	Created               DateTime
	RequestedPeriods      []Period
	Participants          []ParticipantView
	Replaces              []Reference // R5, or its extension in R4
	Test                  bool        // meta.security HTEST: made up for testing
	ModifierExtension     bool        // as in TaskView
}

// ParticipantView is one participant of an AppointmentView.
type ParticipantView struct {
	Actor  Reference
	Status string
	Types  []Concept
}

// ParseAppointment reads an Appointment. The error is a *TypeError or a *MemberError.
func ParseAppointment(raw []byte) (AppointmentView, error) {
	n, err := root(raw, "Appointment")
	if err != nil {
		return AppointmentView{}, err
	}
	v := AppointmentView{
		Meta:                  n.meta(),
		Identifiers:           each(n, "identifier", node.identifier),
		Status:                n.str("status"),
		CancelationReason:     n.child("cancelationReason").concept(),
		ServiceCategories:     each(n, "serviceCategory", node.concept),
		ServiceTypes:          each(n, "serviceType", node.concept),
		Specialties:           each(n, "specialty", node.concept),
		AppointmentType:       n.child("appointmentType").concept(),
		ReasonCodes:           each(n, "reasonCode", node.concept),
		Description:           n.text("description"),
		SupportingInformation: each(n, "supportingInformation", node.reference),
		BasedOn:               each(n, "basedOn", node.reference),
		Start:                 n.instant("start"),
		End:                   n.instant("end"),
		Created:               n.dateTime("created"),
		RequestedPeriods:      each(n, "requestedPeriod", node.period),
		Participants: each(n, "participant", func(n node) ParticipantView {
			return ParticipantView{
				Actor: n.child("actor").reference(), Status: n.str("status"), Types: each(n, "type", node.concept),
			}
		}),
	}
	if v.Status == "" {
		n.fail("status", "absent")
	}
	v.Replaces, v.Test = n.replaces(), n.test()
	v.ModifierExtension = n.state.modifier
	return orZero(v, n.err())
}

// extensionReplaces is R5's Appointment.replaces in an R4 resource (FHIR R5, extensions
// for converting between versions).
const extensionReplaces = "http://hl7.org/fhir/5.0/StructureDefinition/extension-Appointment.replaces"

func (n node) replaces() []Reference {
	all := each(n, "replaces", node.reference)
	for _, ref := range each(n, "extension", func(e node) Reference {
		if e.str("url") != extensionReplaces {
			return Reference{}
		}
		return e.child("valueReference").reference()
	}) {
		if !ref.IsZero() {
			all = append(all, ref)
		}
	}
	return all
}

// test reports whether the resource says that it is made up for testing (HL7 v3
// ActReason HTEST, in meta.security).
func (n node) test() bool {
	for _, c := range each(n.child("meta"), "security", node.coding) {
		if c.Code == "HTEST" {
			return true
		}
	}
	return false
}

// PatientView is what is read of a Patient.
type PatientView struct {
	Meta              Meta
	Identifiers       []Identifier
	Active            *bool // nil when the chart does not say
	Names             []HumanName
	Telecoms          []ContactPoint
	BirthDate         redact.Text // a FHIR date, checked; ParseDate reads it
	Deceased          bool        // deceasedBoolean true, or a deceasedDateTime
	Links             []PatientLink
	Test              bool // meta.security HTEST: made up for testing
	ModifierExtension bool // as in TaskView
}

// HumanName is one name of a person.
type HumanName struct {
	Use    string // "official", "usual", "old", …
	Family redact.Text
	Given  []redact.Text
	Text   redact.Text
}

// ContactPoint is a phone number or an address of another kind.
type ContactPoint struct {
	System string // "phone", "sms", "email", …
	Use    string // "mobile", "home", "old", …
	Value  redact.Text
}

// PatientLink ties merged or duplicate charts together.
type PatientLink struct {
	Type  string // "replaced-by", "replaces", "refer", "seealso"
	Other Reference
}

// ParsePatient reads a Patient. The error is a *TypeError or a *MemberError.
func ParsePatient(raw []byte) (PatientView, error) {
	n, err := root(raw, "Patient")
	if err != nil {
		return PatientView{}, err
	}
	deceased := n.boolean("deceasedBoolean")
	v := PatientView{
		Meta:        n.meta(),
		Identifiers: each(n, "identifier", node.identifier),
		Active:      n.boolean("active"),
		Names: each(n, "name", func(n node) HumanName {
			return HumanName{Use: n.str("use"), Family: n.text("family"), Given: n.texts("given"), Text: n.text("text")}
		}),
		Telecoms: each(n, "telecom", func(n node) ContactPoint {
			return ContactPoint{System: n.str("system"), Use: n.str("use"), Value: n.text("value")}
		}),
		BirthDate: n.text("birthDate"),
		Deceased:  deceased != nil && *deceased || n.has("deceasedDateTime"),
		Links: each(n, "link", func(n node) PatientLink {
			return PatientLink{Type: n.str("type"), Other: n.child("other").reference()}
		}),
		Test: n.test(),
	}
	if !v.BirthDate.IsEmpty() {
		if _, err := ParseDate(v.BirthDate.Reveal()); err != nil {
			n.fail("birthDate", err.Error())
		}
	}
	v.ModifierExtension = n.state.modifier
	return orZero(v, n.err())
}

// orZero returns a view only when all of it could be read.
func orZero[T any](v T, err error) (T, error) {
	if err != nil {
		var zero T
		return zero, err
	}
	return v, nil
}
