// Package scheduler is what runs when: it brings every EHR to what the ledger
// wants (sync), takes over what changed there (feeds), binds callbacks to charts
// (resolve) and closes or reopens them on the evidence (match).
//
// All of it is level-triggered. A job names a link or a feed and nothing else; it
// reads the ledger, compares, and moves the EHR. A job that is lost, repeated or
// late changes nothing but time, because the sweep finds whatever differs. The
// queue can be thrown away at any moment.
//
// What is decided about a callback belongs to package callback; how an EHR is
// talked to belongs to its connector.
package scheduler

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/workflow"
	"github.com/ringback-health/ringback/internal/clock"
)

// EHR is what the scheduler needs of a connector; connectors/ehr.Connector says
// what each method promises.
type EHR interface {
	Capabilities(ctx context.Context) (callback.Capabilities, error)
	Find(ctx context.Context, t callback.ResourceType, m callback.Marker) ([]callback.Item, error)
	Create(ctx context.Context, w callback.WorkItem) (callback.Item, error)
	Read(ctx context.Context, t callback.ResourceType, id string) (callback.Item, error)
	Edit(ctx context.Context, current callback.Item, w callback.WorkItem) (callback.Item, error)
	Changes(ctx context.Context, q callback.FeedQuery) iter.Seq2[callback.FeedPage, error]
	Interpret(f callback.Feed, page []byte) (callback.Changes, error)
	Patients(ctx context.Context, q callback.PatientQuery) ([]callback.Chart, error)
}

// DefaultSearchLag is how late an EHR's search is taken to show what was written, where
// nobody says otherwise.
const DefaultSearchLag = 5 * time.Second

// Site is one clinic with its EHR.
type Site struct {
	Clinic callback.ClinicID
	Rules  workflow.Rules
	ID     callback.EHRID
	EHR    EHR
	Poll   string // cron schedule of the feeds in UTC, e.g. "@every 30s" or "*/5 * * * *"
	// SearchLag is how late the EHR's search may show what was written: only later is
	// a search that does not find a write of unknown outcome believed. Zero:
	// Options.SearchLag.
	SearchLag time.Duration
	// Pace is how often what is asked for by itself is asked for: patients where the
	// EHR shows appointments of one at a time, and visits that closed a callback.
	Pace Pace
	Push *SitePush // nil: it is not asked to tell of changes

	indexLag time.Duration // how late its search may show what others wrote
	circuit  *circuit
}

// Options is what a Scheduler is made of. Zero durations and numbers take the
// defaults named beside them.
type Options struct {
	Ledger callback.Ledger
	Sites  []Site
	Queue  QueueOptions
	Clock  clock.Clock
	Logger *slog.Logger

	SweepEvery   time.Duration // 1s: how often lagging links are looked for
	ResolveEvery time.Duration // 5m: how often an unbound callback's chart is looked for again
	SearchLag    time.Duration // DefaultSearchLag: how late an EHR's search may show a write, where its Site does not say
	IndexLag     time.Duration // 10s: how late an EHR's search may show a booking, where its search lag is not longer
	Overlap      time.Duration // 2m: how far behind the watermark a feed is read again, likewise
	PushEvery    time.Duration // 5m: how often it is looked whether EHRs tell of changes as they should
	MaxFailures  int           // 100: failures in a row until a link is stuck
	StopWithin   time.Duration // 20s: how long running jobs may take to finish at shutdown
	// Tell tells the operator that an EHR fails, or answers again. An error means that
	// he does not know yet, and it is tried again. nil: it stands in the log.
	Tell func(context.Context, callback.News) error
}

