package asterisk

import (
	"fmt"
	"strings"
	"time"

	"github.com/ringback-health/ringback/callback/calls"
)

// field is one field of a call detail record, under the name Asterisk gives it.
type field string

const (
	accountcode field = "accountcode"
	src         field = "src"
	dst         field = "dst"
	dcontext    field = "dcontext"
	clid        field = "clid"
	channel     field = "channel"
	dstchannel  field = "dstchannel"
	lastapp     field = "lastapp"
	lastdata    field = "lastdata"
	start       field = "start"
	answer      field = "answer"
	end         field = "end"
	duration    field = "duration"
	billsec     field = "billsec"
	disposition field = "disposition"
	amaflags    field = "amaflags"
	uniqueid    field = "uniqueid"
	userfield   field = "userfield"
	peeraccount field = "peeraccount"
	linkedid    field = "linkedid"
	sequence    field = "sequence"
)

// The order of fields is fixed in Asterisk's cdr_csv module; what follows
// amaflags depends on the options loguniqueid, loguserfield and newcdrcolumns.
var masterFields = []field{
	accountcode, src, dst, dcontext, clid, channel, dstchannel, lastapp, lastdata,
	start, answer, end, duration, billsec, disposition, amaflags,
}

// The order of the sample configuration of cdr_custom.
var customFields = []field{
	clid, src, dst, dcontext, channel, dstchannel, lastapp, lastdata,
	start, answer, end, duration, billsec, disposition, amaflags, accountcode, uniqueid, userfield, sequence,
}

// layout is where the fields of a record stand.
type layout struct {
	name  string
	width int
	at    map[field]int
}

func newLayout(kind string, fields ...field) layout {
	l := layout{width: len(fields), at: make(map[field]int, len(fields))}
	for i, f := range fields {
		if _, taken := l.at[f]; !taken {
			l.at[f] = i
		}
	}
	l.name = fmt.Sprintf("%s, %d columns", kind, l.width)
	if _, ok := l.at[uniqueid]; !ok {
		l.name += ", no uniqueid: calls are told apart by caller and time"
	} else if _, ok := l.at[linkedid]; !ok {
		l.name += ", no linkedid: calls are told apart by uniqueid"
	}
	return l
}

// get returns the field, "" when the layout has no such column.
func (l layout) get(fields []string, f field) string {
	if i, ok := l.at[f]; ok {
		return fields[i]
	}
	return ""
}

func (l layout) has(f field) bool { _, ok := l.at[f]; return ok }

// fits reports whether the row has times and a disposition where the layout has them.
func (l layout) fits(fields []string) bool {
	if _, err := parseTime(l.get(fields, start)); err != nil {
		return false
	}
	for _, f := range []field{answer, end} {
		if s := strings.TrimSpace(l.get(fields, f)); s != "" {
			if _, err := parseTime(s); err != nil {
				return false
			}
		}
	}
	return dispositionOf(l.get(fields, disposition)) != ""
}

// The layouts without names, by width. Two options of cdr_csv add one column
// each, so that of 17 and 20 columns there are two kinds.
var (
	masters = func() map[int][]layout {
		newColumns := []field{peeraccount, linkedid, sequence}
		byWidth := make(map[int][]layout)
		for _, optional := range [][]field{{}, {uniqueid}, {userfield}, {uniqueid, userfield}} {
			for _, more := range [][]field{{}, newColumns} {
				fields := append(append(append([]field{}, masterFields...), optional...), more...)
				byWidth[len(fields)] = append(byWidth[len(fields)], newLayout("cdr_csv (Master.csv)", fields...))
			}
		}
		return byWidth
	}()
	customs = map[int]layout{
		18: newLayout("cdr_custom", customFields[:18]...),
		19: newLayout("cdr_custom", customFields...),
	}
)

// layoutOf finds the layout of a row without column names.
func layoutOf(fields []string) (layout, bool) {
	for _, l := range masters[len(fields)] {
		if l.fits(fields) && (!l.has(uniqueid) || !ambiguous(len(fields)) || isUniqueID(l.get(fields, uniqueid))) {
			return l, true
		}
	}
	if l, ok := customs[len(fields)]; ok && l.fits(fields) {
		return l, true
	}
	return layout{}, false
}

// ambiguous: of this many columns one may be the uniqueid or the userfield. The
// layout with the uniqueid comes first and is right when it looks like one.
func ambiguous(width int) bool { return len(masters[width]) > 1 }

// uniqueID returns the time stamp in Asterisk's identifier of a channel: an optional
// system name, the time the channel was made in seconds since 1970, a counter.
func uniqueID(id string) (stamp string, ok bool) {
	dot := strings.LastIndexByte(id, '.')
	if dot < 0 || !digits(id[dot+1:]) {
		return "", false
	}
	stamp = id[:dot]
	if hyphen := strings.LastIndexByte(stamp, '-'); hyphen > 0 {
		stamp = stamp[hyphen+1:]
	}
	return stamp, digits(stamp) && 9 <= len(stamp) && len(stamp) <= 11
}

func isUniqueID(id string) bool { _, ok := uniqueID(id); return ok }

func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// names are the columns of the CDR tables of Asterisk and FreePBX.
var names = map[string]field{
	"accountcode": accountcode, "src": src, "source": src, "dst": dst, "destination": dst,
	"dcontext": dcontext, "clid": clid, "callerid": clid, "channel": channel, "dstchannel": dstchannel,
	"lastapp": lastapp, "lastdata": lastdata, "start": start, "calldate": start, "answer": answer, "end": end,
	"duration": duration, "billsec": billsec, "disposition": disposition, "amaflags": amaflags,
	"uniqueid": uniqueid, "userfield": userfield, "peeraccount": peeraccount, "linkedid": linkedid, "sequence": sequence,
}

// namedLayout is the layout of a log whose first row names its columns. Without
// the channels nobody can tell a person from an announcement, so that a log
// without them is none of this format.
func namedLayout(fields []string) (layout, bool) {
	found := make([]field, len(fields))
	for i, name := range fields {
		found[i] = names[strings.ToLower(strings.TrimSpace(name))]
	}
	l := newLayout("CDR table with column names", found...)
	for _, needed := range []field{src, dst, channel, dstchannel, lastapp, start, duration, billsec, disposition} {
		if !l.has(needed) {
			return layout{}, false
		}
	}
	return l, true
}

func dispositionOf(s string) calls.Disposition {
	switch d := calls.Disposition(strings.ToUpper(strings.TrimSpace(s))); d {
	case calls.Answered, calls.NoAnswer, calls.Busy, calls.Failed, calls.Congestion:
		return d
	default:
		return ""
	}
}

// parseTime reads the wall-clock time of a record; the result is in UTC and
// means nothing until a zone is applied. The error must not be shown: it
// quotes the cell.
func parseTime(s string) (time.Time, error) {
	return time.Parse(time.DateTime, strings.TrimSpace(s))
}
