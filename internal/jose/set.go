package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jws"

	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/redact"
)

// Algorithm is how a key signs, by its name in JWA (RFC 7518 §3.1).
type Algorithm string

// The algorithms of SMART Backend Services. A server validates at least one of
// them, so a client needs a key for each.
const (
	RS384 Algorithm = "RS384" // RSASSA-PKCS1-v1_5 with SHA-384
	ES384 Algorithm = "ES384" // ECDSA on P-384 with SHA-384
)

// Algorithms are all of them, the one that more EHRs take first.
var Algorithms = []Algorithm{RS384, ES384}

// rsaBits is the size of new RSA keys: 128 bits of strength, which NIST SP 800-57
// (part 1, table 2) allows beyond 2030, where the 2048 bits that JWA asks for at
// least have 112. A larger one would cost every token more and gain nothing.
const rsaBits = 3072

// State says what a key is for now.
type State string

// The states of a key, in the order of its life.
const (
	Next    State = "next"    // published, so that every EHR knows it before it is used
	Current State = "current" // signs
	Retired State = "retired" // signs no more; published for a while yet
)

// Key is what may be told about a key.
type Key struct {
	ID        string    `json:"kid"` // RFC 7638 thumbprint, SHA-256
	Algorithm Algorithm `json:"alg"`
	State     State     `json:"state"`
	Created   time.Time `json:"created"`
	// PublishedUntil is when a retired key leaves the public set; zero for others.
	PublishedUntil time.Time `json:"published_until,omitzero"`
}

// published reports whether the key stands in the public set at a time.
func (k Key) published(at time.Time) bool { return k.State != Retired || at.Before(k.PublishedUntil) }

// key is a Key with the key itself.
type key struct {
	Key
	private crypto.Signer
}

// Set is a set of signing keys: for each algorithm one that is current, one that is
// next, and those that are retired. It does not change; Rotate makes another.
type Set struct{ keys []key }

// Generate makes a set with fresh keys for the algorithms, by default for all.
func Generate(now time.Time, algorithms ...Algorithm) (*Set, error) {
	if len(algorithms) == 0 {
		algorithms = Algorithms
	}
	s := &Set{}
	for _, a := range algorithms {
		for _, state := range []State{Current, Next} {
			k, err := newKey(a, state, now)
			if err != nil {
				return nil, err
			}
			s.keys = append(s.keys, k)
		}
	}
	return s, nil
}

// Rotate returns the set in which the next keys are current. The keys that were
// current are retired and stay published for keep; new keys are next. Retired keys
// whose time is over are gone.
//
// Whoever calls it has to make sure that the EHRs have seen the next keys: see
// NextSince.
func (s *Set) Rotate(now time.Time, keep time.Duration) (*Set, error) {
	rotated := &Set{}
	for _, k := range s.keys {
		switch k.State {
		case Next:
			k.State = Current
			fresh, err := newKey(k.Algorithm, Next, now)
			if err != nil {
				return nil, err
			}
			rotated.keys = append(rotated.keys, k, fresh)
		case Current:
			k.State, k.PublishedUntil = Retired, now.Add(keep).UTC().Truncate(time.Second)
			fallthrough
		default:
			if k.published(now) {
				rotated.keys = append(rotated.keys, k)
			}
		}
	}
	return rotated, nil
}

// List tells all keys, by algorithm and within one by state: current, next, retired.
func (s *Set) List() []Key {
	list := make([]Key, 0, len(s.keys))
	for _, k := range s.keys {
		list = append(list, k.Key)
	}
	rank := []State{Current, Next, Retired}
	slices.SortStableFunc(list, func(a, b Key) int {
		if d := slices.Index(Algorithms, a.Algorithm) - slices.Index(Algorithms, b.Algorithm); d != 0 {
			return d
		}
		if d := slices.Index(rank, a.State) - slices.Index(rank, b.State); d != 0 {
			return d
		}
		return b.Created.Compare(a.Created)
	})
	return list
}

// NextSince returns since when the youngest of the next keys has been there.
func (s *Set) NextSince() time.Time {
	var youngest time.Time
	for _, k := range s.keys {
		if k.State == Next && k.Created.After(youngest) {
			youngest = k.Created
		}
	}
	return youngest
}

// Algorithms returns what the set can sign with.
func (s *Set) Algorithms() []Algorithm {
	var list []Algorithm
	for _, a := range Algorithms {
		if slices.ContainsFunc(s.keys, func(k key) bool { return k.Algorithm == a && k.State == Current }) {
			list = append(list, a)
		}
	}
	return list
}

