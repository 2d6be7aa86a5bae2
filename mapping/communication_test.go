package mapping_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/mapping"
)

// TestOurOwnEndIsCorrectedInACommunication: where our code says closed, Ringback had
// ended it.
func TestOurOwnEndIsCorrectedInACommunication(t *testing.T) {
	w := told("task-closed-duplicate")(t).item(linkOf(callback.CommunicationResource))
	current := written(t, w, lowerSite())
	w.Callback.Outcome = callback.AlreadyResolved
	after, _ := edited(t, current, w, lowerSite())
	if got := itemIn(t, after, lowerSite()); got.State.Native != "completed" || got.Outcome != callback.AlreadyResolved || got.State.Told != callback.Closed {
		t.Errorf("%+v, outcome %s", got.State, got.Outcome)
	}
}

// TestMessageMoves: of a message only the state extension is edited.
func TestMessageMoves(t *testing.T) {
	s := messageSite()
	for _, tt := range []struct{ have, state, want string }{
		{"", "ready", ""}, {"received", "ready", "received"}, {"", "in-progress", "in-progress"}, {"received", "on-hold", "in-progress"},
		{"in-progress", "on-hold", "in-progress"}, {"", "completed", "completed"}, {"in-progress", "cancelled", "completed"},
		{"completed", "cancelled", "completed"}, {"rejected", "completed", "rejected"}, {"completed", "in-progress", "in-progress"}, {"in-progress", "ready", "received"},
	} {
		current := written(t, told("task-late-patient")(t).item(linkOf(callback.CommunicationResource)), s)
		if tt.have != "" {
			current = with(t, current, map[string]any{"extension": json.RawMessage(`[{"url":"https://ehr.example/other","valueDecimal":1.10},` + state(tt.have) + `]`)})
		}
		after, changed := edited(t, current, moved(t, tt.state).item(linkOf(callback.CommunicationResource)), s)
		before, now := members(t, current), members(t, after)
		for name, raw := range before {
			if name != "extension" && !bytes.Equal(now[name], raw) {
				t.Errorf("%s to %s: %s was %s and is %s", tt.have, tt.state, name, raw, now[name])
			}
		}
		if got := string(now["extension"]); tt.want == "" && got != "" || tt.want != "" && !strings.Contains(got, `"`+tt.want+`"`) || tt.have != "" && !strings.Contains(got, "1.10") {
			t.Errorf("%q to %s: %s, want %q", tt.have, tt.state, got, tt.want)
		}
		if again, changed := edited(t, after, moved(t, tt.state).item(linkOf(callback.CommunicationResource)), s); changed {
			t.Errorf("%q to %s: changed again: %s", tt.have, tt.state, again)
		}
		if changed != (tt.have != tt.want) {
			t.Errorf("%q to %s: changed %t", tt.have, tt.state, changed)
		}
	}
}

func state(code string) string {
	return `{"url":"https://ehr.example/state","valueCodeableConcept":{"coding":[{"system":"http://hl7.org/fhir/task-status","code":"` + code + `"}]}}`
}

// TestMarkerWhereThereIsNoIdentifier: it stands where staff see it, and nothing that a
// caller says can pass for it.
func TestMarkerWhereThereIsNoIdentifier(t *testing.T) {
	const other = "urn:uuid:01920000-0000-7000-8000-0000000000ff"
	for _, place := range []mapping.MarkerPlace{mapping.MarkerIdentifier, mapping.MarkerTopic, mapping.MarkerPayload} {
		for _, attachment := range []bool{false, true} {
			for _, message := range []bool{false, true} {
				s := lowerSite()
				s.Communication.Marker, s.Communication.Attachment, s.Communication.Message = place, attachment, message
				req := webform()
				req.Text = text("Hello\nRingback reference: " + other + "\n(Ringback " + other + ")")
				w := newStory(t, req).item(linkOf(callback.CommunicationResource))
				raw := written(t, w, s)
				if got := itemIn(t, raw, s).Markers; place != mapping.MarkerIdentifier && !slices.Equal(got, []callback.Marker{w.Link.Marker()}) ||
					!slices.Contains(got, w.Link.Marker()) {
					t.Errorf("%s, attachment %t, message %t: markers %v in %s", place, attachment, message, got, raw)
				}
				if identified := members(t, raw)["identifier"] != nil; identified != (place == mapping.MarkerIdentifier) {
					t.Errorf("%s: an identifier is there: %t", place, identified)
				}
				if after, changed := edited(t, raw, w, s); changed {
					t.Errorf("%s: edited without need: %s", place, after)
				}
			}
		}
	}
}

// TestSubjectLineFollows: the marker in it stays, and words of staff stay.
func TestSubjectLineFollows(t *testing.T) {
	s := lowerSite()
	s.Communication.Marker = mapping.MarkerTopic
	w := told("task-late-patient")(t).item(linkOf(callback.CommunicationResource))
	current := with(t, written(t, w, s), map[string]any{"topic": map[string]any{"coding": []any{map[string]any{"code": "x"}},
		"text": "Callback: new patient (Ringback " + string(w.Link.Marker()) + ")"}})
	w.Callback.Category = callback.Clinical
	after, _ := edited(t, current, w, s)
	if got := string(members(t, after)["topic"]); !strings.Contains(got, `"Callback: clinical question (Ringback urn:uuid:`) || !strings.Contains(got, `"x"`) {
		t.Errorf("topic %s", got)
	}
	theirs := with(t, current, map[string]any{"topic": map[string]any{"text": "Ann wants a dentist"}})
	after, _ = edited(t, theirs, w, s)
	if got := string(members(t, after)["topic"]); !strings.Contains(got, "Ann wants") {
		t.Errorf("the words of staff became %s", got)
	}
	if members(t, after)["identifier"] != nil {
		t.Error("an identifier was written where the marker has another place")
	}
}

func TestPrioritiesThatAnEHRTakes(t *testing.T) {
	for _, tt := range []struct {
		taken []callback.Priority
		want  [4]string // for routine, urgent, asap, stat
	}{
		{nil, [4]string{"routine", "urgent", "asap", "stat"}},
		{[]callback.Priority{callback.Urgent, callback.Routine}, [4]string{"routine", "urgent", "urgent", "urgent"}},
		{[]callback.Priority{callback.Stat, callback.ASAP}, [4]string{"asap", "asap", "asap", "stat"}},
	} {
		s := lowerSite()
		s.Communication.Priorities = tt.taken
		for i, p := range callback.Priorities {
			w := told("task-late-patient")(t).item(linkOf(callback.CommunicationResource))
			w.Callback.Priority = p
			raw := written(t, w, s)
			if got := string(itemIn(t, raw, s).State.Priority); got != tt.want[i] {
				t.Errorf("%v: %s is written as %s, want %s", tt.taken, p, got, tt.want[i])
			}
			if _, changed := edited(t, raw, w, s); changed {
				t.Errorf("%v: %s is edited without need", tt.taken, p)
			}
		}
	}
}
