package simulate

import (
	"context"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/intake"
)

// Daemon is what is examined: the daemon's parts of one clinic. An error ends the
// simulation.
type Daemon interface {
	// Take takes a request as the intake desk does.
	Take(ctx context.Context, s intake.Submission) (callback.Taken, error)
	// Deliver brings the EHR to what the ledger wants, until nothing lags.
	Deliver(ctx context.Context) error
	// Poll reads one feed. charts says that somebody's chart may have changed since it
	// was last looked for: without it, charts that were looked for need not be again.
	Poll(ctx context.Context, f callback.Feed, charts bool) error
	// Judge says what an appointment says about a callback as things stand, and
	// changes nothing.
	Judge(ctx context.Context, id callback.ID, appointment string) (callback.Evidence, error)
}

// EHR is what the clinic's people do in their EHR, with their hands and eyes. None of
// it is told to the daemon. An error ends the simulation.
type EHR interface {
	// Register makes a chart and returns its id.
	Register(ctx context.Context, c Chart) (string, error)
	// Merge makes one chart of two; with move the visits and work items of from follow.
	Merge(ctx context.Context, from, into string, move bool) error
	// Book books a visit and returns its id.
	Book(ctx context.Context, b Booking) (string, error)
	// Confirm books a visit that was proposed; false if it is not proposed any more.
	Confirm(ctx context.Context, proposal, chart string, start time.Time) (bool, error)
	// Move moves a visit, which keeps its id.
	Move(ctx context.Context, visit string, start time.Time) error
	// Replace cancels a visit and books another in its place, and returns the new id.
	Replace(ctx context.Context, visit string, start time.Time) (string, error)
	// Set records where a visit stands: arrived, done, cancelled, no-show or void.
	Set(ctx context.Context, visit string, s callback.AppointmentState) error
	// Delete removes a visit without a trace.
	Delete(ctx context.Context, visit string) error

	// Item returns a work item as staff see it.
	Item(ctx context.Context, id string) (Item, error)
	// Start says that somebody works on it.
	Start(ctx context.Context, id string) error
	// File files it in a chart.
	File(ctx context.Context, id, chart string) error
	// Note adds a note.
	Note(ctx context.Context, id, text string) error
	// End completes it, with an outcome or without (""); withdrawn cancels it instead.
	End(ctx context.Context, id string, o callback.Outcome, withdrawn bool) error
	// Reopen sets it back to open.
	Reopen(ctx context.Context, id string) error
}

// Bench is one clinic to examine.
type Bench struct {
	Daemon
	EHR
	// SetTime moves the clocks of both to an instant; it never goes back.
	SetTime func(context.Context, time.Time) error
	// Close ends it.
	Close func() error
}

// Opener makes the bench of a clinic. seen is to be called, from whatever goroutine
// calls the Daemon, with every record that the daemon changes after it was taken.
type Opener func(ctx context.Context, c Clinic, seen func(callback.Record)) (Bench, error)

// Chart is what staff type when they register somebody.
type Chart struct {
	Given, Family, BirthDate, Phone, MRN string
	Test                                 bool // made up for testing, and says so
}

// Booking is a visit that is booked.
type Booking struct {
	Chart string
	Start time.Time
	First bool   // a first visit, or else a follow-up
	Item  string // the work item that it is booked from, where it says so; else ""
}

// Item is a work item as staff see it.
type Item struct {
	Open  bool
	Chart string // whose it is filed in; "": nobody's
}

// Clinic is one clinic of the world, as far as its bench has to know it.
type Clinic struct {
	Number    int
	ID        callback.ClinicID
	Zone      *time.Location
	Begin     time.Time // when the world begins; the EHR exists a little longer
	Habits    Habits
	PollEvery time.Duration
}

// Habits are how a clinic's EHR behaves.
type Habits struct {
	// ClockOff is what the EHR's clock shows too much.
	ClockOff time.Duration
	// IndexLag is how late its searches show what was written.
	IndexLag time.Duration
	// Created is how its appointments say when they were made.
	Created Created
	// MergeMoves: where two charts are made one, the visits follow.
	MergeMoves bool
	// Proposes: Ringback puts preferred times into it as a proposed visit.
	Proposes bool
}

// Created is how appointments say when they were made.
type Created string

// The ways.
const (
	CreatedTime Created = "time"
	CreatedDay  Created = "day"
	CreatedNot  Created = "none"
)
