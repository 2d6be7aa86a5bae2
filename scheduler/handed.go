package scheduler

import (
	"maps"
	"sync"
	"time"

	"github.com/ringback-health/ringback/callback"
)

// handedFor is how long a link that was handed to the queue is not handed over again.
// A job may wait longer, and then it only stands in the queue already; one that has
// vanished costs that much.
const handedFor = 10 * time.Second

// handed remembers which links this process has given to the queue, so that a sweep
// that is woken a hundred times a second does not give it the same two hundred each
// time. It is memory, not truth: whatever is wrong with it mends itself.
type handed struct {
	mu    sync.Mutex
	since map[callback.ID]time.Time
}

// give returns the links that the queue does not have yet, and remembers them. It comes
// before the job is made, so that the end of the job comes after it.
func (h *handed) give(lags []callback.Lag, now time.Time) []callback.Lag {
	h.mu.Lock()
	defer h.mu.Unlock()
	maps.DeleteFunc(h.since, func(_ callback.ID, at time.Time) bool { return now.Sub(at) >= handedFor })
	var fresh []callback.Lag
	for _, l := range lags {
		if _, is := h.since[l.Link]; !is {
			h.since[l.Link] = now
			fresh = append(fresh, l)
		}
	}
	return fresh
}

// back forgets links whose jobs have ended, or were not made.
func (h *handed) back(links ...callback.ID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, l := range links {
		delete(h.since, l)
	}
}
