package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/businesstime"
	"github.com/ringback-health/ringback/callback/workflow"
	"github.com/ringback-health/ringback/connectors/ehr"
	"github.com/ringback-health/ringback/connectors/ehr/fhirr4"
	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/internal/intake"
	"github.com/ringback-health/ringback/internal/redact"
	"github.com/ringback-health/ringback/sandbox"
	"github.com/ringback-health/ringback/scheduler"
	"github.com/ringback-health/ringback/simulate"
	"github.com/ringback-health/ringback/store"
)

// benches makes the daemon's parts and the EHR of each clinic of a simulation. The
// ledgers stand in dir and are thrown away.
type benches struct {
	dir  string
	keys *store.Keys
	url  string // FHIR base URL of the EHR; "": a sandbox for each clinic
	// clockURL is where the clock of that EHR is set; "": nobody can, and what the world
	// takes days for happens within moments there.
	clockURL string
}

// simulatedEHR is what the EHRs of a simulation are called.
const simulatedEHR = callback.EHRID("ehr")

// skewed is a clock that is wrong.
type skewed struct {
	clock.Clock
	off time.Duration
}

func (s skewed) Now() time.Time { return s.Clock.Now().Add(s.off) }

// compressed reports whether what the world takes days for happens within moments.
func (b *benches) compressed() bool { return b.url != "" && b.clockURL == "" }

// open puts one clinic on the bench.
func (b *benches) open(ctx context.Context, c simulate.Clinic, seen func(callback.Record)) (simulate.Bench, error) {
	if b.url != "" {
		return b.openURL(ctx, c, seen)
	}
	manual := clock.NewManual(c.Begin.AddDate(0, 0, -15))
	server := sandbox.New(sandbox.Options{Clock: skewed{manual, c.Habits.ClockOff}})
	if lag := c.Habits.IndexLag; lag > 0 {
		if err := server.Faults().Add(sandbox.Fault{Action: sandbox.ActionIndexLag, LagMS: int(lag.Milliseconds())}); err != nil {
			return simulate.Bench{}, err
		}
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return simulate.Bench{}, fmt.Errorf("the sandbox EHR cannot listen: %w", err)
	}
	srv := &http.Server{Handler: server, ReadHeaderTimeout: 10 * time.Second}
	stopped := make(chan error, 1)
	go func() { stopped <- srv.Serve(l) }()
	stop := func() error {
		err := srv.Close()
		if served := <-stopped; !errors.Is(served, http.ErrServerClosed) {
			err = errors.Join(err, served)
		}
		return err
	}
	d, err := b.daemon(ctx, c, "http://"+l.Addr().String()+sandbox.BasePath, manual, seen)
	if err != nil {
		return simulate.Bench{}, errors.Join(err, stop())
	}
	return simulate.Bench{
		Daemon: d, EHR: sandboxHands{front: sandbox.NewFrontDesk(server.Store()), store: server.Store(), created: createdOf[c.Habits.Created]},
		SetTime: func(_ context.Context, t time.Time) error { manual.Advance(t.Sub(manual.Now())); return nil },
		Close:   func() error { return errors.Join(d.close(), stop()) },
	}, nil
}

// simulatedDaemon is the daemon's parts of one clinic, called one after the other and not
// by a queue.
type simulatedDaemon struct {
	ledger    *store.Store
	clock     clock.Clock
	connector ehr.Connector
	desk      *intake.Desk
	// looking looks again for charts that it has not found; waiting does not, for polls
	// before which no chart has changed.
	looking, waiting *scheduler.Worker
	clinic           callback.ClinicID
	path             string
}

// watched tells of every callback that is changed.
type watched struct {
	callback.Ledger
	seen func(callback.Record)
}

// Update is the ledger's.
func (w watched) Update(ctx context.Context, id callback.ID, change func(*callback.Record) error) (callback.Record, error) {
	rec, err := w.Ledger.Update(ctx, id, change)
	if err == nil {
		w.seen(rec)
	}
	return rec, err
}

