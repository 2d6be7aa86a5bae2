package aircall_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/connectors/phone"
	"github.com/ringback-health/ringback/connectors/phone/phonetest"
)

// ten is when all calls of the stories come in.
var ten = time.Unix(1772467200, 0).UTC()

func at(seconds int) string {
	if seconds < 0 {
		return "null"
	}
	return fmt.Sprint(ten.Unix() + int64(seconds))
}

// story is one call, told by its number.
type story int

// row is the call as of some moment: as a row of the list, and inside an event.
func (n story) row(direction, status, reason string, answered, ended int, voicemail string) string {
	text := func(s string) string {
		if s == "" {
			return "null"
		}
		return fmt.Sprintf("%q", s)
	}
	return fmt.Sprintf(`{"id":%d,"direction":%q,"status":%q,"missed_call_reason":%s,"started_at":%s,"answered_at":%s,"ended_at":%s,"voicemail":%s,`+
		`"raw_digits":"+1 212-555-0123","number":{"digits":"+1 212-555-0100"},"contact":{"first_name":"Ann","last_name":"Example"},"user":null}`,
		n, direction, status, text(reason), at(0), at(answered), at(ended), text(voicemail))
}

func event(name string, seconds int, data string) string {
	return fmt.Sprintf(`{"resource":"call","event":%q,"timestamp":%s,"token":"[redacted]","data":%s}`, name, at(seconds), data)
}

func TestStories(t *testing.T) {
	const s = time.Second
	const in, out, never = "inbound", "outbound", -1
	n := story(0)
	var stories []phonetest.Story
	add := func(name string, want calls.Verdict, talk time.Duration, events func(n story) []string) {
		n++
		stories = append(stories, phonetest.Story{Name: name, Events: events(n), Want: want, Talk: talk, Rung: ten})
	}
	add("answered, all told", calls.VerdictAnswered, 60*s, func(n story) []string {
		return []string{event("call.created", 0, n.row(in, "initial", "", never, never, "")), event("call.ringing_on_agent", 2, n.row(in, "initial", "", never, never, "")),
			event("call.answered", 10, n.row(in, "answered", "", 10, never, "")), event("call.hungup", 70, n.row(in, "answered", "", 10, 70, "")),
			event("call.ended", 100, n.row(in, "done", "", 10, 70, "")), event("call.tagged", 200, n.row(in, "done", "", 10, 70, "")), n.row(in, "done", "", 10, 70, "")}
	})
	add("answered, and over is not told yet", calls.VerdictAnswered, 0, func(n story) []string {
		return []string{event("call.answered", 10, n.row(in, "answered", "", 10, never, "")), event("call.created", 0, n.row(in, "initial", "", never, never, ""))}
	})
	add("missed, the reason told late", calls.VerdictAfterHours, 0, func(n story) []string {
		return []string{event("call.created", 0, n.row(in, "initial", "", never, never, "")), event("call.hungup", 30, n.row(in, "done", "", never, 30, "")),
			event("call.ended", 60, n.row(in, "done", "out_of_opening_hours", never, 30, ""))}
	})
	for reason, want := range map[string]calls.Verdict{
		"out_of_opening_hours": calls.VerdictAfterHours, "short_abandoned": calls.VerdictAbandonedRing, "abandoned_in_ivr": calls.VerdictAbandonedIVR, "abandoned_in_classic": calls.VerdictAbandonedRing,
		"no_available_agent": calls.VerdictAbandonedRing, "agents_did_not_answer": calls.VerdictAbandonedRing, "a_new_word": calls.VerdictAbandonedRing, "": calls.VerdictAbandonedRing,
	} {
		add("missed: "+reason, want, 0, func(n story) []string {
			return []string{event("call.ended", 60, n.row(in, "done", reason, never, 30, ""))}
		})
		add("row, missed: "+reason, want, 0, func(n story) []string { return []string{n.row(in, "done", reason, never, 30, "")} })
	}
	add("hung up at once", calls.VerdictShort, 0, func(n story) []string {
		return []string{event("call.ended", 33, n.row(in, "done", "short_abandoned", never, 3, ""))}
	})
	add("voicemail", calls.VerdictVoicemail, 0, func(n story) []string {
		return []string{event("call.hungup", 60, n.row(in, "done", "no_available_agent", never, 60, "")), event("call.voicemail_left", 70, n.row(in, "done", "no_available_agent", never, 60, "https://assets.example.org/1")),
			event("call.ended", 90, n.row(in, "done", "no_available_agent", never, 60, "")), event("call.comm_assets_generated", 95, n.row(in, "done", "no_available_agent", never, 60, "https://assets.example.org/1"))}
	})
	add("voicemail, by the list of calls", calls.VerdictVoicemail, 0, func(n story) []string {
		return []string{n.row(in, "done", "out_of_opening_hours", never, 60, "https://assets.example.org/1")}
	})
	add("called, talked", calls.VerdictOutbound, 60*s, func(n story) []string {
		return []string{event("call.created", 0, n.row(out, "initial", "", never, never, "")), event("call.ended", 100, n.row(out, "done", "", 10, 70, ""))}
	})
	add("called, nobody", calls.VerdictOutbound, 0, func(n story) []string {
		return []string{event("call.ended", 60, n.row(out, "done", "", never, 30, ""))}
	})
	phonetest.RunStories(t, system(t, token), calls.DefaultRules(), stories...)
}

func TestParties(t *testing.T) {
	for _, c := range []struct{ name, body, from, to, caller string }{
		{"inbound", load(t, "ended-missed.json"), "+1 212-555-0123", "+1 212-555-0100", "Ann Example"},
		{"outbound", story(1).row("outbound", "done", "", -1, 30, ""), "+1 212-555-0100", "+1 212-555-0123", ""},
		{"withheld", `{"event":"call.ended","data":{"id":1,"direction":"inbound","raw_digits":"anonymous","contact":null,"number":null}}`, "", "", ""},
	} {
		report, err := system(t, token).Read(phone.Event{Body: []byte(c.body)})
		if err != nil || len(report.Legs) != 1 {
			t.Fatal(c.name, err)
		}
		if l := report.Legs[0]; l.From.Reveal() != c.from || l.To.Reveal() != c.to || l.FromName.Reveal() != c.caller {
			t.Errorf("%s: from %q (%q) to %q", c.name, l.From.Reveal(), l.FromName.Reveal(), l.To.Reveal())
		}
	}
}

func TestSkips(t *testing.T) {
	report, err := system(t, token).Read(phone.Event{Body: []byte(load(t, "number-closed.json"))})
	if err != nil || report.Skip == "" || len(report.Legs) > 0 {
		t.Errorf("%d legs, %q, %v", len(report.Legs), report.Skip, err)
	}
	for _, body := range []string{`{"event":"call.ended","data":{"direction":"inbound"}}`, `{"event":"call.ended","data":{"id":"+12125550123","direction":"inbound"}}`} {
		if report, err := system(t, token).Read(phone.Event{Body: []byte(body)}); err == nil {
			t.Errorf("a call without an id is %+v", report)
		}
	}
}
