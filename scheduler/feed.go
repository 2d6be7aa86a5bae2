package scheduler

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/fault"
)

// pagesAtOnce bounds how many stored pages are held in memory.
const pagesAtOnce = 20

// keepPages is how long an interpreted page is kept, for whoever has to find out
// what an EHR said. Of those in which the same could not be read the last is kept.
const keepPages = 30 * 24 * time.Hour

// Poll reads one feed of one EHR: first what an earlier life stored and did not
// interpret, then what is new, then what is asked for by itself and is due. Each page
// is stored before it is looked at, and the watermark moves only over pages that were
// stored. What a page says is worked into the ledger at once; for what has to be asked
// of the EHR because of it, a watch is stored, so that one item that cannot be read
// holds up neither the page nor the others. A failure of the EHR is recorded in the
// feed's state and returned. While the EHR is held back nothing is done.
func (w *Worker) Poll(ctx context.Context, id callback.EHRID, f callback.Feed) error {
	site, ok := w.sites[id]
	if !ok {
		return nil // the configuration changed; the queue is older
	}
	in, tried, err := site.circuit.admit(ctx)
	defer tried()
	if err != nil || !in {
		return err
	}
	state, err := w.opts.Ledger.FeedState(ctx, site.Clinic, id, f)
	if err != nil {
		return err
	}
	r := &reading{Worker: w, site: site, state: state, began: w.now(),
		interrupted: state.LastAttempt.After(state.LastSuccess)}
	r.state.LastAttempt = r.began
	// Before anything is asked for: a crash must show at the next start.
	if err := w.opts.Ledger.SaveFeedState(ctx, r.state); err != nil {
		return err
	}
	if err = r.run(ctx); err != nil {
		r.state.LastError, r.state.Slice = fault.Describe(err), r.nextSlice(state, err)
		ctx, cancel := afterwards(ctx)
		defer cancel()
		return errors.Join(err, w.opts.Ledger.SaveFeedState(ctx, r.state))
	}
	r.reached(r.latest)
	r.complete(r.state.Watermark)
	r.setBack()
	r.state.LastSuccess, r.state.LastError, r.state.Slice, r.state.Covered = r.began, "", 0, time.Time{}
	if r.window.whole != nil {
		r.state.Covered = r.window.whole.Until
	}
	if err := w.opts.Ledger.SaveFeedState(ctx, r.state); err != nil {
		return err
	}
	if f == callback.FeedAppointments {
		return w.ResolveOpen(ctx, id)
	}
	return nil
}

// reading is one poll of one feed.
type reading struct {
	*Worker
	site        Site
	state       callback.FeedState
	began       time.Time
	interrupted bool                  // an earlier read did not come to its end
	caps        callback.Capabilities // of the EHR
	date        time.Time             // the EHR's clock at its first answer; zero: it does not tell
	latest      time.Time             // the latest change that was shown
	window      window
}

func (r *reading) run(ctx context.Context) (err error) {
	if err := r.pending(ctx); err != nil {
		return err
	}
	if r.caps, err = r.site.EHR.Capabilities(ctx); err != nil {
		return err
	}
	if err := r.look(ctx); err != nil {
		return err
	}
	if r.state.Feed == callback.FeedItems {
		return r.changedItems(ctx)
	}
	if err := r.charts(ctx); err != nil {
		return err
	}
	return r.visits(ctx)
}

// look asks for what changed. An EHR that cannot tell which work items have is asked
// for each that is open; one that shows no appointments is not asked for them.
func (r *reading) look(ctx context.Context) error {
	switch {
	case r.state.Feed == callback.FeedItems && !r.caps.ItemFeed:
		return r.openItems(ctx)
	case r.state.Feed == callback.FeedItems:
		return r.fetch(ctx)
	case r.caps.AppointmentFeed == callback.FeedNone:
		return nil // doctor and check say what that means
	case r.caps.AppointmentFeed == callback.FeedPatient:
		return r.patients(ctx)
	default:
		return r.fetch(ctx)
	}
}

// fetch reads what changed since the watermark. While nothing was ever shown there is
// none, and the EHR is asked for all it has: its clock is nobody's to guess.
func (r *reading) fetch(ctx context.Context) error {
	q := callback.FeedQuery{Feed: r.state.Feed, Interrupted: r.interrupted}
	p := origin{baseline: r.state.LastSuccess.IsZero()}
	if !r.state.Watermark.IsZero() {
		q.Since = r.since()
		q.Slice, q.Overlap = r.state.Slice, r.state.Watermark.Sub(q.Since)
	}
	if !p.baseline {
		p.notBefore = r.state.LastSuccess.Add(-r.site.indexLag)
	}
	return r.read(ctx, q, p)
}