// Public returns the JWK Set to publish at a time, as JSON: the public parts of the
// current, the next, and the retired keys whose time is not over.
func (s *Set) Public(at time.Time) ([]byte, error) {
	public := struct {
		Keys []json.RawMessage `json:"keys"`
	}{Keys: []json.RawMessage{}}
	for _, k := range s.keys {
		if !k.published(at) {
			continue
		}
		// Made from the public key alone, so that nothing else can come along.
		one, err := asJWK(k.private.Public(), k.Key)
		if err != nil {
			return nil, err
		}
		raw, err := json.Marshal(one)
		if err != nil {
			return nil, failed("publish the signing keys", "a key cannot be encoded", err)
		}
		public.Keys = append(public.Keys, raw)
	}
	content, err := json.MarshalIndent(public, "", "  ")
	return append(content, '\n'), err
}

// Sign returns claims as a JWT in the compact form, signed with the current key of
// the first of the algorithms that the set has a key for; without algorithms, of
// the first of Algorithms. The header holds alg, kid and typ. The error is a
// *fault.Error and Permanent when there is no such key.
func (s *Set) Sign(claims map[string]any, algorithms ...string) (string, error) {
	const op = "sign a JWT"
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", failed(op, "the claims cannot be encoded", err)
	}
	k, err := s.current(op, algorithms)
	if err != nil {
		return "", err
	}
	header := jws.NewHeaders()
	if err := header.Set(jws.TypeKey, "JWT"); err != nil {
		return "", failed(op, "the header cannot be made", err)
	}
	if err := header.Set(jws.KeyIDKey, k.ID); err != nil {
		return "", failed(op, "the header cannot be made", err)
	}
	alg, _ := jwa.LookupSignatureAlgorithm(string(k.Algorithm))
	signed, err := jws.Sign(payload, jws.WithKey(alg, k.private, jws.WithProtectedHeaders(header)))
	if err != nil {
		return "", failed(op, "the signature failed", err)
	}
	return string(signed), nil
}

func (s *Set) current(op string, algorithms []string) (key, error) {
	if len(algorithms) == 0 {
		for _, a := range s.Algorithms() {
			algorithms = append(algorithms, string(a))
		}
	}
	for _, a := range algorithms {
		for _, k := range s.keys {
			if k.State == Current && string(k.Algorithm) == a {
				return k, nil
			}
		}
	}
	return key{}, failed(op, fmt.Sprintf("there is no signing key for %s", strings.Join(algorithms, " or ")), nil).
		WithHint("the keys here are for " + join(s.Algorithms()) + "; make a set with keys for both: ringback keys generate")
}

func newKey(a Algorithm, state State, now time.Time) (key, error) {
	const op = "make a signing key"
	var private crypto.Signer
	var err error
	switch a {
	case RS384:
		private, err = rsa.GenerateKey(rand.Reader, rsaBits)
	case ES384:
		private, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	default:
		return key{}, failed(op, fmt.Sprintf("%q is none of the algorithms %s", a, join(Algorithms)), nil)
	}
	if err != nil {
		return key{}, failed(op, "the key generator failed", err)
	}
	id, err := thumbprint(private)
	return key{Key{ID: id, Algorithm: a, State: state, Created: now.UTC().Truncate(time.Second)}, private}, err
}

// thumbprint is the name of a key that follows from the key itself (RFC 7638).
func thumbprint(private crypto.Signer) (string, error) {
	const op = "name a signing key"
	public, err := jwk.Import(private.Public())
	if err != nil {
		return "", failed(op, "the key cannot be used", err)
	}
	sum, err := public.Thumbprint(crypto.SHA256)
	if err != nil {
		return "", failed(op, "the key cannot be used", err)
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}

// asJWK returns a raw key, public or private, as a JWK with what verifiers look at.
func asJWK(raw any, k Key) (jwk.Key, error) {
	const op = "encode a signing key"
	one, err := jwk.Import(raw)
	if err != nil {
		return nil, failed(op, "the key cannot be used", err)
	}
	for name, value := range map[string]any{jwk.KeyIDKey: k.ID, jwk.AlgorithmKey: string(k.Algorithm), jwk.KeyUsageKey: "sig"} {
		if err := one.Set(name, value); err != nil {
			return nil, failed(op, "the key cannot be used", err)
		}
	}
	return one, nil
}

func join(algorithms []Algorithm) string {
	var names []string
	for _, a := range algorithms {
		names = append(names, string(a))
	}
	return strings.Join(names, " and ")
}

func failed(op, what string, cause error) *fault.Error {
	return fault.New(fault.Permanent, op, what).Because(cause)
}

// Format writes the mark of redacted values whatever the verb.
func (s *Set) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redact.Mark) }

// LogValue gives slog the mark.
func (s *Set) LogValue() slog.Value { return slog.StringValue(redact.Mark) }

// MarshalJSON gives encoders the mark; Save is the way to write keys.
func (s *Set) MarshalJSON() ([]byte, error) { return json.Marshal(redact.Mark) }
