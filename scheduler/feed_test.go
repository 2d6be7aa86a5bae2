package scheduler_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/connectors/ehr"
	"github.com/ringback-health/ringback/connectors/ehr/fhirr4"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/intake"
	"github.com/ringback-health/ringback/internal/redact"
	"github.com/ringback-health/ringback/sandbox"
	"github.com/ringback-health/ringback/scheduler"
)

func contains(s, sub string) bool { return strings.Contains(s, sub) }

func TestBookingClosesAndCancellationReopens(t *testing.T) {
	w := newWorld(t)
	ann := w.ann()
	w.poll()
	id := w.ask("1", nil)
	w.deliver()
	if r := w.record(id); r.Patient.Resolution != callback.Certain || r.Patient.Keys.EHRID.Reveal() != ann {
		t.Fatalf("chart %s by %s", r.Patient.Resolution, r.Patient.How)
	}
	w.clock.Advance(time.Hour)
	visit := w.book(ann, "")
	w.poll()
	r := w.record(id)
	ev, ok := r.EvidenceOf(ehrID, visit)
	if r.Status != callback.Closed || r.Outcome != callback.Booked || !ok || ev.Verdict != callback.Strong || ev.State != callback.Credited {
		t.Fatalf("%s %s %+v", r.Status, r.Outcome, ev)
	}
	w.deliver()
	_, members := w.task(id)
	if members["status"] != "completed" || !contains(w.rawTask(id), "Appointment/"+visit) {
		t.Errorf("the item should be completed and name the visit: %v", members)
	}

	_, err := w.front.CancelAppointment(visit, "patient cancelled")
	w.must(err)
	w.poll()
	if r := w.record(id); r.Status != callback.InProgress || r.Review {
		t.Fatalf("cancelled, and the callback is %s", r.Status)
	}
	w.deliver()
	if _, members := w.task(id); members["status"] != "in-progress" {
		t.Errorf("the item should be open again: %v", members["status"])
	}
	w.poll() // our own write coming back
	if r := w.record(id); r.Status != callback.InProgress {
		t.Errorf("our own write was taken for staff's: %s", r.Status)
	}

	w.clock.Advance(time.Hour)
	w.book(ann, "")
	w.poll()
	if r := w.record(id); r.Status != callback.Closed {
		t.Errorf("another booking closes it again: %s", r.Status)
	}
}

func (w *world) rawTask(id callback.ID) string {
	r, _ := w.task(id)
	return string(r.Raw)
}

// TestNothingClosesOnOldOrDoubtfulVisits walks through what must not close.
func TestNothingClosesOnOldOrDoubtfulVisits(t *testing.T) {
	t.Run("booked before the call", func(t *testing.T) {
		w := newWorld(t)
		ann := w.ann()
		w.book(ann, "")
		w.clock.Advance(time.Hour)
		id := w.ask("1", nil)
		w.deliver()
		w.poll()
		w.poll()
		if r := w.record(id); r.Status == callback.Closed || r.Review {
			t.Errorf("%s, review %v", r.Status, r.Review)
		}
	})
	t.Run("only the phone number fits", func(t *testing.T) {
		w := newWorld(t)
		ann := w.ann()
		w.poll()
		id := w.ask("1", func(s *intake.Submission) { s.Name, s.BirthDate, s.Category = redact.Text{}, redact.Text{}, "" })
		w.deliver()
		w.clock.Advance(time.Hour)
		w.book(ann, "")
		w.poll()
		if r := w.record(id); r.Status == callback.Closed || !r.Review {
			t.Errorf("%s, review %v, chart %s", r.Status, r.Review, r.Patient.Resolution)
		}
	})
	t.Run("a sibling on the same number", func(t *testing.T) {
		w := newWorld(t)
		w.ann()
		bob, err := w.front.RegisterPatient(sandbox.NewPatient{Family: "Lee", Given: "Bob", BirthDate: "2015-01-01", Phone: "212-555-0101"})
		w.must(err)
		w.poll()
		id := w.ask("1", nil)
		w.deliver()
		w.clock.Advance(time.Hour)
		w.book(bob.ID, "")
		w.poll()
		if r := w.record(id); r.Status == callback.Closed {
			t.Error("closed on the sibling's visit")
		}
	})
	t.Run("a question about benefits", func(t *testing.T) {
		w := newWorld(t)
		ann := w.ann()
		w.poll()
		id := w.ask("1", func(s *intake.Submission) { s.Category = string(callback.BenefitsBilling) })
		w.deliver()
		w.clock.Advance(time.Hour)
		task, _ := w.task(id)
		w.book(ann, task.ID)
		w.poll()
		if r := w.record(id); r.Status == callback.Closed || r.Review {
			t.Errorf("%s, review %v", r.Status, r.Review)
		}
	})
}

