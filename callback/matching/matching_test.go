package matching_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/businesstime"
	"github.com/ringback-health/ringback/callback/matching"
	"github.com/ringback-health/ringback/callback/workflow"
	"github.com/ringback-health/ringback/internal/redact"
)

var asked = time.Date(2026, 11, 24, 15, 0, 0, 0, time.UTC)

const (
	ehrID = callback.EHRID("ehr")
	day   = 24 * time.Hour
)

func text(s string) redact.Text { return redact.NewText(s) }

// world is a callback of a certain patient and a visit that answers it; each case
// changes one thing.
func world() matching.Input {
	return matching.Input{Record: request(callback.ExistingScheduling), Rules: workflow.Default(businesstime.Weekdays(time.UTC)),
		Appointments: []callback.Appointment{visit("a1", time.Hour)}, Credited: map[string]matching.Credit{}, Now: asked.Add(2 * time.Hour)}
}

// request is an open callback with a work item and a proposed visit in the EHR.
func request(c callback.Category) callback.Record {
	rec := callback.Record{Callback: callback.Callback{ID: callback.NewID(), Clinic: "c", Status: callback.Assigned,
		ReceivedAt: asked, AskedAt: asked, Category: c,
		Patient: callback.Patient{Keys: callback.PatientKeys{EHRID: text("p1")}, Resolution: callback.Certain}}}
	task := callback.NewLink(rec.Callback, ehrID, callback.TaskResource, asked)
	proposal := callback.NewLink(rec.Callback, ehrID, callback.AppointmentResource, asked)
	task.RemoteID, proposal.RemoteID = "task-1", "proposal-1"
	rec.Links = []callback.Link{task, proposal}
	return rec
}

// visit is a visit of the patient that was booked so long after the request, in the EHR's
// words, and seen at the next poll.
func visit(id string, after time.Duration) callback.Appointment {
	at := asked.Add(after)
	a := callback.Appointment{EHR: ehrID, ID: id, State: callback.ApptBooked, Patient: text("p1"), Patients: 1,
		Created: at, Updated: at, FirstSeen: at.Add(time.Minute), NotBefore: at, Start: asked.Add(7 * day)}
	return callback.Appointment{}.Observed(a)
}

// then is the appointment after a change that a poll saw so long after the request.
func then(a callback.Appointment, after time.Duration, change func(a *callback.Appointment)) callback.Appointment {
	next := a
	next.Updated, next.NotBefore, next.FirstSeen = asked.Add(after), asked.Add(after), asked.Add(after+time.Minute)
	change(&next)
	return a.Observed(next)
}

func moved(a callback.Appointment, after time.Duration) callback.Appointment {
	return then(a, after, func(a *callback.Appointment) { a.Start = a.Start.Add(day) })
}

func became(a callback.Appointment, after time.Duration, s callback.AppointmentState) callback.Appointment {
	return then(a, after, func(a *callback.Appointment) { a.State = s })
}

// reschedules makes the input one of a caller who wants to have a visit moved that was
// booked a week ago.
func reschedules(in *matching.Input) callback.Appointment {
	in.Record.Category = callback.RescheduleCancel
	return visit("old", -7*day)
}

// dealt says that staff filed the work item in the patient's chart so long after the request.
func dealt(in *matching.Input, after time.Duration) {
	in.Record.Timeline = append(in.Record.Timeline, callback.Event{Kind: callback.EventPatientBound, At: asked.Add(after),
		EHRAt: asked.Add(after), By: callback.Actor{Kind: callback.EHRStaff}})
}

type judgeCase struct {
	name   string
	change func(in *matching.Input, a *callback.Appointment)
	want   callback.Verdict
	reason string
}

func judge(t *testing.T, cases []judgeCase) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			in := world()
			a := in.Appointments[0]
			c.change(&in, &a)
			in.Appointments[0] = a
			ev := in.Judge(a)
			if ev.Verdict != c.want || !slices.Contains(ev.Reasons, c.reason) {
				t.Errorf("%s %v, want %s because of %s", ev.Verdict, ev.Reasons, c.want, c.reason)
			}
			if !strings.HasSuffix(ev.Sentence, ".") || strings.Contains(ev.Sentence, ": .") || strings.Contains(ev.Sentence, "but .") {
				t.Errorf("the sentence says nothing: %q", ev.Sentence)
			}
		})
	}
}

