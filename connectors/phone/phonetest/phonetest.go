// Package phonetest is the conformance suite for call log formats: what every
// reader of a log must do whatever the log looks like. A format passes it by
// calling Run from its own tests.
//
// What is particular to one format (its layouts, its words) is tested by that
// format and not here.
package phonetest

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/connectors/phone"
)

// CallerName is the name of a caller that Case.Log must contain exactly once,
// inside a quoted cell, in its second call.
const CallerName = "Robin Example"

// Case is a format and logs for it.
type Case struct {
	Format phone.Format
	// Log is a well-formed log of at least four calls on one line each, every
	// line ended by a line feed. No number or name in it may be part of a column
	// name.
	Log string
	// Header is how many lines at its top are no calls.
	Header int
	// At is a log of one call that starts at the local time start ("2006-01-02
	// 15:04:05") and in which nothing else says when that was.
	At func(start string) string
}

// Run tests the format.
func Run(t *testing.T, c Case) {
	s := suite{Case: c}
	s.base = s.read(t, c.Log)
	s.lines = strings.SplitAfter(strings.TrimSuffix(c.Log, "\n"), "\n")
	s.lines[len(s.lines)-1] += "\n"
	t.Run("well formed", s.wellFormed)
	t.Run("line breaks and marks", s.lineBreaks)
	t.Run("cut off at the end", s.cutOff)
	t.Run("torn in the middle", s.torn)
	t.Run("stray quote", s.strayQuote)
	t.Run("names", s.names)
	t.Run("nothing to read", s.nothing)
	t.Run("another layout", s.unknown)
	t.Run("clocks", s.clocks)
	t.Run("streaming", s.streaming)
}

type suite struct {
	Case
	lines []string
	base  phone.Log
}

func options() phone.Options {
	zone, err := time.LoadLocation("America/Chicago")
	if err != nil {
		panic("phonetest: no time zone data: " + err.Error())
	}
	return phone.Options{Zone: zone, Region: "US"}
}

// read reads a log that must be readable, and checks what holds for every log.
func (s suite) read(t *testing.T, log string) phone.Log {
	t.Helper()
	l, err := phone.Read(s.Format, strings.NewReader(log), options())
	if err != nil {
		t.Fatalf("cannot be read: %v", err)
	}
	s.check(t, l)
	return l
}

// check checks the account of the rows, their order, and that nothing the
// format says contains PHI.
func (s suite) check(t *testing.T, l phone.Log) {
	t.Helper()
	if err := l.Account(calls.Collapse(l.Legs, calls.DefaultRules())); err != nil {
		t.Error(err)
	}
	line := 0
	for _, leg := range l.Legs {
		if leg.Row <= line {
			t.Errorf("a leg of line %d comes after line %d", leg.Row, line)
		}
		line = leg.Row
		if leg.Start.IsZero() {
			t.Errorf("the leg of line %d has no start", leg.Row)
		}
		for _, text := range []string{leg.FromName.Reveal(), leg.From.Reveal(), leg.To.Reveal(), leg.Context, leg.App, leg.ID, leg.Session} {
			if !utf8.ValidString(text) || strings.Contains(text, "\x00") {
				t.Errorf("the leg of line %d has text that a database refuses", leg.Row)
			}
		}
	}
	said := append([]string{l.Layout, l.Format}, l.Warnings...)
	for _, e := range l.Explained {
		if e.Reason == "" || e.Line == 0 {
			t.Errorf("a row without a reason or a line: %+v", e)
		}
		said = append(said, e.Reason)
	}
	for _, text := range said {
		s.noPHI(t, text)
	}
}

// noPHI checks that a text contains no name or number of the log.
func (s suite) noPHI(t *testing.T, text string) {
	t.Helper()
	for _, leg := range s.base.Legs {
		for _, secret := range []string{leg.From.Reveal(), leg.To.Reveal(), leg.FromName.Reveal(), leg.CallerID.Reveal()} {
			if len(secret) > 3 && strings.Contains(text, secret) {
				t.Errorf("a name or a number stands in %q", strings.ReplaceAll(text, secret, "[...]"))
			}
		}
	}
}

// sameLegs checks that got has the legs of the well-formed log, those of the
// lines in except aside; shift is added to the lines after the second call.
func (s suite) sameLegs(t *testing.T, what string, got []calls.Leg, shift int, except ...int) {
	t.Helper()
	skip := make(map[int]bool)
	for _, line := range except {
		skip[line] = true
	}
	byRow := make(map[int]calls.Leg)
	for _, leg := range got {
		byRow[leg.Row] = leg
	}
	for i, want := range s.base.Legs {
		if skip[want.Row] {
			continue
		}
		row := want.Row
		if i > 1 {
			row += shift
		}
		leg, ok := byRow[row]
		if !ok {
			t.Fatalf("%s: the call of line %d is gone", what, row)
		}
		if !leg.Start.Equal(want.Start) || !leg.From.Equal(want.From) || !leg.To.Equal(want.To) ||
			leg.Disposition != want.Disposition || leg.Stated != want.Stated || leg.Duration != want.Duration {
			t.Fatalf("%s: the call of line %d is another one", what, row)
		}
	}
}