// TestExactEvidence: the visit names our work item; nothing else is known.
func TestExactEvidence(t *testing.T) {
	w := newWorld(t)
	w.poll()
	id := w.ask("1", func(s *intake.Submission) {
		s.Name, s.BirthDate, s.Phone, s.Category = redact.Text{}, redact.Text{}, redact.Text{}, ""
		s.Email = redact.NewText("a@example.org")
	})
	w.deliver()
	task, _ := w.task(id)
	visit := w.book(w.ann(), task.ID)
	w.poll()
	r := w.record(id)
	if ev, _ := r.EvidenceOf(ehrID, visit); r.Status != callback.Closed || ev.Verdict != callback.Exact {
		t.Errorf("%s %+v", r.Status, ev)
	}
}

// TestUnreadableItem: one item that cannot be read does not hold up the feed, and
// a person is asked to look.
func TestUnreadableItem(t *testing.T) {
	w := newWorld(t)
	w.poll()
	bad := w.ask("1", nil)
	good := w.ask("2", func(s *intake.Submission) {
		s.Name, s.Phone = redact.NewText("Bob Ray"), redact.NewText("+12125550102")
	})
	w.deliver()
	for _, id := range []callback.ID{bad, good} {
		task, _ := w.task(id)
		_, err := w.front.CompleteTask(task.ID, "Kim", "")
		w.must(err)
	}
	w.with(unreadable{w.connector, w.taskLink(bad).RemoteID})
	w.poll()
	if r := w.record(good); r.Status != callback.Closed {
		t.Errorf("the other item was held up: %s", r.Status)
	}
	if r := w.record(bad); !r.Review || r.Status == callback.Closed {
		t.Errorf("nobody is asked: %s, review %v", r.Status, r.Review)
	}
}

// TestItemThatIsNotReadAtOnce: where the EHR does not answer, what staff did is read at the
// next poll that shows it once more, and not when it is time to look in on a visit.
func TestItemThatIsNotReadAtOnce(t *testing.T) {
	w := newWorld(t)
	w.poll()
	id := w.ask("1", nil)
	w.deliver()
	task, _ := w.task(id)
	_, err := w.front.CompleteTask(task.ID, "Kim", "")
	w.must(err)
	w.fault(sandbox.Fault{Method: http.MethodGet, PathPrefix: "/Task/" + task.ID, Times: 2, Action: sandbox.ActionStatus, Status: 502})
	for range 3 {
		w.clock.Advance(5 * time.Second)
		w.must(w.Poll(t.Context(), ehrID, callback.FeedItems))
	}
	if r := w.record(id); r.Status != callback.Closed {
		t.Errorf("%s", r.Status)
	}
}

// unreadable is an EHR in which one resource breaks the format.
type unreadable struct {
	scheduler.EHR
	id string
}

func (u unreadable) Read(ctx context.Context, t callback.ResourceType, id string) (callback.Item, error) {
	if id == u.id {
		return callback.Item{}, fault.New(fault.Permanent, "read Task", "a member is broken")
	}
	return u.EHR.Read(ctx, t, id)
}

// TestTiedBeforeItIsSeen: staff point the work item to a visit; Ringback sees the
// item first and the visit later. Nothing else is known of the caller.
func TestTiedBeforeItIsSeen(t *testing.T) {
	w := newWorld(t)
	w.poll()
	id := w.ask("1", func(s *intake.Submission) {
		s.Name, s.BirthDate, s.Phone, s.Category = redact.Text{}, redact.Text{}, redact.Text{}, ""
		s.Email = redact.NewText("a@example.org")
	})
	w.deliver()
	task, _ := w.task(id)
	visit := w.book(w.ann(), "")
	_, err := w.ehr.Store().Edit("Task", task.ID, func(raw json.RawMessage) (json.RawMessage, error) {
		var m map[string]any
		w.must(json.Unmarshal(raw, &m))
		m["focus"] = map[string]string{"reference": "Appointment/" + visit}
		return json.Marshal(m)
	})
	w.must(err)
	w.clock.Advance(time.Minute)
	w.must(w.Poll(t.Context(), ehrID, callback.FeedItems))
	if r := w.record(id); r.Status == callback.Closed {
		t.Fatal("closed on a visit that was not seen")
	}
	w.must(w.Poll(t.Context(), ehrID, callback.FeedAppointments))
	r := w.record(id)
	if ev, _ := r.EvidenceOf(ehrID, visit); r.Status != callback.Closed || ev.Verdict != callback.Exact {
		t.Errorf("%s %+v", r.Status, ev)
	}
}

