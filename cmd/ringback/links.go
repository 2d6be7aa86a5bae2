package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/internal/redact"
)

func newLinks() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "links",
		Short: "Look after the deliveries to the EHR",
		Long: `A link ties a callback to its resource in the EHR. A stuck link needs a person:
show it to see why and what to do, then retry it, edit it, or discard it with a reason.`,
		Args: cobra.NoArgs,
	}
	cmd.AddCommand(newLinksList(), newLinksShow(), newLinksRetry(), newLinksEdit(), newLinksDiscard())
	return cmd
}

func newLinksList() *cobra.Command {
	var state, clinic, after string
	var limit int
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List links, newest first",
		Example: "  ringback links list --state stuck",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f := callback.LinkFilter{Clinic: callback.ClinicID(clinic), State: callback.LinkState(state), Limit: limit, After: callback.ID(after)}
			if state != "" && !slices.Contains(callback.LinkStates, f.State) {
				return fmt.Errorf("--state: %q is no state; use %s", state, join(callback.LinkStates))
			}
			return withLedger(cmd, func(ctx context.Context, l ledger) error {
				if err := checkClinic(ctx, cmd, l); err != nil {
					return err
				}
				page, next, err := l.Links(ctx, f)
				if err != nil {
					return err
				}
				items, err := viewLinks(ctx, l, page)
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), map[string]any{"items": items, "next_cursor": next})
				}
				return printLinks(cmd, page, items, next)
			})
		},
	}
	cmd.Flags().StringVar(&state, "state", "", "only in this state: "+join(callback.LinkStates))
	cmd.Flags().StringVar(&clinic, "clinic", "", "only of this clinic")
	cmd.Flags().IntVar(&limit, "limit", 50, "how many at most, up to 500")
	cmd.Flags().StringVar(&after, "after", "", "continue behind this id")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printLinks(cmd *cobra.Command, page []callback.Link, items []linkRow, next callback.ID) error {
	if len(page) == 0 {
		_, err := fmt.Fprintln(cmd.OutOrStdout(), "No links.")
		return err
	}
	rows := [][]string{{"LINK", "CALLBACK", "EHR", "RESOURCE", "STATE", "HOLDS", "FAILURES", "NEXT TRY", "WHY"}}
	for i, l := range page {
		rows = append(rows, []string{string(l.ID), string(l.Callback), string(l.EHR), l.Resource(), string(l.State),
			fmt.Sprint(l.Holds), fmt.Sprint(l.Failures), stamp(l.NextAttemptAt), cmp.Or(items[i].Waiting, l.LastError)})
	}
	if err := table(cmd.OutOrStdout(), rows); err != nil {
		return err
	}
	if next != "" {
		fmt.Fprintf(cmd.OutOrStdout(), "\nThere are more: --after %s\n", next)
	}
	return nil
}

// findLink finds one link or says how to find it.
func findLink(ctx context.Context, l ledger, id string) (callback.Link, error) {
	parsed, err := callback.ParseID(id)
	if err != nil {
		return callback.Link{}, err
	}
	link, err := l.LinkByID(ctx, parsed)
	if errors.Is(err, callback.ErrNotFound) {
		return link, found("there is no link %s; see: ringback links list", id)
	}
	return link, err
}

