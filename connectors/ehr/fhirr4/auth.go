package fhirr4

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/connectors/ehr"
	"github.com/ringback-health/ringback/internal/jose"
	"github.com/ringback-health/ringback/internal/rest"
	"github.com/ringback-health/ringback/internal/scopes"
)

// Auth is how Ringback proves who it is. Secrets stand in an environment variable
// or a file, never here.
type Auth struct {
	Kind string `yaml:"kind"` // one of the kinds below

	TokenEnv  string `yaml:"token_env"` // bearer
	TokenFile string `yaml:"token_file"`

	User         string `yaml:"user"` // basic
	PasswordEnv  string `yaml:"password_env"`
	PasswordFile string `yaml:"password_file"`

	// The kinds with a token endpoint. An empty token_url is looked up in the EHR's
	// SMART configuration.
	TokenURL string   `yaml:"token_url"`
	ClientID string   `yaml:"client_id"`
	Scopes   []string `yaml:"scopes"`

	ClientSecretEnv  string `yaml:"client_secret_env"`
	ClientSecretFile string `yaml:"client_secret_file"`
	Style            string `yaml:"style"` // where the secret is sent: basic (header) or form

	// SigningKeysFile is where the keys for assertions are; empty: those of the
	// installation.
	SigningKeysFile string        `yaml:"signing_keys_file"`
	AssertionLife   time.Duration `yaml:"assertion_life"` // 0: 60 s; at most 5 min

	RefreshTokenFile string `yaml:"refresh_token_file"` // is written to

	// Headers go with every request, whatever the kind: an API key.
	Headers []AuthHeader `yaml:"headers"`
}

// AuthHeader is a header with a secret value.
type AuthHeader struct {
	Name      string `yaml:"name"` // x-api-key
	ValueEnv  string `yaml:"value_env"`
	ValueFile string `yaml:"value_file"`
}

// The kinds of authentication.
const (
	authNone              = "none"
	authBearer            = "bearer"             // a fixed token
	authBasic             = "basic"              // user and password
	authClientCredentials = "client_credentials" // a client secret (RFC 6749 §4.4)
	authPrivateKeyJWT     = "private_key_jwt"    // a signed assertion: SMART Backend Services
	authRefreshToken      = "refresh_token"      // a login that a person made once (RFC 6749 §6)
)

var authKinds = []string{authNone, authBearer, authBasic, authClientCredentials, authPrivateKeyJWT, authRefreshToken}

// NeededScopes is what the connector does with which resources. It is what a client
// asks for that says nothing else, and what `ringback doctor` holds grants against.
func (c Config) NeededScopes() []scopes.Need {
	item := callback.TaskResource // what auto begins with
	if pinned, ok := pins[c.Rung]; ok {
		item = pinned
	}
	var needs []scopes.Need
	if item != callback.Worklist {
		needs = append(needs, scopes.Need{Resource: string(item), Letters: scopes.Create + scopes.Read + scopes.Update + scopes.Search})
	}
	appointments := scopes.Read + scopes.Search // booked visits
	if !c.ProposedMeansBooked {
		appointments = scopes.Create + scopes.Read + scopes.Update + scopes.Search // and proposing them
	}
	needs = append(needs,
		scopes.Need{Resource: string(callback.AppointmentResource), Letters: appointments},
		scopes.Need{Resource: "Patient", Letters: scopes.Read + scopes.Search})
	if c.push {
		needs = append(needs, scopes.Need{Resource: subscription, Letters: scopes.Create + scopes.Read + scopes.Update + scopes.Search})
	}
	return needs
}

// validate checks that what a kind needs is there and that nothing is said which
// another kind would need: somebody would believe that it is used.
func (a Auth) validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !slices.Contains(authKinds, a.Kind) {
		bad("auth.kind: %q is none of %s", a.Kind, strings.Join(authKinds, ", "))
		return errors.Join(errs...)
	}
	for _, key := range a.keys() {
		switch {
		case slices.Contains(key.needed, a.Kind) && key.value == "":
			bad("auth: %s needs %s", a.Kind, key.name)
		case key.value != "" && !slices.Contains(key.needed, a.Kind) && !slices.Contains(key.taken, a.Kind):
			bad("auth: %s belongs to kind %s, and the kind is %s", key.name, strings.Join(append(key.needed, key.taken...), " or "), a.Kind)
		}
	}
	if a.Style != "" && a.Style != rest.StyleBasic && a.Style != rest.StyleForm {
		bad("auth.style: %q is neither %s nor %s", a.Style, rest.StyleBasic, rest.StyleForm)
	}
	if a.AssertionLife != 0 && (a.AssertionLife < time.Second || a.AssertionLife > 5*time.Minute) {
		bad("auth.assertion_life must be from 1s to 5m")
	}
	if a.Kind == authRefreshToken && a.SigningKeysFile != "" && cmp.Or(a.ClientSecretEnv, a.ClientSecretFile) != "" {
		bad("auth: give either a client secret or signing_keys_file")
	}
	return errors.Join(errors.Join(errs...), a.validateHeaders())
}

// authKey is a key of the configuration and the kinds that it belongs to.
type authKey struct {
	name, value   string
	needed, taken []string
}

