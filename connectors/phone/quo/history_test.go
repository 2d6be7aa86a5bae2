package quo_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/connectors/phone"
	"github.com/ringback-health/ringback/connectors/phone/quo"
	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/redact"
)

// historian is a system whose API answers with pages, one after the other, the last again
// and again, and what it was asked.
func historian(t *testing.T, key string, pages ...string) (phone.Historian, *[]url.Values) {
	t.Helper()
	var asked []url.Values
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "right" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if r.Method != http.MethodGet || r.URL.Path != "/calls" || r.Header.Get("Quo-Api-Version") != "2026-03-30" {
			t.Errorf("asked for %s %s of the version %q", r.Method, r.URL.Path, r.Header.Get("Quo-Api-Version"))
		}
		asked = append(asked, r.URL.Query())
		fmt.Fprint(w, pages[min(len(asked), len(pages))-1])
	}))
	t.Cleanup(server.Close)
	s := settings(other)
	s.Clock = clock.NewManual(ten)
	s.Secret = func(_, env, _ string) (redact.Secret, error) { return redact.NewSecret(env), nil }
	sys, err := quo.New(s, quo.Config{APIKeyEnv: key, BaseURL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	h, ok := sys.(phone.Historian)
	if !ok {
		t.Fatal("a system with an API key has no history")
	}
	return h, &asked
}

var day = callback.Span{From: time.Date(2026, 3, 2, 6, 0, 0, 0, time.UTC), Until: time.Date(2026, 3, 3, 6, 0, 0, 0, time.UTC)}

func TestHistory(t *testing.T) {
	h, asked := historian(t, "right", load(t, "calls-page-1.json"), load(t, "calls-page-2.json"))
	var legs []calls.Leg
	pages := 0
	err := h.History(t.Context(), day, func(events []phone.Event) error {
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
	if err != nil || pages != 2 {
		t.Fatalf("%d pages: %v", pages, err)
	}
	got := calls.Collapse(calls.Latest(legs), calls.DefaultRules())
	if len(got) != 2 || got[0].Verdict != calls.VerdictAnswered || got[0].Talk != 55*time.Second || got[1].Verdict != calls.VerdictVoicemail || got[1].From.Reveal() != "+12125550123" {
		t.Errorf("the rows are told as %+v", got)
	}
	if first := (*asked)[0]; first.Get("createdAt[gte]") != "2026-03-02T06:00:00Z" || first.Get("createdAt[lte]") != "2026-03-03T05:59:59.999Z" || first.Get("include") != "voicemail" {
		t.Errorf("asked for %v", first)
	}
	if (*asked)[1].Get("after") != "eyJsYXN0SWQiOiJBQ2NhbGwxIn0" {
		t.Errorf("the second page was asked for with %v", (*asked)[1])
	}
}

// A history that cannot be read to its end is an error and never an empty one.
func TestHistoryFails(t *testing.T) {
	for _, c := range []struct {
		name, key, page string
		want            fault.Disposition
	}{
		{"another key", "wrong", `{"data":[]}`, fault.Unauthorized},
		{"no JSON", "right", `<html>`, fault.Retry},
		{"no list", "right", `{"message":"x"}`, fault.Retry},
		{"a circle", "right", `{"data":[],"nextCursor":"x"}`, fault.Retry},
	} {
		h, _ := historian(t, c.key, c.page)
		err := h.History(t.Context(), day, func([]phone.Event) error { return nil })
		if err == nil || fault.Of(err) != c.want {
			t.Errorf("%s: the error is %v (%s) instead of %s", c.name, err, fault.Of(err), c.want)
		}
	}
}
