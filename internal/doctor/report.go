package doctor

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Summary counts findings by how they went.
type Summary struct {
	OK       int `json:"ok"`
	Notes    int `json:"notes"`
	Warnings int `json:"warnings"`
	Failed   int `json:"failed"`
	Skipped  int `json:"skipped"`
}

// Summarize counts findings.
func Summarize(findings []Finding) Summary {
	var s Summary
	for _, f := range findings {
		switch f.Status {
		case OK:
			s.OK++
		case Note:
			s.Notes++
		case Warning:
			s.Warnings++
		case Failed:
			s.Failed++
		case Skipped:
			s.Skipped++
		}
	}
	return s
}

// ExitCode is 1 when a check failed, else 0: warnings are allowed.
func (s Summary) ExitCode() int {
	if s.Failed > 0 {
		return 1
	}
	return 0
}

// String says the counts, and what they mean, in one line.
func (s Summary) String() string {
	var counts []string
	for _, c := range []struct {
		n    int
		noun string
	}{
		{s.Failed, "failed"}, {s.Warnings, "warn"}, {s.OK, "ok"}, {s.Notes, "note"}, {s.Skipped, "skipped"},
	} {
		if c.n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", c.n, c.noun))
		}
	}
	said := strings.Join(counts, ", ")
	switch {
	case s.Failed > 0:
		return said + ". Begin with the first FAIL: what comes after it may follow from it."
	case s.Warnings > 0:
		return said + ". Nothing failed; the warnings say what is lost."
	default:
		return said + ". Nothing is wrong."
	}
}

// Report is all that was found, for a program.
type Report struct {
	Findings []Finding `json:"findings"`
	Summary  Summary   `json:"summary"`
}

// NewReport returns the report of findings; none are an empty list.
func NewReport(findings []Finding) Report {
	return Report{Findings: append([]Finding{}, findings...), Summary: Summarize(findings)}
}

// The columns of what a person reads.
const (
	signWidth  = 4
	checkWidth = 19
	indent     = 2 + signWidth + 2 + checkWidth + 1
	lineWidth  = 100
)

var signs = map[Status]string{OK: "ok", Note: "note", Warning: "warn", Failed: "FAIL", Skipped: "skip"}

// Printer writes findings for a person, each as it comes, under a heading that
// says what they are about. What was skipped for the same reason is one line.
type Printer struct {
	w       io.Writer
	about   string
	skipped []Finding // not written yet
}

// NewPrinter returns a printer that writes to w.
func NewPrinter(w io.Writer) *Printer { return &Printer{w: w} }

// Print writes one finding: a line, what belongs to it, and what to do.
func (p *Printer) Print(f Finding) {
	if n := len(p.skipped); n > 0 && (f.Status != Skipped || f.About != p.skipped[0].About || f.What != p.skipped[0].What) {
		p.flush()
	}
	if f.Status == Skipped {
		p.skipped = append(p.skipped, f)
		return
	}
	p.print(f)
}

// flush writes what was skipped.
func (p *Printer) flush() {
	if len(p.skipped) == 0 {
		return
	}
	f := p.skipped[0]
	if n := len(p.skipped); n > 1 {
		var names []string
		for _, s := range p.skipped {
			names = append(names, s.Check)
		}
		f.Check = fmt.Sprintf("%d checks", n)
		f.More = []string{strings.Join(names, ", ")}
	}
	p.skipped = nil
	p.print(f)
}

func (p *Printer) print(f Finding) {
	if f.About != p.about {
		if p.about != "" {
			fmt.Fprintln(p.w)
		}
		fmt.Fprintln(p.w, printable(f.About))
		p.about = f.About
	}
	head := fmt.Sprintf("  %-*s  %-*s ", signWidth, signs[f.Status], checkWidth, f.Check)
	p.lines(head, "", f.What)
	margin := strings.Repeat(" ", indent)
	for _, line := range f.More {
		p.lines(margin+"- ", "  ", line)
	}
	if f.Do == "" {
		return
	}
	whose := ""
	if f.Whose != Nobody {
		whose = string(f.Whose) + ": "
	}
	p.lines(margin+"→ ", "  ", whose+f.Do)
}

// Close writes what is left, and the last line.
func (p *Printer) Close(s Summary) {
	p.flush()
	fmt.Fprintf(p.w, "\n%s\n", s)
}

// lines writes text behind head, broken between words; hang is what further lines
// are set in beside the margin.
func (p *Printer) lines(head, hang, text string) {
	var line strings.Builder
	line.WriteString(head)
	used, fresh := utf8.RuneCountInString(head), true
	for _, word := range strings.Fields(printable(text)) {
		n := utf8.RuneCountInString(word)
		switch {
		case fresh:
		case used+1+n > lineWidth:
			fmt.Fprintln(p.w, strings.TrimRight(line.String(), " "))
			line.Reset()
			line.WriteString(strings.Repeat(" ", indent) + hang)
			used = indent + len(hang)
		default:
			line.WriteByte(' ')
			used++
		}
		line.WriteString(word)
		used, fresh = used+n, false
	}
	fmt.Fprintln(p.w, strings.TrimRight(line.String(), " "))
}

// printable takes out what could move the cursor: some texts hold names that came
// from the other side, as those in a certificate.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
}
