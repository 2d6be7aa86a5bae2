package calls_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/internal/redact"
)

const sam, kim = "+12125550123", "+12125550124"

// voicemail is a message that names no call, made so many seconds after ten.
func voicemail(id, from string, second int) calls.Leg {
	return calls.Leg{
		Session: "voicemail-" + id, ID: "voicemail-" + id, From: redact.NewText(from), Start: ten.Add(time.Duration(second) * time.Second), Direction: calls.Inbound,
		Stated: calls.VerdictVoicemail, Message: calls.Message{ID: id, Length: 20 * time.Second},
	}
}

// rang is a call that lasted from one second after ten to another; 0: no end is told.
func rang(session, from string, start, end int) calls.Leg {
	l := calls.Leg{Session: session, ID: session + "-1", From: redact.NewText(from), Start: ten.Add(time.Duration(start) * time.Second), Direction: calls.Inbound, Stated: calls.VerdictAbandonedRing}
	if end > 0 {
		l.End = ten.Add(time.Duration(end) * time.Second)
	}
	return l
}

func TestJoinMessages(t *testing.T) {
	change := func(l calls.Leg, f func(*calls.Leg)) calls.Leg { f(&l); return l }
	answered := func(l *calls.Leg) { l.Stated, l.Answer = calls.VerdictAnswered, l.Start }
	names := func(id string) func(*calls.Leg) { return func(l *calls.Leg) { l.Message.ID = id } }
	outbound := func(l *calls.Leg) { l.Direction = calls.Outbound }
	for _, c := range []struct {
		name string
		legs []calls.Leg
		want string // the session of the first leg
	}{
		{"made while the call lasted", []calls.Leg{voicemail("m", sam, 30), rang("a", sam, 0, 60)}, "a"},
		{"made when it ended", []calls.Leg{voicemail("m", sam, 61), rang("a", sam, 0, 60)}, "a"},
		{"made long after it", []calls.Leg{voicemail("m", sam, 121), rang("a", sam, 0, 60)}, "voicemail-m"},
		{"made before it", []calls.Leg{voicemail("m", sam, 0), rang("a", sam, 10, 60)}, "voicemail-m"},
		{"no end is told", []calls.Leg{voicemail("m", sam, 300), rang("a", sam, 0, 0)}, "a"},
		{"of another caller", []calls.Leg{voicemail("m", sam, 30), rang("a", kim, 0, 60)}, "voicemail-m"},
		{"of a withheld caller", []calls.Leg{voicemail("m", "", 30), rang("a", "", 0, 60)}, "voicemail-m"},
		{"the last of several", []calls.Leg{voicemail("m", sam, 30), rang("a", sam, 0, 20), rang("b", sam, 25, 60), rang("c", sam, 40, 60)}, "b"},
		{"answered", []calls.Leg{voicemail("m", sam, 30), change(rang("a", sam, 0, 60), answered)}, "voicemail-m"},
		{"placed by the clinic", []calls.Leg{voicemail("m", sam, 30), change(rang("a", sam, 0, 60), outbound)}, "voicemail-m"},
		{"named by the call", []calls.Leg{voicemail("m", sam, 900), rang("a", sam, 890, 950), change(rang("b", kim, 0, 60), names("m"))}, "b"},
		{"another is named by the call", []calls.Leg{voicemail("m", sam, 30), change(rang("a", sam, 0, 60), names("n"))}, "voicemail-m"},
		{"two messages and one call", []calls.Leg{voicemail("m", sam, 40), voicemail("n", sam, 30), rang("a", sam, 0, 60)}, "voicemail-m"},
		{"no time", []calls.Leg{change(voicemail("m", sam, 30), func(l *calls.Leg) { l.Start = time.Time{} }), rang("a", sam, 0, 60)}, "voicemail-m"},
		{"it has a call already", []calls.Leg{voicemail("m", sam, 30), change(rang("voicemail-m", sam, 0, 60), func(*calls.Leg) {}), rang("a", sam, 0, 60)}, "voicemail-m"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := calls.JoinMessages(c.legs)
			if len(got) != len(c.legs) || got[0].Session != c.want {
				t.Errorf("the session %q", got[0].Session)
			}
			if c.legs[0].Session != c.legs[0].ID {
				t.Error("the legs that were given are changed")
			}
		})
	}
	joined := calls.Collapse([]calls.Leg{voicemail("m", sam, 30), rang("a", sam, 0, 60)}, calls.DefaultRules())
	if len(joined) != 1 || joined[0].ID != "a" || joined[0].Verdict != calls.VerdictVoicemail || joined[0].Message.ID != "m" {
		t.Errorf("%+v", joined)
	}
}

