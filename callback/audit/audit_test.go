package audit_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ringback-health/ringback/callback/audit"
	"github.com/ringback-health/ringback/callback/businesstime"
	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/internal/redact"
)

// monday is 2 March 2026, 9 o'clock in UTC; the clinic is open from 8 to 17.
var monday = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

func options() audit.Options {
	return audit.Options{Calendar: businesstime.Weekdays(time.UTC), ShortClosed: audit.DefaultShortClosed, Loss: audit.DefaultAssumptions()}
}

// at makes a session of 30 s that begins some minutes after monday.
func at(minute int, v calls.Verdict, number string) calls.Session {
	s := calls.Session{StartedAt: monday.Add(time.Duration(minute) * time.Minute), Verdict: v, Rows: []int{minute + 10_000}}
	s.EndedAt = s.StartedAt.Add(30 * time.Second)
	if v == calls.VerdictOutbound {
		s.To = redact.NewText(number)
	} else {
		s.From = redact.NewText(number)
	}
	return s
}

func report(visits []audit.Visit, sessions ...calls.Session) audit.Report {
	a := audit.New(options())
	for _, s := range sessions {
		a.Add(s)
	}
	if visits != nil {
		a.AddVisits(visits)
	}
	return a.Report()
}

const (
	ann  = "+12125550111"
	bob  = "+12125550122"
	cyd  = "+12125550133"
	dee  = "+12125550144"
	emil = "+12125550155"
)

// aWeek is a small log, worked out by hand:
//
//	Ann   misses at 0 and 20, is rung back at 30: 30 min, nobody answers
//	Bob   misses at 10, is rung back at 10+90: 90 min, and answers
//	Cyd   misses at 40, gets through at 45
//	Dee   misses at 50 and is never rung back
//	Emil  misses an hour before the log ends
//	one caller withheld the number
func aWeek() []calls.Session {
	reached := at(100, calls.VerdictOutbound, bob)
	reached.Talk = time.Minute
	end := 3 * 24 * 60
	return []calls.Session{
		at(0, calls.VerdictAbandonedRing, ann), at(20, calls.VerdictVoicemail, ann), at(30, calls.VerdictOutbound, ann),
		at(10, calls.VerdictAbandonedQueue, bob), reached,
		at(40, calls.VerdictBusy, cyd), at(45, calls.VerdictAnswered, cyd),
		at(50, calls.VerdictVoicemail, dee),
		at(end-60, calls.VerdictVoicemail, emil), at(end, calls.VerdictInternal, ""),
		at(60, calls.VerdictAbandonedRing, ""),
		at(70, calls.VerdictShort, emil),
	}
}

func TestRequests(t *testing.T) {
	r := report(nil, aWeek()...)
	if r.Inbound.All() != 9 || r.Missed.All() != 7 || r.Answered.All() != 1 || r.Short.All() != 1 || r.Outbound != 2 || r.OutboundReached != 1 || r.Internal != 1 || r.Withheld != 1 {
		t.Errorf("%+v", r)
	}
	q := r.Requests
	if q.All != 5 || q.Returned != 2 || q.Reached != 1 || q.Self != 1 || q.Waiting != 2 || q.MoreCalls != 1 {
		t.Errorf("%+v", q)
	}
	// The log ends on Thursday 9:00:30. Emil called at 8:00 that day.
	want := []audit.Horizon{
		{Name: "one business hour", Returned: 1, Self: 1, Waiting: 3},
		{Name: "the same day", Returned: 2, Self: 1, Waiting: 1, Unknown: 1},
		{Name: "24 hours", Returned: 2, Self: 1, Waiting: 1, Unknown: 1},
		{Name: "the end of the log", Returned: 2, Self: 1, Waiting: 2},
	}
	if !reflect.DeepEqual(q.Horizons, want) {
		t.Errorf("%+v", q.Horizons)
	}
	// Kaplan-Meier: at 5 min one leaves (Cyd), at 30 min 1 of 4 is rung back (3/4 still
	// wait), at 60.5 min Emil leaves, at 90 min 1 of 2 (3/8 still wait): the median.
	if q.Clock.Median != (audit.Quantile{Time: 90 * time.Minute}) || !q.Clock.P90.AtLeast || q.Clock.Longest != 90*time.Minute {
		t.Errorf("%+v", q.Clock)
	}
	// Dee waits from Monday 9:50 to Thursday 9:00:30.
	if want := 71*time.Hour + 10*time.Minute + 30*time.Second; q.LongestNow.Clock != want || q.Clock.P90.Time != want {
		t.Errorf("%+v, %+v", q.LongestNow, q.Clock.P90)
	}
	// In opening hours: 7:10 on Monday, two days of nine hours, and one hour and half a minute.
	if want := 26*time.Hour + 10*time.Minute + 30*time.Second; q.LongestNow.Business != want {
		t.Errorf("%+v", q.LongestNow)
	}
	if r.Repeats.Callers != 3 || r.Repeats.Calls != 6 { // Ann, Cyd, Emil
		t.Errorf("%+v", r.Repeats)
	}
	if l := r.Loss; l.Callers != 2 || l.Low != 0 || l.High != 1 {
		t.Errorf("%+v", l)
	}
	var missed []string
	for m := range r.EachMissed() {
		missed = append(missed, fmt.Sprint(m.Row-10_000, " ", m.Shown, " ", m.State))
	}
	if want := []string{"0 ends in 11 rung back", "10 ends in 22 rung back", "20 ends in 11 rung back", "40 ends in 33 got through", "50 ends in 44 still waiting",
		"60 withheld ", "4260 ends in 55 still waiting"}; !slices.Equal(missed, want) {
		t.Errorf("%q", missed)
	}
}

