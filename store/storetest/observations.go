package storetest

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/redact"
)

func feeds(t *testing.T, l Ledger) {
	ctx := t.Context()
	never, err := l.FeedState(ctx, here, ehr, callback.FeedItems)
	must(t, err)
	same(t, "a feed never read", never, callback.FeedState{Clinic: here, EHR: ehr, Feed: callback.FeedItems})
	state := callback.FeedState{Clinic: here, EHR: ehr, Feed: callback.FeedItems, Watermark: noon,
		LastAttempt: noon.Add(time.Minute), LastSuccess: noon.Add(time.Second), LastError: "timed out",
		Skew: -3 * time.Minute, Slice: 90 * time.Second, Covered: noon.Add(90 * 24 * time.Hour), Settled: noon.Add(-2 * time.Minute)}
	must(t, l.SaveFeedState(ctx, state))
	got, err := l.FeedState(ctx, here, ehr, callback.FeedItems)
	must(t, err)
	same(t, "what was saved", got, state)
	state.Watermark, state.LastError = time.Time{}, ""
	must(t, l.SaveFeedState(ctx, state))
	got, err = l.FeedState(ctx, here, ehr, callback.FeedItems)
	must(t, err)
	same(t, "what was saved over it", got, state)
	other, err := l.FeedState(ctx, here, ehr, callback.FeedAppointments)
	must(t, err)
	same(t, "another feed", other, callback.FeedState{Clinic: here, EHR: ehr, Feed: callback.FeedAppointments})
}

func pages(t *testing.T, l Ledger) {
	ctx := t.Context()
	var all []callback.Page
	for n := range 4 {
		p := callback.Page{ID: callback.NewID(), Clinic: here, EHR: ehr, Feed: callback.FeedAppointments, FetchedAt: noon,
			Body: fmt.Appendf(nil, `{"resourceType":"Bundle","n":%d}`, n), Baseline: n == 0}
		if n > 0 {
			p.NotBefore = noon.Add(-time.Minute)
		}
		all = append(all, p)
	}
	for _, p := range append(slices.Clone(all), all[1]) { // one of them twice
		must(t, l.SavePage(ctx, p))
	}
	pending := func(limit int) []callback.Page {
		t.Helper()
		got, err := l.PendingPages(ctx, ehr, callback.FeedAppointments, limit)
		must(t, err)
		return got
	}
	same(t, "pending pages, oldest first", pending(10), all)
	same(t, "the first two", pending(2), all[:2])
	done := func(p callback.Page, r callback.PageReading) {
		t.Helper()
		r.At = cmp.Or(r.At, noon)
		must(t, l.PageDone(ctx, p.ID, r))
	}
	// What is kept is known when it comes again, what was removed is stored anew.
	comeAgain := func() []callback.Page {
		t.Helper()
		for _, p := range all {
			must(t, l.SavePage(ctx, p))
		}
		return pending(10)
	}
	news, problem := callback.PageReading{News: true}, callback.PageReading{Problem: "entry 3: no id"}
	done(all[0], news)
	done(all[2], problem)
	same(t, "after two were done", comeAgain(), []callback.Page{all[1], all[3]})
	want(t, l.PageDone(ctx, callback.NewID(), news), callback.ErrNotFound)
	want(t, l.PageDone(ctx, callback.NewID(), callback.PageReading{}), callback.ErrNotFound)
	other := callback.Page{ID: callback.NewID(), Clinic: here, EHR: ehr, Feed: callback.FeedItems, FetchedAt: noon, Body: []byte("x")}
	must(t, l.SavePage(ctx, other))
	done(other, problem)
	same(t, "another feed's page with the same problem", comeAgain(), []callback.Page{all[1], all[3]})
	done(all[3], problem)
	same(t, "of the same problem the last is kept", comeAgain(), []callback.Page{all[1], all[2]})
	done(all[1], callback.PageReading{})
	same(t, "one that told nothing", comeAgain(), []callback.Page{all[1], all[2]})
	done(all[1], callback.PageReading{News: true, At: noon.Add(time.Hour), KeepSince: noon})
	same(t, "nothing is old enough", comeAgain(), []callback.Page{all[2]})
	done(all[2], callback.PageReading{News: true, At: noon.Add(time.Hour), KeepSince: noon.Add(time.Minute)})
	same(t, "old ones, that with a problem too", comeAgain(), []callback.Page{all[0], all[3]})
	for _, other := range []struct {
		ehr  callback.EHRID
		feed callback.Feed
	}{{"other", callback.FeedAppointments}, {ehr, callback.FeedItems}} {
		got, err := l.PendingPages(ctx, other.ehr, other.feed, 10)
		must(t, err)
		same(t, "pages of another feed", len(got), 0)
	}
}

