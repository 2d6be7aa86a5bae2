package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ringback-health/ringback/callback/audit"
	"github.com/ringback-health/ringback/callback/businesstime"
	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/internal/auditreport"
	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/internal/config"
	numbers "github.com/ringback-health/ringback/internal/phone"
	"github.com/ringback-health/ringback/internal/redact"
)

type auditFlags struct {
	out, hours, appointments string
	format, zone, region     string
	utc, explain             bool
	publicContexts, trunks   []string
	newPatients, wouldBook   string
}

func newAudit() *cobra.Command {
	var f auditFlags
	cmd := &cobra.Command{
		Use:   "audit LOG... --out FOLDER",
		Short: "Say from a call log alone what became of a clinic's calls",
		Long: `Read the call log of a week, or of any time, and write a report: when people
called, which calls nobody answered, who was rung back and how soon, who rang again.
It needs no EHR, no configuration and no network, and changes nothing but the folder
of the report. See docs/audit.md for what each number means.

Several logs may overlap and come in any order. The report shows no phone number and
no name. It is about calls, so it can only be as good as the log: what a log cannot
show stands in the report.

Exit code 1: rows are damaged and in none of the numbers; the report is written.`,
		Example: "  ringback audit Master.csv --zone America/New_York --out report/\n" +
			"  ringback audit monday.csv tuesday.csv --hours workflow.yaml --appointments visits.csv --out report/",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return runAudit(cmd, args, f) },
	}
	fl := cmd.Flags()
	loss := audit.DefaultAssumptions()
	fl.StringVar(&f.out, "out", "", "the `FOLDER` for the report; made if there is none")
	fl.StringVar(&f.hours, "hours", "", "a workflow `FILE` with zone and opening hours (default: Monday to Friday 8 to 17)")
	fl.StringVar(&f.appointments, "appointments", "", "a CSV `FILE` of appointments: phone, and created or start")
	fl.StringVar(&f.format, "format", "", "the format of the logs: "+strings.Join(formatNames(), ", ")+" (default: found out)")
	fl.StringVar(&f.zone, "zone", "", "the zone of the log's times, and of the clinic where --hours says none (default: this machine's)")
	fl.BoolVar(&f.utc, "utc", false, "the log's times are in UTC")
	fl.StringVar(&f.region, "region", "", "the country of phone numbers without a country code (default: that of --hours, or US)")
	fl.StringSliceVar(&f.publicContexts, "public-context", nil, "asterisk: further dialplan contexts in which calls from outside arrive")
	fl.StringSliceVar(&f.trunks, "trunk", nil, "asterisk: peers that connect to the public network")
	fl.StringVar(&f.newPatients, "new-patients", shares(loss.NewLow, loss.NewHigh), "how many in a hundred callers nobody rang back are new patients, at least and at most")
	fl.StringVar(&f.wouldBook, "would-book", shares(loss.BookLow, loss.BookHigh), "how many in a hundred of those would have booked, at least and at most")
	fl.BoolVar(&f.explain, "explain", false, "say what each column of the logs was taken for")
	must(cmd.MarkFlagRequired("out"))
	return cmd
}

func formatNames() []string {
	var names []string
	for _, format := range logFormats.Formats() {
		names = append(names, format.Name())
	}
	return names
}

func shares(low, high float64) string { return fmt.Sprintf("%.0f-%.0f", 100*low, 100*high) }

// auditMemory is how much memory the audit takes before it works harder to need less.
const auditMemory = 220 << 20

// parseShares reads "10-30".
func parseShares(flag, s string) (low, high float64, err error) {
	from, to, two := strings.Cut(strings.TrimSuffix(s, "%"), "-")
	if !two {
		to = from
	}
	low, err1 := strconv.ParseFloat(strings.TrimSpace(from), 64)
	high, err2 := strconv.ParseFloat(strings.TrimSpace(to), 64)
	if err1 != nil || err2 != nil || !(0 <= low && low <= high && high <= 100) {
		return 0, 0, fmt.Errorf("--%s: %q are not two shares of a hundred; write them as 10-30", flag, s)
	}
	return low / 100, high / 100, nil
}

// auditPlan is what the flags and the hours file come to.
type auditPlan struct {
	options     audit.Options
	rules       calls.Rules
	zone        *time.Location // of the log's times
	zoneGuessed bool
	region      string
}

