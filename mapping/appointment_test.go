package mapping_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/mapping"
)

func TestProposalGolden(t *testing.T) {
	for name, s := range map[string]*story{
		"proposal-no-chart": told("task-new-patient-form")(t),
		"proposal-certain":  told("task-late-patient")(t),
		"proposal-no-name":  told("task-missed-call")(t),
	} {
		golden(t, name, proposalJSON(t, s.item(visitLink)))
	}
}

func TestEditProposal(t *testing.T) {
	const id = "prop-1"
	atEHR := func(s *story, status string) []byte {
		return with(t, proposalJSON(t, s.item(visitLink)), map[string]any{"id": id, "status": status, "vendorOwn": json.RawMessage(`{"x": 1.0}`)})
	}
	form := told("task-new-patient-form")
	closed := func(o callback.Outcome) *story {
		s := form(t)
		return s.must(s.Close(o, text(""), kim, monday.Add(time.Hour)))
	}
	withdrawn, _ := editProposal(t, atEHR(form(t), "proposed"), closed(callback.Spam).item(visitLink))
	byStaff := with(t, withdrawn, map[string]any{"cancelationReason": map[string]any{"text": "no slot"}})
	others := with(t, atEHR(form(t), "proposed"), map[string]any{"participant": json.RawMessage(
		`[{"actor":{"display":"Ann Lee"},"status":"needs-action"},{"actor":{"reference":"Practitioner/1"},"status":"accepted"}]`)})

	for _, tt := range []struct {
		name    string
		current []byte
		w       callback.WorkItem
		changed bool
		status  string
	}{
		{"open stays proposed", atEHR(form(t), "proposed"), form(t).item(visitLink), false, "proposed"},
		{"closed without it withdraws it", atEHR(form(t), "proposed"), closed(callback.PatientDeclined).item(visitLink), true, "cancelled"},
		{"closed by another visit withdraws it", atEHR(form(t), "proposed"), form(t).booked("appt-9").item(visitLink), true, "cancelled"},
		{"closed by it leaves it", atEHR(form(t), "proposed"), form(t).booked(id).item(visitLink), false, "proposed"},
		{"booked by staff is theirs", atEHR(form(t), "booked"), closed(callback.Spam).item(visitLink), false, "booked"},
		{"pending is theirs", atEHR(form(t), "pending"), closed(callback.Spam).item(visitLink), false, "pending"},
		{"void is left alone", atEHR(form(t), "entered-in-error"), closed(callback.Spam).item(visitLink), false, "entered-in-error"},
		{"withdrawn by us comes back on reopening", withdrawn, form(t).item(visitLink), true, "proposed"},
		{"withdrawn by us stays while closed", withdrawn, closed(callback.Spam).item(visitLink), false, "cancelled"},
		{"cancelled by staff stays cancelled", byStaff, form(t).item(visitLink), false, "cancelled"},
		{"the chart is put in", atEHR(form(t), "proposed"), told("task-late-patient")(t).item(visitLink), true, "proposed"},
		{"the chart is put in once", atEHR(told("task-late-patient")(t), "proposed"), told("task-late-patient")(t).item(visitLink), false, "proposed"},
		{"who else takes part is not ours", others, told("task-late-patient")(t).item(visitLink), false, "proposed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			edited, changed := editProposal(t, tt.current, tt.w)
			if changed != tt.changed {
				t.Fatalf("changed %t\n%s", changed, edited)
			}
			if got := readItem(t, edited).State.Native; got != tt.status {
				t.Errorf("status %s, want %s", got, tt.status)
			}
			if !bytes.Contains(edited, []byte(`{"x":1.0}`)) {
				t.Errorf("a foreign member was changed: %s", edited)
			}
			if again, changed := editProposal(t, edited, tt.w); changed {
				t.Errorf("a second edit changes it again: %s", again)
			}
		})
	}
	golden(t, "edit-proposal-withdrawn", withdrawn)
	bound, _ := editProposal(t, atEHR(form(t), "proposed"), told("task-late-patient")(t).item(visitLink))
	if got := readItem(t, bound).Patient.Reveal(); got != "pat-1" {
		t.Errorf("the patient is %q", got)
	}
	if _, _, err := mapping.EditProposal(atEHR(form(t), "rescheduled"), form(t).item(visitLink), site); !errors.Is(err, mapping.ErrNotUnderstood) {
		t.Errorf("an unknown status gives %v", err)
	}
}

