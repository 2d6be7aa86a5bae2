package ehrtest

import (
	"slices"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/connectors/ehr"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/redact"
)

// pull reads a feed and interprets it.
func (s *suite) pull(t *testing.T, c ehr.Connector, q callback.FeedQuery) (all callback.Changes, pages []callback.FeedPage) {
	t.Helper()
	for page, err := range c.Changes(t.Context(), q) {
		s.must(t, err)
		if pages = append(pages, page); page.Body == nil {
			continue
		}
		got, err := c.Interpret(q.Feed, page.Body)
		s.must(t, err)
		again, err := c.Interpret(q.Feed, slices.Clone(page.Body))
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
			t.Logf("%s: %s", q.Feed, p)
		}
	}
	return all, pages
}

func items(since time.Time) callback.FeedQuery {
	return callback.FeedQuery{Feed: callback.FeedItems, Since: since}
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
		all, _ := s.pull(t, c, items(since))
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
	all, _ := s.pull(t, c, items(first.UpdatedAt))
	if all.Latest.Before(now.UpdatedAt) {
		t.Errorf("the latest change is of %s, and the item says %s", all.Latest, now.UpdatedAt)
	}
}

func (s *suite) appointmentFeed(t *testing.T) {
	staff := s.staff(t)
	c := s.direct(t)
	kind := s.caps(t, c).AppointmentFeed
	need(t, kind != callback.FeedNone, "a feed of appointments")
	_, item := s.filed(t, c)
	chart := staff.Register(t, somebody("Visit"))
	start := time.Now().UTC().Truncate(time.Minute).Add(72 * time.Hour)
	visit := Visit{Patient: chart, Start: start, Kind: "New Patient Visit"}
	if s.Rung == callback.TaskResource {
		visit.Task = item.ID
	}
	id := staff.Book(t, visit)
	latest := func(since time.Time) (found callback.Appointment) {
		q := callback.FeedQuery{Feed: callback.FeedAppointments, Since: since}
		if kind == callback.FeedPatient {
			q.Patient = redact.NewText(chart)
		}
		all, _ := s.pull(t, c, q)
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
	s.appointmentKind(t, c, kind, before)
	s.byID(t, c, id)
}

// appointmentKind tries what one kind of feed promises beside showing what changed.
func (s *suite) appointmentKind(t *testing.T, c ehr.Connector, kind callback.FeedKind, known callback.Appointment) {
	switch kind {
	case callback.FeedWindow:
		_, pages := s.pull(t, c, callback.FeedQuery{Feed: callback.FeedAppointments})
		for i, p := range pages {
			if last := i == len(pages)-1; last != (p.Whole != nil) {
				t.Errorf("step %d of %d: whole window %t", i+1, len(pages), p.Whole != nil)
			}
		}
		if whole := pages[len(pages)-1].Whole; whole != nil && (known.Start.Before(whole.From) || !known.Start.Before(whole.Until)) {
			t.Errorf("a visit of %s was shown in a window of %s to %s", known.Start, whole.From, whole.Until)
		}
	case callback.FeedPatient:
		for _, err := range c.Changes(t.Context(), callback.FeedQuery{Feed: callback.FeedAppointments}) {
			if err == nil {
				t.Error("nobody was asked for, and it did not fail")
			}
		}
		other := s.staff(t).Register(t, somebody("Other"))
		all, _ := s.pull(t, c, callback.FeedQuery{Feed: callback.FeedAppointments, Patient: redact.NewText(other)})
		if len(all.Appointments) > 0 {
			t.Errorf("a patient without visits has %d", len(all.Appointments))
		}
	default:
	}
}

// byID reads one visit by its id, as it is and when it is gone.
func (s *suite) byID(t *testing.T, c ehr.Connector, id string) {
	q := callback.FeedQuery{Feed: callback.FeedAppointments, Appointment: id}
	all, _ := s.pull(t, c, q)
	if len(all.Appointments) != 1 || all.Appointments[0].ID != id || all.Appointments[0].State != callback.ApptCancelled {
		t.Errorf("read by its id: %d appointments", len(all.Appointments))
	}
	s.staff(t).Delete(t, callback.Item{Type: callback.AppointmentResource, ID: id})
	steps := 0
	for _, err := range c.Changes(t.Context(), q) {
		steps++
		if !fault.Is(err, fault.NotFound) {
			t.Errorf("a visit that was deleted: %v", err)
		}
	}
	if steps != 1 {
		t.Errorf("a visit that was deleted is told of in %d steps", steps)
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
	var pages []callback.FeedPage
	s.eventually(t, "five items come in pages of two", func() bool {
		var all callback.Changes
		all, pages = s.pull(t, c, items(since))
		missing := slices.ContainsFunc(markers, func(m callback.Marker) bool {
			return !slices.ContainsFunc(all.Items, func(i callback.Item) bool { return slices.Contains(i.Markers, m) })
		})
		return !missing
	})
	if len(pages) < 3 {
		t.Errorf("five items came in %d pages: the page size is not asked for", len(pages))
	}
	// A reader that stops early must not be followed by more requests or a panic.
	for _, err := range c.Changes(t.Context(), items(since)) {
		s.must(t, err)
		break
	}
}
