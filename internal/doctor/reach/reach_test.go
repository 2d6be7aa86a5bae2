package reach_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/internal/doctor"
	"github.com/ringback-health/ringback/internal/doctor/reach"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var now = time.Date(2026, 3, 8, 9, 0, 0, 0, time.UTC)

const host = "ehr.example.org"

// authority signs the certificates of a test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string, by *authority) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: now.AddDate(-5, 0, 0), NotAfter: now.AddDate(5, 0, 0), KeyUsage: x509.KeyUsageCertSign}
	a := &authority{key: key}
	if by == nil {
		by = &authority{template, key}
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, by.cert, &key.PublicKey, by.key)
	if err == nil {
		a.cert, err = x509.ParseCertificate(raw)
	}
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// certify makes the certificate of a server. by nil: by itself.
func certify(t *testing.T, by *authority, change func(*x509.Certificate), chain ...*authority) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: now.AddDate(0, -1, 0), NotAfter: now.AddDate(0, 2, 0), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	if change != nil {
		change(template)
	}
	if by == nil {
		by = &authority{template, key}
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, by.cert, &key.PublicKey, by.key)
	if err != nil {
		t.Fatal(err)
	}
	c := tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}
	for _, a := range chain {
		c.Certificate = append(c.Certificate, a.cert.Raw)
	}
	return c
}

// server answers with the time now+skew.
func server(t *testing.T, c *tls.Certificate, skew time.Duration, header ...string) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("credentials were sent")
		}
		w.Header().Set("Date", now.Add(skew).Format(http.TimeFormat))
		for i := 0; i+1 < len(header); i += 2 {
			w.Header()[header[i]] = nil
			if header[i+1] != "" {
				w.Header().Set(header[i], header[i+1])
			}
		}
		w.WriteHeader(http.StatusUnauthorized)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	if c == nil {
		s.Start()
	} else {
		s.TLS = &tls.Config{Certificates: []tls.Certificate{*c}, MinVersion: tls.VersionTLS10}
		s.StartTLS()
	}
	t.Cleanup(s.Close)
	return s
}

// at is the options under which host is the server.
func at(roots *authority) reach.Options {
	pool := x509.NewCertPool()
	if roots != nil {
		pool.AddCert(roots.cert)
	}
	return reach.Options{Clock: clock.NewManual(now), Roots: pool, Proxy: noProxy,
		Lookup: func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		}}
}

func noProxy(*http.Request) (*url.URL, error) { return nil, nil }

func port(s *httptest.Server) string {
	u, _ := url.Parse(s.URL)
	return u.Port()
}

// examine returns the findings as lines, with the port taken out.
func examine(t *testing.T, rawURL string, o reach.Options) (lines string, reached bool) {
	t.Helper()
	var b strings.Builder
	reached = reach.Examine(t.Context(), reach.Target{URL: rawURL, Key: "base_url"}, o, func(f doctor.Finding) {
		fmt.Fprintf(&b, "%s %s: %s %s → %s: %s\n", f.Check, f.Status, f.What, strings.Join(f.More, " "), f.Whose, f.Do)
	})
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	if u.Port() == "" {
		return b.String(), reached
	}
	return strings.ReplaceAll(b.String(), u.Port(), "PORT"), reached
}

