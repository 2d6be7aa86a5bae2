package callback

import (
	"time"

	"github.com/ringback-health/ringback/internal/redact"
)

// ItemStatus is the state of a work item in the EHR in the domain's words.
type ItemStatus string

// The states of a work item.
const (
	ItemOpen       ItemStatus = "open" // nobody has taken it up
	ItemInProgress ItemStatus = "in-progress"
	ItemOnHold     ItemStatus = "on-hold"
	ItemDone       ItemStatus = "done"
	ItemCancelled  ItemStatus = "cancelled"
	ItemRejected   ItemStatus = "rejected" // the owner will not do it
	ItemFailed     ItemStatus = "failed"
	ItemVoid       ItemStatus = "void" // entered in error
)

// WorkItem is what should stand in the EHR for a link: the callback as it is
// now, seen from one link. Connectors map it to their resource.
type WorkItem struct {
	Link     Link
	Callback Callback
	Attempts []Attempt
	Proposal string // id of the Appointment we proposed in the same EHR, if any
	Visit    string // id of the Appointment credited with closing, if any
	Sentence string // why it closed, for a person; free of PHI
	// LeaveStatus says that staff rejected the item and nobody has decided since
	// what becomes of it: its status stays as it is.
	LeaveStatus bool
}

// Item is a work item, or a proposed appointment, as the EHR has it now.
type Item struct {
	Type         ResourceType
	ID           string
	Version      string
	UpdatedAt    time.Time // by the EHR's clock
	By           string    // who changed it last, where the EHR tells
	Markers      []Marker
	State        ItemState
	Patient      redact.Text // id of the Patient it is about, as staff may have set it
	Appointments []string    // appointments that it points to (Task.focus, Task.output)
	Outcome      Outcome     // if the item says how it ended; else empty
	Notes        []ItemNote
	Gone         bool   // deleted in the EHR
	Found        bool   // Create found it there already: what it holds is not known yet
	Raw          []byte // the resource as read; an edit starts from it
}

// ItemNote is a note on a work item.
type ItemNote struct {
	By   string
	At   time.Time
	Text redact.Text
}

// AppointmentState is the state of an appointment across EHRs.
type AppointmentState string

// The states of an appointment. ApptUnknown is a state we have no word for: it
// is not taken for booked.
const (
	ApptRequested AppointmentState = "requested"
	ApptBooked    AppointmentState = "booked"
	ApptArrived   AppointmentState = "arrived"
	ApptDone      AppointmentState = "done"
	ApptCancelled AppointmentState = "cancelled"
	ApptNoShow    AppointmentState = "no-show"
	ApptVoid      AppointmentState = "void" // deleted, or entered in error
	ApptUnknown   AppointmentState = "unknown"
)

// Stands reports whether the visit is booked, under way or over.
func (s AppointmentState) Stands() bool {
	return s == ApptBooked || s == ApptArrived || s == ApptDone
}

// FellThrough reports whether the visit will not take place, or did not.
func (s AppointmentState) FellThrough() bool {
	return s == ApptCancelled || s == ApptNoShow || s == ApptVoid
}

// Appointment is a visit as an EHR has it, reduced to what matching needs.
type Appointment struct {
	Clinic   ClinicID
	EHR      EHRID
	ID       string
	Version  string
	State    AppointmentState
	Patient  redact.Text // id of the Patient resource; empty when the EHR names none
	Patients int         // how many different patients it names
	Start    time.Time   // zero when not fixed yet
	End      time.Time
	Created  time.Time // when it was booked, by the EHR's word; zero when it does not tell
	Kinds    []string  // codes and texts of its service and visit types, lower case
	Markers  []Marker
	Tasks    []string  // ids of Tasks that it points to
	Updated  time.Time // by the EHR's clock

	// NotBefore is a lower bound of the booking by our own observation: when the
	// last poll before the one that first showed it began. Zero: first seen in
	// the baseline, so it may be old. FirstSeen is when it was first stored.
	NotBefore time.Time
	FirstSeen time.Time
}

// BookedNoEarlierThan returns the earliest time at which the appointment can
// have been booked, and whether anything is known about it.
func (a Appointment) BookedNoEarlierThan() (time.Time, bool) {
	if !a.Created.IsZero() {
		return a.Created, true
	}
	return a.NotBefore, !a.NotBefore.IsZero()
}

// Feed names a source of changes in an EHR.
type Feed string

// The feeds.
const (
	FeedItems        Feed = "work-items"
	FeedAppointments Feed = "appointments"
)

// Feeds lists all feeds.
var Feeds = []Feed{FeedItems, FeedAppointments}

// FeedState is how far a feed was read. Watermark is in the EHR's time; zero while
// nothing was shown. While LastSuccess is zero, the baseline was not taken yet.
type FeedState struct {
	Clinic      ClinicID
	EHR         EHRID
	Feed        Feed
	Watermark   time.Time
	LastAttempt time.Time
	LastSuccess time.Time // when the last poll that succeeded began
	LastError   string    // safe to show; empty after a success
	// Covered is where the window ended that was shown in full last: a visit beyond it may
	// be old, though it was never seen. Zero: what was shown had no such end.
	Covered time.Time
	// Skew is how far the EHR's clock was ahead of ours at the last read, to the second;
	// negative: behind. Nothing is computed from it.
	Skew time.Duration
}

// Page is one raw answer of a feed. It is stored before it is interpreted.
type Page struct {
	ID        ID
	Clinic    ClinicID
	EHR       EHRID
	Feed      Feed
	FetchedAt time.Time
	NotBefore time.Time // lower bound for what is new in it; zero in the baseline
	Baseline  bool
	Body      []byte // holds PHI: only the ledger's sealed column and the connector see it
	Problem   string // what could not be interpreted, safe to show
}

// Changes is what a connector reads out of a page.
type Changes struct {
	Items        []Item
	Appointments []Appointment
	Latest       time.Time // the latest modification in it, by the EHR's clock
	Problems     []string  // entries that could not be read, safe to show
}

// PatientQuery asks an EHR for charts. The fields that are set are combined.
type PatientQuery struct {
	ID        redact.Text
	MRN       redact.Text
	Name      redact.Text
	BirthDate redact.Text
	Phone     redact.Text
}

// Chart is one patient record that an EHR found.
type Chart struct {
	ID         redact.Text
	Name       redact.Text
	BirthDate  redact.Text
	Phones     []redact.Text // E.164 where they can be read as such
	MergedInto redact.Text   // the chart that replaced this one
	Inactive   bool
}

// Capabilities is what can be done in one EHR, as shown to the operator.
type Capabilities struct {
	Software        string
	Rungs           []Rung // the kinds of work items, best first, refused ones too; not Ringback's own list
	Proposal        Rung   // what can be done with a proposed Appointment
	ItemFeed        bool
	AppointmentFeed FeedKind
	AppointmentByID bool
	PatientByID     bool
	PatientByName   bool
	PatientByPhone  bool
	Missing         []string // what Ringback needs and this EHR does not offer, for the operator
}
