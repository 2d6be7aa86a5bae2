package scheduler_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/intake"
	"github.com/ringback-health/ringback/internal/redact"
	"github.com/ringback-health/ringback/sandbox"
)

// booked makes Ann's callback and a visit that closed it.
func (w *world) booked() (id callback.ID, ann, visit string) {
	w.t.Helper()
	ann = w.ann()
	w.poll()
	id = w.ask("1", nil)
	w.deliver()
	w.clock.Advance(time.Hour)
	visit = w.book(ann, "")
	w.poll()
	if r := w.record(id); r.Status != callback.Closed {
		w.t.Fatalf("the booking should close it: %s", r.Status)
	}
	return id, ann, visit
}

func (w *world) events(id callback.ID, kind callback.EventKind) (n int) {
	for _, e := range w.record(id).Timeline {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// credited returns the visit that has the credit of a callback.
func (w *world) credited(id callback.ID) string {
	for _, ev := range w.record(id).Evidence {
		if ev.State == callback.Credited {
			return ev.Appointment
		}
	}
	return ""
}

// TestRescheduleKeepsClosed: in whatever form an EHR moves a visit.
func TestRescheduleKeepsClosed(t *testing.T) {
	in3 := func(w *world) time.Time { return w.clock.Now().Add(72 * time.Hour) }
	for what, move := range map[string]func(w *world, ann, visit string) string{
		"the same visit at another time": func(w *world, _, visit string) string {
			_, err := w.front.Reschedule(visit, in3(w))
			w.must(err)
			return visit
		},
		"a new visit that names the old one": func(w *world, _, visit string) string {
			r, err := w.front.RescheduleAsNew(visit, in3(w))
			w.must(err)
			return r.ID
		},
		"cancelled and booked anew": func(w *world, ann, visit string) string {
			_, err := w.front.CancelAppointment(visit, "cancelled")
			w.must(err)
			w.clock.Advance(10 * time.Second)
			return w.book(ann, "")
		},
		"booked anew and cancelled": func(w *world, ann, visit string) string {
			next := w.book(ann, "")
			w.clock.Advance(10 * time.Second)
			_, err := w.front.CancelAppointment(visit, "cancelled")
			w.must(err)
			return next
		},
	} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t)
			id, ann, visit := w.booked()
			w.clock.Advance(time.Hour)
			next := move(w, ann, visit)
			w.poll()
			w.deliver()
			if n := w.events(id, callback.EventReopened); n != 0 || w.record(id).Status != callback.Closed {
				t.Fatalf("it is %s, and was opened %d times", w.record(id).Status, n)
			}
			if got := w.credited(id); got != next {
				t.Errorf("the credit is %q's, want %q's", got, next)
			}
			if !contains(w.rawTask(id), "Appointment/"+next) {
				t.Error("the work item does not name the visit")
			}
			_, err := w.front.CancelAppointment(next, "cancelled")
			w.must(err)
			w.poll()
			if r := w.record(id); r.Status != callback.InProgress {
				t.Errorf("and the new one cancelled: %s", r.Status)
			}
		})
	}
}

// TestRescheduleAnswers: a caller wants to have a visit moved that was there before, and
// that had answered an earlier callback.
func TestRescheduleAnswers(t *testing.T) {
	w := newWorld(t)
	first, ann, visit := w.booked()
	w.clock.Advance(48 * time.Hour)
	w.poll()
	id := w.ask("2", func(s *intake.Submission) { s.Category = string(callback.RescheduleCancel) })
	w.deliver()
	if id == first {
		t.Fatal("two requests became one")
	}
	w.poll()
	if r := w.record(id); r.Status == callback.Closed || r.Review {
		t.Fatalf("nobody has moved it yet, and the callback is %s, review %t", r.Status, r.Review)
	}
	w.clock.Advance(time.Hour)
	w.poll()
	_, err := w.front.Reschedule(visit, w.clock.Now().Add(24*time.Hour))
	w.must(err)
	w.poll()
	r := w.record(id)
	if ev, _ := r.EvidenceOf(ehrID, visit); r.Status != callback.Closed || ev.Verdict != callback.Strong {
		t.Fatalf("%s, %+v", r.Status, ev)
	}
	if a := w.record(first); a.Status != callback.Closed || w.credited(first) != "" {
		t.Errorf("the first is %s and has the credit of %q", a.Status, w.credited(first))
	}
	_, err = w.front.CancelAppointment(visit, "cancelled")
	w.must(err)
	w.poll()
	if a, b := w.record(first), w.record(id); a.Status != callback.Closed || b.Status != callback.InProgress {
		t.Errorf("cancelled: the first %s, the second %s", a.Status, b.Status)
	}

	// Another visit of hers stands, and a new one is booked in the place of this one.
	w.clock.Advance(time.Hour)
	next := w.book(ann, "")
	w.poll()
	if r := w.record(id); r.Status != callback.Closed || w.credited(id) != next {
		t.Errorf("%s on %q", r.Status, w.credited(id))
	}
}

