package callback_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/redact"
)

// merged is a change on each side since both agreed, and what follows. The rows
// are those of docs/two-way.md.
type merged struct {
	name  string
	here  func(tester, *callback.Record) // in Ringback; nil: nothing
	there func(*callback.ItemState)      // by staff in the EHR; nil: nothing
	want  func(callback.Record) bool
}

func assignTo(owner string) func(tester, *callback.Record) {
	return func(t tester, r *callback.Record) { must(t, r.Assign(owner, person, start)) }
}

func callAgain(t tester, r *callback.Record) {
	must(t, r.Merge(callback.Request{Clinic: "c", Source: "webform", SourceID: "2", ReceivedAt: start}, start))
}

func stands(s callback.ItemStatus) func(*callback.ItemState) {
	return func(i *callback.ItemState) { i.Status = s }
}

var (
	noon   = start.Add(2 * time.Hour)
	merges = []merged{
		{"owner: only here", assignTo("billing"), nil, func(r callback.Record) bool { return r.Owner == "billing" }},
		{"owner: only there", nil, func(i *callback.ItemState) { i.Owner = "Practitioner/7" }, func(r callback.Record) bool { return r.Owner == "Practitioner/7" }},
		{"owner: both, the EHR's stands", assignTo("billing"), func(i *callback.ItemState) { i.Owner = "Practitioner/7" },
			func(r callback.Record) bool { return r.Owner == "Practitioner/7" }},
		{"owner: a person closed it here, given to another there", func(t tester, r *callback.Record) {
			must(t, r.Close(callback.PatientDeclined, redact.Text{}, person, start))
		}, func(i *callback.ItemState) { i.Owner = "Practitioner/7" },
			func(r callback.Record) bool { return r.Owner == "Practitioner/7" && r.Status == callback.Closed }},
		{"owner: taken away there", nil, func(i *callback.ItemState) { i.Owner = "" }, func(r callback.Record) bool { return r.Owner == "front-desk" }},

		{"priority: only here", func(t tester, r *callback.Record) { must(t, r.Prioritise(callback.Stat, person, start)) }, nil,
			func(r callback.Record) bool { return r.Priority == callback.Stat }},
		{"priority: lowered there", nil, func(i *callback.ItemState) { i.Priority = callback.Routine },
			func(r callback.Record) bool { return r.Priority == callback.Routine }},
		{"priority: raised here by a call, lowered there", callAgain, func(i *callback.ItemState) { i.Priority = callback.Routine },
			func(r callback.Record) bool { return r.Priority == callback.ASAP }},
		{"priority: lowered here, raised there", func(t tester, r *callback.Record) { must(t, r.Prioritise(callback.Routine, person, start)) },
			func(i *callback.ItemState) { i.Priority = callback.Stat }, func(r callback.Record) bool { return r.Priority == callback.Stat }},

		{"category: there", nil, func(i *callback.ItemState) { i.Category = callback.Clinical }, func(r callback.Record) bool { return r.Category == callback.Clinical }},
		{"category: a word of their own there", nil, func(i *callback.ItemState) { i.Category = "" }, func(r callback.Record) bool { return r.Category == callback.NewPatient }},
		{"due: only here", func(_ tester, r *callback.Record) { r.Defer(noon, person, start) }, nil, func(r callback.Record) bool { return r.DueAt.Equal(noon) }},
		{"due: both, the EHR's stands", func(_ tester, r *callback.Record) { r.Defer(noon, person, start) },
			func(i *callback.ItemState) { i.Due = noon.Add(time.Hour) }, func(r callback.Record) bool { return r.DueAt.Equal(noon.Add(time.Hour)) }},

		{"status: taken up there", nil, stands(callback.ItemInProgress), status(callback.InProgress)},
		{"status: on hold there", nil, stands(callback.ItemOnHold), status(callback.Waiting)},
		{"status: taken up here, and put back there by who had not seen it", func(t tester, r *callback.Record) { must(t, r.Start(person, start)) },
			stands(callback.ItemOpen), status(callback.InProgress)},
		{"status: completed there", nil, stands(callback.ItemDone), closedAs(callback.CompletedInEHR)},
		{"status: cancelled there", nil, stands(callback.ItemCancelled), closedAs(callback.CancelledInEHR)},
		{"status: entered in error there", nil, stands(callback.ItemVoid), closedAs(callback.CancelledInEHR)},
		{"status: rejected there", nil, stands(callback.ItemRejected), func(r callback.Record) bool {
			return r.Status == callback.Assigned && r.Review && r.WorkItem(r.Links[0]).LeaveStatus
		}},
		{"status: a visit closed it here, taken up there", func(t tester, r *callback.Record) { must(t, r.CloseOnVisit(visit(callback.Strong), start)) },
			stands(callback.ItemInProgress), closedAs(callback.Booked)},
		{"status: a visit closed it here, completed there", func(t tester, r *callback.Record) { must(t, r.CloseOnVisit(visit(callback.Strong), start)) },
			stands(callback.ItemDone), closedAs(callback.Booked)},
		{"status: a person closed it here, taken up there", func(t tester, r *callback.Record) {
			must(t, r.Close(callback.PatientDeclined, redact.Text{}, person, start))
		}, stands(callback.ItemInProgress), closedAs(callback.PatientDeclined)},
		{"outcome: a person closed it here, ended there with another", func(t tester, r *callback.Record) {
			must(t, r.Close(callback.Spam, redact.Text{}, person, start))
		}, func(i *callback.ItemState) { i.Status, i.Outcome = callback.ItemDone, callback.AnsweredQuestion }, closedAs(callback.AnsweredQuestion)},
		{"outcome: a visit closed it here, ended there with another", func(t tester, r *callback.Record) { must(t, r.CloseOnVisit(visit(callback.Strong), start)) },
			func(i *callback.ItemState) { i.Status, i.Outcome = callback.ItemDone, callback.PatientDeclined }, closedAs(callback.Booked)},
		{"status: the caller calls again, completed there", callAgain, stands(callback.ItemDone), func(r callback.Record) bool {
			return r.Status == callback.InProgress && r.Repeats == 1
		}},
		{"status: assigned here, completed there", assignTo("billing"), stands(callback.ItemDone), closedAs(callback.CompletedInEHR)},
	}
)

