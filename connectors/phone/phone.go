// Package phone is the contract for phone systems: what a reader of call logs
// must do (Format), what it reads a log into (legs, package callback/calls), and
// the parts that every reader needs: records that survive damage, local times
// that survive the change of clocks, an account of every row.
//
// One package per log format lies below, and phonetest holds the conformance
// suite that each of them passes. What a call was is decided in callback/calls
// and not here; nothing here writes anything.
package phone

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/internal/redact"
)

// Format reads one kind of call log.
type Format interface {
	// Name is what the format is called on the command line and in the configuration.
	Name() string
	// Describe says in one line which logs it reads.
	Describe() string
	// Parse finds the layout of the log from its first rows and returns a stream
	// of its rows. It reads on only as the rows are asked for.
	//
	// The error is ErrEmpty for a log without a single byte of content, and
	// otherwise says what was expected and what was found, without any content
	// of the log; nothing of the log was taken then.
	Parse(r io.Reader, opts Options) (*Stream, error)
}

// Options say what a log cannot say about itself.
type Options struct {
	// Zone is the time zone of the times in the log that do not carry one. It is
	// required: a log read in the wrong zone gives every callback a wrong age.
	Zone *time.Location
	// UTC says that such times are in UTC whatever Zone is (Asterisk with
	// usegmtime=yes).
	UTC bool
	// Region (ISO 3166-1 alpha-2) decides how a date such as 03/04/2026 is read:
	// month first for US, day first elsewhere.
	Region string
}

// LocalZone is the zone of times without one, or an error that says how to set it.
func (o Options) LocalZone() (*time.Location, error) {
	switch {
	case o.UTC:
		return time.UTC, nil
	case o.Zone != nil:
		return o.Zone, nil
	default:
		return nil, errors.New("read call log: no time zone given; name the zone in which the phone system writes its times, for example America/Chicago")
	}
}

// ErrEmpty says that the log has no content at all. That is a log without calls or
// an export that failed; only the caller can know.
var ErrEmpty = errors.New("read call log: the file is empty; if there were calls, export it again")

// Stream is one log being read.
type Stream struct {
	// Layout says which layout of the format was found.
	Layout string
	// Columns say what each column of the log is taken for, in their order; nil
	// for formats whose layouts have fixed columns.
	Columns []Column
	// Rows yields every row of the log once, in order: a leg, or the reason why it
	// is none, or a *RowError for a row that is damaged, after which it goes on.
	// Any other error ends the log. Rows can be ranged over once.
	Rows iter.Seq2[Row, error]
	// Warnings are doubts about the log as a whole, complete when Rows has ended.
	Warnings func() []string
	// Misdated reports, when Rows has ended, that the log itself says that its times
	// are of another zone than Options told; nil for formats that cannot know.
	Misdated func() bool
}

// Column is one column of a log.
type Column struct {
	Header string // as in the log
	Field  string // what it is taken for, "" when it is not used
}

// Row is one row of a log.
type Row struct {
	// Line is the line of the file on which the row begins, from 1.
	Line int
	// Leg is the call leg; not set when Skip is.
	Leg calls.Leg
	// Skip says why the row is not a call leg, "" when it is one. No PHI.
	Skip string
}

// RowError is a row that is damaged: it may have been a call and could not be
// read. The reason has no PHI.
type RowError struct {
	Line   int
	Reason string
}

// Error names the line and the reason.
func (e *RowError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Reason) }

// Text makes a redact.Text of a cell of a log: valid UTF-8, without the NULs
// that fill a file after a power failure, without space around it. Bytes that
// are no UTF-8 become U+FFFD; use RawText where they must be kept.
func Text(cell string) redact.Text { return redact.NewText(Plain(cell)) }

// RawText makes a redact.Text of a cell, byte for byte.
func RawText(cell string) redact.Text { return redact.NewText(cell) }

// Plain is the content of Text as a string, for cells that hold no PHI.
func Plain(cell string) string {
	return strings.TrimSpace(strings.ReplaceAll(strings.ToValidUTF8(cell, "\uFFFD"), "\x00", ""))
}
