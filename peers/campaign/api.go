package campaign

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// object is JSON of either side.
type object = map[string]any

// record is what the API tells about a callback, as far as it is looked at.
type record struct {
	ID       string
	Status   string
	Outcome  string
	Owner    string
	Priority string
	Revision int64
	SourceID string `json:"source_id"`
	Source   string
	Repeats  int
	Timeline []event
	Attempts []struct{ Note string }
	Links    []link

	Disposition string // of a receipt
}

type link struct {
	LinkID       string `json:"link_id"`
	ResourceType string `json:"resource_type"`
	ID           string
	Version      string
	Status       string
	Holds        int64  `json:"holds_revision"`
	LastError    string `json:"last_error"`
}

type event struct {
	At       time.Time
	Kind     string
	By       struct{ Kind string }
	From, To string
	Detail   string
	Note     string
}

func (r record) view() view { return view{r.Status, r.Outcome, r.Owner, r.Priority} }

// item returns the link to the work item.
func (r record) item() (link, bool) {
	for _, l := range r.Links {
		if l.ResourceType == "Task" {
			return l, true
		}
	}
	return link{}, false
}

// event returns the latest event of a kind that a person made through the API and
// that ok holds of.
func (r record) event(kind string, ok func(event) bool) (event, bool) {
	for i := len(r.Timeline) - 1; i >= 0; i-- {
		if e := r.Timeline[i]; e.Kind == kind && ok(e) {
			return e, true
		}
	}
	return event{}, false
}

// refusal is an answer of the API that is no success.
type refusal struct {
	status int
	text   string
}

func (e *refusal) Error() string { return fmt.Sprintf("the API answers %d %s", e.status, e.text) }

// refused reports whether the API said that the callback does not allow it.
func refused(err error) bool {
	var r *refusal
	return errors.As(err, &r) && r.status == http.StatusConflict
}

// down is how long Ringback may be away: it is killed and started again.
const down = 2 * time.Minute

// api asks Ringback. It asks again while nobody answers, so that whether something
// was done by the first request may not be known; again reports that.
func (c *campaign) api(ctx context.Context, method, path string, body any) (r record, again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, down)
	defer cancel()
	for {
		r, err = c.apiOnce(ctx, method, path, body)
		var no *refusal
		if err == nil || errors.As(err, &no) && no.status != http.StatusServiceUnavailable {
			return r, again, err
		}
		again = true
		if !pause(ctx, 100*time.Millisecond) {
			return r, again, err
		}
	}
}

func (c *campaign) apiOnce(ctx context.Context, method, path string, body any) (r record, err error) {
	err = c.apiInto(ctx, method, path, body, &r)
	return r, err
}

func (c *campaign) apiInto(ctx context.Context, method, path string, body, into any) error {
	header := http.Header{"Content-Type": {"application/json"}}
	if c.cfg.Token != "" {
		header.Set("Authorization", "Bearer "+c.cfg.Token)
	}
	status, got, err := c.send(ctx, method, c.cfg.API+path, header, body)
	switch {
	case err != nil:
		return err
	case status >= 300:
		return &refusal{status, string(got)}
	default:
		return json.Unmarshal(got, into)
	}
}

// send sends one request and returns the whole answer.
func (c *campaign) send(ctx context.Context, method, address string, header http.Header, body any) (int, []byte, error) {
	var sent bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&sent).Encode(body); err != nil {
			return 0, nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, address, &sent)
	if err != nil {
		return 0, nil, err
	}
	req.Header = header
	resp, err := c.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	return resp.StatusCode, got, err
}

// pause waits; false when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
