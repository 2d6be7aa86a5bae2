package matching_test

import (
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/matching"
	"github.com/ringback-health/ringback/internal/redact"
)

// TestClosed: what becomes of the visit that closed a callback.
func TestClosed(t *testing.T) {
	change := callback.RescheduleCancel
	for _, c := range []struct {
		name   string
		after  time.Duration // since closing
		change func(in *matching.Input, a *callback.Appointment)
		want   matching.Step
	}{
		{"it stands", time.Hour, func(*matching.Input, *callback.Appointment) {}, matching.Leave},
		{"it took place", time.Hour, state(callback.ApptDone), matching.Leave},
		{"nobody knows", time.Hour, state(callback.ApptUnknown), matching.Leave},
		{"it is moved: a reschedule keeps it closed", time.Hour, func(in *matching.Input, a *callback.Appointment) { *a = moved(*a, 2*time.Hour) }, matching.Leave},
		{"cancelled", time.Hour, state(callback.ApptCancelled), matching.Reopen},
		{"no-show", 6 * day, state(callback.ApptNoShow), matching.Reopen},
		{"deleted", time.Hour, state(callback.ApptVoid), matching.Reopen},
		{"over, and then tidied up", time.Hour, func(in *matching.Input, a *callback.Appointment) {
			*a = became(became(*a, 2*time.Hour, callback.ApptDone), 3*time.Hour, callback.ApptVoid)
		}, matching.Leave},
		{"cancelled long after", 8 * day, state(callback.ApptCancelled), matching.Renew},
		{"cancelled long after, and the patient has asked anew", 8 * day, func(in *matching.Input, a *callback.Appointment) {
			state(callback.ApptCancelled)(in, a)
			in.Rivals = []callback.Record{request(callback.ExistingScheduling)}
		}, matching.Lapse},
		{"cancelled long after, and the patient has a question", 8 * day, func(in *matching.Input, a *callback.Appointment) {
			state(callback.ApptCancelled)(in, a)
			in.Rivals = []callback.Record{request(callback.BenefitsBilling)}
		}, matching.Renew},
		{"cancelled, only shown", time.Hour, credit(callback.Shown), matching.Leave},
		{"cancelled, refused", time.Hour, credit(callback.Refused), matching.Leave},
		{"cancelled, revoked already", time.Hour, credit(callback.Revoked), matching.Leave},
		{"cancelled, and a new one that replaces it", time.Hour, func(in *matching.Input, a *callback.Appointment) {
			state(callback.ApptCancelled)(in, a)
			next := visit("a2", 2*time.Hour)
			next.Replaces = []string{"a1"}
			in.Appointments = append(in.Appointments, next)
		}, matching.Keep},
		{"cancelled long after, and a new one that replaces it", 20 * day, func(in *matching.Input, a *callback.Appointment) {
			state(callback.ApptCancelled)(in, a)
			next := visit("a2", 20*day)
			next.Replaces, next.Start = []string{"a1"}, asked.Add(30*day)
			in.Appointments = append(in.Appointments, next)
		}, matching.Keep},
		{"cancelled, and a new one, nobody says in whose place", time.Hour, func(in *matching.Input, a *callback.Appointment) {
			state(callback.ApptCancelled)(in, a)
			in.Appointments = append(in.Appointments, visit("a2", 2*time.Hour))
		}, matching.Keep},
		{"cancelled, and one booked long before that stands", 5 * day, func(in *matching.Input, a *callback.Appointment) {
			state(callback.ApptCancelled)(in, a)
			in.Appointments = append(in.Appointments, visit("a2", 2*time.Hour))
		}, matching.Reopen},
		{"a no-show, and one booked in the hours before that stands", time.Hour, func(in *matching.Input, a *callback.Appointment) {
			state(callback.ApptNoShow)(in, a)
			in.Appointments = append(in.Appointments, visit("a2", 90*time.Minute))
		}, matching.Reopen},
		{"a no-show, and one booked since", 4 * time.Hour, func(in *matching.Input, a *callback.Appointment) {
			state(callback.ApptNoShow)(in, a)
			in.Appointments = append(in.Appointments, visit("a2", 5*time.Hour))
		}, matching.Keep},
		{"cancelled, and one of another patient replaces it", time.Hour, func(in *matching.Input, a *callback.Appointment) {
			state(callback.ApptCancelled)(in, a)
			next := visit("a2", 2*time.Hour)
			next.Replaces, next.Patient = []string{"a1"}, text("p2")
			in.Appointments = append(in.Appointments, next)
		}, matching.Reopen},
		{"cancelled, and the new one is cancelled too", time.Hour, func(in *matching.Input, a *callback.Appointment) {
			state(callback.ApptCancelled)(in, a)
			next := visit("a2", 2*time.Hour)
			next.Replaces, next.State = []string{"a1"}, callback.ApptCancelled
			in.Appointments = append(in.Appointments, next)
		}, matching.Reopen},
		{"cancelled, the patient has asked for a change", time.Hour, func(in *matching.Input, a *callback.Appointment) {
			state(callback.ApptCancelled)(in, a)
			r := request(change)
			r.AskedAt = asked.Add(2 * time.Hour)
			in.Rivals = []callback.Record{r}
			in.Appointments = append(in.Appointments, visit("a2", 3*time.Hour))
		}, matching.Lapse},
		{"cancelled, the patient had asked for a change before", time.Hour, func(in *matching.Input, a *callback.Appointment) {
			state(callback.ApptCancelled)(in, a)
			r := request(change)
			r.AskedAt = asked.Add(-2 * time.Hour)
			in.Rivals = []callback.Record{r}
		}, matching.Reopen},
		{"it turned out to be for somebody else", time.Hour, func(in *matching.Input, a *callback.Appointment) { a.Patient = text("p2") }, matching.Reopen},
		{"its chart was merged into another", time.Hour, func(in *matching.Input, a *callback.Appointment) {
			a.Patient, in.Aliases = text("p2"), []redact.Text{text("p2")}
		}, matching.Leave},
		{"exact, and for somebody else", time.Hour, func(in *matching.Input, a *callback.Appointment) {
			a.Patient, in.Record.Evidence[0].Verdict = text("p2"), callback.Exact
		}, matching.Leave},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := world()
			closeOn(&in, "a1")
			a := in.Appointments[0]
			c.change(&in, &a)
			in.Appointments[0] = a
			in.Now = in.Record.ClosedAt.Add(c.after)
			d := matching.Decide(in)
			if d.Step != c.want {
				t.Fatalf("%s, want %s", d.Step, c.want)
			}
			if d.Step != matching.Leave && !strings.HasSuffix(d.Evidence[0].Sentence, ".") {
				t.Errorf("it says nothing: %q", d.Evidence[0].Sentence)
			}
		})
	}
}

