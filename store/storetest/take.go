package storetest

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/redact"
)

func takes(t *testing.T, l Ledger) {
	ctx := t.Context()
	req := request(here, 1)
	first, err := l.Take(ctx, arrival(req), noon, asNew(req))
	must(t, err)
	if first.Disposition != callback.Created || first.Again || first.Callback.ID == "" {
		t.Fatalf("a new request: %s, again %t", first.Disposition, first.Again)
	}

	again, err := l.Take(ctx, arrival(req), noon, func([]callback.Record) (callback.Intake, error) {
		t.Error("decide was called for an arrival that is stored")
		return callback.Intake{}, nil
	})
	must(t, err)
	same(t, "the same arrival", again, callback.Taken{Callback: first.Callback, Disposition: callback.Created, Again: true})

	repeat := request(here, 1)
	repeat.SourceID = "second call"
	merged, err := l.Take(ctx, arrival(repeat), noon, mergeOrNew(repeat))
	must(t, err)
	if merged.Disposition != callback.Merged || merged.Callback.ID != first.Callback.ID || merged.Callback.Repeats != 1 {
		t.Fatalf("a repeated call: %s, %d repeats", merged.Disposition, merged.Callback.Repeats)
	}
	mergedAgain, err := l.Take(ctx, arrival(repeat), noon, mergeOrNew(repeat))
	must(t, err)
	same(t, "the repeated call again", mergedAgain, callback.Taken{Callback: merged.Callback, Disposition: callback.Merged, Again: true})

	spam := request(here, 2)
	ignore := func([]callback.Record) (callback.Intake, error) { return callback.Intake{Ignore: "test call"}, nil }
	for _, again := range []bool{false, true} {
		ignored, err := l.Take(ctx, arrival(spam), noon, ignore)
		must(t, err)
		same(t, "an ignored call", ignored, callback.Taken{Disposition: callback.Ignored, Reason: "test call", Again: again})
	}
}

func takeFails(t *testing.T, l Ledger) {
	ctx := t.Context()
	req := request(here, 1)
	cause := errors.New("no rule")
	_, err := l.Take(ctx, arrival(req), noon, func([]callback.Record) (callback.Intake, error) { return callback.Intake{}, cause })
	if err != cause { //nolint:errorlint // as it is, not wrapped
		t.Fatalf("error is %v, want that of decide as it is", err)
	}
	taken, err := l.Take(ctx, arrival(req), noon, asNew(req))
	must(t, err)
	if taken.Again {
		t.Fatal("the failed arrival was stored")
	}
}

func takeRefuses(t *testing.T, l Ledger) {
	ctx := t.Context()
	req := request(here, 1)
	own := callback.Capture(req, noon)
	other := callback.Capture(request(there, 1), noon)
	for name, in := range map[string]callback.Intake{
		"nothing":                  {},
		"two":                      {New: &own, Ignore: "and ignored"},
		"of another clinic":        {New: &other},
		"merged into no candidate": {Merge: &own},
		"merged and new":           {New: &own, Merge: &own},
		"with a link of another":   {New: withForeignLink(own)},
	} {
		_, err := l.Take(ctx, arrival(req), noon, func([]callback.Record) (callback.Intake, error) { return in, nil })
		if !errors.Is(err, callback.ErrInvalid) {
			t.Errorf("%s: error is %v, want ErrInvalid", name, err)
		}
	}
	for _, a := range []callback.Arrival{
		{Clinic: here, Source: "s", SourceID: "1"}, {ID: "x", Source: "s", SourceID: "1"},
		{ID: "x", Clinic: here, SourceID: "1"}, {ID: "x", Clinic: here, Source: "s"},
	} {
		_, err := l.Take(ctx, a, noon, asNew(req))
		want(t, err, callback.ErrInvalid)
	}
	page, _, err := l.List(ctx, callback.Filter{})
	must(t, err)
	if len(page) != 0 {
		t.Fatalf("%d callbacks came of decisions that were refused", len(page))
	}
}