// TestANewOneBesideIt: a caller wants a visit moved, and gets another one.
func TestANewOneBesideIt(t *testing.T) {
	w := newWorld(t)
	ann := w.ann()
	old := w.book(ann, "")
	w.poll()
	w.clock.Advance(time.Hour)
	id := w.ask("1", func(s *intake.Submission) { s.Category = string(callback.RescheduleCancel) })
	w.deliver()
	w.clock.Advance(time.Hour)
	next := w.book(ann, "")
	w.poll()
	if r := w.record(id); r.Status == callback.Closed || !r.Review {
		t.Fatalf("it is not known to be in its place: %s, review %t", r.Status, r.Review)
	}
	_, err := w.front.CancelAppointment(old, "cancelled")
	w.must(err)
	w.poll()
	if r := w.record(id); r.Status != callback.Closed || r.Review || w.credited(id) != next {
		t.Errorf("the old one has given way: %s, review %t, on %q", r.Status, r.Review, w.credited(id))
	}
}

// TestLostOutsideTheWindow: a callback of its own is made, once.
func TestLostOutsideTheWindow(t *testing.T) {
	w := newWorld(t)
	id, ann, visit := w.booked()
	w.clock.Advance(8 * 24 * time.Hour)
	w.poll()
	_, err := w.front.CancelAppointment(visit, "cancelled")
	w.must(err)
	w.poll()
	w.deliver()
	fresh := func() (list []callback.Callback) {
		list, _, err := w.ledger.List(t.Context(), callback.Filter{Source: "visit-lost"})
		w.must(err)
		return list
	}
	if r := w.record(id); r.Status != callback.Closed || len(fresh()) != 1 {
		t.Fatalf("the old one is %s, %d fresh ones", r.Status, len(fresh()))
	}
	r := w.record(fresh()[0].ID)
	if r.Status != callback.Assigned || r.Owner == "" || r.Category != callback.ExistingScheduling || r.Patient.Keys.EHRID.Reveal() != ann || !r.Caller.Phone.Equal(w.record(id).Caller.Phone) || r.Review {
		t.Errorf("%s %q %s, review %t", r.Status, r.Owner, r.Category, r.Review)
	}
	if _, members := w.task(r.ID); members["status"] != "ready" {
		t.Errorf("its work item is %v", members["status"])
	}
	for range 3 { // the feed from its start
		st, err := w.ledger.FeedState(t.Context(), clinic, ehrID, callback.FeedAppointments)
		w.must(err)
		st.Watermark = time.Time{}
		w.must(w.ledger.SaveFeedState(t.Context(), st))
		w.poll()
		w.must(w.Match(t.Context(), id))
	}
	if len(fresh()) != 1 || w.credited(id) != "" || w.events(id, callback.EventVisitChanged) != 1 {
		t.Errorf("%d fresh ones after a replay, the old one has the credit of %q", len(fresh()), w.credited(id))
	}
	w.clock.Advance(time.Hour)
	next := w.book(ann, "")
	w.poll()
	if r := w.record(r.ID); r.Status != callback.Closed || w.credited(r.ID) != next {
		t.Errorf("a new visit leaves it %s", r.Status)
	}
}

