package simulate

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ringback-health/ringback/callback"
)

// register makes somebody's chart, as it is typed.
func (w *world) register(r *rand.Rand, p *person, typed identity) error {
	id, err := w.bench.Register(w.ctx, Chart{Given: typed.given, Family: typed.family, BirthDate: typed.born,
		Phone: written(r, typed.phone), MRN: p.mrn, Test: p.test})
	if err != nil {
		return err
	}
	p.chart, p.holds = id, typed
	w.changed(false, false, true)
	return nil
}

// ahead returns how many days ahead a visit is booked.
func (w *world) ahead(r *rand.Rand) int { return 1 + int(r.ExpFloat64()*(meanDaysAhead-1)) }

// book books a visit, or a weekly series of them, for somebody with a chart, and draws
// what will become of each.
func (w *world) book(r *rand.Rand, p *person, b Booking, times int) ([]*visit, error) {
	var made []*visit
	b.Chart = p.chart
	for range times {
		id, err := w.bench.Book(w.ctx, b)
		if err != nil {
			return nil, err
		}
		made = append(made, w.enter(r, id, p, b.Start))
		b.Start = b.Start.AddDate(0, 0, 7)
	}
	return made, nil
}

// enter takes note of a visit that was booked.
func (w *world) enter(r *rand.Rand, id string, p *person, start time.Time) *visit {
	v := &visit{id: id, patient: p, start: start, bookedAt: w.now, stands: true}
	w.visits = append(w.visits, v)
	w.byID[id] = v
	w.score.Visits++
	w.changedVisit(v)
	w.fate(r, v)
	return v
}

// fate draws what will become of a visit.
func (w *world) fate(r *rand.Rand, v *visit) {
	if v.start.Before(w.now) {
		return // it is over already
	}
	moves := v.moves
	before := w.now.Add(time.Duration(r.Float64() * float64(v.start.Sub(w.now))))
	plan := func(t time.Time, do func() error) {
		w.inEHR(t, func() error {
			if !v.stands || v.over || v.moves != moves {
				return nil
			}
			w.changedVisit(v)
			return do()
		})
	}
	set := func(s callback.AppointmentState, why string) func() error {
		return func() error {
			w.fall(v, why, false)
			return w.bench.Set(w.ctx, v.id, s)
		}
	}
	switch draw := r.Float64(); {
	case draw < rateVisitCancelled:
		plan(before, set(callback.ApptCancelled, "is cancelled"))
	case draw < rateVisitCancelled+rateVisitNoShow:
		plan(v.start.Add(20*time.Minute), set(callback.ApptNoShow, "does not take place: the patient does not come"))
	case draw < rateVisitCancelled+rateVisitNoShow+rateVisitRescheduled:
		plan(before, func() error {
			if err := w.reschedule(r, v, w.wantsMoved(v)); err != nil {
				return err
			}
			return w.speaksOf(r, v)
		})
	case draw < rateVisitCancelled+rateVisitNoShow+rateVisitRescheduled+rateVisitVoid:
		plan(before, set(callback.ApptVoid, "was entered in error"))
	case draw < rateVisitCancelled+rateVisitNoShow+rateVisitRescheduled+rateVisitVoid+rateVisitDeleted:
		plan(before, func() error {
			w.fall(v, "is deleted", false)
			return w.bench.Delete(w.ctx, v.id)
		})
	}
}

// wantsMoved returns who has asked for another time for the visit and has none yet; nil:
// nobody.
func (w *world) wantsMoved(v *visit) *need {
	for _, s := range w.order {
		for _, n := range s.open() {
			if n.wish == wantsMoved && n.old == v && !n.arranged() {
				return n
			}
		}
	}
	return nil
}

// speaksOf: whoever has a visit moved speaks of the request to move another one that is
// still open.
func (w *world) speaksOf(r *rand.Rand, v *visit) error {
	for _, s := range w.order {
		for _, n := range s.open() {
			if n.patient != v.patient || n.wish != wantsMoved || n.old == v || n.arranged() || !chance(r, rateBringsUp) {
				continue
			}
			w.tell(n, "speaks of it when visit %s is moved", v.id)
			n.excused = append(n.excused, v)
			return w.serve(n, nil)
		}
	}
	return nil
}

// move moves a visit and keeps its id.
func (w *world) move(v *visit, start time.Time) error {
	v.start = start
	v.moves++
	w.changedVisit(v)
	return w.bench.Move(w.ctx, v.id, start)
}

// reschedule gives a visit another time, in one of the ways of doing so. n, if there is
// one, is who asked for it.
func (w *world) reschedule(r *rand.Rand, v *visit, n *need) error {
	start := w.slot(r, w.ahead(r))
	w.changedVisit(v)
	switch draw := r.Float64(); {
	case draw < shareSameID:
		if err := w.move(v, start); err != nil {
			return err
		}
		w.fate(r, v)
		w.keeps(v.answers, "moves visit %s to %s", v.id, w.local(start))
		w.answerMoved(n, v)
		return nil
	case draw < shareSameID+shareReplaced:
		id, err := w.bench.Replace(w.ctx, v.id, start)
		if err != nil {
			return err
		}
		v.stands = false
		v.moves++
		w.instead(v, w.enter(r, id, v.patient, start), n)
		return nil
	default:
		w.fall(v, "is cancelled, to be booked anew", true)
		w.inEHR(w.now.Add(between(r, time.Minute, 40*time.Minute)), func() error {
			made, err := w.book(r, v.patient, Booking{Start: start}, 1)
			if err == nil {
				w.instead(v, made[0], n)
			}
			return err
		})
		return w.bench.Set(w.ctx, v.id, callback.ApptCancelled)
	}
}

// instead says that a visit was booked in the place of another.
func (w *world) instead(old, now *visit, n *need) {
	kept := slices.Clone(old.answers)
	for _, m := range kept {
		i := slices.Index(m.answers, old)
		if i < 0 || m.settled && m.how == "wants no other visit" {
			continue
		}
		m.answers = append(slices.Delete(slices.Clone(m.answers), i, i+1), now)
		m.settled, m.since, m.moving = true, w.now, false
		now.answers = append(now.answers, m)
	}
	for _, s := range w.order {
		for _, m := range s.needs {
			if i := slices.Index(m.excused, old); i >= 0 {
				m.excused[i] = now
			}
		}
	}
	now.credited = append(now.credited, old.credited...)
	w.keeps(kept, "books visit %s on %s in the place of %s", now.id, w.local(now.start), old.id)
	w.answerMoved(n, now)
}

// keeps: who had a visit still has one, so that what was closed stays closed.
func (w *world) keeps(needs []*need, format string, args ...any) {
	for _, m := range needs {
		w.tell(m, format, args...)
		for _, s := range m.stories {
			if !s.closedAt.IsZero() && s.expects.IsZero() {
				w.at(w.now.Add(grace), func() error { w.checkKept(s); return nil })
			}
		}
	}
}

// answerMoved answers who asked for another time.
func (w *world) answerMoved(n *need, v *visit) {
	if n != nil {
		w.answer(n, "another time", v)
	}
}

// cancel cancels the visit of somebody who asked for that.
func (w *world) cancel(v *visit) error {
	if !v.stands || v.over {
		return nil
	}
	w.asked(v)
	w.changed(true, false, false)
	return w.bench.Set(w.ctx, v.id, callback.ApptCancelled)
}
