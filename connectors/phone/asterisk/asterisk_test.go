package asterisk_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/connectors/phone"
	"github.com/ringback-health/ringback/connectors/phone/asterisk"
)

func chicago(t testing.TB) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("America/Chicago")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// TestSameCallsInEveryLayout: the five files hold the same four calls.
func TestSameCallsInEveryLayout(t *testing.T) {
	want := []struct {
		verdict calls.Verdict
		start   string
		talk    time.Duration
	}{
		{calls.VerdictAbandonedIVR, "08:01:00", 0},
		{calls.VerdictAbandonedRing, "08:05:00", 0},
		{calls.VerdictAnswered, "08:10:00", 79 * time.Second},
		{calls.VerdictVoicemail, "08:20:00", 0},
	}
	for file, layout := range map[string]string{
		"master-16-columns.csv": "cdr_csv (Master.csv), 16 columns, no uniqueid: calls are told apart by caller and time",
		"master-18-columns.csv": "cdr_csv (Master.csv), 18 columns, no linkedid: calls are told apart by uniqueid",
		"master-21-columns.csv": "cdr_csv (Master.csv), 21 columns",
		"custom-19-columns.csv": "cdr_custom, 19 columns, no linkedid: calls are told apart by uniqueid",
		"table-with-names.csv":  "CDR table with column names, 20 columns",
	} {
		t.Run(file, func(t *testing.T) {
			l := read(t, load(t, file), chicago(t))
			if l.Layout != layout || len(l.Warnings) != 0 {
				t.Errorf("layout %q, warnings %v", l.Layout, l.Warnings)
			}
			got := calls.Collapse(l.Legs, calls.DefaultRules())
			if len(got) != len(want) {
				t.Fatalf("%d sessions", len(got))
			}
			for i, s := range got {
				w := want[i]
				if s.Verdict != w.verdict || s.Talk != w.talk || s.StartedAt.In(chicago(t)).Format(time.TimeOnly) != w.start {
					t.Errorf("session %d: %s at %s, talk %s", i, s.Verdict, s.StartedAt, s.Talk)
				}
			}
			if got[1].FromName.Reveal() != "Robin Example" || got[2].AnsweredAt.In(chicago(t)).Format(time.TimeOnly) != "08:10:06" {
				t.Error("name or answer lost")
			}
		})
	}
}

// record is a row of 21 columns with these cells replaced.
func record(cells map[int]string) string {
	fields := []string{
		"", "2125550123", "2125550100", "from-pstn", `"Sam Sample" <2125550123>`, "SIP/trunk-00000001", "SIP/301-00000002", "Dial", "SIP/301,30",
		"2026-03-02 08:00:00", "2026-03-02 08:00:05", "2026-03-02 08:01:05", "65", "60", "ANSWERED", "DOCUMENTATION", "1772460000.1", "", "", "1772460000.1", "1",
	}
	for i, c := range cells {
		fields[i] = c
	}
	for i, f := range fields {
		fields[i] = `"` + strings.ReplaceAll(f, `"`, `""`) + `"`
	}
	return strings.Join(fields, ",") + "\n"
}

func TestCaller(t *testing.T) {
	for _, c := range []struct{ name, src, clid, from, fromName string }{
		{"name and number", "2125550123", `"Sam Sample" <2125550123>`, "2125550123", "Sam Sample"},
		{"name repeats the number", "2125550123", `"2125550123" <2125550123>`, "2125550123", ""},
		{"no name", "2125550123", `<2125550123>`, "2125550123", ""},
		{"empty quotes", "client1", `"" <client1>`, "client1", ""},
		{"quotes of its own", "2125550123", `"Sam "Sunny" Sample" <2125550123>`, "2125550123", `Sam "Sunny" Sample`},
		{"number only in the caller id", "", `"Sam Sample" <2125550123>`, "2125550123", "Sam Sample"},
		{"withheld", "anonymous", `"Anonymous" <anonymous>`, "", ""},
		{"withheld, everything empty", "", ``, "", ""},
		{"a name that is no UTF-8", "2125550123", "\"Jos\xe9\" <2125550123>", "2125550123", "Jos\uFFFD"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := read(t, record(map[int]string{1: c.src, 4: c.clid}), chicago(t))
			if len(l.Legs) != 1 {
				t.Fatalf("%+v", l.Explained)
			}
			leg := l.Legs[0]
			if leg.From.Reveal() != c.from || leg.FromName.Reveal() != c.fromName || leg.CallerID.Reveal() != c.clid {
				t.Errorf("from %q, name %q, caller id %q", leg.From.Reveal(), leg.FromName.Reveal(), leg.CallerID.Reveal())
			}
		})
	}
}

