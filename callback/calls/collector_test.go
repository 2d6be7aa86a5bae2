package calls_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ringback-health/ringback/callback/calls"
)

// collect reads logs through a Collector; the sessions are in the order of Collapse.
func collect(logs ...[]calls.Leg) ([]calls.Session, *calls.Collector) {
	var out []calls.Session
	c := calls.NewCollector(calls.DefaultRules(), len(logs), func(s calls.Session) { out = append(out, s) })
	for _, log := range logs {
		c.Begin()
		for _, l := range log {
			c.Add(l)
		}
	}
	c.Close()
	sorted(out)
	return out, c
}

func sorted(s []calls.Session) {
	slices.SortFunc(s, func(a, b calls.Session) int {
		return cmp.Or(a.StartedAt.Compare(b.StartedAt), cmp.Compare(a.ID, b.ID), slices.Compare(a.Rows, b.Rows))
	})
}

// story is what a session was, without the number behind its name and without rows.
func story(s calls.Session) string {
	id := s.ID
	if strings.HasPrefix(id, "at-") {
		id = id[:len("at-20060102T150405Z")]
	}
	return fmt.Sprint(id, s.From.Reveal(), s.To.Reveal(), s.StartedAt.UTC(), s.AnsweredAt.UTC(), s.EndedAt.UTC(), s.Verdict, s.Reasons, s.Talk)
}

func stories(sessions []calls.Session) []string {
	var out []string
	for _, s := range sessions {
		out = append(out, story(s))
	}
	slices.Sort(out)
	return out
}

// genDays draws the legs of calls over many days.
func genDays(t *rapid.T) []calls.Leg {
	var legs []calls.Leg
	at, identified := time.Duration(0), genIdentifiers(t)
	for i := range rapid.IntRange(1, 6).Draw(t, "moments") {
		at += time.Duration(rapid.IntRange(0, 20*60).Draw(t, "later")) * time.Minute
		for _, l := range genLegsOf(t, identified) {
			if l.Session != "" {
				l.Session = fmt.Sprintf("%s-%d", l.Session, i)
			}
			if l.ID != "" {
				l.ID = fmt.Sprintf("%s-%d", l.ID, i)
			}
			l.Start, l.End = l.Start.Add(at), l.End.Add(at)
			if !l.Answer.IsZero() {
				l.Answer = l.Answer.Add(at)
			}
			legs = append(legs, l)
		}
	}
	return legs
}

// TestCollector: a long log read leg by leg, forwards, backwards, or in any order
// within a day, is what it is as a whole, row by row.
func TestCollector(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		legs := genDays(t)
		slices.SortStableFunc(legs, func(a, b calls.Leg) int { return a.Start.Compare(b.Start) })
		switch rapid.SampledFrom([]string{"forwards", "backwards", "days"}).Draw(t, "order") {
		case "backwards":
			slices.Reverse(legs)
		case "days":
			legs = shuffleDays(t, legs)
		}
		legs = rows(legs)
		want := calls.Collapse(slices.Clone(legs), calls.DefaultRules())
		got, c := collect(legs)
		if c.Late() != 0 || c.Repeated() != 0 {
			t.Fatalf("%d late, %d repeated", c.Late(), c.Repeated())
		}
		if a, b := stories(got), stories(want); !slices.Equal(a, b) {
			t.Fatalf("got\n%s\nwant\n%s", strings.Join(a, "\n"), strings.Join(b, "\n"))
		}
		var seen []int
		names := map[string]bool{}
		for _, s := range got {
			seen = append(seen, s.Rows...)
			if names[s.ID] {
				t.Fatalf("two sessions are named %s", s.ID)
			}
			names[s.ID] = true
		}
		slices.Sort(seen)
		if len(seen) != len(legs) || len(slices.Compact(seen)) != len(legs) {
			t.Fatalf("%d rows in sessions, of %d", len(seen), len(legs))
		}
	})
}

// shuffleDays brings the legs of each day into any order.
func shuffleDays(t *rapid.T, legs []calls.Leg) []calls.Leg {
	var out []calls.Leg
	for i := 0; i < len(legs); {
		j := i
		for j < len(legs) && legs[j].Start.Truncate(24*time.Hour).Equal(legs[i].Start.Truncate(24*time.Hour)) {
			j++
		}
		out = append(out, rapid.Permutation(legs[i:j]).Draw(t, "day")...)
		i = j
	}
	return out
}

