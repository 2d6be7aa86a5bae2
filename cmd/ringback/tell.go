package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/config"
	"github.com/ringback-health/ringback/internal/rest"
)

// alert is what is posted to the webhook. Text is the whole of it for a person, under
// the name that chat services read.
type alert struct {
	ID     string `json:"id"` // the same when it is posted again: a crash can cause that
	Text   string `json:"text"`
	Event  string `json:"event"` // "ehr-failing" or "ehr-recovered"
	Clinic string `json:"clinic"`
	EHR    string `json:"ehr"`
	Since  string `json:"since"` // when it began to fail
	At     string `json:"at"`
	Error  string `json:"error,omitempty"`
	Do     string `json:"what_to_do,omitempty"`
}

func newAlert(n callback.News) alert {
	a := alert{ID: n.ID(), Event: "ehr-failing", Clinic: string(n.Clinic), EHR: string(n.EHR), Since: instant(n.Since), At: instant(n.At), Error: n.Error, Do: n.Hint}
	if n.Recovered {
		a.Event = "ehr-recovered"
		a.Text = fmt.Sprintf("Ringback: the EHR %s of clinic %s answers again. It had failed since %s (%s). Everything that waited is being filed now.",
			a.EHR, a.Clinic, a.Since, n.At.Sub(n.Since).Round(time.Second))
		return a
	}
	a.Text = fmt.Sprintf("Ringback: the EHR %s of clinic %s does not do its work since %s. New callbacks are kept and filed when it does. What happened: %s",
		a.EHR, a.Clinic, a.Since, n.Error)
	return a
}

// newTell makes what posts alerts, nil when no address is configured.
func newTell(cfg config.Config) (func(context.Context, callback.News) error, error) {
	address, err := cfg.Secret("alerts.webhook", cfg.Alerts.WebhookEnv, cfg.Alerts.WebhookFile)
	if err != nil || address.IsEmpty() {
		return nil, err
	}
	u, err := url.Parse(address.Reveal())
	if err != nil {
		return nil, errors.New("alerts.webhook: the address cannot be read; write it as https://host/path")
	}
	base := url.URL{Scheme: u.Scheme, Host: u.Host}
	client, err := rest.New(rest.Config{BaseURL: base.String(), Timeout: 10 * time.Second})
	if err != nil {
		return nil, fmt.Errorf("alerts.webhook: %w", err)
	}
	return func(ctx context.Context, n callback.News) error {
		body, err := json.Marshal(newAlert(n))
		if err != nil {
			return err
		}
		_, err = client.Do(ctx, rest.Request{Op: "post alert", Method: http.MethodPost, Path: u.String(), Body: body, ContentType: "application/json", Write: true})
		return err
	}, nil
}