// since is where a read begins: from where on a change may not have shown when it was
// read last. A feed that is far behind goes on at its watermark, so that one that is
// interrupted again and again gets further each time.
func (r *reading) since() time.Time {
	if s := r.state.Settled; !s.IsZero() && !s.After(r.state.Watermark) {
		return s
	}
	return r.state.Watermark.Add(-r.overlap())
}

// overlap is how late a change may show at most.
func (r *reading) overlap() time.Duration { return max(r.opts.Overlap, r.site.indexLag) }

// leastSlice is the shortest time behind the watermark that is asked for at once.
const leastSlice = 10 * time.Second

// nextSlice is how much of the time behind the watermark the next read asks for at once,
// after one that failed: twice as much when this one came further, half as much when it
// asked for too much, and as much as before when it did both. An EHR that will not be
// asked for a part, or does not answer for the shortest either, is asked for all again:
// nobody could tell else that it takes no parts.
func (r *reading) nextSlice(before callback.FeedState, err error) time.Duration {
	slice := r.state.Slice
	switch {
	case r.state.Watermark.IsZero():
		return 0
	case r.state.Watermark.After(before.Watermark) && tooMuch(err):
		return slice
	case r.state.Watermark.After(before.Watermark):
		return 2 * slice
	case slice > 0 && fault.Is(err, fault.Permanent) && !tooMuch(err):
		return 0
	case !tooMuch(err):
		return slice
	case slice > 0 && slice <= leastSlice:
		return 0
	case slice == 0:
		slice = r.began.Add(r.state.Skew).Sub(r.state.Watermark)
	}
	return max(slice/2, leastSlice)
}

// tooMuch reports whether an EHR may have failed because of how much it was asked for: it
// did not answer in time, or gave up.
func tooMuch(err error) bool {
	var timeout interface{ Timeout() bool }
	if errors.As(err, &timeout) && timeout.Timeout() {
		return true
	}
	var f *fault.Error
	return errors.As(err, &f) && slices.Contains([]int{http.StatusRequestTimeout, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity,
		http.StatusInternalServerError, http.StatusServiceUnavailable, http.StatusGatewayTimeout}, f.Status)
}

// origin is what is known about where a page comes from.
type origin struct {
	notBefore time.Time // lower bound for what is new in it
	baseline  bool
}

// read works through the steps of one query, storing each page before anything else.
func (r *reading) read(ctx context.Context, q callback.FeedQuery, from origin) error {
	for step, err := range r.site.EHR.Changes(ctx, q) {
		if err != nil {
			return err
		}
		r.clock(step.Date)
		if step.Body != nil {
			page := callback.Page{ID: callback.NewID(), Clinic: r.site.Clinic, EHR: r.site.ID, Feed: q.Feed,
				FetchedAt: r.began, NotBefore: from.notBefore, Baseline: from.baseline, Body: step.Body}
			if err := r.opts.Ledger.SavePage(ctx, page); err != nil {
				return err
			}
			if err := r.interpret(ctx, page, false); err != nil {
				return err
			}
		}
		if step.Whole != nil {
			r.window.whole = step.Whole
		}
		if r.reached(step.Reached) {
			if err := r.opts.Ledger.SaveFeedState(ctx, r.state); err != nil {
				return err
			}
		}
	}
	return nil
}

// clock takes note of the EHR's clock.
func (r *reading) clock(date time.Time) {
	if date.IsZero() {
		return
	}
	if r.date.IsZero() {
		r.date = date
	}
	r.state.Skew = date.Sub(r.now()).Truncate(time.Second)
}

// reached moves the watermark up to a time of the EHR, up to which all was read, and
// reports whether anything moved. It never goes beyond the EHR's clock when the read began: what changed since may stand
// where nobody looked any more, and a time in the future would hide all until then.
func (r *reading) reached(t time.Time) bool {
	if !r.date.IsZero() && t.After(r.date) {
		t = r.date
	}
	moved := r.complete(t)
	if t.After(r.state.Watermark) {
		r.state.Watermark, moved = t, true
	}
	return moved
}

// complete notes that all was read up to a time, and reports whether that is news. What
// changed shortly before the read may not have shown yet.
func (r *reading) complete(t time.Time) bool {
	late := t.Add(-r.overlap()) // who does not tell the time is taken to be read at once
	if !r.date.IsZero() {
		late = r.date.Add(-r.overlap())
	}
	if t.After(late) {
		t = late
	}
	if !t.After(r.state.Settled) {
		return false
	}
	r.state.Settled = t
	return true
}

