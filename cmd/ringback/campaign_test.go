package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/ringback-health/ringback/internal/config"
	"github.com/ringback-health/ringback/peers/campaign"
	"github.com/ringback-health/ringback/peers/faultproxy"
	"github.com/ringback-health/ringback/sandbox"
)

// campaignOwners are the owners that the configuration of the campaign names.
var campaignOwners = map[string]string{"front-desk": "Organization/front-desk", "billing": "Organization/billing", "nurse": "Organization/nurse"}

// TestCampaign is the short form of `make campaign`: the daemon in this process
// against the sandbox, faults of every kind between them, and each callback has
// exactly one item in the end, as the ledger wants it. `make test` runs it twice: few
// callbacks with the race detector, and then 500 without.
func TestCampaign(t *testing.T) {
	n := campaignSize(t)
	for name, unconditional := range map[string]bool{"conditional create honoured": false, "creates never conditional": true} {
		t.Run(name, func(t *testing.T) {
			seed := campaignNumber(t, "RINGBACK_CAMPAIGN_SEED", rand.Uint64N(1<<31))
			ehr := httptest.NewServer(sandbox.New(sandbox.Options{}))
			proxy, err := faultproxy.New(faultproxy.Config{Target: ehr.URL + sandbox.BasePath, Seed: seed, Kinds: faultproxy.Seldom(30),
				Hold: 3 * time.Second, Lag: 80 * time.Millisecond, Unconditional: unconditional})
			if err != nil {
				t.Fatal(err)
			}
			front := httptest.NewServer(proxy)
			t.Cleanup(func() { proxy.Close(); front.Close(); ehr.Close() })

			got, err := campaign.Run(t.Context(), campaign.Config{
				API: campaignDaemon(t, front.URL+sandbox.BasePath), EHR: ehr.URL + sandbox.BasePath, Clinic: "elm-street", Owners: campaignOwners,
				N: n, Seed: seed, AtOnce: 80, Rounds: 2, Faults: proxy, Share: 0.2, RoundWithin: 6 * time.Second, SettleWithin: 90 * time.Second, Log: t.Logf,
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%s\n%d acts, %.1f callbacks a second, %d rounds cut short, %v", got.Summary(), got.Acts, float64(got.Callbacks)/got.Took.Seconds(), got.Unmet, got.Faults)
			if !got.OK() {
				t.Errorf("%s\nplay it again with RINGBACK_CAMPAIGN_SEED=%d", got, seed)
			}
			if share := float64(got.Struck()) / float64(got.Requests); share < 0.1 {
				t.Errorf("only %.0f%% of the requests suffered: nothing is proved", 100*share)
			}
		})
	}
}

// campaignSize is how many callbacks are played in each form: 500 in all. The race
// detector makes SQLite, which is Go here, several times as slow.
func campaignSize(t *testing.T) int {
	t.Helper()
	n := 250
	if raceDetector || testing.Short() {
		n = 40
	}
	return int(campaignNumber(t, "RINGBACK_CAMPAIGN_N", uint64(n)))
}

// campaignNumber reads a number from the environment. The seed is a new one each
// time, unless somebody wants to see one again.
func campaignNumber(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil || n == 0 {
		t.Fatalf("%s is no number: %v", name, err)
	}
	return n
}

// campaignDaemon runs the daemon in this process, in a hurry, and returns the
// address of its API.
func campaignDaemon(t *testing.T, ehr string) string {
	t.Helper()
	dir := t.TempDir()
	cfg, err := config.Parse(fmt.Appendf(nil, `listen: 127.0.0.1:0
database: sqlite:%[1]s
keys_file: %[2]s
queue_file: %[3]s
clinics:
  - id: elm-street
    zone: America/Chicago
    region: US
    ehr:
      id: sandbox
      connector: fhirr4
      poll: "@every 1s"
      settings:
        base_url: %[4]s
        timeout: 500ms
        owners: {front-desk: Organization/front-desk, billing: Organization/billing, nurse: Organization/nurse}
`, filepath.Join(dir, "ledger.db"), filepath.Join(dir, "keys.json"), filepath.Join(dir, "queue.db"), ehr))
	if err != nil {
		t.Fatal(err)
	}
	log := campaignLog(t)
	opts, err := storeOptions(cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := migrate(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", cfg.Listen)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	a, err := newApp(ctx, cfg, log, pace{sweep: 500 * time.Millisecond, resolve: time.Minute, searchLag: 100 * time.Millisecond,
		indexLag: time.Second, overlap: 3 * time.Second, cooldown: 10 * time.Millisecond})
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	stopped := make(chan error, 2)
	go func() { stopped <- a.run(ctx, listener) }()
	go func() { stopped <- nudge(ctx, a) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-stopped, <-stopped); err != nil {
			t.Error(err)
		}
	})
	return "http://" + listener.Addr().String()
}

// nudge asks for polls as an EHR does that tells of each change: the schedule's
// second would be the longest wait of all.
func nudge(ctx context.Context, a *app) error {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			a.scheduler.PollNow("sandbox")
		}
	}
}

// campaignLog writes to the file that RINGBACK_CAMPAIGN_LOG names, or nowhere.
func campaignLog(t *testing.T) *slog.Logger {
	t.Helper()
	path := os.Getenv("RINGBACK_CAMPAIGN_LOG")
	if path == "" {
		return slog.New(slog.DiscardHandler)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return slog.New(slog.NewJSONHandler(io.Writer(f), nil))
}
