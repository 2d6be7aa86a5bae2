package simulate

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ringback-health/ringback/callback"
)

// handle: staff look at a work item that is open in the EHR, and call back.
func (w *world) handle(s *story) error {
	s.planned = false
	task := s.link(false)
	if task == "" {
		return nil // nothing in the inbox
	}
	item, err := w.bench.Item(w.ctx, task)
	if err != nil || !item.Open {
		return err
	}
	open := s.open()
	switch {
	case len(open) == 0:
		return w.end(s, callback.AlreadyResolved, false, "staff see that it is done and complete the item")
	case open[0].arranged():
		w.look(s, 9*time.Hour)
		return nil
	case open[0].withheld && !open[0].named:
		w.settleAll(s, "cannot be called back: no number")
		return w.end(s, "", true, "staff cancel the item: no number")
	case open[0].patient.test:
		return w.tryOut(s, open[0])
	case chance(s.r, rateWrongItem):
		return w.wrongItem(s)
	case !chance(s.r, rateReached):
		return w.notReached(s)
	}
	return w.converse(s)
}

func (w *world) settleAll(s *story, how string) {
	for _, n := range s.open() {
		w.settle(n, how)
	}
}

// end ends the work item by hand.
func (w *world) end(s *story, o callback.Outcome, withdrawn bool, why string) error {
	task := s.link(false)
	item, err := w.bench.Item(w.ctx, task)
	if err != nil || !item.Open {
		return err
	}
	for _, n := range s.needs {
		w.tell(n, "%s", why)
	}
	s.handAt = w.now
	w.changed(false, true, false)
	return w.bench.End(w.ctx, task, o, withdrawn)
}

// tryOut: whoever tries out the form books a visit for the test chart, or cancels the item.
func (w *world) tryOut(s *story, n *need) error {
	if chance(n.r, 0.5) {
		w.settleAll(s, "was a test")
		return w.end(s, "", true, "staff cancel the item: a test")
	}
	return w.bookFor(n, s, "for the test chart")
}

// wrongItem: somebody completes the wrong item, notices and opens it again.
func (w *world) wrongItem(s *story) error {
	w.inEHR(w.now.Add(between(s.r, 5*time.Minute, 90*time.Minute)), func() error {
		task := s.link(false)
		item, err := w.bench.Item(w.ctx, task)
		if err != nil || item.Open {
			return err
		}
		for _, n := range s.needs {
			w.tell(n, "staff open the item again: it was the wrong one")
		}
		s.handAt = time.Time{}
		w.changed(false, true, false)
		return w.bench.Reopen(w.ctx, task)
	})
	return w.end(s, "", false, "staff complete the item by mistake")
}

// notReached: nobody answers. After enough tries the item is given up.
func (w *world) notReached(s *story) error {
	if s.tries++; s.tries >= maxTries {
		w.settleAll(s, "could not be reached")
		return w.end(s, callback.UnreachablePolicy, false, "staff give up and complete the item")
	}
	w.look(s, 4*time.Hour+about(s.r, 2*time.Hour))
	w.changed(false, true, false)
	return w.bench.Note(w.ctx, s.link(false), "No answer, tried again later.")
}

// converse: staff have somebody on the phone. Everything that was asked for is spoken of,
// one after the other.
func (w *world) converse(s *story) error {
	if chance(s.r, rateStarts) {
		w.changed(false, true, false)
		if err := w.bench.Start(w.ctx, s.link(false)); err != nil {
			return err
		}
	}
	open := s.open()
	open = append(open, w.alsoWanted(s.r, open)...)
	t := w.now
	for _, n := range open {
		t = t.Add(between(n.r, time.Minute, 6*time.Minute))
		n.waiting = true
		w.inEHR(t, func() error { return w.serve(n, s) })
	}
	w.look(s, 9*time.Hour)
	return nil
}

// alsoWanted returns what else the caller who is on the phone has asked for, as far as it
// is spoken of.
func (w *world) alsoWanted(r *rand.Rand, now []*need) []*need {
	var list []*need
	for _, s := range w.order {
		for _, n := range s.open() {
			if n.caller == now[0].caller && !n.arranged() && !slices.Contains(now, n) && !slices.Contains(list, n) && chance(r, rateAllWishes) {
				list = append(list, n)
			}
		}
	}
	return list
}

func holds(s *story, n *need) bool {
	return slices.Contains(s.needs, n)
}

