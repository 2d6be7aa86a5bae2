package intake_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/businesstime"
	"github.com/ringback-health/ringback/callback/workflow"
	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/internal/intake"
	"github.com/ringback-health/ringback/internal/redact"
	"github.com/ringback-health/ringback/store"
)

var tuesday = time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)

type world struct {
	clock  *clock.Manual
	ledger *store.Store
	desk   *intake.Desk
	woken  int
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{clock: clock.NewManual(tuesday)}
	keys, err := store.GenerateKeys()
	if err != nil {
		t.Fatal(err)
	}
	w.ledger, err = store.Open(t.Context(), store.Options{DSN: "sqlite:" + filepath.Join(t.TempDir(), "l.db"), Keys: keys, Migrate: true, Clock: w.clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.ledger.Close(); err != nil {
			t.Error(err)
		}
	})
	rules := workflow.Default(businesstime.Weekdays(time.UTC))
	w.desk = intake.NewDesk(w.ledger, w.clock, func() { w.woken++ },
		intake.Clinic{ID: "main", Region: "US", Rules: rules, EHR: "e", ProposeVisits: true},
		intake.Clinic{ID: "second", Region: "US", Rules: rules})
	return w
}

func text(s string) redact.Text { return redact.NewText(s) }

func submission(id string) intake.Submission {
	return intake.Submission{Source: "form", SourceID: id, Clinic: "main", ReceivedAt: tuesday, Phone: text("(212) 555-0101"), Raw: []byte("raw " + id)}
}

func TestTheSameRequestIsTakenOnce(t *testing.T) {
	w := newWorld(t)
	first, err := w.desk.Take(t.Context(), submission("1"))
	if err != nil || first.Disposition != callback.Created || first.Again || first.Callback.Status != callback.Assigned {
		t.Fatalf("%+v, %v", first, err)
	}
	if first.Callback.Caller.Phone.Reveal() != "+12125550101" {
		t.Error("numbers are kept as E.164")
	}
	again, err := w.desk.Take(t.Context(), submission("1"))
	if err != nil || !again.Again || again.Callback.ID != first.Callback.ID || w.woken != 1 {
		t.Errorf("%+v, %v, woken %d times", again, err, w.woken)
	}
	other := submission("1")
	other.Phone = text("+13125550001")
	var bad *intake.Invalid
	if _, err := w.desk.Take(t.Context(), other); !errors.As(err, &bad) || bad.Fields[0].Field != "source_id" {
		t.Errorf("the id of somebody else's request: %v", err)
	}
	repeat, err := w.desk.Take(t.Context(), submission("2"))
	if err != nil || repeat.Disposition != callback.Merged || repeat.Callback.ID != first.Callback.ID || repeat.Callback.Repeats != 1 {
		t.Errorf("%+v, %v", repeat, err)
	}
	elsewhere := submission("1")
	elsewhere.Clinic = "second"
	taken, err := w.desk.Take(t.Context(), elsewhere)
	if err != nil || taken.Callback.ID == first.Callback.ID {
		t.Errorf("another clinic's request is another one: %+v, %v", taken, err)
	}
}

