package scheduler

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"
	"time"

	_ "github.com/glebarez/go-sqlite" // the pure Go driver "sqlite" for the queue's own file
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/riverqueue/river/rivertype"
	"github.com/robfig/cron/v3"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/redact"
)

// QueueOptions says where the job queue lives: in a SQLite file of its own, or in
// PostgreSQL, where several machines share it. Exactly one of File and Postgres
// is set.
type QueueOptions struct {
	File     string        // thrown away at every start
	Postgres redact.Secret // a DSN; River's tables are kept in its search_path
	// Identity is a file, with Postgres, by which this daemon knows the jobs of its own
	// earlier life, to take them back when that was killed. It must lie on this machine,
	// or be named for it. Empty: they wait until JobTimeout and rescueSlack are over.
	Identity string
	Workers  int // sync jobs at a time, default 8
	// Cooldown is the shortest time between two fetches of jobs, default 50 ms: a
	// machine works at most Workers jobs per Cooldown.
	Cooldown time.Duration
	// JobTimeout bounds one job, default 45 s. A job that a crash left running is
	// taken up again rescueSlack later: until then it may still be writing.
	JobTimeout time.Duration
}

func (o QueueOptions) withDefaults() QueueOptions {
	if o.Workers == 0 {
		o.Workers = 8
	}
	if o.Cooldown == 0 {
		o.Cooldown = 50 * time.Millisecond
	}
	if o.JobTimeout == 0 {
		o.JobTimeout = 45 * time.Second
	}
	return o
}

// ParseSchedule reads a cron schedule of five fields, or a descriptor such as
// "@every 30s" or "@hourly". A schedule that never comes is an error.
func ParseSchedule(spec string) (cron.Schedule, error) {
	s, err := cron.ParseStandard(spec)
	if every, ok := strings.CutPrefix(spec, "@every "); ok && err == nil {
		if d, _ := time.ParseDuration(every); d < time.Second {
			err = errors.New("too often")
		}
	}
	if err != nil {
		return nil, fmt.Errorf("schedule %q cannot be read; write it as \"@every 30s\" (1s at least) or with five fields as \"*/5 * * * *\"", spec)
	}
	if s.Next(time.Unix(0, 0).UTC()).IsZero() {
		return nil, fmt.Errorf("schedule %q never comes", spec)
	}
	return s, nil
}

// utcSchedule keeps schedules away from summer time.
type utcSchedule struct{ cron.Schedule }

func (s utcSchedule) Next(t time.Time) time.Time { return s.Schedule.Next(t.UTC()) }

// rescueSlack is how much longer than its timeout a job has to be silent before it
// is taken for dead. It covers clocks of machines that differ by seconds.
const rescueSlack = 15 * time.Second

const (
	syncQueue = "sync"
	feedQueue = "feed"
)

// SyncArgs is the job that brings one link to its callback's revision.
type SyncArgs struct {
	Link callback.ID `json:"link" river:"unique"`
}

// Kind names the job for River.
func (SyncArgs) Kind() string { return "sync" }

// InsertOpts makes the job unique per link while one waits or runs. It is tried
// once: the ledger knows when to try again.
func (SyncArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: syncQueue, MaxAttempts: 1, UniqueOpts: uniqueWhileAlive}
}

// FeedArgs is the job that polls one feed of one EHR.
type FeedArgs struct {
	EHR  callback.EHRID `json:"ehr" river:"unique"`
	Feed callback.Feed  `json:"feed" river:"unique"`
}

// Kind names the job for River.
func (FeedArgs) Kind() string { return "feed" }

// InsertOpts makes the job unique per feed, so that polls do not overlap.
func (FeedArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: feedQueue, MaxAttempts: 1, UniqueOpts: uniqueWhileAlive}
}

type syncWorker struct {
	river.WorkerDefaults[SyncArgs]
	w *Worker
}

func (s *syncWorker) Work(ctx context.Context, job *river.Job[SyncArgs]) (err error) {
	defer s.w.recovered("sync", &err)
	defer s.w.handed.back(job.Args.Link)
	return s.w.Sync(ctx, job.Args.Link)
}

// pollAtMost is how long one poll may take. A read that is cut off goes on where it was,
// but for a window, which has to be seen in one piece.
const pollAtMost = 3 * time.Minute

type feedWorker struct {
	river.WorkerDefaults[FeedArgs]
	w *Worker
}

// Timeout bounds one poll: after days of outage there are many pages.
func (f *feedWorker) Timeout(*river.Job[FeedArgs]) time.Duration { return pollAtMost }

func (f *feedWorker) Work(ctx context.Context, job *river.Job[FeedArgs]) (err error) {
	defer f.w.recovered("feed", &err)
	if err = f.w.Poll(ctx, job.Args.EHR, job.Args.Feed); err != nil {
		f.w.opts.Logger.Warn("feed not read", "ehr", job.Args.EHR, "feed", job.Args.Feed, "error", fault.Describe(err))
	}
	return nil // recorded in the feed's state; the schedule tries again
}

