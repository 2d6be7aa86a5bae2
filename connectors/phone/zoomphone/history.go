package zoomphone

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/connectors/phone"
	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/rest"
)

const (
	// pageSize is the most that Zoom gives.
	pageSize = "300"
	// maxSpan is what one question may span: a month. Zoom knows six months back.
	maxSpan = 28 * 24 * time.Hour
	// maxPages stops a history whose pages do not end.
	maxPages = 10_000
)

// History asks GET /phone/call_history for the calls that began in the span, and GET
// /phone/call_history/{call_history_uuid} for the elements of those that a queue or menu is
// said to have answered, since only they tell whether a person took the call.
func (s *WithHistory) History(ctx context.Context, in callback.Span, page func([]phone.Event) error) error {
	for from := in.From; from.Before(in.Until); from = from.Add(maxSpan) {
		to := from.Add(maxSpan)
		if to.After(in.Until) {
			to = in.Until
		}
		if err := s.month(ctx, from, to, page); err != nil {
			return err
		}
	}
	return nil
}

// month asks for one span, page by page.
func (s *WithHistory) month(ctx context.Context, from, to time.Time, page func([]phone.Event) error) error {
	const op = "read the call history of Zoom Phone"
	query := url.Values{
		"from": {from.UTC().Format("2006-01-02T15:04:05Z")}, "to": {to.UTC().Format("2006-01-02T15:04:05Z")},
		"page_size": {pageSize}, "time_type": {"start_time"},
	}
	for range maxPages {
		var answer struct {
			Next    string            `json:"next_page_token"`
			History []json.RawMessage `json:"call_history"`
			Logs    []json.RawMessage `json:"call_logs"` // what they were called before
		}
		if err := s.get(ctx, op, "phone/call_history", query, &answer); err != nil {
			return err
		}
		records := answer.History
		if len(records) == 0 {
			records = answer.Logs
		}
		events, err := s.events(ctx, records)
		if err != nil {
			return err
		}
		if err := page(events); err != nil {
			return err
		}
		if answer.Next == "" {
			return nil
		}
		query.Set("next_page_token", answer.Next)
	}
	return fault.New(fault.Retry, op, "the pages do not end").WithHint("ask for a shorter span")
}

// events makes events of records, with the elements of those that need them.
func (s *WithHistory) events(ctx context.Context, records []json.RawMessage) ([]phone.Event, error) {
	const op = "read a call of the history of Zoom Phone"
	events := make([]phone.Event, 0, len(records))
	for _, raw := range records {
		var r element
		if err := json.Unmarshal(raw, &r); err != nil {
			return nil, fault.New(fault.Retry, op, "Zoom answered something else than a call record")
		}
		body := []byte(raw)
		if id := r.HistoryID.ID(); id != "" && r.needsElements() {
			var detail json.RawMessage
			if err := s.get(ctx, op, "phone/call_history/"+url.PathEscape(id), nil, &detail); err != nil {
				if !fault.Is(err, fault.NotFound) { // the list says enough then
					return nil, err
				}
			} else {
				body = detail
			}
		}
		events = append(events, phone.Event{Form: phone.FormHistory, Key: phone.KeyOf([]byte("history"), body), Body: body, At: s.now()})
	}
	return events, nil
}

// needsElements reports whether the summary leaves open if a person answered.
func (e element) needsElements() bool {
	v, _ := results.Verdict(string(e.CallResult))
	return e.Direction != "outbound" && v == calls.VerdictAnswered && reached(e.CalleeExtType, false) != aPerson
}

func (s *WithHistory) get(ctx context.Context, op, path string, query url.Values, into any) error {
	resp, err := s.api.Do(ctx, rest.Request{Op: op, Method: http.MethodGet, Path: path, Query: query})
	if err != nil {
		return err
	}
	if err := json.Unmarshal(resp.Body, into); err != nil {
		return fault.New(fault.Retry, op, "Zoom answered something else than JSON").WithHint("check base_url")
	}
	return nil
}

func (s *WithHistory) now() time.Time {
	if s.settings.Clock == nil {
		return clock.System{}.Now()
	}
	return s.settings.Clock.Now()
}
