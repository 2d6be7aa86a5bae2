package scheduler_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/internal/intake"
	"github.com/ringback-health/ringback/internal/redact"
	"github.com/ringback-health/ringback/sandbox"
	"github.com/ringback-health/ringback/scheduler"
)

// places are where queue and ledger can live; every test of the running
// scheduler runs on each.
func places(t *testing.T, test func(t *testing.T, dsn string, q scheduler.QueueOptions)) {
	t.Run("SQLite", func(t *testing.T) {
		dir := t.TempDir()
		test(t, "sqlite:"+filepath.Join(dir, "ledger.db"), scheduler.QueueOptions{File: filepath.Join(dir, "queue.db"), Cooldown: 10 * time.Millisecond})
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		dsn := ownDatabase(t, postgres(t))
		test(t, dsn, scheduler.QueueOptions{Postgres: redact.NewSecret(dsn), Cooldown: 10 * time.Millisecond})
	})
}

// ownDatabase makes a database for one test and returns its DSN.
func ownDatabase(t *testing.T, server string) string {
	t.Helper()
	name := "scheduler_" + strings.ReplaceAll(string(callback.NewID()), "-", "")
	admin := func(sql string) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 30*time.Second)
		defer cancel()
		c, err := pgx.Connect(ctx, server)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close(ctx) }()
		if _, err := c.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	admin("CREATE DATABASE " + name)
	t.Cleanup(func() { admin("DROP DATABASE " + name + " WITH (FORCE)") })
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}

// running starts the world's scheduler with the real clock and stops it at the end.
func running(t *testing.T, w *world, q scheduler.QueueOptions) *scheduler.Scheduler {
	t.Helper()
	o := w.options
	o.Queue, o.SweepEvery, o.SearchLag, o.StopWithin = q, 20*time.Millisecond, 50*time.Millisecond, 10*time.Second
	s, err := scheduler.New(t.Context(), o)
	w.must(err)
	w.must(s.Start(t.Context()))
	return s
}

func stop(t *testing.T, s *scheduler.Scheduler) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		t.Error(err)
	}
}

// eventually asks until it is so, and gives up after half a minute.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatal("did not happen: " + what)
		case <-tick.C:
		}
	}
}

// TestRunning: requests arrive while the EHR fails now and then; each gets one
// work item, a booking closes one, and a restart changes nothing.
func TestRunning(t *testing.T) {
	places(t, func(t *testing.T, dsn string, q scheduler.QueueOptions) {
		w := newWorldOn(t, dsn, sandbox.Options{})
		w.clock.Advance(clock.System{}.Now().Sub(w.clock.Now()))
		ann := w.ann()
		w.fault(sandbox.Fault{Method: http.MethodPost, PathPrefix: "/Task", Times: 3, Action: sandbox.ActionDropAfter})
		s := running(t, w, q)
		var ids []callback.ID
		for i := range 12 {
			ids = append(ids, w.ask(fmt.Sprint(i), func(sub *intake.Submission) {
				if i > 0 {
					sub.Name, sub.Phone, sub.BirthDate = redact.NewText(fmt.Sprint("Caller ", i)), redact.NewText(fmt.Sprintf("+121255501%02d", i)), redact.Text{}
				}
			}))
		}
		s.Wake()
		synced := func() bool {
			w.clock.Advance(100 * time.Millisecond)
			for _, id := range ids {
				if w.taskLink(id).State != callback.LinkSynced {
					return false
				}
			}
			return true
		}
		eventually(t, "every callback is filed", synced)
		stop(t, s)

		s = running(t, w, q) // the next life
		w.clock.Advance(time.Hour)
		w.book(ann, "")
		s.PollNow(ehrID)
		eventually(t, "the booking closes the callback", func() bool {
			w.clock.Advance(100 * time.Millisecond)
			return w.record(ids[0]).Status == callback.Closed
		})
		eventually(t, "the EHR holds the last revision", func() bool {
			w.clock.Advance(100 * time.Millisecond)
			lags, err := w.ledger.Lagging(t.Context(), w.clock.Now().Add(time.Hour), 10)
			return err == nil && len(lags) == 0
		})
		stop(t, s)
		if n := len(w.ehr.Store().List("Task")); n != len(ids) {
			t.Errorf("%d work items for %d callbacks", n, len(ids))
		}
		for _, id := range ids {
			w.task(id)
		}
	})
}

// TestStopWaitsForRunningJobs: a job under way ends before Stop returns.
func TestStopWaitsForRunningJobs(t *testing.T) {
	places(t, func(t *testing.T, dsn string, q scheduler.QueueOptions) {
		w := newWorldOn(t, dsn, sandbox.Options{})
		entered, release := make(chan struct{}), make(chan struct{})
		w.with(slow{w.connector, entered, release})
		s := running(t, w, q)
		id := w.ask("1", nil)
		s.Wake()
		<-entered
		stopped := make(chan struct{})
		go func() { defer close(stopped); stop(t, s) }()
		select {
		case <-stopped:
			t.Error("stopped while a job was running")
		case <-time.After(200 * time.Millisecond):
		}
		close(release)
		<-stopped
		if l := w.taskLink(id); l.State != callback.LinkSynced {
			t.Errorf("the running job was not finished: %+v", l)
		}
	})
}

// slow is an EHR whose Create waits until it is released.
type slow struct {
	scheduler.EHR
	entered, release chan struct{}
}

func (s slow) Create(ctx context.Context, w callback.WorkItem) (callback.Item, error) {
	close(s.entered)
	select {
	case <-s.release:
	case <-ctx.Done():
		return callback.Item{}, ctx.Err()
	}
	return s.EHR.Create(ctx, w)
}

// TestTwoOnOneQueue: the second daemon on a SQLite ledger is refused, and the
// first does not notice.
func TestTwoOnOneQueue(t *testing.T) {
	w := newWorld(t)
	q := scheduler.QueueOptions{File: filepath.Join(t.TempDir(), "queue.db")}
	s := running(t, w, q)
	o := w.options
	o.Queue = q
	if _, err := scheduler.New(t.Context(), o); err == nil || !strings.Contains(err.Error(), "another ringback") {
		t.Errorf("the second: %v", err)
	}
	stop(t, s)
	stop(t, running(t, w, q))
}

func TestOptions(t *testing.T) {
	w := newWorld(t)
	for _, spec := range []string{"", "every minute", "61 * * * *", "0 0 30 2 *", "* * * * * *", "@every 0s", "@every -1s"} {
		if _, err := scheduler.ParseSchedule(spec); err == nil {
			t.Errorf("schedule %q should be refused", spec)
		}
	}
	for _, spec := range []string{"@every 30s", "*/5 * * * *", "@hourly"} {
		if _, err := scheduler.ParseSchedule(spec); err != nil {
			t.Errorf("%q: %v", spec, err)
		}
	}
	o := w.options
	o.Sites = append(o.Sites, o.Sites[0])
	if err := o.Validate(); err == nil {
		t.Error("one EHR for two clinics should be refused")
	}
	o.Ledger = nil
	if err := o.Validate(); err == nil || !strings.Contains(err.Error(), "no ledger") {
		t.Error("all faults should be listed")
	}
}

func FuzzParseSchedule(f *testing.F) {
	for _, s := range []string{"@every 30s", "*/5 * * * *", "0 0 30 2 *", "@every -1s", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		s, err := scheduler.ParseSchedule(spec)
		now := time.Unix(1_700_000_000, 0).UTC()
		if err == nil && !s.Next(now).After(now) {
			t.Errorf("%q does not go forward", spec)
		}
	})
}
