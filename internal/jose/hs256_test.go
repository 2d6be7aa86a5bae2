package jose_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"hash"
	"strings"
	"testing"

	"github.com/ringback-health/ringback/internal/jose"
	"github.com/ringback-health/ringback/internal/redact"
)

// vector is a body that was signed by another implementation with the secret "dialpad-secret".
const vector = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJjYWxsX2lkIjoxLCJzdGF0ZSI6Im1pc3NlZCJ9.wG9bIAbJwHrPV6Zx6o8JoAtp6dXdkkgtIQuNhe0S7kI"

func signed(h func() hash.Hash, secret, header, payload string) []byte {
	b64 := base64.RawURLEncoding.EncodeToString
	content := b64([]byte(header)) + "." + b64([]byte(payload))
	mac := hmac.New(h, []byte(secret))
	mac.Write([]byte(content))
	return []byte(content + "." + b64(mac.Sum(nil)))
}

func secrets(list ...string) (out []redact.Secret) {
	for _, s := range list {
		out = append(out, redact.NewSecret(s))
	}
	return out
}

func TestOpenHS256(t *testing.T) {
	for _, valid := range [][]redact.Secret{secrets("dialpad-secret"), secrets("new", "dialpad-secret"), secrets("dialpad-secret", "old", "")} {
		got, err := jose.OpenHS256([]byte(vector), valid)
		if err != nil || string(got) != `{"call_id":1,"state":"missed"}` {
			t.Errorf("%q, %v", got, err)
		}
	}
	const payload = `{"call_id":1}`
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + "."
	for name, c := range map[string][]byte{
		"nothing":          nil,
		"plain JSON":       []byte(payload),
		"no algorithm":     signed(sha256.New, "s", `{"typ":"JWT"}`, payload),
		"none":             []byte(none),
		"none, signed":     signed(sha256.New, "s", `{"alg":"none"}`, payload),
		"HS512":            signed(sha512.New, "s", `{"alg":"HS512"}`, payload),
		"HS512, by HS256":  signed(sha256.New, "s", `{"alg":"HS512"}`, payload),
		"HS384, by HS512":  signed(sha512.New, "s", `{"alg":"HS384"}`, payload),
		"RS256":            signed(sha256.New, "s", `{"alg":"RS256"}`, payload),
		"lower case":       signed(sha256.New, "s", `{"alg":"hs256"}`, payload),
		"an extension":     signed(sha256.New, "s", `{"alg":"HS256","crit":["b64"],"b64":false}`, payload),
		"another secret":   signed(sha256.New, "t", `{"alg":"HS256"}`, payload),
		"no secret":        signed(sha256.New, "", `{"alg":"HS256"}`, payload),
		"a line break":     append(signed(sha256.New, "s", `{"alg":"HS256"}`, payload), '\n'),
		"JSON of a JWS":    []byte(`{"payload":"e30","signatures":[{"protected":"eyJhbGciOiJIUzI1NiJ9","signature":"AA"}]}`),
		"a detached one":   bytes.Replace(signed(sha256.New, "s", `{"alg":"HS256"}`, ""), []byte(".."), []byte("."), 1),
		"half a signature": signed(sha256.New, "s", `{"alg":"HS256"}`, payload)[:60],
	} {
		got, err := jose.OpenHS256(c, secrets("s", ""))
		if err == nil || got != nil {
			t.Errorf("%s: taken", name)
		} else if strings.Contains(err.Error(), "call_id") {
			t.Errorf("%s: the error tells the content", name)
		}
	}
	if _, err := jose.OpenHS256([]byte(vector), nil); err == nil {
		t.Error("taken without any secret")
	}
}

// TestOpenHS256EveryBit changes each bit of a token. Base64 has bits to spare at the end
// of a part, by its length: payloads of three lengths have none, two and four of them.
func TestOpenHS256EveryBit(t *testing.T) {
	for _, payload := range []string{`{"call_id":1,"state":"missed"}`, `{"call_id":1}`, `{"call_id":12}`, `{"call_id":123}`} {
		whole := signed(sha256.New, "s", `{"alg":"HS256","typ":"JWT"}`, payload)
		if got, err := jose.OpenHS256(whole, secrets("s")); err != nil || string(got) != payload {
			t.Fatalf("%s: %q, %v", payload, got, err)
		}
		for i := range len(whole) * 8 {
			b := bytes.Clone(whole)
			b[i/8] ^= 1 << (i % 8)
			if _, err := jose.OpenHS256(b, secrets("s")); err == nil {
				t.Errorf("%s: taken with bit %d changed", payload, i)
			}
		}
	}
}
