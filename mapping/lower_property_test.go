package mapping_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/mapping"
)

// lowerCase is one kind of item in one kind of EHR, drawn.
func lowerCase(t *rapid.T) (callback.ResourceType, mapping.Site) {
	as := rapid.SampledFrom(lowerTypes).Draw(t, "type")
	s := lowerSite()
	if as == callback.CommunicationResource {
		s = rapid.SampledFrom([]mapping.Site{lowerSite(), messageSite()}).Draw(t, "site")
		s.Communication.Marker = rapid.SampledFrom([]mapping.MarkerPlace{mapping.MarkerIdentifier, mapping.MarkerTopic, mapping.MarkerPayload}).Draw(t, "marker")
		s.Communication.Attachment = rapid.Bool().Draw(t, "attachment")
	}
	return as, s
}

// anyLower draws a work item that can be filed as the type.
func anyLower(t *rapid.T, label string, as callback.ResourceType) callback.WorkItem {
	w := anyWorkItem(t, label)
	w.Link.Type = as
	if as == callback.ServiceRequestResource && w.Callback.Patient.Resolution != callback.Certain {
		w.Callback.Patient = callback.Patient{Keys: callback.PatientKeys{EHRID: text("pat-1")}, Resolution: callback.Certain, How: "mrn"}
	}
	return w
}

func lowerWritten(t *rapid.T, w callback.WorkItem, s mapping.Site) []byte {
	raw, err := mapping.Resource(w, s)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func lowerEdited(t *rapid.T, current []byte, w callback.WorkItem, s mapping.Site) ([]byte, bool) {
	raw, changed, err := mapping.Edit(current, w, s)
	if err != nil {
		t.Fatal(err)
	}
	return raw, changed
}

// foreignTo puts members of others into a resource, as anyForeign does for a Task.
func foreignTo(t *rapid.T, raw []byte) []byte {
	m := map[string]json.RawMessage{}
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	out := bytes.Replace(anyForeign(t, raw), []byte(`{"resourceType":"Task"`), []byte(`{"resourceType":`+string(m["resourceType"])), 1)
	return out
}

func TestLowerReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		as, s := lowerCase(t)
		w := anyLower(t, "callback", as)
		item, err := mapping.Item(lowerWritten(t, w, s), s)
		if err != nil {
			t.Fatal(err)
		}
		if item.Type != as || !slices.Equal(item.Markers, []callback.Marker{w.Link.Marker()}) || len(item.Notes) != 0 {
			t.Fatalf("%s, markers %v, %d notes", item.Type, item.Markers, len(item.Notes))
		}
		if !s.Communication.Message && item.State.Category != w.Callback.Category {
			t.Fatalf("category %q, want %q", item.State.Category, w.Callback.Category)
		}
		if !item.Patient.Equal(w.Callback.Patient.Keys.EHRID) {
			t.Fatal("another chart")
		}
	})
}

func TestLowerEditIsIdempotent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		as, s := lowerCase(t)
		current := foreignTo(t, lowerWritten(t, anyLower(t, "before", as), s))
		w := anyLower(t, "after", as)
		edited, _ := lowerEdited(t, current, w, s)
		again, changed := lowerEdited(t, edited, w, s)
		if changed || !bytes.Equal(again, edited) {
			t.Fatalf("changed again:\n%s\n%s", edited, again)
		}
	})
}

// TestLowerEditLeadsToTheSameAsFilingAnew, as far as R4 can tell who had ended it: an
// item that is over stays over in the way it was.
func TestLowerEditLeadsToTheSameAsFilingAnew(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		as, s := lowerCase(t)
		current := foreignTo(t, lowerWritten(t, anyLower(t, "before", as), s))
		w := anyLower(t, "after", as)
		edited, _ := lowerEdited(t, current, w, s)
		got, err := mapping.Item(edited, s)
		if err != nil {
			t.Fatal(err)
		}
		want, err := mapping.Item(lowerWritten(t, w, s), s)
		if err != nil {
			t.Fatal(err)
		}
		over := func(st callback.ItemStatus) bool { return st == callback.ItemDone || st == callback.ItemCancelled }
		if s.Communication.Message && as == callback.CommunicationResource {
			if over(got.State.Status) != (w.Callback.Status == callback.Closed) {
				t.Fatalf("a message is %s for a callback that is %s", got.State.Status, w.Callback.Status)
			}
			return // what a message says is never written again
		}
		if as == callback.ServiceRequestResource && over(got.State.Status) && over(want.State.Status) {
			got.State.Status, got.State.Native = want.State.Status, want.State.Native
		}
		if w.Callback.DueAt.IsZero() {
			got.State.Due = want.State.Due
		}
		g, x := got.State, want.State
		if g.Status != x.Status || g.Native != x.Native || g.Owner != x.Owner || g.Priority != x.Priority || g.Category != x.Category ||
			!g.Due.Equal(x.Due) || g.Told != x.Told || got.Outcome != want.Outcome {
			t.Fatalf("edited %+v %q, anew %+v %q", g, got.Outcome, x, want.Outcome)
		}
		if !slices.Equal(slices.Sorted(slices.Values(got.Appointments)), slices.Sorted(slices.Values(want.Appointments))) {
			t.Fatalf("appointments %v, anew %v", got.Appointments, want.Appointments)
		}
	})
}

