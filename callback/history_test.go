package callback_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
)

// TestObserved: what was first observed stays, and how an appointment was is kept where
// state or start have changed.
func TestObserved(t *testing.T) {
	at := func(version, hour int, s callback.AppointmentState) callback.Appointment {
		seen := time.Date(2026, 11, 24, 0, version, 0, 0, time.UTC)
		return callback.Appointment{ID: "a1", Version: strconv.Itoa(version), State: s, Start: time.Date(2026, 12, 1, hour, 0, 0, 0, time.UTC),
			Updated: seen, NotBefore: seen.Add(-time.Minute), FirstSeen: seen}
	}
	a := callback.Appointment{}.Observed(at(1, 9, callback.ApptBooked))
	a = a.Observed(at(2, 9, callback.ApptBooked)) // nothing that is asked for later
	a = a.Observed(at(3, 10, callback.ApptBooked))
	a = a.Observed(at(5, 10, callback.ApptCancelled)) // version 4 was never seen
	if a.State != callback.ApptCancelled || a.FirstSeen.Minute() != 1 || a.FirstUpdated.Minute() != 1 || len(a.History) != 3 {
		t.Fatalf("%+v", a)
	}
	if h := a.History; h[1].Start.Hour() != 10 || !h[1].Alone || h[2].State != callback.ApptCancelled || h[2].Alone || h[2].Seen.Minute() != 5 {
		t.Errorf("%+v", h)
	}
	old := at(1, 9, callback.ApptBooked) // from before histories were kept
	if b := old.Observed(at(2, 10, callback.ApptBooked)); len(b.History) != 2 || b.History[0].Start.Hour() != 9 {
		t.Errorf("%+v", b.History)
	}
	for v := range 100 {
		a = a.Observed(at(6+v, v%24, callback.ApptBooked))
	}
	if n := len(a.History); n > 32 || a.History[0].Seen.Minute() != 1 || a.History[n-1].Start.Hour() != 99%24 {
		t.Errorf("%d entries, from %s", n, a.History[0].Seen)
	}
}
