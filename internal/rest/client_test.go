package rest_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/redact"
	"github.com/ringback-health/ringback/internal/rest"
)

// serve starts an EHR and a client for its /fhir.
func serve(t *testing.T, cfg rest.Config, h http.HandlerFunc) (*rest.Client, *httptest.Server) {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	cfg.BaseURL = srv.URL + "/fhir/"
	return client(t, cfg), srv
}

func client(t *testing.T, cfg rest.Config) *rest.Client {
	t.Helper()
	c, err := rest.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func get(path string) rest.Request {
	return rest.Request{Op: "read Task", Method: http.MethodGet, Path: path}
}

func post(path string) rest.Request {
	return rest.Request{Op: "create Task", Method: http.MethodPost, Path: path, Body: []byte(`{"resourceType":"Task"}`), ContentType: "application/fhir+json", Write: true}
}

func TestDoSendsWhatWasAsked(t *testing.T) {
	c, srv := serve(t, rest.Config{Auth: rest.Basic("u", redact.NewSecret("p"))}, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		user, password, _ := r.BasicAuth()
		fmt.Fprintf(w, "%s %s|%s|%s|%s|%s|%s:%s", r.Method, r.URL, r.Header.Get("Content-Type"), r.Header.Get("Prefer"), r.UserAgent(), body, user, password)
	})
	req := post("Task?a=1")
	req.Query = url.Values{"b": {"x y", "z"}}
	req.Header = http.Header{"prefer": {"return=representation"}}
	resp, err := c.Do(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	want := `POST /fhir/Task?a=1&b=x+y&b=z|application/fhir+json|return=representation|ringback|{"resourceType":"Task"}|u:p`
	if string(resp.Body) != want || resp.Status != 200 {
		t.Fatalf("got  %s\nwant %s", resp.Body, want)
	}
	if c.BaseURL() != srv.URL+"/fhir" {
		t.Fatal(c.BaseURL())
	}
	// An absolute URL of the same origin, as a next link is.
	if resp, err = c.Do(t.Context(), get(srv.URL+"/fhir?page=2")); err != nil || !strings.HasPrefix(string(resp.Body), "GET /fhir?page=2|") {
		t.Fatalf("%v %s", err, resp.Body)
	}
}

func TestDoSendsOnce(t *testing.T) {
	for _, status := range []int{500, 502, 503, 429, 401} {
		var hits atomic.Int32
		var counted []string
		c, _ := serve(t, rest.Config{Auth: rest.Bearer(redact.NewSecret("t")), Sent: func(op string) { counted = append(counted, op) }}, func(w http.ResponseWriter, r *http.Request) {
			hits.Add(1)
			w.WriteHeader(status)
			io.WriteString(w, "body")
		})
		resp, err := c.Do(t.Context(), post("Task"))
		if hits.Load() != 1 || err == nil || resp == nil || resp.Status != status || string(resp.Body) != "body" {
			t.Errorf("%d: %d hits, %v, %+v", status, hits.Load(), err, resp)
		}
		if len(counted) != 1 || counted[0] != "create Task" {
			t.Errorf("%d: counted as %q", status, counted)
		}
	}
}

func TestARedirectIsAFault(t *testing.T) {
	var elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		c, _ := serve(t, rest.Config{Auth: rest.Bearer(redact.NewSecret("t"))}, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL+"/login?name=Canary", status)
		})
		for _, req := range []rest.Request{get("Task"), post("Task")} {
			_, err := c.Do(t.Context(), req)
			if !fault.Is(err, fault.Retry) || !strings.Contains(err.Error(), "base_url") {
				t.Errorf("%d: %v", status, err)
			}
		}
	}
	if elsewhere.Load() != 0 {
		t.Fatal("a redirect was followed")
	}
}

func TestNoConnectionIsRetryAlsoForAWrite(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	_, err = client(t, rest.Config{BaseURL: "http://" + addr}).Do(t.Context(), post("Task"))
	if !fault.Is(err, fault.Retry) {
		t.Fatalf("%v", err)
	}
}