// TestOneVisitAnswersOneCallback: two callbacks of one patient, one visit.
func TestOneVisitAnswersOneCallback(t *testing.T) {
	w := newWorld(t)
	ann := w.ann()
	w.poll()
	one := w.ask("1", nil)
	two := w.ask("2", func(s *intake.Submission) { s.Category = string(callback.RescheduleCancel) })
	w.deliver()
	if one == two {
		t.Fatal("two requests about different things became one")
	}
	task, _ := w.task(one)
	w.clock.Advance(time.Hour)
	w.book(ann, task.ID) // staff say which one it answers
	w.poll()
	if a, b := w.record(one), w.record(two); a.Status != callback.Closed || b.Status == callback.Closed {
		t.Errorf("%s, %s", a.Status, b.Status)
	}
}

// TestLateChart: the chart of a new patient appears after the call, the visit
// with it.
func TestLateChart(t *testing.T) {
	w := newWorld(t)
	w.poll()
	id := w.ask("1", func(s *intake.Submission) { s.Category = string(callback.NewPatient) })
	w.deliver()
	if r := w.record(id); r.Patient.Resolution != callback.NoChart {
		t.Fatalf("chart %s", r.Patient.Resolution)
	}
	w.clock.Advance(time.Hour)
	visit := w.book(w.ann(), "")
	w.poll()
	r := w.record(id)
	if ev, _ := r.EvidenceOf(ehrID, visit); r.Status != callback.Closed || ev.Verdict != callback.Strong {
		t.Errorf("%s, chart %s, %+v", r.Status, r.Patient.Resolution, ev)
	}
}

// TestFailedIsNotEmpty: a feed that fails moves nothing, and what happened
// meanwhile is seen later.
func TestFailedIsNotEmpty(t *testing.T) {
	w := newWorld(t)
	ann := w.ann()
	w.poll()
	id := w.ask("1", nil)
	w.deliver()
	before, err := w.ledger.FeedState(t.Context(), clinic, ehrID, callback.FeedAppointments)
	w.must(err)
	w.clock.Advance(time.Hour)
	w.book(ann, "")
	w.fault(sandbox.Fault{Method: http.MethodGet, PathPrefix: "/Appointment", Action: sandbox.ActionStatus, Status: 500})
	if err := w.Poll(t.Context(), ehrID, callback.FeedAppointments); err == nil {
		t.Fatal("the poll should fail")
	}
	after, err := w.ledger.FeedState(t.Context(), clinic, ehrID, callback.FeedAppointments)
	w.must(err)
	if !after.Watermark.Equal(before.Watermark) || after.LastError == "" || !after.LastSuccess.Equal(before.LastSuccess) || !after.LastAttempt.After(before.LastAttempt) {
		t.Errorf("before %+v\nafter %+v", before, after)
	}
	w.ehr.Faults().Clear()
	w.poll()
	if r := w.record(id); r.Status != callback.Closed {
		t.Errorf("the booking was missed: %s", r.Status)
	}
}

// TestOutageOfDays: what was booked during an outage is found afterwards.
func TestOutageOfDays(t *testing.T) {
	w := newWorld(t)
	ann := w.ann()
	w.poll()
	id := w.ask("1", nil)
	w.deliver()
	w.clock.Advance(time.Hour)
	w.book(ann, "")
	for range 100 { // enough for many pages
		w.book(ann, "")
	}
	w.clock.Advance(72 * time.Hour)
	w.poll()
	if r := w.record(id); r.Status != callback.Closed {
		t.Errorf("%s", r.Status)
	}
}

// TestTooMuchAtOnce: an EHR that answers no question about days at once, after an outage
// of days. It is asked for less until it answers, and for all once it is read.
func TestTooMuchAtOnce(t *testing.T) {
	w := newWorld(t)
	box := w.ehr
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		q.Del("_count")
		if found, err := box.Store().Search("Appointment", q); strings.HasSuffix(r.URL.Path, "/Appointment") && (err != nil || len(found) > 40) {
			http.Error(rw, "", http.StatusGatewayTimeout)
			return
		}
		box.ServeHTTP(rw, r)
	}))
	t.Cleanup(srv.Close)
	c, err := fhirr4.Kind().New(ehr.Settings{ID: ehrID, Clinic: clinic, Zone: time.UTC, Region: "US", Secret: noSecret, Clock: w.clock},
		func(into any) error { return yaml.Unmarshal([]byte("base_url: "+srv.URL+"/fhir/R4"), into) })
	w.must(err)
	t.Cleanup(c.Close)
	w.with(c)
	ann := w.ann()
	w.poll()
	id := w.ask("1", nil)
	w.deliver()
	state := func() callback.FeedState {
		st, err := w.ledger.FeedState(t.Context(), clinic, ehrID, callback.FeedAppointments)
		w.must(err)
		return st
	}
	w.clock.Advance(time.Hour)
	w.book(ann, "")
	w.must(w.Poll(t.Context(), ehrID, callback.FeedAppointments)) // the baseline was empty: now there is a watermark
	before := state()
	for range 3 * 24 * 4 {
		w.clock.Advance(15 * time.Minute)
		w.book(ann, "")
	}
	var asked []time.Duration
	for state().LastSuccess.Equal(before.LastSuccess) {
		if len(asked) > 12 {
			t.Fatalf("not read after slices of %s", asked)
		}
		_ = w.Poll(t.Context(), ehrID, callback.FeedAppointments) // state says how it ended
		asked = append(asked, state().Slice)
		w.clock.Advance(10 * time.Minute) // the circuit holds it back for less
	}
	if slices.Max(asked) < time.Hour || state().Slice != 0 {
		t.Errorf("slices of %s, and %s in the end", asked, state().Slice)
	}
	all, err := w.ledger.Versions(t.Context(), clinic, ehrID, idsOf(t, box))
	w.must(err)
	if len(all) != 3*24*4+1 {
		t.Errorf("%d visits are known of %d", len(all), 3*24*4+1)
	}
	w.is(id, callback.Closed)
}

