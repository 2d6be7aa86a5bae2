package mapping_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/redact"
	"github.com/ringback-health/ringback/mapping"
)

// anyWorkItem draws a callback in any state that the ledger can hold; all of one
// test are the same callback at different times.
func anyWorkItem(t *rapid.T, label string) callback.WorkItem {
	pick := func(what string, list []string) string { return rapid.SampledFrom(list).Draw(t, label+" "+what) }
	maybe := func(what string) bool { return rapid.Bool().Draw(t, label+" "+what) }
	words := func(what string) redact.Text { return text(rapid.StringN(0, 20, -1).Draw(t, label+" "+what)) }
	moment := func(what string) time.Time {
		return monday.Add(time.Duration(rapid.Int64Range(0, int64(48*time.Hour)).Draw(t, label+" "+what)))
	}
	c := callback.Callback{
		ID: "01920000-0000-7000-8000-0000000000aa", Clinic: "main-street", ReceivedAt: monday, CapturedAt: monday,
		Caller: callback.Caller{Name: words("name"), Phone: text(pick("phone", []string{"", "+15555550101"})),
			BirthDate: text(pick("birth date", []string{"", "1980-02-29", "unknown"}))},
		Category: rapid.SampledFrom(callback.Categories).Draw(t, label+" category"),
		Priority: rapid.SampledFrom(callback.Priorities).Draw(t, label+" priority"),
		Status:   rapid.SampledFrom(callback.Statuses).Draw(t, label+" status"),
		Owner:    pick("owner", []string{"front-desk", "billing", "night-nurse", "Practitioner/7"}),
		Text:     words("text"), VisitKind: words("visit kind").Reveal(),
		Repeats: rapid.IntRange(0, 3).Draw(t, label+" repeats"),
	}
	if maybe("due") {
		c.DueAt = moment("due at").Add(-time.Hour) // also before the request
	}
	if maybe("bound") {
		c.Patient = callback.Patient{Keys: callback.PatientKeys{EHRID: text(pick("chart", []string{"pat-1", "pat-2"}))},
			Resolution: callback.Certain, How: pick("how", []string{"mrn", "staff"})}
	}
	if maybe("reopened") {
		c.ReopenedAt = moment("reopened at")
	}
	for i := range rapid.IntRange(0, 2).Draw(t, label+" preferred") {
		c.Preferred = append(c.Preferred, callback.Period{Start: monday.Add(time.Duration(i) * time.Hour), End: moment("until")})
	}
	w := callback.WorkItem{Link: taskLink, Callback: c, Proposal: pick("proposal", []string{"", "prop-1"})}
	if c.Status == callback.Closed {
		w.Callback.Outcome = rapid.SampledFrom(callback.ClosingOutcomes).Draw(t, label+" outcome")
		w.Callback.ClosedAt = moment("closed at")
		if w.Callback.Outcome == callback.Booked {
			w.Visit, w.Sentence = "appt-5", "It fits."
		}
	}
	for i := range rapid.IntRange(0, 3).Draw(t, label+" attempts") {
		w.Attempts = append(w.Attempts, callback.Attempt{At: monday.Add(time.Duration(i) * time.Minute), By: kim, Channel: "phone",
			Result: rapid.SampledFrom(callback.AttemptResults).Draw(t, label+" result"), Note: words("note")})
	}
	return w
}

// anyForeign puts members of others into a Task.
func anyForeign(t *rapid.T, raw []byte) []byte {
	m := map[string]json.RawMessage{}
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	for i := range rapid.IntRange(0, 4).Draw(t, "foreign members") {
		value := rapid.SampledFrom([]string{`{"b":  1.10,"a":[null]}`, `"<x>&\u00e4"`, `[1e2, -0.0]`, `true`}).Draw(t, "foreign value")
		m[fmt.Sprintf("vendor%d", i)] = json.RawMessage(value)
	}
	m["id"] = json.RawMessage(`"task-1"`)
	m["meta"] = json.RawMessage(`{"versionId":"7"}`)
	var out bytes.Buffer
	out.WriteString(`{"resourceType":"Task"`)
	delete(m, "resourceType")
	for _, name := range slices.Sorted(maps.Keys(m)) {
		fmt.Fprintf(&out, ",%q: %s", name, m[name])
	}
	out.WriteString("}")
	return out.Bytes()
}

func mustEdit(t *rapid.T, current []byte, w callback.WorkItem) ([]byte, bool) {
	edited, changed, err := mapping.EditTask(current, w, site)
	if err != nil {
		t.Fatal(err)
	}
	return edited, changed
}

func newTask(t *rapid.T, w callback.WorkItem) []byte {
	task, err := mapping.Task(w, site)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(task)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func itemOf(t *rapid.T, raw []byte) callback.Item {
	item, err := mapping.Item(raw, site)
	if err != nil {
		t.Fatal(err)
	}
	return item
}

func TestEveryCallbackBecomesATaskThatReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := anyWorkItem(t, "callback")
		item := itemOf(t, newTask(t, w))
		if !slices.Equal(item.Markers, []callback.Marker{w.Link.Marker()}) {
			t.Fatalf("markers %v", item.Markers)
		}
		if item.State.Owner != w.Callback.Owner || item.State.Priority != w.Callback.Priority || len(item.Notes) != 0 {
			t.Fatalf("state %+v", item.State)
		}
		if item.Outcome != w.Callback.Outcome {
			t.Fatalf("outcome %q, want %q", item.Outcome, w.Callback.Outcome)
		}
	})
}

