package callback

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/ringback-health/ringback/callback/calls"
)

// PlainCall reports whether the callback is nothing but missed calls: nobody said or
// left anything, and no person has done anything about it. from are the calls that the
// ledger knows to have been taken into it; where there were more, something else was too.
func (r *Record) PlainCall(from []Call) bool {
	if !r.Text.IsEmpty() || r.NewPatient != Unknown || len(r.Preferred) > 0 || len(from) != r.Repeats+1 {
		return false
	}
	for _, c := range from {
		if c.Verdict.NeedsCallback() && !c.Verdict.SaysNothing() {
			return false
		}
	}
	return !slices.ContainsFunc(r.Timeline, func(e Event) bool { return e.By.Human() })
}

// CallerSpoken says that the caller called again, and that somebody talked with them.
// Whoever left nothing but a missed call has what they wanted, and the callback closes;
// of everything else a person decides. alone says that it is the only open callback of
// that number, and from are the calls that were taken into it.
func (r *Record) CallerSpoken(c Call, from []Call, alone bool, at time.Time) error {
	if !r.Status.Open() || c.StartedAt.Before(r.AskedAt) {
		return nil
	}
	what := fmt.Sprintf("the caller called again and was spoken with for %s (call %s of %s)", c.Talk.Round(time.Second), c.ID, c.Phone)
	if alone && r.PlainCall(from) {
		return r.closeBecause(CallerCalledBackAnswered, what, at)
	}
	r.AskReviewOf(what+"; close it if that was all", Actor{Kind: Automation}, at)
	return nil
}

// TurnedOut says that a call which was taken into the callback was none that somebody
// owes an answer, by what the phone system told later. from are all calls that were taken into it.
func (r *Record) TurnedOut(c Call, from []Call, at time.Time) error {
	others := slices.ContainsFunc(from, func(o Call) bool { return o.Key() != c.Key() && o.Verdict.NeedsCallback() })
	if !r.Status.Open() || others {
		return nil
	}
	what := fmt.Sprintf("the phone system told later that call %s of %s was %s", c.ID, c.Phone, c.Verdict)
	if r.PlainCall(from) {
		return r.closeBecause(AlreadyResolved, what, at)
	}
	r.AskReviewOf(what+"; close it if that was all", Actor{Kind: Automation}, at)
	return nil
}

// closeBecause closes by what was observed. sentence holds no PHI.
func (r *Record) closeBecause(o Outcome, sentence string, at time.Time) error {
	e := Event{Kind: EventClosed, At: at, By: Actor{Kind: Automation}, Detail: "outcome " + string(o) + "; " + sentence}
	if err := r.move(DoClose, e); err != nil {
		return err
	}
	r.Outcome, r.ClosedAt, r.Review = o, at, false
	return nil
}

// CalledBack records a call of the clinic to the caller's number as an attempt, once.
// Somebody was reached where the talk lasted spoken at least: a shorter one may have
// been with a mailbox, and counts as no answer. alone is as in CallerSpoken; where there
// are several, the attempt counts for each and a person says which one it was about.
func (r *Record) CalledBack(c Call, spoken time.Duration, alone bool, at time.Time) error {
	if !r.Status.Open() || c.StartedAt.Before(r.AskedAt) {
		return nil
	}
	a := Attempt{ID: attemptID(r.ID, c.Key()), At: c.StartedAt, By: Actor{Kind: Automation, Name: string(c.Phone)}, Channel: "phone", Result: NoAnswer, Talk: c.Talk}
	if c.Spoken(spoken) {
		a.Result = Reached
	}
	known := len(r.Attempts)
	if err := r.Attempt(a, at); err != nil {
		return err
	}
	if len(r.Attempts) > known && a.Result == Reached && !alone {
		r.AskReviewOf(fmt.Sprintf("somebody was reached at this number, which has several open callbacks (call %s of %s); say which one it was about", c.ID, c.Phone),
			Actor{Kind: Automation}, at)
	}
	return nil
}

// attemptID is the same each time for the same call and callback.
func attemptID(id ID, k CallKey) ID {
	name := strings.Join([]string{string(id), string(k.Clinic), string(k.Phone), k.Session}, "\x00")
	return ID(uuid.NewSHA1(uuid.NameSpaceURL, []byte(name)).String())
}

// NoCallback says why a call has no callback, in words for the operator.
func NoCallback(v calls.Verdict) string {
	switch v {
	case calls.VerdictAnswered:
		return "a person answered"
	case calls.VerdictOutbound:
		return "the clinic called"
	case calls.VerdictInternal:
		return "between two ends of the phone system itself"
	case calls.VerdictShort:
		return "too short to be an attempt to reach anybody"
	default:
		return ""
	}
}
