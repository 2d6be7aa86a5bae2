package jose_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/jose"
)

var start = time.Date(2026, 3, 8, 9, 0, 0, 0, time.UTC)

// both is a set with keys of both kinds. RSA keys take long to make.
var both = sync.OnceValue(func() *jose.Set {
	s, err := jose.Generate(start)
	if err != nil {
		panic(err)
	}
	return s
})

func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// published decodes a JWK Set by hand.
func published(t testing.TB, raw []byte) map[string]map[string]string {
	t.Helper()
	var set struct {
		Keys []map[string]string `json:"keys"`
	}
	if err := json.Unmarshal(raw, &set); err != nil {
		t.Fatal(err)
	}
	byID := map[string]map[string]string{}
	for _, k := range set.Keys {
		byID[k["kid"]] = k
	}
	if len(byID) != len(set.Keys) {
		t.Fatal("a kid is there twice")
	}
	return byID
}

func b64(t testing.TB, s string) []byte {
	t.Helper()
	return must[[]byte](t)(base64.RawURLEncoding.DecodeString(s))
}

// verify checks a JWT against a published key with the standard library alone and
// returns header and claims.
func verify(t testing.TB, token string, keys map[string]map[string]string) (header, claims map[string]any) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%d parts", len(parts))
	}
	if err := errors.Join(json.Unmarshal(b64(t, parts[0]), &header), json.Unmarshal(b64(t, parts[1]), &claims)); err != nil {
		t.Fatal(err)
	}
	k := keys[header["kid"].(string)]
	sum := sha512.Sum384([]byte(parts[0] + "." + parts[1]))
	sig := b64(t, parts[2])
	number := func(name string) *big.Int { return new(big.Int).SetBytes(b64(t, k[name])) }
	ok := false
	switch header["alg"] {
	case "RS384":
		public := &rsa.PublicKey{N: number("n"), E: int(number("e").Int64())}
		ok = rsa.VerifyPKCS1v15(public, crypto.SHA384, sum[:], sig) == nil && public.N.BitLen() == 3072
	case "ES384":
		point := slices.Concat([]byte{4}, b64(t, k["x"]), b64(t, k["y"]))
		public := must[*ecdsa.PublicKey](t)(ecdsa.ParseUncompressedPublicKey(elliptic.P384(), point))
		ok = len(sig) == 96 && ecdsa.Verify(public, sum[:], new(big.Int).SetBytes(sig[:48]), new(big.Int).SetBytes(sig[48:]))
	}
	if !ok || header["alg"] != k["alg"] {
		t.Fatalf("the signature is not valid: %v by %v", header, k)
	}
	return header, claims
}

func TestSignaturesAreValidForOthers(t *testing.T) {
	keys := published(t, must[[]byte](t)(both().Public(start)))
	for _, c := range []struct {
		ask  []string
		want string
	}{{nil, "RS384"}, {[]string{"ES384"}, "ES384"}, {[]string{"PS512", "ES384", "RS384"}, "ES384"}, {[]string{"RS384"}, "RS384"}} {
		token := must[string](t)(both().Sign(map[string]any{"iss": "c", "exp": 1772960460}, c.ask...))
		header, claims := verify(t, token, keys)
		if header["alg"] != c.want || header["typ"] != "JWT" || len(header) != 3 || claims["iss"] != "c" || claims["exp"] != 1772960460.0 || len(claims) != 2 {
			t.Errorf("%v: %v %v", c.ask, header, claims)
		}
	}
	if _, err := both().Sign(nil, "PS512", "HS256"); !fault.Is(err, fault.Permanent) || !strings.Contains(err.Error(), "no signing key for PS512 or HS256") {
		t.Errorf("%v", err)
	}
}

