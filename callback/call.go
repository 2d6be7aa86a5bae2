package callback

import (
	"context"
	"time"

	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/internal/redact"
)

// PhoneID names a clinic's phone system as the configuration does ("main-line").
type PhoneID string

// Told is an event of a phone system as the ledger keeps it.
type Told struct {
	calls.Event
	ID     ID
	Clinic ClinicID
	Phone  PhoneID
}

// Report is what one event tells.
type Report struct {
	// Legs are records of call legs, each as of its At; see calls.Latest.
	Legs []calls.Leg
	// Inquiries are requests that were written in a form; each event of a form holds
	// one, and its Key names it.
	Inquiries []Inquiry
	// Skip says why the event tells nothing of a call, "" when it does. No PHI.
	Skip string
}

// Reading is what a stored event was found to tell.
type Reading struct {
	Told
	// Sessions are the calls that it tells of; each is judged when it has settled.
	Sessions []string
	// SettlesAt is when they are to be judged, unless another event puts it off.
	SettlesAt time.Time
	// Problem says what is wrong with an event that cannot be read, and Skip why one
	// tells of no call. No PHI.
	Problem, Skip string
}

// CallKey names a call: the phone system's name of it, within one phone system of one clinic.
type CallKey struct {
	Clinic  ClinicID
	Phone   PhoneID
	Session string
}

// Call is a call session as the ledger keeps it: what it was, and what became of it.
// Every call that a phone system told of stands here, with a callback or with the
// reason why it has none.
type Call struct {
	calls.Session // Rows are not kept
	Clinic        ClinicID
	Phone         PhoneID
	// Number is the other end's, E.164: of who called, or who was called. Empty when it was
	// withheld, cannot be dialled, or both ends are the clinic's.
	Number redact.Text
	// Callback is what the call was taken into, "" for none; Why then says the reason
	// in words that hold no PHI. Disposition says whether it made the callback or was
	// merged into it, "" where it was taken for none.
	Callback    ID
	Disposition Disposition
	Why         string
	// SettledBy is the session of the later call in which this missed caller was
	// spoken with, "" for none; SettledHow is that call's verdict.
	SettledBy  string
	SettledHow calls.Verdict
	// Form is how the first event of it came.
	Form calls.Form
	// SettlesAt is when the call is to be judged, zero once that is done.
	SettlesAt time.Time
	LastAt    time.Time // when the last event came
	JudgedAt  time.Time // zero: not yet
	Lock      int64
}

// Key names the call.
func (c Call) Key() CallKey { return CallKey{c.Clinic, c.Phone, c.ID} }

// Spoken reports whether a person of the clinic and the other end talked at least so long.
func (c Call) Spoken(least time.Duration) bool {
	connected := c.Verdict == calls.VerdictAnswered || c.Verdict == calls.VerdictOutbound && !c.AnsweredAt.IsZero()
	return connected && c.Talk >= least
}

// CallFilter selects calls. Zero fields do not restrict.
type CallFilter struct {
	Clinic   ClinicID
	Phone    PhoneID
	Began    Span // calls that began in it
	Verdict  calls.Verdict
	Number   redact.Text // E.164 of the other end; needs a Clinic
	Callback ID          // only those that were taken into it
	Unjudged bool        // only those that are not judged yet
	Limit    int         // 0: 50; at most 500
	After    string      // continue behind this cursor, newest first
}

// Phones is the part of the ledger that keeps what phone systems told.
type Phones interface {
	// Hear stores events in one transaction, before whoever sent them is told that they
	// arrived. One whose Key is stored of that phone system already is left out. fresh
	// is how many were new.
	Hear(ctx context.Context, events []Told) (fresh int, err error)
	// Unread returns stored events of a phone system that nobody has read, oldest first.
	Unread(ctx context.Context, clinic ClinicID, phone PhoneID, limit int) ([]Told, error)
	// Heard stores what events were found to tell, in one transaction: their calls are
	// to be judged at SettlesAt, also those that were judged before.
	Heard(ctx context.Context, readings []Reading) error
	// Unsettled returns the calls of a phone system that are to be judged by now, those
	// that wait longest first.
	Unsettled(ctx context.Context, clinic ClinicID, phone PhoneID, now time.Time, limit int) ([]Call, error)
	// EventsOf returns all events that tell of a call, oldest first.
	EventsOf(ctx context.Context, k CallKey) ([]Told, error)
	// Call returns a call, or ErrNotFound.
	Call(ctx context.Context, k CallKey) (Call, error)
	// SaveCall stores c where the stored row still has c.Lock, 0 for one that is not
	// there, and returns it with the new Lock. ErrConflict: somebody else wrote it, or
	// another event came.
	SaveCall(ctx context.Context, c Call) (Call, error)
	// Calls returns calls, newest first, and the cursor to continue behind ("" at the end).
	Calls(ctx context.Context, f CallFilter) (page []Call, next string, err error)
	// OpenWith returns the ids of the clinic's open callbacks of a caller's number, oldest first.
	OpenWith(ctx context.Context, clinic ClinicID, number redact.Text) ([]ID, error)
	// PhoneState returns how a phone system stands; one never asked is the zero state
	// with the names set, and no error.
	PhoneState(ctx context.Context, clinic ClinicID, phone PhoneID) (PhoneState, error)
	// SavePhoneState stores it.
	SavePhoneState(ctx context.Context, s PhoneState) error
	// CountCalls returns how many calls there are per clinic, phone system and verdict.
	CountCalls(ctx context.Context) ([]CallTally, error)
}

// PhoneState is how a phone system stands with us.
type PhoneState struct {
	Clinic ClinicID
	Phone  PhoneID
	// Reconciled is until when the vendor's own log was held against the ledger.
	Reconciled  time.Time
	LastAttempt time.Time
	LastError   string // of the last attempt, "" when it went well. No PHI.
	// Subscription is what the vendor promised to tell; zero where it needs none.
	Subscription calls.Subscription
}

// CallTally is a number of calls that have the same properties.
type CallTally struct {
	Clinic   ClinicID
	Phone    PhoneID
	Verdict  calls.Verdict
	Callback bool // they have one
	Form     calls.Form
	N        int
}
