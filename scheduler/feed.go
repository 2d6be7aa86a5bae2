package scheduler

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/fault"
)

// pagesAtOnce bounds how many stored pages are held in memory.
const pagesAtOnce = 20

// keepPages is how long an interpreted page is kept, for whoever has to find out
// what an EHR said. One that could not be read in full is kept until it is looked at.
const keepPages = 30 * 24 * time.Hour

// Poll reads one feed of one EHR: first what an earlier life stored and did not
// interpret, then what is new. Each page is stored before it is looked at, and
// the watermark moves only over pages that were stored. A failure of the EHR is
// recorded in the feed's state and returned. While the EHR is held back nothing is
// done.
func (w *Worker) Poll(ctx context.Context, id callback.EHRID, f callback.Feed) error {
	site, ok := w.sites[id]
	if !ok {
		return nil // the configuration changed; the queue is older
	}
	in, tried, err := site.circuit.admit(ctx)
	defer tried()
	if err != nil || !in {
		return err
	}
	state, err := w.opts.Ledger.FeedState(ctx, site.Clinic, id, f)
	if err != nil {
		return err
	}
	began := w.now()
	state.LastAttempt = began
	latest, err := w.interpretPending(ctx, site, f, true)
	if err == nil {
		err = w.look(ctx, site, f, state, began)
	}
	fetchErr := err
	newest, err := w.interpretPending(ctx, site, f, false)
	err = errors.Join(fetchErr, err)
	if newest.After(latest) {
		latest = newest
	}
	if err != nil {
		state.LastError = fault.Describe(err)
		if saveErr := w.opts.Ledger.SaveFeedState(ctx, state); saveErr != nil {
			return errors.Join(err, saveErr)
		}
		return err
	}
	if latest.After(state.Watermark) {
		state.Watermark = latest
	} else if state.Watermark.IsZero() {
		// Nothing there yet. Without a word of the EHR's clock, ours has to do; the
		// overlap covers clocks that differ by minutes.
		state.Watermark = began.Add(-w.opts.Overlap)
	}
	state.LastSuccess, state.LastError = began, ""
	if err := w.opts.Ledger.SaveFeedState(ctx, state); err != nil {
		return err
	}
	if f == callback.FeedAppointments {
		return w.ResolveOpen(ctx, id)
	}
	return nil
}

// look asks for what changed. An EHR that cannot tell which work items have is asked
// for each that is open; one that shows no appointments is not asked for them.
func (w *Worker) look(ctx context.Context, site Site, f callback.Feed, state callback.FeedState, began time.Time) error {
	caps, err := site.EHR.Capabilities(ctx)
	switch {
	case err != nil:
		return err
	case f == callback.FeedItems && !caps.ItemFeed:
		return w.readOpen(ctx, site, caps)
	case f == callback.FeedAppointments && !caps.AppointmentFeed:
		return nil // doctor and check say what that means
	default:
		return w.fetch(ctx, site, f, state, began)
	}
}

// readAtOnce is how many open work items one poll reads where there is no feed of
// them; the next poll goes on behind them.
const readAtOnce = 50

// readOpen reads the work items of open callbacks, a few at each poll in turn.
func (w *Worker) readOpen(ctx context.Context, site Site, caps callback.Capabilities) error {
	page, next, err := w.opts.Ledger.List(ctx, callback.Filter{Clinic: site.Clinic, Open: true, Limit: readAtOnce, After: w.readUpTo(site.ID)})
	if err != nil {
		return err
	}
	for _, c := range page {
		rec, err := w.opts.Ledger.Record(ctx, c.ID)
		if err != nil {
			return err
		}
		for _, l := range rec.Links {
			stands := l.EHR == site.ID && l.Type.IsWorkItem() && l.Type != callback.Worklist && l.State == callback.LinkSynced
			if !stands || !caps.On(l.Type).ReadBack {
				continue
			}
			if err := w.seenChange(ctx, site, l, callback.Item{Type: l.Type, ID: l.RemoteID}); err != nil {
				return err
			}
		}
	}
	w.setReadUpTo(site.ID, next)
	return nil
}

// readUpTo is behind which callback the next readOpen goes on. It is no more than a
// place in a round: an earlier life's is not missed.
func (w *Worker) readUpTo(id callback.EHRID) callback.ID {
	after, _ := w.round.Load(id)
	last, _ := after.(callback.ID)
	return last
}

func (w *Worker) setReadUpTo(id callback.EHRID, last callback.ID) { w.round.Store(id, last) }

// fetch stores the raw pages of what changed.
func (w *Worker) fetch(ctx context.Context, site Site, f callback.Feed, state callback.FeedState, began time.Time) error {
	var since, notBefore time.Time
	baseline := state.Watermark.IsZero()
	if !baseline {
		since = state.Watermark.Add(-w.opts.Overlap)
		notBefore = state.LastSuccess.Add(-w.opts.IndexLag)
	}
	for body, err := range site.EHR.Changes(ctx, f, since) {
		if err != nil {
			return err
		}
		page := callback.Page{ID: callback.NewID(), Clinic: site.Clinic, EHR: site.ID, Feed: f,
			FetchedAt: began, NotBefore: notBefore, Baseline: baseline, Body: body}
		if err := w.opts.Ledger.SavePage(ctx, page); err != nil {
			return err
		}
	}
	return nil
}

