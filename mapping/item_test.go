package mapping_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/mapping"
)

// TestEveryTaskStatusIsRead is the table of R4 task-status.
func TestEveryTaskStatusIsRead(t *testing.T) {
	base := taskJSON(t, told("task-missed-call")(t).item(taskLink))
	for code, want := range map[string]callback.ItemStatus{
		"draft": callback.ItemOpen, "requested": callback.ItemOpen, "received": callback.ItemOpen,
		"accepted": callback.ItemOpen, "ready": callback.ItemOpen,
		"in-progress": callback.ItemInProgress, "on-hold": callback.ItemOnHold,
		"completed": callback.ItemDone, "cancelled": callback.ItemCancelled, "rejected": callback.ItemRejected,
		"failed": callback.ItemFailed, "entered-in-error": callback.ItemVoid,
		"postponed": "", "READY": "", "call Ann Lee": "",
	} {
		got := readItem(t, with(t, base, map[string]any{"status": code})).State
		native := code
		if want == "" && code != "postponed" {
			native = "unreadable"
		}
		if got.Status != want || got.Native != native {
			t.Errorf("%s: got %q %q, want %q %q", code, got.Status, got.Native, want, native)
		}
	}
	modified := with(t, base, map[string]any{"modifierExtension": json.RawMessage(`[{"url":"https://ehr.example/not","valueBoolean":true}]`)})
	if got := readItem(t, modified).State; got.Status != "" || got.Native != "ready" {
		t.Errorf("a modified meaning was read as %q", got.Status)
	}
}

func TestItemReadsWhatStaffDid(t *testing.T) {
	raw := with(t, atEHR(t, taskJSON(t, told("task-with-proposal")(t).item(taskLink))), map[string]any{
		"status": "completed", "priority": "stat",
		"owner":          map[string]any{"reference": "https://ehr.example/fhir/CareTeam/billing/_history/3"},
		"for":            map[string]any{"reference": "Patient/pat-2"},
		"businessStatus": map[string]any{"text": "Patient declined"},
		"output":         json.RawMessage(`[{"type":{"text":"visit"},"valueReference":{"reference":"Appointment/appt-8"}},{"type":{"text":"again"},"valueReference":{"reference":"Appointment/appt-8"}}]`),
	})
	i := readItem(t, raw)
	if i.ID != "task-1" || i.Version != "3" || i.UpdatedAt.UnixMilli() != 1795447800123 || i.Type != callback.TaskResource {
		t.Errorf("%s %s version %s at %s", i.Type, i.ID, i.Version, i.UpdatedAt)
	}
	want := callback.ItemState{Status: callback.ItemDone, Native: "completed", Owner: "billing", Priority: callback.Stat, Notes: 1, Outcome: callback.PatientDeclined,
		Category: callback.NewPatient, Due: time.Date(2026, 11, 23, 15, 0, 0, 0, time.UTC)}
	if !reflect.DeepEqual(i.State, want) {
		t.Errorf("state %+v", i.State)
	}
	if i.Patient.Reveal() != "pat-2" || !slices.Equal(i.Appointments, []string{"prop-1", "appt-8"}) || i.Outcome != callback.PatientDeclined {
		t.Errorf("patient ok %t, appointments %v, outcome %s", i.Patient.Reveal() == "pat-2", i.Appointments, i.Outcome)
	}
	if len(i.Notes) != 1 || i.Notes[0].By != "Practitioner/ng" || i.Notes[0].Text.Reveal() != "Mother called." || i.Notes[0].At.IsZero() {
		t.Errorf("notes: %d", len(i.Notes))
	}
	if !slices.Equal(i.Markers, []callback.Marker{taskLink.Marker()}) || string(i.Raw) != string(raw) {
		t.Errorf("markers %v", i.Markers)
	}
}

