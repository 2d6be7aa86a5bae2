// Package ehrtest is the conformance suite of EHR connectors: what the contract in
// package ehr says in words, Exercise says in tests. Every connector passes it,
// against the embedded sandbox in its unit tests and against systems nobody here
// wrote by URL.
//
// The suite sees an EHR from two sides: through the connector, and through the
// hands of staff (Staff), who know nothing of Ringback. Between connector and EHR
// it puts a proxy of its own, so that lost answers and refusals can be tried on
// every EHR. What belongs to one connector alone (its configuration, its page
// format) is tested beside it and not here.
package ehrtest

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/connectors/ehr"
	"github.com/ringback-health/ringback/internal/fault"
)

// Fixture is one EHR to hold a connector against. What is left out is skipped, and
// the reason is printed.
type Fixture struct {
	// BaseURL is where the EHR is.
	BaseURL string
	// Connect makes the connector to an EHR at a base URL, which may be that of a
	// proxy. pageSize is the size of pages to ask for; 0: as the connector likes.
	Connect func(t *testing.T, baseURL string, pageSize int) ehr.Connector
	// Rung is what callbacks are filed as here, "" for Task; Connect sets the
	// connector up for it. Words is what its items can say; nil: everything.
	Rung  callback.ResourceType
	Words *Words
	// Staff works in the EHR. Nil: all that people would have to do is skipped.
	Staff Staff
	// Faults are refusals in the EHR's own format, beside those that every EHR can
	// send through its web server.
	Faults []Fault
	// Secrets must not stand in any error: the token or password that Connect uses.
	Secrets []string
	// Unguarded, when not empty, says why an edit cannot be guarded against a
	// change in between.
	Unguarded string
	// Settle is how long a search may lag behind a write; 0: two seconds.
	Settle time.Duration
	// BodyHasAddress is set for EHRs whose pages hold links with their own address,
	// which the proxy then replaces by its own.
	BodyHasAddress bool
}

// Words is what the items of a rung have words for, beside what callback.Rung tells.
type Words struct {
	States   []callback.ItemStatus // that an item can be in
	Priority bool
	Outcome  bool // how the callback ended
}

// FHIRWords are the words of FHIR R4 for each kind of work item beside Task.
var FHIRWords = map[callback.ResourceType]*Words{
	callback.CommunicationResource: {Priority: true, Outcome: true, States: []callback.ItemStatus{callback.ItemOpen, callback.ItemInProgress,
		callback.ItemOnHold, callback.ItemDone, callback.ItemCancelled, callback.ItemVoid}},
	callback.ServiceRequestResource: {Priority: true, States: []callback.ItemStatus{callback.ItemOpen, callback.ItemOnHold,
		callback.ItemDone, callback.ItemCancelled, callback.ItemVoid}},
	callback.DocumentReferenceResource: {States: []callback.ItemStatus{callback.ItemOpen, callback.ItemDone, callback.ItemVoid}},
}

// Staff are the hands of people in the EHR. Each method does what its arguments
// say or ends the test.
type Staff interface {
	// Change edits an item as people do, whoever has it.
	Change(t testing.TB, item callback.Item, c Change)
	// Foreign returns what the EHR holds in the members that Change with Foreign
	// had set, in a form that can be compared.
	Foreign(t testing.TB, item callback.Item) string
	// Delete removes an item.
	Delete(t testing.TB, item callback.Item)
	// Register makes a chart and returns its id.
	Register(t testing.TB, p Person) string
	// Book makes an appointment and returns its id.
	Book(t testing.TB, v Visit) string
	// Move gives an appointment another state.
	Move(t testing.TB, appointment string, state callback.AppointmentState)
}

// Change is what people change in an item. Zero fields stay as they are.
type Change struct {
	Status   callback.ItemStatus // ItemOpen: taken note of, but not begun
	Outcome  callback.Outcome    // how it ended, where the EHR's users would write it
	Owner    string              // a name for display
	Priority callback.Priority
	Note     string
	Patient  string // id of a chart
	Foreign  bool   // also set members that no connector knows
}

// Person is somebody with a chart.
type Person struct {
	Given, Family, BirthDate, Phone string
}

// Visit is an appointment to be booked.
type Visit struct {
	Patient string // id of a chart
	Start   time.Time
	Kind    string // what kind of visit, as a text
	Task    string // id of a work item to refer to; "" for none
}

