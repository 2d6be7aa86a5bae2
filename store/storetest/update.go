package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/redact"
)

// full fills every field of a record that the ledger keeps.
func full(t testing.TB, l Ledger) callback.Record {
	rec := newCallback(t, l, request(here, 1))
	odd := time.FixedZone("odd", -5*3600)
	return update(t, l, rec.ID, func(r *callback.Record) error {
		at := noon.In(odd).Add(789 * time.Nanosecond)
		steps := []error{
			r.Triage(callback.NewPatient, callback.Urgent, at.Add(time.Hour), "by word", automation, at),
			r.Assign("front-desk", automation, at),
			r.Attempt(callback.Attempt{ID: callback.NewID(), At: at, By: staff, Channel: "phone", Result: callback.LeftVoicemail,
				Talk: 1234567 * time.Nanosecond, Note: redact.NewText("left a message with her sister")}, at),
			r.Attempt(callback.Attempt{ID: callback.NewID(), At: at, By: staff, Channel: "sms", Result: callback.SMSSent}, at),
			r.Close(callback.AnsweredQuestion, redact.NewText("spoke to her"), staff, at),
			r.Reopen("asked again", redact.Text{}, staff, at),
			r.Merge(request(here, 1), at),
			r.CloseOnVisit(callback.Evidence{EHR: ehr, Appointment: "a1", Verdict: callback.Strong,
				Reasons: []string{"patient-certain", "booked-after-request"}, Sentence: "A visit is booked."}, at),
		}
		r.AskReview([]callback.Evidence{{EHR: ehr, Appointment: "a2", Verdict: callback.Weak, Sentence: "It may."}}, at)
		r.Resolve(callback.Patient{Keys: r.Patient.Keys, Resolution: callback.Certain, How: "mrn", TriedAt: at}, automation, at)
		proposal := callback.NewLink(r.Callback, ehr, callback.AppointmentResource, at)
		proposal.LastError, proposal.Hint, proposal.Failures = "timed out", "wait", 3
		proposal.NextAttemptAt, proposal.State = at.Add(time.Minute), callback.LinkSending
		r.Links = append(r.Links, proposal)
		item := callback.Item{Type: callback.TaskResource, ID: "t1", Version: "7", Appointments: []string{"a9"},
			State: callback.ItemState{Status: callback.ItemDone, Native: "completed", Owner: "o", Priority: callback.Stat}}
		steps = append(steps, r.Written(r.Links[0].ID, item, r.Revision, at))
		return errors.Join(steps...)
	})
}

func roundTrip(t *testing.T, l Ledger) {
	stored := full(t, l)
	read, err := l.Record(t.Context(), stored.ID)
	must(t, err)
	same(t, "what Update returned and what Record reads", read, stored)
	same(t, "the caller", read.Caller, request(here, 1).Caller)
	same(t, "the keys", read.Patient.Keys, request(here, 1).Patient)
	same(t, "the text", read.Text, request(here, 1).Text)
	same(t, "the preferred times", read.Preferred, request(here, 1).Preferred)
	same(t, "the due time, in UTC to the microsecond", read.DueAt, noon.Add(time.Hour))
	same(t, "the attempts", []any{len(read.Attempts), read.Attempts[0].Talk, read.Attempts[0].Note.Reveal(), read.Attempts[1].Note.IsEmpty()},
		[]any{2, 1234567 * time.Nanosecond, "left a message with her sister", true})
	same(t, "the base of the link", read.Links[0].Base, callback.ItemState{Status: callback.ItemDone, Native: "completed",
		Owner: "o", Priority: callback.Stat, Appointments: []string{"a9"}})
	same(t, "the reasons", read.Evidence[0].Reasons, []string{"patient-certain", "booked-after-request"})
	for i, e := range read.Timeline {
		if e.Seq != int64(i+1) {
			t.Fatalf("event %d has place %d", i, e.Seq)
		}
	}
	listed, _, err := l.List(t.Context(), callback.Filter{Clinic: here})
	must(t, err)
	same(t, "what List reads", listed, []callback.Callback{read.Callback})

	_, err = l.Record(t.Context(), callback.NewID())
	want(t, err, callback.ErrNotFound)
	_, err = l.Update(t.Context(), callback.NewID(), func(*callback.Record) error { return nil })
	want(t, err, callback.ErrNotFound)

	odd := update(t, l, stored.ID, func(r *callback.Record) error {
		r.VisitKind = "a\x00b\xff"
		r.Note(redact.NewText("a\x00b\xff"), callback.Actor{Kind: callback.EHRStaff, Name: "x\x00"}, noon)
		return nil
	})
	same(t, "bytes that are no text", []string{odd.VisitKind, odd.Timeline[len(odd.Timeline)-1].Note.Reveal()},
		[]string{"a\uFFFDb\uFFFD", "a\x00b\xff"})
}

