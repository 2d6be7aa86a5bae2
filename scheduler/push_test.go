package scheduler_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/redact"
	"github.com/ringback-health/ringback/sandbox"
	"github.com/ringback-health/ringback/scheduler"
)

// teller is an EHR that holds what it is said to.
type teller struct {
	scheduler.EHR
	stands []callback.Push
	err    error
	asked  int
}

func (e *teller) Push(context.Context, callback.PushRequest) ([]callback.Push, error) {
	e.asked++
	return e.stands, e.err
}

func active(until time.Time) []callback.Push {
	return []callback.Push{{Feed: callback.FeedItems, ID: "1", State: callback.PushActive, Until: until},
		{Feed: callback.FeedAppointments, ID: "2", State: callback.PushActive, Until: until}}
}

// watched is a world whose EHR is e, which is to tell of changes.
func watched(t *testing.T, e scheduler.EHR) (*world, scheduler.PushWatch) {
	t.Helper()
	w := newWorld(t)
	w.options.Sites[0].Push = &scheduler.SitePush{}
	w.options.Sites[0].EHR = e
	return w, scheduler.NewPushWatch(w.options)
}

var visitFeed = scheduler.FeedArgs{EHR: ehrID, Feed: callback.FeedAppointments}

// TestPushIsProven: polls may be rarer only while the Subscription stands, was looked
// at lately, and its notifications arrive.
func TestPushIsProven(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(w *world, e *teller)
		heard bool
		later time.Duration
		want  bool
	}{
		"it stands and was heard":      {nil, true, 0, true},
		"nothing has arrived yet":      {nil, false, 0, false},
		"nothing for more than a day":  {nil, true, 25 * time.Hour, false},
		"it failed":                    {func(_ *world, e *teller) { e.stands[1].State = callback.PushError }, true, 0, false},
		"it was not taken up":          {func(_ *world, e *teller) { e.stands[1].State = callback.PushRequested }, true, 0, false},
		"its end has come":             {func(w *world, e *teller) { e.stands[1].Until = w.clock.Now() }, true, 0, false},
		"its end is to come":           {func(w *world, e *teller) { e.stands[1].Until = w.clock.Now().Add(time.Hour) }, true, 0, true},
		"it tells of a part":           {func(_ *world, e *teller) { e.stands[1].Partial = true }, true, 0, false},
		"there is none for this feed":  {func(_ *world, e *teller) { e.stands = e.stands[:1] }, true, 0, false},
		"the EHR could not be asked":   {func(_ *world, e *teller) { e.err = fault.New(fault.Retry, "search", "no answer") }, true, 0, false},
		"the EHR does not offer it":    {func(_ *world, e *teller) { e.err = fault.New(fault.Permanent, "subscribe", "not offered") }, true, 0, false},
		"the other feed failed, alone": {func(_ *world, e *teller) { e.stands[0].State = callback.PushError }, true, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			e := &teller{stands: active(time.Time{})}
			w, watch := watched(t, e)
			if c.spoil != nil {
				c.spoil(w, e)
			}
			if c.heard {
				watch.Heard(visitFeed)
			}
			w.clock.Advance(c.later)
			w.must(watch.Look(t.Context()))
			if h := watch.Health(visitFeed); h.Proven != c.want {
				t.Errorf("%+v", h)
			}
		})
	}
}

// TestHandshakesAreNoLoop: an EHR that holds something else than it was asked for is
// asked again at each look, and may shake hands for that; it is not looked at because of
// it again and again.
func TestHandshakesAreNoLoop(t *testing.T) {
	e := &teller{stands: active(time.Time{})}
	w, watch := watched(t, e)
	for range 60 {
		w.must(watch.Look(t.Context()))
		watch.Told(ehrID)
		w.clock.Advance(time.Second)
	}
	if e.asked < 2 || e.asked > 5 {
		t.Errorf("looked at %d times in a minute", e.asked)
	}
}

func TestPushIsLookedAtInItsTurn(t *testing.T) {
	e := &teller{stands: active(time.Time{})}
	w, watch := watched(t, e)
	look := func(after time.Duration, want int) {
		t.Helper()
		w.clock.Advance(after)
		w.must(watch.Look(t.Context()))
		if e.asked != want {
			t.Fatalf("asked %d times, want %d", e.asked, want)
		}
	}
	look(0, 1)
	look(4*time.Minute, 1)
	e.stands[0].State = callback.PushRequested
	look(time.Minute, 2)
	look(14*time.Second, 2)
	look(time.Second, 3) // one that is not taken up yet is looked at sooner
	e.err = fault.New(fault.Throttled, "search", "slowly").WithAfter(20 * time.Minute)
	look(15*time.Second, 4)
	e.err = nil
	look(19*time.Minute, 4)
	look(time.Minute, 5)
	w.clock.Advance(11 * time.Minute)
	watch.Heard(visitFeed)
	if watch.Health(visitFeed).Proven {
		t.Error("proven by a look of eleven minutes ago")
	}
}

