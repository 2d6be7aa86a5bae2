// Package ringcentral takes the telephony session and voicemail notifications of
// RingCentral (https://developers.ringcentral.com/guide/notifications), keeps the
// subscription to them alive, and reads the account's call log to find calls of which no
// notification came.
//
// What belongs here is how RingCentral tells of calls. What a call was is decided in
// callback/calls.
package ringcentral

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ringback-health/ringback/connectors/phone"
	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/internal/redact"
	"github.com/ringback-health/ringback/internal/rest"
)

// Config is the system's own configuration. Without a client_id there is no subscription
// and no call log: whoever runs the account then subscribes by hand, with the secret as
// deliveryMode.verificationToken.
type Config struct {
	BaseURL string `yaml:"base_url"` // default https://platform.ringcentral.com
	// ClientID and the secret are those of an app with JWT authentication and the
	// permissions CallControl, ReadMessages, ReadCallLog and SubscriptionWebhook; the JWT
	// is the one that an administrator of the account made for it.
	ClientID         string `yaml:"client_id"`
	ClientSecretEnv  string `yaml:"client_secret_env"`
	ClientSecretFile string `yaml:"client_secret_file"`
	JWTEnv           string `yaml:"jwt_env"`
	JWTFile          string `yaml:"jwt_file"`

	// Queues and Menus are the ids of extensions at which no person is: call queues, and
	// IVR menus, announcements and the like. RingCentral shows both as parties that answer.
	Queues []string `yaml:"queues"`
	Menus  []string `yaml:"menus"`
	// VoicemailExtensions are the ids of the extensions of whose voicemails it is to tell;
	// queues have mailboxes of their own.
	VoicemailExtensions []string `yaml:"voicemail_extensions"`

	// Lifetime is how long a subscription lasts. 0: 7 days.
	Lifetime time.Duration `yaml:"lifetime"`
	// Check is how often the subscription is looked at: RingCentral tells nobody when it
	// stops telling. 0: 15 minutes.
	Check time.Duration `yaml:"check"`
}

const (
	defaultBaseURL  = "https://platform.ringcentral.com"
	defaultLifetime = 7 * 24 * time.Hour
	defaultCheck    = 15 * time.Minute
	// maxLifetime is RingCentral's for webhooks.
	maxLifetime = 315_360_000 * time.Second
)

// Validate sets the defaults and reports what makes no sense.
func (c *Config) Validate() error {
	if c.BaseURL == "" {
		c.BaseURL = defaultBaseURL
	}
	if c.Lifetime == 0 {
		c.Lifetime = defaultLifetime
	}
	if c.Check == 0 {
		c.Check = defaultCheck
	}
	secrets := c.ClientSecretEnv + c.ClientSecretFile + c.JWTEnv + c.JWTFile
	if c.ClientID == "" && secrets != "" {
		return errors.New("there are secrets of an app and no client_id")
	}
	if c.Check < time.Minute || c.Lifetime < 2*c.Check || c.Lifetime > maxLifetime {
		return fmt.Errorf("check is a minute or more, and lifetime at least twice as long and at most %s", maxLifetime)
	}
	for _, id := range slices.Concat(c.Queues, c.Menus, c.VoicemailExtensions) {
		if id == "" || strings.Trim(id, "0123456789") != "" {
			return errors.New("queues, menus and voicemail_extensions are ids of extensions, which are digits, and not their numbers or names")
		}
	}
	return nil
}

// System is RingCentral for one clinic.
type System struct {
	settings phone.Settings
	cfg      Config
}

// WithAPI is a System that can subscribe and read the call log.
type WithAPI struct {
	*System
	api *rest.Client
}

var (
	_ phone.System     = (*System)(nil)
	_ phone.Historian  = (*WithAPI)(nil)
	_ phone.Subscriber = (*WithAPI)(nil)
)

// Kind is RingCentral for the registry.
func Kind() phone.Kind {
	return phone.Kind{Name: "ringcentral", What: "RingCentral: telephony sessions and voicemail by subscription, call log", New: New}
}

