package reach

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ringback-health/ringback/internal/doctor"
)

// renewWithin is when an expiry is near enough to be told.
const renewWithin = 21 * 24 * time.Hour

// problem is one thing that is wrong with a connection.
type problem struct {
	whose    doctor.Party
	what, do string
}

// certificate looks at what was agreed and shown, and reports whether the product
// would talk to it.
func (e *examination) certificate(a answer) bool {
	leaf := a.tls.PeerCertificates[0]
	var list []problem
	if a.tls.Version < tls.VersionTLS12 {
		list = append(list, problem{doctor.EHRAdmin, "the server speaks " + tls.VersionName(a.tls.Version) + " at best, which is no longer safe",
			"TLS 1.2 or 1.3 has to be switched on at the server"})
	}
	now := e.o.Clock.Now()
	for _, p := range []*problem{e.validity(leaf, now, a), e.name(leaf), e.chain(a.tls.PeerCertificates, leaf)} {
		if p != nil {
			list = append(list, *p)
		}
	}
	if len(list) > 0 {
		f := doctor.Finding{Check: e.target.Prefix + "tls", Status: doctor.Failed, Whose: list[0].whose, What: list[0].what, Do: list[0].do}
		for _, p := range list[1:] {
			f.More = append(f.More, "also: "+p.what+" (→ "+string(p.whose)+": "+p.do+")")
		}
		e.report(f)
		return false
	}
	left := leaf.NotAfter.Sub(now)
	days := int(left / (24 * time.Hour))
	said := fmt.Sprintf("%s; the certificate is valid until %s, %d days", tls.VersionName(a.tls.Version), leaf.NotAfter.UTC().Format(time.DateOnly), days)
	if left < renewWithin {
		e.say("tls", doctor.Warning, doctor.EHRAdmin, said+" from now: it ends soon",
			"ask whether its renewal is under way; when it ends, nothing works")
		return true
	}
	e.say("tls", doctor.OK, doctor.Nobody, said+" from now", "")
	return true
}

// validity tells a certificate that is over from a clock that is wrong: where the
// server's own clock makes it valid, ours is to blame.
func (e *examination) validity(leaf *x509.Certificate, now time.Time, a answer) *problem {
	if !now.Before(leaf.NotBefore) && !now.After(leaf.NotAfter) {
		return nil
	}
	what := "the certificate ended on " + leaf.NotAfter.UTC().Format(time.DateOnly)
	if now.Before(leaf.NotBefore) {
		what = "the certificate is valid only from " + leaf.NotBefore.UTC().Format(time.DateOnly+" 15:04 UTC") + " on"
	}
	what += "; this machine's clock says " + now.UTC().Format(time.DateOnly+" 15:04 UTC")
	if skew, ok := a.skew(); ok && skew.Abs() > skewTold {
		there := now.Add(skew)
		if !there.Before(leaf.NotBefore) && !there.After(leaf.NotAfter) {
			return &problem{doctor.You, what + ", and by the server's clock it is valid",
				"set this machine's clock (timedatectl); the certificate is most likely right"}
		}
	}
	if now.Before(leaf.NotBefore) {
		return &problem{doctor.You, what, "check this machine's clock (timedatectl); if it is right, the certificate was made for later: tell the server's operator"}
	}
	return &problem{doctor.EHRAdmin, what, "the server's operator has to renew the certificate; check this machine's clock first"}
}

// name holds the certificate against the host that was asked for.
func (e *examination) name(leaf *x509.Certificate) *problem {
	host := e.url.Hostname()
	if leaf.VerifyHostname(host) == nil {
		return nil
	}
	names := slices.Clone(leaf.DNSNames)
	for _, ip := range leaf.IPAddresses {
		names = append(names, ip.String())
	}
	const enough = 4
	more := ""
	if len(names) > enough {
		names, more = names[:enough], " and others"
	}
	belongs := "to nobody by name"
	if len(names) > 0 {
		belongs = "to " + strings.Join(names, ", ") + more
	}
	return &problem{doctor.You, "the certificate belongs " + belongs + ", and not to " + host,
		"write the name that the certificate has into " + e.target.Key + ", if that is the right server; otherwise something answers in its place, or its operator has to get a certificate for " + host}
}

// chain checks who vouches for the certificate. Times and name are left out: they
// have findings of their own.
func (e *examination) chain(shown []*x509.Certificate, leaf *x509.Certificate) *problem {
	between := x509.NewCertPool()
	for _, c := range shown[1:] {
		between.AddCert(c)
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: e.o.Roots, Intermediates: between, CurrentTime: within(leaf, e.o.Clock.Now())})
	var unknown x509.UnknownAuthorityError
	issuer := authority(leaf)
	switch {
	case err == nil:
		return nil
	case e.o.Roots == nil && knowsNobody():
		return &problem{doctor.You, "this machine knows no authority at all, so that it trusts no certificate",
			"install the package ca-certificates, or mount /etc/ssl/certs into the container"}
	case errors.As(err, &unknown) && bytes.Equal(leaf.RawIssuer, leaf.RawSubject):
		return &problem{doctor.EHRAdmin, "the server has made its certificate itself (self-signed): nobody vouches for it",
			"its operator should get one from an authority; for a test server, add the certificate to those that this machine trusts"}
	case errors.As(err, &unknown) && len(shown) == 1:
		return &problem{doctor.EHRAdmin, "the certificate is signed by " + issuer + ", which this machine does not know, and the server sends no certificate in between",
			"the server's operator should send the whole chain; if " + issuer + " is your own authority or inspecting proxy, add its certificate to those that this machine trusts"}
	case errors.As(err, &unknown):
		return &problem{doctor.Network, "the certificate is signed by " + issuer + ", which leads to no authority that this machine knows",
			"if that is your own authority or a proxy that inspects TLS, add its certificate to those that this machine trusts (update-ca-certificates); otherwise ask the server's operator"}
	default:
		return &problem{doctor.EHRAdmin, "the certificate cannot be used for a server: " + chainFault(err), "the server's operator has to get another"}
	}
}

// knowsNobody reports whether the machine has no certificates of authorities, as
// in a container that was made without.
func knowsNobody() bool {
	pool, err := x509.SystemCertPool()
	return err != nil || pool.Equal(x509.NewCertPool())
}

// within is a time at which the certificate itself is valid, as near to now as can be.
func within(leaf *x509.Certificate, now time.Time) time.Time {
	switch {
	case now.Before(leaf.NotBefore):
		return leaf.NotBefore
	case now.After(leaf.NotAfter):
		return leaf.NotAfter
	}
	return now
}

// authority names who signed a certificate.
func authority(leaf *x509.Certificate) string {
	switch i := leaf.Issuer; {
	case i.CommonName != "":
		return fmt.Sprintf("%q", i.CommonName)
	case len(i.Organization) > 0:
		return fmt.Sprintf("%q", i.Organization[0])
	default:
		return "an authority without a name"
	}
}

// chainFault says in words why a chain was refused.
func chainFault(err error) string {
	var invalid x509.CertificateInvalidError
	if !errors.As(err, &invalid) {
		return "its signatures do not hold"
	}
	switch invalid.Reason {
	case x509.Expired:
		return "a certificate between it and its authority has ended"
	case x509.IncompatibleUsage:
		return "it was made for another purpose"
	case x509.NotAuthorizedToSign, x509.TooManyIntermediates, x509.CANotAuthorizedForThisName, x509.CANotAuthorizedForExtKeyUsage:
		return "its authority may not sign it"
	default:
		return "its chain is faulty"
	}
}
