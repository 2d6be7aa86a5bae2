package rest_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/jose"
	"github.com/ringback-health/ringback/internal/redact"
	"github.com/ringback-health/ringback/internal/rest"
)

// keySet makes the keys once: RSA keys take long.
var keySet = sync.OnceValues(func() (*jose.Set, error) { return jose.Generate(start) })

func signer(t *testing.T) rest.Signer {
	t.Helper()
	s, err := keySet()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func privateKeyJWT(t *testing.T, at rest.TokenEndpoint, life time.Duration) rest.Authenticator {
	t.Helper()
	at.ClientID = "ringback"
	a, err := rest.PrivateKeyJWT(rest.PrivateKeyJWTConfig{TokenEndpoint: at, Key: signer(t), Life: life})
	return closed(t, a, err)
}

// assertion decodes the assertion of a token request, without checking its
// signature: that is tested in package jose and against the sandbox.
func assertion(t *testing.T, form url.Values) (header, claims map[string]any) {
	t.Helper()
	parts := strings.Split(form.Get("client_assertion"), ".")
	if len(parts) != 3 {
		t.Fatalf("no assertion in %v", form)
	}
	for i, into := range []*map[string]any{&header, &claims} {
		raw, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err = errors.Join(err, json.Unmarshal(raw, into)); err != nil {
			t.Fatal(err)
		}
	}
	return header, claims
}

func TestAssertion(t *testing.T) {
	for _, c := range []struct{ life, want time.Duration }{{0, time.Minute}, {5 * time.Minute, 5 * time.Minute}, {time.Second, time.Second}} {
		var form url.Values
		var basic bool
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.ParseForm()
			_, _, basic = r.BasicAuth()
			form = r.PostForm
			io.WriteString(w, `{"access_token":"t","scope":"system/Task.rs"}`)
		}))
		defer srv.Close()
		a := privateKeyJWT(t, rest.TokenEndpoint{URL: srv.URL + "/token", Scopes: []string{"system/Task.cruds", "system/Patient.rs"}, Clock: clock.NewManual(start)}, c.life)
		if got, err := apply(t.Context(), a); err != nil || got != "Bearer t" {
			t.Fatal(got, err)
		}
		header, claims := assertion(t, form)
		for name, want := range map[string]any{"iss": "ringback", "sub": "ringback", "aud": srv.URL + "/token",
			"iat": float64(start.Unix()), "exp": float64(start.Add(c.want).Unix())} {
			if claims[name] != want {
				t.Errorf("%s is %v, want %v", name, claims[name], want)
			}
		}
		if jti, _ := claims["jti"].(string); len(jti) < 20 || len(claims) != 6 {
			t.Errorf("claims %v", claims)
		}
		if header["alg"] != "RS384" || header["typ"] != "JWT" || header["kid"] == "" {
			t.Errorf("header %v", header)
		}
		form.Del("client_assertion")
		want := "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&grant_type=client_credentials&scope=system%2FTask.cruds+system%2FPatient.rs"
		if form.Encode() != want || basic {
			t.Errorf("basic %v\ngot  %s\nwant %s", basic, form.Encode(), want)
		}
	}
}

// TestEveryAttemptHasItsOwnJTI: also those after a failure, whatever its kind.
func TestEveryAttemptHasItsOwnJTI(t *testing.T) {
	seen := map[string]bool{}
	attempts := 0
	clk := clock.NewManual(start)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		_, claims := assertion(t, r.PostForm)
		jti := claims["jti"].(string)
		if seen[jti] {
			t.Errorf("attempt %d repeats a jti", attempts)
		}
		seen[jti] = true
		if claims["exp"] != float64(clk.Now().Add(time.Minute).Unix()) {
			t.Errorf("attempt %d has an old assertion: %v", attempts, claims)
		}
		attempts++
		switch attempts % 4 {
		case 0:
			io.WriteString(w, `{"access_token":"t","expires_in":1}`)
		case 1:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 2:
			panic(http.ErrAbortHandler)
		default:
			w.WriteHeader(http.StatusBadRequest)
			io.WriteString(w, `{"error":"invalid_client"}`)
		}
	}))
	defer srv.Close()
	a := privateKeyJWT(t, rest.TokenEndpoint{URL: srv.URL, Clock: clk}, 0)
	for range 12 {
		_, _ = apply(t.Context(), a)
		clk.Advance(10 * time.Second)
	}
	if attempts != 12 {
		t.Errorf("%d attempts", attempts)
	}
}

