// Package matching decides what appointments say about a callback: whether one
// of them answers it, whether a person has to look, or whether the visit that
// answered it fell through. Pure: everything it weighs is passed in, nothing
// depends on the order of the evidence.
//
// A wrong close is worse than a late one. Only exact evidence (our marker, our
// proposal, a link made by staff) and strong evidence (one certain patient, a
// visit of a kind that answers, booked after the request) closes. All else that
// is plausible goes to a person.
package matching

import (
	"cmp"
	"slices"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/workflow"
)

// Input is everything that is weighed for one callback.
type Input struct {
	Record       callback.Record
	Rules        workflow.Rules
	Appointments []callback.Appointment // whatever may concern the callback
	// StaffLinked are ids of appointments that staff tied to the work item.
	StaffLinked []string
	// CreditedElsewhere are ids of appointments that closed another callback.
	CreditedElsewhere map[string]bool
	// Rivals is how many other open callbacks are bound to the same patient and
	// of a category that a visit answers: one visit cannot be known to be for this one.
	Rivals int
	Now    time.Time
}

// Step is what should be done.
type Step string

// The steps.
const (
	Leave  Step = "leave"
	Close  Step = "close"
	Review Step = "review"
	Reopen Step = "reopen"
)

// Decision is what should be done, with the evidence for it.
type Decision struct {
	Step     Step
	Evidence []callback.Evidence // Close: the one; Review: all that is new; Reopen: the one that fell through
}

// Decide weighs the appointments for the callback.
func Decide(in Input) Decision {
	appts := latest(in.Appointments)
	if in.Record.Status == callback.Closed {
		return in.closed(appts)
	}
	var best callback.Evidence
	var doubtful []callback.Evidence
	for _, a := range appts {
		ev := in.Judge(a)
		switch {
		case ev.Verdict.Closes():
			if best.Verdict == "" || (ev.Verdict == callback.Exact && best.Verdict == callback.Strong) {
				best = ev
			}
		case ev.Verdict == callback.Weak:
			if _, known := in.Record.EvidenceOf(a.EHR, a.ID); !known {
				doubtful = append(doubtful, ev)
			}
		}
	}
	if best.Verdict != "" {
		return Decision{Close, []callback.Evidence{best}}
	}
	if len(doubtful) > 0 {
		return Decision{Review, doubtful}
	}
	return Decision{Step: Leave}
}

// closed looks whether the visit that closed the callback still stands.
func (in Input) closed(appts []callback.Appointment) Decision {
	r := in.Record
	if in.Now.Sub(r.ClosedAt) > in.Rules.ReopenOnCancelWithin {
		return Decision{Step: Leave}
	}
	for _, ev := range r.Evidence {
		if ev.State != callback.Credited {
			continue
		}
		i := slices.IndexFunc(appts, func(a callback.Appointment) bool { return a.EHR == ev.EHR && a.ID == ev.Appointment })
		if i >= 0 && appts[i].State.FellThrough() {
			ev.Sentence = "The visit that had answered this callback " + lost[appts[i].State] + "."
			return Decision{Reopen, []callback.Evidence{ev}}
		}
	}
	return Decision{Step: Leave}
}

var lost = map[callback.AppointmentState]string{
	callback.ApptCancelled: "was cancelled",
	callback.ApptNoShow:    "did not take place: the patient did not come",
	callback.ApptVoid:      "was removed from the schedule",
}

// latest keeps one appointment per id, the most recently updated, in an order
// that does not depend on the input: soonest booked first.
func latest(appts []callback.Appointment) []callback.Appointment {
	sorted := slices.Clone(appts)
	slices.SortFunc(sorted, func(a, b callback.Appointment) int {
		return cmp.Or(cmp.Compare(a.EHR, b.EHR), cmp.Compare(a.ID, b.ID),
			b.Updated.Compare(a.Updated), cmp.Compare(b.Version, a.Version), cmp.Compare(a.State, b.State),
			// One version has one content; what follows only keeps the order total.
			a.Created.Compare(b.Created), a.NotBefore.Compare(b.NotBefore), a.FirstSeen.Compare(b.FirstSeen),
			cmp.Compare(a.Patient.Reveal(), b.Patient.Reveal()), cmp.Compare(a.Patients, b.Patients), slices.Compare(a.Markers, b.Markers))
	})
	sorted = slices.CompactFunc(sorted, func(a, b callback.Appointment) bool { return a.EHR == b.EHR && a.ID == b.ID })
	slices.SortStableFunc(sorted, func(a, b callback.Appointment) int {
		ta, _ := a.BookedNoEarlierThan()
		tb, _ := b.BookedNoEarlierThan()
		return ta.Compare(tb)
	})
	return sorted
}
