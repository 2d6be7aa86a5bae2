package rest_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/ringback-health/ringback/internal/rest"
)

func TestParseRetryAfter(t *testing.T) {
	now := time.Date(2026, 3, 8, 9, 0, 0, 0, time.UTC)
	cases := []struct {
		header string
		want   time.Duration
		ok     bool
	}{
		{"", 0, false},
		{"0", 0, true},
		{" 120 ", 2 * time.Minute, true},
		{"Sun, 08 Mar 2026 09:00:30 GMT", 30 * time.Second, true},
		{"Sun, 08 Mar 2026 08:00:00 GMT", 0, true},
		{"Sunday, 08-Mar-26 09:01:00 GMT", time.Minute, true},
		{"Sun Mar  8 09:01:00 2026", time.Minute, true},
		{"Mon, 08 Mar 2027 09:00:00 GMT", 24 * time.Hour, true},
		{"99999999999", 24 * time.Hour, true},
		{"99999999999999999999999", 24 * time.Hour, true},
		{"-5", 0, false},
		{"1.5", 0, false},
		{"soon", 0, false},
	}
	for _, c := range cases {
		got, ok := rest.ParseRetryAfter(http.Header{"Retry-After": {c.header}}, now)
		if got != c.want || ok != c.ok {
			t.Errorf("%q: got %s %v, want %s %v", c.header, got, ok, c.want, c.ok)
		}
	}
	if _, ok := rest.ParseRetryAfter(nil, now); ok {
		t.Error("no header is no answer")
	}
}