func status(s callback.Status) func(callback.Record) bool {
	return func(r callback.Record) bool { return r.Status == s }
}

func closedAs(o callback.Outcome) func(callback.Record) bool {
	return func(r callback.Record) bool { return r.Status == callback.Closed && r.Outcome == o }
}

// agreed returns a record whose item says exactly what Ringback wrote.
func agreed(t tester) (callback.Record, callback.Item) {
	t.Helper()
	r := assigned(t)
	item := callback.Item{Type: callback.TaskResource, ID: "t1", Version: "1", UpdatedAt: start, State: r.ItemState()}
	must(t, r.Written(r.Links[0].ID, item, r.Revision, start))
	return r, item
}

func TestMerge(t *testing.T) {
	for _, c := range merges {
		t.Run(c.name, func(t *testing.T) {
			r, item := agreed(t)
			if c.here != nil {
				c.here(t, &r)
			}
			if c.there != nil {
				c.there(&item.State)
			}
			item.Version, item.UpdatedAt, item.By = "2", start.Add(time.Minute), "Practitioner/7"
			before := len(r.Timeline)
			for range 2 { // seen again it says nothing new
				_, err := r.Observe(r.Links[0].ID, item, start.Add(time.Hour))
				must(t, err)
				if !c.want(r) {
					t.Fatalf("%+v", r.Callback)
				}
			}
			for _, e := range r.Timeline[before:] {
				if e.By.Kind == callback.EHRStaff && (e.By.Name != "Practitioner/7" || !e.EHRAt.Equal(item.UpdatedAt)) {
					t.Errorf("who did it and when is known, and not kept: %+v", e)
				}
			}
		})
	}
}

// TestMergeAfterALostAnswer: a write of ours was under way whose answer was lost.
// If it did not arrive the table holds. If it did, staff saw it, and all is as if
// the answer had been heard.
func TestMergeAfterALostAnswer(t *testing.T) {
	for _, c := range merges {
		if c.here == nil {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			lost, item := agreed(t)
			c.here(t, &lost)
			ours := lost.ItemState()
			lost.Links[0].Sending(lost.WorkItem(lost.Links[0]), start, start)
			heard := lost.Clone()

			notArrived := lost.Clone()
			edit := item
			edit.Version, edit.UpdatedAt = "2", start.Add(time.Minute)
			if c.there != nil {
				c.there(&edit.State)
			}
			_, err := notArrived.Observe(lost.Links[0].ID, edit, start.Add(time.Hour))
			must(t, err)
			if !c.want(notArrived) {
				t.Errorf("it did not arrive: %+v", notArrived.Callback)
			}

			item.State, item.Version, item.UpdatedAt = ours, "2", start.Add(time.Minute)
			must(t, heard.Written(lost.Links[0].ID, item, heard.Revision, start))
			if c.there != nil {
				c.there(&item.State)
			}
			item.Version, item.UpdatedAt = "3", start.Add(2*time.Minute)
			for _, r := range []*callback.Record{&lost, &heard} {
				_, err := r.Observe(r.Links[0].ID, item, start.Add(time.Hour))
				must(t, err)
			}
			// What staff saw cannot always be told; then the more urgent stands, and open is safer than closed.
			safer := lost.Priority.Above(heard.Priority) || lost.Status.Open() && !heard.Status.Open()
			if !reflect.DeepEqual(lost.ItemState(), heard.ItemState()) && !safer {
				t.Errorf("it arrived: %+v, and if that had been heard: %+v", lost.ItemState(), heard.ItemState())
			}
		})
	}
}

