package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/internal/redact"
)

const line = callback.PhoneID("main-line")

func told(key string, at time.Time) callback.Told {
	return callback.Told{ID: callback.NewID(), Clinic: here, Phone: line,
		Event: calls.Event{Key: key, Body: []byte("From=+12125550123 " + key), At: at}}
}

func hear(t *testing.T, l Ledger, want int, events ...callback.Told) {
	t.Helper()
	fresh, err := l.Hear(t.Context(), events)
	must(t, err)
	same(t, "how many are new", fresh, want)
}

func reading(e callback.Told, settles time.Time, sessions ...string) callback.Reading {
	return callback.Reading{Told: e, Sessions: sessions, SettlesAt: settles}
}

func heard(t *testing.T, l Ledger) {
	ctx := t.Context()
	first, second := told("a", noon), told("b", noon.Add(time.Second))
	hear(t, l, 2, first, second)
	hear(t, l, 0, told("a", noon.Add(time.Hour)))
	hear(t, l, 0)
	elsewhere, foreign := told("a", noon), told("a", noon)
	elsewhere.Phone, foreign.Clinic = "other-line", there
	history := told("c", noon)
	history.Form = calls.FormHistory
	hear(t, l, 3, elsewhere, foreign, history, told("b", noon))
	if _, err := l.Hear(ctx, []callback.Told{{ID: callback.NewID(), Clinic: here, Phone: line}}); !errors.Is(err, callback.ErrInvalid) {
		t.Errorf("an event without a key: %v", err)
	}

	all, err := l.Unread(ctx, here, line, 10)
	must(t, err)
	same(t, "what nobody has read", all, []callback.Told{first, second, history})
	few, err := l.Unread(ctx, here, line, 1)
	must(t, err)
	same(t, "the oldest first", few, []callback.Told{first})

	bad := callback.Reading{Told: second, Problem: "it cannot be read"}
	must(t, l.Heard(ctx, []callback.Reading{reading(first, noon.Add(time.Minute), "s1", "s2"), bad, {Told: elsewhere, Skip: "a fax"}}))
	all, err = l.Unread(ctx, here, line, 10)
	must(t, err)
	same(t, "what is still unread", all, []callback.Told{history})
	hear(t, l, 0, told("a", noon)) // also when it was read
	of, err := l.EventsOf(ctx, callback.CallKey{Clinic: here, Phone: line, Session: "s2"})
	must(t, err)
	same(t, "the events of a call", of, []callback.Told{first})
	if err := l.Heard(ctx, []callback.Reading{reading(told("never stored", noon), noon, "s")}); !errors.Is(err, callback.ErrNotFound) {
		t.Errorf("an event that was never stored: %v", err)
	}
	// Many at once, and some of them twice.
	var many []callback.Told
	for n := range 450 {
		many = append(many, told(fmt.Sprint("m", n%400), noon))
	}
	hear(t, l, 400, many...)
}

func settled(t *testing.T, l Ledger) {
	ctx := t.Context()
	events := []callback.Told{told("1", noon), told("2", noon.Add(2*time.Second)), told("3", noon.Add(time.Second))}
	hear(t, l, 3, events...)
	must(t, l.Heard(ctx, []callback.Reading{reading(events[0], noon.Add(30*time.Second), "s")}))
	must(t, l.Heard(ctx, []callback.Reading{reading(events[1], noon.Add(32*time.Second), "s")}))
	must(t, l.Heard(ctx, []callback.Reading{reading(events[2], noon.Add(31*time.Second), "s")}))
	due, err := l.Unsettled(ctx, here, line, noon.Add(31*time.Second), 10)
	must(t, err)
	same(t, "before the last event has settled", len(due), 0)
	due, err = l.Unsettled(ctx, here, line, noon.Add(32*time.Second), 10)
	must(t, err)
	if len(due) != 1 {
		t.Fatalf("%d calls to judge", len(due))
	}
	same(t, "the last event", due[0].LastAt, noon.Add(2*time.Second))

	judged := due[0]
	judged.Verdict, judged.JudgedAt, judged.SettlesAt, judged.Why = calls.VerdictAnswered, noon.Add(time.Minute), time.Time{}, "a person answered"
	judged, err = l.SaveCall(ctx, judged)
	must(t, err)
	due, err = l.Unsettled(ctx, here, line, noon.Add(time.Hour), 10)
	must(t, err)
	same(t, "once it is judged", len(due), 0)

	late := told("4", noon.Add(10*time.Minute))
	hear(t, l, 1, late)
	must(t, l.Heard(ctx, []callback.Reading{reading(late, noon.Add(11*time.Minute), "s")}))
	due, err = l.Unsettled(ctx, here, line, noon.Add(11*time.Minute), 10)
	must(t, err)
	if len(due) != 1 || due[0].Verdict != calls.VerdictAnswered || due[0].Lock <= judged.Lock {
		t.Errorf("a later event does not have it judged again: %+v", due)
	}
	of, err := l.EventsOf(ctx, judged.Key())
	must(t, err)
	same(t, "all events of it", len(of), 4)
}

