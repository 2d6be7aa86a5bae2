package scheduler_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/intake"
	"github.com/ringback-health/ringback/internal/redact"
	"github.com/ringback-health/ringback/sandbox"
	"github.com/ringback-health/ringback/scheduler"
)

// offers is an EHR that says other things of itself than it does.
type offers struct {
	scheduler.EHR
	caps func(*callback.Capabilities)
}

func (o offers) Capabilities(ctx context.Context) (callback.Capabilities, error) {
	caps, err := o.EHR.Capabilities(ctx)
	o.caps(&caps)
	return caps, err
}

func refuse(t callback.ResourceType) func(*callback.Capabilities) {
	return func(c *callback.Capabilities) { only(c, t, func(r *callback.Rung) { r.Refused = "not here" }) }
}

// only changes the rung of a type and refuses all others.
func only(c *callback.Capabilities, t callback.ResourceType, change func(*callback.Rung)) {
	for i := range c.Rungs {
		if c.Rungs[i].Type == t {
			change(&c.Rungs[i])
		} else {
			c.Rungs[i].Refused = "not here"
		}
	}
}

// workItem returns the link to whatever kind of work item the callback has.
func (w *world) workItem(id callback.ID) callback.Link {
	w.t.Helper()
	for _, l := range w.record(id).Links {
		if l.Type.IsWorkItem() {
			return l
		}
	}
	w.t.Fatal("no link to a work item")
	return callback.Link{}
}

// TestNoRung: an EHR that takes nothing. The callback stands in Ringback's own list,
// is in step there, and is filed once the EHR has learned to take it.
func TestNoRung(t *testing.T) {
	w := newWorld(t)
	w.with(offers{w.connector, refuse(callback.TaskResource)})
	id := w.ask("1", nil)
	w.deliver()
	l := w.workItem(id)
	if l.Type != callback.Worklist || l.State != callback.LinkSynced || l.Holds != w.record(id).Revision {
		t.Fatalf("%+v", l)
	}
	_, err := w.ledger.Update(t.Context(), id, func(r *callback.Record) error {
		return r.Prioritise(callback.Stat, callback.Actor{Kind: callback.Person}, w.clock.Now())
	})
	w.must(err)
	w.deliver()
	if l := w.workItem(id); l.Holds != w.record(id).Revision || len(w.ehr.Store().List("Task")) != 0 {
		t.Fatalf("%+v", l)
	}

	w.with(w.connector) // after an upgrade of the EHR
	_, err = w.ledger.Update(t.Context(), id, func(r *callback.Record) error {
		return r.Start(callback.Actor{Kind: callback.Person}, w.clock.Now())
	})
	w.must(err)
	w.deliver()
	if _, task := w.task(id); task["status"] != "in-progress" {
		t.Errorf("%v", task["status"])
	}
}

// TestRungThatNeedsAPatient: until the chart is known the callback stands in
// Ringback's own list.
func TestRungThatNeedsAPatient(t *testing.T) {
	w := newWorld(t)
	w.with(offers{w.connector, func(c *callback.Capabilities) {
		only(c, callback.TaskResource, func(r *callback.Rung) { r.NeedsPatient = true })
	}})
	id := w.ask("1", nil)
	w.deliver()
	if l := w.workItem(id); l.Type != callback.Worklist {
		t.Fatalf("%+v", l)
	}
	w.ann()
	w.clock.Advance(time.Hour)
	w.poll()
	w.deliver()
	w.task(id)
}

