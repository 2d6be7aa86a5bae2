package zoomphone

import (
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/connectors/phone"
	"github.com/ringback-health/ringback/internal/redact"
)

var errNoEvent = errors.New("zoomphone: the event is no JSON object with an event and a payload")

// envelope is what every webhook is wrapped in.
type envelope struct {
	Event   string       `json:"event"`
	At      phone.Scalar `json:"event_ts"` // milliseconds since 1970
	Payload struct {
		Object json.RawMessage `json:"object"`
	} `json:"payload"`
}

// Read says what an event tells. A call is one session by its call_id: Zoom tells of it
// once for every colleague who is rung, and each of them is a leg. The suffix that Zoom
// gives the call_id of a call that was passed on (_1, _2) is not part of it [M].
func (s *System) Read(e phone.Event) (phone.Report, error) {
	if e.Form == phone.FormHistory {
		return readHistory(e.Body)
	}
	var env envelope
	if err := json.Unmarshal(e.Body, &env); err != nil {
		return phone.Report{}, errNoEvent
	}
	name, ok := strings.CutPrefix(env.Event, "phone.")
	if !ok {
		return phone.Report{Skip: "it is no event of Zoom Phone"}, nil
	}
	name = strings.TrimSuffix(name, "_for_access_member")
	at := env.At.Milliseconds()
	switch {
	case strings.HasSuffix(name, "_call_element_completed"), strings.HasSuffix(name, "_call_history_completed"):
		return readElements(env.Payload.Object)
	case name == "voicemail_received", name == "voicemail_transcript_completed":
		return readVoicemail(env.Payload.Object, at)
	case strings.HasPrefix(name, "callee_"), strings.HasPrefix(name, "caller_"):
		side, what, _ := strings.Cut(name, "_")
		return readStatus(side, what, env.Payload.Object, at)
	default:
		return phone.Report{Skip: "it tells of no call"}, nil
	}
}

// end is one end of a call in a status event.
type end struct {
	Name            phone.Scalar `json:"name"`
	Number          phone.Scalar `json:"phone_number"`
	ExtensionID     phone.Scalar `json:"extension_id"`
	ExtensionType   phone.Scalar `json:"extension_type"`
	ExtensionNumber phone.Scalar `json:"extension_number"`
	UserID          phone.Scalar `json:"user_id"`
}

// ours reports whether the end belongs to the account.
func (e end) ours() bool {
	return e.ExtensionID != "" || e.ExtensionNumber != "" || e.UserID != "" || extension(string(e.Number))
}

// id names the end within its call.
func (e end) id() string {
	for _, s := range []phone.Scalar{e.UserID, e.ExtensionID, e.ExtensionNumber} {
		if v := phone.Plain(string(s)); v != "" && len(v) <= 64 {
			return v
		}
	}
	return "unnamed"
}

// status is the object of a status event.
type status struct {
	CallID  phone.Scalar `json:"call_id"`
	Caller  end          `json:"caller"`
	Callee  end          `json:"callee"`
	Ringing phone.Scalar `json:"ringing_start_time"`
	Answer  phone.Scalar `json:"answer_start_time"`
	End     phone.Scalar `json:"call_end_time"`
	Result  phone.Scalar `json:"handup_result"` // Zoom's spelling
	// ForwardedBy is the queue or menu that rang the callee.
	ForwardedBy struct {
		ExtensionType phone.Scalar `json:"extension_type"`
	} `json:"forwarded_by"`
}

// statusEvents are the events of a status that are of use; the others (hold, mute,
// monitoring, parking) tell nothing that these do not.
var statusEvents = map[string]bool{"ringing": true, "answered": true, "connected": true, "missed": true, "rejected": true, "ended": true}

// handup are the words of handup_result (phone.callee_missed and phone.callee_ended).
var handup = phone.Words{
	"no answer": calls.VerdictAbandonedRing, "call cancel": calls.VerdictAbandonedRing, "busy": calls.VerdictBusy,
	"rejected": calls.VerdictRejected, "call connected": calls.VerdictAnswered, "call failed": calls.VerdictFailed, "voicemail": calls.VerdictVoicemail,
}

func readStatus(side, what string, object json.RawMessage, at time.Time) (phone.Report, error) {
	if !statusEvents[what] {
		return phone.Report{Skip: "it tells nothing that other events of the call do not"}, nil
	}
	var st status
	if err := json.Unmarshal(object, &st); err != nil {
		return phone.Report{}, errNoEvent
	}
	session := sessionOf(st.CallID)
	if session == "" {
		return phone.Report{}, errors.New("zoomphone: the event of a call has no call_id")
	}
	l := calls.Leg{
		Session: session, At: at, From: st.Caller.number(), FromName: phone.CallerName(st.Caller.Name), To: st.Callee.number(),
		Start: st.Ringing.RFC3339(), Answer: st.Answer.RFC3339(), End: st.End.RFC3339(),
	}
	switch {
	case side == "caller":
		l.ID, l.Direction = "caller-"+st.Caller.id(), calls.Outbound
		if st.Callee.ours() {
			l.Direction = calls.Internal
		}
	default:
		l.ID, l.Direction = "callee-"+st.Callee.id(), calls.Inbound
		if st.Caller.ours() {
			l.Direction = calls.Internal
		}
	}
	l.Stated, l.Note = st.verdict(what)
	if l.Stated == calls.VerdictAnswered && l.Answer.IsZero() && (what == "answered" || what == "connected") {
		l.Answer = at
	}
	return phone.Report{Legs: []calls.Leg{l}}, nil
}

