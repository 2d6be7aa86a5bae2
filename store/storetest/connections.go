package storetest

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
)

func connections(t *testing.T, l Ledger) {
	ctx := t.Context()
	c, err := l.Connection(ctx, here, ehr)
	must(t, err)
	same(t, "one that was never asked", c, callback.Connection{Clinic: here, EHR: ehr})

	full := callback.Connection{Clinic: here, EHR: ehr, Failures: 3, LastBy: "work-items", Since: noon, Until: noon.Add(time.Minute),
		Error: "no answer", Hint: "look at the cable", Told: noon.Add(-time.Hour)}
	got, err := l.UpdateConnection(ctx, here, ehr, func(c *callback.Connection) { *c = full })
	must(t, err)
	same(t, "as changed", got, full)
	got, err = l.Connection(ctx, here, ehr)
	must(t, err)
	same(t, "as stored", got, full)
	got, err = l.UpdateConnection(ctx, here, ehr, func(c *callback.Connection) { c.Answered(noon.Add(time.Hour)) })
	must(t, err)
	same(t, "zero values are stored too", got, callback.Connection{Clinic: here, EHR: ehr, Told: full.Told})
	got, err = l.Connection(ctx, here, ehr)
	must(t, err)
	same(t, "and read", got, callback.Connection{Clinic: here, EHR: ehr, Told: full.Told})
	troubled, err := l.Troubled(ctx)
	must(t, err)
	same(t, "told of, and over", troubled, []callback.Connection{{Clinic: here, EHR: ehr, Told: full.Told}})
	_, err = l.UpdateConnection(ctx, there, "fails", func(c *callback.Connection) { c.Since = noon })
	must(t, err)
	_, err = l.UpdateConnection(ctx, here, ehr, func(c *callback.Connection) { c.Told = time.Time{} })
	must(t, err)
	troubled, err = l.Troubled(ctx)
	must(t, err)
	same(t, "fails", troubled, []callback.Connection{{Clinic: there, EHR: "fails", Since: noon}})
	got, err = l.Connection(ctx, there, "other")
	must(t, err)
	same(t, "another EHR", got, callback.Connection{Clinic: there, EHR: "other"})

	// Only one of many is let through to an EHR that fails.
	_, err = l.UpdateConnection(ctx, here, ehr, func(c *callback.Connection) { c.Since, c.Until = noon, noon })
	must(t, err)
	var admitted, failures int
	var mu sync.Mutex
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			var in bool
			_, err := l.UpdateConnection(ctx, here, ehr, func(c *callback.Connection) { in = c.Admit(noon, time.Minute) })
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failures++
			}
			if in {
				admitted++
			}
		})
	}
	wait.Wait()
	same(t, "admitted, failed", []int{admitted, failures}, []int{1, 0})
}

func connectionsHoldBack(t *testing.T, l Ledger) {
	ctx := t.Context()
	newCallback(t, l, request(here, 1))
	lagAt := func(at time.Time) int {
		list, err := l.Lagging(ctx, at, 10)
		must(t, err)
		return len(list)
	}
	same(t, "lagging", lagAt(noon), 1)
	_, err := l.UpdateConnection(ctx, there, "other", func(c *callback.Connection) { c.Until = noon.Add(time.Hour) })
	must(t, err)
	same(t, "while another EHR is held back", lagAt(noon), 1)
	_, err = l.UpdateConnection(ctx, here, ehr, func(c *callback.Connection) { c.Until = noon.Add(time.Minute) })
	must(t, err)
	same(t, "while this one is", lagAt(noon), 0)
	same(t, "until then", lagAt(noon.Add(time.Minute)), 1)
}

func hasten(t *testing.T, l Ledger) {
	ctx := t.Context()
	state := func(n int, s callback.LinkState) callback.ID {
		rec := newCallback(t, l, request(here, n))
		saveLink(t, l, rec.Links[0].ID, func(l *callback.Link) {
			l.State, l.NextAttemptAt, l.Failures = s, noon.Add(time.Hour), 4
		})
		return rec.Links[0].ID
	}
	waits, unknown, stuck := state(1, callback.LinkPending), state(2, callback.LinkSending), state(3, callback.LinkStuck)
	must(t, l.Hasten(ctx, "other"))
	list, err := l.Lagging(ctx, noon, 10)
	must(t, err)
	same(t, "another EHR's", len(list), 0)
	must(t, l.Hasten(ctx, ehr))
	list, err = l.Lagging(ctx, noon, 10)
	must(t, err)
	if len(list) != 1 || list[0].Link != waits {
		t.Errorf("due are %v, want %s", list, waits)
	}
	for _, id := range []callback.ID{unknown, stuck} {
		k, err := l.LinkByID(ctx, id)
		must(t, err)
		same(t, "when to try one that is "+string(k.State), k.NextAttemptAt, noon.Add(time.Hour))
	}
}

func slots(t *testing.T, l Ledger) {
	ctx := t.Context()
	const every = time.Second
	take := func(at time.Time) time.Duration {
		t.Helper()
		turn, err := l.Slot(ctx, ehr, at, every, 3)
		must(t, err)
		return turn.Sub(at)
	}
	at := noon.Truncate(time.Second)
	first := take(at)
	same(t, "the first", first, time.Duration(0))
	at = at.Add(time.Hour)
	var waits []time.Duration
	for range 5 {
		waits = append(waits, take(at))
	}
	same(t, "after a quiet time", waits, []time.Duration{0, 0, 0, time.Second, 2 * time.Second})
	same(t, "a little later", take(at.Add(2500*time.Millisecond)), 500*time.Millisecond)
	turn, err := l.Slot(ctx, "other", at, every, 3)
	must(t, err)
	same(t, "another EHR's", turn, at)
}

func slotsAtOnce(t *testing.T, l Ledger) {
	at := noon.Truncate(time.Second)
	var mu sync.Mutex
	var turns []time.Duration
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for range 5 {
				turn, err := l.Slot(t.Context(), ehr, at, time.Second, 1)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				turns = append(turns, turn.Sub(at))
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	slices.Sort(turns)
	for i, d := range turns {
		same(t, "turn", d, time.Duration(i)*time.Second)
	}
}