func closeOn(in *matching.Input, id string) {
	in.Record.Status, in.Record.Outcome, in.Record.ClosedAt = callback.Closed, callback.Booked, asked.Add(time.Hour)
	in.Record.Evidence = []callback.Evidence{{EHR: ehrID, Appointment: id, State: callback.Credited, Verdict: callback.Strong}}
}

func state(s callback.AppointmentState) func(in *matching.Input, a *callback.Appointment) {
	return func(_ *matching.Input, a *callback.Appointment) { *a = became(*a, 2*time.Hour, s) }
}

func credit(s callback.EvidenceState) func(in *matching.Input, a *callback.Appointment) {
	return func(in *matching.Input, a *callback.Appointment) {
		state(callback.ApptCancelled)(in, a)
		in.Record.Evidence[0].State = s
	}
}

// TestCalledAgain: the visit that had answered the first call does not answer the second,
// whatever ties it to the callback; and when it is lost, after another visit has answered
// the second, the first call is without an answer.
func TestCalledAgain(t *testing.T) {
	in := world()
	in.Record.Links[0].Base.Appointments = []string{"a1"}
	must(t, in.Record.CloseOnVisit(in.Judge(in.Appointments[0]), in.Now))
	again := asked.Add(3 * time.Hour)
	must(t, in.Record.Merge(callback.Request{ReceivedAt: again, Category: callback.ExistingScheduling}, again))
	in.Now = asked.Add(4 * time.Hour)
	if d := matching.Decide(in); d.Step != matching.Leave {
		t.Fatalf("closed on the old visit: %+v", d)
	}
	if said := matching.Explain(in); !strings.Contains(said, "had answered this callback before") {
		t.Error(said)
	}
	in.Appointments = append(in.Appointments, visit("a2", 5*time.Hour))
	in.Now = asked.Add(6 * time.Hour)
	d := matching.Decide(in)
	if d.Step != matching.Close || d.Evidence[0].Appointment != "a2" {
		t.Fatalf("%+v", d)
	}
	must(t, in.Record.CloseOnVisit(d.Evidence[0], in.Now))
	in.Appointments[0] = became(in.Appointments[0], 24*time.Hour, callback.ApptNoShow)
	in.Now = asked.Add(25 * time.Hour)
	if d := matching.Decide(in); d.Step != matching.Reopen || d.Evidence[0].Appointment != "a1" {
		t.Errorf("the first visit is lost: %+v", d)
	}
}

// TestWhatWasWantedIsKnown: nobody said what the caller wanted; a visit was booked in the
// conversation, and fell through. What is missing is another one.
func TestWhatWasWantedIsKnown(t *testing.T) {
	in := world()
	in.Record.Category = callback.Other
	dealt(&in, time.Hour)
	d := matching.Decide(in)
	if d.Step != matching.Close {
		t.Fatalf("%+v", d)
	}
	must(t, in.Record.CloseOnVisit(d.Evidence[0], in.Now))
	in.Appointments[0] = became(in.Appointments[0], 3*time.Hour, callback.ApptCancelled)
	must(t, in.Record.ReopenOnVisitLost("The visit was cancelled.", asked.Add(3*time.Hour)))
	in.Appointments = append(in.Appointments, visit("a2", 30*time.Hour))
	in.Now = asked.Add(31 * time.Hour)
	if d := matching.Decide(in); d.Step != matching.Close || d.Evidence[0].Appointment != "a2" {
		t.Errorf("%+v", d)
	}
}

