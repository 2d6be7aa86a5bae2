package sandbox

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// SMART Backend Services (SMART App Launch 2.2): what a client looks up, and how it
// proves itself with a signed assertion. The signatures are checked here with the
// standard library, so that the product's own library is not its own judge.

// signingAlgorithms are what assertions may be signed with.
var signingAlgorithms = []string{"RS384", "ES384"}

const (
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	// maxAssertionLife is how far ahead an assertion may end.
	maxAssertionLife = 5 * time.Minute
)

// smartConfiguration answers with what SMART Backend Services clients look up.
func (c *call) smartConfiguration() response {
	return reply(http.StatusOK, typeJSON, encode(struct {
		TokenEndpoint string   `json:"token_endpoint"`
		AuthMethods   []string `json:"token_endpoint_auth_methods_supported"`
		Algorithms    []string `json:"token_endpoint_auth_signing_alg_values_supported"`
		Grants        []string `json:"grant_types_supported"`
		Scopes        []string `json:"scopes_supported"`
		Capabilities  []string `json:"capabilities"`
	}{
		TokenEndpoint: c.tokenURL(c.r),
		AuthMethods:   []string{"client_secret_basic", "client_secret_post", "private_key_jwt"},
		Algorithms:    c.algorithms(),
		Grants:        []string{"client_credentials"},
		Scopes:        []string{"system/*.cruds", "system/*.read", "system/*.write"},
		Capabilities:  []string{"client-confidential-symmetric", "client-confidential-asymmetric", "permission-v1", "permission-v2"},
	}))
}

func (s *Server) tokenURL(r *http.Request) string { return s.root(r) + "/token" }

func (s *Server) algorithms() []string {
	if len(s.options.SigningAlgorithms) > 0 {
		return s.options.SigningAlgorithms
	}
	return signingAlgorithms
}

// clients are those that prove themselves with a key, and what they have proved.
type clients struct {
	mu   sync.Mutex
	keys map[string]map[string]publicKey // by client id and kid
	seen map[string]time.Time            // client id and jti: until when it counts as used
}

// publicKey is a key of a client: of one kind only.
type publicKey struct {
	rsa *rsa.PublicKey
	ec  *ecdsa.PublicKey
}

// RegisterClient makes known the keys of a client, a JWK Set (RFC 7517), in the place
// of those that it had. The error is a *Problem; private keys are refused.
func (s *Server) RegisterClient(id string, jwks []byte) error {
	keys, err := parseJWKS(jwks)
	if err != nil {
		return err
	}
	if id == "" {
		return problem(http.StatusBadRequest, "required", "a client needs an id")
	}
	s.clients.mu.Lock()
	defer s.clients.mu.Unlock()
	if s.clients.keys == nil {
		s.clients.keys, s.clients.seen = map[string]map[string]publicKey{}, map[string]time.Time{}
	}
	s.clients.keys[id] = keys
	return nil
}

// registerClient is RegisterClient over HTTP.
func (s *Server) registerClient(r *http.Request) error {
	body, err := readBody(r, typeJSON)
	if err != nil {
		return err
	}
	var in struct {
		ClientID string          `json:"client_id"`
		JWKS     json.RawMessage `json:"jwks"`
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		return problem(http.StatusBadRequest, "structure", `the body is not {"client_id": …, "jwks": {"keys": […]}}`)
	}
	return s.RegisterClient(in.ClientID, in.JWKS)
}

// jwk is the members of a key that are looked at.
type jwk struct {
	Kty, Kid, Alg, Crv, N, E, X, Y string
	D, P, Q, K                     string // private: must not be there
}

func parseJWKS(raw []byte) (map[string]publicKey, error) {
	bad := func(text string) (map[string]publicKey, error) {
		return nil, problem(http.StatusBadRequest, "invalid", "the JWK Set is refused: %s", text)
	}
	var set struct{ Keys []jwk }
	if err := json.Unmarshal(raw, &set); err != nil || len(set.Keys) == 0 {
		return bad("there are no keys in it")
	}
	keys := map[string]publicKey{}
	for _, k := range set.Keys {
		if k.D != "" || k.P != "" || k.Q != "" || k.K != "" {
			return bad("it holds a private key; make new ones, these are known to others now")
		}
		key, ok := k.public()
		if _, twice := keys[k.Kid]; k.Kid == "" || twice || !ok {
			return bad("each key needs a kid of its own and is RSA of 2048 bits or more, or EC on P-384")
		}
		keys[k.Kid] = key
	}
	return keys, nil
}

