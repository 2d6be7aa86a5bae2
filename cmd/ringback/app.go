package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/workflow"
	"github.com/ringback-health/ringback/connectors/ehr"
	"github.com/ringback-health/ringback/connectors/ehr/fhirr4"
	"github.com/ringback-health/ringback/connectors/phone"
	"github.com/ringback-health/ringback/connectors/phone/aircall"
	"github.com/ringback-health/ringback/connectors/phone/amazonconnect"
	"github.com/ringback-health/ringback/connectors/phone/asterisk"
	"github.com/ringback-health/ringback/connectors/phone/calllog"
	"github.com/ringback-health/ringback/connectors/phone/dialpad"
	"github.com/ringback-health/ringback/connectors/phone/quo"
	"github.com/ringback-health/ringback/connectors/phone/ringcentral"
	"github.com/ringback-health/ringback/connectors/phone/threecx"
	"github.com/ringback-health/ringback/connectors/phone/twilio"
	"github.com/ringback-health/ringback/connectors/phone/webform"
	"github.com/ringback-health/ringback/connectors/phone/zoomphone"
	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/internal/config"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/intake"
	"github.com/ringback-health/ringback/scheduler"
	"github.com/ringback-health/ringback/server"
	"github.com/ringback-health/ringback/store"
)

// ehrKinds, phoneSystems and logFormats are what this build knows.
var (
	ehrKinds     = ehr.NewRegistry(fhirr4.Kind())
	phoneSystems = phone.NewSystems(aircall.Kind(), amazonconnect.Kind(), dialpad.Kind(), quo.Kind(), ringcentral.Kind(), twilio.Kind(), webform.Kind(),
		zoomphone.Kind())
	logFormats = mustRegister(phone.NewRegistry(asterisk.Format{}, asterisk.QueueLog{}, threecx.Format{}, calllog.Format{}))
)

func mustRegister(r phone.Registry, err error) phone.Registry {
	must(err)
	return r
}

// ledger is what the commands use of the store.
type ledger interface {
	callback.Ledger
	callback.Tokens
}

// loadConfig reads the file that --config names.
func loadConfig(cmd *cobra.Command) (config.Config, error) {
	path, err := cmd.Flags().GetString("config")
	if err != nil {
		return config.Config{}, err
	}
	return config.Load(path)
}

// newLogger writes the log to w as the configuration says.
func newLogger(w io.Writer, l config.Log) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(l.Level)) // config.Validate has checked it
	opts := &slog.HandlerOptions{Level: level}
	if l.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

// storeOptions say where the ledger is.
func storeOptions(cfg config.Config, log *slog.Logger) (store.Options, error) {
	dsn, err := cfg.DSN()
	if err != nil {
		return store.Options{}, err
	}
	return store.Options{DSN: dsn.Reveal(), KeysFile: cfg.Path(cfg.KeysFile), Clock: clock.System{}, Logger: log}, nil
}

