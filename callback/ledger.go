package callback

import (
	"context"
	"time"

	"github.com/ringback-health/ringback/internal/redact"
)

// Arrival is what came in, as it came in. It is stored before it is understood,
// under (Clinic, Source, SourceID), and only once.
type Arrival struct {
	ID         ID
	Clinic     ClinicID
	Source     string
	SourceID   string
	ReceivedAt time.Time
	StoredAt   time.Time
	Body       []byte      // raw; holds PHI
	Content    redact.Text // who asks, in one form: tells a request that came again from another one under its id
	Phone      redact.Text // E.164 of the caller, empty when unknown: finds what it may repeat
}

// Intake is what was decided about an arrival. Exactly one of New, Merge and
// Ignore is set.
type Intake struct {
	New    *Record // a new callback, with its links
	Merge  *Record // one of the candidates, changed
	Ignore string  // why it is not a callback; free of PHI
}

// Disposition says what became of an arrival.
type Disposition string

// What can become of an arrival.
const (
	Created Disposition = "created" // a new callback
	Merged  Disposition = "merged"  // part of one that was there
	Ignored Disposition = "ignored" // no callback, with a reason
)

// Taken tells what became of an arrival.
type Taken struct {
	Callback    Callback // zero when Ignored
	Disposition Disposition
	Reason      string // why it was ignored
	Again       bool   // this arrival was already stored; nothing changed
	Other       bool   // with Again: what was stored under its id has another Content
}

// Filter selects callbacks. Zero fields do not restrict.
type Filter struct {
	Clinic   ClinicID
	Statuses []Status
	Category Category
	Owner    string
	Source   string
	Review   bool // only those that a person has to look at
	Open     bool // only those that are not closed
	Unbound  bool // only those without a certain chart
	Repeated bool // only those that further calls were merged into
	Limit    int  // 0: the ledger's default of 50; at most 500
	After    ID   // continue behind this id; newest first
}

// LinkFilter selects links. Zero fields do not restrict.
type LinkFilter struct {
	Clinic ClinicID
	State  LinkState
	Limit  int
	After  ID
}

// Lag is a link that the EHR has something to learn through.
type Lag struct {
	Link     ID
	Callback ID
	EHR      EHRID
}

// Ledger is the truth: every callback, every arrival, every link, and all that
// was ever done to them. Each method is one transaction. Missing rows are
// ErrNotFound, lost races ErrConflict; every other error is the database's and
// means that nothing was changed, but for one that is fault.Ambiguous: the
// connection broke while the change was committed, so read again.
type Ledger interface {
	Callbacks
	Deliveries
	Connections
	Observations
	Phones
	// Ping reports whether the ledger can be read and written.
	Ping(ctx context.Context) error
}

// Callbacks is the part of the ledger that keeps callbacks.
type Callbacks interface {
	// Take stores an arrival and, in the same transaction, what decide makes of
	// it. candidates are the clinic's records with the arrival's phone number
	// that are open or closed at or after since, newest first. An arrival that
	// is already stored comes back with Again set and decide is not called.
	// decide may be called more than once and must not do anything but decide.
	Take(ctx context.Context, a Arrival, since time.Time, decide func(candidates []Record) (Intake, error)) (Taken, error)
	// Update loads the record, lets change work on it and stores what changed,
	// guarded by the revisions that were read; on a lost race it loads again and
	// calls change again. An error of change is returned and nothing is stored.
	Update(ctx context.Context, id ID, change func(*Record) error) (Record, error)
	// Record returns one callback with all that is known about it.
	Record(ctx context.Context, id ID) (Record, error)
	// List returns callbacks, newest first, and the id to continue after ("" at the end).
	List(ctx context.Context, f Filter) (page []Callback, next ID, err error)
	// Count returns how many callbacks there are per status and category of a clinic ("" for all).
	Count(ctx context.Context, clinic ClinicID) ([]Tally, error)
}

// Tally is a number of callbacks that have the same properties.
type Tally struct {
	Clinic   ClinicID
	Status   Status
	Outcome  Outcome
	Category Category
	Review   bool
	N        int
}

// Deliveries is the part of the ledger that keeps the links to EHRs.
type Deliveries interface {
	// Lagging returns links that lag behind their callback and are due at now, oldest
	// first, but for those of an EHR whose Connection holds everything back until later.
	// An EHR with many leaves the others their share of limit.
	Lagging(ctx context.Context, now time.Time, limit int) ([]Lag, error)
	// Hasten makes an EHR's links due at once that wait because a try has failed, but
	// for those of unknown outcome.
	Hasten(ctx context.Context, ehr EHRID) error
	// LinkByID returns one link.
	LinkByID(ctx context.Context, id ID) (Link, error)
	// LinkByRemote returns the link to a resource of an EHR.
	LinkByRemote(ctx context.Context, ehr EHRID, t ResourceType, remoteID string) (Link, error)
	// Links returns links, newest first, and the id to continue after ("" at the end).
	Links(ctx context.Context, f LinkFilter) (page []Link, next ID, err error)
	// SaveLink stores l where the stored row still has l.Lock, and returns it with
	// the new Lock. ErrConflict: somebody else wrote it.
	SaveLink(ctx context.Context, l Link) (Link, error)
}

