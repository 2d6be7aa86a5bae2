package calls_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/internal/redact"
)

var morning = time.Date(2026, 3, 2, 14, 0, 0, 0, time.UTC)

func at(seconds int) time.Time { return morning.Add(time.Duration(seconds) * time.Second) }

func text(s string) redact.Text { return redact.NewText(s) }

// leg is a leg of the call c1 from a public number over a trunk, from second
// from to second to.
func leg(from, to int, more ...func(*calls.Leg)) calls.Leg {
	l := calls.Leg{
		Session: "c1", ID: "c1", From: text("2125550123"), To: text("2125550100"), Context: "from-pstn",
		Channel: text("SIP/trunk-00000001"), App: "Dial", Disposition: calls.NoAnswer,
		Start: at(from), End: at(to), Duration: at(to).Sub(at(from)),
	}
	for _, m := range more {
		m(&l)
	}
	return l
}

// rings sets the channel that was rung.
func rings(channel string) func(*calls.Leg) {
	return func(l *calls.Leg) { l.DstChannel = text(channel) }
}

// answers makes the leg ANSWERED with a talk until its end.
func answers(talk int) func(*calls.Leg) {
	return func(l *calls.Leg) {
		l.Disposition, l.Talk = calls.Answered, time.Duration(talk)*time.Second
		l.Answer = l.End.Add(-l.Talk)
	}
}

func ended(d calls.Disposition) func(*calls.Leg) {
	return func(l *calls.Leg) { l.Disposition = d }
}

func app(name string) func(*calls.Leg) { return func(l *calls.Leg) { l.App = name } }

func in(context string) func(*calls.Leg) { return func(l *calls.Leg) { l.Context = context } }

func onto(number string) func(*calls.Leg) { return func(l *calls.Leg) { l.To = text(number) } }

func by(number, channel string) func(*calls.Leg) {
	return func(l *calls.Leg) { l.From, l.Channel = text(number), text(channel) }
}

func says(v calls.Verdict, note string) func(*calls.Leg) {
	return func(l *calls.Leg) { l.Stated, l.Note = v, note }
}

func none(l *calls.Leg) { l.End, l.Duration = time.Time{}, 0 }

