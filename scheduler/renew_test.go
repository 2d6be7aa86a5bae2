package scheduler_test

import (
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/intake"
)

// TestLostOfWhoSaidNothing: the request did not say what it is about; a visit answered it,
// and was lost long after. What is missing then is a visit.
func TestLostOfWhoSaidNothing(t *testing.T) {
	w := newWorld(t)
	ann := w.ann()
	w.poll()
	id := w.ask("1", func(s *intake.Submission) { s.Category = "" })
	w.deliver()
	w.clock.Advance(time.Hour)
	visit := w.book(ann, "")
	w.poll()
	if r := w.record(id); r.Category != callback.Other || r.Status != callback.Closed || w.credited(id) != visit {
		t.Fatalf("%s is %s on %q", r.Category, r.Status, w.credited(id))
	}
	w.clock.Advance(8 * 24 * time.Hour)
	w.poll()
	_, err := w.front.CancelAppointment(visit, "cancelled")
	w.must(err)
	w.poll()
	fresh, _, err := w.ledger.List(t.Context(), callback.Filter{Source: "visit-lost"})
	w.must(err)
	if len(fresh) != 1 || fresh[0].Category != callback.ExistingScheduling {
		t.Fatalf("%d fresh ones", len(fresh))
	}
}