// recovered turns a panic into an error. Its value may hold PHI and is not
// logged; the stack tells where it was.
func (w *Worker) recovered(job string, err *error) {
	if p := recover(); p != nil {
		w.opts.Logger.Error("job panicked", "job", job, "type", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
		*err = errors.New("panicked")
	}
	if *err != nil && !errors.Is(*err, context.Canceled) {
		w.opts.Logger.Error("job failed", "job", job, "error", fault.Describe(*err))
		*err = errors.New(fault.Describe(*err)) // River stores and logs the text
	}
}

// queue is the job queue, whichever database it lives in.
type queue interface {
	// takeBack ends what earlier lives of this daemon have left running, before start,
	// and returns the feeds that have to be read again.
	takeBack(ctx context.Context) ([]FeedArgs, error)
	start(ctx context.Context) error
	stop(ctx context.Context) error
	// sync makes jobs and returns the links for which none was made because one runs,
	// or has run and is not noted as ended yet: what it did not see needs another.
	sync(ctx context.Context, links []callback.Lag) (running []callback.ID, err error)
	// poll reports whether the job was accepted; it is not while one waits or runs.
	poll(ctx context.Context, f FeedArgs) (accepted bool, err error)
}

func openQueue(ctx context.Context, o Options, w *Worker, p *pusher) (queue, error) {
	o.Queue = o.Queue.withDefaults()
	if o.Queue.Postgres.IsEmpty() {
		return openSQLite(ctx, o, w, p)
	}
	pool, err := pgxpool.New(ctx, o.Queue.Postgres.Reveal())
	if err != nil {
		return nil, fault.New(fault.Permanent, "open the job queue", "the PostgreSQL address cannot be used").
			WithHint("check the database setting").Because(err)
	}
	identity, release := identify(o.Queue.Identity, o)
	return newRiver[pgx.Tx](ctx, o, w, p, riverpgxv5.New(pool), identity, func() error { pool.Close(); return release() })
}

// openSQLite throws the queue of an earlier life away and makes a new one. The
// lock keeps two daemons from doing that to each other.
func openSQLite(ctx context.Context, o Options, w *Worker, p *pusher) (_ queue, err error) {
	release, err := lockFile(o.Queue.File + ".lock")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = release() // it may have been given up already
		}
	}()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(o.Queue.File + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("the old job queue %s cannot be removed: %w", o.Queue.File, err)
		}
	}
	// Made here, so that only its owner may read it; SQLite would follow the umask.
	f, err := os.OpenFile(o.Queue.File, os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the job queue %s cannot be made: %w", o.Queue.File, err)
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("the job queue %s cannot be made: %w", o.Queue.File, err)
	}
	db, err := sql.Open("sqlite", o.Queue.File+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)&_pragma=synchronous(OFF)&_txlock=immediate")
	if err != nil {
		return nil, fmt.Errorf("open the job queue %s: %w", o.Queue.File, err)
	}
	db.SetMaxOpenConns(1) // River's SQLite driver wants one writer
	return newRiver[*sql.Tx](ctx, o, w, p, riversqlite.New(db), "", func() error { return errors.Join(db.Close(), release()) })
}

// riverQueue is a queue on River.
type riverQueue[TTx any] struct {
	client   *river.Client[TTx]
	exec     riverdriver.Executor
	identity string // empty: it has none
	close    func() error
	stopIn   time.Duration
}

func newRiver[TTx any](ctx context.Context, o Options, w *Worker, p *pusher, d riverdriver.Driver[TTx], identity string, closeDB func() error) (queue, error) {
	fail := func(what string, err error) (queue, error) {
		return nil, errors.Join(fault.New(fault.Retry, "open the job queue", what).
			WithHint("check that the database is up and that its user may create tables").Because(err), closeDB())
	}
	quiet := slog.New(riverLog{o.Logger.Handler()})
	migrator, err := rivermigrate.New(d, &rivermigrate.Config{Logger: quiet})
	if err != nil {
		return fail("its migrations cannot be read", err)
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fail("its tables cannot be made", err)
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, &syncWorker{w: w})
	river.AddWorker(workers, &feedWorker{w: w})
	periodic, err := periodicPolls(o, p)
	if err != nil {
		return nil, errors.Join(err, closeDB())
	}
	life := "" // River's own choice
	if identity != "" {
		life = identity + "/" + string(callback.NewID())
	}
	client, err := river.NewClient(d, &river.Config{
		ID:      life,
		Logger:  quiet,
		Workers: workers,
		Queues: map[string]river.QueueConfig{
			syncQueue: {MaxWorkers: o.Queue.Workers},
			feedQueue: {MaxWorkers: max(2, len(o.Sites))},
		},
		PeriodicJobs:                periodic,
		FetchCooldown:               o.Queue.Cooldown,
		FetchPollInterval:           max(o.Queue.Cooldown, 100*time.Millisecond),
		PollOnly:                    o.Queue.Postgres.IsEmpty(),
		JobTimeout:                  o.Queue.JobTimeout,
		RescueStuckJobsAfter:        o.Queue.JobTimeout + rescueSlack,
		SoftStopTimeout:             o.StopWithin,
		CompletedJobRetentionPeriod: 10 * time.Minute,
		DiscardedJobRetentionPeriod: 24 * time.Hour,
	})
	if err != nil {
		return fail("it cannot be set up", err)
	}
	return &riverQueue[TTx]{client: client, exec: d.GetExecutor(), identity: identity, close: closeDB, stopIn: o.StopWithin}, nil
}

