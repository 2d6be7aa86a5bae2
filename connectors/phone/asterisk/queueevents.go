package asterisk

import (
	"fmt"
	"slices"
	"time"

	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/connectors/phone"
	number "github.com/ringback-health/ringback/internal/phone"
	"github.com/ringback-health/ringback/internal/redact"
)

// ofMembers are the events that tell of members and of the queue itself, whatever
// stands in the field of the call.
var ofMembers = map[string]bool{
	"QUEUESTART": true, "CONFIGRELOAD": true, "ADDMEMBER": true, "REMOVEMEMBER": true, "PAUSE": true, "UNPAUSE": true,
	"PAUSEALL": true, "UNPAUSEALL": true, "PAUSEREASON": true, "PENALTY": true, "RINGINUSE": true, "MEMBERSTATUS": true,
	"AGENTLOGIN": true, "AGENTLOGOFF": true, "AGENTCALLBACKLOGIN": true, "AGENTCALLBACKLOGOFF": true,
}

// leastParams is how many parameters an entry has that was not cut off: enough that
// no number that counts is the last one and may lack digits.
var leastParams = map[string]int{
	"ENTERQUEUE": 3, "CONNECT": 2, "COMPLETEAGENT": 3, "COMPLETECALLER": 3, "ABANDON": 3,
	"EXITWITHTIMEOUT": 1, "EXITEMPTY": 1, "EXITWITHKEY": 2, "TRANSFER": 4, "BLINDTRANSFER": 5, "ATTENDEDTRANSFER": 5,
}

// leg is what an entry tells of a call; known is false for events that tell nothing.
//
// Entries that only accompany a wait (a caller came in, a member was rung) state
// nothing and look like a call record of the application Queue, so that a caller of
// whom nothing more is logged counts as one who left the queue.
func (q QueueLog) leg(e entry) (leg calls.Leg, known bool) {
	leg = calls.Leg{Session: e.call, App: "Queue", AppData: redact.NewText(e.queue), Start: e.at}
	switch e.event {
	case "ENTERQUEUE":
		setQueueCaller(&leg, e.param(1), e.param(3))
	case "DID": // written by FreePBX
		leg.To, leg.End, leg.Seq = phone.Text(e.param(0)), e.at, 1
	case "RINGNOANSWER", "RINGCANCELED":
		leg.DstChannel, leg.Disposition, leg.End = redact.NewText(e.member), calls.NoAnswer, e.at
	case "AGENTDUMP", "SYSCOMPAT":
		leg.DstChannel, leg.Disposition, leg.End = redact.NewText(e.member), calls.Failed, e.at
	case "CONNECT":
		waited := ""
		if hold, ok := seconds(e.param(0)); ok {
			leg.Start, waited = waitedFrom(e.at, hold), fmt.Sprintf(", after %s", hold)
		}
		stateAnswer(&leg, e, "a queue member answered"+waited)
		leg.Answer = e.at
	case "COMPLETEAGENT", "COMPLETECALLER":
		stateAnswer(&leg, e, "a queue member answered")
		talked(&leg, e, 1)
	case "TRANSFER", "BLINDTRANSFER", "ATTENDEDTRANSFER":
		stateAnswer(&leg, e, "a queue member answered and passed the caller on")
		talked(&leg, e, 3)
	case "ABANDON":
		leave(&leg, e, 2, calls.VerdictAbandonedQueue, "hung up while waiting in a queue")
	case "EXITWITHTIMEOUT":
		leave(&leg, e, 2, calls.VerdictAbandonedQueue, "waited in a queue until its time was up")
	case "EXITEMPTY":
		leave(&leg, e, 2, calls.VerdictAbandonedQueue, "was sent out of a queue in which nobody was there to answer")
	case "EXITWITHKEY":
		if len(q.CallbackKeys) == 0 || slices.Contains(q.CallbackKeys, e.param(0)) {
			leave(&leg, e, 3, calls.VerdictCallbackRequested, "left a queue by a key, to be called back")
		} else {
			leave(&leg, e, 3, calls.VerdictAbandonedQueue, "left a queue by a key")
		}
	default:
		return calls.Leg{}, false
	}
	return leg, true
}

func setQueueCaller(leg *calls.Leg, num, name string) {
	leg.CallerID = phone.RawText(num)
	if name != "" {
		leg.CallerID = phone.RawText(fmt.Sprintf(`"%s" <%s>`, name, num))
	}
	if num = phone.Plain(num); !number.Withheld(num) {
		leg.From = redact.NewText(num)
	}
	if name = phone.Plain(name); !number.Withheld(name) && name != num {
		leg.FromName = redact.NewText(name)
	}
}

// stateAnswer states that a member answered.
func stateAnswer(leg *calls.Leg, e entry, note string) {
	decide(leg, calls.VerdictAnswered, note)
	leg.Disposition, leg.DstChannel = calls.Answered, redact.NewText(e.member)
}

// talked sets how long the member was on the line, told by parameter i, up to now.
func talked(leg *calls.Leg, e entry, i int) {
	leg.End = e.at
	if talk, ok := seconds(e.param(i)); ok {
		leg.Talk, leg.Duration, leg.Answer = talk, talk, e.at.Add(-talk)
		leg.Start = leg.Answer
	}
}

// leave states how the caller left the queue, after a wait that parameter i tells. Only
// who hung up there ended the call by it; for the others the dialplan goes on, so that
// nobody may take the call for a short one.
func leave(leg *calls.Leg, e entry, i int, v calls.Verdict, note string) {
	wait, ok := seconds(e.param(i))
	if ok {
		leg.Start = waitedFrom(e.at, wait)
		note = fmt.Sprintf("%s, after %s", note, wait)
	}
	if ok && e.event == "ABANDON" {
		leg.End, leg.Duration = e.at, wait
	}
	decide(leg, v, note)
}

// decide makes the leg one that goes before the call records' word. Its Seq puts it
// behind the caller's own leg, which says who called, where both begin at once.
func decide(leg *calls.Leg, v calls.Verdict, note string) {
	leg.App, leg.Stated, leg.Note, leg.Seq = calls.QueueLog, v, note, 1
}

// waitedFrom is when a wait began that ended at a moment. Both are rounded to seconds,
// so that it may seem to begin a second before the caller came in; it does not.
func waitedFrom(at time.Time, wait time.Duration) time.Time {
	return at.Add(-max(0, wait-time.Second))
}
