package scheduler_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/connectors/ehr/feed"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/scheduler"
)

// takeaway is an EHR whose feed of appointments takes away what was read, and gives out
// for a while what it took away.
type takeaway struct {
	scheduler.EHR
	unread [][]byte
	taken  [][]byte
	lost   int // the answer that is lost on its way; 0: none
	asked  int
	parsed map[string]int
}

func (e *takeaway) Capabilities(ctx context.Context) (callback.Capabilities, error) {
	caps, err := e.EHR.Capabilities(ctx)
	caps.AppointmentFeed = callback.FeedChanged
	return caps, err
}

func (e *takeaway) answer(page callback.FeedPage) (callback.FeedPage, error) {
	if e.asked++; e.asked == e.lost {
		return callback.FeedPage{}, fault.New(fault.Retry, "read changed", "the answer was lost")
	}
	return page, nil
}

func (e *takeaway) Changes(ctx context.Context, q callback.FeedQuery) feed.Pages {
	if q.Feed != callback.FeedAppointments || q.Appointment != "" {
		return e.EHR.Changes(ctx, q)
	}
	return feed.Changed{
		Take: func(context.Context) (callback.FeedPage, error) {
			if len(e.unread) == 0 {
				return e.answer(callback.FeedPage{})
			}
			body := e.unread[0]
			e.unread, e.taken = e.unread[1:], append(e.taken, body)
			return e.answer(callback.FeedPage{Body: body, More: len(e.unread) > 0})
		},
		Again: func(context.Context, time.Time) feed.Pages {
			return func(yield func(callback.FeedPage, error) bool) {
				for _, body := range e.taken {
					if page, err := e.answer(callback.FeedPage{Body: body}); !yield(page, err) || err != nil {
						return
					}
				}
			}
		},
	}.Read(ctx, q)
}

func (e *takeaway) Interpret(f callback.Feed, page []byte) (callback.Changes, error) {
	e.parsed[string(page)]++
	return e.EHR.Interpret(f, page)
}

// failing is a ledger in which storing a page, or marking one as done, fails once.
type failing struct {
	callback.Ledger
	save, done int // the call that fails; 0: none
}

var errDisk = errors.New("disk full")

func (l *failing) SavePage(ctx context.Context, p callback.Page) error {
	if l.save--; l.save == 0 {
		return errDisk
	}
	return l.Ledger.SavePage(ctx, p)
}

func (l *failing) PageDone(ctx context.Context, id callback.ID, r callback.PageReading) error {
	if l.done--; l.done == 0 {
		return errDisk
	}
	return l.Ledger.PageDone(ctx, id, r)
}

// TestTakenAway: what an EHR took away is not lost when the answer is, when it cannot be
// stored, or when the daemon dies before it was worked in.
func TestTakenAway(t *testing.T) {
	for _, c := range []struct{ lost, save, done int }{{}, {lost: 1}, {lost: 2}, {lost: 3}, {save: 1}, {save: 2}, {save: 3}, {done: 1}, {done: 3},
		{lost: 2, save: 1, done: 2}, {lost: 4, save: 2, done: 1}, {lost: 5, save: 3, done: 2}} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			w, ann, id := waiting(t, callback.FeedWatermark, 0)
			e := &takeaway{EHR: w.connector, lost: c.lost, parsed: map[string]int{}}
			const visits = 3
			for range visits {
				visit := w.book(ann, "")
				for page, err := range w.connector.Changes(t.Context(), callback.FeedQuery{Feed: callback.FeedAppointments, Appointment: visit}) {
					w.must(err)
					e.unread = append(e.unread, page.Body)
				}
			}
			w.options.Ledger = &failing{Ledger: w.ledger, save: c.save, done: c.done}
			w.with(e)
			for range 6 {
				w.clock.Advance(2 * time.Minute)
				_ = w.Poll(t.Context(), ehrID, callback.FeedAppointments)
			}
			w.is(id, callback.Closed)
			if len(e.parsed) != visits {
				t.Errorf("%d of %d pages were worked in", len(e.parsed), visits)
			}
			r := w.record(id)
			w.clock.Advance(time.Minute)
			w.must(w.Poll(t.Context(), ehrID, callback.FeedAppointments))
			if after := w.record(id); after.Revision != r.Revision {
				t.Error("what was done was done again")
			}
		})
	}
}
