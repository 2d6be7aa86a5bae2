package simulate

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/businesstime"
	"github.com/ringback-health/ringback/callback/workflow"
)

// Options say how much is simulated.
type Options struct {
	Clinics int
	Days    int
	Seed    uint64
	// Begin is the first day; zero: DefaultBegin.
	Begin time.Time
	// Compressed says that the clocks of daemon and EHR do not follow the world's: what
	// takes the world weeks takes them moments. Windows of time are not examined then, nor
	// what depends on a visit's start having passed.
	Compressed bool
	// Only restricts the simulation to one clinic, whose story does not depend on the
	// others; 0: all.
	Only int
	// begun is called with each world before anything happens; nil: by nobody.
	begun func(*world)
	// Progress is called when a clinic is done; nil: nobody wants to know.
	Progress func(done, of int)
}

// DefaultBegin is a Monday two weeks before the clocks change in the United States.
var DefaultBegin = time.Date(2026, 2, 23, 0, 0, 0, 0, time.UTC)

// settleDays is for how long after the last request the world goes on, so that visits can
// fall through and items can be ended.
const settleDays = 9

// The zones of the clinics; the first clinics of any simulation are in different ones, and
// one of them does not change its clocks.
var zones = []string{"America/New_York", "America/Los_Angeles", "America/Phoenix", "America/Chicago", "America/Denver",
	"America/Anchorage", "Pacific/Honolulu"}

// Run simulates all clinics, as many at a time as there are processors, and adds up what
// happened. The same options give the same result, whatever the machine.
func Run(ctx context.Context, o Options, open Opener) (Tally, error) {
	worlds, err := o.play(ctx, open)
	total := newTally()
	for _, w := range worlds {
		if w != nil {
			total.Add(w.score)
		}
	}
	return total, err
}

// Explain plays the clinic of one callback and tells its story. label is as in Failure.
func Explain(ctx context.Context, o Options, open Opener, label string) ([]Line, error) {
	number, _, ok := strings.Cut(strings.TrimPrefix(label, "c"), "-")
	if _, err := fmt.Sscanf(number, "%d", &o.Only); err != nil || !ok || o.Only < 1 {
		return nil, fmt.Errorf("%q is no callback of a simulation; they are named c3-124: clinic and request", label)
	}
	o.Clinics = max(o.Clinics, o.Only)
	worlds, err := o.play(ctx, open)
	if err != nil {
		return nil, err
	}
	for _, s := range worlds[o.Only-1].order {
		if s.label == label {
			return s.lines(), nil
		}
	}
	return nil, fmt.Errorf("in clinic %d nothing became a callback of the name %s; seed and days must be those of the simulation that named it", o.Only, label)
}

func (o Options) play(ctx context.Context, open Opener) ([]*world, error) {
	if o.Begin.IsZero() {
		o.Begin = DefaultBegin
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	worlds := make([]*world, o.Clinics)
	next := make(chan int)
	var group sync.WaitGroup
	var mu sync.Mutex
	var first error // the others only end because of it
	done := 0
	for range min(runtime.GOMAXPROCS(0), o.Clinics) {
		group.Go(func() {
			for i := range next {
				w, err := o.clinic(ctx, i+1, open)
				mu.Lock()
				worlds[i] = w
				if err != nil && first == nil {
					first = err
					cancel()
				}
				done++
				if o.Progress != nil {
					o.Progress(done, o.Clinics)
				}
				mu.Unlock()
			}
		})
	}
	for i := range o.Clinics {
		if o.Only == 0 || o.Only == i+1 {
			next <- i
		}
	}
	close(next)
	group.Wait()
	return worlds, first
}

// clinic plays one clinic from the beginning to the end.
func (o Options) clinic(ctx context.Context, number int, open Opener) (w *world, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c, err := o.draw(number)
	if err != nil {
		return nil, err
	}
	w = &world{ctx: ctx, opts: o, clinic: c, polls: map[time.Time]*poll{}, stories: map[callback.ID]*story{},
		strays: map[callback.ID]bool{}, byID: map[string]*visit{}, score: newTally(), cal: businesstime.Weekdays(c.Zone)}
	w.rules = workflow.Default(w.cal)
	if o.begun != nil {
		o.begun(w)
	}
	w.town = newTown(stream(o.Seed, number, streamPeople, 0), c.Begin)
	if w.bench, err = open(ctx, c, w.see); err != nil {
		return nil, fmt.Errorf("clinic %d: %w", number, err)
	}
	end := w.bench.Close
	defer func() { err = errors.Join(err, end()) }()
	if err := w.prepare(); err != nil {
		return nil, fmt.Errorf("clinic %d: %w", number, err)
	}
	if err := w.run(c.Begin.AddDate(0, 0, o.Days+settleDays)); err != nil {
		return nil, err
	}
	w.score.Callbacks = len(w.order)
	for id := range w.strays {
		if w.stories[id] == nil {
			w.score.Unasked++
		}
	}
	w.bench, w.queue, w.town = Bench{}, nil, nil
	if o.Only == 0 {
		w.order, w.stories, w.byID, w.visits = nil, nil, nil, nil // only the score is of use any more
	}
	return w, nil
}

// draw decides what a clinic is like.
func (o Options) draw(number int) (Clinic, error) {
	r := stream(o.Seed, number, streamClinic, 0)
	zone, err := time.LoadLocation(zones[(number-1)%len(zones)])
	if err != nil {
		return Clinic{}, fmt.Errorf("the time zones of the world are missing: %w", err)
	}
	b := o.Begin
	c := Clinic{Number: number, ID: callback.ClinicID(fmt.Sprintf("c%d", number)), Zone: zone, PollEvery: pick(r, []time.Duration{time.Minute, 2 * time.Minute, 5 * time.Minute}),
		Begin: time.Date(b.Year(), b.Month(), b.Day(), 0, 0, 0, 0, zone).UTC(), Habits: habits(r)}
	if o.Compressed { // clock and index are the EHR's own, and a day is too coarse for moments
		c.Begin = b.UTC()
		c.Habits.Created, c.Habits.ClockOff, c.Habits.IndexLag = CreatedTime, 0, 0
	}
	return c, nil
}

func habits(r *rand.Rand) Habits {
	h := Habits{MergeMoves: chance(r, rateMergeMoves), Proposes: chance(r, rateProposes), Created: CreatedTime}
	switch draw := r.Float64(); {
	case draw < rateNoCreated:
		h.Created = CreatedNot
	case draw < rateNoCreated+rateCreatedDay:
		h.Created = CreatedDay
	}
	if chance(r, rateClockOff) {
		h.ClockOff = between(r, -maxClockOff, maxClockOff)
	}
	switch draw := r.Float64(); {
	case draw < rateSlowIndex:
		h.IndexLag = slowIndexLag
	case draw < rateSlowIndex+rateIndexLag:
		h.IndexLag = between(r, 0, usualIndexLag)
	}
	return h
}
