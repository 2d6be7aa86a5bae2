package scheduler

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/fault"
)

// watchesAtOnce bounds how many watches are held in memory.
const watchesAtOnce = 50

// watchFor is how long one poll goes on asking. What is left is due at the next, and
// comes first then.
const watchFor = time.Minute

// errWatchOver says that something need not be asked for any more.
var errWatchOver = errors.New("nothing more to ask for")

// itemsAtOnce is how many work items are read at the same time: staff of a large clinic
// change more of them than can be read one after the other.
const itemsAtOnce = 6

// each asks for what is due of a kind, atOnce at a time. ask changes the watch as it
// learns, and returns errWatchOver when it is over. When one cannot be answered it is
// put off and the others go on, but for when the EHR answers nothing any more, or the
// ledger fails: only that is err. failed is why none was answered of those that were
// asked for.
func (r *reading) each(ctx context.Context, kind callback.WatchKind, atOnce int, ask func(*callback.Watch) error) (failed, err error) {
	answered := false
	for r.now().Sub(r.began) < watchFor {
		due, err := r.opts.Ledger.Due(ctx, r.site.ID, kind, r.now(), watchesAtOnce)
		if err != nil {
			return nil, err
		}
		if len(due) == 0 {
			break
		}
		for part := range slices.Chunk(due, atOnce) {
			asked := make([]error, len(part))
			var asking sync.WaitGroup
			for i := range part {
				asking.Go(func() { asked[i] = ask(&part[i]) })
			}
			asking.Wait()
			for i := range part {
				refused, err := r.settle(ctx, &part[i], asked[i])
				if err != nil {
					return nil, err
				}
				if failed = refused; refused == nil {
					answered = true
				}
			}
		}
	}
	if answered {
		failed = nil
	}
	return failed, nil
}

// settle stores what came of asking. refused is why there was no answer; err ends the
// poll.
func (r *reading) settle(ctx context.Context, watch *callback.Watch, asked error) (refused, err error) {
	switch {
	case errors.Is(asked, errWatchOver):
		return nil, r.opts.Ledger.DropWatch(ctx, *watch)
	case asked == nil:
		watch.LastError = ""
		return nil, r.putOff(ctx, *watch)
	case !fromEHR(asked):
		return nil, asked
	}
	watch.LastError = fault.Describe(asked)
	watch.Asked++
	r.opts.Logger.Warn("not answered; asked again later", "ehr", r.site.ID, "of", watch.Kind, "error", watch.LastError)
	return asked, errors.Join(r.putOff(ctx, *watch), r.overall(ctx, asked))
}

// putOff stores a watch with the time of its next request, unless that is later already.
func (r *reading) putOff(ctx context.Context, watch callback.Watch) error {
	now := r.now()
	if !watch.DueAt.After(now) {
		watch.DueAt = now.Add(r.site.Pace.Next(now.Sub(watch.Since)))
	}
	return r.opts.Ledger.SaveWatch(context.WithoutCancel(ctx), watch)
}

// overall returns err if it says more of the EHR than of what was asked for.
func (r *reading) overall(ctx context.Context, err error) error {
	if fault.Is(err, fault.Throttled) || ctx.Err() != nil {
		return err
	}
	failing, ledgerErr := r.site.circuit.failing(ctx)
	if failing {
		return errors.Join(err, ledgerErr)
	}
	return ledgerErr
}

// window is what a poll has seen of a window.
type window struct {
	shown      map[string]bool // ids of appointments
	whole      *callback.Span  // set when all of it was shown
	unreadable bool            // a page could not be read: nobody knows what is in it
}

func (w *window) show(id string) {
	if w.shown == nil {
		w.shown = map[string]bool{}
	}
	w.shown[id] = true
}

// visits asks for visits that have to be looked at one by one, because no feed shows
// that something was deleted.
func (r *reading) visits(ctx context.Context) error {
	if !r.caps.AppointmentByID {
		return nil
	}
	if err := r.vanished(ctx); err != nil {
		return err
	}
	since := r.began.Add(-r.site.Rules.ReopenOnCancelWithin)
	if err := r.opts.Ledger.Plan(ctx, r.site.Clinic, r.site.ID, callback.WatchVisit, since, r.began); err != nil {
		return err
	}
	_, err := r.each(ctx, callback.WatchVisit, 1, func(watch *callback.Watch) error { return r.visit(ctx, watch) })
	return err
}

