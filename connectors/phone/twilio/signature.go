package twilio

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/ringback-health/ringback/connectors/phone"
)

// The headers of a signature. The second names the algorithm where webhooks are signed
// with a shared key instead of the auth token.
const (
	signatureHeader = "X-Twilio-Signature"
	settingsHeader  = "X-Twilio-Webhooks-Signature-Settings"
	bodyHash        = "bodySHA256"
)

// signed checks the signature as Twilio's own library does (validateRequest and
// validateRequestWithBody of twilio-node 6.3): base64 of the HMAC of the URL and all
// parameters, sorted by their names, or of the URL alone where that holds the hash of
// the body. The error is a *phone.Refused.
func (s *System) signed(r phone.Request) error {
	algorithm := algorithmOf(r.Header.Values(settingsHeader))
	if algorithm == nil {
		return phone.Refuse("signed with an algorithm that is neither HMAC_SHA1 nor HMAC_SHA256")
	}
	sent := r.Header.Values(signatureHeader)
	if len(sent) != 1 {
		return phone.Refuse("the header " + signatureHeader + " is missing or there twice")
	}
	mac, err := base64.StdEncoding.Strict().DecodeString(sent[0])
	if err != nil || base64.StdEncoding.EncodeToString(mac) != sent[0] {
		return phone.Refuse("the header " + signatureHeader + " holds no signature")
	}
	// The library looks for the name anywhere in the URL.
	withHash := strings.Contains(r.URL, bodyHash)
	params := ""
	if !withHash {
		form, err := url.ParseQuery(string(r.Body))
		if err != nil {
			return &phone.Refused{Status: http.StatusUnsupportedMediaType, Reason: "the body is not a form, and the address has no " + bodyHash}
		}
		params = sorted(form)
	}
	ok := false
	for _, address := range addresses(r.URL) {
		ok = phone.SignedWith(s.settings.Secrets, algorithm, mac, []byte(address), []byte(params)) || ok
	}
	switch {
	case !ok:
		return phone.Refuse("the signature is of another token, address or content; check the auth token and that public_url is what Twilio calls")
	case withHash && !hashes(r.URL, r.Body):
		return phone.Refuse("the body is not the one whose hash stands in the address")
	default:
		return nil
	}
}

// algorithmOf reads "key=...,algorithm=HMAC_SHA256"; nil for one that is not known.
func algorithmOf(settings []string) func() hash.Hash {
	name := ""
	for _, part := range strings.Split(strings.Join(settings, ","), ",") {
		if k, v, ok := strings.Cut(part, "="); ok && strings.TrimSpace(k) == "algorithm" && name == "" {
			name = strings.TrimSpace(v)
		}
	}
	switch strings.ToUpper(name) {
	case "", "HMAC_SHA1":
		return sha1.New
	case "HMAC_SHA256":
		return sha256.New
	default:
		return nil
	}
}

// sorted writes the parameters as they are signed: each name with its value, by name.
// The values of a name that occurs more than once are each written once, by value.
func sorted(form url.Values) string {
	names := make([]string, 0, len(form))
	for name := range form {
		names = append(names, name)
	}
	slices.SortFunc(names, asJavaScript)
	var b strings.Builder
	for _, name := range names {
		values := slices.Clone(form[name])
		slices.SortFunc(values, asJavaScript)
		for _, v := range slices.Compact(values) {
			b.WriteString(name)
			b.WriteString(v)
		}
	}
	return b.String()
}

// asJavaScript compares texts as JavaScript sorts them, by UTF-16 units.
func asJavaScript(a, b string) int {
	return slices.Compare(utf16.Encode([]rune(a)), utf16.Encode([]rune(b)))
}

// addresses are the forms of the URL that may have been signed: without a port, and
// with the one that it has, or else with that of its scheme. Twilio signs now the one,
// now the other.
func addresses(raw string) []string {
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return []string{raw}
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	authority, tail := rest[:end], rest[end:]
	user := authority[:strings.LastIndexByte(authority, '@')+1]
	host, port := authority[len(user):], ""
	// A colon begins the port only behind the bracket of an IPv6 address.
	if i := strings.IndexByte(host[strings.LastIndexByte(host, ']')+1:], ':'); i >= 0 {
		i += strings.LastIndexByte(host, ']') + 1
		host, port = host[:i], host[i:]
	}
	if port == "" {
		port = ":80"
		if strings.EqualFold(scheme, "https") {
			port = ":443"
		}
	}
	return []string{scheme + "://" + user + host + tail, scheme + "://" + user + host + port + tail}
}

// hashes reports whether the URL holds the SHA-256 of the body, in hexadecimal digits.
func hashes(raw string, body []byte) bool {
	u, err := url.Parse(raw)
	if err != nil {
		return false
	}
	sum := sha256.Sum256(body)
	return hmac.Equal([]byte(hex.EncodeToString(sum[:])), []byte(u.Query().Get(bodyHash)))
}