func visit(id string, version int) callback.Appointment {
	return callback.Appointment{
		Clinic: here, EHR: ehr, ID: id, Version: fmt.Sprint(version), State: callback.ApptBooked, Patient: patient(1), Patients: 1,
		Start: noon.Add(48 * time.Hour), End: noon.Add(49 * time.Hour), Created: noon.Add(-time.Hour),
		Kinds: []string{"intake", "new patient"}, Markers: []callback.Marker{"urn:uuid:00000000-0000-7000-8000-0000000000" + callback.Marker(fmt.Sprintf("%02d", version))},
		Tasks: []string{"t1"}, Updated: noon.Add(time.Duration(version) * time.Minute),
		NotBefore: noon.Add(-time.Minute), FirstSeen: noon,
	}
}

func appointments(t *testing.T, l Ledger) {
	ctx := t.Context()
	save := func(a callback.Appointment, news bool, want callback.Appointment) {
		t.Helper()
		stored, changed, err := l.SaveAppointment(ctx, a)
		must(t, err)
		same(t, "changed", changed, news)
		read, err := l.Appointments(ctx, a.Clinic, a.EHR, redact.Text{}, []string{a.ID}, nil)
		must(t, err)
		same(t, "read", read, []callback.Appointment{stored})
		same(t, "stored", present(stored), []callback.Appointment{want})
	}
	v1 := visit("a1", 1)
	save(v1, true, v1)
	save(v1, false, v1)
	v2 := visit("a1", 2)
	v2.State, v2.Patient, v2.Kinds = callback.ApptCancelled, patient(2), nil
	later := v2
	later.NotBefore, later.FirstSeen = noon.Add(time.Hour), noon.Add(time.Hour)
	save(later, true, v2)
	save(v1, false, v2) // a replayed page does not bring the old version back

	// An EHR that tells no version and no time of change.
	bare := callback.Appointment{Clinic: here, EHR: ehr, ID: "bare", State: callback.ApptBooked, Patient: patient(3), Patients: 1,
		Start: noon.Add(123 * time.Nanosecond), FirstSeen: noon}
	stored := bare
	stored.Start = noon
	save(bare, true, stored)
	save(bare, false, stored)
	bare.State, stored.State = callback.ApptNoShow, callback.ApptNoShow
	save(bare, true, stored)

	other := visit("a3", 3)
	other.Patient = redact.Text{}
	save(other, true, other)
	for name, c := range map[string]struct {
		patient redact.Text
		ids     []string
		markers []callback.Marker
		want    []callback.Appointment
	}{
		"of a patient":            {patient(2), nil, nil, []callback.Appointment{v2}},
		"of a patient before":     {patient(1), nil, nil, nil},
		"by id":                   {redact.Text{}, []string{"a1", "nowhere", "a3"}, nil, []callback.Appointment{v2, other}},
		"by marker":               {redact.Text{}, nil, other.Markers, []callback.Appointment{other}},
		"by a marker it had once": {redact.Text{}, nil, v1.Markers, nil},
		"by all":                  {patient(3), []string{"a1"}, other.Markers, []callback.Appointment{v2, other, stored}},
		"by nothing":              {},
	} {
		got, err := l.Appointments(ctx, here, ehr, c.patient, c.ids, c.markers)
		must(t, err)
		same(t, name, present(got...), c.want)
	}
	known, err := l.Versions(ctx, here, ehr, []string{"a1", "nowhere", "bare"})
	must(t, err)
	same(t, "known versions", known, map[string]string{"a1": "2", "bare": ""})
	known, err = l.Versions(ctx, there, ehr, []string{"a1"})
	must(t, err)
	same(t, "known versions of another clinic", len(known), 0)
	for _, bad := range []callback.Appointment{{EHR: ehr, ID: "x", State: "booked"}, {Clinic: here, ID: "x", State: "booked"},
		{Clinic: here, EHR: ehr, State: "booked"}, {Clinic: here, EHR: ehr, ID: "x"}} {
		_, _, err := l.SaveAppointment(ctx, bad)
		want(t, err, callback.ErrInvalid)
	}

	changes := make([]bool, 8)
	atOnce(len(changes), func(i int) {
		var err error
		if _, changes[i], err = l.SaveAppointment(ctx, visit("at once", 1)); err != nil {
			t.Error(err)
		}
	})
	same(t, "stored by one of many at once", slices.DeleteFunc(changes, func(c bool) bool { return !c }), []bool{true})
}

