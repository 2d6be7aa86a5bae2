package scheduler_test

import (
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/sandbox"
)

// TestClockOfTheEHRIsSetBack: an EHR's clock that was a day ahead is set right. What
// changes from then on is older than what was shown before, and is found all the same,
// also what changed before the first poll after it.
func TestClockOfTheEHRIsSetBack(t *testing.T) {
	everyFeed(t, func(t *testing.T, kind callback.FeedKind) {
		w, ann, id := waiting(t, kind, 0)
		w.poll()
		st, err := w.ledger.FeedState(t.Context(), clinic, ehrID, callback.FeedAppointments)
		w.must(err)
		st.Watermark = st.Watermark.Add(24 * time.Hour)
		w.must(w.ledger.SaveFeedState(t.Context(), st))
		w.clock.Advance(3 * time.Minute)
		w.book(ann, "")
		w.clock.Advance(3 * time.Minute)
		for range 8 {
			_, err := w.front.Book(sandbox.Booking{PatientID: "other", Start: w.clock.Now().Add(time.Hour)})
			w.must(err)
		}
		w.poll()
		w.poll()
		w.clock.Advance(7 * time.Hour)
		w.poll()
		w.is(id, callback.Closed)
	})
}