// phoned is a judged call with everything in it.
func phoned(session string, at time.Time) callback.Call {
	return callback.Call{
		Session: calls.Session{ID: session, From: redact.NewText("2125550123"), FromName: redact.NewText("Ann Lee"), To: redact.NewText("+12125550100"),
			StartedAt: at, AnsweredAt: at.Add(time.Second), EndedAt: at.Add(time.Minute), Verdict: calls.VerdictVoicemail, Reasons: []string{"reached a mailbox", "twice"},
			Message: calls.Message{ID: "m1", URL: redact.NewText("https://phones.example/m1"), Length: 23 * time.Second, Transcript: redact.NewText("please call")},
			Talk:    3 * time.Second},
		Clinic: here, Phone: line, Number: redact.NewText("+12125550123"), Why: "why", Disposition: callback.Merged, SettledBy: "s9", SettledHow: calls.VerdictAnswered,
		Form: calls.FormHistory, LastAt: at, JudgedAt: at.Add(2 * time.Minute),
	}
}

func callRoundTrip(t *testing.T, l Ledger) {
	ctx := t.Context()
	c := phoned("s1", noon)
	c.Callback = newCallback(t, l, request(here, 1)).ID
	saved, err := l.SaveCall(ctx, c)
	must(t, err)
	got, err := l.Call(ctx, c.Key())
	must(t, err)
	same(t, "a call", got, saved)
	c.Lock = saved.Lock
	same(t, "what was stored", saved, c)

	bare := callback.Call{Session: calls.Session{ID: "s\x002", StartedAt: noon, Verdict: calls.VerdictInternal}, Clinic: here, Phone: line, Why: "internal",
		LastAt: noon, JudgedAt: noon}
	saved, err = l.SaveCall(ctx, bare)
	must(t, err)
	got, err = l.Call(ctx, bare.Key())
	must(t, err)
	saved.ID = "s\uFFFD2"
	same(t, "a call with nothing in it", got, saved)

	if _, err := l.Call(ctx, callback.CallKey{Clinic: there, Phone: line, Session: "s1"}); !errors.Is(err, callback.ErrNotFound) {
		t.Errorf("the call of another clinic: %v", err)
	}
	unexplained := phoned("s3", noon)
	unexplained.Why = ""
	if _, err := l.SaveCall(ctx, unexplained); err == nil {
		t.Error("a call has neither a callback nor a reason why not")
	}
	tally, err := l.CountCalls(ctx)
	must(t, err)
	same(t, "the tally", tally, []callback.CallTally{
		{Clinic: here, Phone: line, Verdict: calls.VerdictInternal, N: 1},
		{Clinic: here, Phone: line, Verdict: calls.VerdictVoicemail, Callback: true, Form: calls.FormHistory, N: 1}})
}

func callsGuarded(t *testing.T, l Ledger) {
	ctx := t.Context()
	saved, err := l.SaveCall(ctx, phoned("s", noon))
	must(t, err)
	for _, lock := range []int64{0, saved.Lock - 1, saved.Lock + 1} {
		other := phoned("s", noon)
		other.Lock = lock
		if _, err := l.SaveCall(ctx, other); !errors.Is(err, callback.ErrConflict) {
			t.Errorf("with the lock %d instead of %d: %v", lock, saved.Lock, err)
		}
	}
	again := saved
	again.Verdict = calls.VerdictBusy
	again, err = l.SaveCall(ctx, again)
	must(t, err)
	// An event that comes while the call is judged.
	e := told("e", noon.Add(time.Hour))
	hear(t, l, 1, e)
	must(t, l.Heard(ctx, []callback.Reading{reading(e, noon.Add(2*time.Hour), "s")}))
	if _, err := l.SaveCall(ctx, again); !errors.Is(err, callback.ErrConflict) {
		t.Errorf("judged without an event that came meanwhile: %v", err)
	}
}

