package store_test

import (
	"context"
	"database/sql"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/ringback-health/ringback/store"
	"github.com/ringback-health/ringback/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSQLite(t *testing.T) {
	var seen statements
	storetest.Exercise(t, func(t *testing.T) storetest.Ledger {
		s := storetest.OpenAt(t, store.Options{DSN: storetest.SQLite(t), Keys: storetest.Keys(t), Logger: slog.New(&seen)})
		s.LogEveryStatement()
		return s
	})
	t.Run("every statement uses an index and is logged without values", seen.useIndexes)
}

func TestPostgreSQL(t *testing.T) {
	storetest.Postgres(t) // skips the whole test
	storetest.Exercise(t, func(t *testing.T) storetest.Ledger {
		return storetest.OpenAt(t, store.Options{DSN: storetest.Postgres(t), Keys: storetest.Keys(t)})
	})
}

// statements gathers what a ledger sends to its database.
type statements struct {
	mu   sync.Mutex
	seen map[string]bool
}

func (s *statements) Enabled(context.Context, slog.Level) bool { return true }
func (s *statements) WithAttrs([]slog.Attr) slog.Handler       { return s }
func (s *statements) WithGroup(string) slog.Handler            { return s }

func (s *statements) Handle(_ context.Context, r slog.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		s.seen = map[string]bool{}
	}
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "statement" {
			s.seen[a.Value.String()] = true
		}
		return true
	})
	return nil
}

// Reading a whole table, or sorting what an index could give in order, is only
// for what is small.
var (
	wholeTable = regexp.MustCompile(`^SCAN \w+$`)
	sorting    = regexp.MustCompile(`^USE TEMP B-TREE FOR ORDER BY`)
	small      = regexp.MustCompile("`tokens`")
	// What is looked up by one of these is found by it, not by the clinic alone.
	telling = regexp.MustCompile(`\b(caller_phone_hash|patient_chart_hash|patient_hash|remote_id|marker|appointment|source_id|callback_id|hash) (?:=|IN) `)
)

func (s *statements) useIndexes(t *testing.T) {
	db := storetest.Open(t).Pool(t)
	explained := 0
	for _, statement := range slices.Sorted(maps.Keys(s.seen)) {
		if strings.Contains(statement, `"`) {
			t.Errorf("a value stands in what is logged: %s", statement)
			continue
		}
		if small.MatchString(statement) || !regexp.MustCompile("^(SELECT|UPDATE|DELETE)").MatchString(statement) {
			continue
		}
		explained++
		steps := plan(t, db, statement)
		for _, by := range telling.FindAllStringSubmatch(statement, -1) {
			if !strings.Contains(strings.Join(steps, "\n"), by[1]+"=?") {
				t.Errorf("%s\ndoes not look up %s: %q", statement, by[1], steps)
			}
		}
		for _, step := range steps {
			if wholeTable.MatchString(step) || sorting.MatchString(step) {
				t.Errorf("%s\n%s", statement, step)
			}
		}
	}
	if explained < 30 {
		t.Errorf("%d statements were seen: the test shows nothing", explained)
	}
}

// plan returns the steps in which SQLite does a statement.
func plan(t *testing.T, db *sql.DB, statement string) (steps []string) {
	t.Helper()
	rows, err := db.Query("EXPLAIN QUERY PLAN "+statement, make([]any, strings.Count(statement, "?"))...)
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var step string
		if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, step)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return steps
}
