// Package aircall reads what Aircall tells of calls, by webhooks, and Aircall's own list
// of calls. Switch on all call events, or at least call.created, call.answered,
// call.hungup, call.ended and call.voicemail_left.
//
// # What Aircall cannot protect against
//
// Aircall signs nothing. What proves a request is a token that stands in its body, the
// same one in every request. Whoever has seen one request has the token: they can send
// it again, change it, and invent calls, and nothing in a request tells theirs from
// Aircall's. The time that stands in a request is not protected either. So:
//
//   - the token is taken out of what is stored, so that the ledger does not hand it on;
//   - let nothing between Aircall and Ringback log bodies (proxies, load balancers);
//   - let only TLS connections in; Aircall calls from no fixed addresses;
//   - make a new webhook, whose token is a new one, whenever a body may have been seen;
//   - read the list of calls (api_id), which comes from Aircall itself: it shows what
//     was left out of the webhooks. It does not show what was invented by somebody.
//
// Sources: Aircall's documentation (webhooks overview, "How to work with call data", API
// reference: calls). The values of missed_call_reason are those of the API reference as
// several users' programs have them; what each means in detail is not confirmed.
package aircall

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/ringback-health/ringback/connectors/phone"
)

// Config is what the operator sets up beside the secrets, which are the tokens of the
// webhooks.
type Config struct {
	// MaxAge is how old the time in a request may be; 0: 13 hours. Aircall says that it
	// sends a request that was not taken again for up to 12 hours. The time is not
	// protected: this keeps out what was sent again by mistake, and no attacker. A
	// request without a time is taken.
	MaxAge time.Duration `yaml:"max_age"`

	// APIID logs in at Aircall's API together with the token that APITokenEnv or
	// APITokenFile names, to read its list of calls, with which the ledger is held
	// against; empty: it is not read.
	APIID        string `yaml:"api_id"`
	APITokenEnv  string `yaml:"api_token_env"`
	APITokenFile string `yaml:"api_token_file"`
	// BaseURL is Aircall's API; empty: https://api.aircall.io.
	BaseURL string `yaml:"base_url"`
}

const (
	defaultAPI    = "https://api.aircall.io"
	defaultMaxAge = 13 * time.Hour
	// shortest is the length that a token must have, so that it can be found and taken
	// out wherever it stands in a body.
	shortest = 8
)

// Validate says what is wrong with the configuration and what to write instead.
func (c Config) Validate() error {
	token := c.APITokenEnv != "" || c.APITokenFile != ""
	switch {
	case c.MaxAge < 0:
		return errors.New("max_age is negative; leave it out for 13 hours")
	case c.APIID != "" && !token:
		return errors.New("api_id needs a token; name it with api_token_env or api_token_file")
	case c.APIID == "" && (token || c.BaseURL != ""):
		return errors.New("api_id is missing; without it Aircall's list of calls cannot be read")
	default:
		return nil
	}
}

// Kind is how the system is named in the configuration and made.
func Kind() phone.Kind {
	return phone.Kind{
		Name: "aircall",
		What: "Aircall: call webhooks (by token, not signed); list of calls",
		New: func(s phone.Settings, decode phone.Decode) (phone.System, error) {
			var c Config
			if err := decode(&c); err != nil {
				return nil, err
			}
			return New(s, c)
		},
	}
}

// System is one company at Aircall.
type System struct {
	settings phone.Settings
	maxAge   time.Duration
}

var _ phone.System = (*System)(nil)

// New makes the system: a phone.Historian where the configuration names an API ID. The
// error says what is wrong with the configuration.
func New(s phone.Settings, c Config) (phone.System, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("phone system %q: %w", s.ID, err)
	}
	if len(s.Secrets) == 0 {
		return nil, fmt.Errorf("phone system %q: there is no secret; set the token of the webhook", s.ID)
	}
	for _, secret := range s.Secrets {
		if len(secret.Reveal()) < shortest {
			return nil, fmt.Errorf("phone system %q: a token is shorter than %d characters; copy it as Aircall shows it", s.ID, shortest)
		}
	}
	sys := &System{settings: s, maxAge: c.MaxAge}
	if sys.maxAge == 0 {
		sys.maxAge = defaultMaxAge
	}
	if c.APIID == "" {
		return sys, nil
	}
	return newHistorian(sys, c)
}

// Receive takes one event. What is stored is the body with "[redacted]" in the place of
// the token, and otherwise byte for byte as it came.
func (s *System) Receive(r phone.Request) (phone.Receipt, error) {
	if r.Method != http.MethodPost {
		return phone.Receipt{}, &phone.Refused{Status: http.StatusMethodNotAllowed, Reason: "not a POST"}
	}
	sent, err := tokenOf(r.Body)
	if err != nil {
		return phone.Receipt{}, err
	}
	if !phone.SameSecret(s.settings.Secrets, sent.token) {
		return phone.Receipt{}, phone.Refuse("the token is another than that of the webhook")
	}
	tolerance := s.settings.Tolerance
	if tolerance == 0 {
		tolerance = phone.DefaultTolerance
	}
	if age := r.At.Sub(sent.at); !sent.at.IsZero() && (age > s.maxAge || age < -tolerance) {
		return phone.Receipt{}, phone.Refuse("the time in it is longer ago than max_age, or ahead of our clock")
	}
	body := s.withoutToken(r.Body, sent)
	return phone.Receipt{Events: []phone.Event{{Key: phone.KeyOf(body), Body: body, At: r.At}}}, nil
}
