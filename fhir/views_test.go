package fhir_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ringback-health/ringback/fhir"
	"github.com/ringback-health/ringback/internal/redact"
)

func text(s string) redact.Text { return redact.NewText(s) }

func date(t *testing.T, s string) fhir.DateTime {
	t.Helper()
	d, err := fhir.ParseDateTime(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// compare reports how got differs from want. It prints texts as the mark.
func compare(t *testing.T, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got, cmp.AllowUnexported(fhir.Value{}), cmp.Comparer(same)); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestParseTask(t *testing.T) {
	got, err := fhir.ParseTask(load(t, "testdata/made/Task-everything.json"))
	if err != nil {
		t.Fatal(err)
	}
	compare(t, got, fhir.TaskView{
		Meta:            fhir.Meta{ID: "made-1", VersionID: "7", LastUpdated: date(t, "2026-03-08T14:00:00.12Z").Time},
		Identifiers:     []fhir.Identifier{{System: "urn:ietf:rfc:3986", Value: text("urn:uuid:0195a0f0-0000-7000-8000-000000000001")}},
		GroupIdentifier: fhir.Identifier{System: "https://ringback.example/session", Value: text("s-1")},
		Status:          "requested",
		StatusReason:    fhir.Concept{Text: text("left a message")},
		BusinessStatus:  fhir.Concept{Codings: []fhir.Coding{{System: "https://ringback.example/state", Code: "waiting", Display: "Waiting"}}},
		Intent:          "order",
		Priority:        "urgent",
		Code:            fhir.Concept{Codings: []fhir.Coding{{System: "http://hl7.org/fhir/CodeSystem/task-code", Code: "fulfill"}}, Text: text("Return a call")},
		Description:     text("Ann Example asks for <a visit> & a call"),
		Focus:           fhir.Reference{Reference: "#c1"},
		For:             fhir.Reference{Reference: "Patient/p1", Display: text("Ann Example")},
		Owner:           fhir.Reference{Identifier: fhir.Identifier{System: "https://clinic.example/pool", Value: text("front-desk")}, Display: text("Front desk")},
		AuthoredOn:      date(t, "2026-03-08T09:00:00-05:00"),
		LastModified:    date(t, "2026-03-08T09:00:01-05:00"),
		Notes: []fhir.Annotation{
			{Author: text("Sam Staff"), Time: date(t, "2026-03-08"), Text: text("first")},
			{AuthorReference: fhir.Reference{Reference: "Practitioner/1"}, Text: text("second")},
		},
		RestrictionPeriod: fhir.Period{End: date(t, "2026-03-09")},
		Inputs: []fhir.Parameter{
			{Type: fhir.Concept{Text: text("callback-number")}, Value: fhir.StringValue(text("+15550100101"))},
			{Type: fhir.Concept{Text: text("window")}, Value: fhir.PeriodValue(fhir.Period{Start: date(t, "2026-03-09T13:00:00Z"), End: date(t, "2026-03-09T15:00:00Z")})},
			{Type: fhir.Concept{Text: text("dose")}, Value: got.Inputs[2].Value},
		},
		Outputs:           []fhir.Parameter{{Type: fhir.Concept{Codings: []fhir.Coding{{Code: "visit"}}}, Value: fhir.ReferenceValue(fhir.Reference{Reference: "Appointment/9"})}},
		Tags:              []fhir.Coding{{System: "https://ringback.example/tag", Code: "callback"}},
		ModifierExtension: true,
	})
	if id := got.Identifiers[0]; !id.Is(id.System, id.Value.Reveal()) || id.Is(id.System, "urn:uuid:2") || id.Is("", id.Value.Reveal()) {
		t.Error("Is compares the system and the value")
	}
	if !got.BusinessStatus.Has("https://ringback.example/state", "waiting") || got.BusinessStatus.Has("", "waiting") || got.StatusReason.Has("", "") {
		t.Error("Has compares the system and the code")
	}
	if kind := got.Inputs[2].Value.Kind(); kind != "Quantity" {
		t.Errorf("a value that is not read keeps its kind, got %q", kind)
	}
}

func TestParseAppointment(t *testing.T) {
	got, err := fhir.ParseAppointment(load(t, "testdata/made/Appointment-booked.json"))
	if err != nil {
		t.Fatal(err)
	}
	compare(t, got, fhir.AppointmentView{
		Meta:                  fhir.Meta{ID: "made-2"},
		Status:                "booked",
		ServiceTypes:          []fhir.Concept{{Text: text("Follow-up")}},
		Specialties:           []fhir.Concept{{Codings: []fhir.Coding{{Code: "394814009"}}}},
		AppointmentType:       fhir.Concept{Codings: []fhir.Coding{{System: "http://terminology.hl7.org/CodeSystem/v2-0276", Code: "FOLLOWUP"}}},
		ReasonCodes:           []fhir.Concept{{Text: text("knee")}},
		SupportingInformation: []fhir.Reference{{Reference: "Task/made-1"}},
		BasedOn:               []fhir.Reference{{Reference: "ServiceRequest/1"}},
		Start:                 date(t, "2026-03-10T14:00:00Z").Time,
		End:                   date(t, "2026-03-10T14:30:00Z").Time,
		Created:               date(t, "2026-03-08"),
		RequestedPeriods:      []fhir.Period{{Start: date(t, "2026-03-09"), End: date(t, "2026-03-13")}},
		Participants: []fhir.ParticipantView{
			{Actor: fhir.Reference{Reference: "Practitioner/1"}, Status: "accepted", Types: []fhir.Concept{{Codings: []fhir.Coding{{Code: "ATND"}}}}},
			{Actor: fhir.Reference{Reference: "Patient/p1", Display: text("Ann Example")}, Status: "needs-action"},
		},
	})
}

func TestParsePatient(t *testing.T) {
	got, err := fhir.ParsePatient(load(t, "testdata/made/Patient-merged.json"))
	if err != nil {
		t.Fatal(err)
	}
	inactive := false
	compare(t, got, fhir.PatientView{
		Meta:        fhir.Meta{ID: "p1"},
		Identifiers: []fhir.Identifier{{System: "https://clinic.example/mrn", Value: text("000123")}},
		Active:      &inactive,
		Names: []fhir.HumanName{
			{Use: "official", Family: text("Example"), Given: []redact.Text{text("Ann"), text("B.")}},
			{Use: "old", Text: text("Ann Sample")},
		},
		Telecoms: []fhir.ContactPoint{
			{System: "phone", Use: "mobile", Value: text("(555) 555-0101")},
			{System: "email", Value: text("ann@example.org")},
		},
		BirthDate: text("1950-01-02"),
		Deceased:  true,
		Links:     []fhir.PatientLink{{Type: "replaced-by", Other: fhir.Reference{Reference: "Patient/p2"}}},
	})
	alive, err := fhir.ParsePatient([]byte(`{"resourceType":"Patient","deceasedBoolean":false,"deceasedDateTime":null,"active":null,"name":null,"meta":null}`))
	if err != nil || alive.Deceased || alive.Active != nil {
		t.Errorf("%+v %v", alive, err)
	}
}

// TestTheOfficialExamplesCanBeRead reads each with its view and checks the
// status or the name against the text.
func TestTheOfficialExamplesCanBeRead(t *testing.T) {
	read := 0
	for path, raw := range corpus(t) {
		var err error
		switch typeIn(path) {
		case "Task":
			_, err = fhir.ParseTask(raw)
		case "Appointment":
			_, err = fhir.ParseAppointment(raw)
		case "Patient":
			_, err = fhir.ParsePatient(raw)
		default:
			continue
		}
		if read++; err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	if read != 12+3+22+3 {
		t.Errorf("read %d", read)
	}
}

// TestABrokenMemberIsNamedAndNotQuoted breaks one member at a time.
func TestABrokenMemberIsNamedAndNotQuoted(t *testing.T) {
	task := func(raw []byte) error { _, err := fhir.ParseTask(raw); return err }
	appointment := func(raw []byte) error { _, err := fhir.ParseAppointment(raw); return err }
	patient := func(raw []byte) error { _, err := fhir.ParsePatient(raw); return err }
	cases := []struct {
		parse   func([]byte) error
		members string
		want    string
	}{
		{task, `"status":7`, "Task.status: not a string"},
		{task, `"intent":"order"`, "Task.status: absent"},
		{task, `"status":null`, "Task.status: absent"},
		{task, `"Status":"requested"`, "Task.status: absent"},
		{task, `"status":"x","note":[{"text":"ok"},{"text":["Canary"]}]`, "Task.note[1].text: not a string"},
		{task, `"status":"x","note":{"text":"Canary"}`, "Task.note: not a list"},
		{task, `"status":"x","note":["Canary"]`, "Task.note[0]: not a JSON object"},
		{task, `"status":"x","authoredOn":"Canary"`, "Task.authoredOn: not a FHIR dateTime"},
		{task, `"status":"x","restriction":{"period":{"end":"Canary"}}`, "Task.restriction.period.end: not a FHIR dateTime"},
		{task, `"status":"x","owner":{"identifier":{"value":1}}`, "Task.owner.identifier.value: not a string"},
		{task, `"status":"x","input":[{"type":{},"valueString":"Canary","valueCode":"Canary"}]`, "Task.input[0].value[x]: more than one"},
		{task, `"status":"x","code":{"coding":[{"code":1}]}`, "Task.code.coding[0].code: not a string"},
		{task, `"status":"x","meta":{"lastUpdated":"Canary"}`, "Task.meta.lastUpdated: not a FHIR instant"},
		{appointment, `"status":"booked","start":"31/12/2026 Canary"`, "Appointment.start: not a FHIR instant"},
		{appointment, `"status":"booked","end":"2026-03-08"`, "Appointment.end: not a FHIR instant"},
		{appointment, `"participant":[]`, "Appointment.status: absent"},
		{patient, `"birthDate":"Canary"`, "Patient.birthDate: not a FHIR date"},
		{patient, `"active":"Canary"`, "Patient.active: not true or false"},
		{patient, `"name":[{"given":["Ann",{"Canary":1}]}]`, "Patient.name[0].given[1]: not a string"},
		{patient, `"name":[{"given":"Canary"}]`, "Patient.name[0].given: not a list"},
	}
	types := map[string]string{"Tas": "Task", "App": "Appointment", "Pat": "Patient"}
	for _, c := range cases {
		err := c.parse([]byte(`{"resourceType":"` + types[c.want[:3]] + `",` + c.members + `}`))
		var broken *fhir.MemberError
		if !errors.As(err, &broken) || err.Error() != c.want {
			t.Errorf("%s: %v, want %s", c.members, err, c.want)
		}
	}
}

func TestAnotherTypeIsATypeError(t *testing.T) {
	outcome := `{"resourceType":"OperationOutcome","issue":[{"severity":"success","code":"limited-filter","diagnostics":"Canary"},{"code":"Canary Ann"},{"code":"limited-filter"}]}`
	cases := map[string]string{
		`{"resourceType":"ServiceRequest","status":"draft"}`: "expected Task, got ServiceRequest",
		`{"resourceType":"Canary Ann"}`:                      "expected Task, got a resource of an unknown type",
		`{"status":"draft"}`:                                 "expected Task, got no FHIR resource",
		`<html>Canary</html>`:                                "expected Task, got no FHIR resource",
		outcome:                                              "expected Task, got OperationOutcome: limited-filter, an unknown code",
		`{"resourceType":"OperationOutcome"}`:                "expected Task, got an OperationOutcome without issues",
	}
	for raw, want := range cases {
		_, err := fhir.ParseTask([]byte(raw))
		var wrong *fhir.TypeError
		if !errors.As(err, &wrong) || err.Error() != want {
			t.Errorf("%s: %v, want %s", raw, err, want)
		}
	}
}

func TestDecodeChecksTheTypeAndQuotesNothing(t *testing.T) {
	slot, err := fhir.Decode[fhir.Slot]([]byte(`{"resourceType":"Slot","status":"free","start":"2026-03-08T09:00:00Z","end":"2026-03-08T09:30:00Z","schedule":{"reference":"Schedule/1"}}`))
	if err != nil || slot.Status.Code() != "free" {
		t.Fatalf("%+v %v", slot, err)
	}
	for raw, want := range map[string]string{
		`{"resourceType":"OperationOutcome","issue":[{"code":"login"}]}`: "expected Slot, got OperationOutcome: login",
		`{"resourceType":"Task","status":"draft"}`:                       "expected Slot, got Task",
		`{"resourceType":"Slot","status":"Canary"}`:                      "Slot: holds a code or a value that R4 does not know",
		`{"resourceType":"Slot","schedule":{"reference":17}}`:            "Slot.schedule.reference: not of the type that R4 gives it",
	} {
		if got, err := fhir.Decode[fhir.Slot]([]byte(raw)); err == nil || err.Error() != want || got.Status != 0 {
			t.Errorf("%s: %v, want %s", raw, err, want)
		}
	}
}

func TestMetaOf(t *testing.T) {
	got, err := fhir.MetaOf([]byte(`{"id":"1","meta":{"versionId":"v2"},"resourceType":"Whatever"}`))
	if err != nil || got != (fhir.Meta{ID: "1", VersionID: "v2"}) {
		t.Errorf("%+v %v", got, err)
	}
	for _, raw := range []string{`{"id":"1"}`, `[]`, `{"resourceType":"Task","id":1}`} {
		if _, err := fhir.MetaOf([]byte(raw)); err == nil {
			t.Errorf("%s: no error", raw)
		}
	}
}

// TestViewsDoNotPrintPHI prints every view in every way.
func TestViewsDoNotPrintPHI(t *testing.T) {
	p, err := fhir.ParsePatient([]byte(`{"resourceType":"Patient","identifier":[{"value":"Canary"}],"name":[{"family":"Canary","given":["Canary"],"text":"Canary"}],"telecom":[{"value":"Canary"}],"birthDate":"1950-01-02"}`))
	if err != nil {
		t.Fatal(err)
	}
	task, err := fhir.ParseTask([]byte(`{"resourceType":"Task","status":"x","description":"Canary","statusReason":{"text":"Canary"},"for":{"display":"Canary"},"note":[{"text":"Canary","authorString":"Canary"}],"input":[{"type":{},"valueString":"Canary"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	out := fmt.Sprintf("%v %+v %#v %v %+v %#v", p, p, p, task, task, task)
	if strings.Contains(out, "Canary") || strings.Contains(out, "1950") {
		t.Errorf("printed: %s", out)
	}
}
