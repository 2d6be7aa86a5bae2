package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/redact"
)

// machine does random things to a callback and checks after each that the
// ledger kept what it must: the revision never goes back, the timeline only
// grows, a read gives what the write returned, and Lagging tells exactly the
// links that the domain says lag.
func machine(t *testing.T, l Ledger) {
	n := 0
	names := slices.Sorted(maps.Keys(changes))
	rapid.Check(t, func(rt *rapid.T) {
		n++
		m := &model{l: l, n: n, now: noon, rec: newCallback(t, l, request(here, n))}
		for _, name := range rapid.SliceOfN(rapid.SampledFrom(append(names, "save a link", "merge")), 5, 12).Draw(rt, "operations") {
			switch name {
			case "save a link":
				m.saveLink(rt)
			case "merge":
				m.merge(rt)
			default:
				m.update(rt, changes[name])
			}
			m.check(rt)
		}
		m.rec = update(t, l, m.rec.ID, func(r *callback.Record) error { // so that Lagging stays short
			for i := range r.Links {
				r.Links[i].Discard("the test is over", m.now)
			}
			return nil
		})
		m.check(rt)
	})
}

type model struct {
	l    Ledger
	n    int
	now  time.Time
	rec  callback.Record
	seen int // a source of numbers that are fresh
}

func (m *model) fresh() int { m.seen++; return m.seen }

// changes are what the domain can do to a record.
var changes = map[string]func(*rapid.T, *model, *callback.Record) error{
	"triage": func(rt *rapid.T, m *model, r *callback.Record) error {
		return r.Triage(rapid.SampledFrom(callback.Categories).Draw(rt, "category"),
			rapid.SampledFrom(callback.Priorities).Draw(rt, "priority"), m.now, "", automation, m.now)
	},
	"assign": func(rt *rapid.T, m *model, r *callback.Record) error {
		return r.Assign(rapid.SampledFrom([]string{"desk", "billing"}).Draw(rt, "owner"), staff, m.now)
	},
	"start": func(_ *rapid.T, m *model, r *callback.Record) error { return r.Start(staff, m.now) },
	"wait":  func(_ *rapid.T, m *model, r *callback.Record) error { return r.Wait(staff, m.now) },
	"attempt": func(rt *rapid.T, m *model, r *callback.Record) error {
		return r.Attempt(callback.Attempt{ID: callback.NewID(), At: m.now, By: staff, Channel: "phone",
			Result: rapid.SampledFrom(callback.AttemptResults).Draw(rt, "result"), Note: redact.NewText(rapid.String().Draw(rt, "note"))}, m.now)
	},
	"close": func(rt *rapid.T, m *model, r *callback.Record) error {
		return r.Close(rapid.SampledFrom(callback.ClosingOutcomes).Draw(rt, "outcome"), redact.Text{}, staff, m.now)
	},
	"close on a visit": func(rt *rapid.T, m *model, r *callback.Record) error {
		return r.CloseOnVisit(callback.Evidence{EHR: ehr, Appointment: fmt.Sprint("visit ", m.n, m.fresh()),
			Verdict: callback.Strong, Reasons: []string{"x"}}, m.now)
	},
	"reopen": func(_ *rapid.T, m *model, r *callback.Record) error {
		return r.Reopen("again", redact.Text{}, staff, m.now)
	},
	"lose a visit": func(_ *rapid.T, m *model, r *callback.Record) error { return r.ReopenOnVisitLost("lost", m.now) },
	"ask review": func(_ *rapid.T, m *model, r *callback.Record) error {
		r.AskReview([]callback.Evidence{{EHR: ehr, Appointment: fmt.Sprint("weak ", m.n, m.fresh()), Verdict: callback.Weak}}, m.now)
		return nil
	},
	"prioritise": func(rt *rapid.T, m *model, r *callback.Record) error {
		return r.Prioritise(rapid.SampledFrom(callback.Priorities).Draw(rt, "priority"), staff, m.now)
	},
	"note": func(rt *rapid.T, m *model, r *callback.Record) error {
		r.Note(redact.NewText(rapid.String().Draw(rt, "note")), staff, m.now)
		return nil
	},
	"resolve": func(rt *rapid.T, m *model, r *callback.Record) error {
		p := callback.Patient{Keys: r.Patient.Keys, TriedAt: m.now, How: "mrn",
			Resolution: rapid.SampledFrom([]callback.Resolution{callback.NoChart, callback.Ambiguous, callback.Certain}).Draw(rt, "resolution")}
		p.Keys.EHRID = patient(rapid.IntRange(1, 9).Draw(rt, "patient"))
		p.Candidate = patient(rapid.IntRange(1, 9).Draw(rt, "candidate"))
		r.Resolve(p, automation, m.now)
		return nil
	},
	"add a link": func(_ *rapid.T, m *model, r *callback.Record) error {
		r.Links = append(r.Links, callback.NewLink(r.Callback, ehr, callback.AppointmentResource, m.now))
		return nil
	},
	"written": func(rt *rapid.T, m *model, r *callback.Record) error {
		l := rapid.SampledFrom(r.Links).Draw(rt, "link")
		item := callback.Item{Type: l.Type, ID: l.RemoteID, Version: fmt.Sprint(m.fresh())}
		if item.ID == "" {
			item.ID = fmt.Sprint("item ", m.n, " ", m.fresh())
		}
		return r.Written(l.ID, item, rapid.Int64Range(0, r.Revision).Draw(rt, "holds"), m.now)
	},
	"retry or discard": func(rt *rapid.T, m *model, r *callback.Record) error {
		l := r.Link(rapid.SampledFrom(r.Links).Draw(rt, "link").ID)
		if rapid.Bool().Draw(rt, "retry") {
			l.Retry(m.now)
		} else {
			l.Discard("useless", m.now)
		}
		return nil
	},
}