// TestUnknownOutcomeThatNobodyCanTell: the answer is lost and the EHR cannot be
// searched. A person decides; a retry files it, and not twice.
func TestUnknownOutcomeThatNobodyCanTell(t *testing.T) {
	blind := func(again bool) func(*callback.Capabilities) {
		return func(c *callback.Capabilities) {
			only(c, callback.TaskResource, func(r *callback.Rung) { r.MarkerSearch, r.ConditionalCreate, r.FileAgain = false, false, again })
		}
	}
	before := sandbox.Fault{Method: http.MethodPost, PathPrefix: "/Task", Times: 1, Action: sandbox.ActionStatus, Status: 500}
	w := newWorld(t)
	w.with(offers{w.connector, blind(false)})
	w.fault(before)
	id := w.ask("1", nil)
	w.syncAll()
	w.clock.Advance(time.Hour)
	w.syncAll()
	l := w.workItem(id)
	if l.State != callback.LinkStuck || l.LastError == "" || l.Hint == "" || len(w.ehr.Store().List("Task")) != 0 {
		t.Fatalf("%+v", l)
	}
	l.Retry(w.clock.Now())
	_, err := w.ledger.SaveLink(t.Context(), l)
	w.must(err)
	w.deliver()
	w.task(id)

	w = newWorld(t)
	w.with(offers{w.connector, blind(true)}) // the operator would rather have two than none
	w.fault(before)
	id = w.ask("1", nil)
	w.syncAll()
	w.clock.Advance(time.Hour)
	w.deliver()
	w.task(id)
}

// TestRungThatIsGone: the item arrived and nobody heard of it; then the EHR says that
// it takes no more of them. What is there already is found, and not put on another rung.
func TestRungThatIsGone(t *testing.T) {
	w := newWorld(t)
	w.fault(sandbox.Fault{Method: http.MethodPost, PathPrefix: "/Task", Times: 1, Action: sandbox.ActionDropAfter})
	id := w.ask("1", nil)
	w.syncAll()
	w.with(offers{w.connector, refuse(callback.TaskResource)})
	w.clock.Advance(time.Minute)
	w.deliver()
	w.task(id)
	if l := w.workItem(id); l.Type != callback.TaskResource || l.State != callback.LinkSynced {
		t.Errorf("%+v", l)
	}
}

// TestRefusedForCertain: after a refusal nothing is unknown, so that nothing is looked for.
func TestRefusedForCertain(t *testing.T) {
	for _, status := range []int{429, 401, 403} {
		w := newWorldOn(t, "sqlite:"+t.TempDir()+"/l.db", sandbox.Options{})
		w.fault(sandbox.Fault{Method: http.MethodPost, PathPrefix: "/Task", Action: sandbox.ActionStatus, Status: status})
		id := w.ask("1", nil)
		w.syncAll()
		if l := w.taskLink(id); l.State != callback.LinkPending || len(l.Sent) != 0 || !l.SettlesAt.IsZero() {
			t.Errorf("%d: %+v", status, l)
		}
	}
}

// TestSearchThatLags: Ringback died after it had filed, and the EHR's search shows
// the item only seconds later. The next life waits before it believes the search.
func TestSearchThatLags(t *testing.T) {
	w := newWorldOn(t, "sqlite:"+t.TempDir()+"/l.db", sandbox.Options{NoConditionalCreate: true})
	id := w.ask("1", nil)
	dead, die := context.WithCancel(t.Context())
	w.with(dying{EHR: w.connector, die: die})
	if err := w.Sync(dead, w.taskLink(id).ID); err == nil {
		t.Fatal("the ledger should have been out of reach")
	}
	shows := w.clock.Now().Add(19 * time.Second)
	w.options.Sites[0].SearchLag = 20 * time.Second
	w.with(lagging{w.connector, func() bool { return w.clock.Now().Before(shows) }})
	w.syncAll() // at once after the restart
	w.clock.Advance(10 * time.Second)
	w.syncAll()
	w.clock.Advance(10 * time.Second)
	w.deliver()
	w.task(id)
}

