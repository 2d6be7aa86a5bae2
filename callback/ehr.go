package callback

import (
	"slices"
	"strconv"
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
	Created  time.Time // when it was booked, by the EHR's word and clock; zero when it does not tell
	// CreatedSpan is how exact Created is: the booking was made from Created until
	// CreatedSpan later. A day where the EHR tells the date alone.
	CreatedSpan time.Duration
	Kinds       []string // codes and texts of its service and visit types, lower case
	Markers     []Marker
	Tasks       []string  // ids of Tasks that it points to
	Replaces    []string  // ids of appointments in whose place it was booked, where the EHR tells
	Test        bool      // the EHR says that it is made up for testing
	Updated     time.Time // by the EHR's clock

	// NotBefore is a lower bound of the booking by our own observation: when the
	// last poll before the one that first showed it began. Zero: first seen in
	// the baseline, so it may be old. FirstSeen is when it was first stored, and
	// FirstUpdated the Updated of the version that was seen then. The ledger keeps
	// all three as they were first.
	NotBefore    time.Time
	FirstSeen    time.Time
	FirstUpdated time.Time
	// History is how it was: one entry for each version seen that differed from the one
	// before in state or start, oldest first, the present one last. The ledger writes it.
	History []AppointmentVersion
}

// AppointmentVersion is how an appointment was, as far as matching asks later.
type AppointmentVersion struct {
	State     AppointmentState `json:"state"`
	Start     time.Time        `json:"start"`
	Updated   time.Time        `json:"updated"`    // by the EHR's clock
	NotBefore time.Time        `json:"not_before"` // when the last poll began that did not show it; zero: not known
	Seen      time.Time        `json:"seen"`       // when the poll began that first showed it
	// Alone says that nothing else was changed since the version that was seen before, so
	// that Updated is when state or start did.
	Alone bool `json:"alone,omitempty"`
}

// Observed returns next with what is known from having seen a before: what was first
// observed stays, and the history grows when state or start have changed.
func (a Appointment) Observed(next Appointment) Appointment {
	seen := AppointmentVersion{State: next.State, Start: next.Start, Updated: next.Updated, NotBefore: next.NotBefore, Seen: next.FirstSeen}
	if a.ID == "" {
		next.FirstUpdated, next.History = next.Updated, []AppointmentVersion{seen}
		return next
	}
	next.NotBefore, next.FirstSeen, next.FirstUpdated = a.NotBefore, a.FirstSeen, a.FirstUpdated
	next.History = slices.Clone(a.History)
	if len(next.History) == 0 { // stored before histories were kept
		next.History = []AppointmentVersion{{State: a.State, Start: a.Start, Updated: a.Updated, NotBefore: a.NotBefore, Seen: a.FirstSeen}}
	}
	if last := next.History[len(next.History)-1]; last.State != seen.State || !last.Start.Equal(seen.Start) {
		seen.Alone = follows(next.Version, a.Version)
		next.History = append(next.History, seen)
	}
	if n := len(next.History); n > maxHistory {
		next.History = append(next.History[:1:1], next.History[n-maxHistory+1:]...)
	}
	return next
}

// follows reports whether a version is the very next one, where an EHR counts them.
func follows(next, version string) bool {
	n, err := strconv.ParseUint(next, 10, 64)
	v, err2 := strconv.ParseUint(version, 10, 64)
	return err == nil && err2 == nil && n == v+1
}

// maxHistory bounds a history: the first version and the latest are kept.
const maxHistory = 32

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
	// Settled is up to when all changes were seen for certain: a read shows a change only
	// when the EHR's search does, and is read again from there. Never after Watermark;
	// zero: unknown.
	Settled time.Time
	// Slice is how much of the time behind the watermark is asked for at once, because the
	// EHR did not manage more at the last reads. Zero: all of it.
	Slice time.Duration
	// Skew is how far the EHR's clock was ahead of ours at the last read, to the second;
	// negative: behind. Only the length of a first slice is computed from it.
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

// PageReading is what came of interpreting a page.
type PageReading struct {
	At      time.Time
	News    bool   // it told something that the ledger did not know
	Problem string // what could not be interpreted, safe to show; "": nothing
	// KeepSince: pages of the same feed that were interpreted before are not kept any more.
	KeepSince time.Time
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
	// Similar asks for charts whose name is only similar too; names.Compare says
	// which those are. It needs a Name and a BirthDate.
	Similar bool
}

// PersonName is one name of a person as a chart holds it.
type PersonName struct {
	Family redact.Text
	Given  []redact.Text
	Text   redact.Text // the whole name, where its parts are not told
}

// Chart is one patient record that an EHR found.
type Chart struct {
	ID         redact.Text
	Name       redact.Text  // to be shown
	Names      []PersonName // all that it holds, to be compared; empty: Name is all there is
	BirthDate  redact.Text
	Phones     []redact.Text // E.164 where they can be read as such
	MergedInto redact.Text   // the chart that replaced this one
	Replaces   []redact.Text // the charts that were merged into this one
	Inactive   bool
	Test       bool // the EHR says that it is made up for testing
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
