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

// maxHold bounds how long the word of one answer holds requests back. A limit that
// lasts longer is told again by the refusal that follows.
const maxHold = time.Minute

// hold keeps requests back for as long as the server said that it has nothing left
// to give.
type hold struct {
	mu    sync.Mutex
	until time.Time
}

// extend holds what comes now for d, if that is longer than what is held already.
func (h *hold) extend(d time.Duration) {
	if d <= 0 {
		return
	}
	until := time.Now().Add(min(d, maxHold))
	h.mu.Lock()
	defer h.mu.Unlock()
	if until.After(h.until) {
		h.until = until
	}
}

// wait returns when nothing is held any more, or with ctx.Err().
func (h *hold) wait(ctx context.Context) error {
	for {
		h.mu.Lock()
		left := time.Until(h.until)
		h.mu.Unlock()
		if left <= 0 {
			return ctx.Err()
		}
		timer := time.NewTimer(left)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}
