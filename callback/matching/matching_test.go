package matching_test

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/businesstime"
	"github.com/ringback-health/ringback/callback/matching"
	"github.com/ringback-health/ringback/callback/workflow"
	"github.com/ringback-health/ringback/internal/redact"
)

var asked = time.Date(2026, 11, 24, 15, 0, 0, 0, time.UTC)

const ehrID = callback.EHRID("ehr")

// world is a callback of a certain patient and a visit that answers it; each case
// changes one thing.
func world() matching.Input {
	rec := callback.Record{Callback: callback.Callback{ID: callback.NewID(), Clinic: "c", Status: callback.Assigned,
		ReceivedAt: asked, AskedAt: asked, Category: callback.ExistingScheduling,
		Patient: callback.Patient{Keys: callback.PatientKeys{EHRID: redact.NewText("p1")}, Resolution: callback.Certain}}}
	task := callback.NewLink(rec.Callback, ehrID, callback.TaskResource, asked)
	proposal := callback.NewLink(rec.Callback, ehrID, callback.AppointmentResource, asked)
	task.RemoteID, proposal.RemoteID = "task-1", "proposal-1"
	rec.Links = []callback.Link{task, proposal}
	return matching.Input{Record: rec, Rules: workflow.Default(businesstime.Weekdays(time.UTC)),
		Appointments: []callback.Appointment{{EHR: ehrID, ID: "a1", State: callback.ApptBooked, Patient: redact.NewText("p1"), Patients: 1,
			Created: asked.Add(time.Hour), FirstSeen: asked.Add(time.Hour), Start: asked.Add(48 * time.Hour)}},
		CreditedElsewhere: map[string]bool{}, Now: asked.Add(2 * time.Hour)}
}

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(in *matching.Input, a *callback.Appointment)
		want   callback.Verdict
		reason string
	}{
		{"one certain patient, booked after", func(*matching.Input, *callback.Appointment) {}, callback.Strong, "patient-certain"},
		{"our marker", func(in *matching.Input, a *callback.Appointment) {
			a.Markers, a.Patient = []callback.Marker{in.Record.Links[0].Marker()}, redact.Text{}
		}, callback.Exact, "marker"},
		{"our proposal", func(in *matching.Input, a *callback.Appointment) { a.ID = "proposal-1" }, callback.Exact, "our-proposal"},
		{"points to our task", func(in *matching.Input, a *callback.Appointment) { a.Tasks = []string{"task-1"} }, callback.Exact, "points-to-our-task"},
		{"linked by staff", func(in *matching.Input, a *callback.Appointment) { in.StaffLinked = []string{"a1"} }, callback.Exact, "linked-by-staff"},
		{"the task of another EHR", func(in *matching.Input, a *callback.Appointment) {
			a.EHR, a.Tasks, a.Patient = "other", []string{"task-1"}, redact.NewText("p2")
		}, callback.None, "other-patient"},
		{"only proposed", func(in *matching.Input, a *callback.Appointment) { a.State = callback.ApptRequested }, callback.None, "not-booked"},
		{"a state we do not know", func(in *matching.Input, a *callback.Appointment) { a.State = callback.ApptUnknown }, callback.None, "not-booked"},
		{"already cancelled", func(in *matching.Input, a *callback.Appointment) { a.State = callback.ApptCancelled }, callback.None, "not-booked"},
		{"somebody else", func(in *matching.Input, a *callback.Appointment) { a.Patient = redact.NewText("p2") }, callback.None, "other-patient"},
		{"nobody named", func(in *matching.Input, a *callback.Appointment) { a.Patient = redact.Text{} }, callback.None, "other-patient"},
		{"booked before the call", func(in *matching.Input, a *callback.Appointment) { a.Created = asked.Add(-time.Hour) }, callback.None, "booked-before-request"},
		{"booked after the window", func(in *matching.Input, a *callback.Appointment) { a.Created = asked.Add(15 * 24 * time.Hour) }, callback.None, "booked-too-late"},
		{"no booking time, first seen later", func(in *matching.Input, a *callback.Appointment) {
			a.Created, a.NotBefore = time.Time{}, asked.Add(time.Minute)
		}, callback.Strong, "booked-after-request"},
		{"no booking time, poll before the call", func(in *matching.Input, a *callback.Appointment) {
			a.Created, a.NotBefore = time.Time{}, asked.Add(-time.Minute)
		}, callback.Weak, "booking-time-uncertain"},
		{"no booking time, in the baseline after the call", func(in *matching.Input, a *callback.Appointment) {
			a.Created = time.Time{}
		}, callback.Weak, "booking-time-uncertain"},
		{"no booking time, in the baseline before the call", func(in *matching.Input, a *callback.Appointment) {
			a.Created, a.FirstSeen = time.Time{}, asked.Add(-time.Hour)
		}, callback.None, "known-before-request"},
		{"patient by phone alone", func(in *matching.Input, a *callback.Appointment) {
			in.Record.Patient = callback.Patient{Candidate: redact.NewText("p1"), Resolution: callback.Ambiguous}
		}, callback.Weak, "patient-uncertain"},
		{"two patients in one visit", func(in *matching.Input, a *callback.Appointment) { a.Patients = 2 }, callback.Weak, "several-patients"},
		{"nobody said what it is about", func(in *matching.Input, a *callback.Appointment) { in.Record.Category = callback.Other }, callback.Weak, "request-unclear"},
		{"another open callback of the patient", func(in *matching.Input, a *callback.Appointment) { in.Rivals = 1 }, callback.Weak, "several-open-callbacks"},
		{"kind does not answer", func(in *matching.Input, a *callback.Appointment) {
			rule := in.Rules.Categories[callback.ExistingScheduling]
			rule.Kinds = []string{"evaluation"}
			in.Rules.Categories[callback.ExistingScheduling] = rule
			a.Kinds = []string{"flu shot"}
		}, callback.Weak, "kind-does-not-answer"},
		{"a question about benefits", func(in *matching.Input, a *callback.Appointment) {
			in.Record.Category, in.StaffLinked = callback.BenefitsBilling, []string{"a1"}
		}, callback.None, "no-visit-answers-this-category"},
		{"records", func(in *matching.Input, a *callback.Appointment) { in.Record.Category = callback.RecordsReferral }, callback.None, "no-visit-answers-this-category"},
		{"clinical", func(in *matching.Input, a *callback.Appointment) { in.Record.Category = callback.Clinical }, callback.None, "no-visit-answers-this-category"},
		{"credited elsewhere", func(in *matching.Input, a *callback.Appointment) {
			in.CreditedElsewhere["a1"], in.StaffLinked = true, []string{"a1"}
		}, callback.None, "answers-another-callback"},
		{"refused by a person", func(in *matching.Input, a *callback.Appointment) {
			in.Record.Evidence = []callback.Evidence{{EHR: ehrID, Appointment: "a1", State: callback.Refused}}
		}, callback.None, "refused-by-a-person"},
		{"called again after that booking", func(in *matching.Input, a *callback.Appointment) {
			in.Record.AskedAt = asked.Add(2 * time.Hour)
		}, callback.None, "booked-before-request"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := world()
			c.change(&in, &in.Appointments[0])
			ev := in.Judge(in.Appointments[0])
			if ev.Verdict != c.want || !slices.Contains(ev.Reasons, c.reason) {
				t.Errorf("%s %v, want %s because of %s", ev.Verdict, ev.Reasons, c.want, c.reason)
			}
			if !strings.HasSuffix(ev.Sentence, ".") && !strings.HasSuffix(ev.Sentence, "look.") || strings.Contains(ev.Sentence, ": .") {
				t.Errorf("the sentence says nothing: %q", ev.Sentence)
			}
		})
	}
}