func TestARefusedAssertionSaysWhatToLookAt(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		io.WriteString(w, `{"error":"invalid_client","error_description":"canary"}`)
	}))
	defer srv.Close()
	_, err := apply(t.Context(), privateKeyJWT(t, rest.TokenEndpoint{URL: srv.URL}, 0))
	for _, want := range []string{"invalid_client", "ringback keys list", "clock of this machine"} {
		if !fault.Is(err, fault.Unauthorized) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%v", err)
		}
	}
}

// TestAKeyThatCannotBeHad is the operator's, and nothing is sent.
func TestAKeyThatCannotBeHad(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("sent") }))
	defer srv.Close()
	a, err := rest.PrivateKeyJWT(rest.PrivateKeyJWTConfig{TokenEndpoint: rest.TokenEndpoint{URL: srv.URL, ClientID: "c"},
		Key: jose.File{Path: filepath.Join(t.TempDir(), "none.json")}})
	_, err = apply(t.Context(), closed(t, a, err))
	if !fault.Is(err, fault.Unauthorized) || !strings.Contains(err.Error(), "ringback keys generate") {
		t.Errorf("%v", err)
	}
}

// smart is a server with a SMART configuration, and a token endpoint elsewhere.
type smart struct {
	base          string
	configuration atomic.Pointer[string] // nil: 404
	asked, tokens atomic.Int32
	lastForm      atomic.Pointer[url.Values]
	lastHeader    atomic.Pointer[http.Header]
	tokenURL      string
}

func newSmart(t *testing.T) *smart {
	s := &smart{}
	token := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		s.lastForm.Store(&r.PostForm)
		s.lastHeader.Store(&r.Header)
		fmt.Fprintf(w, `{"access_token":"t%d","expires_in":100}`, s.tokens.Add(1))
	}))
	t.Cleanup(token.Close)
	fhir := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/fhir/.well-known/smart-configuration" || r.Header.Get("Authorization") != "" {
			t.Errorf("asked for %s with %q", r.URL.Path, r.Header.Get("Authorization"))
		}
		s.asked.Add(1)
		c := s.configuration.Load()
		if c == nil {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		io.WriteString(w, *c)
	}))
	t.Cleanup(fhir.Close)
	s.base, s.tokenURL = fhir.URL+"/fhir/", token.URL+"/oauth2/token"
	return s
}

func (s *smart) says(configuration string) { s.configuration.Store(&configuration) }

func TestTheTokenEndpointIsDiscovered(t *testing.T) {
	s := newSmart(t)
	s.says(`{"token_endpoint":"` + s.tokenURL + `"}`)
	clk := clock.NewManual(start)
	a := privateKeyJWT(t, rest.TokenEndpoint{BaseURL: s.base, Clock: clk}, 0)
	for i := range 5 {
		if got, err := renewed(t, a); err != nil || got != fmt.Sprintf("Bearer t%d", i+1) {
			t.Fatal(got, err)
		}
		clk.Advance(100 * time.Second)
	}
	_, claims := assertion(t, *s.lastForm.Load())
	if claims["aud"] != s.tokenURL {
		t.Errorf("aud %v", claims["aud"])
	}
	if s.asked.Load() != 1 {
		t.Errorf("asked %d times", s.asked.Load())
	}
	clk.Advance(time.Hour)
	s.configuration.Store(nil) // gone, but what was known is still good
	if _, err := apply(t.Context(), a); err != nil || s.asked.Load() != 2 {
		t.Errorf("%v, asked %d times", err, s.asked.Load())
	}
	g, err := a.(rest.Granter).Granted(t.Context())
	if err != nil || g.TokenURL != s.tokenURL {
		t.Errorf("%+v %v", g, err)
	}
}

