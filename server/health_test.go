package server_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/server"
)

// TestReadiness lists each check and says what is not well. Only a ledger that cannot
// be written makes it unready: while an EHR is down callbacks must be taken.
func TestReadiness(t *testing.T) {
	fresh := server.Check{Name: "feed sandbox work-items", Probe: func(context.Context) (string, error) { return "read 12 s ago", nil }}
	stale := server.Check{Name: "feed sandbox appointments", Probe: func(context.Context) (string, error) {
		return "", fault.New(fault.Retry, "", "not read for 20 min").WithHint("look at the EHR's status")
	}}
	foreign := server.Check{Name: "disk", Probe: func(context.Context) (string, error) { return "", errors.New("Ann Canary") }}
	panics := server.Check{Name: "panics", Probe: func(context.Context) (string, error) { panic("Ann Canary") }}

	r := newRig(t, func(o *server.Options) { o.Ready = []server.Check{fresh} })
	a := r.get("/readyz").want(http.StatusOK)
	if got := a.object(); got["ready"] != true || got["well"] != true || len(got["checks"].([]any)) != 2 {
		t.Errorf("%s", a.body)
	}
	r = newRig(t, func(o *server.Options) { o.Ready = []server.Check{fresh, stale, foreign, panics} })
	a = r.get("/readyz").want(http.StatusOK)
	if got := a.object(); got["ready"] != true || got["well"] != false {
		t.Errorf("%s", a.body)
	}
	checks := a.object()["checks"].([]any)
	var ok []bool
	for _, c := range checks {
		ok = append(ok, c.(map[string]any)["ok"].(bool))
	}
	if len(ok) != 5 || !ok[0] || !ok[1] || ok[2] || ok[3] || ok[4] {
		t.Errorf("%s", a.body)
	}
	if !strings.Contains(string(a.body), "not read for 20 min; look at the EHR's status") || strings.Contains(string(a.body), "Canary") {
		t.Errorf("%s", a.body)
	}
	if err := r.ledger.Close(); err != nil {
		t.Fatal(err)
	}
	if got := r.get("/readyz").want(http.StatusServiceUnavailable); !strings.Contains(string(got.body), "cannot be read and written") ||
		got.header.Get("Retry-After") == "" || got.object()["ready"] != false {
		t.Errorf("%s", got.body)
	}
	r.get("/livez").want(http.StatusOK)
}

// TestMetrics reads the numbers of requests and of the ledger.
func TestMetrics(t *testing.T) {
	r := newRig(t)
	first := r.create("f-1", "category", `"new-patient"`)
	r.post("/v1/callbacks/"+r.create("f-22", "clinic", `"harbor"`)+"/close", `{"outcome":"spam"}`).want(http.StatusOK)
	r.stuckLink(first)
	r.create("f-333", "category", `"clinical"`)
	r.get("/nope")
	text := string(r.get("/metrics").want(http.StatusOK).body)
	for _, line := range []string{
		`ringback_http_requests_total{code="201",method="POST",route="/v1/callbacks"} 3`,
		`ringback_http_requests_total{code="200",method="POST",route="/v1/callbacks/{id}/close"} 1`,
		`ringback_http_requests_total{code="404",method="GET",route="unmatched"} 1`,
		`ringback_http_request_seconds_count{route="/v1/callbacks"} 3`,
		`ringback_callbacks{category="new-patient",clinic="main-street",status="assigned"} 1`,
		`ringback_callbacks{category="reschedule-cancel",clinic="harbor",status="closed"} 1`,
		`ringback_callbacks_closed{clinic="harbor",outcome="spam"} 1`,
		`ringback_links_lagging 1`, `ringback_links_stuck 1`, `ringback_ledger_up 1`, `ringback_build_info{version="test"} 1`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
	// Within a few seconds the ledger is not asked again; afterwards it is.
	r.create("f-4444", "category", `"clinical"`)
	clinical := `ringback_callbacks{category="clinical",clinic="main-street",status="assigned"} `
	if text = string(r.get("/metrics").body); !strings.Contains(text, clinical+"1\n") {
		t.Error("the ledger was counted again within a moment")
	}
	r.clock.Advance(10 * time.Second)
	if text = string(r.get("/metrics").body); !strings.Contains(text, clinical+"2\n") {
		t.Error("the ledger was not counted again")
	}
	if err := r.ledger.Close(); err != nil {
		t.Fatal(err)
	}
	r.clock.Advance(10 * time.Second)
	text = string(r.get("/metrics").want(http.StatusOK).body)
	if !strings.Contains(text, "ringback_ledger_up 0\n") || strings.Contains(text, "ringback_callbacks{") {
		t.Error("numbers of a ledger that cannot be read are shown")
	}
}

// TestMetricsOfEHRs: requests to EHRs are counted by what was tried.
func TestMetricsOfEHRs(t *testing.T) {
	counts := server.NewEHRCounts()
	r := newRig(t, func(o *server.Options) { o.EHRCounts = counts })
	sent := counts.Of("main-street", "sandbox")
	sent("search Appointment")
	sent("search Appointment")
	sent("read Task")
	counts.Of("harbor", "other")("read Task")
	text := string(r.get("/metrics").want(http.StatusOK).body)
	for _, line := range []string{
		`ringback_ehr_requests_total{clinic="main-street",ehr="sandbox",op="search Appointment"} 2`,
		`ringback_ehr_requests_total{clinic="main-street",ehr="sandbox",op="read Task"} 1`,
		`ringback_ehr_requests_total{clinic="harbor",ehr="other",op="read Task"} 1`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
}

// TestWhoMayReadMetrics: the machine itself, admins, and whom the configuration lets.
func TestWhoMayReadMetrics(t *testing.T) {
	r := newRig(t)
	staff, admin := r.withToken(callback.RoleStaff), r.withToken(callback.RoleAdmin)
	r.get("/metrics").want(http.StatusOK)
	r.get("/metrics", "X-Forwarded-For", "10.0.0.9").problem(http.StatusUnauthorized)
	staff.get("/metrics", "X-Forwarded-For", "10.0.0.9").problem(http.StatusForbidden)
	admin.get("/metrics", "X-Forwarded-For", "10.0.0.9").want(http.StatusOK)
	open := newRig(t, func(o *server.Options) { o.OpenMetrics = true })
	open.get("/metrics", "X-Forwarded-For", "10.0.0.9").want(http.StatusOK)
}
