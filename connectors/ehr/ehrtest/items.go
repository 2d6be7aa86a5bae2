package ehrtest

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/connectors/ehr"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/redact"
)

func (s *suite) capabilities(t *testing.T) {
	c := s.direct(t)
	first := s.caps(t, c)
	if chosen := first.RungFor(true).Type; chosen != s.Rung {
		t.Fatalf("callbacks would be filed as %s, and the fixture is for %s: %s", chosen, s.Rung, first.On(s.Rung).Refused)
	}
	for _, m := range first.Missing {
		t.Logf("missing: %s", m)
	}
	if again := s.caps(t, c); again.Software != first.Software || again.On(s.Rung) != first.On(s.Rung) {
		t.Errorf("the capabilities changed between two calls: %+v, %+v", first, again)
	}
}

func (s *suite) caps(t *testing.T, c ehr.Connector) callback.Capabilities {
	t.Helper()
	caps, err := c.Capabilities(t.Context())
	s.must(t, err)
	return caps
}

// filed creates the work item of a new story.
func (s *suite) filed(t *testing.T, c ehr.Connector) (*story, callback.Item) {
	t.Helper()
	st := s.story(t, c)
	item, err := c.Create(t.Context(), st.work())
	s.must(t, err)
	return st, item
}

// story makes a callback that can be filed: where it has to be, with a chart.
func (s *suite) story(t *testing.T, c ehr.Connector) *story {
	t.Helper()
	st := newStory(t, s.Rung)
	if s.on(t, c).NeedsPatient {
		chart := redact.NewText(s.staff(t).Register(t, somebody("Filed")))
		st.Resolve(callback.Patient{Keys: callback.PatientKeys{EHRID: chart}, Resolution: callback.Certain, How: "mrn"}, automation, st.now)
	}
	return st
}

// read reads an item as it is now.
func (s *suite) read(t *testing.T, c ehr.Connector, item callback.Item) callback.Item {
	t.Helper()
	now, err := c.Read(t.Context(), item.Type, item.ID)
	s.must(t, err)
	return now
}

// found searches until the index knows the marker.
func (s *suite) found(t *testing.T, c ehr.Connector, l callback.Link) []callback.Item {
	t.Helper()
	var list []callback.Item
	s.eventually(t, "the marker is found", func() bool {
		var err error
		list, err = c.Find(t.Context(), l.Type, l.Marker())
		s.must(t, err)
		return len(list) > 0
	})
	return list
}

func (s *suite) createFindRead(t *testing.T) {
	c := s.direct(t)
	can := s.on(t, c)
	st, item := s.filed(t, c)
	marker := st.link.Marker()
	check := func(how string, got callback.Item) {
		t.Helper()
		if got.Type != s.Rung || got.ID == "" || got.ID != item.ID || got.Version == "" || len(got.Raw) == 0 {
			t.Errorf("%s: type %s, id %q of %q, version %q, %d bytes", how, got.Type, got.ID, item.ID, got.Version, len(got.Raw))
		}
		if !slices.Contains(got.Markers, marker) {
			t.Errorf("%s: the marker is not among %d", how, len(got.Markers))
		}
		if got.State.Status != callback.ItemOpen || got.Gone || got.Outcome != "" || got.State.Category != "" && got.State.Category != callback.NewPatient {
			t.Errorf("%s: state %+v, outcome %q", how, got.State, got.Outcome)
		}
		if want := callback.Urgent; (s.Words == nil || s.Words.Priority) && got.State.Priority != want {
			t.Errorf("%s: priority %q, want %q", how, got.State.Priority, want)
		}
		if can.Assign && got.State.Owner != "front-desk" {
			t.Errorf("%s: owner %q", how, got.State.Owner)
		}
		if due := st.DueAt.Truncate(time.Second); can.DueDate != got.State.Due.Truncate(time.Second).Equal(due) {
			t.Errorf("%s: due %s, and the callback is due %s", how, got.State.Due, due)
		}
		if len(got.Notes) != 0 || len(got.Appointments) != 0 || !got.Patient.Equal(st.Patient.Keys.EHRID) {
			t.Errorf("%s: %d notes, %d appointments, right chart %t", how, len(got.Notes), len(got.Appointments), got.Patient.Equal(st.Patient.Keys.EHRID))
		}
	}
	check("created", item)
	check("read", s.read(t, c, item))
	found := s.found(t, c, st.link)
	if len(found) != 1 {
		t.Fatalf("%d items carry the marker", len(found))
	}
	check("found", found[0])

	list, err := c.Find(t.Context(), s.Rung, newStory(t, s.Rung).link.Marker())
	s.must(t, err)
	if len(list) != 0 {
		t.Errorf("%d items carry a marker that nobody wrote", len(list))
	}
	_, err = c.Read(t.Context(), s.Rung, "no-such-id-4711")
	s.safe(t, err)
	if !fault.Is(err, fault.NotFound) {
		t.Errorf("an item that does not exist gives %q: %v", fault.Of(err), err)
	}
}