// TestTLS: each fault of a certificate is named, with whose it is.
func TestTLS(t *testing.T) {
	root := newAuthority(t, "Clinic Root", nil)
	between := newAuthority(t, "Clinic Issuing", root)
	plain := func(change func(*x509.Certificate)) func(*testing.T) tls.Certificate {
		return func(t *testing.T) tls.Certificate { return certify(t, root, change) }
	}
	for name, c := range map[string]struct {
		make    func(*testing.T) tls.Certificate
		skew    time.Duration
		reached bool
		want    string // in the finding "tls"
		whose   doctor.Party
	}{
		"good": {make: plain(nil), reached: true, want: "tls ok: TLS 1.3; the certificate is valid until 2026-05-08, 61 days from now"},
		"good, with a certificate in between": {make: func(t *testing.T) tls.Certificate { return certify(t, between, nil, between) },
			reached: true, want: "tls ok:"},
		"ends soon": {make: plain(func(c *x509.Certificate) { c.NotAfter = now.AddDate(0, 0, 20) }), reached: true,
			want: "tls warning: TLS 1.3; the certificate is valid until 2026-03-28, 20 days from now: it ends soon", whose: doctor.EHRAdmin},
		"ended": {make: plain(func(c *x509.Certificate) { c.NotAfter = now.AddDate(0, 0, -1) }),
			want: "tls failed: the certificate ended on 2026-03-07; this machine's clock says 2026-03-08 09:00 UTC", whose: doctor.EHRAdmin},
		"not yet valid": {make: plain(func(c *x509.Certificate) { c.NotBefore = now.AddDate(0, 0, 1) }),
			want: "tls failed: the certificate is valid only from 2026-03-09 09:00 UTC on", whose: doctor.You},
		"not yet valid by our clock alone": {make: plain(func(c *x509.Certificate) { c.NotBefore = now.AddDate(0, 0, 1) }), skew: 48 * time.Hour,
			want: "and by the server's clock it is valid", whose: doctor.You},
		"ended by our clock alone": {make: plain(func(c *x509.Certificate) { c.NotAfter = now.AddDate(0, 0, -1) }), skew: -48 * time.Hour,
			want: "and by the server's clock it is valid", whose: doctor.You},
		"for another host": {make: plain(func(c *x509.Certificate) { c.DNSNames = []string{"www.example.org", "a", "b", "c", "d"} }),
			want: "tls failed: the certificate belongs to www.example.org, a, b, c and others, and not to ehr.example.org", whose: doctor.You},
		"self-signed": {make: func(t *testing.T) tls.Certificate { return certify(t, nil, nil) },
			want: "tls failed: the server has made its certificate itself (self-signed)", whose: doctor.EHRAdmin},
		"self-signed and for another host": {make: func(t *testing.T) tls.Certificate {
			return certify(t, nil, func(c *x509.Certificate) { c.DNSNames = []string{"other"} })
		}, want: "and not to ehr.example.org also: the server has made its certificate itself", whose: doctor.You},
		"chain without the middle": {make: func(t *testing.T) tls.Certificate { return certify(t, between, nil) },
			want: `tls failed: the certificate is signed by "Clinic Issuing", which this machine does not know, and the server sends no certificate in between`, whose: doctor.EHRAdmin},
		"an authority of its own": {make: func(t *testing.T) tls.Certificate {
			other := newAuthority(t, "Inspecting Proxy", nil)
			return certify(t, other, nil, other)
		}, want: `tls failed: the certificate is signed by "Inspecting Proxy", which leads to no authority`, whose: doctor.Network},
		"for another purpose": {make: plain(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }),
			want: "tls failed: the certificate cannot be used for a server: it was made for another purpose", whose: doctor.EHRAdmin},
	} {
		t.Run(name, func(t *testing.T) {
			cert := c.make(t)
			s := server(t, &cert, c.skew)
			lines, reached := examine(t, "https://"+host+":"+port(s)+"/metadata", at(root))
			if reached != c.reached || !strings.Contains(lines, c.want) || !strings.Contains(lines, "→ "+string(c.whose)+":") {
				t.Errorf("reached %v\n%s", reached, lines)
			}
		})
	}
}

func TestOldTLS(t *testing.T) {
	root := newAuthority(t, "Clinic Root", nil)
	cert := certify(t, root, nil)
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	s.StartTLS()
	defer s.Close()
	if lines, reached := examine(t, "https://"+host+":"+port(s), at(root)); reached || !strings.Contains(lines, "tls failed: the server speaks TLS 1.1 at best") {
		t.Error(lines)
	}
}

func TestClock(t *testing.T) {
	for name, c := range map[string]struct {
		skew   time.Duration
		header []string
		want   string
	}{
		"equal":          {want: "clock ok: the clocks agree"},
		"half a minute":  {skew: 30 * time.Second, want: "clock ok"},
		"behind":         {skew: time.Minute, want: "clock warning: this machine's clock is 1m0s behind the server's"},
		"ahead":          {skew: -time.Minute, want: "clock warning: this machine's clock is 1m0s ahead of the server's"},
		"refused":        {skew: 10 * time.Minute, want: "clock failed: this machine's clock is 10m0s behind the server's; signed logins are refused"},
		"out of a cache": {skew: -10 * time.Minute, header: []string{"Age", "600"}, want: "clock ok"},
		"no date":        {header: []string{"Date", ""}, want: "clock note: the server does not say what time it is"},
		"no sense":       {header: []string{"Date", "yesterday"}, want: "clock note"},
	} {
		t.Run(name, func(t *testing.T) {
			s := server(t, nil, c.skew, c.header...)
			lines, reached := examine(t, s.URL, at(nil))
			if !reached || !strings.Contains(lines, c.want) || !strings.Contains(lines, "tls note: plain http") {
				t.Errorf("reached %v\n%s", reached, lines)
			}
		})
	}
}

