package feed

import (
	"context"
	"time"

	"github.com/ringback-health/ringback/callback"
)

// Newest reads what changed last first and stops where everything is known, from an
// EHR that sorts by time of change and does not filter by it (Healthie).
type Newest struct {
	// Fetch returns the pages, newest change first.
	Fetch func(ctx context.Context, q callback.FeedQuery) Pages
	// Times returns when each entry of a page changed.
	Times func(body []byte) ([]time.Time, error)
}

// Read yields pages until one is wholly older than q.Since, or to the end in the
// baseline. A page that cannot be read, or in which nothing tells when it changed, is
// not older. Nothing is reached before the end, because the oldest comes last.
//
// Where an entry is removed meanwhile, those behind it move up, and the one behind the
// edge of a page is skipped. Below entries that are known that does no harm; above, it
// would never be asked for again. A read with an edge among what is new is made twice.
func (n Newest) Read(ctx context.Context, q callback.FeedQuery) Pages {
	return func(yield func(callback.FeedPage, error) bool) {
		edges, goesOn := n.once(ctx, q, yield)
		if goesOn && edges {
			n.once(ctx, q, yield)
		}
	}
}

// once reads down to what is known. It reports whether a page before the last held
// nothing but what is new, and whether nothing stopped it.
func (n Newest) once(ctx context.Context, q callback.FeedQuery, yield func(callback.FeedPage, error) bool) (edges, goesOn bool) {
	for page, err := range n.Fetch(ctx, q) {
		if !yield(page, err) || err != nil {
			return edges, false
		}
		older, newer := n.age(page.Body, q.Since)
		if older && !newer {
			return edges, true
		}
		edges = edges || !older && page.More
	}
	return edges, true
}

// age reports whether a page has entries that changed before a time, and others.
func (n Newest) age(body []byte, since time.Time) (older, newer bool) {
	times, err := n.Times(body)
	if err != nil {
		return false, true
	}
	for _, t := range times {
		if t.Before(since) {
			older = true
		} else {
			newer = true
		}
	}
	return older, newer
}