// TestSeriesIsCreditedOnce: ten visits booked at once close one callback; the next of the
// patient's callbacks is not closed by what is left of them; and one that is cancelled
// leaves the others.
func TestSeriesIsCreditedOnce(t *testing.T) {
	in := world()
	in.Appointments = nil
	for i := range 10 {
		a := visit("s"+string(rune('0'+i)), time.Hour+time.Duration(i)*time.Second)
		a.Start = asked.Add(time.Duration(i+1) * 7 * day)
		in.Appointments = append(in.Appointments, a)
	}
	d := matching.Decide(in)
	if d.Step != matching.Close || d.Evidence[0].Appointment != "s0" {
		t.Fatalf("%+v", d)
	}
	other := in
	other.Record = request(callback.ExistingScheduling)
	other.Credited = map[string]matching.Credit{"s0": {Callback: in.Record.ID, At: in.Now}}
	if d := matching.Decide(other); d.Step != matching.Review {
		t.Errorf("another callback: %s", d.Step)
	}
	closeOn(&in, "s0")
	in.Appointments[0] = became(in.Appointments[0], 2*time.Hour, callback.ApptCancelled)
	in.Now = asked.Add(3 * time.Hour)
	if d := matching.Decide(in); d.Step != matching.Keep || d.Evidence[0].Appointment != "s1" {
		t.Errorf("one of them cancelled: %+v", d)
	}
}

// TestExplain: one sentence on why a callback stands as it does.
func TestExplain(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(in *matching.Input)
		want   string
	}{
		{"closed on a visit", func(in *matching.Input) {
			must(t, in.Record.CloseOnVisit(in.Judge(in.Appointments[0]), in.Now))
		}, "Closed: a visit is booked; it was booked after the request, and it is for the same patient, and its kind answers this request."},
		{"closed by a person", func(in *matching.Input) {
			must(t, in.Record.Close(callback.PatientDeclined, redact.Text{}, callback.Actor{Kind: callback.Person, Name: "kim"}, in.Now))
		}, "Closed by person kim: outcome patient-declined."},
		{"for a person", func(in *matching.Input) {
			in.Rivals = []callback.Record{request(callback.NewPatient)}
			in.Record.AskReview(matching.Decide(*in).Evidence, in.Now)
		}, "Open, for a person to look at: a visit may answer this callback, but the patient has several open callbacks. Please look."},
		{"for a person, and no visit", func(in *matching.Input) {
			in.Record.AskReviewOf("the work item was rejected in the EHR", callback.Actor{Kind: callback.EHRStaff}, in.Now)
		}, "Open, for a person to look at: the work item was rejected in the EHR."},
		{"no visit answers it", func(in *matching.Input) { in.Record.Category = callback.Clinical },
			"Open: no visit answers this kind of request, so a person closes it."},
		{"nothing seen", func(in *matching.Input) { in.Appointments = nil },
			"Open: no visit of the patient was seen that was booked after the request."},
		{"booked before", func(in *matching.Input) { in.Appointments[0] = visit("a1", -day) },
			"Open: a visit was seen, but it was booked before the request."},
		{"credited elsewhere", func(in *matching.Input) { in.Credited["a1"] = matching.Credit{Callback: "x"} },
			"Open: a visit was seen, but it answers another callback."},
		{"no chart", func(in *matching.Input) { in.Record.Patient = callback.Patient{Resolution: callback.NoChart} },
			"Open: the EHR has no chart yet that fits the caller, so no visit can be held against it."},
		{"several charts", func(in *matching.Input) { in.Record.Patient = callback.Patient{Resolution: callback.Ambiguous} },
			"Open: it is not certain whose chart the caller's is, so no visit can be held against it."},
		{"not looked for", func(in *matching.Input) { in.Record.Patient = callback.Patient{} },
			"Open: the caller's chart was not looked for yet."},
		{"a test", func(in *matching.Input) {
			in.Record.Patient = callback.Patient{Resolution: callback.NoChart, How: "test-patient"}
		},
			"Open: the patient or the visit is made up for testing, and no visit closes such a callback."},
		{"open again", func(in *matching.Input) {
			must(t, in.Record.CloseOnVisit(in.Judge(in.Appointments[0]), in.Now))
			in.Appointments[0] = became(in.Appointments[0], 2*time.Hour, callback.ApptCancelled)
			must(t, in.Record.ReopenOnVisitLost(matching.Decide(*in).Evidence[0].Sentence, in.Now))
		}, "Open again (the visit that had answered this callback was cancelled): a visit was seen, but it is not booked."},
		{"lapsed", func(in *matching.Input) {
			must(t, in.Record.CloseOnVisit(in.Judge(in.Appointments[0]), in.Now))
			in.Record.Discredit("The visit that had answered this callback was cancelled.", in.Now)
			for i := range in.Record.Timeline {
				in.Record.Timeline[i].Seq = int64(i + 1)
			}
		}, "Closed: the visit that had answered this callback was cancelled."},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := world()
			c.change(&in)
			if got := matching.Explain(in); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
