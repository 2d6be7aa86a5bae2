package scheduler

import (
	"context"

	"github.com/ringback-health/ringback/callback"
)

// Tell tells the operator what he was not told yet, as a process that has just
// started.
func Tell(ctx context.Context, o Options) error { return NewTeller(o)(ctx) }

// NewTeller returns one turn of what tells the operator, to be called again and again.
func NewTeller(o Options) func(context.Context) error { return newTeller(o.withDefaults()).runOnce }

// NewSweep returns one turn of what hands lagging links to the queue, which is insert,
// and what a worker calls when the job of a link ended.
func NewSweep(o Options, insert func(context.Context, []callback.Lag) error) (sweep func(context.Context) error, ended func(...callback.ID)) {
	o = o.withDefaults()
	h := NewWorker(o).handed
	return newSweeper(o, inserting{insert: insert}, h).runOnce, h.back
}

// inserting is a queue of which only the jobs that are put in are seen.
type inserting struct {
	queue
	insert func(context.Context, []callback.Lag) error
}

func (q inserting) sync(ctx context.Context, lags []callback.Lag) ([]callback.ID, error) {
	return nil, q.insert(ctx, lags)
}

// PushWatch is what keeps EHRs telling of changes, one look at a time.
type PushWatch struct{ p *pusher }

// NewPushWatch makes one that was not started.
func NewPushWatch(o Options) PushWatch {
	o = o.withDefaults()
	return PushWatch{newPusher(o, NewWorker(o))}
}

// Look looks at each EHR whose turn it is.
func (w PushWatch) Look(ctx context.Context) error { return w.p.runOnce(ctx) }

// Heard takes note of a notification.
func (w PushWatch) Heard(f FeedArgs) bool { return w.p.heard(f) }

// Told takes note that an EHR has told something of its Subscription.
func (w PushWatch) Told(id callback.EHRID) { w.p.look(id) }

// Health is how it stands with a feed.
func (w PushWatch) Health(f FeedArgs) PushHealth { return w.p.health(f) }
