package feed_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/connectors/ehr/feed"
)

var (
	monday  = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	errDown = errors.New("the EHR is down")
)

// entry is one version of something.
type entry struct {
	ID, Version int
	At          time.Time
	Start       time.Time
}

// system is an EHR that pages what it holds by counting: whatever changes between two
// pages moves what stands behind it, so that entries come twice or not at all.
type system struct {
	t       *rapid.T
	now     time.Time
	held    []entry
	ids     int
	size    int // of pages
	order   func(a, b entry) int
	lag     time.Duration // how late a search shows a change
	apart   int           // milliseconds between two changes, at least
	changes int           // how often something may still change while it is paged
	pages   int           // that were fetched
	failAt  int           // the page that fails; 0: none
}

func newSystem(t *rapid.T, order func(a, b entry) int) *system {
	return &system{t: t, now: monday, size: rapid.IntRange(1, 5).Draw(t, "page size"), order: order}
}

func oldestFirst(a, b entry) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) }
func newestFirst(a, b entry) int { return oldestFirst(b, a) }
func byID(a, b entry) int        { return cmp.Compare(a.ID%7, b.ID%7) }

// change makes, changes or removes something. Several changes may be of one second.
func (s *system) change(remove bool) {
	s.now = s.now.Add(time.Duration(rapid.IntRange(s.apart, 2500).Draw(s.t, "ms")) * time.Millisecond)
	kind := rapid.IntRange(0, 4).Draw(s.t, "kind of change")
	if len(s.held) == 0 || kind <= 1 {
		s.ids++
		s.held = append(s.held, entry{ID: s.ids, Version: 1, At: s.now, Start: monday.Add(time.Duration(s.ids) * time.Hour)})
		return
	}
	i := rapid.IntRange(0, len(s.held)-1).Draw(s.t, "which")
	if kind == 4 && remove {
		s.held = slices.Delete(s.held, i, i+1)
		return
	}
	s.held[i].Version++
	s.held[i].At = s.now
}

// fetch pages what fits, as it is when each page is asked for.
func (s *system) fetch(fits func(entry) bool) feed.Pages {
	return func(yield func(callback.FeedPage, error) bool) {
		for from := 0; ; from += s.size {
			if s.pages++; s.pages == s.failAt {
				yield(callback.FeedPage{}, errDown)
				return
			}
			var all []entry
			for _, e := range s.held {
				if fits(e) && !e.At.After(s.now.Add(-s.lag)) {
					all = append(all, e)
				}
			}
			slices.SortStableFunc(all, s.order)
			upTo := min(from+s.size, len(all))
			body, err := json.Marshal(all[min(from, upTo):upTo])
			if err != nil {
				s.t.Fatal(err)
			}
			more := upTo < len(all)
			if !yield(callback.FeedPage{Body: body, More: more, Date: s.now}, nil) || !more {
				return
			}
			if s.changes > 0 {
				s.changes--
				s.change(true)
			}
		}
	}
}

func times(body []byte) (all []time.Time, err error) {
	for _, e := range entriesOf(body) {
		all = append(all, e.At)
	}
	return all, nil
}

func entriesOf(body []byte) (all []entry) {
	if err := json.Unmarshal(body, &all); err != nil {
		panic(err)
	}
	return all
}

// reader reads as the scheduler does: it stores each page, and the watermark behind it.
type reader struct {
	strategy    feed.Strategy
	overlap     time.Duration
	seen        map[string]bool
	watermark   time.Time
	slice       time.Duration
	interrupted bool
	whole       *callback.Span
}

// read reads once and is cut off behind so many steps (-1: never). Of the step at which
// it is cut off nothing is stored.
func (r *reader) read(cutAt int) error {
	q := callback.FeedQuery{Feed: callback.FeedAppointments, Interrupted: r.interrupted, Slice: r.slice, Overlap: r.overlap}
	if !r.watermark.IsZero() {
		q.Since = r.watermark.Add(-r.overlap)
	}
	r.interrupted, r.whole = true, nil
	var date, latest time.Time
	steps := 0
	for step, err := range r.strategy.Read(context.Background(), q) {
		if err != nil {
			return err
		}
		if steps++; steps > cutAt && cutAt >= 0 {
			return nil
		}
		if date.IsZero() {
			date = step.Date
		}
		if step.Body != nil {
			for _, e := range entriesOf(step.Body) {
				r.seen[fmt.Sprint(e.ID, "/", e.Version)] = true
				if e.At.After(latest) {
					latest = e.At
				}
			}
		}
		r.reach(step.Reached, date)
		r.whole = step.Whole
	}
	r.reach(latest, date)
	r.interrupted = false
	return nil
}

