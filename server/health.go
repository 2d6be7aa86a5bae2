package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/fault"
)

// Check is one thing that the operator wants to be well: that a feed of an EHR is
// fresh, that a token can be had. It does not make the server unready: what is not
// filed yet is kept, and whoever took the server away because its EHR is down would
// lose the calls that come meanwhile.
type Check struct {
	Name string
	// Probe returns what was found, for a person and free of PHI; an error says
	// that it is not well. It gets a few seconds.
	Probe func(context.Context) (what string, err error)
}

type (
	readiness struct {
		Ready  bool        `json:"ready"` // takes and keeps callbacks
		Well   bool        `json:"well"`  // and so is all else that was looked at
		Checks []checkView `json:"checks"`
	}
	checkView struct {
		Name string `json:"name"`
		OK   bool   `json:"ok"`
		What string `json:"what"`
	}
)

func (s *Server) registerHealth() {
	s.ledgerCheck = Check{Name: "ledger", Probe: func(ctx context.Context) (string, error) {
		if err := s.ledger.Ping(ctx); err != nil {
			return "", fault.New(fault.Retry, "", "cannot be read and written").WithHint("look whether the database runs and its disk has room").Because(err)
		}
		return "can be read and written", nil
	}}
	s.mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]any{"alive": true, "version": s.version})
	})
	s.mux.HandleFunc("GET /readyz", s.readyz)
	s.mux.Handle("GET /metrics", s.guardMetrics(promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError,
	})))
	s.mux.HandleFunc("GET /openapi.json", s.openapi)
}

// probeLimit is how long one check may take.
const probeLimit = 3 * time.Second

func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), probeLimit)
	defer cancel()
	checks := append([]Check{s.ledgerCheck}, s.checks...)
	views := make([]checkView, len(checks))
	var all sync.WaitGroup
	for i, c := range checks {
		all.Go(func() { views[i] = probe(ctx, c) })
	}
	all.Wait()
	bad := slices.ContainsFunc(views, func(c checkView) bool { return !c.OK })
	answer, status := readiness{Ready: views[0].OK, Well: !bad, Checks: views}, http.StatusOK
	if !answer.Ready {
		status = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", "5")
	}
	writeJSON(w, status, answer)
}

func probe(ctx context.Context, c Check) (view checkView) {
	defer func() {
		if v := recover(); v != nil {
			view = checkView{Name: c.Name, What: fmt.Sprintf("the check panicked with a %T", v)}
		}
	}()
	what, err := c.Probe(ctx)
	if err != nil {
		return checkView{Name: c.Name, What: fault.Describe(err)}
	}
	return checkView{Name: c.Name, OK: true, What: what}
}

// guardMetrics shows metrics on the machine itself, and elsewhere to admins or
// where the configuration says so.
func (s *Server) guardMetrics(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.openMetrics && fromMachineItself(r) != nil {
			id, problem := s.identify(r, false)
			if problem == nil && id.role != callback.RoleAdmin {
				problem = kindForbidden.problem()
			}
			if problem != nil {
				challenge(problem).write(w)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) openapi(w http.ResponseWriter, _ *http.Request) {
	doc, err := json.Marshal(s.api.OpenAPI())
	if err != nil {
		panic(errors.New("the OpenAPI document cannot be written"))
	}
	w.Header().Set("Content-Type", "application/vnd.oai.openapi+json;version=3.1")
	_, _ = w.Write(doc)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client is gone; there is nobody left to tell
}
