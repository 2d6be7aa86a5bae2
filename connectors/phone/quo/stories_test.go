package quo_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/connectors/phone"
	"github.com/ringback-health/ringback/connectors/phone/phonetest"
	"github.com/ringback-health/ringback/connectors/phone/quo"
)

// ten is when all calls of the stories come in.
var ten = time.Date(2026, 3, 2, 16, 0, 0, 0, time.UTC)

func at(seconds int) string {
	if seconds < 0 {
		return "null"
	}
	return fmt.Sprintf("%q", ten.Add(time.Duration(seconds)*time.Second).Format(time.RFC3339Nano))
}

// story is one call, told by its number.
type story int

// event is an event of the version 2026-03-30; resource is what it has beside the id.
func (n story) event(kind string, seconds int, resource string) string {
	return fmt.Sprintf(`{"id":"EV%d%s","apiVersion":"2026-03-30","createdAt":%s,"type":%q,"data":{"resource":{"id":"ACcall%d","createdAt":%s,"updatedAt":%s%s},`+
		`"context":{"participants":{"workspace":["+12125550100"],"external":["+12125550123"],"resolution":"available"}},"links":{"quo":null}}}`,
		n, strings.ReplaceAll(kind, ".", ""), at(seconds), kind, n, at(0), at(seconds), resource)
}

func (n story) completed(status, direction string, answered, ended int, voicemail bool) string {
	return n.event("call.completed", ended, fmt.Sprintf(`,"direction":%q,"status":%q,"answeredAt":%s,"completedAt":%s,"duration":1,"hasVoicemail":%t`, direction, status, at(answered), at(ended), voicemail))
}

func (n story) left(length int) string {
	return fmt.Sprintf(`{"id":"EV%dv","createdAt":%s,"type":"call.voicemail.completed","data":{"resource":{"id":"ACvoice%d","voicemailId":"VM%d","callId":"ACcall%d","direction":"incoming","duration":%d,"from":"+12125550123","to":"+12125550100","transcript":"call me","recordingUrl":"https://storage.example.org/%d","createdAt":%s,"updatedAt":%s},"context":{},"links":{}}}`,
		n, at(90), n, n, n, length, n, at(60), at(90))
}

func (n story) legacy(status, direction string, answered, ended int, more string) string {
	return fmt.Sprintf(`{"id":"EVl%d","object":"event","apiVersion":"v4","createdAt":%s,"type":"call.completed","data":{"object":{"id":"ACcall%d","object":"call","direction":%q,"status":%q,"createdAt":%s,"answeredAt":%s,"completedAt":%s,"from":"+12125550123","to":"+12125550100"%s}}}`,
		n, at(ended), n, direction, status, at(0), at(answered), at(ended), more)
}

func (n story) row(status, direction string, answered, ended int, more string) string {
	return fmt.Sprintf(`{"id":"ACcall%d","phoneNumberId":"PN1","direction":%q,"status":%q,"participants":[{"phoneNumber":"+12125550100","actorId":"US1"},{"phoneNumber":"+12125550123","actorId":null}],"answeredAt":%s,"completedAt":%s,"createdAt":%s,"updatedAt":%s,"callRoute":null,"duration":1,"forwardedFrom":null,"forwardedTo":null,"aiHandled":null%s}`,
		n, direction, status, at(answered), at(ended), at(0), at(ended), more)
}