func (r *reader) reach(t, date time.Time) {
	if t.After(date) {
		t = date
	}
	if t.After(r.watermark) {
		r.watermark = t
	}
}

// missed are the entries that stand and were not seen as they are.
func (r *reader) missed(s *system) (missed []entry) {
	for _, e := range s.held {
		if !r.seen[fmt.Sprint(e.ID, "/", e.Version)] {
			missed = append(missed, e)
		}
	}
	return missed
}

// TestNothingIsMissed: entries that come twice or are skipped while they are paged, an
// index that lags, reads that fail or are cut off anywhere. Once it is quiet, everything
// was seen as it stands.
func TestNothingIsMissed(t *testing.T) {
	for name, c := range map[string]struct {
		order   func(a, b entry) int
		changes int // while one read is under way
		apart   int // milliseconds between two of them
		size    int // of pages, at least
		of      func(*system) feed.Strategy
	}{
		// A page holds the changes of more than one second.
		"watermark": {oldestFirst, 100, 600, 4, func(s *system) feed.Strategy {
			return feed.Watermark{Fetch: s.since, Times: times}
		}},
		// A read that is made twice sees through one change, not through any number.
		"watermark, order is not kept": {byID, 1, 0, 1, func(s *system) feed.Strategy {
			return feed.Watermark{Fetch: s.since}
		}},
		"watermark, many changes in a second": {oldestFirst, 1, 0, 1, func(s *system) feed.Strategy {
			return feed.Watermark{Fetch: s.since, Times: times}
		}},
		"newest first": {newestFirst, 1, 0, 1, func(s *system) feed.Strategy {
			return feed.Newest{Times: times, Fetch: func(context.Context, callback.FeedQuery) feed.Pages {
				return s.fetch(func(entry) bool { return true })
			}}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				s := newSystem(rt, c.order)
				s.apart, s.size = c.apart, max(s.size, c.size)
				s.lag = time.Duration(rapid.IntRange(0, 1000).Draw(rt, "index lag")) * time.Millisecond
				r := &reader{strategy: c.of(s), overlap: 3 * time.Second, seen: map[string]bool{}}
				for range rapid.IntRange(1, 8).Draw(rt, "reads") {
					for range rapid.IntRange(0, 12).Draw(rt, "changes before") {
						s.change(true)
					}
					s.changes, s.pages = rapid.IntRange(0, c.changes).Draw(rt, "changes while it is read"), 0
					s.failAt = rapid.IntRange(0, 6).Draw(rt, "page that fails")
					cut := rapid.IntRange(-1, 6).Draw(rt, "cut off behind")
					r.slice = time.Duration(rapid.IntRange(0, 9).Draw(rt, "slice")) * time.Second
					if err := r.read(cut); err != nil && !errors.Is(err, errDown) {
						rt.Fatal(err)
					}
				}
				s.now, s.changes, s.failAt = s.now.Add(s.lag), 0, 0
				if err := r.read(-1); err != nil {
					rt.Fatal(err)
				}
				if missed := r.missed(s); len(missed) > 0 {
					rt.Fatalf("missed %v with the watermark at %s", missed, r.watermark)
				}
			})
		})
	}
}

// since is a search by time of change, to the second as servers compare it.
func (s *system) since(_ context.Context, _ callback.FeedQuery, in callback.Span) feed.Pages {
	from, until := in.From.Truncate(time.Second), in.Until.Truncate(time.Second).Add(time.Second)
	return s.fetch(func(e entry) bool { return !e.At.Before(from) && (in.Until.IsZero() || e.At.Before(until)) })
}

