package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/server"
)

func newTokens() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tokens",
		Short: "Make, list and revoke API tokens",
		Args:  cobra.NoArgs,
	}
	cmd.AddCommand(newTokensCreate(), newTokensList(), newTokensRevoke())
	return cmd
}

func newTokensCreate() *cobra.Command {
	var name, role string
	cmd := &cobra.Command{
		Use:   "create --name NAME --role ROLE",
		Short: "Make a token and show it, once",
		Long: `Make a token. It is shown once and stored only as a hash.

Roles: intake may only send requests (a web form, a phone system); staff may read
and change callbacks; admin may do everything.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withLedger(cmd, func(ctx context.Context, l ledger) error {
				plain, tok, err := server.NewToken(name, callback.Role(role), clock.System{}.Now())
				if err != nil {
					return err
				}
				if err := l.AddToken(ctx, tok); err != nil {
					if errors.Is(err, callback.ErrInvalid) {
						return found("there is a token %q already; revoke it first, or take another name", name)
					}
					return err
				}
				fmt.Fprintln(cmd.ErrOrStderr(), "This is shown once; send it as: Authorization: Bearer TOKEN")
				_, err = fmt.Fprintln(cmd.OutOrStdout(), plain.Reveal())
				return err
			})
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "what uses it, e.g. web-form")
	cmd.Flags().StringVar(&role, "role", "", "what it may do: "+join(callback.Roles))
	must(cmd.MarkFlagRequired("name"))
	must(cmd.MarkFlagRequired("role"))
	return cmd
}

func newTokensList() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List tokens; the tokens themselves are not kept",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withLedger(cmd, func(ctx context.Context, l ledger) error {
				tokens, err := l.ListTokens(ctx)
				if err != nil {
					return err
				}
				type row struct {
					Name    string `json:"name"`
					Role    string `json:"role"`
					Created string `json:"created_at"`
					Revoked string `json:"revoked_at,omitempty"`
				}
				items, rows := []row{}, [][]string{{"NAME", "ROLE", "CREATED", "REVOKED"}}
				for _, t := range tokens {
					items = append(items, row{t.Name, string(t.Role), instant(t.CreatedAt), instant(t.RevokedAt)})
					rows = append(rows, []string{t.Name, string(t.Role), stamp(t.CreatedAt), stamp(t.RevokedAt)})
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), map[string]any{"items": items})
				}
				return table(cmd.OutOrStdout(), rows)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func newTokensRevoke() *cobra.Command {
	return &cobra.Command{
		Use:   "revoke NAME",
		Short: "End a token at once",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withLedger(cmd, func(ctx context.Context, l ledger) error {
				err := l.RevokeToken(ctx, args[0], clock.System{}.Now())
				if errors.Is(err, callback.ErrNotFound) {
					return found("there is no valid token %q; see: ringback tokens list", args[0])
				}
				if err == nil {
					fmt.Fprintf(cmd.OutOrStdout(), "The token %s is revoked.\n", args[0])
				}
				return err
			})
		},
	}
}
