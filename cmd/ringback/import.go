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
	"github.com/ringback-health/ringback/internal/config"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/intake"
	numbers "github.com/ringback-health/ringback/internal/phone"
	"github.com/ringback-health/ringback/internal/redact"
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
	if log.Misdated && !f.dryRun && f.zone == "" && !f.utc {
		return fmt.Errorf("%s: %s\nNothing was imported. Say which zone its times are in with --zone or --utc, or try it with --dry-run", file, strings.Join(log.Warnings, "\n"))
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
	take := func(context.Context, calls.Session) (callback.Taken, error) { return callback.Taken{}, nil }
	if f.dryRun {
		err = importSessions(cmd.Context(), detail, sessions, f, take, &res)
	} else {
		err = withLedger(cmd, func(ctx context.Context, l ledger) error {
			desk, err := newDesk(cfg, l, nil)
			if err != nil {
				return err
			}
			return importSessions(ctx, detail, sessions, f, submit(desk, f, regionOf(cfg, f.clinic), &res), &res)
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

func regionOf(cfg config.Config, clinic string) string {
	for _, c := range cfg.Clinics {
		if c.ID == clinic {
			return c.Region
		}
	}
	return ""
}

// importSessions takes every session that needs a callback and says what became
// of each.
func importSessions(ctx context.Context, w io.Writer, sessions []calls.Session, f importFlags,
	take func(context.Context, calls.Session) (callback.Taken, error), res *importResult) error {
	for _, s := range sessions {
		res.Verdicts[string(s.Verdict)]++
		did := "nothing to do"
		if s.Verdict.NeedsCallback() {
			taken, err := take(ctx, s)
			var invalid *intake.Invalid
			switch {
			case err == nil:
				did = res.count(taken, f.dryRun)
			case errors.As(err, &invalid):
				res.Refused++
				did = "NOT TAKEN, " + invalid.Error()
			default:
				return fmt.Errorf("the call of rows %s cannot be stored: %s; everything before it is imported, import the log again to go on",
					spanOf(s.Rows), fault.Describe(err))
			}
		} else {
			res.Ignored[string(s.Verdict)]++
		}
		fmt.Fprintf(w, "rows %-8s %s  %-18s %s: %s\n", spanOf(s.Rows), s.StartedAt.UTC().Format(time.RFC3339), s.Verdict, did, strings.Join(s.Reasons, "; "))
	}
	return nil
}

// count keeps the score and says what was done.
func (r *importResult) count(t callback.Taken, dryRun bool) string {
	switch {
	case dryRun:
		r.Callbacks++
		return "would be a callback"
	case t.Again:
		r.Known++
		return "known already, callback " + string(t.Callback.ID)
	case t.Disposition == callback.Merged:
		r.Merged++
		return "added to callback " + string(t.Callback.ID)
	case t.Disposition == callback.Ignored:
		r.Ignored[t.Reason]++
		return "no callback, " + t.Reason
	default:
		r.Callbacks++
		return "callback " + string(t.Callback.ID)
	}
}

// submit makes a submission of a session. A caller without a number is one who
// withheld it; a number that cannot be dialled is kept as text for a person.
func submit(desk *intake.Desk, f importFlags, region string, res *importResult) func(context.Context, calls.Session) (callback.Taken, error) {
	return func(ctx context.Context, s calls.Session) (callback.Taken, error) {
		// The time belongs to the id: counters of phone systems start again.
		sub := intake.Submission{Source: f.source, SourceID: fmt.Sprintf("%s@%d", s.ID, s.StartedAt.Unix()), Clinic: f.clinic, ReceivedAt: s.StartedAt,
			Name: s.FromName, Phone: s.From, Raw: rawSession(s)}
		if _, err := numbers.Parse(s.From.Reveal(), region); errors.Is(err, numbers.ErrWithheld) {
			sub.Phone = redact.NewText("anonymous")
		} else if err != nil {
			res.Unreadable++
			sub.Phone = redact.Text{}
			sub.Text = redact.NewText("Number as the phone system wrote it: " + s.From.Reveal())
		}
		return desk.Take(ctx, sub)
	}
}

// rawSession is what is stored of a session as it came.
func rawSession(s calls.Session) []byte {
	return fmt.Appendf(nil, "session=%s\nrows=%s\nfrom=%s\nname=%s\nto=%s\nstarted=%s\nverdict=%s\nreasons=%s\n", s.ID, spanOf(s.Rows),
		s.From.Reveal(), s.FromName.Reveal(), s.To.Reveal(), s.StartedAt.UTC().Format(time.RFC3339), s.Verdict, strings.Join(s.Reasons, "; "))
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
