package scheduler_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/sandbox"
	"github.com/ringback-health/ringback/scheduler"
)

// bookUntold books a visit of which the EHR does not say when it was booked.
func (w *world) bookUntold(patient string, start time.Time) string {
	w.t.Helper()
	r, err := w.ehr.Store().Create(fmt.Appendf(nil, `{"resourceType": "Appointment", "status": "booked", "start": %q, "end": %q,
		"participant": [{"actor": {"reference": "Patient/%s"}, "status": "accepted"}]}`,
		start.Format(time.RFC3339), start.Add(time.Hour).Format(time.RFC3339), patient))
	w.must(err)
	return r.ID
}

// TestSearchThatIsLate: where the EHR's search is known to be late, a visit that shows
// late may have been booked before the request all the same.
func TestSearchThatIsLate(t *testing.T) {
	w := newWorldBy(t, callback.FeedWatermark, 0)
	w.options.Sites[0].SearchLag = 10 * time.Minute
	w.with(w.connector)
	ann := w.ann()
	w.poll()
	w.fault(sandbox.Fault{Action: sandbox.ActionIndexLag, LagMS: 5 * 60_000})
	visit := w.bookUntold(ann, w.clock.Now().Add(48*time.Hour))
	w.clock.Advance(time.Minute)
	id := w.ask("1", nil)
	for range 10 {
		w.poll()
	}
	r := w.record(id)
	if _, seen := r.EvidenceOf(ehrID, visit); !seen {
		t.Error("the visit was not weighed")
	}
	if r.Status == callback.Closed {
		t.Error("closed by a visit that was booked before the request")
	}
}

// shownLate is an EHR whose search shows one appointment late, and the others at once.
type shownLate struct {
	scheduler.EHR
	clock  clock.Clock
	id     string
	before time.Time
}

func (e *shownLate) Interpret(f callback.Feed, page []byte) (callback.Changes, error) {
	c, err := e.EHR.Interpret(f, page)
	if e.clock.Now().Before(e.before) {
		c.Appointments = slices.DeleteFunc(c.Appointments, func(a callback.Appointment) bool { return a.ID == e.id })
	}
	return c, err
}

// TestShownBehindOthers: where the EHR's search is known to be late, a change is found
// although later ones were shown before it.
func TestShownBehindOthers(t *testing.T) {
	w := newWorldBy(t, callback.FeedWatermark, 0)
	w.options.Sites[0].SearchLag = 10 * time.Minute
	late := &shownLate{EHR: w.connector, clock: w.clock}
	w.with(late)
	ann := w.ann()
	w.poll()
	id := w.ask("1", nil)
	w.clock.Advance(10 * time.Minute) // more than clocks may differ
	late.id, late.before = w.book(ann, ""), w.clock.Now().Add(8*time.Minute)
	for range 10 {
		other, err := w.front.RegisterPatient(sandbox.NewPatient{Family: "Ray", Given: "Bob", BirthDate: "1990-01-01", Phone: "212-555-0102"})
		w.must(err)
		w.book(other.ID, "")
		w.poll()
	}
	w.is(id, callback.Closed)
}