func TestVerdicts(t *testing.T) {
	const phone, other = "SIP/301-00000002", "SIP/302-00000003"
	for _, c := range []struct {
		name   string
		legs   []calls.Leg
		want   calls.Verdict
		reason string
	}{
		{"a person answered", []calls.Leg{leg(0, 30, rings(phone), answers(20))}, calls.VerdictAnswered, "a person answered"},
		{"one of several phones answered", []calls.Leg{leg(0, 5, rings(other)), leg(0, 30, rings(phone), answers(25)), leg(0, 5, rings("SIP/303-00000004"))}, calls.VerdictAnswered, ""},
		{"nobody answered", []calls.Leg{leg(0, 30, rings(phone)), leg(0, 30, rings(other))}, calls.VerdictAbandonedRing, "rang and nobody answered|destinations rung: 2"},
		{"nothing answered and nothing rang", []calls.Leg{leg(0, 30, app("Wait"))}, calls.VerdictAbandonedRing, "ended before anything answered"},
		{"talk of a channel the PBX had answered is not talk", []calls.Leg{leg(0, 60, rings(phone), answers(60), ended(calls.NoAnswer)), leg(60, 60, app("Hangup"), answers(0))}, calls.VerdictAbandonedRing, ""},
		{"picked up without talk", []calls.Leg{leg(0, 6, rings(phone), answers(0))}, calls.VerdictAbandonedRing, "picked up without any talk"},
		{"an announcement", []calls.Leg{leg(0, 27, app("Hangup"), answers(27))}, calls.VerdictAbandonedIVR, "only the phone system itself answered (last application Hangup)"},
		{"what is no application is not shown", []calls.Leg{leg(0, 27, app("Ann 2125550123"), answers(27))}, calls.VerdictAbandonedIVR, "only the phone system itself answered"},
		{"a phone rang, then an announcement", []calls.Leg{leg(0, 20, rings(phone)), leg(20, 30, app("Playback"), answers(10))}, calls.VerdictAbandonedRing, ""},
		{"an old record: the phone rang in vain, then the PBX played something", []calls.Leg{leg(0, 30, rings(phone), app("Playback"), answers(10))}, calls.VerdictAbandonedIVR, ""},

		{"mailbox", []calls.Leg{leg(0, 20, rings(phone)), leg(20, 55, app("VoiceMail"), answers(35))}, calls.VerdictVoicemail, "reached a mailbox"},
		{"mailbox in the same record as the phone", []calls.Leg{leg(0, 55, rings(phone), app("VoiceMail"), answers(35))}, calls.VerdictVoicemail, ""},
		{"mailbox by its extension", []calls.Leg{leg(0, 35, app("Hangup"), onto("vmu301"), answers(35))}, calls.VerdictVoicemail, ""},
		{"mailbox by its context", []calls.Leg{leg(0, 35, app("Hangup"), in("macro-vm"), answers(35)), leg(0, 1)}, calls.VerdictVoicemail, ""},
		{"a person, then a mailbox", []calls.Leg{leg(0, 30, rings(phone), answers(25)), leg(30, 60, app("VoiceMail"), answers(30))}, calls.VerdictVoicemail, "reached a mailbox; the log does not say whether a message was left|a person answered before"},
		{"a mailbox, then a person", []calls.Leg{leg(0, 10, app("VoiceMail"), answers(10)), leg(10, 60, rings(phone), answers(45))}, calls.VerdictAnswered, ""},

		{"queue", []calls.Leg{leg(0, 90, app("Queue"), answers(90))}, calls.VerdictAbandonedQueue, "ended while waiting in a queue"},
		{"queue, agents rung", []calls.Leg{leg(0, 15, app("Queue"), rings(phone)), leg(15, 90, app("Queue"), answers(75))}, calls.VerdictAbandonedQueue, "destinations rung: 1"},
		{"queue, an agent answered", []calls.Leg{leg(0, 15, app("Queue"), rings(other)), leg(0, 90, app("Queue"), rings(phone), answers(60))}, calls.VerdictAnswered, ""},
		{"asked for a callback", []calls.Leg{leg(0, 40, app("Queue"), answers(40)), leg(40, 50, in("queue-callback"), app("Hangup"), answers(10))}, calls.VerdictCallbackRequested, ""},
		{"closed, announcement", []calls.Leg{leg(0, 20, in("clinic-closed"), app("Hangup"), answers(20)), leg(0, 1)}, calls.VerdictAfterHours, ""},
		{"closed, a phone rang", []calls.Leg{leg(0, 20, in("after-hours"), rings(phone)), leg(0, 1)}, calls.VerdictAfterHours, ""},

		{"busy", []calls.Leg{leg(0, 9, rings(phone), ended(calls.Busy))}, calls.VerdictBusy, ""},
		{"busy, then the PBX hung up", []calls.Leg{leg(0, 9, rings(phone), ended(calls.Busy)), leg(9, 9, app("Hangup"), answers(0))}, calls.VerdictBusy, ""},
		{"one busy, one rang", []calls.Leg{leg(0, 9, rings(phone), ended(calls.Busy)), leg(0, 9, rings(other))}, calls.VerdictAbandonedRing, ""},
		{"failed", []calls.Leg{leg(0, 9, rings(phone), ended(calls.Failed))}, calls.VerdictFailed, ""},
		{"congestion", []calls.Leg{leg(0, 9, rings(phone), ended(calls.Congestion))}, calls.VerdictFailed, ""},
		{"no disposition", []calls.Leg{leg(0, 9, rings(phone), ended(""))}, calls.VerdictAbandonedRing, "the log does not say how the call ended"},

		{"short", []calls.Leg{leg(0, 4, rings(phone))}, calls.VerdictShort, "ended after 4s, before the 5s|rang and nobody answered"},
		{"short announcement", []calls.Leg{leg(0, 2, app("Hangup"), answers(2))}, calls.VerdictShort, ""},
		{"not short", []calls.Leg{leg(0, 5, rings(phone))}, calls.VerdictAbandonedRing, ""},
		{"length not known", []calls.Leg{leg(0, 0, rings(phone), none)}, calls.VerdictAbandonedRing, ""},
		{"length of one leg not known", []calls.Leg{leg(0, 3, rings(phone)), leg(0, 0, rings(other), none)}, calls.VerdictAbandonedRing, ""},
		{"busy is not short", []calls.Leg{leg(0, 1, rings(phone), ended(calls.Busy))}, calls.VerdictBusy, ""},
		{"short and answered", []calls.Leg{leg(0, 3, rings(phone), answers(2))}, calls.VerdictAnswered, ""},

		{"the log's own word", []calls.Leg{leg(0, 9, says(calls.VerdictRejected, ""))}, calls.VerdictRejected, "the log says rejected"},
		{"the log's own word, with its reason", []calls.Leg{leg(0, 9, says(calls.VerdictAnswered, "accepted"))}, calls.VerdictAnswered, "accepted"},
		{"the log's own word goes before what could be derived", []calls.Leg{leg(0, 30, rings(phone), answers(20), says(calls.VerdictVoicemail, ""))}, calls.VerdictVoicemail, ""},
		{"one leg missed, one answered", []calls.Leg{leg(0, 9, says(calls.VerdictAbandonedRing, "")), leg(0, 30, says(calls.VerdictAnswered, ""))}, calls.VerdictAnswered, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := calls.Collapse(rows(c.legs), calls.DefaultRules())
			if len(got) != 1 || got[0].Verdict != c.want {
				t.Fatalf("%+v, want %s", got, c.want)
			}
			for i, part := range strings.Split(c.reason, "|") {
				if len(got[0].Reasons) <= i || !strings.HasPrefix(got[0].Reasons[i], part) && !strings.Contains(strings.Join(got[0].Reasons, "\n"), part) {
					t.Errorf("reasons %q, want %q", got[0].Reasons, c.reason)
				}
			}
		})
	}
}

