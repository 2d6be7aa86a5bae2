package rest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/redact"
	"github.com/ringback-health/ringback/internal/rest"
)

var start = time.Date(2026, 3, 8, 9, 0, 0, 0, time.UTC)

// tokens starts a token endpoint and an authenticator for it.
func tokens(t *testing.T, clk clock.Clock, h http.HandlerFunc) rest.Authenticator {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return authenticator(t, rest.TokenEndpoint{URL: srv.URL + "/token", Clock: clk}, "")
}

func authenticator(t *testing.T, at rest.TokenEndpoint, style string) rest.Authenticator {
	t.Helper()
	at.ClientID = "ring:back"
	a, err := rest.ClientCredentials(rest.ClientCredentialsConfig{TokenEndpoint: at, Secret: redact.NewSecret("s&cret-canary"), Style: style})
	return closed(t, a, err)
}

// closed closes a when the test ends.
func closed(t *testing.T, a rest.Authenticator, err error) rest.Authenticator {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.(interface{ Close() }).Close() })
	return a
}

// apply returns the Authorization header that a sets.
func apply(ctx context.Context, a rest.Authenticator) (string, error) {
	req := httptest.NewRequest(http.MethodGet, "/", nil)
	err := a.Apply(ctx, req)
	return req.Header.Get("Authorization"), err
}

// renewed returns the header that a sets once no token is being fetched any more: a
// token that is due for renewal is used until the next is there.
func renewed(t *testing.T, a rest.Authenticator) (string, error) {
	t.Helper()
	before, err := apply(t.Context(), a)
	rest.Settle(a)
	if err != nil {
		return before, err
	}
	return apply(t.Context(), a)
}