// periodicPolls are the polls of all feeds, on their schedules and once at start.
func periodicPolls(o Options, p *pusher) ([]*river.PeriodicJob, error) {
	var jobs []*river.PeriodicJob
	for _, site := range o.Sites {
		normal, err := ParseSchedule(site.Poll)
		if err != nil {
			return nil, err
		}
		for _, f := range callback.Feeds {
			args := FeedArgs{EHR: site.ID, Feed: f}
			if site.Push == nil || site.Push.Poll == "" {
				jobs = append(jobs, periodicPoll(normal, args, func() bool { return true }))
				continue
			}
			// Two schedules, of which one is silent: which one, is asked at each time.
			rare, err := ParseSchedule(site.Push.Poll)
			if err != nil {
				return nil, err
			}
			proven := func() bool { return p.health(args).Proven }
			jobs = append(jobs, periodicPoll(normal, args, func() bool { return !proven() }), periodicPoll(rare, args, proven))
		}
	}
	return jobs, nil
}

// periodicPoll polls a feed on a schedule, at the times at which it is wanted.
func periodicPoll(schedule cron.Schedule, args FeedArgs, wanted func() bool) *river.PeriodicJob {
	return river.NewPeriodicJob(utcSchedule{schedule}, func() (river.JobArgs, *river.InsertOpts) {
		if !wanted() {
			return nil, nil
		}
		return args, nil
	}, &river.PeriodicJobOpts{RunOnStart: true})
}

func (q *riverQueue[TTx]) start(ctx context.Context) error {
	// The context of Start would cancel jobs at once when it ends; stop decides that.
	return q.client.Start(context.WithoutCancel(ctx))
}

func (q *riverQueue[TTx]) stop(ctx context.Context) error {
	err := q.client.Stop(ctx)
	if err != nil {
		cut, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		err = q.client.StopAndCancel(cut)
	}
	if err != nil {
		err = fmt.Errorf("jobs did not stop in time; what they left is picked up at the next start: %w", err)
	}
	return errors.Join(err, q.close())
}

func (q *riverQueue[TTx]) sync(ctx context.Context, links []callback.Lag) (running []callback.ID, err error) {
	jobs := make([]river.InsertManyParams, len(links))
	for i, l := range links {
		jobs[i] = river.InsertManyParams{Args: SyncArgs{Link: l.Link}}
	}
	results, err := q.client.InsertMany(ctx, jobs)
	if err != nil {
		return nil, err
	}
	for _, r := range results {
		if !r.UniqueSkippedAsDuplicate || r.Job.State != rivertype.JobStateRunning {
			continue
		}
		var args SyncArgs // results may come in any order
		if err := json.Unmarshal(r.Job.EncodedArgs, &args); err != nil {
			return nil, fmt.Errorf("read a job of the queue: %w", err)
		}
		running = append(running, args.Link)
	}
	return running, nil
}

func (q *riverQueue[TTx]) poll(ctx context.Context, f FeedArgs) (bool, error) {
	res, err := q.client.Insert(ctx, f, nil)
	return err == nil && !res.UniqueSkippedAsDuplicate, err
}

// riverLog passes on what River reports of trouble, but for what a shutdown cuts
// off: that is no trouble.
type riverLog struct{ slog.Handler }

// Enabled reports whether a record of the level is passed on.
func (h riverLog) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && h.Handler.Enabled(ctx, l)
}

// Handle passes the record on.
func (h riverLog) Handle(ctx context.Context, r slog.Record) error {
	cut := false
	r.Attrs(func(a slog.Attr) bool {
		cut = cut || strings.Contains(a.Value.String(), context.Canceled.Error())
		return !cut
	})
	if cut {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs keeps the rule.
func (h riverLog) WithAttrs(as []slog.Attr) slog.Handler { return riverLog{h.Handler.WithAttrs(as)} }

// WithGroup keeps the rule.
func (h riverLog) WithGroup(name string) slog.Handler { return riverLog{h.Handler.WithGroup(name)} }
