package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

func newReady() *cobra.Command {
	var url string
	cmd := &cobra.Command{
		Use:   "ready",
		Short: "Ask a running daemon whether it is ready (for health checks)",
		Long: `Ask a running daemon whether it is ready: whether it takes and keeps callbacks.

What else is not well, such as an EHR that does not answer, is listed with NOT. It
does not make the daemon unready: it goes on taking calls, and files them later.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if url == "" {
				cfg, err := loadConfig(cmd)
				if err != nil {
					return err
				}
				_, port, err := net.SplitHostPort(cfg.Listen)
				if err != nil {
					return err
				}
				url = "http://" + net.JoinHostPort("127.0.0.1", port) + "/readyz"
			}
			ready, err := askReady(cmd.Context(), url)
			if err != nil {
				return err
			}
			for _, c := range ready.Checks {
				mark := "ok "
				if !c.OK {
					mark = "NOT"
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s  %s: %s\n", mark, c.Name, c.What)
			}
			if !ready.OK {
				return found("the daemon is not ready")
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&url, "url", "", "where the daemon tells (default: on this machine, at the port that the configuration names)")
	return cmd
}

// readiness is what a daemon says of itself.
type readiness struct {
	OK     bool
	Checks []struct {
		Name string `json:"name"`
		OK   bool   `json:"ok"`
		What string `json:"what"`
	} `json:"checks"`
}

// errNotOurs says that something else answers where the daemon should.
var errNotOurs = errors.New("what answers is not Ringback")

// askReady asks a daemon whether it is ready.
func askReady(ctx context.Context, url string) (readiness, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return readiness{}, fmt.Errorf("--url: %w", err)
	}
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return readiness{}, found("the daemon does not answer at %s; is it running?", url)
	}
	defer resp.Body.Close()
	var r readiness
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil || json.Unmarshal(raw, &r) != nil {
		return readiness{}, foundError{fmt.Errorf("%w: %s", errNotOurs, url)}
	}
	r.OK = resp.StatusCode == http.StatusOK
	return r, nil
}