func (k jwk) public() (publicKey, bool) {
	decode := func(s string) []byte {
		b, err := base64.RawURLEncoding.DecodeString(s)
		if err != nil {
			return nil
		}
		return b
	}
	switch k.Kty {
	case "RSA":
		n, e := new(big.Int).SetBytes(decode(k.N)), new(big.Int).SetBytes(decode(k.E))
		return publicKey{rsa: &rsa.PublicKey{N: n, E: int(e.Int64())}}, n.BitLen() >= 2048 && e.IsInt64() && e.Int64() > 2
	case "EC":
		point, err := ecdsa.ParseUncompressedPublicKey(elliptic.P384(), slices.Concat([]byte{4}, decode(k.X), decode(k.Y)))
		return publicKey{ec: point}, k.Crv == "P-384" && err == nil
	default:
		return publicKey{}, false
	}
}

// verify reports whether sig is the key's signature of text with the algorithm.
func (k publicKey) verify(alg, text string, sig []byte) bool {
	sum := sha512.Sum384([]byte(text))
	switch {
	case alg == "RS384" && k.rsa != nil:
		return rsa.VerifyPKCS1v15(k.rsa, crypto.SHA384, sum[:], sig) == nil
	case alg == "ES384" && k.ec != nil && len(sig) == 96: // r and s, 48 bytes each (RFC 7518 §3.4)
		return ecdsa.Verify(k.ec, sum[:], new(big.Int).SetBytes(sig[:48]), new(big.Int).SetBytes(sig[48:]))
	default:
		return false
	}
}

// claims are those of an assertion that are looked at. Times are seconds since 1970.
type claims struct {
	Iss, Sub, Jti string
	Aud           audience
	Exp           *float64
	Iat, Nbf      float64
}

// audience is a string or a list of strings (RFC 7519 §4.1.3).
type audience []string

func (a *audience) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(a))
}

// checkAssertion returns what is wrong with the assertion of a token request; "" if
// nothing is, and then its jti is used up.
func (s *Server) checkAssertion(form url.Values, tokenURL string) string {
	if form.Get("client_assertion_type") != assertionType {
		return "client_assertion_type must be " + assertionType
	}
	parts := strings.Split(form.Get("client_assertion"), ".")
	if len(parts) != 3 {
		return "client_assertion is not a signed JWT"
	}
	var header struct{ Alg, Kid, Typ string }
	var c claims
	for i, into := range []any{&header, &c} {
		if raw, err := base64.RawURLEncoding.DecodeString(parts[i]); err != nil || json.Unmarshal(raw, into) != nil {
			return "client_assertion cannot be read"
		}
	}
	sig, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return "the signature cannot be read"
	}
	if !slices.Contains(s.algorithms(), header.Alg) {
		return "alg must be one of " + strings.Join(s.algorithms(), ", ")
	}
	if header.Typ != "JWT" {
		return "typ must be JWT"
	}
	if c.Iss == "" || c.Iss != c.Sub {
		return "iss and sub must both be the client id"
	}
	if id := form.Get("client_id"); id != "" && id != c.Iss {
		return "client_id is another one than iss"
	}
	if s.options.ClientID != "" && c.Iss != s.options.ClientID {
		return "the client is not known"
	}
	s.clients.mu.Lock()
	defer s.clients.mu.Unlock()
	key, ok := s.clients.keys[c.Iss][header.Kid]
	if !ok {
		return "the client has no key with this kid"
	}
	if !key.verify(header.Alg, parts[0]+"."+parts[1], sig) {
		return "the signature is not valid"
	}
	return s.clients.checkClaims(c, tokenURL, s.options.Clock.Now())
}

// checkClaims checks what a valid signature says. The caller holds mu.
func (k *clients) checkClaims(c claims, tokenURL string, now time.Time) string {
	at := float64(now.UnixMilli()) / 1000
	switch {
	case !slices.Equal(c.Aud, audience{tokenURL}):
		return "aud must be " + tokenURL
	case c.Exp == nil || *c.Exp <= at:
		return "exp is missing or over"
	case *c.Exp > at+maxAssertionLife.Seconds():
		return "exp is more than five minutes ahead"
	case c.Nbf > at || c.Iat > at+1:
		return "nbf or iat is in the future"
	case c.Jti == "":
		return "jti is missing"
	}
	for used, until := range k.seen {
		if !now.Before(until) {
			delete(k.seen, used)
		}
	}
	id := c.Iss + " " + c.Jti
	if _, used := k.seen[id]; used {
		return "jti was used before"
	}
	k.seen[id] = time.UnixMilli(int64(*c.Exp * 1000)).Add(time.Second)
	return ""
}
