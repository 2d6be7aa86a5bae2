package faultproxy_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ringback-health/ringback/peers/faultproxy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const base = "/fhir/R4"

// target is a server that counts what reaches it.
type target struct {
	*httptest.Server
	mu   sync.Mutex
	seen []string
}

func newTarget(t *testing.T) *target {
	t.Helper()
	s := &target{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.seen = append(s.seen, r.Method+" "+r.URL.RequestURI()+" "+r.Header.Get("If-None-Exist"))
		n := len(s.seen)
		s.mu.Unlock()
		w.Header().Set("Content-Type", "application/fhir+json")
		switch {
		case r.URL.Path == base+"/metadata":
			io.WriteString(w, `{"resourceType":"CapabilityStatement","rest":[{"resource":[{"type":"Task","conditionalCreate":true,"x":1.50}]}]}`)
		case r.Method == http.MethodPost && !strings.HasSuffix(r.URL.Path, "_search"):
			w.Header().Set("Location", s.URL+base+"/Task/1/_history/1")
			w.WriteHeader(http.StatusCreated)
			fmt.Fprintf(w, `{"resourceType":"Task","id":"%d"}`, n)
		default:
			fmt.Fprintf(w, `{"resourceType":"Task","id":"1","self":"%s%s/Task/1"}`, s.URL, base)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *target) requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.seen)
}

// through starts a proxy and returns it with the FHIR base behind it.
func through(t *testing.T, cfg faultproxy.Config) (*faultproxy.Proxy, string) {
	t.Helper()
	p, err := faultproxy.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(p)
	t.Cleanup(func() { p.Close(); s.Close() })
	return p, s.URL + base
}

func add(t *testing.T, p *faultproxy.Proxy, r faultproxy.Rule) {
	t.Helper()
	if err := p.Add(r); err != nil {
		t.Fatal(err)
	}
}

// got is what a client sees.
type got struct {
	status int
	header http.Header
	body   string
	err    error
}

func send(t *testing.T, method, address string, patience time.Duration) got {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return got{err: err}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return got{resp.StatusCode, resp.Header, string(body), err}
}

// faults say of each kind whether the target sees the request, and what is wrong
// with an answer.
var faults = map[faultproxy.Kind]struct {
	done  bool
	wrong func(got) bool
}{
	faultproxy.TooManySeconds: {false, func(g got) bool { return g.status != 429 || g.header.Get("Retry-After") != "2" }},
	faultproxy.TooManyDate: {false, func(g got) bool {
		until, err := http.ParseTime(g.header.Get("Retry-After"))
		return err != nil || g.status != 429 || time.Until(until) < time.Second || time.Until(until) > 4*time.Second
	}},
	faultproxy.TooManyRateLimit: {false, func(g got) bool { return g.status != 429 || g.header.Get("Ratelimit") != `"requests";r=0;t=2` }},
	faultproxy.Unavailable:      {false, func(g got) bool { return g.status != 503 || g.header.Get("Retry-After") != "" }},
	faultproxy.UnavailableUntil: {false, func(g got) bool { return g.status != 503 || g.header.Get("Retry-After") != "2" }},
	faultproxy.GatewayPage:      {false, func(g got) bool { return g.status != 502 || !strings.Contains(g.body, "<html>") }},
	faultproxy.Refused:          {false, func(g got) bool { return g.err == nil }},
	faultproxy.Lost:             {true, func(g got) bool { return g.err == nil }},
	faultproxy.Reset:            {true, func(g got) bool { return !errors.Is(g.err, syscall.ECONNRESET) }},
	faultproxy.DoneFailed:       {true, func(g got) bool { return g.status != 500 || !strings.Contains(g.body, "OperationOutcome") }},
	faultproxy.DoneTooBusy:      {true, func(g got) bool { return g.status != 503 }},
	faultproxy.Late:             {true, func(g got) bool { return !errors.Is(g.err, context.DeadlineExceeded) }},
	faultproxy.Empty:            {true, func(g got) bool { return g.status != 200 || g.body != "" || g.header.Get("Location") != "" }},
	faultproxy.TruncatedJSON:    {true, func(g got) bool { return g.status != 201 || g.err != nil || json.Valid([]byte(g.body)) || g.body == "" }},
	faultproxy.Cut:              {true, func(g got) bool { return g.status != 201 || !errors.Is(g.err, io.ErrUnexpectedEOF) || g.body == "" }},
	faultproxy.WrongType: {true, func(g got) bool {
		return g.status != 201 || !json.Valid([]byte(g.body)) || !strings.HasPrefix(g.header.Get("Content-Type"), "text/html")
	}},
}

