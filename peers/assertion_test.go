//go:build conformance

package peers_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// client is a SMART client made by hand, with the standard library alone: it can
// write assertions that Ringback would never write.
type client struct {
	id     string
	issuer string // of the token server
	rsa    *rsa.PrivateKey
	ec     *ecdsa.PrivateKey
}

// The names of the client's keys.
const (
	rsaKey = "rsa-1"
	ecKey  = "ec-1"
)

// newClient makes a client with its two keys and writes its JWK Set to a file.
func newClient(t *testing.T, id string) (c *client, jwks string) {
	t.Helper()
	c = &client{id: id}
	var err error
	if c.rsa, err = rsa.GenerateKey(rand.Reader, 2048); err == nil {
		c.ec, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	point, err := c.ec.PublicKey.Bytes() // 4, x, y
	if err != nil {
		t.Fatal(err)
	}
	content, err := json.Marshal(resource{"keys": []resource{
		{"kty": "RSA", "kid": rsaKey, "use": "sig", "n": encode(c.rsa.N.Bytes()), "e": encode(big.NewInt(int64(c.rsa.E)).Bytes())},
		{"kty": "EC", "crv": "P-384", "kid": ecKey, "use": "sig", "alg": "ES384", "x": encode(point[1:49]), "y": encode(point[49:])},
	}})
	jwks = filepath.Join(t.TempDir(), "jwks.json")
	if err == nil {
		err = os.WriteFile(jwks, content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c, jwks
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// header and claims are those of an assertion that is right in every way.
func (c *client) header(alg string) resource {
	kid := rsaKey
	if alg == "ES384" {
		kid = ecKey
	}
	return resource{"alg": alg, "kid": kid, "typ": "JWT"}
}

func (c *client) claims() resource {
	return resource{"iss": c.id, "sub": c.id, "aud": c.issuer + "/token", "jti": rand.Text(), "exp": time.Now().Add(time.Minute).Unix()}
}

// assertion signs with the algorithm that the header names.
func (c *client) assertion(t testing.TB, header, claims resource) string {
	t.Helper()
	var parts [2]string
	for i, part := range []resource{header, claims} {
		b, err := json.Marshal(part)
		if err != nil {
			t.Fatal(err)
		}
		parts[i] = encode(b)
	}
	signed := parts[0] + "." + parts[1]
	signature, err := c.sign(header["alg"], []byte(signed))
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + encode(signature)
}

func (c *client) sign(alg any, text []byte) ([]byte, error) {
	digest := sha512.Sum384(text)
	switch alg {
	case "RS384":
		return rsa.SignPKCS1v15(rand.Reader, c.rsa, crypto.SHA384, digest[:])
	case "RS512":
		digest := sha512.Sum512(text)
		return rsa.SignPKCS1v15(rand.Reader, c.rsa, crypto.SHA512, digest[:])
	case "ES384":
		r, s, err := ecdsa.Sign(rand.Reader, c.ec, digest[:])
		if err != nil {
			return nil, err
		}
		return append(r.FillBytes(make([]byte, 48)), s.FillBytes(make([]byte, 48))...), nil
	case "HS384": // with what everybody knows of the key as the secret
		mac := hmac.New(sha512.New384, c.rsa.N.Bytes())
		mac.Write(text)
		return mac.Sum(nil), nil
	case "none":
		return nil, nil
	default:
		return nil, fmt.Errorf("the client cannot sign with %v", alg)
	}
}

// post sends an assertion to the token endpoint. scope "" asks for none.
func (c *client) post(t testing.TB, assertion, scope string) (status int, answer resource) {
	t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "client_assertion": {assertion},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}}
	if scope != "" {
		form.Set("scope", scope)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.issuer+"/token", bytes.NewBufferString(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil {
		err = json.Unmarshal(body, &answer)
	}
	if err != nil {
		t.Fatalf("the token endpoint answers %d %q: %v", resp.StatusCode, body, err)
	}
	return resp.StatusCode, answer
}

// ask returns a token with a scope.
func (c *client) ask(t testing.TB, scope string) string {
	t.Helper()
	status, answer := c.post(t, c.assertion(t, c.header("RS384"), c.claims()), scope)
	token, _ := answer["access_token"].(string)
	if status != http.StatusOK || token == "" {
		t.Fatalf("a right assertion is answered with %d %v", status, answer)
	}
	return token
}

// everything is the scope that the token server grants.
const everything = "system/Task.cruds system/Appointment.cruds system/Patient.cruds system/Organization.cruds system/Practitioner.cruds"

// token makes the client one of the clinic's staff, who may do everything.
func (c *client) token(t testing.TB) string { return c.ask(t, everything) }
