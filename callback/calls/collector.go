package calls

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"time"
)

// Window is how far apart in time two rows of a log may be and still stand in the
// wrong order: a log may hold the rows of a day in any order, and a day has 25 hours
// when clocks are put back.
const Window = 25 * time.Hour

// Crowd is how many legs a Collector holds before it takes a log at its word: a log
// that so far was in order to within some minutes is not expected to be out of order by
// a day. Then it holds the legs of four times the greatest disorder that it has seen,
// and of four hours at least.
const Crowd = 50_000

const leastWindow = 4 * time.Hour

// edge is how close to the first or last call of a log a call is that may go on in
// another log: logs are cut at midnight, and calls are not.
const edge = time.Hour

// Collector makes sessions of logs that are too long to be held in memory. It gives
// the sessions that Collapse would give of all legs together, one by one as soon as
// nothing more can belong to them, and holds little more than the legs of a Window, or
// a Crowd of them.
//
// A log may run forwards or backwards. Several logs may come in any order and may
// overlap: a leg that stands in two of them counts once, and a call that is cut in
// two by the end of a log becomes one again.
//
// Three things differ from Collapse. Legs of one session that are more than a Window
// apart are two sessions: small phone systems begin again to count. The name of a call
// without identifiers is told apart from others of the same second by its row. And legs
// with a Session are not joined by their channels to legs without one; no log is known
// that has both.
//
// Use: for each log Begin, Add for each of its legs, and at last Close. Not safe for
// concurrent use.
type Collector struct {
	rules  Rules
	settle func(Session)
	many   bool // there may be more than one log

	log       int
	began     bool
	direction int // of the log: 1 forwards, -1 backwards, 0 not known yet
	first     time.Time
	last      time.Time        // the earliest and the latest start in the log
	cut       time.Time        // what begins on the other side of it is settled
	held      int              // legs that are not settled
	behind    [2]time.Duration // by way: the farthest that a row stood behind others

	byName map[string]*bucket // legs that belong to one call, or to one caller
	joined bucket             // legs that may be joined by their channels
	grown  int                // the size at which joined is looked at again
	edges  []Leg              // legs near the ends of logs

	seed     maphash.Seed
	settled  map[uint64]struct{} // legs of settled sessions, kept where there are many logs
	repeated int
	late     int
}

// bucket is legs that may belong together, and the time they cover.
type bucket struct {
	id          string // of the call, when they are known to be one
	legs        []Leg
	first, last time.Time
}

// groups puts the legs of the bucket together.
func (b *bucket) groups() []legGroup {
	if b.id != "" {
		return []legGroup{{b.id, b.legs}}
	}
	return group(b.legs)
}

// NewCollector returns a Collector that hands each session to settle, in no
// particular order. logs is how many logs there are: for more than one it remembers
// which legs it has seen.
func NewCollector(rules Rules, logs int, settle func(Session)) *Collector {
	c := &Collector{rules: rules, settle: settle, many: logs > 1, log: -1, byName: map[string]*bucket{}}
	if c.many {
		c.seed, c.settled = maphash.MakeSeed(), map[uint64]struct{}{}
	}
	return c
}

// Begin says that the legs to come are of the next log.
func (c *Collector) Begin() {
	c.endLog()
	c.log++
}

// Close settles what is left. The Collector is used up then.
func (c *Collector) Close() {
	c.endLog()
	edges := c.edges
	c.edges, c.many = nil, false
	known := map[uint64]bool{}
	kept := edges[:0]
	for _, l := range edges {
		h := c.hash(l)
		if _, again := c.settled[h]; again || known[h] {
			c.repeated++
			continue
		}
		known[h] = true
		kept = append(kept, l)
	}
	c.release(group(kept))
}

// Repeated is how many legs were left out because another log had them already.
func (c *Collector) Repeated() int { return c.repeated }

// Late is how many legs stood more than a Window away from where their time belongs.
// The calls they are part of may have been counted twice.
func (c *Collector) Late() int { return c.late }

// Add takes the next leg of the log.
func (c *Collector) Add(l Leg) {
	l.Log = c.log
	if c.many {
		if _, again := c.settled[c.hash(l)]; again {
			c.repeated++
			return
		}
	}
	c.put(l)
	if l.Start.IsZero() {
		return
	}
	c.advance(l.Start)
}