// TestLostWhileAnotherIsOpen: the patient has asked for a change already; the callback that
// the cancelled visit had answered stays closed, and the change is answered by what follows.
func TestLostWhileAnotherIsOpen(t *testing.T) {
	w := newWorld(t)
	first, ann, visit := w.booked()
	w.clock.Advance(24 * time.Hour)
	w.poll()
	id := w.ask("2", func(s *intake.Submission) { s.Category = string(callback.RescheduleCancel) })
	w.deliver()
	w.clock.Advance(time.Hour)
	w.poll()
	_, err := w.front.CancelAppointment(visit, "cancelled")
	w.must(err)
	w.poll()
	if a, b := w.record(first), w.record(id); a.Status != callback.Closed || b.Status == callback.Closed {
		t.Fatalf("cancelled: %s, %s", a.Status, b.Status)
	}
	w.clock.Advance(time.Minute)
	next := w.book(ann, "")
	w.poll()
	if a, b := w.record(first), w.record(id); a.Status != callback.Closed || b.Status != callback.Closed || w.credited(id) != next {
		t.Errorf("booked anew: %s, %s", a.Status, b.Status)
	}
}

// TestSeriesAnswersOne: a series closes one callback, and what is left of it no other.
func TestSeriesAnswersOne(t *testing.T) {
	w := newWorld(t)
	ann := w.ann()
	w.poll()
	id := w.ask("1", nil)
	other := w.ask("2", func(s *intake.Submission) {
		s.Category, s.Phone = string(callback.NewPatient), redact.NewText("+12125550177")
	})
	w.deliver()
	task, _ := w.task(id)
	w.clock.Advance(time.Hour)
	_, err := w.front.BookSeries(sandbox.Booking{PatientID: ann, Start: w.clock.Now().Add(48 * time.Hour), TaskID: task.ID}, 1, 0)
	w.must(err)
	_, err = w.front.BookSeries(sandbox.Booking{PatientID: ann, Start: w.clock.Now().Add(9 * 24 * time.Hour)}, 5, 7*24*time.Hour)
	w.must(err)
	w.poll()
	if a, b := w.record(id), w.record(other); a.Status != callback.Closed || b.Status == callback.Closed {
		t.Errorf("%s, %s", a.Status, b.Status)
	}
}

// TestLateChartMisspelt: the chart of a new patient appears days later, with a misspelt
// name and another phone. It is shown to a person and never acted on; a person binds it.
func TestLateChartMisspelt(t *testing.T) {
	w := newWorld(t)
	w.poll()
	id := w.ask("1", func(s *intake.Submission) { s.Category = string(callback.NewPatient) })
	w.deliver()
	for range 3 {
		w.clock.Advance(24 * time.Hour)
		w.poll()
	}
	if r := w.record(id); r.Patient.Resolution != callback.NoChart {
		t.Fatalf("chart %s by %s", r.Patient.Resolution, r.Patient.How)
	}
	r, err := w.front.RegisterPatient(sandbox.NewPatient{Family: "Lee", Given: "Anne", BirthDate: "1980-02-03", Phone: "212-555-0188"})
	w.must(err)
	visit := w.book(r.ID, "")
	w.clock.Advance(3 * time.Hour)
	w.poll()
	rec := w.record(id)
	if rec.Status == callback.Closed || !rec.Review || rec.Patient.Resolution != callback.Ambiguous || rec.Patient.How != "similar-name+birthdate" {
		t.Fatalf("%s, review %t, chart %s by %s", rec.Status, rec.Review, rec.Patient.Resolution, rec.Patient.How)
	}
	task, _ := w.task(id)
	_, err = w.front.SetPatient(task.ID, r.ID)
	w.must(err)
	w.poll()
	if rec := w.record(id); rec.Status != callback.Closed || w.credited(id) != visit {
		t.Errorf("a person bound the chart, and it is %s", rec.Status)
	}
}