// TestCommittedLate: the EHR does what it was told long after it was told. Whether
// Ringback has waited for the answer in vain, or died meanwhile: it does not tell twice.
func TestCommittedLate(t *testing.T) {
	for _, c := range []struct {
		name    string
		silent  time.Duration // until the connection is given up
		commits time.Duration // after the request was sent
		dies    bool
	}{
		{"an overloaded EHR", 30 * time.Second, 58 * time.Second, false},
		{"a connection that is cut at once", 0, 4 * time.Second, false},
		{"Ringback dies, its request is on its way", 0, 40 * time.Second, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorldOn(t, "sqlite:"+t.TempDir()+"/l.db", sandbox.Options{NoConditionalCreate: true})
			id := w.ask("1", nil)
			slow := &late{EHR: w.connector, clock: w.clock, silent: c.silent, commits: c.commits, dies: c.dies}
			w.with(slow)
			func() {
				defer func() { _ = recover() }() // the end of the first life
				w.must(w.Sync(t.Context(), w.taskLink(id).ID))
			}()
			for range 30 {
				w.syncAll()
				w.clock.Advance(5 * time.Second)
			}
			slow.catchUp()
			w.deliver()
			w.task(id)
		})
	}
}

// late is an EHR that commits its first create long after it was asked for it.
type late struct {
	scheduler.EHR
	clock           *clock.Manual
	silent, commits time.Duration
	dies            bool

	create func() // what it has yet to do
	due    time.Time
	asked  bool
}

func (l *late) Create(ctx context.Context, w callback.WorkItem) (callback.Item, error) {
	l.catchUp()
	if l.asked {
		return l.EHR.Create(ctx, w)
	}
	l.asked, l.due = true, l.clock.Now().Add(l.commits)
	l.create = func() { _, _ = l.EHR.Create(context.WithoutCancel(ctx), w) }
	l.clock.Advance(l.silent)
	if l.dies {
		panic("nobody is there to note anything")
	}
	return callback.Item{}, fault.New(fault.Ambiguous, "create Task", "no answer in time")
}

func (l *late) Find(ctx context.Context, t callback.ResourceType, m callback.Marker) ([]callback.Item, error) {
	l.catchUp()
	return l.EHR.Find(ctx, t, m)
}

func (l *late) catchUp() {
	if l.create != nil && !l.clock.Now().Before(l.due) {
		l.create()
		l.create = nil
	}
}

// lagging is an EHR whose search shows nothing new for a while.
type lagging struct {
	scheduler.EHR
	now func() bool
}

func (l lagging) Find(ctx context.Context, t callback.ResourceType, m callback.Marker) ([]callback.Item, error) {
	if l.now() {
		return nil, nil
	}
	return l.EHR.Find(ctx, t, m)
}

// TestLostAnswerToAnEdit: the edit arrived and nobody heard of it. Before the next
// try the callback is opened again here: our own completion of the item must not
// close it as if staff had done it.
func TestLostAnswerToAnEdit(t *testing.T) {
	w := newWorld(t)
	id := w.ask("1", nil)
	w.deliver()
	person := callback.Actor{Kind: callback.Person, Name: "kim"}
	change := func(do func(*callback.Record) error) {
		_, err := w.ledger.Update(t.Context(), id, do)
		w.must(err)
	}
	change(func(r *callback.Record) error {
		return r.Close(callback.PatientDeclined, redact.Text{}, person, w.clock.Now())
	})
	w.fault(sandbox.Fault{Method: http.MethodPut, PathPrefix: "/Task", Times: 1, Action: sandbox.ActionDropAfter})
	w.syncAll()
	if _, task := w.task(id); task["status"] != "completed" {
		t.Fatalf("%v", task["status"])
	}
	change(func(r *callback.Record) error {
		return r.Reopen("changed her mind", redact.Text{}, person, w.clock.Now())
	})
	w.poll() // sees our own write
	w.clock.Advance(time.Minute)
	w.deliver()
	if r := w.record(id); r.Status != callback.InProgress {
		t.Errorf("%s %s: %+v", r.Status, r.Outcome, r.Timeline[len(r.Timeline)-1])
	}
	if _, task := w.task(id); task["status"] != "in-progress" {
		t.Errorf("%v", task["status"])
	}
}

