package rest

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestLimiterSpacesRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(4)
		start := time.Now()
		done := make(chan time.Duration, 9)
		for range 9 {
			go func() {
				if err := l.wait(t.Context()); err != nil {
					t.Error(err)
				}
				done <- time.Since(start)
			}()
		}
		var last time.Duration
		for range 9 {
			last = max(last, <-done)
		}
		if last != 2*time.Second {
			t.Fatalf("9 requests at 4 per second ended after %s, want 2 s", last)
		}
		time.Sleep(time.Minute) //nolint:forbidigo // the bubble's clock; idle time earns no burst
		start = time.Now()
		_, _ = l.wait(t.Context()), l.wait(t.Context())
		if got := time.Since(start); got != 250*time.Millisecond {
			t.Fatalf("two requests after a pause took %s, want 250 ms", got)
		}
	})
}

func TestLimiterHonoursTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(0.1)
		if err := l.wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if err := l.wait(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Fatalf("got %v after %s", err, time.Since(start))
		}
		var none *limiter
		if err := none.wait(ctx); err == nil {
			t.Fatal("a context that is over should stop a request without a limit too")
		}
	})
}