func updateNothing(t *testing.T, l Ledger) {
	before := full(t, l)
	after := update(t, l, before.ID, func(r *callback.Record) error {
		return r.CloseOnVisit(r.Evidence[0], r.Evidence[0].At) // as it is
	})
	same(t, "a change that changes nothing", after, before)
	cause := errors.New("not now")
	_, err := l.Update(t.Context(), before.ID, func(r *callback.Record) error {
		r.Note(redact.NewText("lost"), staff, noon)
		return cause
	})
	if err != cause { //nolint:errorlint // as it is, not wrapped
		t.Fatalf("error is %v, want that of change as it is", err)
	}
	read, err := l.Record(t.Context(), before.ID)
	must(t, err)
	same(t, "after a change that failed", read, before)
}

func updateQuietly(t *testing.T, l Ledger) {
	rec := newCallback(t, l, request(here, 1))
	at := noon.Add(time.Hour)
	after := update(t, l, rec.ID, func(r *callback.Record) error {
		r.Patient.TriedAt, r.Review = at, true
		return nil
	})
	read, err := l.Record(t.Context(), rec.ID)
	must(t, err)
	same(t, "a change that is no event", read, after)
	if !read.Patient.TriedAt.Equal(at) || !read.Review || read.Revision != rec.Revision {
		t.Fatalf("tried at %v, review %t, revision %d", read.Patient.TriedAt, read.Review, read.Revision)
	}
}

func updateRefuses(t *testing.T, l Ledger) {
	before := full(t, l)
	for name, change := range map[string]func(r *callback.Record){
		"another id":       func(r *callback.Record) { r.ID = callback.NewID() },
		"another clinic":   func(r *callback.Record) { r.Clinic = there },
		"another source":   func(r *callback.Record) { r.SourceID = "other" },
		"another time":     func(r *callback.Record) { r.ReceivedAt = noon.Add(time.Hour) },
		"a lower revision": func(r *callback.Record) { r.Revision-- },
		"an altered event": func(r *callback.Record) { r.Timeline[1].Detail = "altered" },
		"an altered note":  func(r *callback.Record) { r.Timeline[2].Note = redact.NewText("altered") },
		"an event less":    func(r *callback.Record) { r.Timeline = r.Timeline[:len(r.Timeline)-2] },
		"a numbered event": func(r *callback.Record) {
			r.Timeline = append(r.Timeline, callback.Event{Seq: 99, At: noon, Kind: "x"})
		},
		"an altered attempt":     func(r *callback.Record) { r.Attempts[0].Result = callback.Reached },
		"an attempt less":        func(r *callback.Record) { r.Attempts = r.Attempts[1:] },
		"evidence less":          func(r *callback.Record) { r.Evidence = r.Evidence[1:] },
		"evidence of another":    func(r *callback.Record) { r.Evidence[0].Appointment = "a7" },
		"a link less":            func(r *callback.Record) { r.Links = r.Links[:1] },
		"another link":           func(r *callback.Record) { r.Links[0].ID = callback.NewID() },
		"a link with a new lock": func(r *callback.Record) { r.Links[0].Lock++ },
		"a foreign link":         func(r *callback.Record) { r.Links = append(r.Links, withForeignLink(*r).Links[0]) },
	} {
		_, err := l.Update(t.Context(), before.ID, func(r *callback.Record) error {
			r.Note(redact.NewText("and a note"), staff, noon)
			change(r)
			return nil
		})
		if !errors.Is(err, callback.ErrInvalid) {
			t.Errorf("%s: error is %v, want ErrInvalid", name, err)
		}
	}
	for name, change := range map[string]func(r *callback.Record){
		"closed without an outcome":    func(r *callback.Record) { r.Outcome = "" },
		"closed without a time":        func(r *callback.Record) { r.ClosedAt = time.Time{} },
		"open with an outcome":         func(r *callback.Record) { r.Status = callback.Waiting },
		"a status nobody knows":        func(r *callback.Record) { r.Status = "lost" },
		"a priority nobody knows":      func(r *callback.Record) { r.Priority = "soon" },
		"certain of no chart":          func(r *callback.Record) { r.Patient.Keys.EHRID = redact.Text{} },
		"weak evidence that closes":    func(r *callback.Record) { r.Evidence[1].State = callback.Credited },
		"a link that holds the future": func(r *callback.Record) { r.Links[0].Holds = r.Revision + 1 },
		"a link state nobody knows":    func(r *callback.Record) { r.Links[0].State = "lost" },
	} {
		_, err := l.Update(t.Context(), before.ID, func(r *callback.Record) error { change(r); return nil })
		if err == nil {
			t.Errorf("%s was stored", name)
		}
	}
	read, err := l.Record(t.Context(), before.ID)
	must(t, err)
	same(t, "after all that was refused", read, before)
}