// TestAMovedTokenEndpointIsFollowed at the first failure, not an hour later.
func TestAMovedTokenEndpointIsFollowed(t *testing.T) {
	s := newSmart(t)
	gone := httptest.NewServer(http.NotFoundHandler())
	defer gone.Close()
	s.says(`{"token_endpoint":"` + gone.URL + `"}`)
	clk := clock.NewManual(start)
	a := privateKeyJWT(t, rest.TokenEndpoint{BaseURL: s.base, Clock: clk}, 0)
	if _, err := apply(t.Context(), a); !fault.Is(err, fault.Unauthorized) || !strings.Contains(err.Error(), "token_url") {
		t.Errorf("%v", err)
	}
	s.says(`{"token_endpoint":"` + s.tokenURL + `"}`)
	clk.Advance(5 * time.Second)
	if got, err := apply(t.Context(), a); err != nil || got != "Bearer t1" {
		t.Errorf("%q %v", got, err)
	}
}

func TestTheServersAlgorithmsDecide(t *testing.T) {
	for _, c := range []struct{ algorithms, want, fault string }{
		{``, "RS384", ""},
		{`["RS384","ES384"]`, "RS384", ""},
		{`["RS256","ES384"]`, "ES384", ""},
		{`["es384"]`, "ES384", ""},
		{`["RS256","PS384"]`, "", "neither RS384 nor ES384"},
		{`[]`, "", "neither RS384 nor ES384"},
	} {
		for _, configured := range []bool{false, true} {
			s := newSmart(t)
			text := `{"token_endpoint":"` + s.tokenURL + `"`
			if c.algorithms != "" {
				text += `,"token_endpoint_auth_signing_alg_values_supported":` + c.algorithms
			}
			s.says(text + "}")
			at := rest.TokenEndpoint{BaseURL: s.base}
			if configured {
				at.URL = s.tokenURL
			}
			_, err := apply(t.Context(), privateKeyJWT(t, at, 0))
			if c.fault != "" {
				if !fault.Is(err, fault.Unauthorized) || !strings.Contains(err.Error(), c.fault) || s.tokens.Load() != 0 {
					t.Errorf("%s: %v", c.algorithms, err)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if header, _ := assertion(t, *s.lastForm.Load()); header["alg"] != c.want {
				t.Errorf("%s: signed with %v", c.algorithms, header["alg"])
			}
		}
	}
	// A token_url needs no configuration beside it, and it is not looked for each time.
	s := newSmart(t)
	clk := clock.NewManual(start)
	a := privateKeyJWT(t, rest.TokenEndpoint{URL: s.tokenURL, BaseURL: s.base, Clock: clk}, 0)
	for range 5 {
		if _, err := apply(t.Context(), a); err != nil {
			t.Error(err)
		}
		clk.Advance(100 * time.Second)
	}
	if s.asked.Load() != 1 {
		t.Errorf("asked %d times", s.asked.Load())
	}
}

func TestDiscoveryFaults(t *testing.T) {
	for answer, c := range map[string]struct {
		want fault.Disposition
		says string
	}{
		"404":                                 {fault.Unauthorized, "no SMART configuration"},
		"401":                                 {fault.Unauthorized, "no SMART configuration"},
		"302":                                 {fault.Unauthorized, "no SMART configuration"},
		"503":                                 {fault.Retry, "SMART configuration: the server failed"},
		"429":                                 {fault.Throttled, "slow down"},
		"<html>canary":                        {fault.Unauthorized, "cannot be read"},
		`{}`:                                  {fault.Unauthorized, "names no usable token endpoint"},
		`{"token_endpoint":""}`:               {fault.Unauthorized, "names no usable token endpoint"},
		`{"token_endpoint":"/oauth2/token"}`:  {fault.Unauthorized, "names no usable token endpoint"},
		`{"token_endpoint":"http://a.b/tok"}`: {fault.Unauthorized, "plain http"},
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var status int
			if _, err := fmt.Sscanf(answer, "%d", &status); err == nil {
				w.Header().Set("Location", "https://canary.example.org")
				w.WriteHeader(status)
				return
			}
			io.WriteString(w, answer)
		}))
		_, err := apply(t.Context(), privateKeyJWT(t, rest.TokenEndpoint{BaseURL: srv.URL}, 0))
		if !fault.Is(err, c.want) || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", answer, err)
		}
		if c.want == fault.Unauthorized && !strings.Contains(err.Error(), "set auth.token_url") {
			t.Errorf("%s: no hint: %v", answer, err)
		}
		srv.Close()
	}
}

