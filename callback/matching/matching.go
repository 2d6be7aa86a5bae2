// Package matching decides what appointments say about a callback: whether one
// of them answers it, whether a person has to look, or whether the visit that
// answered it fell through. Pure: everything it weighs is passed in, nothing
// depends on the order of the evidence.
//
// A wrong close is worse than a late one. Only exact evidence (our marker, our
// proposal, a link made by staff) and strong evidence (one certain patient, a
// visit of a kind that answers, booked after the request) closes. All else that
// is plausible goes to a person. docs/matching.md says the rules to operators.
//
// Which chart a callback is about is decided here too; how two names compare is
// decided in names, and which visits answer which category is the clinic's workflow.
package matching

import (
	"cmp"
	"slices"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/workflow"
	"github.com/ringback-health/ringback/internal/redact"
)

// Input is everything that is weighed for one callback.
type Input struct {
	Record       callback.Record
	Rules        workflow.Rules
	Appointments []callback.Appointment // all of the patient, and whatever else may concern the callback
	// Credited says of appointments that closed another callback which one that is.
	Credited map[string]Credit
	// Rivals are the other open callbacks that are bound to the same chart: one visit
	// cannot be known to be for this callback when it may be for one of them.
	Rivals []callback.Record
	// Aliases are further ids of the patient's chart: charts that were merged into it,
	// or that it was merged into.
	Aliases []redact.Text
	Now     time.Time
}

// Credit is which callback an appointment closed, and when.
type Credit struct {
	Callback callback.ID
	At       time.Time
}

// Step is what should be done.
type Step string

// The steps.
const (
	Leave  Step = "leave"
	Close  Step = "close"
	Review Step = "review"
	Reopen Step = "reopen"
	// Keep: the visit that closed it fell through, and another stands in its place.
	Keep Step = "keep-closed"
	// Lapse: the visit that closed it fell through, and the patient has another open
	// callback that asks for just that: two for one need would be one too many.
	Lapse Step = "lapse"
	// Renew: the visit that closed it fell through when it had been closed for long;
	// a callback of its own is made of it.
	Renew Step = "renew"
)

// Decision is what should be done, with the evidence for it.
type Decision struct {
	Step     Step
	Evidence []callback.Evidence // Close, Keep: the one; Review: all that is new; else: the one that fell through
	// From is the callback that the credit is taken from, because the visit was moved at
	// this one's request: Close only, and "" when nobody had it.
	From callback.ID
}

// Decide weighs the appointments for the callback.
func Decide(in Input) Decision {
	in.Appointments = latest(in.Appointments)
	if in.Record.Status == callback.Closed {
		return in.closed()
	}
	best, doubtful := in.weigh()
	switch {
	case best.Verdict != "" && best.Reasons[0] != linkedByStaff && in.mayGoOn(best):
		return Decision{Step: Leave}
	case best.Verdict != "":
		return Decision{Step: Close, Evidence: []callback.Evidence{best}, From: in.Credited[best.Appointment].Callback}
	case len(doubtful) > 0:
		return Decision{Step: Review, Evidence: doubtful}
	default:
		return Decision{Step: Leave}
	}
}

// settle is for how long a callback that holds several calls stays open after a visit was
// seen that answers it: whoever deals with them deals with one after the other. Staff who
// tie a visit to the work item have said that it is the answer.
const settle = 15 * time.Minute

// mayGoOn reports whether somebody may be dealing with further calls of the callback.
func (in Input) mayGoOn(ev callback.Evidence) bool {
	i := slices.IndexFunc(in.Appointments, func(a callback.Appointment) bool { return a.EHR == ev.EHR && a.ID == ev.Appointment })
	a := in.Appointments[i]
	seen := a.FirstSeen
	if n := len(a.History); n > 0 {
		seen = a.History[n-1].Seen
	}
	return in.Record.Repeats > 0 && in.Now.Sub(seen) < settle
}

