package feed

import (
	"context"
	"time"

	"github.com/ringback-health/ringback/callback"
)

// Window reads all appointments that begin within a span, from an EHR that can be
// asked for nothing else (Oracle Health, Canvas, Elation). What changed is found by
// holding it against what is known.
type Window struct {
	// Span is what is looked at now.
	Span func() callback.Span
	// Parts are read one after the other and together are everything: locations or
	// practitioners, where the EHR wants one to be named. None: it does not.
	Parts []string
	// Step is how much is asked for at once; 0: all. For EHRs that limit the span.
	Step time.Duration
	// Fetch returns the pages of a part, "" for everything, within a span.
	Fetch func(ctx context.Context, part string, in callback.Span) Pages
}

// Read yields everything in the window and then, with Whole, that this was it. A read
// that fails or is given up anywhere never says so.
func (w Window) Read(ctx context.Context, _ callback.FeedQuery) Pages {
	return func(yield func(callback.FeedPage, error) bool) {
		whole := w.Span()
		parts := w.Parts
		if len(parts) == 0 {
			parts = []string{""}
		}
		for _, part := range parts {
			for _, in := range w.steps(whole) {
				if _, goesOn := handOn(w.Fetch(ctx, part, in), yield); !goesOn {
					return
				}
			}
		}
		yield(callback.FeedPage{Whole: &whole}, nil)
	}
}

func (w Window) steps(whole callback.Span) (steps []callback.Span) {
	if w.Step <= 0 {
		return []callback.Span{whole}
	}
	for from := whole.From; from.Before(whole.Until); from = from.Add(w.Step) {
		until := from.Add(w.Step)
		if until.After(whole.Until) {
			until = whole.Until
		}
		steps = append(steps, callback.Span{From: from, Until: until})
	}
	return steps
}
