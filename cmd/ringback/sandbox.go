package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/sandbox"
)

func newSandbox() *cobra.Command {
	var addr, client string
	var auth, empty bool
	cmd := &cobra.Command{
		Use:   "sandbox",
		Short: "Run an EHR made up for demonstrations and tests",
		Long: `Run a small FHIR R4 server with a made-up practice, in memory. It is for
demonstrations and tests only: it forgets everything when it stops, and anybody
who reaches it may read it. Never put a real patient into it.

To make it misbehave, post faults to /_sandbox/faults; DELETE clears them:

  curl http://127.0.0.1:8090/_sandbox/faults -H 'Content-Type: application/json' -d '{"method": "POST", "path_prefix": "/Task", "times": 2, "action": "drop-after"}'

Actions: status (with "status": 503, "headers", "body": outcome, html, empty or
truncated), status-after, drop-before, drop-after, latency ("latency_ms"),
index-lag ("lag_ms"), no-conditional-create, ignore-if-match. "probability" with
"seed" strikes at random. GET /_sandbox/requests lists what was asked.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ehr := sandbox.New(sandbox.Options{Clock: clock.System{}, RequireAuth: auth, ClientID: client, ClientSecret: client})
			if !empty {
				if _, err := sandbox.SeedClinic(ehr.Store(), sandbox.ClinicOptions{}); err != nil {
					return err
				}
			}
			l, err := (&net.ListenConfig{}).Listen(cmd.Context(), "tcp", addr)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "The sandbox EHR listens at http://%s/fhir/R4 (made-up data, in memory). Ctrl-C stops it.\n", l.Addr())
			return serveHTTP(cmd.Context(), l, ehr)
		},
	}
	cmd.Flags().StringVar(&addr, "addr", "127.0.0.1:8090", "the `ADDRESS` to listen on")
	cmd.Flags().BoolVar(&auth, "auth", false, "ask for a token of its own token endpoint")
	cmd.Flags().StringVar(&client, "client", "", "with --auth: the only client id, and its secret")
	cmd.Flags().BoolVar(&empty, "empty", false, "start without the made-up practice")
	return cmd
}

// serveHTTP answers on l until ctx ends.
func serveHTTP(ctx context.Context, l net.Listener, h http.Handler) error {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err := srv.Shutdown(grace)
	if served := <-done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}