func listCalls(t *testing.T, l Ledger) {
	ctx := t.Context()
	taken := newCallback(t, l, request(here, 1)).ID
	var want []string
	for n := range 60 {
		c := phoned(fmt.Sprintf("s|%02d", n), noon.Add(time.Duration(n/2)*time.Minute))
		if n%2 == 1 {
			c.Verdict = calls.VerdictBusy
		}
		if n == 7 {
			c.Number, c.Phone = redact.NewText("+12125550199"), "other-line"
		}
		if n == 9 {
			c.Callback = taken
		}
		_, err := l.SaveCall(ctx, c)
		must(t, err)
		want = append(want, c.ID)
	}
	foreign := phoned("foreign", noon)
	foreign.Clinic = there
	_, err := l.SaveCall(ctx, foreign)
	must(t, err)
	e := told("e", noon.Add(-time.Hour))
	hear(t, l, 1, e)
	must(t, l.Heard(ctx, []callback.Reading{reading(e, noon, "ringing")}))

	ids := func(f callback.CallFilter) (all []string) {
		t.Helper()
		for {
			page, next, err := l.Calls(ctx, f)
			must(t, err)
			for _, c := range page {
				all = append(all, c.ID)
			}
			if f.After = next; next == "" {
				return all
			}
		}
	}
	listed := ids(callback.CallFilter{Clinic: here, Limit: 7})
	slices.Reverse(listed)
	sorted := slices.Clone(listed)
	slices.Sort(sorted[1:])
	same(t, "all calls of a clinic", sorted, append([]string{"ringing"}, want...))
	same(t, "in one page", len(ids(callback.CallFilter{Limit: 500})), 62)
	same(t, "of a time", ids(callback.CallFilter{Clinic: here, Began: callback.Span{From: noon.Add(time.Minute), Until: noon.Add(2 * time.Minute)}}), []string{"s|03", "s|02"})
	same(t, "of a callback", ids(callback.CallFilter{Callback: taken}), []string{"s|09"})
	same(t, "of a verdict", len(ids(callback.CallFilter{Clinic: here, Verdict: calls.VerdictBusy})), 30)
	same(t, "of a number", ids(callback.CallFilter{Clinic: here, Number: redact.NewText("+12125550199")}), []string{"s|07"})
	same(t, "of a phone system", ids(callback.CallFilter{Phone: "other-line"}), []string{"s|07"})
	same(t, "not judged", ids(callback.CallFilter{Unjudged: true}), []string{"ringing"})
	for _, after := range []string{"x", "|||", "yesterday|a|b|c"} {
		if _, _, err := l.Calls(ctx, callback.CallFilter{After: after}); !errors.Is(err, callback.ErrInvalid) {
			t.Errorf("the cursor %q: %v", after, err)
		}
	}
}

func openWith(t *testing.T, l Ledger) {
	ctx := t.Context()
	number := redact.NewText("+12125550177")
	with := func(clinic callback.ClinicID, n int) callback.Record {
		req := request(clinic, n)
		req.Caller.Phone = number
		return newCallback(t, l, req)
	}
	first, second, closed := with(here, 1), with(here, 2), with(here, 3)
	with(there, 4)
	newCallback(t, l, request(here, 5))
	_, err := l.Update(ctx, closed.ID, func(r *callback.Record) error {
		return r.Close(callback.AnsweredQuestion, redact.Text{}, callback.Actor{Kind: callback.Person}, noon)
	})
	must(t, err)
	got, err := l.OpenWith(ctx, here, number)
	must(t, err)
	same(t, "the open callbacks of a number", got, []callback.ID{first.ID, second.ID})
	got, err = l.OpenWith(ctx, here, redact.Text{})
	must(t, err)
	same(t, "of no number", len(got), 0)
}

func phoneStates(t *testing.T, l Ledger) {
	ctx := t.Context()
	got, err := l.PhoneState(ctx, here, line)
	must(t, err)
	same(t, "never asked", got, callback.PhoneState{Clinic: here, Phone: line})
	full := callback.PhoneState{Clinic: here, Phone: line, Reconciled: noon, LastAttempt: noon.Add(time.Minute), LastError: "it did not answer",
		Subscription: calls.Subscription{ID: "sub", Until: noon.Add(time.Hour), RenewAt: noon.Add(30 * time.Minute)}}
	must(t, l.SavePhoneState(ctx, full))
	full.LastError = ""
	must(t, l.SavePhoneState(ctx, full))
	got, err = l.PhoneState(ctx, here, line)
	must(t, err)
	same(t, "stored", got, full)
	got, err = l.PhoneState(ctx, there, line)
	must(t, err)
	same(t, "of another clinic", got, callback.PhoneState{Clinic: there, Phone: line})
}
