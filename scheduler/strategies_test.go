package scheduler_test

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/connectors/ehr"
	"github.com/ringback-health/ringback/connectors/ehr/fhirr4"
	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/sandbox"
	"github.com/ringback-health/ringback/scheduler"
)

// feeds are the ways of watching appointments that FHIR can do.
var feeds = []callback.FeedKind{callback.FeedWatermark, callback.FeedWindow, callback.FeedPatient, callback.FeedNewest}

// newWorldBy is a world in which appointments are watched in a way, with small pages,
// in an EHR whose clock is off by some time.
func newWorldBy(t *testing.T, kind callback.FeedKind, off time.Duration) *world {
	t.Helper()
	w := newWorldOn(t, "sqlite:"+filepath.Join(t.TempDir(), "ledger.db"), sandbox.Options{})
	box := sandbox.New(sandbox.Options{Clock: apart{w.clock, off}})
	w.ehr, w.front = box, sandbox.NewFrontDesk(box.Store())
	srv := httptest.NewServer(box)
	t.Cleanup(srv.Close)
	c, err := fhirr4.Kind().New(ehr.Settings{ID: ehrID, Clinic: clinic, Zone: time.UTC, Region: "US", Secret: noSecret, Clock: w.clock},
		func(into any) error {
			return yaml.Unmarshal(fmt.Appendf(nil, "base_url: %s/fhir/R4\npage_size: 3\nappointments: {feed: %s}", srv.URL, kind), into)
		})
	w.must(err)
	t.Cleanup(c.Close)
	w.connector = c
	w.with(c)
	return w
}

// apart is a clock that is off.
type apart struct {
	clock.Clock
	by time.Duration
}

func (a apart) Now() time.Time { return a.Clock.Now().Add(a.by) }

// everyFeed runs a test for each way of watching.
func everyFeed(t *testing.T, run func(*testing.T, callback.FeedKind)) {
	for _, kind := range feeds {
		t.Run(string(kind), func(t *testing.T) { run(t, kind) })
	}
}

func (w *world) is(id callback.ID, want callback.Status) {
	w.t.Helper()
	if r := w.record(id); r.Status != want {
		w.t.Errorf("%s, want %s", r.Status, want)
	}
}

// waiting is a world with an open callback of Ann, filed, and the baseline taken.
func waiting(t *testing.T, kind callback.FeedKind, off time.Duration) (*world, string, callback.ID) {
	t.Helper()
	w := newWorldBy(t, kind, off)
	ann := w.ann()
	w.book(ann, "") // before the call
	w.poll()
	id := w.ask("1", nil)
	w.deliver()
	w.poll()
	w.clock.Advance(time.Hour)
	return w, ann, id
}

// TestEachFeedClosesAndReopens: booked, cancelled, booked again; a poll that fails in
// between; and an index that lags.
func TestEachFeedClosesAndReopens(t *testing.T) {
	everyFeed(t, func(t *testing.T, kind callback.FeedKind) {
		w, ann, id := waiting(t, kind, 0)
		w.fault(sandbox.Fault{Action: sandbox.ActionIndexLag, LagMS: 30_000})
		visit := w.book(ann, "")
		w.fault(sandbox.Fault{PathPrefix: "/Appointment", Times: 1, Action: sandbox.ActionStatus, Status: 500})
		if err := w.Poll(t.Context(), ehrID, callback.FeedAppointments); err == nil {
			t.Error("the poll should fail")
		}
		w.is(id, callback.Assigned)
		for range 6 { // a patient that was not answered is asked again in its own time
			w.clock.Advance(2 * time.Minute)
			w.poll()
		}
		w.is(id, callback.Closed)
		r := w.record(id)
		if ev, ok := r.EvidenceOf(ehrID, visit); !ok || ev.State != callback.Credited {
			t.Errorf("%+v", ev)
		}
		_, err := w.front.CancelAppointment(visit, "patient cancelled")
		w.must(err)
		w.clock.Advance(7 * time.Hour)
		w.poll()
		w.is(id, callback.InProgress)
	})
}

// TestDeletedVisitReopens: no feed shows that a visit was deleted.
func TestDeletedVisitReopens(t *testing.T) {
	everyFeed(t, func(t *testing.T, kind callback.FeedKind) {
		w, ann, id := waiting(t, kind, 0)
		visit := w.book(ann, "")
		w.poll()
		w.clock.Advance(time.Hour)
		w.poll()
		w.is(id, callback.Closed)
		w.must(w.ehr.Store().Delete("Appointment", visit))
		w.clock.Advance(6 * time.Hour)
		w.poll()
		w.is(id, callback.InProgress)
		appts, err := w.ledger.Appointments(t.Context(), clinic, ehrID, callback.Patient{}.Candidate, []string{visit}, nil)
		w.must(err)
		if appts[0].State != callback.ApptVoid {
			t.Errorf("the visit is %s", appts[0].State)
		}
		before := w.record(id)
		w.clock.Advance(6 * time.Hour)
		w.poll()
		if after := w.record(id); after.Revision != before.Revision {
			t.Error("what is gone was found to be gone once more")
		}
	})
}