func (s suite) wellFormed(t *testing.T) {
	s.check(t, s.base)
	if n := len(s.lines) - s.Header; n < 4 || len(s.base.Legs) != n {
		t.Fatalf("%d legs of %d lines; a log of at least four calls is needed", len(s.base.Legs), n)
	}
	if s.base.Layout == "" || s.Format.Name() == "" || s.Format.Describe() == "" {
		t.Error("the format does not say what it is or which layout it found")
	}
	if s.base.Damaged() != 0 || s.base.Rows != len(s.lines) {
		t.Errorf("%d damaged of %d rows, want 0 of %d", s.base.Damaged(), s.base.Rows, len(s.lines))
	}
	for i, leg := range s.base.Legs {
		if leg.Row != s.Header+i+1 {
			t.Errorf("call %d: line %d", i, leg.Row)
		}
		if (leg.FromName.Reveal() == CallerName) != (i == 1) {
			t.Errorf("call %d: the name is wrong", i)
		}
	}
}

func (s suite) lineBreaks(t *testing.T) {
	for name, log := range map[string]string{
		"CRLF":               strings.ReplaceAll(s.Log, "\n", "\r\n"),
		"byte order mark":    "\xEF\xBB\xBF" + s.Log,
		"no line break last": strings.TrimSuffix(s.Log, "\n"),
		"blank line last":    s.Log + "\n",
		"NULs last":          s.Log + strings.Repeat("\x00", 300),
	} {
		l := s.read(t, log)
		s.sameLegs(t, name, l.Legs, 0)
		if len(l.Legs) != len(s.base.Legs) || l.Damaged() != 0 {
			t.Errorf("%s: %d legs, %d damaged", name, len(l.Legs), l.Damaged())
		}
	}
	utf16 := "\xFF\xFE" + strings.Join(strings.Split(s.Log, ""), "\x00") + "\x00"
	_, err := phone.Read(s.Format, strings.NewReader(utf16), options())
	if err == nil || !strings.Contains(err.Error(), "UTF-16") {
		t.Errorf("UTF-16: %v", err)
	}
}

// cutOff cuts the last line at every byte. The rest is kept, and the last row
// is either damaged or has lost only the end of its last cell.
func (s suite) cutOff(t *testing.T) {
	last := s.lines[len(s.lines)-1]
	before := strings.TrimSuffix(s.Log, last)
	for cut := 1; cut < len(last)-1; cut++ {
		l := s.read(t, before+last[:cut])
		s.sameLegs(t, "cut off", l.Legs, 0, len(s.lines))
		if l.Rows != len(s.lines) {
			t.Fatalf("cut at %d: %d rows of %d", cut, l.Rows, len(s.lines))
		}
		if len(l.Legs) == len(s.base.Legs) {
			s.sameStart(t, l)
			continue
		}
		if e := l.Explained[len(l.Explained)-1]; !e.Damaged || e.Line != len(s.lines) {
			t.Fatalf("cut at %d: the last row is not reported as damaged: %+v", cut, e)
		}
	}
}

func (s suite) sameStart(t *testing.T, l phone.Log) {
	t.Helper()
	got, want := l.Legs[len(l.Legs)-1], s.base.Legs[len(s.base.Legs)-1]
	if !got.Start.Equal(want.Start) || !got.From.Equal(want.From) || got.Session != want.Session {
		t.Fatal("a row that was cut off was taken for another call")
	}
}

// torn cuts a line in the middle at every byte, as when a disk was full for a
// moment: the other rows are kept.
func (s suite) torn(t *testing.T) {
	at := s.Header + 2
	for cut := 1; cut < len(s.lines[at])-1; cut++ {
		lines := append([]string{}, s.lines...)
		lines[at] = lines[at][:cut] + "\n"
		l := s.read(t, strings.Join(lines, ""))
		s.sameLegs(t, "torn", l.Legs, 0, at+1)
	}
}

// strayQuote puts a quote at every place of a line: it costs no other row.
func (s suite) strayQuote(t *testing.T) {
	at := s.Header + 2
	for i := 0; i < len(s.lines[at])-1; i++ {
		lines := append([]string{}, s.lines...)
		lines[at] = lines[at][:i] + `"` + lines[at][i:]
		l := s.read(t, strings.Join(lines, ""))
		s.sameLegs(t, "stray quote", l.Legs, 0, at+1)
	}
}