func TestJudge(t *testing.T) {
	judge(t, []judgeCase{
		{"one certain patient, booked after", func(*matching.Input, *callback.Appointment) {}, callback.Strong, "patient-certain"},
		{"our marker", func(in *matching.Input, a *callback.Appointment) {
			a.Markers, a.Patient = []callback.Marker{in.Record.Links[0].Marker()}, redact.Text{}
		}, callback.Exact, "marker"},
		{"our proposal", func(in *matching.Input, a *callback.Appointment) { a.ID = "proposal-1" }, callback.Exact, "our-proposal"},
		{"points to our task", func(in *matching.Input, a *callback.Appointment) { a.Tasks = []string{"task-1"} }, callback.Exact, "points-to-our-task"},
		{"linked by staff", func(in *matching.Input, a *callback.Appointment) {
			in.Record.Links[0].Base.Appointments = []string{"a1"}
		}, callback.Exact, "linked-by-staff"},
		{"linked by staff, booked before", func(in *matching.Input, a *callback.Appointment) {
			*a = visit("a1", -day) // they say that it is the answer
			in.Record.Links[0].Base.Appointments = []string{"a1"}
		}, callback.Exact, "linked-by-staff"},
		{"the task of another EHR", func(in *matching.Input, a *callback.Appointment) {
			a.EHR, a.Tasks, a.Patient = "other", []string{"task-1"}, text("p2")
		}, callback.None, "other-patient"},
		{"only proposed", func(in *matching.Input, a *callback.Appointment) { a.State = callback.ApptRequested }, callback.None, "not-booked"},
		{"a state we do not know", func(in *matching.Input, a *callback.Appointment) { a.State = callback.ApptUnknown }, callback.None, "not-booked"},
		{"already cancelled", func(in *matching.Input, a *callback.Appointment) { a.State = callback.ApptCancelled }, callback.None, "not-booked"},
		{"proposed before the request, booked after", func(in *matching.Input, a *callback.Appointment) {
			*a = became(then(visit("a1", -day), -day, func(a *callback.Appointment) { a.State = callback.ApptRequested }), time.Hour, callback.ApptBooked)
		}, callback.Strong, "booked-after-request"},
		{"cancelled, and booked again after the request", func(in *matching.Input, a *callback.Appointment) {
			*a = became(became(visit("a1", -2*day), -day, callback.ApptCancelled), time.Hour, callback.ApptBooked)
		}, callback.Strong, "booked-after-request"},
		{"somebody else: a parent books for another child", func(in *matching.Input, a *callback.Appointment) { a.Patient = text("p2") }, callback.None, "other-patient"},
		{"nobody named", func(in *matching.Input, a *callback.Appointment) { a.Patient = redact.Text{} }, callback.None, "other-patient"},
		{"the chart was merged into this one", func(in *matching.Input, a *callback.Appointment) {
			a.Patient, in.Aliases = text("p9"), []redact.Text{text("p9")}
		}, callback.Strong, "patient-certain"},
		{"no chart known", func(in *matching.Input, a *callback.Appointment) { in.Record.Patient = callback.Patient{} }, callback.None, "chart-unknown"},
		{"patient by phone alone: a family shares it", func(in *matching.Input, a *callback.Appointment) {
			in.Record.Patient = callback.Patient{Candidate: text("p1"), Resolution: callback.Ambiguous}
		}, callback.Weak, "patient-uncertain"},
		{"two patients in one visit", func(in *matching.Input, a *callback.Appointment) { a.Patients = 2 }, callback.Weak, "several-patients"},
		{"nobody said what it is about", func(in *matching.Input, a *callback.Appointment) { in.Record.Category = callback.Other }, callback.Strong, "soon-after-request"},
		{"nobody said what it is about, and it was booked days later", func(in *matching.Input, a *callback.Appointment) {
			in.Record.Category, *a = callback.Other, visit("a1", 4*day)
		}, callback.Weak, "request-unclear"},
		{"nobody said what it is about, but times for a visit were named", func(in *matching.Input, a *callback.Appointment) {
			in.Record.Category, *a = callback.Other, visit("a1", 4*day)
			in.Record.Preferred = []callback.Period{{Start: asked.Add(6 * day), End: asked.Add(6*day + time.Hour)}}
		}, callback.Strong, "request-clear"},
		{"nobody said what it is about, and staff booked it as they dealt with it", func(in *matching.Input, a *callback.Appointment) {
			in.Record.Category = callback.Other
			dealt(in, 70*time.Minute)
		}, callback.Strong, "in-conversation"},
		{"days later, and by another clock", func(in *matching.Input, a *callback.Appointment) {
			in.Record.Category, *a = callback.Other, visit("a1", 4*day)
			dealt(in, 4*day)
			in.Record.Timeline[0].EHRAt = in.Record.Timeline[0].EHRAt.Add(-2 * time.Hour)
		}, callback.Weak, "request-unclear"},
		{"the same, and the EHR tells no times", func(in *matching.Input, a *callback.Appointment) {
			in.Record.Category, a.Created = callback.Other, time.Time{}
			dealt(in, 70*time.Minute)
			in.Record.Timeline[0].EHRAt = time.Time{}
		}, callback.Strong, "in-conversation"},
		{"somebody said that it is about something else", func(in *matching.Input, a *callback.Appointment) {
			in.Record.Category = callback.Other
			in.Record.Timeline = []callback.Event{{Kind: callback.EventTriaged, Detail: workflow.BySource}}
			dealt(in, 70*time.Minute)
		}, callback.Weak, "request-unclear"},
		{"nobody said what it is about, and staff dealt with it the day before", func(in *matching.Input, a *callback.Appointment) {
			in.Record.Category, *a = callback.Other, visit("a1", 4*day)
			dealt(in, 3*day)
		}, callback.Weak, "request-unclear"},
		{"nobody said what it is about, and the caller rang again", func(in *matching.Input, a *callback.Appointment) {
			in.Record.Category, *a = callback.Other, visit("a1", 4*day)
			dealt(in, 4*day)
			in.Record.Timeline[0].By.Kind = callback.CallerActor
		}, callback.Weak, "request-unclear"},
		{"kind does not answer", func(in *matching.Input, a *callback.Appointment) {
			rule := in.Rules.Categories[callback.ExistingScheduling]
			rule.Kinds = []string{"evaluation"}
			in.Rules.Categories[callback.ExistingScheduling] = rule
			a.Kinds = []string{"flu shot"}
		}, callback.Weak, "kind-does-not-answer"},
		{"a question about benefits, linked by staff", func(in *matching.Input, a *callback.Appointment) {
			in.Record.Category, in.Record.Links[0].Base.Appointments = callback.BenefitsBilling, []string{"a1"}
		}, callback.None, "no-visit-answers-this-category"},
		{"records", func(in *matching.Input, a *callback.Appointment) { in.Record.Category = callback.RecordsReferral }, callback.None, "no-visit-answers-this-category"},
		{"clinical", func(in *matching.Input, a *callback.Appointment) { in.Record.Category = callback.Clinical }, callback.None, "no-visit-answers-this-category"},
		{"credited elsewhere", func(in *matching.Input, a *callback.Appointment) {
			in.Credited["a1"], in.Record.Links[0].Base.Appointments = matching.Credit{Callback: "x", At: asked}, []string{"a1"}
		}, callback.None, "answers-another-callback"},
		{"one of a series that is credited elsewhere", func(in *matching.Input, a *callback.Appointment) {
			in.Appointments = append(in.Appointments, visit("a2", time.Hour+10*time.Second))
			in.Credited["a2"] = matching.Credit{Callback: "x", At: asked}
		}, callback.Weak, "series-answers-another"},
		{"another visit is credited elsewhere", func(in *matching.Input, a *callback.Appointment) {
			in.Appointments = append(in.Appointments, visit("a2", 5*time.Hour))
			in.Credited["a2"] = matching.Credit{Callback: "x", At: asked}
		}, callback.Strong, "no-series-elsewhere"},
		{"refused by a person", func(in *matching.Input, a *callback.Appointment) {
			in.Record.Evidence = []callback.Evidence{{EHR: ehrID, Appointment: "a1", State: callback.Refused}}
		}, callback.None, "refused-by-a-person"},
		{"a test patient, by the clinic's list", func(in *matching.Input, a *callback.Appointment) {
			in.Rules.TestCharts, a.Tasks = []string{"p1"}, []string{"task-1"}
		}, callback.None, "test-patient"},
		{"a test patient, by name", func(in *matching.Input, a *callback.Appointment) { in.Record.Caller.Name = text("ZZTest, Ann") }, callback.None, "test-patient"},
		{"a visit made up for testing", func(in *matching.Input, a *callback.Appointment) { a.Test = true }, callback.None, "test-patient"},
	})
}

