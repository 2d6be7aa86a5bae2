// Package metrics says in numbers how a clinic answers its callbacks. Pure: it
// counts records that are handed to it, and each number says what it counts.
//
// How numbers are shown or exported (console, Prometheus, reports) does not
// belong here.
package metrics

import "github.com/ringback-health/ringback/callback"

// Counts is how many callbacks stand or ended how. Each callback that is not open
// is in exactly one of the three Closed numbers, by its last closing.
type Counts struct {
	Callbacks       int
	Open            int
	Review          int // open or not, a person has to look at it
	ClosedOnBooking int // by automation, on a booked visit
	ClosedInEHR     int // by staff who ended the work item
	ClosedByHand    int // by a person through Ringback itself
	Reopenings      int // how often a closed callback opened again, all callbacks together
}

// Add counts one callback. The record needs its timeline.
func (c *Counts) Add(r callback.Record) {
	c.Callbacks++
	if r.Review {
		c.Review++
	}
	var by callback.ActorKind
	for _, e := range r.Timeline {
		switch e.Kind {
		case callback.EventReopened:
			c.Reopenings++
		case callback.EventClosed:
			by = e.By.Kind
		default: // says nothing of how a callback ended
		}
	}
	switch {
	case r.Status.Open():
		c.Open++
	case by == callback.Automation:
		c.ClosedOnBooking++
	case by == callback.EHRStaff:
		c.ClosedInEHR++
	default:
		c.ClosedByHand++
	}
}