// weigh returns the evidence that closes the callback, if any does, and what a person
// was not shown yet.
func (in Input) weigh() (best callback.Evidence, doubtful []callback.Evidence) {
	since := in.lastGaveWay()
	inPlace := false // of the one that gave way: best was booked after that
	for _, a := range in.Appointments {
		ev := in.Judge(a)
		switch {
		case ev.Verdict.Closes():
			if best.Verdict == "" || ev.Verdict == callback.Exact && best.Verdict == callback.Strong ||
				ev.Verdict == best.Verdict && !since.IsZero() && !inPlace {
				best, inPlace = ev, !firstKnown(a).Before(since)
			}
		case ev.Verdict == callback.Weak:
			if _, known := in.Record.EvidenceOf(a.EHR, a.ID); !known {
				doubtful = append(doubtful, ev)
			}
		}
	}
	return best, doubtful
}

// lastGaveWay is when the last visit gave way that the caller may have wanted to have
// moved; zero when none did. Of several that were booked the first one after that is the
// one in its place, or else the last one before.
func (in Input) lastGaveWay() (at time.Time) {
	if !in.Rules.Categories[in.Record.Category].Moves {
		return at
	}
	for _, a := range in.Appointments {
		if since, ok := in.gaveWay(a); ok {
			at = later(at, since)
		}
	}
	return at
}

// closed looks whether the visit that closed the callback still stands for it.
func (in Input) closed() Decision {
	ev, a, how := in.lost()
	if how == "" {
		return Decision{Step: Leave}
	}
	if next, ok := in.successor(ev, a); ok {
		return Decision{Step: Keep, Evidence: []callback.Evidence{next}}
	}
	ev.Sentence = "The visit that had answered this callback " + how + "."
	step := Reopen
	switch {
	case in.Now.Sub(in.Record.ClosedAt) > in.Rules.ReopenOnCancelWithin:
		step = Renew
		if slices.ContainsFunc(in.Rivals, func(r callback.Record) bool { return in.Rules.AnsweredByVisit(r.Category) }) {
			step = Lapse
		}
	case slices.ContainsFunc(in.Rivals, in.asksForChange):
		step = Lapse
	}
	if step == Lapse {
		ev.Sentence += " Another open callback of the patient goes on."
	}
	return Decision{Step: step, Evidence: []callback.Evidence{ev}}
}

// lost returns the visit that closed the callback and what became of it, "" when it
// stands for it still.
func (in Input) lost() (ev callback.Evidence, a callback.Appointment, how string) {
	for _, ev := range in.Record.Evidence {
		i := slices.IndexFunc(in.Appointments, func(a callback.Appointment) bool { return a.EHR == ev.EHR && a.ID == ev.Appointment })
		if i < 0 || ev.State != callback.Credited && !in.answeredOneCall(ev, in.Appointments[i]) {
			continue
		}
		a := in.Appointments[i]
		switch {
		case a.State == callback.ApptVoid && tookPlace(a):
			// Somebody tidied the schedule up.
		case a.State.FellThrough():
			return ev, a, lost[a.State]
		case a.State.Stands() && ev.Verdict != callback.Exact && in.exact(a) == "" && !a.Patient.IsEmpty() && !in.samePatient(a.Patient):
			return ev, a, "turned out to be for somebody else"
		}
	}
	return ev, a, ""
}

// answeredOneCall reports whether the visit had answered an earlier call of the callback,
// before the caller rang again and another visit answered that, and was lost only since.
func (in Input) answeredOneCall(ev callback.Evidence, a callback.Appointment) bool {
	if ev.State != callback.Revoked || !a.State.FellThrough() || len(a.History) == 0 || !a.History[len(a.History)-1].Seen.After(in.Record.ClosedAt) {
		return false
	}
	return slices.ContainsFunc(in.Record.Timeline, func(e callback.Event) bool {
		return e.Kind == callback.EventReopened && e.By.Kind == callback.CallerActor && e.At.After(ev.At)
	})
}

