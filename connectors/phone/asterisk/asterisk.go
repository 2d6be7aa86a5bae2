// Package asterisk reads the call detail records of Asterisk and FreePBX:
// Master.csv as cdr_csv writes it, the files of cdr_custom in the order of its
// sample configuration, and exports of the CDR table that begin with the names
// of its columns; and queue_log, in which its queues say what became of each caller.
//
// What belongs here is how the records are written down. What a call was is
// decided in callback/calls, by its Rules.
package asterisk

import (
	"errors"
	"fmt"
	"io"

	"github.com/ringback-health/ringback/connectors/phone"
)

// sniffRows is how many rows may be unreadable before the first one that shows
// the layout.
const sniffRows = 20

// maxChanges is how many changes of the layout are reported.
const maxChanges = 5

// Format is the call log format "asterisk".
type Format struct{}

var _ phone.Format = Format{}

// Name is "asterisk".
func (Format) Name() string { return "asterisk" }

// Describe says which logs the format reads.
func (Format) Describe() string {
	return "Asterisk and FreePBX call detail records: Master.csv (cdr_csv, 16 to 21 columns), cdr_custom (18 or 19 columns), CDR table export with column names"
}

// Parse finds the layout by which columns hold dates and a disposition, since
// the files have no header: cdr_csv and cdr_custom put them at different
// places. Each row is read by its own layout, because an upgrade changes the
// layout in the middle of a file; a warning says on which line.
//
// Times are in opts.Zone, in UTC with opts.UTC (usegmtime=yes). Where clocks
// were put back, the time stamp inside the uniqueid says which of the two hours
// is meant; without one it is the earlier. When time stamps and times disagree
// about the zone all along, a warning says so.
//
// A userfield of "voicemail", "callback-requested" or "after-hours" is taken as
// what the call was: the dialplan can say so with Set(CDR(userfield)=voicemail)
// where the records alone cannot.
func (Format) Parse(r io.Reader, opts phone.Options) (*phone.Stream, error) {
	zone, err := opts.LocalZone()
	if err != nil {
		return nil, err
	}
	records, err := phone.NewRecords(r)
	if err != nil {
		return nil, err
	}
	p := &parser{records: records, zone: zoneCheck{zone: zone}}
	records.Fits = p.fits
	if err := p.sniff(); err != nil {
		return nil, err
	}
	return &phone.Stream{Layout: p.first, Rows: p.rows, Warnings: p.warnings, Misdated: p.zone.misdated}, nil
}

// parser is one log being read.
type parser struct {
	records *phone.Records
	named   *layout // set when the log has a row of column names
	first   string  // description of the layout of the first row
	ahead   []read  // what was read to find it
	current layout
	changes []string
	zone    zoneCheck
}

// read is what Records.Next returned.
type read struct {
	record phone.Record
	err    error
}

// sniff reads ahead to the first row that shows the layout.
func (p *parser) sniff() error {
	content := false
	var widths []int
	for len(p.ahead) < sniffRows {
		rec, err := p.records.Next()
		var damaged *phone.RowError
		if err != nil && !errors.As(err, &damaged) {
			if errors.Is(err, io.EOF) {
				break
			}
			return err
		}
		p.ahead = append(p.ahead, read{rec, err})
		content = content || err != nil || rec.Fields != nil
		if err != nil || rec.Fields == nil {
			continue
		}
		if l, ok := namedLayout(rec.Fields); ok && p.named == nil {
			p.named, p.first, p.current = &l, l.name, l
			return nil
		}
		if l, ok := p.layoutOf(rec.Fields); ok {
			p.first, p.current = l.name, l
			return nil
		}
		widths = append(widths, len(rec.Fields))
	}
	if !content {
		return phone.ErrEmpty
	}
	return unknownLayout(len(p.ahead), widths)
}

// unknownLayout says what was expected and what was found.
func unknownLayout(rows int, widths []int) error {
	found := fmt.Sprintf("none of the first %d rows could be split into columns", rows)
	if len(widths) > 0 {
		low, high := widths[0], widths[0]
		for _, w := range widths {
			low, high = min(low, w), max(high, w)
		}
		found = fmt.Sprintf("the first %d rows have %d to %d columns and no dates or disposition there", rows, low, high)
	}
	return fmt.Errorf("read call log: this is not an Asterisk call detail record. Expected: "+
		"Master.csv of cdr_csv, 16 to 21 columns with start, answer and end (2006-01-02 15:04:05) in columns 10 to 12 and the disposition in column 15; "+
		"or cdr_custom, 18 or 19 columns with them in columns 9 to 11 and 14; or a first row with column names such as src, start or calldate, disposition. "+
		"Found: %s. For a call log of another system use the format calllog", found)
}

// rows yields the rows that were read ahead and then the rest.
func (p *parser) rows(yield func(phone.Row, error) bool) {
	for _, a := range p.ahead {
		if !p.row(a, yield) {
			return
		}
	}
	p.ahead = nil
	for {
		rec, err := p.records.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if !p.row(read{rec, err}, yield) {
			return
		}
	}
}

// row yields one row and reports whether to go on.
func (p *parser) row(a read, yield func(phone.Row, error) bool) bool {
	var damaged *phone.RowError
	switch {
	case errors.As(a.err, &damaged):
		return yield(phone.Row{Line: damaged.Line}, damaged)
	case a.err != nil:
		yield(phone.Row{}, a.err)
		return false
	}
	row := phone.Row{Line: a.record.Line}
	if a.record.Fields == nil {
		row.Skip = "blank line"
		return yield(row, nil)
	}
	l, reason := p.rowLayout(a.record)
	if reason == "" {
		row.Leg, reason = p.leg(a.record, l)
	} else if _, ok := namedLayout(a.record.Fields); ok {
		row.Skip, reason = "column names", ""
	}
	if reason != "" {
		return yield(phone.Row{Line: row.Line}, &phone.RowError{Line: row.Line, Reason: reason})
	}
	return yield(row, nil)
}

// rowLayout is the layout of one row, or why it has none.
func (p *parser) rowLayout(rec phone.Record) (l layout, reason string) {
	l, ok := p.layoutOf(rec.Fields)
	switch {
	case !ok && !rec.Ended:
		return l, fmt.Sprintf("cut off: the last row has %d columns", len(rec.Fields))
	case !ok && len(rec.Fields) == p.current.width:
		return l, "the columns for start, end or disposition do not hold a time or a disposition"
	case !ok:
		return l, fmt.Sprintf("%d columns that fit no layout; the rows before have %d", len(rec.Fields), p.current.width)
	case l.width < p.current.width && !rec.Ended:
		return l, fmt.Sprintf("cut off: the last row has %d columns, the rows before have %d", l.width, p.current.width)
	}
	if l.name != p.current.name {
		if len(p.changes) < maxChanges {
			p.changes = append(p.changes, fmt.Sprintf("from line %d on the layout is: %s", rec.Line, l.name))
		}
		p.current = l
	}
	return l, ""
}

func (p *parser) fits(fields []string) bool {
	_, ok := p.layoutOf(fields)
	return ok
}

// layoutOf is the layout that fits the fields of a row.
func (p *parser) layoutOf(fields []string) (layout, bool) {
	if p.named != nil {
		return *p.named, len(fields) == p.named.width && p.named.fits(fields)
	}
	return layoutOf(fields)
}

func (p *parser) warnings() []string { return append(p.changes, p.zone.warnings()...) }
