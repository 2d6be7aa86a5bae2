package rest

import (
	"context"
	"net/http"
	"time"

	"github.com/ringback-health/ringback/internal/redact"
)

// Authenticator puts credentials on a request. Implementations are safe for
// concurrent use.
type Authenticator interface {
	// Apply sets the credentials on req. Its error is a *fault.Error; nothing
	// is sent after one.
	Apply(ctx context.Context, req *http.Request) error
	// Refused says that the server answered 401 to what Apply set. It reports
	// whether the next Apply has other credentials to offer, so that the request is
	// worth sending again.
	Refused(ctx context.Context) bool
}

// Granter is an Authenticator that knows what it was granted.
type Granter interface {
	// Granted returns what the token in use was granted, after fetching one where
	// there is none. Its error is that of Apply.
	Granted(ctx context.Context) (Grant, error)
}

// Grant is what a token endpoint said about a token.
type Grant struct {
	// Scopes are what was granted. An answer that names none grants what was asked
	// for (RFC 6749 §5.1); Told is false then. Without either they are unknown.
	Scopes    []string
	Told      bool
	ExpiresIn time.Duration // from FetchedAt; the default where the endpoint does not say
	FetchedAt time.Time
	TokenURL  string // where the token came from, configured or discovered
}

// fixed is an Authenticator that has nothing else to offer after a refusal, so
// that sending again would only count as another failed login.
type fixed struct {
	apply func(*http.Request)
}

func (f fixed) Apply(_ context.Context, req *http.Request) error { f.apply(req); return nil }

func (f fixed) Refused(context.Context) bool { return false }

// Bearer sends a fixed token.
func Bearer(token redact.Secret) Authenticator {
	return fixed{func(req *http.Request) { req.Header.Set("Authorization", "Bearer "+token.Reveal()) }}
}

// Basic sends a user name and a password.
func Basic(user string, password redact.Secret) Authenticator {
	return fixed{func(req *http.Request) { req.SetBasicAuth(user, password.Reveal()) }}
}
