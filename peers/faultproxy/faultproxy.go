// Package faultproxy is a reverse proxy that stands in front of any FHIR server and
// goes wrong: by rule, or at random from a seed. It is for tests only; nothing of
// the product imports it.
//
// What belongs here: everything that can go wrong between Ringback and an EHR and
// that HTTP can show, whatever server stands behind. What happens below HTTP
// (latency, bandwidth, a slow close) is toxiproxy's. What Ringback should do about
// it is the campaign's and the scenarios' to say.
//
// The same seed and the same order of requests give the same faults. Nothing is
// promised that is not kept: where the proxy takes If-None-Exist away, /metadata
// says that creates are never conditional.
package faultproxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Config says what the proxy stands in front of. Only Target is required.
type Config struct {
	Target string // base URL of the FHIR server
	Seed   uint64 // of the random faults
	// Kinds are those that strike at random, one that is named twice twice as often;
	// nil: all.
	Kinds []Kind
	// Wait is what a server that asks to slow down asks for, in whole seconds;
	// 0: a second.
	Wait time.Duration
	// Hold is how long Late keeps an answer back; 0: a minute. Choose more than the
	// client's own patience.
	Hold time.Duration
	// Lag is how late searches show what was written, while faults strike.
	Lag time.Duration
	// Unconditional is a server without conditional create: If-None-Exist does not
	// reach the target, and /metadata says so.
	Unconditional bool
}

// Rule makes one kind of fault happen to the requests that it fits.
type Rule struct {
	Kind   Kind
	Method string // empty: all
	Path   string // what path and query behind the base begin with, "/Task" or "/Task?"; empty: all
	Times  int    // how often; 0: until Clear
}

// Entry is one request in the log, without query and bodies.
type Entry struct {
	Method string
	Path   string // behind the base
	Status int    // what the client was told; 0: the connection was closed
	Fault  Kind   // empty: none
}

// Proxy is the proxy as an http.Handler. Where a fault closes the connection it
// panics with http.ErrAbortHandler, as net/http wants it. Make one with New, and
// Close it when its server is closed. Safe for concurrent use.
type Proxy struct {
	cfg    Config
	target *url.URL
	client *http.Client
	closed chan struct{}

	mu       sync.Mutex
	random   *rand.Rand
	rate     float64
	lag      time.Duration
	rules    []Rule
	counts   map[Kind]int
	requests int
	log      []Entry
	created  map[string]time.Time // when "Task/1" came to be, as far as it is known
}

// New makes a proxy at which nothing goes wrong yet. The error says what is wrong
// with cfg.
func New(cfg Config) (*Proxy, error) {
	u, err := url.Parse(strings.TrimSuffix(cfg.Target, "/"))
	if err != nil || u.Host == "" || u.RawQuery != "" {
		return nil, errors.New("faultproxy: Target is not the base URL of a server")
	}
	for _, k := range cfg.Kinds {
		if !slices.Contains(Kinds, k) {
			return nil, fmt.Errorf("faultproxy: there is no fault %q", k)
		}
	}
	if cfg.Kinds == nil {
		cfg.Kinds = Kinds
	}
	if cfg.Wait == 0 {
		cfg.Wait = time.Second
	}
	if cfg.Hold == 0 {
		cfg.Hold = time.Minute
	}
	return &Proxy{
		cfg: cfg, target: u, closed: make(chan struct{}),
		random: rand.New(rand.NewPCG(cfg.Seed, 0)), counts: map[Kind]int{}, created: map[string]time.Time{},
		client: &http.Client{
			Timeout:       2 * time.Minute,
			Transport:     &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 32},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// Close lets held answers go and gives up idle connections. Call it before the
// server that the proxy is the handler of is closed, which waits for its requests.
func (p *Proxy) Close() {
	close(p.closed)
	p.client.CloseIdleConnections()
}

// Strike makes a share of the requests suffer from now on, and searches lag. A
// share of 0 ends both; rules stay.
func (p *Proxy) Strike(share float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rate, p.lag = share, 0
	if share > 0 {
		p.lag = p.cfg.Lag
	}
}

// LagSearches makes searches late by d whether faults strike or not.
func (p *Proxy) LagSearches(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lag = d
}

// Add sets a rule behind those that are set. The first that fits a request acts;
// where none fits, chance decides.
func (p *Proxy) Add(r Rule) error {
	if !slices.Contains(Kinds, r.Kind) || r.Times < 0 {
		return fmt.Errorf("faultproxy: there is no fault %q, or it should happen %d times", r.Kind, r.Times)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = append(p.rules, r)
	return nil
}

// Clear removes all rules.
func (p *Proxy) Clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = nil
}

// Counts returns how often each kind of fault has happened.
func (p *Proxy) Counts() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	counts := map[string]int{}
	for k, n := range p.counts {
		counts[string(k)] = n
	}
	return counts
}

// Requests returns how many requests came.
func (p *Proxy) Requests() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.requests
}

