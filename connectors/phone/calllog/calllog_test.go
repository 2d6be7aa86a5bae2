package calllog_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/connectors/phone"
	"github.com/ringback-health/ringback/connectors/phone/calllog"
)

// call is a session in the form of a table row.
type call struct {
	id, from, to string
	verdict      calls.Verdict
	rows         []int
	talk         time.Duration
	why          string
}

func sessions(t testing.TB, l phone.Log) []call {
	t.Helper()
	var out []call
	got := calls.Collapse(l.Legs, calls.DefaultRules())
	if err := l.Account(got); err != nil {
		t.Fatal(err)
	}
	for _, s := range got {
		out = append(out, call{s.ID, s.From.Reveal(), s.To.Reveal(), s.Verdict, s.Rows, s.Talk, s.Reasons[0]})
	}
	return out
}

func TestFiles(t *testing.T) {
	for _, c := range []struct {
		file     string
		layout   string
		want     []call
		warnings []string
	}{
		{"ringcentral.csv", `10 columns separated by commas, named on line 1; how a call ended stands in "Action Result"`, []call{
			{"at-20260302T140100Z", "(212) 555-0131", "", calls.VerdictAnswered, []int{2}, 125 * time.Second, `the log says "accepted"`},
			{"at-20260302T140500Z", "(212) 555-0132", "", calls.VerdictAbandonedRing, []int{3}, 0, `the log says "missed"`},
			{"at-20260302T141000Z", "(212) 555-0133", "", calls.VerdictVoicemail, []int{4}, 0, `the log says "voicemail"`},
			{"at-20260302T143000Z", "", "(212) 555-0132", calls.VerdictOutbound, []int{5}, 190 * time.Second, "the log says outbound"},
			{"at-20260302T181000Z", "", "", calls.VerdictAbandonedRing, []int{6}, 0, `the log says "hang up"`},
		}, nil},
		// CA01 was completed, and so was the leg to a phone below it (CA03). CA02
		// was completed just the same, by the program that tried the phone (CA04:
		// no answer) and then perhaps took a message.
		{"twilio-with-parents.csv", `12 columns separated by commas, named on line 1; how a call ended stands in "status"`, []call{
			{"CA01", "+12125550131", "+12125550100", calls.VerdictAnswered, []int{2, 4}, 120 * time.Second, "a leg to a person was completed with talk"},
			{"CA02", "+12125550132", "+12125550100", calls.VerdictAbandonedRing, []int{3, 5}, 0, `the log says "no answer"`},
			{"CA05", "+12125550100", "+12125550134", calls.VerdictOutbound, []int{6}, 0, "the log says outbound"},
		}, nil},
		{"twilio-status-only.csv", `8 columns separated by commas, named on line 1; how a call ended stands in "Status"`, []call{
			{"CA01", "+12125550131", "+12125550100", calls.VerdictAnswered, []int{2}, 125 * time.Second, "a guess: the log says that the call was completed and how long it was, not that a person answered"},
			{"CA02", "+12125550132", "+12125550100", calls.VerdictAbandonedRing, []int{3}, 0, `the log says "no answer"`},
			{"CA03", "+12125550133", "+12125550100", calls.VerdictAbandonedRing, []int{4}, 0, "the log says that the call was completed, and no length; nobody is known to have answered"},
			{"CA04", "+12125550134", "+12125550100", calls.VerdictBusy, []int{5}, 0, `the log says "busy"`},
		}, []string{"1 calls count as answered only because they had a length; a mailbox or a menu may have taken them. Export the log with a column for the result or the answer"}},
		{"semicolons.csv", "7 columns separated by semicolons, named on line 4; no column says how a call ended", []call{
			{"at-20260302T140100Z", "2125550131", "2125550100", calls.VerdictAnswered, []int{5}, 125 * time.Second, "the log says that it was answered"},
			{"at-20260302T140500Z", "2125550132", "2125550100", calls.VerdictAbandonedRing, []int{6}, 0, "the log says that it was not answered"},
			{"at-20260302T141000Z", "2125550133", "2125550100", calls.VerdictVoicemail, []int{7}, 0, "the log says that there is a voicemail"},
			{"at-20260302T142000Z", "", "2125550100", calls.VerdictAbandonedRing, []int{8}, 0, "the log says that it was not answered"},
		}, []string{"no column says who called whom; calls from long numbers count as inbound"}},
	} {
		t.Run(c.file, func(t *testing.T) {
			l := read(t, load(t, c.file))
			if l.Layout != c.layout {
				t.Errorf("layout %q", l.Layout)
			}
			if diff := cmp.Diff(c.want, sessions(t, l), cmp.AllowUnexported(call{})); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(c.warnings, l.Warnings); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestColumns: the log is told what each of its columns was taken for, and
// which are not used.
func TestColumns(t *testing.T) {
	got := read(t, load(t, "twilio-with-parents.csv")).Columns
	want := []phone.Column{
		{Header: "sid", Field: "call id"}, {Header: "parent_call_sid", Field: "parent call id"}, {Header: "from", Field: "caller number"},
		{Header: "to", Field: "called number"}, {Header: "caller_name", Field: "caller name"}, {Header: "status", Field: "result"},
		{Header: "start_time", Field: "start time"}, {Header: "end_time", Field: "end time"}, {Header: "duration", Field: "duration"},
		{Header: "direction", Field: "direction"}, {Header: "answered_by"}, {Header: "price"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	got = read(t, "startTime,callSid,From Number,Call Status,Disposition\n2026-03-02 08:00:00,CA1,2125550123,completed,missed\n").Columns
	if got[3].Field != "" || got[4].Field != "result" || got[0].Field != "start time" || got[1].Field != "call id" {
		t.Errorf("of two results the better one counts: %+v", got)
	}
}

// TestWords reads one call with each word.
func TestWords(t *testing.T) {
	for word, want := range map[string]calls.Verdict{
		"Accepted": calls.VerdictAnswered, "Call connected": calls.VerdictAnswered, "ANSWERED": calls.VerdictAnswered,
		"Missed": calls.VerdictAbandonedRing, "No Answer": calls.VerdictAbandonedRing, "no-answer": calls.VerdictAbandonedRing,
		"Hang Up": calls.VerdictAbandonedRing, "canceled": calls.VerdictAbandonedRing, "Answered Not Accepted": calls.VerdictAbandonedRing,
		"Voicemail": calls.VerdictVoicemail, "Abandoned": calls.VerdictAbandonedQueue, "abandoned_in_ivr": calls.VerdictAbandonedIVR,
		"Busy": calls.VerdictBusy, "Rejected": calls.VerdictRejected, "Declined": calls.VerdictRejected, "Blocked": calls.VerdictRejected,
		"failed": calls.VerdictFailed, "out_of_opening_hours": calls.VerdictAfterHours, "Callback requested": calls.VerdictCallbackRequested,
		"completed": calls.VerdictAnswered, // 30 s, and nothing better than the length
		"Fremdwort": calls.VerdictAbandonedRing, "": calls.VerdictAbandonedRing,
	} {
		l := read(t, "Start,From,Direction,Result,Duration\n2026-03-02 08:00:00,2125550123,inbound,"+word+",30\n")
		if got := sessions(t, l); len(got) != 1 || got[0].verdict != want {
			t.Errorf("%q: %+v, want %s", word, got, want)
		}
	}
	l := read(t, "Start,From,Direction,Result,Duration\n2026-03-02 08:00:00,2125550123,inbound,Fremdwort,30\n")
	if len(l.Warnings) != 1 || strings.Contains(l.Warnings[0], "Fremdwort") {
		t.Errorf("a word that is not known: %q", l.Warnings)
	}
}

// TestBestColumn: what decides when columns say different things.
func TestBestColumn(t *testing.T) {
	for _, c := range []struct {
		name, log string
		want      calls.Verdict
	}{
		{"completed and answered by time", "start,from,status,duration,answered at\n2026-03-02 08:00:00,2125550123,completed,30,2026-03-02 08:00:05\n", calls.VerdictAnswered},
		{"completed and never answered", "start,from,status,duration,answered at\n2026-03-02 08:00:00,2125550123,completed,30,\n", calls.VerdictAbandonedRing},
		{"completed into a mailbox", "start,from,status,duration,voicemail\n2026-03-02 08:00:00,2125550123,completed,30,https://example.org/1\n", calls.VerdictVoicemail},
		{"mailbox of no length", "start,from,status,duration,voicemail duration\n2026-03-02 08:00:00,2125550123,completed,30,0\n", calls.VerdictAnswered},
		{"answered, and a message of an earlier try", "start,from,result,duration,voicemail\n2026-03-02 08:00:00,2125550123,accepted,30,yes\n", calls.VerdictAnswered},
		{"completed by the program, no leg to a person", "start,from,direction,status,duration,sid,parent call sid\n2026-03-02 08:00:00,2125550123,inbound,completed,30,CA1,\n", calls.VerdictAbandonedIVR},
		{"a leg to a person without talk", "start,from,direction,status,duration,sid,parent call sid\n2026-03-02 08:00:00,2125550123,inbound,completed,30,CA1,\n2026-03-02 08:00:05,2125550123,outbound-dial,completed,0,CA2,CA1\n", calls.VerdictAbandonedRing},
		{"no word, talk", "start,from,duration,talk time\n2026-03-02 08:00:00,2125550123,30,12\n", calls.VerdictAnswered},
		{"no word, rang only", "start,from,duration,talk time\n2026-03-02 08:00:00,2125550123,30,0\n", calls.VerdictAbandonedRing},
		{"no word at all", "start,from\n2026-03-02 08:00:00,2125550123\n", calls.VerdictAbandonedRing},
		{"the type says how it ended", "start,number,call type\n2026-03-02 08:00:00,2125550123,Missed\n", calls.VerdictAbandonedRing},
		{"the type says who called", "start,number,call type,duration\n2026-03-02 08:00:00,2125550123,Outgoing,20\n", calls.VerdictOutbound},
		{"missed within 3 s", "start,from,result,duration\n2026-03-02 08:00:00,2125550123,missed,3\n", calls.VerdictShort},
		{"missed, length 0 means not known", "start,from,result,duration\n2026-03-02 08:00:00,2125550123,missed,0\n", calls.VerdictAbandonedRing},
		{"missed, end equal to start means not known", "start,from,result,end\n2026-03-02 08:00:00,2125550123,missed,2026-03-02 08:00:00\n", calls.VerdictAbandonedRing},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := sessions(t, read(t, c.log))
			if len(got) != 1 || got[0].verdict != c.want {
				t.Errorf("%+v, want %s", got, c.want)
			}
		})
	}
}

// TestRowsThatAreNoLegs: every row has its reason.
func TestRowsThatAreNoLegs(t *testing.T) {
	log := "Report\n\nstart,from,type,status\n" +
		"2026-03-02 08:00:00,2125550123,Voice,missed\n" +
		"2026-03-02 08:00:00,2125550123,Fax,received\n" +
		"2026-03-02 08:00:00,2125550123,Voice,in-progress\n" +
		"start,from,type,status\n" +
		",2125550123,Voice,missed\n" +
		"2026-03-02,2125550123,Voice,missed\n" +
		"08:00,2125550123,Voice,missed\n" +
		"soon,2125550123,Voice,missed\n" +
		"2026-03-02 08:00:00 PST,2125550123,Voice,missed\n" +
		"2026-03-02 08:00:00,2125550123,Voice\n" +
		"2026-03-02 08:00:00,2125550124,Voice,missed,,\n" +
		"Total: 12\n"
	want := []phone.RowNote{
		{Line: 1, Reason: "stands before the column names"}, {Line: 2, Reason: "blank line"}, {Line: 3, Reason: "column names"},
		{Line: 5, Reason: "not a phone call"}, {Line: 6, Reason: "the call had not ended when the log was written"}, {Line: 7, Reason: "column names"},
		{Line: 8, Damaged: true, Reason: "its start time is missing"},
		{Line: 9, Damaged: true, Reason: "its start time has a date and no time of day"},
		{Line: 10, Damaged: true, Reason: "its start time has a time of day and no date"},
		{Line: 11, Damaged: true, Reason: "its start time is in no form that this format reads; use 2006-01-02 15:04:05 in the export"},
		{Line: 12, Damaged: true, Reason: "its start time names a time zone that the given zone does not have"},
		{Line: 13, Damaged: true, Reason: "it has 3 columns, not 4"},
		{Line: 15, Damaged: true, Reason: "it has 1 columns, not 4"},
	}
	l := read(t, log)
	if diff := cmp.Diff(want, l.Explained); diff != "" {
		t.Error(diff)
	}
	if len(l.Legs) != 2 || l.Rows != 15 {
		t.Errorf("%d legs of %d rows", len(l.Legs), l.Rows)
	}
}

// TestMissingColumns: a log without the essential columns is refused, with the
// names that would do and those that are there.
func TestMissingColumns(t *testing.T) {
	_, err := phone.Read(calllog.Format{}, strings.NewReader("Direction,Name,Duration,Robin 2125550123\n"), phone.Options{Zone: time.UTC})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, part := range []string{"Missing: a start time (start time, started at", "a caller number (from, caller number", `found: "Direction", "Name", "Duration". `} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in: %v", part, err)
		}
	}
	_, err = phone.Read(calllog.Format{}, strings.NewReader("Start Time,Direction\n"), phone.Options{Zone: time.UTC})
	if err == nil || strings.Contains(err.Error(), "a start time (") || !strings.Contains(err.Error(), "a caller number (") {
		t.Errorf("only the caller is missing: %v", err)
	}
}

func TestTimes(t *testing.T) {
	for _, c := range []struct{ cell, region, want string }{
		{"2026-03-02 08:00:05", "", "2026-03-02T14:00:05Z"},
		{"2026-03-02T08:00:05", "", "2026-03-02T14:00:05Z"},
		{"2026-03-02T08:00:05.250Z", "", "2026-03-02T08:00:05Z"},
		{"2026-03-02T08:00:05-05:00", "", "2026-03-02T13:00:05Z"},
		{"2026-03-02 08:00:05 +0530", "", "2026-03-02T02:30:05Z"},
		{"2026-03-02 8:00 PM", "", "2026-03-03T02:00:00Z"},
		{"2026-03-02 12:05 a.m.", "", "2026-03-02T06:05:00Z"},
		{"2026/03/02 08:00", "", "2026-03-02T14:00:00Z"},
		{"Mon, 02 Mar 2026 14:00:05 +0000", "", "2026-03-02T14:00:05Z"},
		{"Mon, 02 Mar 2026 14:00:05 GMT", "", "2026-03-02T14:00:05Z"},
		{"Mar 2, 2026, 8:00 AM", "", "2026-03-02T14:00:00Z"},
		{"March 2, 2026 8:00 AM", "", "2026-03-02T14:00:00Z"},
		{"02-Mar-2026 08:00:05", "", "2026-03-02T14:00:05Z"},
		{"Mon 03/02/2026 8:00 AM", "US", "2026-03-02T14:00:00Z"},
		{"3/2/26 8:00 AM", "US", "2026-03-02T14:00:00Z"},
		{"02/03/2026 08:00", "GB", "2026-03-02T14:00:00Z"},
		{"02.03.2026 08:00", "DE", "2026-03-02T14:00:00Z"},
		{"13/03/2026 08:00", "", "2026-03-13T13:00:00Z"},
		{"03/13/2026 08:00", "", "2026-03-13T13:00:00Z"},
		{"02/03/2026 08:00", "", "may be day/month or month/day; set the region of the clinic"},
		{"13/03/2026 08:00", "US", "has no such day or month in the order of the region; set the region in which the log was written"},
		{"1772460005", "", "2026-03-02T14:00:05Z"},
		{"1772460005123", "", "2026-03-02T14:00:05Z"},
		{"2025-11-02 01:30:00 CDT", "", "2025-11-02T06:30:00Z"},
		{"2025-11-02 01:30:00 CST", "", "2025-11-02T07:30:00Z"},
		{"2026-02-30 08:00", "", "is in no form that this format reads; use 2006-01-02 15:04:05 in the export"},
		{"2026-03-02 25:00", "", "is in no form that this format reads; use 2006-01-02 15:04:05 in the export"},
		{"2026-03-02 13:00 PM", "", "is in no form that this format reads; use 2006-01-02 15:04:05 in the export"},
	} {
		t.Run(c.cell+" "+c.region, func(t *testing.T) {
			log := fmt.Sprintf("Start,From\n%q,2125550123\n", c.cell)
			l, err := phone.Read(calllog.Format{}, strings.NewReader(log), phone.Options{Zone: chicago(t), Region: c.region})
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if len(l.Legs) == 1 {
				got = l.Legs[0].Start.UTC().Format(time.RFC3339)
			} else {
				got = strings.TrimPrefix(l.Explained[len(l.Explained)-1].Reason, "its start time ")
			}
			if got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// TestEndAfterMidnight: an end with a time of day only belongs to the next day
// when it is before the start.
func TestEndAfterMidnight(t *testing.T) {
	l := read(t, "date,start,end,from,result\n2026-03-02,23:59:30,00:00:20,2125550123,accepted\n")
	if leg := l.Legs[0]; leg.End.Sub(leg.Start) != 50*time.Second {
		t.Errorf("%s to %s", leg.Start, leg.End)
	}
}

func TestLengths(t *testing.T) {
	for _, c := range []struct {
		header, cell string
		want         time.Duration
		doubt        bool
	}{
		{"Duration", "125", 125 * time.Second, false},
		{"Duration", "125.5", 125500 * time.Millisecond, false},
		{"Duration", "0:02:05", 125 * time.Second, false},
		{"Duration", "02:05", 125 * time.Second, false},
		{"Duration", "1:00:00", time.Hour, false},
		{"Duration", "2m 5s", 125 * time.Second, false},
		{"Duration", "1 hr 2 min 5 sec", time.Hour + 125*time.Second, false},
		{"Duration", "125 seconds", 125 * time.Second, false},
		{"Duration (min)", "2.5", 150 * time.Second, false},
		{"Duration (ms)", "125000", 125 * time.Second, false},
		{"duration_ms", "125000", 125 * time.Second, false},
		{"Duration", "", 0, false},
		{"Duration", "N/A", 0, false},
		{"Duration", "a while", 0, true},
		{"Duration", "99999999999", 0, true},
		{"Duration", "1e9", 0, true},
	} {
		t.Run(c.header+" "+c.cell, func(t *testing.T) {
			l := read(t, fmt.Sprintf("Start,From,Direction,Result,%s\n2026-03-02 08:00:00,2125550123,in,missed,%s\n", c.header, c.cell))
			if len(l.Legs) != 1 || l.Legs[0].Duration != c.want || (len(l.Warnings) > 0) != c.doubt {
				t.Errorf("%+v, warnings %v", l.Legs, l.Warnings)
			}
		})
	}
}

// FuzzParse: see the same test of the format asterisk.
func FuzzParse(f *testing.F) {
	for _, file := range []string{"ringcentral.csv", "twilio-with-parents.csv", "twilio-status-only.csv", "semicolons.csv"} {
		f.Add(load(f, file), "US")
	}
	zone := chicago(f)
	f.Fuzz(func(t *testing.T, log, region string) {
		l, err := phone.Read(calllog.Format{}, strings.NewReader(log), phone.Options{Zone: zone, Region: region})
		if err != nil {
			return
		}
		if err := l.Account(calls.Collapse(l.Legs, calls.DefaultRules())); err != nil {
			t.Fatal(err)
		}
		for _, leg := range l.Legs {
			if leg.Duration < 0 || leg.Talk < 0 || leg.Start.IsZero() {
				t.Fatalf("line %d: impossible times", leg.Row)
			}
		}
	})
}
