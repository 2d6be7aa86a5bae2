package audit

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/ringback-health/ringback/callback/businesstime"
	"github.com/ringback-health/ringback/callback/calls"
)

// How much of a list a report shows, and how soon a further call is a repeat.
const (
	topCallers   = 10
	topSlots     = 5
	repeatWithin = 7 * 24 * time.Hour
)

// Report works out the report of all that was added.
func (a *Audit) Report() Report {
	r := Report{Calendar: a.opts.Calendar, HoursAssumed: a.opts.HoursAssumed, Suggested: a.opts.Calendar}
	r.Loss.Assumptions = a.opts.Loss
	if len(a.calls) == 0 {
		return r
	}
	sorted := a.sorted()
	r.From, r.To = time.Unix(sorted[0].at, 0).UTC(), time.Unix(a.end, 0).UTC()
	hours := a.opts.Calendar.Timetable(r.From, r.To)
	a.settleShort(sorted, hours)
	a.count(&r, sorted, hours)
	requests, of := a.requests(sorted)
	a.book(&r, requests)
	r.Requests = a.summary(requests, hours)
	r.Repeats = a.repeats(sorted, requests)
	r.OpenGaps, r.ClosedGaps = gaps(r.Hours, a.opts.Calendar)
	if a.opts.HoursAssumed {
		r.Suggested = a.suggest(sorted)
	}
	r.each = a.eachMissed(sorted, requests, of, hours)
	return r
}

// settleShort finds the short calls of closed hours.
func (a *Audit) settleShort(sorted []call, hours *businesstime.Timetable) {
	for i, c := range sorted {
		switch verdicts[c.verdict] {
		case calls.VerdictAbandonedQueue, calls.VerdictAbandonedRing, calls.VerdictAbandonedIVR, calls.VerdictAfterHours:
			if time.Duration(c.length)*time.Second < a.opts.ShortClosed && !hours.Open(time.Unix(c.at, 0)) {
				sorted[i].verdict = verdictIndex[calls.VerdictShort]
			}
		default: // the length says nothing
		}
	}
}

// count fills in what is counted call by call.
func (a *Audit) count(r *Report, sorted []call, hours *businesstime.Timetable) {
	tallies := make([]Tally, len(verdicts))
	days := newDays(a.opts.Calendar, r.From, r.To)
	for _, c := range sorted {
		v, at := verdicts[c.verdict], time.Unix(c.at, 0).In(a.opts.Calendar.Zone)
		day := days.of(at)
		switch v {
		case calls.VerdictOutbound:
			r.Outbound++
			day.Outbound++
			r.OutboundReached += boolInt(c.reached)
			continue
		case calls.VerdictInternal:
			r.Internal++
			continue
		default:
		}
		open := hours.Open(at)
		tallies[c.verdict].add(open)
		r.Inbound.add(open)
		day.Cell.add(v)
		r.Hours[at.Weekday()][at.Hour()].add(v)
		switch {
		case v == calls.VerdictAnswered:
			r.Answered.add(open)
		case v.NeedsCallback():
			r.Missed.add(open)
			r.Withheld += boolInt(c.caller == 0)
		default:
			r.Short.add(open)
		}
	}
	for i, t := range tallies {
		if verdicts[i].Inbound() {
			r.Verdicts = append(r.Verdicts, VerdictTally{verdicts[i], t})
		}
	}
	r.Days = days.list
	for _, d := range r.Days {
		if d.Open {
			r.OpenDays++
			if d.Inbound+d.Outbound == 0 {
				r.SilentDays = append(r.SilentDays, d.Date)
			}
		}
	}
}

// days finds the day of a call.
type days struct {
	list []Day
	at   map[[3]int]int
}

func newDays(cal businesstime.Calendar, from, to time.Time) *days {
	d := &days{at: map[[3]int]int{}}
	first, last := from.In(cal.Zone), to.In(cal.Zone)
	for i := 0; ; i++ {
		// Noon, since midnight does not exist everywhere on every day.
		day := time.Date(first.Year(), first.Month(), first.Day()+i, 12, 0, 0, 0, cal.Zone)
		date := day.Format(time.DateOnly)
		if i > 0 && date > last.Format(time.DateOnly) {
			return d
		}
		d.at[[3]int{day.Year(), int(day.Month()), day.Day()}] = len(d.list)
		d.list = append(d.list, Day{Date: date, Open: len(cal.Week[day.Weekday()]) > 0 && !cal.Close[date]})
	}
}

func (d *days) of(at time.Time) *Day {
	return &d.list[d.at[[3]int{at.Year(), int(at.Month()), at.Day()}]]
}

