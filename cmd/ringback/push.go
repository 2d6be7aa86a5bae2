package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/connectors/ehr"
	"github.com/ringback-health/ringback/internal/config"
	"github.com/ringback-health/ringback/internal/redact"
	"github.com/ringback-health/ringback/scheduler"
	"github.com/ringback-health/ringback/server"
)

// leastSecret is how long the secrets of notifications must be: 32 hexadecimal digits
// cannot be guessed.
const leastSecret = 32

// pushRequest is how a clinic's EHR is to tell of changes; nil: it is not to. Its
// secrets are read, and its schedule is looked at.
func pushRequest(cfg config.Config, cl config.Clinic) (*callback.PushRequest, error) {
	p := cl.EHR.Push
	if p == nil {
		return nil, nil
	}
	word, err := pushSecret(cfg, "push.secret", p.SecretEnv, p.SecretFile)
	signing, signErr := pushSecret(cfg, "push.signing_secret", p.SigningSecretEnv, p.SigningSecretFile)
	if err := errors.Join(err, signErr); err != nil {
		return nil, fmt.Errorf("clinic %s: ehr %s: %w", cl.ID, cl.EHR.ID, err)
	}
	if p.Poll != "" {
		if _, err := scheduler.ParseSchedule(p.Poll); err != nil {
			return nil, fmt.Errorf("clinic %s: ehr %s: push.poll: %w", cl.ID, cl.EHR.ID, err)
		}
	}
	if word.IsEmpty() {
		return nil, fmt.Errorf("clinic %s: ehr %s: push.secret is empty", cl.ID, cl.EHR.ID)
	}
	return &callback.PushRequest{Endpoint: strings.TrimSuffix(cfg.PublicURL, "/") + "/v1/ehr/" + cl.EHR.ID + "/notifications",
		Secret: word, SigningSecret: signing}, nil
}

// pushSecret reads a secret that has to survive as a header: some servers cut a header
// at its second colon.
func pushSecret(cfg config.Config, name, env, file string) (redact.Secret, error) {
	s, err := cfg.Secret(name, env, file)
	if err != nil || s.IsEmpty() {
		return s, err
	}
	plain := strings.ContainsFunc(s.Reveal(), func(r rune) bool { return r <= ' ' || r > '~' || r == ':' || r == ',' })
	if len(s.Reveal()) < leastSecret || plain {
		return redact.Secret{}, fmt.Errorf("%s: it must be %d characters at least, without spaces, colons and commas; make one with: openssl rand -hex 32", name, leastSecret)
	}
	return s, nil
}

// sitePush is the scheduler's part of it.
func sitePush(cfg config.Config, cl config.Clinic) (*scheduler.SitePush, error) {
	r, err := pushRequest(cfg, cl)
	if err != nil || r == nil {
		return nil, err
	}
	return &scheduler.SitePush{Request: *r, Poll: cl.EHR.Push.Poll}, nil
}

// notifiers are the EHRs that the server lets tell of changes.
func (a *app) notifiers(cfg config.Config) (map[callback.EHRID]server.Notifier, error) {
	all := map[callback.EHRID]server.Notifier{}
	for _, cl := range cfg.Clinics {
		if cl.EHR == nil || cl.EHR.Push == nil {
			continue
		}
		id := callback.EHRID(cl.EHR.ID)
		told, can := a.ehrs[id].(ehr.Pusher)
		if !can {
			return nil, fmt.Errorf("clinic %s: ehr %s: the connector %s cannot be told of changes; remove push", cl.ID, id, cl.EHR.Connector)
		}
		r, err := pushRequest(cfg, cl)
		if err != nil {
			return nil, err
		}
		all[id] = server.Notifier{Secret: r.Secret, SigningSecret: r.SigningSecret, Read: told.Notified,
			Notified: func(f callback.Feed, kind callback.NotificationKind) { a.scheduler.Notified(id, f, kind) }}
	}
	return all, nil
}

// pushes are what the metrics show of it.
func (a *app) pushes() []server.PushGauge {
	var all []server.PushGauge
	for _, h := range a.scheduler.Pushes() {
		all = append(all, server.PushGauge{Clinic: h.Clinic, EHR: h.EHR, Feed: h.Push.Feed, Proven: h.Proven, Until: h.Push.Until})
	}
	return all
}
