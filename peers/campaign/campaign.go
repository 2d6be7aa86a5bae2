// Package campaign plays the front desk of a clinic for a long, bad day and counts
// afterwards: thousands of callbacks are made, edited and closed at random, through
// Ringback's API on one side and by hand in the EHR on the other, while faults
// strike between Ringback and the EHR. It knows nothing but URLs and shares no code
// with the product, so that the two must be able to disagree. It is for tests only.
//
// # What is played
//
// Each callback has a life of its own, drawn from the seed and its number. It is
// requested, sometimes several times at once, and goes through rounds. In a round
// two people act at the same time: one through the API (attempt, assign, close,
// reopen, and the caller calls again), one on the work item in the EHR (accept,
// start, hold, put back, complete, cancel, reopen, owner, priority, note; each saved
// with If-Match). Then both wait until the two sides are in step, and what has become of
// the callback is judged. The next round starts from there.
//
// # What counts as lost, doubled, diverged
//
// In step means: the link is synced, it holds the callback's revision, and the
// version it knows is the item's version in the EHR.
//
// Lost: the API has taken the request, and the ledger does not have it, or the EHR
// has no item for it.
//
// Duplicate: more than one item carries the marker of one link; an item with the
// text of a request carries another marker, or none; the same request made two
// callbacks.
//
// Diverged is any of these:
//
//   - The two sides never get in step although the faults have ended.
//   - In step, and they say different things: the class of the status, priority,
//     owner, the outcome where Ringback writes it. A closed callback's item may be
//     ended in the way that staff have ended it.
//   - An attempt, or a note of staff, that was saved stands in the item or in the
//     ledger's timeline not exactly once.
//   - A field is not what the people of the round made of it (see judge):
//     nobody touched it: it is what it was. Only one side did: it is what that side
//     said last. Both did: what staff said last, if they began after the API had
//     answered for the last time; otherwise they did not know of each other, and
//     either is right. So it is where staff, without having seen what the API did,
//     have put back what was there before, or set what Ringback had just written:
//     whoever compares sees no change. Where
//     people could not see what others did, the rules for each field decide: a
//     priority that was raised stands against one that was lowered; an item that is
//     held or taken up does not open a callback that was closed meanwhile; one that is
//     ended is ended unless somebody reopens it through the API, or the caller has
//     called again.
//   - It changes later, with nobody acting.
package campaign

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Faults is what strikes between Ringback and the EHR.
type Faults interface {
	Strike(share float64)   // from now on; 0 ends it
	Counts() map[string]int // by kind
	Requests() int          // all that came, whether they suffered or not
}

// Config says where and how much is played.
type Config struct {
	API    string // base URL of Ringback
	Token  string // of role staff; empty where Ringback lets this machine in
	EHR    string // FHIR base as staff reach it, which is not through the faults
	Clinic string
	// Owners are the owners that the clinic's configuration names, and who that is in
	// the EHR: "front-desk": "Organization/front-desk".
	Owners map[string]string

	N      int    // callbacks
	Seed   uint64 // the same seed plays the same lives; how they interleave is the machine's
	AtOnce int    // lives at a time; 0: 50
	Rounds int    // rounds of a life at most; 0: 3

	Faults Faults  // nil: none
	Share  float64 // of requests that suffer; 0: a quarter

	// RoundWithin is how long a round may take to get in step while faults strike; a
	// life that is not in step by then ends there and is judged after the faults. 0: a minute.
	RoundWithin time.Duration
	// SettleWithin is how long everything may take to get in step once the faults
	// have ended. 0: three minutes.
	SettleWithin time.Duration

	// Without are acts that are not played: "api assign", "staff priority". See Acts.
	Without []string
	Log     func(format string, args ...any) // nil: none
}

func (c Config) withDefaults() (Config, error) {
	if c.API == "" || c.EHR == "" || c.Clinic == "" || c.N <= 0 || len(c.Owners) < 2 {
		return c, errors.New("campaign: API, EHR, Clinic, N and two Owners are needed")
	}
	for _, w := range c.Without {
		if !slices.Contains(Acts(), w) {
			return c, fmt.Errorf("campaign: there is no act %q", w)
		}
	}
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&c.RoundWithin, time.Minute)
	set(&c.SettleWithin, 3*time.Minute)
	if c.AtOnce == 0 {
		c.AtOnce = 50
	}
	if c.Rounds == 0 {
		c.Rounds = 3
	}
	if c.Share == 0 {
		c.Share = 0.25
	}
	if c.Log == nil {
		c.Log = func(string, ...any) {}
	}
	return c, nil
}