// TestEveryAppointmentStatusIsRead is the table of R4 appointmentstatus.
func TestEveryAppointmentStatusIsRead(t *testing.T) {
	for code, want := range map[string]struct {
		state callback.AppointmentState
		item  callback.ItemStatus
	}{
		"proposed": {callback.ApptRequested, callback.ItemOpen}, "pending": {callback.ApptRequested, callback.ItemInProgress},
		"waitlist": {callback.ApptRequested, callback.ItemOnHold}, "booked": {callback.ApptBooked, callback.ItemDone},
		"arrived": {callback.ApptArrived, callback.ItemDone}, "checked-in": {callback.ApptArrived, callback.ItemDone},
		"fulfilled": {callback.ApptDone, callback.ItemDone}, "cancelled": {callback.ApptCancelled, callback.ItemCancelled},
		"noshow": {callback.ApptNoShow, callback.ItemFailed}, "entered-in-error": {callback.ApptVoid, callback.ItemVoid},
		"rescheduled": {callback.ApptUnknown, ""}, "Booked": {callback.ApptUnknown, ""},
	} {
		raw := []byte(`{"resourceType":"Appointment","id":"a","status":"` + code + `","participant":[{"actor":{"reference":"Patient/1"},"status":"accepted"}]}`)
		if got := readAppointment(t, raw, site).State; got != want.state {
			t.Errorf("%s: got %s, want %s", code, got, want.state)
		}
		if got := readItem(t, raw).State.Status; got != want.item {
			t.Errorf("%s as item: got %q, want %q", code, got, want.item)
		}
	}
	canvas := site
	canvas.ProposedMeansBooked = true
	if got := readAppointment(t, []byte(`{"resourceType":"Appointment","status":"proposed"}`), canvas).State; got != callback.ApptBooked {
		t.Errorf("proposed means booked here, and was read as %s", got)
	}
	modified := []byte(`{"resourceType":"Appointment","status":"booked","modifierExtension":[{"url":"https://ehr.example/not"}]}`)
	if got := readAppointment(t, modified, site).State; got != callback.ApptUnknown {
		t.Errorf("a modified meaning was read as %s", got)
	}
}

