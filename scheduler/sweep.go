package scheduler

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/internal/fault"
)

// uniqueWhileAlive: a second job for the same thing is not needed while one waits
// or runs. One that finished, failed or was cut off does not stand in the way.
var uniqueWhileAlive = river.UniqueOpts{ByArgs: true, ByState: []rivertype.JobState{
	rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRunning,
	rivertype.JobStateScheduled, rivertype.JobStateRetryable,
}}

// lagsAtOnce bounds how many links one sweep hands to the queue.
const lagsAtOnce = 200

// sweeper finds every link that lags behind its callback and gives it to the
// queue. It is the only thing that makes sync jobs: whatever changed the ledger
// merely wakes it.
type sweeper struct {
	ledger callback.Ledger
	queue  queue
	clock  clock.Clock
	log    *slog.Logger
	every  time.Duration
	wake   chan struct{}
	teller *teller

	mu    sync.Mutex
	asked map[FeedArgs]bool // polls that were asked for and not yet accepted by the queue

	stop context.CancelFunc
	done sync.WaitGroup
}

func newSweeper(o Options, q queue) *sweeper {
	return &sweeper{ledger: o.Ledger, queue: q, clock: o.Clock, log: o.Logger, every: o.SweepEvery,
		teller: newTeller(o), wake: make(chan struct{}, 1), asked: map[FeedArgs]bool{}}
}

// Start begins to sweep in the background.
func (s *sweeper) Start(ctx context.Context) {
	ctx, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	s.done.Go(func() { s.run(ctx) })
}

// Stop ends it and waits. Stopping twice, or before Start, does nothing.
func (s *sweeper) Stop() {
	if s.stop != nil {
		s.stop()
	}
	s.done.Wait()
}

// Wake asks for a sweep now; it never blocks.
func (s *sweeper) Wake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Poll asks for a poll of a feed that begins after now; it never blocks. One that
// is under way already does not count, so it is asked again until it is accepted.
func (s *sweeper) Poll(f FeedArgs) {
	s.mu.Lock()
	s.asked[f] = true
	s.mu.Unlock()
	s.Wake()
}

func (s *sweeper) run(ctx context.Context) {
	tick := time.NewTicker(s.every)
	defer tick.Stop()
	for {
		if _, err := s.runOnce(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("lagging links cannot be looked for", "error", fault.Describe(err))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-s.wake:
		}
	}
}

// runOnce hands the links that lag, and the polls that were asked for, to the
// queue, tells the operator what is new, and returns how many links there were.
func (s *sweeper) runOnce(ctx context.Context) (int, error) {
	if err := errors.Join(s.polls(ctx), s.teller.runOnce(ctx)); err != nil {
		return 0, err
	}
	lags, err := s.ledger.Lagging(ctx, s.clock.Now(), lagsAtOnce)
	if err != nil || len(lags) == 0 {
		return 0, err
	}
	return len(lags), s.queue.sync(ctx, lags)
}

func (s *sweeper) polls(ctx context.Context) error {
	s.mu.Lock()
	asked := slices.Collect(maps.Keys(s.asked))
	s.mu.Unlock()
	for _, f := range asked {
		accepted, err := s.queue.poll(ctx, f)
		if err != nil {
			return err
		}
		if accepted {
			s.mu.Lock()
			delete(s.asked, f)
			s.mu.Unlock()
		}
	}
	return nil
}