func TestKinds(t *testing.T) {
	for _, kind := range faultproxy.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			want, ok := faults[kind]
			if !ok {
				t.Fatal("nobody says what this fault looks like")
			}
			s := newTarget(t)
			p, fhir := through(t, faultproxy.Config{Target: s.URL + base, Wait: 2 * time.Second})
			add(t, p, faultproxy.Rule{Kind: kind, Method: http.MethodPost, Path: "/Task", Times: 1})
			if g := send(t, http.MethodGet, fhir+"/Task/1", time.Minute); g.status != 200 || g.err != nil {
				t.Errorf("a request that the rule does not fit: %+v", g)
			}
			if g := send(t, http.MethodPost, fhir+"/Task", 200*time.Millisecond); want.wrong(g) {
				t.Errorf("the client sees %+v", g)
			}
			if done := s.requests() == 2; done != want.done {
				t.Errorf("the target has seen it: %v", done)
			}
			if g := send(t, http.MethodPost, fhir+"/Task", time.Minute); g.status != 201 || g.err != nil {
				t.Errorf("the rule holds once: %+v", g)
			}
			if n := p.Counts(); n[string(kind)] != 1 || len(n) != 1 || p.Requests() != 3 {
				t.Errorf("counted %v of %d", n, p.Requests())
			}
			log := p.Log()
			if len(log) != 3 || log[1].Fault != kind || log[1].Path != "/Task" || log[2] != (faultproxy.Entry{Method: "POST", Path: "/Task", Status: 201}) {
				t.Errorf("logged %+v", log)
			}
		})
	}
}

// TestAddressesStayInTheProxy: what the target says of itself names the proxy.
func TestAddressesStayInTheProxy(t *testing.T) {
	s := newTarget(t)
	_, fhir := through(t, faultproxy.Config{Target: s.URL + base + "/"})
	if g := send(t, http.MethodGet, fhir+"/Task/1?x=y", time.Minute); !strings.Contains(g.body, fhir+"/Task/1") || strings.Contains(g.body, s.URL) {
		t.Error(g.body)
	}
	if g := send(t, http.MethodPost, fhir+"/Task", time.Minute); g.header.Get("Location") != fhir+"/Task/1/_history/1" {
		t.Error(g.header)
	}
	if s.seen[0] != "GET "+base+"/Task/1?x=y " {
		t.Errorf("the target has seen %s", s.seen[0])
	}
}

