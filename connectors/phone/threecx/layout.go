package threecx

import (
	"fmt"
	"strings"
	"time"

	"github.com/ringback-health/ringback/connectors/phone"
)

// field is one field of a record, under the name that 3CX gives it.
type field string

// The fields that are read.
const (
	historyID   field = "historyid"
	callID      field = "callid"
	duration    field = "duration"
	timeStart   field = "time-start"
	timeAnswer  field = "time-answered"
	timeEnd     field = "time-end"
	terminated  field = "reason-terminated"
	fromNo      field = "from-no"
	toNo        field = "to-no"
	fromDN      field = "from-dn"
	toDN        field = "to-dn"
	dialNo      field = "dial-no"
	changed     field = "reason-changed"
	finalNo     field = "final-number"
	finalDN     field = "final-dn"
	chain       field = "chain"
	fromType    field = "from-type"
	toType      field = "to-type"
	finalType   field = "final-type"
	fromName    field = "from-dispname"
	toName      field = "to-dispname"
	finalName   field = "final-dispname"
	missedCalls field = "missed-queue-calls"
)

// needed are the fields without which nobody knows who called when.
var needed = []field{timeStart, fromNo, toNo}

var names = func() map[string]field {
	out := map[string]field{}
	for _, f := range []field{historyID, callID, duration, timeStart, timeAnswer, timeEnd, terminated, fromNo, toNo, fromDN, toDN, dialNo,
		changed, finalNo, finalDN, chain, fromType, toType, finalType, fromName, toName, finalName, missedCalls} {
		out[normal(string(f))] = f
	}
	return out
}()

// normal is a name or a word in one form: "Time_Start" and "time-start" are one, and so
// are "ExternalLine" and "external_line".
func normal(s string) string { return joins.Replace(strings.ToLower(strings.TrimSpace(s))) }

var joins = strings.NewReplacer("-", "", "_", "", " ", "")

// layout is where the fields of a record stand.
type layout struct {
	name    string
	width   int
	known   int // columns whose name is that of a field
	at      map[field]int
	columns []phone.Column // nil where the file does not name its columns
}

func newLayout(kind string, columns []string) layout {
	l := layout{name: fmt.Sprintf("%s, %d columns", kind, len(columns)), width: len(columns), at: map[field]int{}}
	for i, c := range columns {
		f, ok := names[normal(c)]
		l.columns = append(l.columns, phone.Column{Header: phone.Plain(c), Field: string(f)})
		if !ok {
			continue
		}
		l.known++
		if _, taken := l.at[f]; !taken {
			l.at[f] = i
		}
	}
	return l
}

func (l layout) missing() (out []string) {
	for _, f := range needed {
		if !l.has(f) {
			out = append(out, string(f))
		}
	}
	return out
}

func (l layout) has(f field) bool { _, ok := l.at[f]; return ok }

// namedLayout is the layout of a file whose row this is of column names; its width is
// 0 when it is no such row.
func namedLayout(fields []string) layout {
	l := newLayout("named columns", fields)
	if len(l.missing()) > 0 {
		return layout{}
	}
	return l
}

// The orders in which 3CX writes its fields when nobody chose another one: as the
// console lists them, as files with the kinds at the end have them, and as releases
// before there were kinds and names.
var layouts = func() []layout {
	const start = "historyid,callid,duration,time-start,time-answered,time-end,reason-terminated,from-no,to-no,from-dn,to-dn,dial-no," +
		"reason-changed,final-number,final-dn,bill-code,bill-rate,bill-cost,bill-name,chain"
	var out []layout
	for _, rest := range []string{
		",from-type,to-type,final-type,from-dispname,to-dispname,final-dispname,missed-queue-calls",
		",missed-queue-calls,from-dispname,to-dispname,final-dispname,from-type,to-type,final-type",
		"",
	} {
		l := newLayout("default order"+map[bool]string{true: ", kinds last"}[strings.HasSuffix(rest, "type")], strings.Split(start+rest, ","))
		l.columns = nil
		out = append(out, l)
	}
	return out
}()

// fits says how well a row fits the layout: 0 when it does not; the more, the more
// kinds of destinations stand where the layout has them.
func (l layout) fits(fields []string) int {
	c := cells{fields, l}
	if l.width == 0 || len(c.trimmed()) != l.width {
		return 0
	}
	if _, err := parseTime(c.get(timeStart)); err != nil {
		return 0
	}
	for _, f := range []field{timeAnswer, timeEnd} {
		if s := c.get(f); s != "" {
			if _, err := parseTime(s); err != nil {
				return 0
			}
		}
	}
	if s := c.get(duration); s != "" {
		if _, ok := length(s); !ok {
			return 0
		}
	}
	score := 1
	for _, f := range []field{fromType, toType, finalType} {
		if kindOf(c.get(f)) != kindUnknown {
			score++
		}
	}
	return score
}

// cells are the cells of one row.
type cells struct {
	fields []string
	layout layout
}

// trimmed are the cells without the empty ones that a comma at the end of the row makes.
func (c cells) trimmed() []string {
	fields := c.fields
	for len(fields) > c.layout.width && strings.TrimSpace(fields[len(fields)-1]) == "" {
		fields = fields[:len(fields)-1]
	}
	return fields
}

// get is a field without space around it, "" when the record has none such. The first
// field follows the word "Call" in files.
func (c cells) get(f field) string {
	i, ok := c.layout.at[f]
	if !ok || i >= len(c.fields) {
		return ""
	}
	s := c.fields[i]
	if i == 0 {
		s = strings.TrimPrefix(s, "Call ")
	}
	return strings.TrimSpace(s)
}

// parseTime reads the wall-clock time of a record; the result is in UTC and means
// nothing until a zone is applied. The error must not be shown: it quotes the cell.
func parseTime(s string) (time.Time, error) {
	s = strings.TrimSpace(s)
	if t, err := time.Parse("2006/01/02 15:04:05", s); err == nil {
		return t, nil
	}
	return time.Parse(time.DateTime, s)
}

// length reads hh:mm:ss, with days before and a fraction behind where there are any.
func length(s string) (time.Duration, bool) {
	days := 0
	if d, rest, ok := strings.Cut(s, "."); ok && strings.Contains(rest, ":") {
		if _, err := fmt.Sscanf(d, "%d", &days); err != nil || days < 0 || days > 30 {
			return 0, false
		}
		s = rest
	}
	t, err := time.Parse(time.TimeOnly, s)
	if err != nil {
		return 0, false
	}
	midnight := time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)
	return t.Sub(midnight) + time.Duration(days)*24*time.Hour, true
}
