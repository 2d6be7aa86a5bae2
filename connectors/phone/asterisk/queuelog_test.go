package asterisk_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/connectors/phone"
	"github.com/ringback-health/ringback/connectors/phone/asterisk"
	"github.com/ringback-health/ringback/internal/redact"
)

func readQueueLog(t testing.TB, log string, q asterisk.QueueLog) phone.Log {
	t.Helper()
	l, err := phone.Read(q, strings.NewReader(log), phone.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// byCall are the sessions of legs by their id.
func byCall(legs []calls.Leg) map[string]calls.Session {
	out := map[string]calls.Session{}
	for _, s := range calls.Collapse(legs, calls.DefaultRules()) {
		out[s.ID] = s
	}
	return out
}

func TestQueueLogAlone(t *testing.T) {
	l := readQueueLog(t, load(t, "queue_log"), asterisk.QueueLog{})
	if len(l.Legs) != 17 || l.Damaged() != 0 || len(l.Explained) != 2 || len(l.Warnings) != 0 {
		t.Errorf("%d legs, %d damaged, %v, %v", len(l.Legs), l.Damaged(), l.Explained, l.Warnings)
	}
	if err := l.Account(calls.Collapse(l.Legs, calls.DefaultRules())); err != nil {
		t.Error(err)
	}
	got := byCall(l.Legs)
	for id, want := range map[string]struct {
		verdict calls.Verdict
		talk    time.Duration
		from    string
	}{
		"1772460000.1":  {calls.VerdictAbandonedQueue, 0, "2125550101"},
		"1772460090.5":  {calls.VerdictAnswered, time.Minute, "2125550102"},
		"1772460195.9":  {calls.VerdictAbandonedQueue, 0, "2125550103"},
		"1772460295.12": {calls.VerdictCallbackRequested, 0, "2125550104"},
		"1772460395.15": {calls.VerdictAbandonedQueue, 0, "2125550105"},
		"1772460495.18": {calls.VerdictAnswered, 30 * time.Second, "2125550106"},
		"1772460595.22": {calls.VerdictAbandonedQueue, 0, "2125550107"},
	} {
		if s := got[id]; s.Verdict != want.verdict || s.Talk != want.talk || s.From.Reveal() != want.from {
			t.Errorf("%s: %s %v, talk %s", id, s.Verdict, s.Reasons, s.Talk)
		}
	}
	if s := got["1772460000.1"]; s.To.Reveal() != "2125550100" || s.EndedAt.Sub(s.StartedAt) != 45*time.Second || fmt.Sprint(s.Reasons) != "[hung up while waiting in a queue, after 45s destinations rung: 1]" {
		t.Errorf("from %s to %s, %v", s.StartedAt, s.EndedAt, s.Reasons)
	}
	if s := got["1772460090.5"]; s.FromName.Reveal() != "Robin Example" || s.AnsweredAt.Unix() != 1772460112 {
		t.Errorf("answered at %s", s.AnsweredAt)
	}
}

// TestQueueLogWithRecords: to the call records every one of these calls is ANSWERED, and
// all but one look as if a person had been there.
func TestQueueLogWithRecords(t *testing.T) {
	records := read(t, load(t, "master-with-queue.csv"), chicago(t))
	for id, s := range byCall(records.Legs) {
		if want := map[string]calls.Verdict{
			"1772460195.9": calls.VerdictVoicemail, "1772460495.18": calls.VerdictVoicemail, "1772460395.15": calls.VerdictAbandonedQueue,
		}[id]; s.Verdict != want && (want != "" || s.Verdict != calls.VerdictAnswered) {
			t.Errorf("by the records alone %s is %s", id, s.Verdict)
		}
	}
	both := append(readQueueLog(t, load(t, "queue_log"), asterisk.QueueLog{}).Legs, records.Legs...)
	want := byCall(both)
	if len(want) != 7 {
		t.Errorf("%d sessions of 7 calls", len(want))
	}
	for id, v := range map[string]calls.Verdict{
		"1772460000.1":  calls.VerdictAbandonedQueue,
		"1772460090.5":  calls.VerdictAnswered,
		"1772460195.9":  calls.VerdictVoicemail,
		"1772460295.12": calls.VerdictCallbackRequested,
		"1772460395.15": calls.VerdictAbandonedQueue,
		"1772460495.18": calls.VerdictVoicemail, // a member answered and sent the caller to a mailbox
		"1772460595.22": calls.VerdictAbandonedQueue,
	} {
		if want[id].Verdict != v {
			t.Errorf("%s: %s %v, want %s", id, want[id].Verdict, want[id].Reasons, v)
		}
	}
	// Who waited twelve seconds and talked for sixty did not talk for the eighty of the record.
	if s := want["1772460090.5"]; s.Talk != time.Minute || s.AnsweredAt.Unix() != 1772460112 || s.StartedAt.Unix() != 1772460090 {
		t.Errorf("talk %s, answered %s, came in %s", s.Talk, s.AnsweredAt, s.StartedAt)
	}
	rapid.Check(t, func(rt *rapid.T) {
		legs := append([]calls.Leg{}, both...)
		for range rapid.IntRange(0, 4).Draw(rt, "doubled") {
			legs = append(legs, both[rapid.IntRange(0, len(both)-1).Draw(rt, "which")])
		}
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "order"), 1))
		r.Shuffle(len(legs), func(i, j int) { legs[i], legs[j] = legs[j], legs[i] })
		if d := cmp.Diff(want, byCall(legs), cmp.AllowUnexported(redact.Text{})); d != "" {
			rt.Fatalf("in another order:\n%s", d)
		}
	})
}

