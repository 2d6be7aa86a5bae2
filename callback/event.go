package callback

import (
	"time"

	"github.com/ringback-health/ringback/internal/redact"
)

// EventKind says what happened to a callback.
type EventKind string

// The kinds of events.
const (
	EventCaptured      EventKind = "captured"
	EventTriaged       EventKind = "triaged"
	EventAssigned      EventKind = "assigned"
	EventStarted       EventKind = "started"
	EventAttempted     EventKind = "attempted"
	EventWaiting       EventKind = "waiting"
	EventReleased      EventKind = "released"
	EventMerged        EventKind = "merged"
	EventPrioritised   EventKind = "prioritised"
	EventCategorised   EventKind = "categorised"
	EventDueMoved      EventKind = "due-moved"
	EventPatientBound  EventKind = "patient-bound"
	EventNoted         EventKind = "noted"
	EventFiled         EventKind = "filed"
	EventProposed      EventKind = "visit-proposed"
	EventReviewAsked   EventKind = "review-asked"
	EventReviewCleared EventKind = "review-cleared"
	EventClosed        EventKind = "closed"
	EventReopened      EventKind = "reopened"
	EventVisitChanged  EventKind = "visit-changed" // what became of a visit, where that neither closes nor opens it
)

// Event is one entry of a callback's timeline, which only ever grows.
type Event struct {
	Seq      int64 // position in the timeline, from 1; given by the ledger
	At       time.Time
	EHRAt    time.Time // when staff did it, by the EHR's clock; zero where it does not tell, or nobody did it there
	Kind     EventKind
	By       Actor
	From, To Status
	Revision int64       // the callback's revision after it
	Detail   string      // what exactly, free of PHI: "owner front-desk", "outcome booked"
	Note     redact.Text // free text of a person
}
