package scheduler_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/scheduler"
)

// fails makes an EHR fail from now on, or answer again.
func (w *world) fails(id callback.EHRID, since time.Time) {
	w.t.Helper()
	_, err := w.ledger.UpdateConnection(w.t.Context(), clinic, id, func(c *callback.Connection) { c.Since = since })
	w.must(err)
}

// died is how a process ends while it tells.
type died struct{}

// dying is one turn of a process that dies while it posts an alert.
func (w *world) dying(posted *[]string) {
	w.t.Helper()
	o := w.options
	o.Tell = func(_ context.Context, n callback.News) error {
		*posted = append(*posted, n.ID())
		panic(died{})
	}
	defer func() {
		if _, is := recover().(died); !is {
			w.t.Error("nothing was posted")
		}
	}()
	_ = scheduler.Tell(w.t.Context(), o)
}

// TestTellerDies: what was being posted when the process died is posted by the next,
// under the same id, and once it was posted by nobody again.
func TestTellerDies(t *testing.T) {
	w := newWorld(t)
	var posted []string
	w.options.Tell = func(_ context.Context, n callback.News) error { posted = append(posted, n.ID()); return nil }
	var ids []string
	for _, since := range []time.Time{w.clock.Now(), {}} {
		posted = nil
		w.fails(ehrID, since)
		w.dying(&posted)
		w.clock.Advance(time.Minute)
		for range 3 {
			w.must(scheduler.Tell(t.Context(), w.options))
			w.clock.Advance(time.Minute)
		}
		if len(posted) != 2 || posted[0] != posted[1] {
			t.Errorf("posted %q; want the same twice, once before the death and once after it", posted)
		}
		ids = append(ids, posted...)
	}
	if ids[0] == ids[len(ids)-1] {
		t.Errorf("failing and recovered have one id: %q", ids)
	}
}

// TestTwoTellers: two processes that see the same do not both tell it, and when one
// cannot, the other does.
func TestTwoTellers(t *testing.T) {
	w := newWorld(t)
	var a, b int
	other := w.options
	other.Tell = func(context.Context, callback.News) error { b++; return nil }
	tellB := scheduler.NewTeller(other)
	broken := true
	w.options.Tell = func(ctx context.Context, _ callback.News) error {
		w.must(tellB(ctx)) // at the same time
		if a++; broken {
			return errors.New("no way to reach him from here")
		}
		return nil
	}
	tellA := scheduler.NewTeller(w.options)
	w.fails(ehrID, w.clock.Now())
	w.must(tellA(t.Context()))
	if a != 1 || b != 0 {
		t.Fatalf("both told it: %d, %d", a, b)
	}
	for range 30 {
		w.clock.Advance(time.Second)
		w.must(tellB(t.Context()))
	}
	if b != 1 {
		t.Errorf("the other process told it %d times", b)
	}
	broken = false
	w.clock.Advance(time.Hour)
	w.must(tellA(t.Context()))
	if a != 1 {
		t.Errorf("told again by the first: %d", a)
	}
}

// TestEachEHRHasItsOwnPause: that nobody could be told of one EHR holds back no news
// of another.
func TestEachEHRHasItsOwnPause(t *testing.T) {
	w := newWorld(t)
	second := w.options.Sites[0]
	second.ID = "second"
	w.options.Sites = append(w.options.Sites, second)
	tried := map[callback.EHRID]int{}
	w.options.Tell = func(_ context.Context, n callback.News) error {
		if tried[n.EHR]++; n.EHR == ehrID {
			return errors.New("no way to reach him")
		}
		return nil
	}
	tell := scheduler.NewTeller(w.options)
	w.fails(ehrID, w.clock.Now())
	w.must(tell(t.Context()))
	w.clock.Advance(time.Second)
	w.fails("second", w.clock.Now())
	w.must(tell(t.Context()))
	if tried[ehrID] != 1 || tried["second"] != 1 {
		t.Errorf("%v", tried)
	}
}

// TestLogTellsBoth: the log has the end of every failure that it has the beginning
// of, told or not, and each once.
func TestLogTellsBoth(t *testing.T) {
	for name, post := range map[string]func(context.Context, callback.News) error{
		"nobody to tell":    nil,
		"told":              func(context.Context, callback.News) error { return nil },
		"could not be told": func(context.Context, callback.News) error { return errors.New("no way to reach him") },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			var log bytes.Buffer
			w.options.Tell, w.options.Logger = post, slog.New(slog.NewTextHandler(&log, nil))
			tell := scheduler.NewTeller(w.options)
			look := func() {
				for range 3 {
					w.must(tell(t.Context()))
					w.clock.Advance(time.Second)
				}
			}
			for range 2 {
				w.fails(ehrID, w.clock.Now())
				look()
				w.fails(ehrID, time.Time{})
				look()
			}
			began, ended := strings.Count(log.String(), "does not do its work"), strings.Count(log.String(), "answers again")
			if began != 2 || ended != 2 {
				t.Errorf("the log says %d times that it fails and %d times that it answers again, want 2\n%s", began, ended, log.String())
			}
		})
	}
}
