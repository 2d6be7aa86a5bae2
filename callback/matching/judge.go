package matching

import (
	"slices"
	"strings"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/names"
	"github.com/ringback-health/ringback/callback/workflow"
	"github.com/ringback-health/ringback/internal/redact"
)

// Judge says what one appointment says about the callback. A verdict is the
// strongest claim for it, cut down by everything that speaks against it.
func (in Input) Judge(a callback.Appointment) callback.Evidence {
	ev := in.alone(a)
	if ev.Verdict == callback.Strong || ev.Verdict == callback.Weak {
		switch in.contested(a) {
		case callback.None:
			ev.Reasons = append(ev.Reasons, "only-open-callback")
		case callback.Exact:
			ev.Verdict, ev.Reasons = callback.None, []string{"answers-another-callback"}
		default:
			ev.Verdict = callback.Weak
			ev.Reasons = append(ev.Reasons, "several-open-callbacks")
		}
	}
	ev.Sentence = sentence(ev)
	return ev
}

// alone judges the appointment as if the patient had no other open callback.
func (in Input) alone(a callback.Appointment) callback.Evidence {
	ev := callback.Evidence{EHR: a.EHR, Appointment: a.ID, Verdict: callback.None}
	none := func(reason string) callback.Evidence {
		ev.Verdict, ev.Reasons = callback.None, []string{reason}
		return ev
	}
	credit, elsewhere := in.Credited[a.ID]
	exact := in.exact(a)
	switch {
	case !a.State.Stands():
		return none("not-booked")
	case !in.Rules.AnsweredByVisit(in.Record.Category):
		return none("no-visit-answers-this-category")
	case in.madeUp(a):
		return none("test-patient")
	case in.refused(a):
		return none("refused-by-a-person")
	case elsewhere && (exact != "" || !in.passes(a, credit)):
		return none("answers-another-callback")
	case in.hadAnswered(a):
		return none("answered-before-reopening")
	case exact == linkedByStaff && in.toBeMoved(a):
		return none("visit-to-be-moved")
	case exact != "":
		ev.Verdict, ev.Reasons = callback.Exact, []string{exact}
		if stale := in.stale(a, exact == linkedByStaff); stale != "" {
			ev.Verdict, ev.Reasons = callback.Weak, append(ev.Reasons, stale)
		}
		return ev
	case in.Record.Patient.Chart().IsEmpty():
		return none("chart-unknown")
	case !in.samePatient(a.Patient):
		return none("other-patient")
	}
	return in.byPatient(a, ev)
}

// linkedByStaff is the reason of a visit that staff tied to the work item.
const linkedByStaff = "linked-by-staff"

// exact returns why the appointment is certainly for this callback, or "".
func (in Input) exact(a callback.Appointment) string {
	for _, l := range in.Record.Links {
		if l.EHR != a.EHR {
			continue
		}
		switch {
		case slices.Contains(l.Base.Appointments, a.ID):
			return linkedByStaff
		case slices.Contains(a.Markers, l.Marker()):
			return "marker"
		case l.Type == callback.AppointmentResource && l.RemoteID != "" && l.RemoteID == a.ID:
			return "our-proposal"
		case l.Type == callback.TaskResource && l.RemoteID != "" && slices.Contains(a.Tasks, l.RemoteID):
			return "points-to-our-task"
		}
	}
	return ""
}

func (in Input) refused(a callback.Appointment) bool {
	old, ok := in.Record.EvidenceOf(a.EHR, a.ID)
	return ok && old.State == callback.Refused
}

// hadAnswered reports whether the visit had closed the callback once, and is as it was when
// that was opened again: whatever ties it to the callback, it is no answer to what is left.
func (in Input) hadAnswered(a callback.Appointment) bool {
	old, ok := in.Record.EvidenceOf(a.EHR, a.ID)
	if !ok || old.State != callback.Revoked {
		return false
	}
	since := in.Record.AskedAt
	if e, ok := lastOf(in.Record, callback.EventReopened); ok && e.By.Kind != callback.CallerActor {
		since = later(since, e.At.Add(-in.Rules.ClockSkew))
	}
	move, _, moved := in.move(a)
	return in.booking(a).order(since) != after && (!moved || move.order(since) != after)
}

// stale says why the visit, although it is tied to the callback, may be no answer to what
// was asked last: it was there before the callback was opened again, or before the caller
// rang once more. What staff tied to it may be tied since, but not when the caller rang
// after it was closed.
func (in Input) stale(a callback.Appointment, linked bool) string {
	e, reopened := lastOf(in.Record, callback.EventReopened)
	if reopened && (!linked || e.By.Kind == callback.CallerActor) && !in.doneSince(a, in.openSince()) {
		return "booked-before-reopening"
	}
	return in.calledAfter(a, linked)
}

