package webform

import (
	"net/netip"
	"sync"
	"time"
)

// Limiter bounds how often one address may post, in bounded memory. Receive keeps
// nothing, so that whoever serves the form puts one in front of it:
//
//	if wait, ok := limiter.Allow(address, clock.Now()); !ok {
//		answer = form.Busy(request, wait) // nothing is stored
//	}
//
// Signed requests all come from the address of the clinic's web server and are not to
// be limited by it: their signature is enough.
//
// It is safe for concurrent use.
type Limiter struct {
	burst int
	every time.Duration
	half  int // addresses per generation

	mu         sync.Mutex
	young, old map[netip.Prefix]time.Time // when the address will have nothing to its debit
}

// NewLimiter lets an address post burst times at once and once more each time that
// every has passed. It remembers up to addresses of them and forgets those first of
// which it has heard nothing for longest.
func NewLimiter(burst int, every time.Duration, addresses int) *Limiter {
	return &Limiter{burst: max(1, burst), every: every, half: max(1, addresses/2), young: map[netip.Prefix]time.Time{}}
}

// Allow reports whether a post from an address may be taken now, and counts it when it
// may. Otherwise wait is how long it takes until the next one may. Of an IPv6 address
// the network counts, of which one person has a whole one.
func (l *Limiter) Allow(from netip.Addr, now time.Time) (wait time.Duration, ok bool) {
	key := networkOf(from)
	l.mu.Lock()
	defer l.mu.Unlock()
	free, known := l.young[key]
	if !known {
		free = l.old[key]
	}
	if free.Before(now) {
		free = now
	}
	if wait = free.Sub(now) - time.Duration(l.burst-1)*l.every; wait > 0 {
		l.remember(key, free)
		return wait, false
	}
	l.remember(key, free.Add(l.every))
	return 0, true
}

// remember notes an address. When a generation is full it becomes the old one, and the
// one before it is forgotten.
func (l *Limiter) remember(key netip.Prefix, free time.Time) {
	if _, known := l.young[key]; !known && len(l.young) >= l.half {
		l.old, l.young = l.young, map[netip.Prefix]time.Time{}
	}
	l.young[key] = free
}

func networkOf(from netip.Addr) netip.Prefix {
	from = from.Unmap().WithZone("")
	bits := from.BitLen()
	if from.Is6() {
		bits = 64
	}
	p, err := from.Prefix(bits)
	if err != nil { // no address: all of these are one
		return netip.Prefix{}
	}
	return p
}