// TestProposalWhereNoneIsTaken: an EHR that takes no proposed visits makes nothing stuck.
func TestProposalWhereNoneIsTaken(t *testing.T) {
	w := newWorld(t)
	w.ann()
	w.with(offers{w.connector, func(c *callback.Capabilities) { c.Proposal.Refused = "Appointment cannot be created" }})
	id := w.ask("1", func(s *intake.Submission) {
		s.Preferred = []callback.Period{{Start: tuesday.Add(24 * time.Hour), End: tuesday.Add(26 * time.Hour)}}
	})
	w.deliver()
	w.clock.Advance(time.Hour)
	w.poll()
	w.deliver()
	for _, l := range w.record(id).Links {
		if l.Type == callback.AppointmentResource && (l.State != callback.LinkDiscarded || l.LastError == "") {
			t.Errorf("%+v", l)
		}
	}
	w.task(id)
}

// TestNoFeedOfItems: an EHR that cannot tell which items changed is asked for each
// that is open, however many there are.
func TestNoFeedOfItems(t *testing.T) {
	w := newWorld(t)
	w.with(offers{w.connector, func(c *callback.Capabilities) { c.ItemFeed, c.AppointmentFeed = false, callback.FeedNone }})
	var ids []callback.ID
	for i := range 60 {
		ids = append(ids, w.ask(fmt.Sprint(i), caller(i)))
	}
	w.deliver()
	for _, id := range ids {
		_, err := w.front.CompleteTask(w.taskLink(id).RemoteID, "Practitioner/dr-ng", "")
		w.must(err)
	}
	w.poll()
	w.poll()
	for _, id := range ids {
		if r := w.record(id); r.Status != callback.Closed {
			t.Errorf("%s is %s", id, r.Status)
		}
	}
}

// TestItemOfSomebodyElse: an operator ties a link to a Task that is not this callback's.
// It is left alone, and the link says so.
func TestItemOfSomebodyElse(t *testing.T) {
	w := newWorld(t)
	theirs := w.ask("1", caller(1))
	w.deliver()
	other, _ := w.task(theirs)
	id := w.ask("2", caller(2))
	foreign, err := w.ehr.Store().Create([]byte(`{"resourceType":"Task","status":"in-progress","intent":"order","description":"Refill"}`))
	w.must(err)
	tie := func(item string) {
		_, err := w.ledger.Update(t.Context(), id, func(r *callback.Record) error {
			return r.EditLink(w.workItem(id).ID, callback.LinkEdit{Item: item}, callback.Actor{Kind: callback.Person}, w.clock.Now())
		})
		w.must(err)
	}
	tie(foreign.ID)
	w.deliver()
	if l := w.workItem(id); l.State != callback.LinkStuck || l.RemoteID != "" || l.Hint == "" {
		t.Errorf("%+v", l)
	}
	if now, err := w.ehr.Store().Read("Task", foreign.ID); err != nil || string(now.Raw) != string(foreign.Raw) {
		t.Errorf("it was touched: %v", err)
	}
	_, err = w.ledger.Update(t.Context(), id, func(r *callback.Record) error {
		return r.RetryLink(w.workItem(id).ID, callback.Actor{Kind: callback.Person}, w.clock.Now())
	})
	w.must(err)
	w.deliver()
	w.task(id)
	if again, _ := w.task(theirs); again.ID != other.ID {
		t.Error("another callback's item changed")
	}
}

// TestOwnerTakenAway: the item is given back to the callback's owner.
func TestOwnerTakenAway(t *testing.T) {
	w := newWorld(t)
	id := w.ask("1", nil)
	w.deliver()
	_, members := w.task(id)
	owner := members["owner"].(map[string]any)["display"]
	delete(members, "owner")
	raw, err := json.Marshal(members)
	w.must(err)
	_, err = w.ehr.Store().Update(raw, "")
	w.must(err)
	w.poll()
	w.deliver()
	if _, members := w.task(id); members["owner"] == nil || members["owner"].(map[string]any)["display"] != owner {
		t.Errorf("owner %v", members["owner"])
	}
}