// rows numbers the legs as the rows of a file.
func rows(legs []calls.Leg) []calls.Leg {
	legs = slices.Clone(legs)
	for i := range legs {
		legs[i].Row = i + 1
	}
	return legs
}

// inner moves a leg to the inner half of a Local channel.
func inner(pair, id string) func(*calls.Leg) {
	return func(l *calls.Leg) {
		l.Channel, l.ID, l.Context = text("Local/"+pair+";2"), id, "Ring"
		l.To = text("ch1")
	}
}

// TestLocalChannels: the pipes inside the PBX are neither calls nor people.
func TestLocalChannels(t *testing.T) {
	outer := func(pair string, more ...func(*calls.Leg)) calls.Leg {
		return leg(0, 6, append([]func(*calls.Leg){rings("Local/" + pair + ";1")}, more...)...)
	}
	const a, b = "ch1@Ring-00000000", "ch2@Ring-00000001"
	t.Run("it steps aside when a phone answers", func(t *testing.T) {
		got := one(t, []calls.Leg{
			outer(a, answers(0)), outer(b),
			leg(0, 6, inner(a, "c1.2"), rings("SIP/301-00000004"), answers(0)),
			leg(0, 6, inner(b, "c1.4"), rings("SIP/302-00000005")),
			leg(6, 30, rings("SIP/301-00000004"), answers(24)),
		})
		if got.Verdict != calls.VerdictAnswered || got.Talk != 24*time.Second || !got.AnsweredAt.Equal(at(6)) || !got.StartedAt.Equal(at(0)) || !got.EndedAt.Equal(at(30)) {
			t.Errorf("%+v", got)
		}
	})
	t.Run("it stays between caller and phone", func(t *testing.T) {
		got := one(t, []calls.Leg{
			leg(0, 30, rings("Local/"+a+";1"), answers(24)),
			leg(0, 30, inner(a, "c1.2"), rings("SIP/301-00000004"), answers(24)),
		})
		if got.Verdict != calls.VerdictAnswered || got.Talk != 24*time.Second {
			t.Errorf("%+v", got)
		}
	})
	t.Run("a mailbox behind it answers", func(t *testing.T) {
		got := one(t, []calls.Leg{
			leg(0, 30, rings("Local/"+a+";1"), answers(24)),
			leg(0, 30, inner(a, "c1.2"), app("VoiceMail"), answers(24)),
		})
		if got.Verdict != calls.VerdictVoicemail {
			t.Errorf("%+v", got)
		}
	})
	t.Run("only its outer half is logged", func(t *testing.T) {
		if got := one(t, []calls.Leg{leg(0, 30, rings("Local/"+a+";1"), answers(24))}); got.Verdict != calls.VerdictAnswered {
			t.Errorf("%+v", got)
		}
	})
	t.Run("it rings itself", func(t *testing.T) {
		got := one(t, []calls.Leg{leg(0, 30, inner(a, "c1"), rings("Local/"+a+";1"))})
		if got.Verdict != calls.VerdictAbandonedRing {
			t.Errorf("%+v", got)
		}
	})
	t.Run("without session ids", func(t *testing.T) {
		legs := []calls.Leg{
			outer(a), leg(0, 6, inner(a, "a1"), rings("SIP/301-00000004")), // a1 sorts before c1 and must not name the call
			// After a restart the names begin again: another call.
			leg(900, 906, rings("Local/"+a+";1"), func(l *calls.Leg) { l.ID = "c9" }),
			leg(900, 906, inner(a, "c9.2"), rings("SIP/301-00000004"), answers(3)),
		}
		for i := range legs {
			legs[i].Session = ""
		}
		got := calls.Collapse(rows(legs), calls.DefaultRules())
		if len(got) != 2 || got[0].ID != "c1" || got[1].ID != "c9" || got[0].Verdict != calls.VerdictAbandonedRing || got[1].Verdict != calls.VerdictAnswered {
			t.Errorf("%+v", got)
		}
	})
}