// repeats finds the callers who rang again.
func (a *Audit) repeats(sorted []call, requests []request) Repeats {
	type tally struct {
		calls, missed, answered int32
		first, last             int64
		repeat                  bool
	}
	byCaller := make([]tally, len(a.endings))
	for _, c := range sorted {
		v := verdicts[c.verdict]
		if c.caller == 0 || !v.Inbound() {
			continue
		}
		t := &byCaller[c.caller]
		if t.calls == 0 {
			t.first = c.at
		} else if c.at-t.last <= int64(repeatWithin/time.Second) {
			t.repeat = true
		}
		t.last = c.at
		t.calls++
		switch {
		case v == calls.VerdictAnswered:
			t.answered++
		case v.NeedsCallback():
			t.missed++
		}
	}
	var out Repeats
	var top []uint32
	for id, t := range byCaller {
		if t.repeat {
			out.Callers++
			out.Calls += int(t.calls)
			top = append(top, uint32(id))
		}
	}
	slices.SortFunc(top, func(x, y uint32) int {
		t, u := byCaller[x], byCaller[y]
		return cmp.Or(cmp.Compare(u.calls, t.calls), cmp.Compare(u.missed, t.missed), cmp.Compare(t.first, u.first), cmp.Compare(t.last, u.last),
			cmp.Compare(mask(a.endings[x]), mask(a.endings[y])))
	})
	top = top[:min(len(top), topCallers)]
	state := map[uint32]State{}
	for _, q := range requests {
		if slices.Contains(top, q.caller) {
			state[q.caller] = states[q.how]
		}
	}
	for _, id := range top {
		t := byCaller[id]
		out.Top = append(out.Top, Caller{Shown: mask(a.endings[id]), Calls: int(t.calls), Missed: int(t.missed), Answered: int(t.answered),
			First: time.Unix(t.first, 0).UTC(), Last: time.Unix(t.last, 0).UTC(), State: state[id]})
	}
	return out
}

// gaps finds the hours of the week in which most calls were missed.
func gaps(hours [7][24]Cell, cal businesstime.Calendar) (open, closed []Slot) {
	for d, day := range hours {
		for h, cell := range day {
			s := Slot{time.Weekday(d), h, cell}
			switch {
			case cell.Missed == 0:
			case opensIn(cal, s):
				open = append(open, s)
			default:
				closed = append(closed, s)
			}
		}
	}
	for _, list := range []*[]Slot{&open, &closed} {
		slices.SortStableFunc(*list, func(x, y Slot) int {
			return cmp.Or(cmp.Compare(y.Missed, x.Missed), cmp.Compare(x.Answered, y.Answered))
		})
		*list = (*list)[:min(len(*list), topSlots)]
	}
	return open, closed
}

func opensIn(cal businesstime.Calendar, s Slot) bool {
	return slices.ContainsFunc(cal.Week[s.Day], func(i businesstime.Interval) bool { return i.Start < (s.Hour+1)*60 && i.End > s.Hour*60 })
}

// suggest takes for opening hours those between the first and the last hour of a day of
// the week in which, over the whole log, somebody was at the phone on at least every
// second such day. A log in which nobody ever was suggests the calendar itself.
func (a *Audit) suggest(sorted []call) businesstime.Calendar {
	var manned [7][24]map[int]bool // by weekday and hour: on which days
	var seen [7]map[int]bool
	for _, c := range sorted {
		v, at := verdicts[c.verdict], time.Unix(c.at, 0).In(a.opts.Calendar.Zone)
		d, day := at.Weekday(), at.Year()*1000+at.YearDay()
		if seen[d] == nil {
			seen[d] = map[int]bool{}
		}
		seen[d][day] = true
		if v != calls.VerdictAnswered && v != calls.VerdictOutbound {
			continue
		}
		if manned[d][at.Hour()] == nil {
			manned[d][at.Hour()] = map[int]bool{}
		}
		manned[d][at.Hour()][day] = true
	}
	cal := businesstime.Calendar{Zone: a.opts.Calendar.Zone}
	found := false
	for d := range manned {
		first, last := 24, -1
		for h, on := range manned[d] {
			if len(on) > 0 && 2*len(on) >= len(seen[d]) {
				first, last = min(first, h), h
			}
		}
		if last >= 0 {
			cal.Week[d] = []businesstime.Interval{{Start: first * 60, End: (last + 1) * 60}}
			found = true
		}
	}
	if !found {
		return a.opts.Calendar
	}
	return cal
}

// eachMissed yields the missed calls.
func (a *Audit) eachMissed(sorted []call, requests []request, of []int32, hours *businesstime.Timetable) func(func(MissedCall) bool) {
	return func(yield func(MissedCall) bool) {
		for i, c := range sorted {
			v := verdicts[c.verdict]
			if !v.NeedsCallback() {
				continue
			}
			at := time.Unix(c.at, 0).UTC()
			m := MissedCall{Log: int(c.log), Row: int(c.row), At: at, Verdict: v, Open: hours.Open(at), Shown: "withheld"}
			if of[i] >= 0 {
				q := requests[of[i]]
				settled := time.Unix(q.settled, 0).UTC()
				m.Shown, m.State, m.After = mask(a.endings[c.caller]), states[q.how], Waits{settled.Sub(at), hours.Between(at, settled)}
			}
			if !yield(m) {
				return
			}
		}
	}
}

// bound rounds an estimate so that the range never gets narrower.
func bound(low, high float64) (int, int) { return int(math.Floor(low)), int(math.Ceil(high - 1e-9)) }