// TestCallAfterClosing: within a day it is the same callback again, later another.
func TestCallAfterClosing(t *testing.T) {
	w := newWorld(t)
	first, err := w.desk.Take(t.Context(), submission("1"))
	if err != nil {
		t.Fatal(err)
	}
	end := func() {
		t.Helper()
		_, err := w.ledger.Update(t.Context(), first.Callback.ID, func(r *callback.Record) error {
			return r.Close(callback.AnsweredQuestion, redact.Text{}, callback.Actor{Kind: callback.Person}, w.clock.Now())
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	again := func(id string, after time.Duration) callback.Taken {
		t.Helper()
		end()
		s := submission(id)
		s.ReceivedAt = w.clock.Advance(after)
		taken, err := w.desk.Take(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		return taken
	}
	if taken := again("2", 23*time.Hour); taken.Callback.ID != first.Callback.ID || !taken.Callback.Status.Open() {
		t.Errorf("within a day: %+v", taken)
	}
	if taken := again("3", 25*time.Hour); taken.Callback.ID == first.Callback.ID || taken.Disposition != callback.Created {
		t.Errorf("after a day: %+v", taken)
	}
}

func TestLinks(t *testing.T) {
	w := newWorld(t)
	wants := []callback.Period{{Start: tuesday.Add(24 * time.Hour), End: tuesday.Add(25 * time.Hour)}}
	for _, c := range []struct {
		clinic, category string
		preferred        []callback.Period
		want             []callback.ResourceType
	}{
		{"main", "", nil, []callback.ResourceType{callback.TaskResource}},
		{"main", "existing-scheduling", wants, []callback.ResourceType{callback.AppointmentResource, callback.TaskResource}},
		{"main", "benefits-billing", wants, []callback.ResourceType{callback.TaskResource}},
		{"second", "existing-scheduling", wants, nil},
	} {
		s := submission(fmt.Sprint(c.clinic, c.category))
		s.Clinic, s.Category, s.Preferred, s.Phone, s.Name = c.clinic, c.category, c.preferred, redact.Text{}, text("Ann Lee")
		taken, err := w.desk.Take(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		rec, err := w.ledger.Record(t.Context(), taken.Callback.ID)
		if err != nil {
			t.Fatal(err)
		}
		var got []callback.ResourceType
		for _, l := range rec.Links {
			got = append(got, l.Type)
		}
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s %s: %v, want %v", c.clinic, c.category, got, c.want)
		}
	}
}

func TestInvalidFields(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		field, says string
		change      func(*intake.Submission)
	}{
		{"clinic", "main, second", func(s *intake.Submission) { s.Clinic = "canary" }},
		{"source", "missing", func(s *intake.Submission) { s.Source = "" }},
		{"source_id", "missing", func(s *intake.Submission) { s.SourceID = "" }},
		{"source_id", "200", func(s *intake.Submission) { s.SourceID = strings.Repeat("x", 201) }},
		{"received_at", "future", func(s *intake.Submission) { s.ReceivedAt = tuesday.Add(time.Hour) }},
		{"caller.phone", "+1555", func(s *intake.Submission) { s.Phone = text("canary 12") }},
		{"caller.phone", "+1555", func(s *intake.Submission) { s.Phone = text("123") }},
		{"caller.birth_date", "1985-12-31", func(s *intake.Submission) { s.BirthDate = text("31/12/1985") }},
		{"caller.birth_date", "1985-12-31", func(s *intake.Submission) { s.BirthDate = text("2085-12-31") }},
		{"category", "triage", func(s *intake.Submission) { s.Category = "canary" }},
		{"preferred_times[0]", "later end", func(s *intake.Submission) { s.Preferred = []callback.Period{{Start: tuesday, End: tuesday}} }},
		{"caller", "at least", func(s *intake.Submission) { s.Phone = redact.Text{} }},
	} {
		s := submission("bad")
		c.change(&s)
		_, err := w.desk.Take(t.Context(), s)
		var bad *intake.Invalid
		if !errors.As(err, &bad) || len(bad.Fields) != 1 || bad.Fields[0].Field != c.field || !strings.Contains(bad.Fields[0].Message, c.says) {
			t.Errorf("%s: %v", c.field, err)
		}
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("what was sent is quoted: %v", err)
		}
	}
	s := submission("all")
	s.Clinic, s.Source, s.BirthDate, s.Category = "x", "", text("x"), "x"
	var bad *intake.Invalid
	if _, err := w.desk.Take(t.Context(), s); !errors.As(err, &bad) || len(bad.Fields) != 4 {
		t.Errorf("all faults should be listed: %v", err)
	}
	if page, _, err := w.ledger.List(t.Context(), callback.Filter{}); err != nil || len(page) > 1 {
		t.Errorf("%d callbacks were made of invalid requests, %v", len(page), err)
	}
}

func TestWithheldNumbersNeverMerge(t *testing.T) {
	w := newWorld(t)
	seen := map[callback.ID]bool{}
	for i, raw := range []string{"anonymous", "Restricted", "unknown"} {
		s := submission(fmt.Sprint(i))
		s.Phone = text(raw)
		taken, err := w.desk.Take(t.Context(), s)
		if err != nil || seen[taken.Callback.ID] || !taken.Callback.Caller.Phone.IsEmpty() {
			t.Errorf("%q: %+v, %v", raw, taken, err)
		}
		seen[taken.Callback.ID] = true
	}
}

// TestClocksOfSources: a clock that is a little fast is common, one that is an
// hour fast is a fault.
func TestClocksOfSources(t *testing.T) {
	w := newWorld(t)
	s := submission("1")
	s.ReceivedAt = tuesday.Add(2 * time.Minute)
	taken, err := w.desk.Take(t.Context(), s)
	if err != nil || !taken.Callback.ReceivedAt.Equal(tuesday) {
		t.Errorf("%s, %v", taken.Callback.ReceivedAt, err)
	}
	s = submission("2")
	s.ReceivedAt = time.Time{}
	if taken, err = w.desk.Take(t.Context(), s); err != nil || taken.Callback.ReceivedAt.IsZero() {
		t.Errorf("%s, %v", taken.Callback.ReceivedAt, err)
	}
}
