package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/spf13/cobra"

	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/server"
)

func newServe() *cobra.Command {
	var first bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the daemon: API, console, and the sync with every clinic's EHR",
		Long: `Run the daemon until it is told to stop (Ctrl-C or SIGTERM). It stops in phases:
no new requests, no new jobs, running jobs end, the ledger is closed. What was
cut off goes on at the next start.

Without any API token (ringback tokens create) it listens on this machine only.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return serve(cmd, first) },
	}
	cmd.Flags().BoolVar(&first, "migrate", false, "bring the database up to date first")
	return cmd
}

func serve(cmd *cobra.Command, migrateFirst bool) error {
	cfg, err := loadConfig(cmd)
	if err != nil {
		return err
	}
	log := newLogger(cmd.ErrOrStderr(), cfg.Log)
	ctx := cmd.Context()
	if migrateFirst {
		opts, err := storeOptions(cfg, log)
		if err != nil {
			return err
		}
		if _, err := migrate(ctx, opts); err != nil {
			return err
		}
	}
	a, err := newApp(ctx, cfg, log, pace{})
	if err != nil {
		return err
	}
	tokens, err := a.ledger.ListTokens(ctx)
	if err == nil {
		err = server.CheckListen(cfg.Listen, len(tokens) > 0)
	}
	var listener net.Listener
	if err == nil {
		listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Listen)
	}
	if err != nil {
		return errors.Join(err, a.stop(ctx), a.close())
	}
	log.Info("listening", "address", listener.Addr().String(), "version", buildVersion(), "clinics", len(cfg.Clinics), "ehrs", len(a.ehrs))
	if len(tokens) == 0 {
		log.Warn("there is no API token: everybody on this machine may use the API; create one with: ringback tokens create")
	}
	return a.run(ctx, listener)
}

// stopWithin bounds the whole shutdown.
const stopWithin = 45 * time.Second

// run works until ctx ends, then stops in phases and closes everything.
func (a *app) run(ctx context.Context, l net.Listener) error {
	if err := a.scheduler.Start(ctx); err != nil {
		return errors.Join(err, l.Close(), a.stop(ctx), a.close())
	}
	a.switchboard.Start(ctx)
	a.reconciler.Start(ctx)
	err := a.server.Serve(ctx, l)
	a.log.Info("stopping")
	switch {
	case err == nil:
	case ctx.Err() != nil: // told to stop before it had begun; that is no failure
		a.log.Warn("http server was stopped early", "error", fault.Describe(err))
		err = nil
	default:
		err = fmt.Errorf("http server: %w", err)
	}
	err = errors.Join(err, a.stop(ctx), a.close())
	a.log.Info("stopped")
	return err
}

// stop ends the scheduler although ctx has ended.
func (a *app) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	a.reconciler.Stop()
	a.switchboard.Stop()
	return a.scheduler.Stop(ctx)
}
