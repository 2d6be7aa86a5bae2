package simulate

import (
	"slices"
	"strings"
	"time"

	"github.com/ringback-health/ringback/callback"
)

// see takes note of a callback that the daemon has changed.
func (w *world) see(rec callback.Record) {
	s := w.stories[rec.ID]
	if s == nil {
		if s = w.goesOn(rec); s == nil {
			return
		}
	}
	for _, e := range rec.Timeline[min(s.seen, len(rec.Timeline)):] {
		s.daemon = append(s.daemon, Line{w.now, "daemon", eventText(e)})
		w.happened(s, rec, e)
	}
	s.rec, s.seen = rec, len(rec.Timeline)
	w.passed(s)
	w.touched = append(w.touched, s)
}

// passed takes note of a visit that the daemon lets stand in the place of another.
func (w *world) passed(s *story) {
	for _, ev := range s.rec.Evidence {
		v := w.byID[ev.Appointment]
		if s.closedAt.IsZero() || v == nil || ev.State != callback.Credited || slices.Contains(v.credited, s) || w.whyWrong(s, v) != "" {
			continue
		}
		v.credited = append(v.credited, s)
	}
}

// goesOn takes a callback that the daemon made by itself, because a visit was lost long
// after it had closed one: its source id begins with the id of that one. One that is none
// of these nobody asked for.
func (w *world) goesOn(rec callback.Record) *story {
	before := w.stories[callback.ID(rec.SourceID[:min(len(rec.SourceID), len(rec.ID))])]
	if before == nil {
		w.strays[rec.ID] = true
		return nil
	}
	s := &story{id: rec.ID, label: before.label + "+", r: before.r}
	w.stories[s.id], w.order = s, append(w.order, s)
	for _, n := range before.needs {
		if !n.lostAt.IsZero() || n.moving {
			s.needs, n.stories = append(s.needs, n), append(n.stories, s)
		}
	}
	switch {
	case !before.expects.IsZero() && before.outside:
		w.score.Reopens.Fresh++
	case len(s.needs) == 0 && slices.ContainsFunc(before.needs, (*need).asideFell):
		s.needs = before.needs
		w.score.Reopens.Aside++
	case len(s.needs) == 0:
		s.needs = before.needs
		w.score.Reopens.Wrong++
		w.fail(s, "wrong reopening", "a fresh callback, although a visit that answers the old one still stands", nil)
	}
	before.expects, before.closedAt = time.Time{}, time.Time{}
	return s
}

func eventText(e callback.Event) string {
	text := string(e.Kind) + " by " + string(e.By.Kind)
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	return text
}

func (w *world) happened(s *story, rec callback.Record, e callback.Event) {
	switch {
	case e.Kind == callback.EventClosed && e.By.Kind == callback.Automation:
		w.closed(s, rec)
	case e.Kind == callback.EventReopened && e.By.Kind == callback.Automation:
		w.reopened(s)
	case e.Kind == callback.EventReopened:
		s.closedAt, s.expects, s.handAt = time.Time{}, time.Time{}, time.Time{}
	case e.Kind == callback.EventReviewAsked:
		w.at(w.now.Add(reviewStands), func() error { w.checkReview(s); return nil })
	}
}

// closed holds a close of the daemon against the truth.
func (w *world) closed(s *story, rec callback.Record) {
	i := slices.IndexFunc(rec.Evidence, func(e callback.Evidence) bool { return e.State == callback.Credited })
	if i < 0 {
		w.wrong(s, "closed by automation without evidence", nil)
		return
	}
	ev := rec.Evidence[i]
	v := w.byID[ev.Appointment]
	s.daemon = append(s.daemon, Line{w.now, "daemon", "on visit " + ev.Appointment + ", " + string(ev.Verdict) + ": " + strings.Join(ev.Reasons, ", ")})
	if why := w.whyWrong(s, v); why != "" {
		w.wrong(s, why, ev.Reasons)
		if !ev.Verdict.Closes() {
			w.score.Closes.WrongOnWeak++
		}
		return
	}
	w.score.Closes.Right++
	w.score.Closes.RightBy.add(ev.Reasons...)
	s.closedAt, s.expects = w.now, time.Time{}
	v.credited = append(v.credited, s)
	for _, n := range s.needs { // what was asked for in one callback closes together
		if n.episode != nil {
			n.episode.closed = true
		}
	}
}

