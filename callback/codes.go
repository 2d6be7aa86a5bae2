package callback

import "slices"

// Category says what the caller wants. The list is closed; its order is the
// order of screens and reports.
type Category string

// The categories (defaults of the callback workflow; mapped to Task.code).
const (
	NewPatient         Category = "new-patient"
	ExistingScheduling Category = "existing-scheduling"
	RescheduleCancel   Category = "reschedule-cancel"
	BenefitsBilling    Category = "benefits-billing"
	Clinical           Category = "clinical"
	RecordsReferral    Category = "records-referral"
	Other              Category = "other"
	SpamWrongNumber    Category = "spam-wrong-number"
)

// Categories lists all categories.
var Categories = []Category{NewPatient, ExistingScheduling, RescheduleCancel, BenefitsBilling,
	Clinical, RecordsReferral, Other, SpamWrongNumber}

// Valid reports whether c is one of Categories.
func (c Category) Valid() bool { return slices.Contains(Categories, c) }

// Priority is how urgent a callback is, in the codes of FHIR request-priority.
type Priority string

// The priorities, least urgent first.
const (
	Routine Priority = "routine"
	Urgent  Priority = "urgent"
	ASAP    Priority = "asap"
	Stat    Priority = "stat"
)

// Priorities lists all priorities, least urgent first.
var Priorities = []Priority{Routine, Urgent, ASAP, Stat}

// Valid reports whether p is one of Priorities.
func (p Priority) Valid() bool { return slices.Contains(Priorities, p) }

// Above reports whether p is more urgent than q.
func (p Priority) Above(q Priority) bool {
	return slices.Index(Priorities, p) > slices.Index(Priorities, q)
}

// Raised returns the next more urgent priority; Stat stays Stat.
func (p Priority) Raised() Priority {
	return Priorities[min(slices.Index(Priorities, p)+1, len(Priorities)-1)]
}

// Outcome says why a callback closed, or how an attempt ended.
type Outcome string

// Why a callback closed.
const (
	Booked                   Outcome = "booked"
	AnsweredQuestion         Outcome = "answered-question"
	TransferredWarm          Outcome = "transferred-warm"
	PatientDeclined          Outcome = "patient-declined"
	AlreadyResolved          Outcome = "already-resolved"
	CallerCalledBackAnswered Outcome = "caller-called-back-answered"
	ReferredOut              Outcome = "referred-out"
	NumberInvalid            Outcome = "number-invalid"
	WrongPerson              Outcome = "wrong-person"
	Duplicate                Outcome = "duplicate"
	Spam                     Outcome = "spam"
	UnreachablePolicy        Outcome = "unreachable-policy-complete"
	// CompletedInEHR and CancelledInEHR: staff ended the work item in the EHR
	// and did not say how. Ours, beside the workflow's list: a guess at one of
	// the others would be an invention.
	CompletedInEHR Outcome = "completed-in-ehr"
	CancelledInEHR Outcome = "cancelled-in-ehr"
)

// How an attempt ended, beside the outcomes above that an attempt can have.
const (
	LeftVoicemail Outcome = "left-voicemail"
	SMSSent       Outcome = "sms-sent"
	NoAnswer      Outcome = "no-answer"
	Busy          Outcome = "busy"
	Reached       Outcome = "reached"
)

// ClosingOutcomes are the outcomes a callback may close with.
var ClosingOutcomes = []Outcome{Booked, AnsweredQuestion, TransferredWarm, PatientDeclined, AlreadyResolved,
	CallerCalledBackAnswered, ReferredOut, NumberInvalid, WrongPerson, Duplicate, Spam, UnreachablePolicy,
	CompletedInEHR, CancelledInEHR}

// AttemptResults are the ways an attempt may end.
var AttemptResults = []Outcome{Reached, LeftVoicemail, SMSSent, NoAnswer, Busy, NumberInvalid, WrongPerson}

// Closes reports whether a callback may close with o.
func (o Outcome) Closes() bool { return slices.Contains(ClosingOutcomes, o) }

// EndsAttempt reports whether an attempt may end with o.
func (o Outcome) EndsAttempt() bool { return slices.Contains(AttemptResults, o) }

// Withdrawn reports whether o means that there was nothing to answer, so that
// the work item is cancelled and not completed.
func (o Outcome) Withdrawn() bool {
	return o == Duplicate || o == Spam || o == CancelledInEHR
}
