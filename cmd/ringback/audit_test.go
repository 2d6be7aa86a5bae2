package main

import (
	"bytes"
	"encoding/csv"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ringback-health/ringback/internal/auditreport"
)

const (
	weekendLog = "../../connectors/phone/asterisk/testdata/real-master-21-columns.csv"
	twoPhones  = "../../connectors/phone/asterisk/testdata/real-custom-19-columns.csv"
)

// auditOf runs the command and returns the folder of the report.
func auditOf(t *testing.T, want int, args ...string) (dir, out string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "report")
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), append([]string{"audit", "--out", dir}, args...), &stdout, &stderr); code != want {
		t.Fatalf("exit code %d, want %d\n%s%s", code, want, &stdout, &stderr)
	}
	return dir, stdout.String() + stderr.String()
}

func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// tableOf reads a table of the report, without its heading.
func tableOf(t *testing.T, dir, name string) []string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	records, err := csv.NewReader(bytes.NewReader(raw)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, r := range records[1:] {
		rows = append(rows, strings.Join(r, " | "))
	}
	return rows
}

// withCalls leaves out the hours and verdicts that no call has.
func withCalls(name string, rows []string) []string {
	column, counts := map[string]int{"hours.csv": 3, "verdicts.csv": 1}[name]
	return slices.DeleteFunc(rows, func(row string) bool { return counts && strings.Split(row, " | ")[column] == "0" })
}

