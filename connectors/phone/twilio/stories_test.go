package twilio_test

import (
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/connectors/phone"
	"github.com/ringback-health/ringback/connectors/phone/phonetest"
	"github.com/ringback-health/ringback/connectors/phone/twilio"
)

// ten is when all calls of the stories come in.
var ten = time.Date(2026, 3, 2, 16, 0, 0, 0, time.UTC)

// told is a callback about the call, with what it has besides; names and values in turn.
func told(call string, more ...string) string {
	v := url.Values{"CallSid": {call}, "AccountSid": {"AC00000000000000000000000000000001"}, "ApiVersion": {"2010-04-01"}}
	for i := 0; i < len(more); i += 2 {
		v.Set(more[i], more[i+1])
	}
	return v.Encode()
}

// sid is an identifier as Twilio writes it.
func sid(prefix string, n int) string { return fmt.Sprintf("%s%032x", prefix, n) }

// story is one call, told by its number.
type story int

func (n story) call() string  { return sid("CA", int(n)) }
func (n story) child() string { return sid("CA", 1000+int(n)) }

func at(seconds int) string {
	return ten.Add(time.Duration(seconds) * time.Second).Format(time.RFC1123Z)
}

// parent is a status callback of the caller's call.
func (n story) parent(status string, seconds int, more ...string) string {
	more = append([]string{"CallStatus", status, "Direction", "inbound", "From", "+12125550123", "To", "+12125550100",
		"Timestamp", at(seconds), "CallbackSource", "call-progress-events"}, more...)
	return told(n.call(), more...)
}

func (n story) ended(seconds int) string {
	return n.parent("completed", seconds, "CallDuration", fmt.Sprint(seconds))
}

// rang is a status callback of the call that <Dial> placed.
func (n story) rang(child, status string, seconds int, more ...string) string {
	more = append([]string{"ParentCallSid", n.call(), "CallStatus", status, "Direction", "outbound-dial", "From", "+12125550123",
		"To", "+12125550150", "Timestamp", at(seconds), "CallbackSource", "call-progress-events"}, more...)
	return told(child, more...)
}

// action is the action of a verb, which tells no time.
func (n story) action(more ...string) string {
	more = append([]string{"CallStatus", "in-progress", "Direction", "inbound", "From", "+12125550123", "To", "+12125550100"}, more...)
	return told(n.call(), more...)
}

func (n story) voicemail(more ...string) string {
	more = append([]string{"RecordingSid", sid("RE", int(n)), "RecordingUrl", "https://api.twilio.com/2010-04-01/Accounts/AC1/Recordings/" + sid("RE", int(n)),
		"RecordingSource", "RecordVerb"}, more...)
	return told(n.call(), more...)
}

func (n story) row(id, parent, status, direction string, from, to int) string {
	if parent != "" {
		parent = fmt.Sprintf("%q", parent)
	} else {
		parent = "null"
	}
	return fmt.Sprintf(`{"sid":%q,"parent_call_sid":%s,"status":%q,"direction":%q,"from":"+12125550123","to":"+12125550100","start_time":%q,"end_time":%q,"duration":"%d","price":null,"subresource_uris":{}}`,
		id, parent, status, direction, at(from), at(to), to-from)
}

