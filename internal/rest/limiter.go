package rest

import (
	"context"
	"sync"
	"time"
)

// limiter spaces the requests of one process evenly. It has no burst: an EHR
// counts per second, and the queue above does not mind to wait.
type limiter struct {
	every time.Duration
	mu    sync.Mutex
	next  time.Time // the earliest moment of the next request
}

func newLimiter(perSecond float64) *limiter {
	if perSecond <= 0 {
		return nil
	}
	return &limiter{every: time.Duration(min(float64(time.Second)/perSecond, float64(time.Hour)))}
}

// wait returns when it is the caller's turn, or with ctx.Err().
func (l *limiter) wait(ctx context.Context) error {
	if err := ctx.Err(); err != nil || l == nil {
		return err
	}
	l.mu.Lock()
	now := time.Now()
	turn := l.next
	if turn.Before(now) {
		turn = now
	}
	l.next = turn.Add(l.every)
	l.mu.Unlock()

	timer := time.NewTimer(turn.Sub(now))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
