package reach

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ringback-health/ringback/internal/doctor"
)

// refused reports whether the host itself, or a firewall, said no. 10061 is
// WSAECONNREFUSED of Windows, which package syscall does not name.
func refused(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.Errno(10061))
}

// answer is what came of one request.
type answer struct {
	tls      *tls.ConnectionState // nil: no TLS, or it did not come about
	status   int                  // 0: none
	date     time.Time            // of the server, zero when it does not tell
	sent     time.Time
	received time.Time
	proxy    int // status of a proxy that refused
	err      error
}

// exchange sends one request without credentials and looks at TLS, at the answer
// and at the server's clock. The certificate is not checked by the connection but
// afterwards, so that everything that is wrong with it can be told.
func (e *examination) exchange(ctx context.Context) bool {
	a := e.ask(ctx)
	switch {
	case e.url.Scheme != "https":
		e.plain()
	case a.tls == nil:
		e.noTLS(a)
		e.skip("there is no TLS connection", "http", "clock")
		return false
	default:
		if !e.certificate(a) {
			e.http(a)
			e.clock(a)
			return false
		}
	}
	if !e.http(a) {
		e.skip("nothing was answered", "clock")
		return false
	}
	e.clock(a)
	return true
}

func (e *examination) ask(ctx context.Context) (a answer) {
	ctx, cancel := context.WithTimeout(ctx, stepLimit)
	defer cancel()
	// The connection may still be in the making when the request has given up.
	var agreed atomic.Pointer[tls.ConnectionState]
	var refusal atomic.Int32
	defer func() { a.tls, a.proxy = agreed.Load(), int(refusal.Load()) }()
	transport := &http.Transport{
		Proxy: func(*http.Request) (*url.URL, error) { return e.proxy, nil },
		OnProxyConnectResponse: func(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
			if resp.StatusCode != http.StatusOK {
				refusal.Store(int32(resp.StatusCode))
			}
			return nil
		},
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			_, port, err := net.SplitHostPort(addr)
			if err != nil {
				return nil, err
			}
			return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort(e.alive.Unmap().String(), port))
		},
		DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{
			InsecureSkipVerify: true,             // nothing is sent that matters, and certificate() checks it
			MinVersion:         tls.VersionTLS10, // to be able to tell that it is too old
			VerifyConnection: func(s tls.ConnectionState) error {
				if e.proxy == nil || s.ServerName != e.proxy.Hostname() {
					agreed.Store(&s)
				}
				return nil
			},
		},
	}
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.target.URL, nil)
	if err != nil {
		return answer{err: err}
	}
	req.Header.Set("Accept", "application/fhir+json, application/json")
	a.sent = e.o.Clock.Now()
	resp, err := client.Do(req)
	a.received = e.o.Clock.Now()
	if err != nil {
		a.err = err
		return a
	}
	defer resp.Body.Close()
	a.status = resp.StatusCode
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		// A cache sends the time at which the answer was made, and its age.
		age, _ := strconv.Atoi(resp.Header.Get("Age"))
		a.date = date.Add(time.Duration(max(age, 0)) * time.Second)
	}
	return a
}

func (e *examination) plain() {
	host := e.url.Hostname()
	if ip := net.ParseIP(host); strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback() {
		e.say("tls", doctor.Note, doctor.Nobody, "plain http: good enough on this machine, and nowhere else", "")
		return
	}
	e.say("tls", doctor.Warning, doctor.You, "plain http to another machine: patient data and credentials can be read on the way",
		"use https, or be sure that nobody else is on that network")
}

