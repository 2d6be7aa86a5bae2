package main

import (
	"encoding/json"
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
		Args:  cobra.NoArgs,
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
			req, err := http.NewRequestWithContext(cmd.Context(), http.MethodGet, url, nil)
			if err != nil {
				return fmt.Errorf("--url: %w", err)
			}
			client := http.Client{Timeout: 10 * time.Second}
			resp, err := client.Do(req)
			if err != nil {
				return found("the daemon does not answer at %s; is it running?", url)
			}
			defer resp.Body.Close()
			var answer struct {
				Checks []struct {
					Name string `json:"name"`
					OK   bool   `json:"ok"`
					What string `json:"what"`
				} `json:"checks"`
			}
			raw, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
			if err != nil || json.Unmarshal(raw, &answer) != nil {
				return found("what answers at %s is not Ringback", url)
			}
			for _, c := range answer.Checks {
				mark := "ok "
				if !c.OK {
					mark = "NOT"
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s  %s: %s\n", mark, c.Name, c.What)
			}
			if resp.StatusCode != http.StatusOK {
				return found("the daemon is not ready")
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&url, "url", "", "where the daemon tells (default: on this machine, at the port that the configuration names)")
	return cmd
}