// New makes the system: a *WithAPI where the configuration names an app, and a *System
// where it does not.
func New(s phone.Settings, decode phone.Decode) (phone.System, error) {
	var cfg Config
	if decode != nil {
		if err := decode(&cfg); err != nil {
			return nil, err
		}
	}
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("phone system %q: %w", s.ID, err)
	}
	if len(s.Secrets) == 0 {
		return nil, fmt.Errorf("phone system %q: RingCentral needs a verification token; choose a long random one", s.ID)
	}
	if s.Clock == nil {
		s.Clock = clock.System{}
	}
	sys := &System{settings: s, cfg: cfg}
	if cfg.ClientID == "" {
		return sys, nil
	}
	api, err := newAPI(s, cfg)
	if err != nil {
		return nil, fmt.Errorf("phone system %q: %w", s.ID, err)
	}
	return &WithAPI{System: sys, api: api}, nil
}

// newAPI makes the client of RingCentral's REST API, which logs in with a JWT
// (https://developers.ringcentral.com/guide/authentication/jwt-flow).
func newAPI(s phone.Settings, cfg Config) (*rest.Client, error) {
	if s.Secret == nil {
		return nil, errors.New("secrets cannot be read here; leave client_id out")
	}
	secret, err := s.Secret("client_secret", cfg.ClientSecretEnv, cfg.ClientSecretFile)
	if err != nil {
		return nil, err
	}
	assertion, err := s.Secret("jwt", cfg.JWTEnv, cfg.JWTFile)
	if err != nil {
		return nil, err
	}
	base := strings.TrimRight(cfg.BaseURL, "/")
	auth, err := rest.FormGrant(rest.FormGrantConfig{
		TokenEndpoint: rest.TokenEndpoint{URL: base + "/restapi/oauth/token", ClientID: cfg.ClientID, Clock: s.Clock}, Secret: secret,
		Form: map[string]redact.Secret{"grant_type": redact.NewSecret("urn:ietf:params:oauth:grant-type:jwt-bearer"), "assertion": assertion},
	})
	if err != nil {
		return nil, err
	}
	return rest.New(rest.Config{BaseURL: base + "/restapi/v1.0", Auth: auth, Clock: s.Clock})
}

// The headers of RingCentral's requests. Its API names the secret Verification-Token, and
// a page of its guide Validation-Token, which is otherwise the name of the token of the
// handshake.
const (
	verificationHeader = "Verification-Token"
	validationHeader   = "Validation-Token"
)

// maxHandshake is the longest token that is sent back: RingCentral takes an answer of 1024
// bytes with all its headers.
const maxHandshake = 512

// Receive takes a request that carries the verification token, under either of its names,
// and answers the handshake of a new subscription, which carries a token of RingCentral's
// own, no secret and no body. RingCentral signs nothing: a body that was changed on the
// way cannot be told.
func (s *System) Receive(r phone.Request) (phone.Receipt, error) {
	if r.Method != http.MethodPost {
		return phone.Receipt{}, &phone.Refused{Status: http.StatusMethodNotAllowed, Reason: "RingCentral sends its notifications with POST"}
	}
	sent, token := r.Header.Get(verificationHeader), r.Header.Get(validationHeader)
	one, other := phone.SameSecret(s.settings.Secrets, sent), phone.SameSecret(s.settings.Secrets, token)
	switch {
	case len(r.Body) == 0 && token != "":
		return handshake(token)
	case !one && !other:
		return phone.Receipt{}, phone.Refuse("the verification token is missing or is none of ours")
	case len(r.Body) == 0:
		return phone.Receipt{}, &phone.Refused{Status: http.StatusBadRequest, Reason: "the notification has no body"}
	}
	return phone.Receipt{
		Events: []phone.Event{{Key: keyOf(r.Body), Body: r.Body, At: r.At}},
		Answer: phone.Answer{Status: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}},
	}, nil
}

// handshake sends the token back, if it is one: whatever else comes is not repeated.
func handshake(token string) (phone.Receipt, error) {
	strange := func(c rune) bool { return c <= ' ' || c > '~' }
	if len(token) > maxHandshake || strings.ContainsFunc(token, strange) {
		return phone.Receipt{}, &phone.Refused{Status: http.StatusBadRequest, Reason: "the token of the handshake has another form"}
	}
	return phone.Receipt{Answer: phone.Answer{
		Status: http.StatusOK, Header: http.Header{validationHeader: {token}, "Content-Type": {"application/json"}},
	}}, nil
}

// keyOf is the notification's uuid, or is made of the body where it has none.
func keyOf(body []byte) string {
	var n struct {
		UUID phone.Scalar `json:"uuid"`
	}
	if err := json.Unmarshal(body, &n); err == nil {
		if id := n.UUID.ID(); len(id) >= 16 {
			return id
		}
	}
	return phone.KeyOf(body)
}