func TestLowerForeignMembersSurvive(t *testing.T) {
	shared := []string{"identifier", "status", "statusReason", "category", "priority", "subject", "topic", "about", "recipient",
		"note", "extension", "occurrencePeriod", "performer", "supportingInfo", "description", "context"}
	rapid.Check(t, func(t *rapid.T) {
		as, s := lowerCase(t)
		current := foreignTo(t, lowerWritten(t, anyLower(t, "before", as), s))
		edited, _ := lowerEdited(t, current, anyLower(t, "after", as), s)
		var before, after map[string]json.RawMessage
		if err := json.Unmarshal(current, &before); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(edited, &after); err != nil {
			t.Fatal(err)
		}
		for name, value := range before {
			if !slices.Contains(shared, name) && !bytes.Equal(after[name], value) {
				t.Fatalf("%s was %s and is %s", name, value, after[name])
			}
		}
	})
}

// TestNothingIsTakenFromALowerList: what stood in a list of people's own stays in it.
func TestNothingIsTakenFromALowerList(t *testing.T) {
	theirs := map[callback.ResourceType]map[string]string{
		callback.CommunicationResource: {"identifier": `{"system":"https://ehr.example/inbox","value":"4711"}`, "category": `{"text":"call","extension":[{"url":"x","valueDecimal":1.0}]}`,
			"about": `{"reference":"Encounter/1"}`, "note": `{"text":"Mother called.","time":"2026-11-23T15:10:00Z"}`, "extension": `{"url":"https://ehr.example/other","valueDecimal":1.10}`},
		callback.ServiceRequestResource: {"identifier": `{"system":"https://ehr.example/inbox","value":"4711"}`, "category": `{"text":"call"}`,
			"supportingInfo": `{"reference":"Encounter/1"}`, "note": `{"text":"Mother called."}`},
		callback.DocumentReferenceResource: {"identifier": `{"system":"https://ehr.example/inbox","value":"4711"}`, "category": `{"text":"call"}`},
	}
	rapid.Check(t, func(t *rapid.T) {
		as, s := lowerCase(t)
		m := map[string]json.RawMessage{}
		if err := json.Unmarshal(lowerWritten(t, anyLower(t, "before", as), s), &m); err != nil {
			t.Fatal(err)
		}
		for name, value := range theirs[as] {
			var list []json.RawMessage
			if m[name] != nil {
				if err := json.Unmarshal(m[name], &list); err != nil {
					t.Fatal(err)
				}
			}
			raw, err := json.Marshal(slices.Insert(list, rapid.IntRange(0, len(list)).Draw(t, "place in "+name), json.RawMessage(value)))
			if err != nil {
				t.Fatal(err)
			}
			m[name] = raw
		}
		current, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		edited, _ := lowerEdited(t, current, anyLower(t, "after", as), s)
		for name, value := range theirs[as] {
			if !bytes.Contains(edited, []byte(value)) {
				t.Fatalf("the %s of others is gone: %s", name, edited)
			}
		}
	})
}

// FuzzLower: nothing that a server sends makes a reader or an edit panic, and an edit
// that succeeds is idempotent.
func FuzzLower(f *testing.F) {
	f.Add([]byte(`{"resourceType":"Communication","status":"in-progress","category":[null,{}],"recipient":[{}],"about":[null,{"reference":"Appointment/1","display":"Booked appointment"}],"payload":[{}]}`))
	f.Add([]byte(`{"resourceType":"Communication","status":"completed","extension":[null,{"url":"https://ehr.example/state"}],"topic":{"text":"Callback: spam or wrong number (Ringback "}}`))
	f.Add([]byte(`{"resourceType":"ServiceRequest","status":"active","subject":{},"performer":[null],"note":[{"text":"Request:"}],"occurrencePeriod":null}`))
	f.Add([]byte(`{"resourceType":"DocumentReference","status":"current","context":{"related":[{}]},"description":"Callback: other request","content":[]}`))
	w := callback.WorkItem{Proposal: "prop-1", Callback: callback.Callback{Status: callback.Closed, Outcome: callback.Booked,
		Category: callback.Other, Priority: callback.Urgent, Owner: "front-desk", ReceivedAt: monday, DueAt: monday, ClosedAt: monday,
		Patient: callback.Patient{Keys: callback.PatientKeys{EHRID: text("pat-1")}, Resolution: callback.Certain}}}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, s := range []mapping.Site{lowerSite(), messageSite()} {
			_, _ = mapping.Item(raw, s)
			for _, as := range lowerTypes {
				w.Link = linkOf(as)
				once, _, err := mapping.Edit(raw, w, s)
				if err != nil {
					continue
				}
				if again, changed, err := mapping.Edit(once, w, s); err != nil || changed {
					t.Errorf("edited again: %t, %v\n%s\n%s", changed, err, once, again)
				}
			}
		}
	})
}