// TestJudgeTime: when it was booked, by whatever witness there is.
func TestJudgeTime(t *testing.T) {
	judge(t, []judgeCase{
		{"booked before the call", func(in *matching.Input, a *callback.Appointment) { *a = visit("a1", -time.Hour) }, callback.None, "booked-before-request"},
		{"known before the call, whatever the EHR says", func(in *matching.Input, a *callback.Appointment) {
			*a = visit("a1", -time.Hour)
			a.Created, a.FirstUpdated = asked.Add(time.Hour), time.Time{}
		}, callback.None, "known-before-request"},
		{"booked after the window", func(in *matching.Input, a *callback.Appointment) { *a = visit("a1", 15*day) }, callback.None, "booked-too-late"},
		{"no booking time, first seen later", func(in *matching.Input, a *callback.Appointment) { a.Created = time.Time{} }, callback.Strong, "booked-after-request"},
		{"no booking time, the last poll was before the call", func(in *matching.Input, a *callback.Appointment) {
			a.Created, a.NotBefore = time.Time{}, asked.Add(-time.Minute)
		}, callback.Weak, "booking-time-uncertain"},
		{"no booking time, in the baseline after the call", func(in *matching.Input, a *callback.Appointment) {
			a.Created, a.NotBefore = time.Time{}, time.Time{}
		}, callback.Weak, "booking-time-uncertain"},
		{"no booking time, in the baseline before the call", func(in *matching.Input, a *callback.Appointment) {
			a.Created, a.NotBefore, a.FirstSeen = time.Time{}, time.Time{}, asked.Add(-time.Hour)
		}, callback.None, "known-before-request"},
		{"no booking time, an old one that is first shown now", func(in *matching.Input, a *callback.Appointment) {
			a.Created, a.FirstUpdated = time.Time{}, asked.Add(-30*day)
		}, callback.None, "known-before-request"},
		{"an old one that is first shown now", func(in *matching.Input, a *callback.Appointment) {
			a.Created, a.FirstUpdated = asked.Add(-30*day), asked.Add(-30*day)
		}, callback.None, "booked-before-request"},
		{"a date alone, the same day", func(in *matching.Input, a *callback.Appointment) {
			a.Created, a.CreatedSpan = asked.Truncate(day), day
		}, callback.Strong, "booked-after-request"},
		{"a date alone, the same day, in the baseline", func(in *matching.Input, a *callback.Appointment) {
			a.Created, a.CreatedSpan, a.NotBefore = asked.Truncate(day), day, time.Time{}
		}, callback.Weak, "booking-time-uncertain"},
		{"a date alone, the day before", func(in *matching.Input, a *callback.Appointment) {
			a.Created, a.CreatedSpan = asked.Truncate(day).Add(-day), day
		}, callback.None, "booked-before-request"},
		{"the day that is 25 hours long", func(in *matching.Input, a *callback.Appointment) {
			eastern, err := time.LoadLocation("America/New_York")
			if err != nil {
				panic(err)
			}
			in.Record.AskedAt = time.Date(2026, 11, 1, 23, 30, 0, 0, eastern) // 24.5 hours after that midnight
			a.Created, a.CreatedSpan, a.FirstSeen, a.NotBefore = time.Date(2026, 11, 1, 0, 0, 0, 0, eastern), 25*time.Hour, time.Time{}, time.Time{}
			a.FirstUpdated = time.Time{}
		}, callback.Weak, "booking-time-uncertain"},
		{"called again after that booking", func(in *matching.Input, a *callback.Appointment) {
			in.Record.AskedAt = asked.Add(2 * time.Hour)
		}, callback.None, "booked-before-request"},
		{"opened again by a person after that booking", func(in *matching.Input, a *callback.Appointment) {
			in.Record.Timeline = []callback.Event{{Kind: callback.EventReopened, At: asked.Add(2 * time.Hour), By: callback.Actor{Kind: callback.EHRStaff}}}
		}, callback.Weak, "booked-before-reopening"},
		{"opened again as a visit was lost, days after that booking", func(in *matching.Input, a *callback.Appointment) {
			in.Record.Timeline = []callback.Event{{Kind: callback.EventReopened, At: asked.Add(3 * day), By: callback.Actor{Kind: callback.Automation}}}
		}, callback.Weak, "booked-before-reopening"},
		{"opened again as a visit was lost, right after that booking", func(in *matching.Input, a *callback.Appointment) {
			in.Record.Timeline = []callback.Event{{Kind: callback.EventReopened, At: asked.Add(2 * time.Hour), By: callback.Actor{Kind: callback.Automation}}}
		}, callback.Strong, "booked-after-request"},

		{"a walk-in, entered when it was over", func(in *matching.Input, a *callback.Appointment) { a.Start = asked.Add(30 * time.Minute) }, callback.Weak, "walked-in"},
		{"a walk-in from before the call", func(in *matching.Input, a *callback.Appointment) { a.Start = asked.Add(-30 * time.Minute) }, callback.None, "took-place-before-request"},
		{"a walk-in, no booking time", func(in *matching.Input, a *callback.Appointment) {
			a.Created, a.Start = time.Time{}, asked.Add(30*time.Minute)
		}, callback.Weak, "walked-in"},
		{"there already when first seen", func(in *matching.Input, a *callback.Appointment) {
			a.Created, a.Start, a.NotBefore = time.Time{}, asked.Add(time.Hour), asked.Add(time.Minute)
			a.History = []callback.AppointmentVersion{{State: callback.ApptArrived, Start: a.Start, Seen: asked.Add(70 * time.Minute)}}
		}, callback.Weak, "walked-in"},
		{"booked for the same day", func(in *matching.Input, a *callback.Appointment) { a.Start = asked.Add(2 * time.Hour) }, callback.Strong, "booked-after-request"},
	})
}

