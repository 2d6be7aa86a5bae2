package scheduler

import (
	"context"
	"time"

	"github.com/ringback-health/ringback/callback"
)

// chartEvery is how often the chart of an open callback is looked at. Charts are merged
// rarely, and a callback whose chart is no more waits for visits that stand elsewhere.
const chartEvery = 24 * time.Hour

// charts looks whether charts that open callbacks are bound to were merged into others.
func (r *reading) charts(ctx context.Context) error {
	if !r.caps.PatientByID {
		return nil
	}
	if err := r.opts.Ledger.Plan(ctx, r.site.Clinic, r.site.ID, callback.WatchChart, time.Time{}, r.began); err != nil {
		return err
	}
	_, err := r.each(ctx, callback.WatchChart, func(watch *callback.Watch) error {
		now := r.now()
		fresh := watch.SeenAt.IsZero() && watch.DueAt.Equal(watch.Since)
		watch.DueAt = now.Add(chartEvery)
		if fresh {
			return nil // it was looked up a moment ago
		}
		watch.SeenAt = now
		watch.Asked++
		return r.merged(ctx, callback.ID(watch.Subject))
	})
	return err
}

// merged binds a callback to the chart that replaced its own, if one did.
func (r *reading) merged(ctx context.Context, id callback.ID) error {
	rec, err := r.opts.Ledger.Record(ctx, id)
	if err != nil || rec.Patient.Resolution != callback.Certain {
		return err
	}
	charts, err := r.site.EHR.Patients(ctx, callback.PatientQuery{ID: rec.Patient.Keys.EHRID})
	if err != nil || len(charts) != 1 || charts[0].MergedInto.IsEmpty() {
		return err
	}
	_, err = r.opts.Ledger.Update(ctx, id, func(now *callback.Record) error {
		if !now.Patient.Keys.EHRID.Equal(rec.Patient.Keys.EHRID) {
			return nil // staff was faster
		}
		p := now.Patient
		p.Keys.EHRID, p.How, p.TriedAt = charts[0].MergedInto, "merged-chart", r.now()
		now.Resolve(p, callback.Actor{Kind: callback.Automation}, r.now())
		return nil
	})
	if err != nil {
		return err
	}
	return r.Match(ctx, id)
}
