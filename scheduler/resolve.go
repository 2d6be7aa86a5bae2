package scheduler

import (
	"context"
	"slices"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/matching"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/redact"
)

// resolveAtOnce bounds how many callbacks of one list a poll looks at.
const resolveAtOnce = 50

// A chart is looked for at once, and then the more rarely the longer the callback waits
// for it: after a part of its age, but not less often than every few hours.
const (
	resolveAfterPart = 50
	resolveAtLeast   = 2 * time.Hour
)

// ResolveOpen looks again for the charts of an EHR's open callbacks that have none yet:
// a new patient's chart appears days after the call. And it weighs again what waits for
// other things than an appointment: those that hold several calls are not closed at once,
// and what a person was asked about may have become clear, as when another callback of the
// patient was closed. Of each kind it takes a few at a time, and the next call goes on
// behind them.
func (w *Worker) ResolveOpen(ctx context.Context, id callback.EHRID) error {
	site, ok := w.sites[id]
	if !ok {
		return nil
	}
	unbound := callback.Filter{Clinic: site.Clinic, Open: true, Unbound: true}
	if err := w.eachDue(ctx, round{id, "unbound"}, unbound, w.resolvable, func(rec callback.Record) error {
		_, err := w.resolve(ctx, site, rec)
		return err
	}); err != nil {
		return err
	}
	certain := func(c callback.Callback) bool { return c.Patient.Resolution == callback.Certain }
	weigh := func(rec callback.Record) error { return w.Match(ctx, rec.ID) }
	repeated := callback.Filter{Clinic: site.Clinic, Open: true, Repeated: true}
	if err := w.eachDue(ctx, round{id, "repeated"}, repeated, certain, weigh); err != nil {
		return err
	}
	review := callback.Filter{Clinic: site.Clinic, Open: true, Review: true}
	return w.eachDue(ctx, round{id, "review"}, review, certain, weigh)
}

// eachDue does something with the next callbacks of a list that are due.
func (w *Worker) eachDue(ctx context.Context, r round, f callback.Filter, due func(callback.Callback) bool, do func(callback.Record) error) error {
	f.Limit, f.After = resolveAtOnce, w.upTo(r)
	for tried := 0; tried < resolveAtOnce; {
		page, next, err := w.opts.Ledger.List(ctx, f)
		if err != nil {
			return err
		}
		for _, c := range page {
			if !due(c) {
				continue
			}
			tried++
			rec, err := w.opts.Ledger.Record(ctx, c.ID)
			if err != nil {
				return err
			}
			if err := do(rec); err != nil {
				return err
			}
		}
		w.setUpTo(r, next)
		if next == "" {
			return nil
		}
		f.After = next
	}
	return nil
}

// resolvable reports whether it makes sense to look for the callback's chart now.
func (w *Worker) resolvable(c callback.Callback) bool {
	now := w.now()
	every := max(w.opts.ResolveEvery, min(now.Sub(c.ReceivedAt)/resolveAfterPart, resolveAtLeast))
	return c.Patient.Resolution != callback.Certain && len(matching.Queries(c)) > 0 && now.Sub(c.Patient.TriedAt) >= every
}

// resolve asks the EHR which chart the callback is about and records the answer.
// A chart that became certain brings its appointments into play, and so does one that
// may be it. When the EHR cannot say, the callback goes on without a chart and is asked
// about later: a search that fails must not keep a work item out of the inbox.
func (w *Worker) resolve(ctx context.Context, site Site, rec callback.Record) (callback.Record, error) {
	answer, err := w.chart(ctx, site, rec.Callback)
	if err != nil {
		if !fromEHR(err) {
			return rec, err
		}
		w.opts.Logger.Warn("chart not looked up", "callback", rec.ID, "ehr", site.ID, "error", fault.Describe(err))
		answer = rec.Patient
	}
	answer.TriedAt = w.now()
	got, err := w.opts.Ledger.Update(ctx, rec.ID, func(r *callback.Record) error {
		if r.Patient.Resolution == callback.Certain {
			return nil // staff was faster
		}
		r.Resolve(answer, callback.Actor{Kind: callback.Automation}, w.now())
		return nil
	})
	if err != nil {
		return rec, err
	}
	if got.Patient.Chart().IsEmpty() || got.Patient.Resolution == rec.Patient.Resolution && got.Patient.Chart().Equal(rec.Patient.Chart()) {
		return got, nil
	}
	if err := w.Match(ctx, rec.ID); err != nil {
		return got, err
	}
	return w.opts.Ledger.Record(ctx, rec.ID)
}

// chart asks the EHR, by the surest key first, until a key tells for certain. An EHR that
// does not offer a search for similar names is not asked in vain: that one finds nothing.
func (w *Worker) chart(ctx context.Context, site Site, c callback.Callback) (callback.Patient, error) {
	best := matching.NotSearched(c)
	for i, q := range matching.Queries(c) {
		charts, err := site.EHR.Patients(ctx, q.Ask)
		if q.Ask.Similar && fault.Is(err, fault.Permanent) {
			break
		}
		if err != nil {
			return best, err
		}
		answer := matching.Resolve(c, q, charts, site.Rules)
		if i == 0 {
			best = answer
		}
		best = matching.Better(best, answer)
		if best.Resolution != callback.Certain {
			continue
		}
		if slices.ContainsFunc(charts, func(ch callback.Chart) bool { return ch.MergedInto.Equal(best.Keys.EHRID) }) {
			return w.survivor(ctx, site, best)
		}
		return best, nil
	}
	return best, nil
}

// mergesInARow bounds how often a chart is followed to the one it was merged into.
const mergesInARow = 5

// survivor follows a chart to the one that is kept now.
func (w *Worker) survivor(ctx context.Context, site Site, p callback.Patient) (callback.Patient, error) {
	for range mergesInARow {
		charts, err := site.EHR.Patients(ctx, callback.PatientQuery{ID: p.Keys.EHRID})
		if err != nil {
			return p, err
		}
		now, merged := matching.Moved(p.Keys.EHRID, charts)
		if !merged {
			return p, nil
		}
		p.Keys.EHRID = now
	}
	return p, nil
}

// matchAlso weighs the visits of a callback's chart and of others that are the same.
func (w *Worker) matchAlso(ctx context.Context, site Site, rec callback.Record, aliases []redact.Text) error {
	in, err := w.evidence(ctx, site, rec, nil)
	if err != nil {
		return err
	}
	in.Aliases = append(in.Aliases, aliases...)
	for _, id := range aliases {
		more, err := w.opts.Ledger.Appointments(ctx, rec.Clinic, site.ID, id, nil, nil)
		if err != nil {
			return err
		}
		for _, a := range more {
			if err := addCredit(ctx, w.opts.Ledger, in, a); err != nil {
				return err
			}
		}
		in.Appointments = append(in.Appointments, more...)
	}
	return w.decide(ctx, site, in)
}