func TestQueueLogKeys(t *testing.T) {
	q := asterisk.QueueLog{CallbackKeys: []string{"2"}}
	got := byCall(readQueueLog(t, load(t, "queue_log"), q).Legs)
	if v := got["1772460295.12"].Verdict; v != calls.VerdictAbandonedQueue {
		t.Errorf("another key: %s", v)
	}
	if err := (asterisk.QueueLog{CallbackKeys: []string{"10"}}).Validate(); err == nil {
		t.Error("10 is no key")
	}
	if _, err := (asterisk.QueueLog{CallbackKeys: []string{""}}).Parse(strings.NewReader("x"), phone.Options{}); err == nil {
		t.Error("Parse takes a key that is none")
	}
}

// TestQueueLogParts: each half of a log that was rotated in the middle of a call.
func TestQueueLogParts(t *testing.T) {
	for _, c := range []struct {
		what, log string
		want      calls.Verdict
	}{
		{"only the start", "1772460010|c|front|NONE|ENTERQUEUE||2125550101|1\n", calls.VerdictAbandonedQueue},
		{"only the end", "1772460055|c|front|NONE|ABANDON|1|1|45\n", calls.VerdictAbandonedQueue},
		{"an end without the wait", "1772460055|c|front|NONE|EXITWITHTIMEOUT|1\n", calls.VerdictAbandonedQueue},
		{"a member who hung up", "1772460010|c|front|NONE|ENTERQUEUE||2125550101|1\n1772460020|c|front|PJSIP/1|AGENTDUMP\n", calls.VerdictAbandonedQueue},
		{"connected, no end", "1772460055|c|front|PJSIP/1|CONNECT|45\n", calls.VerdictAnswered},
		{"only the end of the talk", "1772460055|c|front|PJSIP/1|COMPLETEAGENT|3|45|1\n", calls.VerdictAnswered},
		{"first one queue, then another", "1|x|q|m|ADDMEMBER\n1772460055|c|front|NONE|EXITWITHTIMEOUT|1|1|40\n1772460070|c|back|PJSIP/1|CONNECT|15|x|2\n", calls.VerdictAnswered},
		{"hung up at once", "1772460010|c|front|NONE|ENTERQUEUE||2125550101|1\n1772460012|c|front|NONE|ABANDON|1|1|2\n", calls.VerdictShort},
		{"a colleague who waits, rounded up", "1772460010|c|front|NONE|ENTERQUEUE||301|1\n1772460020|c|front|NONE|ABANDON|1|1|11\n", calls.VerdictInternal},
		{"a colleague who waits, to the second", "1772460010|c|front|NONE|ENTERQUEUE||301|1\n1772460021|c|front|NONE|ABANDON|1|1|12\n", calls.VerdictInternal},
		{"a colleague who waits", "1772460010|c|front|NONE|ENTERQUEUE||301|1\n1772460011|c|front|NONE|ABANDON|1|1|1\n", calls.VerdictInternal},
	} {
		got := calls.Collapse(readQueueLog(t, c.log, asterisk.QueueLog{}).Legs, calls.DefaultRules())
		if len(got) != 1 || got[0].Verdict != c.want {
			t.Errorf("%s: %+v", c.what, got)
		}
	}
}

