// Package zoomphone takes the webhooks of Zoom Phone
// (https://developers.zoom.us/docs/api/phone/events/), and reads the account's call
// history to find calls of which no event came.
//
// Subscribe the app to: callee ringing, answered, missed, rejected and ended, caller
// connected and ended, voicemail received, voicemail transcript completed, and the callee
// and caller call elements. The call elements alone are enough to know what each call was,
// some minutes later.
//
// What belongs here is how Zoom tells of calls. What a call was is decided in
// callback/calls.
package zoomphone

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ringback-health/ringback/connectors/phone"
	"github.com/ringback-health/ringback/internal/redact"
	"github.com/ringback-health/ringback/internal/rest"
)

// Config is the system's own configuration. Without a client_id there is no history.
type Config struct {
	// AccountID, ClientID and the secret are those of a Server-to-Server OAuth app with
	// the scopes phone:read:list_call_logs:admin and phone:read:call_log:admin.
	AccountID        string `yaml:"account_id"`
	ClientID         string `yaml:"client_id"`
	ClientSecretEnv  string `yaml:"client_secret_env"`
	ClientSecretFile string `yaml:"client_secret_file"`
	BaseURL          string `yaml:"base_url"`  // default https://api.zoom.us/v2
	TokenURL         string `yaml:"token_url"` // default https://zoom.us/oauth/token
}

// Validate sets the defaults and reports what makes no sense.
func (c *Config) Validate() error {
	if (c.ClientID == "") != (c.AccountID == "") {
		return errors.New("account_id and client_id belong together: give both, or none and there is no call history")
	}
	if c.ClientID == "" && (c.ClientSecretEnv != "" || c.ClientSecretFile != "") {
		return errors.New("there is a client secret and no client_id")
	}
	if c.BaseURL == "" {
		c.BaseURL = "https://api.zoom.us/v2"
	}
	if c.TokenURL == "" {
		c.TokenURL = "https://zoom.us/oauth/token"
	}
	return nil
}

// System is Zoom Phone for one clinic.
type System struct{ settings phone.Settings }

// WithHistory is a System that can read the account's call history.
type WithHistory struct {
	*System
	api *rest.Client
}

var (
	_ phone.System    = (*System)(nil)
	_ phone.Historian = (*WithHistory)(nil)
)

// Kind is Zoom Phone for the registry.
func Kind() phone.Kind {
	return phone.Kind{Name: "zoomphone", What: "Zoom Phone: webhooks with voicemail and transcripts, call history", New: New}
}

// New makes the system: a *WithHistory where the configuration names an app for the API,
// and a *System where it does not.
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
		return nil, fmt.Errorf("phone system %q: Zoom needs the secret token of the app's webhooks", s.ID)
	}
	sys := &System{settings: s}
	if cfg.ClientID == "" {
		return sys, nil
	}
	api, err := newAPI(s, cfg)
	if err != nil {
		return nil, fmt.Errorf("phone system %q: %w", s.ID, err)
	}
	return &WithHistory{System: sys, api: api}, nil
}

// newAPI makes the client of Zoom's REST API.
func newAPI(s phone.Settings, cfg Config) (*rest.Client, error) {
	if s.Secret == nil {
		return nil, errors.New("secrets cannot be read here; leave client_id out")
	}
	secret, err := s.Secret("client_secret", cfg.ClientSecretEnv, cfg.ClientSecretFile)
	if err != nil {
		return nil, err
	}
	auth, err := rest.FormGrant(rest.FormGrantConfig{
		TokenEndpoint: rest.TokenEndpoint{URL: cfg.TokenURL, ClientID: cfg.ClientID, Clock: s.Clock}, Secret: secret,
		Form: map[string]redact.Secret{
			"grant_type": redact.NewSecret("account_credentials"), "account_id": redact.NewSecret(cfg.AccountID),
		},
	})
	if err != nil {
		return nil, err
	}
	return rest.New(rest.Config{BaseURL: cfg.BaseURL, Auth: auth, Clock: s.Clock})
}

// Receive checks the signature that Zoom makes over the time and the body as it came
// (https://developers.zoom.us/docs/api/webhooks/#verify-webhook-events), and answers the
// question with which Zoom validates an address. That question has to be signed too:
// whoever could have any text signed could sign events.
//
// The events have no id; their Key is made of the body.
func (s *System) Receive(r phone.Request) (phone.Receipt, error) {
	if r.Method != http.MethodPost {
		return phone.Receipt{}, &phone.Refused{Status: http.StatusMethodNotAllowed, Reason: "Zoom sends its events with POST"}
	}
	signedWith, err := s.verify(r)
	if err != nil {
		return phone.Receipt{}, err
	}
	var question struct {
		Event   string `json:"event"`
		Payload struct {
			PlainToken string `json:"plainToken"`
		} `json:"payload"`
	}
	if err := json.Unmarshal(r.Body, &question); err == nil && question.Event == "endpoint.url_validation" {
		return validated(question.Payload.PlainToken, signedWith)
	}
	return phone.Receipt{Events: []phone.Event{{Key: phone.KeyOf(r.Body), Body: r.Body, At: r.At}}}, nil
}

// verify returns the secret that the request is signed with.
func (s *System) verify(r phone.Request) (redact.Secret, error) {
	stamp := r.Header.Get("X-Zm-Request-Timestamp")
	digits, found := strings.CutPrefix(r.Header.Get("X-Zm-Signature"), "v0=")
	mac, err := hex.DecodeString(digits)
	if stamp == "" || !found || err != nil {
		return redact.Secret{}, phone.Refuse("the signature of Zoom or its time is missing or has another form")
	}
	var with redact.Secret
	for _, secret := range s.settings.Secrets {
		if phone.SignedWith([]redact.Secret{secret}, sha256.New, mac, []byte("v0:"+stamp+":"), r.Body) {
			with = secret
		}
	}
	if with.IsEmpty() {
		return with, phone.Refuse("the signature is not made with any of the secret tokens")
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || !s.settings.Fresh(time.Unix(seconds, 0), r.At) {
		return redact.Secret{}, phone.Refuse("the signed time is too far from ours; check the clock of this machine")
	}
	return with, nil
}

// validated answers the question of a validation.
func validated(plain string, secret redact.Secret) (phone.Receipt, error) {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	if plain == "" || len(plain) > 256 || strings.Trim(plain, letters) != "" {
		return phone.Receipt{}, &phone.Refused{Status: http.StatusBadRequest, Reason: "the token of the validation has another form"}
	}
	m := hmac.New(sha256.New, []byte(secret.Reveal()))
	m.Write([]byte(plain))
	body, err := json.Marshal(map[string]string{"plainToken": plain, "encryptedToken": hex.EncodeToString(m.Sum(nil))})
	if err != nil {
		return phone.Receipt{}, &phone.Refused{Status: http.StatusBadRequest, Reason: "the token of the validation cannot be answered"}
	}
	return phone.Receipt{Answer: phone.Answer{Status: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: body}}, nil
}
