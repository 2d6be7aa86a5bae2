package auditreport

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ringback-health/ringback/callback/audit"
	"github.com/ringback-health/ringback/callback/businesstime"
)

// csvTables are the tables by the name of their file.
func csvTables(in Input) map[string]func(io.Writer) error {
	out := map[string]func(io.Writer) error{}
	for name, rows := range map[string]func(in Input, row func(cells ...any)){
		"summary.csv": summaryTable, "verdicts.csv": verdictTable, "hours.csv": hourTable, "days.csv": dayTable,
		"unreturned.csv": unreturnedTable, "callers.csv": callerTable, "missed-calls.csv": missedTable,
	} {
		out[name] = func(w io.Writer) error {
			t := csv.NewWriter(w)
			rows(in, func(cells ...any) {
				record := make([]string, len(cells))
				for i, c := range cells {
					record[i] = guard(fmt.Sprint(c))
				}
				_ = t.Write(record) // Error says it at the end
			})
			t.Flush()
			return t.Error()
		}
	}
	return out
}

// guard keeps a spreadsheet from taking a cell for a formula (OWASP, CSV injection).
func guard(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r\n|%", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}

// summaryTable gives each number with what it is a part of.
func summaryTable(in Input, row func(cells ...any)) {
	r := in.Report
	row("name", "value", "of", "unit")
	count := func(name string, n, of int) { row(name, n, of, "") }
	row("from", stamp(r.From, r), "", "local time")
	row("to", stamp(r.To, r), "", "local time")
	row("zone", zoneName(r.Calendar.Zone), "", "")
	row("hours assumed", r.HoursAssumed, "", "")
	count("calls from outside", r.Inbound.All(), r.Inbound.All())
	count("answered", r.Answered.All(), r.Inbound.All())
	count("missed", r.Missed.All(), r.Inbound.All())
	count("short", r.Short.All(), r.Inbound.All())
	count("calls in opening hours", r.Inbound.Open, r.Inbound.All())
	count("calls after hours", r.Inbound.Closed, r.Inbound.All())
	count("not answered by a person in opening hours", r.Inbound.Open-r.Answered.Open, r.Inbound.Open)
	count("calls placed by the clinic", r.Outbound, r.Outbound)
	count("calls placed by the clinic that were answered", r.OutboundReached, r.Outbound)
	count("internal calls", r.Internal, r.Internal)
	count("missed calls with a withheld number", r.Withheld, r.Missed.All())
	q := r.Requests
	count("requests", q.All, q.All)
	count("requests rung back", q.Returned, q.All)
	count("requests rung back and reached at once", q.Reached, q.Returned)
	count("requests that got through themselves", q.Self, q.All)
	count("requests still waiting", q.Waiting, q.All)
	count("requests of callers who rang again before anybody rang back", q.MoreCalls, q.All)
	if q.All > 0 {
		for _, t := range []struct {
			name string
			t    audit.Times
			now  time.Duration
		}{{"by the clock", q.Clock, q.LongestNow.Clock}, {"in opening hours", q.Business, q.LongestNow.Business}} {
			row("median time to first attempt "+t.name, minutes(t.t.Median.Time), atLeast(t.t.Median), "minutes")
			row("90th percentile of time to first attempt "+t.name, minutes(t.t.P90.Time), atLeast(t.t.P90), "minutes")
			if q.Returned > 0 {
				row("longest time to first attempt "+t.name, minutes(t.t.Longest), "", "minutes")
			}
			if q.Waiting > 0 {
				row("longest wait of those still waiting "+t.name, minutes(t.now), "", "minutes")
			}
		}
	}
	count("repeat callers", r.Repeats.Callers, r.Repeats.Callers)
	count("calls of repeat callers", r.Repeats.Calls, r.Inbound.All())
	if b := r.Bookings; b != nil {
		count("appointments read", b.Visits, b.Visits)
		for _, of := range b.Of {
			count("requests "+string(of.State)+", followed by a visit", of.Booked, of.Requests)
		}
	}
	row("callers probably lost", r.Loss.Callers, "", "")
	row("new patients lost, low guess", r.Loss.Low, "", "")
	row("new patients lost, high guess", r.Loss.High, "", "")
	rows, damaged := 0, 0
	for _, s := range in.Sources {
		rows, damaged = rows+s.Rows, damaged+s.Damaged
	}
	count("rows that could not be read", damaged, rows)
	count("rows left out because another log had them", in.Repeated, rows)
	count("open days without any call", len(r.SilentDays), r.OpenDays)
}

func atLeast(q audit.Quantile) string {
	if q.AtLeast {
		return "at least"
	}
	return ""
}

func verdictTable(in Input, row func(cells ...any)) {
	row("verdict", "calls", "in opening hours", "after hours")
	for _, v := range in.Report.Verdicts {
		row(v.Verdict, v.All(), v.Open, v.Closed)
	}
}

func hourTable(in Input, row func(cells ...any)) {
	row("weekday", "hour", "open", "calls", "answered", "missed", "short")
	for _, d := range weekdays {
		for h, c := range in.Report.Hours[d] {
			row(d, h, yesNo(opens(in.Report.Calendar, d, h)), c.Inbound, c.Answered, c.Missed, c.Short)
		}
	}
}

// opens reports whether the clinic is open for a part of an hour of the week.
func opens(cal businesstime.Calendar, d time.Weekday, h int) bool {
	return slices.ContainsFunc(cal.Week[d], func(i businesstime.Interval) bool { return i.Start < (h+1)*60 && i.End > h*60 })
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func dayTable(in Input, row func(cells ...any)) {
	row("date", "open", "calls", "answered", "missed", "short", "placed by the clinic")
	for _, d := range in.Report.Days {
		row(d.Date, yesNo(d.Open), d.Inbound, d.Answered, d.Missed, d.Short, d.Outbound)
	}
}

func unreturnedTable(in Input, row func(cells ...any)) {
	row("within", "requests", "rung back", "got through themselves", "waiting", "log too short to say")
	for _, h := range in.Report.Requests.Horizons {
		row(h.Name, in.Report.Requests.All, h.Returned, h.Self, h.Waiting, h.Unknown)
	}
}

func callerTable(in Input, row func(cells ...any)) {
	row("caller", "calls", "answered", "missed", "first call", "last call", "last request")
	for _, c := range in.Report.Repeats.Top {
		row(c.Shown, c.Calls, c.Answered, c.Missed, stamp(c.First, in.Report), stamp(c.Last, in.Report), c.State)
	}
}

func missedTable(in Input, row func(cells ...any)) {
	row("log", "line", "called at", "open", "verdict", "caller", "request", "minutes until then", "business minutes until then")
	for m := range in.Report.EachMissed() {
		clock, business := "", ""
		if m.State != "" {
			clock, business = minutes(m.After.Clock), minutes(m.After.Business)
		}
		row(in.file(m.Log), strconv.Itoa(m.Row), stamp(m.At, in.Report), yesNo(m.Open), m.Verdict, m.Shown, m.State, clock, business)
	}
}

func (in Input) file(log int) string {
	if log < len(in.Sources) {
		return in.Sources[log].File
	}
	return strconv.Itoa(log)
}

// stamp is an instant by the clinic's clock, with the offset that tells the two equal
// hours in autumn apart.
func stamp(t time.Time, r audit.Report) string {
	if t.IsZero() {
		return ""
	}
	return t.In(r.Calendar.Zone).Format("2006-01-02 15:04:05 -07:00")
}
