// Package sandbox is an embedded EHR for demonstrations and tests: a part of FHIR
// R4 over HTTP, held in memory, with a token endpoint, switches for faults, a small
// made-up practice and a front desk that works in it.
//
// It stands in for an EHR where none is at hand and lets a test see what a client
// does when the EHR refuses, delays, forgets or cuts the line. It holds synthetic
// data only, keeps nothing, and is no FHIR server for anything else. Nothing of
// the product's behaviour belongs here, and no helper of the product's own FHIR
// client: the two must be able to disagree. Standard library only.
//
// Paths, below the root of the listener:
//
//	/fhir/R4/…              the FHIR interface; /fhir/R4/metadata says what it can do
//	/fhir/R4/.well-known/smart-configuration
//	/token                  OAuth 2.0 client credentials, with a secret or a signed assertion
//	/_sandbox/faults        GET, POST, DELETE: see Fault
//	/_sandbox/requests      GET, DELETE: see Request
//	/_sandbox/clients       POST {"client_id": …, "jwks": …}: see RegisterClient
package sandbox

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ringback-health/ringback/internal/clock"
)

// BasePath is where the FHIR interface stands below the root of the listener.
const BasePath = "/fhir/R4"

// Options are how a Server behaves; the zero value is an open server with lenient
// search.
type Options struct {
	// Clock gives lastUpdated, the life of tokens and the index lag; nil: the
	// machine's. Latency faults wait in real time whatever the clock.
	Clock clock.Clock
	// PublicURL is the root that links begin with, without BasePath: for a server
	// behind a proxy. Empty: what the request was sent to.
	PublicURL string
	// Strict refuses search parameters that are not known instead of leaving them out.
	Strict bool
	// RequireAuth refuses FHIR requests without a token of the token endpoint whose
	// scope covers them. /metadata and the SMART configuration stay open.
	RequireAuth bool
	// ClientID and ClientSecret are what the token endpoint accepts. An empty
	// ClientID accepts every client.
	ClientID, ClientSecret string
	// JWKS are the public keys of ClientID, for clients that prove themselves with a
	// signed assertion; more are registered with RegisterClient. New panics where they
	// cannot be read.
	JWKS []byte
	// SigningAlgorithms limits what assertions may be signed with; nil: RS384 and ES384.
	SigningAlgorithms []string
	// TokenLife is how long a token lives; 0: five minutes.
	TokenLife time.Duration
	// NoConditionalCreate takes If-None-Exist out of the offer: the header is
	// ignored, as servers without it do, and /metadata says so.
	NoConditionalCreate bool
	// UpdateCreate lets a PUT create what is not there.
	UpdateCreate bool
	// Types are the resource types that are offered; nil: StandardTypes. Beside them
	// there are ServiceRequest, DocumentReference and Subscription; see Deliver.
	Types []string
	// Topics are the canonical URLs of the topics that a Subscription can name, each
	// with the search that it stands for: "Task?".
	Topics map[string]string
	// ClientActivates leaves a Subscription requested until the client sets it to active,
	// as some servers do.
	ClientActivates bool
	// PageSize is the size of a page without _count; 0: 20.
	PageSize int
	// Logger gets one debug line per request, without query or content; nil: none.
	Logger *slog.Logger
}

// Server is the sandbox as an http.Handler. It starts no goroutines and needs no
// closing. Make one with New. Safe for concurrent use.
type Server struct {
	options Options
	started time.Time
	store   *Store
	faults  *Faults
	tokens  tokens
	clients clients
	pages   pages
	hooks   hooks

	mu       sync.Mutex
	requests []Request
}

// New returns a server without resources. It panics on a type that it does not know.
func New(o Options) *Server {
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.PageSize <= 0 {
		o.PageSize = 20
	}
	if o.TokenLife <= 0 {
		o.TokenLife = 5 * time.Minute
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Types == nil {
		o.Types = StandardTypes()
	}
	for _, name := range o.Types {
		if byName[name] == nil {
			panic("sandbox: there is no resource type " + name)
		}
	}
	o.PublicURL = strings.TrimSuffix(o.PublicURL, "/")
	s := &Server{
		options: o,
		started: o.Clock.Now(),
		store:   newStore(o.Clock),
		faults:  &Faults{},
		hooks:   hooks{known: map[string]*hookState{}},
	}
	if o.JWKS != nil {
		if err := s.RegisterClient(o.ClientID, o.JWKS); err != nil {
			panic(err)
		}
	}
	return s
}

// Store returns the resources behind the server.
func (s *Server) Store() *Store { return s.store }

// Faults returns the switches for faults.
func (s *Server) Faults() *Faults { return s.faults }

// Seed stores resources: each raw is one resource or a Bundle of them. One with an
// id keeps it, and is a new version if it is there already. The error is a
// *Problem of the first that is not valid; those before it are stored.
func (s *Server) Seed(raw ...[]byte) error {
	for _, one := range raw {
		list, err := unbundle(one)
		if err != nil {
			return err
		}
		for _, resource := range list {
			if _, err := s.store.seed(resource); err != nil {
				return err
			}
		}
	}
	return nil
}

// Request is one line of the log at /_sandbox/requests. It holds no query values
// and no content.
type Request struct {
	At          time.Time `json:"at"`
	Method      string    `json:"method"`
	Path        string    `json:"path"`
	Params      []string  `json:"params,omitempty"` // names of the query's parameters, sorted
	IfMatch     string    `json:"if_match,omitempty"`
	IfNoneExist bool      `json:"if_none_exist,omitempty"`
	Fault       Action    `json:"fault,omitempty"` // what was done instead of a plain answer
	Status      int       `json:"status"`          // 0: the connection was cut
}

// maxRequests is how many requests the log keeps, the latest ones.
const maxRequests = 10000

// Requests returns the log, the oldest first, without those to /_sandbox.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// ClearRequests empties the log.
func (s *Server) ClearRequests() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = nil
}

