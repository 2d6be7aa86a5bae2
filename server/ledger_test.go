package server_test

import (
	"context"
	"path/filepath"
	"sync"
	"testing"

	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/store"
)

var newKeys = sync.OnceValues(store.GenerateKeys)

// newLedger opens a ledger in a file of its own. A test makes it fail by closing it.
func newLedger(t testing.TB, c clock.Clock) *store.Store {
	t.Helper()
	keys, err := newKeys()
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(context.Background(), store.Options{DSN: "sqlite:" + filepath.Join(t.TempDir(), "ledger.db"),
		Keys: keys, Migrate: true, Clock: c})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