func TestReopen(t *testing.T) {
	for _, c := range []struct {
		state  callback.AppointmentState
		after  time.Duration
		credit callback.EvidenceState
		want   matching.Step
	}{
		{callback.ApptBooked, time.Hour, callback.Credited, matching.Leave},
		{callback.ApptDone, time.Hour, callback.Credited, matching.Leave},
		{callback.ApptUnknown, time.Hour, callback.Credited, matching.Leave},
		{callback.ApptCancelled, time.Hour, callback.Credited, matching.Reopen},
		{callback.ApptNoShow, 6 * 24 * time.Hour, callback.Credited, matching.Reopen},
		{callback.ApptVoid, time.Hour, callback.Credited, matching.Reopen},
		{callback.ApptCancelled, 8 * 24 * time.Hour, callback.Credited, matching.Leave},
		{callback.ApptCancelled, time.Hour, callback.Shown, matching.Leave},
		{callback.ApptCancelled, time.Hour, callback.Refused, matching.Leave},
	} {
		in := world()
		in.Record.Status, in.Record.ClosedAt = callback.Closed, asked.Add(time.Hour)
		in.Record.Evidence = []callback.Evidence{{EHR: ehrID, Appointment: "a1", State: c.credit, Verdict: callback.Strong}}
		in.Appointments[0].State = c.state
		in.Now = in.Record.ClosedAt.Add(c.after)
		if got := matching.Decide(in).Step; got != c.want {
			t.Errorf("%s evidence, %s after %s: %s, want %s", c.credit, c.state, c.after, got, c.want)
		}
	}
}

func TestReviewOncePerAppointment(t *testing.T) {
	in := world()
	in.Rivals = 1
	d := matching.Decide(in)
	if d.Step != matching.Review || len(d.Evidence) != 1 {
		t.Fatalf("%+v", d)
	}
	in.Record.AskReview(d.Evidence, in.Now)
	if d := matching.Decide(in); d.Step != matching.Leave {
		t.Errorf("asked again: %+v", d)
	}
}

