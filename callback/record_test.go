package callback_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/redact"
)

var (
	start  = time.Date(2026, 11, 24, 15, 0, 0, 0, time.UTC)
	robot  = callback.Actor{Kind: callback.Automation}
	person = callback.Actor{Kind: callback.Person, Name: "kim"}
	staff  = callback.Actor{Kind: callback.EHRStaff}
)

// tester is what a test and a property test have in common.
type tester interface {
	Helper()
	Fatal(args ...any)
}

func assigned(t tester) callback.Record {
	t.Helper()
	r := callback.Capture(callback.Request{Clinic: "c", Source: "webform", SourceID: "1", ReceivedAt: start,
		Caller: callback.Caller{Name: redact.NewText("Ann Lee"), Phone: redact.NewText("+15555550101")}}, start)
	must(t, r.Triage(callback.NewPatient, callback.Urgent, start.Add(time.Hour), "test", robot, start))
	must(t, r.Assign("front-desk", robot, start))
	r.Links = []callback.Link{callback.NewLink(r.Callback, "ehr", callback.TaskResource, start)}
	return r
}

func must(t tester, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func visit(v callback.Verdict) callback.Evidence {
	return callback.Evidence{EHR: "ehr", Appointment: "a1", Verdict: v, Reasons: []string{"test"}, Sentence: "A visit is booked."}
}

func TestOnlyExactAndStrongEvidenceCloses(t *testing.T) {
	for _, v := range []callback.Verdict{callback.Exact, callback.Strong, callback.Weak, callback.None, ""} {
		r := assigned(t)
		err := r.CloseOnVisit(visit(v), start)
		closes := v == callback.Exact || v == callback.Strong
		if closes != (err == nil) || closes != (r.Status == callback.Closed) {
			t.Errorf("%q: %v, %s", v, err, r.Status)
		}
		if closes && (r.Outcome != callback.Booked || r.Evidence[0].State != callback.Credited) {
			t.Errorf("%q: the visit should be credited: %+v", v, r.Evidence)
		}
	}
}

func TestReopeningDecidesWhatBecomesOfTheEvidence(t *testing.T) {
	for _, c := range []struct {
		by   callback.Actor
		want callback.EvidenceState
	}{{robot, callback.Revoked}, {person, callback.Refused}, {staff, callback.Refused}} {
		r := assigned(t)
		must(t, r.CloseOnVisit(visit(callback.Strong), start))
		must(t, r.Reopen("test", redact.Text{}, c.by, start.Add(time.Hour)))
		if r.Status != callback.InProgress || r.Outcome != "" || !r.ClosedAt.IsZero() || r.Evidence[0].State != c.want {
			t.Errorf("%s: %s %q %+v", c.by.Kind, r.Status, r.Outcome, r.Evidence)
		}
		revision := r.Revision
		must(t, r.Reopen("again", redact.Text{}, c.by, start.Add(time.Hour)))
		if r.Revision != revision {
			t.Error("opening an open callback changes nothing")
		}
	}
}

func TestMergeReopensAndRaises(t *testing.T) {
	r := assigned(t)
	again := callback.Request{Clinic: "c", Source: "phone", SourceID: "2", ReceivedAt: start.Add(time.Minute),
		Text: redact.NewText("still waiting"), Patient: callback.PatientKeys{MRN: redact.NewText("M1")}}
	must(t, r.Merge(again, start.Add(time.Minute)))
	if r.Repeats != 1 || r.Priority != callback.ASAP || !r.AskedAt.Equal(start) || r.Patient.Keys.MRN.IsEmpty() {
		t.Errorf("first repeat: %+v", r.Callback)
	}
	must(t, r.Merge(again, start.Add(2*time.Minute)))
	if r.Repeats != 2 || r.Priority != callback.ASAP {
		t.Errorf("the priority rises once: %d %s", r.Repeats, r.Priority)
	}
	must(t, r.CloseOnVisit(visit(callback.Strong), start.Add(time.Hour)))
	again.ReceivedAt = start.Add(2 * time.Hour)
	must(t, r.Merge(again, start.Add(2*time.Hour)))
	if r.Status != callback.InProgress || !r.AskedAt.Equal(again.ReceivedAt) || r.Evidence[0].State != callback.Revoked {
		t.Errorf("a call after closing opens it again and asks anew: %+v", r.Callback)
	}
}

func TestReviewIsAskedOncePerAppointment(t *testing.T) {
	r := assigned(t)
	r.AskReview([]callback.Evidence{visit(callback.Weak)}, start)
	n := len(r.Timeline)
	r.AskReview([]callback.Evidence{visit(callback.Weak)}, start)
	if !r.Review || len(r.Timeline) != n || r.Status != callback.Assigned {
		t.Errorf("review %v, %d events then %d", r.Review, n, len(r.Timeline))
	}
	must(t, r.Close(callback.AnsweredQuestion, redact.Text{}, person, start))
	if r.Review {
		t.Error("a closed callback needs no review")
	}
}

func TestClosingTwiceIsClosingOnce(t *testing.T) {
	r := assigned(t)
	must(t, r.Close(callback.PatientDeclined, redact.Text{}, person, start))
	n := r.Revision
	must(t, r.Close(callback.PatientDeclined, redact.Text{}, person, start))
	if r.Revision != n {
		t.Error("closing again with the same outcome changes nothing")
	}
	if err := r.Close(callback.Spam, redact.Text{}, person, start); !errors.Is(err, callback.ErrNotAllowed) {
		t.Errorf("another outcome needs a reopening first: %v", err)
	}
	if err := r.Close(callback.NoAnswer, redact.Text{}, person, start); !errors.Is(err, callback.ErrInvalid) {
		t.Errorf("an unanswered attempt closes nothing: %v", err)
	}
}

// TestRecordInvariants throws random operations at a record.
func TestRecordInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := assigned(t)
		at := start
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			at = at.Add(time.Duration(rapid.IntRange(0, 3600).Draw(t, "seconds")) * time.Second)
			before := r.Clone()
			err := randomStep(t, &r, at)
			if err != nil && (r.Revision != before.Revision || len(r.Timeline) != len(before.Timeline) || r.Status != before.Status) {
				t.Fatalf("a step that failed changed the record: %v", err)
			}
			if r.Revision < before.Revision || !slices.Equal(r.Timeline[:len(before.Timeline)], before.Timeline) {
				t.Fatal("revision and timeline only grow")
			}
			if closed := r.Status == callback.Closed; closed != (r.Outcome != "") || closed == r.ClosedAt.IsZero() {
				t.Fatalf("%s with outcome %q, closed at %s", r.Status, r.Outcome, r.ClosedAt)
			}
			if last := r.Timeline[len(r.Timeline)-1]; last.Revision != r.Revision || last.To != r.Status {
				t.Fatalf("the last event tells where the callback stands: %+v", last)
			}
			credited := 0
			for _, ev := range r.Evidence {
				if ev.State == callback.Credited {
					credited++
				}
			}
			if credited > 1 || (credited == 1 && r.Status != callback.Closed) || r.Owner == "" {
				t.Fatalf("%d credited visits of a %s callback, owner %q", credited, r.Status, r.Owner)
			}
		}
	})
}

