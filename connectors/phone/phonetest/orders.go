package phonetest

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/connectors/phone"
	"github.com/ringback-health/ringback/internal/redact"
)

// Story is a call as a vendor tells of it, and what it was.
type Story struct {
	Name   string
	Events []string // bodies as they are stored, in the order in which things happened
	Want   calls.Verdict
	Talk   time.Duration // with a person
	Rung   time.Time     // when the call came in; zero: not checked
	// Message is how long the message is that was left; 0: none is known.
	Message time.Duration
}

// RunStories checks what each story is taken for, alone and with all others at once,
// and that neither the order in which events arrive, nor that some arrive twice, nor
// that they are read in parts changes any of it. Each story must be one session of its own.
func RunStories(t *testing.T, sys phone.System, rules calls.Rules, stories ...Story) {
	t.Helper()
	var all []string
	want := map[string]calls.Session{}
	for _, s := range stories {
		t.Run(s.Name, func(t *testing.T) {
			got := told(t, sys, rules, s.Events)
			if len(got) != 1 {
				t.Fatalf("%d sessions instead of one: %s", len(got), verdicts(got))
			}
			for _, g := range got {
				s.check(t, g)
				if _, twice := want[g.ID]; twice {
					t.Errorf("the session %s is that of another story", g.ID)
				}
				want[g.ID] = g
			}
		})
		all = append(all, s.Events...)
	}
	t.Run("any order", func(t *testing.T) {
		rapid.Check(t, func(rt *rapid.T) {
			events := append([]string{}, all...)
			for range rapid.IntRange(0, 5).Draw(rt, "doubled") {
				events = append(events, all[rapid.IntRange(0, len(all)-1).Draw(rt, "which")])
			}
			r := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "order"), 1))
			r.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
			got := told(rt, sys, rules, events)
			if d := cmp.Diff(want, got, cmp.AllowUnexported(redact.Text{})); d != "" {
				rt.Fatalf("in another order it is another story:\n%s", d)
			}
		})
	})
}

func (s Story) check(t *testing.T, g calls.Session) {
	t.Helper()
	if g.Verdict != s.Want {
		t.Errorf("taken for %s (%v), and was %s", g.Verdict, g.Reasons, s.Want)
	}
	if g.Talk != s.Talk {
		t.Errorf("talked for %s, and it were %s", g.Talk, s.Talk)
	}
	if !s.Rung.IsZero() && !g.StartedAt.Equal(s.Rung) {
		t.Errorf("came in at %s, and it was %s", g.StartedAt, s.Rung)
	}
	if g.Message.Length != s.Message {
		t.Errorf("a message of %s, and it were %s", g.Message.Length, s.Message)
	}
}

// told reads events in the order in which they are given, each a second after the
// last, and returns the sessions by their id.
func told(t rapid.TB, sys phone.System, rules calls.Rules, events []string) map[string]calls.Session {
	t.Helper()
	var legs []calls.Leg
	for i, body := range events {
		// The moment of arrival is no evidence of when something was true.
		report, err := sys.Read(phone.Event{Key: fmt.Sprint(i), Body: []byte(body), At: received.Add(time.Duration(i) * time.Second)})
		if err != nil {
			t.Fatalf("event %d: %v", i, err)
		}
		legs = append(legs, report.Legs...)
	}
	byID := map[string]calls.Session{}
	for _, s := range calls.Collapse(calls.Latest(legs), rules) {
		byID[s.ID] = s
	}
	return byID
}

func verdicts(sessions map[string]calls.Session) (out []string) {
	for id, s := range sessions {
		out = append(out, fmt.Sprintf("%s %s", id, s.Verdict))
	}
	return out
}
