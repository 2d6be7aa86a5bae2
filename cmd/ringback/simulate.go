package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"github.com/ringback-health/ringback/simulate"
	"github.com/ringback-health/ringback/store"
)

type simulateFlags struct {
	clinics, days int
	seed          uint64
	url, clockURL string
	explain       string
	asJSON        bool
}

func newSimulate() *cobra.Command {
	var f simulateFlags
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Play made-up clinics for days and count what closes, reopens and goes to review rightly",
		Long: `Play made-up clinics, whose patients call, book, cancel and do not come and whose
staff work in the EHR by hand, against the daemon's own parts, and hold what the
daemon did against the truth. See docs/simulate.md.

The same seed gives the same world and the same result. Each failure is named; to
see its story, the truth beside what the daemon saw, run the same command with
--explain and the name.

Exit code 1: a goal was missed.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.clinics < 1 || f.days < 1 {
				return errors.New("--clinics and --days must be at least 1")
			}
			if f.url != "" && f.clinics > 1 {
				return errors.New("an EHR by --ehr is one clinic's: its patients are all in one place; use --clinics 1")
			}
			if f.clockURL != "" && f.url == "" {
				return errors.New("--ehr-clock sets the clock of the EHR by --ehr; name that as well, or leave both out to play against a sandbox")
			}
			return runSimulate(cmd, f)
		},
	}
	cmd.Flags().IntVar(&f.clinics, "clinics", 1, "how many clinics")
	cmd.Flags().IntVar(&f.days, "days", 30, "for how many days requests come in")
	cmd.Flags().Uint64Var(&f.seed, "seed", 1, "which world")
	cmd.Flags().StringVar(&f.url, "ehr", "", "the FHIR base `URL` of an empty EHR for tests to play at, instead of a sandbox")
	cmd.Flags().StringVar(&f.clockURL, "ehr-clock", "", "the `URL` at which the clock of that EHR can be set, by PUT with an instant")
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "print the result as one JSON object")
	cmd.Flags().StringVar(&f.explain, "explain", "", "tell the story of one `CALLBACK`, named as in the failures: c3-124")
	return cmd
}

func runSimulate(cmd *cobra.Command, f simulateFlags) (err error) {
	dir, err := os.MkdirTemp("", "ringback-simulate-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	keys, err := store.GenerateKeys()
	if err != nil {
		return err
	}
	b := &benches{dir: dir, keys: keys, url: f.url, clockURL: f.clockURL}
	o := simulate.Options{Clinics: f.clinics, Days: f.days, Seed: f.seed}
	if b.compressed() {
		o.Begin, o.Compressed = time.Now(), true
	}
	if f.explain != "" {
		return explainSimulated(cmd.Context(), cmd.OutOrStdout(), o, b, f)
	}
	if f.clinics > 1 && onTerminal(cmd.ErrOrStderr()) {
		o.Progress = func(done, of int) { fmt.Fprintf(cmd.ErrOrStderr(), "\r%d of %d clinics ", done, of) }
	}
	// Memory is plenty for what is alive; half of the time went into looking after it.
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	began := time.Now()
	tally, err := simulate.Run(cmd.Context(), o, b.open)
	if err != nil {
		return err
	}
	if o.Progress != nil {
		fmt.Fprint(cmd.ErrOrStderr(), "\r\033[K")
	}
	report := simulate.NewReport(o, tally)
	if f.asJSON {
		err = printJSON(cmd.OutOrStdout(), report)
	} else {
		err = report.Print(cmd.OutOrStdout())
		fmt.Fprintf(cmd.OutOrStdout(), "\nIt took %s: %.0f ms for each day of a clinic.\n", time.Since(began).Round(100*time.Millisecond),
			float64(time.Since(began).Milliseconds())/float64(f.clinics*f.days))
	}
	if err != nil {
		return err
	}
	if missed := report.Missed(); missed > 0 {
		return found("%d goals are missed", missed)
	}
	return nil
}

// onTerminal reports whether a person is looking at w.
func onTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func explainSimulated(ctx context.Context, out io.Writer, o simulate.Options, b *benches, f simulateFlags) error {
	lines, err := simulate.Explain(ctx, o, b.open, f.explain)
	if err != nil {
		return err
	}
	if f.asJSON {
		return printJSON(out, lines)
	}
	rows := [][]string{{"when (UTC)", "who", "what"}}
	for _, l := range lines {
		rows = append(rows, []string{l.At.UTC().Format("2006-01-02 15:04:05"), l.Who, l.Say})
	}
	return table(out, rows)
}
