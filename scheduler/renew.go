package scheduler

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/matching"
	"github.com/ringback-health/ringback/internal/redact"
)

// sourceVisitLost is the source of the callbacks that nobody called for: a visit fell
// through when the callback that it had answered was closed for long.
const sourceVisitLost = "visit-lost"

// renew makes a callback of its own of a visit that fell through too late to open the
// old one again, and takes the credit from the old one. What was done by an earlier life
// is not done again: the arrival is stored once.
func (w *Worker) renew(ctx context.Context, site Site, in matching.Input, d matching.Decision) error {
	old, lost := in.Record, d.Evidence[0]
	now := w.now()
	// Named by its callback and closing, so that the same visit can be lost twice.
	sourceID := string(old.ID) + "-" + strconv.FormatInt(old.ClosedAt.Unix(), 10)
	req := callback.Request{Clinic: old.Clinic, Source: sourceVisitLost, SourceID: sourceID, ReceivedAt: now,
		Caller: old.Caller, Patient: old.Patient.Keys, NewPatient: old.NewPatient, Category: old.Category, VisitKind: old.VisitKind}
	if site.Rules.Categories[old.Category].Moves || old.Category == callback.Other {
		req.Category = callback.ExistingScheduling // whatever it was about, a visit is missing now
	}
	arrival := callback.Arrival{ID: callback.NewID(), Clinic: req.Clinic, Source: req.Source, SourceID: req.SourceID,
		ReceivedAt: now, StoredAt: now, Content: redact.NewText(sourceID), Phone: req.Caller.Phone}
	taken, err := w.opts.Ledger.Take(ctx, arrival, now, func([]callback.Record) (callback.Intake, error) {
		intake, err := site.Rules.Intake(req, nil, now)
		if err != nil {
			return intake, err
		}
		r := intake.New
		r.Patient = old.Patient
		r.AskedAt = fellThrough(in, lost, now)
		r.VisitChanged(fmt.Sprintf("%s It goes on from callback %s, which was closed too long ago to be opened again.", lost.Sentence, old.ID), now)
		r.Links = append(r.Links, callback.NewLink(r.Callback, site.ID, callback.TaskResource, now))
		return intake, nil
	})
	if err != nil {
		return fmt.Errorf("make a callback of a visit that fell through: %w", err)
	}
	err = w.discredit(ctx, old.ID, fmt.Sprintf("%s Callback %s goes on with it.", lost.Sentence, taken.Callback.ID))
	if err != nil {
		return err
	}
	w.opts.Logger.Info("callback made of a visit that fell through", "callback", taken.Callback.ID, "before", old.ID)
	return nil
}

// fellThrough is since when the visit can have fallen through: what was booked after that
// may be what takes its place.
func fellThrough(in matching.Input, lost callback.Evidence, now time.Time) time.Time {
	for _, a := range in.Appointments {
		if a.EHR != lost.EHR || a.ID != lost.Appointment || len(a.History) == 0 {
			continue
		}
		if last := a.History[len(a.History)-1]; !last.NotBefore.IsZero() {
			return last.NotBefore
		}
	}
	return now
}

// discredit takes the credit from the visit that had closed a callback.
func (w *Worker) discredit(ctx context.Context, id callback.ID, why string) error {
	_, err := w.opts.Ledger.Update(ctx, id, func(r *callback.Record) error {
		r.Discredit(why, w.now())
		return nil
	})
	return err
}