func TestBookings(t *testing.T) {
	visit := func(number string, booked, start int) audit.Visit {
		v := audit.Visit{Numbers: []redact.Text{redact.NewText(number), redact.NewText("+12125550199")}, Start: monday.Add(time.Duration(start) * time.Hour)}
		if booked != 0 {
			v.Booked = monday.Add(time.Duration(booked) * time.Hour)
		}
		return v
	}
	r := report([]audit.Visit{
		visit(ann, -5, 50),           // before the call
		visit(bob, 24, 50),           // after it
		visit(cyd, 15*24, 400),       // too late to be its fruit
		visit(dee, 0, 48),            // nobody knows when it was booked
		visit("+12125550177", 1, 10), // who did not call
	}, aWeek()...)
	b := r.Bookings
	if b == nil || b.Visits != 5 || b.Undated != 1 || b.Unknown != 1 {
		t.Fatalf("%+v", b)
	}
	want := []audit.Booked{{audit.Waiting, 2, 1}, {audit.Returned, 2, 1}, {audit.Self, 1, 0}}
	if !slices.Equal(b.Of, want) {
		t.Errorf("%+v", b.Of)
	}
	if r.Loss.Callers != 1 {
		t.Errorf("%d callers lost: Dee has a visit, Emil has none", r.Loss.Callers)
	}
	// One visit is the fruit of one request.
	twice := report([]audit.Visit{visit(dee, 60, 70)}, at(0, calls.VerdictBusy, dee), at(5, calls.VerdictOutbound, dee), at(9, calls.VerdictBusy, dee))
	if got := twice.Bookings.Of; got[0].Booked+got[1].Booked != 1 {
		t.Errorf("%+v", got)
	}
	if none := report([]audit.Visit{}, aWeek()...).Bookings; none == nil || none.Visits != 0 {
		t.Error("no appointments is not the same as appointments that nobody gave")
	}
}

// TestShort: after hours a call counts from ten seconds on.
func TestShort(t *testing.T) {
	night := at(12*60, calls.VerdictAfterHours, ann)
	night.EndedAt = night.StartedAt.Add(9 * time.Second)
	day := at(60, calls.VerdictAbandonedRing, ann)
	day.EndedAt = day.StartedAt.Add(9 * time.Second)
	unknown := at(13*60, calls.VerdictAfterHours, bob)
	unknown.EndedAt = time.Time{}
	r := report(nil, night, day, unknown)
	if r.Short != (audit.Tally{Closed: 1}) || r.Missed != (audit.Tally{Open: 1, Closed: 1}) {
		t.Errorf("short %+v, missed %+v", r.Short, r.Missed)
	}
}

func TestNothing(t *testing.T) {
	r := report(nil)
	if !r.From.IsZero() || r.Inbound.All() != 0 || len(r.Days) != 0 {
		t.Errorf("%+v", r)
	}
	for range r.EachMissed() {
		t.Error("a missed call in an empty log")
	}
}

// TestTheOrderDoesNotMatter, and every part of a table adds up to the whole.
func TestTheOrderDoesNotMatter(t *testing.T) {
	all := []calls.Verdict{calls.VerdictAnswered, calls.VerdictVoicemail, calls.VerdictAbandonedRing, calls.VerdictShort, calls.VerdictOutbound, calls.VerdictInternal}
	rapid.Check(t, func(t *rapid.T) {
		var sessions []calls.Session
		for i := range rapid.IntRange(0, 30).Draw(t, "sessions") {
			s := at(rapid.IntRange(0, 14*24*60).Draw(t, "minute"), rapid.SampledFrom(all).Draw(t, "verdict"), rapid.SampledFrom([]string{ann, bob, cyd, "301", ""}).Draw(t, "number"))
			s.Rows = []int{i + 1}
			sessions = append(sessions, s)
		}
		r := report(nil, sessions...)
		other := report(nil, rapid.Permutation(sessions).Draw(t, "order")...)
		if a, b := text(r), text(other); a != b {
			t.Fatalf("%s\n%s", a, b)
		}
		for _, h := range r.Requests.Horizons {
			if h.Returned+h.Self+h.Waiting+h.Unknown != r.Requests.All {
				t.Fatalf("%+v of %d requests", h, r.Requests.All)
			}
		}
		cells, days := 0, 0
		for _, d := range r.Hours {
			for _, c := range d {
				cells += c.Inbound
			}
		}
		for _, d := range r.Days {
			days += d.Answered + d.Missed + d.Short
		}
		if in := r.Inbound.All(); cells != in || days != in || in != r.Answered.All()+r.Missed.All()+r.Short.All() {
			t.Fatalf("%d calls, %d in cells, %d in days", in, cells, days)
		}
	})
}

// text is all that a report says.
func text(r audit.Report) string {
	var missed []audit.MissedCall
	for m := range r.EachMissed() {
		missed = append(missed, m)
	}
	return fmt.Sprint(r.From, r.To, r.Inbound, r.Verdicts, r.Hours, r.Days, r.Requests, r.Repeats, r.Loss, r.OpenGaps, r.ClosedGaps, missed)
}
