package scheduler

import "context"

// Tell tells the operator what he was not told yet, as a process that has just
// started.
func Tell(ctx context.Context, o Options) error { return NewTeller(o)(ctx) }

// NewTeller returns one turn of what tells the operator, to be called again and again.
func NewTeller(o Options) func(context.Context) error { return newTeller(o.withDefaults()).runOnce }

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

// Health is how it stands with a feed.
func (w PushWatch) Health(f FeedArgs) PushHealth { return w.p.health(f) }
