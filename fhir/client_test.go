package fhir_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/fhir"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/rest"
)

// serve starts a FHIR server under /fhir and a client for it.
func serve(t *testing.T, h http.HandlerFunc) (*fhir.Client, string) {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	r, err := rest.New(rest.Config{BaseURL: srv.URL + "/fhir"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return fhir.NewClient(r), srv.URL + "/fhir"
}

// answer sends a fixed answer. header holds "Name: value" lines.
func answer(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for _, line := range header {
			name, value, _ := strings.Cut(line, ": ")
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

const (
	taskBody    = `{"resourceType":"Task","id":"7","meta":{"versionId":"3","lastUpdated":"2026-03-08T12:00:00Z"},"status":"requested"}`
	errorBody   = `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"required","diagnostics":"Canary"},{"severity":"error","code":"value","details":{"text":"Canary"}}]}`
	successBody = `{"resourceType":"OperationOutcome","issue":[{"severity":"information","code":"informational"}]}`
	htmlBody    = `<!DOCTYPE html><title>Canary</title>`
)

func TestRead(t *testing.T) {
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.EscapedPath() != "/fhir/Task/a.b-1%25" || r.Header.Get("Accept") != "application/fhir+json" {
			t.Errorf("%s %s %s", r.Method, r.URL.EscapedPath(), r.Header)
		}
		io.WriteString(w, taskBody)
	})
	raw, meta, err := c.Read(t.Context(), "Task", "a.b-1%")
	if err != nil || string(raw) != taskBody || meta != (fhir.Meta{ID: "7", VersionID: "3", LastUpdated: noon}) {
		t.Errorf("%s %+v %v", raw, meta, err)
	}
	c, _ = serve(t, answer(200, `{"resourceType":"Task","id":"7"}`, `ETag: W/"5"`))
	if _, meta, err := c.Read(t.Context(), "Task", "7"); err != nil || meta.VersionID != "5" {
		t.Errorf("the version in the ETag: %+v %v", meta, err)
	}
	for _, id := range []string{"", ".", "..", "a/b", "a?b", "a#b", `a\b`, "a b", strings.Repeat("x", 257)} {
		if _, _, err := c.Read(t.Context(), "Task", id); !fault.Is(err, fault.Permanent) {
			t.Errorf("id %q: %v", id, err)
		}
	}
}

func TestCreate(t *testing.T) {
	cases := []struct {
		name string
		h    http.HandlerFunc
		want fhir.Written
	}{
		{"representation", answer(201, taskBody, "Location: https://internal:8080/fhir/Task/7/_history/3", `ETag: W/"a1-hash"`), fhir.Written{ID: "7", Version: "3", LastUpdated: noon, Body: []byte(taskBody)}},
		{"body before Location", answer(201, taskBody, "Location: Task/6/_history/1"), fhir.Written{ID: "7", Version: "3", LastUpdated: noon, Body: []byte(taskBody)}},
		{"no body", answer(201, "", "Location: /fhir/Task/8/_history/2", "Last-Modified: Sun, 08 Mar 2026 12:00:00 GMT"), fhir.Written{ID: "8", Version: "2", LastUpdated: noon}},
		{"no body, ETag", answer(201, "", "Location: Task/9", `ETag: W/"4"`), fhir.Written{ID: "9", Version: "4"}},
		{"strong ETag", answer(201, "", "Location: Task/9", `ETag: "4"`), fhir.Written{ID: "9", Version: "4"}},
		{"Content-Location", answer(201, "", "Content-Location: http://x/Task/Task/10"), fhir.Written{ID: "10"}},
		{"outcome", answer(201, successBody, "Location: Task/11/_history/1"), fhir.Written{ID: "11", Version: "1"}},
		{"200", answer(200, taskBody), fhir.Written{ID: "7", Version: "3", LastUpdated: noon, Body: []byte(taskBody)}},
	}
	for _, c := range cases {
		client, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			got := fmt.Sprint(r.Method, r.URL, r.Header.Get("Content-Type"), r.Header.Get("Prefer"), r.Header["If-None-Exist"], string(body))
			if got != "POST/fhir/Taskapplication/fhir+jsonreturn=representation[]{}" {
				t.Error(got)
			}
			c.h(w, r)
		})
		got, err := client.Create(t.Context(), "Task", []byte("{}"), "")
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		compare(t, got, c.want)
	}
}