func (s *Server) record(q Request) {
	s.options.Logger.Debug("sandbox request", "method", q.Method, "path", q.Path, "status", q.Status, "fault", q.Fault)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.requests) >= maxRequests {
		s.requests = slices.Delete(s.requests, 0, maxRequests/10)
	}
	s.requests = append(s.requests, q)
}

// ServeHTTP answers one request. Where a fault cuts the connection it panics with
// http.ErrAbortHandler, which net/http's server turns into that.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, controlPath) {
		s.control(r).write(w)
		return
	}
	line := Request{
		At: s.options.Clock.Now(), Method: r.Method, Path: r.URL.Path, Params: paramNames(r),
		IfMatch: r.Header.Get("If-Match"), IfNoneExist: r.Header.Get("If-None-Exist") != "",
	}
	effect := s.faults.take(r.Method, strings.TrimPrefix(r.URL.Path, BasePath))
	// The whole request is taken in first, so that a fault cuts an idle connection
	// and not one that is still sending.
	whole := takeBody(r)
	answer, cut := response{}, true
	if whole {
		answer, cut = s.answer(r, effect)
	}
	line.Fault = effect.action()
	if !cut {
		line.Status = answer.status
	}
	s.record(line)
	if cut {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Date", s.options.Clock.Now().UTC().Format(http.TimeFormat)) // of the EHR's clock
	answer.write(w)
}

// takeBody reads the body into memory, up to the size that readBody refuses; false
// if the client broke off.
func takeBody(r *http.Request) bool {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxDocument+1))
	r.Body = io.NopCloser(bytes.NewReader(body))
	return err == nil
}

// answer does what the request asks for, as far as the faults let it; cut says to
// close the connection without an answer.
func (s *Server) answer(r *http.Request, e effect) (answer response, cut bool) {
	pause(r.Context(), e.delay)
	switch e.action() {
	case "":
		return s.route(r, e), false
	case ActionDropBefore:
		return response{}, true
	case ActionStatus:
		return e.fault.answer(response{}), false
	case ActionDropAfter:
		s.route(r, e)
		return response{}, true
	default: // ActionStatusAfter
		return e.fault.answer(s.route(r, e)), false
	}
}

// pause waits for d, or until the client goes away. The request is carried out all
// the same: a server does not notice that a client gave up.
func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func paramNames(r *http.Request) []string {
	var names []string
	for name := range r.URL.Query() {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// root returns the URL that links begin with.
func (s *Server) root(r *http.Request) string {
	if s.options.PublicURL != "" {
		return s.options.PublicURL
	}
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

const indexText = `Ringback sandbox: an EHR for demonstration and tests only, synthetic data only.
FHIR R4: ` + BasePath + `  (see ` + BasePath + `/metadata)
Token:   /token
Faults:  ` + controlPath + `/faults    Requests seen: ` + controlPath + `/requests
`

func (s *Server) route(r *http.Request, e effect) response {
	switch path := r.URL.Path; {
	case path == "/":
		return reply(http.StatusOK, "text/plain; charset=utf-8", []byte(indexText))
	case path == "/token":
		return s.token(r)
	case path == BasePath || strings.HasPrefix(path, BasePath+"/"):
		return s.fhir(r, e)
	default:
		return refuse(problem(http.StatusNotFound, "not-found", "outside of the FHIR base %s", BasePath))
	}
}

// readBody returns the body of one of the content types, or a *Problem: 415 for
// another type, 413 for too much of it.
func readBody(r *http.Request, types ...string) ([]byte, error) {
	got, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if !slices.Contains(types, strings.ToLower(strings.TrimSpace(got))) {
		return nil, problem(http.StatusUnsupportedMediaType, "not-supported", "the Content-Type must be %s", strings.Join(types, " or "))
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxDocument+1))
	if err != nil {
		return nil, problem(http.StatusBadRequest, "incomplete", "the body ended too early")
	}
	if len(body) > maxDocument {
		return nil, problem(http.StatusRequestEntityTooLarge, "too-long", "the body is larger than %d bytes", maxDocument)
	}
	return body, nil
}
