package audit

import (
	"iter"
	"time"

	"github.com/ringback-health/ringback/callback/businesstime"
	"github.com/ringback-health/ringback/callback/calls"
)

// Report is what became of the calls in one log. It holds no number and no name: of a
// caller it shows the last two digits.
type Report struct {
	// From is when the first call began, To the last moment that the log knows of. Both
	// are zero for a log without calls.
	From, To     time.Time
	Calendar     businesstime.Calendar
	HoursAssumed bool

	Inbound  Tally // all calls from outside
	Answered Tally // by a person
	Missed   Tally // nobody answered and somebody owes an answer
	Short    Tally // the caller gave up at once: counted, and not called back
	Verdicts []VerdictTally

	Outbound        int // calls that the clinic placed
	OutboundReached int // of those, answered
	Internal        int

	Hours [7][24]Cell // by time.Weekday and hour of the clinic's own clock
	Days  []Day       // every day from From to To

	Withheld int // missed calls without a number: nobody can ring back
	Requests Requests
	Repeats  Repeats
	Bookings *Bookings // nil: no appointments were given
	Loss     Loss

	// OpenGaps and ClosedGaps are the hours of the week with most missed calls.
	OpenGaps, ClosedGaps []Slot
	// SilentDays are days on which the clinic is open and no call came at all.
	SilentDays []string
	OpenDays   int

	// Suggested are the hours in which the log shows people at the phone, for a clinic
	// that gave none.
	Suggested businesstime.Calendar

	each func(yield func(MissedCall) bool) // nil: none
}

// Tally is how many calls came while the clinic was open and while it was closed.
type Tally struct{ Open, Closed int }

// All is both together.
func (t Tally) All() int { return t.Open + t.Closed }

func (t *Tally) add(open bool) {
	if open {
		t.Open++
	} else {
		t.Closed++
	}
}

// VerdictTally is how many calls from outside had one verdict.
type VerdictTally struct {
	Verdict calls.Verdict
	Tally
}

// Cell is the calls from outside of one hour.
type Cell struct{ Inbound, Answered, Missed, Short int }

func (c *Cell) add(v calls.Verdict) {
	c.Inbound++
	switch {
	case v == calls.VerdictAnswered:
		c.Answered++
	case v.NeedsCallback():
		c.Missed++
	default:
		c.Short++
	}
}

// Day is the calls of one day.
type Day struct {
	Date string // 2026-03-02
	Open bool   // the clinic has opening hours on it
	Cell
	Outbound int
}

// Requests are the missed calls whose number is known, put together: all missed calls of
// one caller until somebody rings back or the caller gets through are one request.
type Requests struct {
	All        int
	MoreCalls  int // of those, requests of callers who rang again before anybody rang back
	Returned   int // an outbound call to the number came first
	Reached    int // of those, somebody answered that call
	Self       int // the caller rang again and was answered first
	Waiting    int // neither, by the end of the log
	Horizons   []Horizon
	Clock      Times // from the first missed call to the first outbound call
	Business   Times // the same in opening hours
	LongestNow Waits // of those still waiting
}

// Waits is one wait by the clock and in opening hours.
type Waits struct{ Clock, Business time.Duration }

// Horizon says how all requests stood after some time. The four numbers add up to all.
type Horizon struct {
	Name     string
	Returned int
	Self     int
	Waiting  int // neither, when the time was over
	Unknown  int // the log ends before the time is over
}

// Times are the times to the first attempt. Requests nobody rang back count as waiting
// for as long as the log shows (right-censored; Kaplan-Meier), so that they make the
// times longer and never drop out.
type Times struct {
	Median, P90 Quantile
	Longest     time.Duration // of the requests that were rung back
}

// Quantile is a time, or, where too many are still waiting to say, the least it can be.
type Quantile struct {
	Time    time.Duration
	AtLeast bool
}

// Repeats are callers who rang again within seven days.
type Repeats struct {
	Callers int
	Calls   int // calls from outside of those callers
	Top     []Caller
}

// Caller is one caller, known by the end of the number.
type Caller struct {
	Shown    string
	Calls    int
	Missed   int
	Answered int
	First    time.Time
	Last     time.Time
	State    State // of the last request
}

// State is how a request stands at the end of the log.
type State string

// The states; the empty State means that there was no request.
const (
	Waiting  State = "still waiting"
	Returned State = "rung back"
	Self     State = "got through"
)

// Bookings say which requests were followed by a visit.
type Bookings struct {
	Visits  int // that were read
	Undated int // of those, without the time of booking: what was booked before the call counts too
	Unknown int // of those, with a number that was in no missed call
	Of      []Booked
}

// Booked is how many requests of one state were followed by a visit within 14 days.
type Booked struct {
	State            State
	Requests, Booked int
}

// Loss estimates how many new patients were lost: callers nobody rang back, who did not
// get through and, where appointments are known, did not book.
type Loss struct {
	Callers     int
	Low, High   int
	Assumptions Assumptions
}

// Slot is one hour of the week.
type Slot struct {
	Day  time.Weekday
	Hour int
	Cell
}

// MissedCall is one missed call, to be found again in the log.
type MissedCall struct {
	Log, Row int // which log, from 0, and the line in it
	At       time.Time
	Verdict  calls.Verdict
	Open     bool   // the clinic was open
	Shown    string // the end of the number
	State    State  // of its request; "" for a withheld number
	// After is how long after this call the request was settled; for one that is still
	// waiting, how long it has waited.
	After Waits
}

// EachMissed yields every missed call in the order of time.
func (r Report) EachMissed() iter.Seq[MissedCall] {
	return func(yield func(MissedCall) bool) {
		if r.each != nil {
			r.each(yield)
		}
	}
}