func TestConditionalCreate(t *testing.T) {
	const condition = "identifier=urn:ietf:rfc:3986%7Curn:uuid:1"
	for status, existing := range map[int]bool{200: true, 201: false} {
		c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("If-None-Exist") != condition {
				t.Error(r.Header)
			}
			answer(status, taskBody)(w, r)
		})
		if got, err := c.Create(t.Context(), "Task", []byte("{}"), condition); err != nil || got.Existing != existing || got.ID != "7" {
			t.Errorf("%d: %+v %v", status, got, err)
		}
	}
	c, _ := serve(t, answer(412, errorBody))
	if _, err := c.Create(t.Context(), "Task", []byte("{}"), condition); !fault.Is(err, fault.Conflict) {
		t.Errorf("several match: %v", err)
	}
}

func TestUpdate(t *testing.T) {
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPut || r.URL.Path != "/fhir/Task/7" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		switch match := r.Header.Get("If-Match"); match {
		case `W/"3"`:
			answer(200, "", `ETag: W/"4"`)(w, r)
		case "":
			answer(200, taskBody)(w, r)
		default:
			answer(412, errorBody)(w, r)
		}
	})
	got, err := c.Update(t.Context(), "Task", "7", []byte("{}"), fhir.Guard{Version: "3"})
	if err != nil {
		t.Error(err)
	}
	compare(t, got, fhir.Written{ID: "7", Version: "4"})
	if got, err := c.Update(t.Context(), "Task", "7", []byte("{}"), fhir.Guard{}); err != nil || got.Version != "3" {
		t.Errorf("unguarded: %+v %v", got, err)
	}
	if _, err := c.Update(t.Context(), "Task", "7", []byte("{}"), fhir.Guard{Version: "2"}); !fault.Is(err, fault.Conflict) {
		t.Errorf("moved: %v", err)
	}
	c, _ = serve(t, answer(200, taskBody))
	if _, err := c.Update(t.Context(), "Task", "8", []byte("{}"), fhir.Guard{}); !fault.Is(err, fault.Ambiguous) {
		t.Errorf("another resource came back: %v", err)
	}
	if _, err := c.Update(t.Context(), "Task", "..", nil, fhir.Guard{}); !fault.Is(err, fault.Permanent) {
		t.Errorf("bad id: %v", err)
	}
}