// TestCollectorOfSeveralLogs: a log that was cut anywhere into files, which overlap
// and come in any order, is what it was in one.
func TestCollectorOfSeveralLogs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		legs := genDays(t)
		slices.SortStableFunc(legs, func(a, b calls.Leg) int { return a.Start.Compare(b.Start) })
		legs = rows(legs)
		want := stories(calls.Collapse(slices.Clone(legs), calls.DefaultRules()))
		var logs [][]calls.Leg
		for begin := 0; begin < len(legs); {
			end := rapid.IntRange(begin+1, len(legs)).Draw(t, "end")
			from := rapid.IntRange(0, begin).Draw(t, "from") // what came before, a second time
			log := slices.Clone(legs[from:end])
			if rapid.Bool().Draw(t, "backwards") {
				slices.Reverse(log)
			}
			logs = append(logs, rows(log))
			begin = end
		}
		logs = rapid.Permutation(logs).Draw(t, "logs")
		got, _ := collect(logs...)
		if a := stories(got); !slices.Equal(a, want) {
			t.Fatalf("%d logs\ngot\n%s\nwant\n%s", len(logs), strings.Join(a, "\n"), strings.Join(want, "\n"))
		}
	})
}

// TestCollectorLate: rows far from where they belong are counted, not lost.
func TestCollectorLate(t *testing.T) {
	var legs []calls.Leg
	for day := range 5 {
		l := leg(0, 30)
		l.Session, l.ID, l.Start, l.End = "", fmt.Sprint(day), l.Start.AddDate(0, 0, day), l.End.AddDate(0, 0, day)
		legs = append(legs, l)
	}
	first := legs[0]
	first.ID = "late"
	got, c := collect(rows(append(legs, first)))
	if len(got) != 6 || c.Late() != 1 {
		t.Errorf("%d sessions, %d late", len(got), c.Late())
	}
	if got, c := collect(); len(got) != 0 || c.Late() != 0 {
		t.Error("no log gives sessions")
	}
	if got, _ := collect(nil, nil); len(got) != 0 {
		t.Error("empty logs give sessions")
	}
}

// TestCollectorHoldsLittle: sessions settle while a log is read.
func TestCollectorHoldsLittle(t *testing.T) {
	for _, step := range []time.Duration{time.Hour, -time.Hour} {
		settled := 0
		c := calls.NewCollector(calls.DefaultRules(), 1, func(calls.Session) { settled++ })
		c.Begin()
		for i := range 1000 {
			l := leg(0, 30)
			l.Session, l.Channel = "", text("")
			l.ID, l.From, l.Row = fmt.Sprint(i), text("2125550123"), i+1
			if i%2 == 0 {
				l.ID = "" // known by its caller
			}
			if i%3 == 0 {
				l.Channel = text("SIP/trunk-1") // may be joined by its channel
			}
			l.Start = l.Start.Add(time.Duration(i) * step)
			l.End = l.Start.Add(l.Duration)
			c.Add(l)
			if i > 30 && settled < (i-40)/3 {
				t.Fatalf("step %s: only %d sessions are settled after %d", step, settled, i)
			}
		}
		c.Close()
		if settled != 1000 {
			t.Errorf("step %s: %d sessions", step, settled)
		}
	}
}

// TestOutboundAtTheSameTime: a clinic that calls two people at the same time from one
// number makes two calls, also in a log without identifiers.
func TestOutboundAtTheSameTime(t *testing.T) {
	a, b := leg(0, 60), leg(10, 60)
	for _, l := range []*calls.Leg{&a, &b} {
		l.Session, l.ID, l.Direction, l.From = "", "", calls.Outbound, text("2125550100")
	}
	a.To, b.To = text("2125550123"), text("2125550124")
	if got := calls.Collapse(rows([]calls.Leg{a, b}), calls.DefaultRules()); len(got) != 2 {
		t.Errorf("%d calls, want 2", len(got))
	}
}
