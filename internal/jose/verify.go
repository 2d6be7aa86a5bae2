package jose

import (
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jws"
)

// Verify returns the content of a JWS in the compact form that a key of a published JWK
// Set has signed, and the id of that key. The key is found by the header's kid, and the
// algorithm is the key's own, whatever the header says. The error is a *fault.Error and Permanent: what was signed
// is not to be believed.
func Verify(signed, set []byte) (content []byte, keyID string, err error) {
	const op = "check a signature"
	keys, err := jwk.Parse(set)
	if err != nil {
		return nil, "", failed(op, "the keys are no JWK Set", err).WithHint("take what ringback keys publish writes, or /.well-known/jwks.json shows")
	}
	var used jwk.Key
	content, err = jws.Verify(signed, jws.WithKeySet(keys, jws.WithRequireKid(true)), jws.WithKeyUsed(&used))
	if err != nil {
		return nil, "", failed(op, "no key of the set has signed this content", err).
			WithHint("it was changed, or it was signed by another installation, or the set is newer than the signature and the key was rotated out of it")
	}
	keyID, _ = used.KeyID()
	return content, keyID, nil
}
