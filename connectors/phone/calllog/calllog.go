// Package calllog reads the call log of any phone system that can export a
// table with column names: it knows the names and words that Twilio,
// RingCentral and others use, says what it took each column for, and refuses a
// table in which the essential ones are missing.
//
// What belongs here is the reading of columns and words. What a call was is
// decided in callback/calls; logs without column names have a package of their
// own.
package calllog

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/ringback-health/ringback/connectors/phone"
)

// headerLines is how far down the column names may stand: some exports begin
// with a title and the period.
const headerLines = 20

// Format is the call log format "generic": any call log with a heading row.
type Format struct{}

var _ phone.Format = Format{}

// Name is "generic".
func (Format) Name() string { return "generic" }

// Describe says which logs the format reads.
func (Format) Describe() string {
	return "call log of any phone system as CSV with column names (Twilio, RingCentral, Zoom, Aircall and others); needs a start time and a caller number"
}

// Parse finds the separator (comma, semicolon, tab, bar) and the row of column
// names, and what each column is; Stream.Columns says so. A log without a
// column for the start or without one for the caller is refused.
//
// What a call was is taken from the log's own words, best column first: a
// voicemail column, a result such as "Missed" or "Accepted", an answered column.
// "completed" alone does not say that a person answered. It is settled, in this
// order, by an answered column; by parent_call_sid, where the caller's own leg
// was completed by the phone system's program and only a leg below it can be a
// person; and, where the log has neither, by the length: longer than nothing
// counts as answered, and both the session and a warning say that it is a guess.
//
// A call whose words are not known counts as one that nobody answered, with
// the reason: a callback too many is seen, one too few is not.
func (Format) Parse(r io.Reader, opts phone.Options) (*phone.Stream, error) {
	zone, err := opts.LocalZone()
	if err != nil {
		return nil, err
	}
	records, err := phone.NewRecords(r)
	if err != nil {
		return nil, err
	}
	head, err := findHeader(records)
	if err != nil {
		return nil, err
	}
	records.Comma = head.comma
	width := len(head.cells)
	records.Fits = func(fields []string) bool { return len(fields) == width }
	p := &parser{head: head, clock: timeReader{zone: zone, order: orderOf(opts.Region)}}
	return &phone.Stream{Layout: head.describe(), Columns: head.columns, Rows: records.Rows(p.row), Warnings: p.warnings}, nil
}

// header is the row of column names.
type header struct {
	line    int
	comma   byte
	cells   []string
	at      map[field]int
	columns []phone.Column
}

var separators = []struct {
	comma byte
	name  string
}{{',', "commas"}, {';', "semicolons"}, {'\t', "tabs"}, {'|', "bars"}}

func (h header) describe() string {
	s := ""
	for _, sep := range separators {
		if sep.comma == h.comma {
			s = sep.name
		}
	}
	s = fmt.Sprintf("%d columns separated by %s, named on line %d", len(h.cells), s, h.line)
	if i, ok := h.at[fieldResult]; ok {
		return s + fmt.Sprintf("; how a call ended stands in %q", phone.Plain(h.cells[i]))
	}
	return s + "; no column says how a call ended"
}

// findHeader looks through the first lines for the one with the most known
// column names.
func findHeader(records *phone.Records) (header, error) {
	lines, failed := records.Peek(headerLines)
	var best header
	content := false
	for i, text := range lines {
		content = content || strings.TrimSpace(text) != ""
		for _, sep := range separators {
			h := readHeader(text, i+1, sep.comma)
			if cmp.Or(boolCompare(h.essential(), best.essential()), cmp.Compare(len(h.at), len(best.at))) > 0 {
				best = h
			}
		}
	}
	switch {
	case best.essential():
		return best, nil
	case failed != nil:
		return header{}, failed
	case !content:
		return header{}, phone.ErrEmpty
	default:
		return header{}, unknownHeader(lines, best)
	}
}

func boolCompare(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	default:
		return -1
	}
}

// readHeader takes a line for a row of column names.
func readHeader(text string, number int, comma byte) header {
	cells, ok := phone.Split(text, comma)
	if !ok {
		return header{}
	}
	h := header{line: number, comma: comma, cells: cells, at: assign(cells)}
	for i, c := range cells {
		col := phone.Column{Header: phone.Plain(c)}
		for f, at := range h.at {
			if at == i {
				col.Field = string(f)
			}
		}
		h.columns = append(h.columns, col)
	}
	return h
}

// essential reports whether the columns suffice: when, and who.
func (h header) essential() bool { return h.hasStart() && h.hasCaller() }

func (h header) hasStart() bool  { return h.has(fieldStart) || h.has(fieldDate) }
func (h header) hasCaller() bool { return h.has(fieldCaller) || h.has(fieldOther) }

func (h header) has(f field) bool { _, ok := h.at[f]; return ok }

// unknownHeader says what was expected and what was found. Cells are shown only
// from a line that plainly holds column names, and never one with a number in
// it: a log without names begins with somebody's call.
func unknownHeader(lines []string, best header) error {
	var missing, found []string
	if !best.hasStart() {
		missing = append(missing, "a start time ("+known(fieldStart, fieldDate)+")")
	}
	if !best.hasCaller() {
		missing = append(missing, "a caller number ("+known(fieldCaller, fieldOther)+")")
	}
	if len(best.at) < 2 {
		found = append(found, fmt.Sprintf("none in the first %d lines", len(lines)))
	} else {
		for _, c := range best.columns {
			if strings.ContainsAny(c.Header, "0123456789@+") || len(c.Header) > 40 {
				continue
			}
			found = append(found, fmt.Sprintf("%q", c.Header))
		}
	}
	return errors.New("read call log: no usable column names. Missing: " + strings.Join(missing, " and ") +
		". Column names found: " + strings.Join(found, ", ") + ". Rename the columns in the export, or use the format asterisk for Asterisk's own files")
}

// known lists the names that the fields go by.
func known(fields ...field) string {
	var names []string
	for _, f := range fields {
		names = append(names, aliases[f]...)
	}
	return strings.Join(names, ", ")
}

// parser is one log being read.
type parser struct {
	head   header
	clock  timeReader
	doubts doubts
}

// row reads one record; reason says why it could not be read.
func (p *parser) row(rec phone.Record) (row phone.Row, reason string) {
	row.Line = rec.Line
	fields, width := rec.Fields, len(p.head.cells)
	switch {
	case fields == nil:
		row.Skip = "blank line"
		return row, ""
	case rec.Line < p.head.line:
		row.Skip = "stands before the column names"
		return row, ""
	case rec.Line == p.head.line, slices.EqualFunc(fields, p.head.cells, strings.EqualFold):
		row.Skip = "column names"
		return row, ""
	}
	for len(fields) > width && strings.TrimSpace(fields[len(fields)-1]) == "" {
		fields = fields[:len(fields)-1]
	}
	switch {
	case len(fields) != width && !rec.Ended:
		return row, fmt.Sprintf("cut off: the last row has %d columns, not %d", len(fields), width)
	case len(fields) != width:
		return row, fmt.Sprintf("it has %d columns, not %d", len(fields), width)
	}
	row.Leg, row.Skip, reason = p.leg(cells{fields, p.head.at}, rec.Line)
	return row, reason
}

func (p *parser) warnings() []string { return p.doubts.warnings(p.head) }
