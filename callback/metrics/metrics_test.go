package metrics_test

import (
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/metrics"
	"github.com/ringback-health/ringback/internal/redact"
)

// TestCounts counts a small ledger that is worked out by hand.
func TestCounts(t *testing.T) {
	at := time.Date(2026, 11, 24, 15, 0, 0, 0, time.UTC)
	person := callback.Actor{Kind: callback.Person}
	visit := callback.Evidence{EHR: "e", Appointment: "a", Verdict: callback.Strong}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var c metrics.Counts
	for _, life := range []func(r *callback.Record){
		func(r *callback.Record) {}, // open
		func(r *callback.Record) { r.AskReviewOf("look", person, at) },
		func(r *callback.Record) { must(r.CloseOnVisit(visit, at)) },
		func(r *callback.Record) { must(r.CloseOnVisit(visit, at)); must(r.ReopenOnVisitLost("cancelled", at)) },
		func(r *callback.Record) { // booked, opened by hand, closed by hand: counts as closed by hand
			must(r.CloseOnVisit(visit, at))
			must(r.Reopen("no", redact.Text{}, person, at))
			must(r.Close(callback.PatientDeclined, redact.Text{}, person, at))
		},
		func(r *callback.Record) {
			must(r.Close(callback.CompletedInEHR, redact.Text{}, callback.Actor{Kind: callback.EHRStaff}, at))
		},
	} {
		r := callback.Capture(callback.Request{Clinic: "c", ReceivedAt: at}, at)
		life(&r)
		c.Add(r)
	}
	want := metrics.Counts{Callbacks: 6, Open: 3, Review: 1, ClosedOnBooking: 1, ClosedInEHR: 1, ClosedByHand: 1, Reopenings: 2}
	if c != want {
		t.Errorf("got %+v\nwant %+v", c, want)
	}
}