// TestMergedCharts: the chart that a callback is bound to is merged into another one.
func TestMergedCharts(t *testing.T) {
	for what, move := range map[string]bool{"visits move along": true, "visits stay": false} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t)
			ann := w.ann()
			w.poll()
			id := w.ask("1", nil)
			w.deliver()
			kept, err := w.front.RegisterPatient(sandbox.NewPatient{Family: "Lee-Ray", Given: "Ann", BirthDate: "1980-02-03"})
			w.must(err)
			w.must(w.front.MergePatients(ann, kept.ID, move))
			w.clock.Advance(2 * time.Hour)
			visit := w.book(kept.ID, "")
			w.poll()
			w.clock.Advance(24 * time.Hour) // charts are looked at once a day
			w.poll()
			r := w.record(id)
			if r.Patient.Keys.EHRID.Reveal() != kept.ID || r.Patient.Resolution != callback.Certain {
				t.Fatalf("chart %s by %s", r.Patient.Resolution, r.Patient.How)
			}
			if r.Status != callback.Closed || w.credited(id) != visit {
				t.Fatalf("%s on %q", r.Status, w.credited(id))
			}
		})
	}
	t.Run("after it was closed", func(t *testing.T) {
		w := newWorld(t)
		id, ann, _ := w.booked()
		kept, err := w.front.RegisterPatient(sandbox.NewPatient{Family: "Lee-Ray", Given: "Ann", BirthDate: "1980-02-03"})
		w.must(err)
		w.must(w.front.MergePatients(ann, kept.ID, true))
		w.poll()
		if r := w.record(id); r.Status != callback.Closed {
			t.Errorf("the merge opened it: %s", r.Status)
		}
	})
}

// TestBookedForTheWrongPatient: the visit that closed a callback is given to another patient.
func TestBookedForTheWrongPatient(t *testing.T) {
	w := newWorld(t)
	id, _, visit := w.booked()
	bob, err := w.front.RegisterPatient(sandbox.NewPatient{Family: "Lee", Given: "Bob", BirthDate: "2015-01-01", Phone: "212-555-0101"})
	w.must(err)
	_, err = w.ehr.Store().Edit("Appointment", visit, func(raw json.RawMessage) (json.RawMessage, error) {
		return json.RawMessage(strings.ReplaceAll(string(raw), `"reference":"Patient/`, `"reference":"Patient/`+bob.ID+`","display":"`)), nil
	})
	w.must(err)
	w.poll()
	if r := w.record(id); r.Status != callback.InProgress {
		t.Errorf("%s", r.Status)
	}
}

// TestTestPatient: no visit of somebody made up closes anything.
func TestTestPatient(t *testing.T) {
	w := newWorld(t)
	test, err := w.front.RegisterPatient(sandbox.NewPatient{Family: "Lee", Given: "Ann", BirthDate: "1980-02-03", Phone: "212-555-0101", Test: true})
	w.must(err)
	w.poll()
	id := w.ask("1", nil)
	w.deliver()
	w.clock.Advance(time.Hour)
	w.book(test.ID, "")
	w.poll()
	r := w.record(id)
	if r.Status == callback.Closed || r.Review || r.Patient.How != "test-patient" {
		t.Errorf("%s, review %t, chart %s by %s", r.Status, r.Review, r.Patient.Resolution, r.Patient.How)
	}
}

// TestAParentBooksForAnotherChild: one phone, two children, and the visit is the other's.
func TestAParentBooksForAnotherChild(t *testing.T) {
	w := newWorld(t)
	var children []string
	for _, given := range []string{"Mia", "Leo"} {
		r, err := w.front.RegisterPatient(sandbox.NewPatient{Family: "Diaz", Given: given, BirthDate: "2016-0" + string(rune('0'+len(given))) + "-01", Phone: "212-555-0123"})
		w.must(err)
		children = append(children, r.ID)
	}
	bea, err := w.front.RegisterPatient(sandbox.NewPatient{Family: "Diaz", Given: "Bea", BirthDate: "2019-08-01", Phone: "212-555-0123"})
	w.must(err)
	w.poll()
	// The mother gives her own name, and the youngest's date of birth.
	id := w.ask("1", func(s *intake.Submission) {
		s.Name, s.Phone, s.BirthDate = redact.NewText("Rosa Diaz"), redact.NewText("+12125550123"), redact.NewText("2019-08-01")
	})
	w.deliver()
	if r := w.record(id); r.Patient.Resolution != callback.Certain || r.Patient.Keys.EHRID.Reveal() != bea.ID || r.Patient.How != "phone+birthdate" {
		t.Fatalf("chart %s by %s", r.Patient.Resolution, r.Patient.How)
	}
	w.clock.Advance(time.Hour)
	for _, child := range children {
		w.book(child, "")
	}
	w.poll()
	if r := w.record(id); r.Status == callback.Closed || r.Review {
		t.Fatalf("on a sibling's visit: %s, review %t", r.Status, r.Review)
	}
	w.clock.Advance(time.Minute)
	w.book(bea.ID, "")
	w.poll()
	if r := w.record(id); r.Status != callback.Closed {
		t.Errorf("%s", r.Status)
	}
}

