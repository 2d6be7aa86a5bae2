package ringcentral

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/connectors/phone"
	"github.com/ringback-health/ringback/internal/redact"
)

// notification is what every webhook is wrapped in; one for a mobile phone is wrapped
// again.
type notification struct {
	Event string          `json:"event"`
	Body  json.RawMessage `json:"body"`
	Push  *notification   `json:"pn_apns"`
}

// session is the body of a telephony session notification. A notification names the
// parties that changed, and not all.
type session struct {
	Sequence  int64        `json:"sequence"`
	ID        phone.Scalar `json:"telephonySessionId"`
	LegacyID  phone.Scalar `json:"sessionId"`
	EventTime phone.Scalar `json:"eventTime"` // of the change, whatever the guide's table says
	Parties   []party      `json:"parties"`
}

// party is one end of a call. The caller's own is the one whose direction is Outbound: it
// goes out to RingCentral.
type party struct {
	ID          phone.Scalar `json:"id"`
	ExtensionID phone.Scalar `json:"extensionId"`
	Direction   phone.Scalar `json:"direction"`
	From        end          `json:"from"`
	To          end          `json:"to"`
	Status      struct {
		Code   phone.Scalar `json:"code"`
		Reason phone.Scalar `json:"reason"`
	} `json:"status"`
	MissedCall bool `json:"missedCall"`
}

// end is who is at an end, in notifications and in the call log.
type end struct {
	Number          phone.Scalar `json:"phoneNumber"`
	Name            phone.Scalar `json:"name"`
	ExtensionID     phone.Scalar `json:"extensionId"`
	ExtensionNumber phone.Scalar `json:"extensionNumber"` // call log
}

var errNoEvent = errors.New("ringcentral: the notification is no JSON object with an event and a body")

// Read says what a notification tells. A telephony session is one session, and each of
// its parties a leg, by the party's id; the sequence orders what is told of it.
//
// A voicemail names no call: neither the notification nor the message has a session id
// [H]. It is a session of its own, named by the message. calls.JoinMessages puts it to its
// call: by the message's id, which the call log names in the record of the call, or by
// caller and time. Whoever judges it without the legs of the call sees two missed sessions
// of one caller, which is one too many.
func (s *System) Read(e phone.Event) (phone.Report, error) {
	if e.Form == phone.FormHistory {
		return s.readRecord(e.Body)
	}
	var n notification
	if err := json.Unmarshal(e.Body, &n); err != nil {
		return phone.Report{}, errNoEvent
	}
	if n.Push != nil && len(n.Body) == 0 {
		n = *n.Push
	}
	path, _, _ := strings.Cut(n.Event, "?")
	switch {
	case strings.HasSuffix(path, "/telephony/sessions"):
		return s.readSession(n.Body)
	case strings.HasSuffix(path, "/voicemail"):
		return readVoicemail(n.Body)
	case strings.Contains(path, "/subscription/"):
		return phone.Report{Skip: "it reminds of the end of the subscription"}, nil
	case path == "" && len(n.Body) == 0:
		return phone.Report{Skip: "it is no notification of RingCentral's"}, nil
	default:
		return phone.Report{Skip: "it tells of no call"}, nil
	}
}

func (s *System) readSession(body json.RawMessage) (phone.Report, error) {
	var told session
	if err := json.Unmarshal(body, &told); err != nil {
		return phone.Report{}, errNoEvent
	}
	name := sessionName(told.ID, told.LegacyID)
	if name == "" {
		return phone.Report{}, errors.New("ringcentral: the telephony session has no id")
	}
	var r phone.Report
	for _, p := range told.Parties {
		id := p.ID.ID()
		if id == "" {
			return phone.Report{}, errors.New("ringcentral: a party of the telephony session has no id")
		}
		l := s.leg(p, told.EventTime.RFC3339())
		l.Session, l.ID, l.Seq = name, id, told.Sequence
		r.Legs = append(r.Legs, l)
	}
	if len(r.Legs) == 0 {
		r.Skip = "the telephony session names no party"
	}
	return r, nil
}

