package config

import (
	"errors"
	"fmt"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"github.com/ringback-health/ringback/callback/calls"
)

// Phone is a phone system of a clinic, or a form, that tells Ringback of calls.
type Phone struct {
	ID     string `yaml:"id"`     // "main-line"; the source of its callbacks
	System string `yaml:"system"` // the kind: twilio, ringcentral, …
	// SecretEnv or SecretFile name where the secret is by which its requests are known;
	// NextSecretEnv or NextSecretFile another one that is good too, while it is changed.
	SecretEnv      string `yaml:"secret_env"`
	SecretFile     string `yaml:"secret_file"`
	NextSecretEnv  string `yaml:"next_secret_env"`
	NextSecretFile string `yaml:"next_secret_file"`
	// SettleAfter is how long nothing more may be told of a call before it is judged,
	// GiveUpAfter the same for one of which nothing told the end, and SpokenAfter how long
	// a talk lasts at least in which somebody was reached. 0: 20s, 15m, 30s.
	SettleAfter time.Duration `yaml:"settle_after"`
	GiveUpAfter time.Duration `yaml:"give_up_after"`
	SpokenAfter time.Duration `yaml:"spoken_after"`
	// Reconcile is how often the system's own log of calls is held against the ledger. 0: 1h.
	Reconcile time.Duration `yaml:"reconcile"`
	// Tolerance is how old a signed request may be. 0: 5m.
	Tolerance time.Duration `yaml:"tolerance"`
	Calls     CallRules     `yaml:"calls"`
	// Settings are the system's own.
	Settings ast.Node `yaml:"settings"`
}

// CallRules say what a phone system's names and numbers mean; calls.Rules has them at length.
type CallRules struct {
	Machines       []string      `yaml:"machines"`        // extensions at which no person is
	InternalDigits *int          `yaml:"internal_digits"` // of the longest extension
	ShortCall      time.Duration `yaml:"short_call"`      // below it an abandoned call does not count; 0: 5s
	PublicContexts []string      `yaml:"public_contexts"` // asterisk: where calls from outside arrive
	Trunks         []string      `yaml:"trunks"`          // asterisk: peers that connect to the public network
}

// Rules are the defaults, and what the operator says.
func (c CallRules) Rules() calls.Rules {
	r := calls.DefaultRules()
	r.Machines = append(r.Machines, c.Machines...)
	r.PublicContexts = append(r.PublicContexts, c.PublicContexts...)
	r.Trunks = append(r.Trunks, c.Trunks...)
	if c.InternalDigits != nil {
		r.InternalDigits = *c.InternalDigits
	}
	if c.ShortCall != 0 {
		r.ShortCall = c.ShortCall
	}
	return r
}

// DecodeSettings returns a function that decodes the system's settings strictly; no
// settings leave the value as it is.
func (p Phone) DecodeSettings() func(into any) error { return decoder(p.Settings) }

func decoder(settings ast.Node) func(into any) error {
	return func(into any) error {
		if settings == nil {
			return nil
		}
		return explain(yaml.NodeToValue(settings, into, yaml.Strict()), into)
	}
}

// validatePhones lists what is wrong with a clinic's phone systems.
func validatePhones(phones []Phone, publicURL string) error {
	var errs []error
	seen := map[string]bool{}
	for i, p := range phones {
		at := "phone " + p.ID
		if !idPattern.MatchString(p.ID) {
			at = fmt.Sprintf("phones[%d]", i)
			errs = append(errs, fmt.Errorf("%s.id: %q is not an id; use small letters, digits and hyphens", at, p.ID))
		}
		if seen[p.ID] {
			errs = append(errs, fmt.Errorf("%s: the id is given twice", at))
		}
		seen[p.ID] = true
		errs = append(errs, p.validate(at, publicURL))
	}
	return errors.Join(errs...)
}

func (p Phone) validate(at, publicURL string) error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(at+": "+format, args...)) }
	if p.System == "" {
		bad("system is missing; it says what kind of phone system this is")
	}
	if publicURL == "" {
		bad("it needs public_url, the address at which the phone system reaches this installation")
	}
	if p.SecretEnv == "" && p.SecretFile == "" {
		bad("secret_file is missing: the secret by which its requests are known")
	}
	for name, d := range map[string]time.Duration{"settle_after": p.SettleAfter, "give_up_after": p.GiveUpAfter, "spoken_after": p.SpokenAfter,
		"reconcile": p.Reconcile, "tolerance": p.Tolerance, "calls.short_call": p.Calls.ShortCall} {
		if d < 0 {
			bad("%s must not be negative; write it as 30s", name)
		}
	}
	if p.GiveUpAfter != 0 && p.GiveUpAfter < p.SettleAfter {
		bad("give_up_after must not be shorter than settle_after")
	}
	if err := p.Calls.Rules().Validate(); err != nil {
		bad("%w", err)
	}
	return errors.Join(errs...)
}
