package mapping_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/mapping"
)

// atEHR returns the Task as an EHR holds it after people and other systems had
// their hands on it.
func atEHR(t testing.TB, raw []byte) []byte {
	t.Helper()
	m := members(t, raw)
	list := func(name string, more any) json.RawMessage {
		var all []json.RawMessage
		if m[name] != nil {
			if err := json.Unmarshal(m[name], &all); err != nil {
				t.Fatal(err)
			}
		}
		return marshal(t, append([]json.RawMessage{marshal(t, more)}, all...))
	}
	return with(t, raw, map[string]any{
		"id":           "task-1",
		"meta":         map[string]any{"versionId": "3", "lastUpdated": "2026-11-23T15:30:00.123Z", "profile": []string{"https://ehr.example/StructureDefinition/inbox"}},
		"contained":    json.RawMessage(`[{"resourceType":"Practitioner","id":"p","name":[{"family":"Ng"}]}]`),
		"extension":    json.RawMessage(`[{"url":"https://ehr.example/weight","valueDecimal":1.10}]`),
		"vendorOwn":    json.RawMessage(`{"b": 1, "a":  [1e2]}`),
		"statusReason": map[string]any{"text": "see the folder"},
		"identifier":   list("identifier", map[string]any{"system": "https://ehr.example/inbox", "value": "4711"}),
		"note":         list("note", map[string]any{"authorReference": map[string]any{"reference": "Practitioner/ng"}, "time": "2026-11-23T15:10:00Z", "text": "Mother called."}),
		"input":        list("input", map[string]any{"type": map[string]any{"text": "form"}, "valueInteger": 7}),
		"output":       list("output", map[string]any{"type": map[string]any{"text": "letter"}, "valueReference": map[string]any{"reference": "DocumentReference/9"}}),
		"_authoredOn":  json.RawMessage(`{"extension":[{"url":"https://ehr.example/clock","valueString":"front"}]}`),
	})
}

// foreign are the members of atEHR that nobody but the EHR may change.
var foreign = []string{"id", "meta", "contained", "extension", "vendorOwn", "statusReason", "_authoredOn", "intent", "authoredOn", "resourceType"}

// edits are what is sent for a Task that stands in the EHR, when the callback has
// moved on.
var edits = []struct {
	name     string
	from, to func(t *testing.T) *story
	staff    map[string]any // what people changed meanwhile, beside atEHR
}{
	{name: "edit-closed-booked", from: told("task-with-proposal"), to: told("task-closed-booked")},
	{name: "edit-reopened", from: told("task-closed-booked"), to: told("task-reopened")},
	{name: "edit-late-patient", from: told("task-new-patient-form"), to: told("task-late-patient")},
	{name: "edit-owner-and-category", from: told("task-missed-call"), to: func(t *testing.T) *story {
		s := told("task-missed-call")(t)
		s.must(s.Triage(callback.Clinical, callback.ASAP, monday.Add(15*time.Minute), "test", kim, monday.Add(time.Minute)))
		return s.assigned("billing")
	}, staff: map[string]any{
		"code":        json.RawMessage(`{"coding":[{"system":"https://ehr.example/kinds","code":"PHONE","userSelected":true},{"system":"https://ringback-health.github.io/fhir/CodeSystem/task-kind","code":"callback"},{"system":"https://ringback-health.github.io/fhir/CodeSystem/callback-category","code":"other"}],"text":"Phone call","extension":[{"url":"https://ehr.example/x","valueBoolean":true}]}`),
		"restriction": json.RawMessage(`{"repetitions":1,"period":{"end":"2026-11-30"},"recipient":[{"reference":"Patient/9"}]}`),
	}},
	{name: "edit-accepted-by-staff", from: told("task-new-patient-form"), to: told("task-late-patient"),
		staff: map[string]any{"status": "accepted", "businessStatus": map[string]any{"text": "Ng has it"}, "description": "Rewritten by staff."}},
}

func told(name string) func(t *testing.T) *story {
	for _, s := range stories {
		if s.name == name {
			return s.tell
		}
	}
	panic("no story " + name)
}

func TestEditGolden(t *testing.T) {
	for _, tt := range edits {
		t.Run(tt.name, func(t *testing.T) {
			current := atEHR(t, taskJSON(t, tt.from(t).item(taskLink)))
			current = with(t, current, tt.staff)
			edited, changed := editTask(t, current, tt.to(t).item(taskLink))
			if !changed {
				t.Fatal("nothing was changed")
			}
			golden(t, tt.name, edited)
			before, after := members(t, current), members(t, edited)
			for _, name := range foreign {
				if !bytes.Equal(before[name], after[name]) {
					t.Errorf("%s was %s and is %s", name, before[name], after[name])
				}
			}
			again, changed := editTask(t, edited, tt.to(t).item(taskLink))
			if changed {
				t.Errorf("a second edit changes it again:\n%s\n%s", edited, again)
			}
		})
	}
}