func one(t *testing.T, legs []calls.Leg) calls.Session {
	t.Helper()
	got := calls.Collapse(rows(legs), calls.DefaultRules())
	if len(got) != 1 {
		t.Fatalf("%d sessions", len(got))
	}
	return got[0]
}

func TestDirections(t *testing.T) {
	for _, c := range []struct {
		name string
		leg  calls.Leg
		want calls.Verdict
	}{
		{"public context", leg(0, 30), calls.VerdictAbandonedRing},
		{"short number from the public network", leg(0, 30, by("51512", "SIP/trunk-1")), calls.VerdictAbandonedRing},
		{"six digits, context says nothing", leg(0, 30, in("default"), by("214943", "SIP/line-1")), calls.VerdictAbandonedRing},
		{"long number, context says nothing", leg(0, 30, in("default")), calls.VerdictAbandonedRing},
		{"withheld", leg(0, 30, in("default"), by("", "SIP/line-1")), calls.VerdictAbandonedRing},
		{"withheld, on an analogue line named by a short number", leg(0, 30, in("default"), by("", "DAHDI/1-1"), onto("s")), calls.VerdictAbandonedRing},
		{"caller id on an analogue line", leg(0, 30, in("default"), by("2125550123", "DAHDI/1-1"), onto("s")), calls.VerdictAbandonedRing},
		{"name and number", leg(0, 30, in("default"), by("Ann 212 555 0123", "SIP/line-1")), calls.VerdictAbandonedRing},
		{"extension to extension", leg(0, 30, in("from-internal"), by("301", "SIP/301-1"), onto("302")), calls.VerdictInternal},
		{"device to extension", leg(0, 30, in("default"), by("client1", "PJSIP/client1-1"), onto("6789")), calls.VerdictInternal},
		{"withheld extension", leg(0, 30, in("default"), by("", "PJSIP/301-1"), onto("302")), calls.VerdictInternal},
		{"extension to the world", leg(0, 30, in("from-internal"), by("301", "SIP/301-1"), onto("2125550123")), calls.VerdictOutbound},
		{"extension with the clinic's number", leg(0, 30, in("default"), by("2125550100", "SIP/301-1"), onto("2125550123")), calls.VerdictOutbound},
		{"named phone with the clinic's number", leg(0, 30, in("from-internal"), by("2125550100", "SIP/desk-1"), onto("2125550123")), calls.VerdictOutbound},
		{"extension over a known trunk", leg(0, 30, in("default"), by("301", "SIP/301-1"), onto("911"), rings("SIP/carrier-1")), calls.VerdictOutbound},
		{"from a known trunk", leg(0, 30, in("default"), by("301", "SIP/carrier-1"), onto("302")), calls.VerdictAbandonedRing},
		{"the log says outbound", leg(0, 30, func(l *calls.Leg) { l.Direction = calls.Outbound }), calls.VerdictOutbound},
		{"the log says internal", leg(0, 30, func(l *calls.Leg) { l.Direction = calls.Internal }), calls.VerdictInternal},
		{"the log says inbound", leg(0, 30, in("from-internal"), by("301", "SIP/301-1"), onto("302"), func(l *calls.Leg) { l.Direction = calls.Inbound }), calls.VerdictAbandonedRing},
	} {
		t.Run(c.name, func(t *testing.T) {
			rules := calls.DefaultRules()
			rules.Trunks = []string{"carrier"}
			if got := calls.Collapse([]calls.Leg{c.leg}, rules); len(got) != 1 || got[0].Verdict != c.want {
				t.Errorf("%+v, want %s", got, c.want)
			}
		})
	}
}

