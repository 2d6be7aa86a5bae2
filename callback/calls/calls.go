// Package calls decides what a phone call was: it collapses the legs that a
// phone system logs into sessions, one per call as the caller lived it, and
// gives each session one verdict with its reasons.
//
// It is pure: no I/O, no clock. Reading a log into legs is the business of
// connectors/phone; making a callback out of a session is the ledger's.
package calls

import (
	"cmp"
	"time"

	"github.com/ringback-health/ringback/internal/redact"
)

// Direction says who placed a call, seen from the clinic.
type Direction string

// The directions. The empty Direction means that the log does not say; Collapse
// then finds it out by the Rules.
const (
	Inbound  Direction = "inbound"
	Outbound Direction = "outbound"
	Internal Direction = "internal"
)

// Disposition is how one leg ended, in the words of Asterisk's call detail
// records. ANSWERED means that something answered: a person, a mailbox, an
// announcement.
type Disposition string

// The dispositions. The empty Disposition means that the log does not say.
const (
	Answered   Disposition = "ANSWERED"
	NoAnswer   Disposition = "NO ANSWER"
	Busy       Disposition = "BUSY"
	Failed     Disposition = "FAILED"
	Congestion Disposition = "CONGESTION"
)

// Leg is one record of a call log: one attempt of the phone system to connect
// two ends. Names, numbers, and whatever may contain a number (channels,
// application data) are redact.Text.
type Leg struct {
	// Session names the call this leg is part of (Asterisk linkedid); empty when
	// the log has no such column.
	Session string
	// ID names the channel or record (Asterisk uniqueid); empty when not logged.
	ID string
	// Seq is the phone system's own order of records, 0 when not logged.
	Seq int64
	// At is the moment at which what an event says of the leg was true; zero for the
	// rows of a call log. See Latest.
	At time.Time
	// Direction is the direction the log states, empty when it does not.
	Direction Direction

	// From is the caller's number as logged; empty when withheld or not logged.
	From redact.Text
	// FromName is the caller's name, valid UTF-8; empty when not logged or when
	// it only repeats the number.
	FromName redact.Text
	// CallerID is the caller as the log has it, byte for byte: it may be in an
	// encoding that is not UTF-8.
	CallerID redact.Text
	// To is the number that was called, as logged.
	To redact.Text

	Context    string      // dialplan context
	Channel    redact.Text // the caller's channel, "SIP/trunk-0000001a"
	DstChannel redact.Text // the channel that was rung, empty when none was
	App        string      // last dialplan application
	AppData    redact.Text // its arguments; they name numbers that were dialled

	Start    time.Time     // when the leg began
	Answer   time.Time     // when its channel was answered, zero: never or not logged
	End      time.Time     // when it ended, zero: not logged
	Duration time.Duration // Start to End
	// Talk is Answer to End. It is time with a person only where a person
	// answered: a channel that was answered by an announcement carries its talk
	// time into legs that nobody picks up.
	Talk        time.Duration
	Disposition Disposition

	// Stated is the log's own word for how the call ended, for logs that have
	// one. It goes before everything that Collapse would derive.
	Stated Verdict
	// Note says why Stated is what it is, where that is not plain. No PHI.
	Note string
	// Message is what the caller left on this leg; zero: nothing that is known.
	Message Message

	// Row is the line of the file on which the record begins, from 1.
	Row int
	// Log tells the files apart that a Collector read together, from 0.
	Log int
}

// QueueLog is the App of a leg that a queue's own log tells. How such a leg ended, by
// its Stated, goes before what call records say of the caller's time in a queue.
const QueueLog = "queue_log"

// Session is one call: all of its legs together.
type Session struct {
	// ID names the call and is the same each time the same log is read. Calls of
	// a log without identifiers are named by their start.
	ID       string
	From     redact.Text // as logged; empty when withheld or not logged
	FromName redact.Text
	To       redact.Text // the number that the caller called, as logged

	StartedAt  time.Time
	AnsweredAt time.Time // when the first person answered; zero: nobody did, or the log does not say when
	EndedAt    time.Time // zero: not logged

	Verdict Verdict
	// Reasons say why, the decisive one first. No PHI.
	Reasons []string
	// Message is what the caller left; zero: nothing that is known.
	Message Message
	// Rows are the lines of the file that belong to the session, ascending. Log says
	// of which file where several were read together; the lines that such a session
	// has in other files are not among them.
	Rows []int
	Log  int
	// Talk is the time with at least one person on the line.
	Talk time.Duration
}

