package dialpad

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/connectors/phone"
	"github.com/ringback-health/ringback/internal/redact"
)

// event is a call event, as far as it is used. Times are milliseconds since 1970,
// lengths milliseconds.
type event struct {
	CallID           phone.Scalar    `json:"call_id"`
	MasterCallID     phone.Scalar    `json:"master_call_id"`
	EntryPointCallID phone.Scalar    `json:"entry_point_call_id"`
	OperatorCallID   phone.Scalar    `json:"operator_call_id"`
	State            string          `json:"state"`
	Direction        string          `json:"direction"`
	IsInternal       bool            `json:"is_internal"`
	ExternalNumber   phone.Scalar    `json:"external_number"`
	InternalNumber   phone.Scalar    `json:"internal_number"`
	Contact          party           `json:"contact"`
	Target           party           `json:"target"`
	Availability     phone.Scalar    `json:"target_availability_status"`
	Started          phone.Scalar    `json:"date_started"`
	FirstRang        phone.Scalar    `json:"date_first_rang"`
	Rang             phone.Scalar    `json:"date_rang"`
	Queued           phone.Scalar    `json:"date_queued"`
	Connected        phone.Scalar    `json:"date_connected"`
	Ended            phone.Scalar    `json:"date_ended"`
	At               phone.Scalar    `json:"event_timestamp"`
	TalkTime         phone.Scalar    `json:"talk_time"`
	CallbackAsked    json.RawMessage `json:"callback_requested"`
	VoicemailLink    phone.Scalar    `json:"voicemail_link"`
	VoicemailID      phone.Scalar    `json:"voicemail_recording_id"`
	Transcription    phone.Scalar    `json:"transcription_text"`
	Recordings       []recording     `json:"recording_details"`
}

// party is one end of a call.
type party struct {
	Type  phone.Scalar `json:"type"`
	Name  phone.Scalar `json:"name"`
	Phone phone.Scalar `json:"phone"`
}

type recording struct {
	Type     phone.Scalar `json:"recording_type"`
	Duration phone.Scalar `json:"duration"` // milliseconds
}

// legs are what an event tells: of the call itself, and of the mailbox and of the wish to
// be called back, which are legs of their own so that a later event of the call that does
// not speak of them takes nothing back.
func (s *System) legs(e event) []calls.Leg {
	l := calls.Leg{
		Session: e.session(), ID: e.CallID.ID(), At: e.At.Milliseconds(), Direction: e.direction(),
		Start: e.Started.Milliseconds(), End: e.Ended.Milliseconds(), FromName: e.callerName(),
	}
	l.From, l.To = e.numbers()
	legs := []calls.Leg{l}
	if v, note := e.mailbox(); v != "" {
		box := l
		box.ID, box.Stated, box.Note, box.Message = l.ID+"-mailbox", v, note, e.message()
		box.End = time.Time{} // that of the call, which may have been answered before
		legs = append(legs, box)
	}
	if e.wantsCallback() {
		wish := l
		wish.ID, wish.Stated, wish.Note = l.ID+"-callback", calls.VerdictCallbackRequested, "the caller asked to be called back"
		legs = append(legs, wish)
	}
	leg := &legs[0]
	leg.Stated, leg.Note = s.verdict(e)
	if leg.Stated == calls.VerdictAnswered {
		leg.Answer, leg.Talk = e.Connected.Milliseconds(), e.TalkTime.Length(time.Millisecond)
	}
	return legs
}

// session names the call that this one is part of.
func (e event) session() string {
	for _, i := range []phone.Scalar{e.MasterCallID, e.EntryPointCallID} {
		if i.ID() != "" {
			return i.ID()
		}
	}
	return e.CallID.ID()
}

func (e event) direction() calls.Direction {
	switch {
	case e.IsInternal:
		return calls.Internal
	case strings.EqualFold(e.Direction, "inbound"):
		return calls.Inbound
	case strings.EqualFold(e.Direction, "outbound"):
		return calls.Outbound
	default:
		return ""
	}
}