func TestStories(t *testing.T) {
	const s = time.Second
	n := story(0)
	next := func() story { n++; return n }
	var stories []phonetest.Story
	add := func(name string, want calls.Verdict, talk time.Duration, events ...string) {
		stories = append(stories, phonetest.Story{Name: name, Events: events, Want: want, Talk: talk})
	}
	rung := func() { stories[len(stories)-1].Rung = ten }

	n = next()
	add("answered, all told", calls.VerdictAnswered, 60*s, n.parent("ringing", 0), n.rang(n.child(), "initiated", 2), n.rang(n.child(), "ringing", 3),
		n.rang(n.child(), "in-progress", 10), n.rang(n.child(), "completed", 70, "CallDuration", "60"),
		n.action("DialCallStatus", "completed", "DialCallSid", n.child(), "DialCallDuration", "60", "DialBridged", "true"), n.ended(70))
	rung()
	n = next()
	add("answered, by status callbacks alone", calls.VerdictAnswered, 60*s, n.rang(n.child(), "completed", 70, "CallDuration", "60"), n.ended(70))
	n = next()
	add("answered, by the action alone", calls.VerdictAnswered, 60*s, n.action("DialCallStatus", "completed", "DialCallSid", n.child(), "DialCallDuration", "60"), n.ended(75))
	n = next()
	add("answered by one of two", calls.VerdictAnswered, 30*s, n.rang(n.child(), "completed", 40, "CallDuration", "30"),
		n.rang(sid("CA", 2000), "canceled", 10), n.ended(40))
	n = next()
	add("answered at the second try", calls.VerdictAnswered, 20*s, n.action("DialCallStatus", "no-answer", "DialCallSid", n.child(), "DialCallDuration", "0"),
		n.action("DialCallStatus", "completed", "DialCallSid", sid("CA", 2001), "DialCallDuration", "20"), n.ended(60))
	n = next()
	add("in a conference, perhaps alone", calls.VerdictAbandonedQueue, 0, n.action("DialCallStatus", "answered"), n.ended(60))
	n = next()
	add("nobody's answer was told", calls.VerdictAbandonedIVR, 0, n.ended(70))
	rung()
	n = next()
	add("still going on", calls.VerdictAbandonedRing, 0, n.parent("ringing", 0), n.rang(n.child(), "ringing", 3))
	rung()
	for _, end := range []struct {
		status string
		want   calls.Verdict
	}{{"no-answer", calls.VerdictAbandonedRing}, {"busy", calls.VerdictBusy}, {"failed", calls.VerdictFailed}, {"canceled", calls.VerdictAbandonedRing}, {"a-new-word", calls.VerdictAbandonedRing}} {
		n = next()
		add("dial "+end.status, end.want, 0, n.action("DialCallStatus", end.status, "DialCallSid", n.child()), n.ended(40))
		n = next()
		add("dial "+end.status+", without a child", end.want, 0, n.action("DialCallStatus", end.status), n.ended(40))
		n = next()
		add("child "+end.status, end.want, 0, n.rang(n.child(), end.status, 30, "CallDuration", "0"), n.ended(40))
	}
	n = next()
	add("picked up and not connected", calls.VerdictAbandonedRing, 0, n.rang(n.child(), "completed", 30, "CallDuration", "8"),
		n.action("DialCallStatus", "completed", "DialCallSid", n.child(), "DialCallDuration", "8", "DialBridged", "false"), n.ended(40))
	n = next()
	add("picked up without talk", calls.VerdictAbandonedRing, 0, n.rang(n.child(), "completed", 30, "CallDuration", "0"), n.ended(40))
	n = next()
	add("a machine picked up", calls.VerdictAbandonedRing, 0, n.rang(n.child(), "completed", 30, "CallDuration", "20", "AnsweredBy", "machine_start"), n.ended(40))
	n = next()
	add("hung up at once", calls.VerdictShort, 0, n.parent("ringing", 0), n.ended(2))
	for _, end := range []struct {
		status string
		want   calls.Verdict
	}{{"canceled", calls.VerdictAbandonedRing}, {"no-answer", calls.VerdictAbandonedRing}, {"busy", calls.VerdictBusy}, {"failed", calls.VerdictFailed}} {
		n = next()
		add("the caller's call "+end.status, end.want, 0, n.parent("ringing", 0), n.parent(end.status, 30, "CallDuration", "0"))
		rung()
	}

	for result, want := range map[string]calls.Verdict{
		"hangup": calls.VerdictAbandonedQueue, "leave": calls.VerdictAbandonedQueue, "queue-full": calls.VerdictAbandonedQueue, "redirected": calls.VerdictAbandonedQueue,
		"bridged": calls.VerdictAnswered, "bridging-in-process": calls.VerdictAnswered, "redirected-from-bridged": calls.VerdictAnswered,
		"error": calls.VerdictFailed, "system-error": calls.VerdictFailed, "a-new-word": calls.VerdictAbandonedQueue,
	} {
		n = next()
		add("queue "+result, want, 0, n.action("QueueResult", result, "QueueSid", sid("QU", 1), "QueueTime", "20"), n.ended(40))
	}

	message := func(length time.Duration) { stories[len(stories)-1].Message = length }
	n = next()
	add("voicemail, all told", calls.VerdictVoicemail, 0, n.action("DialCallStatus", "no-answer", "DialCallSid", n.child()),
		n.action("RecordingUrl", "https://api.twilio.com/2010-04-01/Accounts/AC1/Recordings/"+sid("RE", int(n)), "RecordingDuration", "12", "Digits", "hangup"),
		n.voicemail("RecordingStatus", "completed", "RecordingDuration", "12", "RecordingStartTime", at(30)),
		n.voicemail("TranscriptionSid", sid("TR", 1), "TranscriptionStatus", "completed", "TranscriptionText", "please call me about my refill"), n.ended(45))
	message(12 * s)
	n = next()
	add("left the queue and left a message", calls.VerdictVoicemail, 0, n.action("QueueResult", "leave"), n.voicemail("RecordingStatus", "completed", "RecordingDuration", "9"), n.ended(45))
	message(9 * s)
	n = next()
	add("reached the mailbox and said nothing", calls.VerdictVoicemail, 0, n.voicemail("RecordingStatus", "absent", "RecordingDuration", "0"), n.ended(45))
	n = next()
	add("the recording failed", calls.VerdictVoicemail, 0, n.voicemail("RecordingStatus", "failed"), n.ended(45))
	n = next()
	add("answered, and the conversation recorded", calls.VerdictAnswered, 60*s,
		n.action("DialCallStatus", "completed", "DialCallSid", n.child(), "DialCallDuration", "60", "RecordingUrl", "https://api.twilio.com/x/"+sid("RE", 9000)),
		told(n.call(), "RecordingSid", sid("RE", 9000), "RecordingStatus", "completed", "RecordingSource", "DialVerb", "RecordingDuration", "60"), n.ended(70))
	n = next()
	add("answered and passed on to the mailbox", calls.VerdictVoicemail, 20*s, n.rang(n.child(), "completed", 30, "CallDuration", "20"),
		n.voicemail("RecordingStatus", "completed", "RecordingDuration", "15", "RecordingStartTime", at(35)), n.ended(50))
	message(15 * s)

	outbound := func(more ...string) string {
		return told(n.call(), append([]string{"From", "+12125550100", "To", "+12125550123", "Direction", "outbound-api", "CallbackSource", "call-progress-events"}, more...)...)
	}
	n = next()
	add("called by the API, talked", calls.VerdictOutbound, 90*s, outbound("CallStatus", "ringing", "Timestamp", at(0)), outbound("CallStatus", "completed", "CallDuration", "90", "Timestamp", at(95)))
	rung()
	n = next()
	add("called by the API, nobody", calls.VerdictOutbound, 0, outbound("CallStatus", "no-answer", "CallDuration", "0", "Timestamp", at(30)))
	n = next()
	add("called by the API, a machine", calls.VerdictOutbound, 0, outbound("CallStatus", "completed", "CallDuration", "20", "AnsweredBy", "machine_end_beep", "Timestamp", at(30)))
	n = next()
	add("called from a softphone", calls.VerdictOutbound, 60*s, n.parent("completed", 70, "From", "client:jenny", "To", "", "CallDuration", "70"),
		n.rang(n.child(), "completed", 70, "CallDuration", "60", "To", "+12125550123"))
	n = next()
	add("called from a desk phone", calls.VerdictOutbound, 60*s, n.parent("completed", 70, "From", "sip:anna@clinic.sip.twilio.com", "To", "sip:+12125550123@clinic.sip.twilio.com", "CallDuration", "70"),
		n.rang(n.child(), "completed", 70, "CallDuration", "60", "To", "+12125550123"))

	n = next()
	add("answered, by the list of calls", calls.VerdictAnswered, 60*s, n.row(n.call(), "", "completed", "inbound", 0, 70), n.row(n.child(), n.call(), "completed", "outbound-dial", 3, 63))
	rung()
	n = next()
	add("missed, by the list of calls", calls.VerdictAbandonedRing, 0, n.row(n.call(), "", "completed", "inbound", 0, 30), n.row(n.child(), n.call(), "no-answer", "outbound-dial", 3, 3))
	rung()
	n = next()
	add("told by both", calls.VerdictAnswered, 60*s, n.ended(70), n.action("DialCallStatus", "completed", "DialCallSid", n.child(), "DialCallDuration", "60"),
		n.row(n.call(), "", "completed", "inbound", 0, 70), n.row(n.child(), n.call(), "completed", "outbound-dial", 3, 63))
	rung()

	phonetest.RunStories(t, system(t, twilio.Config{}, "12345"), calls.DefaultRules(), stories...)
}

