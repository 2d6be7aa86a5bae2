package sandbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/sandbox"
)

func (e *ehr) set(f sandbox.Fault) {
	e.t.Helper()
	if err := e.Faults().Add(f); err != nil {
		e.t.Fatal(err)
	}
}

func (e *ehr) count() int { return len(e.Store().List("Task")) }

func TestFaultsThatEndARequest(t *testing.T) {
	for name, c := range map[string]struct {
		fault  sandbox.Fault
		status int // 0: no answer comes through
		body   string
		stored bool
	}{
		"status":             {sandbox.Fault{Action: sandbox.ActionStatus, Status: 503, Headers: map[string]string{"Retry-After": "7"}}, 503, `"OperationOutcome"`, false},
		"html":               {sandbox.Fault{Action: sandbox.ActionStatus, Status: 502, Body: sandbox.BodyHTML}, 502, "<html>", false},
		"empty":              {sandbox.Fault{Action: sandbox.ActionStatus, Status: 500, Body: sandbox.BodyEmpty}, 500, "", false},
		"truncated":          {sandbox.Fault{Action: sandbox.ActionStatus, Status: 500, Body: sandbox.BodyTruncated}, 0, "", false},
		"drop before":        {sandbox.Fault{Action: sandbox.ActionDropBefore}, 0, "", false},
		"drop after":         {sandbox.Fault{Action: sandbox.ActionDropAfter}, 0, "", true},
		"status after":       {sandbox.Fault{Action: sandbox.ActionStatusAfter, Status: 504, Body: sandbox.BodyHTML}, 504, "<html>", true},
		"outcome after":      {sandbox.Fault{Action: sandbox.ActionStatusAfter, Status: 500}, 500, `"OperationOutcome"`, true},
		"true answer after":  {sandbox.Fault{Action: sandbox.ActionStatusAfter, Headers: map[string]string{"X-Note": "1"}}, 201, `"Task"`, true},
		"cut answer after":   {sandbox.Fault{Action: sandbox.ActionStatusAfter, Body: sandbox.BodyTruncated}, 0, "", true},
		"empty answer after": {sandbox.Fault{Action: sandbox.ActionStatusAfter, Body: sandbox.BodyEmpty}, 201, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			e := start(t, sandbox.Options{})
			c.fault.Method, c.fault.PathPrefix, c.fault.Times = "POST", "/Task", 1
			e.set(c.fault)
			a, err := e.try("POST", "/Task", task)
			switch {
			case c.status == 0 && err == nil:
				t.Errorf("an answer came through: %d %s", a.StatusCode, a.text)
			case c.status != 0 && (err != nil || a.StatusCode != c.status || !strings.Contains(a.text, c.body) || c.body == "" && a.text != ""):
				t.Errorf("got %d %q, %v", a.StatusCode, a.text, err)
			}
			if strings.HasPrefix(name, "tru") && c.status == 0 && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("a cut body reads as %v", err)
			}
			for header, value := range c.fault.Headers {
				if a.Header.Get(header) != value {
					t.Errorf("%s: %q", header, a.Header.Get(header))
				}
			}
			if stored := e.count() == 1; stored != c.stored {
				t.Errorf("stored: %v", stored)
			}
			log := e.Requests()
			wantStatus := c.status
			if c.fault.Body == sandbox.BodyTruncated { // the status line went out, the body did not
				wantStatus = max(c.fault.Status, 201)
			}
			if len(log) != 1 || log[0].Fault != c.fault.Action || log[0].Status != wantStatus {
				t.Errorf("log: %+v", log)
			}
			e.do(http.StatusCreated, "POST", "/Task", task) // the fault was for one request
		})
	}
}