// TestEditLeavesWhatIsRight: where nothing differs the very bytes come back, so
// that no write is sent.
func TestEditLeavesWhatIsRight(t *testing.T) {
	for _, tt := range stories {
		w := tt.tell(t).item(taskLink)
		current := append([]byte("  "), atEHR(t, taskJSON(t, w))...)
		edited, changed := editTask(t, current, w)
		if changed || !bytes.Equal(edited, current) {
			t.Errorf("%s: changed %t\n%s\n%s", tt.name, changed, current, edited)
		}
	}
}

// TestStatusMovesBetweenClassesOnly tries every R4 status against every state of
// a callback.
func TestStatusMovesBetweenClassesOnly(t *testing.T) {
	open := []string{"draft", "requested", "received", "accepted", "ready"}
	over := []string{"completed", "cancelled", "rejected", "failed"}
	stays := map[string][]string{
		"ready": open, "in-progress": {"in-progress"}, "on-hold": {"on-hold"},
		// Staff have ended it in their own way: theirs stands.
		"completed": over, "cancelled": over,
	}
	for _, have := range []string{"draft", "requested", "received", "accepted", "ready", "in-progress", "on-hold", "completed", "cancelled", "rejected", "failed"} {
		for want, kept := range stays {
			t.Run(have+" to "+want, func(t *testing.T) {
				s := told("task-missed-call")(t)
				current := with(t, taskJSON(t, s.item(taskLink)), map[string]any{"status": have})
				switch want {
				case "in-progress":
					s.must(s.Start(kim, monday))
				case "on-hold":
					s.must(s.Wait(kim, monday))
				case "completed":
					s.must(s.Close(callback.AnsweredQuestion, text(""), kim, monday))
				case "cancelled":
					s.must(s.Close(callback.Spam, text(""), kim, monday))
				}
				expected := want
				for _, k := range kept {
					if k == have {
						expected = have
					}
				}
				edited, _ := editTask(t, current, s.item(taskLink))
				if got := string(members(t, edited)["status"]); got != `"`+expected+`"` {
					t.Errorf("got %s, want %s", got, expected)
				}
			})
		}
	}
}

// TestOurOwnEndIsCorrected: where the business status says in our code that it is
// closed, Ringback had ended it and may say it differently.
func TestOurOwnEndIsCorrected(t *testing.T) {
	dup := told("task-closed-duplicate")(t).item(taskLink)
	current := taskJSON(t, dup)
	dup.Callback.Outcome = callback.AlreadyResolved
	edited, _ := editTask(t, current, dup)
	if got := readItem(t, edited); got.State.Native != "completed" || got.Outcome != callback.AlreadyResolved {
		t.Errorf("status %s, outcome %s", got.State.Native, got.Outcome)
	}
}

func TestEditLeavesAloneWhatItMustNotTouch(t *testing.T) {
	w := told("task-closed-booked")(t).item(taskLink)
	current := atEHR(t, taskJSON(t, told("task-new-patient-form")(t).item(taskLink)))
	void := with(t, current, map[string]any{"status": "entered-in-error"})
	if edited, changed := editTask(t, void, w); changed || !bytes.Equal(edited, void) {
		t.Error("a Task that was entered in error was edited")
	}
	for name, set := range map[string]map[string]any{
		"unknown status":     {"status": "postponed"},
		"status with PHI":    {"status": "call Ann Lee"},
		"modifier extension": {"modifierExtension": json.RawMessage(`[{"url":"https://ehr.example/not","valueBoolean":true}]`)},
	} {
		_, _, err := mapping.EditTask(with(t, current, set), w, site)
		if !errors.Is(err, mapping.ErrNotUnderstood) {
			t.Errorf("%s: %v", name, err)
		} else if strings.Contains(err.Error(), "Ann") {
			t.Errorf("%s: the error quotes the server: %v", name, err)
		}
	}
	if _, _, err := mapping.EditTask([]byte(`{"resourceType":"OperationOutcome"}`), w, site); err == nil {
		t.Error("an OperationOutcome was edited")
	}
	if _, _, err := mapping.EditTask(with(t, current, map[string]any{"output": "none"}), w, site); err == nil {
		t.Error("a Task whose output is no list was edited")
	}
}

