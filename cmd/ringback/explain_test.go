package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/businesstime"
	"github.com/ringback-health/ringback/callback/matching"
	"github.com/ringback-health/ringback/callback/workflow"
	"github.com/ringback-health/ringback/internal/redact"
	"github.com/ringback-health/ringback/scheduler"
)

// TestShowSaysWhy: one sentence says why a callback stays open, went to review, was closed
// or opened again, by what the ledger holds.
func TestShowSaysWhy(t *testing.T) {
	c := newCLI(t, strings.Replace(testConfig, "region: US}", "region: US, ehr: {id: main-ehr, connector: fhirr4, settings: {base_url: http://127.0.0.1:9/fhir}}}", 1))
	c.run(exitDone, "migrate")
	c.run(exitDone, "import", c.write("log.csv", goodRow), "--clinic", "main-street", "--format", "asterisk")
	var list struct{ Items []callbackRow }
	c.runJSON(exitDone, &list, "callbacks", "list")
	id := list.Items[0].ID
	says := func(want string) {
		t.Helper()
		out, _ := c.run(exitDone, "callbacks", "show", id)
		if line := strings.Split(out, "\n")[1]; !strings.HasPrefix(line, want) || strings.Count(line, ". ") > 1 {
			t.Errorf("it says %q, not %q", line, want)
		}
	}
	// weighed does what matching decides of a visit, and calls change first.
	weighed := func(a callback.Appointment, now time.Time, change func(*callback.Record)) {
		t.Helper()
		c.ledger(func(l ledger) error { return weighVisit(t.Context(), l, callback.ID(id), a, now, change) })
	}
	says("Open: the caller's chart was not looked for yet")

	asked, err := time.Parse(time.RFC3339, list.Items[0].ReceivedAt)
	if err != nil {
		t.Fatal(err)
	}
	booked := asked.Add(time.Hour)
	a := callback.Appointment{Clinic: "main-street", EHR: "main-ehr", ID: "v1", State: callback.ApptBooked, Patient: redact.NewText("p1"), Patients: 1,
		Created: booked, Updated: booked, NotBefore: booked, FirstSeen: booked.Add(time.Minute), Start: asked.AddDate(0, 0, 5), Version: "1"}
	bind := func(r *callback.Record) {
		r.Resolve(callback.Patient{Keys: callback.PatientKeys{EHRID: redact.NewText("p1")}, Resolution: callback.Certain, How: "staff"},
			callback.Actor{Kind: callback.EHRStaff}, asked.Add(time.Minute))
	}
	weighed(a, booked.Add(2*time.Minute), func(r *callback.Record) {
		bind(r)
		r.Patient.Resolution = callback.Ambiguous
		r.Patient.Candidate = redact.NewText("p1")
	})
	says("Open, for a person to look at: a visit may answer this callback, but it is not certain that it is the same patient")
	a.Tasks, a.Updated, a.Version = []string{"t1"}, booked.Add(time.Minute), "2"
	weighed(a, booked.Add(3*time.Minute), func(r *callback.Record) { r.Links[0].RemoteID = "t1" })
	says("Closed: a visit is booked; it points to this callback's work item")
	a.State, a.Updated, a.Version = callback.ApptCancelled, booked.Add(2*time.Hour), "3"
	a.NotBefore, a.FirstSeen = a.Updated, a.Updated.Add(time.Minute)
	weighed(a, booked.Add(3*time.Hour), bind)
	says("Open again (the visit that had answered this callback was cancelled): a visit was seen, but it is not booked")
}

// weighVisit stores a visit and does what follows from it for a callback.
func weighVisit(ctx context.Context, l ledger, id callback.ID, a callback.Appointment, now time.Time, change func(*callback.Record)) error {
	if _, _, err := l.SaveAppointment(ctx, a); err != nil {
		return err
	}
	rec, err := l.Update(ctx, id, func(r *callback.Record) error { change(r); return nil })
	if err != nil {
		return err
	}
	in, err := scheduler.Evidence(ctx, l, scheduler.Site{Clinic: rec.Clinic, ID: a.EHR, Rules: workflow.Default(businesstime.Weekdays(time.UTC))}, rec)
	if err != nil {
		return err
	}
	in.Now = now
	d := matching.Decide(in)
	_, err = l.Update(ctx, id, func(r *callback.Record) error {
		if d.Step == matching.Close {
			return r.CloseOnVisit(d.Evidence[0], now)
		}
		if d.Step == matching.Reopen {
			return r.ReopenOnVisitLost(d.Evidence[0].Sentence, now)
		}
		r.AskReview(d.Evidence, now)
		return nil
	})
	return err
}
