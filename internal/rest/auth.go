package rest

import (
	"context"
	"net/http"

	"github.com/ringback-health/ringback/internal/redact"
)

// Authenticator puts credentials on a request. Implementations are safe for
// concurrent use.
type Authenticator interface {
	// Apply sets the credentials on req. Its error is a *fault.Error; nothing
	// is sent after one.
	Apply(ctx context.Context, req *http.Request) error
	// Refused says that the server answered 401 to what Apply set: the next
	// Apply must fetch anew.
	Refused(ctx context.Context)
}

// fixed is an Authenticator that has nothing else to offer after a refusal, so
// that sending again would only count as another failed login.
type fixed struct {
	apply func(*http.Request)
}

func (f fixed) Apply(_ context.Context, req *http.Request) error { f.apply(req); return nil }

func (f fixed) Refused(context.Context) {}

// Bearer sends a fixed token.
func Bearer(token redact.Secret) Authenticator {
	return fixed{func(req *http.Request) { req.Header.Set("Authorization", "Bearer "+token.Reveal()) }}
}

// Basic sends a user name and a password.
func Basic(user string, password redact.Secret) Authenticator {
	return fixed{func(req *http.Request) { req.SetBasicAuth(user, password.Reveal()) }}
}
