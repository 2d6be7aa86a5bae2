package doctor_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ringback-health/ringback/internal/doctor"
)

var update = flag.Bool("update", false, "write the golden files")

func TestPrinter(t *testing.T) {
	findings := []doctor.Finding{
		{About: "configuration", Check: "file", Status: doctor.OK, What: "it can be read"},
		{About: "configuration", Check: "permissions", Status: doctor.Warning, Whose: doctor.You,
			What: "everybody may read keys.json (mode 0644)", Do: "run: chmod o= keys.json"},
		{About: "ehr main-ehr", Check: "rung", Status: doctor.Warning, Whose: doctor.Vendor, What: "callbacks are filed as Communication; that loses something",
			More: []string{"it has no due date", "what staff do with it is not seen: they close the callback in Ringback, and they have to know that they should, which takes two lines"},
			Do:   "tell the staff"},
		{About: "ehr main-ehr", Check: "a-name-longer-than-its-column", Status: doctor.Failed, Whose: doctor.Network,
			What: strings.Repeat("long words and ", 12) + strings.Repeat("x", 120), Do: strings.Repeat("do this and ", 12) + "that"},
		{About: "ehr main-ehr", Check: "tls", Status: doctor.Note, What: "a name \x1b[2J that\r\n would \u202emove the cursor", Do: "nothing"},
		{About: "ehr main-ehr", Check: "paging", Status: doctor.Skipped, What: "not tried, because no search had a second page"},
		{About: "ehr main-ehr", Check: "trip-create", Status: doctor.Skipped, What: "not tried, because there is nobody"},
		{About: "ehr main-ehr", Check: "trip-find", Status: doctor.Skipped, What: "not tried, because there is nobody"},
		{About: "ehr uptown-ehr", Check: "connection", Status: doctor.Skipped, What: "not tried, because there is nobody"},
	}
	var out bytes.Buffer
	p := doctor.NewPrinter(&out)
	for _, f := range findings {
		p.Print(f)
	}
	p.Close(doctor.Summarize(findings))
	const golden = "testdata/report.golden"
	if *update {
		if err := os.WriteFile(golden, out.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if out.String() != string(want) {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

// TestPrinterKeepsEveryWord: nothing is lost or joined by breaking lines, and no
// line is longer than it must be.
func TestPrinterKeepsEveryWord(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.StringMatching(`[a-zäß]{1,30}`), 1, 60).Draw(t, "words")
		f := doctor.Finding{About: "about", Check: "check", Status: doctor.Note, What: strings.Join(words, " "),
			More: []string{strings.Join(words, " ")}, Do: strings.Join(words, " ")}
		var out bytes.Buffer
		doctor.NewPrinter(&out).Print(f)
		said := strings.Fields(out.String())
		want := append([]string{"about", "note", "check"}, words...)
		want = append(append(append(append(want, "-"), words...), "→"), words...)
		if strings.Join(said, " ") != strings.Join(want, " ") {
			t.Fatalf("got  %q\nwant %q", said, want)
		}
		for line := range strings.Lines(out.String()) {
			if n := len([]rune(strings.TrimRight(line, "\n"))); n > 100 {
				t.Fatalf("%d columns: %s", n, line)
			}
			if strings.TrimRight(line, " \n") != strings.TrimRight(line, "\n") {
				t.Fatalf("blanks at the end: %q", line)
			}
		}
	})
}

func TestSummary(t *testing.T) {
	for _, c := range []struct {
		s    []doctor.Status
		code int
		said string
	}{
		{[]doctor.Status{doctor.OK, doctor.OK, doctor.Note}, 0, "2 ok, 1 note. Nothing is wrong."},
		{[]doctor.Status{doctor.OK, doctor.Warning, doctor.Skipped}, 0, "1 warn, 1 ok, 1 skipped. Nothing failed; the warnings say what is lost."},
		{[]doctor.Status{doctor.Skipped, doctor.Failed}, 1, "1 failed, 1 skipped. Begin with the first FAIL: what comes after it may follow from it."},
		{[]doctor.Status{doctor.Failed, doctor.Warning, doctor.Failed}, 1, "2 failed, 1 warn. Begin with the first FAIL: what comes after it may follow from it."},
	} {
		var findings []doctor.Finding
		for _, s := range c.s {
			findings = append(findings, doctor.Finding{Status: s})
		}
		if s := doctor.Summarize(findings); s.ExitCode() != c.code || s.String() != c.said {
			t.Errorf("%v: %d %q", c.s, s.ExitCode(), s)
		}
	}
}

func TestReportAsJSON(t *testing.T) {
	raw, err := json.Marshal(doctor.NewReport(nil))
	if want := `{"findings":[],"summary":{"ok":0,"notes":0,"warnings":0,"failed":0,"skipped":0}}`; err != nil || string(raw) != want {
		t.Errorf("%s %v", raw, err)
	}
}
