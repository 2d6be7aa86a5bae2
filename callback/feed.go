package callback

import (
	"time"

	"github.com/ringback-health/ringback/internal/redact"
)

// FeedKind is how an EHR tells what has changed. What follows for whoever reads it
// stands in package connectors/ehr/feed.
type FeedKind string

// The kinds of feeds. FeedNone: the EHR does not tell.
const (
	FeedNone      FeedKind = ""
	FeedWatermark FeedKind = "watermark"    // what changed since a time
	FeedChanged   FeedKind = "changed-feed" // what was not read yet; reading it takes it away
	FeedWindow    FeedKind = "window"       // all that stands in a span of time
	FeedPatient   FeedKind = "patient"      // all of one patient
	FeedNewest    FeedKind = "newest-first" // everything, what changed last first
)

// FeedQuery says what of a feed is asked for. Patient and Appointment are for
// appointments alone, and not both are set.
type FeedQuery struct {
	Feed Feed
	// Since is from when on changes are asked for, by the EHR's clock, with all
	// overlap taken off already. Zero: the baseline.
	Since time.Time
	// Slice asks for so much of the time since Since at once and then, as long as the EHR
	// answers, for ever more, where it can be asked so: it did not manage all. Zero: all of
	// it. Overlap is how much of that time was read before; it comes on top of the first
	// slice, so that this one gets further.
	Slice, Overlap time.Duration
	// Interrupted says that an earlier read did not come to its end: what an EHR took
	// away then may not be stored.
	Interrupted bool
	// Patient asks for what one patient has, whatever changed.
	Patient redact.Text
	// Appointment asks for one by its id. The error is NotFound when the EHR does not
	// have it any more.
	Appointment string
}

// FeedPage is one step of reading a feed. Whoever reads has stored it durably before
// the next is asked for: an EHR whose feed takes away what was read is told so then.
type FeedPage struct {
	Body []byte    // as received; nil: this step only says how far it went
	More bool      // the EHR says that another page follows
	Date time.Time // the EHR's clock when it answered; zero: it does not tell
	// Reached says that with this page everything that changed before it was shown, by
	// the EHR's clock: a read that is cut off behind it goes on from there. Zero:
	// nothing can be said before the end.
	Reached time.Time
	// Whole, in the last step of a window, says that all appointments in it were shown:
	// what is known to stand there and was not shown may be gone.
	Whole *Span
}

// Span is a time from From up to and without Until.
type Span struct{ From, Until time.Time }

// WatchKind says what is watched by itself.
type WatchKind string

// The kinds of watches, with their subjects.
const (
	WatchPatient  WatchKind = "patient"  // an open callback's patient; the callback
	WatchChart    WatchKind = "chart"    // an open callback's chart, which may be merged; the callback
	WatchVisit    WatchKind = "visit"    // a visit that closed a callback; the appointment
	WatchVanished WatchKind = "vanished" // a visit that a whole window did not show; the appointment
	WatchItem     WatchKind = "item"     // a work item that has changed and was not read yet; its link/type/id
)

// Watch is something in an EHR that is asked for by itself, when it is due.
type Watch struct {
	Clinic  ClinicID
	EHR     EHRID
	Kind    WatchKind
	Subject string
	Since   time.Time // when it began: the longer ago, the more rarely it is asked for
	DueAt   time.Time
	SeenAt  time.Time // when the last request that was answered was sent; zero: never
	Asked   int       // requests so far
	// MissingSince is when the EHR first said that it is not there; zero: it did not.
	MissingSince time.Time
	LastError    string // safe to show; empty after an answer
}
