package aircall

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/connectors/phone"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/rest"
)

// Historian is a System that can ask for Aircall's list of calls.
type Historian struct {
	*System
	api *rest.Client
}

var _ phone.Historian = (*Historian)(nil)

// perSecond is how often we ask; Aircall allows 60 to 120 requests a minute, by plan.
const perSecond = 0.9

func newHistorian(s *System, c Config) (*Historian, error) {
	if s.settings.Secret == nil {
		return nil, fmt.Errorf("phone system %q: the API token cannot be read here", s.settings.ID)
	}
	token, err := s.settings.Secret("api_token", c.APITokenEnv, c.APITokenFile)
	if err != nil {
		return nil, fmt.Errorf("phone system %q: %w", s.settings.ID, err)
	}
	if c.BaseURL == "" {
		c.BaseURL = defaultAPI
	}
	api, err := rest.New(rest.Config{BaseURL: c.BaseURL, Auth: rest.Basic(c.APIID, token), MaxPerSecond: perSecond, Clock: s.settings.Clock})
	if err != nil {
		return nil, fmt.Errorf("phone system %q: %w", s.settings.ID, err)
	}
	return &Historian{System: s, api: api}, nil
}

const (
	listCalls = "list Aircall's calls"
	pageSize  = 50 // Aircall's greatest
	// window is how much of a span is asked for at once: Aircall lists no more than
	// 10,000 calls for one question (not confirmed).
	window = 24 * time.Hour
)

// History reads GET /v1/calls day by day, oldest first, a page of 50 calls at a time.
// Pages are counted until one is not followed by another (next_page_link).
func (h *Historian) History(ctx context.Context, in callback.Span, page func([]phone.Event) error) error {
	for from := in.From; from.Before(in.Until); from = from.Add(window) {
		until := from.Add(window)
		if until.After(in.Until) {
			until = in.Until
		}
		if err := h.window(ctx, from, until, page); err != nil {
			return err
		}
	}
	return nil
}

// window reads the calls that were made in [from, until).
func (h *Historian) window(ctx context.Context, from, until time.Time, page func([]phone.Event) error) error {
	read := 0
	for n := 1; ; n++ {
		var answer struct {
			Meta struct {
				Total *int    `json:"total"`
				Next  *string `json:"next_page_link"`
			} `json:"meta"`
			Calls *[]json.RawMessage `json:"calls"`
		}
		// Whole seconds, both inclusive.
		query := url.Values{"from": {strconv.FormatInt(from.Unix(), 10)}, "to": {strconv.FormatInt(until.Add(-1).Unix(), 10)}, "order": {"asc"},
			"per_page": {strconv.Itoa(pageSize)}, "page": {strconv.Itoa(n)}, "fetch_contact": {"true"}}
		if err := phone.GetJSON(ctx, h.api, rest.Request{Op: listCalls, Path: "/v1/calls", Query: query}, &answer); err != nil {
			return err
		}
		if answer.Calls == nil {
			return fault.New(fault.Retry, listCalls, "the answer holds no list of calls").WithHint("check base_url")
		}
		events := make([]phone.Event, 0, len(*answer.Calls))
		for _, row := range *answer.Calls {
			events = append(events, phone.Event{Form: phone.FormHistory, Key: phone.KeyOf(row), Body: row, At: h.settings.Now()})
		}
		read += len(events)
		if err := page(events); err != nil {
			return err
		}
		switch more := answer.Meta.Next != nil && *answer.Meta.Next != ""; {
		case more && len(events) > 0:
			continue
		case more, answer.Meta.Total != nil && read < *answer.Meta.Total:
			return fault.New(fault.Retry, listCalls, fmt.Sprintf("the list ended after %d calls, before its end", read)).
				WithHint("Aircall lists a limited number of calls for one question; if it happens again, ask Aircall's support")
		default:
			return nil
		}
	}
}