func TestQueueLogDamage(t *testing.T) {
	whole := load(t, "queue_log")
	lines := strings.SplitAfter(strings.TrimSuffix(whole, "\n"), "\n")
	base := readQueueLog(t, whole, asterisk.QueueLog{})
	for what, log := range map[string]string{
		"CRLF": strings.ReplaceAll(whole, "\n", "\r\n"), "mark": "\xEF\xBB\xBF" + whole, "NULs": whole + strings.Repeat("\x00", 200), "blank": whole + "\n",
	} {
		if l := readQueueLog(t, log, asterisk.QueueLog{}); len(l.Legs) != len(base.Legs) || l.Damaged() != 0 {
			t.Errorf("%s: %d legs, %d damaged", what, len(l.Legs), l.Damaged())
		}
	}
	for i, line := range lines { // a line torn or with a quote too many costs itself alone
		for cut := 1; cut < len(line)-1; cut++ {
			for _, torn := range []string{line[:cut] + "\n", line[:cut] + `"` + line[cut:]} {
				l := readQueueLog(t, strings.Join(lines[:i], "")+torn+strings.Join(lines[i+1:], ""), asterisk.QueueLog{})
				others := 0
				for _, leg := range l.Legs {
					if leg.Row != i+1 {
						others++
					}
				}
				want := len(base.Legs)
				if !strings.Contains(line, "|NONE|NONE") && !strings.Contains(line, "ADDMEMBER") {
					want--
				}
				if others != want || l.Rows != base.Rows {
					t.Fatalf("line %d cut at %d: %d other legs of %d, %d rows", i+1, cut, others, want, l.Rows)
				}
			}
		}
	}
	last := lines[len(lines)-1]
	for cut := 1; cut < len(last)-2; cut++ {
		l := readQueueLog(t, strings.Join(lines[:len(lines)-1], "")+last[:cut], asterisk.QueueLog{})
		if l.Damaged() != 1 {
			t.Errorf("cut off at %d: %d damaged", cut, l.Damaged())
		}
	}
	if l := readQueueLog(t, whole+"1772460700|c|front|NONE|SURVEYRESULT|5\n", asterisk.QueueLog{}); len(l.Warnings) != 1 || !strings.Contains(l.Warnings[0], "line 20") {
		t.Errorf("an event of their own: %v", l.Warnings)
	}
}

func TestNoQueueLog(t *testing.T) {
	for what, log := range map[string]string{"no byte": "", "blank": "\n\n"} {
		if _, err := phone.Read(asterisk.QueueLog{}, strings.NewReader(log), phone.Options{}); !errors.Is(err, phone.ErrEmpty) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for what, log := range map[string]string{"records": load(t, "master-with-queue.csv"), "bars": "a|b|c|d|e\n", "prose": "Dear colleague,\n2125550101 called\n"} {
		_, err := phone.Read(asterisk.QueueLog{}, strings.NewReader(log), phone.Options{})
		if err == nil || !strings.Contains(err.Error(), "Expected") || !strings.Contains(err.Error(), "Found") || strings.Contains(err.Error(), "2125550101") {
			t.Errorf("%s: %v", what, err)
		}
	}
	gone := errors.New("disk gone")
	l, err := phone.Read(asterisk.QueueLog{}, io.MultiReader(strings.NewReader(load(t, "queue_log")), broken{gone}), phone.Options{})
	if !errors.Is(err, gone) || len(l.Legs) != 17 {
		t.Errorf("%d legs, %v", len(l.Legs), err)
	}
}

type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

func FuzzQueueLog(f *testing.F) {
	f.Add(load(f, "queue_log"))
	f.Add("1772460010.25|c|q|\"m|ENTERQUEUE|\"\n1|\"|\n1772460055|c|front|NONE|ABANDON|1|1|1e6\n")
	f.Fuzz(func(t *testing.T, log string) {
		l, err := phone.Read(asterisk.QueueLog{}, strings.NewReader(log), phone.Options{})
		if err != nil {
			return
		}
		if err := l.Account(calls.Collapse(l.Legs, calls.DefaultRules())); err != nil {
			t.Error(err)
		}
		for _, leg := range l.Legs {
			if leg.Session == "" || leg.Start.IsZero() || leg.End.Before(leg.Start) && !leg.End.IsZero() {
				t.Errorf("a leg without a call or from %s to %s", leg.Start, leg.End)
			}
		}
	})
}