func TestConferencesAnswered(t *testing.T) {
	report, err := system(t, twilio.Config{ConferencesAnswered: true}, "12345").Read(phone.Event{Body: []byte(story(1).action("DialCallStatus", "answered"))})
	if err != nil || len(report.Legs) != 2 || report.Legs[1].Stated != calls.VerdictAnswered {
		t.Errorf("%+v, %v", report, err)
	}
}

// What is told of who called and was called.
func TestParties(t *testing.T) {
	n := story(1)
	for _, c := range []struct{ name, event, from, to, caller string }{
		{"a number", n.parent("ringing", 0, "CallerName", "ANN EXAMPLE"), "+12125550123", "+12125550100", "ANN EXAMPLE"},
		{"withheld, as a word", n.parent("ringing", 0, "From", "anonymous", "CallerName", "Anonymous"), "", "+12125550100", ""},
		{"withheld, as digits", n.parent("ringing", 0, "From", "+266696687"), "", "+12125550100", ""},
		{"by SIP", n.parent("ringing", 0, "From", "sip:+12125550123@203.0.113.7:5060"), "+12125550123", "+12125550100", ""},
		{"by SIP over TLS", n.parent("ringing", 0, "From", "sips:+12125550123@pbx.example.org"), "+12125550123", "+12125550100", ""},
		{"by SIP, without a number", n.parent("ringing", 0, "From", "sip:anna@pbx.example.org"), "", "+12125550100", ""},
	} {
		report, err := system(t, twilio.Config{}, "12345").Read(phone.Event{Body: []byte(c.event)})
		if err != nil || len(report.Legs) != 1 {
			t.Fatal(c.name, err)
		}
		l := report.Legs[0]
		if l.From.Reveal() != c.from || l.To.Reveal() != c.to || l.FromName.Reveal() != c.caller {
			t.Errorf("%s: from %q, to %q, %q", c.name, l.From.Reveal(), l.To.Reveal(), l.FromName.Reveal())
		}
	}
}

