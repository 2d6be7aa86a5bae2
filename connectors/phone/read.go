package phone

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/ringback-health/ringback/callback/calls"
)

// Log is a call log that was read: its legs, and an account of every other row.
type Log struct {
	Format    string   // name of the format
	Layout    string   // which of its layouts
	Columns   []Column // what each column was taken for; nil for fixed layouts
	Rows      int      // rows read: len(Legs) + len(Explained)
	Legs      []calls.Leg
	Explained []RowNote // the rows that are no legs, in the order of the file
	Warnings  []string  // doubts about the log as a whole
	Misdated  bool      // the log itself says that its times are of another zone
}

// RowNote says why a row of a log is no leg.
type RowNote struct {
	Line   int
	Reason string // no PHI
	// Damaged: the row may have been a call; a person should look at it.
	Damaged bool
}

// Read reads a whole log. With an error other than one about the log's layout
// the Log holds what was read until then.
func Read(f Format, r io.Reader, opts Options) (Log, error) {
	l := Log{Format: f.Name()}
	stream, err := f.Parse(r, opts)
	if err != nil {
		return l, err
	}
	l.Layout, l.Columns = stream.Layout, stream.Columns
	for row, err := range stream.Rows {
		var damaged *RowError
		switch {
		case errors.As(err, &damaged):
			l.Explained = append(l.Explained, RowNote{Line: damaged.Line, Reason: damaged.Reason, Damaged: true})
		case err != nil:
			l.Warnings = stream.Warnings()
			return l, err
		case row.Skip != "":
			l.Explained = append(l.Explained, RowNote{Line: row.Line, Reason: row.Skip})
		default:
			l.Legs = append(l.Legs, row.Leg)
		}
		l.Rows++
	}
	l.Warnings = stream.Warnings()
	l.Misdated = stream.Misdated != nil && stream.Misdated()
	return l, nil
}

// Damaged counts the rows that could not be read.
func (l Log) Damaged() int {
	n := 0
	for _, e := range l.Explained {
		if e.Damaged {
			n++
		}
	}
	return n
}

// Account checks that the sessions that were made of the log and the rows that
// are explained cover every row exactly once. An error is a fault of this
// program: the import must not go on.
func (l Log) Account(sessions []calls.Session) error {
	count := make(map[int]int, l.Rows)
	for _, leg := range l.Legs {
		count[leg.Row]--
	}
	for _, s := range sessions {
		for _, row := range s.Rows {
			count[row]++
		}
	}
	for _, row := range slices.Sorted(maps.Keys(count)) {
		switch n := count[row]; {
		case n < 0:
			return fmt.Errorf("account of the call log: line %d belongs to no session", row)
		case n > 0:
			return fmt.Errorf("account of the call log: line %d belongs to a session and was no call leg, or to several", row)
		}
	}
	if l.Rows != len(l.Legs)+len(l.Explained) {
		return fmt.Errorf("account of the call log: %d rows, but %d legs and %d explained rows", l.Rows, len(l.Legs), len(l.Explained))
	}
	return nil
}
