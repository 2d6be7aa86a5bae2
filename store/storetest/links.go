package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
)

func links(t *testing.T, l Ledger) {
	ctx := t.Context()
	rec := newCallback(t, l, request(here, 1))
	link, err := l.LinkByID(ctx, rec.Links[0].ID)
	must(t, err)
	same(t, "a new link", link, rec.Links[0])
	_, err = l.LinkByID(ctx, callback.NewID())
	want(t, err, callback.ErrNotFound)
	_, err = l.LinkByRemote(ctx, ehr, callback.TaskResource, "")
	want(t, err, callback.ErrNotFound)

	link.RemoteID, link.RemoteVersion, link.Holds, link.State = "t1", "3", rec.Revision, callback.LinkSynced
	link.Base = callback.ItemState{Status: callback.ItemOpen, Appointments: []string{"a1"}}
	link.LastError, link.Hint, link.Failures = "timed out", "wait", 2
	link.NextAttemptAt, link.UpdatedAt = noon.Add(time.Hour), noon.Add(time.Minute)
	saved, err := l.SaveLink(ctx, link)
	must(t, err)
	link.Lock++
	same(t, "what was saved", saved, link)
	for name, find := range map[string]func() (callback.Link, error){
		"by id":     func() (callback.Link, error) { return l.LinkByID(ctx, link.ID) },
		"by remote": func() (callback.Link, error) { return l.LinkByRemote(ctx, ehr, callback.TaskResource, "t1") },
	} {
		got, err := find()
		must(t, err)
		same(t, name, got, saved)
	}
	for _, other := range []func() (callback.Link, error){
		func() (callback.Link, error) { return l.LinkByRemote(ctx, "other", callback.TaskResource, "t1") },
		func() (callback.Link, error) { return l.LinkByRemote(ctx, ehr, callback.AppointmentResource, "t1") },
		func() (callback.Link, error) { return l.LinkByRemote(ctx, ehr, callback.TaskResource, "t2") },
	} {
		_, err := other()
		want(t, err, callback.ErrNotFound)
	}
}

func linksGuarded(t *testing.T, l Ledger) {
	ctx := t.Context()
	rec := newCallback(t, l, request(here, 1))
	stale := rec.Links[0]
	fresh := stale
	fresh.Failures = 1
	fresh, err := l.SaveLink(ctx, fresh)
	must(t, err)
	stale.Failures = 9
	_, err = l.SaveLink(ctx, stale)
	want(t, err, callback.ErrConflict)
	got, err := l.LinkByID(ctx, stale.ID)
	must(t, err)
	same(t, "after a stale write", got, fresh)

	nobody := fresh
	nobody.ID = callback.NewID()
	_, err = l.SaveLink(ctx, nobody)
	want(t, err, callback.ErrNotFound)

	moved := fresh
	moved.Callback, moved.Clinic, moved.EHR = callback.NewID(), there, "other"
	moved, err = l.SaveLink(ctx, moved)
	must(t, err)
	same(t, "what a link ties together", []any{moved.Callback, moved.Clinic, moved.EHR}, []any{rec.ID, here, ehr})

	moved.RemoteID, moved.State = "t1", callback.LinkSynced
	_, err = l.SaveLink(ctx, moved)
	must(t, err)
	second := newCallback(t, l, request(here, 2)).Links[0]
	second.RemoteID, second.State = "t1", callback.LinkSynced
	_, err = l.SaveLink(ctx, second)
	want(t, err, callback.ErrConflict)

	// A change of the callback that was made on a stale link starts again.
	calls := 0
	after := update(t, l, rec.ID, func(r *callback.Record) error {
		calls++
		r.Links[0].Hint = fmt.Sprint("failures ", r.Links[0].Failures)
		return nil
	})
	same(t, "the hint", []any{after.Links[0].Hint, calls}, []any{"failures 1", 1})
}