// Connections is the part of the ledger that keeps how EHRs answer.
type Connections interface {
	// Connection returns how an EHR answers; one that was never asked is the zero
	// state with the names set, and no error.
	Connection(ctx context.Context, clinic ClinicID, ehr EHRID) (Connection, error)
	// UpdateConnection lets change work on it, one at a time, stores it if it
	// changed, and returns it. change may be called more than once.
	UpdateConnection(ctx context.Context, clinic ClinicID, ehr EHRID, change func(*Connection)) (Connection, error)
	// Troubled returns the EHRs that fail, and those of whose recovery the operator
	// was not told.
	Troubled(ctx context.Context) ([]Connection, error)
	// Slot takes the next turn of a limit that all processes share, and returns when
	// it is: every is the time between two turns, and up to burst of them may be
	// taken at once after a quiet time.
	Slot(ctx context.Context, ehr EHRID, now time.Time, every time.Duration, burst int) (time.Time, error)
}

// Observations is the part of the ledger that keeps what was seen in EHRs.
type Observations interface {
	// FeedState returns how far a feed was read; a feed never read is its zero
	// state with the names set, and no error.
	FeedState(ctx context.Context, clinic ClinicID, ehr EHRID, f Feed) (FeedState, error)
	// SaveFeedState stores it.
	SaveFeedState(ctx context.Context, s FeedState) error
	// SavePage stores a raw page before it is interpreted.
	SavePage(ctx context.Context, p Page) error
	// PendingPages returns stored pages that were not interpreted yet, oldest first.
	PendingPages(ctx context.Context, ehr EHRID, f Feed, limit int) ([]Page, error)
	// PageDone says that a page was interpreted. It is kept for a while when it told
	// news, or could not be read in part; of several pages of a feed with the same
	// problem the last is kept. One that told nothing is removed.
	PageDone(ctx context.Context, id ID, r PageReading) error
	// SaveAppointment stores an appointment as it is now. changed is false when
	// this version was known. FirstSeen and NotBefore keep their first values.
	SaveAppointment(ctx context.Context, a Appointment) (stored Appointment, changed bool, err error)
	// Appointments returns what is known of appointments: those of a patient
	// (an id in that EHR) together with those named by id or carrying a marker.
	Appointments(ctx context.Context, clinic ClinicID, ehr EHRID, patient redact.Text, ids []string, markers []Marker) ([]Appointment, error)
	// Affected returns the ids of the clinic's callbacks that an appointment may
	// concern: whose Patient.Chart is its patient and that are open or closed since; that proposed it;
	// whose marker or Task it carries; whose work item staff tied it to; or that it
	// was held against as evidence.
	Affected(ctx context.Context, a Appointment, since time.Time) ([]ID, error)
	// CreditedTo returns which callback an appointment closed, "" for none.
	CreditedTo(ctx context.Context, clinic ClinicID, ehr EHRID, appointment string) (ID, error)
	// OpenFor returns the ids of the clinic's open callbacks whose Patient.Chart is the patient.
	OpenFor(ctx context.Context, clinic ClinicID, patient redact.Text) ([]ID, error)
	// Versions returns the versions of those appointments that are known, by id.
	Versions(ctx context.Context, clinic ClinicID, ehr EHRID, ids []string) (map[string]string, error)
	// Scheduled returns the ids of the appointments that are known to begin in a span
	// and did not fall through.
	Scheduled(ctx context.Context, clinic ClinicID, ehr EHRID, in Span) ([]string, error)
	Watches
}

// Watches is the part of the ledger that keeps what is asked for by itself. When it
// is due is stored, so that a restart asks for nothing that is not.
type Watches interface {
	// Plan brings the watches of a kind in line with the ledger: what is new is due at
	// now, what needs no watch any more is dropped. WatchPatient and WatchChart: every open callback
	// with a Patient.Chart, begun anew when it is another one; SeenAt is that of the
	// patient. WatchVisit: every appointment credited to a callback that was closed
	// since, until its start. Of the others there is nothing to plan.
	Plan(ctx context.Context, clinic ClinicID, ehr EHRID, kind WatchKind, since, now time.Time) error
	// Due returns the watches that are due at now, those that wait longest first.
	Due(ctx context.Context, ehr EHRID, kind WatchKind, now time.Time, limit int) ([]Watch, error)
	// StartWatch stores a watch. One that is there stays as it is; but one of an item is
	// due at w.DueAt if that is earlier, because the item has changed once more.
	StartWatch(ctx context.Context, w Watch) error
	// SaveWatch stores how a watch stands. One that was dropped meanwhile stays dropped.
	SaveWatch(ctx context.Context, w Watch) error
	// DropWatch ends a watch.
	DropWatch(ctx context.Context, w Watch) error
}

// Role is what a token allows.
type Role string

// The roles of API tokens.
const (
	RoleIntake Role = "intake" // may only send requests: a form, a phone system
	RoleStaff  Role = "staff"  // may read and change callbacks
	RoleAdmin  Role = "admin"  // may do everything
)

// Roles lists all roles.
var Roles = []Role{RoleIntake, RoleStaff, RoleAdmin}

// Token is an API token. Only its hash is kept.
type Token struct {
	ID        ID
	Name      string
	Role      Role
	Hash      string // SHA-256 of the token, hex
	CreatedAt time.Time
	RevokedAt time.Time // zero: valid
}

// Tokens is where API tokens are kept.
type Tokens interface {
	// AddToken stores a new token; ErrInvalid when a valid one has the name.
	AddToken(ctx context.Context, t Token) error
	// TokenByHash returns the valid token with the hash, or ErrNotFound.
	TokenByHash(ctx context.Context, hash string) (Token, error)
	// ListTokens returns all tokens, newest first.
	ListTokens(ctx context.Context) ([]Token, error)
	// RevokeToken ends a token by its name; ErrNotFound when no valid one has it.
	RevokeToken(ctx context.Context, name string, at time.Time) error
}