// TestThePublicSetHoldsNothingPrivate looks for every private member by name and
// for every private number by value.
func TestThePublicSetHoldsNothingPrivate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys.json")
	rotated := must[*jose.Set](t)(both().Rotate(start.Add(time.Hour), time.Hour))
	if err := rotated.Create(file); err != nil {
		t.Fatal(err)
	}
	private := published(t, must[[]byte](t)(os.ReadFile(file)))
	raw := must[[]byte](t)(rotated.Public(start.Add(time.Hour)))
	public := published(t, raw)
	if len(public) != 6 || len(private) != 6 {
		t.Fatalf("%d public of %d keys", len(public), len(private))
	}
	allowed := map[string][]string{"RSA": {"alg", "e", "kid", "kty", "n", "use"}, "EC": {"alg", "crv", "kid", "kty", "use", "x", "y"}}
	for id, k := range public {
		for name := range k {
			if !slices.Contains(allowed[k["kty"]], name) {
				t.Errorf("%s has the member %s", id, name)
			}
		}
		if len(k) != len(allowed[k["kty"]]) || k["use"] != "sig" {
			t.Errorf("%v", k)
		}
	}
	for _, k := range private {
		for _, name := range []string{"d", "p", "q", "dp", "dq", "qi"} {
			if k[name] == "" && (k["kty"] == "RSA" || name == "d") {
				t.Errorf("the file lacks %s of an %s key", name, k["kty"])
			}
			if k[name] != "" && bytes.Contains(raw, []byte(k[name])) {
				t.Errorf("%s is public", name)
			}
		}
	}
	for _, text := range []string{fmt.Sprint(rotated), fmt.Sprintf("%+v %#v", rotated, *rotated), string(must[[]byte](t)(json.Marshal(rotated))), slog.AnyValue(rotated).Resolve().String()} {
		for _, k := range private {
			if strings.Contains(text, k["d"]) {
				t.Error("the private key is printed")
			}
		}
	}
}

func TestFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "keys.json")
	keys := jose.File{Path: file, Clock: clock.NewManual(start)}
	if _, err := keys.Sign(nil); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "ringback keys generate") || !strings.Contains(err.Error(), file) {
		t.Errorf("without a file: %v", err)
	}
	if _, err := keys.Public(); !fault.Is(err, fault.Permanent) {
		t.Errorf("without a file: %v", err)
	}
	if err := both().Create(file); err != nil {
		t.Fatal(err)
	}
	info := must[fs.FileInfo](t)(os.Stat(file))
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %o", info.Mode().Perm())
	}
	loaded := must[*jose.Set](t)(jose.Load(file))
	if fmt.Sprint(loaded.List()) != fmt.Sprint(both().List()) || len(loaded.List()) != 4 {
		t.Errorf("got  %v\nwant %v", loaded.List(), both().List())
	}
	verify(t, must[string](t)(keys.Sign(nil)), published(t, must[[]byte](t)(keys.Public())))

	if err := both().Create(file); !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), "not overwritten") {
		t.Errorf("twice: %v", err)
	}
	rotated := must[*jose.Set](t)(loaded.Rotate(start.Add(time.Hour), time.Hour))
	if err := rotated.Save(file); err != nil {
		t.Fatal(err)
	}
	again := must[*jose.Set](t)(jose.Load(file))
	if fmt.Sprint(again.List()) != fmt.Sprint(rotated.List()) || len(again.List()) != 6 {
		t.Errorf("got  %v\nwant %v", again.List(), rotated.List())
	}
	if must[fs.FileInfo](t)(os.Stat(file)).Mode().Perm() != 0o600 {
		t.Error("the mode after a rotation")
	}
	if entries := must[[]os.DirEntry](t)(os.ReadDir(dir)); len(entries) != 1 {
		t.Errorf("something was left behind: %v", entries)
	}
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := jose.Load(file); err == nil || !strings.Contains(err.Error(), "chmod 600 "+file) {
		t.Errorf("readable by others: %v", err)
	}
}

func TestDamagedFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys.json")
	if err := must[*jose.Set](t)(jose.Generate(start, jose.ES384)).Create(file); err != nil {
		t.Fatal(err)
	}
	good := string(must[[]byte](t)(os.ReadFile(file)))
	for name, content := range map[string]string{
		"empty":         "",
		"not JSON":      "canary",
		"no keys":       `{"keys":[]}`,
		"half":          good[:len(good)/2],
		"two current":   strings.ReplaceAll(good, `"next"`, `"current"`),
		"none current":  strings.ReplaceAll(good, `"current"`, `"retired"`),
		"unknown state": strings.ReplaceAll(good, `"next"`, `"canary"`),
		"no times":      strings.ReplaceAll(good, "ringback_created", "created"),
		"other curve":   strings.ReplaceAll(good, "P-384", "P-256"),
		"other alg":     strings.ReplaceAll(good, "ES384", "RS384"),
		"no kid":        strings.ReplaceAll(good, `"kid"`, `"id"`),
		"public only":   strings.ReplaceAll(good, `"d"`, `"dd"`),
		"symmetric":     `{"keys":[{"kty":"oct","k":"Y2FuYXJ5","kid":"1","alg":"HS256","ringback_state":"current","ringback_created":"2026-03-08T09:00:00Z"}]}`,
	} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := jose.Load(file)
		if !fault.Is(err, fault.Permanent) || !strings.Contains(err.Error(), "restore it from your backup") || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.WriteFile(file, []byte(good), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := jose.Load(file); err != nil {
		t.Errorf("as it was: %v", err)
	}
}

// TestRotation: whatever the times, an EHR that reads the public set is never asked
// to trust a signature of a key that it could not know before.
func TestRotation(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		now := start
		s, err := jose.Generate(now, jose.ES384)
		if err != nil {
			rt.Fatal(err)
		}
		for range rapid.IntRange(1, 4).Draw(rt, "rotations") {
			before := byState(s)
			known := published(t, must[[]byte](t)(s.Public(now)))
			now = now.Add(time.Duration(rapid.IntRange(0, 100).Draw(rt, "hours")) * time.Hour)
			keep := time.Duration(rapid.IntRange(0, 100).Draw(rt, "keep")) * time.Hour
			if s, err = s.Rotate(now, keep); err != nil {
				rt.Fatal(err)
			}
			after := byState(s)
			if len(after[jose.Current]) != 1 || len(after[jose.Next]) != 1 {
				rt.Fatalf("%v", s.List())
			}
			if after[jose.Current][0].ID != before[jose.Next][0].ID || !s.NextSince().Equal(now) {
				rt.Fatalf("what was next is not current: %v", s.List())
			}
			verify(t, must[string](t)(s.Sign(map[string]any{})), known)
			was := before[jose.Current][0].ID
			if keep > 0 {
				if _, ok := published(t, must[[]byte](t)(s.Public(now.Add(keep-time.Second))))[was]; !ok {
					rt.Fatalf("the old key left too early: %v", s.List())
				}
			}
			if _, ok := published(t, must[[]byte](t)(s.Public(now.Add(keep))))[was]; ok {
				rt.Fatalf("the old key never leaves: %v", s.List())
			}
			for _, k := range after[jose.Retired] {
				if !now.Before(k.PublishedUntil) && k.ID != was {
					rt.Fatalf("a key whose time was over is still there: %v", s.List())
				}
			}
		}
	})
}

func byState(s *jose.Set) map[jose.State][]jose.Key {
	m := map[jose.State][]jose.Key{}
	for _, k := range s.List() {
		m[k.State] = append(m[k.State], k)
	}
	return m
}

func TestGenerateRefusesOtherAlgorithms(t *testing.T) {
	if _, err := jose.Generate(start, "none"); err == nil || !strings.Contains(err.Error(), "RS384 and ES384") {
		t.Errorf("%v", err)
	}
}
