package fhirr4

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ringback-health/ringback/connectors/ehr"
	"github.com/ringback-health/ringback/internal/rest"
	"github.com/ringback-health/ringback/mapping"
)

// Config is what an operator says about one EHR. Default gives what holds where
// nothing is said.
type Config struct {
	BaseURL string `yaml:"base_url"` // https://host/path of the FHIR server
	Auth    Auth   `yaml:"auth"`
	// Owners maps an owner, as the workflow file names it, to who that is in the
	// EHR: "front-desk": "Organization/12". One that is missing is only displayed.
	Owners map[string]string `yaml:"owners"`
	// ProposedMeansBooked says that this EHR's own bookings have the status
	// "proposed". Visits are not proposed then: a proposal would close its callback.
	ProposedMeansBooked bool          `yaml:"proposed_means_booked"`
	Timeout             time.Duration `yaml:"timeout"`        // per request
	MaxPerSecond        float64       `yaml:"max_per_second"` // requests; 0: no limit
	// MRNSystem is the identifier system of chart numbers. Empty: a chart number is
	// looked for in all systems.
	MRNSystem string `yaml:"mrn_system"`
	PageSize  int    `yaml:"page_size"` // of searches
	// AppointmentHorizon is how far back the first look at appointments goes.
	AppointmentHorizon time.Duration `yaml:"appointment_horizon"`
	// SearchByPost keeps names, birth dates and phone numbers out of URLs. Turn it
	// off only for an EHR that has no POST _search.
	SearchByPost bool `yaml:"search_by_post"`
	InsecureHTTP bool `yaml:"insecure_http"` // allow http:// beyond this machine
}

// Auth is how Ringback proves who it is. Secrets stand in an environment variable
// or a file, never here.
type Auth struct {
	Kind string `yaml:"kind"` // none, bearer, basic, client_credentials

	TokenEnv  string `yaml:"token_env"` // bearer
	TokenFile string `yaml:"token_file"`

	User         string `yaml:"user"` // basic
	PasswordEnv  string `yaml:"password_env"`
	PasswordFile string `yaml:"password_file"`

	TokenURL         string   `yaml:"token_url"` // client_credentials (RFC 6749 §4.4)
	ClientID         string   `yaml:"client_id"`
	ClientSecretEnv  string   `yaml:"client_secret_env"`
	ClientSecretFile string   `yaml:"client_secret_file"`
	Scopes           []string `yaml:"scopes"`
	Style            string   `yaml:"style"` // where the secret is sent: basic (header) or form
}

// The kinds of authentication.
const (
	authNone              = "none"
	authBearer            = "bearer"
	authBasic             = "basic"
	authClientCredentials = "client_credentials"
)

// Default returns what holds where the operator says nothing.
func Default() Config {
	return Config{
		Auth: Auth{Kind: authNone}, Timeout: 30 * time.Second, PageSize: 100,
		AppointmentHorizon: 24 * time.Hour, SearchByPost: true,
	}
}

const maxPageSize = 1000

// Validate lists everything that is wrong, each with what is expected.
func (c Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.BaseURL == "" {
		bad("base_url is missing; write it as https://host/path")
	}
	if c.Timeout <= 0 {
		bad("timeout must be more than 0, such as 30s")
	}
	if c.MaxPerSecond < 0 {
		bad("max_per_second must not be negative; 0 is no limit")
	}
	if c.PageSize < 1 || c.PageSize > maxPageSize {
		bad("page_size must be from 1 to %d", maxPageSize)
	}
	if c.AppointmentHorizon < 0 {
		bad("appointment_horizon must not be negative; write it as 24h")
	}
	return errors.Join(errors.Join(errs...), c.validateOwners(), c.Auth.validate())
}

func (c Config) validateOwners() error {
	var errs []error
	known := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(c.Owners)) {
		reference := c.Owners[name]
		t, id, _ := strings.Cut(reference, "/")
		switch other, twice := known[reference]; {
		case name == "":
			errs = append(errs, errors.New("owners: an owner has no name"))
		case !mapping.ValidID(id) || !slices.Contains(mapping.OwnerTypes, t):
			errs = append(errs, fmt.Errorf("owners.%s: %q is no reference that a Task can be given to; write Organization/12, or one of %s",
				name, reference, strings.Join(mapping.OwnerTypes, ", ")))
		case twice:
			errs = append(errs, fmt.Errorf("owners.%s: %s is %s already; give each owner a reference of its own, or it cannot be told who has an item",
				name, reference, other))
		}
		known[reference] = name
	}
	return errors.Join(errs...)
}

// validate checks that what a kind needs is there and that nothing is said which
// another kind would need: somebody would believe that it is used.
func (a Auth) validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	kinds := []string{authNone, authBearer, authBasic, authClientCredentials}
	if !slices.Contains(kinds, a.Kind) {
		bad("auth.kind: %q is none of %s", a.Kind, strings.Join(kinds, ", "))
		return errors.Join(errs...)
	}
	for _, key := range []struct {
		name, value, kind string
		needed            bool
	}{
		{"token_env or token_file", cmp.Or(a.TokenEnv, a.TokenFile), authBearer, true},
		{"user", a.User, authBasic, true},
		{"password_env or password_file", cmp.Or(a.PasswordEnv, a.PasswordFile), authBasic, true},
		{"token_url", a.TokenURL, authClientCredentials, true},
		{"client_id", a.ClientID, authClientCredentials, true},
		{"client_secret_env or client_secret_file", cmp.Or(a.ClientSecretEnv, a.ClientSecretFile), authClientCredentials, true},
		{"scopes", strings.Join(a.Scopes, " "), authClientCredentials, false},
		{"style", a.Style, authClientCredentials, false},
	} {
		switch {
		case key.kind == a.Kind && key.needed && key.value == "":
			bad("auth: %s needs %s", a.Kind, key.name)
		case key.kind != a.Kind && key.value != "":
			bad("auth: %s belongs to kind %s, and the kind is %s", key.name, key.kind, a.Kind)
		}
	}
	if a.Style != "" && a.Style != rest.StyleBasic && a.Style != rest.StyleForm {
		bad("auth.style: %q is neither %s nor %s", a.Style, rest.StyleBasic, rest.StyleForm)
	}
	return errors.Join(errs...)
}

// authenticator fetches the secret and makes what puts it on requests; nil when
// none is asked for.
func (c Config) authenticator(s ehr.Settings) (rest.Authenticator, error) {
	switch a := c.Auth; a.Kind {
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
		return rest.ClientCredentials(rest.ClientCredentialsConfig{TokenURL: a.TokenURL, ClientID: a.ClientID, Secret: secret,
			Scopes: a.Scopes, Style: a.Style, Timeout: c.Timeout, AllowHTTP: c.InsecureHTTP})
	default:
		return nil, nil
	}
}
