package twilio

import (
	"path"
	"strings"
	"time"

	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/connectors/phone"
	number "github.com/ringback-health/ringback/internal/phone"
	"github.com/ringback-health/ringback/internal/redact"
)

// Read makes legs of a callback: one of the call itself, and one of what the callback
// says became of it. What different callbacks say stands in different legs, since
// most of them hold no time by which they could be ordered; callback/calls puts
// them together.
func (s *System) Read(e phone.Event) (phone.Report, error) {
	p, err := parse(e.Body)
	if err != nil {
		return phone.Report{}, err
	}
	switch {
	case p.has("MessageSid", "SmsSid"):
		return phone.Report{Skip: "a message and no call"}, nil
	case p.has("ConferenceSid") && p.has("StatusCallbackEvent"):
		return phone.Report{Skip: "an event of a conference, which does not tell how the call ended"}, nil
	case p.has("TranscriptionEvent"):
		return phone.Report{Skip: "a live transcription of a conversation"}, nil
	case !isSID(p["CallSid"], "CA"), p.has("ParentCallSid") && !isSID(p["ParentCallSid"], "CA"):
		return phone.Report{}, errNoCall
	}
	var legs []calls.Leg
	if p.has("CallStatus") {
		legs = append(legs, p.call())
	}
	switch {
	case p.has("DialCallStatus"):
		legs = append(legs, s.dial(p))
	case p.has("QueueResult"):
		legs = append(legs, p.queue())
	case p.has("RecordingStatus") && !p.voicemail():
		return phone.Report{Legs: legs, Skip: skipUnless(legs, "the recording of a conversation")}, nil
	case p.has("RecordingSid", "RecordingUrl"):
		legs = append(legs, p.recording())
	}
	return phone.Report{Legs: legs, Skip: skipUnless(legs, "it tells nothing of how the call goes")}, nil
}

func skipUnless(legs []calls.Leg, why string) string {
	if len(legs) > 0 {
		return ""
	}
	return why
}

// session is the call that the caller lives: the parent of those that Twilio places to
// reach somebody.
func (p params) session() string {
	if p.has("ParentCallSid") {
		return p["ParentCallSid"]
	}
	return p["CallSid"]
}

// How far what is said of a leg goes. It is the Seq of the leg: Twilio numbers status
// callbacks only.
const (
	saysNothing = iota
	saysAnswered
	saysEnded
	saysBridged // the action of <Dial> knows best: whether the two were connected
)

// notTold is why an inbound call looks missed of which nothing is told but that it ended.
const notTold = "only Twilio itself is known to have answered: no <Dial> action, child status callback or <Enqueue> action told that a person did"

// ends are the final words for a call that somebody is to pick up.
var ends = phone.Words{
	"busy": calls.VerdictBusy, "no-answer": calls.VerdictAbandonedRing, "canceled": calls.VerdictAbandonedRing, "failed": calls.VerdictFailed,
	"queued": "", "initiated": "", "ringing": "", "in-progress": "", "completed": "", "answered": "",
}

// call is the leg of the call that a callback is about.
func (p params) call() calls.Leg {
	leg := calls.Leg{Session: p.session(), ID: p["CallSid"], At: p.time("Timestamp"), Start: p.time("StartTime"), End: p.time("EndTime")}
	child := p.has("ParentCallSid")
	leg.Direction = p.direction(child)
	if child {
		// Who is shown as the caller may be the caller or the clinic.
		leg.To, leg.DstChannel = party(p["To"]), phone.Text(p["To"])
	} else {
		leg.From, leg.To = party(p["From"]), party(p["To"])
		if name := phone.Plain(p["CallerName"]); !number.Withheld(name) {
			leg.FromName = redact.NewText(name)
		}
	}
	if placed := child || strings.HasPrefix(p.word("Direction"), "outbound"); placed {
		p.placed(&leg)
	} else {
		p.came(&leg)
	}
	return leg
}

