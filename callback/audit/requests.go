package audit

import (
	"cmp"
	"slices"
	"time"

	"github.com/ringback-health/ringback/callback/businesstime"
	"github.com/ringback-health/ringback/callback/calls"
)

// request is the missed calls of one caller until one of three things happens.
type request struct {
	at, settled int64 // settled: when, or the end of the log for one that waits
	caller      uint32
	calls       uint32
	how         how
	reached     bool
	booked      bool
}

type how uint8

const (
	waiting how = iota
	returned
	self
)

var states = map[how]State{waiting: Waiting, returned: Returned, self: Self}

func (q request) wait() time.Duration { return time.Duration(q.settled-q.at) * time.Second }

// requests puts the missed calls together. of says which request each call is part of,
// by its index; -1 for the others.
func (a *Audit) requests(sorted []call) (all []request, of []int32) {
	open := make([]int32, len(a.endings)) // by caller: the open request, from 1
	of = make([]int32, len(sorted))
	for i, c := range sorted {
		of[i] = -1
		v := verdicts[c.verdict]
		if c.caller == 0 || v == calls.VerdictInternal {
			continue
		}
		q := open[c.caller] - 1
		switch {
		case v.NeedsCallback() && q < 0:
			all = append(all, request{at: c.at, caller: c.caller, calls: 1, settled: a.end})
			of[i] = int32(len(all) - 1)
			open[c.caller] = int32(len(all))
		case v.NeedsCallback():
			all[q].calls++
			of[i] = q
		case q < 0:
		case v == calls.VerdictOutbound:
			all[q].how, all[q].settled, all[q].reached = returned, c.at, c.reached
			open[c.caller] = 0
		case v == calls.VerdictAnswered:
			all[q].how, all[q].settled = self, c.at
			open[c.caller] = 0
		}
	}
	return all, of
}

// summary counts requests.
func (a *Audit) summary(all []request, hours *businesstime.Timetable) Requests {
	out := Requests{All: len(all)}
	clock, business := make([]duration, 0, len(all)), make([]duration, 0, len(all))
	for _, q := range all {
		at, settled := time.Unix(q.at, 0), time.Unix(q.settled, 0)
		w := Waits{q.wait(), hours.Between(at, settled)}
		clock = append(clock, duration{w.Clock, q.how == returned})
		business = append(business, duration{w.Business, q.how == returned})
		if q.calls > 1 {
			out.MoreCalls++
		}
		switch q.how {
		case returned:
			out.Returned++
			if q.reached {
				out.Reached++
			}
		case self:
			out.Self++
		case waiting:
			out.Waiting++
			out.LongestNow.Clock = max(out.LongestNow.Clock, w.Clock)
			out.LongestNow.Business = max(out.LongestNow.Business, w.Business)
		}
	}
	out.Clock, out.Business = times(clock), times(business)
	for _, h := range horizons {
		row := Horizon{Name: h.name}
		for _, q := range all {
			row.count(q, h.deadline(a, hours, q.at), a.end)
		}
		out.Horizons = append(out.Horizons, row)
	}
	return out
}

// horizons are how far the audit looks. deadline is in seconds since 1970; 0: it never comes.
var horizons = []struct {
	name     string
	deadline func(a *Audit, hours *businesstime.Timetable, at int64) int64
}{
	{"one business hour", func(_ *Audit, hours *businesstime.Timetable, at int64) int64 {
		return unix(hours.Add(time.Unix(at, 0), time.Hour))
	}},
	// The day is the one on which the clinic next has somebody at the phone.
	{"the same day", func(a *Audit, hours *businesstime.Timetable, at int64) int64 {
		day := hours.NextOpen(time.Unix(at, 0))
		if day.IsZero() {
			return 0
		}
		day = day.In(a.opts.Calendar.Zone)
		return unix(time.Date(day.Year(), day.Month(), day.Day()+1, 0, 0, 0, 0, day.Location()))
	}},
	{"24 hours", func(_ *Audit, _ *businesstime.Timetable, at int64) int64 { return at + 24*60*60 }},
	{"the end of the log", func(a *Audit, _ *businesstime.Timetable, _ int64) int64 { return a.end }},
}

func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func (h *Horizon) count(q request, deadline, end int64) {
	switch {
	case q.how != waiting && (q.settled <= deadline || deadline == 0):
		if q.how == returned {
			h.Returned++
		} else {
			h.Self++
		}
	case deadline == 0 || deadline > end:
		h.Unknown++
	default:
		h.Waiting++
	}
}

// duration is a time to the first attempt, or, without an event, how long there was none.
type duration struct {
	time  time.Duration
	event bool
}

func times(all []duration) Times {
	slices.SortFunc(all, func(x, y duration) int {
		// Of two equal times the one that goes on is the longer.
		return cmp.Or(cmp.Compare(x.time, y.time), boolInt(y.event)-boolInt(x.event))
	})
	var out Times
	for _, d := range all {
		if d.event {
			out.Longest = d.time
		}
	}
	out.Median, out.P90 = quantile(all, 0.5), quantile(all, 0.9)
	return out
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// quantile estimates by Kaplan and Meier (1958) the time after which the share of
// requests is rung back; sorted is in the order of times.
func quantile(sorted []duration, share float64) Quantile {
	const rounding = 1e-9
	still := 1.0
	for i, d := range sorted {
		if !d.event {
			continue
		}
		// Within one time, taking events one by one gives what taking them together gives.
		still *= 1 - 1/float64(len(sorted)-i)
		if still <= 1-share+rounding {
			return Quantile{Time: d.time}
		}
	}
	if len(sorted) == 0 {
		return Quantile{}
	}
	return Quantile{Time: sorted[len(sorted)-1].time, AtLeast: true}
}