// TestAuditOfTheWeekend holds every table against what was counted by hand in the file,
// which is a real PBX's weekend. What each of its 13 calls was stands, worked out row by
// row, in the test of the format (connectors/phone/asterisk/real_test.go). In short, with
// the callers as letters and the last digits of their numbers:
//
//	1   Sat 15:07:24  A ..73  announcement            missed   row 1
//	2   Sat 15:27:58  A ..73  announcement            missed   row 2
//	3   Sat 15:31:16  A ..73  announcement (11 s)     missed   row 3
//	4   Sat 15:33:20  A ..73  rang 60 s               missed   rows 4-6
//	5   Sat 16:16:36  A ..73  rang 40 s               missed   rows 7-13
//	6   Sun 00:18:21  B ..04  rang 23 s               missed   rows 14-20
//	7   Sun 01:13:18  C ..51  announcement (10 s)     missed   row 21
//	8   Sun 02:04:06  D ..47  talked 17 s             answered rows 22-26
//	9   Sun 03:20:22  E ..43  talked 23 s             answered rows 27-31
//	10  Sun 03:34:03  F ..58  announcement (11 s)     missed   row 32
//	11  Sun 03:34:43  F ..58  announcement (11 s)     missed   row 33
//	12  Sun 03:34:53  G ..98  talked 79 s             answered rows 34-38
//	13  Sun 03:39:25  F ..58  talked 43 s, ends 40:13 answered rows 39-40
//
// So there are four requests, A, B, C and F. F got through after 5 min 22 s; nobody rang
// anybody back, for the log has no outbound call; A, B and C wait until the log ends at
// Sun 03:40:13: 12 h 32 min 49 s, 3 h 21 min 52 s and 2 h 26 min 55 s.
func TestAuditOfTheWeekend(t *testing.T) {
	alwaysOpen := writeFile(t, "workflow.yaml", "zone: UTC\nhours: {sat: [\"00:00-24:00\"], sun: [\"00:00-24:00\"]}\n")
	dir, _ := auditOf(t, exitDone, weekendLog, "--hours", alwaysOpen)
	for name, want := range map[string][]string{
		"verdicts.csv": {
			"answered | 4 | 4 | 0",
			"abandoned-ring | 3 | 3 | 0",
			"abandoned-ivr | 6 | 6 | 0",
		},
		"hours.csv": {
			"Saturday | 15 | yes | 4 | 0 | 4 | 0",
			"Saturday | 16 | yes | 1 | 0 | 1 | 0",
			"Sunday | 0 | yes | 1 | 0 | 1 | 0",
			"Sunday | 1 | yes | 1 | 0 | 1 | 0",
			"Sunday | 2 | yes | 1 | 1 | 0 | 0",
			"Sunday | 3 | yes | 5 | 3 | 2 | 0",
		},
		"days.csv": {
			"2024-01-27 | yes | 5 | 0 | 5 | 0 | 0",
			"2024-01-28 | yes | 8 | 4 | 4 | 0 | 0",
		},
		// Open all weekend, so an hour is an hour. A's Saturday ends at midnight, B's and
		// C's Sunday after the log does.
		"unreturned.csv": {
			"one business hour | 4 | 0 | 1 | 3 | 0",
			"the same day | 4 | 0 | 1 | 1 | 2",
			"24 hours | 4 | 0 | 1 | 0 | 3",
			"the end of the log | 4 | 0 | 1 | 3 | 0",
		},
		"callers.csv": {
			"ends in 73 | 5 | 0 | 5 | 2024-01-27 15:07:24 +00:00 | 2024-01-27 16:16:36 +00:00 | still waiting",
			"ends in 58 | 3 | 1 | 2 | 2024-01-28 03:34:03 +00:00 | 2024-01-28 03:39:25 +00:00 | got through",
		},
		"missed-calls.csv": {
			"real-master-21-columns.csv | 1 | 2024-01-27 15:07:24 +00:00 | yes | abandoned-ivr | ends in 73 | still waiting | 752.82 | 752.82",
			"real-master-21-columns.csv | 2 | 2024-01-27 15:27:58 +00:00 | yes | abandoned-ivr | ends in 73 | still waiting | 732.25 | 732.25",
			"real-master-21-columns.csv | 3 | 2024-01-27 15:31:16 +00:00 | yes | abandoned-ivr | ends in 73 | still waiting | 728.95 | 728.95",
			"real-master-21-columns.csv | 4 | 2024-01-27 15:33:20 +00:00 | yes | abandoned-ring | ends in 73 | still waiting | 726.88 | 726.88",
			"real-master-21-columns.csv | 7 | 2024-01-27 16:16:36 +00:00 | yes | abandoned-ring | ends in 73 | still waiting | 683.62 | 683.62",
			"real-master-21-columns.csv | 14 | 2024-01-28 00:18:21 +00:00 | yes | abandoned-ring | ends in 04 | still waiting | 201.87 | 201.87",
			"real-master-21-columns.csv | 21 | 2024-01-28 01:13:18 +00:00 | yes | abandoned-ivr | ends in 51 | still waiting | 146.92 | 146.92",
			"real-master-21-columns.csv | 32 | 2024-01-28 03:34:03 +00:00 | yes | abandoned-ivr | ends in 58 | got through | 5.37 | 5.37",
			"real-master-21-columns.csv | 33 | 2024-01-28 03:34:43 +00:00 | yes | abandoned-ivr | ends in 58 | got through | 4.70 | 4.70",
		},
		"summary.csv": {
			"from | 2024-01-27 15:07:24 +00:00 |  | local time",
			"to | 2024-01-28 03:40:13 +00:00 |  | local time",
			"zone | UTC |  | ",
			"hours assumed | false |  | ",
			"calls from outside | 13 | 13 | ",
			"answered | 4 | 13 | ",
			"missed | 9 | 13 | ",
			"short | 0 | 13 | ",
			"calls in opening hours | 13 | 13 | ",
			"calls after hours | 0 | 13 | ",
			"not answered by a person in opening hours | 9 | 13 | ",
			"calls placed by the clinic | 0 | 0 | ",
			"calls placed by the clinic that were answered | 0 | 0 | ",
			"internal calls | 0 | 0 | ",
			"missed calls with a withheld number | 0 | 9 | ",
			"requests | 4 | 4 | ",
			"requests rung back | 0 | 4 | ",
			"requests rung back and reached at once | 0 | 0 | ",
			"requests that got through themselves | 1 | 4 | ",
			"requests still waiting | 3 | 4 | ",
			"requests of callers who rang again before anybody rang back | 2 | 4 | ",
			// Nobody was rung back, so all that is known is how long A has waited.
			"median time to first attempt by the clock | 752.82 | at least | minutes",
			"90th percentile of time to first attempt by the clock | 752.82 | at least | minutes",
			"longest wait of those still waiting by the clock | 752.82 |  | minutes",
			"median time to first attempt in opening hours | 752.82 | at least | minutes",
			"90th percentile of time to first attempt in opening hours | 752.82 | at least | minutes",
			"longest wait of those still waiting in opening hours | 752.82 |  | minutes",
			"repeat callers | 2 | 2 | ",
			"calls of repeat callers | 8 | 13 | ",
			// A, B, C: 3 x 10 % x 40 % and 3 x 30 % x 70 %, rounded away from each other.
			"callers probably lost | 3 |  | ",
			"new patients lost, low guess | 0 |  | ",
			"new patients lost, high guess | 1 |  | ",
			"rows that could not be read | 0 | 40 | ",
			"rows left out because another log had them | 0 | 40 | ",
			"open days without any call | 0 | 2 | ",
		},
	} {
		if diff := cmp.Diff(want, withCalls(name, tableOf(t, dir, name))); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestAuditOfAClosedWeekend: with the hours of a week of work all of it is after hours,
// and the first business hour after it is not in the log.
func TestAuditOfAClosedWeekend(t *testing.T) {
	dir, _ := auditOf(t, exitDone, weekendLog, "--zone", "UTC")
	if diff := cmp.Diff([]string{"answered | 4 | 0 | 4", "abandoned-ring | 3 | 0 | 3", "abandoned-ivr | 6 | 0 | 6"}, withCalls("verdicts.csv", tableOf(t, dir, "verdicts.csv"))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{
		"one business hour | 4 | 0 | 1 | 0 | 3", "the same day | 4 | 0 | 1 | 0 | 3", "24 hours | 4 | 0 | 1 | 0 | 3", "the end of the log | 4 | 0 | 1 | 3 | 0",
	}, tableOf(t, dir, "unreturned.csv")); diff != "" {
		t.Error(diff)
	}
}

// TestAuditInPieces: the weekend in several overlapping files, in the wrong order, is the
// weekend; only the names of files and the lines in them differ.
func TestAuditInPieces(t *testing.T) {
	lines := strings.SplitAfter(readFile(t, weekendLog), "\n")
	whole, _ := auditOf(t, exitDone, weekendLog, "--zone", "UTC")
	// The cuts go through the calls of rows 7-13 and 22-26.
	parts := []string{
		writeFile(t, "c.csv", strings.Join(lines[20:], "")),
		writeFile(t, "a.csv", strings.Join(lines[:10], "")),
		writeFile(t, "b.csv", strings.Join(lines[8:24], "")),
		writeFile(t, "empty.csv", ""),
	}
	pieces, _ := auditOf(t, exitDone, append(parts, "--zone", "UTC")...)
	for _, name := range auditreport.Files {
		switch name {
		case "missed-calls.csv":
			for dir, want := range map[string]int{whole: 9, pieces: 9} {
				if got := len(tableOf(t, dir, name)); got != want {
					t.Errorf("%d missed calls", got)
				}
			}
		case "summary.csv", "report.html": // tell of rows and files
		default:
			if diff := cmp.Diff(readFile(t, filepath.Join(whole, name)), readFile(t, filepath.Join(pieces, name))); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
	}
	// Rows 9, 10 and 21-24 stand in two files.
	if got := strings.Join(tableOf(t, pieces, "summary.csv"), "\n"); !strings.Contains(got, "rows left out because another log had them | 6 |") {
		t.Error(got)
	}
	if page := readFile(t, filepath.Join(pieces, "report.html")); !strings.Contains(page, "empty.csv is empty") {
		t.Error("the page does not say that a file is empty")
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// TestAuditOfTwoPhones: the other real log has 14 calls between two phones and none from
// outside.
func TestAuditOfTwoPhones(t *testing.T) {
	dir, _ := auditOf(t, exitDone, twoPhones, "--zone", "Europe/Moscow")
	summary := strings.Join(tableOf(t, dir, "summary.csv"), "\n")
	for _, want := range []string{"calls from outside | 0 | 0", "internal calls | 14 | 14", "requests | 0 | 0"} {
		if !strings.Contains(summary, want) {
			t.Errorf("%s is missing in\n%s", want, summary)
		}
	}
	if page := readFile(t, filepath.Join(dir, "report.html")); !strings.Contains(page, "No call from outside is in the log") {
		t.Error("the page does not say that there is no call")
	}
}