// TestWhoChangedAnItem: some servers say it in meta.author, which R4 does not have.
func TestWhoChangedAnItem(t *testing.T) {
	base := atEHR(t, taskJSON(t, told("task-captured-only")(t).item(taskLink)))
	for author, want := range map[string]string{
		`{"reference":"Practitioner/ng","display":"N. G."}`: "Practitioner/ng", `{"display":"Front desk"}`: "Front desk",
		`{"reference":"Patient/p1"}`: "Patient", `7`: "", `{"reference":7}`: "",
	} {
		raw := with(t, base, map[string]any{"meta": json.RawMessage(`{"versionId":"3","author":` + author + `}`)})
		if got := readItem(t, raw).By; got != want {
			t.Errorf("%s: %q, want %q", author, got, want)
		}
	}
}

// TestWhenAnItemIsDue: a day means all of it, in the zone of the site (here UTC).
func TestWhenAnItemIsDue(t *testing.T) {
	base := taskJSON(t, told("task-captured-only")(t).item(taskLink))
	for end, want := range map[string]string{
		"2026-11-24T10:00:00Z": "2026-11-24T10:00:00Z", "2026-11-24T10:00:00.750-05:00": "2026-11-24T15:00:00Z",
		"2026-11-24": "2026-11-25T00:00:00Z",
	} {
		raw := with(t, base, map[string]any{"restriction": json.RawMessage(`{"period":{"end":"` + end + `"}}`)})
		if got := readItem(t, raw).State.Due.UTC().Format(time.RFC3339); got != want {
			t.Errorf("%s: %s, want %s", end, got, want)
		}
	}
}

func TestOwnerIsReadAsTheClinicNamesIt(t *testing.T) {
	base := taskJSON(t, told("task-captured-only")(t).item(taskLink))
	for _, tt := range []struct {
		name string
		in   any
		want string
	}{
		{"known", map[string]any{"reference": "Organization/desk"}, "front-desk"},
		{"unknown reference", map[string]any{"reference": "Practitioner/7", "display": "Dr. Ng"}, "Practitioner/7"},
		{"display only", map[string]any{"display": "Dr. Ng"}, "Dr. Ng"},
		{"identifier only", map[string]any{"identifier": map[string]any{"system": "http://hl7.org/fhir/sid/us-npi", "value": "123"}}, "123"},
		{"the same id elsewhere", map[string]any{"reference": "https://other.example/Organization/desk"}, "https://other.example/Organization/desk"},
		{"another type", map[string]any{"reference": "Practitioner/desk"}, "Practitioner/desk"},
		{"a patient is not named", map[string]any{"reference": "Patient/pat-1", "display": "Ann Lee"}, "Patient"},
		{"nobody", nil, ""},
	} {
		raw := with(t, base, map[string]any{"owner": tt.in})
		if got := readItem(t, raw).State.Owner; got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
		// What was read and taken over is not written again, whoever it is.
		s := told("task-captured-only")(t)
		s.Owner = tt.want
		if edited, changed := editTask(t, raw, s.item(taskLink)); changed {
			t.Errorf("%s: taken over and written again: %s", tt.name, members(t, edited)["owner"])
		}
	}
}

// TestPriorityThatIsNone: a server that drops it, or has words of its own, has not
// lowered it.
func TestPriorityThatIsNone(t *testing.T) {
	base := taskJSON(t, told("task-missed-call")(t).item(taskLink))
	for _, p := range []any{nil, "high", ""} {
		if got := readItem(t, with(t, base, map[string]any{"priority": p})).State.Priority; got != "" {
			t.Errorf("%v was read as %q", p, got)
		}
	}
}