// randomInput draws a world with several appointments in all conditions.
func randomInput(t *rapid.T) matching.Input {
	in := world()
	in.Rivals = rapid.IntRange(0, 1).Draw(t, "rivals")
	in.Record.Category = rapid.SampledFrom(callback.Categories).Draw(t, "category")
	in.Record.Patient.Resolution = rapid.SampledFrom([]callback.Resolution{callback.Certain, callback.Ambiguous, callback.NoChart}).Draw(t, "resolution")
	if rapid.Bool().Draw(t, "closed") {
		in.Record.Status, in.Record.ClosedAt = callback.Closed, asked
		in.Record.Evidence = []callback.Evidence{{EHR: ehrID, Appointment: "a0", State: callback.Credited}}
	}
	in.Appointments = nil
	for range rapid.IntRange(0, 6).Draw(t, "n") {
		a := callback.Appointment{EHR: ehrID, ID: rapid.SampledFrom([]string{"a0", "a1", "a2"}).Draw(t, "id"),
			State:   rapid.SampledFrom([]callback.AppointmentState{callback.ApptBooked, callback.ApptCancelled, callback.ApptDone, callback.ApptRequested}).Draw(t, "state"),
			Patient: redact.NewText(rapid.SampledFrom([]string{"p1", "p2", ""}).Draw(t, "patient")), Patients: rapid.IntRange(1, 2).Draw(t, "patients"),
			Updated: asked.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "updated")) * time.Minute), FirstSeen: asked.Add(time.Minute)}
		if rapid.Bool().Draw(t, "has-created") {
			a.Created = asked.Add(time.Duration(rapid.IntRange(-2, 400).Draw(t, "created")) * time.Hour)
		}
		if rapid.IntRange(0, 4).Draw(t, "marked") == 0 {
			a.Markers = []callback.Marker{in.Record.Links[0].Marker()}
		}
		in.Appointments = append(in.Appointments, a)
	}
	return in
}

// TestOrderDoesNotMatter: shuffling and repeating the evidence changes nothing.
func TestOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := randomInput(t)
		want := matching.Decide(in)
		in.Appointments = append(slices.Clone(in.Appointments), in.Appointments...)
		seed := rapid.Uint64().Draw(t, "seed")
		rand.New(rand.NewPCG(seed, 1)).Shuffle(len(in.Appointments), func(i, j int) {
			in.Appointments[i], in.Appointments[j] = in.Appointments[j], in.Appointments[i]
		})
		if got := matching.Decide(in); !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v, in another order %+v", want, got)
		}
	})
}

// TestNothingClosesOnDoubt: whatever closes is booked, answers the category, and
// is either ours or of one certain patient and booked after the request.
func TestNothingClosesOnDoubt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := randomInput(t)
		d := matching.Decide(in)
		if d.Step != matching.Close {
			return
		}
		ev := d.Evidence[0]
		if !in.Rules.AnsweredByVisit(in.Record.Category) || in.Record.Status == callback.Closed {
			t.Fatal("closed what no visit answers, or what is closed")
		}
		for _, a := range in.Appointments {
			if a.ID != ev.Appointment || !a.State.Stands() || ev.Verdict == callback.Exact {
				continue
			}
			if ev.Verdict == callback.Strong && a.Patient.Reveal() == "p1" && a.Patients == 1 && !a.Created.Before(asked) &&
				in.Record.Patient.Resolution == callback.Certain && in.Rivals == 0 {
				return
			}
		}
		if ev.Verdict != callback.Exact {
			t.Fatalf("closed on %+v", ev)
		}
	})
}

// TestContraryEvidenceNeverStrengthens: making one thing worse never makes a
// verdict better.
func TestContraryEvidenceNeverStrengthens(t *testing.T) {
	rank := map[callback.Verdict]int{callback.None: 0, callback.Weak: 1, callback.Strong: 2, callback.Exact: 3}
	rapid.Check(t, func(t *rapid.T) {
		in := randomInput(t)
		if len(in.Appointments) == 0 {
			return
		}
		a := in.Appointments[0]
		before := rank[in.Judge(a).Verdict]
		switch rapid.IntRange(0, 5).Draw(t, "contrary") {
		case 0:
			in.Rivals++
		case 1:
			a.Patients++
		case 2:
			in.Record.Patient.Resolution = callback.Ambiguous
		case 3:
			a.Patient = redact.NewText("p2")
		case 4:
			in.CreditedElsewhere[a.ID] = true
		case 5:
			a.State = callback.ApptCancelled
		}
		if after := rank[in.Judge(a).Verdict]; after > before {
			t.Fatalf("the verdict rose from %d to %d", before, after)
		}
	})
}
