package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/internal/redact"
)

func newCallbacks() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "callbacks",
		Short: "Look at callbacks and change them",
		Long: `Look at callbacks and change them, straight in the ledger. A running daemon takes
every change over and tells the EHR. The output shows names and numbers: it is
meant for a person who may see them.`,
		Args: cobra.NoArgs,
	}
	cmd.AddCommand(newCallbacksList(), newCallbacksShow(), newAssign(), newAttempt(), newClose(), newReopen())
	return cmd
}

func newCallbacksList() *cobra.Command {
	var f callback.Filter
	var status, category, clinic, after string
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List callbacks, newest first",
		Example: "  ringback callbacks list --open --category new-patient\n  ringback callbacks list --review --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if status != "" {
				for _, s := range strings.Split(status, ",") {
					if !slices.Contains(callback.Statuses, callback.Status(s)) {
						return fmt.Errorf("--status: %q is no state; use %s", s, join(callback.Statuses))
					}
					f.Statuses = append(f.Statuses, callback.Status(s))
				}
			}
			if f.Category = callback.Category(category); category != "" && !f.Category.Valid() {
				return fmt.Errorf("--category: %q is no category; use %s", category, join(callback.Categories))
			}
			f.Clinic, f.After = callback.ClinicID(clinic), callback.ID(after)
			return withLedger(cmd, func(ctx context.Context, l ledger) error {
				if err := checkClinic(ctx, cmd, l); err != nil {
					return err
				}
				page, next, err := l.List(ctx, f)
				if err != nil {
					return err
				}
				return printCallbacks(cmd, page, next, asJSON)
			})
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&status, "status", "", "only in these states: "+join(callback.Statuses))
	fl.StringVar(&category, "category", "", "only this category: "+join(callback.Categories))
	fl.StringVar(&f.Owner, "owner", "", "only of this owner")
	fl.StringVar(&clinic, "clinic", "", "only of this clinic")
	fl.StringVar(&f.Source, "source", "", "only from this source")
	fl.BoolVar(&f.Open, "open", false, "only what is not closed")
	fl.BoolVar(&f.Review, "review", false, "only what a person has to look at")
	fl.IntVar(&f.Limit, "limit", 50, "how many at most, up to 500")
	fl.StringVar(&after, "after", "", "continue behind this id")
	fl.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printCallbacks(cmd *cobra.Command, page []callback.Callback, next callback.ID, asJSON bool) error {
	if asJSON {
		items := []callbackRow{}
		for _, c := range page {
			items = append(items, viewRow(c))
		}
		return printJSON(cmd.OutOrStdout(), map[string]any{"items": items, "next_cursor": next})
	}
	if len(page) == 0 {
		_, err := fmt.Fprintln(cmd.OutOrStdout(), "No callbacks.")
		return err
	}
	rows := [][]string{{"ID", "RECEIVED", "STATUS", "CATEGORY", "PRIORITY", "OWNER", "DUE", "CALLER", "PHONE"}}
	for _, c := range page {
		status := string(c.Status)
		if c.Outcome != "" {
			status += ": " + string(c.Outcome)
		}
		if c.Review {
			status += " (look)"
		}
		rows = append(rows, []string{string(c.ID), stamp(c.ReceivedAt), status, string(c.Category), string(c.Priority),
			c.Owner, stamp(c.DueAt), c.Caller.Name.Reveal(), c.Caller.Phone.Reveal()})
	}
	if err := table(cmd.OutOrStdout(), rows); err != nil {
		return err
	}
	if next != "" {
		fmt.Fprintf(cmd.OutOrStdout(), "\nThere are more: --after %s\n", next)
	}
	return nil
}

func newCallbacksShow() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show one callback: why it stands as it does, and all that happened",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withLedger(cmd, func(ctx context.Context, l ledger) error {
				rec, err := lookup(ctx, l, args[0])
				if err != nil {
					return err
				}
				cfg, err := loadConfig(cmd)
				if err != nil {
					return err
				}
				because, err := why(ctx, l, cfg.Clinics, rec)
				if err != nil {
					return err
				}
				links, err := viewLinks(ctx, l, rec.Links)
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), viewDetail(rec, because, links))
				}
				return printDetail(cmd, viewDetail(rec, because, links))
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printDetail(cmd *cobra.Command, d callbackDetail) error {
	w := cmd.OutOrStdout()
	fmt.Fprintf(w, "%s\n%s\n\n", d.ID, d.Why)
	err := table(w, [][]string{
		{"Caller", strings.TrimSpace(d.Name + " " + d.Phone)}, {"Wants", d.Category}, {"Says", d.Text}, {"Priority", d.Priority},
		{"Owner", d.Owner}, {"Due", d.DueAt}, {"Chart", d.Chart}, {"Source", d.Source + " " + d.SourceID}, {"Received", d.ReceivedAt},
	})
	if err != nil {
		return err
	}
	for _, l := range d.Links {
		fmt.Fprintf(w, "\n%s in %s: %s, holds revision %d of %d", l.resource, l.EHR, l.State, l.Holds, d.Revision)
		if l.Waiting != "" {
			fmt.Fprintf(w, "\n  %s", l.Waiting)
		}
		if l.LastError != "" {
			fmt.Fprintf(w, "\n  %s\n  %s", l.LastError, l.Hint)
		}
	}
	fmt.Fprintln(w)
	rows := [][]string{{"\nWHEN", "WHAT", "BY", "STATUS", "DETAIL"}}
	for _, e := range d.Timeline {
		rows = append(rows, []string{e.At, e.Kind, e.By, e.To, strings.TrimSpace(e.Detail + "  " + e.Note)})
	}
	return table(w, rows)
}