func TestGranted(t *testing.T) {
	for members, want := range map[string]string{
		``:                                 "[a b] false 5m0s",
		`,"scope":"a","expires_in":"60"`:   "[a] true 1m0s",
		`,"scope":"a  c"`:                  "[a c] true 5m0s",
		`,"scope":["a","c"]`:               "[a c] true 5m0s",
		`,"scope":"","expires_in":36000.5`: "[a b] false 10h0m0.5s",
		`,"scope":7`:                       "[a b] false 5m0s",
		`,"scope":null`:                    "[a b] false 5m0s",
	} {
		var n atomic.Int32
		srv := httptest.NewServer(numbered(&n, members))
		a := authenticator(t, rest.TokenEndpoint{URL: srv.URL, Scopes: []string{"a", "b"}, Clock: clock.NewManual(start)}, "")
		g, err := a.(rest.Granter).Granted(t.Context())
		if got := fmt.Sprint(g.Scopes, g.Told, g.ExpiresIn); err != nil || got != want || !g.FetchedAt.Equal(start) || g.TokenURL != srv.URL {
			t.Errorf("%s: %s %v, want %s", members, got, err, want)
		}
		if _, err := apply(t.Context(), a); err != nil || n.Load() != 1 {
			t.Errorf("asking for the grant costs a token: %d %v", n.Load(), err)
		}
		srv.Close()
		if _, err := a.(rest.Granter).Granted(t.Context()); err != nil {
			t.Error(err)
		}
	}
	a := tokens(t, nil, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	if _, err := a.(rest.Granter).Granted(t.Context()); !fault.Is(err, fault.Unauthorized) {
		t.Errorf("%v", err)
	}
}

// TestHeadersGoToTheTokenEndpointOfTheSameHost and to no other.
func TestHeadersGoToTheTokenEndpointOfTheSameHost(t *testing.T) {
	s := newSmart(t)
	key := []rest.Header{{Name: "x-api-key", Value: redact.NewSecret("k")}}
	for base, want := range map[string]string{s.base: "", s.tokenURL + "/fhir": "k"} {
		if _, err := apply(t.Context(), authenticator(t, rest.TokenEndpoint{URL: s.tokenURL, BaseURL: base, Headers: key}, "")); err != nil {
			t.Fatal(err)
		}
		if got := s.lastHeader.Load().Get("X-Api-Key"); got != want {
			t.Errorf("base %s: %q, want %q", base, got, want)
		}
	}
}

func TestPrivateKeyJWTRefusesABadConfiguration(t *testing.T) {
	at := rest.TokenEndpoint{URL: "https://ehr.example.org/token", ClientID: "c"}
	for name, cfg := range map[string]rest.PrivateKeyJWTConfig{
		"no key":       {TokenEndpoint: at},
		"no client id": {TokenEndpoint: rest.TokenEndpoint{URL: at.URL}, Key: signer(t)},
		"too long":     {TokenEndpoint: at, Key: signer(t), Life: 5*time.Minute + 1},
		"too short":    {TokenEndpoint: at, Key: signer(t), Life: time.Millisecond},
		"no endpoint":  {TokenEndpoint: rest.TokenEndpoint{ClientID: "c"}, Key: signer(t)},
	} {
		if _, err := rest.PrivateKeyJWT(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
