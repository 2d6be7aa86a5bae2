package auditreport

import (
	"fmt"
	"strconv"
	"time"

	"github.com/ringback-health/ringback/callback/audit"
	"github.com/ringback-health/ringback/callback/calls"
)

// verdictWords say what a verdict means to somebody at a front desk.
var verdictWords = map[calls.Verdict][2]string{
	calls.VerdictAnswered:          {"Answered", "a person picked up"},
	calls.VerdictVoicemail:         {"Voicemail", "ended in a mailbox"},
	calls.VerdictCallbackRequested: {"Callback requested", "the caller asked to be called back"},
	calls.VerdictAbandonedQueue:    {"Gave up in the queue", "hung up while waiting for somebody"},
	calls.VerdictAbandonedRing:     {"Rang out", "phones rang and nobody picked up"},
	calls.VerdictAbandonedIVR:      {"Menu or announcement only", "the phone system answered and no phone rang"},
	calls.VerdictAfterHours:        {"Closed greeting", "taken by the phone system's closed-hours part"},
	calls.VerdictBusy:              {"Busy", "every phone that was tried was busy"},
	calls.VerdictRejected:          {"Declined or blocked", "a colleague or a rule turned the call away"},
	calls.VerdictFailed:            {"Failed", "the phone system could not connect the call"},
	calls.VerdictShort:             {"Hung up at once", "too short to be an attempt; counted, not called back"},
}

var weekdays = []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday, time.Saturday, time.Sunday}

// percent is part of whole, "-" of nothing.
func percent(part, whole int) string {
	if whole == 0 {
		return "–"
	}
	share := 100 * float64(part) / float64(whole)
	if part > 0 && share < 0.5 {
		return "<1 %"
	}
	if part < whole && share >= 99.5 {
		return ">99 %"
	}
	return fmt.Sprintf("%.0f %%", share)
}

// number writes a count with thousands apart.
func number(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// length writes a time for a person: "5 min", "3 h 20 min", "2 days 4 h".
func length(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %02d min", int(d.Hours()), int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%d days %d h", int(d.Hours())/24, int(d.Hours())%24)
	}
}

func quantile(q audit.Quantile) string {
	if q.AtLeast {
		return "at least " + length(q.Time)
	}
	return length(q.Time)
}

// minutes writes a time for a spreadsheet.
func minutes(d time.Duration) string { return strconv.FormatFloat(d.Minutes(), 'f', 2, 64) }

// zoneName is the zone for a person.
func zoneName(z *time.Location) string { return z.String() }

// plural is "1 call", "2 calls".
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return number(n) + " " + many
}