// The session of a softphone's call is to whom it was placed, not from where.
func TestCalledNumber(t *testing.T) {
	n := story(1)
	sys := system(t, twilio.Config{}, "12345")
	var legs []calls.Leg
	for _, e := range []string{n.parent("completed", 70, "From", "client:jenny", "To", "", "CallDuration", "70"),
		n.rang(n.child(), "completed", 70, "CallDuration", "60", "To", "+12125550123", "From", "+12125550100")} {
		report, err := sys.Read(phone.Event{Body: []byte(e)})
		if err != nil {
			t.Fatal(err)
		}
		legs = append(legs, report.Legs...)
	}
	got := calls.Collapse(calls.Latest(legs), calls.DefaultRules())
	if len(got) != 1 || got[0].To.Reveal() != "+12125550123" || got[0].Talk != time.Minute {
		t.Errorf("%d sessions; to %q, talk %s", len(got), got[0].To.Reveal(), got[0].Talk)
	}
}

func TestSkips(t *testing.T) {
	for name, body := range map[string]string{
		"a message":            "MessageSid=SM1&From=%2B12125550123",
		"a conference":         told(sid("CA", 1), "ConferenceSid", "CF1", "StatusCallbackEvent", "participant-join"),
		"a live transcription": told(sid("CA", 1), "TranscriptionEvent", "transcription-content"),
		"another recording":    told(sid("CA", 1), "RecordingSid", "RE1", "RecordingStatus", "completed", "RecordingSource", "Conference"),
	} {
		report, err := system(t, twilio.Config{}, "12345").Read(phone.Event{Body: []byte(body)})
		if err != nil || report.Skip == "" || len(report.Legs) > 0 {
			t.Errorf("%s: %d legs, %q, %v", name, len(report.Legs), report.Skip, err)
		}
	}
}
