package rest

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/internal/redact"
)

// TokenEndpoint says where and for whom access tokens are fetched.
type TokenEndpoint struct {
	// URL is the token endpoint. Empty: it is looked up in the SMART configuration
	// of BaseURL. It may be on another host than the FHIR server.
	URL string
	// BaseURL is that of the FHIR server. It is needed where URL is empty.
	BaseURL  string
	ClientID string
	Scopes   []string
	// Headers are sent too where the token endpoint has the scheme, host and port
	// of BaseURL: a key for every call to a vendor's API is one for its logins.
	Headers   []Header
	Timeout   time.Duration // of a token request; 0: 15 s
	AllowHTTP bool          // as in Config
	Clock     clock.Clock   // nil: the system clock
}

// ClientCredentialsConfig describes an OAuth 2 client_credentials grant with a
// client secret (RFC 6749 §4.4).
type ClientCredentialsConfig struct {
	TokenEndpoint
	Secret redact.Secret
	Style  string // StyleBasic or StyleForm; "": StyleBasic
}

// PrivateKeyJWTConfig describes an OAuth 2 client_credentials grant with a signed
// assertion: SMART Backend Services (RFC 7523 §2.2).
type PrivateKeyJWTConfig struct {
	TokenEndpoint
	Key  Signer
	Life time.Duration // of an assertion, up to 5 min; 0: 60 s
}

// FormGrantConfig describes a grant that asks with the same members each time, beside
// the client's secret: a JWT that a person made for the client once (RFC 7523 §2.1,
// grant_type urn:ietf:params:oauth:grant-type:jwt-bearer), and what vendors made up.
type FormGrantConfig struct {
	TokenEndpoint
	Secret redact.Secret
	Style  string                   // as in ClientCredentialsConfig
	Form   map[string]redact.Secret // of the request; grant_type is required
}

// RefreshTokenConfig describes an OAuth 2 refresh of a login that a person made
// once (RFC 6749 §6). The client proves itself with Secret or Key; one that is
// public has neither.
type RefreshTokenConfig struct {
	TokenEndpoint
	// File holds the refresh token and nothing else, readable by its owner only. It
	// is replaced whenever the server hands out another.
	File   string
	Secret redact.Secret
	Style  string        // as in ClientCredentialsConfig
	Key    Signer        // as in PrivateKeyJWTConfig
	Life   time.Duration // as in PrivateKeyJWTConfig
}

// ClientCredentials authenticates with access tokens for a client secret. One
// request at a time fetches a token, however many wait for it; a failure is
// remembered for a moment; a token is renewed before it ends.
func ClientCredentials(cfg ClientCredentialsConfig) (Authenticator, error) {
	cred, err := newSecretCredential(cfg.ClientID, cfg.Secret, cfg.Style)
	if err != nil {
		return nil, err
	}
	return clientCredentials(cfg.TokenEndpoint, cred)
}

// PrivateKeyJWT authenticates with access tokens for a signed assertion. Tokens are
// kept and renewed as with ClientCredentials.
func PrivateKeyJWT(cfg PrivateKeyJWTConfig) (Authenticator, error) {
	cred, err := newAssertionCredential(cfg.ClientID, cfg.Key, cfg.Life)
	if err != nil {
		return nil, err
	}
	return clientCredentials(cfg.TokenEndpoint, cred)
}

// FormGrant authenticates with access tokens for the members of a form. Tokens are kept
// and renewed as with ClientCredentials.
func FormGrant(cfg FormGrantConfig) (Authenticator, error) {
	cred, err := newSecretCredential(cfg.ClientID, cfg.Secret, cfg.Style)
	if err != nil {
		return nil, err
	}
	if cfg.Form["grant_type"].IsEmpty() {
		return nil, errors.New("the grant of an OAuth client has no grant_type")
	}
	form := url.Values{}
	for name, value := range cfg.Form {
		if value.IsEmpty() {
			return nil, fmt.Errorf("the grant of an OAuth client needs its %s", name)
		}
		form.Set(name, value.Reveal())
	}
	return grantWith(cfg.TokenEndpoint, cred, form)
}

func clientCredentials(cfg TokenEndpoint, cred credential) (Authenticator, error) {
	return grantWith(cfg, cred, url.Values{"grant_type": {"client_credentials"}})
}

// grantWith asks with the members of form and the scopes.
func grantWith(cfg TokenEndpoint, cred credential, form url.Values) (Authenticator, error) {
	e, err := newEndpoint(cfg, cred)
	if err != nil {
		return nil, err
	}
	if len(cfg.Scopes) > 0 {
		form.Set("scope", strings.Join(cfg.Scopes, " "))
	}
	return &tokenSource{from: plainGrant{e, form}, clock: e.cfg.Clock}, nil
}

// RefreshToken authenticates with access tokens for a refresh token, which it keeps.
// Tokens are kept and renewed as with ClientCredentials. The file may be shared with
// other processes on the same machine.
func RefreshToken(cfg RefreshTokenConfig) (Authenticator, error) {
	cred, err := refreshCredential(cfg)
	if err != nil {
		return nil, err
	}
	if cfg.File == "" {
		return nil, errors.New("the file of the refresh token is missing")
	}
	e, err := newEndpoint(cfg.TokenEndpoint, cred)
	if err != nil {
		return nil, err
	}
	return &tokenSource{from: &refreshGrant{endpoint: e, file: cfg.File}, clock: e.cfg.Clock}, nil
}

// refreshCredential returns how the client of a refresh proves itself.
func refreshCredential(cfg RefreshTokenConfig) (credential, error) {
	switch {
	case cfg.Key != nil && !cfg.Secret.IsEmpty():
		return nil, errors.New("the OAuth client has both a secret and a key; give only one")
	case cfg.Key != nil:
		return newAssertionCredential(cfg.ClientID, cfg.Key, cfg.Life)
	case !cfg.Secret.IsEmpty():
		return newSecretCredential(cfg.ClientID, cfg.Secret, cfg.Style)
	case cfg.ClientID == "":
		return nil, errors.New("the OAuth client needs a client id")
	default:
		return publicCredential{cfg.ClientID}, nil
	}
}

// newEndpoint checks cfg and makes what talks to the token endpoint.
func newEndpoint(cfg TokenEndpoint, cred credential) (*tokenEndpoint, error) {
	var base *url.URL
	if cfg.BaseURL != "" {
		var err error
		if base, err = parseEndpoint("base_url", cfg.BaseURL, cfg.AllowHTTP); err != nil {
			return nil, err
		}
	}
	switch {
	case cfg.URL != "":
		if _, err := parseEndpoint("token_url", cfg.URL, cfg.AllowHTTP); err != nil {
			return nil, err
		}
	case base == nil:
		return nil, errors.New("token_url is missing, and there is no base_url to look it up at")
	}
	if err := checkHeaders(cfg.Headers); err != nil {
		return nil, err
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 15 * time.Second
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.System{}
	}
	transport := newTransport(cfg.Timeout)
	client := &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	e := &tokenEndpoint{cfg: cfg, base: base, cred: cred, http: client, transport: transport}
	e.discovery = &discovery{base: cfg.BaseURL, allowHTTP: cfg.AllowHTTP, headers: cfg.Headers, clock: cfg.Clock, http: client}
	return e, nil
}
