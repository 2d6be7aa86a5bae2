package scheduler_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/intake"
	"github.com/ringback-health/ringback/internal/redact"
	"github.com/ringback-health/ringback/sandbox"
	"github.com/ringback-health/ringback/scheduler"
)

// down answers every request with 503.
var down = sandbox.Fault{Action: sandbox.ActionStatus, Status: http.StatusServiceUnavailable}

// caller makes a request that of somebody with a number of his own.
func caller(n int) func(*intake.Submission) {
	return func(s *intake.Submission) {
		s.Name, s.Phone = redact.NewText(fmt.Sprint("Caller ", n)), redact.NewText(fmt.Sprintf("+12125550%03d", n+100))
	}
}

// syncAll tries every link that lags and is due, once.
func (w *world) syncAll() (tried int) {
	w.t.Helper()
	lags, err := w.ledger.Lagging(w.t.Context(), w.clock.Now(), 500)
	w.must(err)
	for _, l := range lags {
		w.must(w.Sync(w.t.Context(), l.Link))
	}
	return len(lags)
}

// TestOutage: an EHR that is down is tried by one at a time, the operator hears of
// it once and once when it is over, and an outage of hours costs seconds on top and
// nobody's tries.
func TestOutage(t *testing.T) {
	w := newWorld(t)
	var told []callback.News
	w.options.Tell = func(_ context.Context, n callback.News) error { told = append(told, n); return nil }
	var ids []callback.ID
	for i := range 20 {
		ids = append(ids, w.ask(fmt.Sprint(i), caller(i)))
	}
	w.fault(down)
	w.syncAll()
	if n := len(w.ehr.Requests()); n > 10 {
		t.Errorf("twenty callbacks made %d requests of an EHR that is down", n)
	}
	w.must(scheduler.Tell(t.Context(), w.options))
	requests := 0
	for range 100 { // minutes
		w.clock.Advance(time.Minute)
		w.ehr.ClearRequests()
		w.syncAll()
		requests = max(requests, len(w.ehr.Requests()))
		w.must(scheduler.Tell(t.Context(), w.options))
	}
	if requests > 2 {
		t.Errorf("%d requests at a time", requests)
	}
	if len(told) != 1 || told[0].Recovered || told[0].EHR != ehrID || told[0].Error == "" {
		t.Fatalf("the operator should hear of it once: %+v", told)
	}

	w.ehr.Faults().Clear()
	for range 40 { // seconds
		w.clock.Advance(time.Second)
		w.syncAll()
	}
	w.must(scheduler.Tell(t.Context(), w.options))
	if len(told) != 2 || !told[1].Recovered {
		t.Errorf("and once when it is over: %+v", told)
	}
	for _, id := range ids {
		w.task(id)
		if l := w.taskLink(id); l.State != callback.LinkSynced {
			t.Errorf("40 s after the outage: %+v", l)
		}
	}
}

// TestOutageOfDaysMakesNothingStuck: with few tries allowed and one callback.
func TestOutageOfDaysMakesNothingStuck(t *testing.T) {
	w := newWorld(t)
	w.options.MaxFailures = 8
	w.with(w.connector)
	id := w.ask("1", nil)
	w.fault(down)
	for range 3 * 24 * 4 {
		w.syncAll()
		_ = w.Poll(t.Context(), ehrID, callback.FeedItems) // fails as well
		w.clock.Advance(15 * time.Minute)
	}
	if l := w.taskLink(id); l.State == callback.LinkStuck {
		t.Errorf("%+v", l)
	}
	w.ehr.Faults().Clear()
	for range 40 { // seconds, and no poll meanwhile
		w.clock.Advance(time.Second)
		w.syncAll()
	}
	w.task(id)
}

// TestNoCallbackIsToBlame: the way to the EHR or the login is wrong. Whatever has to
// be mended, no link gets stuck by it, and all go through once it is mended.
func TestNoCallbackIsToBlame(t *testing.T) {
	for name, fault := range map[string]sandbox.Fault{
		"no FHIR there":        {PathPrefix: "/metadata", Action: sandbox.ActionStatus, Status: 404},
		"login refused":        {Action: sandbox.ActionStatus, Status: 401},
		"moved, or at a pause": {Action: sandbox.ActionStatus, Status: 302, Headers: map[string]string{"Location": "https://pause.example/"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			var ids []callback.ID
			for i := range 8 {
				ids = append(ids, w.ask(fmt.Sprint(i), caller(i)))
			}
			w.fault(fault)
			for range 20 {
				w.syncAll()
				w.clock.Advance(time.Minute)
			}
			if troubled, err := w.ledger.Troubled(t.Context()); err != nil || len(troubled) != 1 {
				t.Errorf("the operator should hear of it: %v, %v", troubled, err)
			}
			w.ehr.Faults().Clear()
			for range 40 {
				w.syncAll()
				w.clock.Advance(time.Second)
			}
			for _, id := range ids {
				w.task(id)
			}
		})
	}
}

