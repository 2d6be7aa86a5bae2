package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/ringback-health/ringback/internal/fault"
)

//go:embed migrations/*/*.sql
var migrationFiles embed.FS

const runMigrate = "run: ringback migrate"

// migration is one SQL file. Once released it is never edited: a ledger that ran
// another text under the same name is refused.
type migration struct {
	name     string // "0001_ledger"
	sql      string
	checksum string // SHA-256 of the file, hex
}

func migrationsOf(files fs.FS, d dialect) ([]migration, error) {
	names, err := fs.Glob(files, "migrations/"+string(d)+"/*.sql")
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	var all []migration
	for _, n := range names {
		content, err := fs.ReadFile(files, n)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(content)
		all = append(all, migration{strings.TrimSuffix(path.Base(n), ".sql"), string(content), hex.EncodeToString(sum[:])})
	}
	return all, nil
}

// Migrate makes the ledger if there is none and brings its schema up to date. It
// returns the names of what it applied, none when there was nothing to do. Each
// step is one transaction; of several that run at once, one does it. It needs no
// keys.
func Migrate(ctx context.Context, o Options) (applied []string, err error) {
	return migrateFrom(ctx, o.withDefaults(), migrationFiles)
}

func migrateFrom(ctx context.Context, o Options, files fs.FS) (applied []string, err error) {
	at, err := parseDSN(o.DSN)
	if err != nil {
		return nil, err
	}
	steps, err := migrationsOf(files, at.dialect)
	if err != nil {
		return nil, fault.New(fault.Permanent, "migrate the ledger", "the migrations cannot be read").Because(err)
	}
	if at.dialect == sqlite {
		if err := makeFile(at); err != nil {
			return nil, err
		}
	}
	db, err := connect(ctx, at, o.Logger)
	if err != nil {
		return nil, err
	}
	pool, err := db.DB()
	if err != nil {
		return nil, (&Store{at: at}).fail("migrate the ledger", err)
	}
	defer func() { err = errors.Join(err, pool.Close()) }()
	for _, m := range steps {
		did, err := m.apply(ctx, pool, at, o.Clock.Now().Format(instantLayout))
		if err != nil {
			return applied, (&Store{at: at}).fail("migrate the ledger to "+m.name, err)
		}
		if did {
			o.Logger.InfoContext(ctx, "ledger migrated", "ledger", at.String(), "migration", m.name)
			applied = append(applied, m.name)
		}
	}
	return applied, nil
}

// makeFile makes an empty file that only its owner can read; SQLite gives its
// other files the same mode.
func makeFile(at place) error {
	f, err := os.OpenFile(at.path, os.O_CREATE|os.O_RDWR, 0o600)
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		return fault.New(fault.Permanent, "make the ledger", at.path+" cannot be made or opened").
			WithHint("its directory must exist and belong to the user that runs Ringback").Because(err)
	}
	return nil
}

// advisoryLock keeps two migrations of one PostgreSQL database apart ("ringback" in hex).
const advisoryLock = 0x72696e676261636b

// apply does the step unless it was done, all in one transaction.
func (m migration) apply(ctx context.Context, pool *sql.DB, at place, now string) (did bool, err error) {
	tx, err := pool.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	defer tx.Rollback() //nolint:errcheck // without effect after Commit
	if at.dialect == postgres {
		if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock($1)", int64(advisoryLock)); err != nil {
			return false, err
		}
	}
	if _, err := tx.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS schema_migrations
		(name TEXT PRIMARY KEY, checksum TEXT NOT NULL, applied_at TEXT NOT NULL)`); err != nil {
		return false, err
	}
	done, err := checksums(ctx, tx)
	if err != nil {
		return false, err
	}
	if sum, ok := done[m.name]; ok {
		return false, m.same(sum, at)
	}
	if _, err := tx.ExecContext(ctx, m.sql); err != nil {
		return false, err
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO schema_migrations (name, checksum, applied_at) VALUES ($1, $2, $3)",
		m.name, m.checksum, now); err != nil {
		return false, err
	}
	return true, tx.Commit()
}

func (m migration) same(sum string, at place) error {
	if sum == m.checksum {
		return nil
	}
	return fault.New(fault.Permanent, "check the schema", fmt.Sprintf("%s was migrated by another text of %s", at, m.name)).
		WithHint("use the release that made it, or restore the backup from before that migration")
}

type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// checksums returns what was applied, by name.
func checksums(ctx context.Context, q querier) (map[string]string, error) {
	rows, err := q.QueryContext(ctx, "SELECT name, checksum FROM schema_migrations")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	done := map[string]string{}
	for rows.Next() {
		var name, sum string
		if err := rows.Scan(&name, &sum); err != nil {
			return nil, err
		}
		done[name] = sum
	}
	return done, rows.Err()
}

// upToDate fails unless exactly the migrations of this binary were applied.
func upToDate(ctx context.Context, pool *sql.DB, at place) error {
	const op = "check the schema"
	steps, err := migrationsOf(migrationFiles, at.dialect)
	if err != nil {
		return fault.New(fault.Permanent, op, "the migrations cannot be read").Because(err)
	}
	done := map[string]string{}
	made, err := hasMigrations(ctx, pool, at)
	if err == nil && made {
		done, err = checksums(ctx, pool)
	}
	if err != nil {
		return (&Store{at: at}).fail(op, err)
	}
	for _, m := range steps {
		sum, ok := done[m.name]
		if !ok {
			return fault.New(fault.Permanent, op, fmt.Sprintf("%s lacks migration %s", at, m.name)).WithHint(runMigrate)
		}
		if err := m.same(sum, at); err != nil {
			return err
		}
		delete(done, m.name)
	}
	for name := range done {
		return fault.New(fault.Permanent, op, fmt.Sprintf("%s was migrated by a newer release, to %s", at, name)).
			WithHint("use that release, or restore the backup from before that migration")
	}
	return nil
}

func hasMigrations(ctx context.Context, pool *sql.DB, at place) (made bool, err error) {
	ask := "SELECT count(*) > 0 FROM sqlite_master WHERE type = 'table' AND name = 'schema_migrations'"
	if at.dialect == postgres {
		ask = "SELECT to_regclass('schema_migrations') IS NOT NULL"
	}
	err = pool.QueryRowContext(ctx, ask).Scan(&made)
	return made, err
}
