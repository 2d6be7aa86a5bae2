package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/ringback-health/ringback/store"
)

func newMigrate() *cobra.Command {
	return &cobra.Command{
		Use:   "migrate",
		Short: "Bring the database up to date; for a new one, also make the key file",
		Long: `Bring the database up to date. Nothing happens when it is.

For a new database it also makes the key file with which names, numbers and texts
are encrypted in it. Keep a copy of that file in a safe place apart from the
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
			done, err := migrate(cmd.Context(), opts)
			for _, line := range done {
				fmt.Fprintln(cmd.OutOrStdout(), line)
			}
			if err == nil && len(done) == 0 {
				fmt.Fprintln(cmd.OutOrStdout(), "The database is up to date.")
			}
			return err
		},
	}
}

// migrate brings the database up to date and makes the key file for a new one.
// A ledger whose key file is missing gets no new one: it could not be read with it.
func migrate(ctx context.Context, o store.Options) (done []string, err error) {
	applied, err := store.Migrate(ctx, o)
	for _, name := range applied {
		done = append(done, "applied "+name)
	}
	if err != nil {
		return done, err
	}
	if _, err := os.Stat(o.KeysFile); !errors.Is(err, fs.ErrNotExist) {
		return done, err
	}
	keyed, err := store.HasKeys(ctx, o)
	if err != nil || keyed {
		return done, err
	}
	keys, err := store.GenerateKeys()
	if err != nil {
		return done, err
	}
	if err := store.SaveKeys(o.KeysFile, keys); err != nil {
		return done, err
	}
	return append(done, "made the key file "+o.KeysFile+"; keep a copy of it apart from the database's backups"), nil
}
