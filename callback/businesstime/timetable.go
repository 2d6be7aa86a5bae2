package businesstime

import (
	"sort"
	"time"
)

// Timetable answers the questions of a Calendar about one period by looking them
// up, for whoever asks hundreds of thousands of times. It is read only once made
// and may be shared.
type Timetable struct {
	calendar Calendar
	from, to time.Time
	spans    []openSpan
}

// openSpan is one open span; before is the business time of all spans before it.
type openSpan struct {
	start, end time.Time
	before     time.Duration
}

// Timetable makes the table of the period from from to to. Questions about
// instants outside it are answered by the calendar itself, more slowly.
func (c Calendar) Timetable(from, to time.Time) *Timetable {
	t := &Timetable{calendar: c, from: from, to: to}
	var sum time.Duration
	for day := from; !day.After(to); {
		last := day
		for start, end := range c.spans(day) {
			if start.After(to) {
				return t
			}
			t.spans = append(t.spans, openSpan{start, end, sum})
			sum += end.Sub(start)
			last = end
		}
		if !last.After(day) { // it does not open again
			return t
		}
		day = last // a calendar looks two years ahead; a longer period goes on from there
	}
	return t
}

// find is the index of the first span that ends after at.
func (t *Timetable) find(at time.Time) int {
	return sort.Search(len(t.spans), func(i int) bool { return t.spans[i].end.After(at) })
}

func (t *Timetable) holds(at time.Time) bool { return !at.Before(t.from) && !at.After(t.to) }

// Open is Calendar.Open.
func (t *Timetable) Open(at time.Time) bool {
	if !t.holds(at) {
		return t.calendar.Open(at)
	}
	i := t.find(at)
	return i < len(t.spans) && !t.spans[i].start.After(at)
}

// Between is Calendar.Between.
func (t *Timetable) Between(a, b time.Time) time.Duration {
	switch {
	case !b.After(a):
		return 0
	case !t.holds(a) || !t.holds(b):
		return t.calendar.Between(a, b)
	default:
		return t.passed(b) - t.passed(a)
	}
}

// passed is the business time from the beginning of the table to at.
func (t *Timetable) passed(at time.Time) time.Duration {
	i := t.find(at)
	if i == len(t.spans) {
		if i == 0 {
			return 0
		}
		last := t.spans[i-1]
		return last.before + last.end.Sub(last.start)
	}
	s := t.spans[i]
	if at.Before(s.start) {
		return s.before
	}
	return s.before + at.Sub(s.start)
}

// Add is Calendar.Add.
func (t *Timetable) Add(at time.Time, d time.Duration) time.Time {
	if t.holds(at) {
		want := t.passed(at) + d
		i := sort.Search(len(t.spans), func(i int) bool {
			s := t.spans[i]
			return s.end.After(at) && s.before+s.end.Sub(s.start) >= want
		})
		if i < len(t.spans) {
			s := t.spans[i]
			return latest(at, s.start.Add(want-s.before)).UTC()
		}
	}
	return t.calendar.Add(at, d)
}

// NextOpen is Calendar.NextOpen.
func (t *Timetable) NextOpen(at time.Time) time.Time {
	if t.holds(at) {
		if i := t.find(at); i < len(t.spans) {
			return latest(at, t.spans[i].start)
		}
	}
	return t.calendar.NextOpen(at)
}
