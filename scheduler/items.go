package scheduler

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/fault"
)

// readAtOnce is how many open work items one poll reads where there is no feed of
// them; the next poll goes on behind them.
const readAtOnce = 50

// seenItem takes note of a work item that changed in the EHR, to be read by itself: the
// page may have been overtaken by our own write. It reports whether that is news.
// Items that are not ours, and our own writes coming back, are nothing new.
func (r *reading) seenItem(ctx context.Context, item callback.Item) (news bool, err error) {
	for _, m := range item.Markers {
		l, err := r.opts.Ledger.LinkByID(ctx, m.LinkID())
		if errors.Is(err, callback.ErrNotFound) {
			continue
		}
		if err != nil {
			return news, err
		}
		switch {
		case l.EHR != r.site.ID || l.Type != item.Type || l.State == callback.LinkDiscarded:
		case l.RemoteID != "" && l.RemoteID != item.ID:
			news = true
			err = r.twice(ctx, l)
		case l.RemoteID == item.ID && l.RemoteVersion == item.Version:
		default:
			news = true
			err = r.opts.Ledger.StartWatch(ctx, r.itemWatch(l, item))
		}
		if err != nil {
			return news, err
		}
	}
	return news, nil
}

// itemWatch says that the item of a link has to be read.
func (r *reading) itemWatch(l callback.Link, item callback.Item) callback.Watch {
	now := r.now()
	return callback.Watch{Clinic: r.site.Clinic, EHR: r.site.ID, Kind: callback.WatchItem, Since: now, DueAt: now,
		Subject: string(l.ID) + "/" + string(item.Type) + "/" + item.ID}
}

// changedItems reads the items that have changed. What cannot be read is read again
// later, by itself.
func (r *reading) changedItems(ctx context.Context) error {
	_, err := r.each(ctx, callback.WatchItem, itemsAtOnce, func(watch *callback.Watch) error {
		parts := strings.SplitN(watch.Subject, "/", 3)
		if len(parts) != 3 {
			return errWatchOver
		}
		l, err := r.opts.Ledger.LinkByID(ctx, callback.ID(parts[0]))
		switch {
		case errors.Is(err, callback.ErrNotFound):
			return errWatchOver
		case err != nil:
			return err
		case l.State == callback.LinkDiscarded:
			return errWatchOver
		}
		if err := r.seenChange(ctx, l, callback.Item{Type: callback.ResourceType(parts[1]), ID: parts[2]}); err != nil {
			return err
		}
		return errWatchOver
	})
	return err
}

// openItems reads the work items of open callbacks, a few at each poll in turn.
func (r *reading) openItems(ctx context.Context) error {
	page, next, err := r.opts.Ledger.List(ctx, callback.Filter{Clinic: r.site.Clinic, Open: true, Limit: readAtOnce, After: r.upTo(round{r.site.ID, "items"})})
	if err != nil {
		return err
	}
	for _, c := range page {
		rec, err := r.opts.Ledger.Record(ctx, c.ID)
		if err != nil {
			return err
		}
		for _, l := range rec.Links {
			stands := l.EHR == r.site.ID && l.Type.IsWorkItem() && l.Type != callback.Worklist && l.State == callback.LinkSynced
			if !stands || !r.caps.On(l.Type).ReadBack {
				continue
			}
			if err := r.opts.Ledger.StartWatch(ctx, r.itemWatch(l, callback.Item{Type: l.Type, ID: l.RemoteID})); err != nil {
				return err
			}
		}
	}
	r.setUpTo(round{r.site.ID, "items"}, next)
	return nil
}

// seenChange reads an item that has changed and takes over what staff did.
func (r *reading) seenChange(ctx context.Context, l callback.Link, item callback.Item) error {
	now, err := r.site.EHR.Read(ctx, item.Type, item.ID)
	switch {
	case fault.Is(err, fault.NotFound):
		now = callback.Item{Type: item.Type, ID: item.ID, Gone: true}
	case fault.Is(err, fault.Permanent):
		r.opts.Logger.Error("work item cannot be read", "callback", l.Callback, "link", l.ID, "ehr", l.EHR, "error", fault.Describe(err))
		return r.askReview(ctx, l, fmt.Sprintf("the %s in the EHR cannot be read", item.Type))
	case err != nil:
		return err
	case l.RemoteID == now.ID && l.RemoteVersion == now.Version:
		return nil
	}
	return r.observe(ctx, l.Callback, l.ID, now)
}

// twice asks a person to look at a second item with the same marker.
func (w *Worker) twice(ctx context.Context, l callback.Link) error {
	w.opts.Logger.Error("two work items carry the same marker", "callback", l.Callback, "link", l.ID, "ehr", l.EHR)
	return w.askReview(ctx, l, fmt.Sprintf("a second %s with this callback's marker stands in the EHR", l.Type))
}

// askReview asks a person to look at the callback of a link.
func (w *Worker) askReview(ctx context.Context, l callback.Link, why string) error {
	_, err := w.opts.Ledger.Update(ctx, l.Callback, func(r *callback.Record) error {
		r.AskReviewOf(why, callback.Actor{Kind: callback.Automation}, w.now())
		return nil
	})
	return err
}
