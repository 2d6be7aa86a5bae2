// Package dialpad takes the call events of Dialpad
// (https://developers.dialpad.com/docs/call-events): webhooks whose body is a JWT,
// because the webhook was made with a secret.
//
// What belongs here is how Dialpad tells of calls. What a call was is decided in
// callback/calls.
package dialpad

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/ringback-health/ringback/connectors/phone"
	"github.com/ringback-health/ringback/internal/jose"
)

// Config is the system's own configuration.
type Config struct {
	// PersonTargets are the types of targets at which a person answers. Other targets (a
	// call center, a department, an office's menu) answer for a person only where Dialpad
	// names the colleague's own call as operator_call_id. Default: user, room.
	PersonTargets []string `yaml:"person_targets"`
}

// Validate sets the defaults and reports what makes no sense.
func (c *Config) Validate() error {
	if c.PersonTargets == nil {
		c.PersonTargets = []string{"user", "room"}
	}
	if slices.Contains(c.PersonTargets, "") {
		return errors.New("person_targets: a type is empty; Dialpad calls them user, room, callcenter, department, office")
	}
	return nil
}

// System is Dialpad for one clinic.
type System struct {
	settings phone.Settings
	cfg      Config
}

var _ phone.System = (*System)(nil)

// Kind is Dialpad for the registry.
func Kind() phone.Kind {
	return phone.Kind{Name: "dialpad", What: "Dialpad: call events, with voicemail and transcripts", New: New}
}

// New makes the system. It is an error if there is no secret: without one Dialpad sends
// plain JSON that anybody could have written.
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
		return nil, fmt.Errorf("phone system %q: Dialpad needs the secret that its webhook was made with", s.ID)
	}
	return &System{settings: s, cfg: cfg}, nil
}

// Receive takes a JWT that is signed with HS256 under one of the secrets, and nothing
// else: no plain JSON, no other algorithm. What is stored is the payload of the JWT, byte
// for byte as Dialpad wrote it; its Key is made of it, since the events have no id.
//
// A JWT of Dialpad's has no time that it is valid for, so that one that was overheard can
// be sent again. It has the same Key then, and is stored once.
func (s *System) Receive(r phone.Request) (phone.Receipt, error) {
	if r.Method != http.MethodPost {
		return phone.Receipt{}, &phone.Refused{Status: http.StatusMethodNotAllowed, Reason: "Dialpad sends its events with POST"}
	}
	payload, err := jose.OpenHS256(r.Body, s.settings.Secrets)
	if err != nil {
		reason := "the body is no JWT signed with HS256 and one of the secrets"
		if t := bytes.TrimSpace(r.Body); len(t) > 0 && t[0] == '{' {
			reason = "the body is plain JSON: the webhook was made without the secret; make it anew with one"
		}
		return phone.Receipt{}, phone.Refuse(reason)
	}
	return phone.Receipt{Events: []phone.Event{{Key: phone.KeyOf(payload), Body: payload, At: r.At}}}, nil
}

// Read says what an event tells. Every event shows the call as it is at that moment: who
// called, and when it began, was answered and ended; the state says what changed.
//
// Dialpad makes a call of its own for each target that is tried (a department, its call
// center, a colleague), and these name each other: master_call_id, else
// entry_point_call_id, else the call itself is taken for the session. Where a department
// passes a call on to a call center, the colleagues' calls name only the call center's
// [M]; they are a session of their own then.
func (s *System) Read(e phone.Event) (phone.Report, error) {
	var told event
	if err := json.Unmarshal(e.Body, &told); err != nil {
		return phone.Report{}, errors.New("dialpad: the event is no JSON object with the fields of a call event")
	}
	if told.CallID.ID() == "" {
		if told.State == "" {
			return phone.Report{Skip: "it has neither a call_id nor a state: it is no call event"}, nil
		}
		return phone.Report{}, errors.New("dialpad: the event has a state and no call_id")
	}
	return phone.Report{Legs: s.legs(told)}, nil
}
