package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/config"
)

// TestAlerts: what the operator is told goes to the address in the secret, query and
// all, and a receiver that fails is an error, so that it is told again.
func TestAlerts(t *testing.T) {
	status := http.StatusOK
	var got alert
	var path string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path = r.URL.String()
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil || r.Header.Get("Content-Type") != "application/json" {
			t.Error(err, r.Header)
		}
		w.WriteHeader(status)
	}))
	defer srv.Close()
	t.Setenv("ALERTS", srv.URL+"/hooks/ringback?token=s3cr3t")
	tell, err := newTell(config.Config{Alerts: config.Alerts{WebhookEnv: "ALERTS"}})
	if err != nil {
		t.Fatal(err)
	}
	since := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	fails := callback.News{Clinic: "main-street", EHR: "main-ehr", Since: since, At: since, Error: "the server failed (HTTP 503)", Hint: "look at it"}
	if err := tell(t.Context(), fails); err != nil {
		t.Fatal(err)
	}
	if path != "/hooks/ringback?token=s3cr3t" || got.Event != "ehr-failing" || got.EHR != "main-ehr" || got.Do != "look at it" || got.ID != "main-ehr/failing/2026-11-24T10:00:00Z" ||
		!strings.Contains(got.Text, "does not do its work") {
		t.Errorf("%s %+v", path, got)
	}
	over := callback.News{Clinic: "main-street", EHR: "main-ehr", Recovered: true, Since: since, At: since.Add(90 * time.Minute)}
	if err := tell(t.Context(), over); err != nil {
		t.Fatal(err)
	}
	if got.Event != "ehr-recovered" || got.ID != "main-ehr/recovered/2026-11-24T10:00:00Z" || !strings.Contains(got.Text, "1h30m0s") {
		t.Errorf("%+v", got)
	}
	status = http.StatusBadGateway
	if err := tell(t.Context(), over); err == nil || strings.Contains(err.Error(), "s3cr3t") {
		t.Errorf("%v", err)
	}

	if tell, err := newTell(config.Config{}); tell != nil || err != nil {
		t.Errorf("without an address nobody is told: %v", err)
	}
	t.Setenv("ALERTS", "chat.example/hook")
	if _, err := newTell(config.Config{Alerts: config.Alerts{WebhookEnv: "ALERTS"}}); err == nil || !strings.Contains(err.Error(), "alerts.webhook") {
		t.Errorf("%v", err)
	}
}