// numbered grants t1, t2, … with the given members beside.
func numbered(n *atomic.Int32, members string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"access_token":"t%d"%s}`, n.Add(1), members)
	}
}

func TestTokenRequest(t *testing.T) {
	var got string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, ok := r.BasicAuth()
		r.ParseForm()
		got = fmt.Sprintf("%s %v %s %s|%s", r.Method, ok, user, password, r.PostForm.Encode())
		io.WriteString(w, `{"access_token":"t","token_type":"bearer","expires_in":60}`)
	}))
	defer srv.Close()
	for style, want := range map[string]string{
		"":              "POST true ring%3Aback s%26cret-canary|grant_type=client_credentials&scope=a+b",
		rest.StyleBasic: "POST true ring%3Aback s%26cret-canary|grant_type=client_credentials&scope=a+b",
		rest.StyleForm:  "POST false  |client_id=ring%3Aback&client_secret=s%26cret-canary&grant_type=client_credentials&scope=a+b",
	} {
		a := authenticator(t, rest.TokenEndpoint{URL: srv.URL, Scopes: []string{"a", "b"}}, style)
		header, err := apply(t.Context(), a)
		if err != nil || header != "Bearer t" || got != want {
			t.Errorf("%q: %v %q\ngot  %s\nwant %s", style, err, header, got, want)
		}
	}
}

func TestFormGrant(t *testing.T) {
	var got string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		r.ParseForm()
		got = fmt.Sprintf("%s %s|%s", user, password, r.PostForm.Encode())
		io.WriteString(w, `{"access_token":"t","token_type":"bearer","expires_in":3600}`)
	}))
	defer srv.Close()
	cfg := rest.FormGrantConfig{
		TokenEndpoint: rest.TokenEndpoint{URL: srv.URL, ClientID: "ringback"}, Secret: redact.NewSecret("s"),
		Form: map[string]redact.Secret{
			"grant_type": redact.NewSecret("urn:ietf:params:oauth:grant-type:jwt-bearer"), "assertion": redact.NewSecret("a.b.c"),
		},
	}
	a, err := rest.FormGrant(cfg)
	header, err := apply(t.Context(), closed(t, a, err))
	want := "ringback s|assertion=a.b.c&grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer"
	if err != nil || header != "Bearer t" || got != want {
		t.Errorf("%v %q\ngot  %s\nwant %s", err, header, got, want)
	}
	cfg.Form["assertion"] = redact.Secret{}
	if _, err := rest.FormGrant(cfg); err == nil || !strings.Contains(err.Error(), "assertion") {
		t.Errorf("without an assertion: %v", err)
	}
	delete(cfg.Form, "grant_type")
	if _, err := rest.FormGrant(cfg); err == nil {
		t.Error("without a grant_type")
	}
}

func TestTokenLifetime(t *testing.T) {
	cases := []struct {
		members string
		fresh   time.Duration // still the first token
		stale   time.Duration // another one
	}{
		{`,"expires_in":3600`, 3539 * time.Second, 3540 * time.Second},
		{`,"expires_in":"3600"`, 3539 * time.Second, 3540 * time.Second},
		{`,"expires_in":3600.5`, 3540 * time.Second, 3541 * time.Second},
		{`,"expires_in":10`, 7 * time.Second, 8 * time.Second},
		{``, 239 * time.Second, 240 * time.Second},
		{`,"expires_in":0`, 239 * time.Second, 240 * time.Second},
		{`,"expires_in":null`, 239 * time.Second, 240 * time.Second},
		{`,"expires_in":"later"`, 239 * time.Second, 240 * time.Second},
		{`,"expires_in":1e300`, 100000 * time.Hour, 600000 * time.Hour},
	}
	for _, c := range cases {
		var n atomic.Int32
		clk := clock.NewManual(start)
		a := tokens(t, clk, numbered(&n, c.members))
		for _, step := range []struct {
			at   time.Duration
			want string
		}{{0, "Bearer t1"}, {c.fresh, "Bearer t1"}, {c.stale, "Bearer t2"}} {
			clk.Advance(start.Add(step.at).Sub(clk.Now()))
			if got, err := renewed(t, a); err != nil || got != step.want {
				t.Errorf("%s after %s: %q %v, want %q", c.members, step.at, got, err, step.want)
			}
		}
	}
}

func TestManyWaitersOneFetch(t *testing.T) {
	for _, fail := range []bool{false, true} {
		var fetches atomic.Int32
		release := make(chan struct{})
		a := tokens(t, clock.NewManual(start), func(w http.ResponseWriter, r *http.Request) {
			fetches.Add(1)
			<-release
			if fail {
				w.WriteHeader(http.StatusUnauthorized)
				io.WriteString(w, `{"error":"invalid_client"}`)
				return
			}
			io.WriteString(w, `{"access_token":"t"}`)
		})
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				_, err := apply(t.Context(), a)
				if fail != (err != nil) || fail && !fault.Is(err, fault.Unauthorized) {
					t.Errorf("fail=%v: %v", fail, err)
				}
			})
		}
		close(release)
		wg.Wait()
		if fetches.Load() != 1 {
			t.Errorf("fail=%v: %d fetches for 20 callers", fail, fetches.Load())
		}
	}
}

func TestTheContextBoundsTheWaitOnly(t *testing.T) {
	release, asked := make(chan struct{}), make(chan struct{}, 1)
	var n atomic.Int32
	a := tokens(t, clock.NewManual(start), func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-release
		numbered(&n, "")(w, r)
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	if _, err := apply(ctx, a); !fault.Is(err, fault.Retry) || !errors.Is(err, context.Canceled) {
		t.Fatalf("the caller who left: %v", err)
	}
	close(release)
	if got, err := apply(t.Context(), a); err != nil || got != "Bearer t1" || n.Load() != 1 {
		t.Fatalf("the caller who stayed: %q %v after %d fetches", got, err, n.Load())
	}
}

func TestAFailureIsRememberedForAMoment(t *testing.T) {
	cases := []struct {
		retryAfter  string
		status      int
		still, over time.Duration
		want        fault.Disposition
	}{
		{"", 500, 4 * time.Second, 5 * time.Second, fault.Retry},
		{"", 401, 4 * time.Second, 5 * time.Second, fault.Unauthorized},
		{"60", 429, 59 * time.Second, 60 * time.Second, fault.Throttled},
		{"60", 503, 59 * time.Second, 60 * time.Second, fault.Throttled},
	}
	for _, c := range cases {
		var n atomic.Int32
		clk := clock.NewManual(start)
		a := tokens(t, clk, func(w http.ResponseWriter, r *http.Request) {
			n.Add(1)
			w.Header().Set("Retry-After", c.retryAfter)
			w.WriteHeader(c.status)
		})
		for _, step := range []struct {
			at      time.Duration
			fetches int32
		}{{0, 1}, {c.still, 1}, {c.over, 2}} {
			clk.Advance(start.Add(step.at).Sub(clk.Now()))
			if _, err := apply(t.Context(), a); !fault.Is(err, c.want) || n.Load() != step.fetches {
				t.Errorf("%d after %s: %v, %d fetches, want %d", c.status, step.at, err, n.Load(), step.fetches)
			}
		}
	}
}

func TestATokenOutlivesAFailureToRenewIt(t *testing.T) {
	var n atomic.Int32
	clk := clock.NewManual(start)
	a := tokens(t, clk, func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) > 1 {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		io.WriteString(w, `{"access_token":"t1","expires_in":100}`)
	})
	for _, step := range []struct {
		at time.Duration
		ok bool
	}{{0, true}, {85 * time.Second, true}, {86 * time.Second, true}, {99 * time.Second, true}, {101 * time.Second, false}} {
		clk.Advance(start.Add(step.at).Sub(clk.Now()))
		got, err := renewed(t, a)
		if ok := err == nil && got == "Bearer t1"; ok != step.ok {
			t.Errorf("after %s: %q %v", step.at, got, err)
		}
	}
}

// TestA401RenewsTheTokenOnce: a revoked token costs one fetch and one more
// exchange; a client that is refused for good is not tried for ever.
func TestA401RenewsTheTokenOnce(t *testing.T) {
	for _, revoked := range []string{"Bearer t1", "all"} {
		var fetches, hits atomic.Int32
		auth := tokens(t, clock.NewManual(start), numbered(&fetches, ""))
		c, _ := serve(t, rest.Config{Auth: auth}, func(w http.ResponseWriter, r *http.Request) {
			hits.Add(1)
			if revoked == "all" || r.Header.Get("Authorization") == revoked {
				w.WriteHeader(http.StatusUnauthorized)
			}
			io.Copy(w, r.Body)
		})
		resp, err := c.Do(t.Context(), post("Task"))
		if fetches.Load() != 2 || hits.Load() != 2 {
			t.Errorf("%s: %d fetches, %d hits, want 2 and 2", revoked, fetches.Load(), hits.Load())
		}
		if revoked == "all" && (!fault.Is(err, fault.Unauthorized) || resp == nil) || revoked != "all" && err != nil {
			t.Errorf("%s: %v", revoked, err)
		}
		if string(resp.Body) != `{"resourceType":"Task"}` {
			t.Errorf("%s: the second try sent %q", revoked, resp.Body)
		}
	}
}

// TestAHerdOf401sRenewsOnce: many requests with the same revoked token drop it
// once and not the new one after it.
func TestAHerdOf401sRenewsOnce(t *testing.T) {
	var fetches atomic.Int32
	auth := tokens(t, clock.NewManual(start), numbered(&fetches, ""))
	const herd = 10
	var arrived sync.WaitGroup
	arrived.Add(herd)
	c, _ := serve(t, rest.Config{Auth: auth}, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer t1" {
			arrived.Done()
			arrived.Wait() // all of them hold t1 before the first refusal
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	var wg sync.WaitGroup
	for range herd {
		wg.Go(func() {
			if _, err := c.Do(t.Context(), get("Task")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if fetches.Load() != 2 {
		t.Errorf("%d fetches, want 2", fetches.Load())
	}
}

func TestTokenRefusals(t *testing.T) {
	const canary = "canary"
	cases := []struct {
		status int
		body   string
		want   fault.Disposition
		says   string
	}{
		{400, `{"error":"invalid_scope","error_description":"canary"}`, fault.Unauthorized, "invalid_scope"},
		{401, `{"error":"invalid_client","error_description":"canary"}`, fault.Unauthorized, "invalid_client"},
		{401, `{"error":"canary"}`, fault.Unauthorized, "credentials were refused"},
		{403, `<html>canary`, fault.Unauthorized, "may not do this"},
		{400, `canary`, fault.Unauthorized, "refused the request"},
		{404, `canary`, fault.Unauthorized, "token_url"},
		{409, `canary`, fault.Unauthorized, "token_url"},
		{302, `canary`, fault.Retry, "token_url"},
		{500, `canary`, fault.Retry, "failed"},
		{200, `<html>canary`, fault.Retry, "token_url"},
		{200, `{"error":"canary"}`, fault.Retry, "no access token"},
		{200, `{"access_token":"canary","token_type":"mac"}`, fault.Unauthorized, "Bearer"},
	}
	for _, c := range cases {
		a := tokens(t, nil, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(c.status)
			io.WriteString(w, c.body)
		})
		_, err := apply(t.Context(), a)
		if !fault.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%d %s: %v (%s)", c.status, c.body, err, fault.Of(err))
		}
		if err != nil && strings.Contains(err.Error(), canary) {
			t.Errorf("%d %s leaked: %v", c.status, c.body, err)
		}
	}
}

func TestATokenFailureIsNoFailedWrite(t *testing.T) {
	a := tokens(t, nil, func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) })
	c, _ := serve(t, rest.Config{Auth: a}, func(http.ResponseWriter, *http.Request) { t.Error("sent without a token") })
	if resp, err := c.Do(t.Context(), post("Task")); !fault.Is(err, fault.Retry) || resp != nil || !strings.Contains(err.Error(), "token") {
		t.Errorf("%v %v", resp, err)
	}
}

func TestClientCredentialsRefusesABadConfiguration(t *testing.T) {
	secret := redact.NewSecret("s")
	for _, cfg := range []rest.ClientCredentialsConfig{
		{TokenEndpoint: rest.TokenEndpoint{URL: "http://ehr.example.org/token", ClientID: "c"}, Secret: secret},
		{TokenEndpoint: rest.TokenEndpoint{URL: "token", ClientID: "c"}, Secret: secret},
		{TokenEndpoint: rest.TokenEndpoint{URL: "https://ehr.example.org/token"}, Secret: secret},
		{TokenEndpoint: rest.TokenEndpoint{URL: "https://ehr.example.org/token", ClientID: "c"}},
		{TokenEndpoint: rest.TokenEndpoint{URL: "https://ehr.example.org/token", ClientID: "c"}, Secret: secret, Style: "header"},
		{TokenEndpoint: rest.TokenEndpoint{ClientID: "c"}, Secret: secret},
		{TokenEndpoint: rest.TokenEndpoint{BaseURL: "http://ehr.example.org", ClientID: "c"}, Secret: secret},
		{TokenEndpoint: rest.TokenEndpoint{URL: "https://ehr.example.org/token", ClientID: "c", Headers: []rest.Header{{Name: "a b", Value: secret}}}, Secret: secret},
	} {
		if _, err := rest.ClientCredentials(cfg); err == nil {
			t.Errorf("accepted %+v", cfg)
		}
	}
}
