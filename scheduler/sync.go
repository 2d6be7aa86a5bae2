package scheduler

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/fault"
)

// rounds bounds how often one job follows a callback that keeps moving; the
// sweep goes on from there.
const rounds = 5

// Sync brings one link to its callback's revision. A failure of the EHR is
// recorded on the link with the time of the next try and is no error here; an
// error is the ledger's.
func (w *Worker) Sync(ctx context.Context, link callback.ID) error {
	for range rounds {
		again, err := w.syncOnce(ctx, link)
		if err != nil || !again {
			return err
		}
	}
	return nil
}

// syncOnce makes one comparison and at most one write. again asks for another
// round because one of the sides moved.
func (w *Worker) syncOnce(ctx context.Context, id callback.ID) (again bool, err error) {
	l, err := w.opts.Ledger.LinkByID(ctx, id)
	if err != nil {
		return false, err
	}
	rec, err := w.opts.Ledger.Record(ctx, l.Callback)
	if err != nil {
		return false, err
	}
	if !l.Lags(rec.Callback) || w.now().Before(l.NextAttemptAt) {
		return false, nil
	}
	site, ok := w.sites[l.EHR]
	if !ok {
		return false, w.failed(ctx, l, fault.New(fault.Permanent, "", "there is no ehr of this name in the configuration").
			WithHint("add it again, or discard the link"))
	}
	in, tried, err := site.circuit.admit(ctx)
	defer tried()
	if err != nil || !in {
		return false, err
	}
	if rec.Patient.Resolution == callback.NotResolved && w.resolvable(rec.Callback) {
		if rec, err = w.resolve(ctx, site, rec); err != nil {
			return false, err
		}
	}
	again, err = w.move(ctx, site, rec, l)
	switch {
	case err == nil:
		return again, nil
	case errors.Is(err, callback.ErrConflict):
		return false, nil // another worker is at it
	case fault.Is(err, fault.Conflict) && fromEHR(err):
		return true, nil // somebody edited the resource: read it again
	case fromEHR(err):
		return false, w.failed(ctx, l, err)
	default:
		return false, err
	}
}

// move does what the link needs next: step to the rung that fits, look for the
// resource, create it, or edit it.
func (w *Worker) move(ctx context.Context, site Site, rec callback.Record, l callback.Link) (again bool, err error) {
	caps, err := site.EHR.Capabilities(ctx)
	if err != nil {
		return false, err
	}
	rung := caps.RungFor(rec.Patient.Resolution == callback.Certain)
	atHome := l.RemoteID == "" || l.Type == callback.Worklist // nothing of it is in the EHR
	switch {
	case l.Type.IsWorkItem() && atHome && l.State != callback.LinkSending && l.Type != rung.Type:
		return true, w.step(ctx, l, rung)
	case l.Type == callback.Worklist:
		return false, w.hold(ctx, rec, l)
	case l.RemoteID == "":
		return w.create(ctx, site, caps, rec, l)
	default:
		return w.edit(ctx, site, caps.On(l.Type), rec, l)
	}
}

// step takes a link of which nothing is in the EHR to another rung.
func (w *Worker) step(ctx context.Context, l callback.Link, to callback.Rung) error {
	w.opts.Logger.Info("work item goes to another rung", "callback", l.Callback, "link", l.ID, "ehr", l.EHR, "from", l.Type, "to", to.Type)
	l.Step(to.Type, w.now())
	_, err := w.opts.Ledger.SaveLink(ctx, l)
	return err
}

// hold records that there is nothing to send: the item shows what it can.
func (w *Worker) hold(ctx context.Context, rec callback.Record, l callback.Link) error {
	_, err := w.opts.Ledger.Update(ctx, rec.ID, func(r *callback.Record) error { return r.Held(l.ID, rec.Revision, w.now()) })
	return err
}

// edit brings a resource that is in the EHR to what the callback is now.
func (w *Worker) edit(ctx context.Context, site Site, rung callback.Rung, rec callback.Record, l callback.Link) (again bool, err error) {
	if !rung.ReadBack {
		return false, w.hold(ctx, rec, l) // an edit starts from what is there
	}
	item, err := site.EHR.Read(ctx, l.Type, l.RemoteID)
	if fault.Is(err, fault.NotFound) {
		item, err = callback.Item{Type: l.Type, ID: l.RemoteID, Gone: true}, nil
	}
	if err != nil {
		return false, err
	}
	if l.Tied() && rung.MarkerSearch && !item.Gone && !slices.Contains(item.Markers, l.Marker()) {
		return false, w.untie(ctx, l)
	}
	if item.Gone || item.Version != l.RemoteVersion {
		return true, w.observe(ctx, rec.ID, l.ID, item)
	}
	if !rung.Close {
		return false, w.hold(ctx, rec, l)
	}
	before := l
	if l, err = w.sending(ctx, rec, l); err != nil {
		return false, err
	}
	item, err = site.EHR.Edit(ctx, item, rec.WorkItem(l))
	if err != nil {
		return false, w.notSent(ctx, before, l, err)
	}
	return w.written(ctx, rec, l, item)
}