func TestNames(t *testing.T) {
	closed, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := closed.Addr().String()
	closed.Close()
	fails := func(e error) func(context.Context, string) ([]netip.Addr, error) {
		return func(context.Context, string) ([]netip.Addr, error) { return nil, e }
	}
	_, p, _ := net.SplitHostPort(nobody)
	s := server(t, nil, 0)
	for name, c := range map[string]struct {
		url    string
		lookup func(context.Context, string) ([]netip.Addr, error)
		want   []string
	}{
		"no such name": {url: "https://ehr.invalid", lookup: fails(&net.DNSError{IsNotFound: true}),
			want: []string{"dns failed: there is no host named ehr.invalid", "→ this installation: check the spelling in base_url", "tcp skipped", "clock skipped"}},
		"name server down": {url: "https://ehr.invalid", lookup: fails(&net.DNSError{IsTemporary: true}),
			want: []string{"dns failed: the name server could not say", "→ the network"}},
		"name server silent": {url: "https://ehr.invalid", lookup: fails(&net.DNSError{IsTimeout: true}),
			want: []string{"dns failed: the name server did not answer"}},
		"no address": {url: "https://ehr.invalid", lookup: fails(nil), want: []string{"there is no host named"}},
		"closed port": {url: "https://" + host + ":" + p,
			want: []string{"dns ok: ehr.example.org is 127.0.0.1", "tcp failed: port PORT refuses connections", "→ the EHR's operator", "tls skipped"}},
		"one address dead": {url: "http://" + host + ":" + port(s), lookup: func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::ffff:127.0.0.2")}, nil
		}, want: []string{"dns ok: ehr.example.org is 127.0.0.1, 127.0.0.2", "tcp warning: port PORT accepts connections, but not at every address of the host: 127.0.0.2"}},
		"no TLS":     {url: "https://" + host + ":" + port(s), want: []string{"tls failed: what answers at port PORT does not speak TLS"}},
		"no host":    {url: "/metadata", want: []string{"dns failed: base_url is not an absolute URL"}},
		"an address": {url: s.URL, want: []string{"dns ok: 127.0.0.1 is an address", "http ok"}},
	} {
		t.Run(name, func(t *testing.T) {
			o := at(nil)
			if c.lookup != nil {
				o.Lookup = c.lookup
			}
			lines, _ := examine(t, c.url, o)
			for _, want := range c.want {
				if !strings.Contains(lines, want) {
					t.Errorf("want %s\n%s", want, lines)
				}
			}
		})
	}
}

// TestARealNameServer: whatever the resolver of this machine makes of a name that
// cannot be, it is told and ends.
func TestARealNameServer(t *testing.T) {
	o := at(nil)
	o.Lookup = nil
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	reached := reach.Examine(ctx, reach.Target{URL: "https://ehr.invalid", Key: "base_url"}, o, func(f doctor.Finding) {
		if f.Check == "dns" && f.Status != doctor.Failed {
			t.Errorf("%v", f)
		}
	})
	if reached {
		t.Error("reached")
	}
}

// TestProxy: behind a proxy it is the proxy that is looked up and connected to.
func TestProxy(t *testing.T) {
	for status, want := range map[int]string{
		http.StatusProxyAuthRequired: "tls failed: the proxy asks for a login",
		http.StatusForbidden:         "tls failed: the proxy refuses the connection (HTTP 403)",
	} {
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		defer proxy.Close()
		o := at(nil)
		o.Proxy = func(*http.Request) (*url.URL, error) {
			u, err := url.Parse(proxy.URL)
			u.User = url.UserPassword("canary", "canary")
			return u, err
		}
		lines, reached := examine(t, "https://"+host, o)
		if reached || !strings.Contains(lines, want) || !strings.Contains(lines, "proxy note:") || strings.Contains(lines, "canary") {
			t.Error(lines)
		}
	}
}

// TestCut: a server that accepts a connection and cuts it.
func TestCut(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer s.Close()
	if lines, reached := examine(t, s.URL, at(nil)); reached || !strings.Contains(lines, "http failed: the server cuts the connection") || !strings.Contains(lines, "clock skipped") {
		t.Error(lines)
	}
	s = server(t, nil, 0)
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	if lines, reached := examine(t, s.URL, at(nil)); reached || !strings.Contains(lines, "a gateway, and the server behind it does not (HTTP 502)") {
		t.Error(lines)
	}
}
