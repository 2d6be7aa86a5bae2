package simulate

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/workflow"
	"github.com/ringback-health/ringback/internal/intake"
)

// engine decides what a fake daemon does with a callback at a poll.
type engine func(f *fake, r *callback.Record)

// fake is a daemon and an EHR in memory, so that a test can put any engine on the bench.
type fake struct {
	w      *world
	engine engine
	seen   func(callback.Record)
	rules  workflow.Rules
	now    time.Time
	n      int
	recs   map[callback.ID]*callback.Record
	order  []callback.ID
	visits []*fakeVisit
	items  map[string]*fakeItem
}

type fakeVisit struct {
	id, chart string
	stands    bool
	bookedAt  time.Time
}

type fakeItem struct {
	Item
	touched bool // by staff, since the last poll
}

func (f *fake) id(kind string) string {
	f.n++
	return fmt.Sprintf("%s%d", kind, f.n)
}

func (f *fake) Take(_ context.Context, s intake.Submission) (callback.Taken, error) {
	req := callback.Request{Clinic: callback.ClinicID(s.Clinic), Source: s.Source, SourceID: s.SourceID, ReceivedAt: f.now,
		Caller:   callback.Caller{Name: s.Name, Phone: s.Phone, BirthDate: s.BirthDate},
		Category: callback.Category(s.Category), NewPatient: s.NewPatient, Text: s.Text}
	var candidates []callback.Record
	for _, id := range slices.Backward(f.order) {
		r := f.recs[id]
		if r.Caller.Phone.Equal(s.Phone) && (r.Status.Open() || f.now.Sub(r.ClosedAt) < f.rules.ReopenOnCallWithin) {
			candidates = append(candidates, *r)
		}
	}
	in, err := f.rules.Intake(req, candidates, f.now)
	if err != nil {
		return callback.Taken{}, err
	}
	if in.Merge != nil {
		f.recs[in.Merge.ID] = in.Merge
		return callback.Taken{Callback: in.Merge.Callback, Disposition: callback.Merged}, nil
	}
	r := in.New
	r.Links = append(r.Links, callback.NewLink(r.Callback, "ehr", callback.TaskResource, f.now))
	f.recs[r.ID], f.order = r, append(f.order, r.ID)
	return callback.Taken{Callback: r.Callback, Disposition: callback.Created}, nil
}

func (f *fake) Deliver(context.Context) error {
	for _, id := range f.order {
		r := f.recs[id]
		l := &r.Links[0]
		if l.RemoteID == "" {
			l.RemoteID = f.id("t")
			f.items[l.RemoteID] = &fakeItem{Item: Item{Open: true}}
		} else if f.items[l.RemoteID].Open == r.Status.Open() {
			continue
		}
		f.items[l.RemoteID].Open = r.Status.Open()
		f.tell(r)
	}
	return nil
}

func (f *fake) tell(r *callback.Record) { f.seen(r.Clone()) }

func (f *fake) Poll(_ context.Context, feed callback.Feed, _ bool) error {
	staff := callback.Actor{Kind: callback.EHRStaff}
	for _, id := range f.order {
		r := f.recs[id]
		before := len(r.Timeline)
		switch item := f.items[r.Links[0].RemoteID]; {
		case item == nil:
		case feed == callback.FeedAppointments:
			f.engine(f, r)
		case !item.touched:
		case !item.Open && r.Status.Open():
			if err := r.Close(callback.CompletedInEHR, r.Text, staff, f.now); err != nil {
				return err
			}
		case item.Open && !r.Status.Open():
			if err := r.Reopen("opened in the EHR", r.Text, staff, f.now); err != nil {
				return err
			}
		}
		if item := f.items[r.Links[0].RemoteID]; item != nil && feed == callback.FeedItems {
			item.touched = false
		}
		if len(r.Timeline) > before {
			f.tell(r)
		}
	}
	return nil
}

func (f *fake) Judge(context.Context, callback.ID, string) (callback.Evidence, error) {
	return callback.Evidence{Verdict: callback.None, Reasons: []string{"fake"}}, nil
}

// close closes a callback on a visit.
func (f *fake) close(r *callback.Record, visit string) {
	ev := callback.Evidence{EHR: "ehr", Appointment: visit, Verdict: callback.Strong, Reasons: []string{"said-so"}}
	if err := r.CloseOnVisit(ev, f.now); err != nil {
		panic(err)
	}
}

func (f *fake) Register(context.Context, Chart) (string, error) { return f.id("p"), nil }

func (f *fake) Merge(_ context.Context, from, into string, _ bool) error {
	for _, v := range f.visits {
		if v.chart == from {
			v.chart = into
		}
	}
	return nil
}

func (f *fake) Book(_ context.Context, b Booking) (string, error) {
	v := &fakeVisit{f.id("a"), b.Chart, true, f.now}
	f.visits = append(f.visits, v)
	return v.id, nil
}

func (f *fake) Confirm(context.Context, string, string, time.Time) (bool, error) { return false, nil }
func (f *fake) Move(context.Context, string, time.Time) error                    { return nil }

func (f *fake) Replace(ctx context.Context, visit string, start time.Time) (string, error) {
	old := f.visit(visit)
	old.stands = false
	return f.Book(ctx, Booking{Chart: old.chart, Start: start})
}

func (f *fake) visit(id string) *fakeVisit {
	i := slices.IndexFunc(f.visits, func(v *fakeVisit) bool { return v.id == id })
	return f.visits[i]
}

func (f *fake) Set(_ context.Context, visit string, s callback.AppointmentState) error {
	f.visit(visit).stands = s.Stands()
	return nil
}

func (f *fake) Delete(ctx context.Context, visit string) error {
	return f.Set(ctx, visit, callback.ApptVoid)
}

func (f *fake) Item(_ context.Context, id string) (Item, error) { return f.items[id].Item, nil }
func (f *fake) Start(context.Context, string) error             { return nil }
func (f *fake) Note(context.Context, string, string) error      { return nil }

func (f *fake) File(_ context.Context, id, chart string) error {
	f.items[id].Chart = chart
	return nil
}

func (f *fake) End(_ context.Context, id string, _ callback.Outcome, _ bool) error {
	f.items[id].Open, f.items[id].touched = false, true
	return nil
}

func (f *fake) Reopen(_ context.Context, id string) error {
	f.items[id].Open, f.items[id].touched = true, true
	return nil
}

// bench puts a fake with an engine on the bench.
func bench(of func() *world, e engine) Opener {
	return func(_ context.Context, _ Clinic, seen func(callback.Record)) (Bench, error) {
		w := of()
		f := &fake{w: w, engine: e, seen: seen, rules: w.rules, recs: map[callback.ID]*callback.Record{}, items: map[string]*fakeItem{}}
		return Bench{Daemon: f, EHR: f, SetTime: func(_ context.Context, t time.Time) error { f.now = t; return nil }, Close: func() error { return nil }}, nil
	}
}

// play simulates clinics with an engine, one after the other.
func play(ctx context.Context, o Options, e engine) (Tally, error) {
	total := newTally()
	for o.Only = 1; o.Only <= o.Clinics; o.Only++ {
		var w *world
		o.begun = func(begun *world) { w = begun }
		t, err := Run(ctx, o, bench(func() *world { return w }, e))
		if err != nil {
			return total, err
		}
		total.Add(t)
	}
	return total, nil
}
