package fhirr4_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/connectors/ehr"
	"github.com/ringback-health/ringback/connectors/ehr/fhirr4"
	"github.com/ringback-health/ringback/internal/doctor"
)

// TestExamineFeeds: each feed is tried by the searches that it sends, and no others; and
// by the order it rests on.
func TestExamineFeeds(t *testing.T) {
	page := func(minutes ...int) string {
		var entries []string
		for i, m := range minutes {
			entries = append(entries, fmt.Sprintf(`{"resource":{"resourceType":"Appointment","id":"%d","status":"booked","meta":{"lastUpdated":%q}}}`,
				i, time.Date(2026, 11, 24, 9, m, 0, 0, time.UTC).Format(time.RFC3339)))
		}
		return `{"resourceType":"Bundle","type":"searchset","entry":[` + strings.Join(entries, ",") + `]}`
	}
	for name, c := range map[string]struct {
		watch  fhirr4.Appointments
		answer string
		want   doctor.Status // of the order; "": it is not looked at
		checks string        // that begin with visits
	}{
		"watermark":             {fhirr4.Appointments{}, page(1, 2, 2, 5), doctor.OK, "visits-by-date visits-by-time visits-in-order"},
		"watermark, no order":   {fhirr4.Appointments{}, page(3, 1, 2), doctor.Warning, "visits-by-date visits-by-time visits-in-order"},
		"watermark, two":        {fhirr4.Appointments{}, page(1, 2), doctor.Skipped, "visits-by-date visits-by-time visits-in-order"},
		"watermark, one moment": {fhirr4.Appointments{}, page(1, 1, 1), doctor.Skipped, "visits-by-date visits-by-time visits-in-order"},
		"unordered":             {fhirr4.Appointments{Unordered: true}, page(3, 1, 2), "", "visits-by-date visits-by-time"},
		"newest first":          {fhirr4.Appointments{Feed: callback.FeedNewest}, page(5, 2, 2, 1), doctor.OK, "visits-by-date visits-in-order"},
		"newest first, oldest":  {fhirr4.Appointments{Feed: callback.FeedNewest}, page(1, 2, 5), doctor.Failed, "visits-by-date visits-in-order"},
		"window":                {fhirr4.Appointments{Feed: callback.FeedWindow}, page(3, 1, 2), "", "visits-by-date"},
		"patient":               {fhirr4.Appointments{Feed: callback.FeedPatient}, page(3, 1, 2), "", "visits-by-patient"},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVendor(t)
			v.search = func(_ string, q url.Values) (int, string) {
				if q.Has("_sort") {
					return http.StatusOK, c.answer
				}
				return http.StatusOK, page()
			}
			cfg := withToken(v.start())
			cfg.Appointments = c.watch
			list := examine(t, t.Context(), cfg, ehr.Examination{}, still(t))
			var checks []string
			for _, f := range list {
				if strings.HasPrefix(f.Check, "visits") {
					checks = append(checks, f.Check)
				}
			}
			if got := strings.Join(checks, " "); got != c.checks {
				t.Errorf("looked at %s, want %s", got, c.checks)
			}
			if c.want != "" {
				list.want(t, "visits-in-order", c.want)
			}
		})
	}
}
