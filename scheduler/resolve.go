package scheduler

import (
	"context"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/matching"
	"github.com/ringback-health/ringback/internal/fault"
)

// resolveAtOnce bounds how many charts one poll looks for.
const resolveAtOnce = 50

// ResolveOpen looks again for the charts of an EHR's open callbacks that have
// none yet: a new patient's chart appears days after the call.
func (w *Worker) ResolveOpen(ctx context.Context, id callback.EHRID) error {
	site, ok := w.sites[id]
	if !ok {
		return nil
	}
	var after callback.ID
	for tried := 0; tried < resolveAtOnce; {
		page, next, err := w.opts.Ledger.List(ctx, callback.Filter{Clinic: site.Clinic, Open: true, Unbound: true, After: after})
		if err != nil {
			return err
		}
		for _, c := range page {
			if !w.resolvable(c) {
				continue
			}
			tried++
			rec, err := w.opts.Ledger.Record(ctx, c.ID)
			if err != nil {
				return err
			}
			if _, err := w.resolve(ctx, site, rec); err != nil {
				return err
			}
		}
		if next == "" {
			return nil
		}
		after = next
	}
	return nil
}

// resolvable reports whether it makes sense to look for the callback's chart now.
func (w *Worker) resolvable(c callback.Callback) bool {
	return c.Patient.Resolution != callback.Certain && len(matching.Queries(c)) > 0 &&
		w.now().Sub(c.Patient.TriedAt) >= w.opts.ResolveEvery
}

// resolve asks the EHR which chart the callback is about and records the answer.
// A chart that became certain brings its appointments into play. When the EHR
// cannot say, the callback goes on without a chart and is asked about later: a
// search that fails must not keep a work item out of the inbox.
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
	if got.Patient.Resolution != callback.Certain || rec.Patient.Resolution == callback.Certain {
		return got, nil
	}
	if err := w.Match(ctx, rec.ID); err != nil {
		return got, err
	}
	return w.opts.Ledger.Record(ctx, rec.ID)
}

// chart asks the EHR, by the surest key first, until a key finds something.
func (w *Worker) chart(ctx context.Context, site Site, c callback.Callback) (callback.Patient, error) {
	answer := callback.Patient{Keys: c.Patient.Keys, Resolution: callback.NoChart, How: "nothing-to-search-by"}
	for _, q := range matching.Queries(c) {
		charts, err := site.EHR.Patients(ctx, q.Ask)
		if err != nil {
			return answer, err
		}
		if answer = matching.Resolve(c, q, charts); answer.Resolution != callback.NoChart {
			break
		}
	}
	return answer, nil
}