// TestDirectionIsExplained where it is not plain.
func TestDirectionIsExplained(t *testing.T) {
	for _, c := range []struct {
		leg  calls.Leg
		says string
	}{
		{leg(0, 30, by("51512", "SIP/trunk-1")), "came in from the public network, so the caller's short number is not an extension"},
		{leg(0, 30, in("default"), by("", "SIP/line-1")), "the log does not say who called; taken for a call from outside"},
		{leg(0, 30, by("301", "SIP/301-1"), in("from-internal"), onto("302")), "both ends are of the phone system itself"},
	} {
		if got := one(t, []calls.Leg{c.leg}); !slices.Contains(got.Reasons, c.says) {
			t.Errorf("reasons %q, want %q", got.Reasons, c.says)
		}
	}
	if got := one(t, []calls.Leg{leg(0, 30)}); len(got.Reasons) != 1 {
		t.Errorf("a plain case is explained: %q", got.Reasons)
	}
}

func TestRules(t *testing.T) {
	t.Run("machines", func(t *testing.T) {
		rules := calls.DefaultRules()
		rules.Machines = []string{"70?"}
		fax := leg(0, 30, rings("SIP/700-00000002"), answers(20))
		menu := leg(0, 30, rings("IAX2/other-2"), onto("701"), answers(20))
		for _, l := range []calls.Leg{fax, menu} {
			if got := calls.Collapse([]calls.Leg{l}, rules); got[0].Verdict != calls.VerdictAbandonedIVR {
				t.Errorf("%+v", got)
			}
			if got := calls.Collapse([]calls.Leg{l}, calls.DefaultRules()); got[0].Verdict != calls.VerdictAnswered {
				t.Errorf("%+v", got)
			}
		}
	})
	t.Run("no short calls", func(t *testing.T) {
		rules := calls.DefaultRules()
		rules.ShortCall = 0
		if got := calls.Collapse([]calls.Leg{leg(0, 1, rings("SIP/301-2"))}, rules); got[0].Verdict != calls.VerdictAbandonedRing {
			t.Errorf("%+v", got)
		}
	})
	t.Run("zero rules", func(t *testing.T) {
		if got := calls.Collapse([]calls.Leg{leg(0, 9)}, calls.Rules{}); got[0].Verdict != calls.VerdictAbandonedRing {
			t.Errorf("%+v", got)
		}
	})
	t.Run("validate", func(t *testing.T) {
		if err := calls.DefaultRules().Validate(); err != nil {
			t.Error(err)
		}
		for _, bad := range []calls.Rules{{Trunks: []string{"[a"}}, {InternalDigits: -1}, {ShortCall: -1}} {
			if bad.Validate() == nil {
				t.Errorf("%+v is accepted", bad)
			}
		}
	})
}

