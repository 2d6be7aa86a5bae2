package matching_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/matching"
	"github.com/ringback-health/ringback/internal/redact"
)

var states = []callback.AppointmentState{callback.ApptBooked, callback.ApptBooked, callback.ApptCancelled, callback.ApptDone, callback.ApptRequested, callback.ApptNoShow}

// randomVisit draws an appointment with what became of it.
func randomVisit(t *rapid.T, in matching.Input, id string) callback.Appointment {
	hours := func(label string, from, to int) time.Duration {
		return time.Duration(rapid.IntRange(from, to).Draw(t, label)) * time.Hour
	}
	a := visit(id, hours("booked", -48, 400))
	a.Patient = text(rapid.SampledFrom([]string{"p1", "p1", "p2", ""}).Draw(t, "patient"))
	a.Patients = rapid.IntRange(1, 2).Draw(t, "patients")
	a.Start = asked.Add(hours("start", -24, 500))
	if rapid.Bool().Draw(t, "no-created") {
		a.Created = time.Time{}
	}
	if rapid.IntRange(0, 3).Draw(t, "baseline") == 0 {
		a.NotBefore = time.Time{}
	}
	if rapid.IntRange(0, 4).Draw(t, "marked") == 0 {
		a.Markers = []callback.Marker{in.Record.Links[0].Marker()}
	}
	if rapid.IntRange(0, 4).Draw(t, "replaces") == 0 {
		a.Replaces = []string{"a0"}
	}
	at := a.Updated.Sub(asked)
	for range rapid.IntRange(0, 2).Draw(t, "changes") {
		at += hours("later", 1, 48)
		if rapid.Bool().Draw(t, "moved") {
			a = moved(a, at)
		} else {
			a = became(a, at, rapid.SampledFrom(states).Draw(t, "state"))
		}
	}
	return a
}

// randomInput draws a world with several appointments in all conditions.
func randomInput(t *rapid.T) matching.Input {
	in := world()
	in.Record.Category = rapid.SampledFrom(callback.Categories).Draw(t, "category")
	in.Record.Patient.Resolution = rapid.SampledFrom([]callback.Resolution{callback.Certain, callback.Certain, callback.Ambiguous, callback.NoChart}).Draw(t, "resolution")
	if rapid.Bool().Draw(t, "closed") {
		closeOn(&in, "a0")
	}
	if rapid.IntRange(0, 3).Draw(t, "again") == 0 {
		at := asked.Add(time.Duration(rapid.IntRange(1, 300).Draw(t, "called-again")) * time.Hour)
		if err := in.Record.Merge(callback.Request{ReceivedAt: at}, at); err != nil {
			t.Fatal(err)
		}
	}
	for range rapid.IntRange(0, 2).Draw(t, "rivals") {
		r := request(rapid.SampledFrom(callback.Categories).Draw(t, "rival"))
		r.AskedAt = asked.Add(time.Duration(rapid.IntRange(-20, 20).Draw(t, "rival-asked")) * time.Hour)
		in.Rivals = append(in.Rivals, r)
	}
	in.Appointments = nil
	for i := range rapid.IntRange(0, 4).Draw(t, "n") {
		in.Appointments = append(in.Appointments, randomVisit(t, in, fmt.Sprintf("a%d", i)))
	}
	in.Now = asked.Add(time.Duration(rapid.IntRange(1, 600).Draw(t, "now")) * time.Hour)
	return in
}

// TestOrderDoesNotMatter: shuffling and repeating the evidence changes nothing.
func TestOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := randomInput(t)
		want := matching.Decide(in)
		in.Appointments = append(slices.Clone(in.Appointments), in.Appointments...)
		in.Rivals = slices.Clone(in.Rivals)
		seed := rapid.Uint64().Draw(t, "seed")
		r := rand.New(rand.NewPCG(seed, 1))
		r.Shuffle(len(in.Appointments), func(i, j int) {
			in.Appointments[i], in.Appointments[j] = in.Appointments[j], in.Appointments[i]
		})
		r.Shuffle(len(in.Rivals), func(i, j int) { in.Rivals[i], in.Rivals[j] = in.Rivals[j], in.Rivals[i] })
		if got := matching.Decide(in); !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v, in another order %+v", want, got)
		}
	})
}

// TestNothingClosesOnDoubt: whatever closes is booked, answers the category, and
// is either ours or of one certain patient and booked or moved after the request.
func TestNothingClosesOnDoubt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := randomInput(t)
		d := matching.Decide(in)
		if d.Step != matching.Close {
			return
		}
		ev := d.Evidence[0]
		if !in.Rules.AnsweredByVisit(in.Record.Category) || in.Record.Status == callback.Closed {
			t.Fatal("closed what no visit answers, or what is closed")
		}
		i := slices.IndexFunc(in.Appointments, func(a callback.Appointment) bool { return a.ID == ev.Appointment })
		a := in.Appointments[i]
		if !a.State.Stands() {
			t.Fatalf("closed on a visit that is %s", a.State)
		}
		if ev.Verdict == callback.Exact {
			return
		}
		last := a.History[len(a.History)-1]
		if a.Patient.Reveal() != "p1" || a.Patients != 1 || in.Record.Patient.Resolution != callback.Certain || last.Seen.Before(asked) {
			t.Fatalf("closed on %+v", ev)
		}
		first := a.History[0]
		if len(a.History) == 1 && first.Seen.Add(-time.Minute).Before(asked) {
			t.Fatalf("closed on a booking from before the request: %+v", ev)
		}
	})
}