func updatesAtOnce(t *testing.T, l Ledger) {
	ctx := context.Background()
	const writers, each = 8, 12
	rec := newCallback(t, l, request(here, 1))
	rec = update(t, l, rec.ID, func(r *callback.Record) error {
		return errors.Join(r.Triage(callback.Other, callback.Routine, noon, "", automation, noon), r.Assign("desk", automation, noon))
	})
	link := rec.Links[0].ID
	atOnce(writers+1, func(i int) {
		if i == writers { // a reader sees the record as it was at one moment
			for range 10 * each {
				got, err := l.Record(ctx, rec.ID)
				if err != nil || got.Repeats != len(got.Attempts) || len(got.Timeline) != len(rec.Timeline)+got.Repeats {
					t.Errorf("%d repeats, %d attempts, %d events, %v", got.Repeats, len(got.Attempts), len(got.Timeline), err)
				}
			}
			return
		}
		for n := range each {
			if i%2 == 0 { // the sync, which writes the link alone
				saveLink(t, l, link, func(l *callback.Link) { l.Failures++ })
			}
			_, err := l.Update(ctx, rec.ID, func(r *callback.Record) error {
				r.Repeats++ // read, change, write: one that is lost is missing in the sum
				r.Link(link).Failures++
				return r.Attempt(callback.Attempt{ID: callback.NewID(), At: noon, By: staff, Channel: "phone", Result: callback.NoAnswer,
					Note: redact.NewText(fmt.Sprint(i, " ", n))}, noon)
			})
			if err != nil {
				t.Error(err)
			}
		}
	})
	got, err := l.Record(ctx, rec.ID)
	must(t, err)
	const all = writers * each
	same(t, "repeats, attempts, events, revision, failures of the link, its lock",
		[]int{got.Repeats, len(got.Attempts), len(got.Timeline), int(got.Revision), got.Links[0].Failures, int(got.Links[0].Lock)},
		[]int{all, all, len(rec.Timeline) + all, int(rec.Revision) + all, all + all/2, all + all/2})
}

// saveLink changes a link until nobody else changed it meanwhile.
func saveLink(t testing.TB, l Ledger, id callback.ID, change func(*callback.Link)) {
	for {
		link, err := l.LinkByID(context.Background(), id)
		if err != nil {
			t.Error(err)
			return
		}
		change(&link)
		switch _, err = l.SaveLink(context.Background(), link); {
		case err == nil:
			return
		case !errors.Is(err, callback.ErrConflict):
			t.Error(err)
			return
		}
	}
}

func creditedOnce(t *testing.T, l Ledger) {
	ev := callback.Evidence{EHR: ehr, Appointment: "visit", Verdict: callback.Exact, Sentence: "A visit is booked."}
	credit := func(r *callback.Record) error { return r.CloseOnVisit(ev, noon) }
	first, second := newCallback(t, l, request(here, 1)), newCallback(t, l, request(here, 2))
	to := func(id callback.ID) {
		t.Helper()
		got, err := l.CreditedTo(t.Context(), here, ehr, "visit")
		must(t, err)
		same(t, "credited to", got, id)
	}
	to("")
	update(t, l, first.ID, credit)
	to(first.ID)
	_, err := l.Update(t.Context(), second.ID, credit)
	want(t, err, callback.ErrConflict)
	update(t, l, first.ID, func(r *callback.Record) error { return r.ReopenOnVisitLost("cancelled", noon) })
	to("")
	update(t, l, second.ID, credit)
	to(second.ID)
	newCallback(t, l, request(there, 3))
	got, err := l.CreditedTo(t.Context(), there, ehr, "visit")
	must(t, err)
	same(t, "in another clinic", got, callback.ID(""))
}

func cancelled(t *testing.T, l Ledger) {
	rec := newCallback(t, l, request(here, 1))
	ctx, cancel := context.WithCancel(t.Context())
	_, err := l.Update(ctx, rec.ID, func(r *callback.Record) error {
		r.Note(redact.NewText("lost"), staff, noon)
		cancel()
		return nil
	})
	want(t, err, context.Canceled)
	_, err = l.Record(ctx, rec.ID)
	want(t, err, context.Canceled)
	read, err := l.Record(t.Context(), rec.ID)
	must(t, err)
	same(t, "after the cancelled change", read, rec)
}
