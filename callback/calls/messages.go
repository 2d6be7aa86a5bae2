package calls

import (
	"cmp"
	"slices"
	"time"
)

const (
	// leaves is how long after the end of a call a phone system may say that its message
	// was made: it is written down when the recording is stored.
	leaves = time.Minute
	// longest is how long a call may last of which no end is told.
	longest = 15 * time.Minute
)

// JoinMessages finds the calls of messages that are told without one: some phone systems
// tell of a voicemail without saying in which call it was left. Left alone, one caller who
// left one message would count as two sessions. The legs come back in their order, those
// of messages with the Session of their call.
//
// A message stands alone when its leg is named like its Session, is stated to be a
// voicemail and names the message. Its call is the one that names the same message. Else
// it is the last call of the same caller that began before the message was made and ended
// no longer than a minute before, that came in, that no person answered, and that has no
// other message. A call that was answered is never taken for it by time alone: that could
// make a message that somebody waits on look answered. A message without such a call stays
// a session of its own.
//
// Collapse does it with the legs that it is given.
func JoinMessages(legs []Leg) []Leg {
	alone := messagesAlone(legs)
	if len(alone) == 0 {
		return legs
	}
	byID, bySender := placesToJoin(legs, alone)
	joined := make(map[string]string)
	for _, m := range inOrder(alone) {
		c := byID[m.Message.ID]
		if c == nil {
			c = lastBefore(bySender[m.From.Reveal()], m)
		}
		if c != nil {
			joined[m.Session], c.message = c.session, m.Message.ID
		}
	}
	out := slices.Clone(legs)
	for i := range out {
		if s, ok := joined[out[i].Session]; ok {
			out[i].Session = s
		}
	}
	return out
}

// messagesAlone are the legs of messages without a call, put together by session.
func messagesAlone(legs []Leg) map[string]Leg {
	alone := make(map[string]Leg)
	for _, l := range legs {
		if l.aloneWithMessage() {
			m, seen := alone[l.Session]
			if seen {
				m.Start, m.From = earliest(m.Start, l.Start), firstText(m.From, l.From)
			} else {
				m = l
			}
			alone[l.Session] = m
		}
	}
	if len(alone) > 0 {
		for _, l := range legs {
			if !l.aloneWithMessage() {
				delete(alone, l.Session)
			}
		}
	}
	return alone
}

func (l Leg) aloneWithMessage() bool {
	return l.Session != "" && l.Session == l.ID && l.Stated == VerdictVoicemail && l.Message.ID != ""
}

// inOrder are the messages in the order in which they were made.
func inOrder(alone map[string]Leg) []Leg {
	list := make([]Leg, 0, len(alone))
	for _, m := range alone {
		list = append(list, m)
	}
	slices.SortFunc(list, func(a, b Leg) int { return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.Session, b.Session)) })
	return list
}

// place is a call that a message may have been left in.
type place struct {
	session, from, message string
	start, end             time.Time
	answered, inbound      bool
}

// placesToJoin are the calls that name a message, by its id, and all of them by caller.
func placesToJoin(legs []Leg, alone map[string]Leg) (byID map[string]*place, bySender map[string][]*place) {
	all := make(map[string]*place)
	byID, bySender = make(map[string]*place), make(map[string][]*place)
	for _, l := range legs {
		if _, message := alone[l.Session]; message || l.Session == "" {
			continue
		}
		p := all[l.Session]
		if p == nil {
			p = &place{session: l.Session, inbound: true}
			all[l.Session] = p
		}
		p.add(l)
		// Of several calls that name it, the one whose name is the smallest.
		if id := l.Message.ID; id != "" && (byID[id] == nil || p.session < byID[id].session) {
			byID[id] = p
		}
	}
	for _, p := range all {
		if p.from != "" {
			bySender[p.from] = append(bySender[p.from], p)
		}
	}
	return byID, bySender
}

func (p *place) add(l Leg) {
	// The smallest of several, so that the order makes no difference.
	p.from, p.message = least(p.from, l.From.Reveal()), least(p.message, l.Message.ID)
	p.start = earliest(p.start, l.Start)
	if e := l.end(); e.After(p.end) {
		p.end = e
	}
	p.answered = p.answered || l.Stated == VerdictAnswered || l.Stated == "" && l.Disposition == Answered
	p.inbound = p.inbound && l.Direction != Outbound && l.Direction != Internal
}

func least(a, b string) string {
	if a == "" || b != "" && b < a {
		return b
	}
	return a
}

// lastBefore is the last of the calls in which the message can have been left, nil for none.
func lastBefore(calls []*place, m Leg) *place {
	var last *place
	for _, p := range calls {
		end := p.end
		if end.IsZero() {
			end = p.start.Add(longest)
		}
		fits := p.inbound && !p.answered && p.message == "" && !p.start.IsZero() && !m.Start.IsZero() &&
			!p.start.After(m.Start.Add(slack)) && !m.Start.After(end.Add(leaves))
		if fits && (last == nil || cmp.Or(p.start.Compare(last.start), cmp.Compare(p.session, last.session)) > 0) {
			last = p
		}
	}
	return last
}