// interpretPending works through stored pages and returns the latest change in
// them. replay says that they are of an earlier life, which may have stored an
// appointment without weighing it.
func (w *Worker) interpretPending(ctx context.Context, site Site, f callback.Feed, replay bool) (latest time.Time, err error) {
	for {
		pages, err := w.opts.Ledger.PendingPages(ctx, site.ID, f, pagesAtOnce)
		if err != nil || len(pages) == 0 {
			return latest, err
		}
		for _, p := range pages {
			newest, err := w.interpret(ctx, site, p, replay)
			if err != nil {
				return latest, err
			}
			if newest.After(latest) {
				latest = newest
			}
		}
	}
}

func (w *Worker) interpret(ctx context.Context, site Site, p callback.Page, replay bool) (time.Time, error) {
	changes, err := site.EHR.Interpret(p.Feed, p.Body)
	if err != nil {
		// The page stays stored for whoever looks into it; the feed goes on.
		w.opts.Logger.Error("page of a feed cannot be read", "ehr", site.ID, "feed", p.Feed, "page", p.ID, "error", fault.Describe(err))
		return time.Time{}, w.opts.Ledger.PageDone(ctx, p.ID, fault.Describe(err), w.now())
	}
	for _, item := range changes.Items {
		if err := w.seenItem(ctx, site, item); err != nil {
			return time.Time{}, err
		}
	}
	for _, a := range changes.Appointments {
		a.Clinic, a.EHR = site.Clinic, site.ID
		a.NotBefore, a.FirstSeen = p.NotBefore, p.FetchedAt
		if err := w.seenAppointment(ctx, site, a, replay); err != nil {
			return time.Time{}, err
		}
	}
	if len(changes.Problems) > 0 {
		w.opts.Logger.Warn("entries of a feed cannot be read", "ehr", site.ID, "feed", p.Feed, "page", p.ID, "entries", len(changes.Problems))
	}
	if err := w.opts.Ledger.PageDone(ctx, p.ID, strings.Join(changes.Problems, "; "), w.now()); err != nil {
		return time.Time{}, err
	}
	// Most polls of a quiet clinic find nothing, and nothing is not worth keeping.
	empty := p.ID
	if len(changes.Items)+len(changes.Appointments) > 0 {
		empty = ""
	}
	return changes.Latest, w.opts.Ledger.DropPages(ctx, site.ID, p.Feed, empty, w.now().Add(-keepPages))
}

// seenItem takes over a work item that changed in the EHR. Items that are not
// ours, and our own writes coming back, are nothing new.
func (w *Worker) seenItem(ctx context.Context, site Site, item callback.Item) error {
	for _, m := range item.Markers {
		l, err := w.opts.Ledger.LinkByID(ctx, m.LinkID())
		if errors.Is(err, callback.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		switch {
		case l.EHR != site.ID || l.Type != item.Type || l.State == callback.LinkDiscarded:
			continue
		case l.RemoteID != "" && l.RemoteID != item.ID:
			return w.twice(ctx, l, item)
		case l.RemoteID == item.ID && l.RemoteVersion == item.Version:
			continue
		}
		if err := w.seenChange(ctx, site, l, item); err != nil {
			return err
		}
	}
	return nil
}

// seenChange takes over an item that a page says has changed. The page may have
// been overtaken by our own write, so the item is read as it is now.
func (w *Worker) seenChange(ctx context.Context, site Site, l callback.Link, item callback.Item) error {
	now, err := site.EHR.Read(ctx, item.Type, item.ID)
	switch {
	case fault.Is(err, fault.NotFound):
		now = callback.Item{Type: item.Type, ID: item.ID, Gone: true}
	case fault.Is(err, fault.Permanent):
		// It would fail at every poll and hold up all other items.
		w.opts.Logger.Error("work item cannot be read", "callback", l.Callback, "link", l.ID, "ehr", l.EHR, "error", fault.Describe(err))
		return w.askReview(ctx, l, fmt.Sprintf("the %s in the EHR cannot be read", item.Type))
	case err != nil:
		return err
	case l.RemoteID == now.ID && l.RemoteVersion == now.Version:
		return nil
	}
	return w.observe(ctx, l.Callback, l.ID, now)
}

// twice asks a person to look at a second item with the same marker.
func (w *Worker) twice(ctx context.Context, l callback.Link, item callback.Item) error {
	w.opts.Logger.Error("two work items carry the same marker", "callback", l.Callback, "link", l.ID, "ehr", l.EHR)
	return w.askReview(ctx, l, fmt.Sprintf("a second %s with this callback's marker stands in the EHR", item.Type))
}

// askReview asks a person to look at the callback of a link.
func (w *Worker) askReview(ctx context.Context, l callback.Link, why string) error {
	_, err := w.opts.Ledger.Update(ctx, l.Callback, func(r *callback.Record) error {
		r.AskReviewOf(why, callback.Actor{Kind: callback.Automation}, w.now())
		return nil
	})
	return err
}

// seenAppointment stores an appointment and weighs it for the callbacks that it
// may concern. The baseline is weighed too: it has no NotBefore, so that what is in
// it counts only when the EHR itself says that it was booked after the request.
func (w *Worker) seenAppointment(ctx context.Context, site Site, a callback.Appointment, replay bool) error {
	stored, changed, err := w.opts.Ledger.SaveAppointment(ctx, a)
	if err != nil || (!changed && !replay) {
		return err
	}
	since := w.now().Add(-site.Rules.ReopenOnCancelWithin)
	ids, err := w.opts.Ledger.Affected(ctx, stored, since)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := w.match(ctx, id, &stored); err != nil {
			return err
		}
	}
	return nil
}
