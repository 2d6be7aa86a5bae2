package calls_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ringback-health/ringback/callback/calls"
)

// genLegs draws the legs of several calls: parallel dialling over Local
// channels, answers, mailboxes, queues, in logs with and without identifiers.
func genLegs(t *rapid.T) []calls.Leg { return genLegsOf(t, genIdentifiers(t)) }

// genIdentifiers draws what identifiers a log has.
func genIdentifiers(t *rapid.T) string {
	return rapid.SampledFrom([]string{"session", "channel", "nothing"}).Draw(t, "identifiers")
}

func genLegsOf(t *rapid.T, identified string) []calls.Leg {
	var legs []calls.Leg
	for call := range rapid.IntRange(1, 4).Draw(t, "calls") {
		begin := rapid.IntRange(0, 300).Draw(t, "begin")
		number := rapid.SampledFrom([]string{"2125550123", "2125550124", "", "214943", "301"}).Draw(t, "caller")
		context := rapid.SampledFrom([]string{"from-pstn", "default", "from-internal", "after-hours"}).Draw(t, "context")
		id := fmt.Sprintf("17724600%02d.%d", call, call)
		for i := range rapid.IntRange(1, 6).Draw(t, "legs") {
			l := genLeg(t, call, i, begin)
			l.From, l.Context = text(number), context
			l.Session, l.ID = id, id
			if rapid.IntRange(0, 3).Draw(t, "inner") == 0 {
				l.Channel = text(fmt.Sprintf("Local/ch%d@Ring-%08d;2", i%2, call))
				l.ID = fmt.Sprintf("%s%d", id, i+1)
				l.Context = "Ring"
			}
			switch identified {
			case "channel":
				l.Session = ""
			case "nothing":
				l.Session, l.ID = "", ""
			}
			legs = append(legs, l)
		}
	}
	return rows(legs)
}

func genLeg(t *rapid.T, call, i, begin int) calls.Leg {
	l := leg(begin+rapid.IntRange(0, 20).Draw(t, "from"), 0)
	l.Duration = time.Duration(rapid.IntRange(0, 40).Draw(t, "duration")) * time.Second
	l.End = l.Start.Add(l.Duration)
	l.Seq = int64(rapid.IntRange(0, 3).Draw(t, "seq"))
	l.Channel = text(fmt.Sprintf("SIP/trunk-%08d", call))
	l.Disposition = rapid.SampledFrom([]calls.Disposition{calls.Answered, calls.NoAnswer, calls.NoAnswer, calls.Busy, calls.Failed, ""}).Draw(t, "disposition")
	l.Talk = time.Duration(rapid.IntRange(0, int(l.Duration/time.Second)).Draw(t, "talk")) * time.Second
	if l.Disposition == calls.Answered {
		l.Answer = l.End.Add(-l.Talk)
	}
	l.App = rapid.SampledFrom([]string{"Dial", "Dial", "Queue", "VoiceMail", "Hangup"}).Draw(t, "app")
	l.DstChannel = text(rapid.SampledFrom([]string{
		"", fmt.Sprintf("SIP/301-%08d", i), fmt.Sprintf("SIP/302-%08d", i), fmt.Sprintf("Local/ch%d@Ring-%08d;1", i%2, call),
	}).Draw(t, "rung"))
	if rapid.IntRange(0, 9).Draw(t, "says") == 0 {
		l.Stated = rapid.SampledFrom([]calls.Verdict{calls.VerdictAnswered, calls.VerdictVoicemail, calls.VerdictRejected}).Draw(t, "stated")
	}
	return l
}

// TestOrderAndRepetition: the order of the legs, and legs that occur again,
// change nothing but the rows.
func TestOrderAndRepetition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		legs := genLegs(t)
		want := calls.Collapse(legs, calls.DefaultRules())
		again := slices.Concat(legs, rapid.SliceOf(rapid.SampledFrom(legs)).Draw(t, "again"))
		for i := len(legs); i < len(again); i++ {
			again[i].Row = i + 1
		}
		again = rapid.Permutation(again).Draw(t, "order")
		got := calls.Collapse(again, calls.DefaultRules())
		if len(got) != len(want) {
			t.Fatalf("%d sessions, want %d", len(got), len(want))
		}
		for i := range got {
			if !slices.Equal(slices.DeleteFunc(slices.Clone(got[i].Rows), func(r int) bool { return r > len(legs) }), want[i].Rows) {
				t.Fatalf("rows %v, want %v", got[i].Rows, want[i].Rows)
			}
			got[i].Rows, want[i].Rows = nil, nil
			if !reflect.DeepEqual(got[i], want[i]) {
				t.Fatalf("session %+v\nwant %+v", got[i], want[i])
			}
		}
	})
}

// TestEveryRowOnce: each row belongs to exactly one session, sessions are told
// apart by name, and each has a verdict with a reason that holds no number.
func TestEveryRowOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		legs := genLegs(t)
		var got []int
		names := make(map[string]bool)
		for _, s := range calls.Collapse(legs, calls.DefaultRules()) {
			got = append(got, s.Rows...)
			if names[s.ID] || s.ID == "" {
				t.Fatalf("session name %q is empty or occurs twice", s.ID)
			}
			names[s.ID] = true
			if s.Verdict == "" || len(s.Reasons) == 0 || strings.Contains(strings.Join(s.Reasons, ""), "555") {
				t.Fatalf("verdict %q, reasons %q", s.Verdict, s.Reasons)
			}
			if s.Talk < 0 || s.EndedAt.Before(s.StartedAt) {
				t.Fatalf("impossible times: %+v", s)
			}
		}
		slices.Sort(got)
		for i, row := range got {
			if row != i+1 {
				t.Fatalf("rows %v of %d legs", got, len(legs))
			}
		}
		if len(got) != len(legs) {
			t.Fatalf("%d rows of %d legs", len(got), len(legs))
		}
	})
}

// TestUnansweredLegsDoNotMatter: without the legs that say NO ANSWER, what was
// answered is never missed.
func TestUnansweredLegsDoNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		legs := genLegs(t)
		for i := range legs {
			legs[i].Session = fmt.Sprintf("call-%d", legs[i].Start.Unix()/40) // any grouping, but a fixed one
		}
		before := make(map[string]calls.Verdict)
		for _, s := range calls.Collapse(legs, calls.DefaultRules()) {
			before[s.ID] = s.Verdict
		}
		var kept []calls.Leg
		for _, l := range legs {
			if l.Disposition != calls.NoAnswer || l.Stated != "" || rapid.Bool().Draw(t, "keep") {
				kept = append(kept, l)
			}
		}
		for _, s := range calls.Collapse(kept, calls.DefaultRules()) {
			if before[s.ID] == calls.VerdictAnswered && s.Verdict.NeedsCallback() {
				t.Fatalf("%s was answered and is %s", s.ID, s.Verdict)
			}
		}
	})
}