func readAppointment(t testing.TB, raw []byte, s mapping.Site) callback.Appointment {
	t.Helper()
	a, err := mapping.Appointment(raw, s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestAppointmentIsReducedToWhatMatchingNeeds(t *testing.T) {
	a := readAppointment(t, []byte(`{"resourceType":"Appointment","id":"appt-5","meta":{"versionId":"2","lastUpdated":"2026-11-23T16:00:00Z"},
		"identifier":[{"system":"https://ehr.example/visit","value":"urn:uuid:01920000-0000-7000-8000-0000000000ff"},
			{"system":"urn:ietf:rfc:3986","value":"URN:UUID:01920000-0000-7000-8000-000000000002"},{"system":"urn:ietf:rfc:3986","value":"urn:oid:1.2"}],
		"status":"booked","serviceCategory":[{"text":"Dental "}],"serviceType":[{"coding":[{"code":"NP","display":"New Patient"}],"text":"dental"}],
		"appointmentType":{"coding":[{"code":"ROUTINE"}]},"reasonCode":[{"coding":[{"code":"Z01"}],"text":"Ann Lee has a toothache"}],
		"supportingInformation":[{"reference":"Task/task-1"},{"reference":"Task/task-1/_history/2"},{"reference":"DocumentReference/1"},{"reference":"https://other.example/fhir/Task/3"}],
		"start":"2026-11-25T09:00:00-05:00","end":"2026-11-25T09:30:00-05:00","created":"2026-11-23T15:00:00Z",
		"participant":[{"actor":{"reference":"Practitioner/1"},"status":"accepted"},{"actor":{"reference":"Patient/old"},"status":"declined"},
			{"actor":{"reference":"Patient/pat-1"},"status":"accepted"},{"actor":{"reference":"https://ehr.example/fhir/Patient/pat-1"},"status":"tentative"}]}`), site)
	if a.Patient.Reveal() != "pat-1" || a.Patients != 1 {
		t.Errorf("%d patients", a.Patients)
	}
	if !slices.Equal(a.Kinds, []string{"dental", "np", "new patient", "routine", "z01"}) {
		t.Errorf("kinds %q", a.Kinds)
	}
	if !slices.Equal(a.Markers, []callback.Marker{visitLink.Marker()}) || !slices.Equal(a.Tasks, []string{"task-1"}) {
		t.Errorf("markers %v, tasks %v", a.Markers, a.Tasks)
	}
	if a.Clinic != "main-street" || a.EHR != "ehr" || a.ID != "appt-5" || a.Version != "2" || a.Updated.Hour() != 16 {
		t.Errorf("%s %s %s %s %s", a.Clinic, a.EHR, a.ID, a.Version, a.Updated)
	}
	if !a.Start.Equal(time.Date(2026, 11, 25, 14, 0, 0, 0, time.UTC)) || a.End.Sub(a.Start) != 30*time.Minute || !a.Created.Equal(monday.Add(time.Hour)) {
		t.Errorf("%s to %s, created %s", a.Start, a.End, a.Created)
	}
	family := readAppointment(t, []byte(`{"resourceType":"Appointment","status":"booked","participant":[
		{"actor":{"reference":"Patient/1"},"status":"accepted"},{"actor":{"reference":"Patient/2"},"status":"needs-action"}]}`), site)
	if family.Patients != 2 || family.Patient.Reveal() != "1" {
		t.Errorf("%d patients", family.Patients)
	}
}

// TestBookingTime: what is not told exactly is told as the span that it may mean, by the
// clinic's wall clock.
func TestBookingTime(t *testing.T) {
	eastern, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	ny := site
	ny.Zone = eastern
	for created, want := range map[string]struct {
		from string
		span time.Duration
	}{
		"":                            {"", 0},
		"2026-11-23T10:15:30.5-05:00": {"2026-11-23T15:15:30.5Z", 0},
		"2026-11-23T10:15:30":         {"2026-11-23T15:15:30Z", time.Second},
		"2026-11-23":                  {"2026-11-23T05:00:00Z", 24 * time.Hour},
		"2026-03-08":                  {"2026-03-08T05:00:00Z", 23 * time.Hour}, // clocks go forward
		"2026-11-01":                  {"2026-11-01T04:00:00Z", 25 * time.Hour}, // and back
		"2026-11-01T01:30:00":         {"2026-11-01T05:30:00Z", time.Hour + time.Second},
		"2026-11-01T01:30:00-05:00":   {"2026-11-01T06:30:00Z", 0},
		"2026-11-01T00:59:59":         {"2026-11-01T04:59:59Z", time.Second},
		"2026-11-01T02:00:00":         {"2026-11-01T07:00:00Z", time.Second},
		"2026-02":                     {"2026-02-01T05:00:00Z", 28 * 24 * time.Hour},
		"2025":                        {"2025-01-01T05:00:00Z", 365 * 24 * time.Hour},
	} {
		raw := with(t, []byte(`{"resourceType":"Appointment","status":"booked"}`), map[string]any{"created": omitEmpty(created)})
		a := readAppointment(t, raw, ny)
		from := ""
		if !a.Created.IsZero() {
			from = a.Created.UTC().Format(time.RFC3339Nano)
		}
		if from != want.from || a.CreatedSpan != want.span {
			t.Errorf("%q: got %s and %s, want %s and %s", created, from, a.CreatedSpan, want.from, want.span)
		}
	}
}

// TestReplacedAndMadeUp: R5 has a member for the appointment that this one replaces, R4
// an extension or nothing; and what is made up for testing says so.
func TestReplacedAndMadeUp(t *testing.T) {
	for member, want := range map[string]struct {
		replaces []string
		test     bool
	}{
		`"replaces":[{"reference":"Appointment/a0"}]`: {[]string{"a0"}, false},
		`"extension":[{"url":"http://hl7.org/fhir/5.0/StructureDefinition/extension-Appointment.replaces","valueReference":{"reference":"Appointment/a0"}},
			{"url":"https://ehr.example/other","valueReference":{"reference":"Appointment/a9"}}]`: {[]string{"a0"}, false},
		`"supportingInformation":[{"reference":"Appointment/a0"},{"reference":"https://other.example/fhir/Appointment/a9"}],"replaces":[{"reference":"Appointment/a0"}]`: {[]string{"a0"}, false},
		`"meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActReason","code":"HTEST"}]}`:                                                           {nil, true},
		`"meta":{"security":[{"code":"R"}]}`: {nil, false},
	} {
		a := readAppointment(t, []byte(`{"resourceType":"Appointment","status":"booked",`+member+`}`), site)
		if !slices.Equal(a.Replaces, want.replaces) || a.Test != want.test {
			t.Errorf("%s: replaces %q, test %t", member, a.Replaces, a.Test)
		}
	}
}

func omitEmpty(s string) any {
	if s == "" {
		return nil
	}
	return s
}