// TestNotFoundOnTheWay: a gateway that answers 404 once makes no visit void.
func TestNotFoundOnTheWay(t *testing.T) {
	everyFeed(t, func(t *testing.T, kind callback.FeedKind) {
		w, ann, id := waiting(t, kind, 0)
		visit := w.book(ann, "")
		w.poll()
		w.clock.Advance(time.Hour)
		w.poll()
		w.is(id, callback.Closed)
		w.clock.Advance(6 * time.Hour)
		w.fault(sandbox.Fault{Method: http.MethodGet, PathPrefix: "/Appointment/" + visit, Times: 1, Action: sandbox.ActionStatus, Status: 404, Body: sandbox.BodyHTML})
		for range 5 {
			w.poll()
		}
		w.is(id, callback.Closed)
		if w.ehr.Faults().List()[0].Acted != 1 {
			t.Error("the visit was not asked for")
		}
		w.fault(sandbox.Fault{Method: http.MethodGet, PathPrefix: "/Appointment/" + visit, Times: 2, Action: sandbox.ActionStatus, Status: 404})
		w.clock.Advance(6 * time.Hour)
		w.poll()
		w.is(id, callback.Closed)
		w.clock.Advance(2 * time.Minute)
		w.poll()
		w.is(id, callback.InProgress) // twice is not by chance
	})
}

// TestFailedWindowVoidsNothing: a window of which a page is missing, or cannot be read,
// or which came from something else than the EHR, says nothing of what it did not show.
func TestFailedWindowVoidsNothing(t *testing.T) {
	for name, f := range map[string]sandbox.Fault{
		"fails":       {Action: sandbox.ActionStatus, Status: 500},
		"is cut off":  {Action: sandbox.ActionDropBefore},
		"is half":     {Action: sandbox.ActionStatusAfter, Body: sandbox.BodyTruncated},
		"is a login":  {Action: sandbox.ActionStatus, Status: 200, Body: sandbox.BodyHTML},
		"is refused":  {Action: sandbox.ActionStatus, Status: 403},
		"is empty":    {Action: sandbox.ActionStatus, Status: 200, Body: sandbox.BodyEmpty},
		"is an error": {Action: sandbox.ActionStatus, Status: 200, Body: sandbox.BodyOutcome},
	} {
		t.Run(name, func(t *testing.T) {
			w, ann, id := waiting(t, callback.FeedWindow, 0)
			for range 8 {
				w.book(ann, "")
			}
			w.poll()
			w.is(id, callback.Closed)
			f.PathPrefix, f.Method = "/Appointment", http.MethodGet
			w.fault(f)
			w.clock.Advance(time.Minute)
			if err := w.Poll(t.Context(), ehrID, callback.FeedAppointments); err == nil {
				t.Error("the poll should fail")
			}
			w.is(id, callback.Closed)
			due, err := w.ledger.Due(t.Context(), ehrID, callback.WatchVanished, w.clock.Now().Add(time.Hour), 10)
			w.must(err)
			if len(due) > 0 {
				t.Errorf("%d visits are taken for vanished", len(due))
			}
		})
	}
}

// TestVanishedVisitIsAskedFor: a visit that is not in the window any more is gone only
// when a read by its id says so.
func TestVanishedVisitIsAskedFor(t *testing.T) {
	w, ann, _ := waiting(t, callback.FeedWindow, 0)
	gone, moved := w.book(ann, ""), w.book(ann, "")
	w.poll()
	w.must(w.ehr.Store().Delete("Appointment", gone))
	_, err := w.front.Reschedule(moved, w.clock.Now().Add(400*24*time.Hour)) // beyond the window
	w.must(err)
	w.poll()
	w.poll()
	appts, err := w.ledger.Appointments(t.Context(), clinic, ehrID, callback.Patient{}.Candidate, []string{gone, moved}, nil)
	w.must(err)
	for _, a := range appts {
		if void := a.State == callback.ApptVoid; void != (a.ID == gone) {
			t.Errorf("visit %s of %s is %s", a.ID, a.Start, a.State)
		}
	}
	reads := 0
	w.ehr.ClearRequests()
	for range 5 {
		w.poll()
	}
	for _, r := range w.ehr.Requests() {
		if strings.HasSuffix(r.Path, "/Appointment/"+gone) {
			reads++
		}
	}
	if reads > 0 {
		t.Errorf("what is gone is asked for %d times more", reads)
	}
}

