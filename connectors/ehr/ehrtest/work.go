package ehrtest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/redact"
)

// What callers of the suite say. None of it may turn up in an error.
const (
	canaryName  = "Canaria"
	canaryText  = "my canary <sings> & I am worried"
	canaryBirth = "1931-07-09"
	canaryPhone = "5555550199"
)

func isFault(err error) bool {
	var e *fault.Error
	return errors.As(err, &e)
}

// story is a callback of the suite that can be moved on.
type story struct {
	callback.Record
	link callback.Link
	now  time.Time
}

var (
	automation = callback.Actor{Kind: callback.Automation}
	person     = callback.Actor{Kind: callback.Person, Name: "kim"}
)

// newStory makes an assigned callback with a link of the type.
func newStory(t testing.TB, resource callback.ResourceType) *story {
	t.Helper()
	now := time.Now().UTC().Truncate(time.Microsecond)
	r := callback.Capture(callback.Request{
		Clinic: "main-street", Source: "webform", SourceID: string(callback.NewID()), ReceivedAt: now,
		Caller: callback.Caller{Name: redact.NewText(canaryName + " Zebedee"), Phone: redact.NewText("+1" + canaryPhone),
			BirthDate: redact.NewText(canaryBirth)},
		NewPatient: callback.Yes, VisitKind: "new patient visit", Text: redact.NewText(canaryText),
		Preferred: []callback.Period{{Start: now.Add(24 * time.Hour), End: now.Add(26 * time.Hour)}},
	}, now)
	s := &story{Record: r, now: now}
	s.link = callback.NewLink(r.Callback, "ehr", resource, now)
	s.Links = append(s.Links, s.link)
	s.must(t, s.Triage(callback.NewPatient, callback.Urgent, now.Add(time.Hour), "test", automation, now))
	s.must(t, s.Assign("front-desk", automation, now))
	return s
}

func (s *story) must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// work is what should stand in the EHR now.
func (s *story) work() callback.WorkItem { return s.WorkItem(s.link) }

// tick moves the story's clock, to the second: notes are told apart by it.
func (s *story) tick() time.Time {
	s.now = s.now.Add(time.Second)
	return s.now
}

func (s *story) attempted(t testing.TB, result callback.Outcome) {
	t.Helper()
	at := s.tick()
	s.must(t, s.Attempt(callback.Attempt{ID: callback.NewID(), At: at, By: person, Channel: "phone", Result: result,
		Note: redact.NewText(canaryText)}, at))
}

func (s *story) closed(t testing.TB, o callback.Outcome) {
	t.Helper()
	s.must(t, s.Close(o, redact.Text{}, person, s.tick()))
}

// somebody is a person whom nobody else in the EHR is called.
func somebody(family string) Person {
	letters := make([]byte, 8)
	for i := range letters {
		letters[i] = byte('a' + rand.IntN(26))
	}
	return Person{
		Given: "Zoë", Family: family + string(letters), BirthDate: "1972-11-05",
		Phone: fmt.Sprintf("+1%d555%04d", 200+rand.IntN(99), 100+rand.IntN(100)),
	}
}
