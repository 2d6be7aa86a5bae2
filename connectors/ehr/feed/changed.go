package feed

import (
	"context"
	"time"

	"github.com/ringback-health/ringback/callback"
)

// Changed reads a feed that takes away what was read (athenahealth's changed
// appointments and cases). What is taken and not stored is lost, so that nothing is
// taken or let go before the page before it is stored.
type Changed struct {
	// Take reads the next entries that nobody has read. Where the EHR has no way of
	// letting go, they are gone for it then.
	Take func(ctx context.Context) (callback.FeedPage, error)
	// LetGo tells the EHR that a page is stored. Nil: it is told by reading.
	LetGo func(ctx context.Context, page callback.FeedPage) error
	// Again returns what was taken since, for a while after it was: how a read that was
	// cut off between taking and storing is made good. Nil: the EHR cannot; it needs
	// LetGo then.
	Again func(ctx context.Context, since time.Time) Pages
	// Sweep returns all that stands, for the baseline: a feed knows nothing of what was
	// there before it was subscribed to. Nil: there is no such thing.
	Sweep func(ctx context.Context) Pages
}

// Read yields what nobody has read. Before that, the baseline yields all that stands,
// and a read behind one that was interrupted what that one may have lost.
func (c Changed) Read(ctx context.Context, q callback.FeedQuery) Pages {
	return func(yield func(callback.FeedPage, error) bool) {
		if first := c.before(ctx, q); first != nil {
			if _, goesOn := handOn(first, yield); !goesOn {
				return
			}
		}
		for more := true; more; {
			page, err := c.Take(ctx)
			if !yield(page, err) || err != nil {
				return
			}
			if c.LetGo != nil {
				if err := c.LetGo(ctx, page); err != nil {
					yield(callback.FeedPage{}, err)
					return
				}
			}
			more = page.More
		}
	}
}

func (c Changed) before(ctx context.Context, q callback.FeedQuery) Pages {
	switch {
	case q.Since.IsZero() && c.Sweep != nil:
		return c.Sweep(ctx)
	case q.Interrupted && c.Again != nil:
		return c.Again(ctx, q.Since)
	default:
		return nil
	}
}