func TestStories(t *testing.T) {
	const s = time.Second
	const in, out, never = "incoming", "outgoing", -1
	n := story(0)
	var stories []phonetest.Story
	add := func(name string, want calls.Verdict, talk, message time.Duration, events func(n story) []string) {
		n++
		stories = append(stories, phonetest.Story{Name: name, Events: events(n), Want: want, Talk: talk, Message: message, Rung: ten})
	}
	add("answered, all told", calls.VerdictAnswered, 60*s, 0, func(n story) []string {
		return []string{n.event("call.ringing", 0, `,"direction":"incoming"`), n.event("call.menu.selected", 3, `,"phoneMenuSelection":"1"`),
			n.event("call.answered", 10, `,"direction":"incoming","answeredAt":`+at(10)+`,"answeredByUserId":"US1"`), n.completed("answered", in, 10, 70, false), n.row("completed", in, 10, 70, "")}
	})
	add("answered, and over is not told yet", calls.VerdictAnswered, 0, 0, func(n story) []string {
		return []string{n.event("call.ringing", 0, `,"direction":"incoming"`), n.event("call.answered", 10, `,"direction":"incoming","answeredAt":`+at(10))}
	})
	add("missed, all told", calls.VerdictAbandonedRing, 0, 0, func(n story) []string {
		return []string{n.event("call.ringing", 0, `,"direction":"incoming"`), n.event("call.missed", 30, ""), n.completed("unanswered", in, never, 30, false)}
	})
	add("missed, by call.missed alone", calls.VerdictAbandonedRing, 0, 0, func(n story) []string { return []string{n.event("call.missed", 30, "")} })
	add("voicemail", calls.VerdictVoicemail, 0, 14*s, func(n story) []string {
		return []string{n.event("call.missed", 30, ""), n.completed("unanswered", in, never, 60, true), n.left(14)}
	})
	add("missed is told after the end", calls.VerdictVoicemail, 0, 0, func(n story) []string {
		return []string{n.completed("unanswered", in, never, 60, true), n.event("call.missed", 90, "")}
	})
	add("a message is said to be there", calls.VerdictVoicemail, 0, 0, func(n story) []string { return []string{n.completed("unanswered", in, never, 60, true)} })
	for status, want := range map[string]calls.Verdict{
		"unanswered": calls.VerdictAbandonedRing, "failed": calls.VerdictFailed, "forwarded": calls.VerdictAbandonedRing, "abandoned": calls.VerdictAbandonedRing,
		"ai-handled": calls.VerdictAbandonedIVR, "unknown": calls.VerdictAbandonedRing, "a-new-word": calls.VerdictAbandonedRing, "": calls.VerdictAbandonedRing,
	} {
		add("completed "+status, want, 0, 0, func(n story) []string { return []string{n.completed(status, in, never, 30, false)} })
	}
	for status, want := range map[string]calls.Verdict{
		"completed": calls.VerdictAbandonedRing, "busy": calls.VerdictBusy, "failed": calls.VerdictFailed, "no-answer": calls.VerdictAbandonedRing, "canceled": calls.VerdictAbandonedRing,
		"missed": calls.VerdictAbandonedRing, "forwarded": calls.VerdictAbandonedRing, "abandoned": calls.VerdictAbandonedRing, "ringing": calls.VerdictAbandonedRing, "in-progress": calls.VerdictAbandonedRing,
	} {
		add("row "+status, want, 0, 0, func(n story) []string { return []string{n.row(status, in, never, 30, "")} })
		add("legacy "+status, want, 0, 0, func(n story) []string { return []string{n.legacy(status, in, never, 30, "")} })
	}
	add("forwarded and answered there", calls.VerdictAnswered, 20*s, 0, func(n story) []string { return []string{n.completed("forwarded", in, 10, 30, false)} })
	add("legacy, answered", calls.VerdictAnswered, 50*s, 0, func(n story) []string { return []string{n.legacy("completed", in, 10, 60, "")} })
	add("legacy, voicemail", calls.VerdictVoicemail, 0, 7*s, func(n story) []string {
		return []string{n.legacy("completed", in, never, 60, `,"voicemail":{"duration":7,"type":"audio/mpeg","url":"https://m.example.org/1.mp3"}`)}
	})
	add("row with a voicemail", calls.VerdictVoicemail, 0, 14*s, func(n story) []string {
		return []string{n.row("no-answer", in, never, 60, `,"voicemail":{"id":"VM`+fmt.Sprint(int(n))+`","status":"completed","duration":14,"recordingUrl":"https://storage.example.org/1","transcript":"call me"}`), n.left(14)}
	})
	add("row of Quo's AI agent", calls.VerdictAbandonedIVR, 0, 0, func(n story) []string {
		return []string{strings.Replace(n.row("completed", in, 2, 60, ""), `"aiHandled":null`, `"aiHandled":"ai-agent"`, 1)}
	})
	add("ended in the menu", calls.VerdictAbandonedIVR, 0, 0, func(n story) []string {
		return []string{strings.Replace(n.row("completed", in, never, 60, ""), `"callRoute":null`, `"callRoute":"phone-menu"`, 1)}
	})
	add("hung up at once", calls.VerdictShort, 0, 0, func(n story) []string { return []string{n.completed("abandoned", in, never, 2, false)} })
	add("called, talked", calls.VerdictOutbound, 60*s, 0, func(n story) []string {
		return []string{n.event("call.ringing", 0, `,"direction":"outgoing"`), n.completed("answered", out, 10, 70, false)}
	})
	add("called, nobody", calls.VerdictOutbound, 0, 0, func(n story) []string { return []string{n.completed("unanswered", out, never, 30, false)} })
	phonetest.RunStories(t, system(t, quo.Config{}, key), calls.DefaultRules(), stories...)
}

