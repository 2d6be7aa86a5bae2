package calllog

import "github.com/ringback-health/ringback/callback/calls"

// meaning is what a word of a result column says.
type meaning struct {
	verdict calls.Verdict
	weak    bool   // the call ended properly, which does not say that a person answered
	running bool   // the call had not ended when the log was written
	note    string // where the word alone would mislead
}

const notTaken = `the log says "answered not accepted": something picked up and nobody confirmed to take the call`

// results are the words of result columns in the form of normal.
//
// RingCentral: Accepted and Call connected are answered; Missed, Voicemail, No
// Answer, Busy, Abandoned, Hang Up, Rejected, Declined and Blocked are missed,
// and so is Answered Not Accepted. Twilio: the statuses of its call resource;
// canceled is a caller who hung up while it rang.
var results = byWord(
	entry{meaning{verdict: calls.VerdictAnswered}, []string{"accepted", "call connected", "connected", "answered", "call answered", "picked up"}},
	entry{meaning{weak: true}, []string{"completed", "complete", "call completed", "ended", "call ended", "finished", "call finished", "done"}},
	entry{meaning{running: true}, []string{"in progress", "ringing", "queued", "initiated", "ongoing", "active"}},
	entry{meaning{verdict: calls.VerdictVoicemail}, []string{"voicemail", "voice mail", "left voicemail", "voicemail left", "sent to voicemail", "ended in voicemail"}},
	entry{meaning{verdict: calls.VerdictCallbackRequested}, []string{"callback requested", "callback", "call back requested"}},
	entry{meaning{verdict: calls.VerdictAfterHours}, []string{"after hours", "out of opening hours", "closed"}},
	entry{meaning{verdict: calls.VerdictAbandonedQueue}, []string{"abandoned", "abandoned in queue", "queue abandoned"}},
	entry{meaning{verdict: calls.VerdictAbandonedIVR}, []string{"abandoned in ivr"}},
	entry{meaning{verdict: calls.VerdictAbandonedRing}, []string{
		"missed", "missed call", "no answer", "not answered", "unanswered", "noanswer", "ring timeout", "offer timeout",
		"hang up", "hangup", "hung up", "canceled", "cancelled", "call cancel", "no available agent", "agents did not answer", "abandoned in classic",
	}},
	entry{meaning{verdict: calls.VerdictAbandonedRing, note: notTaken}, []string{"answered not accepted"}},
	entry{meaning{verdict: calls.VerdictShort}, []string{"short abandoned"}},
	entry{meaning{verdict: calls.VerdictBusy}, []string{"busy", "line busy", "target busy"}},
	entry{meaning{verdict: calls.VerdictRejected}, []string{"rejected", "declined", "blocked"}},
	entry{meaning{verdict: calls.VerdictFailed}, []string{"failed", "call failed", "failure", "error", "congestion"}},
)

type entry struct {
	meaning meaning
	words   []string
}

func byWord(entries ...entry) map[string]meaning {
	m := make(map[string]meaning)
	for _, e := range entries {
		for _, w := range e.words {
			m[w] = e.meaning
		}
	}
	return m
}

// directions are the words of direction columns in the form of normal.
var directions = map[string]calls.Direction{
	"inbound": calls.Inbound, "incoming": calls.Inbound, "in": calls.Inbound, "inbound call": calls.Inbound, "incoming call": calls.Inbound, "received": calls.Inbound,
	"outbound": calls.Outbound, "outgoing": calls.Outbound, "out": calls.Outbound, "outbound call": calls.Outbound, "outgoing call": calls.Outbound,
	"outbound api": calls.Outbound, "outbound dial": calls.Outbound, "dialed": calls.Outbound, "placed": calls.Outbound,
	"internal": calls.Internal, "internal call": calls.Internal,
}

// otherMedia are the kinds of records that are no phone calls.
var otherMedia = map[string]bool{
	"fax": true, "sms": true, "mms": true, "text": true, "text message": true, "message": true, "email": true, "chat": true,
}

// yes reads a column of yes and no; known is false for any other cell.
func yes(cell string) (value, known bool) {
	switch normal(cell) {
	case "yes", "y", "true", "1", "x":
		return true, true
	case "no", "n", "false", "0", "":
		return false, true
	default:
		return false, false
	}
}