// setBack moves a watermark back that the EHR's clock has not come to: the clock was
// ahead and was set right, and what changed since the last read may have any time since.
func (r *reading) setBack() {
	if !r.date.IsZero() && r.state.Watermark.After(r.date) {
		r.state.Watermark = r.date.Add(-r.began.Sub(r.state.LastSuccess))
		r.state.Settled = time.Time{}
	}
}

// pending works through the pages of an earlier life, which may have stored an
// appointment without weighing it.
func (r *reading) pending(ctx context.Context) error {
	for {
		pages, err := r.opts.Ledger.PendingPages(ctx, r.site.ID, r.state.Feed, pagesAtOnce)
		if err != nil || len(pages) == 0 {
			return err
		}
		for _, p := range pages {
			if err := r.interpret(ctx, p, true); err != nil {
				return err
			}
		}
	}
}

// interpret works what a page says into the ledger. It asks nothing of the EHR, so
// that only the ledger's failure leaves a page pending. replay weighs what is known
// again.
func (r *reading) interpret(ctx context.Context, p callback.Page, replay bool) error {
	changes, err := r.site.EHR.Interpret(p.Feed, p.Body)
	if err != nil {
		// The page stays stored for whoever looks into it; the feed goes on.
		r.window.unreadable = true
		r.opts.Logger.Error("page of a feed cannot be read", "ehr", r.site.ID, "feed", p.Feed, "page", p.ID, "error", fault.Describe(err))
		return r.done(ctx, p, fault.Describe(err), false)
	}
	news := false
	for _, item := range changes.Items {
		is, err := r.seenItem(ctx, item)
		if err != nil {
			return err
		}
		news = news || is
	}
	known, err := r.known(ctx, changes.Appointments)
	if err != nil {
		return err
	}
	for _, a := range changes.Appointments {
		r.window.show(a.ID)
		if version, is := known[a.ID]; is && version == a.Version && version != "" && !replay {
			continue // a window shows the same again and again
		}
		a.Clinic, a.EHR = r.site.Clinic, r.site.ID
		a.NotBefore, a.FirstSeen = p.NotBefore, p.FetchedAt
		if covered := r.state.Covered; !covered.IsZero() && !a.Start.Before(covered) {
			a.NotBefore = time.Time{} // it shows because the window has moved on
		}
		is, err := r.seenAppointment(ctx, r.site, a, replay)
		if err != nil {
			return err
		}
		news = news || is
	}
	if changes.Latest.After(r.latest) {
		r.latest = changes.Latest
	}
	if n := len(changes.Problems); n > 0 {
		r.opts.Logger.Warn("entries of a feed cannot be read", "ehr", r.site.ID, "feed", p.Feed, "page", p.ID, "entries", n)
	}
	return r.done(ctx, p, strings.Join(changes.Problems, "; "), news)
}

// known returns the versions of those appointments that the ledger has.
func (r *reading) known(ctx context.Context, all []callback.Appointment) (map[string]string, error) {
	var ids []string
	for _, a := range all {
		ids = append(ids, a.ID)
	}
	if len(ids) == 0 {
		return nil, nil
	}
	return r.opts.Ledger.Versions(ctx, r.site.Clinic, r.site.ID, ids)
}

// done says that a page was interpreted.
func (r *reading) done(ctx context.Context, p callback.Page, problem string, news bool) error {
	now := r.now()
	return r.opts.Ledger.PageDone(ctx, p.ID, callback.PageReading{At: now, News: news, Problem: problem, KeepSince: now.Add(-keepPages)})
}

// seenAppointment stores an appointment and weighs it for the callbacks that it
// may concern. It reports whether it was news. The baseline is weighed too: it has no
// NotBefore, so that what is in it counts only when the EHR itself says that it was
// booked after the request.
func (w *Worker) seenAppointment(ctx context.Context, site Site, a callback.Appointment, replay bool) (news bool, err error) {
	stored, changed, err := w.opts.Ledger.SaveAppointment(ctx, a)
	if err != nil || (!changed && !replay) {
		return changed, err
	}
	since := w.now().Add(-site.Rules.ReopenOnCancelWithin)
	ids, err := w.opts.Ledger.Affected(ctx, stored, since)
	if err != nil {
		return changed, err
	}
	for _, id := range ids {
		if err := w.match(ctx, id, &stored); err != nil {
			return changed, err
		}
	}
	return changed, nil
}