// serve does what one need asks for while its caller is on the phone.
func (w *world) serve(n *need, s *story) error {
	n.waiting = false
	if n.settled {
		return nil
	}
	own := s
	if s != nil && !holds(s, n) {
		own = nil // spoken of from another item
	}
	switch n.wish {
	case wantsMoved, wantsCancel:
		return w.serveOld(n, own)
	case wantsAnswered:
		return w.serveQuestion(n, own)
	case wantsVisit, wantsFirst: // below
	}
	if chance(n.r, rateDeclines) {
		w.settle(n, "wants no visit after all")
		return w.endAll(n, callback.PatientDeclined, rateEndsAnswered)
	}
	if n.patient.chart == "" && chance(n.r, rateLateChart) {
		n.waiting = true
		w.tell(n, "will be registered and booked by somebody else")
		w.inEHR(w.business(9*time.Hour+about(n.r, 18*time.Hour)), func() error {
			n.waiting = false
			if n.settled {
				return nil
			}
			return w.bookFor(n, own, "registered late")
		})
		return nil
	}
	return w.bookFor(n, own, "by phone")
}

// serveOld moves or cancels the visit that was booked before.
func (w *world) serveOld(n *need, s *story) error {
	if n.old == nil || !n.old.stands || n.old.over {
		w.settle(n, "the visit is gone already")
		return w.endAll(n, callback.AlreadyResolved, rateEndsAnswered)
	}
	if err := w.file(n, s); err != nil {
		return err
	}
	if n.wish == wantsCancel || !chance(n.r, rateMoved) {
		w.settle(n, "visit cancelled, as asked")
		if err := w.cancel(n.old); err != nil {
			return err
		}
		return w.endAll(n, callback.AnsweredQuestion, rateEndsAnswered)
	}
	if err := w.reschedule(n.r, n.old, n); err != nil {
		return err
	}
	return w.endAll(n, "", rateEndsByHand)
}

// serveQuestion answers a question. Some book a visit in the same call.
func (w *world) serveQuestion(n *need, s *story) error {
	w.settle(n, "question answered")
	if err := w.file(n, s); err != nil {
		return err
	}
	if n.patient.chart != "" && chance(n.r, rateBooksToo) {
		made, err := w.book(n.r, n.patient, Booking{Start: w.slot(n.r, w.ahead(n.r))}, 1)
		if err != nil {
			return err
		}
		w.tell(n, "visit %s is booked in the same call", made[0].id)
		if n.told == "" {
			n.excused = append(n.excused, made...)
		}
	}
	return w.endAll(n, callback.AnsweredQuestion, rateEndsAnswered)
}

// endAll ends the items of a need within minutes, as far as staff think of it.
func (w *world) endAll(n *need, o callback.Outcome, rate float64) error {
	for _, s := range n.stories {
		if !chance(n.r, rate) || len(s.open()) > 0 {
			continue
		}
		w.at(w.now.Add(between(n.r, 0, 5*time.Minute)), func() error {
			if len(s.open()) > 0 {
				return nil
			}
			return w.end(s, o, false, "staff complete the item")
		})
	}
	return nil
}

// getsThrough: the caller calls again and is answered, and speaks of what else is open.
func (w *world) getsThrough(n *need) error {
	if n.arranged() {
		return nil
	}
	for _, m := range append([]*need{n}, w.alsoWanted(n.r, []*need{n})...) {
		if err := w.serveLive(m); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) serveLive(n *need) error {
	w.tell(n, "calls again and is answered")
	if err := w.serve(n, nil); err != nil || !n.settled {
		return err
	}
	rate := rateEndsLive
	if !n.named {
		rate = rateEndsLiveNo
	}
	return w.endAll(n, callback.CallerCalledBackAnswered, rate)
}

// takeBack: the patient wants another time after all, and staff open the item again.
func (w *world) takeBack(s *story, n *need) error {
	task := s.link(false)
	if task == "" || !n.settled || len(n.answers) != 1 || !n.answers[0].stands || n.answers[0].over {
		return nil
	}
	item, err := w.bench.Item(w.ctx, task)
	if err != nil || item.Open {
		return err
	}
	s.closedAt, s.handAt = time.Time{}, time.Time{} // opened by hand: nothing is left to the daemon
	w.tell(n, "staff open the item again: the patient wants another time")
	w.changed(false, true, false)
	if err := w.bench.Reopen(w.ctx, task); err != nil {
		return err
	}
	v := n.answers[0]
	w.fall(v, "is cancelled for that", false)
	w.changed(true, false, false)
	return w.bench.Set(w.ctx, v.id, callback.ApptCancelled)
}
