package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/connectors/phone"
	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/internal/config"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/intake"
	numbers "github.com/ringback-health/ringback/internal/phone"
	"github.com/ringback-health/ringback/scheduler"
)

type importFlags struct {
	clinic, format, zone string
	source               string
	utc, dryRun, asJSON  bool
	publicContexts       []string
	trunks               []string
}

func newImport() *cobra.Command {
	var f importFlags
	cmd := &cobra.Command{
		Use:   "import FILE --clinic ID --format FORMAT",
		Short: "Read a phone system's call log and make callbacks of what nobody answered",
		Long: `Read a call log, put the legs of each call together, and make one callback for
every call from outside that no person answered. It prints what it did with every
row. Importing the same log again changes nothing.

A row that is damaged, or a call that cannot be taken, is named and skipped; the
rest is imported, and the exit code is 1, so that somebody looks.`,
		Example: "  ringback import Master.csv --clinic main-street --format asterisk --dry-run",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.source == "" {
				f.source = f.format
			}
			return runImport(cmd, args[0], f)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.clinic, "clinic", "", "the clinic that was called, as the configuration names it")
	fl.StringVar(&f.format, "format", "", "the format of the log: "+strings.Join(formatNames(), ", "))
	fl.StringVar(&f.source, "source", "", "what the callbacks say they came from (default: the format); name it where a clinic has several phone systems")
	fl.StringVar(&f.zone, "zone", "", "the zone of the log's times (default: the clinic's)")
	fl.BoolVar(&f.utc, "utc", false, "the log's times are in UTC")
	fl.BoolVar(&f.dryRun, "dry-run", false, "only say what would be done")
	fl.BoolVar(&f.asJSON, "json", false, "end with one JSON object instead of a summary, and print nothing else")
	fl.StringSliceVar(&f.publicContexts, "public-context", nil, "asterisk: further dialplan contexts in which calls from outside arrive")
	fl.StringSliceVar(&f.trunks, "trunk", nil, "asterisk: peers that connect to the public network")
	must(cmd.MarkFlagRequired("clinic"))
	must(cmd.MarkFlagRequired("format"))
	return cmd
}

// importResult is what --json prints.
type importResult struct {
	File      string         `json:"file"`
	Layout    string         `json:"layout"`
	DryRun    bool           `json:"dry_run"`
	Rows      int            `json:"rows"`
	Sessions  int            `json:"sessions"`
	Verdicts  map[string]int `json:"verdicts"`
	Callbacks int            `json:"callbacks"`
	Merged    int            `json:"merged"`
	Known     int            `json:"known"`
	Refused   int            `json:"refused"`
	// Unreadable counts callers whose number cannot be dialled as it was written.
	Unreadable int            `json:"numbers_unreadable"`
	Ignored    map[string]int `json:"ignored"`
	Explained  map[string]int `json:"rows_explained"`
	Damaged    int            `json:"rows_damaged"`
	Warnings   []string       `json:"warnings"`
}

func runImport(cmd *cobra.Command, file string, f importFlags) error {
	cfg, err := loadConfig(cmd)
	if err != nil {
		return err
	}
	log, sessions, err := readLog(cmd.Context(), cfg, file, f)
	if err != nil {
		return err
	}
	if !f.dryRun {
		if err := f.dated(file, log); err != nil {
			return fmt.Errorf("%w, or try it with --dry-run", err)
		}
	}
	res := importResult{File: file, Layout: log.Layout, DryRun: f.dryRun, Rows: log.Rows, Sessions: len(sessions), Damaged: log.Damaged(),
		Verdicts: map[string]int{}, Ignored: map[string]int{}, Explained: map[string]int{}, Warnings: append([]string{}, log.Warnings...)}
	detail := cmd.OutOrStdout()
	if f.asJSON {
		detail = io.Discard
	}
	fmt.Fprintf(detail, "%s, layout: %s\n", file, log.Layout)
	for _, n := range log.Explained {
		res.Explained[n.Reason]++
		fmt.Fprintf(detail, "line %-9d %s\n", n.Line, n.Reason)
	}
	if f.dryRun {
		err = importSessions(cmd.Context(), detail, sessions, dryRun, &res)
	} else {
		err = withLedger(cmd, func(ctx context.Context, l ledger) error {
			desk, err := newDesk(cfg, l, nil)
			if err != nil {
				return err
			}
			take, err := take(cfg, l, desk, f)
			if err != nil {
				return err
			}
			return importSessions(ctx, detail, sessions, take, &res)
		})
	}
	if err != nil {
		return err
	}
	if f.asJSON {
		err = printJSON(cmd.OutOrStdout(), res)
	} else {
		printSummary(cmd.OutOrStdout(), res)
	}
	if err == nil && res.Damaged+res.Refused > 0 {
		return found("%d rows of %s are damaged and %d calls were not taken; look at them, mend the cause and import the log again", res.Damaged, file, res.Refused)
	}
	return err
}

