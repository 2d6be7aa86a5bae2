package scheduler

import (
	"context"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/fault"
)

const (
	// tellWithin bounds how long it may take to tell the operator something.
	tellWithin = 10 * time.Second
	// tellAgainAfter is when to try again if he could not be told.
	tellAgainAfter = time.Minute
)

// teller tells the operator once when an EHR begins to fail and once when it
// answers again, whichever process notices and whichever tells.
type teller struct {
	*loop
	ledger callback.Connections
	sites  map[callback.EHRID]bool
	tell   func(context.Context, callback.News) error // nil: the log alone
	now    func() time.Time
	after  time.Time // do not try before
	logged map[callback.EHRID]callback.News
}

func newTeller(o Options) *teller {
	t := &teller{ledger: o.Ledger, sites: map[callback.EHRID]bool{}, logged: map[callback.EHRID]callback.News{}, tell: o.Tell, now: o.Clock.Now}
	t.loop = newLoop(o.SweepEvery, o.Logger, "it cannot be looked up which EHRs fail", t.runOnce)
	for _, s := range o.Sites {
		t.sites[s.ID] = true
	}
	return t
}

// runOnce tells what is new. Whoever tells takes it first, so that nobody else
// does, and gives it back when it could not be told.
func (t *teller) runOnce(ctx context.Context) error {
	if t.now().Before(t.after) {
		return nil
	}
	troubled, err := t.ledger.Troubled(ctx)
	if err != nil {
		return err
	}
	for _, c := range troubled {
		if _, is := c.Tell(t.now()); !is || !t.sites[c.EHR] {
			continue
		}
		if err := t.tellOf(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

func (t *teller) tellOf(ctx context.Context, c callback.Connection) error {
	var news callback.News
	var is bool
	before := c.Told
	if _, err := t.ledger.UpdateConnection(ctx, c.Clinic, c.EHR, func(c *callback.Connection) {
		before = c.Told
		news, is = c.Tell(t.now())
	}); err != nil || !is {
		return err
	}
	t.write(news)
	if t.tell == nil {
		return nil
	}
	telling, cancel := context.WithTimeout(ctx, tellWithin)
	defer cancel()
	err := t.tell(telling, news)
	if err == nil {
		return nil
	}
	t.after = t.now().Add(tellAgainAfter)
	t.log.Error("the operator could not be told; tried again in a minute", "ehr", news.EHR, "error", fault.Describe(err))
	_, err = t.ledger.UpdateConnection(context.WithoutCancel(ctx), c.Clinic, c.EHR, func(c *callback.Connection) { c.Told = before })
	return err
}

// write puts the news into the log, once however often it has to be told.
func (t *teller) write(n callback.News) {
	if last := t.logged[n.EHR]; last.Recovered == n.Recovered && last.Since.Equal(n.Since) {
		return
	}
	t.logged[n.EHR] = n
	if n.Recovered {
		t.log.Warn("the EHR answers again", "ehr", n.EHR, "clinic", n.Clinic, "failed_since", n.Since)
		return
	}
	t.log.Error("the EHR does not do its work; callbacks are kept and filed when it does", "ehr", n.EHR, "clinic", n.Clinic,
		"since", n.Since, "error", n.Error, "hint", n.Hint)
}