func withForeignLink(r callback.Record) *callback.Record {
	r = r.Clone()
	r.Links = []callback.Link{callback.NewLink(callback.Callback{ID: callback.NewID(), Clinic: r.Clinic}, ehr, callback.TaskResource, noon)}
	return &r
}

func takeCandidates(t *testing.T, l Ledger) {
	ctx := t.Context()
	since := noon.Add(time.Hour)
	closed := func(n int, at time.Time) callback.Record {
		req := request(here, 7)
		req.SourceID = fmt.Sprint("closed ", n)
		rec := newCallback(t, l, req)
		return update(t, l, rec.ID, func(r *callback.Record) error {
			if at.IsZero() {
				return nil
			}
			return r.Close(callback.AlreadyResolved, r.Text, staff, at)
		})
	}
	open := closed(0, time.Time{})
	closed(1, since.Add(-time.Microsecond)) // too long ago
	atBound := closed(2, since)
	later := closed(3, since.Add(time.Minute))
	newCallback(t, l, request(here, 8))  // another number
	newCallback(t, l, request(there, 7)) // another clinic

	req := request(here, 7)
	req.SourceID = "asks"
	_, err := l.Take(ctx, arrival(req), since, func(candidates []callback.Record) (callback.Intake, error) {
		same(t, "candidates, newest first", candidates, []callback.Record{later, atBound, open})
		return callback.Intake{Ignore: "seen"}, nil
	})
	must(t, err)

	busy := request(here, 9)
	for range 25 {
		busy.SourceID = string(callback.NewID())
		newCallback(t, l, busy)
	}
	many := arrival(busy)
	many.SourceID = "many"
	_, err = l.Take(ctx, many, noon, func(candidates []callback.Record) (callback.Intake, error) {
		if len(candidates) != 20 {
			t.Errorf("%d candidates, want at most 20", len(candidates))
		}
		return callback.Intake{Ignore: "seen"}, nil
	})
	must(t, err)

	nobody := arrival(busy)
	nobody.SourceID, nobody.Phone = "no number", redact.Text{}
	_, err = l.Take(ctx, nobody, noon, func(candidates []callback.Record) (callback.Intake, error) {
		if len(candidates) != 0 {
			t.Errorf("%d candidates for a withheld number", len(candidates))
		}
		return callback.Intake{Ignore: "seen"}, nil
	})
	must(t, err)
}

func takeSameArrival(t *testing.T, l Ledger) {
	ctx := t.Context()
	var created, again atomic.Int64
	for round := range 5 {
		req := request(here, round)
		if round%2 == 1 {
			req.Caller.Phone = redact.Text{}
		}
		atOnce(8, func(int) {
			taken, err := l.Take(ctx, arrival(req), noon, asNew(req))
			if err != nil {
				t.Error(err)
			}
			if taken.Again {
				again.Add(1)
			} else {
				created.Add(1)
			}
		})
	}
	page, _, err := l.List(ctx, callback.Filter{})
	must(t, err)
	if created.Load() != 5 || again.Load() != 35 || len(page) != 5 {
		t.Fatalf("%d created, %d again, %d callbacks; want 5, 35, 5", created.Load(), again.Load(), len(page))
	}
}

func takeSamePhone(t *testing.T, l Ledger) {
	ctx := t.Context()
	for round := range 5 {
		atOnce(8, func(int) {
			req := request(here, round)
			req.SourceID += string(callback.NewID())
			if _, err := l.Take(ctx, arrival(req), noon, mergeOrNew(req)); err != nil {
				t.Error(err)
			}
		})
	}
	page, _, err := l.List(ctx, callback.Filter{})
	must(t, err)
	if len(page) != 5 {
		t.Fatalf("%d callbacks of 5 callers", len(page))
	}
	for _, c := range page {
		if c.Repeats != 7 {
			t.Errorf("%d repeats, want 7", c.Repeats)
		}
	}
}