// TestContraryEvidenceNeverStrengthens: making one thing worse never makes a
// verdict better.
func TestContraryEvidenceNeverStrengthens(t *testing.T) {
	rank := map[callback.Verdict]int{callback.None: 0, callback.Weak: 1, callback.Strong: 2, callback.Exact: 3}
	const lessKnown = 10
	rapid.Check(t, func(t *rapid.T) {
		in := randomInput(t)
		if len(in.Appointments) == 0 {
			return
		}
		a := in.Appointments[0]
		before := rank[in.Judge(a).Verdict]
		for _, how := range rapid.SliceOfN(rapid.IntRange(0, 12), 1, 3).Draw(t, "contrary") {
			if before == 0 && how >= lessKnown {
				continue // of what is no answer, less knowledge is not more against it
			}
			switch how {
			case 0:
				in.Rivals = append(in.Rivals, request(in.Record.Category))
			case 1:
				a.Patients++
			case 2:
				in.Record.Patient.Resolution = callback.Ambiguous
			case 3:
				a.Patient = text("p2")
			case 4:
				if len(in.Rivals) > 0 {
					continue // it speaks against a rival, too
				}
				in.Credited[a.ID] = matching.Credit{Callback: "x", At: in.Now}
			case 5:
				a.State = callback.ApptCancelled
			case 6:
				a.Test = true
			case 7:
				if len(in.Rivals) > 0 {
					continue // it speaks against a rival that wants it moved, too
				}
				in.Appointments = append(in.Appointments, visit("stands", -48*time.Hour))
			case 8:
				in.Record.Evidence = append(in.Record.Evidence, callback.Evidence{EHR: a.EHR, Appointment: a.ID, State: callback.Refused})
			case 9:
				at := later(a.Updated, a.Created).Add(24 * time.Hour)
				in.Record.Timeline = append(in.Record.Timeline, callback.Event{Kind: callback.EventMerged, At: at, By: callback.Actor{Kind: callback.CallerActor}})
			case lessKnown:
				in.Rules.ClockSkew *= 3
			case lessKnown + 1:
				a.NotBefore = time.Time{}
			case lessKnown + 2:
				in.Record.AskedAt = in.Record.AskedAt.Add(time.Hour)
			}
		}
		if after := rank[in.Judge(a).Verdict]; after > before {
			t.Fatalf("the verdict rose from %d to %d", before, after)
		}
	})
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// do does what was decided, as the scheduler does.
func do(t *rapid.T, r *callback.Record, d matching.Decision, now time.Time) {
	var err error
	switch d.Step {
	case matching.Close:
		err = r.CloseOnVisit(d.Evidence[0], now)
	case matching.Review:
		r.AskReview(d.Evidence, now)
	case matching.Reopen:
		err = r.ReopenOnVisitLost(d.Evidence[0].Sentence, now)
	case matching.Keep:
		err = r.Recredit(d.Evidence[0], now)
	case matching.Lapse, matching.Renew:
		r.Discredit(d.Evidence[0].Sentence, now)
	case matching.Leave:
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestClosingTwiceIsClosingOnce: what was done is not done again, and whatever is decided
// comes to rest.
func TestClosingTwiceIsClosingOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := randomInput(t)
		first := matching.Decide(in)
		do(t, &in.Record, first, in.Now)
		once := in.Record.Clone()
		do(t, &in.Record, first, in.Now)
		if first.Step != matching.Reopen && !reflect.DeepEqual(in.Record.Clone(), once) {
			t.Fatalf("%s twice is not once", first.Step)
		}
		for range 4 {
			d := matching.Decide(in)
			if d.Step == matching.Leave {
				return
			}
			do(t, &in.Record, d, in.Now)
		}
		t.Fatalf("it does not come to rest after %s", first.Step)
	})
}

// TestReplayChangesNothing: all versions of all appointments come by again from the start,
// each with what the ledger has kept of it.
func TestReplayChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := randomInput(t)
		all := in.Appointments
		in.Appointments = nil
		for _, a := range all {
			in.Appointments = append(in.Appointments, a)
			for range 3 {
				do(t, &in.Record, matching.Decide(in), in.Now)
			}
		}
		before := in.Record.Clone()
		for range all {
			do(t, &in.Record, matching.Decide(in), in.Now)
		}
		if !reflect.DeepEqual(in.Record.Clone(), before) {
			t.Fatal("the replay changed the callback")
		}
	})
}

// TestNoPHIInSentences: names, ids and times of patients never reach what is shown.
func TestNoPHIInSentences(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := randomInput(t)
		in.Record.Caller.Name = redact.NewText("Canary")
		said := matching.Explain(in)
		for _, a := range in.Appointments {
			said += in.Judge(a).Sentence
		}
		for _, phi := range []string{"p1", "p2", "Canary"} {
			if slices.Contains(redactWords(said), phi) {
				t.Fatalf("%q stands in %q", phi, said)
			}
		}
	})
}

func redactWords(s string) []string {
	var words []string
	word := ""
	for _, r := range s + " " {
		if r == ' ' || r == '.' || r == ',' {
			words = append(words, word)
			word = ""
			continue
		}
		word += string(r)
	}
	return words
}
