package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/metrics"
	"github.com/ringback-health/ringback/sandbox"
)

// patience bounds how long the demo waits for the daemon to follow.
const patience = 60 * time.Second

// await waits until the callback is as it should be and returns it.
func (m *morning) await(ctx context.Context, name, what string, ok func(callback.Record) bool) (callback.Record, error) {
	id := m.byName[name]
	var rec callback.Record
	err := m.until(ctx, func() (done bool, err error) {
		rec, err = m.app.ledger.Record(ctx, id)
		return err == nil && ok(rec), err
	})
	if err != nil {
		return rec, fmt.Errorf("callback %s (%s) did not get to: %s: %w", id, name, what, err)
	}
	return rec, nil
}

// until asks again and again until it is so.
func (m *morning) until(ctx context.Context, ok func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		done, err := ok()
		if err != nil || done {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// pollNow makes the daemon look at the EHR now instead of in a second.
func (m *morning) pollNow() { m.app.scheduler.PollNow("sandbox") }

// filed waits until every callback stands in the EHR's inbox.
func (m *morning) filed(ctx context.Context) error {
	for _, id := range m.played {
		err := m.until(ctx, func() (bool, error) {
			rec, err := m.app.ledger.Record(ctx, id)
			l, ok := linkOf(rec, callback.TaskResource)
			return ok && l.State == callback.LinkSynced, err
		})
		if err != nil {
			return fmt.Errorf("callback %s was not filed in the EHR: %w", id, err)
		}
	}
	m.say(ctx, "ringback", "filed %d work items in the EHR's inbox", len(m.ehr.Store().List("Task")))
	return nil
}

func (m *morning) taskOf(ctx context.Context, name string) (string, error) {
	rec, err := m.await(ctx, name, "a work item in the EHR", func(r callback.Record) bool {
		l, ok := linkOf(r, callback.TaskResource)
		return ok && l.RemoteID != ""
	})
	l, _ := linkOf(rec, callback.TaskResource)
	return l.RemoteID, err
}

// closed waits until a callback is closed because of a visit and says why.
func (m *morning) closed(ctx context.Context, name string) error {
	m.pollNow()
	rec, err := m.await(ctx, name, "closed on the booking", func(r callback.Record) bool { return r.Status == callback.Closed })
	if err != nil {
		return err
	}
	return m.explain(ctx, rec)
}

// explain says why a callback stands as it does.
func (m *morning) explain(ctx context.Context, rec callback.Record) error {
	because, err := why(ctx, m.app.ledger, m.app.clinics, rec)
	m.say(ctx, "ringback", "%s", because)
	return err
}

// bookings: the front desk calls back and books.
func (m *morning) bookings(ctx context.Context) error {
	m.say(ctx, "desk", "books the visit that the patient asked for, as always")
	if _, err := m.book("patient-11", 0, ""); err != nil {
		return err
	}
	if err := m.closed(ctx, "hana"); err != nil {
		return err
	}

	m.say(ctx, "desk", "registers the new patient and confirms the proposed time")
	if err := m.confirmProposal(ctx, "nora"); err != nil {
		return err
	}
	if err := m.closed(ctx, "nora"); err != nil {
		return err
	}

	task, err := m.taskOf(ctx, "maria")
	if err != nil {
		return err
	}
	m.say(ctx, "desk", "reaches the caller who rang twice, registers her, books, and ties the visit to the work item")
	chart, err := m.desk.RegisterPatient(sandbox.NewPatient{Family: "Duarte", Given: "Inês", BirthDate: "1979-02-11", Phone: "+12125550150"})
	if err != nil {
		return err
	}
	if _, err := m.desk.SetPatient(task, chart.ID); err != nil {
		return err
	}
	visit, err := m.book(chart.ID, 1, task)
	if err != nil {
		return err
	}
	if _, err := m.desk.TieVisit(task, visit.ID); err != nil { // without it two calls get a quarter of an hour
		return err
	}
	if err := m.closed(ctx, "maria"); err != nil {
		return err
	}
	m.expected.ClosedOnBooking = 3

	m.say(ctx, "desk", "books somebody whose number called, without a word about the call")
	if _, err := m.book("patient-07", 2, ""); err != nil {
		return err
	}
	m.pollNow()
	rec, err := m.await(ctx, "james", "a review", func(r callback.Record) bool { return r.Review })
	if err != nil {
		return err
	}
	m.expected.NeedsReview = 1
	return m.explain(ctx, rec)
}

// book takes the n-th slot that was free in the morning.
func (m *morning) book(patient string, n int, task string) (sandbox.Resource, error) {
	var free []sandbox.Resource
	for _, s := range m.practice.Slots {
		var slot struct{ Status string }
		if json.Unmarshal(s.Raw, &slot) == nil && slot.Status == "free" {
			free = append(free, s)
		}
	}
	if n*3 >= len(free) {
		return sandbox.Resource{}, fmt.Errorf("the practice has only %d free slots", len(free))
	}
	return m.desk.Book(sandbox.Booking{PatientID: patient, SlotID: free[n*3].ID, TaskID: task})
}

// confirmProposal does what staff do with a proposed appointment: give it a
// patient and a time, and book it.
func (m *morning) confirmProposal(ctx context.Context, name string) error {
	rec, err := m.await(ctx, name, "a proposed appointment in the EHR", func(r callback.Record) bool {
		l, ok := linkOf(r, callback.AppointmentResource)
		return ok && l.RemoteID != ""
	})
	if err != nil {
		return err
	}
	chart, err := m.desk.RegisterPatient(sandbox.NewPatient{Family: "Castellanos", Given: "Nora", BirthDate: "1990-04-01", Phone: "+12125550160"})
	if err != nil {
		return err
	}
	l, _ := linkOf(rec, callback.AppointmentResource)
	_, err = m.ehr.Store().Edit("Appointment", l.RemoteID, func(raw json.RawMessage) (json.RawMessage, error) {
		var a map[string]any
		if err := json.Unmarshal(raw, &a); err != nil {
			return nil, err
		}
		start := rec.Preferred[0].Start
		a["status"], a["start"], a["end"] = "booked", start, start.Add(30*time.Minute)
		a["participant"] = []any{map[string]any{"actor": map[string]any{"reference": "Patient/" + chart.ID}, "status": "accepted"}}
		return json.Marshal(a)
	})
	return err
}

// completions: the front desk ends work items in the EHR.
func (m *morning) completions(ctx context.Context) error {
	for _, c := range []struct {
		name, comment string
		end           func(task string) error
	}{
		{"novak", "billing answers the question about benefits and completes the item", func(task string) error {
			if _, err := m.desk.AddNote(task, "Billing", "Covered, copay of 30."); err != nil {
				return err
			}
			_, err := m.desk.CompleteTask(task, "Billing", string(callback.AnsweredQuestion))
			return err
		}},
		{"voicemail", "reaches the caller of the voicemail and completes the item", func(task string) error {
			_, err := m.desk.CompleteTask(task, "Front desk", "")
			return err
		}},
		{"withheld", "cannot call back without a number and cancels the item", func(task string) error {
			_, err := m.desk.CancelTask(task, "no number")
			return err
		}},
	} {
		task, err := m.taskOf(ctx, c.name)
		if err != nil {
			return err
		}
		m.say(ctx, "desk", "%s", c.comment)
		if err := c.end(task); err != nil {
			return err
		}
		if err := m.closed(ctx, c.name); err != nil {
			return err
		}
		m.expected.ClosedInEHR++
	}
	return nil
}

// fallsThrough: a rescheduled visit closes its callback, and is then cancelled.
func (m *morning) fallsThrough(ctx context.Context) error {
	m.say(ctx, "desk", "cancels the old visit of the patient who wants to reschedule and books a new one")
	if _, err := m.desk.CancelAppointment("appointment-1", "rescheduled"); err != nil {
		return err
	}
	visit, err := m.book("patient-04", 3, "")
	if err != nil {
		return err
	}
	if err := m.closed(ctx, "garcia"); err != nil {
		return err
	}
	m.say(ctx, "desk", "the patient cancels that one as well")
	if _, err := m.desk.CancelAppointment(visit.ID, "patient cancelled"); err != nil {
		return err
	}
	m.pollNow()
	rec, err := m.await(ctx, "garcia", "open again", func(r callback.Record) bool { return r.Status.Open() })
	if err != nil {
		return err
	}
	m.expected.Reopened = 1
	return m.explain(ctx, rec)
}

// settle waits until the EHR holds the last revision of everything.
func (m *morning) settle(ctx context.Context) error {
	distinct := map[callback.ID]bool{}
	for _, id := range m.played {
		distinct[id] = true
	}
	m.expected.Callbacks, m.expected.WorkItems = len(distinct), len(distinct)
	m.expected.Open = len(distinct) - m.expected.ClosedOnBooking - m.expected.ClosedInEHR
	return m.until(ctx, func() (bool, error) {
		lags, err := m.app.ledger.Lagging(ctx, time.Now().Add(time.Hour), 1)
		return len(lags) == 0, err
	})
}

// count counts the morning from the ledger and from the EHR's own store.
func (m *morning) count(ctx context.Context) (demoCount, error) {
	c := demoCount{Sessions: m.sessions}
	items := map[string]int{} // work items by marker
	for _, task := range m.ehr.Store().List("Task") {
		var t struct{ Identifier []struct{ Value string } }
		if err := json.Unmarshal(task.Raw, &t); err != nil {
			return c, err
		}
		c.WorkItems++
		for _, id := range t.Identifier {
			items[id.Value]++
		}
	}
	for _, n := range items {
		c.DuplicateItems += n - 1
	}
	var counts metrics.Counts
	inLedger := map[callback.ID]bool{}
	for after := callback.ID(""); ; {
		page, next, err := m.app.ledger.List(ctx, callback.Filter{After: after})
		if err != nil {
			return c, err
		}
		for _, cb := range page {
			rec, err := m.app.ledger.Record(ctx, cb.ID)
			if err != nil {
				return c, err
			}
			inLedger[cb.ID] = true
			counts.Add(rec)
			if l, ok := linkOf(rec, callback.TaskResource); !ok || items[string(l.Marker())] == 0 {
				c.Lost++
			}
		}
		if after = next; next == "" {
			break
		}
	}
	for _, id := range m.played {
		if !inLedger[id] {
			c.Lost++
		}
	}
	c.Callbacks, c.Open, c.NeedsReview = counts.Callbacks, counts.Open, counts.Review
	c.ClosedOnBooking, c.ClosedInEHR, c.Reopened = counts.ClosedOnBooking, counts.ClosedInEHR, counts.Reopenings
	return c, nil
}