// sessionName is the id that notifications and the call log share.
func sessionName(id, legacy phone.Scalar) string {
	if v := id.ID(); v != "" {
		return v
	}
	return legacy.ID()
}

// leg is a party as of a moment.
func (s *System) leg(p party, at time.Time) calls.Leg {
	l := calls.Leg{At: at, Direction: p.direction(), From: p.From.number(), FromName: phone.CallerName(p.From.Name), To: p.To.number()}
	code := strings.ToLower(string(p.Status.Code))
	switch code {
	case "disconnected", "gone":
		// It may be all that is told of the party, so that it says nothing of its start.
		l.End = at
	default:
		l.Start = at
	}
	l.Stated, l.Note = s.verdict(p, code)
	if l.Stated == calls.VerdictAnswered && code == "answered" || code == "voicemail" {
		l.Answer = at
	}
	return l
}

// direction is that of the call, seen from the clinic. A party without an extension is
// outside, and so is a number that is not one of the account's.
func (p party) direction() calls.Direction {
	ours := p.ExtensionID != ""
	switch inbound := strings.EqualFold(string(p.Direction), "inbound"); {
	case !inbound && !ours: // who called, from outside
		return calls.Inbound
	case !inbound && p.To.outside():
		return calls.Outbound
	case !inbound:
		return calls.Internal
	case ours && p.From.ExtensionID == "":
		return calls.Inbound
	case ours:
		return calls.Internal
	case p.From.ExtensionID != "": // whom a colleague called
		return calls.Outbound
	default: // a cell phone that an inbound call was passed on to; the other parties tell
		return ""
	}
}

// outside reports whether an end is not of the account. What was dialled is all that is
// known of it at first.
func (e end) outside() bool {
	return e.ExtensionID == "" && (strings.HasPrefix(string(e.Number), "+") || len(e.Number) > 6)
}

func (e end) number() redact.Text { return phone.Number(e.Number, e.ExtensionNumber) }

// kind says what is at an extension, by the settings.
type kind int

const (
	aPerson kind = iota
	aQueue
	aMenu
)

func (s *System) kindOf(extension phone.Scalar) kind {
	switch id := string(extension); {
	case slices.Contains(s.cfg.Queues, id):
		return aQueue
	case slices.Contains(s.cfg.Menus, id):
		return aMenu
	default:
		return aPerson
	}
}

// waited is what it means that a machine had the call, and nobody else took it.
func (k kind) waited() (calls.Verdict, string) {
	if k == aQueue {
		return calls.VerdictAbandonedQueue, "waited in a queue, which the settings name"
	}
	return calls.VerdictAbandonedIVR, "reached a menu or an announcement, which the settings name"
}

// reasons are those of a Disconnected party that say how it ended for the caller. Others
// (BlindTransfer, AttendedTransfer, CallFlip, Pickup, CallFinished …) say that the party
// left, and what became of the call is told of another.
var reasons = map[string]calls.Verdict{
	"noanswer": calls.VerdictAbandonedRing, "cancelled": calls.VerdictAbandonedRing, "targetbusy": calls.VerdictBusy, "rejected": calls.VerdictRejected,
	"voicemail": calls.VerdictVoicemail, "agentanswered": calls.VerdictAnswered, "agentdropped": calls.VerdictAbandonedQueue,
	"internalerror": calls.VerdictFailed, "invalidnumber": calls.VerdictFailed, "internationaldisabled": calls.VerdictFailed,
	"destinationblocked": calls.VerdictFailed, "notenoughfunds": calls.VerdictFailed, "nosuchuser": calls.VerdictFailed,
}