// dated refuses a log that itself says that its times are of another zone, unless
// somebody said which.
func (f importFlags) dated(file string, log phone.Log) error {
	if !log.Misdated || f.zone != "" || f.utc {
		return nil
	}
	return fmt.Errorf("%s: %s\nNothing was done. Say which zone its times are in with --zone or --utc", file, strings.Join(log.Warnings, "\n"))
}

// readLog reads the file and puts the legs of each call together.
func readLog(ctx context.Context, cfg config.Config, file string, f importFlags) (phone.Log, []calls.Session, error) {
	cl, err := clinicNamed(cfg, f.clinic)
	if err != nil {
		return phone.Log{}, nil, err
	}
	zone, err := cl.Location()
	if f.zone != "" {
		if zone, err = time.LoadLocation(f.zone); err != nil {
			err = fmt.Errorf("--zone: %q is not known; write it as America/New_York", f.zone)
		}
	}
	if err != nil {
		return phone.Log{}, nil, err
	}
	format, err := logFormats.Lookup(f.format)
	if err != nil {
		return phone.Log{}, nil, fmt.Errorf("--format: %w", err)
	}
	rules, err := callRules(f.publicContexts, f.trunks)
	if err != nil {
		return phone.Log{}, nil, err
	}
	r, err := os.Open(file)
	if err != nil {
		return phone.Log{}, nil, fmt.Errorf("the call log cannot be read: %w", err)
	}
	defer r.Close()
	log, err := phone.Read(format, reader{ctx, r}, phone.Options{Zone: zone, UTC: f.utc, Region: cl.Region})
	if err != nil {
		return log, nil, fmt.Errorf("%s: %w", file, err)
	}
	sessions := calls.Collapse(log.Legs, rules)
	return log, sessions, log.Account(sessions)
}

// callRules are the rules of a plain phone system and what the flags add to them.
func callRules(publicContexts, trunks []string) (calls.Rules, error) {
	rules := calls.DefaultRules()
	rules.PublicContexts = append(rules.PublicContexts, publicContexts...)
	rules.Trunks = append(rules.Trunks, trunks...)
	return rules, rules.Validate()
}