// loose is a leg of a log without any identifier or channel.
func loose(number string, from, to int, v calls.Verdict) calls.Leg {
	return calls.Leg{From: text(number), To: text("2125550100"), Start: at(from), Duration: at(to).Sub(at(from)), Stated: v, Direction: calls.Inbound}
}

// TestWithoutIdentifiers: rows of one caller at one time are one call.
func TestWithoutIdentifiers(t *testing.T) {
	const missed, answered = calls.VerdictAbandonedRing, calls.VerdictAnswered
	for _, c := range []struct {
		name string
		legs []calls.Leg
		want string
	}{
		{"overlapping", []calls.Leg{loose("1", 0, 30, missed), loose("1", 10, 60, answered)}, "at-20260302T140000Z answered [1 2]"},
		{"chain of three", []calls.Leg{loose("1", 0, 30, missed), loose("1", 20, 50, missed), loose("1", 40, 60, answered)}, "at-20260302T140000Z answered [1 2 3]"},
		{"inside a longer one", []calls.Leg{loose("1", 0, 90, answered), loose("1", 5, 10, missed), loose("1", 60, 70, missed)}, "at-20260302T140000Z answered [1 2 3]"},
		{"dialled again", []calls.Leg{loose("1", 0, 30, missed), loose("1", 30, 60, answered)}, "at-20260302T140000Z abandoned-ring [1]; at-20260302T140030Z answered [2]"},
		{"two callers at the same second", []calls.Leg{loose("2", 0, 30, missed), loose("1", 0, 30, answered)}, "at-20260302T140000Z answered [2]; at-20260302T140000Z-2 abandoned-ring [1]"},
		{"withheld callers are never one", []calls.Leg{loose("", 0, 30, missed), loose("", 10, 60, answered)}, "at-20260302T140000Z abandoned-ring [1]; at-20260302T140010Z answered [2]"},
		{"a record that occurs twice", []calls.Leg{loose("", 0, 30, missed), loose("", 0, 30, missed)}, "at-20260302T140000Z abandoned-ring [1 2]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, s := range calls.Collapse(rows(c.legs), calls.DefaultRules()) {
				got = append(got, fmt.Sprint(s.ID, " ", s.Verdict, " ", s.Rows))
			}
			if text := strings.Join(got, "; "); text != c.want {
				t.Errorf("%s, want %s", text, c.want)
			}
		})
	}
}

// TestTalk: time with people, each moment once.
func TestTalk(t *testing.T) {
	got := one(t, []calls.Leg{
		leg(0, 30, rings("SIP/301-2"), answers(20)), // 10 to 30
		leg(0, 30, rings("SIP/301-2"), answers(20)), // the same record again
		leg(0, 50, rings("SIP/302-3"), answers(25)), // 25 to 50
		leg(0, 40, rings("SIP/304-5"), answers(5)),  // 35 to 40, inside
		leg(0, 90, rings("SIP/303-4"), answers(10)), // 80 to 90
	})
	if got.Talk != 50*time.Second || !got.AnsweredAt.Equal(at(10)) {
		t.Errorf("talk %s, answered at %s", got.Talk, got.AnsweredAt)
	}
}