func newLinksShow() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show LINK",
		Short: "Show one link: where it stands, what went wrong, what to do",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withLedger(cmd, func(ctx context.Context, l ledger) error {
				link, err := findLink(ctx, l, args[0])
				if err != nil {
					return err
				}
				views, err := viewLinks(ctx, l, []callback.Link{link})
				if err != nil {
					return err
				}
				v := views[0]
				if asJSON {
					return printJSON(cmd.OutOrStdout(), v)
				}
				return table(cmd.OutOrStdout(), [][]string{
					{"Link", v.ID}, {"Callback", v.Callback}, {"EHR", v.EHR}, {"Resource", v.resource}, {"State", v.State},
					{"Holds revision", fmt.Sprint(v.Holds)}, {"Failures in a row", fmt.Sprint(v.Failures)}, {"Next try", v.Next}, {"Held back", v.Waiting},
					{"What went wrong", v.LastError}, {"What to do", v.Hint},
				})
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// changeLink changes one link together with its callback, so that the timeline tells
// who did it, and says how it stands then.
func changeLink(cmd *cobra.Command, id string, do func(r *callback.Record, link callback.ID, by callback.Actor, at time.Time) error) error {
	return withLedger(cmd, func(ctx context.Context, l ledger) error {
		link, err := findLink(ctx, l, id)
		if err != nil {
			return err
		}
		rec, err := l.Update(ctx, link.Callback, func(r *callback.Record) error {
			return do(r, link.ID, callback.Actor{Kind: callback.Person, Name: whoami()}, clock.System{}.Now())
		})
		if errors.Is(err, callback.ErrConflict) {
			return found("the link is being worked on right now, or that item belongs to another link; try again in a moment")
		}
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is %s now.\n", link.ID, rec.Link(link.ID).State)
		return err
	})
}

func newLinksRetry() *cobra.Command {
	var all bool
	var clinic string
	cmd := &cobra.Command{
		Use:   "retry LINK | --all",
		Short: "Put a stuck or discarded link, or all stuck links, back to work",
		Long: `Put a stuck or discarded link back to work. For any other link it ends the wait
before the next try. What may have arrived already is looked for first, where the
EHR can be searched. With --all, every stuck link is put back to work.`,
		Example: "  ringback links retry --all --clinic main-street",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case all && len(args) == 0:
				return retryAll(cmd, callback.ClinicID(clinic))
			case all || len(args) == 0:
				return errors.New("name one link, or give --all")
			case clinic != "":
				return errors.New("--clinic goes with --all")
			default:
				return changeLink(cmd, args[0], (*callback.Record).RetryLink)
			}
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "all stuck links")
	cmd.Flags().StringVar(&clinic, "clinic", "", "with --all: only of this clinic")
	return cmd
}

// retryAll puts all stuck links back to work and says how many there were.
func retryAll(cmd *cobra.Command, clinic callback.ClinicID) error {
	return withLedger(cmd, func(ctx context.Context, l ledger) error {
		if err := checkClinic(ctx, cmd, l); err != nil {
			return err
		}
		f := callback.LinkFilter{Clinic: clinic, State: callback.LinkStuck, Limit: 500}
		n := 0
		for {
			page, next, err := l.Links(ctx, f)
			if err != nil {
				return err
			}
			for _, k := range page {
				_, err := l.Update(ctx, k.Callback, func(r *callback.Record) error {
					return r.RetryLink(k.ID, callback.Actor{Kind: callback.Person, Name: whoami()}, clock.System{}.Now())
				})
				if err != nil {
					return err
				}
				n++
			}
			if next == "" {
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "%d links are back at work.\n", n)
				return err
			}
			f.After = next
		}
	})
}

func newLinksEdit() *cobra.Command {
	var e callback.LinkEdit
	var chart, category, priority string
	cmd := &cobra.Command{
		Use:   "edit LINK",
		Short: "Set right what kept a link from being delivered, and try again",
		Long: `Set right what kept a link from being delivered, and put it back to work. What is
not given stays as it is.`,
		Example: `  ringback links edit 0199... --item 4711 --reason "found it in the inbox"
  ringback links edit 0199... --owner billing`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			e.Chart, e.Category, e.Priority = redact.NewText(chart), callback.Category(category), callback.Priority(priority)
			return changeLink(cmd, args[0], func(r *callback.Record, link callback.ID, by callback.Actor, at time.Time) error {
				return r.EditLink(link, e, by, at)
			})
		},
	}
	cmd.Flags().StringVar(&e.Item, "item", "", "id of the resource in the EHR that the link belongs to")
	cmd.Flags().StringVar(&chart, "chart", "", "id of the Patient in the EHR that the callback is about")
	cmd.Flags().StringVar(&e.Owner, "owner", "", "who has the callback")
	cmd.Flags().StringVar(&category, "category", "", "what it is about: "+join(callback.Categories))
	cmd.Flags().StringVar(&priority, "priority", "", "how urgent it is: "+join(callback.Priorities))
	cmd.Flags().StringVar(&e.Reason, "reason", "", "why, without names or numbers of patients")
	return cmd
}

func newLinksDiscard() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "discard LINK --reason TEXT",
		Short: "Give a link up; the callback itself stays",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return changeLink(cmd, args[0], func(r *callback.Record, link callback.ID, by callback.Actor, at time.Time) error {
				return r.DiscardLink(link, reason, by, at)
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, without names or numbers of patients")
	must(cmd.MarkFlagRequired("reason"))
	return cmd
}