func (m *model) update(rt *rapid.T, change func(*rapid.T, *model, *callback.Record) error) {
	m.now = m.now.Add(time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(rt, "passes")))
	got, err := m.l.Update(context.Background(), m.rec.ID, func(r *callback.Record) error {
		return change(rt, m, r)
	})
	switch {
	case errors.Is(err, callback.ErrNotAllowed): // nothing was stored: check compares with the old record
	case err != nil:
		rt.Fatal(err)
	default:
		m.took(rt, got)
	}
}

func (m *model) merge(rt *rapid.T) {
	req := request(here, m.n)
	req.SourceID = string(callback.NewID())
	// A closed one is a candidate only while it was closed lately, so ask for all.
	taken, err := m.l.Take(context.Background(), arrival(req), time.Time{}.AddDate(1, 0, 0), mergeOrNew(req))
	if err != nil {
		rt.Fatal(err)
	}
	got, err := m.l.Record(context.Background(), m.rec.ID)
	if err != nil {
		rt.Fatal(err)
	}
	same(rt, "what Take returned", got.Callback, taken.Callback)
	m.took(rt, got)
}

// took compares a record with the one before it.
func (m *model) took(rt *rapid.T, got callback.Record) {
	if got.Revision < m.rec.Revision {
		rt.Fatalf("revision %d after %d", got.Revision, m.rec.Revision)
	}
	if len(got.Timeline) < len(m.rec.Timeline) {
		rt.Fatalf("%d events after %d", len(got.Timeline), len(m.rec.Timeline))
	}
	same(rt, "the events before", got.Timeline[:len(m.rec.Timeline)], m.rec.Timeline)
	for i, e := range got.Timeline {
		if e.Seq != int64(i+1) {
			rt.Fatalf("event %d has place %d", i, e.Seq)
		}
	}
	m.rec = got
}

func (m *model) saveLink(rt *rapid.T) {
	l := rapid.SampledFrom(m.rec.Links).Draw(rt, "link")
	l.State = rapid.SampledFrom([]callback.LinkState{callback.LinkPending, callback.LinkSending, callback.LinkStuck, callback.LinkDiscarded}).Draw(rt, "state")
	l.Holds = rapid.Int64Range(0, m.rec.Revision).Draw(rt, "holds")
	l.NextAttemptAt = time.Time{}
	if rapid.Bool().Draw(rt, "has a time") {
		l.NextAttemptAt = noon.Add(time.Duration(rapid.Int64Range(0, int64(48*time.Hour)).Draw(rt, "next")))
	}
	saved, err := m.l.SaveLink(context.Background(), l)
	if err != nil {
		rt.Fatal(err)
	}
	*m.rec.Link(l.ID) = saved
}

func (m *model) check(rt *rapid.T) {
	read, err := m.l.Record(context.Background(), m.rec.ID)
	if err != nil {
		rt.Fatal(err)
	}
	same(rt, "what is stored", read, m.rec)
	lags, err := m.l.Lagging(context.Background(), m.now, 1<<20)
	if err != nil {
		rt.Fatal(err)
	}
	for _, l := range m.rec.Links {
		due := l.Lags(m.rec.Callback) && !l.NextAttemptAt.After(m.now)
		told := slices.ContainsFunc(lags, func(g callback.Lag) bool { return g.Link == l.ID })
		if due != told {
			rt.Fatalf("link in state %s holds %d of %d, due at %v: lagging %t, want %t", l.State, l.Holds, m.rec.Revision, l.NextAttemptAt, told, due)
		}
	}
}
