package rest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/ringback-health/ringback/internal/redact"
)

// Header is a header with a secret value that goes with every request, as the API
// key that some vendors ask for beside a token.
type Header struct {
	Name  string
	Value redact.Secret
}

// reserved are the headers that the client or HTTP itself sets.
var reserved = []string{
	"Accept", "Accept-Encoding", "Connection", "Content-Encoding", "Content-Length", "Content-Type", "Cookie", "Expect", "Host",
	"If-Match", "If-None-Exist", "If-None-Match", "Keep-Alive", "Prefer", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer",
	"Transfer-Encoding", "Upgrade", "User-Agent",
}

// CheckHeaderName says what is wrong with a header's name, nil if nothing is.
func CheckHeaderName(name string) error {
	token := func(r rune) bool { // RFC 9110 §5.6.2
		return r < 0x7f && (r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("!#$%&'*+-.^_`|~", r))
	}
	switch {
	case name == "" || strings.ContainsFunc(name, func(r rune) bool { return !token(r) }):
		return fmt.Errorf("%q is not the name of a header; write it as x-api-key", name)
	case slices.Contains(reserved, http.CanonicalHeaderKey(name)):
		return fmt.Errorf("the header %s is set by Ringback itself", http.CanonicalHeaderKey(name))
	default:
		return nil
	}
}

// checkHeaders says what is wrong with headers. It never quotes a value.
func checkHeaders(headers []Header) error {
	for i, h := range headers {
		if err := CheckHeaderName(h.Name); err != nil {
			return err
		}
		if h.Value.IsEmpty() || strings.ContainsFunc(h.Value.Reveal(), func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return fmt.Errorf("the value of the header %s is empty or more than one line", h.Name)
		}
		if slices.ContainsFunc(headers[:i], func(o Header) bool { return strings.EqualFold(o.Name, h.Name) }) {
			return fmt.Errorf("the header %s is given twice", h.Name)
		}
	}
	return nil
}

func setHeaders(h http.Header, headers []Header) {
	for _, one := range headers {
		h.Set(one.Name, one.Value.Reveal())
	}
}