// withLedger opens the configured ledger for one command.
func withLedger(cmd *cobra.Command, do func(ctx context.Context, l ledger) error) (err error) {
	cfg, err := loadConfig(cmd)
	if err != nil {
		return err
	}
	opts, err := storeOptions(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	st, err := store.Open(cmd.Context(), opts)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	return do(cmd.Context(), st)
}

// newConnectors makes the connector of every clinic that has an EHR. shared is the
// ledger of a daemon that is not alone; nil: nobody else talks to the EHRs. counts counts
// the requests; nil: nobody does.
func newConnectors(cfg config.Config, shared callback.Connections, counts *server.EHRCounts) (map[callback.EHRID]ehr.Connector, error) {
	made := map[callback.EHRID]ehr.Connector{}
	var errs []error
	for _, cl := range cfg.Clinics {
		if cl.EHR == nil {
			continue
		}
		zone, err := cl.Location()
		if err != nil {
			errs = append(errs, err)
			continue
		}
		settings := ehr.Settings{ID: callback.EHRID(cl.EHR.ID), Clinic: callback.ClinicID(cl.ID), Zone: zone, Region: cl.Region,
			Secret: cfg.Secret, Path: cfg.Path, SigningKeysFile: cfg.Path(cfg.SigningKeysFile), Push: cl.EHR.Push != nil}
		if shared != nil {
			settings.Turns = func(perSecond float64) ehr.Turns {
				return scheduler.Turns{Ledger: shared, EHR: settings.ID, PerSecond: perSecond}
			}
		}
		if counts != nil {
			settings.Sent = counts.Of(settings.Clinic, settings.ID)
		}
		c, err := ehrKinds.New(cl.EHR.Connector, settings, cl.EHR.DecodeSettings())
		if err != nil {
			errs = append(errs, fmt.Errorf("clinic %s: ehr %s: %w", cl.ID, cl.EHR.ID, err))
			continue
		}
		made[settings.ID] = c
	}
	return made, errors.Join(errs...)
}

// clinicRules returns the workflow of a clinic.
func clinicRules(cl config.Clinic) (workflow.Rules, error) {
	cal, err := cl.Calendar()
	return workflow.Default(cal), err
}

// newDesk makes the way in for all clinics.
func newDesk(cfg config.Config, l callback.Callbacks, notify func()) (*intake.Desk, error) {
	var clinics []intake.Clinic
	for _, cl := range cfg.Clinics {
		rules, err := clinicRules(cl)
		if err != nil {
			return nil, err
		}
		c := intake.Clinic{ID: callback.ClinicID(cl.ID), Region: cl.Region, Rules: rules}
		if cl.EHR != nil {
			c.EHR, c.ProposeVisits = callback.EHRID(cl.EHR.ID), cl.EHR.ProposeVisits
		}
		clinics = append(clinics, c)
	}
	return intake.NewDesk(l, clock.System{}, notify, clinics...), nil
}

// defaultPoll is how often an EHR is asked for changes where its clinic does not say.
const defaultPoll = "@every 1m"

// app is the daemon, put together.
type app struct {
	ledger      *store.Store
	desk        *intake.Desk
	scheduler   *scheduler.Scheduler
	server      *server.Server
	ehrs        map[callback.EHRID]ehr.Connector
	phones      []phoneLine
	switchboard *scheduler.Switchboard
	reconciler  *scheduler.Reconciler
	clinics     []config.Clinic
	log         *slog.Logger
}

// pace is how fast the daemon looks; zero values take the scheduler's defaults.
type pace struct{ sweep, resolve, searchLag, indexLag, overlap, cooldown time.Duration }

// newApp opens the ledger and makes every part. What was opened is closed again
// when a later part cannot be made.
func newApp(ctx context.Context, cfg config.Config, log *slog.Logger, p pace) (_ *app, err error) {
	a := &app{clinics: cfg.Clinics, log: log}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close())
		}
	}()
	opts, err := storeOptions(cfg, log)
	if err != nil {
		return nil, err
	}
	if a.ledger, err = store.Open(ctx, opts); err != nil {
		return nil, err
	}
	counts := server.NewEHRCounts()
	if a.ehrs, err = newConnectors(cfg, a.sharedWith(opts), counts); err != nil {
		return nil, err
	}
	if a.scheduler, err = a.newScheduler(ctx, cfg, p); err != nil {
		return nil, err
	}
	if a.desk, err = newDesk(cfg, a.ledger, a.scheduler.Wake); err != nil {
		return nil, err
	}
	if a.phones, err = newPhoneLines(cfg); err != nil {
		return nil, err
	}
	if err := a.newSwitchboard(cfg); err != nil {
		return nil, err
	}
	published := publishedKeys(cfg)
	if published != nil {
		if _, err := published(); err != nil { // better now than when the first EHR refuses us
			return nil, err
		}
	}
	notifiers, err := a.notifiers(cfg)
	if err != nil {
		return nil, err
	}
	a.server, err = server.New(server.Options{Ledger: a.ledger, Tokens: a.ledger, Take: a.desk.Take, Wake: a.scheduler.Wake,
		Clock: clock.System{}, Logger: log, Ready: a.checks(cfg), Version: buildVersion(), OpenOnLoopback: true,
		Zone: zones(cfg), JWKS: published, EHRCounts: counts, Notifiers: notifiers, Pushes: a.pushes, Phones: a.hooks(cfg)})
	return a, err
}

// sharedWith returns the ledger when other daemons may run on it too.
func (a *app) sharedWith(o store.Options) callback.Connections {
	if strings.HasPrefix(o.DSN, "sqlite:") {
		return nil // the job queue admits one daemon only
	}
	return a.ledger
}

func (a *app) newScheduler(ctx context.Context, cfg config.Config, p pace) (*scheduler.Scheduler, error) {
	o := scheduler.Options{Ledger: a.ledger, Clock: clock.System{}, Logger: a.log,
		SweepEvery: p.sweep, ResolveEvery: p.resolve, SearchLag: p.searchLag, IndexLag: p.indexLag, Overlap: p.overlap}
	tell, err := newTell(cfg)
	if err != nil {
		return nil, err
	}
	o.Tell = tell
	for _, cl := range cfg.Clinics {
		if cl.EHR == nil {
			continue
		}
		rules, err := clinicRules(cl)
		if err != nil {
			return nil, err
		}
		poll := cl.EHR.Poll
		if poll == "" {
			poll = defaultPoll
		}
		id := callback.EHRID(cl.EHR.ID)
		push, err := sitePush(cfg, cl)
		if err != nil {
			return nil, err
		}
		o.Sites = append(o.Sites, scheduler.Site{Clinic: callback.ClinicID(cl.ID), Rules: rules, ID: id, EHR: a.ehrs[id], Poll: poll, SearchLag: cl.EHR.SearchLag,
			Pace: scheduler.Pace{AtFirst: cl.EHR.LookAgain.AtFirst, AtMost: cl.EHR.LookAgain.AtMost}, Push: push})
	}
	queue, err := queueOptions(cfg, p)
	if err != nil {
		return nil, err
	}
	o.Queue = queue
	return scheduler.New(ctx, o)
}