func (s *suite) createTwice(t *testing.T) {
	c := s.direct(t)
	need(t, s.on(t, c).ConditionalCreate, "conditional create")
	st, first := s.filed(t, c)
	s.found(t, c, st.link)
	again, err := c.Create(t.Context(), st.work())
	s.must(t, err)
	if again.ID != first.ID || again.Version != first.Version {
		t.Errorf("the second create made %s version %s beside %s version %s", again.ID, again.Version, first.ID, first.Version)
	}
	if list := s.found(t, c, st.link); len(list) != 1 {
		t.Errorf("%d items carry the marker", len(list))
	}
}

func (s *suite) edit(t *testing.T) {
	c, p := s.proxied(t)
	need(t, s.on(t, c).Close, "editing of work items")
	st, item := s.filed(t, c)

	before := p.writes()
	same, err := c.Edit(t.Context(), s.read(t, c, item), st.work())
	s.must(t, err)
	if p.writes() != before || same.Version != item.Version {
		t.Errorf("where nothing differs %d writes were sent", p.writes()-before)
	}

	st.attempted(t, callback.NoAnswer)
	item, err = c.Edit(t.Context(), s.read(t, c, item), st.work())
	s.must(t, err)
	if item.State.Status != s.shown(callback.ItemInProgress) || len(item.Notes) != 0 {
		t.Errorf("in progress: %+v, %d notes of others", item.State, len(item.Notes))
	}
	s.must(t, st.Wait(person, st.tick()))
	item, err = c.Edit(t.Context(), s.read(t, c, item), st.work())
	s.must(t, err)
	if item.State.Status != s.shown(callback.ItemOnHold) {
		t.Errorf("waiting: %+v", item.State)
	}
	st.closed(t, callback.AnsweredQuestion)
	item, err = c.Edit(t.Context(), s.read(t, c, item), st.work())
	s.must(t, err)
	if item.State.Status != callback.ItemDone || item.Outcome != s.outcome(callback.AnsweredQuestion) {
		t.Errorf("closed: %+v, outcome %q", item.State, item.Outcome)
	}
	s.must(t, st.Reopen("test", redact.Text{}, person, st.tick()))
	item, err = c.Edit(t.Context(), s.read(t, c, item), st.work())
	s.must(t, err)
	if item.State.Status != s.shown(callback.ItemInProgress) || item.Outcome != "" {
		t.Errorf("reopened: %+v, outcome %q", item.State, item.Outcome)
	}
	now := s.read(t, c, item)
	if now.Version != item.Version || now.State.Native != item.State.Native {
		t.Errorf("an edit returns version %s %s and the EHR holds version %s %s", item.Version, item.State.Native, now.Version, now.State.Native)
	}
	st.closed(t, callback.Duplicate)
	item, err = c.Edit(t.Context(), now, st.work())
	s.must(t, err)
	if item.State.Status != s.shown(callback.ItemCancelled) || item.Outcome != s.outcome(callback.Duplicate) {
		t.Errorf("withdrawn: %+v, outcome %q", item.State, item.Outcome)
	}
}