// lookup finds one callback or says how to find it.
func lookup(ctx context.Context, l ledger, id string) (callback.Record, error) {
	parsed, err := callback.ParseID(id)
	if err != nil {
		return callback.Record{}, err
	}
	rec, err := l.Record(ctx, parsed)
	if errors.Is(err, callback.ErrNotFound) {
		return rec, found("there is no callback %s; see: ringback callbacks list", id)
	}
	return rec, err
}

// change makes a command that changes one callback.
func change(use, short string, do func(r *callback.Record, by callback.Actor, at time.Time) error) *cobra.Command {
	return &cobra.Command{
		Use:   use,
		Short: short,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withLedger(cmd, func(ctx context.Context, l ledger) error {
				rec, err := lookup(ctx, l, args[0])
				if err != nil {
					return err
				}
				by, at := callback.Actor{Kind: callback.Person, Name: whoami()}, clock.System{}.Now()
				got, err := l.Update(ctx, rec.ID, func(r *callback.Record) error { return do(r, by, at) })
				if errors.Is(err, callback.ErrNotAllowed) {
					return found("%w", err)
				}
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is %s now, owner %s, revision %d.\n", got.ID, got.Status, got.Owner, got.Revision)
				return err
			})
		},
	}
}

// whoami names the person at the terminal.
func whoami() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return os.Getenv("USER")
}

func newAssign() *cobra.Command {
	var owner string
	cmd := change("assign ID --owner NAME", "Give a callback to a person or a queue",
		func(r *callback.Record, by callback.Actor, at time.Time) error { return r.Assign(owner, by, at) })
	cmd.Flags().StringVar(&owner, "owner", "", "the new owner")
	must(cmd.MarkFlagRequired("owner"))
	return cmd
}

func newAttempt() *cobra.Command {
	var result, channel, note string
	var talk time.Duration
	cmd := change("attempt ID --result RESULT", "Record a try to reach the caller",
		func(r *callback.Record, by callback.Actor, at time.Time) error {
			return r.Attempt(callback.Attempt{ID: callback.NewID(), At: at, By: by, Channel: channel,
				Result: callback.Outcome(result), Talk: talk, Note: redact.NewText(note)}, at)
		})
	cmd.Flags().StringVar(&result, "result", "", "how it ended: "+join(callback.AttemptResults))
	cmd.Flags().StringVar(&channel, "channel", "phone", "phone, sms or portal")
	cmd.Flags().StringVar(&note, "note", "", "what was said")
	cmd.Flags().DurationVar(&talk, "talk", 0, "how long you talked, e.g. 2m30s")
	must(cmd.MarkFlagRequired("result"))
	return cmd
}

func newClose() *cobra.Command {
	var outcome, note string
	cmd := change("close ID --outcome OUTCOME", "Close a callback",
		func(r *callback.Record, by callback.Actor, at time.Time) error {
			return r.Close(callback.Outcome(outcome), redact.NewText(note), by, at)
		})
	cmd.Flags().StringVar(&outcome, "outcome", "", "why: "+join(callback.ClosingOutcomes))
	cmd.Flags().StringVar(&note, "note", "", "what was said")
	must(cmd.MarkFlagRequired("outcome"))
	return cmd
}

func newReopen() *cobra.Command {
	var reason string
	cmd := change("reopen ID --reason TEXT", "Open a closed callback again",
		func(r *callback.Record, by callback.Actor, at time.Time) error {
			return r.Reopen("reopened by hand", redact.NewText(reason), by, at)
		})
	cmd.Flags().StringVar(&reason, "reason", "", "why")
	must(cmd.MarkFlagRequired("reason"))
	return cmd
}

// must is for what only a programming error can make fail.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

func join[T ~string](list []T) string {
	parts := make([]string, len(list))
	for i, v := range list {
		parts[i] = string(v)
	}
	return strings.Join(parts, ", ")
}