func TestFaultChoosesItsRequests(t *testing.T) {
	e := start(t, sandbox.Options{})
	e.set(sandbox.Fault{Action: sandbox.ActionStatus, Status: 503, Method: "GET", PathPrefix: "/Task", Times: 2})
	e.do(http.StatusCreated, "POST", "/Task", task)
	e.do(http.StatusOK, "GET", "/Patient", "")
	e.do(503, "GET", "/Task/1001", "")
	e.do(503, "GET", "/Task", "")
	e.do(http.StatusOK, "GET", "/Task", "")
	if got := e.Faults().List(); len(got) != 1 || got[0].Acted != 2 {
		t.Errorf("list: %+v", got)
	}
	// Of two that match, the first one acts and the other waits.
	e.Faults().Clear()
	e.set(sandbox.Fault{Action: sandbox.ActionStatus, Status: 500, Times: 1})
	e.set(sandbox.Fault{Action: sandbox.ActionStatus, Status: 503, Times: 1})
	e.do(500, "GET", "/Task", "")
	e.do(503, "GET", "/Task", "")
	e.do(http.StatusOK, "GET", "/Task", "")
	e.Faults().Clear()
	e.set(sandbox.Fault{Action: sandbox.ActionStatus, Status: 500, PathPrefix: "/token"})
	e.do(500, "POST", e.root+"/token", "")
	e.Faults().Clear()
	e.do(415, "POST", e.root+"/token", "")
}

func TestFaultsByChanceAreTheSameEachTime(t *testing.T) {
	run := func(seed uint64) (pattern string) {
		e := start(t, sandbox.Options{})
		e.set(sandbox.Fault{Action: sandbox.ActionStatus, Status: 503, Probability: 0.5, Seed: seed})
		for range 40 {
			a, err := e.try("GET", "/Task", "")
			if err != nil {
				t.Fatal(err)
			}
			pattern += fmt.Sprint(a.StatusCode == http.StatusServiceUnavailable)[:1]
		}
		return pattern
	}
	first := run(1)
	if first != run(1) || first == run(2) {
		t.Error("the same seed should give the same faults, another seed others")
	}
	if n := strings.Count(first, "t"); n < 8 || n > 32 {
		t.Errorf("%d of 40 with probability one half", n)
	}
}

func TestLatency(t *testing.T) {
	e := start(t, sandbox.Options{})
	e.set(sandbox.Fault{Action: sandbox.ActionLatency, LatencyMS: 30, Times: 1})
	before := time.Now()
	e.do(http.StatusOK, "GET", "/Task", "")
	if took := time.Since(before); took < 30*time.Millisecond {
		t.Errorf("answered after %v", took)
	}
}

// TestLatencyOutlivesTheClient gives up once the request is sent; it is carried out
// all the same, long before the latency is over.
func TestLatencyOutlivesTheClient(t *testing.T) {
	e := start(t, sandbox.Options{})
	e.set(sandbox.Fault{Action: sandbox.ActionLatency, LatencyMS: 60_000, Method: "POST"})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { cancel() }})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.base+"/Task", strings.NewReader(task))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/fhir+json")
	if res, err := http.DefaultClient.Do(req); !errors.Is(err, context.Canceled) {
		if err == nil {
			res.Body.Close()
		}
		t.Fatalf("got %v", err)
	}
	tick, deadline := time.NewTicker(time.Millisecond), time.After(20*time.Second)
	defer tick.Stop()
	for e.count() == 0 {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("the request was not carried out")
		}
	}
}

func TestIndexLag(t *testing.T) {
	const marked = `{"resourceType":"Task","identifier":[{"value":"m"}],"status":"requested","intent":"order"}`
	e := start(t, sandbox.Options{})
	id := e.create(strings.Replace(marked, "requested", "draft", 1))
	e.set(sandbox.Fault{Action: sandbox.ActionIndexLag, LagMS: 500})
	e.clock.Advance(time.Second)
	if _, err := e.Store().Update([]byte(strings.Replace(marked, "{", `{"id":"`+id+`",`, 1)), ""); err != nil {
		t.Fatal(err)
	}
	e.create(marked)
	find := func(want int, query string) {
		t.Helper()
		if got := len(e.ids("/Task?" + query)); got != want {
			t.Errorf("%s: %d, want %d", query, got, want)
		}
	}
	find(1, "identifier=m")
	find(1, "status=draft")
	find(0, "status=requested")
	if e.do(http.StatusOK, "GET", "/Task/"+id, "").doc["status"] != "requested" {
		t.Error("a read lags too")
	}
	e.do(http.StatusPreconditionFailed, "POST", "/Task", marked, "If-None-Exist", "identifier=m") // sees both
	e.clock.Advance(500 * time.Millisecond)
	find(2, "identifier=m")
	find(0, "status=draft")
	if err := e.Store().Delete("Task", id); err != nil {
		t.Fatal(err)
	}
	find(2, "identifier=m")
	e.clock.Advance(500 * time.Millisecond)
	find(1, "identifier=m")

	lag := start(t, sandbox.Options{})
	lag.set(sandbox.Fault{Action: sandbox.ActionIndexLag, LagMS: 500, LagConditional: true})
	lag.do(http.StatusCreated, "POST", "/Task", marked, "If-None-Exist", "identifier=m")
	lag.do(http.StatusCreated, "POST", "/Task", marked, "If-None-Exist", "identifier=m")
}

