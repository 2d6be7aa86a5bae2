package calls

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// precedence is the order in which the outcomes of legs decide the session:
// the first that any leg has. A person who answered goes before everything; a
// phone that rang says more than one that was busy; that only the phone system
// answered is what remains.
var precedence = []Verdict{
	VerdictAnswered, VerdictVoicemail, VerdictCallbackRequested, VerdictAfterHours, VerdictAbandonedQueue,
	VerdictAbandonedRing, VerdictBusy, VerdictRejected, VerdictFailed, VerdictAbandonedIVR, VerdictShort,
}

// untold is the reason of a leg of which the log tells no end.
const untold = "the log does not say how the call ended"

// outcome is what one leg says about the session.
type outcome struct {
	verdict Verdict
	reason  string
	leg     Leg
}

// judge sets the verdict, its reasons, when a person answered and for how long.
// legs are in the order of compareLegs.
func (r Rules) judge(s *Session, legs []Leg) {
	outcomes := r.outcomes(r.withoutQueueLegs(legs))
	people := slices.DeleteFunc(slices.Clone(outcomes), func(o outcome) bool { return o.verdict != VerdictAnswered })
	for _, p := range people {
		if a := p.leg.Answer; !a.IsZero() && (s.AnsweredAt.IsZero() || a.Before(s.AnsweredAt)) {
			s.AnsweredAt = a
		}
	}
	s.Talk = talkTime(people)

	switch direction, why := r.direction(legs); direction {
	case Outbound:
		s.Verdict, s.Reasons = VerdictOutbound, []string{why}
	case Internal:
		s.Verdict, s.Reasons = VerdictInternal, []string{why}
	default:
		r.judgeInbound(s, legs, outcomes, people)
		if why != "" {
			s.Reasons = append(s.Reasons, why)
		}
	}
}

func (r Rules) judgeInbound(s *Session, legs []Leg, outcomes, people []outcome) {
	for _, v := range precedence {
		i := slices.IndexFunc(outcomes, func(o outcome) bool { return o.verdict == v })
		if i < 0 {
			continue
		}
		s.Verdict, s.Reasons = v, []string{outcomes[i].reason}
		break
	}
	if s.Verdict == VerdictVoicemail && s.Message.Length > 0 {
		s.Reasons = append(s.Reasons, fmt.Sprintf("left a message of %s", s.Message.Length))
	}
	switch s.Verdict {
	case VerdictAnswered:
		if o, ok := messageAfter(outcomes, people); ok {
			s.Verdict, s.Reasons = VerdictVoicemail, []string{o.reason, "a person answered before and passed the caller on"}
			return
		}
		if s.Talk > 0 {
			s.Reasons = append(s.Reasons, fmt.Sprintf("talked for %s", s.Talk))
		}
	case VerdictAbandonedRing, VerdictAbandonedQueue, VerdictAbandonedIVR, VerdictAfterHours:
		if n := rung(legs); n > 0 {
			s.Reasons = append(s.Reasons, fmt.Sprintf("destinations rung: %d", n))
		}
		if length, known := length(s, r.withoutQueueLegs(legs)); known && length < r.ShortCall {
			s.Reasons = slices.Insert(s.Reasons, 0, fmt.Sprintf("ended after %s, before the %s from which a call counts", length, r.ShortCall))
			s.Verdict = VerdictShort
		}
	default: // busy, failed and the like have nothing to add
	}
}

// withoutQueueLegs leaves out what call records say of a queue where the queue's own
// log tells how the caller left it: to a call record, a caller who waited has been
// ANSWERED, and the member whose phone rang last looks like the one who did.
func (r Rules) withoutQueueLegs(legs []Leg) []Leg {
	if !slices.ContainsFunc(legs, func(l Leg) bool { return l.App == QueueLog && l.Stated != "" }) {
		return legs
	}
	return slices.DeleteFunc(slices.Clone(legs), func(l Leg) bool { return l.Stated == "" && matches(r.QueueApps, l.App) })
}

