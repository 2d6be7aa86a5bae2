package ehrtest

import (
	"slices"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/connectors/ehr"
)

// pull reads a feed and interprets it. latest is the latest change in it.
func (s *suite) pull(t *testing.T, c ehr.Connector, f callback.Feed, since time.Time) (all callback.Changes, pages int) {
	t.Helper()
	for page, err := range c.Changes(t.Context(), f, since) {
		s.must(t, err)
		got, err := c.Interpret(f, page)
		s.must(t, err)
		again, err := c.Interpret(f, slices.Clone(page))
		s.must(t, err)
		if len(again.Items) != len(got.Items) || len(again.Appointments) != len(got.Appointments) || !again.Latest.Equal(got.Latest) {
			t.Error("a page reads differently the second time")
		}
		if got.Latest.After(all.Latest) {
			all.Latest = got.Latest
		}
		all.Items = append(all.Items, got.Items...)
		all.Appointments = append(all.Appointments, got.Appointments...)
		for _, p := range got.Problems {
			t.Logf("%s: %s", f, p)
		}
		pages++
	}
	return all, pages
}

func (s *suite) itemFeed(t *testing.T) {
	staff := s.staff(t)
	c := s.direct(t)
	need(t, s.caps(t, c).ItemFeed, "a feed of work items")
	comments := s.on(t, c).Comment
	moved := callback.ItemDone
	for _, state := range []callback.ItemStatus{callback.ItemOnHold, callback.ItemInProgress} {
		if s.says(state) {
			moved = state
		}
	}
	st, first := s.filed(t, c)
	if first.UpdatedAt.IsZero() {
		t.Fatal("an item does not say when it was changed, so a feed cannot go on from there")
	}
	seen := func(since time.Time) (states []callback.ItemState) {
		all, _ := s.pull(t, c, callback.FeedItems, since)
		for _, i := range all.Items {
			if slices.Contains(i.Markers, st.link.Marker()) {
				states = append(states, i.State)
			}
		}
		return states
	}
	s.eventually(t, "our own write is in the feed", func() bool { return len(seen(first.UpdatedAt)) > 0 })
	staff.Change(t, first, Change{Status: moved, Note: "on it"})
	s.eventually(t, "the change of staff is in the feed", func() bool {
		return slices.ContainsFunc(seen(first.UpdatedAt), func(i callback.ItemState) bool {
			return i.Status == moved && (!comments || i.Notes == 1)
		})
	})
	now := s.read(t, c, first)
	if states := seen(now.UpdatedAt); len(states) == 0 {
		t.Error("what changed exactly at the watermark is not in the feed")
	}
	if states := seen(now.UpdatedAt.Add(time.Hour)); len(states) != 0 {
		t.Error("what changed before the watermark is in the feed")
	}
	all, _ := s.pull(t, c, callback.FeedItems, first.UpdatedAt)
	if all.Latest.Before(now.UpdatedAt) {
		t.Errorf("the latest change is of %s, and the item says %s", all.Latest, now.UpdatedAt)
	}
}

func (s *suite) appointmentFeed(t *testing.T) {
	staff := s.staff(t)
	c := s.direct(t)
	need(t, s.caps(t, c).AppointmentFeed, "a feed of appointments")
	_, item := s.filed(t, c)
	chart := staff.Register(t, somebody("Visit"))
	start := time.Now().UTC().Truncate(time.Minute).Add(72 * time.Hour)
	visit := Visit{Patient: chart, Start: start, Kind: "New Patient Visit"}
	if s.Rung == callback.TaskResource {
		visit.Task = item.ID
	}
	id := staff.Book(t, visit)
	latest := func(since time.Time) (found callback.Appointment) {
		all, _ := s.pull(t, c, callback.FeedAppointments, since)
		for _, a := range all.Appointments {
			if a.ID == id && !a.Updated.Before(found.Updated) {
				found = a
			}
		}
		return found
	}
	for name, since := range map[string]time.Time{"from a watermark": item.UpdatedAt, "in the baseline": {}} {
		s.eventually(t, "a booked visit is in the feed "+name, func() bool { return latest(since).ID != "" })
		a := latest(since)
		if a.State != callback.ApptBooked || a.Patient.Reveal() != chart || a.Patients != 1 || !a.Start.Equal(start) || a.Version == "" {
			t.Errorf("%s: %s, %d patients, right chart %t, at %s of %s, version %q", name, a.State, a.Patients, a.Patient.Reveal() == chart, a.Start, start, a.Version)
		}
		if !slices.Contains(a.Kinds, "new patient visit") || visit.Task != "" && !slices.Contains(a.Tasks, item.ID) {
			t.Errorf("%s: kinds %q, tasks %v", name, a.Kinds, a.Tasks)
		}
	}
	before := latest(time.Time{})
	for _, state := range []callback.AppointmentState{callback.ApptArrived, callback.ApptNoShow, callback.ApptCancelled} {
		staff.Move(t, id, state)
		s.eventually(t, "a visit that is "+string(state)+" is in the feed", func() bool { return latest(before.Updated).State == state })
	}
	if a := latest(before.Updated); a.Version == before.Version {
		t.Errorf("the visit has changed and its version is still %s", a.Version)
	}
}

// pages reads a feed in tiny pages: nothing may be lost between two of them.
func (s *suite) pages(t *testing.T) {
	c := s.Connect(t, s.BaseURL, 2)
	t.Cleanup(c.Close)
	need(t, s.caps(t, c).ItemFeed, "a feed of work items")
	var markers []callback.Marker
	var since time.Time
	for range 5 {
		st, item := s.filed(t, c)
		markers = append(markers, st.link.Marker())
		if since.IsZero() {
			since = item.UpdatedAt
		}
	}
	var pages int
	s.eventually(t, "five items come in pages of two", func() bool {
		var all callback.Changes
		all, pages = s.pull(t, c, callback.FeedItems, since)
		missing := slices.ContainsFunc(markers, func(m callback.Marker) bool {
			return !slices.ContainsFunc(all.Items, func(i callback.Item) bool { return slices.Contains(i.Markers, m) })
		})
		return !missing
	})
	if pages < 3 {
		t.Errorf("five items came in %d pages: the page size is not asked for", pages)
	}
	// A reader that stops early must not be followed by more requests or a panic.
	for _, err := range c.Changes(t.Context(), callback.FeedItems, since) {
		s.must(t, err)
		break
	}
}
