package rest_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/redact"
	"github.com/ringback-health/ringback/internal/rest"
)

// TestAUsedUpLimitHoldsTheNextRequest, so that it is not refused.
func TestAUsedUpLimitHoldsTheNextRequest(t *testing.T) {
	for _, status := range []int{200, 404, 412, 429} {
		var hits atomic.Int32
		c, _ := serve(t, rest.Config{}, func(w http.ResponseWriter, r *http.Request) {
			hits.Add(1)
			w.Header().Set("Ratelimit", `"fhirInteractions";r=0;t=30, "requests";r=8;t=50`)
			w.WriteHeader(status)
		})
		_, err := c.Do(t.Context(), post("Task"))
		if status == 429 && (!fault.Is(err, fault.Throttled) || fault.After(err) != 30*time.Second) {
			t.Errorf("%v after %s", err, fault.After(err))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_, err = c.Do(ctx, post("Task"))
		cancel()
		// What is refused has its due time; it does not hold others back.
		want := int32(1)
		if status == 429 {
			want = 2
		}
		if hits.Load() != want || want == 1 && (!fault.Is(err, fault.Retry) || !errors.Is(err, context.DeadlineExceeded)) {
			t.Errorf("%d: %d hits, %v", status, hits.Load(), err)
		}
	}
}

func TestThrottledWithoutRetryAfter(t *testing.T) {
	c, _ := serve(t, rest.Config{}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Ratelimit-Remaining", "0")
		w.Header().Set("Ratelimit-Reset", "17")
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	if _, err := c.Do(t.Context(), get("Task")); !fault.Is(err, fault.Throttled) || fault.After(err) != 17*time.Second {
		t.Errorf("%v after %s", err, fault.After(err))
	}
}

type gate func(context.Context) error

func (g gate) Wait(ctx context.Context) error { return g(ctx) }

func TestTheGateIsAskedBeforeEveryRequest(t *testing.T) {
	var asked, hits, fetches atomic.Int32
	auth := tokens(t, nil, numbered(&fetches, ""))
	c, _ := serve(t, rest.Config{Auth: auth, Gate: gate(func(context.Context) error { asked.Add(1); return nil })},
		func(w http.ResponseWriter, r *http.Request) {
			if hits.Add(1); asked.Load() != hits.Load() {
				t.Errorf("request %d after asking %d times", hits.Load(), asked.Load())
			}
			if hits.Load() == 1 {
				w.WriteHeader(http.StatusUnauthorized)
			}
		})
	for range 3 {
		if _, err := c.Do(t.Context(), post("Task")); err != nil {
			t.Error(err)
		}
	}
	if hits.Load() != 4 {
		t.Errorf("%d requests", hits.Load())
	}
}

// TestAClosedGateSendsNothing: a write was not done, and what the gate says is told.
func TestAClosedGateSendsNothing(t *testing.T) {
	said := fault.New(fault.Throttled, "", "this EHR's limit is used up").WithAfter(9 * time.Second)
	for name, c := range map[string]struct {
		err   error
		want  fault.Disposition
		after time.Duration
	}{
		"a fault":   {said, fault.Throttled, 9 * time.Second},
		"cancelled": {context.Canceled, fault.Retry, 0},
		"other":     {errors.New("canary"), fault.Retry, 0},
	} {
		cl, _ := serve(t, rest.Config{Gate: gate(func(context.Context) error { return c.err })},
			func(http.ResponseWriter, *http.Request) { t.Error("sent") })
		resp, err := cl.Do(t.Context(), post("Task"))
		if resp != nil || !fault.Is(err, c.want) || fault.After(err) != c.after || strings.Contains(err.Error(), "canary") || !strings.HasPrefix(err.Error(), "create Task: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if said.Op != "" {
		t.Error("the gate's own error was changed")
	}
}

func TestHeadersGoWithEveryRequest(t *testing.T) {
	for name, auth := range map[string]rest.Authenticator{"alone": nil, "beside a token": rest.Bearer(redact.NewSecret("t"))} {
		var got http.Header
		c, _ := serve(t, rest.Config{Auth: auth, Headers: []rest.Header{{Name: "x-api-key", Value: redact.NewSecret("k")}, {Name: "X-Practice", Value: redact.NewSecret("p q")}}},
			func(w http.ResponseWriter, r *http.Request) { got = r.Header })
		if _, err := c.Do(t.Context(), post("Task")); err != nil {
			t.Error(err)
		}
		if got.Get("X-Api-Key") != "k" || got.Get("X-Practice") != "p q" || (got.Get("Authorization") == "Bearer t") != (auth != nil) {
			t.Errorf("%s: %v", name, got)
		}
	}
	c, _ := serve(t, rest.Config{Headers: []rest.Header{{Name: "Authorization", Value: redact.NewSecret("Apikey k")}}},
		func(w http.ResponseWriter, r *http.Request) { w.Header().Set("X-Got", r.Header.Get("Authorization")) })
	if resp, err := c.Do(t.Context(), get("Task")); err != nil || resp.Header.Get("X-Got") != "Apikey k" {
		t.Errorf("%v", err)
	}
}

func TestBadHeaders(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()
	v := redact.NewSecret("v")
	for name, headers := range map[string][]rest.Header{
		"no name":       {{Value: v}},
		"a space":       {{Name: "x api", Value: v}},
		"a colon":       {{Name: "x-api:", Value: v}},
		"a line break":  {{Name: "x\r\ny", Value: v}},
		"not ASCII":     {{Name: "x-kéy", Value: v}},
		"our own":       {{Name: "content-TYPE", Value: v}},
		"of HTTP":       {{Name: "transfer-encoding", Value: v}},
		"no value":      {{Name: "x-api-key"}},
		"two lines":     {{Name: "x-api-key", Value: redact.NewSecret("canary\nx: y")}},
		"twice":         {{Name: "x-api-key", Value: v}, {Name: "X-API-Key", Value: v}},
		"twice a login": {{Name: "authorization", Value: v}},
	} {
		if _, err := rest.New(rest.Config{BaseURL: srv.URL, Headers: headers, Auth: rest.Bearer(v)}); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