// Exercise holds the connector of f against the contract.
func Exercise(t *testing.T, f Fixture) {
	t.Helper()
	if f.Connect == nil || f.BaseURL == "" {
		t.Fatal("a fixture needs BaseURL and Connect")
	}
	if f.Settle == 0 {
		f.Settle = 2 * time.Second
	}
	if f.Rung == "" {
		f.Rung = callback.TaskResource
	}
	s := &suite{Fixture: f}
	for _, part := range []struct {
		name string
		run  func(*suite, *testing.T)
	}{
		{"capabilities", (*suite).capabilities},
		{"create, find, read", (*suite).createFindRead},
		{"two creates make one", (*suite).createTwice},
		{"edit", (*suite).edit},
		{"conflict", (*suite).conflict},
		{"what staff do is read", (*suite).staffChanges},
		{"edits are lossless", (*suite).lossless},
		{"deleted", (*suite).deleted},
		{"proposal", (*suite).proposal},
		{"item feed", (*suite).itemFeed},
		{"appointment feed", (*suite).appointmentFeed},
		{"pages", (*suite).pages},
		{"patients", (*suite).patients},
		{"lost answers", (*suite).lostAnswers},
		{"refusals", (*suite).refusals},
		{"context", (*suite).cancelled},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(s, t) })
	}
}

// suite is a Fixture in use.
type suite struct{ Fixture }

// direct connects to the EHR itself.
func (s *suite) direct(t *testing.T) ehr.Connector {
	t.Helper()
	c := s.Connect(t, s.BaseURL, 0)
	t.Cleanup(c.Close)
	return c
}

// proxied connects through a proxy that can go wrong.
func (s *suite) proxied(t *testing.T) (ehr.Connector, *proxy) {
	t.Helper()
	p := newProxy(t, s.BaseURL, s.BodyHasAddress)
	c := s.Connect(t, p.base, 0)
	t.Cleanup(c.Close)
	return c, p
}

// staff returns the hands in the EHR, or skips.
func (s *suite) staff(t *testing.T) Staff {
	t.Helper()
	if s.Staff == nil {
		t.Skip("the fixture has no Staff: what people do in this EHR cannot be tried")
	}
	return s.Staff
}

// need skips unless the EHR can do it.
func need(t *testing.T, can bool, what string) {
	t.Helper()
	if !can {
		t.Skipf("this EHR does not offer it: %s", what)
	}
}

// on is what can be done with items of the rung.
func (s *suite) on(t *testing.T, c ehr.Connector) callback.Rung { return s.caps(t, c).On(s.Rung) }

// says reports whether an item can be in a state.
func (s *suite) says(state callback.ItemStatus) bool {
	return s.Words == nil || slices.Contains(s.Words.States, state)
}

// shown is the state that an item shows for one that it may have no word for.
func (s *suite) shown(state callback.ItemStatus) callback.ItemStatus {
	for !s.says(state) {
		switch state {
		case callback.ItemOnHold:
			state = callback.ItemInProgress
		case callback.ItemCancelled:
			state = callback.ItemDone
		default:
			return callback.ItemOpen
		}
	}
	return state
}

// outcome is how an item says that a callback ended.
func (s *suite) outcome(o callback.Outcome) callback.Outcome {
	if s.Words != nil && !s.Words.Outcome {
		return ""
	}
	return o
}

// safe ends the test when an error of the connector is not a *fault.Error or holds
// what must not be printed.
func (s *suite) safe(t testing.TB, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if fault.Of(err) == fault.Ambiguous && !isFault(err) {
		t.Errorf("the error is no *fault.Error: %T", err)
	}
	printed := fmt.Sprintf("%v\n%+v\n%s", err, err, fault.Describe(err))
	host := s.BaseURL
	if u, parseErr := url.Parse(s.BaseURL); parseErr == nil {
		host = u.Host
	}
	for _, secret := range append([]string{canaryName, canaryText, canaryBirth, canaryPhone, host + "/"}, s.Secrets...) {
		if strings.Contains(strings.ToLower(printed), strings.ToLower(secret)) {
			t.Errorf("an error holds PHI, a secret or a URL: %s", printed)
		}
	}
}

// must ends the test on an error.
func (s *suite) must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		s.safe(t, err)
		t.Fatal(err)
	}
}

// eventually waits for the EHR's index until ok holds, and ends the test when it
// does not come.
func (s *suite) eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), s.Settle)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: not within %s", what, s.Settle)
		}
	}
}
