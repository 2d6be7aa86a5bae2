package rest_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/rest"
)

// TestAMinuteWithoutTokens: the token endpoint is down for a minute. Requests fail
// from the end of the token in use, never as a write of unknown outcome, and go on
// within seconds; the endpoint is not overrun. Whatever the token's life.
func TestAMinuteWithoutTokens(t *testing.T) {
	for life, most := range map[string]int{"60": 60, "300": 10, "36000": 0, "": 10} {
		var down atomic.Bool
		var fetches, written atomic.Int32
		clk := clock.NewManual(start)
		auth := tokens(t, clk, func(w http.ResponseWriter, r *http.Request) {
			fetches.Add(1)
			switch {
			case down.Load() && fetches.Load()%2 == 0:
				panic(http.ErrAbortHandler)
			case down.Load():
				w.WriteHeader(http.StatusBadGateway)
			case life == "":
				io.WriteString(w, `{"access_token":"t"}`)
			default:
				io.WriteString(w, `{"access_token":"t","expires_in":`+life+`}`)
			}
		})
		c, _ := serve(t, rest.Config{Auth: auth, Clock: clk}, func(http.ResponseWriter, *http.Request) { written.Add(1) })

		// Down from 235 s to 295 s, around the renewal of the token of 300 s and its end.
		failed, before := 0, int32(0)
		for second := range 600 {
			if at := second; at == 235 || at == 295 {
				down.Store(at == 235)
				before = fetches.Load()
			}
			_, err := c.Do(t.Context(), post("Task"))
			rest.Settle(auth)
			if err != nil {
				failed++
				if !fault.Is(err, fault.Retry) {
					t.Fatalf("life %q, second %d: %v", life, second, err)
				}
				if second < 235 || second >= 300 {
					t.Errorf("life %q: failed in second %d", life, second)
				}
			}
			if second == 294 && fetches.Load()-before > 13 {
				t.Errorf("life %q: %d fetches in the minute", life, fetches.Load()-before)
			}
			clk.Advance(time.Second)
		}
		if failed > most || int(written.Load()) != 600-failed {
			t.Errorf("life %q: %d failed, %d written", life, failed, written.Load())
		}
	}
}

// TestAHangingRenewalHoldsNobodyUp: the token in use is good for a while yet.
func TestAHangingRenewalHoldsNobodyUp(t *testing.T) {
	release := make(chan struct{})
	var n atomic.Int32
	clk := clock.NewManual(start)
	a := tokens(t, clk, func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) > 1 {
			<-release
		}
		io.WriteString(w, `{"access_token":"t","expires_in":300}`)
	})
	for range 20 {
		if got, err := apply(t.Context(), a); err != nil || got != "Bearer t" {
			t.Fatal(got, err)
		}
		clk.Advance(14 * time.Second)
	}
	close(release)
	rest.Settle(a)
	if n.Load() != 2 {
		t.Errorf("%d fetches", n.Load())
	}
}

// TestFreshTokensThatAreRefused do not cost a fetch per request.
func TestFreshTokensThatAreRefused(t *testing.T) {
	var fetches, hits atomic.Int32
	clk := clock.NewManual(start)
	auth := tokens(t, clk, numbered(&fetches, ""))
	c, _ := serve(t, rest.Config{Auth: auth, Clock: clk}, func(w http.ResponseWriter, r *http.Request) {
		hits.Add(1)
		w.WriteHeader(http.StatusUnauthorized)
	})
	for range 50 {
		if _, err := c.Do(t.Context(), post("Task")); !fault.Is(err, fault.Unauthorized) {
			t.Fatal(err)
		}
		clk.Advance(time.Second)
	}
	if fetches.Load() != 11 || hits.Load() != 60 {
		t.Errorf("%d fetches and %d requests in 50 seconds, want 11 and 60", fetches.Load(), hits.Load())
	}
}

// TestARememberedFailureAsksForWhatIsLeft of the wait, not for all of it again.
func TestARememberedFailureAsksForWhatIsLeft(t *testing.T) {
	clk := clock.NewManual(start)
	a := tokens(t, clk, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	for _, want := range []time.Duration{60 * time.Second, 40 * time.Second, 20 * time.Second, 60 * time.Second} {
		if _, err := apply(t.Context(), a); !fault.Is(err, fault.Throttled) || fault.After(err) != want {
			t.Errorf("%v after %s, want %s", err, fault.After(err), want)
		}
		clk.Advance(20 * time.Second)
	}
}

func TestTokenRefusalsThatPass(t *testing.T) {
	for _, c := range []struct {
		status     int
		code, head string
		want       fault.Disposition
		after      time.Duration
	}{
		{400, "temporarily_unavailable", "", fault.Retry, 0},
		{400, "server_error", "", fault.Retry, 0},
		{503, "temporarily_unavailable", "30", fault.Throttled, 30 * time.Second},
		{429, "temporarily_unavailable", "30", fault.Throttled, 30 * time.Second},
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", c.head)
			w.WriteHeader(c.status)
			io.WriteString(w, `{"error":"`+c.code+`"}`)
		}))
		_, err := apply(t.Context(), authenticator(t, rest.TokenEndpoint{URL: srv.URL}, ""))
		if !fault.Is(err, c.want) || fault.After(err) != c.after || !strings.Contains(err.Error(), c.code) {
			t.Errorf("%d %s: %v", c.status, c.code, err)
		}
		srv.Close()
	}
}