// direction is who placed the call. A call that Twilio places to reach somebody for a
// caller says nothing of it.
func (p params) direction(child bool) calls.Direction {
	from := p.word("From")
	switch d := p.word("Direction"); {
	case child:
		return ""
	case strings.HasPrefix(d, "outbound"), d == "trunking-terminating":
		return calls.Outbound
	case strings.HasPrefix(from, "client:"), strings.HasPrefix(from, "sip:") && strings.Contains(from, ".sip.twilio.com"):
		return calls.Outbound
	case d == "inbound", d == "trunking-originating":
		return calls.Inbound
	default:
		return ""
	}
}

// came says how a call ended that came in. That it was completed says nothing: it is
// what remains where nothing else is told.
func (p params) came(leg *calls.Leg) {
	status := p.word("CallStatus")
	length, _ := p.length("CallDuration")
	switch status {
	case "completed":
		leg.Seq, leg.Stated, leg.Note, leg.Duration = saysEnded, calls.VerdictAbandonedIVR, notTold, length
	case "queued", "initiated", "ringing", "in-progress":
	default:
		leg.Seq = saysEnded
		if leg.Stated, leg.Note = ends.Verdict(status); leg.Note != "" {
			leg.Stated = calls.VerdictAbandonedIVR
		}
	}
	setTimes(leg, length)
}

// placed says how a call ended that Twilio placed.
func (p params) placed(leg *calls.Leg) {
	status := p.word("CallStatus")
	talk, told := p.length("CallDuration")
	switch status {
	case "in-progress", "answered":
		leg.Seq, leg.Answer = saysAnswered, leg.At
		leg.Stated, leg.Note = p.pickedUp(talk, false)
	case "completed":
		leg.Seq, leg.Talk = saysEnded, talk
		leg.Stated, leg.Note = p.pickedUp(talk, told)
	case "queued", "initiated", "ringing":
	default:
		leg.Seq = saysEnded
		if leg.Stated, leg.Note = ends.Verdict(status); leg.Note != "" {
			leg.Stated = calls.VerdictAbandonedRing
		}
	}
	setTimes(leg, talk)
	if leg.Stated == calls.VerdictAnswered && leg.Seq == saysEnded && !leg.End.IsZero() {
		leg.Answer = leg.End.Add(-talk)
	}
}

// pickedUp says who picked up a call that Twilio placed.
func (p params) pickedUp(talk time.Duration, told bool) (calls.Verdict, string) {
	by := p.word("AnsweredBy")
	switch {
	case strings.HasPrefix(by, "machine"), by == "fax":
		return calls.VerdictAbandonedRing, "a machine picked up where the call was sent to"
	case told && talk == 0:
		return calls.VerdictAbandonedRing, "picked up without any talk"
	default:
		return calls.VerdictAnswered, "a person answered"
	}
}

// setTimes sets when a leg began and ended as far as its Timestamp tells. A call whose
// beginning is not told began no later than it was answered.
func setTimes(leg *calls.Leg, length time.Duration) {
	if leg.Seq < saysEnded {
		if leg.Start.IsZero() {
			leg.Start = leg.At
		}
		return
	}
	if leg.End.IsZero() {
		leg.End = leg.At
	}
	if leg.Start.IsZero() && !leg.End.IsZero() {
		leg.Start = leg.End.Add(-length)
	}
}

// dial is the leg of what a <Dial> reached.
func (s *System) dial(p params) calls.Leg {
	status := p.word("DialCallStatus")
	leg := calls.Leg{Session: p.session(), ID: p["DialCallSid"], Seq: saysBridged}
	// A conference has no call that was placed.
	conference := !isSID(leg.ID, "CA")
	if conference {
		leg.ID = p["CallSid"] + "-dial-" + plain(status)
	}
	talk, told := p.length("DialCallDuration")
	switch status {
	case "completed", "answered":
		leg.Talk = talk
		leg.Stated, leg.Note = p.pickedUp(talk, told && status == "completed")
		switch {
		case p.word("DialBridged") == "false":
			leg.Stated, leg.Note = calls.VerdictAbandonedRing, "somebody picked up and was not connected with the caller"
		case conference && !s.conferences:
			leg.Stated, leg.Note = calls.VerdictAbandonedQueue, "was in a conference, and Twilio does not tell whether anybody else was (conferences_answered)"
		}
	case "canceled":
		leg.Stated, leg.Note = calls.VerdictAbandonedRing, "the caller hung up while it rang"
	default:
		if leg.Stated, leg.Note = ends.Verdict(status); leg.Stated == "" {
			leg.Stated = calls.VerdictAbandonedRing
		}
	}
	return leg
}

