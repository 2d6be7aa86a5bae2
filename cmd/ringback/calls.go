package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/calls"
)

func newCalls() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "calls",
		Short: "Look at the calls that phone systems told of, and at what became of each",
		Long: `Look at the calls that phone systems told of. Every call stands here once, with its
callback or with the reason why it has none. The output shows numbers: it is meant
for a person who may see them.`,
		Args: cobra.NoArgs,
	}
	cmd.AddCommand(newCallsList(), newCallsShow())
	return cmd
}

// callView is a call with --json.
type callView struct {
	Clinic     string   `json:"clinic"`
	Phone      string   `json:"phone"`
	ID         string   `json:"id"`
	StartedAt  string   `json:"started_at"`
	EndedAt    string   `json:"ended_at,omitempty"`
	Number     string   `json:"number,omitempty"`
	Name       string   `json:"name,omitempty"`
	Verdict    string   `json:"verdict"` // "" until it is judged
	Reasons    []string `json:"reasons"`
	Talk       int      `json:"talk_seconds"`
	Callback   string   `json:"callback,omitempty"`
	Merged     bool     `json:"merged"`
	Why        string   `json:"why,omitempty"`
	SettledBy  string   `json:"settled_by,omitempty"`
	SettledHow string   `json:"settled_how,omitempty"`
	Found      bool     `json:"found_in_history"` // no event of it had reached us
	SettlesAt  string   `json:"settles_at,omitempty"`
}

func viewCall(c callback.Call) callView {
	return callView{Clinic: string(c.Clinic), Phone: string(c.Phone), ID: c.ID, StartedAt: instant(c.StartedAt), EndedAt: instant(c.EndedAt),
		Number: c.Number.Reveal(), Name: c.FromName.Reveal(), Verdict: string(c.Verdict), Reasons: append([]string{}, c.Reasons...),
		Talk: int(c.Talk.Seconds()), Callback: string(c.Callback), Merged: c.Disposition == callback.Merged, Why: c.Why,
		SettledBy: c.SettledBy, SettledHow: string(c.SettledHow), Found: c.Form == calls.FormHistory, SettlesAt: instant(c.SettlesAt)}
}

func newCallsList() *cobra.Command {
	var f callback.CallFilter
	var clinic, phone, verdict, from, to string
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List calls, newest first",
		Example: "  ringback calls list --from 2026-12-01 --verdict voicemail\n  ringback calls list --unjudged",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if f.Began.From, err = parseDay("--from", from, 0); err != nil {
				return err
			}
			if f.Began.Until, err = parseDay("--to", to, 1); err != nil {
				return err
			}
			f.Clinic, f.Phone, f.Verdict = callback.ClinicID(clinic), callback.PhoneID(phone), calls.Verdict(verdict)
			return withLedger(cmd, func(ctx context.Context, l ledger) error {
				if err := checkClinic(ctx, cmd, l); err != nil {
					return err
				}
				page, next, err := l.Calls(ctx, f)
				if err != nil {
					return err
				}
				return printCalls(cmd, page, next, asJSON)
			})
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&clinic, "clinic", "", "only of this clinic")
	fl.StringVar(&phone, "phone", "", "only of this phone system")
	fl.StringVar(&verdict, "verdict", "", "only of this verdict, such as voicemail")
	fl.StringVar(&from, "from", "", "only calls that began on this day or later, 2026-12-01, by this machine's clock")
	fl.StringVar(&to, "to", "", "only calls that began on this day or earlier")
	fl.BoolVar(&f.Unjudged, "unjudged", false, "only calls of which more may be told")
	fl.IntVar(&f.Limit, "limit", 50, "how many at most, up to 500")
	fl.StringVar(&f.After, "after", "", "continue behind this cursor")
	fl.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// parseDay reads a day of this machine's zone; add counts days on from it.
