package threecx_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/connectors/phone"
	"github.com/ringback-health/ringback/connectors/phone/phonetest"
	"github.com/ringback-health/ringback/connectors/phone/threecx"
	"github.com/ringback-health/ringback/internal/redact"
)

func load(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func chicago(t testing.TB) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("America/Chicago")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func read(t testing.TB, f threecx.Format, log string) phone.Log {
	t.Helper()
	l, err := phone.Read(f, strings.NewReader(log), phone.Options{Zone: chicago(t)})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func slashed(start string) string { return strings.ReplaceAll(start, "-", "/") }

func TestConformance(t *testing.T) {
	for _, c := range []struct {
		file   string
		header int
		at     func(string) string
	}{
		{"cdr-27-columns.log", 0, func(s string) string {
			return "Call 1,a_1,," + slashed(s) + ",,,TerminatedBySrc,12125550101,Ext.100,,,,,,,,,,,,external_line,extension,,,,,\n"
		}},
		{"cdr-27-kinds-last.log", 0, func(s string) string {
			return "Call 1,a_1,," + slashed(s) + ",,,TerminatedBySrc,12125550101,Ext.100,,,,,,,,,,,,,,,,external_line,extension,\n"
		}},
		{"cdr-with-names.csv", 1, func(s string) string { return "time-start,from-no,to-no\n" + s + ",12125550101,Ext.100\n" }},
	} {
		t.Run(c.file, func(t *testing.T) {
			phonetest.Run(t, phonetest.Case{Format: threecx.Format{}, Log: load(t, c.file), Header: c.header, At: c.at})
		})
	}
	t.Run("configured columns", func(t *testing.T) {
		f := threecx.Format{Columns: []string{"from-no", "to-no", "from-dispname", "time-start", "site"}}
		phonetest.Run(t, phonetest.Case{Format: f, Log: strings.Join([]string{
			`12125550101,Ext.100,,2026/03/02 08:00:00,north`, `12125550102,Ext.100,"Robin Example",2026/03/02 08:01:00,north`,
			`12125550103,Ext.100,,2026/03/02 08:02:00,north`, `12125550104,Ext.100,,2026/03/02 08:03:00,north`, "",
		}, "\n"), At: func(s string) string { return "12125550101,Ext.100,," + slashed(s) + ",north\n" }})
	})
}

// TestSameCallsInEveryLayout: the files hold the same six calls.
func TestSameCallsInEveryLayout(t *testing.T) {
	want := []struct {
		verdict calls.Verdict
		start   string
		talk    time.Duration
	}{
		{calls.VerdictAbandonedRing, "08:00:00", 0},
		{calls.VerdictAnswered, "08:01:00", 0}, // behind a queue: nobody says when
		{calls.VerdictAbandonedQueue, "08:10:00", 0},
		{calls.VerdictAnswered, "08:20:00", 100 * time.Second},
		{calls.VerdictOutbound, "08:30:00", 40 * time.Second},
		{calls.VerdictVoicemail, "08:40:00", 0},
	}
	for file, f := range map[string]threecx.Format{
		"cdr-27-columns.log": {}, "cdr-27-kinds-last.log": {}, "cdr-with-names.csv": {}, "cdr-20-columns.log": {Queues: []string{"800"}},
	} {
		t.Run(file, func(t *testing.T) {
			l := read(t, f, load(t, file))
			got := calls.Collapse(l.Legs, calls.DefaultRules())
			if len(got) != len(want) || l.Damaged() != 0 {
				t.Fatalf("%d sessions, %d damaged", len(got), l.Damaged())
			}
			for i, s := range got {
				w := want[i]
				if file == "cdr-20-columns.log" && i == 1 {
					if len(l.Warnings) != 1 {
						t.Errorf("warnings: %v", l.Warnings)
					}
				} else if s.Talk != w.talk {
					t.Errorf("call %d: talk %s", i, s.Talk)
				}
				if s.Verdict != w.verdict || s.StartedAt.In(chicago(t)).Format(time.TimeOnly) != w.start {
					t.Errorf("call %d: %s %v at %s", i, s.Verdict, s.Reasons, s.StartedAt)
				}
			}
			if got[0].From.Reveal() != "12125550101" || got[0].To.Reveal() != "100" || got[4].To.Reveal() != "912125550105" {
				t.Error("who called whom is wrong")
			}
			if file != "cdr-20-columns.log" && (got[1].FromName.Reveal() != phonetest.CallerName || !strings.Contains(got[2].Reasons[0], "2 phones")) {
				t.Errorf("name or members lost: %v", got[2].Reasons)
			}
		})
	}
	if l := read(t, threecx.Format{}, load(t, "cdr-20-columns.log")); len(l.Warnings) != 1 || !strings.Contains(l.Warnings[0], "3 calls count as answered") {
		t.Errorf("without kinds and without the numbers of queues: %v", l.Warnings)
	}
}

// columns are those of TestEndings.
const columns = "callid,time-start,time-answered,time-end,reason-terminated,from-no,to-no,final-number,from-type,to-type,final-type,missed-queue-calls\n"

func TestEndings(t *testing.T) {
	const start, answer, hangup = "2026-03-02 08:00:00", "2026-03-02 08:00:10", "2026-03-02 08:01:00"
	for _, c := range []struct {
		what string
		rows []string
		want calls.Verdict
	}{
		{"busy", []string{"c," + start + ",," + hangup + ",busy,12125550101,Ext.100,,external_line,extension,,"}, calls.VerdictBusy},
		{"declined", []string{"c," + start + ",," + hangup + ",rejected,12125550101,Ext.100,,external_line,extension,,"}, calls.VerdictRejected},
		{"no route", []string{"c," + start + ",," + hangup + ",no_route,12125550101,999,,external_line,inbound_routing,,"}, calls.VerdictFailed},
		{"queue that answers late", []string{"c," + start + ",," + hangup + ",TerminatedBySrc,12125550101,Ext.800,,external_line,queue,,"}, calls.VerdictAbandonedQueue},
		{"menu", []string{"c," + start + "," + start + "," + hangup + ",TerminatedBySrc,12125550101,Ext.801,,external_line,Ivr,,"}, calls.VerdictAbandonedIVR},
		{"menu, then a person", []string{"c," + start + "," + start + "," + hangup + ",TerminatedBySrc,12125550101,Ext.801,Ext.100,external_line,ivr,Extension,"}, calls.VerdictAnswered},
		{"ring group", []string{"c," + start + "," + answer + "," + hangup + ",TerminatedBySrc,12125550101,Ext.802,,external_line,ring_group_ring_all,,"}, calls.VerdictAnswered},
		{"ring group, nobody", []string{"c," + start + ",," + hangup + ",TerminatedBySrc,12125550101,Ext.802,,external_line,ring_group_ring_all,,"}, calls.VerdictAbandonedRing},
		{"forwarded to a mobile", []string{"c," + start + "," + answer + "," + hangup + ",TerminatedBySrc,12125550101,Ext.100,12125550199,external_line,extension,external_line,"}, calls.VerdictAnswered},
		{"mailbox by its number", []string{"c," + start + "," + answer + "," + hangup + ",TerminatedBySrc,12125550101,Ext.100,VMail.100,external_line,extension,,"}, calls.VerdictVoicemail},
		{"a kind of tomorrow", []string{"c," + start + "," + answer + "," + hangup + ",TerminatedBySrc,12125550101,Ext.100,Ext.900,external_line,extension,hologram,"}, calls.VerdictAbandonedRing},
		{"hung up at once", []string{"c," + start + ",,2026-03-02 08:00:03,TerminatedBySrc,12125550101,Ext.100,,external_line,extension,,"}, calls.VerdictShort},
		{"colleagues", []string{"c," + start + ",," + hangup + ",TerminatedBySrc,Ext.101,Ext.100,,extension,extension,,"}, calls.VerdictInternal},
		{"withheld", []string{"c," + start + ",," + hangup + ",TerminatedBySrc,anonymous,Ext.100,,external_line,extension,,"}, calls.VerdictAbandonedRing},
		{"two records, the second answered", []string{
			"c," + start + ",," + answer + ",continued_in,12125550101,Ext.800,,external_line,queue,,",
			"c," + answer + "," + answer + "," + hangup + ",dst_participant_terminated,12125550101,Ext.100,,external_line,extension,,",
		}, calls.VerdictAnswered},
		{"a queue that passed the caller on", []string{
			"c," + start + ",," + answer + ",continued_in,12125550101,Ext.800,,external_line,queue,,",
			"c," + answer + ",," + hangup + ",src_participant_terminated,12125550101,Ext.100,,external_line,extension,,",
		}, calls.VerdictAbandonedRing},
		{"two records, nobody", []string{
			"c," + start + ",," + answer + ",polling,12125550101,Ext.101,,external_line,extension,,",
			"c," + start + "," + start + "," + hangup + ",src_participant_terminated,12125550101,Ext.800,,external_line,queue,,Ext.101;",
		}, calls.VerdictAbandonedQueue},
		{"only the record that goes on", []string{"c," + start + ",," + hangup + ",redirected,12125550101,Ext.101,,external_line,extension,,"}, calls.VerdictAbandonedRing},
	} {
		l := read(t, threecx.Format{}, columns+strings.Join(c.rows, "\n")+"\n")
		got := calls.Collapse(l.Legs, calls.DefaultRules())
		if len(got) != 1 || got[0].Verdict != c.want {
			t.Errorf("%s: %+v", c.what, got)
		}
	}
	if l := read(t, threecx.Format{}, columns+"c,"+start+",,"+hangup+",x,12125550101,888,,external_line,Fax,,\n"); len(l.Legs) != 0 || l.Damaged() != 0 {
		t.Error("a fax is a call")
	}
}

func TestOrderMakesNoDifference(t *testing.T) {
	l := read(t, threecx.Format{}, load(t, "cdr-27-columns.log"))
	want := calls.Collapse(l.Legs, calls.DefaultRules())
	rapid.Check(t, func(rt *rapid.T) {
		legs := append([]calls.Leg{}, l.Legs...)
		for range rapid.IntRange(0, 4).Draw(rt, "doubled") {
			legs = append(legs, l.Legs[rapid.IntRange(0, len(l.Legs)-1).Draw(rt, "which")])
		}
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "order"), 1))
		r.Shuffle(len(legs), func(i, j int) { legs[i], legs[j] = legs[j], legs[i] })
		if d := cmp.Diff(want, calls.Collapse(legs, calls.DefaultRules()), cmp.AllowUnexported(redact.Text{})); d != "" {
			rt.Fatal(d)
		}
	})
}