// TestAnAnswerThatNeverComes breaks the exchange at each point after the
// server has the request.
func TestAnAnswerThatNeverComes(t *testing.T) {
	hang := func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	hangup := func(w http.ResponseWriter, r *http.Request) {
		conn, _, _ := w.(http.Hijacker).Hijack()
		conn.Close()
	}
	half := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, "half")
		panic(http.ErrAbortHandler)
	}
	for name, h := range map[string]http.HandlerFunc{"timeout": hang, "hang-up": hangup, "half a body": half} {
		cfg := rest.Config{}
		if name == "timeout" {
			cfg.Timeout = 100 * time.Millisecond
		}
		t.Run(name, func(t *testing.T) {
			var hits atomic.Int32
			c, _ := serve(t, cfg, func(w http.ResponseWriter, r *http.Request) {
				hits.Add(1)
				io.Copy(io.Discard, r.Body)
				h(w, r)
			})
			if _, err := c.Do(t.Context(), post("Task")); !fault.Is(err, fault.Ambiguous) || hits.Load() != 1 {
				t.Errorf("write: %v, %d hits", err, hits.Load())
			}
			if _, err := c.Do(t.Context(), get("Task/1")); !fault.Is(err, fault.Retry) {
				t.Errorf("read: %v", err)
			}
		})
	}
}

func TestCancelDuringAWriteIsAmbiguousAndBeforeItIsRetry(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c, _ := serve(t, rest.Config{}, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		cancel()
		<-r.Context().Done()
	})
	_, err := c.Do(ctx, post("Task"))
	if !fault.Is(err, fault.Ambiguous) || !errors.Is(err, context.Canceled) {
		t.Fatalf("during: %v", err)
	}
	_, err = c.Do(ctx, post("Task"))
	if !fault.Is(err, fault.Retry) || !errors.Is(err, context.Canceled) {
		t.Fatalf("before: %v", err)
	}
}

func TestAnUntrustedServerIsPermanent(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.NotFoundHandler())
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	srv.StartTLS()
	defer srv.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	for _, base := range []string{srv.URL, strings.Replace(plain.URL, "http:", "https:", 1)} {
		_, err := client(t, rest.Config{BaseURL: base}).Do(t.Context(), post("Task"))
		if !fault.Is(err, fault.Retry) || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("%v", err)
		}
	}
}

func TestTheAnswerIsBounded(t *testing.T) {
	c, _ := serve(t, rest.Config{MaxResponse: 1000}, func(w http.ResponseWriter, r *http.Request) {
		big := bytes.Repeat([]byte("x"), 1001)
		if r.URL.Path == "/fhir/gzip" { // a bomb: small on the wire
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			defer z.Close()
			z.Write(big)
			return
		}
		w.Write(big[:1000+len(r.URL.Query()["over"])])
	})
	if resp, err := c.Do(t.Context(), get("Task")); err != nil || len(resp.Body) != 1000 {
		t.Fatalf("at the limit: %v", err)
	}
	for _, path := range []string{"Task?over=1", "gzip"} {
		if resp, err := c.Do(t.Context(), get(path)); !fault.Is(err, fault.Permanent) || resp.Body != nil {
			t.Errorf("%s read: %v", path, err)
		}
		if _, err := c.Do(t.Context(), post(path)); !fault.Is(err, fault.Ambiguous) {
			t.Errorf("%s write: %v", path, err)
		}
	}
}

func TestRetryAfterReachesTheCaller(t *testing.T) {
	c, _ := serve(t, rest.Config{}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "17")
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	if _, err := c.Do(t.Context(), get("Task")); !fault.Is(err, fault.Throttled) || fault.After(err) != 17*time.Second {
		t.Errorf("read: %v after %s", err, fault.After(err))
	}
	if _, err := c.Do(t.Context(), post("Task")); !fault.Is(err, fault.Ambiguous) || fault.After(err) != 17*time.Second {
		t.Errorf("write: %v after %s", err, fault.After(err))
	}
}

