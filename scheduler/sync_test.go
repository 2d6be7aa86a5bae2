package scheduler_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/intake"
	"github.com/ringback-health/ringback/internal/redact"
	"github.com/ringback-health/ringback/sandbox"
	"github.com/ringback-health/ringback/scheduler"
)

func TestFilesOneWorkItem(t *testing.T) {
	w := newWorld(t)
	id := w.ask("1", nil)
	w.deliver()
	_, task := w.task(id)
	if task["status"] != "ready" || task["intent"] != "order" {
		t.Errorf("%v %v", task["status"], task["intent"])
	}
	l := w.taskLink(id)
	if l.State != callback.LinkSynced || l.Holds != w.record(id).Revision || l.RemoteID == "" || l.RemoteVersion == "" {
		t.Errorf("%+v", l)
	}
	w.ehr.ClearRequests()
	w.must(w.Sync(t.Context(), l.ID))
	if n := len(w.ehr.Requests()); n != 0 {
		t.Errorf("a link in step made %d requests", n)
	}
}

// TestLostAnswer: the EHR did what it was told, and the answer was lost.
func TestLostAnswer(t *testing.T) {
	for _, unconditional := range []bool{false, true} {
		w := newWorldOn(t, "sqlite:"+t.TempDir()+"/l.db", sandbox.Options{NoConditionalCreate: unconditional})
		w.fault(sandbox.Fault{Method: http.MethodPost, PathPrefix: "/Task", Times: 1, Action: sandbox.ActionDropAfter})
		id := w.ask("1", nil)
		l := w.taskLink(id)
		w.must(w.Sync(t.Context(), l.ID))
		if l = w.taskLink(id); l.State != callback.LinkSending || l.Failures != 1 || !l.NextAttemptAt.After(w.clock.Now()) || l.LastError == "" {
			t.Fatalf("the outcome should be noted as unknown: %+v", l)
		}
		w.deliver() // nothing is due yet
		if w.taskLink(id).RemoteID != "" {
			t.Error("tried again before it was time")
		}
		w.clock.Advance(time.Minute)
		w.deliver()
		w.task(id)
		if l = w.taskLink(id); l.State != callback.LinkSynced || l.Failures != 0 || l.LastError != "" {
			t.Errorf("%+v", l)
		}
	}
}

// TestCrashBeforeCommit: Ringback died between the EHR's 201 and its own commit.
func TestCrashBeforeCommit(t *testing.T) {
	w := newWorldOn(t, "sqlite:"+t.TempDir()+"/l.db", sandbox.Options{NoConditionalCreate: true})
	id := w.ask("1", nil)
	dead, die := context.WithCancel(t.Context())
	w.with(dying{EHR: w.connector, die: die})
	if err := w.Sync(dead, w.taskLink(id).ID); err == nil {
		t.Fatal("the ledger should have been out of reach")
	}
	w.with(w.connector) // the next life
	w.clock.Advance(time.Minute)
	w.deliver()
	w.task(id)
}

// TestFoundAlready: the answer to a create was lost, the callback moved on, and
// the next create finds the older item. It does not hold the new revision.
func TestFoundAlready(t *testing.T) {
	w := newWorld(t)
	id := w.ask("1", nil)
	l := w.taskLink(id)
	_, err := w.connector.Create(t.Context(), callback.WorkItem{Link: l, Callback: w.record(id).Callback})
	w.must(err)
	_, err = w.ledger.Update(t.Context(), id, func(r *callback.Record) error {
		return r.Assign("billing", callback.Actor{Kind: callback.Person}, w.clock.Now())
	})
	w.must(err)
	w.deliver() // a conditional create: the link does not know that anything was sent
	_, members := w.task(id)
	if owner := members["owner"].(map[string]any)["display"]; owner != "billing" {
		t.Errorf("the item says %v, the ledger billing", owner)
	}
}

// dying is an EHR after whose answer the process is gone.
type dying struct {
	scheduler.EHR
	die context.CancelFunc
}

func (d dying) Create(ctx context.Context, w callback.WorkItem) (callback.Item, error) {
	item, err := d.EHR.Create(ctx, w)
	d.die()
	return item, err
}