func (a Auth) keys() []authKey {
	kinds := func(k ...string) []string { return k }
	life := ""
	if a.AssertionLife != 0 {
		life = a.AssertionLife.String()
	}
	return []authKey{
		{"token_env or token_file", cmp.Or(a.TokenEnv, a.TokenFile), kinds(authBearer), nil},
		{"user", a.User, kinds(authBasic), nil},
		{"password_env or password_file", cmp.Or(a.PasswordEnv, a.PasswordFile), kinds(authBasic), nil},
		{"client_id", a.ClientID, kinds(authClientCredentials, authPrivateKeyJWT, authRefreshToken), nil},
		{"token_url", a.TokenURL, nil, kinds(authClientCredentials, authPrivateKeyJWT, authRefreshToken)},
		{"scopes", strings.Join(a.Scopes, " "), nil, kinds(authClientCredentials, authPrivateKeyJWT, authRefreshToken)},
		{"client_secret_env or client_secret_file", cmp.Or(a.ClientSecretEnv, a.ClientSecretFile), kinds(authClientCredentials), kinds(authRefreshToken)},
		{"style", a.Style, nil, kinds(authClientCredentials, authRefreshToken)},
		{"signing_keys_file", a.SigningKeysFile, nil, kinds(authPrivateKeyJWT, authRefreshToken)},
		{"assertion_life", life, nil, kinds(authPrivateKeyJWT, authRefreshToken)},
		{"refresh_token_file", a.RefreshTokenFile, kinds(authRefreshToken), nil},
	}
}

func (a Auth) validateHeaders() error {
	var errs []error
	for i, h := range a.Headers {
		if err := rest.CheckHeaderName(h.Name); err != nil {
			errs = append(errs, fmt.Errorf("auth.headers[%d].name: %w", i, err))
			continue
		}
		if h.ValueEnv == "" && h.ValueFile == "" {
			errs = append(errs, fmt.Errorf("auth.headers: %s needs value_env or value_file", h.Name))
		}
		if slices.ContainsFunc(a.Headers[:i], func(o AuthHeader) bool { return strings.EqualFold(o.Name, h.Name) }) {
			errs = append(errs, fmt.Errorf("auth.headers: %s is given twice", h.Name))
		}
		if a.Kind != authNone && strings.EqualFold(h.Name, "Authorization") {
			errs = append(errs, fmt.Errorf("auth.headers: Authorization is set by kind %s; leave one of the two out", a.Kind))
		}
	}
	return errors.Join(errs...)
}

// credentials reads the secrets and makes what puts them on requests; nil and none
// when none are asked for.
func (c Config) credentials(s ehr.Settings) (rest.Authenticator, []rest.Header, error) {
	var headers []rest.Header
	for _, h := range c.Auth.Headers {
		value, err := s.Secret("auth.headers."+h.Name+".value", h.ValueEnv, h.ValueFile)
		if err != nil {
			return nil, nil, err
		}
		headers = append(headers, rest.Header{Name: h.Name, Value: value})
	}
	auth, err := c.authenticator(s, headers)
	return auth, headers, err
}

func (c Config) authenticator(s ehr.Settings, headers []rest.Header) (rest.Authenticator, error) {
	a := c.Auth
	at := rest.TokenEndpoint{URL: a.TokenURL, BaseURL: c.BaseURL, ClientID: a.ClientID, Scopes: a.Scopes, Headers: headers,
		Timeout: c.Timeout, AllowHTTP: c.InsecureHTTP, Clock: s.Clock}
	switch a.Kind {
	case authBearer:
		token, err := s.Secret("auth.token", a.TokenEnv, a.TokenFile)
		if err != nil {
			return nil, err
		}
		return rest.Bearer(token), nil
	case authBasic:
		password, err := s.Secret("auth.password", a.PasswordEnv, a.PasswordFile)
		if err != nil {
			return nil, err
		}
		return rest.Basic(a.User, password), nil
	case authClientCredentials:
		secret, err := s.Secret("auth.client_secret", a.ClientSecretEnv, a.ClientSecretFile)
		if err != nil {
			return nil, err
		}
		return rest.ClientCredentials(rest.ClientCredentialsConfig{TokenEndpoint: at, Secret: secret, Style: a.Style})
	case authPrivateKeyJWT:
		return c.privateKeyJWT(s, at)
	case authRefreshToken:
		return c.refreshToken(s, at)
	default:
		return nil, nil
	}
}

func (c Config) privateKeyJWT(s ehr.Settings, at rest.TokenEndpoint) (rest.Authenticator, error) {
	file := s.SigningKeysFile
	if c.Auth.SigningKeysFile != "" {
		file = path(s, c.Auth.SigningKeysFile)
	}
	if file == "" {
		return nil, errors.New("auth: private_key_jwt needs signing keys; set signing_keys_file at the top of the configuration, and make them with: ringback keys generate")
	}
	if len(at.Scopes) == 0 {
		at.Scopes = scopes.Ask(c.NeededScopes()) // SMART Backend Services wants them said
	}
	return rest.PrivateKeyJWT(rest.PrivateKeyJWTConfig{TokenEndpoint: at, Key: jose.File{Path: file, Clock: s.Clock}, Life: c.Auth.AssertionLife})
}

func (c Config) refreshToken(s ehr.Settings, at rest.TokenEndpoint) (rest.Authenticator, error) {
	a := c.Auth
	cfg := rest.RefreshTokenConfig{TokenEndpoint: at, File: path(s, a.RefreshTokenFile), Style: a.Style, Life: a.AssertionLife}
	switch {
	case a.SigningKeysFile != "":
		cfg.Key = jose.File{Path: path(s, a.SigningKeysFile), Clock: s.Clock}
	case cmp.Or(a.ClientSecretEnv, a.ClientSecretFile) != "":
		secret, err := s.Secret("auth.client_secret", a.ClientSecretEnv, a.ClientSecretFile)
		if err != nil {
			return nil, err
		}
		cfg.Secret = secret
	}
	return rest.RefreshToken(cfg)
}

// path returns a path of the configuration as it is on this machine.
func path(s ehr.Settings, name string) string {
	if s.Path == nil {
		return name
	}
	return s.Path(name)
}