// verdict says how a party stands; "" where what is told of others, before or after
// decides.
func (s *System) verdict(p party, code string) (calls.Verdict, string) {
	outbound := !strings.EqualFold(string(p.Direction), "inbound")
	switch k := s.kindOf(p.ExtensionID); {
	case outbound && p.ExtensionID == "":
		// The caller's own party is Answered as soon as RingCentral takes the call.
		return "", ""
	case outbound:
		if (code == "answered" || code == "hold") && p.To.outside() {
			return calls.VerdictAnswered, "the other end answered"
		}
		return "", ""
	case code == "voicemail", code == "voicemailscreening", code == "vmscreening":
		return calls.VerdictVoicemail, "reached the mailbox"
	case code == "faxreceive":
		return calls.VerdictAbandonedIVR, "a fax was received"
	case code == "disconnected":
		return disconnected(p, k)
	case code == "gone":
		return "", ""
	case k != aPerson:
		return k.waited()
	case code == "answered", code == "hold", code == "parked":
		return calls.VerdictAnswered, "a person answered"
	default: // it rings
		return "", ""
	}
}

func disconnected(p party, k kind) (calls.Verdict, string) {
	v, told := reasons[strings.ToLower(string(p.Status.Reason))]
	switch {
	case v == calls.VerdictAnswered:
		return v, "an agent of the queue answered"
	case v == calls.VerdictVoicemail:
		return v, "reached the mailbox"
	case k != aPerson:
		return k.waited()
	case v == calls.VerdictAbandonedRing, !told && p.MissedCall:
		return calls.VerdictAbandonedRing, "rang and nobody answered"
	case told:
		return v, "RingCentral says that it ended so: " + string(v)
	default:
		return "", ""
	}
}

// voicemail is the body of a voicemail notification.
type voicemail struct {
	ID          phone.Scalar `json:"id"`
	Type        phone.Scalar `json:"type"`
	From        end          `json:"from"`
	To          []end        `json:"to"`
	Created     phone.Scalar `json:"creationTime"`
	Modified    phone.Scalar `json:"lastModifiedTime"`
	Subject     phone.Scalar `json:"subject"`
	Transcribed phone.Scalar `json:"vmTranscriptionStatus"`
	Attachments []struct {
		URI      phone.Scalar `json:"uri"`
		Type     phone.Scalar `json:"type"`
		Duration phone.Scalar `json:"vmDuration"` // seconds
	} `json:"attachments"`
}

// readVoicemail reads a message. The guide says that subject repeats the text of a
// message; of a voicemail that is its transcript where there is one [M].
func readVoicemail(body json.RawMessage) (phone.Report, error) {
	var v voicemail
	if err := json.Unmarshal(body, &v); err != nil {
		return phone.Report{}, errNoEvent
	}
	id := v.ID.ID()
	if id == "" {
		return phone.Report{}, errors.New("ringcentral: the voicemail has no id")
	}
	l := calls.Leg{
		Session: messageName(id), ID: messageName(id), At: v.Modified.RFC3339(), Direction: calls.Inbound,
		From: v.From.number(), FromName: phone.CallerName(v.From.Name), Start: v.Created.RFC3339(),
		Stated: calls.VerdictVoicemail, Note: "left a voicemail", Message: calls.Message{ID: id},
	}
	if v.From.Number == "" && v.From.ExtensionNumber != "" {
		l.Direction = calls.Internal
	}
	for _, to := range v.To {
		if l.To.IsEmpty() {
			l.To = to.number()
		}
	}
	for _, a := range v.Attachments {
		if strings.EqualFold(string(a.Type), "AudioRecording") {
			l.Message.URL = phone.Text(string(a.URI))
			l.Message.Length = max(l.Message.Length, a.Duration.Length(time.Second))
		}
	}
	if strings.HasPrefix(strings.ToLower(string(v.Transcribed)), "completed") {
		l.Message.Transcript = phone.Text(string(v.Subject))
	}
	return phone.Report{Legs: []calls.Leg{l}}, nil
}

// messageName is the name of the session that a voicemail is.
func messageName(id string) string { return "voicemail-" + id }