// TestQuotesNotDoubled: an old cdr_custom wrote the caller id into quotes as it was.
func TestQuotesNotDoubled(t *testing.T) {
	line := `""Sam Sample" <2125550123>","2125550123","2125550100","from-pstn","SIP/trunk-00000001","SIP/301-00000002","Dial","SIP/301,30",` +
		`"2026-03-02 08:00:00","","2026-03-02 08:00:20","20","0","NO ANSWER","DOCUMENTATION","","1772460000.1",""` + "\n"
	l := read(t, line+line, chicago(t))
	if len(l.Legs) != 2 || l.Legs[0].FromName.Reveal() != "Sam Sample" {
		t.Fatalf("%d legs, %+v", len(l.Legs), l.Explained)
	}
}

func TestDamagedRows(t *testing.T) {
	good := record(nil)
	for _, c := range []struct{ name, row, reason string }{
		{"no time", record(map[int]string{9: "yesterday"}), "the columns for start, end or disposition do not hold a time or a disposition"},
		{"no such disposition", record(map[int]string{14: "MAYBE"}), "the columns for start, end or disposition do not hold a time or a disposition"},
		{"length is no number", record(map[int]string{12: "long"}), "its duration is not a number of seconds"},
		{"talk is negative", record(map[int]string{13: "-1"}), "its billsec is not a number of seconds"},
		{"sequence is no number", record(map[int]string{20: "x"}), "its sequence is not a number"},
		{"too many columns", strings.TrimSuffix(good, "\n") + ",1\n", "22 columns that fit no layout; the rows before have 21"},
		{"two rows in one line", strings.TrimSuffix(good, "\n") + good, "41 columns that fit no layout; the rows before have 21"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := read(t, good+c.row+good, chicago(t))
			if len(l.Legs) != 2 || len(l.Explained) != 1 || !l.Explained[0].Damaged || l.Explained[0].Line != 2 || l.Explained[0].Reason != c.reason {
				t.Errorf("%d legs, explained %+v", len(l.Legs), l.Explained)
			}
		})
	}
}

// TestLayoutChanges: an upgrade adds columns in the middle of the file, and
// somebody put column names in.
func TestLayoutChanges(t *testing.T) {
	names := "accountcode,src,dst,dcontext,clid,channel,dstchannel,lastapp,lastdata,start,answer,end,duration,billsec,disposition,amaflags\n"
	l := read(t, load(t, "master-16-columns.csv")+names+load(t, "master-18-columns.csv")+load(t, "master-21-columns.csv"), chicago(t))
	if len(l.Legs) != 27 || l.Damaged() != 0 || len(l.Explained) != 1 || l.Explained[0].Line != 10 || l.Explained[0].Reason != "column names" {
		t.Fatalf("%d legs, explained %+v", len(l.Legs), l.Explained)
	}
	want := []string{
		"from line 11 on the layout is: cdr_csv (Master.csv), 18 columns, no linkedid: calls are told apart by uniqueid",
		"from line 20 on the layout is: cdr_csv (Master.csv), 21 columns",
	}
	if fmt.Sprint(l.Warnings) != fmt.Sprint(want) {
		t.Errorf("warnings %q", l.Warnings)
	}
}