// numbers are who called and who was called. contact is the outside end.
func (e event) numbers() (from, to redact.Text) {
	outside := phone.Number(e.ExternalNumber, e.Contact.Phone)
	inside := phone.Number(e.InternalNumber, e.Target.Phone)
	if strings.EqualFold(e.Direction, "outbound") {
		return inside, outside
	}
	return outside, inside
}

// callerName is the name of the outside end where it called. Dialpad writes the number in
// its place where it knows none.
func (e event) callerName() redact.Text {
	if strings.EqualFold(e.Direction, "outbound") {
		return redact.Text{}
	}
	return phone.CallerName(e.Contact.Name)
}

// verdict says how the call itself stands. date_connected decides whether somebody
// answered, and not the state: a call center is connected too when only its greeting
// plays, and an event may be lost.
func (s *System) verdict(e event) (calls.Verdict, string) {
	connected := !e.Connected.Milliseconds().IsZero()
	person := e.OperatorCallID.ID() != "" ||
		slices.ContainsFunc(s.cfg.PersonTargets, func(t string) bool { return strings.EqualFold(t, string(e.Target.Type)) })
	if v, note := e.mailbox(); v != "" && e.OperatorCallID.ID() == "" && talked(e) == 0 {
		return v, note // the mailbox is what was connected
	}
	switch {
	case connected && (person || talked(e) > 0):
		return calls.VerdictAnswered, "a person answered"
	case strings.EqualFold(e.State, "blocked"):
		return calls.VerdictRejected, "Dialpad blocked the call"
	case e.over() && strings.EqualFold(string(e.Availability), "closed"):
		return calls.VerdictAfterHours, "came in while closed and nobody answered"
	case !e.Queued.Milliseconds().IsZero() || strings.EqualFold(e.State, "queued"):
		return calls.VerdictAbandonedQueue, "ended while waiting in a queue"
	case !e.over():
		return "", "" // nothing is told of its end
	case connected:
		return calls.VerdictAbandonedIVR, "only a menu or an announcement answered"
	case strings.EqualFold(e.State, "missed") || !e.Rang.Milliseconds().IsZero() || !e.FirstRang.Milliseconds().IsZero():
		return calls.VerdictAbandonedRing, "rang and nobody answered"
	default:
		return calls.VerdictAbandonedIVR, "ended before any phone rang"
	}
}

// talked is the time with a person: talk_time is without menu, queue and ringing.
func talked(e event) time.Duration { return e.TalkTime.Length(time.Millisecond) }

// over reports whether the call has ended.
func (e event) over() bool {
	return strings.EqualFold(e.State, "hangup") || strings.EqualFold(e.State, "missed") || !e.Ended.Milliseconds().IsZero()
}

// mailbox says whether the call ended in a mailbox, and how sure a message is. The link
// is there even where the caller hung up during the greeting [M].
func (e event) mailbox() (calls.Verdict, string) {
	const sure, unsure = "left a voicemail", "reached the mailbox; whether a message was left is not told"
	switch state := strings.ToLower(e.State); {
	case state == "voicemail_uploaded", e.VoicemailID != "", state == "transcription" && e.VoicemailLink != "":
		return calls.VerdictVoicemail, sure
	case state == "transcription" && e.Transcription != "" && e.Connected.Milliseconds().IsZero():
		return calls.VerdictVoicemail, sure
	case state == "voicemail", e.VoicemailLink != "":
		return calls.VerdictVoicemail, unsure
	default:
		return "", ""
	}
}

// message is what is known of it.
func (e event) message() calls.Message {
	m := calls.Message{ID: e.VoicemailID.ID(), URL: phone.Text(string(e.VoicemailLink)), Transcript: phone.Text(string(e.Transcription))}
	for _, r := range e.Recordings {
		if strings.EqualFold(string(r.Type), "voicemail") {
			m.Length = max(m.Length, r.Duration.Length(time.Millisecond))
		}
	}
	return m
}

// wantsCallback reports whether the caller asked for one, in whatever type that is told.
func (e event) wantsCallback() bool {
	switch strings.Trim(string(e.CallbackAsked), `" `) {
	case "", "null", "false", "0", "{}", "[]":
		return false
	default:
		return true
	}
}