// TestClocks: the EHR's clock is wrong by minutes, or by hours.
func TestClocks(t *testing.T) {
	shown := func(booked, wrong, poll time.Duration, told bool) func(in *matching.Input, a *callback.Appointment) {
		return func(in *matching.Input, a *callback.Appointment) {
			*a = visit("a1", booked)
			a.Created, a.FirstUpdated, a.Updated = a.Created.Add(wrong), a.FirstUpdated.Add(wrong), a.Updated.Add(wrong)
			a.NotBefore, a.FirstSeen = a.NotBefore.Add(-poll), a.FirstSeen.Add(poll)
			if !told {
				a.FirstUpdated, a.Updated = time.Time{}, time.Time{}
			}
		}
	}
	const often, seldom = 0, 30 * time.Minute
	judge(t, []judgeCase{
		{"right, a minute after, seldom polled", shown(time.Minute, 0, seldom, true), callback.Weak, "booking-time-uncertain"},
		{"right, ten minutes after, seldom polled", shown(10*time.Minute, 0, seldom, true), callback.Strong, "booked-after-request"},
		{"right, a minute before", shown(-time.Minute, 0, seldom, true), callback.Weak, "booking-time-uncertain"},
		{"fast by four minutes, booked a minute before", shown(-time.Minute, 4*time.Minute, seldom, true), callback.Weak, "booking-time-uncertain"},
		{"fast by four minutes, booked a minute before, often polled", shown(-time.Minute, 4*time.Minute, often, true), callback.Weak, "booking-time-uncertain"},
		{"fast by four minutes, booked a minute after, often polled", shown(time.Minute, 4*time.Minute, often, true), callback.Strong, "booked-after-request"},
		{"slow by four minutes, booked a minute after", shown(time.Minute, -4*time.Minute, seldom, true), callback.Weak, "booking-time-uncertain"},
		{"slow by four minutes, booked a minute after, often polled", shown(time.Minute, -4*time.Minute, often, true), callback.Strong, "booked-after-request"},
		{"fast by three hours, booked an hour before", shown(-time.Hour, 3*time.Hour, often, true), callback.None, "known-before-request"},
		{"fast by three hours, booked an hour before, seen after", shown(-time.Hour, 3*time.Hour, 2*time.Hour, true), callback.Weak, "booking-time-uncertain"},
		{"fast by three hours, no time of change", shown(-time.Hour, 3*time.Hour, often, false), callback.None, "known-before-request"},
		{"fast by three hours, booked an hour after", shown(time.Hour, 3*time.Hour, often, true), callback.Strong, "booked-after-request"},
		{"slow by three hours, booked an hour after: or shown late", shown(time.Hour, -3*time.Hour, often, true), callback.Weak, "booking-time-uncertain"},
		{"slow by three hours, booked five hours after", shown(5*time.Hour, -3*time.Hour, often, true), callback.Strong, "booked-after-request"},
	})
}

