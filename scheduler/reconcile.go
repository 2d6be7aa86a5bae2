package scheduler

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/internal/fault"
)

// Carrier is a phone system that has to be asked for something: for its own log of
// calls, or to go on telling of calls. connectors/phone says what the functions promise.
type Carrier struct {
	Clinic callback.ClinicID
	Phone  callback.PhoneID
	// History asks for the calls that began in a span. nil: there is no log to ask for.
	History func(ctx context.Context, in callback.Span, page func([]calls.Event) error) error
	Every   time.Duration // 1h: how often
	// Subscribe has the phone system tell its events to Address. nil: it does so by itself.
	Subscribe func(ctx context.Context, address string, have calls.Subscription) (calls.Subscription, error)
	Address   string
}

// ReconcilerOptions is what a Reconciler is made of.
type ReconcilerOptions struct {
	Ledger   callback.Phones
	Carriers []Carrier
	Clock    clock.Clock
	Logger   *slog.Logger
	// Heard is told that there are events to read, and must not block. nil: nobody.
	Heard func()
}

// Reconciler holds each phone system's own log of calls against the ledger, so that a
// call of which no event reached us is found; and keeps subscriptions alive. What it finds it
// stores as events, and the Switchboard does the rest.
type Reconciler struct {
	*loop
	o     ReconcilerOptions
	tried map[callback.CallKey]time.Time // when a subscription that failed is tried again
}

const (
	reconcileEvery = time.Hour
	// reconcileAgain is when to ask again for a log that could not be had.
	reconcileAgain = 5 * time.Minute
	// reconcileOverlap is how far behind the last time it is asked again: calls stand in
	// a vendor's log when they have ended, by when they began.
	reconcileOverlap = 4 * time.Hour
	// reconcileFirst is how far back it is asked the first time.
	reconcileFirst = 24 * time.Hour
	// reconcileLag is how long a vendor has to tell of a call by itself: what its log
	// tells later than that was missing.
	reconcileLag = 10 * time.Minute
	carrierEvery = time.Minute
)

// NewReconciler makes a reconciler; Start it.
func NewReconciler(o ReconcilerOptions) *Reconciler {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.Heard == nil {
		o.Heard = func() {}
	}
	r := &Reconciler{o: o, tried: map[callback.CallKey]time.Time{}}
	r.loop = newLoop(carrierEvery, o.Logger, "phone systems cannot be asked for their calls", r.RunOnce)
	return r
}

// RunOnce does what is due of each phone system.
func (r *Reconciler) RunOnce(ctx context.Context) error {
	var errs []error
	for _, c := range r.o.Carriers {
		state, err := r.o.Ledger.PhoneState(ctx, c.Clinic, c.Phone)
		if err == nil {
			state, err = r.subscribe(ctx, c, state)
		}
		if err == nil {
			err = r.reconcile(ctx, c, state)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// subscribe makes or renews the subscription when it is time to. The error is the
// ledger's.
func (r *Reconciler) subscribe(ctx context.Context, c Carrier, state callback.PhoneState) (callback.PhoneState, error) {
	now, key := r.o.Clock.Now(), callback.CallKey{Clinic: c.Clinic, Phone: c.Phone}
	if c.Subscribe == nil || now.Before(state.Subscription.RenewAt) || now.Before(r.tried[key]) {
		return state, nil
	}
	sub, err := c.Subscribe(ctx, c.Address, state.Subscription)
	if err != nil {
		r.tried[key] = now.Add(reconcileAgain)
		r.o.Logger.Warn("a phone system does not tell of calls, or will stop to; its log is asked for them every hour meanwhile", "clinic", c.Clinic, "phone", c.Phone,
			"until", state.Subscription.Until, "error", fault.Describe(err))
		return state, nil
	}
	state.Subscription = sub
	return state, r.o.Ledger.SavePhoneState(ctx, state)
}

// reconcile asks for the log of a phone system when it is time to, and stores what it
// tells. The error is the ledger's.
func (r *Reconciler) reconcile(ctx context.Context, c Carrier, state callback.PhoneState) error {
	now, every := r.o.Clock.Now(), c.Every
	if every == 0 {
		every = reconcileEvery
	}
	if state.LastError != "" {
		every = min(every, reconcileAgain)
	}
	if c.History == nil || now.Before(state.LastAttempt.Add(every)) {
		return nil
	}
	in := callback.Span{From: state.Reconciled.Add(-reconcileOverlap), Until: now.Add(-reconcileLag)}
	if state.Reconciled.IsZero() {
		in.From = now.Add(-reconcileFirst)
	}
	var stored error
	err := c.History(ctx, in, func(events []calls.Event) error {
		stored = r.hear(ctx, c, events)
		return stored
	})
	if stored != nil {
		return stored
	}
	state.LastAttempt, state.LastError = now, ""
	if err != nil {
		state.LastError = fault.Describe(err)
		r.o.Logger.Warn("the log of a phone system could not be held against the ledger; it is asked for again", "clinic", c.Clinic, "phone", c.Phone, "error", state.LastError)
	} else {
		state.Reconciled = in.Until
	}
	return r.o.Ledger.SavePhoneState(ctx, state)
}

// hear stores what a log told.
func (r *Reconciler) hear(ctx context.Context, c Carrier, events []calls.Event) error {
	told := make([]callback.Told, 0, len(events))
	for _, e := range events {
		told = append(told, callback.Told{Event: e, ID: callback.NewID(), Clinic: c.Clinic, Phone: c.Phone})
	}
	fresh, err := r.o.Ledger.Hear(ctx, told)
	if fresh > 0 {
		r.o.Heard()
	}
	return err
}
