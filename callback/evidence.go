package callback

import (
	"fmt"
	"time"
)

// Verdict is what matching says about one appointment and one callback.
type Verdict string

// The verdicts. Only Exact and Strong close a callback.
const (
	Exact  Verdict = "exact"  // our marker, our proposal, or a link made by staff
	Strong Verdict = "strong" // one certain patient, a fitting visit, booked after the request
	Weak   Verdict = "weak"   // plausible; a person decides
	None   Verdict = "none"
)

// Closes reports whether automation may close on v.
func (v Verdict) Closes() bool { return v == Exact || v == Strong }

// EvidenceState says what became of a piece of evidence.
type EvidenceState string

// The states of evidence.
const (
	Credited EvidenceState = "credited" // it closed the callback
	Shown    EvidenceState = "shown"    // a person has to look at it
	// Revoked: the visit fell through, or answers another callback since, so it
	// counts no more; if it is booked again it may be credited again.
	Revoked EvidenceState = "revoked"
	// Refused: a person reopened the callback despite it; automation never
	// credits this appointment to this callback again.
	Refused EvidenceState = "refused"
)

// Evidence is one appointment held against one callback, with the reasons.
type Evidence struct {
	EHR         EHRID
	Appointment string // its id in the EHR
	Verdict     Verdict
	Reasons     []string // machine words: "marker", "patient-certain", "booked-after-request"
	Sentence    string   // the same for a person, free of PHI
	State       EvidenceState
	At          time.Time
}

// Recredit gives the credit of a closed callback to another visit, because the one
// that had it fell through and this one stands in its place: the callback stays
// closed. Evidence that would not close it is ErrInvalid, an open callback
// ErrNotAllowed.
func (r *Record) Recredit(ev Evidence, at time.Time) error {
	if !ev.Verdict.Closes() {
		return fmt.Errorf("%w: %s evidence closes nothing", ErrInvalid, ev.Verdict)
	}
	if r.Status != Closed {
		return fmt.Errorf("%w: a callback that is %s has no visit to its credit", ErrNotAllowed, r.Status)
	}
	if old := r.evidenceOf(ev.EHR, ev.Appointment); old != nil && old.State == Credited {
		return nil
	}
	r.revoke()
	ev.State, ev.At = Credited, at
	r.keep(ev)
	r.stay(Event{Kind: EventVisitChanged, At: at, By: Actor{Kind: Automation}, Detail: ev.Sentence}, true)
	return nil
}

// Discredit takes the credit from the visit that had closed the callback and leaves it
// closed: somebody else answers what is left to do. detail says who, free of PHI.
func (r *Record) Discredit(detail string, at time.Time) {
	if r.Status == Closed && r.revoke() {
		r.VisitChanged(detail, at)
	}
}

// VisitChanged records what became of a visit where that changes nothing else. detail
// is free of PHI.
func (r *Record) VisitChanged(detail string, at time.Time) {
	r.stay(Event{Kind: EventVisitChanged, At: at, By: Actor{Kind: Automation}, Detail: detail}, false)
}

// revoke takes the credit from whatever visit has it, and reports whether one had.
func (r *Record) revoke() (had bool) {
	for i := range r.Evidence {
		if r.Evidence[i].State == Credited {
			r.Evidence[i].State, had = Revoked, true
		}
	}
	return had
}