func (e end) number() redact.Text { return phone.Number(e.Number) }

// verdict says how the leg stands.
func (st status) verdict(what string) (calls.Verdict, string) {
	at := reached(st.Callee.ExtensionType, st.Callee.UserID != "")
	v, note := handup.Verdict(string(st.Result))
	switch {
	case what == "ringing":
		return "", ""
	case what == "answered", what == "connected", !st.Answer.RFC3339().IsZero(), v == calls.VerdictAnswered:
		return at.answered()
	case what == "rejected":
		return calls.VerdictRejected, "a colleague declined the call"
	case v == calls.VerdictBusy, v == calls.VerdictRejected, v == calls.VerdictFailed, v == calls.VerdictVoicemail:
		return v, "Zoom says that it ended so: " + string(v)
	case what == "ended" && v == "" && note == "":
		return "", "" // how it ended is told by the other events
	case at == aQueue, reached(st.ForwardedBy.ExtensionType, false) == aQueue:
		return calls.VerdictAbandonedQueue, "a queue rang and nobody answered"
	case at == aMenu:
		return calls.VerdictAbandonedIVR, "only the auto receptionist answered"
	default:
		return calls.VerdictAbandonedRing, "rang and nobody answered"
	}
}

// place is what a call reached.
type place int

const (
	aPerson place = iota
	aQueue        // call queue or shared line, without a colleague who took the call
	aMenu         // auto receptionist
)

// reached says what an extension is. user says that a colleague is named, who then is who
// the queue found.
func reached(extensionType phone.Scalar, user bool) place {
	switch strings.ToLower(strings.ReplaceAll(string(extensionType), "_", "")) {
	case "autoreceptionist":
		return aMenu
	case "callqueue", "sharedlinegroup", "sharedlines", "groupcallpickup":
		if !user {
			return aQueue
		}
	}
	return aPerson
}

// answered is what it means that the place was connected.
func (p place) answered() (calls.Verdict, string) {
	switch p {
	case aMenu:
		return calls.VerdictAbandonedIVR, "only the auto receptionist answered"
	case aQueue:
		return calls.VerdictAbandonedQueue, "ended while waiting in a queue"
	default:
		return calls.VerdictAnswered, "a person answered"
	}
}

// voicemail is the object of the voicemail events.
type voicemail struct {
	ID            phone.Scalar `json:"id"`
	CallID        phone.Scalar `json:"call_id"`
	Date          phone.Scalar `json:"date_time"`
	URL           phone.Scalar `json:"download_url"`
	Duration      phone.Scalar `json:"duration"` // seconds
	Caller        phone.Scalar `json:"caller_number"`
	CallerType    phone.Scalar `json:"caller_number_type"` // 1 extension, 2 phone number
	CallerName    phone.Scalar `json:"caller_name"`
	Callee        phone.Scalar `json:"callee_did_number"`
	CalleeNumber  phone.Scalar `json:"callee_number"`
	Transcription struct {
		Status  phone.Scalar `json:"status"` // 2: it is there
		Content phone.Scalar `json:"content"`
	} `json:"transcription"`
}

// readVoicemail reads a message. Both events tell of the same leg.
func readVoicemail(object json.RawMessage, at time.Time) (phone.Report, error) {
	var v voicemail
	if err := json.Unmarshal(object, &v); err != nil {
		return phone.Report{}, errNoEvent
	}
	id := v.ID.ID()
	if id == "" {
		return phone.Report{}, errors.New("zoomphone: the event of a voicemail has no id")
	}
	l := calls.Leg{
		Session: sessionOf(v.CallID), ID: "voicemail-" + id, At: at, Direction: calls.Inbound, Start: v.Date.RFC3339(),
		From: external(v.Caller, v.CallerType), FromName: phone.CallerName(v.CallerName), To: phone.Number(v.Callee, v.CalleeNumber),
		Stated: calls.VerdictVoicemail, Note: "left a voicemail",
		Message: calls.Message{ID: id, URL: phone.Text(string(v.URL)), Length: v.Duration.Length(time.Second)},
	}
	if l.Session == "" { // before 2021 it named no call
		l.Session = l.ID
	}
	if v.CallerType == "1" {
		l.Direction = calls.Internal
	}
	if v.Transcription.Status == "2" {
		l.Message.Transcript = phone.Text(string(v.Transcription.Content))
	}
	return phone.Report{Legs: []calls.Leg{l}}, nil
}

// external is a caller's number, which voicemail events write without its plus sign. A
// number of ten digits or less is left for the clinic's region to complete.
func external(n, kind phone.Scalar) redact.Text {
	plain := phone.Plain(string(n))
	if kind == "2" && len(plain) > 10 && plain[0] != '0' && strings.Trim(plain, "0123456789") == "" {
		return redact.NewText("+" + plain)
	}
	return phone.Number(n)
}

// extension reports whether a number is one of the account's own.
func extension(n string) bool {
	return n != "" && len(n) <= 6 && strings.Trim(n, "0123456789") == ""
}

// sessionOf is the call_id without the suffix of a call that was passed on.
func sessionOf(callID phone.Scalar) string {
	v := callID.ID()
	if i := strings.LastIndexByte(v, '_'); i > 0 && i+1 < len(v) && strings.Trim(v[i+1:], "0123456789") == "" {
		return v[:i]
	}
	return v
}
