package calls

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// legGroup is the legs of one session.
type legGroup struct {
	id   string
	legs []Leg
}

// group puts legs together as Collapse describes.
func group(legs []Leg) []legGroup {
	named := make(map[string][]Leg)
	var loose []Leg
	for _, l := range legs {
		if key := l.Call(); key != "" {
			named[key] = append(named[key], l)
		} else {
			loose = append(loose, l)
		}
	}
	groups := make([][]Leg, 0, len(named))
	for _, g := range named {
		groups = append(groups, g)
	}
	return name(joinPairs(append(groups, joinCallers(loose)...)))
}

// joinPairs joins groups that are connected by the two halves of a Local
// channel. Only legs without a Session need it: where the log names the
// session, both halves carry the same name.
func joinPairs(groups [][]Leg) [][]Leg {
	type end struct {
		group int
		leg   Leg
	}
	outer := make(map[string][]end) // by pair: the legs that ring its half 1
	for i, g := range groups {
		for _, l := range g {
			if c := parseChannel(l.DstChannel.Reveal()); c.half == '1' {
				outer[c.pair] = append(outer[c.pair], end{i, l})
			}
		}
	}
	sets := newSets(len(groups))
	for i, g := range groups {
		for _, l := range g {
			c := parseChannel(l.Channel.Reveal())
			if l.Session != "" || !c.helper() {
				continue
			}
			for _, o := range outer[c.pair] {
				// The numbers in channel names begin again when the PBX restarts.
				if sameTime(l, o.leg) {
					sets.join(i, o.group)
				}
			}
		}
	}
	joined := make(map[int][]Leg)
	for i, g := range groups {
		joined[sets.find(i)] = append(joined[sets.find(i)], g...)
	}
	out := make([][]Leg, 0, len(joined))
	for _, g := range joined {
		out = append(out, g)
	}
	return out
}

// slack is how far apart times of one moment may be written: logs are rounded to
// seconds, and events are sent by several machines.
const slack = 2 * time.Second

// sameTime reports whether two legs overlap, to within the second to which
// logs are rounded.
func sameTime(a, b Leg) bool {
	return !a.Start.After(latest(b).Add(slack)) && !b.Start.After(latest(a).Add(slack))
}

// latest is the end of the leg, or its start when the log has no end.
func latest(l Leg) time.Time {
	if e := l.end(); !e.IsZero() {
		return e
	}
	return l.Start
}

// joinCallers joins legs without any identifier by caller and time. A withheld
// caller is told apart by the channel, and without one by the whole record.
func joinCallers(legs []Leg) [][]Leg {
	slices.SortFunc(legs, func(a, b Leg) int {
		return cmp.Or(a.Start.Compare(b.Start), compareLegs("", a, b))
	})
	current := make(map[string]int) // by caller: index of the call that may still go on
	last := make(map[string]Leg)    // by caller: its leg that ends last
	var groups [][]Leg
	for _, l := range legs {
		key := callerKey(l)
		i, found := current[key]
		if !found || !goesOn(last[key], l) {
			current[key], last[key] = len(groups), l
			groups = append(groups, []Leg{l})
			continue
		}
		groups[i] = append(groups[i], l)
		if latest(l).After(latest(last[key])) {
			last[key] = l
		}
	}
	return groups
}

// callerKey tells callers apart. A clinic calls from one number and may call several
// people at the same time: what is outbound is told apart by who was called as well.
func callerKey(l Leg) string {
	switch {
	case l.Direction == Outbound && !l.From.IsEmpty():
		return "calls\x00" + l.From.Reveal() + "\x00" + l.To.Reveal()
	case !l.From.IsEmpty():
		return "caller\x00" + string(l.Direction) + "\x00" + l.From.Reveal()
	case !l.Channel.IsEmpty():
		return "channel\x00" + l.Channel.Reveal()
	default:
		return "record\x00" + l.identity()
	}
}

// goesOn reports whether next, which does not start earlier, is part of the
// call that lasts until the end of last. A leg that begins in the very second
// in which the other ended belongs to it only on the same channel: without
// channels that is a caller who dialled again.
func goesOn(last, next Leg) bool {
	if next.Start.Equal(last.Start) || next.Start.Before(latest(last)) {
		return true
	}
	return next.Start.Equal(latest(last)) && !next.Channel.IsEmpty() && next.Channel.Equal(last.Channel)
}

// name gives each group the name of its call: what the caller's own leg
// carries. A call without identifiers is named by its start, which is the same
// each time the log is read and says nothing about the caller.
func name(groups [][]Leg) []legGroup {
	type unnamed struct {
		group int
		root  Leg
	}
	out := make([]legGroup, 0, len(groups))
	var rest []unnamed
	for i, g := range groups {
		root := slices.MinFunc(g, func(a, b Leg) int { return compareLegs("", a, b) })
		id := root.Call()
		if id == "" {
			rest = append(rest, unnamed{i, root})
		}
		out = append(out, legGroup{id: id, legs: g})
	}
	slices.SortFunc(rest, func(a, b unnamed) int {
		return cmp.Or(a.root.Start.Compare(b.root.Start), compareLegs("", a.root, b.root))
	})
	used := make(map[string]int)
	for _, u := range rest {
		id := "at-" + u.root.Start.UTC().Format("20060102T150405Z")
		if used[id]++; used[id] > 1 {
			id = fmt.Sprintf("%s-%d", id, used[id])
		}
		out[u.group].id = id
	}
	return out
}

// sets is a union-find over the numbers 0 to n-1.
type sets []int

func newSets(n int) sets {
	s := make(sets, n)
	for i := range s {
		s[i] = i
	}
	return s
}

func (s sets) find(i int) int {
	for s[i] != i {
		s[i] = s[s[i]]
		i = s[i]
	}
	return i
}

func (s sets) join(i, j int) { s[s.find(i)] = s.find(j) }