func TestSameOrigin(t *testing.T) {
	c := client(t, rest.Config{BaseURL: "https://ehr.example.org/fhir/r4/"})
	good := []string{
		"https://ehr.example.org/fhir/r4", "https://ehr.example.org/fhir/r4/", "https://EHR.example.org:443/fhir/r4/Task?_page=2",
		"https://ehr.example.org/fhir/r4?_getpages=x", "https://ehr.example.org/fhir/r4/a/../Task",
	}
	bad := []string{
		"http://ehr.example.org/fhir/r4/Task", "https://ehr.example.org:8443/fhir/r4/Task", "https://ehr.example.org.evil.test/fhir/r4/Task",
		"https://ehr.example.org@evil.test/fhir/r4/Task", "https://u:p@ehr.example.org/fhir/r4/Task", "https://evil.test/fhir/r4/Task",
		"https://ehr.example.org/fhir/r4evil/Task", "https://ehr.example.org/fhir/r4/../admin", "https://ehr.example.org/fhir/r4/%2e%2e/admin",
		"https://ehr.example.org/fhir/r4/%2e%2e%2fadmin", "https://ehr.example.org/", "//ehr.example.org/fhir/r4/Task", "Task?_page=2", "https:ehr.example.org/fhir/r4", "https://[bad", "",
	}
	for _, u := range good {
		if err := c.SameOrigin(u); err != nil {
			t.Errorf("%s: %v", u, err)
		}
	}
	for _, u := range bad {
		if c.SameOrigin(u) == nil {
			t.Errorf("%s: accepted", u)
		}
	}
	for _, path := range []string{"https://evil.test/fhir/r4/Task", "../admin", "Task/../../admin", "a b\x7f"} {
		if _, err := c.Do(t.Context(), get(path)); !fault.Is(err, fault.Permanent) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestNewRefusesABadConfiguration(t *testing.T) {
	for _, base := range []string{
		"", "ehr.example.org", "/fhir", "ftp://ehr.example.org", "https://", "https://u:canary@ehr.example.org", "https://ehr.example.org?key=canary",
		"https://ehr.example.org/#x", "http://ehr.example.org/fhir", "http://10.0.0.5/fhir", "https://ehr.example.org/%zz?canary",
	} {
		_, err := rest.New(rest.Config{BaseURL: base})
		if err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", base, err)
		}
	}
	for _, cfg := range []rest.Config{
		{BaseURL: "http://127.0.0.1:8080"}, {BaseURL: "http://[::1]/x"}, {BaseURL: "http://localhost/x"}, {BaseURL: "http://ehr.example.org", AllowHTTP: true},
	} {
		client(t, cfg)
	}
	if _, err := rest.New(rest.Config{BaseURL: "https://ehr.example.org", Timeout: -1}); err == nil {
		t.Error("a negative timeout was accepted")
	}
}

// TestNothingLeaks sends PHI and secrets through every failure and looks for
// them in error texts and logs.
func TestNothingLeaks(t *testing.T) {
	const canary = "Canary"
	var logs bytes.Buffer
	old := slog.Default()
	defer slog.SetDefault(old)
	slog.SetDefault(slog.New(slog.NewTextHandler(&logs, nil)))
	logger := slog.New(slog.NewTextHandler(&logs, &slog.HandlerOptions{Level: slog.LevelDebug}))

	var status atomic.Int32
	c, srv := serve(t, rest.Config{Auth: rest.Bearer(redact.NewSecret(canary)), Logger: logger}, func(w http.ResponseWriter, r *http.Request) {
		if status.Load() == 0 {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Location", "/login?"+canary)
		w.WriteHeader(int(status.Load()))
		io.WriteString(w, canary)
	})
	var errs []error
	try := func() {
		for _, req := range []rest.Request{get("Patient"), post("Patient/" + canary)} {
			req.Query = url.Values{"name": {canary}}
			req.Header = http.Header{"X-Key": {canary}}
			if req.Write {
				req.Body = []byte(canary)
			}
			if _, err := c.Do(t.Context(), req); err != nil {
				errs = append(errs, err)
			}
		}
	}
	for _, s := range []int32{0, 200, 302, 400, 401, 404, 409, 429, 500, 503} {
		status.Store(s)
		try()
	}
	srv.Close()
	try()
	if len(errs) != 20 {
		t.Fatalf("%d errors, want 20", len(errs))
	}
	for _, err := range errs {
		if text := fmt.Sprintf("%v %s %q", err, err, fault.Describe(err)); strings.Contains(text, canary) {
			t.Errorf("leaked: %s", text)
		}
	}
	if !strings.Contains(logs.String(), "op=\"create Task\"") || strings.Contains(logs.String(), canary) {
		t.Errorf("log: %s", logs.String())
	}
}
