package phone

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"

	"github.com/ringback-health/ringback/internal/redact"
)

// SignedWith reports whether mac is the HMAC of content under one of the secrets. All of
// them are tried whatever the first ones say, and compared in constant time.
func SignedWith(secrets []redact.Secret, h func() hash.Hash, mac []byte, content ...[]byte) bool {
	ok := false
	for _, s := range secrets {
		m := hmac.New(h, []byte(s.Reveal()))
		for _, c := range content {
			m.Write(c)
		}
		if hmac.Equal(m.Sum(nil), mac) && len(mac) > 0 {
			ok = true
		}
	}
	return ok
}

// SameSecret reports, in constant time, whether what was sent is one of the secrets. It
// is for vendors that send a token and sign nothing.
func SameSecret(secrets []redact.Secret, sent string) bool {
	digest := sha256.Sum256([]byte(sent))
	ok := false
	for _, s := range secrets {
		want := sha256.Sum256([]byte(s.Reveal()))
		if hmac.Equal(want[:], digest[:]) && sent != "" {
			ok = true
		}
	}
	return ok
}

// KeyOf names an event by its content, for vendors whose events have no id.
func KeyOf(content ...[]byte) string {
	h := sha256.New()
	for _, c := range content {
		h.Write(c)
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