// TestWhatIsNoOutage: errors that say nothing of how the EHR does for others.
func TestWhatIsNoOutage(t *testing.T) {
	for name, broken := range map[string]func(*world){
		"not allowed to create": func(w *world) {
			w.fault(sandbox.Fault{Method: http.MethodPost, PathPrefix: "/Task", Action: sandbox.ActionStatus, Status: 403})
		},
		"one feed always fails": func(w *world) {
			w.with(w.connector)
			w.fault(sandbox.Fault{Method: http.MethodGet, PathPrefix: "/Task", Action: sandbox.ActionStatus, Status: 500})
			for range 12 {
				_ = w.Poll(t.Context(), ehrID, callback.FeedItems)
			}
		},
		"our own time is over": func(w *world) {
			w.fault(sandbox.Fault{Action: sandbox.ActionLatency, LatencyMS: 10_000})
			for i := range 8 {
				id := w.ask(fmt.Sprint("late", i), caller(50+i))
				ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
				_ = w.Sync(ctx, w.taskLink(id).ID)
				cancel()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			for i := range 8 {
				w.ask(fmt.Sprint(i), caller(i))
			}
			broken(w)
			if name != "our own time is over" {
				w.syncAll()
			}
			if troubled, err := w.ledger.Troubled(t.Context()); err != nil || len(troubled) != 0 {
				t.Errorf("%+v, %v", troubled, err)
			}
		})
	}
}

// TestFeedsWaitToo: while the EHR is down the feeds do not ask either, but for one
// try at a time, and go on where they were.
func TestFeedsWaitToo(t *testing.T) {
	w := newWorld(t)
	w.poll()
	w.fault(down)
	for range 6 {
		_ = w.Poll(t.Context(), ehrID, callback.FeedItems)
		_ = w.Poll(t.Context(), ehrID, callback.FeedAppointments)
	}
	w.ehr.ClearRequests()
	w.must(w.Poll(t.Context(), ehrID, callback.FeedItems))
	if n := len(w.ehr.Requests()); n != 0 {
		t.Errorf("%d requests", n)
	}
	w.ehr.Faults().Clear()
	w.clock.Advance(time.Minute)
	w.poll()
	if st, err := w.ledger.FeedState(t.Context(), clinic, ehrID, callback.FeedAppointments); err != nil || st.LastError != "" {
		t.Errorf("%+v, %v", st, err)
	}
}

// TestThrottledHoldsAllBack: what an EHR asks of one is asked of all, in every
// process, and is no failure.
func TestThrottledHoldsAllBack(t *testing.T) {
	w := newWorld(t)
	a, b := w.ask("1", caller(1)), w.ask("2", caller(2))
	w.fault(sandbox.Fault{Action: sandbox.ActionStatus, Status: 429, Times: 1, Headers: map[string]string{"Retry-After": "300"}})
	w.must(w.Sync(t.Context(), w.taskLink(a).ID))
	w.ehr.ClearRequests()
	other := scheduler.NewWorker(w.options) // another process on the same ledger
	w.must(other.Sync(t.Context(), w.taskLink(b).ID))
	if n := w.syncAll(); n != 0 || len(w.ehr.Requests()) != 0 {
		t.Errorf("%d tried, %d requests", n, len(w.ehr.Requests()))
	}
	w.clock.Advance(299 * time.Second)
	if n := w.syncAll(); n != 0 {
		t.Errorf("%d tried before the time", n)
	}
	w.clock.Advance(time.Second)
	w.deliver()
	w.task(a)
	w.task(b)
	troubled, err := w.ledger.Troubled(t.Context())
	if err != nil || len(troubled) != 0 {
		t.Errorf("%v, %v", troubled, err)
	}
}

// TestOneCallbackThatAlwaysFails: its content breaks the server. All others are filed.
func TestOneCallbackThatAlwaysFails(t *testing.T) {
	w := newWorld(t)
	poison := w.ask("poison", caller(1))
	w.with(breaks{w.connector, w.taskLink(poison).ID})
	for range 12 {
		w.syncAll()
		w.clock.Advance(time.Minute)
	}
	other := w.ask("other", caller(2))
	w.deliver()
	w.task(other)
	if troubled, err := w.ledger.Troubled(t.Context()); err != nil || len(troubled) != 0 {
		t.Errorf("the EHR is not to blame: %v, %v", troubled, err)
	}
}

// breaks is an EHR that one callback breaks.
type breaks struct {
	scheduler.EHR
	link callback.ID
}

