package rest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"testing"
	"time"

	"github.com/go-resty/resty/v2"

	"github.com/ringback-health/ringback/internal/fault"
)

// statusTable names every status from 100 to 599 once. "" is success.
var statusTable = []struct {
	from, to    int
	read, write fault.Disposition
}{
	{100, 199, fault.Permanent, fault.Permanent},
	{200, 299, "", ""},
	{300, 399, fault.Retry, fault.Retry},
	{400, 400, fault.Permanent, fault.Permanent},
	{401, 401, fault.Unauthorized, fault.Unauthorized},
	{402, 402, fault.Permanent, fault.Permanent},
	{403, 403, fault.Unauthorized, fault.Unauthorized},
	{404, 404, fault.NotFound, fault.NotFound},
	{405, 407, fault.Permanent, fault.Permanent},
	{408, 408, fault.Retry, fault.Ambiguous},
	{409, 409, fault.Conflict, fault.Conflict},
	{410, 410, fault.NotFound, fault.NotFound},
	{411, 411, fault.Permanent, fault.Permanent},
	{412, 412, fault.Conflict, fault.Conflict},
	{413, 424, fault.Permanent, fault.Permanent},
	{425, 425, fault.Retry, fault.Retry},
	{426, 428, fault.Permanent, fault.Permanent},
	{429, 429, fault.Throttled, fault.Throttled},
	{430, 499, fault.Permanent, fault.Permanent},
	{500, 599, fault.Retry, fault.Ambiguous},
}

// askedFor is what After must be when the server sent Retry-After: 7.
func askedFor(status int) time.Duration {
	if status == 408 || status == 425 || status == 429 || status >= 500 {
		return 7 * time.Second
	}
	return 0
}

func TestDispositionOfEveryStatus(t *testing.T) {
	seen := 0
	for _, row := range statusTable {
		for status := row.from; status <= row.to; status++ {
			seen++
			for _, write := range []bool{false, true} {
				for _, after := range []time.Duration{-1, 7 * time.Second} {
					want := row.read
					if write {
						want = row.write
					}
					if status == 503 && after >= 0 && !write {
						want = fault.Throttled
					}
					wantAfter := time.Duration(0)
					switch {
					case after >= 0:
						wantAfter = askedFor(status)
					case status == 429:
						wantAfter = 30 * time.Second
					}
					f := disposition(exchange{write: write, sent: true, status: status, after: after})
					name := fmt.Sprintf("%d write=%v after=%v", status, write, after)
					if want == "" {
						if f != nil {
							t.Errorf("%s: got %v, want success", name, f)
						}
						continue
					}
					if f == nil || f.Disposition != want || f.After != wantAfter || f.Status != status || f.What == "" {
						t.Errorf("%s: got %+v, want %s after %s", name, f, want, wantAfter)
					}
				}
			}
		}
	}
	if seen != 500 {
		t.Fatalf("the table covers %d of 500 statuses", seen)
	}
}

// TestARefusalNeedsNoBody: a 4xx is a 4xx also when its body broke off.
func TestARefusalNeedsNoBody(t *testing.T) {
	for _, err := range []error{io.ErrUnexpectedEOF, resty.ErrResponseBodyTooLarge} {
		f := disposition(exchange{write: true, sent: true, status: 422, after: -1, err: err})
		if f == nil || f.Disposition != fault.Permanent {
			t.Errorf("got %+v", f)
		}
	}
}

func TestDispositionOfTransportErrors(t *testing.T) {
	inURL := func(err error) error {
		return &url.Error{Op: "Post", URL: "https://ehr.example.org/Task?name=Canary", Err: err}
	}
	dial := func(err error) error { return inURL(&net.OpError{Op: "dial", Net: "tcp", Err: err}) }
	cases := []struct {
		name        string
		err         error
		sent        bool
		status      int
		read, write fault.Disposition
	}{
		{"refused", dial(syscall.ECONNREFUSED), false, 0, fault.Retry, fault.Retry},
		{"unreachable", dial(syscall.EHOSTUNREACH), false, 0, fault.Retry, fault.Retry},
		{"dial timeout", dial(context.DeadlineExceeded), false, 0, fault.Retry, fault.Retry},
		{"no such host", dial(&net.DNSError{IsNotFound: true}), false, 0, fault.Retry, fault.Retry},
		{"name server timeout", dial(&net.DNSError{IsTimeout: true}), false, 0, fault.Retry, fault.Retry},
		{"cancelled unsent", inURL(context.Canceled), false, 0, fault.Retry, fault.Retry},
		{"unknown authority", inURL(&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}), false, 0, fault.Retry, fault.Retry},
		{"host name", inURL(x509.HostnameError{Certificate: &x509.Certificate{}}), false, 0, fault.Retry, fault.Retry},
		{"expired", inURL(x509.CertificateInvalidError{Reason: x509.Expired}), false, 0, fault.Retry, fault.Retry},
		{"no TLS there", inURL(tls.RecordHeaderError{}), false, 0, fault.Retry, fault.Retry},
		{"http there", inURL(http.ErrSchemeMismatch), false, 0, fault.Retry, fault.Retry},
		{"cancelled sent", inURL(context.Canceled), true, 0, fault.Retry, fault.Ambiguous},
		{"timeout", inURL(context.DeadlineExceeded), true, 0, fault.Retry, fault.Ambiguous},
		{"reset", inURL(syscall.ECONNRESET), true, 0, fault.Retry, fault.Ambiguous},
		{"EOF", inURL(io.EOF), true, 0, fault.Retry, fault.Ambiguous},
		{"unknown", inURL(errors.New("http2: something")), true, 0, fault.Retry, fault.Ambiguous},
		{"TLS broke later", inURL(tls.RecordHeaderError{}), true, 0, fault.Retry, fault.Ambiguous},
		{"half a body", io.ErrUnexpectedEOF, true, 200, fault.Retry, fault.Ambiguous},
		{"half a body, cancelled", context.Canceled, true, 201, fault.Retry, fault.Ambiguous},
		{"too large", resty.ErrResponseBodyTooLarge, true, 200, fault.Permanent, fault.Ambiguous},
	}
	for _, c := range cases {
		for _, write := range []bool{false, true} {
			want := c.read
			if write {
				want = c.write
			}
			f := disposition(exchange{write: write, sent: c.sent, status: c.status, after: -1, err: c.err})
			if f == nil || f.Disposition != want || f.What == "" {
				t.Errorf("%s write=%v: got %+v, want %s", c.name, write, f, want)
				continue
			}
			if f.Disposition == fault.Permanent && f.Hint == "" {
				t.Errorf("%s: Permanent without a hint", c.name)
			}
			if !errors.Is(f, c.err) {
				t.Errorf("%s: the cause is lost", c.name)
			}
		}
	}
}

func TestPermanentAndUnauthorizedAlwaysHint(t *testing.T) {
	for status := 100; status < 600; status++ {
		f := disposition(exchange{status: status, after: -1})
		if f != nil && (f.Disposition == fault.Permanent || f.Disposition == fault.Unauthorized) && f.Hint == "" {
			t.Errorf("%d: %v has no hint", status, f)
		}
	}
}