// queueOptions put the queue beside the ledger: in its own file, or in the same
// PostgreSQL, where a small file says which of its jobs are those of this daemon.
func queueOptions(cfg config.Config, p pace) (scheduler.QueueOptions, error) {
	dsn, err := cfg.DSN()
	if err != nil {
		return scheduler.QueueOptions{}, err
	}
	if !strings.HasPrefix(dsn.Reveal(), "sqlite:") {
		host, err := os.Hostname() // the folder may be shared with other machines
		if err != nil {
			return scheduler.QueueOptions{}, fmt.Errorf("this machine does not know its name: %w", err)
		}
		return scheduler.QueueOptions{Postgres: dsn, Cooldown: p.cooldown, Identity: cfg.Path(cfg.QueueFile) + "." + host + ".id"}, nil
	}
	return scheduler.QueueOptions{File: cfg.Path(cfg.QueueFile), Cooldown: p.cooldown}, nil
}

func zones(cfg config.Config) func(callback.ClinicID) *time.Location {
	known := map[callback.ClinicID]*time.Location{}
	for _, cl := range cfg.Clinics {
		if z, err := cl.Location(); err == nil {
			known[callback.ClinicID(cl.ID)] = z
		}
	}
	return func(id callback.ClinicID) *time.Location {
		if z := known[id]; z != nil {
			return z
		}
		return time.UTC
	}
}

// staleAfter is how long a feed may fail before the daemon is not ready.
const staleAfter = 15 * time.Minute

// checks are the readiness checks of every feed.
func (a *app) checks(cfg config.Config) []server.Check {
	var checks []server.Check
	for _, cl := range cfg.Clinics {
		if cl.EHR == nil {
			continue
		}
		checks = append(checks, server.Check{Name: cl.EHR.ID, Probe: func(ctx context.Context) (string, error) {
			return a.connection(ctx, callback.ClinicID(cl.ID), callback.EHRID(cl.EHR.ID))
		}})
		for _, f := range callback.Feeds {
			checks = append(checks, server.Check{Name: cl.EHR.ID + " " + string(f), Probe: func(ctx context.Context) (string, error) {
				return a.feedHealth(ctx, callback.ClinicID(cl.ID), callback.EHRID(cl.EHR.ID), f)
			}})
		}
	}
	return checks
}

// connection says how an EHR answers.
func (a *app) connection(ctx context.Context, clinic callback.ClinicID, id callback.EHRID) (string, error) {
	c, err := a.ledger.Connection(ctx, clinic, id)
	switch {
	case err != nil:
		return "", err
	case c.Failing():
		return "", fault.New(fault.Retry, "", fmt.Sprintf("does not do its work since %s: %s", c.Since.Format(time.RFC3339), c.Error)).WithHint(c.Hint)
	case clock.System{}.Now().Before(c.Until):
		return "asked to wait until " + c.Until.Format(time.RFC3339), nil
	default:
		return "answers", nil
	}
}

func (a *app) feedHealth(ctx context.Context, clinic callback.ClinicID, id callback.EHRID, f callback.Feed) (string, error) {
	st, err := a.ledger.FeedState(ctx, clinic, id, f)
	if err != nil {
		return "", err
	}
	age := clock.System{}.Now().Sub(st.LastSuccess).Round(time.Second)
	switch {
	case st.LastSuccess.IsZero() && st.LastError == "":
		return "not read yet", nil
	case st.LastSuccess.IsZero():
		return "", fault.New(fault.Retry, "", "never read: "+st.LastError)
	case age > staleAfter:
		return "", fault.New(fault.Retry, "", fmt.Sprintf("last read %s ago: %s", age, st.LastError))
	default:
		return fmt.Sprintf("last read %s ago", age) + clocks(st.Skew), nil
	}
}

// clocks says how the EHR's clock stands to ours, where that is worth a word.
func clocks(skew time.Duration) string {
	switch ahead := skew.Abs().Round(time.Second); {
	case ahead < time.Minute:
		return ""
	case skew > 0:
		return fmt.Sprintf("; its clock is %s ahead of ours", ahead)
	default:
		return fmt.Sprintf("; its clock is %s behind ours", ahead)
	}
}

// close gives up everything, in the reverse order.
func (a *app) close() error {
	for _, c := range a.ehrs {
		c.Close()
	}
	if a.ledger != nil {
		return a.ledger.Close()
	}
	return nil
}