// untie takes a link from an item that an operator has named and that is not this
// callback's: nothing in it is touched.
func (w *Worker) untie(ctx context.Context, l callback.Link) error {
	named := l.RemoteID
	l.Step(l.Type, w.now())
	l.State, l.LastError = callback.LinkStuck, fmt.Sprintf("%s/%s does not carry this callback's marker, so that it was left alone", l.Type, named)
	l.Hint = "look for the right one and name it with: ringback links edit --item ID; or file it anew with: ringback links retry"
	_, err := w.opts.Ledger.SaveLink(ctx, l)
	return err
}

// sending stores what a write wants before it is sent: after a crash the next worker
// knows what to look for. Until this job's time is over it may be on its way.
func (w *Worker) sending(ctx context.Context, rec callback.Record, l callback.Link) (callback.Link, error) {
	l.Sending(rec.WorkItem(l), w.now().Add(w.opts.Queue.JobTimeout+w.sites[l.EHR].SearchLag), w.now())
	return w.opts.Ledger.SaveLink(ctx, l)
}

// notSent returns cause and forgets what a write wanted that changed nothing for
// certain. Where nobody knows, nothing is forgotten. An EHR that was silent for long
// may be as long in doing what it was told.
func (w *Worker) notSent(ctx context.Context, before, l callback.Link, cause error) error {
	if fault.Is(cause, fault.Ambiguous) {
		silent := w.now().Sub(l.UpdatedAt) // since it was stored, just before it was sent
		l.SettlesAt = w.now().Add(silent + w.sites[l.EHR].SearchLag)
	} else {
		l.NotSent(before)
	}
	ctx, cancel := afterwards(ctx)
	defer cancel()
	if _, err := w.opts.Ledger.SaveLink(ctx, l); err != nil && cause == nil {
		return err
	}
	return cause // without it the write is looked for longer than need be, and no more
}

// afterwards is a context for what has to be stored of a try although the time of the
// job may be over.
func afterwards(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
}

// create files the resource. Where something may have arrived before, or the EHR
// does not honour a conditional create, our marker is looked for first.
func (w *Worker) create(ctx context.Context, site Site, caps callback.Capabilities, rec callback.Record, l callback.Link) (again bool, err error) {
	rung := caps.On(l.Type)
	if l.Type == callback.AppointmentResource && (!rec.Status.Open() || !rung.Usable() && l.State != callback.LinkSending) {
		return false, w.pointless(ctx, rec.ID, l.ID, rung)
	}
	if l.State == callback.LinkSending || !rung.ConditionalCreate {
		if done, again, err := w.lookFor(ctx, site, rung, rec, l); err != nil || done {
			return again, err
		}
	}
	if l.Type.IsWorkItem() && !rung.Usable() {
		return true, w.step(ctx, l, caps.RungFor(rec.Patient.Resolution == callback.Certain))
	}
	before := l
	if l, err = w.sending(ctx, rec, l); err != nil {
		return false, err
	}
	item, err := site.EHR.Create(ctx, rec.WorkItem(l))
	if err != nil {
		return false, w.notSent(ctx, before, l, err)
	}
	if item.Found {
		if err := w.notSent(ctx, before, l, nil); err != nil {
			return false, err
		}
		return true, w.observe(ctx, rec.ID, l.ID, item)
	}
	return w.written(ctx, rec, l, item)
}

// lookFor searches for what may have arrived already. done says that nothing must be
// created now: it is there, it may show only later, or nobody can tell.
func (w *Worker) lookFor(ctx context.Context, site Site, rung callback.Rung, rec callback.Record, l callback.Link) (done, again bool, err error) {
	if rung.MarkerSearch {
		found, err := site.EHR.Find(ctx, l.Type, l.Marker())
		if err != nil {
			return false, false, err
		}
		if len(found) > 0 {
			return true, true, w.observe(ctx, rec.ID, l.ID, found[0])
		}
	}
	unknown := l.State == callback.LinkSending
	if unknown && w.now().Before(l.SettlesAt) {
		l.NextAttemptAt, l.UpdatedAt = l.SettlesAt, w.now()
		_, err := w.opts.Ledger.SaveLink(ctx, l)
		return true, false, err
	}
	if unknown && !rung.MarkerSearch && !rung.FileAgain && !l.SettlesAt.IsZero() {
		return true, false, w.failed(ctx, l, fault.New(fault.Permanent, "find "+string(l.Type),
			"the answer to its creation was lost, and this EHR cannot be searched for it").
			WithHint("look for it in the EHR; then tie it with: ringback links edit --item ID, or file it again with: ringback links retry"))
	}
	return false, false, nil
}