// names puts difficult names in the place of CallerName.
func (s suite) names(t *testing.T) {
	for _, c := range []struct {
		what, cell, want string
		raw              string
		shift            int
	}{
		{"line break", "Robin\nExample", "Robin\nExample", "Robin\nExample", 1},
		{"Windows line break", "Robin\r\nExample", "Robin\nExample", "Robin\nExample", 1},
		{"not UTF-8", "Robin \xC9xample", "Robin \uFFFDxample", "Robin \xC9xample", 0},
		{"NUL", "Robin\x00 Example", "Robin Example", "Robin\x00 Example", 0},
		{"separators", "Example, Robin; PhD", "Example, Robin; PhD", "Example, Robin; PhD", 0},
		{"other scripts", "Робин 例", "Робин 例", "Робин 例", 0},
	} {
		t.Run(c.what, func(t *testing.T) {
			l := s.read(t, strings.Replace(s.Log, CallerName, c.cell, 1))
			s.sameLegs(t, c.what, l.Legs, c.shift)
			leg := l.Legs[1]
			if leg.FromName.Reveal() != c.want || !strings.Contains(leg.CallerID.Reveal(), c.raw) {
				t.Errorf("name %q, as logged %q", leg.FromName.Reveal(), leg.CallerID.Reveal())
			}
		})
	}
}

func (s suite) nothing(t *testing.T) {
	for what, log := range map[string]string{"no byte": "", "line breaks": "\n\r\n\n", "only a mark": "\xEF\xBB\xBF"} {
		if _, err := phone.Read(s.Format, strings.NewReader(log), options()); !errors.Is(err, phone.ErrEmpty) {
			t.Errorf("%s: %v, want ErrEmpty", what, err)
		}
	}
	if s.Header > 0 {
		l := s.read(t, strings.Join(s.lines[:s.Header], ""))
		if len(l.Legs) != 0 || l.Damaged() != 0 || l.Rows != s.Header {
			t.Errorf("only column names: %d legs, %d rows, %d damaged", len(l.Legs), l.Rows, l.Damaged())
		}
	}
	if _, err := phone.Read(s.Format, strings.NewReader(s.Log), phone.Options{}); err == nil || !strings.Contains(err.Error(), "time zone") {
		t.Errorf("without a zone: %v", err)
	}
}

// unknown reads what is no log of this format: one error, that says what was
// expected and shows nothing of the content.
func (s suite) unknown(t *testing.T) {
	canary := s.base.Legs[1].From.Reveal()
	for what, log := range map[string]string{
		"prose":         "Dear colleague,\n" + CallerName + " called from " + canary + ".\n",
		"another table": "id;" + canary + ";" + CallerName + "\n1;" + canary + ";x\n",
		"one column":    strings.Repeat(canary+"\n", 30),
		"an open quote": `"` + strings.Repeat(CallerName+"\n", 100),
		"binary":        strings.Repeat("\x1f\x8b\x08\x00\x00", 100),
	} {
		_, err := phone.Read(s.Format, strings.NewReader(log), options())
		if err == nil || errors.Is(err, phone.ErrEmpty) {
			t.Errorf("%s: %v", what, err)
			continue
		}
		s.noPHI(t, err.Error())
		if text := strings.ToLower(err.Error()); !strings.Contains(text, "expected") && !strings.Contains(text, "missing") || !strings.Contains(text, "found") {
			t.Errorf("%s: does not say what was expected and what was found: %v", what, err)
		}
	}
}

// clocks reads times that clocks show twice and times that they skip.
func (s suite) clocks(t *testing.T) {
	for _, c := range []struct {
		what, start, want string
		utc               bool
	}{
		{"summer", "2025-07-01 12:00:00", "2025-07-01T17:00:00Z", false},
		{"twice: the earlier", "2025-11-02 01:30:00", "2025-11-02T06:30:00Z", false},
		{"skipped: as if clocks had not been put forward", "2025-03-09 02:30:00", "2025-03-09T08:30:00Z", false},
		{"in UTC", "2025-11-02 01:30:00", "2025-11-02T01:30:00Z", true},
	} {
		opts := options()
		opts.UTC = c.utc
		l, err := phone.Read(s.Format, strings.NewReader(s.At(c.start)), opts)
		if err != nil || len(l.Legs) != 1 {
			t.Fatalf("%s: %d legs, %v", c.what, len(l.Legs), err)
		}
		if got := l.Legs[0].Start.UTC().Format(time.RFC3339); got != c.want {
			t.Errorf("%s: %s, want %s", c.what, got, c.want)
		}
	}
}

// streaming reads a log without end, and one whose reader fails.
func (s suite) streaming(t *testing.T) {
	endless := &repeater{head: strings.Join(s.lines[:s.Header], ""), body: strings.Join(s.lines[s.Header:], "")}
	stream, err := s.Format.Parse(endless, options())
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, err := range stream.Rows {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 100 {
			break
		}
	}
	if n != 100 || endless.given > 1<<20 {
		t.Errorf("%d rows took %d bytes", n, endless.given)
	}
	broken := errors.New("disk gone")
	l, err := phone.Read(s.Format, io.MultiReader(strings.NewReader(s.Log), failing{broken}), options())
	if !errors.Is(err, broken) {
		t.Errorf("a failing reader: %v", err)
	}
	s.sameLegs(t, "a failing reader", l.Legs, 0)
}

// repeater is a log without end.
type repeater struct {
	head, body string
	given      int
}

func (r *repeater) Read(p []byte) (int, error) {
	if r.head == "" {
		r.head = r.body
	}
	n := copy(p, r.head)
	r.head = r.head[n:]
	r.given += n
	return n, nil
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
