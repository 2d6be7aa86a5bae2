package rest

import (
	"errors"
	"net"
	"net/url"
	"path"
	"strings"
)

// parseEndpoint checks a URL from the configuration. name is its key there.
func parseEndpoint(name, raw string, allowHTTP bool) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		// The text of err holds the URL, which may hold a password.
		return nil, errors.New(name + " is not an absolute URL; write it as https://host/path")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New(name + " must begin with https://")
	case u.User != nil:
		return nil, errors.New(name + " must not hold a user name or password; put them into the credentials")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, errors.New(name + " must not have a query or a fragment")
	case u.Scheme == "http" && !allowHTTP && !isLoopback(u.Hostname()):
		return nil, errors.New(name + " uses plain http, which would send patient data and credentials in the clear; use https, or allow http for a network you trust")
	}
	return u, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// within returns nil when u has the scheme, host and port of base and its path
// is that of base or lies below it. Prefixes of strings are not compared:
// https://ehr.example.org.evil.test begins with https://ehr.example.org.
func within(base, u *url.URL) error {
	if u.User != nil || u.Opaque != "" || !sameHost(base, u) {
		return errors.New("the URL has another scheme, host or port than the base URL")
	}
	// Path is decoded, so that %2e%2e is cleaned like the dots it stands for.
	if !strings.HasPrefix(folder(u.Path), folder(base.Path)) {
		return errors.New("the URL lies outside the path of the base URL")
	}
	return nil
}

// sameHost reports whether both have the same scheme, host and port.
func sameHost(a, b *url.URL) bool {
	return strings.EqualFold(a.Scheme, b.Scheme) && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

// folder cleans a path and ends it with one slash.
func folder(p string) string { return strings.TrimSuffix(path.Clean("/"+p), "/") + "/" }

func port(u *url.URL) string {
	switch p := u.Port(); {
	case p != "":
		return p
	case strings.EqualFold(u.Scheme, "https"):
		return "443"
	default:
		return "80"
	}
}
