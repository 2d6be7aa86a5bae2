package rest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/redact"
)

// The ways to send a client secret to a token endpoint (RFC 6749 §2.3.1).
const (
	StyleBasic = "basic" // in the Authorization header
	StyleForm  = "form"  // in the form, as client_id and client_secret
)

// credential proves to a token endpoint who the client is. It is asked anew for
// every token request, because a signed proof may be used once only.
type credential interface {
	prove(p proof) error
	// hint says what to look at when the proof was refused.
	hint() string
}

// proof is a token request that is to be proved.
type proof struct {
	form       url.Values
	header     http.Header
	tokenURL   string
	algorithms []string // that the server says it verifies; nil: it does not say
	now        time.Time
}

// publicCredential only says who the client is.
type publicCredential struct{ id string }

func (c publicCredential) prove(p proof) error { p.form.Set("client_id", c.id); return nil }

func (c publicCredential) hint() string { return "check the client id" }

const secretHint = "check the client id, the secret, the scopes, and whether the client is active in the EHR"

// basicCredential sends the secret in the Authorization header, both parts
// form-encoded first (RFC 6749 §2.3.1).
type basicCredential struct {
	id     string
	secret redact.Secret
}

func (c basicCredential) prove(p proof) error {
	req := http.Request{Header: p.header}
	req.SetBasicAuth(url.QueryEscape(c.id), url.QueryEscape(c.secret.Reveal()))
	return nil
}

func (c basicCredential) hint() string { return secretHint }

// formCredential sends the secret in the form.
type formCredential struct {
	id     string
	secret redact.Secret
}

func (c formCredential) prove(p proof) error {
	p.form.Set("client_id", c.id)
	p.form.Set("client_secret", c.secret.Reveal())
	return nil
}

func (c formCredential) hint() string { return secretHint }

func newSecretCredential(id string, secret redact.Secret, style string) (credential, error) {
	if id == "" || secret.IsEmpty() {
		return nil, errors.New("the OAuth client needs a client id and a secret")
	}
	switch style {
	case "", StyleBasic:
		return basicCredential{id, secret}, nil
	case StyleForm:
		return formCredential{id, secret}, nil
	default:
		return nil, errors.New(`the style of an OAuth client is "basic" or "form"`)
	}
}

// Signer signs the claims of an assertion. jose.File is one.
type Signer interface {
	// Sign returns the claims as a JWT with alg, kid and typ in its header, signed
	// with the first of the algorithms that there is a key for; without algorithms
	// it chooses. Its error is a *fault.Error.
	Sign(claims map[string]any, algorithms ...string) (string, error)
}

const (
	// assertionLife is short, since an assertion is sent the moment it is made, and
	// some servers take no longer ones.
	assertionLife = 60 * time.Second
	// maxAssertionLife is what SMART Backend Services allows.
	maxAssertionLife = 5 * time.Minute
	assertionType    = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
)

// assertionCredential sends a JWT signed for this one request (RFC 7523 §3, SMART
// Backend Services). No nbf: a server whose clock is a second behind would refuse it.
type assertionCredential struct {
	id   string
	key  Signer
	life time.Duration
}

func newAssertionCredential(id string, key Signer, life time.Duration) (credential, error) {
	if id == "" || key == nil {
		return nil, errors.New("the OAuth client needs a client id and a signing key")
	}
	if life == 0 {
		life = assertionLife
	}
	if life < time.Second || life > maxAssertionLife {
		return nil, fmt.Errorf("the life of an assertion is from 1s to %s", maxAssertionLife)
	}
	return assertionCredential{id, key, life}, nil
}

func (c assertionCredential) prove(p proof) error {
	algorithms := verifiable(p.algorithms)
	if p.algorithms != nil && len(algorithms) == 0 {
		return fault.New(fault.Permanent, fetchToken, "the server verifies neither RS384 nor ES384").
			WithHint("its SMART configuration lists the algorithms; ask the EHR's vendor, or use a client secret")
	}
	signed, err := c.key.Sign(map[string]any{
		"iss": c.id, "sub": c.id, "aud": p.tokenURL, "jti": rand.Text(),
		"iat": p.now.Unix(), "exp": p.now.Add(c.life).Unix(),
	}, algorithms...)
	if err != nil {
		return err
	}
	p.form.Set("client_assertion_type", assertionType)
	p.form.Set("client_assertion", signed)
	return nil
}

func (c assertionCredential) hint() string {
	return "check the client id, the scopes, whether the client is active in the EHR and the EHR has the keys that `ringback keys list` shows, " +
		"and the clock of this machine"
}

// verifiable returns those of the server's algorithms that SMART Backend Services
// uses. RS384 comes first: it is the one that every server with a choice has.
func verifiable(algorithms []string) []string {
	var usable []string
	for _, a := range []string{"RS384", "ES384"} {
		if slices.ContainsFunc(algorithms, func(b string) bool { return strings.EqualFold(a, b) }) {
			usable = append(usable, a)
		}
	}
	return usable
}