// TestClocksPutBack: in the hour that clocks show twice the time stamp in the
// unique id says which one is meant, and answer and end follow from the start.
func TestClocksPutBack(t *testing.T) {
	for _, c := range []struct{ name, id, start, end string }{
		{"first time", "1762065000.1", "2025-11-02T06:30:00Z", "2025-11-02T06:31:05Z"},
		{"second time", "1762068600.1", "2025-11-02T07:30:00Z", "2025-11-02T07:31:05Z"},
		{"second time, id with the system's name", "pbx-1-1762068600.1", "2025-11-02T07:30:00Z", "2025-11-02T07:31:05Z"},
		{"no time stamp: the first", "call-1", "2025-11-02T06:30:00Z", "2025-11-02T06:31:05Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := read(t, record(map[int]string{
				9: "2025-11-02 01:30:00", 10: "2025-11-02 01:30:05", 11: "2025-11-02 01:31:05", 16: c.id, 19: c.id,
			}), chicago(t))
			leg := l.Legs[0]
			start, end := leg.Start.UTC().Format(time.RFC3339), leg.End.UTC().Format(time.RFC3339)
			if start != c.start || end != c.end || leg.Answer.Sub(leg.Start) != 5*time.Second {
				t.Errorf("%s to %s, answered %s", start, end, leg.Answer.UTC())
			}
		})
	}
	t.Run("over the change", func(t *testing.T) {
		l := read(t, record(map[int]string{
			9: "2025-11-02 01:59:30", 10: "2025-11-02 01:59:40", 11: "2025-11-02 01:00:30", 12: "60", 13: "50", 16: "1762066770.1", 19: "1762066770.1",
		}), chicago(t))
		if leg := l.Legs[0]; leg.End.Sub(leg.Start) != time.Minute || leg.End.Sub(leg.Answer) != 50*time.Second {
			t.Errorf("%s, %s, %s", leg.Start, leg.Answer, leg.End)
		}
	})
}

// TestWrongZone: the time stamps in the unique ids tell when the zone is not
// that of the log.
func TestWrongZone(t *testing.T) {
	log := load(t, "real-custom-19-columns.csv")
	l := read(t, log, chicago(t))
	if len(l.Warnings) != 1 || !strings.Contains(l.Warnings[0], "14 of 14 rows were written at UTC+03:00") || !strings.Contains(l.Warnings[0], "America/Chicago") {
		t.Errorf("warnings %q", l.Warnings)
	}
	l, err := phone.Read(asterisk.Format{}, strings.NewReader(load(t, "master-21-columns.csv")), phone.Options{Zone: chicago(t), UTC: true})
	if err != nil || len(l.Warnings) != 1 || !strings.Contains(l.Warnings[0], "UTC-06:00") {
		t.Errorf("usegmtime set and not true: %q, %v", l.Warnings, err)
	}
	weekend := load(t, "real-master-21-columns.csv")
	l, err = phone.Read(asterisk.Format{}, strings.NewReader(weekend), phone.Options{Zone: chicago(t), UTC: true})
	if err != nil || len(l.Warnings) != 0 {
		t.Errorf("usegmtime set and true: %q, %v", l.Warnings, err)
	}
}

// TestUserfield: the dialplan may say what the records cannot.
func TestUserfield(t *testing.T) {
	for cell, want := range map[string]calls.Verdict{
		"voicemail": calls.VerdictVoicemail, "Callback-Requested": calls.VerdictCallbackRequested, "after-hours": calls.VerdictAfterHours,
		"": calls.VerdictAbandonedIVR, "audio.wav": calls.VerdictAbandonedIVR, "answered": calls.VerdictAbandonedIVR,
	} {
		l := read(t, record(map[int]string{6: "", 7: "Hangup", 17: cell}), chicago(t))
		if got := calls.Collapse(l.Legs, calls.DefaultRules())[0].Verdict; got != want {
			t.Errorf("userfield %q: %s, want %s", cell, got, want)
		}
	}
}

// FuzzParse: no log makes the reader fail but with an error, and every row of
// every log is accounted for.
func FuzzParse(f *testing.F) {
	for _, file := range []string{"master-16-columns.csv", "master-21-columns.csv", "custom-19-columns.csv", "table-with-names.csv", "real-master-21-columns.csv"} {
		lines := strings.SplitAfter(load(f, file), "\n")
		f.Add(strings.Join(lines[:3], ""))
	}
	f.Add(record(map[int]string{4: "\"\xff\" <1>"}) + "\"\n\x00\n\"")
	zone := chicago(f)
	f.Fuzz(func(t *testing.T, log string) {
		l, err := phone.Read(asterisk.Format{}, strings.NewReader(log), phone.Options{Zone: zone})
		if err != nil {
			return
		}
		if err := l.Account(calls.Collapse(l.Legs, calls.DefaultRules())); err != nil {
			t.Fatal(err)
		}
	})
}
