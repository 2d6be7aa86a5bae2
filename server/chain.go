package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"time"
)

// contentSecurityPolicy: nothing but this server's own style sheet and forms.
// There are no scripts, so none is allowed.
const contentSecurityPolicy = "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// headers sets what every answer carries: it is not to be kept, guessed at,
// framed or told to other sites.
func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", contentSecurityPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}

// route passes a request to its handler, and answers in the API's own way where
// there is none.
func (s *Server) route(w http.ResponseWriter, r *http.Request) {
	refusal, pattern := s.mux.Handler(r)
	if pattern != "" {
		s.mux.ServeHTTP(w, r)
		return
	}
	// The router's own answer tells a wrong method from a wrong path.
	answer := &discarded{header: http.Header{}}
	refusal.ServeHTTP(answer, r)
	if answer.status == http.StatusMethodNotAllowed {
		kindMethod.problem().with("Allow", answer.header.Get("Allow")).write(w)
		return
	}
	kindNotFound.problem().write(w)
}

// discarded keeps only status and header of an answer.
type discarded struct {
	header http.Header
	status int
}

func (d *discarded) Header() http.Header         { return d.header }
func (d *discarded) WriteHeader(status int)      { d.status = status }
func (d *discarded) Write(b []byte) (int, error) { return len(b), nil }

// observed remembers the status of an answer.
type observed struct {
	http.ResponseWriter
	status int
}

func (o *observed) WriteHeader(status int) {
	if o.status == 0 {
		o.status = status
	}
	o.ResponseWriter.WriteHeader(status)
}

func (o *observed) Write(b []byte) (int, error) {
	if o.status == 0 {
		o.status = http.StatusOK
	}
	return o.ResponseWriter.Write(b)
}

// Unwrap gives http.ResponseController the connection.
func (o *observed) Unwrap() http.ResponseWriter { return o.ResponseWriter }

// observe logs and counts each request by its route. The path, the query and the
// headers are never logged: they are the client's.
func (s *Server) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		o := &observed{ResponseWriter: w}
		next.ServeHTTP(o, r)
		took := time.Since(start)
		if o.status == 0 {
			o.status = http.StatusOK
		}
		route, method := routeOf(r.Pattern), methodOf(r.Method)
		s.metrics.request(route, method, o.status, took)
		s.log.LogAttrs(r.Context(), levelOf(route, o.status), "request", slog.String("method", method), slog.String("route", route),
			slog.Int("status", o.status), slog.Float64("ms", float64(took.Microseconds())/1000))
	})
}

// routeOf returns the path part of a pattern: "/v1/callbacks/{id}".
func routeOf(pattern string) string {
	if pattern == "" {
		return "unmatched"
	}
	if _, path, ok := strings.Cut(pattern, " "); ok {
		return path
	}
	return pattern
}

var methods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions}

// methodOf keeps a made-up method, which can be any word, out of logs and metrics.
func methodOf(method string) string {
	if slices.Contains(methods, method) {
		return method
	}
	return "other"
}

// levelOf keeps what is asked every few seconds from drowning the rest.
func levelOf(route string, status int) slog.Level {
	switch {
	case status >= http.StatusInternalServerError:
		return slog.LevelError
	case status < http.StatusBadRequest && slices.Contains([]string{"/livez", "/readyz", "/metrics", "/console.css"}, route):
		return slog.LevelDebug
	default:
		return slog.LevelInfo
	}
}

// recovering answers for a handler that panicked. The value of a panic can hold
// anything, so the log has only its type and the place.
func (s *Server) recovering(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			err, _ := v.(error)
			if errors.Is(err, http.ErrAbortHandler) {
				panic(v)
			}
			var gone net.Error
			if errors.As(err, &gone) {
				return // the client stopped reading; the HTTP library panics about it
			}
			s.log.LogAttrs(r.Context(), slog.LevelError, "a request handler panicked; this is a fault in the program, please report it",
				slog.String("route", routeOf(r.Pattern)), slog.String("type", fmt.Sprintf("%T", v)), slog.String("at", panicPlace()))
			if o, ok := w.(*observed); ok && o.status == 0 {
				kindInternal.problem().write(w)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// panicPlace returns the innermost functions of the project on the stack.
func panicPlace() string {
	var pcs [64]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	var places []string
	for more := true; more && len(places) < 5; {
		var f runtime.Frame
		f, more = frames.Next()
		if _, name, ok := strings.Cut(f.Function, "/ringback/"); ok {
			places = append(places, fmt.Sprintf("%s:%d", name, f.Line))
		}
	}
	return strings.Join(places, " < ")
}
