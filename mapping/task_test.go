package mapping_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/mapping"
)

func webform() callback.Request {
	return callback.Request{
		Clinic: "main-street", Source: "webform", SourceID: "form-7", ReceivedAt: monday,
		Caller:     callback.Caller{Name: text("Ann Lee"), Phone: text("+15555550101"), BirthDate: text("1980-02-29")},
		NewPatient: callback.Yes, VisitKind: "new patient visit",
		Text: text("I am looking for a new dentist. <Mornings> & \"early\" please.\nThank you\x07"),
		Preferred: []callback.Period{
			{Start: monday.Add(24 * time.Hour), End: monday.Add(27 * time.Hour)},
			{Start: monday.Add(48 * time.Hour)},
		},
	}
}

func missedCall() callback.Request {
	return callback.Request{Clinic: "main-street", Source: "asterisk", SourceID: "call-1", ReceivedAt: monday,
		Caller: callback.Caller{Phone: text("+15555550102")}}
}

// stories are the callbacks whose Tasks are agreed on.
var stories = []struct {
	name string
	tell func(t *testing.T) *story
}{
	{"task-new-patient-form", func(t *testing.T) *story {
		return newStory(t, webform()).triaged(callback.NewPatient, callback.Urgent).assigned("front-desk")
	}},
	{"task-missed-call", func(t *testing.T) *story {
		return newStory(t, missedCall()).triaged(callback.Other, callback.Routine).assigned("front-desk")
	}},
	{"task-captured-only", func(t *testing.T) *story { return newStory(t, missedCall()) }},
	{"task-withheld-number", func(t *testing.T) *story {
		req := missedCall()
		req.Caller.Phone = text("")
		req.Text = text("Voicemail: please call Ann Lee about the bill.")
		return newStory(t, req).triaged(callback.BenefitsBilling, callback.Routine).assigned("billing")
	}},
	{"task-unknown-owner", func(t *testing.T) *story {
		return newStory(t, missedCall()).triaged(callback.Clinical, callback.ASAP).assigned("night-nurse")
	}},
	{"task-repeat", func(t *testing.T) *story {
		s := newStory(t, missedCall()).triaged(callback.ExistingScheduling, callback.Routine).assigned("front-desk")
		again := missedCall()
		again.ReceivedAt = monday.Add(10 * time.Minute)
		again.Text = text("It is me again.")
		return s.must(s.Merge(again, again.ReceivedAt)).must(s.Merge(again, again.ReceivedAt.Add(time.Minute)))
	}},
	{"task-attempts", func(t *testing.T) *story {
		return newStory(t, webform()).triaged(callback.NewPatient, callback.Urgent).assigned("front-desk").
			attempted(20*time.Minute, callback.LeftVoicemail, "").attempted(50*time.Minute, callback.Reached, "Wants Tuesday <morning>.")
	}},
	{"task-waiting", func(t *testing.T) *story {
		s := newStory(t, missedCall()).triaged(callback.ExistingScheduling, callback.Routine).assigned("front-desk").
			attempted(20*time.Minute, callback.LeftVoicemail, "")
		return s.must(s.Wait(kim, monday.Add(time.Hour)))
	}},
	{"task-late-patient", func(t *testing.T) *story {
		return newStory(t, webform()).triaged(callback.NewPatient, callback.Urgent).assigned("front-desk").bound("pat-1")
	}},
	{"task-ambiguous-patient", func(t *testing.T) *story {
		s := newStory(t, missedCall()).triaged(callback.ExistingScheduling, callback.Routine).assigned("front-desk")
		s.Resolve(callback.Patient{Keys: callback.PatientKeys{EHRID: text("pat-9")}, Resolution: callback.Ambiguous, How: "phone-only"}, auto, monday)
		return s
	}},
	{"task-with-proposal", func(t *testing.T) *story {
		return newStory(t, webform()).triaged(callback.NewPatient, callback.Urgent).assigned("front-desk").bound("pat-1").proposed()
	}},
	{"task-closed-booked", func(t *testing.T) *story {
		return newStory(t, webform()).triaged(callback.NewPatient, callback.Urgent).assigned("front-desk").bound("pat-1").booked("appt-5")
	}},
	{"task-closed-duplicate", func(t *testing.T) *story {
		s := newStory(t, missedCall()).triaged(callback.Other, callback.Routine).assigned("front-desk")
		return s.must(s.Close(callback.Duplicate, text(""), kim, monday.Add(time.Hour)))
	}},
	{"task-closed-unreachable", func(t *testing.T) *story {
		s := newStory(t, missedCall()).triaged(callback.Other, callback.Routine).assigned("front-desk").
			attempted(time.Hour, callback.NoAnswer, "").attempted(26*time.Hour, callback.Busy, "")
		return s.must(s.Close(callback.UnreachablePolicy, text(""), auto, monday.Add(72*time.Hour)))
	}},
	{"task-reopened", func(t *testing.T) *story {
		s := newStory(t, webform()).triaged(callback.NewPatient, callback.Urgent).assigned("front-desk").bound("pat-1").booked("appt-5")
		return s.must(s.ReopenOnVisitLost("visit cancelled", monday.Add(5*time.Hour)))
	}},
}

