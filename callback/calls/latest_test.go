package calls_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/internal/redact"
)

var ten = time.Date(2026, 3, 2, 16, 0, 0, 0, time.UTC)

// TestLatest: what changes is as told last, what was once told stays.
func TestLatest(t *testing.T) {
	caller := redact.NewText("+12125550123")
	got := calls.Latest([]calls.Leg{
		{Session: "s", ID: "a", Seq: 5, At: ten.Add(40 * time.Second), End: ten.Add(40 * time.Second)},
		{Session: "s", ID: "a", Seq: 2, At: ten.Add(10 * time.Second), Start: ten, Stated: calls.VerdictAbandonedRing, Note: "it rang", Direction: calls.Inbound},
		{Session: "s", ID: "a", Seq: 3, At: ten.Add(20 * time.Second), From: caller, Answer: ten.Add(20 * time.Second), Stated: calls.VerdictAnswered, Note: "a person answered"},
		{Session: "s", ID: "b", Seq: 1, Start: ten.Add(time.Second), Stated: calls.VerdictAbandonedRing},
	})
	want := []calls.Leg{
		{Session: "s", ID: "a", Seq: 5, At: ten.Add(40 * time.Second), Start: ten, Answer: ten.Add(20 * time.Second), End: ten.Add(40 * time.Second),
			Talk: 20 * time.Second, From: caller, Direction: calls.Inbound, Stated: calls.VerdictAnswered, Note: "a person answered"},
		{Session: "s", ID: "b", Seq: 1, Start: ten.Add(time.Second), Stated: calls.VerdictAbandonedRing},
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(redact.Text{})); d != "" {
		t.Error(d)
	}
}

// TestStories: what several legs of one call tell together.
func TestStories(t *testing.T) {
	second := func(n int) time.Time { return ten.Add(time.Duration(n) * time.Second) }
	leg := func(id string, l calls.Leg) calls.Leg {
		l.Session, l.ID = "s", id
		return l
	}
	desk := leg("desk", calls.Leg{Start: ten, Answer: second(5), End: second(30), Talk: 25 * time.Second, Stated: calls.VerdictAnswered})
	message := calls.Message{ID: "m", Length: 23 * time.Second, Transcript: redact.NewText("please call")}
	for _, c := range []struct {
		name    string
		legs    []calls.Leg
		want    calls.Verdict
		message time.Duration
	}{
		{"a leg of which no end is told says less than a busy one",
			[]calls.Leg{leg("a", calls.Leg{Start: ten}), leg("b", calls.Leg{Start: ten, Stated: calls.VerdictBusy})}, calls.VerdictBusy, 0},
		{"nothing told of any", []calls.Leg{leg("a", calls.Leg{Start: ten}), leg("b", calls.Leg{Start: ten})}, calls.VerdictAbandonedRing, 0},
		{"a call that came in and was passed on to a cell phone, which is an outbound leg told first",
			[]calls.Leg{leg("a", calls.Leg{Direction: calls.Outbound, Stated: calls.VerdictAbandonedRing}), leg("b", calls.Leg{Direction: calls.Inbound, Start: ten})},
			calls.VerdictAbandonedRing, 0},
		{"passed on to a mailbox by somebody, by clocks a second apart",
			[]calls.Leg{desk, leg("box", calls.Leg{Start: second(29), Stated: calls.VerdictVoicemail, Message: message})}, calls.VerdictVoicemail, 23 * time.Second},
		{"passed on to a mailbox on a leg that lasts as long as the call",
			[]calls.Leg{desk, leg("box", calls.Leg{Start: ten, Answer: second(31), Stated: calls.VerdictVoicemail})}, calls.VerdictVoicemail, 0},
		{"somebody picked up what rang through to a mailbox",
			[]calls.Leg{desk, leg("box", calls.Leg{Start: ten, Answer: second(2), Stated: calls.VerdictVoicemail})}, calls.VerdictAnswered, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := calls.Collapse(calls.Latest(c.legs), calls.DefaultRules())
			if len(got) != 1 || got[0].Verdict != c.want || got[0].Message.Length != c.message {
				t.Errorf("%+v", got)
			}
		})
	}
}

// TestLatestDoesNotDependOnTheOrder, nor on what is told twice.
func TestLatestDoesNotDependOnTheOrder(t *testing.T) {
	moment := rapid.Custom(func(t *rapid.T) time.Time {
		s := rapid.IntRange(-1, 5).Draw(t, "second")
		if s < 0 {
			return time.Time{}
		}
		return ten.Add(time.Duration(s) * time.Second)
	})
	record := rapid.Custom(func(t *rapid.T) calls.Leg {
		return calls.Leg{
			Session: rapid.SampledFrom([]string{"s", "r"}).Draw(t, "session"),
			ID:      rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "id"),
			Seq:     rapid.Int64Range(0, 3).Draw(t, "seq"),
			At:      moment.Draw(t, "at"), Start: moment.Draw(t, "start"), Answer: moment.Draw(t, "answer"), End: moment.Draw(t, "end"),
			From:    redact.NewText(rapid.SampledFrom([]string{"", "+12125550123", "+12125550124"}).Draw(t, "from")),
			Talk:    time.Duration(rapid.IntRange(0, 3).Draw(t, "talk")) * time.Second,
			Stated:  rapid.SampledFrom([]calls.Verdict{"", calls.VerdictAnswered, calls.VerdictVoicemail, calls.VerdictAbandonedQueue}).Draw(t, "stated"),
			Note:    rapid.SampledFrom([]string{"", "why"}).Draw(t, "note"),
			Message: calls.Message{ID: rapid.SampledFrom([]string{"", "m1", "m2"}).Draw(t, "message")},
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		records := rapid.SliceOfN(record, 1, 8).Draw(t, "records")
		want := calls.Latest(append([]calls.Leg{}, records...))
		more := append(append([]calls.Leg{}, records...), rapid.SliceOfN(rapid.SampledFrom(records), 0, 4).Draw(t, "again")...)
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		r.Shuffle(len(more), func(i, j int) { more[i], more[j] = more[j], more[i] })
		if d := cmp.Diff(want, calls.Latest(more), cmp.AllowUnexported(redact.Text{})); d != "" {
			t.Fatal(d)
		}
	})
}