func TestFailures(t *testing.T) {
	for _, c := range []struct {
		name   string
		fault  sandbox.Fault
		stuck  bool
		heals  bool
		atMost time.Duration
	}{
		{"down", sandbox.Fault{Action: sandbox.ActionStatus, Status: 503}, false, true, time.Minute},
		{"throttled", sandbox.Fault{Action: sandbox.ActionStatus, Status: 429, Headers: map[string]string{"Retry-After": "300"}}, false, true, 6 * time.Minute},
		{"refused", sandbox.Fault{Method: http.MethodPost, PathPrefix: "/Task", Action: sandbox.ActionStatus, Status: 422, Times: 1}, true, false, 0},
		{"login page", sandbox.Fault{Action: sandbox.ActionStatus, Status: 200, Body: sandbox.BodyHTML}, false, true, time.Minute},
		{"gone before", sandbox.Fault{Action: sandbox.ActionDropBefore}, false, true, time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			id := w.ask("1", nil)
			w.fault(c.fault)
			w.must(w.Sync(t.Context(), w.taskLink(id).ID))
			l := w.taskLink(id)
			if l.Failures != 1 || l.LastError == "" || l.State == callback.LinkSynced {
				t.Fatalf("the failure should be recorded: %+v", l)
			}
			if stuck := l.State == callback.LinkStuck; stuck != c.stuck || stuck && l.Hint == "" {
				t.Errorf("stuck should be %v, and say what to do: %+v", c.stuck, l)
			}
			if c.heals {
				if wait := l.NextAttemptAt.Sub(w.clock.Now()); wait <= 0 || wait > c.atMost {
					t.Errorf("next try in %s", wait)
				}
				w.ehr.Faults().Clear()
				w.clock.Advance(c.atMost)
				w.deliver()
				w.task(id)
			}
		})
	}
}

func TestRetryOfAStuckLink(t *testing.T) {
	w := newWorld(t)
	id := w.ask("1", nil)
	w.fault(sandbox.Fault{Method: http.MethodPost, PathPrefix: "/Task", Action: sandbox.ActionStatus, Status: 422, Times: 1})
	w.must(w.Sync(t.Context(), w.taskLink(id).ID))
	w.deliver()
	l := w.taskLink(id)
	if l.State != callback.LinkStuck {
		t.Fatalf("%+v", l)
	}
	l.Retry(w.clock.Now())
	_, err := w.ledger.SaveLink(t.Context(), l)
	w.must(err)
	w.deliver()
	w.task(id)
}

func TestStaffEndTheItem(t *testing.T) {
	w := newWorld(t)
	id := w.ask("1", nil)
	w.deliver()
	w.poll()
	task, _ := w.task(id)
	_, err := w.front.CompleteTask(task.ID, "Kim", string(callback.PatientDeclined))
	w.must(err)
	w.poll()
	if r := w.record(id); r.Status != callback.Closed || r.Outcome != callback.PatientDeclined {
		t.Errorf("%s %s", r.Status, r.Outcome)
	}
	w.deliver()
	if _, members := w.task(id); members["status"] != "completed" {
		t.Errorf("the item should stay completed: %v", members["status"])
	}
	// Opened again by staff: the callback follows.
	task, _ = w.task(id)
	_, err = w.front.AcceptTask(task.ID, "Kim")
	w.must(err)
	w.poll()
	if r := w.record(id); !r.Status.Open() {
		t.Errorf("staff opened the item again, the callback is %s", r.Status)
	}
}

// TestEditRace: staff edit the item between our read and our write.
func TestEditRace(t *testing.T) {
	w := newWorld(t)
	id := w.ask("1", nil)
	w.deliver()
	task, _ := w.task(id)
	_, err := w.ledger.Update(t.Context(), id, func(r *callback.Record) error {
		return r.Assign("billing", callback.Actor{Kind: callback.Person}, w.clock.Now())
	})
	w.must(err)
	raced := false
	w.with(racing{w.connector, func() {
		if !raced {
			raced = true
			_, err := w.front.AddNote(task.ID, "Kim", "rang, no answer")
			w.must(err)
		}
	}})
	w.deliver()
	_, members := w.task(id)
	if !raced || len(members["note"].([]any)) != 1 || members["owner"].(map[string]any)["display"] != "billing" {
		t.Errorf("both changes should stand: %v", members)
	}
	noted := false
	for _, e := range w.record(id).Timeline {
		noted = noted || e.Kind == callback.EventNoted && e.Note.Reveal() == "rang, no answer"
	}
	if !noted {
		t.Error("the note should be in the timeline")
	}
}

