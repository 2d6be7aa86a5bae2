package callback

import (
	"reflect"
	"slices"
	"time"
)

// ResourceType is the FHIR type, or the vendor's own kind, of what stands in the EHR.
type ResourceType string

// AppointmentResource is a visit that Ringback proposes. All other types are kinds
// of work items; see Rungs.
const AppointmentResource ResourceType = "Appointment"

// LinkState says how the link stands.
type LinkState string

// The states of a link.
const (
	LinkPending LinkState = "pending" // nothing was sent yet
	// LinkSending: a create was sent, or was about to be, and did not succeed for
	// certain. Search for the marker before sending again.
	LinkSending   LinkState = "sending"
	LinkSynced    LinkState = "synced"    // the resource is there; Holds says what it holds
	LinkStuck     LinkState = "stuck"     // retries are used up or useless; a person decides
	LinkDiscarded LinkState = "discarded" // a person gave it up, with a reason
)

// LinkStates lists all states of a link.
var LinkStates = []LinkState{LinkPending, LinkSending, LinkSynced, LinkStuck, LinkDiscarded}

// Link ties a callback to one resource in one EHR. Lag (Holds below the
// callback's revision) is what the sync removes.
type Link struct {
	ID            ID // also the marker inside the resource
	Clinic        ClinicID
	Callback      ID
	EHR           EHRID
	Type          ResourceType
	RemoteID      string // empty until the resource is known to exist
	RemoteVersion string
	Holds         int64 // the callback's revision that the resource holds; 0: none
	State         LinkState
	Base          ItemState // what both sides agreed on when they last met
	// Sent is what writes of unknown outcome want of the item, oldest first. It is
	// stored before each is sent, so that it is known again when its answer is lost.
	Sent []SentState
	// SettlesAt is when the last of them has either arrived, and shows in a search, or
	// never will. A search that finds nothing earlier proves nothing. Zero: there is
	// none, or a person has said to go on whatever became of it.
	SettlesAt     time.Time
	LastError     string    // safe to show
	Hint          string    // what to do about it
	Failures      int       // in a row
	NextAttemptAt time.Time // do not try before; zero: at once
	Lock          int64     // guards the row: a writer that read another value loses
	CreatedAt     time.Time
	UpdatedAt     time.Time
}

// NewLink makes a link of callback c to a resource of type t in an EHR.
func NewLink(c Callback, ehr EHRID, t ResourceType, at time.Time) Link {
	return Link{ID: NewID(), Clinic: c.Clinic, Callback: c.ID, EHR: ehr, Type: t,
		State: LinkPending, CreatedAt: at, UpdatedAt: at}
}

// Marker returns the identifier to write into the resource.
func (l Link) Marker() Marker { return Marker(markerPrefix + string(l.ID)) }

// Lags reports whether the EHR has something to learn and the link may still be
// written to.
func (l Link) Lags(c Callback) bool {
	return l.Holds < c.Revision && l.State != LinkStuck && l.State != LinkDiscarded
}

// Retry puts a stuck or discarded link back to work. What may have arrived is looked
// for first, where that can be done.
func (l *Link) Retry(at time.Time) {
	stuck := l.State == LinkStuck
	l.State = LinkPending
	if l.RemoteID != "" {
		l.State = LinkSynced
	} else if len(l.Sent) > 0 {
		l.State = LinkSending
	}
	l.Failures, l.NextAttemptAt, l.UpdatedAt = 0, time.Time{}, at
	if stuck {
		l.SettlesAt = time.Time{}
	}
}

// Discard gives the link up; reason stands in LastError.
func (l *Link) Discard(reason string, at time.Time) {
	l.State, l.LastError, l.Hint, l.UpdatedAt = LinkDiscarded, "discarded: "+reason, "", at
}

// Step takes a link of which nothing is in the EHR to another kind of work item.
func (l *Link) Step(to ResourceType, at time.Time) {
	l.Type, l.RemoteID, l.RemoteVersion, l.State, l.Holds = to, "", "", LinkPending, 0
	l.Base = ItemState{}
	l.clearSent()
	l.Failures, l.NextAttemptAt, l.LastError, l.Hint, l.UpdatedAt = 0, time.Time{}, "", "", at
}

// Sending records, before a write is sent, what it wants of the item. settles is when
// its outcome can be seen at the latest, should nothing more be heard of it.
func (l *Link) Sending(w WorkItem, settles, at time.Time) {
	if l.RemoteID == "" {
		l.State = LinkSending
	}
	l.SettlesAt, l.UpdatedAt = settles, at
	wants := SentState{w.Callback.ItemState(), w.Callback.Revision}
	if !slices.ContainsFunc(l.Sent, func(s SentState) bool { return reflect.DeepEqual(s, wants) }) {
		l.Sent = append(slices.Clone(l.Sent), wants)
	}
}

// NotSent takes a Sending back whose write changed nothing for certain. before is the
// link as it was before it.
func (l *Link) NotSent(before Link) {
	l.State, l.Sent, l.SettlesAt = before.State, before.Sent, before.SettlesAt
}

func (l *Link) clearSent() { l.Sent, l.SettlesAt = nil, time.Time{} }

// SentState is what one write wants of the item, and of which revision.
type SentState struct {
	ItemState
	Revision int64 `json:"revision"`
}

// ItemState is the part of a work item that both sides may change, reduced to
// what can be compared and shown. It holds no PHI.
type ItemState struct {
	Status   ItemStatus `json:"status,omitempty"`
	Native   string     `json:"native,omitempty"` // the EHR's own word for Status
	Owner    string     `json:"owner,omitempty"`
	Priority Priority   `json:"priority,omitempty"`
	Category Category   `json:"category,omitempty"` // where the item says it in our codes
	Due      time.Time  `json:"due,omitzero"`
	// Outcome is how it ended in words that staff wrote; they may be of an earlier end.
	Outcome Outcome `json:"outcome,omitempty"`
	// Told is the callback's state as the item shows it in our own codes, where the
	// EHR keeps them: staff do not touch it, so it tells what our last write was.
	Told  Status `json:"told,omitempty"`
	Notes int    `json:"notes,omitempty"` // notes seen
	// Updated is when the EHR last changed the item, by its clock: what is older is
	// a page that was overtaken.
	Updated time.Time `json:"updated,omitzero"`
	// Appointments are ids of appointments that staff tied to the item.
	Appointments []string `json:"appointments,omitempty"`
}