// TestAnswersThatAreNotWhatTheySeem sends 2xx answers with the wrong body, and
// refusals with an OperationOutcome, to each operation.
func TestAnswersThatAreNotWhatTheySeem(t *testing.T) {
	outcome := func(code string) string {
		return `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"` + code + `","diagnostics":"Canary"}]}`
	}
	const no = fault.Disposition("")
	cases := []struct {
		name                         string
		h                            http.HandlerFunc
		read, search, create, update fault.Disposition
		says                         string
	}{
		{"HTML", answer(200, htmlBody), fault.Retry, fault.Retry, fault.Ambiguous, fault.Ambiguous, "login page"},
		{"HTML as JSON", answer(201, htmlBody, "Content-Type: application/fhir+json", "Location: Task/1"), fault.Retry, fault.Retry, fault.Ambiguous, fault.Ambiguous, "HTML"},
		{"text", answer(200, "Canary"), fault.Retry, fault.Retry, fault.Ambiguous, fault.Ambiguous, "something else than JSON"},
		{"half JSON", answer(200, taskBody[:20]), fault.Retry, fault.Retry, fault.Ambiguous, fault.Ambiguous, "something else than JSON"},
		{"JSON", answer(200, `{"error":"Canary"}`), fault.Permanent, fault.Permanent, fault.Ambiguous, fault.Ambiguous, "no FHIR resource"},
		{"another type", answer(200, `{"resourceType":"Patient"}`), fault.Permanent, fault.Permanent, fault.Ambiguous, fault.Ambiguous, "answered Patient"},
		{"outcome", answer(200, errorBody), fault.Permanent, fault.Permanent, fault.Ambiguous, fault.Ambiguous, "OperationOutcome: required, value"},
		{"outcome with Location", answer(201, errorBody, "Location: Task/1"), fault.Permanent, fault.Permanent, fault.Ambiguous, fault.Ambiguous, "required, value"},
		{"outcome login", answer(200, outcome("login")), fault.Unauthorized, fault.Unauthorized, fault.Ambiguous, fault.Ambiguous, "login"},
		{"outcome throttled", answer(200, outcome("throttled")), fault.Throttled, fault.Throttled, fault.Ambiguous, fault.Ambiguous, "throttled"},
		{"outcome timeout", answer(200, outcome("timeout")), fault.Retry, fault.Retry, fault.Ambiguous, fault.Ambiguous, "timeout"},
		{"outcome not-found", answer(200, outcome("not-found")), fault.NotFound, fault.Permanent, fault.Ambiguous, fault.Ambiguous, "not-found"},
		{"empty", answer(200, ""), fault.Retry, fault.Retry, fault.Ambiguous, no, ""},
		{"broken id", answer(200, `{"resourceType":"Task","id":["Canary"]}`), fault.Permanent, fault.Permanent, fault.Ambiguous, fault.Ambiguous, ""},
		{"202", answer(202, ""), fault.Retry, fault.Retry, fault.Ambiguous, no, ""},
		{"400", answer(400, errorBody), fault.Permanent, fault.Permanent, fault.Permanent, fault.Permanent, "required, value (HTTP 400)"},
		{"404", answer(404, outcome("not-found")), fault.NotFound, fault.Permanent, fault.Permanent, fault.NotFound, "not-found (HTTP 404)"},
		{"410", answer(410, ""), fault.NotFound, fault.Permanent, fault.Permanent, fault.NotFound, "HTTP 410"},
		{"422", answer(422, outcome("Canary Ann")), fault.Permanent, fault.Permanent, fault.Permanent, fault.Permanent, "an unknown code"},
		{"403 HTML", answer(403, htmlBody), fault.Unauthorized, fault.Unauthorized, fault.Unauthorized, fault.Unauthorized, "scope"},
		{"500", answer(500, outcome("exception")), fault.Retry, fault.Retry, fault.Ambiguous, fault.Ambiguous, "exception (HTTP 500)"},
	}
	for _, c := range cases {
		client, _ := serve(t, c.h)
		ctx := t.Context()
		_, _, readErr := client.Read(ctx, "Task", "1")
		var searchErr error
		for _, err := range client.Search(ctx, "Task", nil) {
			searchErr = err
		}
		_, createErr := client.Create(ctx, "Task", []byte("{}"), "")
		_, updateErr := client.Update(ctx, "Task", "1", []byte("{}"), fhir.Guard{})
		for _, op := range []struct {
			name string
			err  error
			want fault.Disposition
		}{{"read", readErr, c.read}, {"search", searchErr, c.search}, {"create", createErr, c.create}, {"update", updateErr, c.update}} {
			if fault.Of(op.err) != op.want {
				t.Errorf("%s %s: %v is %q, want %q", c.name, op.name, op.err, fault.Of(op.err), op.want)
				continue
			}
			if op.err != nil && (!strings.Contains(op.err.Error(), c.says) || strings.Contains(op.err.Error(), "Canary")) {
				t.Errorf("%s %s says %q", c.name, op.name, op.err)
			}
		}
	}
}

