package server

import (
	"context"
	"errors"
	"time"

	"github.com/ringback-health/ringback/callback"
)

// gather stores what comes in while something is being stored in one transaction, and
// tells each when its part is on disk: a thousand requests a second do not need a
// thousand transactions. Whoever comes first stores for all who wait, and hands that on.
type gather struct {
	store   func(context.Context, []callback.Told) (int, error)
	within  time.Duration
	turn    chan struct{} // holds one token: whoever takes it stores
	waiting chan *waits
}

// waits is a request that waits for its events to be stored.
type waits struct {
	events []callback.Told
	done   chan error
}

const (
	// gatherMost bounds how many requests wait; more are told to come again.
	gatherMost = 4096
	// gatherAtOnce bounds how many requests are stored at once.
	gatherAtOnce = 256
	// storeWithin is shorter than what phone systems wait for an answer: RingCentral and
	// Zoom wait for three seconds.
	storeWithin = 2500 * time.Millisecond
)

var errBusy = errors.New("too many requests wait to be stored")

func newGather(store func(context.Context, []callback.Told) (int, error)) *gather {
	g := &gather{store: store, within: storeWithin, turn: make(chan struct{}, 1), waiting: make(chan *waits, gatherMost)}
	g.turn <- struct{}{}
	return g
}

// hear stores events. They may be stored although it returns an error: whoever sent them
// sends them again, and they are known by their keys.
func (g *gather) hear(ctx context.Context, events []callback.Told) error {
	w := &waits{events: events, done: make(chan error, 1)}
	select {
	case g.waiting <- w:
	default:
		return errBusy
	}
	for {
		select {
		case err := <-w.done:
			return err
		case <-g.turn:
			g.lead(context.WithoutCancel(ctx))
			g.turn <- struct{}{}
		}
	}
}

// lead stores for all who wait now.
func (g *gather) lead(ctx context.Context) {
	var all []*waits
	var events []callback.Told
	for len(all) < gatherAtOnce {
		select {
		case w := <-g.waiting:
			all, events = append(all, w), append(events, w.events...)
			continue
		default:
		}
		break
	}
	if len(all) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, g.within)
	defer cancel()
	_, err := g.store(ctx, events)
	if err != nil && len(all) > 1 { // one of them may be to blame
		for _, w := range all {
			_, err := g.store(ctx, w.events)
			w.done <- err
		}
		return
	}
	for _, w := range all {
		w.done <- err
	}
}