// TestReschedule: the caller wants to have a visit moved.
func TestReschedule(t *testing.T) {
	judge(t, []judgeCase{
		{"the same one, moved", func(in *matching.Input, a *callback.Appointment) { *a = moved(reschedules(in), time.Hour) }, callback.Strong, "moved-after-request"},
		{"the same one, not moved", func(in *matching.Input, a *callback.Appointment) { *a = reschedules(in) }, callback.None, "booked-before-request"},
		{"the same one, moved before the call", func(in *matching.Input, a *callback.Appointment) { *a = moved(reschedules(in), -time.Hour) }, callback.None, "booked-before-request"},
		{"the same one, moved when nobody looked", func(in *matching.Input, a *callback.Appointment) {
			*a = moved(reschedules(in), time.Hour)
			a.History[1].NotBefore, a.History[1].Updated = asked.Add(-time.Hour), time.Time{}
		}, callback.Weak, "time-of-move-uncertain"},
		{"the same one, moved when nobody looked, and changed otherwise since", func(in *matching.Input, a *callback.Appointment) {
			*a = moved(reschedules(in), time.Hour)
			a.History[1].NotBefore = asked.Add(-time.Hour)
		}, callback.Weak, "time-of-move-uncertain"},
		{"the same one, moved when nobody looked, and nothing else was changed", func(in *matching.Input, a *callback.Appointment) {
			*a = moved(reschedules(in), time.Hour)
			a.History[1].NotBefore, a.History[1].Alone = asked.Add(-time.Hour), true
		}, callback.Strong, "moved-after-request"},
		{"the same one, moved two minutes after the call when nobody looked", func(in *matching.Input, a *callback.Appointment) {
			*a = moved(reschedules(in), 2*time.Minute)
			a.History[1].NotBefore, a.History[1].Alone = asked.Add(-time.Hour), true
		}, callback.Weak, "time-of-move-uncertain"},
		{"the same one, moved twice", func(in *matching.Input, a *callback.Appointment) {
			*a = moved(moved(reschedules(in), -time.Hour), time.Hour)
		}, callback.Strong, "moved-after-request"},
		{"the same one, moved too late", func(in *matching.Input, a *callback.Appointment) { *a = moved(reschedules(in), 15*day) }, callback.None, "booked-too-late"},
		{"it had answered another callback", func(in *matching.Input, a *callback.Appointment) {
			*a = moved(reschedules(in), time.Hour)
			in.Credited["old"] = matching.Credit{Callback: "x", At: asked.Add(-6 * day)}
		}, callback.Strong, "moved-after-request"},
		{"its move had answered another callback", func(in *matching.Input, a *callback.Appointment) {
			*a = moved(reschedules(in), time.Hour)
			in.Credited["old"] = matching.Credit{Callback: "x", At: asked.Add(2 * time.Hour)}
		}, callback.None, "answers-another-callback"},
		{"staff say which one it is", func(in *matching.Input, a *callback.Appointment) {
			*a = reschedules(in)
			in.Record.Links[0].Base.Appointments = []string{"old"}
		}, callback.None, "visit-to-be-moved"},
		{"staff say which one it is, and move it", func(in *matching.Input, a *callback.Appointment) {
			*a = moved(reschedules(in), time.Hour)
			in.Record.Links[0].Base.Appointments = []string{"old"}
		}, callback.Exact, "linked-by-staff"},
		{"cancelled, and a new one", func(in *matching.Input, a *callback.Appointment) {
			in.Appointments = append(in.Appointments, became(reschedules(in), time.Hour, callback.ApptCancelled))
		}, callback.Strong, "booked-after-request"},
		{"a new one that replaces it, as the EHR says", func(in *matching.Input, a *callback.Appointment) {
			in.Appointments = append(in.Appointments, reschedules(in))
			a.Replaces = []string{"old"}
		}, callback.Strong, "booked-after-request"},
		{"a new one beside it", func(in *matching.Input, a *callback.Appointment) {
			in.Appointments = append(in.Appointments, reschedules(in))
		}, callback.Weak, "earlier-visit-stands"},
		{"a new one, and the old one is over", func(in *matching.Input, a *callback.Appointment) {
			old := reschedules(in)
			old.Start = asked.Add(-time.Hour)
			in.Appointments = append(in.Appointments, old)
		}, callback.Strong, "booked-after-request"},
		{"a new one, after a no-show", func(in *matching.Input, a *callback.Appointment) {
			old := became(reschedules(in), -time.Hour, callback.ApptNoShow)
			old.Start = asked.Add(-2 * time.Hour)
			in.Appointments = append(in.Appointments, old)
		}, callback.Strong, "booked-after-request"},
		{"one of a series gave way to a new one", func(in *matching.Input, a *callback.Appointment) {
			next := visit("next", -7*day)
			next.Start = asked.Add(14 * day)
			in.Appointments = append(in.Appointments, next, became(reschedules(in), time.Hour, callback.ApptCancelled))
		}, callback.Strong, "booked-after-request"},

		{"who wants a visit has an old one moved", func(in *matching.Input, a *callback.Appointment) { *a = moved(visit("a1", -7*day), time.Hour) }, callback.Weak, "moved-only"},
		{"who wants a visit has an old one moved, by staff who deal with him", func(in *matching.Input, a *callback.Appointment) {
			*a = moved(visit("a1", -7*day), time.Hour)
			dealt(in, time.Hour)
		}, callback.Strong, "moved-after-request"},
		{"who said nothing has an old one moved", func(in *matching.Input, a *callback.Appointment) {
			*a = moved(visit("a1", -7*day), time.Hour)
			in.Record.Category = callback.Other
		}, callback.Weak, "moved-only"},
		{"who said nothing has an old one moved, by staff who deal with him", func(in *matching.Input, a *callback.Appointment) {
			*a = moved(visit("a1", -7*day), time.Hour)
			in.Record.Category = callback.Other
			in.Credited["a1"] = matching.Credit{Callback: "x", At: asked.Add(-6 * day)}
			dealt(in, time.Hour)
		}, callback.Strong, "in-conversation"},
		{"a new patient has an old one moved", func(in *matching.Input, a *callback.Appointment) {
			*a = moved(visit("a1", -7*day), time.Hour)
			in.Record.Category = callback.NewPatient
		}, callback.None, "booked-before-request"},
	})
}

