package simulate

import "time"

// bookFor books the visit that somebody asked for. s is the work item that staff have
// before them; nil: none.
func (w *world) bookFor(n *need, s *story, how string) error {
	r, p := n.r, n.patient
	late := how == "registered late"
	if p.chart == "" {
		typed := p.truth.mistype(r)
		if late && chance(r, rateOtherPhone) {
			typed.phone = fictional(1500 + r.IntN(400))
		}
		if err := w.register(r, p, typed); err != nil {
			return err
		}
		w.tell(n, "chart %s is made: %s, %s, %s", p.chart, typed.name(), typed.born, typed.phone)
	}
	if err := w.mergeBefore(n, s); err != nil {
		return err
	}
	if s != nil && (!late || chance(r, rateFilesLate)) {
		if chance(r, rateFilesFirst) {
			if err := w.file(n, s); err != nil {
				return err
			}
		} else {
			w.at(w.now.Add(between(r, time.Minute, 4*time.Minute)), func() error { return w.file(n, s) })
		}
	}
	visits, linked, err := w.bookVisits(n, s, how)
	if err != nil {
		return err
	}
	w.answer(n, how, visits...)
	n.episode.told = linked
	if p.other != "" {
		w.mergeLater(n)
	}
	if chance(r, rateTakesBack) {
		for _, own := range n.stories {
			w.inEHR(w.business(time.Hour+about(r, 6*time.Hour)), func() error { return w.takeBack(own, n) })
		}
	}
	if s == nil {
		return nil
	}
	return w.endAll(n, "", rateEndsByHand)
}

// bookVisits books, or confirms what was proposed. linked says that the EHR shows what it
// is for.
func (w *world) bookVisits(n *need, s *story, how string) (visits []*visit, linked bool, err error) {
	r, p := n.r, n.patient
	start, times, item := w.slot(r, w.ahead(r)), 1, ""
	if how == "walk-in" {
		start = later(n.asked.Add(5*time.Minute), w.now.Add(-between(r, 10*time.Minute, time.Hour)))
	} else if chance(r, rateSeries) {
		times = 4 + r.IntN(5)
	}
	if s != nil {
		if proposal := s.link(true); proposal != "" && w.byID[proposal] == nil && chance(r, rateConfirms) {
			ok, err := w.bench.Confirm(w.ctx, proposal, p.chart, start)
			if err != nil {
				return nil, false, err
			}
			if ok {
				return []*visit{w.enter(r, proposal, p, start)}, true, nil
			}
		}
		if chance(r, rateBooksFromItem) {
			item = s.link(false)
		}
	}
	visits, err = w.book(r, p, Booking{Start: start, First: n.wish == wantsFirst, Item: item}, times)
	return visits, item != "", err
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// file files the work item in the patient's chart, if staff think of it and it is not
// there already.
func (w *world) file(n *need, s *story) error {
	if s == nil || s.link(false) == "" || n.patient.chart == "" {
		return nil
	}
	item, err := w.bench.Item(w.ctx, s.link(false))
	if err != nil || item.Chart == n.patient.chart || !item.Open {
		return err
	}
	rate := rateFilesNumber
	switch {
	case item.Chart != "":
		rate = rateFilesOther
	case n.named:
		rate = rateFilesNamed
	}
	if !chance(n.r, rate) {
		return nil
	}
	w.tell(n, "staff file the item in chart %s", n.patient.chart)
	w.changed(false, true, false)
	s.filed = n.patient
	return w.bench.File(w.ctx, s.link(false), n.patient.chart)
}

// mergeBefore: with the patient on the phone somebody notices that there are two charts,
// and makes one of them, or books in the wrong one first.
func (w *world) mergeBefore(n *need, s *story) error {
	p := n.patient
	if p.other == "" || s == nil || !chance(n.r, rateMergesCharts) {
		return nil
	}
	if chance(n.r, 0.5) {
		w.tell(n, "staff go on in the second chart, %s", p.other)
		p.chart, p.other = p.other, p.chart
		return nil
	}
	return w.merge(n, p.other, p.chart)
}

func (w *world) merge(n *need, from, into string) error {
	p := n.patient
	w.tell(n, "chart %s is merged into %s", from, into)
	p.chart, p.other = into, ""
	w.changed(true, true, true)
	return w.bench.Merge(w.ctx, from, into, w.clinic.Habits.MergeMoves)
}

// mergeLater: the two charts are made one after the booking.
func (w *world) mergeLater(n *need) {
	if !chance(n.r, rateMergesCharts) {
		return
	}
	w.inEHR(w.business(about(n.r, 6*time.Hour)), func() error {
		if n.patient.other == "" {
			return nil
		}
		return w.merge(n, n.patient.chart, n.patient.other)
	})
}