func (s *suite) conflict(t *testing.T) {
	staff := s.staff(t)
	if s.Unguarded != "" {
		t.Skip("edits cannot be guarded here: " + s.Unguarded)
	}
	c := s.direct(t)
	need(t, s.on(t, c).Close, "editing of work items")
	st, _ := s.filed(t, c)
	stale := s.read(t, c, s.found(t, c, st.link)[0])
	comments := s.on(t, c).Comment
	staff.Change(t, stale, Change{Note: "written in between", Foreign: !comments})
	theirs := 0
	if comments {
		theirs = 1
	}
	st.closed(t, callback.AlreadyResolved)
	_, err := c.Edit(t.Context(), stale, st.work())
	s.safe(t, err)
	if !fault.Is(err, fault.Conflict) {
		t.Errorf("an edit of a version that is gone gives %q: %v", fault.Of(err), err)
	}
	now := s.read(t, c, stale)
	if len(now.Notes) != theirs || now.State.Status != callback.ItemOpen {
		t.Errorf("the note of staff was written over: %d notes, %+v", len(now.Notes), now.State)
	}
	now, err = c.Edit(t.Context(), now, st.work())
	s.must(t, err)
	if len(now.Notes) != theirs || now.State.Status != callback.ItemDone {
		t.Errorf("read again and edited: %d notes, %+v", len(now.Notes), now.State)
	}
}

func (s *suite) staffChanges(t *testing.T) {
	staff := s.staff(t)
	c := s.direct(t)
	need(t, s.on(t, c).ReadBack, "reading of work items")
	for _, status := range []callback.ItemStatus{callback.ItemOpen, callback.ItemInProgress, callback.ItemOnHold,
		callback.ItemDone, callback.ItemCancelled, callback.ItemRejected, callback.ItemFailed, callback.ItemVoid} {
		if !s.says(status) || s.Words != nil && status == callback.ItemOpen {
			continue // there is no word for it
		}
		_, item := s.filed(t, c)
		staff.Change(t, item, Change{Status: status})
		got := s.read(t, c, item)
		if got.State.Status != status || got.Version == item.Version {
			t.Errorf("staff made it %s, and it is read as %+v, version %s after %s", status, got.State, got.Version, item.Version)
		}
		if status == callback.ItemOpen && got.State.Native == item.State.Native {
			t.Errorf("staff have taken note of it, and nothing shows: %+v", got.State)
		}
	}
	_, item := s.filed(t, c)
	chart := staff.Register(t, somebody("Staff"))
	staff.Change(t, item, Change{Status: callback.ItemDone, Outcome: callback.PatientDeclined, Owner: "Night nurse",
		Priority: callback.Stat, Note: "She will think about it.", Patient: chart})
	got := s.read(t, c, item)
	if got.Outcome != s.outcome(callback.PatientDeclined) || got.Patient.Reveal() != chart {
		t.Errorf("read %+v, outcome %q, right chart %t", got.State, got.Outcome, got.Patient.Reveal() == chart)
	}
	can := s.on(t, c)
	if can.Assign && got.State.Owner != "Night nurse" || (s.Words == nil || s.Words.Priority) && got.State.Priority != callback.Stat {
		t.Errorf("read %+v", got.State)
	}
	if can.Comment && (len(got.Notes) != 1 || got.State.Notes != 1 || got.Notes[0].Text.Reveal() != "She will think about it.") {
		t.Errorf("read %d notes, %d told", len(got.Notes), got.State.Notes)
	}
}

func (s *suite) lossless(t *testing.T) {
	staff := s.staff(t)
	c := s.direct(t)
	need(t, s.on(t, c).Close, "editing of work items")
	st, item := s.filed(t, c)
	staff.Change(t, item, Change{Foreign: true, Note: "Please call after six."})
	item = s.read(t, c, item)
	before := staff.Foreign(t, item)
	if before == "" {
		t.Fatal("the fixture set nothing foreign")
	}
	st.attempted(t, callback.Reached)
	st.closed(t, callback.ReferredOut)
	edited, err := c.Edit(t.Context(), item, st.work())
	s.must(t, err)
	if after := staff.Foreign(t, edited); after != before {
		t.Errorf("what was not ours changed:\nbefore %s\nafter  %s", before, after)
	}
	if s.on(t, c).Comment && len(edited.Notes) != 1 || edited.State.Status != callback.ItemDone {
		t.Errorf("%d notes of others, %+v", len(edited.Notes), edited.State)
	}
}

