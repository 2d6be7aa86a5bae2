package scheduler

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/ringback-health/ringback/internal/fault"
)

// loop runs something again and again in the background: every so often, and when it
// is woken. What it does is once, so that a test can do it by itself.
type loop struct {
	every time.Duration
	once  func(context.Context) error
	fails string // for the log: what cannot be done then
	log   *slog.Logger
	wake  chan struct{}

	stop context.CancelFunc
	done sync.WaitGroup
}

func newLoop(every time.Duration, log *slog.Logger, fails string, once func(context.Context) error) *loop {
	return &loop{every: every, once: once, fails: fails, log: log, wake: make(chan struct{}, 1)}
}

// Start begins in the background, at once.
func (l *loop) Start(ctx context.Context) {
	ctx, l.stop = context.WithCancel(context.WithoutCancel(ctx))
	l.done.Go(func() { l.run(ctx) })
}

// Stop ends it and waits. Stopping twice, or before Start, does nothing.
func (l *loop) Stop() {
	if l.stop != nil {
		l.stop()
	}
	l.done.Wait()
}

// Wake asks for a run now; it never blocks.
func (l *loop) Wake() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *loop) run(ctx context.Context) {
	tick := time.NewTicker(l.every)
	defer tick.Stop()
	for {
		if err := l.once(ctx); err != nil && ctx.Err() == nil {
			l.log.Error("work in the background failed", "what", l.fails, "error", fault.Describe(err))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-l.wake:
		}
	}
}