func TestOutcomeIsReadWhereStaffWriteIt(t *testing.T) {
	ours := taskJSON(t, told("task-closed-booked")(t).item(taskLink))
	open := taskJSON(t, told("task-missed-call")(t).item(taskLink))
	coded := `{"coding":[{"system":"` + mapping.SystemOutcome + `","code":"referred-out"}]}`
	output := func(kind, value string) map[string]any {
		return map[string]any{"status": "completed", "output": json.RawMessage(`[null,{"type":{` + kind + `},` + value + `}]`)}
	}
	ourType := `"coding":[{"system":"` + mapping.SystemOutput + `","code":"outcome"}]`
	for _, tt := range []struct {
		name string
		raw  []byte
		set  map[string]any
		want callback.Outcome
	}{
		{"ours", ours, nil, callback.Booked},
		{"an open Task has not ended", ours, map[string]any{"status": "in-progress"}, ""},
		{"none", open, map[string]any{"status": "completed"}, ""},
		{"business status by words", open, map[string]any{"status": "cancelled", "businessStatus": map[string]any{"text": " Wrong Person "}}, callback.WrongPerson},
		{"business status by title", open, map[string]any{"status": "completed", "businessStatus": map[string]any{"text": "Question answered"}}, callback.AnsweredQuestion},
		{"business status by code", open, map[string]any{"status": "completed", "businessStatus": json.RawMessage(coded)}, callback.ReferredOut},
		{"status reason", open, map[string]any{"status": "rejected", "statusReason": map[string]any{"text": "spam"}}, callback.Spam},
		{"words that are no outcome", open, map[string]any{"status": "completed", "businessStatus": map[string]any{"text": "Ann Lee is fine"}}, ""},
		{"how an attempt ended does not close", open, map[string]any{"status": "completed", "businessStatus": map[string]any{"text": "left voicemail"}}, ""},
		{"nor by code", open, map[string]any{"status": "completed", "businessStatus": json.RawMessage(strings.ReplaceAll(coded, "referred-out", "left-voicemail"))}, ""},
		{"output by name", open, output(`"text":"Outcome"`, `"valueString":"patient declined"`), callback.PatientDeclined},
		{"output of our kind, string", open, output(ourType, `"valueString":"referred-out"`), callback.ReferredOut},
		{"output of our kind, concept", open, output(ourType, `"valueCodeableConcept":`+coded), callback.ReferredOut},
		{"output of our kind, number", open, output(ourType, `"valueInteger":4`), ""},
		{"words of staff go before ours", ours, map[string]any{"businessStatus": map[string]any{"text": "Duplicate"}}, callback.Duplicate},
	} {
		if got := readItem(t, with(t, tt.raw, tt.set)).Outcome; got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestStaffOutcomeIsNotWrittenOver: the outcome that was taken over is in the
// Task already, in whatever form.
func TestStaffOutcomeIsNotWrittenOver(t *testing.T) {
	s := told("task-missed-call")(t)
	output := json.RawMessage(`[{"type":{"coding":[{"system":"` + mapping.SystemOutput + `","code":"outcome"}]},"valueCodeableConcept":{"text":"Referred out"}}]`)
	current := with(t, taskJSON(t, s.item(taskLink)), map[string]any{"status": "failed", "output": output})
	s.must(s.Close(callback.ReferredOut, text(""), callback.Actor{Kind: callback.EHRStaff}, monday))
	edited, _ := editTask(t, current, s.item(taskLink))
	if m := members(t, edited); string(m["output"]) != string(output) || string(m["status"]) != `"failed"` {
		t.Errorf("status %s, output %s", m["status"], m["output"])
	}
}

func TestVersionWithoutAServerThatVersions(t *testing.T) {
	a := readItem(t, []byte(`{"resourceType":"Task","status":"ready","intent":"order","description":"x","priority":"urgent"}`))
	b := readItem(t, []byte(`{ "status":"ready", "resourceType":"Task","priority":"urgent","intent":"order", "description":"\u0078"}`))
	c := readItem(t, []byte(`{"resourceType":"Task","status":"ready","intent":"order","description":"y","priority":"urgent"}`))
	if a.Version != b.Version || a.Version == c.Version || !strings.HasPrefix(a.Version, mapping.HashedVersion) {
		t.Errorf("%s %s %s", a.Version, b.Version, c.Version)
	}
}

func TestItemOfSomethingElse(t *testing.T) {
	for _, raw := range []string{``, `{}`, `[]`, `<html>`, `{"resourceType":"OperationOutcome"}`, `{"resourceType":"Task"}`, `{"resourceType":"Task","status":"ready","for":7}`} {
		if _, err := mapping.Item([]byte(raw), site); err == nil {
			t.Errorf("%s was read as a work item", raw)
		}
	}
}