// results are the words for how a call left a queue. A caller who left it for another
// part of the flow may still be answered there.
var results = map[string]struct {
	verdict calls.Verdict
	note    string
}{
	"bridged":                 {calls.VerdictAnswered, "was connected out of the queue"},
	"bridging-in-process":     {calls.VerdictAnswered, "was connected out of the queue"},
	"redirected-from-bridged": {calls.VerdictAnswered, "was connected out of the queue and then passed on"},
	"hangup":                  {calls.VerdictAbandonedQueue, "hung up while waiting in a queue"},
	"leave":                   {calls.VerdictAbandonedQueue, "left the queue, and nobody's answer was told"},
	"redirected":              {calls.VerdictAbandonedQueue, "was taken out of the queue, and nobody's answer was told"},
	"queue-full":              {calls.VerdictAbandonedQueue, "the queue was full"},
	"error":                   {calls.VerdictFailed, "Twilio could not put the call into the queue"},
	"system-error":            {calls.VerdictFailed, "Twilio could not put the call into the queue"},
}

// queue is the leg of what became of a call in a queue.
func (p params) queue() calls.Leg {
	result := p.word("QueueResult")
	r, known := results[result]
	if !known {
		_, r.note = phone.Words{}.Verdict(result)
		r.verdict = calls.VerdictAbandonedQueue
	}
	return calls.Leg{Session: p.session(), ID: p["CallSid"] + "-queue-" + plain(result), Seq: saysEnded, Stated: r.verdict, Note: r.note}
}

// voicemail reports whether a recording is a message, and not of a conversation. Older
// callbacks do not tell what they recorded.
func (p params) voicemail() bool {
	source := p.word("RecordingSource")
	return source == "" || source == "recordverb"
}

// recording is the leg of a message: from the action of <Record>, its
// recordingStatusCallback or its transcribeCallback.
func (p params) recording() calls.Leg {
	id := p["RecordingSid"]
	if !isSID(id, "RE") {
		if id = strings.TrimSuffix(path.Base(p["RecordingUrl"]), ".mp3"); !isSID(id, "RE") {
			id = ""
		}
	}
	leg := calls.Leg{
		Session: p.session(), ID: id, Seq: saysEnded, Start: p.time("RecordingStartTime"),
		Stated: calls.VerdictVoicemail, Note: "reached a mailbox",
		Message: calls.Message{ID: id, URL: phone.Text(p["RecordingUrl"]), Transcript: phone.Text(p["TranscriptionText"])},
	}
	if leg.ID == "" {
		leg.ID = p["CallSid"] + "-record"
	}
	leg.Message.Length, _ = p.length("RecordingDuration")
	switch p.word("RecordingStatus") {
	case "absent":
		leg.Note, leg.Message = "reached a mailbox and left no message", calls.Message{}
	case "failed":
		leg.Note, leg.Message = "reached a mailbox, and Twilio could not record the message", calls.Message{}
	}
	return leg
}

// party is one end of a call: a phone number. What has none (a client, a number that
// was withheld) is empty; of a SIP address the number is taken where it is one.
func party(raw string) redact.Text {
	s := phone.Plain(raw)
	if scheme, rest, ok := strings.Cut(strings.ToLower(s), ":"); ok && (scheme == "sip" || scheme == "sips") {
		s, _, _ = strings.Cut(rest, "@")
		if strings.Trim(s, "+0123456789") != "" {
			return redact.Text{}
		}
	}
	if number.Withheld(s) || strings.HasPrefix(strings.ToLower(s), "client:") {
		return redact.Text{}
	}
	return redact.NewText(s)
}

// plain is a word that may stand in an identifier; "other" for anything else.
func plain(word string) string {
	if word == "" || len(word) > 32 || strings.Trim(word, "abcdefghijklmnopqrstuvwxyz-") != "" {
		return "other"
	}
	return word
}
