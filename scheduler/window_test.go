package scheduler_test

import (
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
)

// TestWindowMovesOn: a visit booked long ago that a window comes to show because days
// pass was not booked since the last poll, though it was not seen before.
func TestWindowMovesOn(t *testing.T) {
	w := newWorldBy(t, callback.FeedWindow, 0)
	ann := w.ann()
	visit := w.bookUntold(ann, w.clock.Now().Add(93*24*time.Hour)) // just beyond the window
	w.poll()
	id := w.ask("1", nil)
	w.deliver()
	for range 5 {
		w.poll()
		w.clock.Advance(24 * time.Hour)
	}
	r := w.record(id)
	if _, seen := r.EvidenceOf(ehrID, visit); !seen {
		t.Error("the visit was not weighed")
	}
	w.is(id, callback.Assigned)
}
