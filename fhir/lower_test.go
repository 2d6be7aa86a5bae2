package fhir_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/ringback-health/ringback/fhir"
)

// marshal is what a resource that was made is sent as.
func marshal(t *testing.T, v json.Marshaler, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := v.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

var (
	callConcept = fhir.Concept{Codings: []fhir.Coding{{System: "s", Code: "c", Display: "d"}}, Text: text("<t>")}
	callWritten = `{"coding":[{"system":"s","code":"c","display":"d"}],"text":"<t>"}`
	callMarker  = []fhir.Identifier{{System: "urn:ietf:rfc:3986", Value: text("urn:uuid:1")}}
	callNote    = []fhir.Annotation{{Author: text("Ringback"), Time: fhir.NewDateTime(noon), Text: text("n")}}
)

const (
	markerWritten = `"identifier":[{"system":"urn:ietf:rfc:3986","value":"urn:uuid:1"}]`
	noteWritten   = `"note":[{"authorString":"Ringback","time":"2026-03-08T12:00:00Z","text":"n"}]`
)

func ref(s string) fhir.Reference { return fhir.Reference{Reference: s} }

func TestNewCommunication(t *testing.T) {
	c, err := fhir.NewCommunication(fhir.CommunicationRequired{Status: "in-progress"}, fhir.CommunicationFields{
		Identifiers: callMarker, StatusReason: callConcept, Categories: []fhir.Concept{callConcept}, Priority: "urgent",
		Subject: ref("Patient/1"), Topic: callConcept, About: []fhir.Reference{ref("Appointment/1")}, Sent: fhir.NewDateTime(noon),
		Recipients: []fhir.Reference{ref("Group/1")}, Sender: ref("Practitioner/1"), Notes: callNote,
		Payload: []fhir.Payload{{Text: text("call & back")}, {Attachment: fhir.Attachment{ContentType: "text/plain", Title: "t", Text: text("é\x00<")}}},
	})
	raw := marshal(t, c, err)
	want := `{"resourceType":"Communication",` + markerWritten + `,"status":"in-progress","statusReason":` + callWritten + `,"category":[` + callWritten +
		`],"priority":"urgent","subject":{"reference":"Patient/1"},"topic":` + callWritten + `,"about":[{"reference":"Appointment/1"}],` +
		`"sent":"2026-03-08T12:00:00Z","recipient":[{"reference":"Group/1"}],"sender":{"reference":"Practitioner/1"},` +
		`"payload":[{"contentString":"call & back"},{"contentAttachment":{"contentType":"text/plain","data":"w6k8","title":"t"}}],` + noteWritten + `}`
	if raw != want {
		t.Errorf("got  %s\nwant %s", raw, want)
	}
	v, err := fhir.ParseCommunication([]byte(raw))
	if err != nil || v.Status != "in-progress" || len(v.Payload) != 2 || v.Payload[1].Attachment.Text.Reveal() != "é<" || len(v.Recipients) != 1 || len(v.About) != 1 || len(v.Notes) != 1 {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestNewServiceRequest(t *testing.T) {
	r, err := fhir.NewServiceRequest(fhir.ServiceRequestRequired{Status: "active", Intent: "order", Subject: ref("Patient/1")}, fhir.ServiceRequestFields{
		Identifiers: callMarker, Categories: []fhir.Concept{callConcept}, Priority: "stat", Code: callConcept,
		OccurrencePeriod: fhir.Period{End: date(t, "2026-03-09")}, AuthoredOn: fhir.NewDateTime(noon), Requester: ref("Practitioner/1"),
		Performers: []fhir.Reference{ref("CareTeam/1")}, SupportingInfo: []fhir.Reference{ref("Appointment/1")}, Notes: callNote,
	})
	raw := marshal(t, r, err)
	want := `{"resourceType":"ServiceRequest",` + markerWritten + `,"status":"active","intent":"order","category":[` + callWritten + `],"priority":"stat","code":` + callWritten +
		`,"subject":{"reference":"Patient/1"},"occurrencePeriod":{"end":"2026-03-09"},"authoredOn":"2026-03-08T12:00:00Z","requester":{"reference":"Practitioner/1"},` +
		`"performer":[{"reference":"CareTeam/1"}],"supportingInfo":[{"reference":"Appointment/1"}],` + noteWritten + `}`
	if raw != want {
		t.Errorf("got  %s\nwant %s", raw, want)
	}
	v, err := fhir.ParseServiceRequest([]byte(raw))
	if err != nil || v.Status != "active" || v.OccurrencePeriod.IsZero() || len(v.Performers) != 1 || v.ModifierExtension {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestNewDocumentReference(t *testing.T) {
	d, err := fhir.NewDocumentReference(fhir.DocumentReferenceRequired{Status: "current", Content: []fhir.Attachment{{ContentType: "text/plain", Text: text("x")}}},
		fhir.DocumentReferenceFields{Identifiers: callMarker, Type: callConcept, Categories: []fhir.Concept{callConcept}, Subject: ref("Patient/1"),
			Date: fhir.NewDateTime(noon), Authors: []fhir.Reference{ref("Device/1")}, Description: text("call"), Related: []fhir.Reference{ref("Appointment/1")}})
	raw := marshal(t, d, err)
	want := `{"resourceType":"DocumentReference",` + markerWritten + `,"status":"current","type":` + callWritten + `,"category":[` + callWritten + `],"subject":{"reference":"Patient/1"},` +
		`"date":"2026-03-08T12:00:00Z","author":[{"reference":"Device/1"}],"description":"call","content":[{"attachment":{"contentType":"text/plain","data":"eA=="}}],` +
		`"context":{"related":[{"reference":"Appointment/1"}]}}`
	if raw != want {
		t.Errorf("got  %s\nwant %s", raw, want)
	}
	v, err := fhir.ParseDocumentReference([]byte(raw))
	if err != nil || v.Status != "current" || v.Description.Reveal() != "call" || len(v.Related) != 1 {
		t.Errorf("%+v, %v", v, err)
	}
}

// TestLowerRefusesWhatR4Refuses names the member that breaks a rule.
func TestLowerRefusesWhatR4Refuses(t *testing.T) {
	plain := []fhir.Attachment{{ContentType: "text/plain", Text: text("x")}}
	communication := func(f fhir.CommunicationFields) error {
		_, err := fhir.NewCommunication(fhir.CommunicationRequired{Status: "completed"}, f)
		return err
	}
	request := func(r fhir.ServiceRequestRequired) error {
		_, err := fhir.NewServiceRequest(r, fhir.ServiceRequestFields{})
		return err
	}
	document := func(r fhir.DocumentReferenceRequired, f fhir.DocumentReferenceFields) error {
		_, err := fhir.NewDocumentReference(r, f)
		return err
	}
	_, noStatus := fhir.NewCommunication(fhir.CommunicationRequired{}, fhir.CommunicationFields{})
	for path, err := range map[string]error{
		"Communication.status":              noStatus,
		"Communication.priority":            communication(fhir.CommunicationFields{Priority: "high"}),
		"Communication.payload":             communication(fhir.CommunicationFields{Payload: []fhir.Payload{{}}}),
		"Communication.recipient":           communication(fhir.CommunicationFields{Recipients: []fhir.Reference{{}}}),
		"ServiceRequest.status":             request(fhir.ServiceRequestRequired{Status: "ready", Intent: "order", Subject: ref("Patient/1")}),
		"ServiceRequest.intent":             request(fhir.ServiceRequestRequired{Status: "active", Intent: "unknown", Subject: ref("Patient/1")}),
		"ServiceRequest.subject":            request(fhir.ServiceRequestRequired{Status: "active", Intent: "order"}),
		"DocumentReference.status":          document(fhir.DocumentReferenceRequired{Status: "final", Content: plain}, fhir.DocumentReferenceFields{}),
		"DocumentReference.content":         document(fhir.DocumentReferenceRequired{Status: "current"}, fhir.DocumentReferenceFields{}),
		"DocumentReference.date":            document(fhir.DocumentReferenceRequired{Status: "current", Content: plain}, fhir.DocumentReferenceFields{Date: date(t, "2026-03-08")}),
		"DocumentReference.context.related": document(fhir.DocumentReferenceRequired{Status: "current", Content: plain}, fhir.DocumentReferenceFields{Related: []fhir.Reference{{}}}),
	} {
		var broken *fhir.MemberError
		if !errors.As(err, &broken) || broken.Path != path {
			t.Errorf("%s: %v", path, err)
		}
	}
	for name, p := range map[string]fhir.Payload{
		"two contents": {Text: text("a"), Attachment: plain[0]}, "no media type": {Attachment: fhir.Attachment{Text: text("a")}},
		"no content": {Attachment: fhir.Attachment{ContentType: "text/plain", Text: text("\x00")}},
	} {
		if err := communication(fhir.CommunicationFields{Payload: []fhir.Payload{p}}); err == nil {
			t.Errorf("%s was written", name)
		}
	}
	for _, zero := range []json.Marshaler{fhir.Communication{}, fhir.ServiceRequest{}, fhir.DocumentReference{}} {
		if _, err := zero.MarshalJSON(); err == nil {
			t.Errorf("the zero %T was written", zero)
		}
	}
}

// TestLowerIsReadLeniently: what Ringback does not need does not spoil the rest.
func TestLowerIsReadLeniently(t *testing.T) {
	c, err := fhir.ParseCommunication([]byte(`{"resourceType":"Communication","status":"sent","payload":[{"contentReference":{"reference":"Binary/1"}},null,
		{"contentAttachment":{"contentType":"image/png","data":"/9j/"}},{"contentAttachment":{"contentType":"text/plain","data":"%%"}}],
		"extension":[{"url":"u","valueCodeableConcept":{"coding":[{"code":"c"}]}},{"url":"v","valueDecimal":1.10}]}`))
	if err != nil || c.Status != "sent" || len(c.Payload) != 2 || !c.Payload[0].Attachment.Text.IsEmpty() || len(c.Extensions) != 2 || !c.Extensions[0].Concept.Has("", "c") {
		t.Errorf("%+v, %v", c, err)
	}
	r, err := fhir.ParseServiceRequest([]byte(`{"resourceType":"ServiceRequest","status":"active","doNotPerform":true,"occurrenceDateTime":"2026"}`))
	if err != nil || !r.ModifierExtension {
		t.Errorf("an order not to do it: %+v, %v", r, err)
	}
	for _, raw := range []string{`{"resourceType":"Communication"}`, `{"resourceType":"Communication","status":"completed","recipient":{}}`, `{"resourceType":"Task","status":"ready"}`} {
		if _, err := fhir.ParseCommunication([]byte(raw)); err == nil {
			t.Errorf("%s was read", raw)
		}
	}
	for _, raw := range []string{`{"resourceType":"ServiceRequest"}`, `{"resourceType":"ServiceRequest","status":"active","subject":"Ann Canary"}`} {
		if _, err := fhir.ParseServiceRequest([]byte(raw)); err == nil || strings.Contains(err.Error(), "Canary") {
			t.Errorf("%s: %v", raw, err)
		}
	}
	for _, raw := range []string{`{"resourceType":"DocumentReference"}`, `{"resourceType":"DocumentReference","status":"current","context":7}`} {
		if _, err := fhir.ParseDocumentReference([]byte(raw)); err == nil {
			t.Errorf("%s was read", raw)
		}
	}
}

// TestLowerReadsAllOfficialExamples: every example of HL7 can be read.
func TestLowerReadsAllOfficialExamples(t *testing.T) {
	n := 0
	for path, raw := range corpus(t) {
		var err error
		switch typeIn(path) {
		case "Communication":
			_, err = fhir.ParseCommunication(raw)
		case "ServiceRequest":
			_, err = fhir.ParseServiceRequest(raw)
		case "DocumentReference":
			_, err = fhir.ParseDocumentReference(raw)
		default:
			continue
		}
		n++
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	if n < 20 {
		t.Errorf("only %d examples", n)
	}
}

// TestLowerDoesNotPrint prints and logs what is on its way to the EHR.
func TestLowerDoesNotPrint(t *testing.T) {
	c, err := fhir.NewCommunication(fhir.CommunicationRequired{Status: "completed"}, fhir.CommunicationFields{Payload: []fhir.Payload{{Text: text("Canary")}}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := fhir.NewServiceRequest(fhir.ServiceRequestRequired{Status: "active", Intent: "order", Subject: fhir.Reference{Display: text("Canary")}}, fhir.ServiceRequestFields{})
	if err != nil {
		t.Fatal(err)
	}
	d, err := fhir.NewDocumentReference(fhir.DocumentReferenceRequired{Status: "current", Content: []fhir.Attachment{{ContentType: "text/plain", Text: text("Canary")}}}, fhir.DocumentReferenceFields{Description: text("Canary")})
	if err != nil {
		t.Fatal(err)
	}
	a := fhir.Attachment{ContentType: "text/plain", Text: text("Canary")}
	var out bytes.Buffer
	fmt.Fprintf(&out, "%v %+v %#v %s %v %+v %v %d %v %+v %#v", c, &c, c, r, r, &r, d, d, a, a, struct{ D fhir.DocumentReference }{d})
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "c", c, "r", r, "d", d, "a", a)
	for _, leaked := range []string{"Canary", "Q2FuYXJ5", "67 97 110"} {
		if strings.Contains(out.String(), leaked) {
			t.Errorf("printed: %s", out.String())
		}
	}
}
