package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/businesstime"
	"github.com/ringback-health/ringback/callback/workflow"
	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/internal/intake"
	"github.com/ringback-health/ringback/server"
	"github.com/ringback-health/ringback/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// monday is a Monday morning, when the phones ring.
var monday = time.Date(2026, 3, 2, 15, 0, 0, 0, time.UTC)

var eastern = func() *time.Location {
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		panic(err)
	}
	return zone
}()

// rig is a server on a loopback port with a ledger behind it.
type rig struct {
	t      *testing.T
	url    string
	ledger *store.Store
	clock  *clock.Manual
	log    *lines
	wakes  *atomic.Int64
	client *http.Client
	token  string // sent with each request when set
}

// lines collects what is logged.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// newRig starts a server that is open on loopback. adjust may change the options.
func newRig(t *testing.T, adjust ...func(*server.Options)) *rig {
	t.Helper()
	r := &rig{t: t, clock: clock.NewManual(monday), log: &lines{}, wakes: &atomic.Int64{}}
	r.ledger = newLedger(t, r.clock)
	rules := workflow.Default(businesstime.Weekdays(eastern))
	desk := intake.NewDesk(r.ledger, r.clock, nil,
		intake.Clinic{ID: "main-street", Region: "US", Rules: rules, EHR: "sandbox", ProposeVisits: true},
		intake.Clinic{ID: "harbor", Region: "US", Rules: rules})
	o := server.Options{Ledger: r.ledger, Tokens: r.ledger, Take: desk.Take, Wake: func() { r.wakes.Add(1) }, Clock: r.clock,
		Logger: slog.New(slog.NewJSONHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})), Version: "test",
		OpenOnLoopback: true, Zone: func(callback.ClinicID) *time.Location { return eastern }}
	for _, a := range adjust {
		a(&o)
	}
	s, err := server.New(o)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(s.Handler())
	t.Cleanup(web.Close)
	r.url, r.client = web.URL, web.Client()
	r.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return r
}

// withToken adds a token of the role to the ledger and sends it from now on.
func (r *rig) withToken(role callback.Role) *rig {
	r.t.Helper()
	copied := *r
	copied.token = r.addToken(string(role), role)
	return &copied
}

func (r *rig) addToken(name string, role callback.Role) string {
	r.t.Helper()
	plain, tok, err := server.NewToken(name, role, r.clock.Now())
	if err != nil {
		r.t.Fatal(err)
	}
	if err := r.ledger.AddToken(context.Background(), tok); err != nil {
		r.t.Fatal(err)
	}
	return plain.Reveal()
}

// answer is an answer, read to the end.
type answer struct {
	t      *testing.T
	status int
	header http.Header
	body   []byte
}

func (r *rig) request(method, path string, body io.Reader, headers ...string) answer {
	r.t.Helper()
	req, err := http.NewRequest(method, r.url+path, body)
	if err != nil {
		r.t.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.token != "" {
		req.Header.Set("Authorization", "Bearer "+r.token)
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
			continue
		}
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := r.client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return answer{r.t, resp.StatusCode, resp.Header, data}
}

func (r *rig) get(path string, headers ...string) answer {
	r.t.Helper()
	return r.request(http.MethodGet, path, nil, headers...)
}

func (r *rig) post(path, body string, headers ...string) answer {
	r.t.Helper()
	return r.request(http.MethodPost, path, strings.NewReader(body), headers...)
}

// want fails the test when the status is another.
func (a answer) want(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("status %d, want %d\n%s", a.status, status, a.body)
	}
	return a
}

// problem checks that the answer is a complete problem and returns it.
func (a answer) problem(status int) problem {
	a.t.Helper()
	a.want(status)
	if ct := a.header.Get("Content-Type"); ct != "application/problem+json" {
		a.t.Fatalf("content type %q, want application/problem+json\n%s", ct, a.body)
	}
	var p problem
	a.into(&p)
	if !strings.HasPrefix(p.Type, "/docs#") || p.Title == "" || p.Detail == "" || p.Status != status {
		a.t.Fatalf("incomplete problem: %s", a.body)
	}
	return p
}

type problem struct {
	Type, Title, Detail string
	Status              int
	Errors              []struct{ Location, Message string }
}

// at returns the message for a location, failing when there is none.
func (p problem) at(t *testing.T, location string) string {
	t.Helper()
	for _, e := range p.Errors {
		if e.Location == location {
			return e.Message
		}
	}
	t.Fatalf("no error at %s in %+v", location, p.Errors)
	return ""
}

func (a answer) into(v any) {
	a.t.Helper()
	if err := json.Unmarshal(a.body, v); err != nil {
		a.t.Fatalf("not JSON: %v\n%s", err, a.body)
	}
}

// object returns the answer as JSON of any shape.
func (a answer) object() map[string]any {
	a.t.Helper()
	var m map[string]any
	a.into(&m)
	return m
}

// form is the body of a request with id; extra members replace its own.
func form(id string, extra ...string) string {
	m := map[string]json.RawMessage{
		"source": []byte(`"webform"`), "source_id": fmt.Appendf(nil, "%q", id), "clinic": []byte(`"main-street"`),
		"received_at": []byte(`"2026-03-02T09:58:00-05:00"`),
		"caller":      fmt.Appendf(nil, `{"name":"Ann Example","phone":"(555) 201-01%02d","email":"ann@example.org","birth_date":"1985-12-31"}`, len(id)%100),
		"text":        []byte(`"I would like to move my appointment"`),
	}
	for i := 0; i < len(extra); i += 2 {
		m[extra[i]] = []byte(extra[i+1])
	}
	body, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return string(body)
}

// create sends a request and returns the id of its callback.
func (r *rig) create(id string, extra ...string) string {
	r.t.Helper()
	return r.post("/v1/callbacks", form(id, extra...)).want(http.StatusCreated).object()["id"].(string)
}