func (s *suite) deleted(t *testing.T) {
	staff := s.staff(t)
	c := s.direct(t)
	st, item := s.filed(t, c)
	staff.Delete(t, item)
	_, err := c.Read(t.Context(), item.Type, item.ID)
	s.safe(t, err)
	if !fault.Is(err, fault.NotFound) {
		t.Errorf("a deleted item gives %q: %v", fault.Of(err), err)
	}
	s.eventually(t, "the index forgets a deleted item", func() bool {
		list, err := c.Find(t.Context(), st.link.Type, st.link.Marker())
		s.must(t, err)
		return len(list) == 0
	})
}

func (s *suite) proposal(t *testing.T) {
	c := s.direct(t)
	need(t, s.caps(t, c).Proposal.Usable(), "proposed visits")
	st := newStory(t, callback.AppointmentResource)
	item, err := c.Create(t.Context(), st.work())
	s.must(t, err)
	if item.Type != callback.AppointmentResource || item.State.Status != callback.ItemOpen || !slices.Contains(item.Markers, st.link.Marker()) {
		t.Errorf("%s %+v, %d markers", item.Type, item.State, len(item.Markers))
	}
	if list := s.found(t, c, st.link); len(list) != 1 || list[0].ID != item.ID {
		t.Errorf("%d proposals carry the marker", len(list))
	}
	st.closed(t, callback.PatientDeclined)
	item, err = c.Edit(t.Context(), s.read(t, c, item), st.work())
	s.must(t, err)
	if item.State.Status != callback.ItemCancelled {
		t.Errorf("a proposal for a callback that is closed is %+v", item.State)
	}

	staff := s.staff(t)
	st = newStory(t, callback.AppointmentResource)
	item, err = c.Create(t.Context(), st.work())
	s.must(t, err)
	staff.Move(t, item.ID, callback.ApptBooked)
	booked := s.read(t, c, item)
	st.closed(t, callback.PatientDeclined)
	after, err := c.Edit(t.Context(), booked, st.work())
	s.must(t, err)
	if booked.State.Status != callback.ItemDone || after.Version != booked.Version {
		t.Errorf("what staff booked is %+v and was changed from version %s to %s", booked.State, booked.Version, after.Version)
	}
}

// cancelled: every call ends with its context, and a write that was under way has
// an unknown outcome.
func (s *suite) cancelled(t *testing.T) {
	c, p := s.proxied(t)
	s.caps(t, c)
	st, item := s.filed(t, c)
	st.closed(t, callback.AnsweredQuestion)
	other := s.story(t, c)
	for name, call := range map[string]func(ctx context.Context) error{
		"find":   func(ctx context.Context) error { _, err := c.Find(ctx, item.Type, st.link.Marker()); return err },
		"read":   func(ctx context.Context) error { _, err := c.Read(ctx, item.Type, item.ID); return err },
		"create": func(ctx context.Context) error { _, err := c.Create(ctx, other.work()); return err },
		"edit":   func(ctx context.Context) error { _, err := c.Edit(ctx, item, st.work()); return err },
		"changes": func(ctx context.Context) error {
			for _, err := range c.Changes(ctx, items(st.now)) {
				if err != nil {
					return err
				}
			}
			return nil
		},
		"patients": func(ctx context.Context) error {
			_, err := c.Patients(ctx, callback.PatientQuery{Phone: st.Caller.Phone})
			return err
		},
	} {
		arrived := p.hold()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- call(ctx) }()
		select {
		case <-arrived:
		case err := <-done:
			t.Errorf("%s: nothing was asked: %v", name, err)
		}
		cancel()
		err := <-done
		p.clear()
		s.safe(t, err)
		want := fault.Retry
		if name == "create" || name == "edit" {
			want = fault.Ambiguous
		}
		if !fault.Is(err, want) || strings.Contains(err.Error(), "http") {
			t.Errorf("%s: %q, want %q: %v", name, fault.Of(err), want, err)
		}
	}
}
