// Package threecx reads the call data records of 3CX: the file cdr.log, or what its
// service sends over a socket, saved to a file.
//
// The administrator of a 3CX chooses which fields a record has and in which order, so
// that a file does not explain itself. The columns come from the configuration, from a
// first row that names them, or are found out among the orders in which 3CX offers
// them. Sources: 3CX documentation, "CDR – Call Data Records" (names of the fields);
// the order of the default and the words for kinds and reasons are taken from files
// and programs of users and are not confirmed by the vendor.
//
// What belongs here is the reading of columns and words. What a call was is decided in
// callback/calls.
package threecx

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/ringback-health/ringback/connectors/phone"
)

// sniffRows is how many rows may be unreadable before the first one that shows the layout.
const sniffRows = 20

// maxChanges is how many changes of the layout are reported.
const maxChanges = 5

// Format is the call log format "threecx".
type Format struct {
	// Columns are the fields in the order in which the 3CX writes them, by the names
	// that its console shows (historyid, time-start, …); other names are columns that
	// are not used. Empty: found out from the file.
	Columns []string `yaml:"columns"`
	// Queues, Menus and Mailboxes are the internal numbers of queues, of digital
	// receptionists and of mailboxes. They are needed only where the records lack
	// from-type, to-type and final-type, without which a queue looks like a person.
	Queues    []string `yaml:"queues"`
	Menus     []string `yaml:"menus"`
	Mailboxes []string `yaml:"mailboxes"`
}

var _ phone.Format = Format{}

// Name is "threecx".
func (Format) Name() string { return "threecx" }

// Describe says which logs the format reads.
func (Format) Describe() string {
	return "3CX call data records (cdr.log): the default order of fields, a first row with their names, or configured columns"
}

// Validate says what is wrong with the columns or the numbers.
func (f Format) Validate() error {
	if len(f.Columns) > 0 {
		l := newLayout("configured columns", f.Columns)
		if missing := l.missing(); len(missing) > 0 {
			return fmt.Errorf("columns: %s missing; list the fields as they stand in the 3CX console under CDR output", strings.Join(missing, ", "))
		}
		if len(l.at) != l.known {
			return errors.New("columns: a field stands there twice; each field is one column")
		}
	}
	for _, list := range [][]string{f.Queues, f.Menus, f.Mailboxes} {
		for _, n := range list {
			if n == "" || strings.Trim(n, "0123456789") != "" {
				return errors.New("queues, menus and mailboxes are internal numbers of digits only, such as 800")
			}
		}
	}
	return nil
}

// Parse finds the layout of the columns and reads each row by it.
//
// Times are in opts.Zone, in UTC with opts.UTC. Which of both a 3CX writes depends on
// its release and is not confirmed; compare one call whose time is known.
//
// What a call was is taken from where it ended: the final destination, or the first
// one when there was no other. A queue, a menu and a mailbox answer by themselves, so
// that time-answered says that a person did only where a person's phone is where the
// call ended; and it says when only where no machine was before.
func (f Format) Parse(r io.Reader, opts phone.Options) (*phone.Stream, error) {
	if err := f.Validate(); err != nil {
		return nil, fmt.Errorf("read call log: %w", err)
	}
	zone, err := opts.LocalZone()
	if err != nil {
		return nil, err
	}
	records, err := phone.NewRecords(r)
	if err != nil {
		return nil, err
	}
	p := &parser{format: f, zone: zone}
	records.Fits = p.fits
	if len(f.Columns) > 0 {
		p.current = newLayout("configured columns", f.Columns)
	}
	if err := p.sniff(records); err != nil {
		return nil, err
	}
	return &phone.Stream{Layout: p.current.name, Columns: p.current.columns, Rows: records.Rows(p.row), Warnings: p.warnings}, nil
}

// sniff looks among the first rows for one that shows the layout.
func (p *parser) sniff(records *phone.Records) error {
	lines, failed := records.Peek(sniffRows)
	content := false
	for _, text := range lines {
		content = content || strings.Trim(text, " \t\x00") != ""
		fields, ok := phone.Split(text, ',')
		if !ok {
			continue
		}
		if l := namedLayout(fields); l.width > 0 {
			if len(p.format.Columns) == 0 {
				p.named, p.current = true, l
			}
			return nil
		}
		if l, ok := p.layoutOf(fields); ok {
			p.current = l
			return nil
		}
	}
	switch {
	case failed != nil:
		return failed
	case !content:
		return phone.ErrEmpty
	case len(p.format.Columns) > 0:
		return fmt.Errorf("read call log: the rows do not have the configured columns. Expected: %d fields separated by commas, with times where %s stands. "+
			"Found: none such in the first %d lines", p.current.width, timeStart, len(lines))
	default:
		return fmt.Errorf("read call log: the columns cannot be told. Expected: the fields of a 3CX call data record in its default order (27, or 20 without kinds and names), "+
			"or a first row with their names such as historyid, time-start, from-no. Found: none such in the first %d lines. "+
			"Configure columns in the order of the 3CX console; for a log of another system use the format generic", len(lines))
	}
}

// layoutOf finds the layout of a row: the one of the row before when it fits, or the
// one that fits best.
func (p *parser) layoutOf(fields []string) (layout, bool) {
	if p.current.fits(fields) > 0 {
		return p.current, true
	}
	if len(p.format.Columns) > 0 || p.named {
		return p.current, false
	}
	best := slices.MaxFunc(layouts, func(a, b layout) int { return a.fits(fields) - b.fits(fields) })
	return best, best.fits(fields) > 0
}

func (p *parser) fits(fields []string) bool {
	_, ok := p.layoutOf(fields)
	return ok || namedLayout(fields).width > 0
}

// row reads one record; reason says why it could not be read.
func (p *parser) row(rec phone.Record) (row phone.Row, reason string) {
	row.Line = rec.Line
	if rec.Fields == nil {
		row.Skip = "blank line"
		return row, ""
	}
	l, ok := p.layoutOf(rec.Fields)
	switch {
	case !ok && namedLayout(rec.Fields).width > 0:
		row.Skip = "column names"
		return row, ""
	case !ok && !rec.Ended, ok && l.width < p.current.width:
		return row, fmt.Sprintf("cut off: it has %d columns, not %d", len(rec.Fields), p.current.width)
	case !ok && len(rec.Fields) == p.current.width:
		return row, "the columns for times and lengths do not hold any"
	case !ok:
		return row, fmt.Sprintf("it has %d columns, not %d", len(rec.Fields), p.current.width)
	}
	if l.name != p.current.name {
		if len(p.changes) < maxChanges {
			p.changes = append(p.changes, fmt.Sprintf("from line %d on the layout is: %s", rec.Line, l.name))
		}
		p.current = l
	}
	row.Leg, row.Skip = p.leg(cells{rec.Fields, l}, rec.Line)
	return row, ""
}

func (p *parser) warnings() []string {
	out := p.changes
	if p.guesses > 0 {
		out = append(out, fmt.Sprintf("%d calls count as answered by a person, and a queue or a menu may have taken them: the records do not say of what kind their destinations are. "+
			"Add to-type and final-type to the CDR output fields of the 3CX, or configure queues, menus and mailboxes", p.guesses))
	}
	if p.words > 0 {
		out = append(out, fmt.Sprintf("%d calls ended at a kind of destination that this format does not know; they count as not answered", p.words))
	}
	return out
}
