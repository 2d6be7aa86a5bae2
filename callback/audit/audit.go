// Package audit says what became of the calls of a clinic, from its call log alone:
// when they came, which nobody answered, who rang back and how soon, who rang again.
//
// It is pure: it takes call sessions and gives a Report, which holds no number and no
// name. Reading logs, and how a report looks, does not belong here. docs/audit.md
// explains every number to those who read the report.
package audit

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/ringback-health/ringback/callback/businesstime"
	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/internal/redact"
)

// Options say what the log cannot say.
type Options struct {
	// Calendar is when the clinic is open; its zone is that of all days and hours.
	Calendar businesstime.Calendar
	// HoursAssumed: nobody told the hours, Calendar is a guess.
	HoursAssumed bool
	// Key brings a number into the form in which two numbers of one person are equal;
	// "" for one that is nobody's (withheld). dialled says that the clinic dialled it.
	// nil: numbers are compared as they are written.
	Key func(number redact.Text, dialled bool) string
	// ShortClosed is the length below which a call that nobody answered is short while
	// the clinic is closed; for the opening hours calls.Rules says it. 0: there is none.
	ShortClosed time.Duration
	// Loss are the assumptions by which lost patients are estimated.
	Loss Assumptions
}

// Assumptions are shares from 0 to 1, each as a lowest and a highest guess.
type Assumptions struct {
	NewLow, NewHigh   float64 // of callers nobody rang back: new patients
	BookLow, BookHigh float64 // of those: would have booked a visit
}

// DefaultAssumptions are guesses of ours; no published figures were found.
func DefaultAssumptions() Assumptions {
	return Assumptions{NewLow: 0.10, NewHigh: 0.30, BookLow: 0.40, BookHigh: 0.70}
}

// DefaultShortClosed is the cut-off by which one vendor of call analytics tells
// dropped calls after hours. Unconfirmed beyond that vendor, so Options can change it.
const DefaultShortClosed = 10 * time.Second

// Audit collects the sessions of a log. Make one with New, Add every session, ask for
// the Report. It holds some 32 bytes for each session, and each number once. Not safe
// for concurrent use.
type Audit struct {
	opts    Options
	calls   []call
	end     int64
	byRaw   map[rawNumber]uint32
	byKey   map[string]uint32
	endings [][2]byte // by caller: the last two digits
	visits  []Visit

	visitsKnown bool // appointments were given, be it none
}

// rawNumber is a number as written; dialled numbers may have a prefix more.
type rawNumber struct {
	number  string
	dialled bool
}

// call is one session, small: a log may have a million.
type call struct {
	at      int64  // when it began, in seconds since 1970
	caller  uint32 // who called, or was called; 0: not known
	row     uint32
	length  uint32 // in seconds, unknownLength where the log has none
	log     uint16
	verdict uint8 // index in verdicts
	reached bool  // an outbound call that somebody answered
}

const unknownLength = math.MaxUint32

// verdicts is the order in which reports list them.
var verdicts = []calls.Verdict{
	calls.VerdictAnswered, calls.VerdictVoicemail, calls.VerdictCallbackRequested, calls.VerdictAbandonedQueue,
	calls.VerdictAbandonedRing, calls.VerdictAbandonedIVR, calls.VerdictAfterHours, calls.VerdictBusy,
	calls.VerdictRejected, calls.VerdictFailed, calls.VerdictShort, calls.VerdictOutbound, calls.VerdictInternal,
}

var verdictIndex = func() map[calls.Verdict]uint8 {
	m := make(map[calls.Verdict]uint8, len(verdicts))
	for i, v := range verdicts {
		m[v] = uint8(i)
	}
	return m
}()

// New returns an empty Audit.
func New(o Options) *Audit {
	return &Audit{opts: o, byRaw: map[rawNumber]uint32{}, byKey: map[string]uint32{}, endings: make([][2]byte, 1), end: math.MinInt64}
}

// Add takes one session. The order of sessions makes no difference.
func (a *Audit) Add(s calls.Session) {
	outbound := s.Verdict == calls.VerdictOutbound
	c := call{at: s.StartedAt.Unix(), length: unknownLength, log: uint16(s.Log), verdict: verdictIndex[s.Verdict]}
	if len(s.Rows) > 0 {
		c.row = uint32(s.Rows[0])
	}
	if d := s.EndedAt.Sub(s.StartedAt); !s.EndedAt.IsZero() && d >= 0 && d < unknownLength*time.Second {
		c.length = uint32(d / time.Second)
	}
	switch {
	case outbound:
		c.caller = a.caller(s.To, true)
		c.reached = !s.AnsweredAt.IsZero() || s.Talk > 0
	case s.Verdict.Inbound():
		c.caller = a.caller(s.From, false)
	}
	a.end = max(a.end, c.at)
	if c.length != unknownLength {
		a.end = max(a.end, c.at+int64(c.length))
	}
	a.calls = append(a.calls, c)
}

// caller numbers the people behind numbers, from 1; 0 is nobody.
func (a *Audit) caller(number redact.Text, dialled bool) uint32 {
	raw := rawNumber{number.Reveal(), dialled && len(number.Reveal()) > 10} // a prefix makes a number longer
	if id, known := a.byRaw[raw]; known {
		return id
	}
	key := raw.number
	if a.opts.Key != nil {
		key = a.opts.Key(number, raw.dialled)
	}
	id := a.byKey[key]
	if id == 0 && key != "" {
		id = uint32(len(a.endings))
		a.byKey[key] = id
		a.endings = append(a.endings, ending(key))
	}
	a.byRaw[raw] = id
	return id
}

// ending is the last two digits of a number that has enough of them for two to give
// nothing away.
func ending(key string) [2]byte {
	var out [2]byte
	digits := 0
	for i := range len(key) {
		if d := key[i]; d >= '0' && d <= '9' {
			out[0], out[1] = out[1], d
			digits++
		}
	}
	if digits < 6 {
		return [2]byte{}
	}
	return out
}

// mask is what a report shows of a caller: the last two digits.
func mask(e [2]byte) string {
	if e == ([2]byte{}) {
		return "short number"
	}
	return "ends in " + string(e[:])
}

// sorted brings the calls into the order of time. The rest of the order has no
// meaning; it is there so that the order of Add has none either.
func (a *Audit) sorted() []call {
	slices.SortFunc(a.calls, func(x, y call) int {
		return cmp.Or(cmp.Compare(x.at, y.at), cmp.Compare(y.verdict, x.verdict), cmp.Compare(x.log, y.log), cmp.Compare(x.row, y.row),
			cmp.Compare(x.length, y.length), cmp.Compare(a.numberOf(x), a.numberOf(y)))
	})
	return a.calls
}

// numberOf orders callers by what does not depend on who was added first.
func (a *Audit) numberOf(c call) string { return mask(a.endings[c.caller]) }