// campaign is one run.
type campaign struct {
	cfg    Config
	run    string // what tells this run's requests from those of other runs
	client *http.Client
	played atomic.Int64
	acts   atomic.Int64
	unmet  atomic.Int64

	mu    sync.Mutex
	lives []*life
}

// Run plays and counts. The error says that it could not be played or counted; what
// went wrong with callbacks stands in the Result.
func Run(ctx context.Context, cfg Config) (Result, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return Result{}, err
	}
	transport := &http.Transport{MaxIdleConnsPerHost: cfg.AtOnce}
	defer transport.CloseIdleConnections()
	c := &campaign{cfg: cfg, run: fmt.Sprintf("%x-%x", cfg.Seed, time.Now().UnixMilli()),
		client: &http.Client{Transport: transport, Timeout: time.Minute}}
	cfg.Log("campaign: n=%d seed=%d", cfg.N, cfg.Seed)
	began := time.Now()
	stop := c.report(began)
	defer stop()

	if cfg.Faults != nil {
		cfg.Faults.Strike(cfg.Share)
	}
	err = c.play(ctx)
	struck, requests := map[string]int{}, 0
	if cfg.Faults != nil {
		cfg.Faults.Strike(0)
		struck, requests = cfg.Faults.Counts(), cfg.Faults.Requests()
	}
	if err != nil {
		return Result{}, err
	}
	played := time.Since(began)
	cfg.Log("campaign: %d lives played in %s, the faults have ended", cfg.N, played.Round(time.Second))
	c.settle(ctx)
	r, err := c.count(ctx)
	r.Seed, r.Acts, r.Unmet, r.Played, r.Took = cfg.Seed, int(c.acts.Load()), int(c.unmet.Load()), played, time.Since(began)
	r.Faults, r.Requests = struck, requests
	return r, err
}

// play plays all lives, AtOnce at a time.
func (c *campaign) play(ctx context.Context) error {
	numbers := make(chan int)
	var all sync.WaitGroup
	for range min(c.cfg.AtOnce, c.cfg.N) {
		all.Go(func() {
			for i := range numbers {
				l := c.newLife(i)
				l.play(ctx)
				c.played.Add(1)
			}
		})
	}
	for i := range c.cfg.N {
		select {
		case numbers <- i:
		case <-ctx.Done():
		}
	}
	close(numbers)
	all.Wait()
	return ctx.Err()
}

func (c *campaign) newLife(i int) *life {
	l := &life{campaign: c, number: i, random: rand.New(rand.NewPCG(c.cfg.Seed, uint64(i))), who: somebody(i)}
	l.token = fmt.Sprintf("campaign %s request %d.", c.run, i)
	c.add(l)
	return l
}

func (c *campaign) add(l *life) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lives = append(c.lives, l)
}

// settle waits until every life is in step and judges it, and then once more: what
// is in step stays so.
func (c *campaign) settle(ctx context.Context) {
	for _, first := range []bool{true, false} {
		deadline, cancel := context.WithTimeout(ctx, c.cfg.SettleWithin)
		c.each(func(l *life) {
			if first {
				l.hasten(deadline)
			}
			l.meet(deadline, true)
		})
		cancel()
	}
}

// each does something for every life, AtOnce at a time.
func (c *campaign) each(do func(*life)) {
	turn := make(chan struct{}, c.cfg.AtOnce)
	var all sync.WaitGroup
	c.mu.Lock()
	lives := slices.Clone(c.lives)
	c.mu.Unlock()
	for _, l := range lives {
		turn <- struct{}{}
		all.Go(func() {
			do(l)
			<-turn
		})
	}
	all.Wait()
}

// report tells every ten seconds how far it is.
func (c *campaign) report(began time.Time) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(10 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				n := c.played.Load()
				c.cfg.Log("campaign: %d of %d lives played, %d acts, %.1f callbacks a second", n, c.cfg.N, c.acts.Load(),
					float64(n)/time.Since(began).Seconds())
			}
		}
	}()
	return sync.OnceFunc(func() { close(done); <-ended })
}