func TestTaskGolden(t *testing.T) {
	for _, tt := range stories {
		t.Run(tt.name, func(t *testing.T) { golden(t, tt.name, taskJSON(t, tt.tell(t).item(taskLink))) })
	}
}

// TestTaskSaysNothingItDoesNotKnow: unknown must not read as empty or as certain.
func TestTaskSaysNothingItDoesNotKnow(t *testing.T) {
	bare := members(t, taskJSON(t, newStory(t, callback.Request{Source: "asterisk"}).item(taskLink)))
	for _, name := range []string{"for", "owner", "description", "focus", "input", "output", "note", "restriction", "requester", "lastModified", "meta"} {
		if got, ok := bare[name]; ok {
			t.Errorf("%s is %s, nothing is known of it", name, got)
		}
	}
	for _, r := range []callback.Resolution{callback.NotResolved, callback.Ambiguous, callback.NoChart} {
		s := newStory(t, missedCall())
		s.Patient = callback.Patient{Keys: callback.PatientKeys{EHRID: text("pat-9")}, Resolution: r}
		if got, ok := members(t, taskJSON(t, s.item(taskLink)))["for"]; ok {
			t.Errorf("for is %s although the chart is %q", got, r)
		}
	}
}

func TestTaskRefusesAChartThatIsNoID(t *testing.T) {
	for _, id := range []string{"../Patient/1", "a b", "Patient/1", strings.Repeat("x", 65), ".."} {
		s := newStory(t, missedCall()).bound(id)
		if _, err := mapping.Task(s.item(taskLink), site); err == nil {
			t.Errorf("a Task was made for the chart id %q", id)
		} else if strings.Contains(err.Error(), id) {
			t.Errorf("the error quotes the id: %v", err)
		}
	}
}

// TestBlankTextsAreLeftOut: FHIR has no empty string, and what a phone system
// sends may hold nothing but control characters.
func TestBlankTextsAreLeftOut(t *testing.T) {
	req := missedCall()
	req.Text, req.Caller.Name, req.VisitKind = text("\x00 \x1b"), text("   "), "\t"
	req.Preferred = []callback.Period{{}}
	m := members(t, taskJSON(t, newStory(t, req).item(taskLink)))
	if m["description"] != nil || strings.Count(string(m["input"]), `"type"`) != 1 {
		t.Fatalf("description %s, input %s", m["description"], m["input"])
	}
}

func TestTimesAreWrittenToTheSecond(t *testing.T) {
	w := told("task-attempts")(t).item(taskLink)
	w.Callback.ReceivedAt, w.Callback.DueAt = monday.Add(123456*time.Microsecond), monday.Add(987654*time.Microsecond)
	w.Attempts[0].At = monday.Add(time.Microsecond)
	if fraction := regexp.MustCompile(`T[0-9:]{8}\.`).FindString(string(taskJSON(t, w))); fraction != "" {
		t.Errorf("a time is written as %s", fraction)
	}
}

func TestStatusOfATask(t *testing.T) {
	want := map[callback.Status]string{
		callback.Captured: "ready", callback.Triaged: "ready", callback.Assigned: "ready",
		callback.InProgress: "in-progress", callback.Waiting: "on-hold", callback.Closed: "completed",
	}
	for _, status := range callback.Statuses {
		w := callback.WorkItem{Link: taskLink, Callback: callback.Callback{Status: status, Category: callback.Other, Priority: callback.Routine}}
		if status == callback.Closed {
			w.Callback.Outcome = callback.Booked
		}
		if got := string(members(t, taskJSON(t, w))["status"]); got != `"`+want[status]+`"` {
			t.Errorf("%s: got %s, want %s", status, got, want[status])
		}
	}
	for _, o := range callback.ClosingOutcomes {
		w := callback.WorkItem{Link: taskLink, Callback: callback.Callback{Status: callback.Closed, Outcome: o, Category: callback.Other, Priority: callback.Routine}}
		want := `"completed"`
		if o == callback.Duplicate || o == callback.Spam || o == callback.CancelledInEHR {
			want = `"cancelled"`
		}
		if got := string(members(t, taskJSON(t, w))["status"]); got != want {
			t.Errorf("closed with %s: got %s, want %s", o, got, want)
		}
	}
	if _, err := mapping.Task(callback.WorkItem{Link: taskLink, Callback: callback.Callback{Status: "lost"}}, site); err == nil {
		t.Error("a Task was made for a status that does not exist")
	}
}
