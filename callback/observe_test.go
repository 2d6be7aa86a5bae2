package callback_test

import (
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/redact"
)

// filed returns a record whose work item stands in the EHR as we wrote it.
func filed(t tester) (callback.Record, callback.Item) {
	t.Helper()
	r := assigned(t)
	item := callback.Item{Type: callback.TaskResource, ID: "t1", Version: "1",
		State: callback.ItemState{Status: callback.ItemOpen, Native: "ready", Owner: "front-desk", Priority: callback.Urgent}}
	must(t, r.Written(r.Links[0].ID, item, r.Revision, start))
	return r, item
}

// TestObserve lists what staff can do to an item and what follows.
func TestObserve(t *testing.T) {
	for _, c := range []struct {
		name    string
		edit    func(*callback.Item)
		changed bool
		status  callback.Status
		outcome callback.Outcome
		review  bool
	}{
		{"nothing", func(i *callback.Item) {}, false, callback.Assigned, "", false},
		{"accepted", func(i *callback.Item) { i.State.Native = "accepted" }, false, callback.Assigned, "", false},
		{"taken up", func(i *callback.Item) { i.State.Status = callback.ItemInProgress }, true, callback.InProgress, "", false},
		{"on hold", func(i *callback.Item) { i.State.Status = callback.ItemOnHold }, true, callback.Waiting, "", false},
		{"completed", func(i *callback.Item) { i.State.Status = callback.ItemDone }, true, callback.Closed, callback.CompletedInEHR, false},
		{"completed with outcome", func(i *callback.Item) {
			i.State.Status, i.Outcome = callback.ItemDone, callback.PatientDeclined
		}, true, callback.Closed, callback.PatientDeclined, false},
		{"completed with nonsense", func(i *callback.Item) {
			i.State.Status, i.Outcome = callback.ItemDone, callback.NoAnswer
		}, true, callback.Closed, callback.CompletedInEHR, false},
		{"cancelled", func(i *callback.Item) { i.State.Status = callback.ItemCancelled }, true, callback.Closed, callback.CancelledInEHR, false},
		{"entered in error", func(i *callback.Item) { i.State.Status = callback.ItemVoid }, true, callback.Closed, callback.CancelledInEHR, false},
		{"rejected", func(i *callback.Item) { i.State.Status = callback.ItemRejected }, true, callback.Assigned, "", true},
		{"failed", func(i *callback.Item) { i.State.Status = callback.ItemFailed }, true, callback.Assigned, "", true},
		{"deleted", func(i *callback.Item) { i.Gone = true }, true, callback.Assigned, "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, item := filed(t)
			item.Version = "2"
			c.edit(&item)
			for round := range 2 { // seeing the same again changes nothing more
				changed, err := r.Observe(r.Links[0].ID, item, start.Add(time.Minute))
				if err != nil || changed != (c.changed && round == 0) {
					t.Fatalf("round %d: changed %v, %v", round, changed, err)
				}
			}
			if r.Status != c.status || r.Outcome != c.outcome || r.Review != c.review {
				t.Errorf("%s %q review %v", r.Status, r.Outcome, r.Review)
			}
			if gone := r.Links[0].RemoteID == ""; gone != item.Gone {
				t.Error("a deleted item is filed again, any other is not")
			}
		})
	}
}

func TestObserveFields(t *testing.T) {
	r, item := filed(t)
	item.Version, item.State.Owner, item.State.Priority = "2", "Practitioner/p1", callback.Stat
	item.Patient = redact.NewText("pat-1")
	item.Appointments = []string{"appt-1"}
	item.Notes = []callback.ItemNote{{By: "Practitioner/p1", At: start, Text: redact.NewText("left a message")}}
	changed, err := r.Observe(r.Links[0].ID, item, start.Add(time.Minute))
	must(t, err)
	if !changed || r.Owner != "Practitioner/p1" || r.Priority != callback.Stat || r.Patient.Resolution != callback.Certain ||
		r.Patient.Keys.EHRID.Reveal() != "pat-1" || r.Links[0].Base.Appointments[0] != "appt-1" {
		t.Errorf("%+v %+v", r.Callback, r.Links[0])
	}
	if last := r.Timeline[len(r.Timeline)-1]; last.By.Kind != callback.EHRStaff {
		t.Errorf("who changed it should be known: %+v", last)
	}
	notes := 0
	for range 2 {
		_, err = r.Observe(r.Links[0].ID, item, start.Add(time.Hour))
		must(t, err)
	}
	for _, e := range r.Timeline {
		if e.Kind == callback.EventNoted {
			notes++
		}
	}
	if notes != 1 {
		t.Errorf("a note is taken over once, not %d times", notes)
	}
}

