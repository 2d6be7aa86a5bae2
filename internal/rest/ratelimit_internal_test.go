package rest

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

var noon = time.Date(2026, 3, 8, 12, 0, 0, 0, time.UTC)

func TestRateLimitHeaders(t *testing.T) {
	const none = time.Duration(-1)
	for _, c := range []struct {
		name  string
		h     http.Header
		asked time.Duration // by a refusal; negative: nothing
		held  time.Duration // after a success
	}{
		{"none", http.Header{}, none, 0},
		{"plenty", http.Header{"Ratelimit": {`"default";r=50;t=30`}}, 30 * time.Second, 0},
		{"used up", http.Header{"Ratelimit": {`"default";r=0;t=30`}}, 30 * time.Second, 30 * time.Second},
		{"one of two is used up", http.Header{"Ratelimit": {`"requests";r=5000;t=45, "fhirInteractions";r=0;t=12`}}, 12 * time.Second, 12 * time.Second},
		{"both are used up", http.Header{"Ratelimit": {`"requests";r=0;t=45, "fhirInteractions";r=0;t=12`}}, 45 * time.Second, 45 * time.Second},
		{"two lines", http.Header{"Ratelimit": {`"requests";r=1;t=45`, `"fhirInteractions";r=0;t=12`}}, 12 * time.Second, 12 * time.Second},
		{"none is used up", http.Header{"Ratelimit": {`"requests";r=5000;t=45, "fhirInteractions";r=3;t=12`}}, 45 * time.Second, 0},
		{"the longer of two headers", http.Header{"Retry-After": {"5"}, "Ratelimit": {`"default";r=0;t=30`}}, 30 * time.Second, 30 * time.Second},
		{"the longer of two headers, turned", http.Header{"Retry-After": {"50"}, "Ratelimit": {`"default";r=0;t=30`}}, 50 * time.Second, 30 * time.Second},
		{"partition key", http.Header{"Ratelimit": {`"p";r=0;t=7;pk=:c2Vj,cmV0;cj0x:`}}, 7 * time.Second, 7 * time.Second},
		{"separators in the name", http.Header{"Ratelimit": {`"a;r=9,b\";t=99";r=0;t=7`}}, 7 * time.Second, 7 * time.Second},
		{"token as a name", http.Header{"Ratelimit": {`default; r=0; t=7`}}, 7 * time.Second, 7 * time.Second},
		{"older form", http.Header{"Ratelimit": {`limit=100, remaining=0, reset=7`}}, 7 * time.Second, 7 * time.Second},
		{"older form, plenty", http.Header{"Ratelimit": {`limit=100, remaining=3, reset=7`}}, 7 * time.Second, 0},
		{"oldest form", http.Header{"Ratelimit-Limit": {"100"}, "Ratelimit-Remaining": {"0"}, "Ratelimit-Reset": {"7"}}, 7 * time.Second, 7 * time.Second},
		{"oldest form, a date", http.Header{"Ratelimit-Remaining": {"0"}, "Ratelimit-Reset": {"1772971207"}}, 7 * time.Second, 7 * time.Second},
		{"oldest form, a date gone by", http.Header{"Ratelimit-Remaining": {"0"}, "Ratelimit-Reset": {"1772971199"}}, none, 0},
		{"with a window", http.Header{"X-Rate-Limit-Limit": {"10"}, "X-Rate-Limit-Remaining": {"0"}, "X-Rate-Limit-Window": {"60"}}, time.Minute, time.Minute},
		{"with a window, plenty", http.Header{"X-Rate-Limit-Remaining": {"9"}, "X-Rate-Limit-Window": {"60"}}, time.Minute, 0},
		{"only a reset", http.Header{"Ratelimit-Reset": {"7"}}, 7 * time.Second, 0},
		{"no time", http.Header{"Ratelimit": {`"default";r=0`}}, none, 0},
		{"now", http.Header{"Ratelimit": {`"default";r=0;t=0`}}, none, 0},
		{"bounded", http.Header{"Ratelimit": {`"default";r=0;t=99999999999999999999999`}}, 24 * time.Hour, 24 * time.Hour},
		{"no numbers", http.Header{"Ratelimit": {`"default";r=x;t=-5`, `;;=,"`}}, none, 0},
		{"half of it", http.Header{"Ratelimit": {`"default;r=0;t=30`}}, none, 0},
		{"one bad and one good", http.Header{"Ratelimit": {`???, "default";r=0;t=30`}}, 30 * time.Second, 30 * time.Second},
	} {
		if got := askedToWait(c.h, noon); got != c.asked {
			t.Errorf("%s: a refusal asks for %s, want %s", c.name, got, c.asked)
		}
		if got := usedUp(c.h, noon); got != c.held {
			t.Errorf("%s: a success asks for %s, want %s", c.name, got, c.held)
		}
	}
}

func FuzzRateLimit(f *testing.F) {
	for _, seed := range []string{`"default";r=50;t=30`, `"a";r=0;t=1, "b";r=2;t=3;pk=:YQ==:`, `limit=1, remaining=0, reset=9`, `"\"";r=0`, `";,;r=0;t=7`, `a;r=0;t=18446744073709551616`} {
		f.Add(seed, "0", "30", "5")
	}
	f.Fuzz(func(t *testing.T, field, remaining, reset, after string) {
		h := http.Header{"Ratelimit": {field}, "Ratelimit-Remaining": {remaining}, "Ratelimit-Reset": {reset}, "Retry-After": {after}}
		asked, held := askedToWait(h, noon), usedUp(h, noon)
		if asked < -1 || asked > maxRetryAfter || held < 0 || held > maxRetryAfter {
			t.Errorf("asked %s, held %s", asked, held)
		}
		if held > 0 && asked < held {
			t.Errorf("a refusal asks for less (%s) than a success (%s)", asked, held)
		}
		if only, ok := ParseRetryAfter(h, noon); ok && asked < only {
			t.Errorf("asked %s, Retry-After alone %s", asked, only)
		}
	})
}

func TestHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h hold
		start := time.Now()
		waited := func(want time.Duration) {
			t.Helper()
			if err := h.wait(t.Context()); err != nil || time.Since(start) != want {
				t.Errorf("%v after %s, want %s", err, time.Since(start), want)
			}
		}
		waited(0)
		h.extend(30 * time.Second)
		h.extend(10 * time.Second) // the longer one holds
		h.extend(0)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := h.wait(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 5*time.Second {
			t.Errorf("%v after %s", err, time.Since(start))
		}
		waited(30 * time.Second)
		h.extend(time.Hour) // bounded
		waited(90 * time.Second)
		h.extend(20 * time.Second)
		time.AfterFunc(10*time.Second, func() { h.extend(30 * time.Second) })
		waited(130 * time.Second)
	})
}