// TestOutageThenManyPages: days of outage, then more pages than one read comes through:
// each poll goes on where the last was cut off, and nothing of it is missed.
func TestOutageThenManyPages(t *testing.T) {
	everyFeed(t, func(t *testing.T, kind callback.FeedKind) {
		w, ann, id := waiting(t, kind, 0)
		w.fault(sandbox.Fault{Action: sandbox.ActionStatus, Status: 503})
		for range 3 {
			w.clock.Advance(time.Hour)
			if err := w.Poll(t.Context(), ehrID, callback.FeedAppointments); err == nil {
				t.Error("the poll should fail")
			}
		}
		others := 40
		for range others {
			w.clock.Advance(time.Hour)
			bob, err := w.front.RegisterPatient(sandbox.NewPatient{Family: "Ray", Given: "Bob", BirthDate: "1990-01-01", Phone: "212-555-0102"})
			w.must(err)
			_, err = w.front.Book(sandbox.Booking{PatientID: bob.ID, Start: w.clock.Now().Add(100 * time.Hour)})
			w.must(err)
		}
		w.book(ann, "") // the last of all
		w.ehr.Faults().Clear()
		if kind == callback.FeedWatermark {
			w.with(&cutOff{EHR: w.connector, behind: 4}) // it dies behind every fourth page
		}
		polls := 0
		for ; polls < 30 && w.record(id).Status != callback.Closed; polls++ {
			w.clock.Advance(time.Minute)
			_ = w.Poll(t.Context(), ehrID, callback.FeedAppointments)
		}
		w.is(id, callback.Closed)
		t.Logf("%d polls", polls)
	})
}

// cutOff is an EHR whose reads die behind some pages.
type cutOff struct {
	scheduler.EHR
	behind int
}

func (c *cutOff) Changes(ctx context.Context, q callback.FeedQuery) iter.Seq2[callback.FeedPage, error] {
	return func(yield func(callback.FeedPage, error) bool) {
		n := 0
		for page, err := range c.EHR.Changes(ctx, q) {
			if n++; n > c.behind {
				yield(callback.FeedPage{}, fault.New(fault.Retry, "read", "cut off"))
				return
			}
			if !yield(page, err) {
				return
			}
		}
	}
}

// TestTwoClocks: the EHR's clock is minutes ahead or behind; the watermark is its own,
// and the difference is shown.
func TestTwoClocks(t *testing.T) {
	for _, off := range []time.Duration{-7 * time.Minute, 7 * time.Minute, 26 * time.Hour} {
		everyFeed(t, func(t *testing.T, kind callback.FeedKind) {
			w, ann, id := waiting(t, kind, off)
			w.book(ann, "")
			w.poll()
			w.clock.Advance(10 * time.Minute)
			w.poll()
			w.is(id, callback.Closed)
			st, err := w.ledger.FeedState(t.Context(), clinic, ehrID, callback.FeedAppointments)
			w.must(err)
			if d := st.Skew - off; d < -time.Second || d > time.Second {
				t.Errorf("the skew is said to be %s, and is %s", st.Skew, off)
			}
			if st.Watermark.After(w.clock.Now().Add(off)) {
				t.Errorf("the watermark %s is in the EHR's future", st.Watermark)
			}
		})
	}
}

// TestOneItemHoldsUpNothing: an item whose read fails is read again by itself, and the
// page is not read once more for it.
func TestOneItemHoldsUpNothing(t *testing.T) {
	w := newWorld(t)
	w.poll()
	bad, good := w.ask("1", nil), w.ask("2", caller(2))
	w.deliver()
	for _, id := range []callback.ID{bad, good} {
		task, _ := w.task(id)
		_, err := w.front.CompleteTask(task.ID, "Kim", "")
		w.must(err)
	}
	one := "/Task/" + w.taskLink(bad).RemoteID
	w.fault(sandbox.Fault{Method: http.MethodGet, PathPrefix: one, Action: sandbox.ActionStatus, Status: 500})
	parsed := &parses{EHR: w.connector}
	w.with(parsed)
	w.poll()
	w.is(good, callback.Closed)
	w.is(bad, callback.Assigned)
	pages, err := w.ledger.PendingPages(t.Context(), ehrID, callback.FeedItems, 10)
	w.must(err)
	if len(pages) > 0 {
		t.Errorf("%d pages are still pending", len(pages))
	}
	before := parsed.n
	w.must(w.Poll(t.Context(), ehrID, callback.FeedItems))
	if parsed.n > before+1 {
		t.Errorf("%d pages were parsed again", parsed.n-before-1)
	}
	w.ehr.Faults().Clear()
	w.clock.Advance(10 * time.Minute)
	w.poll()
	w.is(bad, callback.Closed)
}