// Message is what a caller left in a mailbox.
type Message struct {
	ID     string        // the phone system's name of it
	URL    redact.Text   // where it can be heard; it may need a login, or grant what a login does
	Length time.Duration // 0: not told
	// Transcript is what a machine heard. It is data about what was said, never an
	// instruction, and may be wrong in every word.
	Transcript redact.Text
}

// IsZero reports whether nothing is known of a message.
func (m Message) IsZero() bool {
	return m.ID == "" && m.URL.IsEmpty() && m.Length == 0 && m.Transcript.IsEmpty()
}

// and is the message after something else that was told of it.
func (m Message) and(o Message) Message {
	return Message{ID: cmp.Or(m.ID, o.ID), URL: firstText(m.URL, o.URL), Length: max(m.Length, o.Length), Transcript: firstText(m.Transcript, o.Transcript)}
}

// Verdict is what a call session was.
type Verdict string

// The verdicts. For an inbound session exactly one of these holds; a call that
// the clinic placed is VerdictOutbound or VerdictInternal however it ended.
const (
	// VerdictAnswered: a person answered.
	VerdictAnswered Verdict = "answered"
	// VerdictVoicemail: the call ended in a mailbox. Call detail records do not
	// say whether a message was left.
	VerdictVoicemail Verdict = "voicemail"
	// VerdictAbandonedIVR: only the phone system answered (a menu, an
	// announcement) and nobody's phone rang.
	VerdictAbandonedIVR Verdict = "abandoned-ivr"
	// VerdictAbandonedQueue: the call ended while it waited in a queue.
	VerdictAbandonedQueue Verdict = "abandoned-queue"
	// VerdictAbandonedRing: phones rang and no person picked up.
	VerdictAbandonedRing Verdict = "abandoned-ring"
	// VerdictCallbackRequested: the caller chose to be called back.
	VerdictCallbackRequested Verdict = "callback-requested"
	// VerdictBusy: everything that was tried was busy.
	VerdictBusy Verdict = "busy"
	// VerdictRejected: the call was declined or blocked.
	VerdictRejected Verdict = "rejected"
	// VerdictAfterHours: the call was taken by the closed-hours part of the dialplan.
	VerdictAfterHours Verdict = "after-hours"
	// VerdictShort: the caller gave up within Rules.ShortCall. Counted, not called back.
	VerdictShort Verdict = "short"
	// VerdictOutbound: placed from the clinic to the public network.
	VerdictOutbound Verdict = "outbound"
	// VerdictInternal: between two ends of the phone system.
	VerdictInternal Verdict = "internal"
	// VerdictFailed: the phone system could not connect the call.
	VerdictFailed Verdict = "failed"
)

// NeedsCallback reports whether a session of this verdict is an inbound call
// that no person answered and that somebody owes an answer. Rejected counts: it
// covers callers who were declined by a busy colleague as well as those who
// were blocked, and a person can tell them apart.
func (v Verdict) NeedsCallback() bool {
	switch v {
	case VerdictVoicemail, VerdictAbandonedIVR, VerdictAbandonedQueue, VerdictAbandonedRing,
		VerdictCallbackRequested, VerdictBusy, VerdictRejected, VerdictAfterHours, VerdictFailed:
		return true
	default:
		return false
	}
}

// SaysNothing reports whether a caller of this verdict asked for nothing but to be
// spoken with: no message was left, and no callback asked for. One who was spoken with
// later has what was wanted.
func (v Verdict) SaysNothing() bool {
	return v.NeedsCallback() && v != VerdictVoicemail && v != VerdictCallbackRequested
}

// Inbound reports whether a session of this verdict came from the public network.
func (v Verdict) Inbound() bool {
	return v != "" && v != VerdictOutbound && v != VerdictInternal
}

// Call names the call that the leg is part of, "" where the log does not.
func (l Leg) Call() string { return cmp.Or(l.Session, l.ID) }

// end is when the leg ended, zero when the log does not say.
func (l Leg) end() time.Time {
	switch {
	case !l.End.IsZero():
		return l.End
	case l.Duration > 0 && !l.Start.IsZero():
		return l.Start.Add(l.Duration)
	default:
		return time.Time{}
	}
}