// messageAfter finds a mailbox that was reached after the last person had hung
// up: a caller who was passed on to it still waits for an answer.
func messageAfter(outcomes, people []outcome) (outcome, bool) {
	var last time.Time
	for _, p := range people {
		e := p.leg.end()
		if e.IsZero() {
			if !endsElsewhere(p, people) {
				return outcome{}, false
			}
			continue
		}
		if e.After(last) {
			last = e
		}
	}
	i := slices.IndexFunc(outcomes, func(o outcome) bool {
		reached := o.leg.Start
		if o.leg.Answer.After(reached) {
			reached = o.leg.Answer
		}
		return o.verdict == VerdictVoicemail && !reached.Before(last.Add(-slack))
	})
	if i < 0 {
		return outcome{}, false
	}
	return outcomes[i], true
}

// endsElsewhere reports whether another record tells the end of the same answer: a
// queue's log has one line when a member picks up and one when they hang up.
func endsElsewhere(p outcome, people []outcome) bool {
	return !p.leg.Answer.IsZero() && slices.ContainsFunc(people, func(o outcome) bool {
		return !o.leg.end().IsZero() && o.leg.Answer.Sub(p.leg.Answer).Abs() <= slack
	})
}

// outcomes says what each leg means. A leg that rings the outer half of a Local
// channel says nothing itself when the leg of the inner half is there too.
func (r Rules) outcomes(legs []Leg) []outcome {
	inner := make(map[string]bool)
	for _, l := range legs {
		if c := parseChannel(l.Channel.Reveal()); c.helper() {
			inner[c.pair] = true
		}
	}
	out := make([]outcome, 0, len(legs))
	for _, l := range legs {
		if c := parseChannel(l.DstChannel.Reveal()); l.Stated == "" && c.half == '1' && inner[c.pair] {
			continue
		}
		v, why := r.outcome(l)
		out = append(out, outcome{verdict: v, reason: why, leg: l})
	}
	// How a leg ended of which nothing is told is guessed only where no other leg tells.
	if told := slices.DeleteFunc(slices.Clone(out), func(o outcome) bool { return o.reason == untold }); len(told) > 0 {
		out = told
	}
	if len(out) == 0 { // two halves that only ring each other
		out = append(out, outcome{VerdictAbandonedRing, "no leg reached a phone", legs[0]})
	}
	return out
}

// outcome says what one leg means for an inbound call.
func (r Rules) outcome(l Leg) (Verdict, string) {
	if l.Stated != "" {
		if l.Note != "" {
			return l.Stated, l.Note
		}
		return l.Stated, fmt.Sprintf("the log says %s", l.Stated)
	}
	switch {
	case l.Disposition == Answered:
		return r.answered(l)
	case matches(r.AfterHoursContexts, l.Context):
		return VerdictAfterHours, "came in while closed and nobody answered"
	case matches(r.QueueApps, l.App):
		return VerdictAbandonedQueue, "ended while waiting in a queue"
	case l.Disposition == Busy:
		return VerdictBusy, "what was rung was busy"
	case l.Disposition == Failed, l.Disposition == Congestion:
		return VerdictFailed, "the phone system could not connect the call"
	case l.Disposition == NoAnswer && l.DstChannel.IsEmpty():
		return VerdictAbandonedRing, "ended before anything answered"
	case l.Disposition == NoAnswer:
		return VerdictAbandonedRing, "rang and nobody answered"
	default:
		return VerdictAbandonedRing, untold
	}
}

// answered says what answered a leg whose disposition is ANSWERED.
func (r Rules) answered(l Leg) (Verdict, string) {
	peer := parseChannel(l.DstChannel.Reveal()).peer
	machine := matches(r.Machines, peer) || matches(r.Machines, l.To.Reveal())
	switch {
	case matches(r.VoicemailApps, l.App), matches(r.VoicemailExtensions, l.To.Reveal()), matches(r.VoicemailContexts, l.Context):
		return VerdictVoicemail, "reached a mailbox; the log does not say whether a message was left"
	case !l.DstChannel.IsEmpty() && !machine && matches(r.PersonApps, l.App) && l.Talk > 0:
		return VerdictAnswered, "a person answered"
	case matches(r.CallbackContexts, l.Context):
		return VerdictCallbackRequested, "asked to be called back"
	case matches(r.AfterHoursContexts, l.Context):
		return VerdictAfterHours, "came in while closed and no person answered"
	case matches(r.QueueApps, l.App):
		return VerdictAbandonedQueue, "ended while waiting in a queue"
	case machine:
		return VerdictAbandonedIVR, "only an automatic extension answered"
	case !l.DstChannel.IsEmpty() && matches(r.PersonApps, l.App):
		return VerdictAbandonedRing, "picked up without any talk"
	default:
		return VerdictAbandonedIVR, "only the phone system itself answered" + lastApp(l.App)
	}
}