// TestRivals: the patient has several open callbacks.
func TestRivals(t *testing.T) {
	rival := func(c callback.Category, change func(r *callback.Record)) func(in *matching.Input, a *callback.Appointment) {
		return func(in *matching.Input, a *callback.Appointment) {
			r := request(c)
			if change != nil {
				change(&r)
			}
			in.Rivals = append(in.Rivals, r)
		}
	}
	judge(t, []judgeCase{
		{"one that asks for the same", rival(callback.NewPatient, nil), callback.Weak, "several-open-callbacks"},
		{"one that nobody knows the reason of", rival(callback.Other, nil), callback.Weak, "several-open-callbacks"},
		{"one of somebody on the same number", rival(callback.NewPatient, func(r *callback.Record) {
			r.Patient = callback.Patient{Candidate: text("p1"), Resolution: callback.Ambiguous}
		}), callback.Strong, "only-open-callback"},
		{"one that is as uncertain", func(in *matching.Input, a *callback.Appointment) {
			rival(callback.NewPatient, nil)(in, a)
			in.Record.Patient = callback.Patient{Candidate: text("p1"), Resolution: callback.Ambiguous}
		}, callback.Weak, "several-open-callbacks"},
		{"one that no visit answers", rival(callback.BenefitsBilling, nil), callback.Strong, "only-open-callback"},
		{"one that came after the booking", rival(callback.NewPatient, func(r *callback.Record) { r.AskedAt = asked.Add(2 * time.Hour) }), callback.Strong, "only-open-callback"},
		{"one that a person refused this visit for", rival(callback.NewPatient, func(r *callback.Record) {
			r.Evidence = []callback.Evidence{{EHR: ehrID, Appointment: "a1", State: callback.Refused}}
		}), callback.Strong, "only-open-callback"},
		{"one whose work item it points to", rival(callback.NewPatient, func(r *callback.Record) { r.Links[0].Base.Appointments = []string{"a1"} }), callback.None, "answers-another-callback"},
		{"one to move a visit that stands", func(in *matching.Input, a *callback.Appointment) {
			rival(callback.RescheduleCancel, nil)(in, a)
			in.Appointments = append(in.Appointments, visit("old", -7*day))
		}, callback.Strong, "only-open-callback"},
		{"one to move a visit that gave way", func(in *matching.Input, a *callback.Appointment) {
			rival(callback.RescheduleCancel, nil)(in, a)
			in.Appointments = append(in.Appointments, became(visit("old", -7*day), time.Hour, callback.ApptCancelled))
		}, callback.Weak, "several-open-callbacks"},
		{"this one is to move a visit, the other wants one, and it is moved", func(in *matching.Input, a *callback.Appointment) {
			*a = moved(reschedules(in), time.Hour)
			rival(callback.ExistingScheduling, nil)(in, a)
		}, callback.Strong, "only-open-callback"},
		{"linked to this one by staff", func(in *matching.Input, a *callback.Appointment) {
			rival(callback.NewPatient, nil)(in, a)
			in.Record.Links[0].Base.Appointments = []string{"a1"}
		}, callback.Exact, "linked-by-staff"},
	})
}

func TestReviewOncePerAppointment(t *testing.T) {
	in := world()
	in.Rivals = []callback.Record{request(callback.NewPatient)}
	d := matching.Decide(in)
	if d.Step != matching.Review || len(d.Evidence) != 1 {
		t.Fatalf("%+v", d)
	}
	in.Record.AskReview(d.Evidence, in.Now)
	if d := matching.Decide(in); d.Step != matching.Leave {
		t.Errorf("asked again: %+v", d)
	}
	in.Rivals = nil
	if d := matching.Decide(in); d.Step != matching.Close {
		t.Errorf("what was doubtful once never closes: %+v", d)
	}
}