// maxLog is how many requests the log keeps, the latest ones.
const maxLog = 10000

// Log returns the requests, the oldest first.
func (p *Proxy) Log() []Entry {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.log)
}

func (p *Proxy) record(e Entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.log) >= maxLog {
		p.log = slices.Delete(p.log, 0, maxLog/10)
	}
	p.log = append(p.log, e)
}

// choose returns what goes wrong with a request, "" for nothing. Each request
// takes the same number of draws, so that a rule does not shift what comes after.
func (p *Proxy) choose(method, asked string) Kind {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests++
	luck, pick := p.random.Float64(), p.random.IntN(len(p.cfg.Kinds))
	k := Kind("")
	if luck < p.rate {
		k = p.cfg.Kinds[pick]
	}
	if i := slices.IndexFunc(p.rules, func(r Rule) bool { return r.fits(method, asked) }); i >= 0 {
		k = p.rules[i].Kind
		if p.rules[i].Times--; p.rules[i].Times == 0 {
			p.rules = slices.Delete(p.rules, i, i+1)
		}
	}
	if k != "" {
		p.counts[k]++
	}
	return k
}

func (r Rule) fits(method, asked string) bool {
	return (r.Method == "" || r.Method == method) && strings.HasPrefix(asked, r.Path)
}

// ServeHTTP passes one request on, or lets it go wrong.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client has gone
	}
	path := strings.TrimPrefix(r.URL.Path, p.target.Path)
	asked := strings.TrimPrefix(r.URL.RequestURI(), p.target.Path)
	e := Entry{Method: r.Method, Path: path, Fault: p.choose(r.Method, asked)}
	truth := answer{}
	if e.Fault.passesOn() {
		truth = p.forward(r, body)
	}
	a := p.spoil(e.Fault, truth)
	e.Status = a.status
	p.record(e)
	if e.Fault == Late {
		p.hold(r.Context())
	}
	a.write(w)
}

// hold waits until the client gives up, or for as long as Late does.
func (p *Proxy) hold(ctx context.Context) {
	timer := time.NewTimer(p.cfg.Hold)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-p.closed:
	}
}

// forward asks the target and returns its answer in the proxy's own words. It is
// carried out although the client may give up meanwhile: a server does not notice.
func (p *Proxy) forward(r *http.Request, body []byte) answer {
	ctx := context.WithoutCancel(r.Context())
	origin := p.target.Scheme + "://" + p.target.Host
	out, err := http.NewRequestWithContext(ctx, r.Method, origin+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return unreachable
	}
	out.Header = maps.Clone(r.Header)
	out.Header.Del("Accept-Encoding")
	if p.cfg.Unconditional {
		out.Header.Del("If-None-Exist")
	}
	sent := time.Now()
	resp, err := p.client.Do(out)
	if err != nil {
		return unreachable
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		return unreachable
	}
	own := "http://" + r.Host + p.target.Path
	a := answer{status: resp.StatusCode, header: http.Header{}, body: bytes.ReplaceAll(got, []byte(p.target.String()), []byte(own))}
	for name, values := range resp.Header {
		if slices.Contains(hopByHop, name) {
			continue
		}
		for _, v := range values {
			a.header.Add(name, strings.ReplaceAll(v, p.target.String(), own))
		}
	}
	return p.adapt(r, a, sent)
}

// hopByHop are the headers that are between two machines only, or are made anew.
var hopByHop = []string{"Connection", "Keep-Alive", "Transfer-Encoding", "Content-Length", "Trailer", "Upgrade"}

// unreachable is the proxy's own answer where the target gives none.
var unreachable = answer{status: http.StatusBadGateway, header: http.Header{"Content-Type": {"text/plain"}},
	body: []byte("the server behind the proxy does not answer\n")}
