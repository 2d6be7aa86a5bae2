package simulate

import (
	"math/rand/v2"
	"time"

	"github.com/ringback-health/ringback/callback"
)

// prepare makes what is there when the world begins: charts, and visits that are booked.
func (w *world) prepare() error {
	r := stream(w.opts.Seed, w.clinic.Number, streamClinic, 1)
	if err := w.advance(w.clinic.Begin.AddDate(0, 0, -14)); err != nil {
		return err
	}
	people := w.town.people
	for _, p := range people {
		if err := w.register(r, p, p.truth.mistype(r)); err != nil {
			return err
		}
		if chance(r, rateSecondChart) {
			held := p.truth
			held.phone = ""
			id, err := w.bench.Register(w.ctx, Chart{Given: held.given, Family: held.family, BirthDate: held.born})
			if err != nil {
				return err
			}
			p.other = id
		}
		if p.test || !chance(r, rateHasVisit) {
			continue
		}
		times := 1
		if chance(r, rateSeries) {
			times = 4 + r.IntN(5)
		}
		if _, err := w.book(r, p, Booking{Start: w.slot(r, 15+r.IntN(25))}, times); err != nil {
			return err
		}
	}
	if err := w.advance(w.clinic.Begin); err != nil {
		return err
	}
	first := w.pollAt(w.clinic.Begin)
	first.visits, first.items = true, true
	for d := range w.opts.Days {
		w.at(w.midnight(d), func() error { w.day(d); return nil })
	}
	for d := range w.opts.Days + int(grace/(24*time.Hour)) + 1 {
		w.rounds(d)
	}
	return nil
}

// midnight returns when a day begins at the clinic, a minute later.
func (w *world) midnight(d int) time.Time { return w.hour(d, 0, 1) }

// hour returns a time of a day by the clinic's wall clock.
func (w *world) hour(d, hour, minute int) time.Time {
	b := w.clinic.Begin.In(w.clinic.Zone)
	return time.Date(b.Year(), b.Month(), b.Day()+d, hour, minute, 0, 0, w.clinic.Zone).UTC()
}

// rounds are what happens every day: in the evening visits that took place are marked as
// such, and a poll looks for everything.
func (w *world) rounds(d int) {
	w.at(w.hour(d, 17, 15), w.closeDay)
	w.at(w.hour(d, 18, 0), func() error { return w.poll(poll{visits: true, items: true, charts: true}) })
}

// closeDay marks the visits that took place. The poll of the evening sees it.
func (w *world) closeDay() error {
	kept := w.visits[:0]
	for _, v := range w.visits {
		switch {
		case !v.stands || v.over:
			continue
		case v.start.Before(w.now):
			v.over = true
			if err := w.bench.Set(w.ctx, v.id, callback.ApptDone); err != nil {
				return err
			}
		default:
			kept = append(kept, v)
		}
	}
	w.visits = kept
	return nil
}

// day plans what comes to the clinic on a day.
func (w *world) day(d int) {
	r := stream(w.opts.Seed, w.clinic.Number, streamDay, d)
	part := 1.0
	if !w.cal.Open(w.hour(d, 10, 0)) {
		part = dayOffPart
	}
	for range poisson(r, requestsPerDay*part) {
		w.raise(w.moment(r, d), nil, "")
	}
	for range poisson(r, testsPerDay*part) {
		if tester := w.tester(r); tester != nil {
			w.raise(w.moment(r, d), tester, wantsVisit)
		}
	}
	if part < 1 {
		return
	}
	for i := range poisson(r, bookingsPerDay) {
		w.inEHR(w.hour(d, 8, 0).Add(between(r, 0, 9*time.Hour)), func() error {
			return w.atTheDesk(stream(w.opts.Seed, w.clinic.Number, streamDesk, d*100+i))
		})
	}
	for i := range poisson(r, walkInsPerDay) {
		w.inEHR(w.hour(d, 11, 0).Add(between(r, 0, 6*time.Hour)), func() error {
			r := stream(w.opts.Seed, w.clinic.Number, streamDesk, d*100+50+i)
			return w.enterWalkIn(r, w.charted(r), between(r, 20*time.Minute, 3*time.Hour))
		})
	}
	if chance(r, illPerDay) {
		w.inEHR(w.hour(d, 8, 5), func() error { return w.ill(d) })
	}
}

// moment returns when on a day somebody asks: mostly while the clinic is open, when all
// lines are busy.
func (w *world) moment(r *rand.Rand, d int) time.Time {
	if chance(r, 0.75) {
		return w.hour(d, 8, 0).Add(between(r, 0, 9*time.Hour))
	}
	return w.hour(d, 6, 0).Add(between(r, 0, 17*time.Hour))
}

func (w *world) tester(r *rand.Rand) *person {
	var all []*person
	for _, p := range w.town.people {
		if p.test {
			all = append(all, p)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return pick(r, all)
}

// charted returns somebody who has a chart.
func (w *world) charted(r *rand.Rand) *person {
	for {
		if p := pick(r, w.town.people); p.chart != "" && !p.test {
			return p
		}
	}
}

// atTheDesk: a patient books something at the desk. One who has asked for a visit speaks
// of it, and for one whose visit fell through lately this is the next one after all.
func (w *world) atTheDesk(r *rand.Rand) error {
	p := w.charted(r)
	for _, s := range w.order {
		for _, n := range s.needs {
			if n.patient == p && w.gaveUp(n) {
				w.tell(n, "wants a visit after all")
				return w.bookFor(n, nil, "at the desk")
			}
		}
		for _, n := range s.open() {
			if n.patient != p || !n.wish.bookable() || n.arranged() || !chance(r, rateBringsUp) {
				continue
			}
			w.tell(n, "speaks of it at the desk")
			return w.serve(n, nil)
		}
	}
	times := 1
	if chance(r, rateSeries) {
		times = 4 + r.IntN(5)
	}
	_, err := w.book(r, p, Booking{Start: w.slot(r, w.ahead(r))}, times)
	return err
}

// gaveUp reports whether the need's visit fell through lately and no other was wanted.
func (w *world) gaveUp(n *need) bool {
	return !n.gaveUpAt.IsZero() && n.settled && w.now.Sub(n.gaveUpAt) < w.rules.AttributionWindow
}

// enterWalkIn enters a visit that is over.
func (w *world) enterWalkIn(r *rand.Rand, p *person, ago time.Duration) error {
	_, err := w.book(r, p, Booking{Start: w.now.Add(-ago)}, 1)
	return err
}

// ill: the visits of the next days are moved by a week, and nobody had asked for it.
func (w *world) ill(d int) error {
	until, moved := w.hour(d+3, 0, 0), 0
	for _, v := range w.visits {
		if moved == movedWhenIll || !v.stands || v.over || !v.start.After(w.now) || !v.start.Before(until) {
			continue
		}
		moved++
		if err := w.move(v, v.start.AddDate(0, 0, 7)); err != nil {
			return err
		}
		for _, n := range v.answers {
			w.tell(n, "the clinic moves visit %s to %s, because somebody is ill", v.id, w.local(v.start))
		}
	}
	return nil
}