// never is how long a worker waits until it looks for a chart again that does not look.
const never = 100 * 365 * 24 * time.Hour

func (b *benches) daemon(ctx context.Context, c simulate.Clinic, base string, at clock.Clock, seen func(callback.Record)) (_ *simulatedDaemon, err error) {
	d := &simulatedDaemon{clock: at, clinic: c.ID, path: filepath.Join(b.dir, string(c.ID)+".db")}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
		}
	}()
	d.ledger, err = store.Open(ctx, store.Options{DSN: "sqlite:" + d.path, Keys: b.keys, Migrate: true, Clock: at, Disposable: true})
	if err != nil {
		return nil, err
	}
	// What an EHR can do does not change here, so the connector's clock, which says how long
	// ago it was asked for that, stands still.
	settings := ehr.Settings{ID: simulatedEHR, Clinic: c.ID, Zone: c.Zone, Region: "US", Clock: clock.NewManual(at.Now()),
		Secret: func(string, string, string) (redact.Secret, error) { return redact.Secret{}, nil }}
	d.connector, err = fhirr4.Kind().New(settings, func(into any) error {
		return yaml.Unmarshal(fmt.Appendf(nil, "base_url: %s\nmrn_system: %s\n", base, sandbox.SystemMRN), into)
	})
	if err != nil {
		return nil, err
	}
	rules := workflow.Default(businesstime.Weekdays(c.Zone))
	ledger := watched{d.ledger, seen}
	d.desk = intake.NewDesk(ledger, at, nil, intake.Clinic{ID: c.ID, Region: "US", Rules: rules, EHR: simulatedEHR, ProposeVisits: c.Habits.Proposes})
	o := scheduler.Options{Ledger: ledger, Clock: at,
		Sites: []scheduler.Site{{Clinic: c.ID, Rules: rules, ID: simulatedEHR, EHR: d.connector, Poll: defaultPoll}}}
	if b.compressed() {
		o.ResolveEvery, o.IndexLag, o.Overlap = time.Millisecond, time.Millisecond, 5*time.Second
	}
	d.looking = scheduler.NewWorker(o)
	o.ResolveEvery = never
	d.waiting = scheduler.NewWorker(o)
	return d, nil
}

func (d *simulatedDaemon) close() error {
	if d.connector != nil {
		d.connector.Close()
	}
	if d.ledger == nil {
		return nil
	}
	return errors.Join(d.ledger.Close(), os.Remove(d.path)) // many clinics would fill the disk
}

// Take takes a request.
func (d *simulatedDaemon) Take(ctx context.Context, s intake.Submission) (callback.Taken, error) {
	return d.desk.Take(ctx, s)
}

// maxRounds bounds how often what lags is looked for: without faults two rounds are enough.
const maxRounds = 20

// Deliver syncs what lags until nothing does.
func (d *simulatedDaemon) Deliver(ctx context.Context) error {
	for range maxRounds {
		lags, err := d.ledger.Lagging(ctx, d.clock.Now(), 200)
		if err != nil || len(lags) == 0 {
			return err
		}
		for _, l := range lags {
			if err := d.waiting.Sync(ctx, l.Link); err != nil {
				return err
			}
		}
	}
	return fmt.Errorf("links of %s still lag after %d rounds", d.clinic, maxRounds)
}

// Poll polls one feed.
func (d *simulatedDaemon) Poll(ctx context.Context, f callback.Feed, charts bool) error {
	if charts {
		return d.looking.Poll(ctx, simulatedEHR, f)
	}
	return d.waiting.Poll(ctx, simulatedEHR, f)
}

// Judge says what an appointment says about a callback.
func (d *simulatedDaemon) Judge(ctx context.Context, id callback.ID, appointment string) (callback.Evidence, error) {
	return d.waiting.Judge(ctx, id, appointment)
}
