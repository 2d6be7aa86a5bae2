package phone

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
)

// Limits of one record. A quoted cell may contain line breaks (a voicemail
// transcript), and a quote that never closes must not swallow the log.
const (
	maxRecordLines = 40
	maxLineBytes   = 1 << 20
)

// Record is one record of a log.
type Record struct {
	Line   int      // the line on which it begins, from 1
	Fields []string // nil for a blank line
	// Ended says whether a line break ends the record. The last record of a file
	// without one may have been cut off.
	Ended bool
}

// Records reads separated values one record at a time. Unlike encoding/csv it
// finds its way again after damage: a row that was torn when the disk was full,
// or has a quote too many, costs that row and no other. It takes quotes that
// were not doubled inside a quoted cell, as old phone systems write them, when
// the record then has the right shape.
type Records struct {
	// Comma is the separator; ',' unless set.
	Comma byte
	// Fits says whether fields have the shape of a record of this log. It is
	// asked only to choose between readings of a record with misplaced quotes;
	// nil takes every shape.
	Fits func(fields []string) bool

	in      *bufio.Reader
	pending []line // read and not yet used
	number  int    // of the last line read
	err     error  // why there are no more lines
}

type line struct {
	text    string
	number  int
	ended   bool
	tooLong bool
}

// NewRecords returns a reader of the records of r. A byte order mark is
// dropped; a file in UTF-16 is an error, because nothing in it would be found.
func NewRecords(r io.Reader) (*Records, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	head, err := in.Peek(3)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, readError(err)
	}
	switch h := string(head); {
	case h == "\xEF\xBB\xBF":
		_, _ = in.Discard(3) // peeked, so it is there
	case strings.HasPrefix(h, "\xFF\xFE"), strings.HasPrefix(h, "\xFE\xFF"):
		return nil, errors.New("read call log: the file is in UTF-16; save it as CSV in UTF-8")
	}
	return &Records{Comma: ',', in: in}, nil
}

func readError(err error) error { return fmt.Errorf("read call log: %w", err) }

// Peek returns up to n of the next lines without using them. The error says
// that reading failed after them; Next returns it again in its place.
func (r *Records) Peek(n int) ([]string, error) {
	for len(r.pending) < n && r.fill() {
	}
	var out []string
	for _, l := range r.pending[:min(n, len(r.pending))] {
		out = append(out, l.text)
	}
	if r.err != nil && !errors.Is(r.err, io.EOF) {
		return out, readError(r.err)
	}
	return out, nil
}

// Next returns the next record. The error is io.EOF after the last one, a
// *RowError for a damaged record, after which the next call goes on, and
// anything else when reading failed.
func (r *Records) Next() (Record, error) {
	if len(r.pending) == 0 && !r.fill() {
		if errors.Is(r.err, io.EOF) {
			return Record{}, io.EOF
		}
		return Record{}, readError(r.err)
	}
	first := r.pending[0]
	r.pending = r.pending[1:]
	switch {
	case first.tooLong:
		return Record{}, &RowError{first.number, fmt.Sprintf("longer than %d bytes", maxLineBytes)}
	case strings.Trim(first.text, " \t\x00") == "":
		return Record{Line: first.number, Ended: first.ended}, nil
	}
	rec := Record{Line: first.number, Ended: first.ended}
	fields, state := splitStrict(first.text, r.Comma)
	if state == closed {
		rec.Fields = fields
		return rec, nil
	}
	if state == open {
		if fields, ended, ok := r.join(first.text); ok {
			rec.Fields, rec.Ended = fields, ended
			return rec, nil
		}
	}
	if fields, ok := splitLenient(first.text, r.Comma); ok && (r.Fits == nil || r.Fits(fields)) {
		rec.Fields = fields
		return rec, nil
	}
	if !first.ended {
		return Record{}, &RowError{first.number, "cut off: the last row ends inside a quoted cell"}
	}
	return Record{}, &RowError{first.number, "its quotes do not match"}
}

