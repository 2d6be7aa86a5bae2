package auditreport

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// doubts are what was wrong with the logs: they stand at the top of the page.
func doubts(in Input) []string {
	var out []string
	for _, s := range append(slices.Clone(in.Sources), in.appointments()...) {
		if s.Empty {
			out = append(out, s.File+" is empty. If there were calls, export it again.")
		}
		if s.Damaged > 0 {
			out = append(out, fmt.Sprintf("%s: %s could not be read and are in none of the numbers. %s", s.File, plural(s.Damaged, "row", "rows"), strings.Join(s.Notes, "; ")))
		}
		for _, w := range s.Warnings {
			out = append(out, s.File+": "+w)
		}
	}
	if in.Late > 0 {
		out = append(out, fmt.Sprintf("%s more than a day away from where their time belongs. Calls they are part of may be counted twice; sort the log by time and run the audit again.", plural(in.Late, "row stands", "rows stand")))
	}
	if files := overlapping(in); files != "" {
		out = append(out, files+" cover the same time and have no row in common. If they are two exports of one phone system, its calls are counted twice.")
	}
	r := in.Report
	if r.HoursAssumed {
		out = append(out, "No opening hours were given, so Monday to Friday 8 to 17 is assumed. Give the real ones with --hours.")
	}
	if r.Outbound == 0 && r.Requests.All > 0 {
		out = append(out, "The log has not one call that the clinic placed. Either nobody rang back or this log does not hold such calls; “still waiting” then means “not seen to be rung back”.")
	}
	return out
}

func (in Input) appointments() []Source {
	if in.Appointments == nil {
		return nil
	}
	return []Source{*in.Appointments}
}

// overlapping names logs that cover the same hours where no row was in two logs.
func overlapping(in Input) string {
	if in.Repeated > 0 {
		return ""
	}
	for i, a := range in.Sources {
		for _, b := range in.Sources[:i] {
			if a.Rows > 0 && b.Rows > 0 && a.First.Add(time.Hour).Before(b.Last) && b.First.Add(time.Hour).Before(a.Last) {
				return b.File + " and " + a.File
			}
		}
	}
	return ""
}

// blindSpots are what a call log cannot show, this one in particular.
func blindSpots(in Input) []string {
	r := in.Report
	out := []string{
		"Calls back from private mobile phones, texts, portal messages and e-mails: who was answered in such a way counts as still waiting.",
		"What callers wanted. How many were new patients is an assumption.",
		"Several people behind one number (a family) count as one caller; one person with two numbers as two.",
	}
	if r.Requests.All > 0 {
		out = append(out, "What happened before the log begins and after it ends: an answer to somebody who called near its end is not in it. Where that matters the tables say “log too short to say”.")
	}
	if r.Withheld > 0 {
		out = append(out, fmt.Sprintf("Who withheld the number: %s of the missed calls. Nobody can ring them back, and they are in no table of requests.", number(r.Withheld)))
	}
	formats := map[string]bool{}
	for _, s := range in.Sources {
		formats[s.Format] = true
	}
	if formats["asterisk"] {
		out = append(out,
			"Asterisk leaves out calls for which no phone was rung unless cdr.conf says unanswered=yes.",
			"Asterisk does not say whether a caller left a message in the mailbox.")
	}
	if formats["generic"] {
		out = append(out,
			"Callers who hung up in the menu: some phone systems do not log them at all (one vendor says so of RingCentral).",
			"Whether a voicemail has a message in it, unless the log has a column that says so.")
	}
	if len(r.SilentDays) > 0 {
		shown := r.SilentDays[:min(len(r.SilentDays), 7)]
		more := ""
		if len(r.SilentDays) > len(shown) {
			more = fmt.Sprintf(" and %d more", len(r.SilentDays)-len(shown))
		}
		out = append(out, fmt.Sprintf("Whether the log is whole: on %s%s the clinic was open and the log has no call at all.", strings.Join(shown, ", "), more))
	}
	if p := r.To.Sub(r.From); len(in.Sources) > 0 && r.Inbound.All() > 0 && p < 6*24*time.Hour {
		out = append(out, fmt.Sprintf("A whole week: the log covers %s. Patterns by day of the week need at least seven days.", length(p)))
	}
	return out
}
