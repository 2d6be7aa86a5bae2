package auditreport

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback/audit"
	"github.com/ringback-health/ringback/callback/businesstime"
	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/internal/config"
	"github.com/ringback-health/ringback/internal/redact"
)

// input is a report of some calls, with all that may stand in one.
func input(assumed bool) Input {
	begin := time.Date(2026, 3, 2, 15, 0, 0, 0, time.UTC)
	z, err := time.LoadLocation("America/New_York")
	if err != nil {
		panic(err)
	}
	a := audit.New(audit.Options{Calendar: businesstime.Weekdays(z), HoursAssumed: assumed, Loss: audit.DefaultAssumptions()})
	for i, c := range []struct {
		minute int
		v      calls.Verdict
		number string
	}{
		{0, calls.VerdictVoicemail, "+12125550123"}, {9, calls.VerdictVoicemail, "+12125550123"}, {30, calls.VerdictOutbound, "+12125550123"},
		{5, calls.VerdictAbandonedRing, "=HYPERLINK(2125550124)"}, {600, calls.VerdictAnswered, "+12125550125"}, {700, calls.VerdictBusy, ""},
		{800, calls.VerdictShort, "301"},
	} {
		s := calls.Session{StartedAt: begin.Add(time.Duration(c.minute) * time.Minute), Verdict: c.v, Rows: []int{i + 1}}
		s.From, s.To = redact.NewText(c.number), redact.NewText(c.number)
		a.Add(s)
	}
	a.AddVisits([]audit.Visit{{Numbers: []redact.Text{redact.NewText("+12125550123")}, Start: begin.Add(48 * time.Hour)}})
	return Input{Report: a.Report(), Region: "US", Made: begin, Version: "test", Late: 1, Repeated: 2, Appointments: &Source{File: "visits.csv"},
		Sources: []Source{{File: "=cmd|<script>.csv", Format: "generic", Layout: "6 columns", Rows: 8, Damaged: 1, Notes: []string{"line 7: its quotes do not match"}, Unused: []string{"Notes"}}, {File: "b.csv", Empty: true}}}
}

// TestNoNumbers: neither page nor tables hold a number, and no cell is a formula.
func TestNoNumbers(t *testing.T) {
	dir := t.TempDir()
	if err := Write(dir, input(true)); err != nil {
		t.Fatal(err)
	}
	for _, name := range Files {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		text := string(raw)
		for _, secret := range []string{"555012", "2125550", "HYPERLINK"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s holds %s", name, secret)
			}
		}
		if strings.HasSuffix(name, ".csv") && (strings.HasPrefix(text, "=") || strings.Contains(text, "\n=") || strings.Contains(text, ",=")) {
			t.Errorf("%s holds a formula", name)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != len(Files) {
		t.Errorf("%d files, want %d (%v)", len(entries), len(Files), err)
	}
}

func TestGuard(t *testing.T) {
	for cell, want := range map[string]string{"": "", "12": "12", "=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@x": "'@x", "\t=1": "'\t=1", "a=1": "a=1"} {
		if got := guard(cell); got != want {
			t.Errorf("%q becomes %q, want %q", cell, got, want)
		}
	}
}

// TestPage: the page loads nothing, runs nothing, and says what is doubtful.
func TestPage(t *testing.T) {
	var b bytes.Buffer
	if err := HTML(&b, input(true)); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	for _, never := range []string{"<script", "http://", "https://", "src=", "ZgotmplZ", "<no value>", "%!"} {
		if strings.Contains(page, never) {
			t.Errorf("the page holds %s", never)
		}
	}
	for _, want := range []string{"line 7: its quotes do not match", "b.csv is empty", "No opening hours were given", "ends in 23", "1 row stands more than a day", "Not used: Notes"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	b.Reset()
	empty := Input{Report: audit.New(audit.Options{Calendar: businesstime.Weekdays(time.UTC)}).Report()}
	if err := HTML(&b, empty); err != nil || !strings.Contains(b.String(), "not one call") {
		t.Errorf("a log without calls: %v", err)
	}
}

// TestWorkflow: the suggested file is one that can be given back.
func TestWorkflow(t *testing.T) {
	for _, assumed := range []bool{true, false} {
		in := input(assumed)
		var b bytes.Buffer
		if err := Workflow(&b, in); err != nil {
			t.Fatal(err)
		}
		h, err := config.ParseHours(b.Bytes())
		if err != nil {
			t.Fatalf("%v\n%s", err, &b)
		}
		cal, err := h.Calendar()
		if err != nil || h.Region != "US" || cal.Zone.String() != "America/New_York" {
			t.Errorf("%+v, %v", h, err)
		}
		for d := range cal.Week {
			if got, want := spansOf(cal.Week[d], ""), spansOf(in.Report.Suggested.Week[d], ""); got != want {
				t.Errorf("%s: %s, want %s", time.Weekday(d), got, want)
			}
		}
	}
}
