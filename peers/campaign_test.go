//go:build conformance

package peers_test

import (
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringback-health/ringback/peers/campaign"
	"github.com/ringback-health/ringback/peers/faultproxy"
	"github.com/ringback-health/ringback/store/storetest"
)

// campaignOwners are the owners that the configuration of the campaign names.
var campaignOwners = map[string]string{"front-desk": "Organization/front-desk", "billing": "Organization/billing", "nurse": "Organization/nurse"}

// TestCampaign plays as many callbacks as RINGBACK_CAMPAIGN_N says with the real
// binary, and kills it at random moments.
func TestCampaign(t *testing.T) {
	if os.Getenv("RINGBACK_CAMPAIGN_N") == "" {
		t.Skip("RINGBACK_CAMPAIGN_N is not set; make campaign runs this, for hours")
	}
	onEach(t, func(t *testing.T, ehr peer) {
		for _, id := range []string{"billing", "nurse"} {
			ehr.do(t, http.MethodPut, ehr.base+"/Organization/"+id, nil, resource{"resourceType": "Organization", "id": id, "name": id}, nil)
		}
		t.Run("conditional create honoured", func(t *testing.T) { play(t, ehr, "", false) })
		t.Run("creates never conditional", func(t *testing.T) { play(t, ehr, "", true) })
		if ehr == medplum {
			t.Run("on PostgreSQL, creates never conditional", func(t *testing.T) { play(t, ehr, storetest.Postgres(t), true) })
		}
	})
}

// play plays one campaign. dsn is that of the ledger, "" for SQLite.
func play(t *testing.T, ehr peer, dsn string, unconditional bool) {
	n, seed := campaignSize(t)
	patience := 2 * time.Second
	if n >= 1000 { // a peer under this load takes seconds to say what it can do, which is asked anew after each kill
		patience = 4 * time.Second
	}
	proxy, err := faultproxy.New(faultproxy.Config{Target: ehr.base, Seed: seed, Kinds: faultproxy.Seldom(30), Hold: 2 * patience, Lag: 1500 * time.Millisecond,
		Unconditional: unconditional})
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(proxy)
	t.Cleanup(func() { proxy.Close(); front.Close() })
	base, err := url.Parse(ehr.base)
	if err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t)
	d := newDaemon(t, front.URL+base.Path, dsn, settings{listen: address})
	d.quiet = true
	campaignSettings(t, d, patience)
	d.start(t)

	faults := &watched{Proxy: proxy, ended: make(chan struct{})}
	var got campaign.Result
	done := make(chan error, 1)
	ended := make(chan struct{})
	t.Cleanup(func() { <-ended }) // also when the daemon does not start again
	go func() {
		defer close(ended)
		var err error
		got, err = campaign.Run(t.Context(), campaign.Config{
			API: "http://" + address, EHR: ehr.base, Clinic: clinic, Owners: campaignOwners, N: n, Seed: seed, AtOnce: min(max(40, n/10), 500), Faults: faults,
			RoundWithin: 2 * time.Minute, SettleWithin: 5 * time.Minute,
			Log: t.Logf,
		})
		done <- err
	}()
	kills := killAtRandom(t, d, faults.ended, n, seed)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	t.Logf("%s\n%d acts, %d kills, %.1f callbacks a second, %d rounds cut short, %v", got.Summary(), got.Acts, kills,
		float64(got.Callbacks)/got.Took.Seconds(), got.Unmet, got.Faults)
	if !got.OK() {
		t.Errorf("%s\nplay it again with RINGBACK_CAMPAIGN_SEED=%d RINGBACK_CAMPAIGN_N=%d", got, seed, n)
	}
	for _, i := range ehr.invalid(t) {
		t.Errorf("not valid FHIR R4: %s", i)
	}
}

// campaignSize reads how much is played; the seed is a new one each time, unless
// somebody wants to see one again.
func campaignSize(t *testing.T) (n int, seed uint64) {
	t.Helper()
	n, seed = 40, rand.Uint64N(1<<31)
	var err error
	if s := os.Getenv("RINGBACK_CAMPAIGN_N"); s != "" {
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatalf("RINGBACK_CAMPAIGN_N: %v", err)
		}
	}
	if s := os.Getenv("RINGBACK_CAMPAIGN_SEED"); s != "" {
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("RINGBACK_CAMPAIGN_SEED: %v", err)
		}
	}
	return n, seed
}

// campaignSettings says how long the daemon waits for an answer of the EHR, and
// names more owners.
func campaignSettings(t *testing.T, d *daemon, patience time.Duration) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(d.dir, "ringback.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	const owners = "owners: {front-desk: Organization/front-desk}"
	config := strings.Replace(string(raw), owners,
		"timeout: "+patience.String()+"\n        owners: {front-desk: Organization/front-desk, billing: Organization/billing, nurse: Organization/nurse}", 1)
	if config == string(raw) {
		t.Fatalf("the configuration does not say %q", owners)
	}
	d.write(t, "ringback.yaml", config)
}

// watched tells when the faults have ended.
type watched struct {
	*faultproxy.Proxy
	once  sync.Once
	ended chan struct{}
}

func (w *watched) Strike(share float64) {
	w.Proxy.Strike(share)
	if share == 0 {
		w.once.Do(func() { close(w.ended) })
	}
}

// killAtRandom kills the daemon and starts it again until the faults have ended:
// once in a short campaign, every half minute or so in a long one.
func killAtRandom(t *testing.T, d *daemon, ended <-chan struct{}, n int, seed uint64) (kills int) {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 1))
	for {
		next := 5*time.Second + time.Duration(random.Int64N(int64(10*time.Second)))
		if n >= 1000 {
			next = 10*time.Second + time.Duration(random.Int64N(int64(40*time.Second)))
		} else if kills > 0 {
			return kills
		}
		select {
		case <-ended:
			return kills
		case <-time.After(next):
		}
		d.kill(t)
		d.start(t)
		kills++
	}
}