// vanished asks for what is known to stand in the window and was not shown. Only a
// window that was shown in full says anything about that.
func (r *reading) vanished(ctx context.Context) error {
	if r.window.whole == nil || r.window.unreadable {
		return nil
	}
	standing, err := r.opts.Ledger.Scheduled(ctx, r.site.Clinic, r.site.ID, *r.window.whole)
	if err != nil {
		return err
	}
	missing := map[string]bool{}
	for _, id := range standing {
		if r.window.shown[id] {
			continue
		}
		missing[id] = true
		watch := callback.Watch{Clinic: r.site.Clinic, EHR: r.site.ID, Kind: callback.WatchVanished, Subject: id, Since: r.began, DueAt: r.began}
		if err := r.opts.Ledger.StartWatch(ctx, watch); err != nil {
			return err
		}
	}
	_, err = r.each(ctx, callback.WatchVanished, 1, func(watch *callback.Watch) error {
		if !missing[watch.Subject] {
			return errWatchOver // it is shown again, or known to stand elsewhere
		}
		return r.visit(ctx, watch)
	})
	return err
}

// visit reads one visit by its id. When the EHR says that it is not there, it is asked
// once more before that is believed, because a wrong answer on the way says the same;
// 410 is said by nobody but the EHR.
func (r *reading) visit(ctx context.Context, watch *callback.Watch) error {
	now := r.now()
	err := r.read(ctx, callback.FeedQuery{Feed: callback.FeedAppointments, Appointment: watch.Subject}, origin{})
	switch {
	case err == nil:
		watch.SeenAt, watch.MissingSince = now, time.Time{}
		watch.Asked++
		return nil
	case !fault.Is(err, fault.NotFound):
		return err
	}
	watch.Asked++
	if status(err) != http.StatusGone && watch.MissingSince.IsZero() {
		watch.SeenAt, watch.MissingSince = now, now
		watch.DueAt = now.Add(r.site.Pace.Next(0))
		return nil
	}
	if err := r.void(ctx, watch.Subject); err != nil {
		return err
	}
	return errWatchOver
}

// status returns the HTTP status behind an error; 0: there was none.
func status(err error) int {
	var f *fault.Error
	if errors.As(err, &f) {
		return f.Status
	}
	return 0
}

// gone marks the version of an appointment that the EHR does not have any more.
const gone = "gone:"

// void records that an appointment does not exist any more. A page with it that was
// read before brings it back no more than one that the EHR's index still shows; a newer
// version of it does.
func (r *reading) void(ctx context.Context, id string) error {
	known, err := r.opts.Ledger.Appointments(ctx, r.site.Clinic, r.site.ID, callback.Patient{}.Candidate, []string{id}, nil)
	if err != nil || len(known) == 0 {
		return err
	}
	a := known[0]
	if !a.State.FellThrough() {
		a.State, a.Version = callback.ApptVoid, gone+a.Version
		if !a.Updated.IsZero() {
			a.Updated = a.Updated.Add(time.Microsecond)
		}
		r.opts.Logger.Info("a visit is not in the EHR any more", "ehr", r.site.ID)
	}
	_, err = r.seenAppointment(ctx, r.site, a, true)
	return err
}

// patients asks for the appointments of the patients of open callbacks, each when it is
// due. A patient with several is asked for once. That nobody was answered must not pass
// for a feed that was read.
func (r *reading) patients(ctx context.Context) error {
	if err := r.opts.Ledger.Plan(ctx, r.site.Clinic, r.site.ID, callback.WatchPatient, time.Time{}, r.began); err != nil {
		return err
	}
	asked := map[string]time.Time{}
	failed, err := r.each(ctx, callback.WatchPatient, 1, func(watch *callback.Watch) error {
		rec, err := r.opts.Ledger.Record(ctx, callback.ID(watch.Subject))
		if err != nil {
			return err
		}
		chart := rec.Patient.Chart()
		switch {
		case !rec.Status.Open() || chart.IsEmpty():
			return errWatchOver
		case !r.site.Rules.AnsweredByVisit(rec.Category):
			watch.DueAt = r.now().Add(r.site.Pace.AtMost) // nobody books because of it; its category may change
			return nil
		case !asked[chart.Reveal()].IsZero():
			watch.SeenAt = asked[chart.Reveal()]
			return nil
		}
		at := r.now()
		from := origin{baseline: watch.SeenAt.IsZero()}
		if !from.baseline {
			from.notBefore = watch.SeenAt.Add(-r.site.indexLag)
		}
		if err := r.read(ctx, callback.FeedQuery{Feed: callback.FeedAppointments, Patient: chart}, from); err != nil {
			return err
		}
		asked[chart.Reveal()] = at
		watch.SeenAt = at
		watch.Asked++
		return nil
	})
	return errors.Join(failed, err)
}
