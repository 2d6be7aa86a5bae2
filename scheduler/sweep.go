package scheduler

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/clock"
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
	*loop
	ledger callback.Ledger
	queue  queue
	clock  clock.Clock
	handed *handed

	mu    sync.Mutex
	asked map[FeedArgs]bool // polls that were asked for and not yet accepted by the queue
	again map[FeedArgs]again
}

// again is a second poll of a feed, for what the search did not show at the first.
type again struct {
	due  time.Time
	last time.Time // at which it would be late enough for all that was told
}

func newSweeper(o Options, q queue, h *handed) *sweeper {
	s := &sweeper{ledger: o.Ledger, queue: q, clock: o.Clock, handed: h, asked: map[FeedArgs]bool{}, again: map[FeedArgs]again{}}
	s.loop = newLoop(o.SweepEvery, o.Logger, "lagging links cannot be looked for", s.runOnce)
	return s
}

// Poll asks for a poll of a feed that begins after now; it never blocks. One that
// is under way already does not count, so it is asked again until it is accepted.
func (s *sweeper) Poll(f FeedArgs) {
	s.mu.Lock()
	s.asked[f] = true
	s.mu.Unlock()
	s.Wake()
}

// PollSoon asks for a poll of a feed at the next sweep, and for another after the time
// by which the EHR's search may be late. It does not wake the sweep: however many
// changes an EHR tells of, each sweep polls once.
func (s *sweeper) PollSoon(f FeedArgs, lag time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked[f] = true
	late := s.clock.Now().Add(lag)
	a, waits := s.again[f]
	if !waits {
		a.due = late
	}
	a.last = late
	s.again[f] = a
}

// second asks for the second polls that are due.
func (s *sweeper) second() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	for f, a := range s.again {
		switch {
		case now.Before(a.due):
			continue
		case now.Before(a.last):
			s.again[f] = again{due: a.last, last: a.last}
		default:
			delete(s.again, f)
		}
		s.asked[f] = true
	}
}

// runOnce hands the links that lag, and the polls that were asked for, to the queue.
func (s *sweeper) runOnce(ctx context.Context) error {
	if err := s.polls(ctx); err != nil {
		return err
	}
	lags, err := s.ledger.Lagging(ctx, s.clock.Now(), lagsAtOnce)
	if err != nil {
		return err
	}
	lags = s.handed.give(lags, s.clock.Now())
	if len(lags) == 0 {
		return nil
	}
	running, err := s.queue.sync(ctx, lags)
	if err != nil {
		running = nil
		for _, l := range lags {
			running = append(running, l.Link)
		}
	}
	s.handed.back(running...)
	return err
}

func (s *sweeper) polls(ctx context.Context) error {
	s.second()
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
