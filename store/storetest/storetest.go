// Package storetest is the suite that every ledger passes, and what tests need
// to open one. The suite knows a ledger only through the contracts of package
// callback; what is special to one database is tested in package store.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/redact"
)

// Ledger is what the suite exercises.
type Ledger interface {
	callback.Ledger
	callback.Tokens
}

// Exercise runs the suite. open returns an empty ledger each time it is called
// and closes it with the test that it is given.
func Exercise(t *testing.T, open func(t *testing.T) Ledger) {
	cases := []struct {
		name string
		run  func(t *testing.T, l Ledger)
	}{
		{"take makes, merges and ignores", takes},
		{"take stores nothing when the decision fails", takeFails},
		{"take refuses decisions that make no sense", takeRefuses},
		{"take shows candidates of the phone number", takeCandidates},
		{"take of one arrival at once", takeSameArrival},
		{"take of one phone number at once", takeSamePhone},
		{"a record comes back as it was", roundTrip},
		{"update stores nothing when nothing changed", updateNothing},
		{"update without a change of the revision", updateQuietly},
		{"update refuses to alter the past", updateRefuses},
		{"updates at once lose nothing", updatesAtOnce},
		{"an appointment answers one callback", creditedOnce},
		{"list pages", listPages},
		{"list filters", listFilters},
		{"count", counts},
		{"links", links},
		{"links are guarded", linksGuarded},
		{"link filters", linkFilters},
		{"lagging", lagging},
		{"lagging leaves each EHR its share", laggingShares},
		{"hasten", hasten},
		{"connections", connections},
		{"connections hold links back", connectionsHoldBack},
		{"slots", slots},
		{"slots at once", slotsAtOnce},
		{"feeds", feeds},
		{"pages", pages},
		{"appointments", appointments},
		{"histories of appointments", histories},
		{"affected", affected},
		{"scheduled", scheduled},
		{"watches", watches},
		{"watched patients", watchedPatients},
		{"watched visits", watchedVisits},
		{"phone systems tell", heard},
		{"calls are judged once they have settled", settled},
		{"a call comes back as it was", callRoundTrip},
		{"calls are guarded", callsGuarded},
		{"list calls", listCalls},
		{"open callbacks of a number", openWith},
		{"phone systems", phoneStates},
		{"tokens", tokens},
		{"clinics do not see each other", clinicsApart},
		{"random operations", machine},
		{"ping", func(t *testing.T, l Ledger) { must(t, l.Ping(t.Context())) }},
		{"a cancelled context", cancelled},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
}

// The clinic and the EHR of the suite.
const (
	here  callback.ClinicID = "main-street"
	there callback.ClinicID = "hill-road"
	ehr   callback.EHRID    = "sandbox"
)

var (
	noon       = time.Date(2026, 3, 2, 12, 0, 0, 123456000, time.UTC)
	automation = callback.Actor{Kind: callback.Automation}
	staff      = callback.Actor{Kind: callback.Person, Name: "kim"}
)

// failer is a test, also one of package rapid.
type failer interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func must(t failer, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func want(t failer, err, is error) {
	t.Helper()
	if !errors.Is(err, is) {
		t.Fatalf("error is %v, want %v", err, is)
	}
}

func same(t failer, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(want, got) {
		t.Fatalf("%s (-want +got):\n%s", what, cmp.Diff(want, got))
	}
}

// request is a full request of a caller with the number +1 555 010 n.
func request(clinic callback.ClinicID, n int) callback.Request {
	return callback.Request{
		Clinic: clinic, Source: "webform", SourceID: fmt.Sprintf("form-%d", n), ReceivedAt: noon.Add(-time.Minute),
		Caller: callback.Caller{
			Name: redact.NewText(fmt.Sprintf("Ana Sample %d", n)), Phone: phone(n),
			Email: redact.NewText("ana@example.org"), BirthDate: redact.NewText("1985-12-31"),
		},
		Patient:    callback.PatientKeys{MRN: redact.NewText(fmt.Sprintf("MRN-%d", n)), EHRID: patient(n)},
		NewPatient: callback.Yes, Category: callback.NewPatient, Text: redact.NewText("First visit, mornings"),
		Preferred: []callback.Period{{Start: noon.Add(24 * time.Hour), End: noon.Add(26 * time.Hour)}},
		VisitKind: "intake",
	}
}

func phone(n int) redact.Text   { return redact.NewText(fmt.Sprintf("+1555010%04d", n)) }
func patient(n int) redact.Text { return redact.NewText(fmt.Sprintf("patient-%d", n)) }

func arrival(req callback.Request) callback.Arrival {
	return callback.Arrival{ID: callback.NewID(), Clinic: req.Clinic, Source: req.Source, SourceID: req.SourceID,
		ReceivedAt: req.ReceivedAt, StoredAt: noon, Body: []byte(`{"name":"Ana Sample"}`), Phone: req.Caller.Phone}
}

// asNew decides that a request is a callback of its own with a link to the EHR.
func asNew(req callback.Request) func([]callback.Record) (callback.Intake, error) {
	return func([]callback.Record) (callback.Intake, error) {
		rec := callback.Capture(req, noon)
		rec.Links = []callback.Link{callback.NewLink(rec.Callback, ehr, callback.TaskResource, noon)}
		return callback.Intake{New: &rec}, nil
	}
}

// mergeOrNew decides that a request is part of the newest candidate, if any.
func mergeOrNew(req callback.Request) func([]callback.Record) (callback.Intake, error) {
	return func(candidates []callback.Record) (callback.Intake, error) {
		if len(candidates) == 0 {
			return asNew(req)(nil)
		}
		err := candidates[0].Merge(req, noon)
		return callback.Intake{Merge: &candidates[0]}, err
	}
}

// newCallback takes a request and returns the record that it made.
func newCallback(t testing.TB, l Ledger, req callback.Request) callback.Record {
	t.Helper()
	taken, err := l.Take(context.Background(), arrival(req), noon, asNew(req))
	must(t, err)
	rec, err := l.Record(context.Background(), taken.Callback.ID)
	must(t, err)
	return rec
}

// update changes a record and fails the test when it cannot be stored.
func update(t testing.TB, l Ledger, id callback.ID, change func(*callback.Record) error) callback.Record {
	t.Helper()
	rec, err := l.Update(context.Background(), id, change)
	must(t, err)
	return rec
}

// atOnce runs n functions at once and waits for all.
func atOnce(n int, run func(i int)) {
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		all.Go(func() {
			<-start
			run(i)
		})
	}
	close(start)
	all.Wait()
}