// reader ends with its context, so that a log without an end can be stopped.
type reader struct {
	ctx context.Context
	r   io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

// taker takes a call into the ledger; see scheduler.Switchboard.Take.
type taker func(context.Context, calls.Session) (c callback.Call, known bool, err error)

// importSessions takes every session and says what became of each.
func importSessions(ctx context.Context, w io.Writer, sessions []calls.Session, take taker, res *importResult) error {
	for _, s := range sessions {
		res.Verdicts[string(s.Verdict)]++
		c, known, err := take(ctx, s)
		var invalid *intake.Invalid
		did := ""
		switch {
		case err == nil:
			did = res.count(c, known)
		case errors.As(err, &invalid):
			res.Refused++
			did = "NOT TAKEN, " + invalid.Error()
		default:
			return fmt.Errorf("the call of rows %s cannot be stored: %s; everything before it is imported, import the log again to go on",
				spanOf(s.Rows), fault.Describe(err))
		}
		fmt.Fprintf(w, "rows %-8s %s  %-18s %s: %s\n", spanOf(s.Rows), s.StartedAt.UTC().Format(time.RFC3339), s.Verdict, did, strings.Join(s.Reasons, "; "))
	}
	return nil
}

// count keeps the score and says what was done.
func (r *importResult) count(c callback.Call, known bool) string {
	if c.Verdict.NeedsCallback() && c.Number.IsEmpty() && !numbers.Withheld(c.From.Reveal()) {
		r.Unreadable++
	}
	switch {
	case r.DryRun && c.Verdict.NeedsCallback():
		r.Callbacks++
		return "would be a callback"
	case c.Callback == "" && c.Why == callback.NoCallback(c.Verdict):
		r.Ignored[string(c.Verdict)]++
		return "no callback"
	case c.Callback == "":
		r.Ignored[c.Why]++
		return "no callback, " + c.Why
	case known:
		r.Known++
		return "known already, callback " + string(c.Callback)
	case c.Disposition == callback.Merged:
		r.Merged++
		return "added to callback " + string(c.Callback)
	default:
		r.Callbacks++
		return "callback " + string(c.Callback)
	}
}

// dryRun takes nothing.
func dryRun(_ context.Context, s calls.Session) (callback.Call, bool, error) {
	return callback.Call{Session: s, Why: callback.NoCallback(s.Verdict)}, false, nil
}

// importedID names a call of a log. The time belongs to it: counters of phone systems
// start again.
func importedID(s calls.Session) string { return fmt.Sprintf("%s@%d", s.ID, s.StartedAt.Unix()) }

// take takes calls of one phone system's log.
func take(cfg config.Config, l ledger, desk *intake.Desk, f importFlags) (taker, error) {
	cl, err := clinicNamed(cfg, f.clinic)
	if err != nil {
		return nil, err
	}
	rules, err := clinicRules(cl)
	if err != nil {
		return nil, err
	}
	source := callback.PhoneID(f.source)
	board := scheduler.NewSwitchboard(scheduler.SwitchboardOptions{Ledger: l, Desk: desk, Clock: clock.System{},
		Phones: []scheduler.Phone{{Clinic: callback.ClinicID(cl.ID), ID: source, Rules: rules, Region: cl.Region}}})
	return func(ctx context.Context, s calls.Session) (callback.Call, bool, error) {
		s.ID = importedID(s)
		return board.Take(ctx, source, s)
	}, nil
}

// spanOf writes line numbers as ranges: "4-6,9".
func spanOf(rows []int) string {
	var parts []string
	for i := 0; i < len(rows); {
		j := i
		for j+1 < len(rows) && rows[j+1] == rows[j]+1 {
			j++
		}
		if i == j {
			parts = append(parts, fmt.Sprint(rows[i]))
		} else {
			parts = append(parts, fmt.Sprintf("%d-%d", rows[i], rows[j]))
		}
		i = j + 1
	}
	return strings.Join(parts, ",")
}

func printSummary(w io.Writer, r importResult) {
	explained := 0
	for _, n := range r.Explained {
		explained += n
	}
	fmt.Fprintf(w, "\n%d rows: %d in %d calls, %d explained one by one, %d of those damaged.\n",
		r.Rows, r.Rows-explained, r.Sessions, explained, r.Damaged)
	for _, v := range slices.Sorted(maps.Keys(r.Verdicts)) {
		fmt.Fprintf(w, "  %4d  %s\n", r.Verdicts[v], v)
	}
	verb := "made"
	if r.DryRun {
		verb = "would be made (at most: repeated calls are added to the first)"
	}
	fmt.Fprintf(w, "%d callbacks %s, %d calls added to one, %d known already, %d not taken.\n", r.Callbacks, verb, r.Merged, r.Known, r.Refused)
	if r.Unreadable > 0 {
		fmt.Fprintf(w, "Note: the numbers of %d calls cannot be dialled as they are written; they stand in the text of their callbacks. "+
			"If most are like that, the clinic's region in the configuration is not that of the phone system.\n", r.Unreadable)
	}
	for _, warning := range r.Warnings {
		fmt.Fprintln(w, "Note:", warning)
	}
}
