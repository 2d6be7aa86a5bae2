package matching

import (
	"slices"
	"time"

	"github.com/ringback-health/ringback/callback"
)

// period is when something can have happened, by our clock. A zero end is open.
type period struct{ from, to time.Time }

// order is when something happened, seen from a moment.
type order int

const (
	unclear order = iota
	before
	after
)

// order says on which side of a moment all of the period lies. Where the witnesses
// contradict each other it is before: that credits nothing.
func (p period) order(moment time.Time) order {
	switch {
	case !p.to.IsZero() && p.to.Before(moment):
		return before
	case !p.from.IsZero() && !p.from.Before(moment):
		return after
	default:
		return unclear
	}
}

// and is the period in which both can have happened.
func (p period) and(q period) period { return period{later(p.from, q.from), earlier(p.to, q.to)} }

// dayLate is how much later than booked a visit may be first seen and the EHR's clock
// still be the reason; beyond that the EHR showed it late.
const dayLate = 24 * time.Hour

// booking is when the appointment can have been booked, by all witnesses there are: the
// EHR's word, whose clock is not ours; our own observation; and the age that it had by
// the EHR's clock when it was first seen, which holds however wrong that clock is.
func (in Input) booking(a callback.Appointment) period {
	skew := in.Rules.ClockSkew
	if i := bookedAnew(a.History); i > 0 {
		return in.change(a.History[i-1], a.History[i])
	}
	// A poll takes a while: what it first shows may be a little younger than its beginning.
	seen := period{a.NotBefore, plus(a.FirstSeen, skew)}
	if a.Created.IsZero() {
		return seen.and(period{to: plus(a.FirstUpdated, skew)})
	}
	told := period{a.Created.Add(-skew), a.Created.Add(a.CreatedSpan + skew)}
	if a.FirstUpdated.IsZero() || a.FirstUpdated.Before(a.Created) {
		return told.and(seen)
	}
	age := a.FirstUpdated.Sub(a.Created)
	aged := period{plus(a.NotBefore, -age), plus(seen.to, a.CreatedSpan-age)}
	switch {
	case !aged.to.IsZero() && aged.to.Before(told.from): // the EHR's clock is fast
		told = aged
	case !aged.from.IsZero() && told.to.Before(aged.from) && aged.from.Sub(told.to) <= dayLate: // it is slow
		return period{told.from, aged.to} // or it was shown late
	default:
		told = told.and(aged)
	}
	if told.to.IsZero() || seen.from.After(told.to) {
		return told // it was shown late
	}
	return told.and(seen)
}

// bookedAnew returns which version of a history is the booking that stands now, when an
// earlier one did not stand; else 0.
func bookedAnew(h []callback.AppointmentVersion) int {
	for i := len(h) - 1; i > 0; i-- {
		if h[i].State.Stands() && !h[i-1].State.Stands() {
			return i
		}
	}
	return 0
}

// move returns when a booked appointment was last put to another time, and when that
// was seen; ok is false when it never was.
func (in Input) move(a callback.Appointment) (p period, seen time.Time, ok bool) {
	h := a.History
	for i := len(h) - 1; i > 0; i-- {
		if h[i].State.Stands() && h[i-1].State.Stands() && !h[i].Start.Equal(h[i-1].Start) {
			return in.change(h[i-1], h[i]), h[i].Seen, true
		}
	}
	return period{}, time.Time{}, false
}

// change is when one version of an appointment can have become the next.
func (in Input) change(from, to callback.AppointmentVersion) period {
	skew := in.Rules.ClockSkew
	seen := period{later(to.NotBefore, from.Seen), plus(to.Seen, skew)}
	told := period{to: plus(to.Updated, skew)}
	if to.Alone {
		told.from = plus(to.Updated, -skew)
	}
	contradict := !told.to.IsZero() && seen.from.After(told.to) || !seen.to.IsZero() && told.from.After(seen.to)
	if contradict { // the EHR's clock is wrong by more than that
		return seen
	}
	return told.and(seen)
}

// walkedIn reports whether the visit had begun when it was booked or moved, or began at
// once.
func (in Input) walkedIn(a callback.Appointment, when period) bool {
	switch {
	case a.Start.IsZero():
		return false
	case !a.Created.IsZero() && a.CreatedSpan == 0 && !a.Start.After(a.Created.Add(in.Rules.ClockSkew)), a.Start.Before(when.from):
		return true
	default:
		first := slices.IndexFunc(a.History, func(v callback.AppointmentVersion) bool { return v.State.Stands() })
		return first == 0 && a.History[0].State != callback.ApptBooked && !a.History[0].Start.After(a.History[0].Seen)
	}
}

// bookedTogether reports whether two appointments were booked in one go, as a series is.
func bookedTogether(a, b callback.Appointment) bool {
	if !slices.Equal(a.Kinds, b.Kinds) {
		return false
	}
	if a.Created.IsZero() || b.Created.IsZero() || a.CreatedSpan != 0 || b.CreatedSpan != 0 {
		return a.FirstSeen.Equal(b.FirstSeen) && !a.NotBefore.IsZero()
	}
	return a.Created.Sub(b.Created).Abs() <= inOneGo
}

// inOneGo is how far apart the bookings of a series are at most.
const inOneGo = time.Minute

// plus adds to a time that is known.
func plus(t time.Time, d time.Duration) time.Time {
	if t.IsZero() {
		return t
	}
	return t.Add(d)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// earlier is the earlier of two times; zero is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