// whyWrong says why a visit does not answer a callback; "" if it does.
func (w *world) whyWrong(s *story, v *visit) string {
	if v == nil {
		return "a visit that nobody booked"
	}
	is := func(of func(*need) bool) bool { return slices.ContainsFunc(s.needs, of) }
	answers := is(func(n *need) bool { return slices.Contains(n.answers, v) || slices.Contains(n.excused, v) })
	switch {
	case !answers && !is(func(n *need) bool { return n.patient == v.patient }):
		return "the visit is somebody else's"
	case !answers && !is(func(n *need) bool { return n.wish.bookable() }):
		return "no visit answers what was asked"
	case !answers && !is(func(n *need) bool { return v.bookedAt.After(n.asked) }):
		return "the visit was there before the request"
	case !answers && v.start.Before(s.needs[0].asked):
		return "the visit took place before the request"
	case !answers:
		return "the visit has nothing to do with the request"
	case !v.stands:
		return "the visit had fallen through already"
	case len(s.open()) > 0:
		return "another request in the callback is not answered"
	}
	return ""
}

func (w *world) wrong(s *story, why string, reasons []string) {
	w.score.Closes.Wrong++
	w.score.Closes.WrongBy.add(why)
	w.fail(s, "wrong close", why, reasons)
	s.closedAt, s.expects = time.Time{}, time.Time{}
}

// reopened holds a reopening of the daemon against the truth.
func (w *world) reopened(s *story) {
	switch {
	case !s.expects.IsZero() && s.outside:
		w.score.Reopens.Fresh++ // late, and open all the same
	case !s.expects.IsZero():
		w.score.Reopens.Right++
	case s.closedAt.IsZero():
		w.score.Reopens.Undone++ // of what should not have been closed
	case slices.ContainsFunc(s.needs, func(n *need) bool { return n.moving || !n.lostAt.IsZero() }):
		w.score.Reopens.Between++
	case slices.ContainsFunc(s.needs, (*need).asideFell):
		w.score.Reopens.Aside++
	case slices.ContainsFunc(s.needs, func(n *need) bool { return len(n.answers) > 1 }):
		w.score.Reopens.Series++
	default:
		w.score.Reopens.Wrong++
		w.fail(s, "wrong reopening", "a visit that answers it still stands", nil)
	}
	s.closedAt, s.expects = time.Time{}, time.Time{}
}

// checkReopened looks whether a callback whose visit fell through was opened again.
func (w *world) checkReopened(s *story) {
	switch {
	case s.expects.IsZero(): // it was, or somebody was faster
	case s.outside:
		w.score.Reopens.NotFresh++
		w.fail(s, "missed reopening", "the visit that answered it fell through long after, and there is no fresh callback", nil)
	default:
		w.score.Reopens.Missed++
		w.fail(s, "missed reopening", "the visit that answered it fell through", nil)
	}
	s.expects = time.Time{}
}

// checkKept looks whether a callback whose visit was given another time is closed.
func (w *world) checkKept(s *story) {
	switch {
	case slices.ContainsFunc(s.needs, func(n *need) bool { return !n.settled || !n.lostAt.IsZero() }):
		// it fell through after all
	case s.rec.Status.Open():
		w.score.Reopens.NotKept++
		w.fail(s, "not kept", "its visit was given another time, and it is open", nil)
	default:
		w.score.Reopens.Kept++
	}
}