// TestProposalThatIsReplaced: our own proposal was booked, and then moved to a new visit.
func TestProposalThatIsReplaced(t *testing.T) {
	w := newWorld(t)
	ann := w.ann()
	w.poll()
	id := w.ask("1", func(s *intake.Submission) {
		s.Preferred = []callback.Period{{Start: w.clock.Now().Add(24 * time.Hour), End: w.clock.Now().Add(25 * time.Hour)}}
	})
	w.deliver()
	proposal := ""
	for _, l := range w.record(id).Links {
		if l.Type == callback.AppointmentResource {
			proposal = l.RemoteID
		}
	}
	w.clock.Advance(time.Hour)
	_, err := w.front.ConfirmProposal(proposal, ann, w.clock.Now().Add(24*time.Hour), 30)
	w.must(err)
	w.poll()
	if r := w.record(id); r.Status != callback.Closed {
		t.Fatalf("%s", r.Status)
	}
	w.deliver()
	w.clock.Advance(6 * time.Hour)
	next, err := w.front.RescheduleAsNew(proposal, w.clock.Now().Add(72*time.Hour))
	w.must(err)
	w.poll()
	if r := w.record(id); r.Status != callback.Closed || w.credited(id) != next.ID {
		t.Errorf("%s, credit %q", r.Status, w.credited(id))
	}
}

// TestWhatWaitsIsWeighedAgain: no appointment changes, and what is known of it does.
func TestWhatWaitsIsWeighedAgain(t *testing.T) {
	t.Run("the other callback of the patient is closed by staff", func(t *testing.T) {
		w := newWorld(t)
		ann := w.ann()
		w.poll()
		one := w.ask("1", nil)
		two := w.ask("2", func(s *intake.Submission) {
			s.Category, s.Phone = string(callback.NewPatient), redact.NewText("+12125550177")
		})
		w.deliver()
		w.clock.Advance(time.Hour)
		w.book(ann, "")
		w.poll()
		if a, b := w.record(one), w.record(two); !a.Review || !b.Review {
			t.Fatalf("%s and %s, review %t and %t", a.Status, b.Status, a.Review, b.Review)
		}
		task, _ := w.task(two)
		_, err := w.front.CompleteTask(task.ID, "Kim", "")
		w.must(err)
		w.poll()
		if a, b := w.record(one), w.record(two); a.Status != callback.Closed || a.Outcome != callback.Booked || b.Outcome == callback.Booked {
			t.Errorf("%s %s, %s %s", a.Status, a.Outcome, b.Status, b.Outcome)
		}
	})
	t.Run("a callback that holds several calls", func(t *testing.T) {
		w := newWorld(t)
		ann := w.ann()
		w.poll()
		id := w.ask("1", nil)
		w.deliver()
		if again := w.ask("2", nil); again != id {
			t.Fatal("a further call became a callback of its own")
		}
		w.clock.Advance(time.Hour)
		w.book(ann, "")
		w.poll()
		if r := w.record(id); r.Status == callback.Closed {
			t.Fatal("closed while somebody may be dealing with the other call")
		}
		w.clock.Advance(15 * time.Minute)
		w.poll()
		if r := w.record(id); r.Status != callback.Closed {
			t.Errorf("%s", r.Status)
		}
	})
}
