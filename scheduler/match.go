package scheduler

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/matching"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/redact"
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
	return w.decide(ctx, site, in)
}

// decide decides on what was gathered and does what follows.
func (w *Worker) decide(ctx context.Context, site Site, in matching.Input) error {
	d := matching.Decide(in)
	if d.Step != matching.Leave && d.Step != matching.Close {
		// Before anybody is asked or a callback opens again: what was fetched with this may
		// say more, such as the visit that takes the place of a cancelled one.
		var err error
		if in.Appointments, err = w.ahead(ctx, site, in.Appointments); err != nil {
			return err
		}
		d = matching.Decide(in)
	}
	switch {
	case d.Step == matching.Leave:
		return nil
	case d.Step == matching.Renew:
		return w.renew(ctx, site, in, d)
	case d.From != "":
		if err := w.discredit(ctx, d.From, "The visit that had answered this callback was moved at a later request, which it answers now."); err != nil {
			return err
		}
		delete(in.Credited, d.Evidence[0].Appointment)
	}
	var done matching.Decision
	_, err := w.opts.Ledger.Update(ctx, in.Record.ID, func(r *callback.Record) error {
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
		w.opts.Logger.Info("appointment weighed", "callback", in.Record.ID, "step", done.Step, "verdict", done.Evidence[0].Verdict)
	}
	return nil
}

func apply(r *callback.Record, d matching.Decision, in matching.Input) error {
	switch d.Step {
	case matching.Leave, matching.Renew: // Renew is more than a change of the callback
	case matching.Close:
		return r.CloseOnVisit(d.Evidence[0], in.Now)
	case matching.Review:
		r.AskReview(d.Evidence, in.Now)
	case matching.Reopen:
		return r.ReopenOnVisitLost(d.Evidence[0].Sentence, in.Now)
	case matching.Keep:
		return r.Recredit(d.Evidence[0], in.Now)
	case matching.Lapse:
		r.Discredit(d.Evidence[0].Sentence, in.Now)
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
	in, err := Evidence(ctx, w.opts.Ledger, site, rec)
	if err != nil {
		return in, err
	}
	in.Now = w.now()
	if with != nil {
		in.Appointments = append(in.Appointments, *with)
		if err := addCredit(ctx, w.opts.Ledger, in, *with); err != nil {
			return in, err
		}
	}
	in.Aliases = append(in.Aliases, w.mergedSince(ctx, site, in)...)
	return in, nil
}

// Evidence gathers from the ledger all that matching weighs for a callback, but for the
// time and what only the EHR knows. Site needs no connector for it.
func Evidence(ctx context.Context, l callback.Ledger, site Site, rec callback.Record) (matching.Input, error) {
	in := matching.Input{Record: rec, Rules: site.Rules, Credited: map[string]matching.Credit{}}
	var ids []string
	var markers []callback.Marker
	for _, link := range rec.Links {
		if link.EHR != site.ID {
			continue
		}
		markers = append(markers, link.Marker())
		ids = append(ids, link.Base.Appointments...)
		if link.Type == callback.AppointmentResource && link.RemoteID != "" {
			ids = append(ids, link.RemoteID)
		}
	}
	for _, ev := range rec.Evidence {
		ids = append(ids, ev.Appointment)
	}
	var err error
	if in.Appointments, err = l.Appointments(ctx, rec.Clinic, site.ID, rec.Patient.Chart(), ids, markers); err != nil {
		return in, err
	}
	for _, a := range in.Appointments {
		if err := addCredit(ctx, l, in, a); err != nil {
			return in, err
		}
	}
	in.Rivals, err = rivals(ctx, l, rec)
	return in, err
}

// addCredit finds out whether an appointment closed another callback, and when.
func addCredit(ctx context.Context, l callback.Ledger, in matching.Input, a callback.Appointment) error {
	to, err := l.CreditedTo(ctx, in.Record.Clinic, a.EHR, a.ID)
	if err != nil || to == "" || to == in.Record.ID {
		return err
	}
	other, err := l.Record(ctx, to)
	if err != nil {
		return err
	}
	ev, _ := other.EvidenceOf(a.EHR, a.ID)
	in.Credited[a.ID] = matching.Credit{Callback: to, At: ev.At}
	return nil
}

// rivals are the other open callbacks of the chart that a record is bound to.
func rivals(ctx context.Context, l callback.Ledger, rec callback.Record) ([]callback.Record, error) {
	if rec.Patient.Keys.EHRID.IsEmpty() {
		return nil, nil
	}
	open, err := l.OpenFor(ctx, rec.Clinic, rec.Patient.Keys.EHRID)
	if err != nil {
		return nil, err
	}
	var others []callback.Record
	for _, id := range open {
		if id == rec.ID {
			continue
		}
		other, err := l.Record(ctx, id)
		if err != nil {
			return nil, err
		}
		others = append(others, other)
	}
	return others, nil
}

// mergedSince returns the ids under which the chart that a callback was closed for is kept
// besides its own, when the visit that closed it is for another one now: charts are merged
// and their visits moved along, and a visit may also have been booked for the wrong
// patient. An EHR that does not answer leaves it at that: nothing opens on a guess.
func (w *Worker) mergedSince(ctx context.Context, site Site, in matching.Input) []redact.Text {
	bound := in.Record.Patient.Keys.EHRID
	if in.Record.Status != callback.Closed || bound.IsEmpty() {
		return nil
	}
	var aliases []redact.Text
	for _, a := range in.Appointments {
		ev, held := in.Record.EvidenceOf(a.EHR, a.ID)
		if !held || ev.State != callback.Credited || a.Patient.IsEmpty() || a.Patient.Equal(bound) {
			continue
		}
		charts, err := site.EHR.Patients(ctx, callback.PatientQuery{ID: bound})
		if err != nil {
			w.opts.Logger.Warn("chart not looked up", "callback", in.Record.ID, "ehr", site.ID, "error", fault.Describe(err))
			return []redact.Text{a.Patient}
		}
		aliases = append(aliases, otherIDs(bound, charts)...)
	}
	return aliases
}

// otherIDs are the ids of the charts that one was merged into or has replaced.
func otherIDs(id redact.Text, charts []callback.Chart) []redact.Text {
	var ids []redact.Text
	for _, ch := range charts {
		if ch.ID.Equal(id) {
			ids = append(ids, ch.Replaces...)
			if !ch.MergedInto.IsEmpty() {
				ids = append(ids, ch.MergedInto)
			}
		}
	}
	return ids
}

// ahead returns the appointments with those that are stored in pages and were not
// interpreted yet.
func (w *Worker) ahead(ctx context.Context, site Site, known []callback.Appointment) ([]callback.Appointment, error) {
	pages, err := w.opts.Ledger.PendingPages(ctx, site.ID, callback.FeedAppointments, pagesAtOnce)
	if err != nil {
		return nil, err
	}
	for _, p := range pages {
		changes, err := site.EHR.Interpret(p.Feed, p.Body)
		if err != nil {
			continue // whoever interprets it says so
		}
		for _, a := range changes.Appointments {
			a.Clinic, a.EHR, a.NotBefore, a.FirstSeen = site.Clinic, site.ID, p.NotBefore, p.FetchedAt
			i := slices.IndexFunc(known, func(k callback.Appointment) bool { return k.EHR == a.EHR && k.ID == a.ID })
			switch {
			case i < 0:
				known = append(known, callback.Appointment{}.Observed(a))
			case a.Updated.After(known[i].Updated):
				known[i] = known[i].Observed(a)
			}
		}
	}
	return known, nil
}
