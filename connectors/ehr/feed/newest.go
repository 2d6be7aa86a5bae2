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
	// Latest returns the latest change in a page; zero when no entry tells.
	Latest func(body []byte) (time.Time, error)
}

// twiceFrom is from how many pages on a read is made twice.
const twiceFrom = 3

// Read yields pages until one is wholly older than q.Since, or to the end in the
// baseline. A page that cannot be read, or in which nothing tells when it changed, is
// not older. Nothing is reached before the end, because the oldest comes last.
//
// A long read is made twice: entries that are removed meanwhile let those behind them
// move up over the edge of a page, and nobody asks for these again later.
func (n Newest) Read(ctx context.Context, q callback.FeedQuery) Pages {
	return func(yield func(callback.FeedPage, error) bool) {
		pages, goesOn := n.once(ctx, q, yield)
		if goesOn && pages >= twiceFrom && !q.Since.IsZero() {
			n.once(ctx, q, yield)
		}
	}
}

// once reads down to what is known, and reports how many pages that took and whether
// nothing stopped it.
func (n Newest) once(ctx context.Context, q callback.FeedQuery, yield func(callback.FeedPage, error) bool) (pages int, goesOn bool) {
	for page, err := range n.Fetch(ctx, q) {
		if !yield(page, err) || err != nil {
			return pages, false
		}
		pages++
		latest, err := n.Latest(page.Body)
		if err == nil && !latest.IsZero() && latest.Before(q.Since) {
			return pages, true
		}
	}
	return pages, true
}