// TestPushAndTheCircuit: an EHR that fails is not asked to tell of changes, and a
// failure of this counts as one of the EHR.
func TestPushAndTheCircuit(t *testing.T) {
	e := &teller{err: fault.New(fault.Retry, "search Subscription", "no answer")}
	w, watch := watched(t, e)
	for range 5 {
		w.clock.Advance(time.Hour)
		w.must(watch.Look(t.Context()))
	}
	c, err := w.ledger.Connection(t.Context(), clinic, ehrID)
	w.must(err)
	if !c.Failing() {
		t.Fatalf("%+v", c)
	}
	w.must(watch.Look(t.Context()))
	asked := e.asked
	w.must(w.Poll(t.Context(), ehrID, callback.FeedAppointments)) // held back: it does not reach the EHR, which is nil
	if e.asked != asked {
		t.Error("asked while it fails")
	}
}

func TestPushWithoutAConnectorThatCan(t *testing.T) {
	w := newWorld(t)
	plain := struct{ scheduler.EHR }{w.connector}
	_, watch := watched(t, plain)
	w.must(watch.Look(t.Context()))
	if h := watch.Health(visitFeed); !strings.Contains(h.Error, "cannot be told") {
		t.Errorf("%+v", h)
	}
	if watch.Heard(scheduler.FeedArgs{EHR: "else", Feed: callback.FeedItems}) {
		t.Error("an EHR that is not to tell was heard")
	}
}

// told is a world whose scheduler runs with the sandbox telling of changes.
func told(t *testing.T, poll string) (*world, *scheduler.Scheduler) {
	t.Helper()
	dir := t.TempDir()
	w := newWorldOn(t, "sqlite:"+dir+"/ledger.db", sandbox.Options{Types: append(sandbox.StandardTypes(), "Subscription")})
	w.clock.Advance(clock.System{}.Now().Sub(w.clock.Now()))
	var s *scheduler.Scheduler
	reach := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		feed := callback.Feed(r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:])
		s.Notified(ehrID, feed, callback.NotifiedChange)
	}))
	t.Cleanup(reach.Close)
	w.options.Sites[0].Push = &scheduler.SitePush{Poll: poll,
		Request: callback.PushRequest{Endpoint: reach.URL, Secret: redact.NewSecret(strings.Repeat("x", 32))}}
	s = running(t, w, scheduler.QueueOptions{File: dir + "/queue.db", Cooldown: 10 * time.Millisecond})
	t.Cleanup(func() { stop(t, s) })
	eventually(t, "both feeds are read", func() bool { return w.searches("/Task") > 0 && w.searches("/Appointment") > 0 })
	eventually(t, "the EHR is asked to tell", func() bool { return len(w.ehr.Store().List("Subscription")) == 2 })
	w.ehr.Deliver(t.Context()) // takes them up
	return w, s
}

// searches counts how often a type was searched.
func (w *world) searches(path string) (n int) {
	for _, r := range w.ehr.Requests() {
		if r.Method == http.MethodGet && strings.HasSuffix(r.Path, path) {
			n++
		}
	}
	return n
}

// TestPushClosesWithoutWaiting: polls come once an hour, and the booking closes the
// callback at once, because the EHR tells of it.
func TestPushClosesWithoutWaiting(t *testing.T) {
	w, _ := told(t, "")
	ann := w.ann()
	id := w.ask("push", nil)
	eventually(t, "the request is filed", func() bool { return len(w.ehr.Store().List("Task")) == 1 })
	w.ehr.Deliver(t.Context())
	w.book(ann, w.ehr.Store().List("Task")[0].ID)
	if sent := w.ehr.Deliver(t.Context()); sent == 0 {
		t.Fatal("nothing was told")
	}
	eventually(t, "the callback closes", func() bool { return w.record(id).Callback.Status == callback.Closed })
}

// TestPushStorm: thousands of notifications are one poll, and a second one when the
// EHR's search must show what they told.
func TestPushStorm(t *testing.T) {
	w, s := told(t, "@every 24h")
	before := w.searches("/Appointment")
	for range 20_000 {
		s.Notified(ehrID, callback.FeedAppointments, callback.NotifiedChange)
	}
	eventually(t, "a poll", func() bool { return w.searches("/Appointment") > before })
	quiet := func() int {
		var n int
		eventually(t, "the feed is at rest", func() bool {
			st, err := w.ledger.FeedState(t.Context(), clinic, ehrID, callback.FeedAppointments)
			w.must(err)
			m := n
			n = w.searches("/Appointment")
			return m == n && st.LastSuccess.Equal(st.LastAttempt)
		})
		return n
	}
	first := quiet()
	if first-before > 5 {
		t.Errorf("%d polls for one storm", first-before)
	}
	w.clock.Advance(11 * time.Second)
	eventually(t, "a second poll", func() bool { return w.searches("/Appointment") > first })
	for _, kind := range []callback.NotificationKind{callback.NotifiedHeartbeat, callback.NotifiedHandshake} {
		second, others := quiet(), w.searches("/Task")
		s.Notified(ehrID, callback.FeedAppointments, kind)
		s.Notified(ehrID, callback.FeedItems, callback.NotifiedChange) // a sweep that would take both
		eventually(t, "the other feed is read", func() bool { return w.searches("/Task") > others })
		if third := quiet(); third != second {
			t.Errorf("a %s was polled for", kind)
		}
	}
}

// TestPushOptions: a schedule for rarer polls that cannot be read is refused.
func TestPushOptions(t *testing.T) {
	w := newWorld(t)
	w.options.Sites[0].Push = &scheduler.SitePush{Poll: "never"}
	w.options.Queue.File = t.TempDir() + "/queue.db"
	if _, err := scheduler.New(t.Context(), w.options); err == nil || !strings.Contains(err.Error(), "push:") {
		t.Error(err)
	}
}
