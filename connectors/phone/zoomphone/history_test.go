package zoomphone_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/connectors/phone"
	"github.com/ringback-health/ringback/connectors/phone/zoomphone"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/redact"
)

// historian is a system whose API is h.
func historian(t *testing.T, h http.HandlerFunc) phone.Historian {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/oauth/token", func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if r.FormValue("grant_type") != "account_credentials" || r.FormValue("account_id") != "acct" || user != "client" || password != "api-secret" {
			t.Errorf("asked for a token with %q, %q", user, r.FormValue("grant_type"))
		}
		io.WriteString(w, `{"access_token":"t","token_type":"bearer","expires_in":3600}`)
	})
	mux.HandleFunc("/v2/", h)
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	sys, err := zoomphone.New(phone.Settings{
		ID: "main-line", Secrets: []redact.Secret{redact.NewSecret(secret)},
		Secret: func(_, env, _ string) (redact.Secret, error) { return redact.NewSecret(env), nil },
	}, func(into any) error {
		*into.(*zoomphone.Config) = zoomphone.Config{AccountID: "acct", ClientID: "client", ClientSecretEnv: "api-secret", BaseURL: srv.URL + "/v2", TokenURL: srv.URL + "/oauth/token"}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return sys.(phone.Historian)
}

func TestHistory(t *testing.T) {
	record := func(id, result, callee string) string {
		return fmt.Sprintf(`{"call_history_uuid":"h%s","call_id":"%s","direction":"inbound","connect_type":"external","caller_did_number":"+12125550123","caller_number_type":"external_pstn",`+
			`"callee_ext_type":"%s","start_time":"2026-03-02T16:00:00Z","answer_time":"2026-03-02T16:00:10Z","end_time":"2026-03-02T16:01:00Z","call_result":"%s","future":{"x":1}}`, id, id, callee, result)
	}
	pages := map[string]string{
		"":   `{"next_page_token":"p2","call_history":[` + record("1", "no_answer", "user") + `,` + record("2", "answered", "call_queue") + `]}`,
		"p2": `{"next_page_token":"","call_history":[` + record("3", "answered", "user") + `,` + record("4", "answered", "auto_receptionist") + `]}`,
	}
	var asked []string
	sys := historian(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer t" {
			t.Error("no token")
		}
		switch r.URL.Path {
		case "/v2/phone/call_history":
			asked = append(asked, r.URL.Query().Get("from")+" "+r.URL.Query().Get("to")+" "+r.URL.Query().Get("next_page_token"))
			io.WriteString(w, pages[r.URL.Query().Get("next_page_token")])
		case "/v2/phone/call_history/h2":
			io.WriteString(w, `{"call_id":"2","call_elements":[{"call_element_id":"e1","call_id":"2","direction":"inbound","callee_ext_type":"call_queue","result":"answered","start_time":"2026-03-02T16:00:00Z"},
				{"call_element_id":"e2","call_id":"2","direction":"inbound","callee_ext_type":"user","result":"answered","start_time":"2026-03-02T16:00:05Z","answer_time":"2026-03-02T16:00:10Z","end_time":"2026-03-02T16:01:00Z","talk_time":50}]}`)
		default:
			http.NotFound(w, r)
		}
	})
	span := callback.Span{From: began.Add(-30 * 24 * time.Hour), Until: began.Add(24 * time.Hour)}
	var legs []calls.Leg
	keys := map[string]bool{}
	err := sys.History(t.Context(), span, func(events []phone.Event) error {
		for _, e := range events {
			if e.Form != phone.FormHistory || e.Key == "" || !json.Valid(e.Body) {
				t.Errorf("%+v", e)
			}
			keys[e.Key] = true
			report, err := sys.Read(e)
			if err != nil {
				t.Fatal(err)
			}
			legs = append(legs, report.Legs...)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]calls.Verdict{"1": calls.VerdictAbandonedRing, "2": calls.VerdictAnswered, "3": calls.VerdictAnswered, "4": calls.VerdictAbandonedIVR}
	for _, s := range calls.Collapse(calls.Latest(legs), calls.DefaultRules()) {
		if s.Verdict != want[s.ID] || s.Verdict == calls.VerdictAnswered && s.Talk != 50*time.Second {
			t.Errorf("%s: %s, talked for %s, %v", s.ID, s.Verdict, s.Talk, s.Reasons)
		}
		delete(want, s.ID)
	}
	// Two spans of at most 28 days with two pages each; what is told twice has one key.
	if len(want) > 0 || len(asked) != 4 || len(keys) != 4 || !strings.HasPrefix(asked[2], strings.Fields(asked[0])[1]) {
		t.Errorf("not seen %v; asked %q, %d keys", want, asked, len(keys))
	}
}

func TestHistoryFails(t *testing.T) {
	for name, c := range map[string]struct {
		h    http.HandlerFunc
		want fault.Disposition
	}{
		"throttled": {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Retry-After", "7"); w.WriteHeader(429) }, fault.Throttled},
		"no scope":  {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) }, fault.Unauthorized},
		"no JSON":   {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") }, fault.Retry},
		"no record": {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"call_history":["x"]}`) }, fault.Retry},
	} {
		err := historian(t, c.h).History(t.Context(), callback.Span{From: began, Until: began.Add(time.Hour)}, func([]phone.Event) error { return nil })
		if fault.Of(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	full := errors.New("disk full")
	h := func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"next_page_token":"p"}`) }
	if err := historian(t, h).History(t.Context(), callback.Span{From: began, Until: began.Add(time.Hour)}, func([]phone.Event) error { return full }); !errors.Is(err, full) {
		t.Errorf("the error of page is lost: %v", err)
	}
}

func TestConfig(t *testing.T) {
	settings := phone.Settings{ID: "x", Secrets: []redact.Secret{redact.NewSecret("s")}}
	for name, cfg := range map[string]zoomphone.Config{
		"half": {ClientID: "c"}, "secret alone": {ClientSecretEnv: "E"}, "no reader of secrets": {ClientID: "c", AccountID: "a"},
	} {
		if _, err := zoomphone.New(settings, func(into any) error { *into.(*zoomphone.Config) = cfg; return nil }); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, err := zoomphone.New(phone.Settings{ID: "x"}, nil); err == nil {
		t.Error("made without a secret")
	}
	sys, err := zoomphone.New(settings, nil)
	if _, history := sys.(phone.Historian); err != nil || history {
		t.Errorf("without a client it has no history: %v", err)
	}
	if k := zoomphone.Kind(); k.Name != "zoomphone" || k.New == nil || k.What == "" {
		t.Errorf("%+v", k)
	}
}
