package sandbox_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/sandbox"
)

var monday = time.Date(2025, 3, 3, 14, 0, 0, 0, time.UTC)

// ehr is a sandbox behind a real listener, with a clock that stands still.
type ehr struct {
	*sandbox.Server
	t     *testing.T
	clock *clock.Manual
	root  string
	base  string
}

func start(t *testing.T, o sandbox.Options) *ehr {
	t.Helper()
	manual := clock.NewManual(monday)
	o.Clock = manual
	server := sandbox.New(o)
	listener := httptest.NewServer(server)
	t.Cleanup(listener.Close)
	return &ehr{server, t, manual, listener.URL, listener.URL + sandbox.BasePath}
}

// in returns e for a subtest, so that it is the subtest that fails.
func (e *ehr) in(t *testing.T) *ehr {
	sub := *e
	sub.t = t
	return &sub
}

// answer is a response whose body has been read.
type answer struct {
	*http.Response
	text string
	doc  map[string]any
}

// try sends a request; header is name, value, name, value…
func (e *ehr) try(method, target, body string, header ...string) (answer, error) {
	e.t.Helper()
	if !strings.HasPrefix(target, "http") {
		target = e.base + target
	}
	req, err := http.NewRequestWithContext(e.t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		e.t.Fatal(err)
	}
	switch method {
	case http.MethodPost, http.MethodPut:
		req.Header.Set("Content-Type", "application/fhir+json")
	case http.MethodPatch:
		req.Header.Set("Content-Type", "application/json-patch+json")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	a := answer{Response: res, text: string(text)}
	_ = json.Unmarshal(text, &a.doc) // a body that is not JSON leaves doc nil
	return a, err
}

// do is try that must get an answer with the status.
func (e *ehr) do(status int, method, target, body string, header ...string) answer {
	e.t.Helper()
	a, err := e.try(method, target, body, header...)
	if err != nil {
		e.t.Fatalf("%s %s: %v", method, target, err)
	}
	if a.StatusCode != status {
		e.t.Fatalf("%s %s: got %d, want %d: %s", method, target, a.StatusCode, status, a.text)
	}
	if kind, _ := a.doc["resourceType"].(string); status >= 400 && kind != "OperationOutcome" && a.doc["error"] == nil {
		e.t.Fatalf("%s %s: an error without an OperationOutcome: %s", method, target, a.text)
	}
	return a
}

// create stores a resource and returns its id.
func (e *ehr) create(raw string) string {
	e.t.Helper()
	r, err := e.Store().Create([]byte(raw))
	if err != nil {
		e.t.Fatal(err)
	}
	return r.ID
}

// ids returns the ids of all pages of a search.
func (e *ehr) ids(target string) []string {
	e.t.Helper()
	var ids []string
	for target != "" {
		page := e.do(http.StatusOK, http.MethodGet, target, "")
		target = ""
		for _, entry := range list(page.doc["entry"]) {
			ids = append(ids, entry["resource"].(map[string]any)["id"].(string))
		}
		for _, link := range list(page.doc["link"]) {
			if link["relation"] == "next" {
				target = link["url"].(string)
			}
		}
	}
	return ids
}

func list(v any) (out []map[string]any) {
	elements, _ := v.([]any)
	for _, element := range elements {
		out = append(out, element.(map[string]any))
	}
	return out
}

func status(t *testing.T, err error) int {
	t.Helper()
	var p *sandbox.Problem
	if !errors.As(err, &p) {
		t.Fatalf("not a *Problem: %v", err)
	}
	return p.Status
}

func form(pairs ...string) string {
	q := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		q.Add(pairs[i], pairs[i+1])
	}
	return q.Encode()
}

const task = `{"resourceType":"Task","status":"requested","intent":"order"}`