// parses counts the pages that are parsed.
type parses struct {
	scheduler.EHR
	n int
}

func (p *parses) Interpret(f callback.Feed, page []byte) (callback.Changes, error) {
	p.n++
	return p.EHR.Interpret(f, page)
}

// TestPatientsAreAskedEverMoreRarely: often at first, then rarely; and a restart asks for
// nobody who is not due.
func TestPatientsAreAskedEverMoreRarely(t *testing.T) {
	w, _, _ := waiting(t, callback.FeedPatient, 0)
	count := func(d time.Duration) (n int) {
		w.ehr.ClearRequests()
		for range int(d / time.Minute) {
			w.clock.Advance(time.Minute)
			w.must(w.Poll(t.Context(), ehrID, callback.FeedAppointments))
		}
		for _, r := range w.ehr.Requests() {
			if strings.HasSuffix(r.Path, "/Appointment/_search") {
				n++
			}
		}
		return n
	}
	first := count(30 * time.Minute)
	w.clock.Advance(10 * 24 * time.Hour)
	count(time.Minute)
	w.Worker = scheduler.NewWorker(w.options) // a restart
	if later := count(30 * time.Minute); first < 3 || later > 0 {
		t.Errorf("asked %d times in half an hour at first, and %d times ten days later", first, later)
	}
}

// TestMergedChart: the chart of an open callback is merged into another, and the visit is
// booked there.
func TestMergedChart(t *testing.T) {
	everyFeed(t, func(t *testing.T, kind callback.FeedKind) {
		w, ann, id := waiting(t, kind, 0)
		survivor, err := w.front.RegisterPatient(sandbox.NewPatient{Family: "Lee", Given: "Ann", BirthDate: "1980-02-03", Phone: "212-555-0101"})
		w.must(err)
		_, err = w.ehr.Store().Edit("Patient", ann, func(json.RawMessage) (json.RawMessage, error) {
			return fmt.Appendf(nil, `{"resourceType":"Patient","id":%q,"active":false,"link":[{"other":{"reference":"Patient/%s"},"type":"replaced-by"}]}`, ann, survivor.ID), nil
		})
		w.must(err)
		w.clock.Advance(25 * time.Hour)
		w.poll()
		r := w.record(id)
		if r.Patient.Keys.EHRID.Reveal() != survivor.ID || r.Patient.Resolution != callback.Certain {
			t.Fatalf("bound by %s, to the right chart %t", r.Patient.How, r.Patient.Keys.EHRID.Reveal() == survivor.ID)
		}
		w.poll()
		w.book(survivor.ID, "")
		w.clock.Advance(time.Hour)
		w.poll()
		w.is(id, callback.Closed)
	})
}

// TestFromTheFuture: an entry that says it changed next year hides nothing until then.
func TestFromTheFuture(t *testing.T) {
	w, ann, id := waiting(t, callback.FeedWatermark, 0)
	w.with(future{w.connector, w.clock})
	w.book(w.ann(), "")
	w.poll()
	w.with(w.connector)
	w.clock.Advance(time.Hour)
	w.book(ann, "")
	w.poll()
	w.is(id, callback.Closed)
}

// future is an EHR in which everything changed a year from now.
type future struct {
	scheduler.EHR
	clock clock.Clock
}

func (f future) Interpret(feed callback.Feed, page []byte) (callback.Changes, error) {
	changes, err := f.EHR.Interpret(feed, page)
	changes.Latest = f.clock.Now().AddDate(1, 0, 0)
	return changes, err
}

// TestGoneStaysGone: a page from before a visit was deleted does not bring it back.
func TestGoneStaysGone(t *testing.T) {
	w, ann, id := waiting(t, callback.FeedWatermark, 0)
	visit := w.book(ann, "")
	var old []byte
	for page, err := range w.connector.Changes(t.Context(), callback.FeedQuery{Feed: callback.FeedAppointments, Appointment: visit}) {
		w.must(err)
		old = page.Body
	}
	w.poll()
	w.must(w.ehr.Store().Delete("Appointment", visit))
	w.clock.Advance(6 * time.Hour)
	w.poll()
	w.is(id, callback.InProgress)
	w.must(w.ledger.SavePage(t.Context(), callback.Page{ID: callback.NewID(), Clinic: clinic, EHR: ehrID, Feed: callback.FeedAppointments,
		FetchedAt: w.clock.Now(), Body: old}))
	w.poll()
	w.is(id, callback.InProgress)
}