func TestUnconditional(t *testing.T) {
	for _, without := range []bool{false, true} {
		s := newTarget(t)
		_, fhir := through(t, faultproxy.Config{Target: s.URL + base, Unconditional: without})
		g := send(t, http.MethodGet, fhir+"/metadata", time.Minute)
		if promised := strings.Contains(g.body, `"conditionalCreate":true`); promised == without || !strings.Contains(g.body, `1.5`) {
			t.Errorf("without %v: %s", without, g.body)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, fhir+"/Task", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("If-None-Exist", "identifier=x")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		http.DefaultClient.CloseIdleConnections()
		if told := strings.Contains(s.seen[1], "identifier=x"); told == without {
			t.Errorf("without %v: the target has seen %s", without, s.seen[1])
		}
	}
}

// TestSameSeedSameFaults, and about as many as were asked for.
func TestSameSeedSameFaults(t *testing.T) {
	play := func(seed uint64) ([]faultproxy.Entry, map[string]int) {
		s := newTarget(t)
		p, fhir := through(t, faultproxy.Config{Target: s.URL + base, Seed: seed, Hold: time.Millisecond})
		p.Strike(0.25)
		for range 200 {
			send(t, http.MethodGet, fhir+"/Task/1", time.Minute)
		}
		p.Strike(0)
		counts := p.Counts()
		for range 20 {
			send(t, http.MethodGet, fhir+"/Task/1", time.Minute)
		}
		if !maps.Equal(counts, p.Counts()) {
			t.Error("faults go on striking")
		}
		return p.Log(), counts
	}
	first, counts := play(1)
	again, _ := play(1)
	other, _ := play(2)
	if !reflect.DeepEqual(first, again) || reflect.DeepEqual(first, other) {
		t.Error("the seed does not decide")
	}
	sum := 0
	for _, n := range counts {
		sum += n
	}
	if sum < 30 || sum > 70 || len(counts) < 10 {
		t.Errorf("of 200 requests %d suffered: %v", sum, counts)
	}
}

func TestOnlySomeKinds(t *testing.T) {
	s := newTarget(t)
	p, fhir := through(t, faultproxy.Config{Target: s.URL + base, Kinds: []faultproxy.Kind{faultproxy.Lost}})
	p.Strike(1)
	add(t, p, faultproxy.Rule{Kind: faultproxy.Unavailable}) // a rule goes before chance
	send(t, http.MethodGet, fhir+"/Task/1", time.Minute)
	p.Clear()
	send(t, http.MethodGet, fhir+"/Task/1", time.Minute)
	if n := p.Counts(); n["503"] != 1 || n["done-lost"] != 1 {
		t.Error(n)
	}
}

func TestSeldom(t *testing.T) {
	all := faultproxy.Seldom(3)
	if n := len(all); n != 4+3*(len(faultproxy.Kinds)-4) {
		t.Errorf("%d of %d kinds", n, len(faultproxy.Kinds))
	}
	for _, k := range faultproxy.Kinds {
		if !slices.Contains(all, k) {
			t.Errorf("%s never strikes", k)
		}
	}
}

// TestCloseLetsGo: a held answer does not keep the server from closing.
func TestCloseLetsGo(t *testing.T) {
	s := newTarget(t)
	p, err := faultproxy.New(faultproxy.Config{Target: s.URL + base})
	if err != nil {
		t.Fatal(err)
	}
	add(t, p, faultproxy.Rule{Kind: faultproxy.Late})
	front := httptest.NewServer(p)
	answered := make(chan got)
	go func() { answered <- send(t, http.MethodGet, front.URL+base+"/Task/1", time.Minute) }()
	select {
	case g := <-answered:
		t.Errorf("answered before it should: %+v", g)
	case <-time.After(50 * time.Millisecond):
	}
	p.Close()
	if g := <-answered; g.status != 200 {
		t.Errorf("%+v", g)
	}
	front.Close()
}

func TestTheTargetIsDown(t *testing.T) {
	s := newTarget(t)
	_, fhir := through(t, faultproxy.Config{Target: s.URL + base})
	s.Close()
	if g := send(t, http.MethodGet, fhir+"/Task/1", time.Minute); g.status != 502 {
		t.Errorf("%+v", g)
	}
}

func TestBadConfig(t *testing.T) {
	for _, cfg := range []faultproxy.Config{{}, {Target: "ehr"}, {Target: "http://h/?q"}, {Target: "http://h", Kinds: []faultproxy.Kind{"x"}}} {
		if _, err := faultproxy.New(cfg); err == nil {
			t.Errorf("%+v is taken", cfg)
		}
	}
	p, _ := through(t, faultproxy.Config{Target: "http://127.0.0.1:1"})
	for _, r := range []faultproxy.Rule{{}, {Kind: "x"}, {Kind: faultproxy.Lost, Times: -1}} {
		if p.Add(r) == nil {
			t.Errorf("%+v is taken", r)
		}
	}
}
