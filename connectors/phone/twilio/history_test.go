package twilio_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/connectors/phone"
	"github.com/ringback-health/ringback/connectors/phone/twilio"
	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/redact"
)

const account = "AC00000000000000000000000000000001"

// api is Twilio's list of calls: two pages, and what it was asked.
type api struct {
	t     *testing.T
	user  string
	token string
	pages []string
	asked []url.Values
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user, token, _ := r.BasicAuth()
	if user != a.user || token != a.token {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if r.Method != http.MethodGet || r.URL.Path != "/2010-04-01/Accounts/"+account+"/Calls.json" {
		a.t.Errorf("asked for %s %s", r.Method, r.URL.Path)
	}
	a.asked = append(a.asked, r.URL.Query())
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprint(w, a.pages[min(len(a.asked), len(a.pages))-1])
}

func historian(t *testing.T, a *api, c twilio.Config) phone.Historian {
	t.Helper()
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	s := settings("12345", "67890")
	s.Clock = clock.NewManual(ten)
	s.Secret = func(_, env, _ string) (redact.Secret, error) { return redact.NewSecret("secret of " + env), nil }
	c.AccountSID, c.BaseURL = account, server.URL
	sys, err := twilio.New(s, c)
	if err != nil {
		t.Fatal(err)
	}
	h, ok := sys.(phone.Historian)
	if !ok {
		t.Fatal("a system with an account has no history")
	}
	return h
}

var morning = callback.Span{From: time.Date(2026, 3, 2, 6, 0, 0, 0, time.UTC), Until: time.Date(2026, 3, 3, 6, 0, 0, 0, time.UTC)}

func TestHistory(t *testing.T) {
	a := &api{t: t, user: account, token: "12345", pages: []string{load(t, "calls-page-1.json"), load(t, "calls-page-2.json")}}
	h := historian(t, a, twilio.Config{})
	var legs []calls.Leg
	pages := 0
	err := h.History(t.Context(), morning, func(events []phone.Event) error {
		pages++
		for _, e := range events {
			report, err := h.Read(e)
			if err != nil || e.Form != phone.FormHistory || e.Key == "" || !e.At.Equal(ten) {
				t.Errorf("an event of the form %q at %s: %v", e.Form, e.At, err)
			}
			legs = append(legs, report.Legs...)
		}
		return nil
	})
	if err != nil || pages != 2 || len(legs) != 2 {
		t.Fatalf("%d pages, %d legs (the call before the span does not count): %v", pages, len(legs), err)
	}
	got := calls.Collapse(calls.Latest(legs), calls.DefaultRules())
	if len(got) != 1 || got[0].Verdict != calls.VerdictAnswered || got[0].Talk != time.Minute || got[0].From.Reveal() != "+12125550123" {
		t.Errorf("the rows are told as %d sessions: %+v", len(got), got)
	}
	if first := a.asked[0]; first.Get("StartTime>") != "2026-03-02" || first.Get("StartTime<") != "2026-03-04" {
		t.Errorf("asked for the days %v", first)
	}
	if a.asked[1].Get("PageToken") == "" {
		t.Errorf("the second page was asked for with %v", a.asked[1])
	}
}

func TestHistoryWithAPIKey(t *testing.T) {
	a := &api{t: t, user: "SK1", token: "secret of TWILIO_KEY", pages: []string{load(t, "calls-page-2.json")}}
	h := historian(t, a, twilio.Config{APIKeySID: "SK1", APISecretEnv: "TWILIO_KEY"})
	if err := h.History(t.Context(), morning, func([]phone.Event) error { return nil }); err != nil {
		t.Error(err)
	}
}

// A history that cannot be read to its end is an error and never an empty one.
func TestHistoryFails(t *testing.T) {
	stop := errors.New("stop")
	for _, c := range []struct {
		name, page string
		token      string
		took       error
		want       fault.Disposition
	}{
		{"another token", `{"calls":[]}`, "other", nil, fault.Unauthorized},
		{"no JSON", `<html>`, "12345", nil, fault.Retry},
		{"no list", `{"message":"x"}`, "12345", nil, fault.Retry},
		{"a list that is null", `{"calls":null}`, "12345", nil, fault.Retry},
		{"a circle", strings.ReplaceAll(`{"calls":[],"next_page_uri":"/2010-04-01/Accounts/AC/Calls.json?Page=1"}`, "AC/", account+"/"), "12345", nil, fault.Retry},
		{"a link to elsewhere", `{"calls":[],"next_page_uri":"https://elsewhere.example.org/x"}`, "12345", nil, fault.Permanent},
		{"a page that cannot be stored", `{"calls":[]}`, "12345", stop, fault.Ambiguous},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := &api{t: t, user: account, token: c.token, pages: []string{c.page}}
			err := historian(t, a, twilio.Config{}).History(t.Context(), morning, func([]phone.Event) error { return c.took })
			if err == nil || fault.Of(err) != c.want || c.took != nil && !errors.Is(err, c.took) {
				t.Errorf("the error is %v (%s) instead of %s", err, fault.Of(err), c.want)
			}
		})
	}
}