// present is how appointments are now, without how they were.
func present(all ...callback.Appointment) []callback.Appointment {
	for i := range all {
		all[i].History, all[i].FirstUpdated = nil, time.Time{}
	}
	return all
}

// histories: how an appointment was is kept where state or start have changed.
func histories(t *testing.T, l Ledger) {
	at := func(version, hour int) callback.Appointment {
		a := visit("a1", version)
		a.Start, a.NotBefore, a.FirstSeen = noon.Add(time.Duration(hour)*time.Hour), noon.Add(time.Duration(version)*time.Minute), noon.Add(time.Duration(version+1)*time.Minute)
		a.CreatedSpan, a.Replaces, a.Test = time.Hour, []string{"a0"}, version > 1
		return a
	}
	entry := func(a callback.Appointment) callback.AppointmentVersion {
		return callback.AppointmentVersion{State: a.State, Start: a.Start, Updated: a.Updated, NotBefore: a.NotBefore, Seen: a.FirstSeen}
	}
	save := func(a callback.Appointment, want ...callback.AppointmentVersion) {
		t.Helper()
		stored, _, err := l.SaveAppointment(t.Context(), a)
		must(t, err)
		same(t, "history", stored.History, want)
		same(t, "first changed", stored.FirstUpdated, want[0].Updated)
		same(t, "first seen", []time.Time{stored.NotBefore, stored.FirstSeen}, []time.Time{want[0].NotBefore, want[0].Seen})
	}
	first, renamed, moved, cancelled := at(1, 48), at(2, 48), at(3, 72), at(5, 72)
	renamed.Kinds, cancelled.State = nil, callback.ApptCancelled
	save(first, entry(first))
	save(first, entry(first))
	save(renamed, entry(first)) // neither state nor start
	alone := entry(moved)       // the version right behind the one before
	alone.Alone = true
	save(moved, entry(first), alone)
	save(cancelled, entry(first), alone, entry(cancelled))
	for _, a := range []callback.Appointment{first, renamed, moved, cancelled} { // the feed from its start
		save(a, entry(first), alone, entry(cancelled))
	}
	got, err := l.Appointments(t.Context(), here, ehr, redact.Text{}, []string{"a1"}, nil)
	must(t, err)
	same(t, "what else is kept", []any{got[0].CreatedSpan, got[0].Replaces, got[0].Test}, []any{time.Hour, []string{"a0"}, true})
}

