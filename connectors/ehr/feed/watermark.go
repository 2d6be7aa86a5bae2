package feed

import (
	"context"
	"time"

	"github.com/ringback-health/ringback/callback"
)

// Watermark reads what changed since a time, from an EHR that can be asked for it
// (FHIR _lastUpdated, athenahealth startlastmodified, DrChrono since).
//
// Behind each page it asks anew from the last change in it, and does not follow the
// EHR's own paging: an entry that changes while it is paged moves to the end, all
// behind it move up, and the one at the edge of the next page would be skipped for
// ever. This rests on the order of the entries. Where it does not show, or where a page
// holds nothing but changes of one second, the EHR's paging is followed, and what was
// read so is read twice: an entry that was skipped at an edge stands somewhere else by
// then.
//
// An EHR that is far behind may never come to an end with a question that is answered by
// all that happened since: it times out, and what has to be answered grows. Such a one is
// asked for slices of time, each twice as long as the one before; see FeedQuery.Slice.
type Watermark struct {
	// Fetch returns the pages of what changed in a span, oldest change first; a span
	// without an end goes on to the present. Where q.Since is zero they are those of the
	// baseline, whatever the span is.
	Fetch func(ctx context.Context, q callback.FeedQuery, in callback.Span) Pages
	// Times returns when each entry of a page changed, in the order of the page. Nil: the
	// EHR keeps no order.
	Times func(body []byte) ([]time.Time, error)
}

// Read yields what changed at or after q.Since. Where the order shows, each page says
// how far it reached, and so does each slice.
func (w Watermark) Read(ctx context.Context, q callback.FeedQuery) Pages {
	return Watermarks{w}.Read(ctx, q)
}

// Watermarks reads several kinds of things as one feed, one after the other. Of slices each
// is read of all of them before the next, so that a read that is cut off goes on behind it.
type Watermarks []Watermark

// Read yields what changed at or after q.Since, as that of Watermark does.
func (all Watermarks) Read(ctx context.Context, q callback.FeedQuery) Pages {
	return func(yield func(callback.FeedPage, error) bool) {
		in := callback.Span{From: q.Since}
		if q.Since.IsZero() || q.Slice <= 0 {
			all.read(ctx, q, in, yield)
			return
		}
		in.Until = in.From.Add(q.Overlap)
		for slice := q.Slice; ; slice *= 2 {
			in.Until = in.Until.Add(slice)
			now, goesOn := all.read(ctx, q, in, yield)
			switch {
			case !goesOn:
				return
			case now.IsZero(): // nobody knows whether the slice ends in the future
				all.read(ctx, q, callback.Span{From: in.Until}, yield)
				return
			case in.Until.After(now) || !yield(callback.FeedPage{Reached: in.Until}, nil):
				return
			}
			in.From = in.Until
		}
	}
}

// read yields what changed in a span, and returns what that of Watermark does.
func (all Watermarks) read(ctx context.Context, q callback.FeedQuery, in callback.Span, yield func(callback.FeedPage, error) bool) (now time.Time, goesOn bool) {
	for i, w := range all {
		now, goesOn = w.read(ctx, q, in, func(page callback.FeedPage, err error) bool {
			if i < len(all)-1 {
				page.Reached = time.Time{} // the others were not read so far
			}
			return yield(page, err)
		})
		if !goesOn {
			break
		}
	}
	return now, goesOn
}

// read yields what changed in a span. It returns the EHR's clock, and whether the reader
// wants more and nothing failed.
func (w Watermark) read(ctx context.Context, q callback.FeedQuery, in callback.Span, yield func(callback.FeedPage, error) bool) (now time.Time, goesOn bool) {
	o := order{times: w.Times, last: in.From.Truncate(time.Second), broken: w.Times == nil}
	rest, again := in, true
	var edge *time.Time // from when on the EHR's paging was followed
	for again {
		again = false
		for page, err := range w.Fetch(ctx, q, rest) {
			reached := time.Time{}
			if err == nil {
				reached, now = o.reached(page.Body), page.Date
			}
			if edge == nil {
				page.Reached = reached // else not before it was read twice
			}
			if !yield(page, err) || err != nil {
				return now, false
			}
			if again = page.More && reached.After(rest.From); again {
				rest.From = reached
				break
			}
			if page.More && edge == nil {
				at := rest.From
				edge = &at
			}
		}
	}
	switch {
	case edge == nil:
		return now, true
	case o.broken:
		rest.From = in.From
	default:
		rest.From = *edge
	}
	_, goesOn = handOn(w.Fetch(ctx, q, rest), yield)
	return now, goesOn
}

// order watches whether entries come oldest change first. Times are compared to the
// second: many servers sort and filter no finer.
type order struct {
	times  func(body []byte) ([]time.Time, error)
	last   time.Time // of the entries so far
	broken bool      // it does not hold
	shown  bool      // it holds, and not only because all changed at once
}

// reached returns how far the entries go with those of one more page; zero while no
// order shows.
func (o *order) reached(body []byte) time.Time {
	if o.broken {
		return time.Time{}
	}
	times, err := o.times(body)
	if err != nil {
		o.broken = true
		return time.Time{}
	}
	for i, t := range times {
		t = t.Truncate(time.Second)
		if t.Before(o.last) {
			o.broken = true
			return time.Time{}
		}
		o.shown = o.shown || i > 0 && t.After(o.last)
		o.last = t
	}
	if !o.shown {
		return time.Time{}
	}
	return o.last
}