// doneSince reports whether the visit was certainly booked, or moved, after a moment.
func (in Input) doneSince(a callback.Appointment, since time.Time) bool {
	move, _, moved := in.move(a)
	return in.booking(a).order(since) == after || moved && move.order(since) == after
}

// calledAfter returns the doubt that is left when the caller rang once more after the
// visit was booked and moved last, or at about the same time: whoever has what was asked
// for need not ring. What staff tied to the work item they tied when they knew which call
// came first.
func (in Input) calledAfter(a callback.Appointment, linked bool) string {
	e, again := lastOf(in.Record, callback.EventMerged)
	if !again {
		return ""
	}
	order := in.booking(a).order(e.At)
	if move, _, moved := in.move(a); moved && order != after {
		order = move.order(e.At)
	}
	switch {
	case order == before:
		return "called-again-since"
	case order == unclear && !linked:
		return "called-again-meanwhile"
	default:
		return ""
	}
}

// madeUp reports whether the visit or the caller exists for testing only.
func (in Input) madeUp(a callback.Appointment) bool {
	return a.Test || in.Rules.TestChart(a.Patient.Reveal()) || in.Rules.TestChart(in.Record.Patient.Chart().Reveal()) ||
		in.Rules.TestName(names.Words(in.Record.Caller.Name))
}

func (in Input) samePatient(id redact.Text) bool {
	return !id.IsEmpty() && (id.Equal(in.Record.Patient.Chart()) || slices.ContainsFunc(in.Aliases, id.Equal))
}

// passes reports whether the visit, which closed another callback, was moved since at
// the request of this one.
func (in Input) passes(a callback.Appointment, c Credit) bool {
	_, seen, answers := in.answeringMove(a)
	return answers && c.At.Before(seen)
}

// answeringMove returns when the visit was moved after the request, and when that was
// seen, if that answers it: the caller wanted a visit moved, or may have and staff moved
// it in the conversation.
func (in Input) answeringMove(a callback.Appointment) (p period, seen time.Time, answers bool) {
	p, seen, moved := in.move(a)
	switch c := in.Record.Category; {
	case !moved || p.order(in.Record.AskedAt) != after:
		return p, seen, false
	case in.Rules.Categories[c].Moves:
		return p, seen, true
	default:
		return p, seen, mayWantMove(c) && !in.saidOther() && in.inConversation(a, p)
	}
}

// mayWantMove reports whether who asks for a visit, or for nobody knows what, may want to
// have one moved that is booked.
func mayWantMove(c callback.Category) bool {
	return c == callback.Other || c == callback.ExistingScheduling
}

// toBeMoved reports whether the visit is the one that the caller wants to have moved, and
// nobody has moved it yet: staff point to it to say which one that is.
func (in Input) toBeMoved(a callback.Appointment) bool {
	if !in.Rules.Categories[in.Record.Category].Moves || in.booking(a).order(in.Record.AskedAt) != before {
		return false
	}
	p, _, moved := in.move(a)
	return !moved || p.order(in.Record.AskedAt) == before
}

// byPatient judges an appointment that only its patient ties to the callback.
func (in Input) byPatient(a callback.Appointment, ev callback.Evidence) callback.Evidence {
	r := in.Record
	when, doubts, against := in.answers(a)
	until := later(r.AskedAt, r.ReopenedAt).Add(in.Rules.AttributionWindow)
	switch {
	case against != "":
		ev.Reasons = []string{against}
		return ev
	case !when.from.IsZero() && when.from.After(until):
		ev.Reasons = []string{"booked-too-late"}
		return ev
	case !a.Start.IsZero() && a.Start.Before(r.AskedAt):
		ev.Reasons = []string{"took-place-before-request"}
		return ev
	}
	talked := in.inConversation(a, when)
	ev.Verdict, ev.Reasons = callback.Strong, doubts
	if slices.ContainsFunc(doubts, doubtful) {
		ev.Verdict = callback.Weak
	}
	doubt := func(is bool, reason, otherwise string) {
		if is {
			ev.Verdict = callback.Weak
			ev.Reasons = append(ev.Reasons, reason)
		} else {
			ev.Reasons = append(ev.Reasons, otherwise)
		}
	}
	if in.walkedIn(a, when) {
		doubt(true, "walked-in", "")
	}
	doubt(r.Patient.Resolution != callback.Certain, "patient-uncertain", "patient-certain")
	doubt(a.Patients > 1, "several-patients", "one-patient")
	doubt(!in.Rules.FitsVisit(r.Category, a.Kinds), "kind-does-not-answer", "kind-answers")
	switch {
	case r.Category != callback.Other || in.wantedVisit():
		ev.Reasons = append(ev.Reasons, "request-clear")
	case talked && !in.saidOther():
		ev.Reasons = append(ev.Reasons, "in-conversation")
	default:
		doubt(in.saidOther() || !in.soon(when), "request-unclear", "soon-after-request")
	}
	doubt(in.seriesElsewhere(a) && !slices.Contains(doubts, "moved-after-request"), "series-answers-another", "no-series-elsewhere")
	if again := in.calledAfter(a, false); again != "" {
		doubt(true, again, "")
	}
	if since := in.openSince(); since.After(r.AskedAt) {
		doubt(when.order(since) != after, "booked-before-reopening", "booked-since-reopening")
	}
	return ev
}