func TestLayoutChanges(t *testing.T) {
	log := load(t, "cdr-20-columns.log") + load(t, "cdr-27-columns.log")
	l := read(t, threecx.Format{Queues: []string{"800"}}, log)
	if len(l.Legs) != 12 || l.Damaged() != 0 || !strings.Contains(strings.Join(l.Warnings, "\n"), "from line 7 on the layout is: default order, 27 columns") {
		t.Errorf("%d legs, %v", len(l.Legs), l.Warnings)
	}
	// Fewer columns than before is what a torn row looks like.
	l = read(t, threecx.Format{}, load(t, "cdr-27-columns.log")+load(t, "cdr-20-columns.log"))
	if len(l.Legs) != 6 || l.Damaged() != 6 {
		t.Errorf("%d legs, %d damaged", len(l.Legs), l.Damaged())
	}
}

func TestTimes(t *testing.T) {
	for what, c := range map[string]struct{ row, start, end string }{
		"no end":                          {"c,2026-03-02 08:00:00,2026-03-02 08:00:10,,00:00:50,12125550101,Ext.100", "14:00:00", "14:01:00"},
		"an end before the start is none": {"c,2026-03-02 08:00:00,,2026-03-02 07:00:00,,12125550101,Ext.100", "14:00:00", "00:00:00"},
		"a day long":                      {"c,2026-03-02 08:00:00,2026-03-02 08:00:00,,1.00:00:05,12125550101,Ext.100", "14:00:00", "14:00:05"},
		"clocks put back meanwhile":       {"c,2026-11-01 01:55:00,2026-11-01 01:55:10,2026-11-01 01:05:10,00:10:00,12125550101,Ext.100", "06:55:00", "07:05:10"},
	} {
		l := read(t, threecx.Format{}, "callid,time-start,time-answered,time-end,duration,from-no,to-no\n"+c.row+"\n")
		if len(l.Legs) != 1 || l.Legs[0].Start.UTC().Format(time.TimeOnly) != c.start || l.Legs[0].End.UTC().Format(time.TimeOnly) != c.end {
			t.Errorf("%s: %+v", what, l.Legs)
		}
	}
}