func TestTheOutcomeIsKeptForWhoMaySeeIt(t *testing.T) {
	for _, status := range []int{200, 400, 500} {
		c, _ := serve(t, answer(status, errorBody))
		_, err := c.Create(t.Context(), "Task", []byte("{}"), "")
		var o *fhir.OutcomeError
		if !errors.As(err, &o) || o.Outcome.Issues[0].Diagnostics.Reveal() != "Canary" || o.Error() != "OperationOutcome: required, value" {
			t.Errorf("%d: %v", status, err)
		}
		var cause *fault.Error
		if errors.As(o.Unwrap(), &cause) != (status >= 400) || cause != nil && strings.Contains(cause.Error(), "OperationOutcome") {
			t.Errorf("%d: the refusal behind it is %v", status, o.Unwrap())
		}
	}
}

func TestCapability(t *testing.T) {
	const rest = `"rest":[{"mode":"client","resource":[{"type":"Slot","interaction":[{"code":"read"}]}]},{"mode":"server","resource":[
		{"type":"Task","versioning":"versioned-update","conditionalCreate":true,"updateCreate":"yes","interaction":[{"code":"create"},{"code":"search-type"},"odd",{}],
		 "searchParam":[{"name":"identifier","type":"token"},{"name":7}]},
		{"type":"Appointment","interaction":{}}]}]`
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/fhir/metadata" {
			t.Error(r.URL)
		}
		io.WriteString(w, `{"resourceType":"CapabilityStatement","fhirVersion":"4.0.1","status":"made-up","software":{"name":"EHR","version":"2"},`+rest+`}`)
	})
	got, err := c.Capability(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	task := got.Resources["Task"]
	if got.FHIRVersion != "4.0.1" || got.Software != "EHR" || got.SoftwareVersion != "2" || len(got.Resources) != 2 || task.Versioning != "versioned-update" ||
		!task.ConditionalCreate || task.UpdateCreate || task.SearchParams["identifier"] != "token" {
		t.Errorf("%+v", got)
	}
	if !got.Can("Task", "create") || got.Can("Task", "delete") || got.Can("Appointment", "create") || got.Can("Slot", "read") {
		t.Errorf("%+v", got.Resources)
	}
	for body, says := range map[string]string{
		`{"resourceType":"CapabilityStatement","fhirVersion":"5.0.0"}`:      "speaks FHIR 5.0.0",
		`{"resourceType":"CapabilityStatement","fhirVersion":"4.3.0"}`:      "R4 (4.0.x)",
		`{"resourceType":"CapabilityStatement","fhirVersion":"1.0.2"}`:      "R4 (4.0.x)",
		`{"resourceType":"CapabilityStatement","fhirVersion":"40.1"}`:       "R4 (4.0.x)",
		`{"resourceType":"CapabilityStatement","fhirVersion":"Canary 9.9"}`: "does not say",
		`{"resourceType":"CapabilityStatement"}`:                            "does not say",
		`{"resourceType":"Conformance","fhirVersion":"1.0.2"}`:              "answered Conformance",
	} {
		c, _ := serve(t, answer(200, body))
		if _, err := c.Capability(t.Context()); !fault.Is(err, fault.Permanent) || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "Canary") {
			t.Errorf("%s: %v", body, err)
		}
	}
	c, _ = serve(t, answer(404, ""))
	if _, err := c.Capability(t.Context()); !fault.Is(err, fault.Permanent) || !strings.Contains(err.Error(), "base_url") {
		t.Errorf("%v", err)
	}
}

// TestASharedErrorIsNotChanged: requests that waited for the same token share
// its error, so that whoever says more about it must copy.
func TestASharedErrorIsNotChanged(t *testing.T) {
	shared := fault.New(fault.NotFound, "fetch token", "refused").WithStatus(404)
	before := *shared
	srv := httptest.NewServer(answer(404, errorBody))
	defer srv.Close()
	r, err := rest.New(rest.Config{BaseURL: srv.URL, Auth: failing{shared}, Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	_, err = fhir.NewClient(r).Create(t.Context(), "Task", []byte("{}"), "")
	if !errors.Is(err, shared) || *shared != before {
		t.Errorf("%v %+v", err, shared)
	}
}