// answers says what the appointment has to do with the request in time: when what answers
// it was done, by the earliest, and the reasons for or doubts about it; or what speaks
// against it altogether.
func (in Input) answers(a callback.Appointment) (when period, reasons []string, against string) {
	asked, category := in.Record.AskedAt, in.Record.Category
	booked := in.booking(a)
	move, _, moved := in.move(a)
	aboutMoves := in.Rules.Categories[category].Moves
	perhaps := moved && (aboutMoves || mayWantMove(category))
	answer, _, answers := in.answeringMove(a)
	switch order := booked.order(asked); {
	case answers && order != after:
		return answer, []string{"moved-after-request"}, ""
	case perhaps && order == before && move.order(asked) == after:
		return move, []string{"moved-only"}, ""
	case perhaps && order == before && move.order(asked) == unclear:
		return move, []string{"time-of-move-uncertain"}, ""
	case order == before && (a.Created.IsZero() || booked.to.Equal(plus(a.FirstSeen, in.Rules.ClockSkew))):
		return booked, nil, "known-before-request"
	case order == before:
		return booked, nil, "booked-before-request"
	case order == unclear:
		reasons = append(reasons, "booking-time-uncertain")
	default:
		reasons = append(reasons, "booked-after-request")
	}
	if aboutMoves && in.earlierStands(a) {
		reasons = append(reasons, "earlier-visit-stands")
	}
	return booked, reasons, ""
}

// conversation is how long before or after a booking staff may have touched the work item
// for it to have been booked while they dealt with the caller.
const conversation = 30 * time.Minute

// inConversation reports whether staff worked on this callback when the visit was booked
// or moved: they filed it in the patient's chart, took it up, or noted something. Where
// the EHR tells both times they are by one clock, whatever that says.
func (in Input) inConversation(a callback.Appointment, when period) bool {
	told := !a.Created.IsZero() && a.CreatedSpan == 0 && len(a.History) < 2
	return slices.ContainsFunc(in.Record.Timeline, func(e callback.Event) bool {
		switch {
		case !e.By.Human() || e.Kind == callback.EventClosed || e.Kind == callback.EventReopened:
			return false
		case told && !e.EHRAt.IsZero():
			return e.EHRAt.Sub(a.Created).Abs() <= conversation
		case when.from.IsZero() || when.to.IsZero() || when.to.Sub(when.from) > 2*conversation:
			return false
		default:
			return !e.At.Before(when.from.Add(-conversation)) && !e.At.After(when.to.Add(conversation))
		}
	})
}

// soonAfter is how long after a request that said nothing of what it is about a booking of
// the patient is taken for the answer: three tries to reach somebody, and a weekend. It is
// an assumption; no published figure was found.
const soonAfter = 3 * 24 * time.Hour

// soon reports whether something was done soon after the request.
func (in Input) soon(when period) bool {
	return !when.to.IsZero() && !when.to.After(in.openSince().Add(soonAfter))
}

// wantedVisit reports whether a visit is what is wanted, whatever the category says: the
// caller named times for one, or the visit fell through that had answered the callback.
func (in Input) wantedVisit() bool {
	e, ok := lastOf(in.Record, callback.EventReopened)
	return ok && e.By.Kind == callback.Automation || len(in.Record.Preferred) > 0
}

// saidOther reports whether whoever asked said that it is about something else than the
// workflow has a category for, and did not just leave a number.
func (in Input) saidOther() bool {
	return in.Record.Category == callback.Other && slices.ContainsFunc(in.Record.Timeline, func(e callback.Event) bool {
		return e.Kind == callback.EventTriaged && strings.HasPrefix(e.Detail, workflow.BySource)
	})
}

