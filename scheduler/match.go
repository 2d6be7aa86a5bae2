package scheduler

import (
	"context"
	"errors"
	"fmt"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/matching"
)

// Match weighs all that is known of appointments for one callback and does what
// follows: close it, ask a person, open it again, or nothing.
func (w *Worker) Match(ctx context.Context, id callback.ID) error { return w.match(ctx, id, nil) }

// match weighs once more when the ledger says that another callback was credited
// with the same appointment meanwhile.
func (w *Worker) match(ctx context.Context, id callback.ID, with *callback.Appointment) error {
	err := w.matchOnce(ctx, id, with)
	if errors.Is(err, callback.ErrConflict) {
		err = w.matchOnce(ctx, id, with)
	}
	return err
}

func (w *Worker) matchOnce(ctx context.Context, id callback.ID, with *callback.Appointment) error {
	rec, err := w.opts.Ledger.Record(ctx, id)
	if err != nil {
		return err
	}
	site, ok := w.siteOf(rec)
	if !ok {
		return nil
	}
	in, err := w.evidence(ctx, site, rec, with)
	if err != nil {
		return err
	}
	if matching.Decide(in).Step == matching.Leave {
		return nil
	}
	var done matching.Decision
	_, err = w.opts.Ledger.Update(ctx, id, func(r *callback.Record) error {
		in.Record = *r // decided again on what is stored: it may have moved
		done = matching.Decide(in)
		return apply(r, done, in)
	})
	if errors.Is(err, callback.ErrNotAllowed) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("record what an appointment says: %w", err)
	}
	if done.Step != matching.Leave {
		w.opts.Logger.Info("appointment weighed", "callback", id, "step", done.Step, "verdict", done.Evidence[0].Verdict)
	}
	return nil
}

func apply(r *callback.Record, d matching.Decision, in matching.Input) error {
	switch d.Step {
	case matching.Leave:
	case matching.Close:
		return r.CloseOnVisit(d.Evidence[0], in.Now)
	case matching.Review:
		r.AskReview(d.Evidence, in.Now)
	case matching.Reopen:
		return r.ReopenOnVisitLost(d.Evidence[0].Sentence, in.Now)
	}
	return nil
}

func (w *Worker) siteOf(rec callback.Record) (Site, bool) {
	for _, l := range rec.Links {
		if s, ok := w.sites[l.EHR]; ok {
			return s, true
		}
	}
	return Site{}, false
}

// evidence gathers what matching weighs.
func (w *Worker) evidence(ctx context.Context, site Site, rec callback.Record, with *callback.Appointment) (matching.Input, error) {
	in := matching.Input{Record: rec, Rules: site.Rules, Now: w.now(), CreditedElsewhere: map[string]bool{}}
	var ids []string
	var markers []callback.Marker
	for _, l := range rec.Links {
		if l.EHR != site.ID {
			continue
		}
		markers = append(markers, l.Marker())
		in.StaffLinked = append(in.StaffLinked, l.Base.Appointments...)
		if l.Type == callback.AppointmentResource && l.RemoteID != "" {
			ids = append(ids, l.RemoteID)
		}
	}
	ids = append(ids, in.StaffLinked...)
	for _, ev := range rec.Evidence {
		ids = append(ids, ev.Appointment)
	}
	patient := rec.Patient.Chart()
	appts, err := w.opts.Ledger.Appointments(ctx, rec.Clinic, site.ID, patient, ids, markers)
	if err != nil {
		return in, err
	}
	if with != nil {
		appts = append(appts, *with)
	}
	in.Appointments = appts
	for _, a := range appts {
		to, err := w.opts.Ledger.CreditedTo(ctx, rec.Clinic, site.ID, a.ID)
		if err != nil {
			return in, err
		}
		if to != "" && to != rec.ID {
			in.CreditedElsewhere[a.ID] = true
		}
	}
	if in.Rivals, err = w.rivals(ctx, site, rec); err != nil {
		return in, err
	}
	return in, nil
}

// rivals counts the other open callbacks of the same patient that a visit would
// answer as well.
func (w *Worker) rivals(ctx context.Context, site Site, rec callback.Record) (n int, err error) {
	if rec.Patient.Keys.EHRID.IsEmpty() {
		return 0, nil
	}
	open, err := w.opts.Ledger.OpenFor(ctx, rec.Clinic, rec.Patient.Keys.EHRID)
	if err != nil {
		return 0, err
	}
	for _, id := range open {
		if id == rec.ID {
			continue
		}
		other, err := w.opts.Ledger.Record(ctx, id)
		if err != nil {
			return 0, err
		}
		if site.Rules.AnsweredByVisit(other.Category) {
			n++
		}
	}
	return n, nil
}
