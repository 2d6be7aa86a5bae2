package scheduler

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/internal/fault"
)

// tryAtMost is how long one try of an EHR that fails holds all others back, should
// whoever makes it die.
const tryAtMost = time.Minute

// circuit is an EHR whose every answer is taken note of, so that one that fails is
// tried by one job at a time and not by all. Its errors are *ehrError, so that they
// can be told from the ledger's.
type circuit struct {
	ehr    EHR
	clinic callback.ClinicID
	id     callback.EHRID
	ledger interface {
		callback.Connections
		Hasten(ctx context.Context, ehr callback.EHRID) error
	}
	clock clock.Clock
	log   *slog.Logger
	// suspect says that the ledger may hold failures that a success has to clear.
	suspect atomic.Bool
	calls   atomic.Uint64 // that were made
}

// ehrError is an error that came from the EHR, or from the way to it.
type ehrError struct{ error }

func (e *ehrError) Unwrap() error { return e.error }

// fromEHR tells a failure of the other side from one of the ledger.
func fromEHR(err error) bool {
	var e *ehrError
	return errors.As(err, &e)
}

// admit reports whether something may be sent to the EHR now. done has to be called
// when it was sent, or was not: then the next may try.
func (c *circuit) admit(ctx context.Context) (in bool, done func(), err error) {
	done = func() {}
	state, err := c.ledger.Connection(ctx, c.clinic, c.id)
	if err != nil {
		return false, done, err
	}
	if state.Failures > 0 {
		c.suspect.Store(true)
	}
	now := c.clock.Now()
	if !state.Failing() || now.Before(state.Until) {
		return !now.Before(state.Until), done, nil
	}
	before := c.calls.Load()
	_, err = c.ledger.UpdateConnection(ctx, c.clinic, c.id, func(s *callback.Connection) { in = s.Admit(now, tryAtMost) })
	if in && err == nil {
		done = func() {
			if c.calls.Load() == before {
				c.record(ctx, func(s *callback.Connection) { s.NotTried(now, tryAtMost) })
			}
		}
	}
	return in, done, err
}

// failing reports whether the EHR is taken for failing.
func (c *circuit) failing(ctx context.Context) (bool, error) {
	if !c.suspect.Load() {
		return false, nil
	}
	state, err := c.ledger.Connection(ctx, c.clinic, c.id)
	return state.Failing(), err
}

// note takes note of how one call ended and returns its error, marked as the EHR's.
// by is what was asked for.
func (c *circuit) note(ctx context.Context, by string, err error) error {
	c.calls.Add(1)
	change, is := c.verdict(ctx, by, err)
	if is {
		c.record(ctx, change)
	}
	if err == nil {
		return nil
	}
	return &ehrError{err}
}

// verdict returns what a call says of the EHR; false when it says nothing new.
func (c *circuit) verdict(ctx context.Context, by string, err error) (func(*callback.Connection), bool) {
	if err != nil && ctx.Err() != nil {
		return nil, false // our own time was over
	}
	now := c.clock.Now()
	failed := func(silent bool) (func(*callback.Connection), bool) {
		c.suspect.Store(true)
		return func(s *callback.Connection) { s.Failed(by, silent, fault.Describe(err), hint(err), now) }, true
	}
	status := 0
	if f := (*fault.Error)(nil); errors.As(err, &f) {
		status = f.Status
	}
	switch fault.Of(err) {
	case fault.Retry, fault.Ambiguous:
		// Neither has to do with what was sent: no answer, or that to something else.
		return failed(status == 0 || status/100 == 3 || by == askedForAll)
	case fault.Unauthorized:
		if status != http.StatusForbidden { // the client is known, and may not do this one thing
			return failed(true)
		}
	case fault.Throttled:
		until := now.Add(fault.After(err))
		if status == http.StatusServiceUnavailable { // it does nothing for anybody, and says for how long
			c.suspect.Store(true)
			return func(s *callback.Connection) {
				s.Failed(by, true, fault.Describe(err), hint(err), now)
				s.Throttled(until)
			}, true
		}
		return func(s *callback.Connection) { s.Throttled(until) }, true
	default: // it answered
	}
	return func(s *callback.Connection) { s.Answered(now) }, c.suspect.CompareAndSwap(true, false)
}

// record stores what was learned. The job's own time may be over by then.
func (c *circuit) record(ctx context.Context, change func(*callback.Connection)) {
	ctx, cancel := afterwards(ctx)
	defer cancel()
	var before callback.Connection
	after, err := c.ledger.UpdateConnection(ctx, c.clinic, c.id, func(s *callback.Connection) {
		before = *s
		change(s)
	})
	if err == nil && before.Failing() && !after.Failing() {
		err = c.ledger.Hasten(ctx, c.id)
	}
	if err != nil {
		c.suspect.Store(true)
		c.log.Error("how the EHR answers cannot be stored", "ehr", c.id, "error", fault.Describe(err))
	}
}

// The methods of EHR.

func (c *circuit) Capabilities(ctx context.Context) (callback.Capabilities, error) {
	caps, err := c.ehr.Capabilities(ctx)
	if err == nil {
		return caps, nil // often from memory: it says nothing of how the EHR does now
	}
	return caps, c.note(ctx, askedForAll, notOfTheLink(err))
}

// askedForAll is asked for whatever is to be filed.
const askedForAll = "capabilities"

// notOfTheLink makes of a refusal to say what the EHR takes something that passes: no
// callback is to blame for it, and none must get stuck by it.
func notOfTheLink(err error) error {
	var f *fault.Error
	if !errors.As(err, &f) || f.Disposition != fault.Permanent && f.Disposition != fault.NotFound {
		return err
	}
	passing := *f
	passing.Disposition = fault.Retry
	return &passing
}

func (c *circuit) Find(ctx context.Context, t callback.ResourceType, m callback.Marker) ([]callback.Item, error) {
	items, err := c.ehr.Find(ctx, t, m)
	return items, c.note(ctx, string(m.LinkID()), err)
}

func (c *circuit) Create(ctx context.Context, w callback.WorkItem) (callback.Item, error) {
	item, err := c.ehr.Create(ctx, w)
	return item, c.note(ctx, string(w.Link.ID), err)
}

func (c *circuit) Read(ctx context.Context, t callback.ResourceType, id string) (callback.Item, error) {
	item, err := c.ehr.Read(ctx, t, id)
	return item, c.note(ctx, string(t)+"/"+id, err)
}

func (c *circuit) Edit(ctx context.Context, current callback.Item, w callback.WorkItem) (callback.Item, error) {
	item, err := c.ehr.Edit(ctx, current, w)
	return item, c.note(ctx, string(w.Link.ID), err)
}

func (c *circuit) Changes(ctx context.Context, q callback.FeedQuery) iter.Seq2[callback.FeedPage, error] {
	by := string(q.Feed)
	switch { // one that cannot be answered is not an EHR that fails
	case q.Appointment != "":
		by += "/" + q.Appointment
	case !q.Patient.IsEmpty():
		by += " of a patient"
	}
	return func(yield func(callback.FeedPage, error) bool) {
		for page, err := range c.ehr.Changes(ctx, q) {
			if !yield(page, c.note(ctx, by, err)) {
				return
			}
		}
	}
}

func (c *circuit) Interpret(f callback.Feed, page []byte) (callback.Changes, error) {
	return c.ehr.Interpret(f, page)
}

func (c *circuit) Patients(ctx context.Context, q callback.PatientQuery) ([]callback.Chart, error) {
	charts, err := c.ehr.Patients(ctx, q)
	return charts, c.note(ctx, "patients", err)
}
