package fhir_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ringback-health/ringback/fhir"
	"github.com/ringback-health/ringback/internal/fault"
)

// failing is an authenticator that has no credentials.
type failing struct{ err error }

func (f failing) Apply(context.Context, *http.Request) error { return f.err }
func (f failing) Refused(context.Context) bool               { return false }

// page is a searchset with one Task and, unless next is "", a next link.
func page(id, next string) string {
	link := ""
	if next != "" {
		link = fmt.Sprintf(`"link":[{"relation":"next","url":%q}],`, next)
	}
	return fmt.Sprintf(`{"resourceType":"Bundle","type":"searchset",%s"entry":[{"resource":{"resourceType":"Task","id":%q}}]}`, link, id)
}

// collect runs a search to its end.
func collect(ctx context.Context, c *fhir.Client, opts ...fhir.SearchOption) (ids []string, err error) {
	for p, e := range c.Search(ctx, "Task", url.Values{"status": {"requested"}}, opts...) {
		if e != nil {
			return ids, e
		}
		for _, entry := range p.Bundle.Entries {
			meta, _ := fhir.MetaOf(entry.Resource)
			ids = append(ids, meta.ID)
		}
	}
	return ids, nil
}

func TestSearchFollowsThePages(t *testing.T) {
	var base string
	c, base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.RequestURI() {
		case "/fhir/Task?status=requested":
			io.WriteString(w, page("1", base+"?_getpages=a&x=%7C"))
		case "/fhir?_getpages=a&x=%7C":
			io.WriteString(w, page("2", "Task?page=3")) // relative to the base
		case "/fhir/Task?page=3":
			io.WriteString(w, page("3", "/fhir/Task?page=4"))
		case "/fhir/Task?page=4":
			io.WriteString(w, page("4", ""))
		default:
			t.Errorf("asked for %s", r.URL.RequestURI())
		}
	})
	ids, err := collect(t.Context(), c)
	if err != nil || fmt.Sprint(ids) != "[1 2 3 4]" {
		t.Errorf("%v %v", ids, err)
	}
	// A caller who stops is not asked to go on.
	for p, err := range c.Search(t.Context(), "Task", url.Values{"status": {"requested"}}) {
		if err != nil || !strings.Contains(string(p.Body), `"id":"1"`) {
			t.Errorf("%s %v", p.Body, err)
		}
		break
	}
}

func TestSearchPostKeepsParametersOutOfTheURL(t *testing.T) {
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if got := r.Method + r.URL.RequestURI() + string(body) + r.Header.Get("Content-Type"); got != "POST/fhir/Task/_searchstatus=requestedapplication/x-www-form-urlencoded" {
			t.Error(got)
		}
		io.WriteString(w, page("1", ""))
	})
	if ids, err := collect(t.Context(), c, fhir.SearchPost()); err != nil || len(ids) != 1 {
		t.Errorf("%v %v", ids, err)
	}
}

// TestASearchThatFailsIsNotComplete: what was found stays, and the failure is
// the last word.
func TestASearchThatFailsIsNotComplete(t *testing.T) {
	const foreign = "https://evil.test/fhir/Task?page=2"
	cases := []struct {
		name  string
		next  func(base string, n int32) string // of the page that is the nth answer
		pages int
		want  fault.Disposition
		says  string
	}{
		{"foreign host", func(string, int32) string { return foreign }, 1, fault.Permanent, "outside base_url"},
		{"look-alike host", func(base string, _ int32) string { return base + ".evil.test/Task" }, 1, fault.Permanent, "outside base_url"},
		{"other path", func(string, int32) string { return "/admin" }, 1, fault.Permanent, "outside base_url"},
		{"no URL", func(string, int32) string { return "http://[Canary" }, 1, fault.Permanent, "outside base_url"},
		{"circle of one", func(base string, _ int32) string { return base + "/Task?page=2" }, 2, fault.Permanent, "circle"},
		{"circle of two", func(base string, n int32) string { return fmt.Sprintf("%s/Task?page=%d", base, n%2) }, 3, fault.Permanent, "circle"},
		{"no end", func(base string, n int32) string { return fmt.Sprintf("%s/Task?page=%d", base, n) }, 5, fault.Permanent, "more than 5 pages"},
	}
	for _, c := range cases {
		var n atomic.Int32
		var base string
		client, base := serve(t, func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, page("x", c.next(base, n.Add(1))))
		})
		ids, err := collect(t.Context(), client, fhir.MaxPages(5))
		if !fault.Is(err, c.want) || len(ids) != c.pages || int(n.Load()) != c.pages {
			t.Errorf("%s: %d pages, %d requests, %v", c.name, len(ids), n.Load(), err)
			continue
		}
		if s := err.Error(); !strings.Contains(s, c.says) || strings.Contains(s, "evil") || strings.Contains(s, "Canary") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestABrokenPageEndsTheSearch(t *testing.T) {
	for name, c := range map[string]struct {
		second string
		want   fault.Disposition
	}{
		"HTML":           {htmlBody, fault.Retry},
		"outcome":        {errorBody, fault.Permanent},
		"broken bundle":  {`{"resourceType":"Bundle","entry":"Canary"}`, fault.Permanent},
		"partial":        {`{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"incomplete","diagnostics":"Canary"}]},"search":{"mode":"outcome"}}]}`, fault.Retry},
		"partial, final": {`{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"OperationOutcome","issue":[{"severity":"fatal","code":"not-supported"}]}}]}`, fault.Permanent},
	} {
		var n atomic.Int32
		client, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if n.Add(1) == 1 {
				io.WriteString(w, page("1", "Task?page=2"))
				return
			}
			io.WriteString(w, c.second)
		})
		ids, err := collect(t.Context(), client)
		if !fault.Is(err, c.want) || len(ids) != 1 || strings.Contains(err.Error(), "Canary") {
			t.Errorf("%s: %v %v", name, ids, err)
		}
	}
	// A warning accompanies an answer that is complete.
	client, _ := serve(t, answer(200, `{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"OperationOutcome","issue":[{"severity":"warning","code":"processing"}]},"search":{"mode":"outcome"}}]}`))
	if _, err := collect(t.Context(), client); err != nil {
		t.Errorf("a warning: %v", err)
	}
}

func TestSearchStopsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	client, _ := serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, page("1", "Task?page=2")) })
	pages := 0
	for _, err := range client.Search(ctx, "Task", nil) {
		if pages++; pages == 1 {
			cancel()
			continue
		}
		if !fault.Is(err, fault.Retry) || pages > 2 {
			t.Errorf("page %d: %v", pages, err)
		}
	}
	if pages != 2 {
		t.Errorf("%d pages", pages)
	}
}
