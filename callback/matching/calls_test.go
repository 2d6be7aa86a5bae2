package matching_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/matching"
	"github.com/ringback-health/ringback/internal/redact"
)

// TestSeveralCallsAreGivenTime: what holds several calls is not closed while whoever booked
// for one of them may be dealing with the next.
func TestSeveralCallsAreGivenTime(t *testing.T) {
	in := world()
	in.Record.Repeats = 1
	for after, want := range map[time.Duration]matching.Step{time.Minute: matching.Leave, 14 * time.Minute: matching.Leave, 15 * time.Minute: matching.Close} {
		in.Now = in.Appointments[0].FirstSeen.Add(after)
		if d := matching.Decide(in); d.Step != want {
			t.Errorf("after %s: %s", after, d.Step)
		}
	}
	in.Now = in.Appointments[0].FirstSeen
	if said := matching.Explain(in); !strings.Contains(said, "a moment ago") {
		t.Error(said)
	}
	in.Appointments[0].Tasks = []string{"task-1"}
	if d := matching.Decide(in); d.Step != matching.Leave {
		t.Errorf("it was booked from the work item, and somebody may be dealing with the other call: %s", d.Step)
	}
	in.Record.Links[0].Base.Appointments = []string{"a1"}
	if d := matching.Decide(in); d.Step != matching.Close {
		t.Errorf("staff say that it is the answer: %s", d.Step)
	}
}

// TestCalledAfterTheBooking: whoever has a visit and rings once more wants something else,
// or does not know of the visit; whatever ties it to the callback.
func TestCalledAfterTheBooking(t *testing.T) {
	for _, tasks := range [][]string{nil, {"task-1"}} {
		in := world()
		in.Appointments[0].Tasks = tasks
		must(t, in.Record.Merge(callback.Request{ReceivedAt: asked.Add(30 * time.Minute)}, asked.Add(30*time.Minute)))
		if ev := in.Judge(in.Appointments[0]); !ev.Verdict.Closes() {
			t.Errorf("rang before it was booked: %+v", ev)
		}
		must(t, in.Record.Merge(callback.Request{ReceivedAt: asked.Add(90 * time.Minute)}, asked.Add(90*time.Minute)))
		if ev := in.Judge(in.Appointments[0]); ev.Verdict != callback.Weak || !slices.Contains(ev.Reasons, "called-again-since") {
			t.Errorf("rang after it was booked: %+v", ev)
		}
		in.Appointments[0] = moved(in.Appointments[0], 100*time.Minute)
		if ev := in.Judge(in.Appointments[0]); len(tasks) > 0 && !ev.Verdict.Closes() {
			t.Errorf("and it was moved after that: %+v", ev)
		}
	}
}

// TestCalledWhileItWasBooked: the clocks do not tell whether the call or the booking came
// first. Staff who tied the visit to the work item know.
func TestCalledWhileItWasBooked(t *testing.T) {
	for _, at := range []time.Duration{61 * time.Minute, 64 * time.Minute} {
		in := world()
		must(t, in.Record.Merge(callback.Request{ReceivedAt: asked.Add(at)}, asked.Add(at)))
		for _, tasks := range [][]string{nil, {"task-1"}} {
			in.Appointments[0].Tasks = tasks
			if ev := in.Judge(in.Appointments[0]); ev.Verdict != callback.Weak || !slices.Contains(ev.Reasons, "called-again-meanwhile") {
				t.Errorf("rang %s after the first request, booked after an hour, tasks %v: %+v", at, tasks, ev)
			}
		}
		in.Record.Links[0].Base.Appointments = []string{"a1"}
		if ev := in.Judge(in.Appointments[0]); !ev.Verdict.Closes() {
			t.Errorf("staff tied it: %+v", ev)
		}
	}
}

// TestTiedBeforeReopening: staff booked from the work item and completed it by hand; the
// caller rang again. The visit is no answer to that.
func TestTiedBeforeReopening(t *testing.T) {
	for _, tie := range []func(in *matching.Input){
		func(in *matching.Input) { in.Appointments[0].Tasks = []string{"task-1"} },
		func(in *matching.Input) { in.Record.Links[0].Base.Appointments = []string{"a1"} },
	} {
		in := world()
		tie(&in)
		must(t, in.Record.Close(callback.CompletedInEHR, redact.Text{}, callback.Actor{Kind: callback.EHRStaff}, asked.Add(90*time.Minute)))
		must(t, in.Record.Merge(callback.Request{ReceivedAt: asked.Add(100 * time.Minute)}, asked.Add(100*time.Minute)))
		if ev := in.Judge(in.Appointments[0]); ev.Verdict != callback.Weak || !slices.Contains(ev.Reasons, "booked-before-reopening") {
			t.Errorf("%+v", ev)
		}
	}
}

// TestInThePlaceOfTheOld: two visits were booked in one conversation, one of them in the
// place of the one that was cancelled for it; the other is the answer to something else.
func TestInThePlaceOfTheOld(t *testing.T) {
	in := world()
	old := became(reschedules(&in), time.Hour+2*time.Minute, callback.ApptCancelled)
	first, second := visit("a1", time.Hour), visit("a2", time.Hour+4*time.Minute)
	for _, appts := range [][]callback.Appointment{{old, first, second}, {second, old, first}} {
		in.Appointments = appts
		if d := matching.Decide(in); d.Step != matching.Close || d.Evidence[0].Appointment != "a2" {
			t.Errorf("%+v", d)
		}
	}
	in.Appointments = []callback.Appointment{old, first}
	if d := matching.Decide(in); d.Step != matching.Close || d.Evidence[0].Appointment != "a1" {
		t.Errorf("booked first, and the old one cancelled after that: %+v", d)
	}
}

// TestGoneBeforeTheRequest: a visit that was missed before the caller rang does not say
// that the other one, which stands, has given way.
func TestGoneBeforeTheRequest(t *testing.T) {
	in := world()
	stands := reschedules(&in)
	missed := became(visit("missed", -8*day), -time.Hour, callback.ApptNoShow)
	missed.Start = asked.Add(-2 * time.Hour)
	in.Appointments = append(in.Appointments, stands, missed)
	if ev := in.Judge(in.Appointments[0]); ev.Verdict != callback.Weak || !slices.Contains(ev.Reasons, "earlier-visit-stands") {
		t.Errorf("%+v", ev)
	}
	in.Appointments = []callback.Appointment{in.Appointments[0], missed}
	if ev := in.Judge(in.Appointments[0]); ev.Verdict != callback.Strong {
		t.Errorf("only the missed one was there: %+v", ev)
	}
}
