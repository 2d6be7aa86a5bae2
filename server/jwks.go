package server

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	"net/http"
	"time"

	"github.com/ringback-health/ringback/internal/fault"
)

// jwksPath is where EHRs look for the public keys that Ringback signs with.
const jwksPath = "/.well-known/jwks.json"

// jwksCache is for how long an EHR may keep the keys without asking. A key stands
// here long before it signs and for a while after, so nothing hangs on it in a
// rotation; but a key that was taken out because somebody else has it is trusted for
// as long as this.
const jwksCache = "public, max-age=3600"

// registerJWKS shows the public keys to everybody, for whoever asks cannot know a
// token. Without keys to show there is no such page.
func (s *Server) registerJWKS(keys func() ([]byte, error)) {
	if keys == nil {
		return
	}
	s.mux.HandleFunc("GET "+jwksPath, func(w http.ResponseWriter, r *http.Request) {
		set, err := keys()
		if err != nil {
			s.log.LogAttrs(r.Context(), slog.LevelError, "the signing keys cannot be published", slog.String("error", fault.Describe(err)))
			kindInternal.say("The keys cannot be read. The log of the server says why.").write(w)
			return
		}
		sum := sha256.Sum256(set)
		h := w.Header()
		h.Set("Content-Type", "application/json") // what SMART's examples have; some clients take no other
		h.Set("Cache-Control", jwksCache)
		h.Set("Cross-Origin-Resource-Policy", "cross-origin") // it is public
		h.Set("ETag", `"`+base64.RawURLEncoding.EncodeToString(sum[:16])+`"`)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(set))
	})
}