// TestStaffAndAutomationAtOnce: we closed on a visit while staff touched the item.
func TestStaffAndAutomationAtOnce(t *testing.T) {
	r, item := filed(t)
	must(t, r.CloseOnVisit(visit(callback.Strong), start))
	item.Version, item.State.Status = "2", callback.ItemInProgress
	_, err := r.Observe(r.Links[0].ID, item, start.Add(time.Minute))
	must(t, err)
	if r.Status != callback.Closed {
		t.Error("taking up an item does not undo a booked visit")
	}
	item.Version, item.State.Status = "3", callback.ItemDone
	_, err = r.Observe(r.Links[0].ID, item, start.Add(2*time.Minute))
	must(t, err)
	if r.Outcome != callback.Booked {
		t.Errorf("completing it as well changes nothing: %s", r.Outcome)
	}
	item.Version, item.State.Status = "4", callback.ItemOpen
	_, err = r.Observe(r.Links[0].ID, item, start.Add(3*time.Minute))
	must(t, err)
	if r.Status != callback.InProgress || r.Evidence[0].State != callback.Refused {
		t.Errorf("staff who open it again have the last word: %s %s", r.Status, r.Evidence[0].State)
	}
}

// TestOvertakenPage: a page that was read before our last write says nothing.
func TestOvertakenPage(t *testing.T) {
	r, item := filed(t)
	old := item
	old.Version, old.UpdatedAt = "0", start.Add(-time.Minute)
	must(t, r.CloseOnVisit(visit(callback.Strong), start))
	item.Version, item.UpdatedAt, item.State.Status = "2", start, callback.ItemDone
	must(t, r.Written(r.Links[0].ID, item, r.Revision, start))
	changed, err := r.Observe(r.Links[0].ID, old, start.Add(time.Minute))
	if err != nil || changed || r.Status != callback.Closed || r.Links[0].RemoteVersion != "2" {
		t.Errorf("changed %v, %v, %s, version %s", changed, err, r.Status, r.Links[0].RemoteVersion)
	}
}

// TestStaffOpenAgain: into whichever open state staff move an ended item.
func TestStaffOpenAgain(t *testing.T) {
	for to, want := range map[callback.ItemStatus]callback.Status{
		callback.ItemOpen: callback.InProgress, callback.ItemInProgress: callback.InProgress, callback.ItemOnHold: callback.Waiting,
	} {
		for _, from := range []callback.ItemStatus{callback.ItemDone, callback.ItemCancelled} {
			r, item := filed(t)
			item.Version, item.State.Status = "2", from
			_, err := r.Observe(r.Links[0].ID, item, start)
			must(t, err)
			item.Version, item.State.Status = "3", to
			_, err = r.Observe(r.Links[0].ID, item, start.Add(time.Minute))
			must(t, err)
			if r.Status != want {
				t.Errorf("from %s to %s: %s, want %s", from, to, r.Status, want)
			}
		}
	}
}

// TestWhatWeWroteIsNotStaffsWord: a visit that we credited and wrote into the
// item does not come back as a link made by staff.
func TestWhatWeWroteIsNotStaffsWord(t *testing.T) {
	r, item := filed(t)
	must(t, r.CloseOnVisit(visit(callback.Strong), start))
	item.Version, item.State.Status, item.Appointments = "2", callback.ItemDone, []string{"a1"}
	must(t, r.Written(r.Links[0].ID, item, r.Revision, start))
	must(t, r.ReopenOnVisitLost("cancelled", start))
	_, err := r.Observe(r.Links[0].ID, item, start)
	must(t, err)
	if n := len(r.Links[0].Base.Appointments); n != 0 {
		t.Errorf("%d appointments taken for staff's", n)
	}
}
