// Package reach examines the way to a host for `ringback doctor`: its name, the
// connection, TLS with the certificate, whether anybody answers, and how far the
// clocks are apart. No credentials are ever sent.
//
// What the host then has to say belongs to the connector that talks to it.
package reach

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/internal/doctor"
)

// Target is what is reached for.
type Target struct {
	URL    string // absolute; a GET of it must be harmless
	Key    string // what it is called in the configuration: "base_url"
	Prefix string // of the names of the checks: "token-"
}

// Options are what a test puts in the place of the machine's own.
type Options struct {
	Clock clock.Clock // nil: the system's
	Roots *x509.CertPool
	// Lookup finds the addresses of a name; nil: the resolver of this machine.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	// Proxy says through which proxy a request goes; nil: what the environment says.
	Proxy func(*http.Request) (*url.URL, error)
}

func (o Options) withDefaults() Options {
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.Lookup == nil {
		o.Lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	if o.Proxy == nil {
		o.Proxy = http.ProxyFromEnvironment
	}
	return o
}

// stepLimit bounds each step, so that one that hangs leaves time for the others.
const stepLimit = 8 * time.Second

// examination is one target being examined.
type examination struct {
	o      Options
	target Target
	url    *url.URL
	proxy  *url.URL   // nil: none
	alive  netip.Addr // an address that takes connections
	report func(doctor.Finding)
}

// Examine makes each check and reports it, and returns whether the host can be
// talked to. What could not be tried is reported as skipped.
func Examine(ctx context.Context, t Target, o Options, report func(doctor.Finding)) bool {
	u, err := url.Parse(t.URL)
	if err != nil || u.Host == "" {
		report(doctor.Finding{Check: t.Prefix + "dns", Status: doctor.Failed, Whose: doctor.You,
			What: t.Key + " is not an absolute URL", Do: "write it as https://host/path"})
		return false
	}
	e := &examination{o: o.withDefaults(), target: t, url: u, report: report}
	e.findProxy(ctx)
	host, port := hostPort(u)
	if e.proxy != nil {
		host, port = hostPort(e.proxy)
	}
	addresses, ok := e.dns(ctx, host)
	if !ok {
		e.skip("the name was not found", "tcp", "tls", "http", "clock")
		return false
	}
	if !e.tcp(ctx, addresses, port) {
		e.skip("there is no connection", "tls", "http", "clock")
		return false
	}
	return e.exchange(ctx)
}

func (e *examination) say(check string, s doctor.Status, whose doctor.Party, what, do string) {
	e.report(doctor.Finding{Check: e.target.Prefix + check, Status: s, Whose: whose, What: what, Do: do})
}

func (e *examination) skip(why string, checks ...string) {
	for _, c := range checks {
		e.say(c, doctor.Skipped, doctor.Nobody, "not tried, because "+why, "")
	}
}

// findProxy notes a proxy: it is what is looked up and connected to then.
func (e *examination) findProxy(ctx context.Context) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.target.URL, nil)
	if err == nil {
		e.proxy, err = e.o.Proxy(req)
	}
	switch {
	case err != nil:
		e.say("proxy", doctor.Failed, doctor.You, "the proxy that the environment names cannot be read",
			"write HTTPS_PROXY as http://host:port")
	case e.proxy != nil:
		e.say("proxy", doctor.Note, doctor.Nobody,
			fmt.Sprintf("the environment (HTTPS_PROXY) sends requests for %s through the proxy %s", e.url.Hostname(), e.proxy.Host),
			"if that is not wanted, name the host in NO_PROXY")
	}
}

