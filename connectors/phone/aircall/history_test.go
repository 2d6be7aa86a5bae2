package aircall_test

import (
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
	"github.com/ringback-health/ringback/connectors/phone/aircall"
	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/redact"
)

// historian is a system whose API answers with pages, one after the other, the last again
// and again, and what it was asked.
func historian(t *testing.T, apiToken string, pages ...string) (phone.Historian, *[]url.Values) {
	t.Helper()
	var asked []url.Values
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if id, tok, _ := r.BasicAuth(); id != "id" || tok != "s3cret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if r.Method != http.MethodGet || r.URL.Path != "/v1/calls" {
			t.Errorf("asked for %s %s", r.Method, r.URL.Path)
		}
		asked = append(asked, r.URL.Query())
		fmt.Fprint(w, pages[min(len(asked), len(pages))-1])
	}))
	t.Cleanup(server.Close)
	s := settings(token)
	s.Clock = clock.NewManual(ten)
	s.Secret = func(_, env, _ string) (redact.Secret, error) { return redact.NewSecret(env), nil }
	sys, err := aircall.New(s, aircall.Config{APIID: "id", APITokenEnv: apiToken, BaseURL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	h, ok := sys.(phone.Historian)
	if !ok {
		t.Fatal("a system with an API ID has no history")
	}
	return h, &asked
}

var day = callback.Span{From: time.Date(2026, 3, 2, 6, 0, 0, 0, time.UTC), Until: time.Date(2026, 3, 3, 6, 0, 0, 0, time.UTC)}

func TestHistory(t *testing.T) {
	h, asked := historian(t, "s3cret", load(t, "calls-page-1.json"), load(t, "calls-page-2.json"))
	var legs []calls.Leg
	err := h.History(t.Context(), day, func(events []phone.Event) error {
		for _, e := range events {
			report, err := h.Read(e)
			if err != nil || e.Form != phone.FormHistory || e.Key == "" || !e.At.Equal(ten) {
				t.Errorf("an event of the form %q at %s: %v", e.Form, e.At, err)
			}
			legs = append(legs, report.Legs...)
		}
		return nil
	})
	got := calls.Collapse(calls.Latest(legs), calls.DefaultRules())
	if err != nil || len(got) != 3 || got[0].Verdict != calls.VerdictAbandonedRing || got[1].Talk != time.Minute || got[2].Verdict != calls.VerdictOutbound {
		t.Errorf("the rows are told as %+v, %v", got, err)
	}
	if len(*asked) != 2 || (*asked)[0].Get("from") != "1772431200" || (*asked)[0].Get("to") != "1772517599" || (*asked)[1].Get("page") != "2" {
		t.Errorf("asked for %v", *asked)
	}
}

// A long span is asked for day by day, without a gap and without a second twice.
func TestHistoryByDays(t *testing.T) {
	h, asked := historian(t, "s3cret", `{"meta":{"total":0,"next_page_link":null},"calls":[]}`)
	if err := h.History(t.Context(), callback.Span{From: day.From, Until: day.Until.Add(time.Hour)}, func([]phone.Event) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if len(*asked) != 2 || (*asked)[1].Get("from") != "1772517600" || (*asked)[1].Get("to") != "1772521199" {
		t.Errorf("asked for %v", *asked)
	}
}

// A history that cannot be read to its end is an error and never an empty one.
func TestHistoryFails(t *testing.T) {
	for _, c := range []struct {
		name, token, page string
		want              fault.Disposition
	}{
		{"another token", "wrong", `{"calls":[]}`, fault.Unauthorized},
		{"no JSON", "s3cret", `<html>`, fault.Retry},
		{"no list", "s3cret", `{"error":"x"}`, fault.Retry},
		{"fewer than there are", "s3cret", `{"meta":{"total":1,"next_page_link":null},"calls":[]}`, fault.Retry},
		{"a next page behind an empty one", "s3cret", `{"meta":{"next_page_link":"x"},"calls":[]}`, fault.Retry},
	} {
		h, _ := historian(t, c.token, c.page)
		err := h.History(t.Context(), day, func([]phone.Event) error { return nil })
		if err == nil || fault.Of(err) != c.want || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: the error is %v (%s) instead of %s", c.name, err, fault.Of(err), c.want)
		}
	}
}
