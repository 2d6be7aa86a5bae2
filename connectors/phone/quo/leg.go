package quo

import (
	"strings"

	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/connectors/phone"
)

// Read makes a leg of a call, and one of its voicemail.
func (s *System) Read(e phone.Event) (phone.Report, error) {
	t, err := parse(e.Body)
	if err != nil {
		return phone.Report{}, err
	}
	if !isCall(t.kind) {
		return phone.Report{Skip: "an event of Quo's that does not tell how a call went"}, nil
	}
	c := t.call
	id := plainID(c.ID)
	if t.kind == "call.voicemail.completed" {
		if id = plainID(c.CallID); id == "" {
			return phone.Report{}, errNoCall
		}
		m := message{ID: c.VoicemailID, Duration: c.Duration, URL: c.RecordingURL, Transcript: c.Transcript}
		return phone.Report{Legs: []calls.Leg{s.voicemail(t, id, m)}}, nil
	}
	if id == "" {
		return phone.Report{}, errNoCall
	}
	legs := []calls.Leg{s.leg(t, id)}
	if c.Voicemail != nil {
		legs = append(legs, s.voicemail(t, id, *c.Voicemail))
	}
	return phone.Report{Legs: legs}, nil
}

// plainID is an identifier of Quo's ("AC..."), "" for what is none.
func plainID(s phone.Scalar) string {
	const chars = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-"
	id := phone.Plain(string(s))
	if len(id) < 3 || len(id) > 64 || strings.Trim(id, chars) != "" || strings.Trim(id, "0123456789-") == "" {
		return "" // digits alone may be a number of somebody's
	}
	return id
}

// How far what is said of a call goes. It is the Seq of the leg: events come in any order.
const (
	saysNothing = iota
	saysAnswered
	saysMissed
	saysEnded
)

// leg is the leg of a call.
func (s *System) leg(t told, id string) calls.Leg {
	c := t.call
	leg := calls.Leg{Session: id, ID: id, At: instant(c.UpdatedAt), Start: instant(c.CreatedAt), End: instant(c.CompletedAt), Direction: directionOf(t)}
	if leg.At.IsZero() {
		leg.At = t.at
	}
	ours, theirs := s.parties(t)
	leg.From, leg.To = theirs, ours
	if leg.Direction == calls.Outbound {
		leg.From, leg.To = ours, theirs
	}
	leg.Seq, leg.Stated, leg.Note = s.state(t)
	if leg.Stated == calls.VerdictAnswered {
		leg.Answer = instant(c.AnsweredAt)
	}
	return leg
}

// directionOf is who placed the call. Some events are told of calls that come in only.
func directionOf(t told) calls.Direction {
	switch {
	case t.call.Direction == "outgoing":
		return calls.Outbound
	case t.call.Direction == "incoming", t.kind == "call.missed", t.kind == "call.forwarded", t.kind == "call.menu.selected":
		return calls.Inbound
	default:
		return ""
	}
}

// words are Quo's words for how a call ended: of call.completed, and of the list of
// calls. What is neither answered nor missed by itself is decided by state.
var words = phone.Words{
	"unanswered": calls.VerdictAbandonedRing, "no-answer": calls.VerdictAbandonedRing, "missed": calls.VerdictAbandonedRing,
	"canceled": calls.VerdictAbandonedRing, "abandoned": calls.VerdictAbandonedRing, "busy": calls.VerdictBusy, "failed": calls.VerdictFailed,
	"answered": "", "completed": "", "forwarded": "", "ai-handled": "", "unknown": "", "": "",
}

// state says how far the call is and what it was.
func (s *System) state(t told) (seq int64, v calls.Verdict, note string) {
	c := t.call
	answered := !instant(c.AnsweredAt).IsZero()
	status := strings.ToLower(string(c.Status))
	switch t.kind {
	case "call.ringing", "call.menu.selected", "call.forwarded":
		return saysNothing, "", ""
	case "call.answered":
		// Of calls from the clinic it is told for a voicemail box too; there is no better word.
		return saysAnswered, calls.VerdictAnswered, "was picked up"
	case "call.missed":
		return saysMissed, calls.VerdictAbandonedRing, "rang and nobody answered"
	}
	switch status {
	case "queued", "initiated", "ringing":
		return saysNothing, "", ""
	case "in-progress":
		if answered {
			return saysAnswered, calls.VerdictAnswered, "was picked up"
		}
		return saysNothing, "", ""
	}
	v, note = words.Verdict(status)
	switch {
	case status == "ai-handled", c.AIHandled != "":
		if s.config.AIAnswers {
			return saysEnded, calls.VerdictAnswered, "Quo's AI agent took the call"
		}
		return saysEnded, calls.VerdictAbandonedIVR, "Quo's AI agent took the call, and no person"
	case v != "":
		note = ""
	case answered, status == "answered":
		v, note = calls.VerdictAnswered, "a person answered"
	case status == "forwarded":
		v, note = calls.VerdictAbandonedRing, "was forwarded, and Quo does not tell whether anybody answered there"
	case note != "":
		v = calls.VerdictAbandonedRing
	case c.CallRoute == "phone-menu":
		v, note = calls.VerdictAbandonedIVR, "ended in the phone menu"
	default:
		v, note = calls.VerdictAbandonedRing, "nobody answered"
	}
	if v != calls.VerdictAnswered && c.HasVoicemail {
		v, note = calls.VerdictVoicemail, "left a message"
	}
	return saysEnded, v, note
}

// voicemail is the leg of a message.
func (s *System) voicemail(t told, id string, m message) calls.Leg {
	leg := calls.Leg{Session: id, ID: id + "-voicemail", Seq: saysEnded, At: instant(t.call.UpdatedAt), Direction: directionOf(t),
		Stated: calls.VerdictVoicemail, Note: "left a message", Message: m.of()}
	if t.kind == "call.voicemail.completed" {
		ours, theirs := s.parties(t)
		leg.From, leg.To = theirs, ours
	}
	return leg
}