func parseDay(flag, day string, add int) (time.Time, error) {
	if day == "" {
		return time.Time{}, nil
	}
	t, err := time.ParseInLocation(time.DateOnly, day, time.Local)
	if err != nil {
		return time.Time{}, fmt.Errorf("%s: %q is not a day; write it as 2026-12-01", flag, day)
	}
	return t.AddDate(0, 0, add), nil
}

func printCalls(cmd *cobra.Command, page []callback.Call, next string, asJSON bool) error {
	if asJSON {
		items := []callView{}
		for _, c := range page {
			items = append(items, viewCall(c))
		}
		return printJSON(cmd.OutOrStdout(), map[string]any{"items": items, "next_cursor": next})
	}
	if len(page) == 0 {
		_, err := fmt.Fprintln(cmd.OutOrStdout(), "No calls.")
		return err
	}
	rows := [][]string{{"BEGAN", "PHONE", "NUMBER", "WAS", "TALK", "CALLBACK", "CALL"}}
	for _, c := range page {
		rows = append(rows, []string{stamp(c.StartedAt), string(c.Phone), c.Number.Reveal(), cmp.Or(string(c.Verdict), "not judged yet"),
			talk(c.Talk), cmp.Or(string(c.Callback), "none: "+cmp.Or(c.Why, "not judged yet")), c.ID})
	}
	if err := table(cmd.OutOrStdout(), rows); err != nil {
		return err
	}
	if next != "" {
		fmt.Fprintf(cmd.OutOrStdout(), "\nThere are more: --after '%s'\n", next)
	}
	return nil
}

func talk(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.Round(time.Second).String()
}

func newCallsShow() *cobra.Command {
	var k callback.CallKey
	var clinic, phone string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show CALL --clinic ID --phone ID",
		Short: "Show one call: what it was, why, and what became of it",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			k.Clinic, k.Phone, k.Session = callback.ClinicID(clinic), callback.PhoneID(phone), args[0]
			return withLedger(cmd, func(ctx context.Context, l ledger) error {
				c, err := l.Call(ctx, k)
				if errors.Is(err, callback.ErrNotFound) {
					return found("there is no call %s of %s at %s; see: ringback calls list", k.Session, k.Phone, k.Clinic)
				}
				if err != nil {
					return err
				}
				events, err := l.EventsOf(ctx, k)
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), viewCall(c))
				}
				return showCall(cmd, c, len(events))
			})
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&clinic, "clinic", "", "the clinic that was called")
	fl.StringVar(&phone, "phone", "", "the phone system, as the configuration names it, or the source of an imported log")
	fl.BoolVar(&asJSON, "json", false, "print JSON")
	must(cmd.MarkFlagRequired("clinic"))
	must(cmd.MarkFlagRequired("phone"))
	return cmd
}

func showCall(cmd *cobra.Command, c callback.Call, events int) error {
	rows := [][]string{{"call", c.ID + " of " + string(c.Phone) + " at " + string(c.Clinic)}, {"began", stamp(c.StartedAt)}, {"ended", stamp(c.EndedAt)},
		{"number", c.Number.Reveal()}, {"name", c.FromName.Reveal()}, {"was", cmp.Or(string(c.Verdict), "not judged yet; it will be at "+stamp(c.SettlesAt))},
		{"because", strings.Join(c.Reasons, "; ")}, {"talk", talk(c.Talk)}}
	switch {
	case c.Callback != "":
		rows = append(rows, []string{"callback", string(c.Callback)})
	case c.Verdict != "":
		rows = append(rows, []string{"no callback", c.Why})
	}
	if c.SettledBy != "" {
		rows = append(rows, []string{"spoken with", "in call " + c.SettledBy + ", " + string(c.SettledHow)})
	}
	if c.Message.Length > 0 {
		rows = append(rows, []string{"message", c.Message.Length.String()})
	}
	how := fmt.Sprintf("%d events", events)
	if c.Form == calls.FormHistory {
		how += "; found in the phone system's own log, no event of it had come"
	}
	return table(cmd.OutOrStdout(), append(rows, []string{"told by", how}))
}