// TestWhoseChartItIs: a wrong chart on an open Task is the worst mistake an edit
// could make.
func TestWhoseChartItIs(t *testing.T) {
	tests := []struct {
		name, in string
		how      string
		bound    bool
		want     string
	}{
		{"absent is filled", "", "name+birthdate", true, "Patient/pat-1"},
		{"absent stays absent while uncertain", "", "", false, ""},
		{"the same stays", "Patient/pat-1", "mrn", true, "Patient/pat-1"},
		{"the same in absolute form stays", "https://ehr.example/fhir/Patient/pat-1", "mrn", true, "https://ehr.example/fhir/Patient/pat-1"},
		{"what staff chose is not replaced by automation", "Patient/pat-2", "name+birthdate", true, "Patient/pat-2"},
		{"what a person said in Ringback is written", "Patient/pat-2", "staff", true, "Patient/pat-1"},
		{"uncertain removes nothing", "Patient/pat-2", "", false, "Patient/pat-2"},
		{"a mere name is replaced", "#name", "mrn", true, "Patient/pat-1"},
		{"a chart of another server is not ours", "https://other.example/fhir/Patient/pat-1", "mrn", true, "Patient/pat-1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := told("task-missed-call")(t)
			set := map[string]any{}
			if tt.in == "#name" {
				set["for"] = map[string]any{"display": "Ann Lee"}
			} else if tt.in != "" {
				set["for"] = map[string]any{"reference": tt.in}
			}
			current := with(t, taskJSON(t, s.item(taskLink)), set)
			if tt.bound {
				s.bound("pat-1").Patient.How = tt.how
			}
			edited, _ := editTask(t, current, s.item(taskLink))
			var got struct {
				For struct{ Reference string }
			}
			if err := json.Unmarshal(edited, &got); err != nil {
				t.Fatal(err)
			}
			if got.For.Reference != tt.want {
				t.Errorf("got %q, want %q", got.For.Reference, tt.want)
			}
		})
	}
}

// TestNotesAreNotRepeated: a server that signs our notes in its own name, or
// rewrites times, must not make them grow.
func TestNotesAreNotRepeated(t *testing.T) {
	w := told("task-attempts")(t).item(taskLink)
	current := taskJSON(t, w)
	signed := strings.ReplaceAll(string(current), `"authorString":"Ringback"`, `"authorReference":{"reference":"Device/ringback"}`)
	signed = strings.ReplaceAll(signed, `"2026-11-23T14:20:00Z"`, `"2026-11-23T09:20:00.000-05:00"`)
	if signed == string(current) || !strings.Contains(signed, "-05:00") {
		t.Fatal("the notes do not look as this test expects")
	}
	if edited, changed := editTask(t, []byte(signed), w); changed {
		t.Errorf("notes were added again:\n%s", edited)
	}
}

// TestEachNoteIsToldOnce: what differs by time or by number alone is not the same.
func TestEachNoteIsToldOnce(t *testing.T) {
	s := told("task-missed-call")(t)
	current := taskJSON(t, s.item(taskLink))
	notesIn := func(w callback.WorkItem) int {
		current, _ = editTask(t, current, w)
		return strings.Count(string(members(t, current)["note"]), `"Ringback"`)
	}
	if n := notesIn(s.attempted(time.Minute, callback.NoAnswer, "").item(taskLink)); n != 1 {
		t.Fatalf("%d notes", n)
	}
	if n := notesIn(s.attempted(time.Minute, callback.NoAnswer, "").item(taskLink)); n != 2 {
		t.Errorf("%d notes after a second attempt within the same second", n)
	}
	s.must(s.Close(callback.AlreadyResolved, text(""), kim, monday.Add(time.Hour)))
	s.must(s.Reopen("test", text(""), kim, monday.Add(2*time.Hour)))
	s.must(s.Close(callback.AlreadyResolved, text(""), kim, monday.Add(3*time.Hour)))
	if n := notesIn(s.item(taskLink)); n != 4 {
		t.Errorf("%d notes after closing, reopening and closing", n)
	}
	s.must(s.Reopen("test", text(""), kim, monday.Add(4*time.Hour)))
	s.must(s.Close(callback.AlreadyResolved, text(""), kim, monday.Add(5*time.Hour)))
	if n := notesIn(s.item(taskLink)); n != 6 {
		t.Errorf("%d notes after doing it all again", n)
	}
}

// TestMarkerComesBack: whoever drops the marker makes the next search miss it.
func TestMarkerComesBack(t *testing.T) {
	w := told("task-missed-call")(t).item(taskLink)
	current := with(t, taskJSON(t, w), map[string]any{"identifier": []any{map[string]any{"system": "https://ehr.example/inbox", "value": "4711"}}})
	edited, changed := editTask(t, current, w)
	if got := readItem(t, edited).Markers; !changed || len(got) != 1 || got[0] != taskLink.Marker() {
		t.Errorf("markers %v", got)
	}
}
