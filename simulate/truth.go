package simulate

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ringback-health/ringback/callback"
)

// wish is what somebody really wants, whatever the request says.
type wish string

// The wishes.
const (
	wantsVisit    wish = "a visit"
	wantsFirst    wish = "a first visit"
	wantsMoved    wish = "another time for a visit"
	wantsCancel   wish = "to cancel a visit"
	wantsAnswered wish = "an answer to a question"
)

// bookable reports whether a visit can answer it.
func (w wish) bookable() bool { return w == wantsVisit || w == wantsFirst || w == wantsMoved }

// need is what one person wants of the clinic, from the first request to the end.
type need struct {
	n        int
	r        *rand.Rand
	wish     wish
	topic    callback.Category // what it is about, in the workflow's words
	told     callback.Category // what the request said or let be seen; "": nothing
	named    bool              // the request says who it is
	caller   *person
	patient  *person
	old      *visit // the visit to move or cancel
	asked    time.Time
	withheld bool

	stories  []*story // the callbacks that hold its requests
	settled  bool
	since    time.Time // when it was settled last
	how      string
	waiting  bool // something is arranged: nobody calls, and nobody books, meanwhile
	moving   bool // its visit is cancelled and the next one is about to be booked
	lostAt   time.Time
	gaveUpAt time.Time // when its visit fell through and no other was wanted
	answers  []*visit  // the visits that answer it
	excused  []*visit  // visits booked in the conversation that settled it
	episode  *episode
	log      []Line
}

// arranged reports whether nobody has to do anything about it now.
func (n *need) arranged() bool { return n.settled || n.waiting || n.moving }

// asideFell reports whether a visit that was booked in the conversation that settled the
// need, and does not answer it, fell through.
func (n *need) asideFell() bool {
	return slices.ContainsFunc(n.excused, func(v *visit) bool { return !v.stands })
}

// visit is an appointment in the EHR.
type visit struct {
	id       string
	patient  *person
	start    time.Time
	bookedAt time.Time
	stands   bool
	over     bool
	moves    int // counts them, so that what was planned for the old time is dropped
	answers  []*need
	credited []*story // the stories that the daemon closed on it, or that it replaced the visit of; the last one holds it
}

// episode is one time that a visit answered a need: what the daemon has to see.
type episode struct {
	need   *need
	visits []*visit
	at     time.Time
	closed bool // the daemon closed a callback of the need on one of the visits
	told   bool // the EHR and the request say enough to see it
}

// Line is one line of a story, for Explain.
type Line struct {
	At  time.Time `json:"at"`
	Who string    `json:"who"` // "truth", "daemon" or "score"
	Say string    `json:"what"`
}

// story is one callback in the ledger, with the truth behind it.
type story struct {
	id       callback.ID
	label    string // stable name: clinic and number
	needs    []*need
	rec      callback.Record // as the daemon changed it last
	seen     int             // events of its timeline that were looked at
	r        *rand.Rand
	planned  bool // staff will look at it
	tries    int
	handAt   time.Time // when staff ended the item by hand; zero: they did not
	closedAt time.Time // when the daemon closed it rightly; zero: not, or no more
	expects  time.Time // since when it should be open again; zero: it need not
	outside  bool      // ... or go on as another one, because it was closed for too long
	filed    *person   // in whose chart staff filed the item; nil: they did not
	reviewed bool
	daemon   []Line
}

// open returns the needs that are not settled.
func (s *story) open() []*need {
	var list []*need
	for _, n := range s.needs {
		if !n.settled {
			list = append(list, n)
		}
	}
	return list
}

// link returns the id of what the callback has in the EHR; "": nothing yet.
func (s *story) link(appointment bool) string {
	for _, l := range s.rec.Links {
		if (l.Type == callback.AppointmentResource) == appointment && l.State != callback.LinkDiscarded {
			return l.RemoteID
		}
	}
	return ""
}

// lines returns the whole story in the order of time.
func (s *story) lines() []Line {
	all := slices.Clone(s.daemon)
	for _, n := range s.needs {
		all = append(all, n.log...)
	}
	slices.SortStableFunc(all, func(a, b Line) int { return a.At.Compare(b.At) })
	return all
}

// tell writes a line of the truth.
func (w *world) tell(n *need, format string, args ...any) {
	n.log = append(n.log, Line{w.now, "truth", fmt.Sprintf(format, args...)})
}

// settle ends a need without a visit.
func (w *world) settle(n *need, how string) {
	n.settled, n.since, n.how, n.waiting = true, w.now, how, false
	w.tell(n, "%s", how)
}

// answer says that visits answer the need: the daemon has to see it.
func (w *world) answer(n *need, how string, visits ...*visit) {
	n.settled, n.since, n.how, n.waiting, n.lostAt, n.gaveUpAt = true, w.now, how, false, time.Time{}, time.Time{}
	n.answers = visits
	for _, v := range visits {
		if !slices.Contains(v.answers, n) {
			v.answers = append(v.answers, n)
		}
	}
	e := &episode{need: n, visits: visits, at: w.now}
	n.episode = e
	w.tell(n, "answered (%s) by visit %s on %s", how, ids(visits), w.local(visits[0].start))
	w.at(w.now.Add(grace), func() error { return w.checkAnswer(e) })
	for _, s := range n.stories {
		w.look(s, 9*time.Hour)
		if len(s.needs) > 1 || s.rec.Repeats > 0 { // the daemon waits before it closes what holds several calls
			w.pollAt(w.tick(w.now.Add(severalCalls + w.clinic.Habits.IndexLag))).visits = true
		}
	}
}

func ids(visits []*visit) string {
	out := ""
	for i, v := range visits {
		if i > 0 {
			out += "+"
		}
		out += v.id
	}
	return out
}

// fall says that a visit will not take place, or did not. again says that another is
// about to be booked in its place.
func (w *world) fall(v *visit, why string, again bool) {
	v.stands = false
	v.moves++
	for _, n := range v.answers {
		w.tell(n, "visit %s %s", v.id, why)
		if !n.settled || slices.ContainsFunc(n.answers, func(o *visit) bool { return o.stands }) {
			continue
		}
		n.settled, n.moving = false, again
		if !again {
			w.lost(n, v)
		}
	}
}

// lost says that the need has no visit any more: the callback that the daemon closed on v
// has to be open again, if that was not too long ago. Where v has answered several, one
// visit is missing, and the last of them has to be open.
func (w *world) lost(n *need, v *visit) {
	n.lostAt, n.moving = w.now, false
	if !chance(n.r, rateWantsAgain) {
		w.settle(n, "wants no other visit")
		n.gaveUpAt = w.now
	}
	for _, s := range n.stories {
		if s.closedAt.IsZero() || !s.expects.IsZero() || len(v.credited) == 0 || v.credited[len(v.credited)-1] != s {
			continue
		}
		s.expects, s.outside = w.now, !w.inWindow(s.closedAt)
		w.at(w.now.Add(grace), func() error { w.checkReopened(s); return nil })
	}
}

// asked ends the needs of a visit that is cancelled because somebody asked for that: a
// callback of theirs need not open again, and may.
func (w *world) asked(v *visit) {
	v.stands = false
	v.moves++
	for _, n := range v.answers {
		if n.settled {
			w.settle(n, "its visit "+v.id+" is cancelled, as asked")
			n.lostAt = w.now
		}
	}
}

// inWindow reports whether a visit that falls through now opens a callback again that
// was closed then.
func (w *world) inWindow(closed time.Time) bool {
	return w.opts.Compressed || w.now.Sub(closed) <= w.rules.ReopenOnCancelWithin
}
