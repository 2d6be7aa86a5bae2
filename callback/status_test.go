package callback_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ringback-health/ringback/callback"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestTransitions states the whole machine a second time, one line a state, so
// that a change of the table has to be made on purpose.
func TestTransitions(t *testing.T) {
	const none = callback.Status("")
	want := map[callback.Status][]callback.Status{
		// in the order of callback.Actions: triage, assign, start, attempt, wait, release, close, reopen
		callback.Captured:   {callback.Triaged, none, none, none, none, none, callback.Closed, none},
		callback.Triaged:    {callback.Triaged, callback.Assigned, none, none, none, none, callback.Closed, none},
		callback.Assigned:   {callback.Assigned, callback.Assigned, callback.InProgress, callback.InProgress, callback.Waiting, callback.Assigned, callback.Closed, none},
		callback.InProgress: {callback.InProgress, callback.InProgress, callback.InProgress, callback.InProgress, callback.Waiting, callback.Assigned, callback.Closed, none},
		callback.Waiting:    {callback.Waiting, callback.Waiting, callback.InProgress, callback.InProgress, callback.Waiting, callback.Assigned, callback.Closed, none},
		callback.Closed:     {none, none, none, none, none, none, none, callback.InProgress},
	}
	for _, s := range callback.Statuses {
		for i, a := range callback.Actions {
			got, err := s.Next(a)
			switch {
			case want[s][i] == none && !errors.Is(err, callback.ErrNotAllowed):
				t.Errorf("%s of a %s callback should not be allowed, got %q, %v", a, s, got, err)
			case want[s][i] == none && (!strings.Contains(err.Error(), string(s)) || !strings.Contains(err.Error(), string(a))):
				t.Errorf("the error should name %s and %s: %v", a, s, err)
			case want[s][i] != none && (err != nil || got != want[s][i]):
				t.Errorf("%s of a %s callback: got %q, %v, want %q", a, s, got, err, want[s][i])
			}
		}
	}
	if len(callback.Transitions) != len(callback.Statuses) {
		t.Error("every state stands in the table")
	}
}

// TestEveryStateLeadsToClosedAndBack: no callback can get stuck in a state.
func TestEveryStateLeadsToClosedAndBack(t *testing.T) {
	for _, s := range callback.Statuses {
		if s.Open() {
			if to, err := s.Next(callback.DoClose); err != nil || to != callback.Closed {
				t.Errorf("a %s callback cannot be closed: %v", s, err)
			}
		}
	}
	if to, _ := callback.Closed.Next(callback.DoReopen); !to.Open() {
		t.Error("a closed callback can be opened again")
	}
}

// TestDiagram keeps docs/states.md as the table says. Run with -update to write it.
func TestDiagram(t *testing.T) {
	var b strings.Builder
	b.WriteString("# States of a callback\n\nGenerated from `callback.Transitions`; write it anew with `go test ./callback -run Diagram -update`.\n\n```mermaid\nstateDiagram-v2\n  [*] --> captured\n")
	for _, from := range callback.Statuses {
		for _, to := range callback.Statuses {
			var actions []string
			for _, a := range callback.Actions {
				if callback.Transitions[from][a] == to {
					actions = append(actions, string(a))
				}
			}
			if len(actions) > 0 {
				fmt.Fprintf(&b, "  %s --> %s: %s\n", node(from), node(to), strings.Join(actions, ", "))
			}
		}
	}
	b.WriteString("```\n")
	const file = "../docs/states.md"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil || string(got) != b.String() {
		t.Fatalf("%s is not what the table says (%v); write it anew with -update", file, err)
	}
}

func node(s callback.Status) string { return strings.ReplaceAll(string(s), "-", "_") }

func TestCodes(t *testing.T) {
	if !callback.Stat.Above(callback.ASAP) || callback.Routine.Above(callback.Routine) || callback.Stat.Raised() != callback.Stat ||
		callback.Routine.Raised() != callback.Urgent {
		t.Error("priorities rise routine, urgent, asap, stat")
	}
	for _, o := range callback.ClosingOutcomes {
		if !o.Closes() || slices.Contains([]callback.Outcome{callback.NoAnswer, callback.Busy, callback.LeftVoicemail, callback.Reached}, o) {
			t.Errorf("%s closes nothing", o)
		}
	}
}

func TestMarker(t *testing.T) {
	l := callback.NewLink(callback.Callback{}, "ehr", callback.TaskResource, start)
	m, ok := callback.ParseMarker(strings.ToUpper(string(l.Marker())))
	if !ok || m != l.Marker() || m.LinkID() != l.ID {
		t.Errorf("a marker read back should be the same: %q %v", m, ok)
	}
	for _, bad := range []string{"", "urn:uuid:", "urn:uuid:x", "123", string(l.ID), "urn:oid:1.2.3"} {
		if _, ok := callback.ParseMarker(bad); ok {
			t.Errorf("%q is not a marker", bad)
		}
	}
}