// racing runs something after each read.
type racing struct {
	scheduler.EHR
	after func()
}

func (r racing) Read(ctx context.Context, t callback.ResourceType, id string) (callback.Item, error) {
	item, err := r.EHR.Read(ctx, t, id)
	r.after()
	return item, err
}

func TestDeletedItemIsFiledAgain(t *testing.T) {
	w := newWorld(t)
	id := w.ask("1", nil)
	w.deliver()
	task, _ := w.task(id)
	w.must(w.ehr.Store().Delete("Task", task.ID))
	_, err := w.ledger.Update(t.Context(), id, func(r *callback.Record) error {
		return r.Start(callback.Actor{Kind: callback.Person}, w.clock.Now())
	})
	w.must(err)
	w.deliver()
	again, _ := w.task(id)
	if again.ID == task.ID || !w.record(id).Review {
		t.Errorf("filed again as %s, review %v", again.ID, w.record(id).Review)
	}
}

// TestChartSearchFails: a callback is filed although the EHR cannot say whose it
// is, and is asked about later.
func TestChartSearchFails(t *testing.T) {
	w := newWorld(t)
	w.ann()
	w.fault(sandbox.Fault{PathPrefix: "/Patient", Action: sandbox.ActionStatus, Status: 500})
	id := w.ask("1", nil)
	w.deliver()
	w.task(id)
	if r := w.record(id); r.Patient.Resolution != callback.NotResolved || r.Patient.TriedAt.IsZero() {
		t.Errorf("%+v", r.Patient)
	}
	w.ehr.Faults().Clear()
	w.clock.Advance(time.Hour)
	w.poll()
	if r := w.record(id); r.Patient.Resolution != callback.Certain {
		t.Errorf("it was not asked about again: %s", r.Patient.Resolution)
	}
}

func TestProposalIsShownInTheItem(t *testing.T) {
	w := newWorld(t)
	id := w.ask("1", func(s *intake.Submission) {
		s.Preferred = []callback.Period{{Start: tuesday.Add(24 * time.Hour), End: tuesday.Add(26 * time.Hour)}}
	})
	w.deliver()
	appts := w.ehr.Store().List("Appointment")
	_, members := w.task(id)
	focus, _ := members["focus"].(map[string]any)
	if len(appts) != 1 || focus["reference"] != "Appointment/"+appts[0].ID {
		t.Fatalf("%d appointments, focus %v", len(appts), focus)
	}
	// Closed otherwise: the proposal is withdrawn.
	_, err := w.ledger.Update(t.Context(), id, func(r *callback.Record) error {
		return r.Close(callback.PatientDeclined, redact.Text{}, callback.Actor{Kind: callback.Person}, w.clock.Now())
	})
	w.must(err)
	w.deliver()
	if got := string(w.ehr.Store().List("Appointment")[0].Raw); !contains(got, `"status":"cancelled"`) {
		t.Errorf("the proposal still stands: %s", got)
	}
}

// TestBackoff: waits grow, are bounded, and never shorter than asked for.
func TestBackoff(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 200).Draw(t, "failures")
		asked := time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "asked"))
		jitter := rapid.Float64Range(0, 0.999).Draw(t, "jitter")
		d := scheduler.Backoff(n, time.Second, asked, jitter)
		if d < asked || d < time.Second || d > max(asked, 15*time.Minute+15*time.Minute/4) {
			t.Fatalf("%d failures, asked %s: %s", n, asked, d)
		}
		if longer := scheduler.Backoff(n+1, time.Second, asked, jitter); longer < d {
			t.Fatalf("the next wait is shorter: %s, %s", d, longer)
		}
	})
}