func TestServersThatIgnoreConditions(t *testing.T) {
	e := start(t, sandbox.Options{})
	declared := func() any {
		statement := e.do(http.StatusOK, "GET", "/metadata", "").doc
		return list(list(statement["rest"])[0]["resource"])[0]["conditionalCreate"]
	}
	if declared() != true {
		t.Error("conditional create is not declared")
	}
	id := e.create(task)
	e.do(http.StatusOK, "POST", "/Task", task, "If-None-Exist", "_id="+id)
	e.set(sandbox.Fault{Action: sandbox.ActionNoConditionalCreate})
	e.set(sandbox.Fault{Action: sandbox.ActionIgnoreIfMatch})
	e.do(http.StatusCreated, "POST", "/Task", task, "If-None-Exist", "_id="+id)
	e.do(http.StatusOK, "PATCH", "/Task/"+id, `[]`, "If-Match", `W/"99"`)
	if declared() != false {
		t.Error("conditional create is declared and ignored")
	}
}

func TestControlOverHTTP(t *testing.T) {
	e := start(t, sandbox.Options{RequireAuth: true})
	faults, requests := e.root+"/_sandbox/faults", e.root+"/_sandbox/requests"
	const js = "application/json"
	e.do(http.StatusCreated, "POST", faults, `{"method":"GET","path_prefix":"/Task","times":1,"action":"status","status":429,"headers":{"Retry-After":"2"}}`, "Content-Type", js)
	for _, bad := range []string{
		`{"action":"statuss"}`, `{"action":"status"}`, `{"action":"latency"}`, `{"action":"index-lag"}`, `{"action":"drop-after","time":1}`,
		`{"action":"status","status":500,"body":"xml"}`, `{"action":"drop-after","probability":2}`, `{"action":"drop-after","times":-1}`, `x`,
	} {
		e.do(http.StatusBadRequest, "POST", faults, bad, "Content-Type", js)
	}
	e.do(http.StatusUnsupportedMediaType, "POST", faults, `{}`, "Content-Type", "text/plain")
	if got := e.do(429, "GET", "/Task?identifier=secret|value&_count=3", ""); got.Header.Get("Retry-After") != "2" {
		t.Errorf("headers: %v", got.Header)
	}
	var set []sandbox.Fault
	if err := json.Unmarshal([]byte(e.do(http.StatusOK, "GET", faults, "").text), &set); err != nil || len(set) != 1 || set[0].Acted != 1 {
		t.Errorf("faults: %+v %v", set, err)
	}
	log := e.do(http.StatusOK, "GET", requests, "").text
	want := `[{"at":"2025-03-03T14:00:00Z","method":"GET","path":"/fhir/R4/Task","params":["_count","identifier"],"fault":"status","status":429}]`
	if log != want {
		t.Errorf("log:\n got %s\nwant %s", log, want)
	}
	e.do(http.StatusNoContent, "DELETE", requests, "")
	e.do(http.StatusNoContent, "DELETE", faults, "")
	if e.do(http.StatusOK, "GET", requests, "").text != "[]" || len(e.Faults().List()) != 0 {
		t.Error("not cleared")
	}
	e.do(http.StatusNotFound, "GET", e.root+"/_sandbox/other", "")
}