func linkFilters(t *testing.T, l Ledger) {
	ctx := t.Context()
	var all []callback.ID
	for n := range 5 {
		rec := newCallback(t, l, request([]callback.ClinicID{here, there}[n%2], n))
		all = append(all, rec.Links[0].ID)
	}
	saveLink(t, l, all[2], func(l *callback.Link) { l.State, l.LastError = callback.LinkStuck, "refused" })
	slices.Reverse(all)
	for name, c := range map[string]struct {
		f    callback.LinkFilter
		ids  []callback.ID
		next callback.ID
	}{
		"all":    {callback.LinkFilter{}, all, ""},
		"clinic": {callback.LinkFilter{Clinic: there}, []callback.ID{all[1], all[3]}, ""},
		"state":  {callback.LinkFilter{State: callback.LinkStuck}, []callback.ID{all[2]}, ""},
		"limit":  {callback.LinkFilter{Limit: 2}, all[:2], all[1]},
		"after":  {callback.LinkFilter{Limit: 3, After: all[1]}, all[2:], ""},
	} {
		page, next, err := l.Links(ctx, c.f)
		must(t, err)
		var ids []callback.ID
		for _, l := range page {
			ids = append(ids, l.ID)
		}
		same(t, name, []any{ids, next}, []any{c.ids, c.next})
	}
}

func lagging(t *testing.T, l Ledger) {
	ctx := t.Context()
	var want []callback.Lag
	n := 0
	add := func(lags bool, change func(*callback.Record, *callback.Link)) {
		n++
		rec := newCallback(t, l, request(here, n))
		link := rec.Links[0]
		change(&rec, &link)
		saveLink(t, l, link.ID, func(l *callback.Link) { link.Lock = l.Lock; *l = link })
		if lags {
			want = append(want, callback.Lag{Link: link.ID, Callback: rec.ID, EHR: ehr})
		}
	}
	synced := func(r *callback.Record, l *callback.Link) {
		l.State, l.RemoteID, l.Holds = callback.LinkSynced, fmt.Sprint("t", n), r.Revision
	}
	lagNow := func(change func(*callback.Record, *callback.Link)) { add(true, change) }
	not := func(change func(*callback.Record, *callback.Link)) { add(false, change) }
	lagNow(func(*callback.Record, *callback.Link) {})
	not(synced)
	lagNow(func(r *callback.Record, l *callback.Link) { synced(r, l); l.Holds-- })
	lagNow(func(_ *callback.Record, l *callback.Link) { l.State = callback.LinkSending })
	not(func(_ *callback.Record, l *callback.Link) { l.State = callback.LinkStuck })
	not(func(_ *callback.Record, l *callback.Link) { l.State = callback.LinkDiscarded })
	lagNow(func(_ *callback.Record, l *callback.Link) { l.NextAttemptAt = noon })
	not(func(_ *callback.Record, l *callback.Link) { l.NextAttemptAt = noon.Add(time.Microsecond) })
	lagNow(func(_ *callback.Record, l *callback.Link) {
		l.NextAttemptAt = noon.Add(-time.Hour).In(time.FixedZone("", 7*3600))
	})

	got, err := l.Lagging(ctx, noon, 100)
	must(t, err)
	same(t, "what lags, oldest first", got, want)
	got, err = l.Lagging(ctx, noon, 2)
	must(t, err)
	same(t, "the first two", got, want[:2])

	// A change of the callback makes a link lag that did not.
	n++
	rec := newCallback(t, l, request(here, n))
	rec = update(t, l, rec.ID, func(r *callback.Record) error {
		synced(r, &r.Links[0])
		return nil
	})
	got, err = l.Lagging(ctx, noon, 100)
	must(t, err)
	same(t, "with one more that is in step", got, want)
	update(t, l, rec.ID, func(r *callback.Record) error { return r.Prioritise(callback.Stat, staff, noon) })
	got, err = l.Lagging(ctx, noon, 100)
	must(t, err)
	same(t, "after its priority changed", got, append(want, callback.Lag{Link: rec.Links[0].ID, Callback: rec.ID, EHR: ehr}))
}

func laggingShares(t *testing.T, l Ledger) {
	for n := range 12 {
		newCallback(t, l, request(here, n))
	}
	var few callback.Record
	req := request(there, 99)
	_, err := l.Take(t.Context(), arrival(req), noon, func([]callback.Record) (callback.Intake, error) {
		few = callback.Capture(req, noon)
		few.Links = []callback.Link{callback.NewLink(few.Callback, "other", callback.TaskResource, noon)}
		return callback.Intake{New: &few}, nil
	})
	must(t, err)
	got, err := l.Lagging(t.Context(), noon, 6)
	must(t, err)
	if len(got) != 4 || got[3] != (callback.Lag{Link: few.Links[0].ID, Callback: few.ID, EHR: "other"}) {
		t.Errorf("of twelve of one EHR and one of another: %v", got)
	}
}
