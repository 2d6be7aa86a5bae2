package simulate

import (
	"container/heap"
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/businesstime"
	"github.com/ringback-health/ringback/callback/workflow"
)

// world is one clinic as it goes on.
type world struct {
	ctx     context.Context
	opts    Options
	clinic  Clinic
	bench   Bench
	rules   workflow.Rules
	cal     businesstime.Calendar
	town    *town
	now     time.Time
	queue   queue
	planned int
	polls   map[time.Time]*poll
	needs   int
	stories map[callback.ID]*story
	order   []*story
	touched []*story
	strays  map[callback.ID]bool
	visits  []*visit
	byID    map[string]*visit
	score   Tally
}

// event is something that will happen.
type event struct {
	at time.Time
	n  int // what was planned first happens first
	do func() error
}

type queue []event

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return q[i].at.Before(q[j].at) || q[i].at.Equal(q[j].at) && q[i].n < q[j].n
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push implements heap.Interface.
func (q *queue) Push(e any) { *q = append(*q, e.(event)) }

// Pop implements heap.Interface.
func (q *queue) Pop() any {
	last := (*q)[len(*q)-1]
	(*q)[len(*q)-1] = event{}
	*q = (*q)[:len(*q)-1]
	return last
}

// at plans something.
func (w *world) at(t time.Time, do func() error) {
	w.planned++
	heap.Push(&w.queue, event{t, w.planned, do})
}

// inEHR plans something that changes appointments in the EHR. Where the EHR does not say
// when it was, the daemon has to have polled shortly before, as it does every few minutes.
func (w *world) inEHR(t time.Time, do func() error) {
	if w.clinic.Habits.Created != CreatedTime {
		if before := w.tick(t).Add(-w.clinic.PollEvery); before.After(w.now) {
			w.pollAt(before).visits = true
		}
	}
	w.at(t, do)
}

// changed says that something was changed in the EHR, so that polls find it.
func (w *world) changed(visits, items, charts bool) {
	for _, lag := range []time.Duration{0, w.clinic.Habits.IndexLag} {
		p := w.pollAt(w.tick(w.now.Add(lag)))
		p.visits, p.items, p.charts = p.visits || visits || charts, p.items || items, p.charts || charts
	}
	if charts { // a chart that was looked for a moment ago is looked for again a little later
		p := w.pollAt(w.tick(w.now.Add(lookAgain)))
		p.visits, p.charts = true, true
	}
}

// changedVisit is changed for a visit. Where nobody of the patient's household has asked
// for anything lately, and the EHR says when visits were booked, it is early enough for
// the daemon to see it at the next poll for another reason.
func (w *world) changedVisit(v *visit) {
	if w.clinic.Habits.Created != CreatedTime || w.now.Sub(v.patient.home.asked) < concernsFor {
		w.changed(true, false, false)
	}
}

// concernsFor is longer than any window of the workflow together with the time that
// requests stay open.
const concernsFor = 35 * 24 * time.Hour

// lookAgain is after how long the daemon looks again for a chart it has not found.
const lookAgain = 6 * time.Minute

// severalCalls is after how long the daemon weighs a visit again for what holds several
// calls: a quarter of an hour after it was seen.
const severalCalls = 21 * time.Minute

// poll is one poll of the daemon, and what there is to find. The daemon polls all the
// time; polls that would find nothing are left out.
type poll struct{ visits, items, charts bool }

func (w *world) tick(t time.Time) time.Time {
	return w.clinic.Begin.Add((t.Sub(w.clinic.Begin)/w.clinic.PollEvery + 1) * w.clinic.PollEvery)
}

func (w *world) pollAt(t time.Time) *poll {
	p := w.polls[t]
	if p == nil {
		p = &poll{}
		w.polls[t] = p
		w.at(t, func() error {
			delete(w.polls, t)
			return w.poll(*p)
		})
	}
	return p
}

// poll polls what there is to find, the feeds in either order, and delivers.
func (w *world) poll(p poll) error {
	feeds := []callback.Feed{callback.FeedItems, callback.FeedAppointments}
	if w.now.Unix()/int64(w.clinic.PollEvery.Seconds())%2 == 0 {
		feeds[0], feeds[1] = feeds[1], feeds[0]
	}
	for _, f := range feeds {
		if f == callback.FeedItems && !p.items || f == callback.FeedAppointments && !p.visits {
			continue
		}
		w.score.Polls++
		if err := w.bench.Poll(w.ctx, f, p.charts); err != nil {
			return fmt.Errorf("poll %s: %w", f, err)
		}
	}
	return w.deliver()
}

// deliver brings the EHR in step and lets staff see what is open there.
func (w *world) deliver() error {
	if err := w.bench.Deliver(w.ctx); err != nil {
		return fmt.Errorf("deliver: %w", err)
	}
	touched := w.touched
	w.touched = nil
	for _, s := range touched {
		if s.rec.Status.Open() {
			w.look(s, min(about(s.r, 2*time.Hour), 16*time.Hour))
		}
	}
	return nil
}

// look plans that staff look at the item after some business time, unless they will anyway.
func (w *world) look(s *story, after time.Duration) {
	if s.planned {
		return
	}
	s.planned = true
	w.inEHR(w.cal.Add(w.now, after+time.Minute), func() error { return w.handle(s) })
}

// business returns the instant after some business time.
func (w *world) business(after time.Duration) time.Time { return w.cal.Add(w.now, after) }

// slot returns when a visit may start, some days ahead.
func (w *world) slot(r *rand.Rand, days int) time.Time {
	local := w.now.In(w.clinic.Zone)
	for {
		day := time.Date(local.Year(), local.Month(), local.Day()+days, 8+r.IntN(9), 15*r.IntN(4), 0, 0, w.clinic.Zone)
		if w.cal.Open(day) && day.After(w.now) {
			return day.UTC()
		}
		days++
	}
}

func (w *world) local(t time.Time) string { return t.In(w.clinic.Zone).Format("Mon 2 Jan 15:04") }

// advance moves all clocks.
func (w *world) advance(t time.Time) error {
	if !t.After(w.now) {
		return nil
	}
	w.now = t
	return w.bench.SetTime(w.ctx, t)
}

// run lets everything happen until the end.
func (w *world) run(end time.Time) error {
	for len(w.queue) > 0 {
		e := heap.Pop(&w.queue).(event)
		if e.at.After(end) {
			return nil
		}
		if err := w.ctx.Err(); err != nil {
			return err
		}
		if err := w.advance(e.at); err != nil {
			return err
		}
		if err := e.do(); err != nil {
			return fmt.Errorf("clinic %d, %s: %w", w.clinic.Number, w.now.Format(time.RFC3339), err)
		}
	}
	return nil
}