func randomStep(t *rapid.T, r *callback.Record, at time.Time) error {
	by := rapid.SampledFrom([]callback.Actor{robot, person, staff}).Draw(t, "by")
	switch rapid.IntRange(0, 10).Draw(t, "step") {
	case 0:
		return r.Triage(rapid.SampledFrom(callback.Categories).Draw(t, "category"), callback.Urgent, at, "test", by, at)
	case 1:
		return r.Assign(rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "owner"), by, at)
	case 2:
		return r.Attempt(callback.Attempt{ID: callback.NewID(), At: at, By: by, Channel: "phone", Result: callback.NoAnswer}, at)
	case 3:
		return r.Close(rapid.SampledFrom(callback.ClosingOutcomes).Draw(t, "outcome"), redact.Text{}, by, at)
	case 4:
		return r.CloseOnVisit(callback.Evidence{EHR: "ehr", Appointment: rapid.SampledFrom([]string{"a1", "a2"}).Draw(t, "appointment"), Verdict: callback.Strong}, at)
	case 5:
		return r.Reopen("test", redact.Text{}, by, at)
	case 6:
		return r.Merge(callback.Request{ReceivedAt: at}, at)
	case 7:
		return r.Wait(by, at)
	case 8:
		return r.Start(by, at)
	case 9:
		return r.Release(by, at)
	default:
		r.AskReview([]callback.Evidence{visit(callback.Weak)}, at)
		return nil
	}
}
