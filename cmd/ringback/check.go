package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/businesstime"
	"github.com/ringback-health/ringback/connectors/ehr"
	"github.com/ringback-health/ringback/connectors/phone"
	"github.com/ringback-health/ringback/internal/config"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/scheduler"
	"github.com/ringback-health/ringback/store"
)

func newCheck() *cobra.Command {
	var offline bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check the configuration, and ask every EHR what it can do",
		Long: `Check the configuration and say back what it means. Unless --offline is given,
every EHR is asked what it can do; nothing is written anywhere.

Exit code 1: an EHR cannot be reached or lacks what Ringback needs. Exit code 2:
the configuration is wrong.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			ehrs, err := newConnectors(cfg, nil, nil)
			if err != nil {
				return err
			}
			defer func() {
				for _, c := range ehrs {
					c.Close()
				}
			}()
			lines, err := newPhoneLines(cfg)
			if err != nil {
				return err
			}
			if _, err := newTell(cfg); err != nil {
				return err
			}
			opts, err := storeOptions(cfg, nil)
			if err != nil {
				return err
			}
			if _, err := os.Stat(opts.KeysFile); err == nil {
				if _, err := store.LoadKeys(opts.KeysFile); err != nil {
					return err
				}
			}
			return check(cmd.Context(), cmd.OutOrStdout(), cfg, ehrs, lines, offline)
		},
	}
	cmd.Flags().BoolVar(&offline, "offline", false, "do not talk to any EHR")
	return cmd
}

func check(ctx context.Context, w io.Writer, cfg config.Config, ehrs map[callback.EHRID]ehr.Connector, lines []phoneLine, offline bool) error {
	var trouble int
	for _, cl := range cfg.Clinics {
		fmt.Fprintf(w, "Clinic %s (%s)\n", cl.ID, cl.Zone)
		rules, err := clinicRules(cl)
		if err != nil {
			return err
		}
		fmt.Fprintln(w, "  "+openness(rules.Calendar, time.Now()))
		for _, l := range lines {
			if l.clinic.ID == cl.ID {
				checkPhone(w, cfg, l)
			}
		}
		if cl.EHR == nil {
			fmt.Fprintln(w, "  has no EHR: its callbacks stay in Ringback's own list")
			continue
		}
		poll := cl.EHR.Poll
		if poll == "" {
			poll = defaultPoll
		}
		if _, err := scheduler.ParseSchedule(poll); err != nil {
			return fmt.Errorf("clinic %s: ehr.poll: %w", cl.ID, err)
		}
		if _, err := pushRequest(cfg, cl); err != nil {
			return err
		}
		fmt.Fprintf(w, "  EHR %s by %s, polled %s\n", cl.EHR.ID, cl.EHR.Connector, poll)
		if !offline && !checkEHR(ctx, w, ehrs[callback.EHRID(cl.EHR.ID)]) {
			trouble++
		}
	}
	if trouble > 0 {
		return found("%d of %d clinics cannot work with their EHR yet", trouble, len(cfg.Clinics))
	}
	fmt.Fprintln(w, "Nothing is wrong.")
	return nil
}

// checkPhone says where a phone system tells of its calls, and how calls are found that
// it does not tell of.
func checkPhone(w io.Writer, cfg config.Config, l phoneLine) {
	fmt.Fprintf(w, "  phone %s by %s, tells of calls at %s\n", l.config.ID, l.config.System, l.address(cfg))
	c, _ := l.carrier(cfg)
	if _, page := l.system.(phone.Page); page {
		return // a form has no log
	}
	if c.History == nil {
		fmt.Fprintf(w, "    its own log is not asked for: a call that it does not tell of is found by nobody; give it access to the log in its settings, or compare by hand: ringback proof --log\n")
	} else {
		fmt.Fprintf(w, "    its own log is held against the ledger every %s\n", cmp.Or(l.config.Reconcile, time.Hour))
	}
}

// openness says whether a clinic is open.
func openness(c businesstime.Calendar, now time.Time) string {
	if c.Open(now) {
		return "is open now"
	}
	return "is closed now and opens " + c.NextOpen(now).In(c.Zone).Format("Monday 2 January 15:04")
}

// checkEHR prints what an EHR can do and reports whether that is enough.
func checkEHR(ctx context.Context, w io.Writer, c ehr.Connector) bool {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	caps, err := c.Capabilities(ctx)
	if err != nil {
		fmt.Fprintf(w, "    cannot be asked: %s\n", fault.Describe(err))
		var f *fault.Error
		if !errors.As(err, &f) || f.Hint == "" {
			fmt.Fprintln(w, "    check that the address is right and that this machine reaches it")
		}
		return false
	}
	fmt.Fprintf(w, "    %s; callbacks are filed as %s\n", caps.Software, caps.RungFor(true).Type)
	rung := caps.RungFor(true)
	for _, x := range []struct {
		can  bool
		what string
	}{
		{rung.ReadBack, "reads back what staff do"}, {caps.ItemFeed, "tells changed work items"}, {caps.AppointmentFeed != callback.FeedNone, "watches appointments by " + string(caps.AppointmentFeed)},
		{rung.ConditionalCreate, "creates only once by itself"}, {rung.MarkerSearch, "finds our marker"}, {caps.Proposal.Usable(), "takes proposed appointments"},
		{caps.PatientByID, "finds patients by chart number"}, {caps.PatientByName, "finds patients by name"}, {caps.PatientByPhone, "finds patients by phone"},
	} {
		mark := "yes"
		if !x.can {
			mark = "no "
		}
		fmt.Fprintf(w, "      %s  %s\n", mark, x.what)
	}
	for _, m := range caps.Missing {
		fmt.Fprintf(w, "      missing: %s\n", m)
	}
	return rung.Type != callback.Worklist && rung.MarkerSearch
}
