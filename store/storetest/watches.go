package storetest

import (
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
)

func scheduled(t *testing.T, l Ledger) {
	ctx := t.Context()
	in := callback.Span{From: noon, Until: noon.Add(24 * time.Hour)}
	for id, change := range map[string]func(*callback.Appointment){
		"first":     func(a *callback.Appointment) { a.Start = in.From },
		"last":      func(a *callback.Appointment) { a.Start = in.Until.Add(-time.Microsecond) },
		"before":    func(a *callback.Appointment) { a.Start = in.From.Add(-time.Microsecond) },
		"after":     func(a *callback.Appointment) { a.Start = in.Until },
		"no time":   func(a *callback.Appointment) { a.Start = time.Time{} },
		"cancelled": func(a *callback.Appointment) { a.Start, a.State = noon, callback.ApptCancelled },
		"missed":    func(a *callback.Appointment) { a.Start, a.State = noon, callback.ApptNoShow },
		"void":      func(a *callback.Appointment) { a.Start, a.State = noon, callback.ApptVoid },
		"foreign":   func(a *callback.Appointment) { a.Start, a.Clinic = noon, there },
		"elsewhere": func(a *callback.Appointment) { a.Start, a.EHR = noon, "other" },
	} {
		a := visit(id, 1)
		change(&a)
		_, _, err := l.SaveAppointment(ctx, a)
		must(t, err)
	}
	ids, err := l.Scheduled(ctx, here, ehr, in)
	must(t, err)
	same(t, "what is scheduled", ids, []string{"first", "last"})
}

// due returns the watches of a kind that are due, and checks what they are of.
func due(t *testing.T, l Ledger, kind callback.WatchKind, at time.Time) []callback.Watch {
	t.Helper()
	got, err := l.Due(t.Context(), ehr, kind, at, 10)
	must(t, err)
	return got
}

func subjects(ws []callback.Watch) []string {
	var all []string
	for _, w := range ws {
		all = append(all, w.Subject)
	}
	return all
}

func watches(t *testing.T, l Ledger) {
	ctx := t.Context()
	w := callback.Watch{Clinic: here, EHR: ehr, Kind: callback.WatchItem, Subject: "link", Since: noon, DueAt: noon.Add(time.Hour)}
	must(t, l.StartWatch(ctx, w))
	same(t, "before its time", len(due(t, l, w.Kind, noon.Add(time.Hour-time.Microsecond))), 0)
	same(t, "when it is due", due(t, l, w.Kind, noon.Add(time.Hour)), []callback.Watch{w})
	again := w
	again.DueAt, again.Since = noon.Add(2*time.Hour), noon.Add(time.Minute)
	must(t, l.StartWatch(ctx, again))
	same(t, "begun again, due later", due(t, l, w.Kind, noon.Add(time.Hour)), []callback.Watch{w})
	again.DueAt = noon.Add(time.Minute)
	must(t, l.StartWatch(ctx, again))
	w.DueAt = again.DueAt
	same(t, "begun again, due earlier", due(t, l, w.Kind, noon.Add(time.Minute)), []callback.Watch{w})

	lost := w
	lost.Kind = callback.WatchVanished
	must(t, l.StartWatch(ctx, lost))
	again = lost
	again.DueAt = noon
	must(t, l.StartWatch(ctx, again))
	same(t, "of what is no item, begun again", due(t, l, lost.Kind, lost.DueAt), []callback.Watch{lost})
	must(t, l.DropWatch(ctx, lost))

	w.DueAt, w.SeenAt, w.Asked = noon.Add(3*time.Hour), noon, 2
	w.MissingSince, w.LastError = noon.Add(time.Second), "timed out"
	must(t, l.SaveWatch(ctx, w))
	same(t, "what was saved", due(t, l, w.Kind, w.DueAt), []callback.Watch{w})
	w.MissingSince, w.LastError, w.SeenAt = time.Time{}, "", time.Time{}
	must(t, l.SaveWatch(ctx, w))
	same(t, "what was saved over it", due(t, l, w.Kind, w.DueAt), []callback.Watch{w})

	early := callback.Watch{Clinic: here, EHR: ehr, Kind: callback.WatchItem, Subject: "early", Since: noon, DueAt: noon}
	must(t, l.StartWatch(ctx, early))
	for _, other := range []callback.Watch{
		{Clinic: here, EHR: "other", Kind: callback.WatchItem, Subject: "x", Since: noon, DueAt: noon},
		{Clinic: here, EHR: ehr, Kind: callback.WatchVanished, Subject: "x", Since: noon, DueAt: noon},
	} {
		must(t, l.StartWatch(ctx, other))
	}
	same(t, "the longest wait first", due(t, l, w.Kind, w.DueAt), []callback.Watch{early, w})
	first, err := l.Due(ctx, ehr, w.Kind, w.DueAt, 1)
	must(t, err)
	same(t, "one", first, []callback.Watch{early})
	must(t, l.DropWatch(ctx, early))
	must(t, l.SaveWatch(ctx, early))
	same(t, "saved after it was dropped", due(t, l, w.Kind, w.DueAt), []callback.Watch{w})
	for _, kind := range []callback.WatchKind{callback.WatchItem, callback.WatchVanished} {
		must(t, l.Plan(ctx, here, ehr, kind, noon, noon))
	}
	same(t, "planned, where there is nothing to plan", due(t, l, w.Kind, w.DueAt), []callback.Watch{w})
}