func idsOf(t *testing.T, box *sandbox.Server) (ids []string) {
	t.Helper()
	all, err := box.Store().Search("Appointment", url.Values{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		ids = append(ids, r.ID)
	}
	return ids
}

// TestReplayChangesNothing: reading the feed from the start again.
func TestReplayChangesNothing(t *testing.T) {
	w := newWorld(t)
	ann := w.ann()
	w.poll()
	id := w.ask("1", nil)
	w.deliver()
	w.clock.Advance(time.Hour)
	w.book(ann, "")
	w.poll()
	w.deliver()
	before := w.record(id)
	for _, f := range callback.Feeds {
		st, err := w.ledger.FeedState(t.Context(), clinic, ehrID, f)
		w.must(err)
		st.Watermark = time.Time{}
		w.must(w.ledger.SaveFeedState(t.Context(), st))
	}
	w.poll()
	w.poll()
	if after := w.record(id); after.Revision != before.Revision || len(after.Timeline) != len(before.Timeline) {
		t.Errorf("revision %d to %d, %d to %d events", before.Revision, after.Revision, len(before.Timeline), len(after.Timeline))
	}
}

// TestPageOfAnEarlierLife: a page was stored, and Ringback died before it was read.
func TestPageOfAnEarlierLife(t *testing.T) {
	w := newWorld(t)
	ann := w.ann()
	w.poll()
	id := w.ask("1", nil)
	w.deliver()
	st, err := w.ledger.FeedState(t.Context(), clinic, ehrID, callback.FeedAppointments)
	w.must(err)
	w.clock.Advance(time.Hour)
	visit := w.book(ann, "")
	var body []byte
	for page, err := range w.connector.Changes(t.Context(), callback.FeedQuery{Feed: callback.FeedAppointments, Since: st.Watermark}) {
		w.must(err)
		body = page.Body
	}
	// The earlier life stored the page, and even the appointment, and weighed nothing.
	w.must(w.ledger.SavePage(t.Context(), callback.Page{ID: callback.NewID(), Clinic: clinic, EHR: ehrID, Feed: callback.FeedAppointments,
		FetchedAt: w.clock.Now(), NotBefore: st.LastSuccess, Body: body}))
	changes, err := w.connector.Interpret(callback.FeedAppointments, body)
	w.must(err)
	for _, a := range changes.Appointments {
		a.Clinic, a.EHR, a.FirstSeen = clinic, ehrID, w.clock.Now()
		_, _, err := w.ledger.SaveAppointment(t.Context(), a)
		w.must(err)
	}
	w.fault(sandbox.Fault{Method: http.MethodGet, PathPrefix: "/Appointment", Action: sandbox.ActionStatus, Status: 500})
	if err := w.Poll(t.Context(), ehrID, callback.FeedAppointments); err == nil {
		t.Fatal("the EHR should be down")
	}
	if r := w.record(id); r.Status != callback.Closed {
		t.Errorf("the stored page was not read: %s, visit %s", r.Status, visit)
	}
}

// TestUnreadablePage: a page that cannot be read does not hold up the next.
func TestUnreadablePage(t *testing.T) {
	w := newWorld(t)
	ann := w.ann()
	w.poll()
	id := w.ask("1", nil)
	w.deliver()
	w.must(w.ledger.SavePage(t.Context(), callback.Page{ID: callback.NewID(), Clinic: clinic, EHR: ehrID, Feed: callback.FeedAppointments,
		FetchedAt: w.clock.Now(), Body: []byte("<html>login</html>")}))
	w.clock.Advance(time.Hour)
	w.book(ann, "")
	w.poll()
	if r := w.record(id); r.Status != callback.Closed {
		t.Errorf("%s", r.Status)
	}
}