func affected(t *testing.T, l Ledger) {
	ctx := t.Context()
	since := noon.Add(time.Hour)
	another := func(n int, change func(*callback.Record) error) callback.Record {
		req := request(here, n)
		req.SourceID = string(callback.NewID())
		return update(t, l, newCallback(t, l, req).ID, change)
	}
	nothing := func(*callback.Record) error { return nil }
	closeAt := func(at time.Time) func(*callback.Record) error {
		return func(r *callback.Record) error { return r.Close(callback.AlreadyResolved, r.Text, staff, at) }
	}
	open := another(1, nothing)
	lately := another(1, closeAt(since))
	another(1, closeAt(since.Add(-time.Microsecond)))
	proposed := another(2, func(r *callback.Record) error {
		p := callback.NewLink(r.Callback, ehr, callback.AppointmentResource, noon)
		p.RemoteID, p.State = "visit", callback.LinkSynced
		r.Links = append(r.Links, p)
		return nil
	})
	filed := another(3, func(r *callback.Record) error {
		r.Links[0].RemoteID, r.Links[0].State = "t3", callback.LinkSynced
		return closeAt(noon)(r)
	})
	marked := another(4, nothing)
	held := another(5, func(r *callback.Record) error {
		r.AskReview([]callback.Evidence{{EHR: ehr, Appointment: "visit", Verdict: callback.Weak}}, noon)
		return closeAt(noon)(r)
	})
	tied := another(6, func(r *callback.Record) error {
		r.Links[0].Base.Appointments = []string{"other", "visit"}
		return closeAt(noon)(r)
	})
	loose := another(7, func(r *callback.Record) error {
		r.Links[0].Base.Appointments = []string{"visit"}
		return nil
	})
	link := loose.Links[0]
	link.Base.Appointments = nil // tied, and then not any more
	_, err := l.SaveLink(ctx, link)
	must(t, err)
	another(8, nothing)

	a := visit("visit", 1)
	a.Tasks, a.Markers = []string{"t3"}, []callback.Marker{marked.Links[0].Marker()}
	ids, err := l.Affected(ctx, a, since)
	must(t, err)
	same(t, "affected", ids, []callback.ID{open.ID, lately.ID, proposed.ID, filed.ID, marked.ID, held.ID, tied.ID})
	a.Patient, a.Tasks, a.Markers, a.ID = redact.Text{}, nil, nil, "nobody's"
	ids, err = l.Affected(ctx, a, since)
	must(t, err)
	same(t, "affected by what concerns nobody", len(ids), 0)

	ids, err = l.OpenFor(ctx, here, patient(1))
	must(t, err)
	same(t, "open callbacks of the patient", ids, []callback.ID{open.ID})
	for _, p := range []redact.Text{patient(3), patient(99), {}} {
		ids, err = l.OpenFor(ctx, here, p)
		must(t, err)
		same(t, "open callbacks of nobody", len(ids), 0)
	}
}

func clinicsApart(t *testing.T, l Ledger) {
	ctx := t.Context()
	newCallback(t, l, request(here, 1))
	_, _, err := l.SaveAppointment(ctx, visit("a1", 1))
	must(t, err)
	ids, err := l.OpenFor(ctx, there, patient(1))
	must(t, err)
	same(t, "callbacks of another clinic", len(ids), 0)
	got, err := l.Appointments(ctx, there, ehr, patient(1), []string{"a1"}, visit("a1", 1).Markers)
	must(t, err)
	same(t, "appointments of another clinic", len(got), 0)
	foreign := visit("a1", 1)
	foreign.Clinic = there
	ids, err = l.Affected(ctx, foreign, time.Time{})
	must(t, err)
	same(t, "callbacks affected in another clinic", len(ids), 0)
	req := request(there, 1)
	taken, err := l.Take(ctx, arrival(req), noon, mergeOrNew(req))
	must(t, err)
	same(t, "the same arrival in another clinic", []any{taken.Disposition, taken.Again}, []any{callback.Created, false})
}