// dns finds the addresses of a host.
func (e *examination) dns(ctx context.Context, host string) ([]netip.Addr, bool) {
	if ip, err := netip.ParseAddr(host); err == nil {
		e.say("dns", doctor.OK, doctor.Nobody, host+" is an address; no name has to be looked up", "")
		return []netip.Addr{ip}, true
	}
	ctx, cancel := context.WithTimeout(ctx, stepLimit)
	defer cancel()
	found, err := e.o.Lookup(ctx, host)
	var dns *net.DNSError
	switch {
	case err == nil && len(found) > 0:
		e.say("dns", doctor.OK, doctor.Nobody, host+" is "+addressList(found), "")
		return found, true
	case err == nil, errors.As(err, &dns) && dns.IsNotFound:
		e.say("dns", doctor.Failed, doctor.You, "there is no host named "+host,
			fmt.Sprintf("check the spelling in %s; if it is right, the name may be known only inside a network that this machine is not in", e.target.Key))
	case errors.As(err, &dns) && dns.IsTimeout || errors.Is(err, context.DeadlineExceeded):
		e.say("dns", doctor.Failed, doctor.Network, "the name server did not answer when asked for "+host,
			"check the name server of this machine (/etc/resolv.conf) and that port 53 is open to it")
	default:
		e.say("dns", doctor.Failed, doctor.Network, "the name server could not say what "+host+" is",
			"the name server of this machine (/etc/resolv.conf) fails; whether the name is right cannot be told yet")
	}
	return nil, false
}

func addressList(all []netip.Addr) string {
	var list []string
	for _, a := range all {
		list = append(list, a.Unmap().String())
	}
	return strings.Join(list, ", ")
}

// maxAddresses bounds how many addresses of a host are tried.
const maxAddresses = 8

// tcp connects to every address at once, because one that is dead costs some
// connections and shows nowhere else.
func (e *examination) tcp(ctx context.Context, addresses []netip.Addr, port string) bool {
	ctx, cancel := context.WithTimeout(ctx, stepLimit)
	defer cancel()
	addresses = addresses[:min(len(addresses), maxAddresses)]
	type outcome struct {
		at  netip.Addr
		err error
	}
	results := make(chan outcome)
	for _, a := range addresses {
		go func() {
			conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(a.Unmap().String(), port))
			if err == nil {
				err = conn.Close()
			}
			results <- outcome{a, err}
		}()
	}
	var dead []netip.Addr
	var last error
	for range addresses {
		r := <-results
		if r.err != nil {
			dead, last = append(dead, r.at), r.err
		} else {
			e.alive = r.at
		}
	}
	switch {
	case len(dead) == 0:
		e.say("tcp", doctor.OK, doctor.Nobody, "port "+port+" accepts connections", "")
	case len(dead) < len(addresses):
		e.say("tcp", doctor.Warning, doctor.Network,
			fmt.Sprintf("port %s accepts connections, but not at every address of the host: %s does not answer", port, addressList(dead)),
			"some connections will be slow; open the firewall for all addresses, or switch off what this machine cannot use (often IPv6)")
	default:
		e.noConnection(port, last)
		return false
	}
	return true
}

func (e *examination) noConnection(port string, err error) {
	name := e.target.Key
	if e.proxy != nil {
		name = "HTTPS_PROXY"
	}
	if refused(err) {
		e.say("tcp", doctor.Failed, doctor.EHRAdmin, "port "+port+" refuses connections: nothing listens there, or a firewall says no",
			"check the port in "+name+"; if it is right, ask whether the server is up")
		return
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		e.say("tcp", doctor.Failed, doctor.Network, "port "+port+" does not answer: a firewall on the way drops the packets, or the host is off",
			"open the firewall from this machine to the host at port "+port+", or set HTTPS_PROXY where a proxy is the only way out")
		return
	}
	e.say("tcp", doctor.Failed, doctor.Network, "there is no way to port "+port+" from this machine",
		"check the network and the routes of this machine, and set HTTPS_PROXY where a proxy is the only way out")
}

func hostPort(u *url.URL) (host, port string) {
	if port = u.Port(); port == "" {
		port = map[bool]string{true: "443", false: "80"}[u.Scheme == "https"]
	}
	return u.Hostname(), port
}