// TestOwnWriteIsNotStaff: whatever was changed here and written, and however often
// it changed again before the answer came or was lost, the item as we wrote it is
// nobody's change.
func TestOwnWriteIsNotStaff(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, item := agreed(t)
		change := func(label string) {
			for _, c := range rapid.SliceOfN(rapid.SampledFrom(ourChanges), 0, 4).Draw(t, label) {
				_ = c(&r) // not every change is allowed in every state
			}
		}
		change("before the write")
		w := r.WorkItem(r.Links[0])
		r.Links[0].Sending(w, start, start)
		item.State, item.Version, item.UpdatedAt = w.Callback.ItemState(), "2", start.Add(time.Minute)
		item.State.Due = item.State.Due.Truncate(time.Second)
		if rapid.Bool().Draw(t, "keeps none of our codes") {
			item.State.Told, item.State.Category = "", ""
		}
		change("after the write")
		before := r.Clone()
		if changed, err := r.Observe(r.Links[0].ID, item, start.Add(time.Hour)); err != nil || changed {
			t.Fatalf("changed %v, %v: %+v", changed, err, r.Timeline[len(before.Timeline):])
		}
		if r.Status != before.Status || r.Revision != before.Revision || r.Links[0].Base.Status != item.State.Status {
			t.Fatalf("%+v", r.Callback)
		}
	})
}

var ourChanges = []func(*callback.Record) error{
	func(r *callback.Record) error { return r.Start(person, start) },
	func(r *callback.Record) error { return r.Wait(person, start) },
	func(r *callback.Record) error { return r.Assign("billing", person, start) },
	func(r *callback.Record) error { return r.Prioritise(callback.Stat, person, start) },
	func(r *callback.Record) error { return r.Close(callback.Spam, redact.Text{}, person, start) },
	func(r *callback.Record) error { return r.CloseOnVisit(visit(callback.Strong), start) },
	func(r *callback.Record) error { return r.Reopen("again", redact.Text{}, person, start) },
	func(r *callback.Record) error {
		return r.Merge(callback.Request{Source: "webform", ReceivedAt: start}, start)
	},
	func(r *callback.Record) error { r.Defer(noon.Add(300*time.Millisecond), person, start); return nil },
}

// TestStaffEndWhatWeReopened: the answer to our reopening was lost, and staff ended
// the item again before anybody looked. By what we wrote into it, it is known that
// they saw it open.
func TestStaffEndWhatWeReopened(t *testing.T) {
	r, item := agreed(t)
	item.Version, item.State.Status = "2", callback.ItemDone
	_, err := r.Observe(r.Links[0].ID, item, start)
	must(t, err)
	item.State.Told = callback.Closed
	must(t, r.Written(r.Links[0].ID, item, r.Revision, start))
	callAgain(t, &r)
	r.Links[0].Sending(r.WorkItem(r.Links[0]), start, start)
	item.Version, item.State.Told = "4", callback.InProgress // 3 was ours
	_, err = r.Observe(r.Links[0].ID, item, start.Add(time.Minute))
	must(t, err)
	if !slices.ContainsFunc(r.Timeline, func(e callback.Event) bool { return e.Kind == callback.EventClosed && e.Revision > r.Links[0].Holds }) {
		t.Errorf("what staff did was lost: %+v", r.Callback)
	}
}

// TestItemFoundAfterALostCreate: the item was made, nobody heard of it, and staff
// changed it before it was found.
func TestItemFoundAfterALostCreate(t *testing.T) {
	for _, keepsCodes := range []bool{true, false} {
		r := assigned(t)
		l := &r.Links[0]
		l.Sending(r.WorkItem(*l), start, start)
		if l.State != callback.LinkSending {
			t.Errorf("%s: whoever comes next has to look first", l.State)
		}
		item := callback.Item{Type: callback.TaskResource, ID: "t1", Version: "2", UpdatedAt: start, State: r.ItemState()}
		item.State.Owner, item.State.Status = "Practitioner/7", callback.ItemInProgress
		if !keepsCodes {
			item.State.Told = ""
		}
		must(t, r.Prioritise(callback.Stat, person, start))
		_, err := r.Observe(l.ID, item, start)
		must(t, err)
		if r.Owner != "Practitioner/7" || r.Status != callback.InProgress || r.Priority != callback.Stat {
			t.Errorf("what staff did is taken over, and what was changed here stays: %+v", r.Callback)
		}
	}
}

