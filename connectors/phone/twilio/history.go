package twilio

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/connectors/phone"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/rest"
)

// Historian is a System that can ask for Twilio's list of calls.
type Historian struct {
	*System
	api  *rest.Client
	path string
}

var _ phone.Historian = (*Historian)(nil)

func newHistorian(s *System, c Config) (*Historian, error) {
	user, secret := c.AccountSID, s.settings.Secrets[0]
	if c.APIKeySID != "" {
		if s.settings.Secret == nil {
			return nil, fmt.Errorf("phone system %q: the API secret cannot be read here", s.settings.ID)
		}
		var err error
		if secret, err = s.settings.Secret("api_secret", c.APISecretEnv, c.APISecretFile); err != nil {
			return nil, fmt.Errorf("phone system %q: %w", s.settings.ID, err)
		}
		user = c.APIKeySID
	}
	if c.BaseURL == "" {
		c.BaseURL = defaultAPI
	}
	api, err := rest.New(rest.Config{BaseURL: c.BaseURL, Auth: rest.Basic(user, secret), Clock: s.settings.Clock})
	if err != nil {
		return nil, fmt.Errorf("phone system %q: %w", s.settings.ID, err)
	}
	return &Historian{System: s, api: api, path: "/2010-04-01/Accounts/" + c.AccountSID + "/Calls.json"}, nil
}

const listCalls = "list Twilio's calls"

// maxPages ends a list that goes round in circles: a million calls.
const maxPages = 1000

// History reads GET /2010-04-01/Accounts/{AccountSid}/Calls.json, a page of 1,000 calls
// at a time. Twilio documents that it filters by day (UTC), so that whole days are asked
// for and rows outside the span are left out. A row says less than the callbacks: of a
// call that was answered out of a queue it does not show that it was.
func (h *Historian) History(ctx context.Context, in callback.Span, page func([]phone.Event) error) error {
	const day = "2006-01-02"
	req := rest.Request{Op: listCalls, Path: h.path, Query: url.Values{
		"StartTime>": {in.From.UTC().Format(day)}, "StartTime<": {in.Until.UTC().AddDate(0, 0, 1).Format(day)}, "PageSize": {"1000"},
	}}
	var seen []string
	for range maxPages {
		var answer struct {
			Calls *[]json.RawMessage `json:"calls"`
			Next  *string            `json:"next_page_uri"`
		}
		if err := phone.GetJSON(ctx, h.api, req, &answer); err != nil {
			return err
		}
		if answer.Calls == nil {
			return fault.New(fault.Retry, listCalls, "the answer holds no list of calls").WithHint("check account_sid and base_url")
		}
		if err := page(h.events(*answer.Calls, in)); err != nil {
			return err
		}
		if answer.Next == nil || *answer.Next == "" {
			return nil
		}
		if slices.Contains(seen, *answer.Next) {
			break
		}
		seen = append(seen, *answer.Next)
		req = rest.Request{Op: listCalls, Path: *answer.Next}
	}
	return fault.New(fault.Retry, listCalls, "the pages go round in a circle or have no end")
}

// events are the rows of a page that belong to the span; one without a start, which has
// not been dialled yet, does.
func (h *Historian) events(rows []json.RawMessage, in callback.Span) []phone.Event {
	out := make([]phone.Event, 0, len(rows))
	for _, row := range rows {
		var start time.Time
		if p, err := parse(row); err == nil {
			start = p.time("StartTime")
		}
		if !start.IsZero() && (start.Before(in.From) || !start.Before(in.Until)) {
			continue
		}
		out = append(out, phone.Event{Form: phone.FormHistory, Key: phone.KeyOf(row), Body: row, At: h.settings.Now()})
	}
	return out
}