func tookPlace(a callback.Appointment) bool {
	return slices.ContainsFunc(a.History, func(v callback.AppointmentVersion) bool { return v.State == callback.ApptDone })
}

var lost = map[callback.AppointmentState]string{
	callback.ApptCancelled: "was cancelled",
	callback.ApptNoShow:    "did not take place: the patient did not come",
	callback.ApptVoid:      "was removed from the schedule",
}

// successor returns the evidence of a visit that stands in the place of the one that
// was lost: the EHR says so, or it would close the callback at once if that opened again.
func (in Input) successor(ev callback.Evidence, old callback.Appointment) (callback.Evidence, bool) {
	for _, a := range in.Appointments {
		_, elsewhere := in.Credited[a.ID]
		if a.EHR == old.EHR && a.ID != old.ID && slices.Contains(a.Replaces, old.ID) && a.State.Stands() &&
			a.Patient.Equal(old.Patient) && !elsewhere && !in.refused(a) {
			next := callback.Evidence{EHR: a.EHR, Appointment: a.ID, Verdict: ev.Verdict, Reasons: []string{"replaces-the-visit"}}
			next.Sentence = sentence(next)
			return next, true
		}
	}
	if slices.ContainsFunc(in.Rivals, in.asksForChange) {
		return callback.Evidence{}, false // what was booked is rather the answer to that
	}
	in.Appointments = slices.DeleteFunc(slices.Clone(in.Appointments), func(a callback.Appointment) bool {
		held, ok := in.Record.EvidenceOf(a.EHR, a.ID)
		return ok && held.State == callback.Credited && (a.EHR != old.EHR || a.ID != old.ID)
	})
	in.Record = in.Record.Clone()
	if in.Record.ReopenOnVisitLost("", in.Now) != nil {
		return callback.Evidence{}, false
	}
	best, _ := in.weigh()
	return best, best.Verdict != ""
}

// asksForChange reports whether another open callback of the patient came later and is
// about a visit that was booked already.
func (in Input) asksForChange(r callback.Record) bool {
	return in.Rules.Categories[r.Category].Moves && r.AskedAt.After(in.Record.AskedAt)
}

// latest keeps one appointment per id, the most recently updated, in an order
// that does not depend on the input: soonest booked first.
func latest(appts []callback.Appointment) []callback.Appointment {
	sorted := slices.Clone(appts)
	slices.SortFunc(sorted, func(a, b callback.Appointment) int {
		return cmp.Or(cmp.Compare(a.EHR, b.EHR), cmp.Compare(a.ID, b.ID),
			b.Updated.Compare(a.Updated), cmp.Compare(b.Version, a.Version), cmp.Compare(len(b.History), len(a.History)), cmp.Compare(a.State, b.State),
			// One version has one content; what follows only keeps the order total.
			a.Created.Compare(b.Created), a.NotBefore.Compare(b.NotBefore), a.FirstSeen.Compare(b.FirstSeen), a.Start.Compare(b.Start),
			cmp.Compare(a.Patient.Reveal(), b.Patient.Reveal()), cmp.Compare(a.Patients, b.Patients),
			slices.Compare(a.Kinds, b.Kinds), slices.Compare(a.Replaces, b.Replaces), slices.Compare(a.Markers, b.Markers))
	})
	sorted = slices.CompactFunc(sorted, func(a, b callback.Appointment) bool { return a.EHR == b.EHR && a.ID == b.ID })
	slices.SortStableFunc(sorted, func(a, b callback.Appointment) int { return firstKnown(a).Compare(firstKnown(b)) })
	return sorted
}

// firstKnown is when the appointment was booked, as far as that is known.
func firstKnown(a callback.Appointment) time.Time {
	if a.Created.IsZero() {
		return a.NotBefore
	}
	return a.Created
}