// pointless gives up a proposal that was never sent, because its callback is closed
// or the EHR takes none.
func (w *Worker) pointless(ctx context.Context, rec, link callback.ID, rung callback.Rung) error {
	_, err := w.opts.Ledger.Update(ctx, rec, func(r *callback.Record) error {
		switch l := r.Link(link); {
		case l == nil || l.RemoteID != "":
		case !r.Status.Open():
			l.Discard("the callback closed before the visit was proposed", w.now())
		case !rung.Usable():
			l.Discard("visits cannot be proposed in this EHR: "+rung.Refused, w.now())
		}
		return nil
	})
	return err
}

// written records that the EHR holds the revision that was mapped.
func (w *Worker) written(ctx context.Context, rec callback.Record, l callback.Link, item callback.Item) (again bool, err error) {
	got, err := w.opts.Ledger.Update(ctx, rec.ID, func(r *callback.Record) error {
		return r.Written(l.ID, item, rec.Revision, w.now())
	})
	if err != nil {
		return false, err
	}
	w.opts.Logger.Info("work item in step", "callback", rec.ID, "link", l.ID, "ehr", l.EHR,
		"resource", l.Type, "revision", rec.Revision)
	return got.Revision > rec.Revision, nil
}

// observe takes over what staff changed and, where that tied an appointment or a
// chart to the callback, weighs the evidence again.
func (w *Worker) observe(ctx context.Context, rec, link callback.ID, item callback.Item) error {
	var changed bool
	var tied int
	got, err := w.opts.Ledger.Update(ctx, rec, func(r *callback.Record) (err error) {
		before := 0
		if l := r.Link(link); l != nil {
			before = len(l.Base.Appointments)
		}
		if changed, err = r.Observe(link, item, w.now()); err != nil {
			return err
		}
		if l := r.Link(link); l != nil {
			tied = len(l.Base.Appointments) - before
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("take over changes of a work item: %w", err)
	}
	if changed || tied > 0 {
		return w.Match(ctx, got.ID)
	}
	return nil
}

// failed records a failure on the link: when to try again, or that it is stuck.
func (w *Worker) failed(ctx context.Context, l callback.Link, cause error) error {
	ctx, cancel := afterwards(ctx)
	defer cancel()
	fresh, err := w.opts.Ledger.LinkByID(ctx, l.ID)
	if err != nil {
		return err
	}
	l = fresh
	now := w.now()
	d := fault.Of(cause)
	outage := false
	if site, ok := w.sites[l.EHR]; ok && d != fault.Permanent {
		if outage, err = site.circuit.failing(ctx); err != nil {
			return err
		}
	}
	// Neither an outage, however long, nor a limit uses up the tries of a callback.
	if !outage && d != fault.Throttled || l.Failures == 0 {
		l.Failures++
	}
	l.LastError, l.Hint, l.UpdatedAt = fault.Describe(cause), hint(cause), now
	l.NextAttemptAt = now.Add(w.wait(l, d, fault.After(cause), outage))
	if d == fault.Permanent || l.Failures >= w.opts.MaxFailures {
		l.State = callback.LinkStuck
	}
	w.opts.Logger.Warn("work item not delivered", "callback", l.Callback, "link", l.ID, "ehr", l.EHR,
		"resource", l.Type, "state", l.State, "failures", l.Failures, "disposition", d, "error", l.LastError)
	if _, err = w.opts.Ledger.SaveLink(ctx, l); errors.Is(err, callback.ErrConflict) {
		return nil
	}
	return err
}

func hint(err error) string {
	var e *fault.Error
	if errors.As(err, &e) {
		return e.Hint
	}
	return ""
}

// wait returns how long to wait before the next try.
func (w *Worker) wait(l callback.Link, d fault.Disposition, asked time.Duration, outage bool) time.Duration {
	if outage || d == fault.Throttled { // the circuit sets the pace, or the EHR itself
		return max(asked, time.Second)
	}
	base := time.Second
	if d == fault.Ambiguous {
		base = max(base, w.sites[l.EHR].SearchLag)
	}
	return Backoff(l.Failures, base, asked, rand.Float64())
}

// maxBackoff is the longest that a link waits without being asked to.
const maxBackoff = 15 * time.Minute

// Backoff returns how long to wait after n failures in a row: base doubled each
// time up to 15 minutes, with up to a quarter of jitter (0 ≤ jitter < 1 of it),
// and never less than the other side asked for.
func Backoff(n int, base, asked time.Duration, jitter float64) time.Duration {
	d := base
	for i := 1; i < n && d < maxBackoff; i++ {
		d *= 2
	}
	d = min(d, maxBackoff)
	d += time.Duration(float64(d) / 4 * jitter)
	return max(d, asked)
}