// checkReview looks whether a callback is still up for review.
func (w *world) checkReview(s *story) {
	if !s.rec.Review || !s.rec.Status.Open() || s.reviewed {
		return
	}
	s.reviewed = true
	reasons := reviewReasons(s.rec)
	w.score.Review.Sent++
	w.score.Review.By.add(reasons...)
	if slices.ContainsFunc(s.needs, func(n *need) bool { return n.settled && len(n.answers) > 0 }) {
		w.score.Review.Answered++
	}
}

// reviewReasons are why a callback is up for review.
func reviewReasons(rec callback.Record) []string {
	var list []string
	for _, ev := range rec.Evidence {
		if ev.State == callback.Shown {
			list = ev.Reasons
		}
	}
	if list == nil {
		for _, e := range rec.Timeline {
			if e.Kind == callback.EventReviewAsked {
				list = []string{e.Detail}
			}
		}
	}
	return list
}

// checkAnswer looks whether the daemon has seen that a visit answers a need.
func (w *world) checkAnswer(e *episode) error {
	n := e.need
	switch {
	case n.patient.test: // whether a test closes on a test visit is nobody's concern
		return nil
	case e.closed:
		w.score.Answers.Closed++
		return nil
	case w.opts.Compressed || !e.at.After(n.asked.Add(w.rules.AttributionWindow)):
	default:
		w.score.Answers.Late++
		return nil
	}
	standing := slices.ContainsFunc(e.visits, func(v *visit) bool { return v.stands })
	byHand := slices.ContainsFunc(n.stories, func(s *story) bool {
		could := e.at // since when the daemon could have closed it
		for _, m := range s.needs {
			could = later(could, m.since)
		}
		return !s.handAt.IsZero() && !s.handAt.After(could.Add(staffFirst))
	})
	elsewhere := slices.ContainsFunc(e.visits, func(v *visit) bool {
		return slices.ContainsFunc(v.credited, func(s *story) bool { return !slices.Contains(n.stories, s) })
	})
	switch {
	case byHand:
		w.score.Answers.StaffFirst++
		return nil
	case !standing || n.episode != e:
		w.score.Answers.Gone++
		return nil
	case elsewhere:
		w.score.Answers.Elsewhere++
		return nil
	case !slices.ContainsFunc(n.stories, func(s *story) bool { return len(s.open()) == 0 && !w.forPerson(s) }):
		w.score.Answers.Held++
		return nil
	}
	return w.notSeen(e)
}

// forPerson reports whether the callback holds a request that said to be about something
// that no visit answers: a person closes it, whatever else it holds.
func (w *world) forPerson(s *story) bool {
	return slices.ContainsFunc(s.needs, func(n *need) bool { return n.told != "" && !w.rules.AnsweredByVisit(n.told) })
}

// notSeen counts an answer that the daemon has not closed a callback on, with what it
// thinks of it.
func (w *world) notSeen(e *episode) error {
	s := e.need.stories[len(e.need.stories)-1]
	ev, err := w.bench.Judge(w.ctx, s.id, e.visits[0].id)
	if err != nil {
		return err
	}
	reasons := append([]string{string(ev.Verdict)}, ev.Reasons...)
	s.daemon = append(s.daemon, Line{w.now, "daemon", "thinks of visit " + e.visits[0].id + ": " + strings.Join(reasons, ", ")})
	if !e.need.tellable() {
		w.score.Answers.Untold++
		s.daemon = append(s.daemon, Line{w.now, "score", "nobody could tell by what stands in the EHR"})
	}
	if slices.ContainsFunc(e.need.stories, func(s *story) bool { return s.reviewed }) {
		w.score.Answers.Review++
		w.score.Answers.ReviewBy.add(reasons...)
		return nil
	}
	w.score.Answers.Missed++
	w.score.Answers.MissedBy.add(reasons...)
	w.fail(s, "missed", e.need.how, reasons)
	return nil
}
