package jose

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"io/fs"
	"slices"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwk"

	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/secretfile"
)

// The members that a key has in the file beside those of a private JWK.
const (
	memberState   = "ringback_state"
	memberCreated = "ringback_created"         // RFC 3339
	memberUntil   = "ringback_published_until" // RFC 3339; of retired keys
)

// minRSABits is what JWA asks for at least (RFC 7518 §3.3).
const minRSABits = 2048

// Load reads a file that Create or Save wrote. It refuses one that others than its
// owner can read. The error is a *fault.Error that says how to mend it.
func Load(file string) (*Set, error) {
	const op = "read the signing keys"
	content, err := secretfile.Read(op, file)
	var f *fault.Error
	if errors.Is(err, fs.ErrNotExist) && errors.As(err, &f) {
		return nil, f.WithHint("restore it from your backup; for the first time, make it with: ringback keys generate")
	}
	if err != nil {
		return nil, err
	}
	s, err := parse(content)
	if err != nil {
		return nil, failed(op, file+" holds no signing keys", err).WithHint("restore it from your backup")
	}
	return s, nil
}

// Create writes the set to a file that does not exist yet, readable by its owner
// only. It never overwrites: the keys there may be those that an EHR knows.
func (s *Set) Create(file string) error {
	content, err := s.encode()
	if err != nil {
		return err
	}
	return secretfile.Create("write the signing keys", file, content)
}

// Save writes the set in the place of the one in the file, all or nothing.
func (s *Set) Save(file string) error {
	content, err := s.encode()
	if err != nil {
		return err
	}
	return secretfile.Replace("write the signing keys", file, secretfile.Mode, content)
}

func (s *Set) encode() ([]byte, error) {
	private := jwk.NewSet()
	for _, k := range s.keys {
		one, err := asJWK(k.private, k.Key)
		if err != nil {
			return nil, err
		}
		own := map[string]string{memberState: string(k.State), memberCreated: k.Created.Format(time.RFC3339)}
		if k.State == Retired {
			own[memberUntil] = k.PublishedUntil.UTC().Format(time.RFC3339)
		}
		for name, value := range own {
			if err := one.Set(name, value); err != nil {
				return nil, failed("encode a signing key", "a member cannot be set", err)
			}
		}
		if err := private.AddKey(one); err != nil {
			return nil, failed("encode a signing key", "the key cannot be used", err)
		}
	}
	content, err := json.MarshalIndent(private, "", "  ")
	return append(content, '\n'), err
}

// parse reads the content of a file. A set that could not sign, or would sign with a
// key that nobody was told, is an error.
func parse(content []byte) (*Set, error) {
	parsed, err := jwk.Parse(content)
	if err != nil {
		return nil, err
	}
	s := &Set{}
	for i := range parsed.Len() {
		one, _ := parsed.Key(i)
		k, err := parseKey(one)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(s.keys, func(o key) bool {
			return o.ID == k.ID || k.State != Retired && o.State == k.State && o.Algorithm == k.Algorithm
		}) {
			return nil, errors.New("two keys are the same, or two are current or next for one algorithm")
		}
		s.keys = append(s.keys, k)
	}
	if len(s.Algorithms()) == 0 {
		return nil, errors.New("no key is current")
	}
	return s, nil
}

func parseKey(one jwk.Key) (k key, err error) {
	text := func(name string) (v string) { _ = one.Get(name, &v); return v }
	instant := func(name string) (t time.Time) {
		t, e := time.Parse(time.RFC3339, text(name))
		err = errors.Join(err, e)
		return t
	}
	k.ID, _ = one.KeyID()
	k.State, k.Created = State(text(memberState)), instant(memberCreated)
	if k.State == Retired {
		k.PublishedUntil = instant(memberUntil)
	}
	if err != nil || k.ID == "" || !slices.Contains([]State{Current, Next, Retired}, k.State) {
		return key{}, errors.New("a key without an id, a state or its times")
	}
	var rsaKey rsa.PrivateKey
	var ecKey ecdsa.PrivateKey
	switch {
	case jwk.Export(one, &rsaKey) == nil && rsaKey.N.BitLen() >= minRSABits && rsaKey.Validate() == nil:
		k.private, k.Algorithm = &rsaKey, RS384
	case jwk.Export(one, &ecKey) == nil && ecKey.Curve == elliptic.P384():
		k.private, k.Algorithm = &ecKey, ES384
	default:
		return key{}, errors.New("a key that is neither RSA of 2048 bits or more nor EC on P-384")
	}
	if alg, ok := one.Algorithm(); !ok || alg.String() != string(k.Algorithm) {
		return key{}, errors.New("a key for another algorithm")
	}
	return k, nil
}

// File is the signing keys in a file, read anew for each use: after a rotation the
// running daemon signs with, and publishes, the new keys.
type File struct {
	Path  string
	Clock clock.Clock // nil: the system clock
}

// Sign is Set.Sign with the keys of the file.
func (f File) Sign(claims map[string]any, algorithms ...string) (string, error) {
	s, err := Load(f.Path)
	if err != nil {
		return "", err
	}
	return s.Sign(claims, algorithms...)
}

// Public is Set.Public, of now, with the keys of the file.
func (f File) Public() ([]byte, error) {
	s, err := Load(f.Path)
	if err != nil {
		return nil, err
	}
	if f.Clock == nil {
		f.Clock = clock.System{}
	}
	return s.Public(f.Clock.Now())
}
