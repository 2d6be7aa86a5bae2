package rest

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/redact"
)

const (
	// failureMemory is how long the failure of a token request answers for the
	// ones after it, so that a refused client is not tried once per waiting job.
	failureMemory = 5 * time.Second
	// defaultLife is the life of a token whose endpoint does not tell it. SMART
	// Backend Services recommends five minutes at most.
	defaultLife = 5 * time.Minute
)

// token is an access token with its times. The zero token is long over.
type token struct {
	access  redact.Secret
	kind    string    // token_type; "" means Bearer
	renewAt time.Time // fetch another from here on
	ends    time.Time // worthless from here on
	grant   Grant
}

func newToken(access redact.Secret, kind string, life time.Duration, now time.Time) token {
	if life <= 0 {
		life = defaultLife
	}
	// A fifth of a short life, so that a token that lives for seconds is still
	// used more than once.
	early := min(time.Minute, life/5)
	return token{access: access, kind: kind, renewAt: now.Add(life - early), ends: now.Add(life),
		grant: Grant{ExpiresIn: life, FetchedAt: now}}
}

// tokenSource hands out the tokens of one grant.
type tokenSource struct {
	from interface {
		// fetch asks for one token, on its own deadline.
		fetch() (token, error)
		// close lets idle connections go.
		close()
	}
	clock clock.Clock

	mu          sync.Mutex
	current     token
	refusedAt   time.Time // when the last token was dropped
	flight      *flight   // the fetch under way, nil when there is none
	failure     error
	failedUntil time.Time
}

// flight is one token request and its result, to be read once done is closed.
type flight struct {
	done  chan struct{}
	token token
	err   error
}

// Apply sets a token, fetching it where needed. ctx bounds the wait only: the
// fetch goes on for the others who wait.
func (s *tokenSource) Apply(ctx context.Context, req *http.Request) error {
	t, err := s.token(ctx)
	if err != nil {
		return err
	}
	// SetAuthHeader knows how each token_type is spelled in the header.
	(&oauth2.Token{AccessToken: t.access.Reveal(), TokenType: t.kind}).SetAuthHeader(req)
	return nil
}

// Granted fulfils Granter.
func (s *tokenSource) Granted(ctx context.Context) (Grant, error) {
	t, err := s.token(ctx)
	return t.grant, err
}

// Refused drops the current token, so that the next is a fresh one. A server that
// refuses fresh tokens too does not get a fetch per request for that.
func (s *tokenSource) Refused(context.Context) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	if now.Before(s.refusedAt.Add(failureMemory)) {
		return false
	}
	s.current, s.refusedAt = token{}, now
	return true
}

// Close lets the idle connections to the token endpoint go.
func (s *tokenSource) Close() { s.from.close() }

func (s *tokenSource) token(ctx context.Context) (token, error) {
	s.mu.Lock()
	now := s.clock.Now()
	due := !now.Before(s.current.renewAt)
	if due && s.flight == nil && !now.Before(s.failedUntil) {
		s.flight = &flight{done: make(chan struct{})}
		go s.fly(s.flight)
	}
	if now.Before(s.current.ends) {
		// Also while another is fetched: a token endpoint that hangs holds nobody up.
		defer s.mu.Unlock()
		return s.current, nil
	}
	f := s.flight
	if f == nil {
		defer s.mu.Unlock()
		return token{}, remaining(s.failure, s.failedUntil.Sub(now))
	}
	s.mu.Unlock()

	select {
	case <-f.done:
		return f.token, f.err
	case <-ctx.Done():
		return token{}, fault.New(fault.Retry, fetchToken, "stopped while waiting for a token").Because(ctx.Err())
	}
}

// fly fetches a token on its own time and hands it to all who wait.
func (s *tokenSource) fly(f *flight) {
	f.token, f.err = s.from.fetch()
	f.err = notOfTheRequest(f.err)
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.err != nil {
		s.failure, s.failedUntil = f.err, s.clock.Now().Add(max(failureMemory, fault.After(f.err)))
	} else {
		s.current = f.token
	}
	s.flight = nil
	close(f.done)
}

// notOfTheRequest makes of a permanent failure to get a token one of the login: the
// requests that need the token are not to blame, and go through once it is mended.
func notOfTheRequest(err error) error {
	var f *fault.Error
	if !errors.As(err, &f) || f.Disposition != fault.Permanent {
		return err
	}
	login := *f
	login.Disposition = fault.Unauthorized
	return &login
}

// remaining is a remembered failure: what is left to wait is less than it was.
func remaining(err error, left time.Duration) error {
	var f *fault.Error
	if !errors.As(err, &f) || f.After <= left {
		return err
	}
	again := *f
	return again.WithAfter(left)
}