// lastApp names the application where it is one: what stands in that column of
// a damaged row may be anything.
func lastApp(app string) string {
	plain := app != "" && len(app) <= 24 && strings.Trim(strings.ToLower(app), "abcdefghijklmnopqrstuvwxyz") == ""
	if !plain {
		return ""
	}
	return fmt.Sprintf(" (last application %s)", app)
}

// direction finds who placed the call. why is empty where that is plain.
func (r Rules) direction(legs []Leg) (d Direction, why string) {
	// A call that came in stays one when the system then places calls to reach somebody.
	if slices.ContainsFunc(legs, func(l Leg) bool { return l.Direction == Inbound }) {
		return Inbound, ""
	}
	if i := slices.IndexFunc(legs, func(l Leg) bool { return l.Direction != "" }); i >= 0 {
		return legs[i].Direction, fmt.Sprintf("the log says %s", legs[i].Direction)
	}
	for _, l := range legs {
		if !matches(r.PublicContexts, l.Context) && !matches(r.Trunks, parseChannel(l.Channel.Reveal()).peer) {
			continue
		}
		if r.extension(l.From.Reveal()) {
			return Inbound, "came in from the public network, so the caller's short number is not an extension"
		}
		return Inbound, ""
	}
	root := legs[0]
	from, to := root.From.Reveal(), root.To.Reveal()
	caller := parseChannel(root.Channel.Reveal())
	ours := caller.station(r) || from != "" && !r.publicNumber(from) ||
		matches(r.InternalContexts, root.Context) && r.publicNumber(to)
	leaves := r.publicNumber(to) || matches(r.Trunks, parseChannel(root.DstChannel.Reveal()).peer)
	switch {
	case ours && leaves:
		return Outbound, "one of the clinic's own phones called a public number"
	case ours && !r.publicNumber(from):
		return Internal, "both ends are of the phone system itself"
	case from == "":
		return Inbound, "the log does not say who called; taken for a call from outside"
	default:
		return Inbound, ""
	}
}

// rung counts the channels that were rung, Local channels aside: they ring on.
func rung(legs []Leg) int {
	seen := make(map[string]bool)
	for _, l := range legs {
		name := l.DstChannel.Reveal()
		if name != "" && parseChannel(name).half == 0 {
			seen[name] = true
		}
	}
	return len(seen)
}

// length is how long the whole call lasted, known only if the log has the end
// of every leg.
func length(s *Session, legs []Leg) (time.Duration, bool) {
	for _, l := range legs {
		if l.end().IsZero() || l.Start.IsZero() {
			return 0, false
		}
	}
	return s.EndedAt.Sub(s.StartedAt), true
}

// talkTime is how long at least one person was on the line: people who talk at
// the same time, and records that occur twice, count once.
func talkTime(people []outcome) time.Duration {
	type span struct{ from, to time.Time }
	var spans []span
	for _, p := range people {
		from := p.leg.Answer
		if from.IsZero() {
			from = p.leg.Start
		}
		spans = append(spans, span{from, from.Add(p.leg.Talk)})
	}
	slices.SortFunc(spans, func(a, b span) int { return a.from.Compare(b.from) })
	var total time.Duration
	var until time.Time
	for _, s := range spans {
		if s.from.Before(until) {
			s.from = until
		}
		if d := s.to.Sub(s.from); d > 0 {
			total += d
			until = s.to
		}
	}
	return total
}