// noTLS says why no TLS connection came about.
func (e *examination) noTLS(a answer) {
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var timeout net.Error
	_, port := hostPort(e.url)
	switch {
	case a.proxy == http.StatusProxyAuthRequired:
		e.say("tls", doctor.Failed, doctor.Network, "the proxy asks for a login",
			"put user and password into HTTPS_PROXY, or let this machine through without")
	case a.proxy != 0:
		e.say("tls", doctor.Failed, doctor.Network, fmt.Sprintf("the proxy refuses the connection (HTTP %d)", a.proxy),
			"let the proxy pass connections to "+e.url.Host)
	case errors.As(a.err, &record), errors.Is(a.err, http.ErrSchemeMismatch):
		e.say("tls", doctor.Failed, doctor.You, "what answers at port "+port+" does not speak TLS",
			"check the port in "+e.target.Key+"; something on the way may also answer in the host's place")
	case errors.As(a.err, &alert):
		e.say("tls", doctor.Failed, doctor.EHRAdmin, "the server refuses TLS: "+alert.Error(),
			"it may ask for a client certificate, or speak only versions that are no longer safe; ask its operator")
	case errors.As(a.err, &timeout) && timeout.Timeout():
		e.say("tls", doctor.Failed, doctor.Network, "port "+port+" accepts connections and then says nothing",
			"a firewall or a proxy may hold the connection back; otherwise ask whether the server is well")
	default:
		e.say("tls", doctor.Failed, doctor.Network, "the connection breaks before TLS is agreed",
			"a firewall may cut it; otherwise the server and this machine have no version or cipher in common")
	}
}

// http says whether anybody answers at all; what, is the connector's business.
func (e *examination) http(a answer) bool {
	var timeout net.Error
	switch {
	case a.status == http.StatusBadGateway || a.status == http.StatusServiceUnavailable || a.status == http.StatusGatewayTimeout:
		e.say("http", doctor.Failed, doctor.EHRAdmin, fmt.Sprintf("what answers is a gateway, and the server behind it does not (HTTP %d)", a.status),
			"wait and try again; if it stays so, ask the EHR's operator")
	case a.status != 0:
		e.say("http", doctor.OK, doctor.Nobody, "the server answers", "")
		return true
	case errors.As(a.err, &timeout) && timeout.Timeout():
		e.say("http", doctor.Failed, doctor.EHRAdmin, "the server takes the request and does not answer in time",
			"try again later; if it stays so, ask the EHR's operator whether it is well")
	default:
		e.say("http", doctor.Failed, doctor.EHRAdmin, "the server cuts the connection instead of answering",
			"check the port in "+e.target.Key+"; if it is right, ask the EHR's operator whether the server is well")
	}
	return false
}

// How far the clocks may be apart. A signed login is good for five minutes.
const (
	skewTold    = 30 * time.Second
	skewRefused = 4 * time.Minute
)

// skew is how far the server's clock is ahead of ours; false when it does not tell.
func (a answer) skew() (time.Duration, bool) {
	if a.date.IsZero() {
		return 0, false
	}
	// Date was written between the request and the answer, and is cut to the second.
	middle := a.sent.Add(a.received.Sub(a.sent) / 2)
	return a.date.Sub(middle).Round(time.Second), true
}

func (e *examination) clock(a answer) {
	skew, ok := a.skew()
	apart := skew.Abs()
	if !ok {
		e.say("clock", doctor.Note, doctor.Nobody, "the server does not say what time it is; the clocks cannot be compared", "")
		return
	}
	if apart <= skewTold {
		e.say("clock", doctor.OK, doctor.Nobody, "the clocks agree", "")
		return
	}
	what := "this machine's clock is " + apart.String() + " " + map[bool]string{true: "behind", false: "ahead of"}[skew > 0] + " the server's"
	do := "compare this machine's clock with a true one (timedatectl) and let it be set by the network; if it is right, the server's is wrong: tell its operator"
	if apart <= skewRefused {
		e.say("clock", doctor.Warning, doctor.You, what+"; nothing fails yet", do)
		return
	}
	e.say("clock", doctor.Failed, doctor.You, what+"; signed logins are refused, and bookings are taken for older or newer than they are", do)
}
