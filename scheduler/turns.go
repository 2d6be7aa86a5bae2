package scheduler

import (
	"context"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/internal/fault"
)

// Turns holds requests to one EHR back so that all processes together stay within
// its limit. The turns are taken in the ledger.
type Turns struct {
	Ledger    callback.Connections
	EHR       callback.EHRID
	PerSecond float64     // more than 0
	Clock     clock.Clock // nil: the system's
}

// Wait returns when it is the caller's turn. The error is Retry: ctx ended before,
// or the ledger cannot be asked; nothing was sent.
func (t Turns) Wait(ctx context.Context) error {
	if t.Clock == nil {
		t.Clock = clock.System{}
	}
	now := t.Clock.Now()
	every := time.Duration(float64(time.Second) / t.PerSecond)
	turn, err := t.Ledger.Slot(ctx, t.EHR, now, every, max(1, int(t.PerSecond)))
	if err != nil {
		return fault.New(fault.Retry, "wait for a turn", "the limit of this EHR cannot be looked up").Because(err)
	}
	wait := time.NewTimer(turn.Sub(now))
	defer wait.Stop()
	select {
	case <-wait.C:
		return nil
	case <-ctx.Done():
		return fault.New(fault.Retry, "wait for a turn", "stopped while the EHR's limit was used up").Because(ctx.Err())
	}
}
