package config

import (
	"errors"
	"net"
	"net/url"
)

// Push lets a clinic's EHR tell that something has changed, so that the next poll
// comes at once.
type Push struct {
	// SecretEnv or SecretFile name where the word is by which notifications are known to
	// come from this EHR.
	SecretEnv  string `yaml:"secret_env"`
	SecretFile string `yaml:"secret_file"`
	// SigningSecretEnv or SigningSecretFile name where the secret is with which the EHR
	// signs each notification. Neither: signatures are not asked for.
	SigningSecretEnv  string `yaml:"signing_secret_env"`
	SigningSecretFile string `yaml:"signing_secret_file"`
	// Poll is the cron schedule in UTC while the EHR is seen to tell of changes; empty:
	// as always.
	Poll string `yaml:"poll"`
}

// validatePublicURL checks where EHRs reach this installation. Beyond this machine it
// must be https: with each notification a secret comes along.
func validatePublicURL(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		return errors.New("public_url is not an address, or has more than host and path in it; write it as https://ringback.example.org")
	case u.Scheme == "https" || u.Scheme == "http" && local(u.Hostname()):
		return nil
	default:
		return errors.New("public_url must begin with https://, because a secret is sent there")
	}
}

func local(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (p Push) validate(publicURL string) error {
	var errs []error
	if publicURL == "" {
		errs = append(errs, errors.New("ehr.push needs public_url, the address at which the EHR reaches this installation"))
	}
	if p.SecretEnv == "" && p.SecretFile == "" {
		errs = append(errs, errors.New("ehr.push.secret_file is missing; make one with: openssl rand -hex 32 > push.secret"))
	}
	return errors.Join(errs...)
}
