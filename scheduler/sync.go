package scheduler

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
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
	case fault.Is(err, fault.Conflict):
		return true, nil // somebody edited the resource: read it again
	case isEHRFailure(err):
		return false, w.failed(ctx, l, err)
	default:
		return false, err
	}
}

// isEHRFailure tells a failure of the other side from one of the ledger.
func isEHRFailure(err error) bool {
	var e *fault.Error
	return errors.As(err, &e) || errors.Is(err, context.DeadlineExceeded)
}

// move does what the link needs next: look for it, create it, or edit it.
func (w *Worker) move(ctx context.Context, site Site, rec callback.Record, l callback.Link) (again bool, err error) {
	if l.RemoteID == "" {
		return w.create(ctx, site, rec, l)
	}
	item, err := site.EHR.Read(ctx, l.Type, l.RemoteID)
	if fault.Is(err, fault.NotFound) {
		item, err = callback.Item{Type: l.Type, ID: l.RemoteID, Gone: true}, nil
	}
	if err != nil {
		return false, err
	}
	if item.Gone || item.Version != l.RemoteVersion {
		return true, w.observe(ctx, rec.ID, l.ID, item)
	}
	item, err = site.EHR.Edit(ctx, item, rec.WorkItem(l))
	if err != nil {
		return false, err
	}
	return w.written(ctx, rec, l, item)
}

// create files the resource. Where something may have arrived before, or the EHR
// does not honour a conditional create, our marker is looked for first.
func (w *Worker) create(ctx context.Context, site Site, rec callback.Record, l callback.Link) (again bool, err error) {
	if l.Type == callback.AppointmentResource && !rec.Status.Open() {
		return false, w.pointless(ctx, rec.ID, l.ID)
	}
	caps, err := site.EHR.Capabilities(ctx)
	if err != nil {
		return false, err
	}
	if l.State == callback.LinkSending || !caps.On(l.Type).ConditionalCreate {
		found, err := site.EHR.Find(ctx, l.Type, l.Marker())
		if err != nil {
			return false, err
		}
		if len(found) > 0 {
			return true, w.observe(ctx, rec.ID, l.ID, found[0])
		}
	}
	// The intent is stored before anything is sent: after a crash the next worker
	// knows that it has to look first.
	l.State, l.UpdatedAt = callback.LinkSending, w.now()
	if l, err = w.opts.Ledger.SaveLink(ctx, l); err != nil {
		return false, err
	}
	item, err := site.EHR.Create(ctx, rec.WorkItem(l))
	if err != nil {
		return false, err
	}
	if item.Found {
		return true, w.observe(ctx, rec.ID, l.ID, item)
	}
	return w.written(ctx, rec, l, item)
}

// pointless gives up a proposal that was never sent for a callback that is closed.
func (w *Worker) pointless(ctx context.Context, rec, link callback.ID) error {
	_, err := w.opts.Ledger.Update(ctx, rec, func(r *callback.Record) error {
		if l := r.Link(link); l != nil && l.RemoteID == "" && !r.Status.Open() {
			l.Discard("the callback closed before the visit was proposed", w.now())
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
	fresh, err := w.opts.Ledger.LinkByID(ctx, l.ID)
	if err != nil {
		return err
	}
	l = fresh
	now := w.now()
	d := fault.Of(cause)
	l.Failures++
	l.LastError, l.Hint, l.UpdatedAt = fault.Describe(cause), hint(cause), now
	l.NextAttemptAt = now.Add(w.wait(l.Failures, d, fault.After(cause)))
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

// wait returns how long to wait before try n+1.
func (w *Worker) wait(n int, d fault.Disposition, asked time.Duration) time.Duration {
	base := time.Second
	if d == fault.Ambiguous {
		base = w.opts.Settle
	}
	return Backoff(n, base, asked, rand.Float64())
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
