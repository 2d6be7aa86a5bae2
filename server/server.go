package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/intake"
)

// Options are the parts a server is made of. Ledger, Tokens and Take are needed;
// the zero value of the rest is a sensible default.
type Options struct {
	Ledger callback.Ledger
	Tokens callback.Tokens
	// Take is the one way in: intake.Desk.Take.
	Take func(context.Context, intake.Submission) (callback.Taken, error)
	// Wake is called after a change that an EHR has to learn of. It must not block.
	Wake func()
	// Clock is the system's by default.
	Clock clock.Clock
	// Logger gets one line per request, without anything that was sent. By
	// default nothing is logged.
	Logger *slog.Logger
	// Ready are the checks of /readyz beside the ledger's own.
	Ready   []Check
	Version string
	// OpenOnLoopback lets in who is on the machine itself without a token, as
	// long as there never was one.
	OpenOnLoopback bool
	// OpenMetrics shows /metrics to everybody who reaches the server; otherwise
	// it is open on the machine itself and needs an admin's token elsewhere.
	OpenMetrics bool
	// JWKS returns the JWK Set with the public keys that EHRs check Ringback's
	// assertions with; it is shown to everybody. nil: there is none.
	JWKS func() ([]byte, error)
	// Notifiers are the EHRs that tell of changes.
	Notifiers map[callback.EHRID]Notifier
	// Phones are the phone systems that tell of calls.
	Phones []PhoneHook
	// Pushes says for the metrics how it stands with what EHRs tell.
	Pushes func() []PushGauge
	// Registry gets the server's metrics and is what /metrics shows. By default
	// a new one with the metrics of the Go runtime.
	Registry *prometheus.Registry
	// EHRCounts are the requests to EHRs, shown among the metrics; nil: they are not.
	EHRCounts *EHRCounts
	// Zone is the time zone in which the console shows a clinic's times; the
	// machine's by default.
	Zone func(callback.ClinicID) *time.Location
}

// Server answers HTTP. It is safe for concurrent use.
type Server struct {
	ledger         callback.Ledger
	tokens         callback.Tokens
	take           func(context.Context, intake.Submission) (callback.Taken, error)
	wake           func()
	clock          clock.Clock
	log            *slog.Logger
	ledgerCheck    Check
	checks         []Check
	version        string
	openOnLoopback bool
	openMetrics    bool
	zone           func(callback.ClinicID) *time.Location
	closed         atomic.Bool // a token was seen: loopback is no longer open

	api     huma.API
	mux     *http.ServeMux
	metrics *metrics
	pages   *pages
	handler http.Handler
}

// New makes a server. The error says which needed part is missing.
func New(o Options) (*Server, error) {
	if o.Ledger == nil || o.Tokens == nil || o.Take == nil {
		return nil, errors.New("server: Options need Ledger, Tokens and Take")
	}
	s := &Server{ledger: o.Ledger, tokens: o.Tokens, take: o.Take, wake: o.Wake, clock: o.Clock, log: o.Logger,
		checks: o.Ready, version: o.Version, openOnLoopback: o.OpenOnLoopback, openMetrics: o.OpenMetrics, zone: o.Zone,
		mux: http.NewServeMux()}
	if s.wake == nil {
		s.wake = func() {}
	}
	if s.clock == nil {
		s.clock = clock.System{}
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.zone == nil {
		s.zone = func(callback.ClinicID) *time.Location { return time.Local }
	}
	if s.version == "" {
		s.version = "unknown"
	}
	var err error
	if s.metrics, err = newMetrics(o.Registry, s, o.EHRCounts); err != nil {
		return nil, fmt.Errorf("server: register metrics: %w", err)
	}
	s.api = newAPI(s.mux, s.version)
	s.registerCallbacks()
	s.registerLinks()
	s.registerHealth()
	s.registerJWKS(o.JWKS)
	if err := s.registerNotifications(o.Notifiers, o.Pushes); err != nil {
		return nil, err
	}
	if err := s.registerPhones(o.Phones); err != nil {
		return nil, err
	}
	if err := s.registerPages(); err != nil {
		return nil, fmt.Errorf("server: make the pages: %w", err)
	}
	s.handler = s.observe(s.recovering(headers(http.HandlerFunc(s.route))))
	return s, nil
}

// Handler returns all of the server as one handler.
func (s *Server) Handler() http.Handler { return s.handler }

// stopGrace is how long requests under way may take to end.
const stopGrace = 10 * time.Second

// Serve answers on ln until ctx ends, then lets requests under way end and
// returns nil. It refuses, as CheckListen does, an address that others can reach
// while there is no token. ln is closed in any case. For TLS pass a TLS listener.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	if err := s.checkListener(ctx, ln); err != nil {
		_ = ln.Close()
		return err
	}
	srv := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ln) }()
	select {
	case err := <-done:
		return fmt.Errorf("serve HTTP: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
	defer cancel()
	err := srv.Shutdown(grace)
	if err != nil {
		err = fmt.Errorf("requests were cut off after %s: %w", stopGrace, errors.Join(err, srv.Close()))
	}
	if served := <-done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

func (s *Server) checkListener(ctx context.Context, ln net.Listener) error {
	if ln.Addr().Network() == "unix" {
		return nil
	}
	tokens, err := s.tokens.ListTokens(ctx)
	if err != nil {
		return fmt.Errorf("look whether there are API tokens: %w", err)
	}
	return CheckListen(ln.Addr().String(), len(tokens) > 0)
}

// ledgerFailed logs that the ledger failed and makes the answer, which says
// nothing of the inside.
func (s *Server) ledgerFailed(ctx context.Context, op string, err error) *Problem {
	level := slog.LevelError
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		level = slog.LevelInfo // the client went away
	}
	s.log.LogAttrs(ctx, level, "the ledger failed", slog.String("op", op), slog.String("error", fault.Describe(err)))
	return kindUnavailable.problem().with("Retry-After", "5")
}

// problemOf makes the answer to an error of the domain, of intake or of the ledger.
func (s *Server) problemOf(ctx context.Context, op string, err error) error {
	var problem *Problem
	var invalid *intake.Invalid
	switch {
	case errors.As(err, &problem):
		return problem
	case errors.As(err, &invalid):
		return kindInvalid.problem(bounded(converted(invalid.Fields, func(f intake.FieldError) FieldProblem {
			return FieldProblem{Location: "body." + f.Field, Message: f.Message}
		}))...)
	case errors.Is(err, callback.ErrNotFound):
		return kindNotFound.problem()
	case errors.Is(err, callback.ErrConflict):
		return kindConflict.problem()
	case errors.Is(err, callback.ErrNotAllowed):
		return kindNotAllowed.problem()
	case errors.Is(err, callback.ErrInvalid):
		return kindInvalid.problem()
	default:
		return s.ledgerFailed(ctx, op, err)
	}
}
