package sandbox_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/internal/jose"
	"github.com/ringback-health/ringback/internal/rest"
	"github.com/ringback-health/ringback/sandbox"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

func ecKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// jwks is the set of one public key.
func jwks(t *testing.T, key *ecdsa.PrivateKey, kid string) string {
	t.Helper()
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`{"keys":[{"kty":"EC","crv":"P-384","kid":%q,"x":%q,"y":%q}]}`, kid, b64(point[1:49]), b64(point[49:]))
}

// sign makes a JWT as a client may, also a wrong one.
func sign(t *testing.T, key *ecdsa.PrivateKey, header, claims map[string]any) string {
	t.Helper()
	var parts []string
	for _, part := range []map[string]any{header, claims} {
		raw, err := json.Marshal(part)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, b64(raw))
	}
	text := strings.Join(parts, ".")
	sum := sha512.Sum384([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + b64(append(r.FillBytes(make([]byte, 48)), s.FillBytes(make([]byte, 48))...))
}

// changed returns m with members replaced; nil removes one.
func changed(m map[string]any, pairs ...any) map[string]any {
	m = maps.Clone(m)
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i].(string)] = pairs[i+1]
		if pairs[i+1] == nil {
			delete(m, pairs[i].(string))
		}
	}
	return m
}

// swapped is one JWT with the claims of another.
func swapped(one, other string) string {
	a, b := strings.Split(one, "."), strings.Split(other, ".")
	return a[0] + "." + b[1] + "." + a[2]
}

// TestAssertionsThatAreRefused: each wrong in one thing only.
func TestAssertionsThatAreRefused(t *testing.T) {
	key, other := ecKey(t), ecKey(t)
	e := start(t, sandbox.Options{RequireAuth: true, ClientID: "ringback", JWKS: []byte(jwks(t, key, "k1"))})
	endpoint := e.do(http.StatusOK, "GET", "/.well-known/smart-configuration", "").doc["token_endpoint"].(string)
	now := e.clock.Now().Unix()
	header := map[string]any{"alg": "ES384", "kid": "k1", "typ": "JWT"}
	claims := map[string]any{"iss": "ringback", "sub": "ringback", "aud": endpoint, "exp": now + 60, "iat": now, "jti": "j"}
	good := sign(t, key, header, changed(claims, "jti", "used"))
	request := func(assertion string, more ...string) string {
		return form(append([]string{"grant_type", "client_credentials", "client_assertion_type", assertionType, "client_assertion", assertion}, more...)...)
	}
	e.do(http.StatusOK, "POST", endpoint, request(good), "Content-Type", formType)
	for name, c := range map[string]struct{ body, says string }{
		"replayed":         {request(good), "jti was used before"},
		"replayed jti":     {request(sign(t, key, header, changed(claims, "jti", "used", "exp", now+90))), "jti was used before"},
		"no jti":           {request(sign(t, key, header, changed(claims, "jti", nil))), "jti is missing"},
		"wrong aud":        {request(sign(t, key, header, changed(claims, "aud", e.base))), "aud must be"},
		"two aud":          {request(sign(t, key, header, changed(claims, "aud", []string{endpoint, "x"}))), "aud must be"},
		"no aud":           {request(sign(t, key, header, changed(claims, "aud", nil))), "aud must be"},
		"expired":          {request(sign(t, key, header, changed(claims, "exp", now))), "exp is missing or over"},
		"no exp":           {request(sign(t, key, header, changed(claims, "exp", nil))), "exp is missing or over"},
		"exp too far":      {request(sign(t, key, header, changed(claims, "exp", now+301))), "more than five minutes"},
		"nbf ahead":        {request(sign(t, key, header, changed(claims, "nbf", now+30))), "in the future"},
		"iat ahead":        {request(sign(t, key, header, changed(claims, "iat", now+30))), "in the future"},
		"sub is another":   {request(sign(t, key, header, changed(claims, "sub", "x"))), "both be the client id"},
		"no iss":           {request(sign(t, key, header, changed(claims, "iss", nil, "sub", nil))), "both be the client id"},
		"unknown client":   {request(sign(t, key, header, changed(claims, "iss", "x", "sub", "x"))), "client is not known"},
		"other client_id":  {request(sign(t, key, header, claims), "client_id", "x"), "another one than iss"},
		"unknown kid":      {request(sign(t, key, changed(header, "kid", "k2"), claims)), "no key with this kid"},
		"no kid":           {request(sign(t, key, changed(header, "kid", nil), claims)), "no key with this kid"},
		"alg none":         {request(sign(t, key, changed(header, "alg", "none"), claims)), "alg must be"},
		"alg of the other": {request(sign(t, key, changed(header, "alg", "RS384"), claims)), "signature is not valid"},
		"weaker alg":       {request(sign(t, key, changed(header, "alg", "ES256"), claims)), "alg must be"},
		"no typ":           {request(sign(t, key, changed(header, "typ", nil), claims)), "typ must be"},
		"another key":      {request(sign(t, other, header, claims)), "signature is not valid"},
		"changed claims":   {request(swapped(good, sign(t, key, header, changed(claims, "jti", "new")))), "signature is not valid"},
		"two parts":        {request("a.b"), "not a signed JWT"},
		"not base64":       {request("%.%.%"), "cannot be read"},
		"no type":          {form("grant_type", "client_credentials", "client_assertion", good), "client_assertion_type"},
	} {
		t.Run(name, func(t *testing.T) {
			a := e.in(t).do(http.StatusBadRequest, "POST", endpoint, c.body, "Content-Type", formType)
			said, _ := a.doc["error_description"].(string)
			if a.doc["error"] != "invalid_client" || !strings.Contains(said, c.says) || a.doc["access_token"] != nil {
				t.Errorf("got %s", a.text)
			}
		})
	}
	e.do(http.StatusOK, "POST", endpoint, request(sign(t, key, header, claims), "client_id", "ringback"), "Content-Type", formType)
	e.do(http.StatusOK, "POST", endpoint, request(sign(t, key, header, changed(claims, "jti", "l", "aud", []string{endpoint}, "exp", now+300))), "Content-Type", formType)
	// A jti is remembered as long as its assertion could be sent again.
	e.clock.Advance(59 * time.Second)
	e.do(http.StatusBadRequest, "POST", endpoint, request(good), "Content-Type", formType)
}