// Rows yields a row for each record that is left, as Stream.Rows has it. read reads
// one record; its reason says why a record is damaged, "" when it is none.
func (r *Records) Rows(read func(Record) (row Row, reason string)) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		for {
			rec, err := r.Next()
			var damaged *RowError
			switch {
			case errors.Is(err, io.EOF):
				return
			case errors.As(err, &damaged):
				if !yield(Row{Line: damaged.Line}, damaged) {
					return
				}
				continue
			case err != nil:
				yield(Row{}, err)
				return
			}
			row, reason := read(rec)
			if reason != "" {
				row, err = Row{Line: rec.Line}, &RowError{Line: rec.Line, Reason: reason}
			}
			if !yield(row, err) {
				return
			}
		}
	}
}

// join reads on over line breaks until the quotes close.
func (r *Records) join(text string) (fields []string, ended, ok bool) {
	for n := 1; n < maxRecordLines && len(text) < maxLineBytes; n++ {
		if len(r.pending) < n && !r.fill() {
			return nil, false, false
		}
		next := r.pending[n-1]
		if next.tooLong {
			return nil, false, false
		}
		text += "\n" + next.text
		if !strings.Contains(next.text, `"`) {
			continue
		}
		fields, state := splitStrict(text, r.Comma)
		if state == closed && (r.Fits == nil || r.Fits(fields)) {
			r.pending = r.pending[n:]
			return fields, next.ended, true
		}
		if state != open {
			return nil, false, false
		}
	}
	return nil, false, false
}

// fill reads one more line into pending and reports whether there was one.
func (r *Records) fill() bool {
	if r.err != nil {
		return false
	}
	var text []byte
	l := line{}
	for {
		part, err := r.in.ReadSlice('\n')
		if len(text)+len(part) > maxLineBytes {
			l.tooLong = true
			text = text[:0]
		}
		if !l.tooLong {
			text = append(text, part...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		l.ended = err == nil
		r.err = err
		if err != nil && !errors.Is(err, io.EOF) {
			return false // what was read of this line is not a line
		}
		if !l.ended && len(text) == 0 && !l.tooLong {
			return false
		}
		break
	}
	r.number++
	l.number = r.number
	l.text = strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	r.pending = append(r.pending, l)
	return true
}

// Split splits one line of separated values as Records does.
func Split(text string, comma byte) (fields []string, ok bool) {
	if fields, state := splitStrict(text, comma); state == closed {
		return fields, true
	}
	return splitLenient(text, comma)
}

// state is how the quotes of a text stand at its end.
type state int

const (
	closed state = iota // every quoted cell is closed
	open                // the last cell is quoted and not closed
	broken              // a quote stands where none may
)

// splitStrict splits a record whose quotes follow RFC 4180.
func splitStrict(text string, comma byte) ([]string, state) {
	var fields []string
	for {
		var field string
		if strings.HasPrefix(text, `"`) {
			end := closingQuote(text)
			if end < 0 {
				return nil, open
			}
			field, text = strings.ReplaceAll(text[1:end], `""`, `"`), text[end+1:]
			if text != "" && text[0] != comma {
				return nil, broken
			}
		} else {
			end := strings.IndexByte(text, comma)
			if end < 0 {
				end = len(text)
			}
			field, text = text[:end], text[end:]
			if strings.Contains(field, `"`) {
				return nil, broken
			}
		}
		fields = append(fields, field)
		if text == "" {
			return fields, closed
		}
		text = text[1:]
	}
}

// closingQuote is the index of the quote that closes the one at text[0], -1
// when none does.
func closingQuote(text string) int {
	for i := 1; i < len(text); i++ {
		if text[i] != '"' {
			continue
		}
		if i+1 < len(text) && text[i+1] == '"' {
			i++
			continue
		}
		return i
	}
	return -1
}

// splitLenient splits a line in which a quote closes a cell only where a
// separator or the end follows it.
func splitLenient(text string, comma byte) ([]string, bool) {
	var fields []string
	for {
		end := strings.IndexByte(text, comma)
		if strings.HasPrefix(text, `"`) {
			closing := strings.Index(text[1:], `"`+string(comma))
			switch {
			case closing >= 0:
				end = closing + 2
			case len(text) > 1 && strings.HasSuffix(text, `"`):
				end = len(text)
			default:
				return nil, false
			}
			fields = append(fields, strings.ReplaceAll(text[1:end-1], `""`, `"`))
		} else {
			if end < 0 {
				end = len(text)
			}
			fields = append(fields, text[:end])
		}
		if end == len(text) {
			return fields, true
		}
		text = text[end+1:]
	}
}
