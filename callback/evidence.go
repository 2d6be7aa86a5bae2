package callback

import "time"

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
	// Revoked: the visit fell through, so it counts no more; if it is booked
	// again it may be credited again.
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
