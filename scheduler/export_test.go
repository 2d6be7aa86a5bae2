package scheduler

import "context"

// Tell tells the operator what he was not told yet, as a process that has just
// started.
func Tell(ctx context.Context, o Options) error { return NewTeller(o)(ctx) }

// NewTeller returns one turn of what tells the operator, to be called again and again.
func NewTeller(o Options) func(context.Context) error { return newTeller(o.withDefaults()).runOnce }