func (o Options) withDefaults() Options {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	o.Queue = o.Queue.withDefaults()
	set(&o.SweepEvery, time.Second)
	set(&o.ResolveEvery, 5*time.Minute)
	set(&o.SearchLag, DefaultSearchLag)
	set(&o.IndexLag, 10*time.Second)
	set(&o.Overlap, 2*time.Minute)
	set(&o.PushEvery, 5*time.Minute)
	set(&o.StopWithin, 20*time.Second)
	if o.MaxFailures == 0 {
		o.MaxFailures = 100
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	return o
}

// Validate lists everything that is wrong with the options.
func (o Options) Validate() error {
	var errs []error
	if o.Ledger == nil {
		errs = append(errs, errors.New("scheduler: no ledger"))
	}
	seen := map[callback.EHRID]bool{}
	for _, s := range o.Sites {
		if s.EHR == nil || seen[s.ID] {
			errs = append(errs, fmt.Errorf("scheduler: ehr %q is missing or belongs to two clinics", s.ID))
		}
		seen[s.ID] = true
		if err := s.Pace.withDefaults().validate(); err != nil {
			errs = append(errs, fmt.Errorf("ehr %q: %w", s.ID, err))
		}
		if _, err := ParseSchedule(s.Poll); err != nil {
			errs = append(errs, fmt.Errorf("ehr %q: %w", s.ID, err))
		}
		if s.Push != nil && s.Push.Poll != "" {
			if _, err := ParseSchedule(s.Push.Poll); err != nil {
				errs = append(errs, fmt.Errorf("ehr %q: push: %w", s.ID, err))
			}
		}
	}
	return errors.Join(errs...)
}

// Scheduler runs the jobs. Make it with New, then Start and Stop it once.
type Scheduler struct {
	*Worker
	opts  Options
	queue queue
	sweep *sweeper
	news  *teller
	push  *pusher
}

// New makes a scheduler. It opens the queue, and for SQLite throws an old one
// away: the ledger knows all that was in it.
func New(ctx context.Context, o Options) (*Scheduler, error) {
	o = o.withDefaults()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	s := &Scheduler{Worker: NewWorker(o), opts: o}
	s.push = newPusher(o, s.Worker)
	q, err := openQueue(ctx, o, s.Worker, s.push)
	if err != nil {
		return nil, err
	}
	s.queue = q
	s.sweep, s.news = newSweeper(o, q, s.handed), newTeller(o)
	return s, nil
}

// Start begins to work and returns once jobs are being taken.
func (s *Scheduler) Start(ctx context.Context) error {
	again, err := s.queue.takeBack(ctx)
	if err != nil {
		return err
	}
	for _, f := range again {
		s.sweep.Poll(f)
	}
	if err := s.queue.start(ctx); err != nil {
		return fmt.Errorf("start the job queue: %w", err)
	}
	s.sweep.Start(ctx)
	s.news.Start(ctx)
	s.push.Start(ctx)
	return nil
}

// Stop ends in phases: no new jobs; wait for running ones; after StopWithin, or
// when ctx ends, cancel them; close the queue. What was cut off is found by the
// sweep of the next start.
func (s *Scheduler) Stop(ctx context.Context) error {
	s.push.Stop()
	s.sweep.Stop()
	s.news.Stop()
	return s.queue.stop(ctx)
}

// Wake makes the sweep run now. It never blocks.
func (s *Scheduler) Wake() { s.sweep.Wake() }

// PollNow asks for a poll of all feeds of an EHR that begins after now: a push
// from the EHR, or a person, knows of something new. It never blocks.
func (s *Scheduler) PollNow(id callback.EHRID) {
	for _, f := range callback.Feeds {
		s.sweep.Poll(FeedArgs{EHR: id, Feed: f})
	}
}

// Worker does the work of each job; it has no goroutines and can be called directly.
type Worker struct {
	opts   Options
	sites  map[callback.EHRID]Site
	handed *handed  // links whose jobs wait or run
	rounds sync.Map // of round to callback.ID; see upTo
}

// NewWorker makes a worker.
func NewWorker(o Options) *Worker {
	o = o.withDefaults()
	w := &Worker{opts: o, sites: map[callback.EHRID]Site{}, handed: &handed{since: map[callback.ID]time.Time{}}}
	for _, s := range o.Sites {
		if s.SearchLag == 0 {
			s.SearchLag = o.SearchLag
		}
		s.indexLag = max(o.IndexLag, s.SearchLag)
		s.Pace = s.Pace.withDefaults()
		s.circuit = &circuit{ehr: s.EHR, clinic: s.Clinic, id: s.ID, ledger: o.Ledger, clock: o.Clock, log: o.Logger}
		s.circuit.suspect.Store(true) // by an earlier life
		s.EHR = s.circuit
		w.sites[s.ID] = s
	}
	return w
}

func (w *Worker) now() time.Time { return w.opts.Clock.Now() }
