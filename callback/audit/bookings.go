package audit

import (
	"slices"
	"time"

	"github.com/ringback-health/ringback/internal/redact"
)

// attribution is how long after a missed call a booking still counts as its fruit.
const attribution = 14 * 24 * time.Hour

// Visit is one appointment of the clinic.
type Visit struct {
	Numbers []redact.Text // of the patient
	Booked  time.Time     // when it was made; zero: not known
	Start   time.Time     // when it is; zero: not known
}

// AddVisits takes the clinic's appointments, also when there are none: that is another
// thing than not knowing them.
func (a *Audit) AddVisits(visits []Visit) {
	a.visits = append(a.visits, visits...)
	a.visitsKnown = true
}

// seat is a visit that may be credited to a request, once.
type seat struct {
	at      time.Time
	undated bool
	taken   bool
}

// follows reports whether the visit may be what the call led to. Of a visit of which
// nobody knows when it was booked only its own time can be held against the call.
func (s *seat) follows(call time.Time) bool {
	return !s.taken && s.at.After(call) && (s.undated || !s.at.After(call.Add(attribution)))
}

// book finds the requests that were followed by a visit, and estimates the loss.
func (a *Audit) book(r *Report, requests []request) {
	if a.visitsKnown {
		r.Bookings = a.bookings(requests)
	}
	lost := map[uint32]bool{}
	for _, q := range requests {
		if q.how == waiting && !q.booked {
			lost[q.caller] = true
		}
	}
	l := &r.Loss
	l.Callers = len(lost)
	n := float64(len(lost))
	l.Low, l.High = bound(n*l.Assumptions.NewLow*l.Assumptions.BookLow, n*l.Assumptions.NewHigh*l.Assumptions.BookHigh)
}

func (a *Audit) bookings(requests []request) *Bookings {
	missed := make([]bool, len(a.endings))
	for _, q := range requests {
		missed[q.caller] = true
	}
	out := &Bookings{Visits: len(a.visits)}
	byCaller := map[uint32][]*seat{}
	for _, v := range a.visits {
		s := &seat{at: v.Booked, undated: v.Booked.IsZero()}
		if s.undated {
			out.Undated++
			s.at = v.Start
		}
		known := false
		for _, n := range v.Numbers {
			key := n.Reveal()
			if a.opts.Key != nil {
				key = a.opts.Key(n, false)
			}
			if id := a.byKey[key]; id != 0 && missed[id] && !slices.Contains(byCaller[id], s) {
				byCaller[id], known = append(byCaller[id], s), true
			}
		}
		if !known {
			out.Unknown++
		}
	}
	for _, seats := range byCaller {
		slices.SortStableFunc(seats, func(x, y *seat) int { return x.at.Compare(y.at) })
	}
	tally := map[how]*Booked{}
	for _, h := range []how{waiting, returned, self} {
		tally[h] = &Booked{State: states[h]}
	}
	for i, q := range requests {
		t := tally[q.how]
		t.Requests++
		at := time.Unix(q.at, 0)
		if j := slices.IndexFunc(byCaller[q.caller], func(s *seat) bool { return s.follows(at) }); j >= 0 {
			byCaller[q.caller][j].taken = true
			requests[i].booked = true
			t.Booked++
		}
	}
	for _, h := range []how{waiting, returned, self} {
		out.Of = append(out.Of, *tally[h])
	}
	return out
}
