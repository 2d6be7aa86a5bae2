package scheduler

import (
	"context"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/matching"
	"github.com/ringback-health/ringback/internal/redact"
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
	_, err := r.each(ctx, callback.WatchChart, 1, func(watch *callback.Watch) error {
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

// merged binds a callback to the chart that replaced its own, if one did, and weighs the
// visits of all charts that are the same.
func (r *reading) merged(ctx context.Context, id callback.ID) error {
	rec, err := r.opts.Ledger.Record(ctx, id)
	if err != nil || rec.Patient.Resolution != callback.Certain {
		return err
	}
	bound := rec.Patient.Keys.EHRID
	charts, err := r.site.EHR.Patients(ctx, callback.PatientQuery{ID: bound})
	if err != nil {
		return err
	}
	aliases := otherIDs(bound, charts)
	if len(aliases) == 0 {
		return nil
	}
	if now, is := matching.Moved(bound, charts); is {
		aliases = append(aliases, bound)
		if rec, err = r.rebind(ctx, rec, now); err != nil {
			return err
		}
	}
	return r.matchAlso(ctx, r.site, rec, aliases)
}

// rebind binds a callback to the chart that its own was merged into, or to the one that
// this was merged into since.
func (r *reading) rebind(ctx context.Context, rec callback.Record, into redact.Text) (callback.Record, error) {
	answer := rec.Patient
	answer.Keys.EHRID, answer.How = into, "merged-chart"
	answer, err := r.survivor(ctx, r.site, answer)
	if err != nil {
		return rec, err
	}
	answer.TriedAt = r.now()
	return r.opts.Ledger.Update(ctx, rec.ID, func(now *callback.Record) error {
		if now.Patient.Keys.EHRID.Equal(rec.Patient.Keys.EHRID) { // else staff was faster
			now.Resolve(answer, callback.Actor{Kind: callback.Automation}, r.now())
		}
		return nil
	})
}