// TestJoinMessagesProperties: the order makes no difference; joining again joins no more;
// a message only ever goes to a call of its caller or one that names it; and nobody who
// waits for an answer waits for none afterwards.
func TestJoinMessagesProperties(t *testing.T) {
	caller := rapid.SampledFrom([]string{sam, kim, ""})
	second := rapid.IntRange(0, 200)
	rapid.Check(t, func(t *rapid.T) {
		var legs []calls.Leg
		for i := range rapid.IntRange(0, 4).Draw(t, "calls") {
			start := second.Draw(t, "start")
			l := rang(fmt.Sprintf("c%d", i), caller.Draw(t, "from"), start, start+rapid.IntRange(1, 60).Draw(t, "length"))
			l.Stated = rapid.SampledFrom([]calls.Verdict{calls.VerdictAbandonedRing, calls.VerdictAnswered, calls.VerdictVoicemail, calls.VerdictBusy}).Draw(t, "stated")
			l.Direction = rapid.SampledFrom([]calls.Direction{calls.Inbound, calls.Inbound, calls.Outbound, ""}).Draw(t, "direction")
			if l.Stated == calls.VerdictVoicemail {
				l.Message.ID = rapid.SampledFrom([]string{"", "m0", "m1", "m9"}).Draw(t, "names")
			}
			legs = append(legs, l)
		}
		for i := range rapid.IntRange(1, 3).Draw(t, "messages") {
			legs = append(legs, voicemail(fmt.Sprintf("m%d", i), caller.Draw(t, "sender"), second.Draw(t, "made")))
		}
		want := calls.Collapse(legs, calls.DefaultRules())
		again := append(append([]calls.Leg{}, legs...), rapid.SliceOfN(rapid.SampledFrom(legs), 0, 3).Draw(t, "again")...)
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		r.Shuffle(len(again), func(i, j int) { again[i], again[j] = again[j], again[i] })
		if d := cmp.Diff(want, calls.Collapse(again, calls.DefaultRules()), cmp.AllowUnexported(redact.Text{})); d != "" {
			t.Fatalf("in another order:\n%s", d)
		}
		joined := calls.JoinMessages(legs)
		if d := cmp.Diff(joined, calls.JoinMessages(joined), cmp.AllowUnexported(redact.Text{})); d != "" {
			t.Fatalf("joined again:\n%s", d)
		}
		verdict := map[string]calls.Verdict{}
		for _, s := range want {
			verdict[s.ID] = s.Verdict
		}
		taken := map[string]string{}
		for i, l := range joined {
			if l.Session == legs[i].Session {
				continue
			}
			named := false
			for _, c := range legs {
				named = named || c.Session == l.Session && c.Message.ID == l.Message.ID
				if c.Session == l.Session && !named && !c.From.Equal(l.From) {
					t.Fatal("the message of one caller was put to the call of another")
				}
			}
			if other := taken[l.Session]; other != "" {
				t.Fatalf("%s and %s are both put to %s", other, l.ID, l.Session)
			}
			taken[l.Session] = l.ID
			if v := verdict[l.Session]; !named && !v.NeedsCallback() {
				t.Fatalf("with its call the message is %s", v)
			}
		}
	})
}
