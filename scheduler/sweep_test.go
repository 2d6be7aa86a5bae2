package scheduler_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/sandbox"
	"github.com/ringback-health/ringback/scheduler"
)

// TestSweepHandsOverOnce: however often the sweep is woken, a link whose job waits is
// not handed over again; one whose job ended, failed to be made, or vanished is.
func TestSweepHandsOverOnce(t *testing.T) {
	w := newWorld(t)
	const links = 20
	for i := range links {
		w.ask(fmt.Sprint(i), caller(i))
	}
	var handed []callback.ID
	var broken error
	sweep, ended := scheduler.NewSweep(w.options, func(_ context.Context, lags []callback.Lag) error {
		for _, l := range lags {
			handed = append(handed, l.Link)
		}
		return broken
	})
	broken = errors.New("the queue is not there")
	if err := sweep(t.Context()); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	broken, handed = nil, nil
	for range 50 {
		w.must(sweep(t.Context()))
	}
	if len(handed) != links {
		t.Errorf("fifty sweeps hand %d links over %d times", links, len(handed))
	}
	first := handed[0]
	handed = nil
	ended(first)
	w.must(sweep(t.Context()))
	if len(handed) != 1 || handed[0] != first {
		t.Errorf("the job of one ended and the link lags still: %d handed over", len(handed))
	}
	handed = nil
	w.clock.Advance(10 * time.Second)
	w.must(sweep(t.Context()))
	if len(handed) != links {
		t.Errorf("all jobs have vanished: %d of %d handed over again", len(handed), links)
	}
}

// TestNextChangeIsNotLateForTheLastJob: a change that comes while the queue has not
// noted yet that the job of the change before has ended is delivered all the same, and
// without waiting for the memory of what was handed over to fade.
func TestNextChangeIsNotLateForTheLastJob(t *testing.T) {
	places(t, func(t *testing.T, dsn string, q scheduler.QueueOptions) {
		w := newWorldOn(t, dsn, sandbox.Options{})
		s := running(t, w, q)
		defer stop(t, s)
		id := w.ask("1", nil)
		for i := range 6 {
			got, err := w.ledger.Update(t.Context(), id, func(r *callback.Record) error {
				return r.Assign(fmt.Sprint("desk ", i), callback.Actor{Kind: callback.Person}, w.clock.Now())
			})
			w.must(err)
			s.Wake()
			eventually(t, fmt.Sprint("change ", i, " is delivered"), func() bool { return w.taskLink(id).Holds >= got.Revision })
		}
	})
}
