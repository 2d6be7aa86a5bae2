package scheduler

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/fault"
)

const (
	// tellWithin bounds how long it may take to tell the operator something.
	tellWithin = 10 * time.Second
	// tellTurn is how long a process that tells of an EHR holds back the others: a
	// little longer than it may take. One that dies over it costs that much.
	tellTurn = 15 * time.Second
	// tellAgainAfter is when to try again if he could not be told.
	tellAgainAfter = time.Minute
)

// teller tells the operator when an EHR begins to fail and when it answers again:
// once among all processes, and again only when one dies between telling him and
// storing that he was told. The log of each process has both in any case.
type teller struct {
	*loop
	ledger callback.Connections
	sites  []Site
	tell   func(context.Context, callback.News) error // nil: the log alone
	now    func() time.Time
	after  map[callback.EHRID]time.Time // nothing is told of it before
	turns  map[callback.EHRID]time.Time // that were taken for later
	logged map[callback.EHRID]time.Time // since when it fails by the log; zero: it does not
}

func newTeller(o Options) *teller {
	t := &teller{ledger: o.Ledger, sites: o.Sites, tell: o.Tell, now: o.Clock.Now,
		after: map[callback.EHRID]time.Time{}, turns: map[callback.EHRID]time.Time{}, logged: map[callback.EHRID]time.Time{}}
	t.loop = newLoop(o.SweepEvery, o.Logger, "it cannot be looked up which EHRs fail", t.runOnce)
	return t
}

// runOnce tells what is new of each EHR. What goes wrong with one does not keep the
// others from being told of.
func (t *teller) runOnce(ctx context.Context) error {
	troubled, err := t.ledger.Troubled(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, s := range t.sites {
		c := callback.Connection{Clinic: s.Clinic, EHR: s.ID}
		if i := slices.IndexFunc(troubled, func(c callback.Connection) bool { return c.EHR == s.ID }); i >= 0 {
			c = troubled[i]
		}
		t.write(c)
		if _, is := c.News(t.now()); is {
			errs = append(errs, t.tellOf(ctx, c))
		}
	}
	return errors.Join(errs...)
}

// tellOf tells what is new of an EHR when it is this process' turn, and stores it then.
func (t *teller) tellOf(ctx context.Context, c callback.Connection) error {
	if t.tell != nil {
		if mine, err := t.turn(ctx, c.EHR); err != nil || !mine {
			return err
		}
	}
	c, err := t.ledger.Connection(ctx, c.Clinic, c.EHR) // whoever had the turn before may have told it
	if err != nil {
		return err
	}
	n, is := c.News(t.now())
	if !is {
		return nil
	}
	if t.tell != nil {
		telling, cancel := context.WithTimeout(ctx, tellWithin)
		defer cancel()
		if err := t.tell(telling, n); err != nil {
			t.after[c.EHR] = t.now().Add(tellAgainAfter)
			t.log.Error("the operator could not be told; tried again in a minute", "ehr", c.EHR, "error", fault.Describe(err))
			return nil
		}
	}
	_, err = t.ledger.UpdateConnection(context.WithoutCancel(ctx), c.Clinic, c.EHR, func(c *callback.Connection) { c.Heard(n) })
	return err
}

// turn reports whether this process may tell of an EHR now. Processes take turns, in
// the ledger, beside those of the EHR's own limit; no EHR's name has a space. A turn
// that was taken for later is used then, or is lost.
func (t *teller) turn(ctx context.Context, ehr callback.EHRID) (_ bool, err error) {
	now := t.now()
	if now.Before(t.after[ehr]) {
		return false, nil
	}
	turn, taken := t.turns[ehr]
	delete(t.turns, ehr)
	if !taken || now.Sub(turn) > tellTurn-tellWithin {
		if turn, err = t.ledger.Slot(ctx, "news of "+ehr, now, tellTurn, 1); err != nil {
			return false, err
		}
	}
	if turn.After(now) {
		t.turns[ehr], t.after[ehr] = turn, turn
		return false, nil
	}
	return true, nil
}

// write puts into the log what it does not have yet of an EHR. What the operator was
// told, an earlier life has logged.
func (t *teller) write(c callback.Connection) {
	since, known := t.logged[c.EHR]
	if !known {
		since = c.Told
	}
	t.logged[c.EHR] = since
	switch {
	case c.Failing() && since.IsZero():
		t.logged[c.EHR] = c.Since
		t.log.Error("the EHR does not do its work; callbacks are kept and filed when it does", "ehr", c.EHR, "clinic", c.Clinic,
			"since", c.Since, "error", c.Error, "hint", c.Hint)
	case !c.Failing() && !since.IsZero():
		t.logged[c.EHR] = time.Time{}
		t.log.Warn("the EHR answers again", "ehr", c.EHR, "clinic", c.Clinic, "failed_since", since)
	}
}
