package store_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/ringback-health/ringback/store"
	"github.com/ringback-health/ringback/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSQLite(t *testing.T) {
	storetest.Exercise(t, func(t *testing.T) storetest.Ledger {
		return storetest.OpenAt(t, store.Options{DSN: storetest.SQLite(t), Keys: storetest.Keys(t)})
	})
}

func TestPostgreSQL(t *testing.T) {
	storetest.Postgres(t) // skips the whole test
	storetest.Exercise(t, func(t *testing.T) storetest.Ledger {
		return storetest.OpenAt(t, store.Options{DSN: storetest.Postgres(t), Keys: storetest.Keys(t)})
	})
}