// earlierStands reports whether the visit that the caller wants to have moved may be
// there still: one that was booked before the request stands as it stood, and none has
// given way to a.
func (in Input) earlierStands(a callback.Appointment) bool {
	asked := in.Record.AskedAt
	stands := false
	for _, e := range in.Appointments {
		if e.EHR == a.EHR && e.ID == a.ID || !in.samePatient(e.Patient) || in.booking(e).order(asked) != before {
			continue
		}
		move, _, moved := in.move(e)
		_, fell := in.gaveWay(e)
		switch {
		case slices.Contains(a.Replaces, e.ID), moved && move.order(asked) == after, fell:
			return false
		case e.State.Stands() && e.Start.After(asked):
			stands = true
		}
	}
	return stands
}

// gaveWay reports whether an earlier visit of the patient fell through since the request,
// as far as that is known, and when by the EHR's clock.
func (in Input) gaveWay(e callback.Appointment) (at time.Time, ok bool) {
	asked := in.Record.AskedAt
	if !e.State.FellThrough() || !in.samePatient(e.Patient) || in.booking(e).order(asked) != before || !e.Start.After(asked.Add(-in.Rules.AttributionWindow)) {
		return at, false
	}
	n := len(e.History)
	if n > 1 && in.change(e.History[n-2], e.History[n-1]).order(asked) == before {
		return at, false
	}
	if n > 0 {
		at = e.History[n-1].Updated
	}
	return at, true
}

// seriesElsewhere reports whether another visit of the series that a is part of answered
// another callback: a series is credited once.
func (in Input) seriesElsewhere(a callback.Appointment) bool {
	return slices.ContainsFunc(in.Appointments, func(b callback.Appointment) bool {
		_, elsewhere := in.Credited[b.ID]
		return elsewhere && b.ID != a.ID && b.Patient.Equal(a.Patient) && bookedTogether(a, b)
	})
}

// bookedFirst is how long before a visit falls through the one that replaces it may have
// been booked: staff book the new one and cancel the old one in one go, or the next day.
const bookedFirst = 24 * time.Hour

// openSince is from when on a booking answers the callback. Once it was opened again, a
// booking that was there already was no answer: a person said so, or it was made for
// something else.
func (in Input) openSince() time.Time {
	e, ok := lastOf(in.Record, callback.EventReopened)
	switch {
	case ok && e.By.Human():
		return e.At
	case ok && e.By.Kind == callback.Automation:
		return later(in.Record.AskedAt, later(e.At.Add(-bookedFirst), in.noShowSince()))
	default: // the caller asked anew, and AskedAt says when
		return in.Record.AskedAt
	}
}

// noShowSince is the earliest that it can have been known that the patient did not come to
// the visit that had closed the callback; zero when he did. Nobody knew that before, so
// nothing was booked in its place before.
func (in Input) noShowSince() (since time.Time) {
	for _, a := range in.Appointments {
		ev, ok := in.Record.EvidenceOf(a.EHR, a.ID)
		if ok && ev.State == callback.Revoked && a.State == callback.ApptNoShow && len(a.History) > 0 {
			since = later(since, a.History[len(a.History)-1].NotBefore)
		}
	}
	return since
}

// contested returns what the appointment says about the patient's other open callbacks:
// the best verdict, or None where it is none's but perhaps this one's. One that may be
// about somebody else in the family does not count against one that is certain.
func (in Input) contested(a callback.Appointment) callback.Verdict {
	best := callback.None
	for _, r := range in.Rivals {
		other := in
		other.Record, other.Rivals = r, nil
		ev := other.alone(a)
		unsure := r.Patient.Resolution != callback.Certain && in.Record.Patient.Resolution == callback.Certain && ev.Verdict != callback.Exact
		if unsure || slices.ContainsFunc(ev.Reasons, func(reason string) bool { return otherSort[reason] }) {
			continue
		}
		if rank(ev.Verdict) > rank(best) {
			best = ev.Verdict
		}
	}
	return best
}

// otherSort are the doubts that say of a visit that it is of another sort than a callback
// asks for, so that it is no rival's for a visit that another one asks for.
var otherSort = map[string]bool{"kind-does-not-answer": true, "moved-only": true, "earlier-visit-stands": true}

func rank(v callback.Verdict) int {
	return slices.Index([]callback.Verdict{callback.None, callback.Weak, callback.Strong, callback.Exact}, v)
}
