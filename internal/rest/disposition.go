package rest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/go-resty/resty/v2"

	"github.com/ringback-health/ringback/internal/fault"
)

// throttledDefault is how long to wait when a server says "too many requests"
// and does not say for how long.
const throttledDefault = 30 * time.Second

// exchange is what is known about one request after it ended.
type exchange struct {
	write  bool
	sent   bool          // a connection was there, so the server may have seen the request
	status int           // 0: no answer
	after  time.Duration // of Retry-After; negative: none
	err    error         // of the transport or of reading the body
}

// disposition is the one place that judges an exchange. It returns nil when
// the answer is 2xx and was read in full.
//
// The rule behind the table: a refusal (3xx, 4xx) means that nothing was done.
// A failure (5xx, no answer, half an answer) means for a read that it can be
// repeated and for a write that nobody knows.
func disposition(x exchange) *fault.Error {
	if x.status == 0 {
		return noAnswer(x)
	}
	f := judge(x)
	if f == nil {
		return nil
	}
	return f.WithStatus(x.status)
}

func judge(x exchange) *fault.Error {
	lost := fault.Retry
	if x.write {
		lost = fault.Ambiguous
	}
	switch s := x.status; {
	case s >= 200 && s < 300:
		return halfAnswer(x, lost)
	case s >= 500:
		return serverError(x, lost)
	case s >= 300 && s < 400:
		return fault.New(fault.Retry, "", "the server redirects to another address").
			WithHint("set base_url to the final address; redirects are not followed, so that credentials stay with this host")
	case s == http.StatusUnauthorized:
		return fault.New(fault.Unauthorized, "", "the credentials were refused").
			WithHint("check the client id, the secret or key, and whether the client is active in the EHR")
	case s == http.StatusForbidden:
		return fault.New(fault.Unauthorized, "", "the client may not do this").
			WithHint("grant the client the scope or permission for this operation in the EHR")
	case s == http.StatusNotFound || s == http.StatusGone:
		return fault.New(fault.NotFound, "", "it is not there")
	case s == http.StatusConflict || s == http.StatusPreconditionFailed:
		return fault.New(fault.Conflict, "", "it changed in the meantime, or more than one matches")
	case s == http.StatusTooManyRequests:
		return fault.New(fault.Throttled, "", "the server asks to slow down").WithAfter(throttle(x.after))
	case s == http.StatusRequestTimeout:
		// A proxy may have passed the request on before it gave up.
		return fault.New(lost, "", "the server gave up waiting for the request").WithAfter(max(x.after, 0))
	case s == http.StatusTooEarly:
		return fault.New(fault.Retry, "", "the server refused the request as too early").WithAfter(max(x.after, 0))
	default:
		return fault.New(fault.Permanent, "", "the server refused the request").
			WithHint("the same request will be refused again; compare it with what this EHR accepts")
	}
}

func serverError(x exchange, lost fault.Disposition) *fault.Error {
	if x.status == http.StatusServiceUnavailable && x.after >= 0 {
		if !x.write {
			lost = fault.Throttled
		}
		return fault.New(lost, "", "the server is unavailable and says when to come back").WithAfter(throttle(x.after))
	}
	return fault.New(lost, "", "the server failed").WithAfter(max(x.after, 0))
}

// halfAnswer judges a 2xx answer whose body may not have been read in full.
func halfAnswer(x exchange, lost fault.Disposition) *fault.Error {
	switch {
	case x.err == nil:
		return nil
	case errors.Is(x.err, resty.ErrResponseBodyTooLarge) && !x.write:
		return fault.New(fault.Permanent, "", "the answer is larger than the limit").Because(x.err).
			WithHint("ask for smaller pages, or raise the response limit")
	case errors.Is(x.err, resty.ErrResponseBodyTooLarge):
		return fault.New(lost, "", "the answer is larger than the limit").Because(x.err)
	default:
		return fault.New(lost, "", "the connection broke before the answer was complete").Because(x.err)
	}
}

// noAnswer judges an exchange without any answer.
func noAnswer(x exchange) *fault.Error {
	d := fault.Retry
	if x.write && x.sent {
		d = fault.Ambiguous
	}
	what, hint := "the connection broke before an answer came", ""
	var dns *net.DNSError
	var timeout net.Error
	switch err := x.err; {
	case !x.sent && isTLS(err):
		d, what = fault.Retry, "no trusted TLS connection"
		hint = "check the host name and port in base_url and the certificate of the server; a private authority must be known to this machine"
	case errors.Is(err, context.Canceled):
		what = "stopped before an answer came"
	case !x.sent && errors.As(err, &dns):
		what, hint = "the host name could not be resolved", "check base_url and the name server of this machine"
	case !x.sent && errors.As(err, &timeout) && timeout.Timeout():
		what, hint = "no connection in time", "check base_url, the firewall and the proxy"
	case !x.sent:
		what, hint = "no connection", "check base_url, the firewall and the proxy, and whether the server is up"
	case errors.As(err, &timeout) && timeout.Timeout():
		what = "no answer in time"
	}
	return fault.New(d, "", what).WithHint(hint).Because(x.err)
}

// isTLS reports whether err means that no trusted TLS connection is possible
// until somebody changes something.
func isTLS(err error) bool {
	var verification *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	return errors.As(err, &verification) || errors.As(err, &authority) || errors.As(err, &hostname) ||
		errors.As(err, &invalid) || errors.As(err, &record) || errors.Is(err, http.ErrSchemeMismatch)
}

// throttle is at least a second: a server that asks to slow down and says
// "after 0 seconds" is not asking to be called at once.
func throttle(after time.Duration) time.Duration {
	if after < 0 {
		return throttledDefault
	}
	return max(after, time.Second)
}