// advance takes note of the time of a row, and settles what is done.
func (c *Collector) advance(at time.Time) {
	switch {
	case !c.began:
		c.began, c.first, c.last = true, at, at
		return
	case c.direction > 0 && at.Before(c.cut), c.direction < 0 && at.After(c.cut):
		c.late++
	}
	c.behind[forwards] = max(c.behind[forwards], c.last.Sub(at))
	c.behind[backwards] = max(c.behind[backwards], at.Sub(c.first))
	// A log shows its direction by the first row that is a window away from another.
	switch {
	case at.After(c.last):
		c.last = at
		if c.direction == 0 && c.last.Sub(c.first) > c.window(forwards) {
			c.direction, c.cut = 1, c.first
		}
	case at.Before(c.first):
		c.first = at
		if c.direction == 0 && c.last.Sub(c.first) > c.window(backwards) {
			c.direction, c.cut = -1, c.last
		}
	}
	switch window := c.window(forwards); {
	case c.direction > 0 && c.last.Add(-window).Sub(c.cut) > pause(window):
		c.cut = c.last.Add(-window)
		c.sweep(func(_, last time.Time) bool { return last.Add(slack).Before(c.cut) })
	case c.direction < 0:
		window = c.window(backwards)
		if next := c.first.Add(window); c.cut.Sub(next) > pause(window) {
			c.cut = next
			c.sweep(func(first, _ time.Time) bool { return first.Add(-slack).After(c.cut) })
		}
	}
}

// forwards and backwards are the ways in which a log may run.
const (
	forwards = iota
	backwards
)

// window is how far apart rows may be and still stand in the wrong order.
func (c *Collector) window(way int) time.Duration {
	if c.held < Crowd {
		return Window
	}
	return min(max(4*c.behind[way], leastWindow), Window)
}

// pause is how far a log moves on before everything is looked through again.
func pause(window time.Duration) time.Duration { return window / 8 }

// put keeps a leg until its session is settled. Only legs with channels and without
// a session can be the halves of one Local channel; all others are known by a name.
func (c *Collector) put(l Leg) {
	c.held++
	if l.Session == "" && !(l.Channel.IsEmpty() && l.DstChannel.IsEmpty()) {
		c.joined.add(l)
		return
	}
	id := cmp.Or(l.Session, l.ID)
	key := "call\x00" + id
	if id == "" {
		key = callerKey(l)
	}
	b := c.byName[key]
	if b == nil {
		b = &bucket{id: id}
		c.byName[key] = b
	}
	b.add(l)
}

func (b *bucket) add(l Leg) {
	if len(b.legs) == 0 {
		b.first, b.last = l.Start, latest(l)
	}
	b.legs = append(b.legs, l)
	b.first = earliest(b.first, l.Start)
	if e := latest(l); e.After(b.last) {
		b.last = e
	}
}

// sweep releases the groups that are done, by the time that they cover.
func (c *Collector) sweep(done func(first, last time.Time) bool) {
	for key, b := range c.byName {
		switch {
		case done(b.first, b.last):
			delete(c.byName, key)
			c.release(b.groups())
		case b.id == "" && (done(b.first, b.first) || done(b.last, b.last)): // somebody who calls every day: some of the calls are done
			*b = c.releaseSome(b.legs, done)
		}
	}
	if len(c.joined.legs) > c.grown {
		c.joined = c.releaseSome(c.joined.legs, done)
		c.grown = max(1000, len(c.joined.legs)*3/2)
	}
}

// releaseSome releases the groups of legs that are done and returns the rest.
func (c *Collector) releaseSome(legs []Leg, done func(first, last time.Time) bool) bucket {
	var rest bucket
	groups := group(legs)
	keep := groups[:0]
	for _, g := range groups {
		if done(g.span()) {
			keep = append(keep, g)
			continue
		}
		for _, l := range g.legs {
			rest.add(l)
		}
	}
	c.release(keep)
	return rest
}

// release settles groups, or puts them aside when they are at the end of a log that
// another log may go on with.
func (c *Collector) release(groups []legGroup) {
	for _, g := range groups {
		c.held -= len(g.legs)
		if c.many && c.atEdge(g) {
			c.edges = append(c.edges, g.legs...)
			continue
		}
		if c.settled != nil {
			for _, l := range g.legs {
				c.settled[c.hash(l)] = struct{}{}
			}
		}
		s := c.rules.session(g)
		if g.legs[0].Session == "" && g.legs[0].ID == "" {
			s.ID = fmt.Sprintf("%s-%d", g.id[:len("at-20060102T150405Z")], s.Rows[0])
		}
		c.settle(s)
	}
}

// atEdge reports whether the call is so close to an end of the log that another log may
// go on with it.
func (c *Collector) atEdge(g legGroup) bool {
	first, last := g.span()
	return first.Before(c.first.Add(edge)) || last.After(c.last.Add(-edge))
}

// endLog releases what the log has left.
func (c *Collector) endLog() {
	all := func(_, _ time.Time) bool { return true }
	c.grown = 0
	c.sweep(all)
	c.began, c.direction, c.first, c.last, c.cut = false, 0, time.Time{}, time.Time{}, time.Time{}
	c.behind, c.held, c.grown = [2]time.Duration{}, 0, 0
}

// span is the time that the legs of a group cover.
func (g legGroup) span() (first, last time.Time) {
	var b bucket
	for _, l := range g.legs {
		b.add(l)
	}
	return b.first, b.last
}

// hash stands for everything that a leg is but where it was read.
func (c *Collector) hash(l Leg) uint64 { return maphash.String(c.seed, l.identity()) }