// TestCallThatStaffSaw: ending an item that shows the latest call ends it.
func TestCallThatStaffSaw(t *testing.T) {
	r, item := agreed(t)
	callAgain(t, &r)
	item.State = r.ItemState()
	must(t, r.Written(r.Links[0].ID, item, r.Revision, start))
	item.Version, item.State.Status = "3", callback.ItemDone
	_, err := r.Observe(r.Links[0].ID, item, start)
	must(t, err)
	if r.Status != callback.Closed {
		t.Errorf("%s", r.Status)
	}
}

// TestRejectedItem: it stays as staff left it until something is decided here.
func TestRejectedItem(t *testing.T) {
	for _, c := range []struct {
		name  string
		do    func(tester, *callback.Record)
		stays bool
	}{
		{"nothing", func(tester, *callback.Record) {}, true},
		{"the chart is found", func(_ tester, r *callback.Record) {
			r.Resolve(callback.Patient{Resolution: callback.Certain, Keys: callback.PatientKeys{EHRID: redact.NewText("p1")}}, robot, start)
		}, true},
		{"another owner", assignTo("billing"), false},
		{"taken up", func(t tester, r *callback.Record) { must(t, r.Start(person, start)) }, false},
		{"the caller calls again", callAgain, false},
	} {
		for _, keepsCodes := range []bool{true, false} {
			r, item := agreed(t)
			item.Version, item.State.Status = "2", callback.ItemRejected
			if !keepsCodes {
				item.State.Told = ""
			}
			_, err := r.Observe(r.Links[0].ID, item, start)
			must(t, err)
			c.do(t, &r)
			// Without our codes in it a mere change of state cannot be told from none.
			if got := r.WorkItem(r.Links[0]).LeaveStatus; got != c.stays && (keepsCodes || c.name != "taken up") {
				t.Errorf("%s, keeps our codes %v: left as it is: %v", c.name, keepsCodes, got)
			}
		}
	}
}

// TestStaffPutItBack: what was in progress, or waiting, is in its owner's queue again.
func TestStaffPutItBack(t *testing.T) {
	for _, do := range []func(*callback.Record) error{
		func(r *callback.Record) error { return r.Start(person, start) },
		func(r *callback.Record) error { return r.Wait(person, start) },
	} {
		r, item := agreed(t)
		must(t, do(&r))
		item.State = r.ItemState()
		must(t, r.Written(r.Links[0].ID, item, r.Revision, start))
		item.Version, item.State.Status = "3", callback.ItemOpen
		_, err := r.Observe(r.Links[0].ID, item, start)
		must(t, err)
		if r.Status != callback.Assigned || r.Owner != "front-desk" {
			t.Errorf("%s %s", r.Status, r.Owner)
		}
	}
}

// TestStaffEndItAgain: opened and ended again between two looks, with another outcome.
// Their words of an earlier end say nothing new.
func TestStaffEndItAgain(t *testing.T) {
	r, item := agreed(t)
	item.Version, item.State.Status, item.State.Outcome, item.Outcome = "2", callback.ItemDone, callback.Duplicate, callback.Duplicate
	observe := func(want callback.Outcome) {
		t.Helper()
		for range 2 {
			_, err := r.Observe(r.Links[0].ID, item, start)
			must(t, err)
			if r.Status != callback.Closed || r.Outcome != want {
				t.Errorf("%s %s, want %s", r.Status, r.Outcome, want)
			}
		}
	}
	observe(callback.Duplicate)
	item.Version, item.State.Outcome, item.Outcome = "9", callback.AnsweredQuestion, callback.AnsweredQuestion
	observe(callback.AnsweredQuestion)
	if !r.Links[0].Lags(r.Callback) {
		t.Error("the item has to learn of it")
	}
	// Opened and closed otherwise here; their last words still stand in the item.
	must(t, r.Reopen("again", redact.Text{}, person, start))
	must(t, r.Close(callback.PatientDeclined, redact.Text{}, person, start))
	item.Version = "10"
	observe(callback.PatientDeclined)
}