func newAuditPlan(f auditFlags) (p auditPlan, err error) {
	p.options = audit.Options{HoursAssumed: f.hours == "", ShortClosed: audit.DefaultShortClosed}
	if p.options.Loss.NewLow, p.options.Loss.NewHigh, err = parseShares("new-patients", f.newPatients); err != nil {
		return p, err
	}
	if p.options.Loss.BookLow, p.options.Loss.BookHigh, err = parseShares("would-book", f.wouldBook); err != nil {
		return p, err
	}
	var hours config.Hours
	if f.hours != "" {
		if hours, err = config.LoadHours(f.hours); err != nil {
			return p, err
		}
		if p.options.Calendar, err = hours.Calendar(); err != nil {
			return p, err
		}
		p.zone = p.options.Calendar.Zone
	}
	switch {
	case f.zone != "":
		if p.zone, err = time.LoadLocation(f.zone); err != nil {
			return p, fmt.Errorf("--zone: %q is not known; write it as America/New_York", f.zone)
		}
	case p.zone == nil:
		if p.zone, err = localZone(); err != nil {
			return p, err
		}
		p.zoneGuessed = !f.utc
	}
	if p.options.HoursAssumed {
		p.options.Calendar = businesstime.Weekdays(p.zone)
	}
	p.region = firstOf(f.region, hours.Region, "US")
	if !numbers.KnownRegion(p.region) {
		return p, fmt.Errorf("--region: %q is not known; write the country's two letters, as US", p.region)
	}
	p.options.Key = numberKey(p.region)
	p.rules, err = callRules(f.publicContexts, f.trunks)
	return p, err
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// numberKey brings numbers into the form in which those of one person are equal: E.164
// where they can be read so, and otherwise their digits. What the clinic dialled may
// begin with the digit for an outside line.
func numberKey(region string) func(redact.Text, bool) string {
	return func(number redact.Text, dialled bool) string {
		n, err := numbers.Parse(number.Reveal(), region)
		if err == nil {
			return n.Reveal()
		}
		if errors.Is(err, numbers.ErrWithheld) {
			return ""
		}
		digits := strings.Map(func(c rune) rune {
			if c < '0' || c > '9' {
				return -1
			}
			return c
		}, number.Reveal())
		if dialled && len(digits) > 10 && strings.ContainsRune("089", rune(digits[0])) {
			if n, err := numbers.Parse(redact.NewText(digits[1:]).Reveal(), region); err == nil {
				return n.Reveal()
			}
		}
		if digits == "" { // the name of a device
			return "name " + number.Reveal()
		}
		return digits
	}
}

func runAudit(cmd *cobra.Command, files []string, f auditFlags) error {
	plan, err := newAuditPlan(f)
	if err != nil {
		return err
	}
	// The audit of a million rows must fit into a small machine.
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(auditMemory))
	a := audit.New(plan.options)
	in := auditreport.Input{Region: plan.region, Made: clock.System{}.Now(), Version: buildVersion()}
	r := logReader{ctx: cmd.Context(), files: files, plan: plan, flags: f, progress: newProgress(cmd.ErrOrStderr())}
	if in.Sources, err = r.read(a.Add); err != nil {
		return err
	}
	in.Repeated, in.Late = r.repeated, r.late
	if f.appointments != "" {
		visits, source, err := readVisits(cmd.Context(), f.appointments, plan)
		if err != nil {
			return err
		}
		a.AddVisits(visits)
		in.Appointments = &source
	}
	in.Report = a.Report()
	if err := auditreport.Write(f.out, in); err != nil {
		return err
	}
	if f.explain {
		r.explain(cmd.OutOrStdout())
	}
	printAudit(cmd.OutOrStdout(), in, f.out)
	damaged := 0
	for _, s := range in.Sources {
		damaged += s.Damaged
	}
	if in.Appointments != nil {
		damaged += in.Appointments.Damaged
	}
	if damaged > 0 {
		return found("%d rows are damaged and in none of the numbers; the report names the first of them", damaged)
	}
	return nil
}

// printAudit says the most important numbers.
func printAudit(w io.Writer, in auditreport.Input, out string) {
	r := in.Report
	fmt.Fprintf(w, "%d calls from outside: %d answered, %d missed, %d hung up at once.\n", r.Inbound.All(), r.Answered.All(), r.Missed.All(), r.Short.All())
	fmt.Fprintf(w, "%d requests behind the missed calls: %d rung back, %d got through themselves, %d still waiting.\n",
		r.Requests.All, r.Requests.Returned, r.Requests.Self, r.Requests.Waiting)
	for _, s := range in.Sources {
		for _, warning := range s.Warnings {
			fmt.Fprintf(w, "Note: %s: %s\n", s.File, warning)
		}
		if s.Damaged > 0 {
			fmt.Fprintf(w, "Note: %s: %d rows could not be read: %s\n", s.File, s.Damaged, strings.Join(s.Notes, "; "))
		}
	}
	fmt.Fprintf(w, "The report is in %s\n", filepath.Join(out, auditreport.Files[0]))
}