func TestAIAnswers(t *testing.T) {
	report, err := system(t, quo.Config{AIAnswers: true}, key).Read(phone.Event{Body: []byte(story(1).completed("ai-handled", "incoming", 2, 60, false))})
	if err != nil || len(report.Legs) != 1 || report.Legs[0].Stated != calls.VerdictAnswered {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestParties(t *testing.T) {
	own := []string{"+12125550100"}
	for _, c := range []struct {
		name, event string
		numbers     []string
		from, to    string
	}{
		{"2026-03-30", load(t, "missed-2026-03-30.json"), nil, "+12125550123", "+12125550100"},
		{"from and to", load(t, "completed-legacy.json"), nil, "+12125550123", "+12125550100"},
		{"two numbers, and nobody says which is ours", load(t, "ringing-legacy.json"), nil, "", ""},
		{"two numbers, and we know ours", load(t, "ringing-legacy.json"), own, "+12125550123", "+12125550100"},
		{"a row", story(1).row("missed", "incoming", -1, 30, ""), nil, "+12125550123", "+12125550100"},
		{"a row of an outgoing call", story(1).row("missed", "outgoing", -1, 30, ""), nil, "+12125550100", "+12125550123"},
		{"a row that nobody took", strings.Replace(story(1).row("missed", "incoming", -1, 30, ""), `"US1"`, "null", 1), own, "+12125550123", "+12125550100"},
		{"withheld", strings.ReplaceAll(load(t, "missed-2026-03-30.json"), "+12125550123", "anonymous"), nil, "", "+12125550100"},
	} {
		report, err := system(t, quo.Config{Numbers: c.numbers}, key).Read(phone.Event{Body: []byte(c.event)})
		if err != nil || len(report.Legs) == 0 {
			t.Fatal(c.name, err)
		}
		if l := report.Legs[0]; l.From.Reveal() != c.from || l.To.Reveal() != c.to {
			t.Errorf("%s: from %q to %q", c.name, l.From.Reveal(), l.To.Reveal())
		}
	}
}

func TestSkips(t *testing.T) {
	for _, kind := range []string{"message.received", "call.recording.completed", "call.summary.completed", "call.transcript.completed", "contact.updated", "task.created"} {
		report, err := system(t, quo.Config{}, key).Read(phone.Event{Body: []byte(`{"type":"` + kind + `","data":{"resource":{"id":"AC1"}}}`)})
		if err != nil || report.Skip == "" || len(report.Legs) > 0 {
			t.Errorf("%s: %d legs, %q, %v", kind, len(report.Legs), report.Skip, err)
		}
	}
	report, err := system(t, quo.Config{}, key).Read(phone.Event{Body: []byte(`{"type":"call.completed","data":{"object":{"status":"completed"}}}`)})
	if err == nil {
		t.Errorf("a call without an id is %+v", report)
	}
}
