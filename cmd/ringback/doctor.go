package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/connectors/ehr"
	"github.com/ringback-health/ringback/internal/config"
	"github.com/ringback-health/ringback/internal/doctor"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/redact"
	"github.com/ringback-health/ringback/scheduler"
)

// doctorOptions are the flags of one run.
type doctorOptions struct {
	asJSON      bool
	oneClinic   bool // --clinic was given
	clinic      string
	offline     bool
	testPatient string
	timeout     time.Duration
}

// tripTime is what a round trip may take beyond the other checks: most of it is
// waiting for the EHR's search.
const tripTime = time.Minute

func newDoctor() *cobra.Command {
	var o doctorOptions
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Examine this installation and every EHR, and say whose problem each fault is",
		Long: `Examine the configuration, the ledger and this machine, then the way to every EHR,
the login, and what the EHR will take. Each line says what was found, and below it
whose problem it is and what to do. Run it as the user that runs the daemon, which
may go on running meanwhile.

Nothing is written to an EHR, unless --test-patient names a patient who is no real
person: then one work item marked as a test is filed, found, changed and ended.

Exit codes: 0 nothing failed, warnings included; 1 something failed; 2 the call is
wrong or the configuration cannot be used.`,
		Example: "  ringback doctor\n  ringback doctor --clinic main-street --test-patient 4711\n  ringback doctor --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return err
			}
			o.oneClinic = cmd.Flags().Changed("clinic")
			return runDoctor(cmd, o)
		},
	}
	cmd.Flags().BoolVar(&o.asJSON, "json", false, "print JSON")
	cmd.Flags().StringVar(&o.clinic, "clinic", "", "only this clinic and its EHR")
	cmd.Flags().BoolVar(&o.offline, "offline", false, "do not talk to any EHR")
	cmd.Flags().StringVar(&o.testPatient, "test-patient", "", "file a test item for the patient with this `ID` in the EHR, who must be no real person")
	cmd.Flags().DurationVar(&o.timeout, "timeout", 30*time.Second, "how long the examination of one EHR may take")
	return cmd
}

func (o doctorOptions) check() error {
	switch {
	case o.timeout <= 0:
		return errors.New("--timeout must be more than 0, such as 30s")
	case o.offline && o.testPatient != "":
		return errors.New("--test-patient and --offline exclude each other")
	default:
		return nil
	}
}

// diagnosis is one run of the doctor.
type diagnosis struct {
	doctorOptions
	show     func(doctor.Finding) // as it comes; nil: not until the end
	findings []doctor.Finding
}

func (d *diagnosis) add(f doctor.Finding) {
	d.findings = append(d.findings, f)
	if d.show != nil {
		d.show(f)
	}
}

// section returns a function that adds findings about one thing.
func (d *diagnosis) section(about string) section {
	return func(check string, s doctor.Status, whose doctor.Party, what, do string) {
		d.add(doctor.Finding{About: about, Check: check, Status: s, Whose: whose, What: what, Do: do})
	}
}

// section adds a finding about one thing.
type section func(check string, s doctor.Status, whose doctor.Party, what, do string)

func (say section) ok(check, what string) { say(check, doctor.OK, doctor.Nobody, what, "") }

func (say section) skip(check, why string) {
	say(check, doctor.Skipped, doctor.Nobody, "not tried, because "+why, "")
}

// fail adds what an error says.
func (say section) fail(check string, whose doctor.Party, err error) {
	what, do := fault.Describe(err), ""
	var f *fault.Error
	if errors.As(err, &f) {
		what, do = f.What, f.Hint
	}
	say(check, doctor.Failed, whose, what, do)
}

