package callback

import (
	"time"

	"github.com/ringback-health/ringback/internal/redact"
)

// Request is what arrives from a phone system, a form or a person: the input
// from which a callback is made. Source and SourceID together name it; the same
// pair is the same request however often it arrives.
type Request struct {
	Clinic     ClinicID
	Source     string    // where it came from: "webform", "asterisk", "front-desk"
	SourceID   string    // its id there
	ReceivedAt time.Time // when the person called or sent it
	Caller     Caller
	Patient    PatientKeys
	NewPatient Answer
	Category   Category // empty: triage decides
	Text       redact.Text
	Preferred  []Period
	VisitKind  string // what kind of visit is wanted, as the clinic calls it
}

// Caller is the person who wants to be called back.
type Caller struct {
	Name      redact.Text
	Phone     redact.Text // E.164; empty when the number was withheld
	Email     redact.Text
	BirthDate redact.Text // YYYY-MM-DD, of the patient
}

// PatientKeys are what a source knows of the patient's chart.
type PatientKeys struct {
	MRN   redact.Text
	EHRID redact.Text // the id of the Patient resource in the clinic's EHR
}

// Answer is yes, no, or not known.
type Answer string

// The answers. The zero Answer is not known.
const (
	Unknown Answer = ""
	Yes     Answer = "yes"
	No      Answer = "no"
)

// Period is a span of time; Start is in it, End is not.
type Period struct{ Start, End time.Time }

// Callback is one request from one person that somebody must answer.
//
// Revision counts the changes that the EHR has to learn of: a link that holds a
// lower revision lags behind.
type Callback struct {
	ID         ID
	Clinic     ClinicID
	Source     string
	SourceID   string
	ReceivedAt time.Time // when the person called; never moves
	CapturedAt time.Time // when the ledger had it
	// AskedAt is when the person last asked while nothing was under way:
	// ReceivedAt, or the call that reopened it. A visit booked before is no answer.
	AskedAt    time.Time
	Caller     Caller
	Patient    Patient
	NewPatient Answer
	Category   Category
	Priority   Priority
	Text       redact.Text
	Preferred  []Period
	VisitKind  string
	Status     Status
	Outcome    Outcome // empty while open
	Owner      string  // a person or a queue, as the clinic's configuration names it
	DueAt      time.Time
	Repeats    int  // further calls merged into this one
	Review     bool // a person has to look at evidence too weak to act on
	Revision   int64
	ClosedAt   time.Time // zero while open
	ReopenedAt time.Time // when it was last reopened; zero: never
	UpdatedAt  time.Time
}

// Resolution says how sure we are which chart the callback is about.
type Resolution string

// The resolutions. Only Certain lets automation act on a visit of that patient.
const (
	NotResolved Resolution = ""          // not tried yet
	Certain     Resolution = "certain"   // exactly one chart, by evidence that identifies
	Ambiguous   Resolution = "ambiguous" // several charts, or one by a phone number alone
	NoChart     Resolution = "none"      // the EHR knows no such person (yet)
)

// Patient is what we know of the callback's chart.
type Patient struct {
	Keys       PatientKeys
	Resolution Resolution
	How        string    // why, in machine words: "mrn", "name+birthdate", "staff", "phone-only"
	TriedAt    time.Time // when the EHR was last asked
	// Candidate is the one chart that a weak hint (a phone number alone) points
	// to. It is good for showing a visit to a person, never for acting on one.
	Candidate redact.Text
}

// Chart returns the id of the chart to look for visits under: the one that is
// known, else the candidate, else nothing.
func (p Patient) Chart() redact.Text {
	if p.Keys.EHRID.IsEmpty() {
		return p.Candidate
	}
	return p.Keys.EHRID
}

// Attempt is one outbound try to reach the caller.
type Attempt struct {
	ID      ID
	At      time.Time
	By      Actor
	Channel string // "phone", "sms", "portal"
	Result  Outcome
	Talk    time.Duration
	Note    redact.Text
}

// ActorKind says who or what acts.
type ActorKind string

// The kinds of actors.
const (
	CallerActor ActorKind = "caller"     // the person who called
	Automation  ActorKind = "automation" // Ringback itself
	Person      ActorKind = "person"     // somebody through Ringback's API or commands
	EHRStaff    ActorKind = "ehr-staff"  // somebody in the EHR
)

// Actor is who or what made a change. Name is a user, a token or an EHR
// reference, and empty where the EHR does not tell.
type Actor struct {
	Kind ActorKind
	Name string
}

// Human reports whether a person acted: automation never overrides that.
func (a Actor) Human() bool { return a.Kind == Person || a.Kind == EHRStaff }