func TestEditIsIdempotent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		current := anyForeign(t, newTask(t, anyWorkItem(t, "before")))
		w := anyWorkItem(t, "after")
		edited, _ := mustEdit(t, current, w)
		again, changed := mustEdit(t, edited, w)
		if changed || !bytes.Equal(again, edited) {
			t.Fatalf("changed again:\n%s\n%s", edited, again)
		}
	})
}

// TestEditLeadsToTheSameAsFilingAnew: level, not edge. Whatever stood there
// before, the state that both sides compare is that of the callback now.
func TestEditLeadsToTheSameAsFilingAnew(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		current := anyForeign(t, newTask(t, anyWorkItem(t, "before")))
		w := anyWorkItem(t, "after")
		edited, _ := mustEdit(t, current, w)
		got, want := itemOf(t, edited), itemOf(t, newTask(t, w))
		if w.Callback.DueAt.IsZero() { // what is due stays as it was where Ringback has nothing to say
			got.State.Due = want.State.Due
		}
		if !reflect.DeepEqual(got.State, want.State) || got.Outcome != want.Outcome {
			t.Fatalf("edited %+v %q, anew %+v %q", got.State, got.Outcome, want.State, want.Outcome)
		}
		if w.Visit != "" && !slices.Contains(got.Appointments, w.Visit) {
			t.Fatalf("the visit is not in %v", got.Appointments)
		}
		if w.Visit == "" && slices.Contains(got.Appointments, "appt-5") {
			t.Fatal("the visit of an earlier closing is still there")
		}
	})
}

func TestForeignMembersSurvive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		current := anyForeign(t, newTask(t, anyWorkItem(t, "before")))
		edited, _ := mustEdit(t, current, anyWorkItem(t, "after"))
		var before, after map[string]json.RawMessage
		if err := json.Unmarshal(current, &before); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(edited, &after); err != nil {
			t.Fatal(err)
		}
		for name, value := range before {
			owned := slices.Contains([]string{"identifier", "status", "businessStatus", "priority", "code", "description",
				"focus", "for", "owner", "note", "restriction", "input", "output"}, name)
			if !owned && !bytes.Equal(after[name], value) {
				t.Fatalf("%s was %s and is %s", name, value, after[name])
			}
			if name != "output" && after[name] == nil {
				t.Fatalf("%s was removed", name)
			}
		}
	})
}

// TestNothingIsTakenFromAList: what stood in a list of people's own stays in it,
// in its order.
func TestNothingIsTakenFromAList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		current := newTask(t, anyWorkItem(t, "before"))
		m := map[string]json.RawMessage{}
		if err := json.Unmarshal(current, &m); err != nil {
			t.Fatal(err)
		}
		theirs := map[string]string{
			"identifier": `{"system":"https://ehr.example/inbox","value":"4711"}`,
			"note":       `{"text":"Mother called.","time":"2026-11-23T15:10:00Z","extension":[{"url":"https://ehr.example/n","valueDecimal":1.0}]}`,
			"input":      `{"type":{"text":"form"},"valueQuantity":{"value":2.50}}`,
			"output":     `{"type":{"coding":[{"system":"https://ehr.example/out","code":"outcome"}]},"valueString":"ok"}`,
		}
		for name, value := range theirs {
			var list []json.RawMessage
			if m[name] != nil {
				if err := json.Unmarshal(m[name], &list); err != nil {
					t.Fatal(err)
				}
			}
			at := rapid.IntRange(0, len(list)).Draw(t, "place in "+name)
			raw, err := json.Marshal(slices.Insert(list, at, json.RawMessage(value)))
			if err != nil {
				t.Fatal(err)
			}
			m[name] = raw
		}
		current, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		edited, _ := mustEdit(t, current, anyWorkItem(t, "after"))
		for name, value := range theirs {
			if !bytes.Contains(edited, []byte(value)) {
				t.Fatalf("the %s of others is gone: %s", name, edited)
			}
		}
	})
}

// FuzzReadAndEdit: nothing that a server sends makes a reader or an edit panic,
// and an edit that succeeds is idempotent.
func FuzzReadAndEdit(f *testing.F) {
	f.Add([]byte(`{"resourceType":"Task","status":"ready","intent":"order","output":[null,{}],"code":{"coding":[null]},"restriction":null}`))
	f.Add([]byte(`{"resourceType":"Appointment","status":"proposed","participant":[{"actor":{"display":"x"}}],"created":"2026"}`))
	f.Add([]byte(`{"resourceType":"Patient","telecom":[{"system":"phone","value":"+"}],"link":[{}]}`))
	f.Add([]byte(`{"resourceType":"Task","status":"completed","businessStatus":{"coding":"x"},"note":[{"text":"Attempt 1:","time":"2026-11-23T14:00:00Z"}]}`))
	w := callback.WorkItem{Link: taskLink, Proposal: "prop-1", Callback: callback.Callback{Status: callback.Closed, Outcome: callback.Booked,
		Category: callback.Other, Priority: callback.Urgent, Owner: "front-desk", ReceivedAt: monday, DueAt: monday.Add(time.Hour), ClosedAt: monday}}
	f.Fuzz(func(t *testing.T, raw []byte) {
		_, _ = mapping.Item(raw, site)
		_, _ = mapping.Appointment(raw, site)
		_, _ = mapping.Chart(raw, site)
		for _, edit := range []func([]byte, callback.WorkItem, mapping.Site) ([]byte, bool, error){mapping.EditTask, mapping.EditProposal} {
			edited, _, err := edit(raw, w, site)
			if err != nil {
				continue
			}
			if again, changed, err := edit(edited, w, site); err != nil || changed {
				t.Errorf("edited again: %t, %v\n%s\n%s", changed, err, edited, again)
			}
		}
	})
}
