package zoomphone

import (
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/connectors/phone"
)

// element is one event of a call in the call log, and one call in the account's call
// history, which has most of the same members.
type element struct {
	ID            phone.Scalar `json:"call_element_id"`
	OldID         phone.Scalar `json:"id"` // of the call_history events, the same as call_element_id
	HistoryID     phone.Scalar `json:"call_history_uuid"`
	CallID        phone.Scalar `json:"call_id"`
	ConnectType   phone.Scalar `json:"connect_type"`
	Direction     phone.Scalar `json:"direction"`
	CallerName    phone.Scalar `json:"caller_name"`
	CallerDID     phone.Scalar `json:"caller_did_number"`
	CallerExt     phone.Scalar `json:"caller_ext_number"`
	CallerNumType phone.Scalar `json:"caller_number_type"`
	CalleeDID     phone.Scalar `json:"callee_did_number"`
	CalleeExt     phone.Scalar `json:"callee_ext_number"`
	CalleeExtType phone.Scalar `json:"callee_ext_type"`
	OperatorType  phone.Scalar `json:"operator_ext_type"`
	Start         phone.Scalar `json:"start_time"`
	Answer        phone.Scalar `json:"answer_time"`
	End           phone.Scalar `json:"end_time"`
	Event         phone.Scalar `json:"event"`
	Result        phone.Scalar `json:"result"`
	CallResult    phone.Scalar `json:"call_result"` // of the call history
	TalkTime      phone.Scalar `json:"talk_time"`   // seconds
	VoicemailID   phone.Scalar `json:"voicemail_id"`
}

// results are the words of result and call_result.
var results = phone.Words{
	"answered": calls.VerdictAnswered, "accepted": calls.VerdictAnswered, "picked_up": calls.VerdictAnswered,
	"connected": calls.VerdictAnswered, "succeeded": calls.VerdictAnswered,
	"voicemail": calls.VerdictVoicemail,
	"hang_up":   calls.VerdictAbandonedRing, "canceled": calls.VerdictAbandonedRing, "unconnected": calls.VerdictAbandonedRing,
	"ring_timeout": calls.VerdictAbandonedRing, "overflowed": calls.VerdictAbandonedRing, "no_answer": calls.VerdictAbandonedRing,
	"abandoned": calls.VerdictAbandonedRing, "busy": calls.VerdictBusy, "rejected": calls.VerdictRejected, "system_blocked": calls.VerdictRejected,
	"call_failed": calls.VerdictFailed, "service_unavailable": calls.VerdictFailed,
	"invalid_key": calls.VerdictAbandonedIVR, "invalid_operation": calls.VerdictAbandonedIVR,
}

// listening are the events of somebody who joins a call that another person answered.
var listening = map[string]bool{"barge": true, "monitor": true, "whisper": true, "listen": true, "conference_barge": true, "shared": true}

// readElements reads the call_elements of an event, or the call_logs, as they were called
// before (phone.callee_call_history_completed).
func readElements(object json.RawMessage) (phone.Report, error) {
	var list struct {
		Elements []element `json:"call_elements"`
		Logs     []element `json:"call_logs"`
	}
	if err := json.Unmarshal(object, &list); err != nil {
		return phone.Report{}, errNoEvent
	}
	return legsOf(append(list.Elements, list.Logs...))
}

// readHistory reads one call of the call history: with its elements where they were asked
// for, and else as the history sums it up.
func readHistory(body []byte) (phone.Report, error) {
	var call struct {
		element
		Elements []element `json:"call_elements"`
		Path     []element `json:"call_path"` // what they were called before
	}
	if err := json.Unmarshal(body, &call); err != nil {
		return phone.Report{}, errors.New("zoomphone: the record of the call history is no JSON object with its fields")
	}
	switch {
	case len(call.Elements) > 0:
		return legsOf(call.Elements)
	case len(call.Path) > 0:
		return legsOf(call.Path)
	case call.CallID == "" && call.HistoryID == "":
		return phone.Report{Skip: "the record of the call history names no call"}, nil
	default:
		call.ID, call.Result = "history-"+call.HistoryID, call.CallResult
		return legsOf([]element{call.element})
	}
}

func legsOf(elements []element) (phone.Report, error) {
	if len(elements) == 0 {
		return phone.Report{Skip: "it holds no call elements"}, nil
	}
	var r phone.Report
	for _, e := range elements {
		if listening[string(e.Event)] {
			r.Skip = "a supervisor who listened is no call"
			continue
		}
		l, err := e.leg()
		if err != nil {
			return phone.Report{}, err
		}
		r.Legs = append(r.Legs, l)
	}
	if len(r.Legs) > 0 {
		r.Skip = ""
	}
	return r, nil
}

func (e element) leg() (calls.Leg, error) {
	id := e.ID.ID()
	if id == "" {
		id = e.OldID.ID()
	}
	session := sessionOf(e.CallID)
	if id == "" || session == "" {
		return calls.Leg{}, errors.New("zoomphone: a call element has no call_id or no id of its own")
	}
	l := calls.Leg{
		Session: session, ID: id, Direction: e.direction(),
		FromName: phone.CallerName(e.CallerName), To: phone.Number(e.CalleeDID, e.CalleeExt),
		Start: e.Start.RFC3339(), End: e.End.RFC3339(),
	}
	if !strings.EqualFold(string(e.CallerNumType), "anonymous_number") {
		l.From = phone.Number(e.CallerDID, e.CallerExt)
	}
	l.At = l.End
	l.Stated, l.Note = e.verdict()
	switch l.Stated {
	case calls.VerdictAnswered:
		l.Answer, l.Talk = e.Answer.RFC3339(), e.TalkTime.Length(time.Second)
	case calls.VerdictVoicemail:
		l.Message.ID = e.VoicemailID.ID()
	default: // nobody was on the line
	}
	return l, nil
}

// direction is that of the call. Between two extensions it is internal; the number type
// says that the caller is none.
func (e element) direction() calls.Direction {
	outside := e.CallerNumType != "" && !strings.HasPrefix(string(e.CallerNumType), "meeting_")
	switch {
	case e.ConnectType == "internal" && e.CallerExt != "" && !outside:
		return calls.Internal
	case e.Direction == "outbound":
		return calls.Outbound
	case e.Direction == "inbound":
		return calls.Inbound
	default:
		return ""
	}
}

// place is what the element reached. A queue that somebody took the call from was no
// longer waited in: there was talk, or a colleague is named.
func (e element) place() place {
	user := e.TalkTime.Length(time.Second) > 0 || strings.EqualFold(string(e.OperatorType), "user")
	return reached(e.CalleeExtType, user)
}

func (e element) verdict() (calls.Verdict, string) {
	v, note := results.Verdict(string(e.Result))
	at := e.place()
	switch {
	case e.Direction == "outbound" && v == calls.VerdictAnswered:
		return v, "the other end answered"
	case v == calls.VerdictAnswered:
		return at.answered()
	case v == calls.VerdictAbandonedRing && at == aQueue:
		return calls.VerdictAbandonedQueue, "ended while waiting in a queue"
	case v == calls.VerdictAbandonedRing && at == aMenu:
		return calls.VerdictAbandonedIVR, "ended in the auto receptionist's menu"
	case v == calls.VerdictAbandonedRing:
		return v, "rang and nobody answered"
	case v == calls.VerdictVoicemail:
		return v, "went to voicemail"
	case v == "" && note != "": // a new word: a call that nobody is known to have answered
		return calls.VerdictAbandonedRing, note
	case v == "":
		return "", ""
	default:
		return v, "Zoom says that it ended so: " + string(v)
	}
}