func TestConfig(t *testing.T) {
	for what, f := range map[string]threecx.Format{
		"nothing known":  {Columns: []string{"a", "b"}},
		"twice":          {Columns: []string{"time-start", "from-no", "to-no", "from-no"}},
		"a queue's name": {Queues: []string{"front"}},
		"an empty menu":  {Menus: []string{""}},
	} {
		if f.Validate() == nil {
			t.Errorf("%s: taken", what)
		}
		if _, err := f.Parse(strings.NewReader("x"), phone.Options{Zone: time.UTC}); err == nil {
			t.Errorf("%s: parsed", what)
		}
	}
	f := threecx.Format{Columns: []string{"From_No", "To_No", "Time_Start"}}
	l := read(t, f, "from-no,to-no,time-start\n12125550101,Ext.100,2026/03/02 08:00:00\n")
	if len(l.Legs) != 1 || len(l.Columns) != 3 || l.Columns[0].Field != "from-no" {
		t.Errorf("%d legs, %v", len(l.Legs), l.Columns)
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"cdr-27-columns.log", "cdr-27-kinds-last.log", "cdr-20-columns.log", "cdr-with-names.csv"} {
		f.Add(load(f, name))
	}
	f.Add("time-start,from-no,to-no\n2026-03-02 08:00:00,\"1,2\n")
	zone := chicago(f)
	f.Fuzz(func(t *testing.T, log string) {
		for _, format := range []threecx.Format{{}, {Columns: []string{"from-no", "to-no", "time-start", "time-end", "duration"}, Queues: []string{"800"}}} {
			l, err := phone.Read(format, strings.NewReader(log), phone.Options{Zone: zone})
			if err != nil {
				continue
			}
			if err := l.Account(calls.Collapse(l.Legs, calls.DefaultRules())); err != nil {
				t.Error(err)
			}
			for _, leg := range l.Legs {
				if leg.Start.IsZero() || !leg.End.IsZero() && leg.End.Before(leg.Start) || leg.Talk < 0 {
					t.Errorf("a leg from %s to %s, talk %s", leg.Start, leg.End, leg.Talk)
				}
			}
		}
	})
}
