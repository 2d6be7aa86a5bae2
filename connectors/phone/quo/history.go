package quo

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/connectors/phone"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/rest"
)

// Historian is a System that can ask for Quo's list of calls.
type Historian struct {
	*System
	api     *rest.Client
	version string
}

var _ phone.Historian = (*Historian)(nil)

// perSecond is how often we ask; Quo allows 10 requests per second and key.
const perSecond = 5

func newHistorian(s *System) (*Historian, error) {
	c := s.config
	if s.settings.Secret == nil {
		return nil, fmt.Errorf("phone system %q: the API key cannot be read here", s.settings.ID)
	}
	key, err := s.settings.Secret("api_key", c.APIKeyEnv, c.APIKeyFile)
	if err != nil {
		return nil, fmt.Errorf("phone system %q: %w", s.settings.ID, err)
	}
	if c.BaseURL == "" {
		c.BaseURL = defaultAPI
	}
	if c.APIVersion == "" {
		c.APIVersion = defaultVersion
	}
	// Quo takes the key as it is, without "Bearer".
	api, err := rest.New(rest.Config{BaseURL: c.BaseURL, Headers: []rest.Header{{Name: "Authorization", Value: key}}, MaxPerSecond: perSecond, Clock: s.settings.Clock})
	if err != nil {
		return nil, fmt.Errorf("phone system %q: %w", s.settings.ID, err)
	}
	return &Historian{System: s, api: api, version: c.APIVersion}, nil
}

const listCalls = "list Quo's calls"

// maxPages ends a list that goes round in circles: a million calls.
const maxPages = 20_000

// History reads GET /calls of the version 2026-03-30: all calls of the workspace that
// were made in the span, a page of 50 at a time, with their voicemails. (GET /v1/calls
// is of no use: it wants to know with whom the calls were.)
func (h *Historian) History(ctx context.Context, in callback.Span, page func([]phone.Event) error) error {
	// Both bounds are inclusive.
	query := url.Values{
		"createdAt[gte]": {in.From.UTC().Format(time.RFC3339Nano)}, "createdAt[lte]": {in.Until.UTC().Add(-time.Millisecond).Format(time.RFC3339Nano)},
		"include": {"voicemail"}, "limit": {"50"},
	}
	var seen []string
	for range maxPages {
		var answer struct {
			Data *[]json.RawMessage `json:"data"`
			Next *string            `json:"nextCursor"`
		}
		req := rest.Request{Op: listCalls, Path: "/calls", Query: query, Header: http.Header{"Quo-Api-Version": {h.version}}}
		if err := phone.GetJSON(ctx, h.api, req, &answer); err != nil {
			return err
		}
		if answer.Data == nil {
			return fault.New(fault.Retry, listCalls, "the answer holds no list of calls").WithHint("check base_url and api_version")
		}
		events := make([]phone.Event, 0, len(*answer.Data))
		for _, row := range *answer.Data {
			events = append(events, phone.Event{Form: phone.FormHistory, Key: phone.KeyOf(row), Body: row, At: h.settings.Now()})
		}
		if err := page(events); err != nil {
			return err
		}
		if answer.Next == nil || *answer.Next == "" {
			return nil
		}
		if slices.Contains(seen, *answer.Next) {
			break
		}
		seen = append(seen, *answer.Next)
		query.Set("after", *answer.Next)
	}
	return fault.New(fault.Retry, listCalls, "the pages go round in a circle or have no end")
}
