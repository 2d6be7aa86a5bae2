package fhirr4_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/connectors/ehr"
	"github.com/ringback-health/ringback/connectors/ehr/fhirr4"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/jose"
	"github.com/ringback-health/ringback/internal/redact"
	smart "github.com/ringback-health/ringback/internal/scopes"
	"github.com/ringback-health/ringback/sandbox"
)

// signingKeys makes a file of ES384 keys and returns their public part.
func signingKeys(t *testing.T) (file string, public []byte) {
	t.Helper()
	now := time.Now()
	set, err := jose.Generate(now, jose.ES384)
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "signing.json")
	if err := set.Create(file); err != nil {
		t.Fatal(err)
	}
	if public, err = set.Public(now); err != nil {
		t.Fatal(err)
	}
	return file, public
}

// TestBackendServices: the key of the installation or of the connection, the token
// endpoint configured or found, the scopes given or those that are needed.
func TestBackendServices(t *testing.T) {
	file, public := signingKeys(t)
	_, base := serve(t, sandbox.Options{RequireAuth: true, ClientID: "ringback", JWKS: public})
	for name, change := range map[string]func(*ehr.Settings, *fhirr4.Auth){
		"of the installation": func(s *ehr.Settings, _ *fhirr4.Auth) { s.SigningKeysFile = file },
		"of the connection": func(s *ehr.Settings, a *fhirr4.Auth) {
			s.SigningKeysFile, a.SigningKeysFile = "/none", filepath.Base(file)
			s.Path = func(name string) string { return filepath.Join(filepath.Dir(file), name) }
		},
		"all said": func(s *ehr.Settings, a *fhirr4.Auth) {
			a.SigningKeysFile, a.TokenURL, a.Scopes, a.AssertionLife = file, tokenURL(base), []string{"system/Task.read", "system/Patient.read"}, 5*time.Minute
		},
	} {
		s, cfg := settings(t), config(base)
		cfg.Auth = fhirr4.Auth{Kind: "private_key_jwt", ClientID: "ringback"}
		change(&s, &cfg.Auth)
		c, err := fhirr4.New(s, cfg)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := c.Find(t.Context(), "Task", "m"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		// An Appointment is beyond the scopes of the last one.
		if _, err := c.Find(t.Context(), "Appointment", "m"); (err != nil) != (name == "all said") {
			t.Errorf("%s: %v", name, err)
		}
		c.Close()
	}
	s, cfg := settings(t), config(base)
	cfg.Auth = fhirr4.Auth{Kind: "private_key_jwt", ClientID: "ringback"}
	if _, err := fhirr4.New(s, cfg); err == nil || !strings.Contains(err.Error(), "ringback keys generate") {
		t.Errorf("without keys: %v", err)
	}
	s.SigningKeysFile = file + ".none"
	c, err := fhirr4.New(s, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Find(t.Context(), "Task", "m"); !fault.Is(err, fault.Unauthorized) || !strings.Contains(err.Error(), "there is no "+s.SigningKeysFile) {
		t.Errorf("without the file: %v", err)
	}
}

func TestNeededScopes(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*fhirr4.Config)
		want   string
	}{
		"default":       {func(*fhirr4.Config) {}, "system/Task.crus system/Appointment.crus system/Patient.rs"},
		"no proposals":  {func(c *fhirr4.Config) { c.ProposedMeansBooked = true }, "system/Task.crus system/Appointment.rs system/Patient.rs"},
		"another item":  {func(c *fhirr4.Config) { c.Rung = "communication" }, "system/Communication.crus system/Appointment.crus system/Patient.rs"},
		"no work items": {func(c *fhirr4.Config) { c.Rung = "worklist" }, "system/Appointment.crus system/Patient.rs"},
	} {
		cfg := fhirr4.Default()
		c.change(&cfg)
		if got := strings.Join(smart.Ask(cfg.NeededScopes()), " "); got != c.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// TestAuthIsStrict: each file lacks something, or says something that is of no use.
func TestAuthIsStrict(t *testing.T) {
	for file, want := range map[string]string{
		"{kind: jwt}": "auth.kind: \"jwt\" is none of none, bearer, basic, client_credentials, private_key_jwt, refresh_token",
		"{kind: client_credentials, client_secret_env: S}":                                                             "client_credentials needs client_id",
		"{kind: client_credentials, client_id: c}":                                                                     "client_credentials needs client_secret_env or client_secret_file",
		"{kind: client_credentials, client_id: c, client_secret_env: S, signing_keys_file: f}":                         "signing_keys_file belongs to kind private_key_jwt or refresh_token, and the kind is client_credentials",
		"{kind: private_key_jwt}":                                                                                      "private_key_jwt needs client_id",
		"{kind: private_key_jwt, client_id: c, client_secret_env: S}":                                                  "client_secret_env or client_secret_file belongs to kind client_credentials or refresh_token",
		"{kind: private_key_jwt, client_id: c, style: form}":                                                           "style belongs to kind",
		"{kind: private_key_jwt, client_id: c, signing_keys_file: f, assertion_life: 10m}":                             "auth.assertion_life must be from 1s to 5m",
		"{kind: private_key_jwt, client_id: c, signing_keys_file: f, token_url: 'http://ehr.example/token'}":           "token_url uses plain http",
		"{kind: refresh_token, client_id: c}":                                                                          "refresh_token needs refresh_token_file",
		"{kind: refresh_token, client_id: c, refresh_token_file: f, client_secret_env: S, signing_keys_file: k}":       "give either a client secret or signing_keys_file",
		"{kind: bearer, token_env: T, refresh_token_file: f}":                                                          "refresh_token_file belongs to kind refresh_token, and the kind is bearer",
		"{kind: bearer, token_env: T, assertion_life: 30s}":                                                            "assertion_life belongs to kind",
		"{kind: none, headers: [{name: x-api-key}]}":                                                                   "x-api-key needs value_env or value_file",
		"{kind: none, headers: [{name: 'x api key', value_env: K}]}":                                                   "auth.headers[0].name: \"x api key\" is not the name of a header",
		"{kind: none, headers: [{name: Content-Type, value_env: K}]}":                                                  "set by Ringback itself",
		"{kind: none, headers: [{name: a, value_env: K}, {name: A, value_env: K}]}":                                    "A is given twice",
		"{kind: bearer, token_env: T, headers: [{name: authorization, value_env: K}]}":                                 "Authorization is set by kind bearer",
		"{kind: none, headers: [{name: a, value: secret}]}":                                                            "value",
		"{kind: client_credentials, client_id: c, client_secret_env: S, headers: [{name: x-api-key, value_env: K}]}":   "",
		"{kind: private_key_jwt, client_id: c, signing_keys_file: f}":                                                  "",
		"{kind: refresh_token, client_id: c, refresh_token_file: f}":                                                   "",
		"{kind: refresh_token, client_id: c, refresh_token_file: f, client_secret_file: s, style: form, scopes: [a]}":  "",
		"{kind: refresh_token, client_id: c, refresh_token_file: f, signing_keys_file: k, token_url: 'https://a.b/c'}": "",
		"{kind: none, headers: [{name: Authorization, value_env: K}, {name: AuthorizationSource, value_file: f}]}":     "",
	} {
		c, err := fhirr4.Kind().New(settings(t), decode("base_url: https://ehr.example/fhir\nauth: "+file+"\n"))
		if err == nil {
			c.Close()
		}
		if (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngot  %v\nwant %s", file, err, want)
		}
	}
}

// TestHeadersBesideAToken: both reach the EHR, and each secret is asked for by name.
func TestHeadersBesideAToken(t *testing.T) {
	s, cfg := settings(t), config("https://ehr.example/fhir")
	var asked []string
	secretOf := s.Secret
	cfg.Auth = fhirr4.Auth{Kind: "bearer", TokenEnv: "T", Headers: []fhirr4.AuthHeader{{Name: "x-api-key", ValueFile: "f"}}}
	s.Secret = func(name, env, file string) (redact.Secret, error) {
		asked = append(asked, name+" "+env+file)
		return secretOf(name, env, file)
	}
	c, err := fhirr4.New(s, cfg)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if !slices.Equal(asked, []string{"auth.headers.x-api-key.value f", "auth.token T"}) {
		t.Errorf("%q", asked)
	}
}

// TestRefreshTokenFromAFile: relative to the configuration, and replaced there.
func TestRefreshTokenFromAFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "refresh"), []byte("r0"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, base := serve(t, sandbox.Options{RequireAuth: true, ClientID: "c", ClientSecret: secret})
	s, cfg := settings(t), config(base)
	s.Path = func(name string) string { return filepath.Join(dir, name) }
	cfg.Auth = fhirr4.Auth{Kind: "refresh_token", ClientID: "c", RefreshTokenFile: "refresh", ClientSecretEnv: "S"}
	c, err := fhirr4.New(s, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	// The sandbox has no refresh tokens: that it says so shows that it was asked.
	if _, err := c.Find(t.Context(), "Task", "m"); !fault.Is(err, fault.Unauthorized) || !strings.Contains(err.Error(), "unsupported_grant_type") {
		t.Errorf("%v", err)
	}
}