func TestRegisterClient(t *testing.T) {
	key := ecKey(t)
	e := start(t, sandbox.Options{RequireAuth: true})
	set := jwks(t, key, "k1")
	e.do(http.StatusNoContent, "POST", e.root+"/_sandbox/clients", `{"client_id":"c","jwks":`+set+`}`, "Content-Type", "application/json")
	for name, body := range map[string]string{
		"no id":       `{"client_id":"","jwks":` + set + `}`,
		"no keys":     `{"client_id":"c","jwks":{"keys":[]}}`,
		"no set":      `{"client_id":"c"}`,
		"unknown key": `{"client":"c","jwks":` + set + `}`,
		"no kid":      `{"client_id":"c","jwks":` + strings.Replace(set, `"k1"`, `""`, 1) + `}`,
		"private":     `{"client_id":"c","jwks":` + strings.Replace(set, `"kid"`, `"d":"AA","kid"`, 1) + `}`,
		"other curve": `{"client_id":"c","jwks":` + strings.Replace(set, `P-384`, `P-256`, 1) + `}`,
		"off curve":   `{"client_id":"c","jwks":` + strings.Replace(set, `"x":"`, `"x":"AAAA`, 1) + `}`,
		"short RSA":   `{"client_id":"c","jwks":{"keys":[{"kty":"RSA","kid":"1","n":"AQAB","e":"AQAB"}]}}`,
	} {
		t.Run(name, func(t *testing.T) {
			e.in(t).do(http.StatusBadRequest, "POST", e.root+"/_sandbox/clients", body, "Content-Type", "application/json")
		})
	}
	endpoint := e.root + "/token"
	now := e.clock.Now().Unix()
	assertion := sign(t, key, map[string]any{"alg": "ES384", "kid": "k1", "typ": "JWT"}, map[string]any{"iss": "c", "sub": "c", "aud": endpoint, "exp": now + 60, "jti": "j"})
	a := e.do(http.StatusOK, "POST", endpoint, form("grant_type", "client_credentials", "scope", "system/Task.rs", "client_assertion_type", assertionType, "client_assertion", assertion), "Content-Type", formType)
	bearer := "Bearer " + a.doc["access_token"].(string)
	e.do(http.StatusOK, "GET", "/Task", "", "Authorization", bearer)
	e.do(http.StatusForbidden, "POST", "/Task", task, "Authorization", bearer)
}

// TestTheProductsKeysAreAccepted: both algorithms, and those of the next key after a
// rotation that the server was told nothing of.
func TestTheProductsKeysAreAccepted(t *testing.T) {
	for _, alg := range []jose.Algorithm{jose.RS384, jose.ES384} {
		set, err := jose.Generate(monday, alg)
		if err != nil {
			t.Fatal(err)
		}
		public, err := set.Public(monday)
		if err != nil {
			t.Fatal(err)
		}
		e := start(t, sandbox.Options{RequireAuth: true, ClientID: "ringback", JWKS: public, SigningAlgorithms: []string{string(alg)}})
		rotated, err := set.Rotate(monday, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []*jose.Set{set, rotated} {
			a, err := rest.PrivateKeyJWT(rest.PrivateKeyJWTConfig{Key: s, TokenEndpoint: rest.TokenEndpoint{BaseURL: e.base, ClientID: "ringback",
				Scopes: []string{"system/Task.rs", "openid"}, Clock: e.clock}})
			if err != nil {
				t.Fatal(err)
			}
			req := httptest.NewRequest(http.MethodGet, "/", nil)
			if err := a.Apply(t.Context(), req); err != nil {
				t.Fatalf("%s: %v", alg, err)
			}
			e.do(http.StatusOK, "GET", "/Task", "", "Authorization", req.Header.Get("Authorization"))
			g, err := a.(rest.Granter).Granted(t.Context())
			if err != nil || !slices.Equal(g.Scopes, []string{"system/Task.rs"}) || !g.Told {
				t.Errorf("%+v %v", g, err)
			}
			a.(interface{ Close() }).Close()
		}
	}
}