func (b breaks) Create(ctx context.Context, w callback.WorkItem) (callback.Item, error) {
	if w.Link.ID == b.link {
		return callback.Item{}, fault.New(fault.Ambiguous, "create Task", "the server failed").WithStatus(500)
	}
	return b.EHR.Create(ctx, w)
}

// TestTellAgain: an operator who could not be told is told later, once.
func TestTellAgain(t *testing.T) {
	w := newWorld(t)
	var tries, told int
	w.options.Tell = func(context.Context, callback.News) error {
		if tries++; tries < 3 {
			return errors.New("no way to reach him")
		}
		told++
		return nil
	}
	_, err := w.ledger.UpdateConnection(t.Context(), clinic, ehrID, func(c *callback.Connection) { c.Since = w.clock.Now() })
	w.must(err)
	_, err = w.ledger.UpdateConnection(t.Context(), "other", "of another process", func(c *callback.Connection) { c.Since = w.clock.Now() })
	w.must(err)
	tell := scheduler.NewTeller(w.options)
	for range 10 {
		w.must(tell(t.Context()))
		w.must(tell(t.Context()))
		w.clock.Advance(time.Minute)
	}
	if tries != 3 || told != 1 {
		t.Errorf("%d tries, told %d times", tries, told)
	}
}

// TestTurns: two processes share one limit, and what is left of it.
func TestTurns(t *testing.T) {
	w := newWorld(t)
	const perSecond = 20 // so many at once, and then so many a second
	began := time.Now()
	var wait sync.WaitGroup
	for range 2 {
		turns := scheduler.Turns{Ledger: w.ledger, EHR: ehrID, PerSecond: perSecond}
		wait.Go(func() {
			for range 15 {
				if err := turns.Wait(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	if took := time.Since(began); took < 450*time.Millisecond {
		t.Errorf("30 turns at 20 a second and 20 at once took only %s", took)
	}

	if _, err := w.ledger.Slot(t.Context(), ehrID, time.Now().Add(time.Hour), time.Second, 1); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := (scheduler.Turns{Ledger: w.ledger, EHR: ehrID, PerSecond: perSecond}).Wait(ctx); !fault.Is(err, fault.Retry) {
		t.Errorf("whoever cannot wait should come again: %v", err)
	}
}

// TestTryThatSendsNothing: whoever is let through to a failing EHR and has nothing to
// send yet does not hold up the others.
func TestTryThatSendsNothing(t *testing.T) {
	w := newWorld(t)
	a := w.ask("1", func(s *intake.Submission) {
		s.Preferred = []callback.Period{{Start: tuesday.Add(24 * time.Hour), End: tuesday.Add(26 * time.Hour)}}
	})
	b := w.ask("2", caller(2))
	_, err := w.ledger.Update(t.Context(), a, func(r *callback.Record) error {
		return r.Close(callback.PatientDeclined, redact.Text{}, callback.Actor{Kind: callback.Person, Name: "kim"}, w.clock.Now())
	})
	w.must(err)
	links := w.record(a).Links
	proposal := links[slices.IndexFunc(links, func(l callback.Link) bool { return l.Type == callback.AppointmentResource })]
	_, err = w.ledger.UpdateConnection(t.Context(), clinic, ehrID, func(c *callback.Connection) { c.Since, c.Until = w.clock.Now(), w.clock.Now() })
	w.must(err)
	w.must(w.Sync(t.Context(), proposal.ID)) // its callback is closed: there is nothing to propose
	w.must(w.Sync(t.Context(), w.taskLink(b).ID))
	w.task(b)
}

// TestUnavailableWithATime: an EHR that says 503 and when to come back, to everything,
// does not do its work; one that says 429 to one does.
func TestUnavailableWithATime(t *testing.T) {
	w := newWorld(t)
	for i := range 8 {
		w.ask(fmt.Sprint(i), caller(i))
	}
	w.fault(sandbox.Fault{Action: sandbox.ActionStatus, Status: 503, Headers: map[string]string{"Retry-After": "8"}})
	for range 8 {
		w.syncAll()
		w.clock.Advance(10 * time.Second)
	}
	troubled, err := w.ledger.Troubled(t.Context())
	if err != nil || len(troubled) != 1 || !troubled[0].Failing() {
		t.Errorf("%+v, %v", troubled, err)
	}
}

// TestThrottledIsDueThen, and not later because it was throttled often.
func TestThrottledIsDueThen(t *testing.T) {
	w := newWorld(t)
	id := w.ask("1", nil)
	w.fault(sandbox.Fault{Action: sandbox.ActionStatus, Status: 429, Headers: map[string]string{"Retry-After": "2"}})
	for range 12 {
		w.syncAll()
		w.clock.Advance(2 * time.Second)
	}
	w.ehr.Faults().Clear()
	w.clock.Advance(2 * time.Second)
	w.deliver()
	w.task(id)
}
