package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/config"
)

// clinicNamed returns the clinic that --clinic names, or says which there are.
func clinicNamed(cfg config.Config, id string) (config.Clinic, error) {
	var known []string
	for _, cl := range cfg.Clinics {
		if cl.ID == id {
			return cl, nil
		}
		known = append(known, cl.ID)
	}
	return config.Clinic{}, fmt.Errorf("--clinic: there is no clinic %q in the configuration; there is %s", id, strings.Join(known, ", "))
}

// checkClinic refuses a --clinic that neither the configuration nor the ledger knows:
// the callbacks of one that was taken out of the configuration stay.
func checkClinic(ctx context.Context, cmd *cobra.Command, l ledger) error {
	flag := cmd.Flags().Lookup("clinic")
	if !flag.Changed {
		return nil
	}
	cfg, err := loadConfig(cmd)
	if err != nil {
		return err
	}
	id := flag.Value.String()
	_, unknown := clinicNamed(cfg, id)
	if unknown == nil || id == "" {
		return unknown
	}
	kept, _, err := l.List(ctx, callback.Filter{Clinic: callback.ClinicID(id), Limit: 1})
	if err == nil && len(kept) == 0 {
		err = unknown
	}
	return err
}
