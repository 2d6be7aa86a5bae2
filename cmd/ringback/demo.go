package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/spf13/cobra"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/internal/config"
	"github.com/ringback-health/ringback/sandbox"
)

func newDemo() *cobra.Command {
	var once, asJSON, logged bool
	var addr, ehrAddr string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Play a morning at a made-up clinic, and leave it running to look at",
		Long: `Play a morning at a made-up clinic: a sandbox EHR and the daemon start in a
temporary folder, calls are missed, forms are sent, and a made-up front desk books,
completes and cancels in the EHR. Every line is a thing that happened. At the end
console and API go on running until Ctrl-C.

With --once it plays as fast as it can, counts, and stops. Exit code 1: something
was lost or doubled, or came out otherwise than it was played.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runDemo(cmd, demoFlags{once: once, asJSON: asJSON, logged: logged, addr: addr, ehrAddr: ehrAddr})
		},
	}
	cmd.Flags().BoolVar(&once, "once", false, "play it as fast as it can, and stop")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print only the count, as one JSON object")
	cmd.Flags().BoolVar(&logged, "log", false, "write the daemon's log to standard error")
	cmd.Flags().StringVar(&addr, "addr", "", "where the console listens (default 127.0.0.1:8080; with --once any free port)")
	cmd.Flags().StringVar(&ehrAddr, "ehr-addr", "", "where the sandbox EHR listens (default 127.0.0.1:8090; with --once any free port)")
	return cmd
}

type demoFlags struct {
	once, asJSON  bool
	logged        bool
	addr, ehrAddr string
}

// demoClinic is the clinic that the morning takes place in.
const demoClinic = "main-street"

func runDemo(cmd *cobra.Command, f demoFlags) (err error) {
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	out := cmd.OutOrStdout()
	if f.asJSON {
		out = io.Discard
	}
	dir, err := os.MkdirTemp("", "ringback-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	w, err := openDemo(ctx, dir, f)
	if err != nil {
		return err
	}
	stopped := make(chan error, 2)
	go func() { stopped <- serveHTTP(ctx, w.ehrListener, w.ehr) }()
	go func() { stopped <- w.app.run(ctx, w.listener) }()
	defer func() {
		cancel()
		err = errors.Join(err, <-stopped, <-stopped)
	}()

	started := time.Now()
	m := newMorning(w, out, f)
	if err := m.play(ctx); err != nil {
		return err
	}
	count, err := m.count(ctx)
	if err != nil {
		return err
	}
	count.Seconds = time.Since(started).Round(time.Millisecond).Seconds()
	if f.asJSON {
		err = printJSON(cmd.OutOrStdout(), count)
	} else {
		count.print(out)
	}
	if err != nil {
		return err
	}
	if wrong := count.wrong(m.expected); wrong != nil {
		return foundError{wrong}
	}
	if !f.once {
		fmt.Fprintf(out, "\n  console  http://%s/\n  API      http://%s/v1/callbacks   (described at http://%s/docs)\n  EHR      http://%s/fhir/R4/Task\n\nCtrl-C ends it and removes everything.\n",
			w.listener.Addr(), w.listener.Addr(), w.listener.Addr(), w.ehrListener.Addr())
		<-ctx.Done()
	}
	return nil
}

// demoWorld is the made-up clinic: its EHR and its daemon, listening and not yet running.
type demoWorld struct {
	ehr         *sandbox.Server
	practice    sandbox.Clinic
	ehrListener net.Listener
	app         *app
	listener    net.Listener
}

func openDemo(ctx context.Context, dir string, f demoFlags) (*demoWorld, error) {
	any := func(given, usual string) string {
		switch {
		case given != "":
			return given
		case f.once:
			return "127.0.0.1:0"
		}
		return usual
	}
	w := &demoWorld{ehr: sandbox.New(sandbox.Options{Clock: clock.System{}})}
	var err error
	if w.practice, err = sandbox.SeedClinic(w.ehr.Store(), sandbox.ClinicOptions{}); err != nil {
		return nil, err
	}
	var lc net.ListenConfig
	if w.ehrListener, err = lc.Listen(ctx, "tcp", any(f.ehrAddr, "127.0.0.1:8090")); err != nil {
		return nil, fmt.Errorf("the sandbox EHR cannot listen; choose another place with --ehr-addr: %w", err)
	}
	if w.listener, err = lc.Listen(ctx, "tcp", any(f.addr, "127.0.0.1:8080")); err != nil {
		return nil, errors.Join(fmt.Errorf("the console cannot listen; choose another place with --addr: %w", err), w.ehrListener.Close())
	}
	if w.app, err = openDemoApp(ctx, dir, w.ehrListener.Addr().String(), f.logged); err != nil {
		return nil, errors.Join(err, w.ehrListener.Close(), w.listener.Close())
	}
	return w, nil
}

func openDemoApp(ctx context.Context, dir, ehrAddr string, logged bool) (*app, error) {
	cfg := config.Default()
	cfg.Database = "sqlite:" + filepath.Join(dir, "ledger.db")
	cfg.KeysFile = filepath.Join(dir, "keys.json")
	cfg.QueueFile = filepath.Join(dir, "queue.db")
	settings, err := yamlNode("base_url: http://" + ehrAddr + "/fhir/R4\n")
	if err != nil {
		return nil, err
	}
	cfg.Clinics = []config.Clinic{{ID: demoClinic, Name: "Main Street Clinic", Zone: "America/New_York", Region: "US",
		EHR: &config.EHR{ID: "sandbox", Connector: "fhirr4", Poll: "@every 1s", ProposeVisits: true, Settings: settings}}}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	log := slog.New(slog.DiscardHandler)
	if logged {
		log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	opts, err := storeOptions(cfg, log)
	if err != nil {
		return nil, err
	}
	if _, err := migrate(ctx, opts); err != nil {
		return nil, err
	}
	return newApp(ctx, cfg, log, pace{sweep: 50 * time.Millisecond, resolve: 100 * time.Millisecond,
		searchLag: 100 * time.Millisecond, indexLag: time.Millisecond, cooldown: 10 * time.Millisecond})
}

// yamlNode reads settings as they would stand in a configuration file.
func yamlNode(text string) (ast.Node, error) {
	file, err := parser.ParseBytes([]byte(text), 0)
	if err != nil {
		return nil, err
	}
	return file.Docs[0].Body, nil
}

// demoCount is what a morning came to, counted from the ledger and the EHR.
type demoCount struct {
	Sessions        int     `json:"sessions"`
	Callbacks       int     `json:"callbacks"`
	WorkItems       int     `json:"work_items"`
	ClosedOnBooking int     `json:"closed_on_booking"`
	ClosedInEHR     int     `json:"closed_in_ehr"`
	Reopened        int     `json:"reopened"`
	Open            int     `json:"open"`
	NeedsReview     int     `json:"needs_review"`
	Lost            int     `json:"lost"`
	DuplicateItems  int     `json:"duplicate_items"`
	Seconds         float64 `json:"seconds"`
}

func (c demoCount) print(w io.Writer) {
	fmt.Fprintf(w, `
The morning, counted from the ledger and from the EHR:
  %2d calls at the phone system
  %2d callbacks, %d work items in the EHR
  %2d closed because the visit was booked
  %2d closed because staff ended the work item
  %2d opened again because the visit fell through
  %2d open, %d of them for a person to look at
  %2d lost, %d doubled
`, c.Sessions, c.Callbacks, c.WorkItems, c.ClosedOnBooking, c.ClosedInEHR, c.Reopened, c.Open, c.NeedsReview, c.Lost, c.DuplicateItems)
}

// wrong says what came out otherwise than it was played.
func (c demoCount) wrong(played demoCount) error {
	if c.Lost > 0 || c.DuplicateItems > 0 {
		return fmt.Errorf("%d requests were lost and %d work items doubled", c.Lost, c.DuplicateItems)
	}
	played.Seconds = c.Seconds
	if c != played {
		return fmt.Errorf("the morning came out otherwise than it was played: %+v instead of %+v", c, played)
	}
	return nil
}

// linkOf returns the callback's link to a resource of type t.
func linkOf(r callback.Record, t callback.ResourceType) (callback.Link, bool) {
	for _, l := range r.Links {
		if l.Type == t {
			return l, true
		}
	}
	return callback.Link{}, false
}