func watchedPatients(t *testing.T, l Ledger) {
	ctx := t.Context()
	plan := func(at time.Time) {
		t.Helper()
		must(t, l.Plan(ctx, here, ehr, callback.WatchPatient, time.Time{}, at))
	}
	another := func(n int) callback.Record {
		req := request(here, n)
		req.SourceID = string(callback.NewID())
		return newCallback(t, l, req)
	}
	one := another(1)
	unbound := request(here, 2)
	unbound.Patient = callback.PatientKeys{}
	newCallback(t, l, unbound)
	newCallback(t, l, request(there, 3))
	closed := another(4)
	update(t, l, closed.ID, func(r *callback.Record) error { return r.Close(callback.AlreadyResolved, r.Text, staff, noon) })

	plan(noon)
	w := callback.Watch{Clinic: here, EHR: ehr, Kind: callback.WatchPatient, Subject: string(one.ID), Since: noon, DueAt: noon}
	same(t, "open, with a chart", due(t, l, w.Kind, noon), []callback.Watch{w})
	w.DueAt, w.SeenAt, w.Asked = noon.Add(time.Minute), noon, 1
	must(t, l.SaveWatch(ctx, w))
	plan(noon.Add(time.Second))
	same(t, "planned again", due(t, l, w.Kind, w.DueAt), []callback.Watch{w})

	// The same patient calls about something else, and the first is closed in the same moment.
	two := another(1)
	update(t, l, one.ID, func(r *callback.Record) error { return r.Close(callback.AlreadyResolved, r.Text, staff, noon) })
	plan(noon.Add(2 * time.Second))
	second := callback.Watch{Clinic: here, EHR: ehr, Kind: w.Kind, Subject: string(two.ID), Since: noon.Add(2 * time.Second),
		DueAt: noon.Add(2 * time.Second), SeenAt: noon}
	same(t, "another callback of the patient", due(t, l, w.Kind, w.DueAt), []callback.Watch{second})

	// Staff put it on another chart: nothing is known of that patient.
	update(t, l, two.ID, func(r *callback.Record) error { r.Patient.Keys.EHRID = patient(7); return nil })
	plan(noon.Add(time.Hour))
	second.Since, second.DueAt, second.SeenAt = noon.Add(time.Hour), noon.Add(time.Hour), time.Time{}
	same(t, "the same callback on another chart", due(t, l, w.Kind, second.DueAt), []callback.Watch{second})
	must(t, l.Plan(ctx, here, "other", callback.WatchPatient, time.Time{}, noon))
	same(t, "beside another EHR's", subjects(due(t, l, w.Kind, second.DueAt)), []string{string(two.ID)})
}

func watchedVisits(t *testing.T, l Ledger) {
	ctx := t.Context()
	at := noon.Add(time.Hour)
	credit := func(n int, id string, closedAt time.Time, start time.Time) {
		t.Helper()
		a := visit(id, 1)
		a.Start = start
		_, _, err := l.SaveAppointment(ctx, a)
		must(t, err)
		req := request(here, n)
		req.SourceID = id
		update(t, l, newCallback(t, l, req).ID, func(r *callback.Record) error {
			return r.CloseOnVisit(callback.Evidence{EHR: ehr, Appointment: id, Verdict: callback.Strong}, closedAt)
		})
	}
	since := noon.Add(-24 * time.Hour)
	credit(1, "to come", noon, at.Add(time.Microsecond))
	credit(2, "begun", noon, at)
	credit(3, "long ago", since.Add(-time.Microsecond), at.Add(time.Hour))
	credit(4, "just inside", since, at.Add(time.Hour))
	credit(5, "no time", noon, time.Time{})
	_, _, err := l.SaveAppointment(ctx, visit("closed nothing", 1))
	must(t, err)

	must(t, l.Plan(ctx, here, ehr, callback.WatchVisit, since, at))
	got := due(t, l, callback.WatchVisit, at)
	same(t, "visits that closed callbacks", subjects(got), []string{"just inside", "no time", "to come"})
	w := callback.Watch{Clinic: here, EHR: ehr, Kind: callback.WatchVisit, Subject: "just inside", Since: at, DueAt: at}
	same(t, "a new watch", got[0], w)
	w.DueAt, w.Asked = at.Add(time.Hour), 1
	must(t, l.SaveWatch(ctx, w))
	must(t, l.Plan(ctx, there, "other", callback.WatchVisit, since, at))
	must(t, l.Plan(ctx, here, ehr, callback.WatchVisit, since, at.Add(time.Minute)))
	same(t, "a minute later", subjects(due(t, l, callback.WatchVisit, at.Add(time.Minute))), []string{"no time"})
	must(t, l.Plan(ctx, here, ehr, callback.WatchVisit, since.Add(time.Second), at.Add(time.Minute)))
	same(t, "when the time to reopen is over", subjects(due(t, l, callback.WatchVisit, w.DueAt)), []string{"no time"})
}
