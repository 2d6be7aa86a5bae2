package quo

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/ringback-health/ringback/connectors/phone"
)

// The headers of both kinds of signatures.
const (
	idHeader        = "Webhook-Id"
	timeHeader      = "Webhook-Timestamp"
	signatureHeader = "Webhook-Signature"
	legacyHeader    = "Openphone-Signature"
)

// signed checks the signature, of the newer kind where any of its headers is there. The
// error is a *phone.Refused.
func (s *System) signed(r phone.Request) error {
	if len(r.Header.Values(idHeader))+len(r.Header.Values(timeHeader))+len(r.Header.Values(signatureHeader)) > 0 {
		return s.standard(r)
	}
	return s.legacy(r)
}

// standard checks base64(HMAC-SHA256("id.timestamp.body")), of which the header may hold
// several, each behind its version: "v1,... v1,...".
func (s *System) standard(r phone.Request) error {
	id, at, signature := only(r.Header, idHeader), only(r.Header, timeHeader), only(r.Header, signatureHeader)
	if id == "" || at == "" || signature == "" {
		return phone.Refuse("one of the headers webhook-id, webhook-timestamp and webhook-signature is missing or there twice")
	}
	var sent []string
	for _, entry := range strings.Split(signature, " ") {
		if version, mac, ok := strings.Cut(entry, ","); ok && version == "v1" {
			sent = append(sent, mac)
		}
	}
	switch {
	case !s.matches(sent, id+"."+at+".", r.Body):
		return phone.Refuse("the signature is of another key or content; check the webhook's signing key")
	case !s.settings.Fresh(phone.Scalar(at).Seconds(), r.At):
		return phone.Refuse("signed too long ago, or ahead of our clock")
	default:
		return nil
	}
}

// legacy checks "hmac;1;timestamp;base64(HMAC-SHA256("timestamp.body"))". Quo reserves
// the comma for several signatures.
func (s *System) legacy(r phone.Request) error {
	header := only(r.Header, legacyHeader)
	if header == "" {
		return phone.Refuse("there is no signature: neither webhook-signature nor openphone-signature")
	}
	var sent []string
	at := ""
	for _, one := range strings.Split(header, ",") {
		if fields := strings.Split(one, ";"); len(fields) == 4 && fields[0] == "hmac" && fields[1] == "1" && (at == "" || at == fields[2]) {
			at = fields[2]
			sent = append(sent, fields[3])
		}
	}
	switch {
	case !s.matches(sent, at+".", r.Body):
		return phone.Refuse("the signature is of another key or content; check the webhook's signing key")
	case !s.settings.Fresh(phone.Scalar(at).Milliseconds(), r.At):
		return phone.Refuse("signed too long ago, or ahead of our clock")
	default:
		return nil
	}
}

// matches reports whether one of the signatures is right.
func (s *System) matches(sent []string, before string, body []byte) bool {
	ok := false
	for _, text := range sent {
		mac, err := base64.StdEncoding.Strict().DecodeString(text)
		if err != nil || base64.StdEncoding.EncodeToString(mac) != text {
			continue
		}
		ok = phone.SignedWith(s.keys, sha256.New, mac, []byte(before), body) || ok
	}
	return ok
}

// only is the value of a header that is there once, and "" otherwise.
func only(h http.Header, name string) string {
	if v := h.Values(name); len(v) == 1 {
		return v[0]
	}
	return ""
}