func TestNeedsCallback(t *testing.T) {
	needs := map[calls.Verdict]bool{
		calls.VerdictAnswered: false, calls.VerdictVoicemail: true, calls.VerdictAbandonedIVR: true, calls.VerdictAbandonedQueue: true,
		calls.VerdictAbandonedRing: true, calls.VerdictCallbackRequested: true, calls.VerdictBusy: true, calls.VerdictRejected: true,
		calls.VerdictAfterHours: true, calls.VerdictShort: false, calls.VerdictOutbound: false, calls.VerdictInternal: false,
		calls.VerdictFailed: true, "": false,
	}
	for v, want := range needs {
		if v.NeedsCallback() != want {
			t.Errorf("%q: %t", v, !want)
		}
		if inbound := v != "" && v != calls.VerdictOutbound && v != calls.VerdictInternal; v.Inbound() != inbound {
			t.Errorf("%q: inbound %t", v, !inbound)
		}
	}
}

// queueSays makes the leg a word of the queue's own log.
func queueSays(v calls.Verdict) func(*calls.Leg) {
	return func(l *calls.Leg) { l.ID, l.App, l.Stated = "", calls.QueueLog, v }
}

// TestQueueLogGoesFirst: what a queue says of itself goes before what call records make
// of it, and before nothing else.
func TestQueueLogGoesFirst(t *testing.T) {
	agent := "PJSIP/301-00000002"
	record := leg(0, 90, app("Queue"), rings(agent), answers(85)) // looks like an answer
	for _, c := range []struct {
		what string
		legs []calls.Leg
		want calls.Verdict
	}{
		{"the record alone", []calls.Leg{record}, calls.VerdictAnswered},
		{"it knows better", []calls.Leg{record, leg(5, 90, queueSays(calls.VerdictAbandonedQueue))}, calls.VerdictAbandonedQueue},
		{"a person elsewhere", []calls.Leg{record, leg(5, 60, queueSays(calls.VerdictAbandonedQueue)), leg(60, 90, rings(agent), answers(20))}, calls.VerdictAnswered},
		{"a mailbox after it", []calls.Leg{record, leg(5, 60, queueSays(calls.VerdictAbandonedQueue)), leg(60, 90, app("VoiceMail"), answers(20))}, calls.VerdictVoicemail},
		{"a word of another kind", []calls.Leg{record, leg(90, 95, app("Queue"), func(l *calls.Leg) { l.Stated = calls.VerdictCallbackRequested })}, calls.VerdictAnswered},
	} {
		got := calls.Collapse(c.legs, calls.DefaultRules())
		if len(got) != 1 || got[0].Verdict != c.want {
			t.Errorf("%s: %+v, want %s", c.what, got, c.want)
		}
	}
}

// TestEndOfAnAnswerToldElsewhere: a record of an answer without its end does not hide
// that the caller was passed on to a mailbox when another one has the end.
func TestEndOfAnAnswerToldElsewhere(t *testing.T) {
	picked := leg(10, 10, queueSays(calls.VerdictAnswered), func(l *calls.Leg) { l.Answer, l.End, l.Duration = at(10), time.Time{}, 0 })
	hung := leg(10, 40, queueSays(calls.VerdictAnswered), answers(30))
	mailbox := leg(40, 60, app("VoiceMail"), answers(20))
	for _, c := range []struct {
		what string
		legs []calls.Leg
		want calls.Verdict
	}{
		{"both", []calls.Leg{picked, hung, mailbox}, calls.VerdictVoicemail},
		{"the end is not told", []calls.Leg{picked, mailbox}, calls.VerdictAnswered},
		{"the end of another answer", []calls.Leg{picked, leg(0, 5, queueSays(calls.VerdictAnswered), answers(5)), mailbox}, calls.VerdictAnswered},
	} {
		if got := calls.Collapse(c.legs, calls.DefaultRules()); len(got) != 1 || got[0].Verdict != c.want {
			t.Errorf("%s: %+v, want %s", c.what, got, c.want)
		}
	}
}
