package storetest

import (
	"context"
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"github.com/ringback-health/ringback/store"
)

// PostgresEnv names the environment variable with the URL of a PostgreSQL
// database in which the tests may make schemas of their own.
const PostgresEnv = "RINGBACK_TEST_POSTGRES"

// SQLite returns the DSN of a ledger that does not exist yet, in a directory
// that goes away with the test.
func SQLite(t testing.TB) string {
	t.Helper()
	return "sqlite:" + filepath.Join(t.TempDir(), "ledger.db")
}

// Postgres returns the DSN of an empty schema that goes away with the test. It
// skips the test when PostgresEnv is not set.
func Postgres(t testing.TB) string {
	t.Helper()
	base := os.Getenv(PostgresEnv)
	if base == "" {
		t.Skip("no PostgreSQL: set " + PostgresEnv + " to the URL of an empty database to run this")
	}
	at, err := url.Parse(base)
	if err != nil {
		t.Fatalf("%s is not a URL", PostgresEnv)
	}
	schema := "test_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	server := func(statement string) {
		db, err := sql.Open("pgx", base)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := db.ExecContext(context.Background(), statement); err != nil {
			t.Fatal(err)
		}
	}
	server("CREATE SCHEMA " + schema)
	t.Cleanup(func() { server("DROP SCHEMA " + schema + " CASCADE") })
	q := at.Query()
	q.Set("search_path", schema)
	at.RawQuery = q.Encode()
	return at.String()
}

// Open makes a ledger in SQLite with fresh keys, for the tests of whoever needs one.
func Open(t testing.TB) *store.Store {
	t.Helper()
	return OpenAt(t, store.Options{DSN: SQLite(t), Keys: Keys(t)})
}

// OpenAt opens a ledger, migrated, and closes it with the test.
func OpenAt(t testing.TB, o store.Options) *store.Store {
	t.Helper()
	o.Migrate = true
	s, err := store.Open(context.Background(), o)
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

// Keys makes fresh keys.
func Keys(t testing.TB) *store.Keys {
	t.Helper()
	k, err := store.GenerateKeys()
	if err != nil {
		t.Fatal(err)
	}
	return k
}
