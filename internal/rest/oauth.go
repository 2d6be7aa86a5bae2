package rest

import (
	"context"
	"errors"
	"net/http"
	"net/url"
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

// The ways to send a client secret to a token endpoint (RFC 6749 §2.3.1).
const (
	StyleBasic = "basic" // in the Authorization header
	StyleForm  = "form"  // in the form, as client_id and client_secret
)

// ClientCredentialsConfig describes an OAuth 2 client_credentials grant
// (RFC 6749 §4.4).
type ClientCredentialsConfig struct {
	TokenURL  string
	ClientID  string
	Secret    redact.Secret
	Scopes    []string
	Style     string        // StyleBasic or StyleForm; "": StyleBasic
	Timeout   time.Duration // of a token request; 0: 15 s
	AllowHTTP bool          // as in Config
	Clock     clock.Clock   // nil: the system clock
}

// credential proves to a token endpoint who the client is. It is asked anew for
// every token request, because a signed proof may be used once only.
type credential interface {
	prove(form url.Values, header http.Header) error
}

// ClientCredentials authenticates with access tokens from a token endpoint. One
// request at a time fetches a token, however many wait for it; a failure is
// remembered for a moment; a token is renewed before it ends.
func ClientCredentials(cfg ClientCredentialsConfig) (Authenticator, error) {
	if _, err := parseEndpoint("token_url", cfg.TokenURL, cfg.AllowHTTP); err != nil {
		return nil, err
	}
	if cfg.ClientID == "" || cfg.Secret.IsEmpty() {
		return nil, errors.New("the OAuth client needs a client id and a secret")
	}
	var cred credential
	switch cfg.Style {
	case "", StyleBasic:
		cred = basicCredential{cfg.ClientID, cfg.Secret}
	case StyleForm:
		cred = formCredential{cfg.ClientID, cfg.Secret}
	default:
		return nil, errors.New(`the style of an OAuth client is "basic" or "form"`)
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 15 * time.Second
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.System{}
	}
	return &tokenSource{endpoint: newTokenEndpoint(cfg, cred), clock: cfg.Clock}, nil
}

// basicCredential sends the secret in the Authorization header, both parts
// form-encoded first (RFC 6749 §2.3.1).
type basicCredential struct {
	id     string
	secret redact.Secret
}

func (c basicCredential) prove(_ url.Values, header http.Header) error {
	req := http.Request{Header: header}
	req.SetBasicAuth(url.QueryEscape(c.id), url.QueryEscape(c.secret.Reveal()))
	return nil
}

// formCredential sends the secret in the form.
type formCredential struct {
	id     string
	secret redact.Secret
}

func (c formCredential) prove(form url.Values, _ http.Header) error {
	form.Set("client_id", c.id)
	form.Set("client_secret", c.secret.Reveal())
	return nil
}

// token is an access token with its times. The zero token is long over.
type token struct {
	access  redact.Secret
	kind    string    // token_type; "" means Bearer
	renewAt time.Time // fetch another from here on
	ends    time.Time // worthless from here on
}

func newToken(access redact.Secret, kind string, life time.Duration, now time.Time) token {
	if life <= 0 {
		life = defaultLife
	}
	// A fifth of a short life, so that a token that lives for seconds is still
	// used more than once.
	early := min(time.Minute, life/5)
	return token{access: access, kind: kind, renewAt: now.Add(life - early), ends: now.Add(life)}
}

// tokenSource hands out the tokens of one endpoint.
type tokenSource struct {
	endpoint *tokenEndpoint
	clock    clock.Clock

	mu          sync.Mutex
	current     token
	flight      *flight // the fetch under way, nil when there is none
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

// Refused drops the current token.
func (s *tokenSource) Refused(context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = token{}
}

// Close lets the idle connections to the token endpoint go.
func (s *tokenSource) Close() { s.endpoint.transport.CloseIdleConnections() }

func (s *tokenSource) token(ctx context.Context) (token, error) {
	s.mu.Lock()
	now := s.clock.Now()
	if now.Before(s.current.renewAt) {
		defer s.mu.Unlock()
		return s.current, nil
	}
	if s.flight == nil && now.Before(s.failedUntil) {
		defer s.mu.Unlock()
		return s.orCurrent(token{}, s.failure, now)
	}
	if s.flight == nil {
		s.flight = &flight{done: make(chan struct{})}
		go s.fly(s.flight)
	}
	f := s.flight
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
	t, err := s.endpoint.fetch()
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	if err != nil {
		s.failure, s.failedUntil = err, now.Add(max(failureMemory, fault.After(err)))
	} else {
		s.current, s.failure, s.failedUntil = t, nil, time.Time{}
	}
	f.token, f.err = s.orCurrent(t, err, now)
	s.flight = nil
	close(f.done)
}

// orCurrent prefers a token that is due for renewal to a failure to renew it.
// The caller holds mu.
func (s *tokenSource) orCurrent(t token, err error, now time.Time) (token, error) {
	if err != nil && now.Before(s.current.ends) {
		return s.current, nil
	}
	return t, err
}