// TestWatermarkGoesOn: after days of outage a read that is cut off again and again
// comes to its end, because each goes on where the last was cut off.
func TestWatermarkGoesOn(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newSystem(rt, oldestFirst)
		s.size = rapid.IntRange(4, 8).Draw(rt, "page size")
		for i := range 100 {
			s.held = append(s.held, entry{ID: i, Version: 1, At: monday.Add(time.Duration(i) * 10 * time.Second)})
		}
		s.now = monday.Add(time.Hour)
		r := &reader{strategy: feed.Watermark{Fetch: s.since, Times: times}, overlap: 10 * time.Second, seen: map[string]bool{}, watermark: monday}
		for range 100 {
			if err := r.read(3); err != nil {
				rt.Fatal(err)
			}
		}
		if missed := r.missed(s); len(missed) > 0 {
			rt.Fatalf("after 100 reads of three pages %d of 100 are still missing", len(missed))
		}
	})
}

// TestWatermarkInSlices: an EHR that cannot answer for much time at once is read to the
// end, by the length of slice that it manages.
func TestWatermarkInSlices(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newSystem(rt, oldestFirst)
		for i := range 500 {
			s.held = append(s.held, entry{ID: i, Version: 1, At: monday.Add(time.Duration(i) * time.Minute)})
		}
		s.now = monday.Add(9 * time.Hour)
		tooMuch := rapid.IntRange(20, 400).Draw(rt, "entries that are too many")
		search := func(ctx context.Context, q callback.FeedQuery, in callback.Span) feed.Pages {
			if n := len(slices.DeleteFunc(slices.Clone(s.held), func(e entry) bool {
				return e.At.Before(in.From) || !in.Until.IsZero() && !e.At.Before(in.Until)
			})); n > tooMuch {
				return feed.Failed(errDown)
			}
			return s.since(ctx, q, in)
		}
		r := &reader{strategy: feed.Watermark{Fetch: search, Times: times}, overlap: 10 * time.Second, seen: map[string]bool{}, watermark: monday}
		for reads := 0; ; reads++ {
			before := r.watermark
			err := r.read(-1)
			if err == nil {
				break
			}
			if reads > 60 {
				rt.Fatalf("still %v with the watermark at %s and slices of %s", err, r.watermark, r.slice)
			}
			if r.watermark.Equal(before) { // as the scheduler does
				r.slice = cmp.Or(r.slice, s.now.Sub(before)) / 2
			}
		}
		if missed := r.missed(s); len(missed) > 0 {
			rt.Fatalf("%d of 500 are missing", len(missed))
		}
	})
}

// TestWindowIsWhole: a window says that it was shown in full only when it was.
func TestWindowIsWhole(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newSystem(rt, oldestFirst)
		for range rapid.IntRange(0, 20).Draw(rt, "entries") {
			s.change(false)
		}
		span := callback.Span{From: monday, Until: monday.Add(15*time.Hour + 1)}
		parts := rapid.IntRange(0, 3).Draw(rt, "parts")
		w := feed.Window{Span: func() callback.Span { return span }, Step: time.Duration(rapid.IntRange(0, 5).Draw(rt, "step")) * time.Hour,
			Fetch: func(_ context.Context, part string, in callback.Span) feed.Pages {
				return s.fetch(func(e entry) bool {
					return (part == "" || part == fmt.Sprint(e.ID%parts)) && !e.Start.Before(in.From) && e.Start.Before(in.Until)
				})
			}}
		for p := range parts {
			w.Parts = append(w.Parts, fmt.Sprint(p))
		}
		s.failAt = rapid.IntRange(0, 12).Draw(rt, "page that fails")
		cut := rapid.IntRange(-1, 12).Draw(rt, "cut off behind")
		r := &reader{strategy: w, seen: map[string]bool{}}
		err := r.read(cut)
		failed := s.failAt > 0 && s.pages >= s.failAt
		if failed != (err != nil) {
			rt.Fatalf("page %d of %d failed and the read says %v", s.failAt, s.pages, err)
		}
		if r.whole == nil {
			if !failed && !r.interrupted {
				rt.Fatal("a read that came to its end does not say that it was whole")
			}
			return
		}
		if failed || *r.whole != span {
			rt.Fatalf("whole %v although a page failed: %t", r.whole, failed)
		}
		for _, e := range r.missed(s) {
			if e.Start.Before(span.Until) {
				rt.Fatalf("%v is missing from a whole window", e)
			}
		}
	})
}
