package main

import (
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/ringback-health/ringback/store"
)

func newMigrate() *cobra.Command {
	return &cobra.Command{
		Use:   "migrate",
		Short: "Bring the database up to date, and make the key file when there is none",
		Long: `Bring the database up to date. Nothing happens when it is.

The first time it also makes the key file with which names, numbers and texts
are encrypted in the database. Keep a copy of it in a safe place apart from the
database's backups: without it they cannot be read.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			opts, err := storeOptions(cfg, slog.New(slog.DiscardHandler))
			if err != nil {
				return err
			}
			applied, err := store.Migrate(cmd.Context(), opts)
			for _, name := range applied {
				fmt.Fprintln(cmd.OutOrStdout(), "applied", name)
			}
			if err == nil && len(applied) == 0 {
				fmt.Fprintln(cmd.OutOrStdout(), "The database is up to date.")
			}
			return err
		},
	}
}
