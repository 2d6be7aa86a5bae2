package jose

import (
	"bytes"
	"encoding/base64"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jws"

	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/redact"
)

// OpenHS256 returns the payload of a compact JWS (RFC 7515 §3.1) that is signed with
// HMAC-SHA256 under one of the secrets. It is for vendors who sign their webhooks so.
//
// No other algorithm is taken, whatever the header says: the secret is not to be used
// as something else, and "none" is no signature. Each part has to be written in the one
// canonical way, so that what was changed in transit is refused to the last bit. All
// secrets are tried whatever the first ones say. The error is a *fault.Error, Permanent,
// and holds nothing of the token.
func OpenHS256(compact []byte, secrets []redact.Secret) ([]byte, error) {
	const op = "open a signed JWT"
	parts := bytes.Split(compact, []byte("."))
	if len(parts) != 3 {
		return nil, failed(op, "it is no compact JWS of three parts", nil)
	}
	// The library signs what it decoded, written anew: bits of the text that mean nothing
	// would not be missed, in the signature and in the payload alike.
	for _, part := range parts {
		content, err := base64.RawURLEncoding.DecodeString(string(part))
		if err != nil || base64.RawURLEncoding.EncodeToString(content) != string(part) {
			return nil, failed(op, "a part of it is not written in canonical base64url", nil)
		}
	}
	message, err := jws.Parse(compact, jws.WithCompact())
	if err != nil || len(message.Signatures()) != 1 {
		return nil, failed(op, "it cannot be read", nil)
	}
	if err := onlyHS256(message.Signatures()[0].ProtectedHeaders()); err != nil {
		return nil, err
	}
	var payload []byte
	for _, s := range secrets {
		if s.IsEmpty() {
			continue
		}
		if p, err := jws.Verify(compact, jws.WithKey(jwa.HS256(), []byte(s.Reveal())), jws.WithCompact()); err == nil {
			payload = p
		}
	}
	if payload == nil {
		return nil, failed(op, "its signature is not made with any of the secrets", nil)
	}
	return payload, nil
}

// onlyHS256 checks what the header asks for: "crit" would ask for what is not known here.
func onlyHS256(h jws.Headers) *fault.Error {
	const op = "open a signed JWT"
	alg, ok := h.Algorithm()
	if !ok || alg != jwa.HS256() {
		return failed(op, "it is signed with an algorithm other than HS256", nil)
	}
	if _, critical := h.Critical(); critical {
		return failed(op, "its header asks for an extension", nil)
	}
	return nil
}
