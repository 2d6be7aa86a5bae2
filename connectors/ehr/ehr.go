// Package ehr is the contract between Ringback and an EHR, with the registry of
// the connectors that fulfil it. Each connector is a sub-package with its own
// configuration; ehrtest is the conformance suite that every one of them passes.
//
// A connector translates between the domain's words (package callback) and one
// EHR's resources. It keeps no state of its own between calls, decides nothing
// about callbacks, and retries nothing: it says by the disposition of its errors
// (package fault) what should happen next. When to call it is the scheduler's
// business.
package ehr

import (
	"context"
	"iter"
	"log/slog"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/internal/redact"
)

// Connector talks to one EHR of one clinic. Its methods may be called from
// several goroutines at once.
//
// Errors are *fault.Error. Create is Ambiguous when the resource may exist
// although no answer came; Edit is Conflict when the resource moved since it was
// read; Read is NotFound when the resource is gone.
type Connector interface {
	// Capabilities asks the EHR, and the connector's own knowledge, what can be
	// done here.
	Capabilities(ctx context.Context) (Capabilities, error)

	// Find returns all resources of type t that carry the marker, oldest first.
	// None is an empty list, not an error.
	Find(ctx context.Context, t callback.ResourceType, m callback.Marker) ([]callback.Item, error)
	// Create makes the resource for w. Where the EHR honours a conditional create
	// it is used, and an existing resource with the marker is returned as it
	// is, with Found set.
	Create(ctx context.Context, w callback.WorkItem) (callback.Item, error)
	// Read returns the resource as it is now. State.Status is empty where the
	// connector has no word for the state: such an item is left alone, and an Edit
	// of it is Permanent.
	Read(ctx context.Context, t callback.ResourceType, id string) (callback.Item, error)
	// Edit moves the resource that was read as current to what w wants, changing
	// only what differs and keeping every member it does not own. Where nothing
	// differs it sends nothing and returns current.
	Edit(ctx context.Context, current callback.Item, w callback.WorkItem) (callback.Item, error)

	// Changes reads a feed the way that Capabilities tells; package feed has the ways,
	// and says what they promise and want. The first error ends it.
	Changes(ctx context.Context, q callback.FeedQuery) iter.Seq2[callback.FeedPage, error]
	// Interpret reads a page that Changes returned, now or in an earlier life. It
	// does no I/O. An entry that cannot be read is a problem, not an error.
	Interpret(f callback.Feed, page []byte) (callback.Changes, error)

	// Patients returns the charts that fit all of the query, whatever the EHR
	// answered, at most a handful more than it takes to see that they are several. A
	// chart that cannot be read is an error: it may be the right one. What a name fits is
	// decided in callback/names. Asked for by its id, a chart that was merged comes with
	// MergedInto, and with what stands in that chart; it is followed once. A search for
	// similar names that the EHR does not offer is fault.Permanent.
	Patients(ctx context.Context, q callback.PatientQuery) ([]callback.Chart, error)

	// Close gives up connections.
	Close()
}

// Capabilities is what can be done in one EHR, as shown to the operator.
type Capabilities = callback.Capabilities

// Settings is what every connector is given beside its own configuration.
type Settings struct {
	ID     callback.EHRID
	Clinic callback.ClinicID
	Zone   *time.Location // the clinic's
	Region string         // default region of phone numbers, e.g. "US"
	// Secret reads a secret from the environment variable or the file that the
	// connector's configuration names, and returns an empty one when it names
	// neither. name is for the error.
	Secret func(name, env, file string) (redact.Secret, error)
	// Path returns a path of the configuration as it is on this machine: relative
	// ones begin at the configuration file. nil: as it is.
	Path func(string) string
	// SigningKeysFile is where this installation's signing keys are (package jose);
	// empty: it has none.
	SigningKeysFile string
	// Push says that the EHR is going to be asked to tell of changes; see Pusher.
	Push bool

	Clock  clock.Clock  // nil: the system's
	Logger *slog.Logger // nil: none
	// Turns makes what keeps a limit that all processes share. nil: there are no other
	// processes, and the connector's own limit is enough.
	Turns func(perSecond float64) Turns
	// Sent is told of every request to the EHR: what is tried, without anything that is
	// sent. nil: nobody counts.
	Sent func(op string)
}

// Turns is asked before every request to an EHR and returns when it is its turn. An
// error says that nothing must be sent.
type Turns interface {
	Wait(ctx context.Context) error
}