func runDoctor(cmd *cobra.Command, o doctorOptions) error {
	d := &diagnosis{doctorOptions: o}
	p := doctor.NewPrinter(cmd.OutOrStdout())
	if !o.asJSON {
		d.show = p.Print
	}
	verdict := d.examine(cmd)
	report := doctor.NewReport(d.findings)
	if o.asJSON {
		if err := printJSON(cmd.OutOrStdout(), report); err != nil {
			return err
		}
	} else if len(d.findings) > 0 {
		p.Close(report.Summary)
	}
	switch {
	case verdict != nil:
		return verdict
	case report.Summary.ExitCode() != exitDone:
		return found("%d of %d checks failed", report.Summary.Failed, len(report.Findings))
	default:
		return nil
	}
}

// examine makes all checks. An error means that the call or the configuration
// cannot be used.
func (d *diagnosis) examine(cmd *cobra.Command) error {
	cfg, err := d.configuration(cmd)
	if err != nil {
		return err
	}
	clinics, err := d.chosen(cfg)
	if err != nil {
		return err
	}
	d.secrets(cfg)
	d.signingKeys(cfg)
	d.alerts(cfg)
	for _, cl := range clinics {
		d.clinic(cl)
	}
	d.machine(cmd.Context(), cfg)
	for _, cl := range clinics {
		if cl.EHR != nil {
			d.ehr(cmd.Context(), cfg, cl)
		}
	}
	return nil
}

// chosen are the clinics to look at.
func (d *diagnosis) chosen(cfg config.Config) ([]config.Clinic, error) {
	clinics := cfg.Clinics
	if d.oneClinic {
		one, err := clinicNamed(cfg, d.doctorOptions.clinic)
		if err != nil {
			return nil, err
		}
		clinics = []config.Clinic{one}
	}
	connected := 0
	for _, cl := range clinics {
		if cl.EHR != nil {
			connected++
		}
	}
	if d.testPatient != "" && connected != 1 {
		return nil, fmt.Errorf("--test-patient needs one EHR, and there are %d; name its clinic with --clinic", connected)
	}
	return clinics, nil
}

// ehr examines one clinic's EHR.
func (d *diagnosis) ehr(ctx context.Context, cfg config.Config, cl config.Clinic) {
	about := "ehr " + cl.EHR.ID
	say := d.section(about)
	one := cfg
	one.Clinics = []config.Clinic{cl}
	made, err := newConnectors(one, nil, nil)
	for _, c := range made {
		defer c.Close()
	}
	if err != nil {
		for _, e := range each(err) {
			say("settings", doctor.Failed, doctor.You, e.Error(), "correct it in the configuration; docs/ has a page for each connector")
		}
		say.skip("connection", "the settings are wrong")
		return
	}
	say.ok("settings", "the settings of the connector "+cl.EHR.Connector+" are complete")
	c := made[callback.EHRID(cl.EHR.ID)]
	examiner, ok := c.(ehr.Examiner)
	switch {
	case d.offline:
		say.skip("connection", "--offline was given")
		return
	case !ok:
		say.skip("connection", "the connector "+cl.EHR.Connector+" cannot examine its EHR; try: ringback check")
		return
	}
	limit := d.timeout
	if d.testPatient != "" {
		limit += tripTime
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	examination := ehr.Examination{RoundTrip: d.testPatient != "", TestPatient: redact.NewText(d.testPatient), SearchLag: cmp.Or(cl.EHR.SearchLag, scheduler.DefaultSearchLag)}
	if examination.Push, err = pushRequest(cfg, cl); err != nil {
		say("push", doctor.Failed, doctor.You, err.Error(), "until then the daemon does not start")
	}
	examiner.Examine(ctx, examination, func(f doctor.Finding) {
		f.About = about
		d.add(f)
	})
}

// each takes apart an error that lists several.
func each(err error) []error {
	for e := err; e != nil; e = errors.Unwrap(e) {
		if several, ok := e.(interface{ Unwrap() []error }); ok {
			var all []error
			for _, one := range several.Unwrap() {
				all = append(all, each(one)...)
			}
			return all
		}
	}
	return []error{err}
}
