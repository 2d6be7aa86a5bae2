// Package quo reads what Quo (formerly OpenPhone) tells of calls, by webhooks of both
// generations, and Quo's own list of calls.
//
// Webhooks of the API version 2026-03-30 are signed as Standard Webhooks (headers
// webhook-id, webhook-timestamp, webhook-signature; a key that begins with whsec_); those
// made in the app before, or with /v1/webhooks, in the header openphone-signature. Both
// may come to one address; the secrets are the keys of all of them. Subscribe to
// call.ringing, call.answered, call.completed, call.missed and call.voicemail.completed.
//
// Quo does not say which of two numbers of an older webhook, or of a row of its list, is
// the clinic's. Config.Numbers says it.
//
// Sources: Quo's documentation of the version 2026-03-30 (webhooks overview, event
// payloads, signature validation; List calls) and of legacy webhooks (payload reference,
// signature validation). That openphone-signature holds milliseconds is read from its
// example, not stated.
package quo

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/ringback-health/ringback/connectors/phone"
	number "github.com/ringback-health/ringback/internal/phone"
	"github.com/ringback-health/ringback/internal/redact"
)

// Config is what the operator sets up beside the secrets, which are the signing keys of
// the webhooks as Quo shows them.
type Config struct {
	// Numbers are the clinic's own numbers at Quo, in E.164 (+12125550100).
	Numbers []string `yaml:"numbers"`
	// AIAnswers says that a call that Quo's AI agent took needs no call back. Unless it
	// is set, such a call counts as one that no person answered.
	AIAnswers bool `yaml:"ai_answers"`

	// APIKeyEnv or APIKeyFile names the API key that opens Quo's list of calls, with
	// which the ledger is held against; empty: it is not read.
	APIKeyEnv  string `yaml:"api_key_env"`
	APIKeyFile string `yaml:"api_key_file"`
	// BaseURL is Quo's API; empty: https://api.quo.com. https://api.openphone.com is its
	// older name.
	BaseURL string `yaml:"base_url"`
	// APIVersion is the version of the API that is asked for; empty: 2026-03-30, the
	// first whose list is of all calls and not of those with one number.
	APIVersion string `yaml:"api_version"`
}

const (
	defaultAPI     = "https://api.quo.com"
	defaultVersion = "2026-03-30"
)

// Validate says what is wrong with the configuration and what to write instead.
func (c Config) Validate() error {
	for i, n := range c.Numbers {
		if parsed, err := number.Parse(n, ""); err != nil || parsed.Reveal() != n {
			return fmt.Errorf("numbers: the %d. is not a phone number in E.164; write it as +12125550100", i+1)
		}
	}
	if c.APIKeyEnv == "" && c.APIKeyFile == "" && (c.BaseURL != "" || c.APIVersion != "") {
		return errors.New("the API key is missing; name it with api_key_env or api_key_file")
	}
	if strings.Trim(c.APIVersion, "0123456789-") != "" {
		return errors.New("api_version is not a version; write it as 2026-03-30")
	}
	return nil
}

// Kind is how the system is named in the configuration and made.
func Kind() phone.Kind {
	return phone.Kind{
		Name: "quo",
		What: "Quo (OpenPhone): call webhooks of both generations; list of calls",
		New: func(s phone.Settings, decode phone.Decode) (phone.System, error) {
			var c Config
			if err := decode(&c); err != nil {
				return nil, err
			}
			return New(s, c)
		},
	}
}

// System is one workspace of Quo's.
type System struct {
	settings phone.Settings
	config   Config
	keys     []redact.Secret // decoded
}

var _ phone.System = (*System)(nil)

// New makes the system: a phone.Historian where the configuration names an API key. The
// error says what is wrong with the configuration.
func New(s phone.Settings, c Config) (phone.System, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("phone system %q: %w", s.ID, err)
	}
	sys := &System{settings: s, config: c}
	for _, secret := range s.Secrets {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret.Reveal(), "whsec_"))
		if err != nil || len(key) == 0 {
			return nil, fmt.Errorf("phone system %q: a secret is not a signing key of Quo's, which is base64 (behind whsec_ for newer webhooks); copy it as Quo shows it", s.ID)
		}
		sys.keys = append(sys.keys, redact.NewSecret(string(key)))
	}
	if len(sys.keys) == 0 {
		return nil, fmt.Errorf("phone system %q: there is no secret; set the signing key of the webhook", s.ID)
	}
	if c.APIKeyEnv == "" && c.APIKeyFile == "" {
		return sys, nil
	}
	return newHistorian(sys)
}

// Receive takes one event.
func (s *System) Receive(r phone.Request) (phone.Receipt, error) {
	if r.Method != http.MethodPost {
		return phone.Receipt{}, &phone.Refused{Status: http.StatusMethodNotAllowed, Reason: "not a POST"}
	}
	if len(r.Body) == 0 {
		return phone.Receipt{}, &phone.Refused{Status: http.StatusBadRequest, Reason: "the body is empty"}
	}
	if err := s.signed(r); err != nil {
		return phone.Receipt{}, err
	}
	return phone.Receipt{Events: []phone.Event{{Key: keyOf(r), Body: r.Body, At: r.At}}}, nil
}

// keyOf names an event: by the id of its delivery, which is the same when it is tried
// again, or by its content.
func keyOf(r phone.Request) string {
	const chars = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-"
	id := r.Header.Get(idHeader)
	if rest, ok := strings.CutPrefix(id, "msg_"); ok && rest != "" && len(id) <= 80 && strings.Trim(rest, chars) == "" {
		return id
	}
	return phone.KeyOf(r.Body)
}
