package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	gormsqlite "github.com/glebarez/sqlite"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	gormpostgres "gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/ringback-health/ringback/internal/fault"
)

type dialect string

const (
	sqlite   dialect = "sqlite"
	postgres dialect = "postgres"
)

// place is where a ledger stands.
type place struct {
	dialect dialect
	path    string          // SQLite: the file
	server  *pgx.ConnConfig // PostgreSQL
	// disposable: see Options.Disposable.
	disposable bool
}

// String names the place for a person, without credentials.
func (p place) String() string {
	if p.dialect == sqlite {
		return p.path
	}
	return fmt.Sprintf("database %s on %s:%d", p.server.Database, p.server.Host, p.server.Port)
}

// parseDSN reads Options.DSN. Errors do not quote it: it may hold a password.
func parseDSN(dsn string) (place, error) {
	const op = "read the ledger's DSN"
	if path, ok := strings.CutPrefix(dsn, "sqlite:"); ok {
		if path == "" || strings.Contains(path, ":memory:") {
			return place{}, fault.New(fault.Permanent, op, "it names no file").
				WithHint("write it as sqlite:/var/lib/ringback/ledger.db")
		}
		return place{dialect: sqlite, path: path}, nil
	}
	if strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://") {
		server, err := pgx.ParseConfig(dsn)
		if err != nil {
			return place{}, fault.New(fault.Permanent, op, "it is not a PostgreSQL URL").
				WithHint("write it as postgres://user@host:5432/database?sslmode=verify-full").Because(err)
		}
		return place{dialect: postgres, server: server}, nil
	}
	return place{}, fault.New(fault.Permanent, op, "it names no database that is known").
		WithHint("it starts with sqlite: or postgres://")
}

// gormConfig makes a fresh configuration: gorm keeps the dialect in it, so two
// ledgers must not share one.
func gormConfig(log *slog.Logger) *gorm.Config {
	return &gorm.Config{
		Logger:                   sqlLog{log, time.Second},
		NowFunc:                  func() time.Time { return time.Now().UTC() },
		TranslateError:           true,
		SkipDefaultTransaction:   true, // every write is in a transaction of ours
		DisableNestedTransaction: true,
		DisableAutomaticPing:     true,
	}
}

// connect opens the connection pool and proves that it works.
func connect(ctx context.Context, at place, log *slog.Logger) (*gorm.DB, error) {
	const op = "open the ledger"
	var pool *sql.DB
	var driver gorm.Dialector
	if at.dialect == sqlite {
		if _, err := os.Stat(at.path); err != nil {
			return nil, noFile(at, err)
		}
		var err error
		if pool, err = sql.Open(gormsqlite.DriverName, sqliteDSN(at)); err != nil {
			return nil, fault.New(fault.Permanent, op, "the SQLite driver refused "+at.path).Because(err)
		}
		pool.SetMaxOpenConns(8)
		pool.SetMaxIdleConns(8)
		driver = &gormsqlite.Dialector{Conn: pool}
	} else {
		server := at.server.Copy()
		server.RuntimeParams["timezone"] = "UTC"
		if server.RuntimeParams["application_name"] == "" {
			server.RuntimeParams["application_name"] = "ringback"
		}
		pool = stdlib.OpenDB(*server)
		pool.SetMaxOpenConns(16)
		pool.SetMaxIdleConns(16)
		pool.SetConnMaxIdleTime(5 * time.Minute)
		driver = gormpostgres.New(gormpostgres.Config{Conn: pool})
	}
	s := &Store{at: at}
	if err := pool.PingContext(ctx); err != nil {
		return nil, errors.Join(s.fail(op, err), pool.Close())
	}
	if at.dialect == sqlite {
		if err := checkPragmas(ctx, pool, at); err != nil {
			return nil, errors.Join(err, pool.Close())
		}
	}
	db, err := gorm.Open(driver, gormConfig(log))
	if err != nil {
		return nil, errors.Join(s.fail(op, err), pool.Close())
	}
	return db, nil
}

// pragma is one setting of SQLite: how it is set, and how it reads back.
type pragma struct{ name, set, is string }

// pragmas are set through the DSN, so that every connection of the pool has
// them, and are read back at start. synchronous=FULL (2): what was acknowledged
// survives a loss of power.
func (p place) pragmas() []pragma {
	synchronous := pragma{"synchronous", "FULL", "2"}
	if p.disposable {
		synchronous = pragma{"synchronous", "OFF", "0"}
	}
	return []pragma{{"busy_timeout", "5000", "5000"}, {"journal_mode", "WAL", "wal"}, synchronous, {"foreign_keys", "1", "1"}}
}

// sqliteDSN adds what the ledger needs of SQLite. Transactions that may write
// take the write lock when they begin; one that took it later would fail against
// a concurrent one.
func sqliteDSN(at place) string {
	q := url.Values{"_txlock": {"immediate"}}
	for _, p := range at.pragmas() {
		q.Add("_pragma", p.name+"("+p.set+")")
	}
	return "file:" + (&url.URL{Path: at.path}).EscapedPath() + "?" + q.Encode()
}

func checkPragmas(ctx context.Context, pool *sql.DB, at place) error {
	for _, p := range at.pragmas() {
		var got string
		if err := pool.QueryRowContext(ctx, "PRAGMA "+p.name).Scan(&got); err != nil {
			return (&Store{at: at}).fail("read PRAGMA "+p.name, err)
		}
		if got != p.is {
			return fault.New(fault.Permanent, "open the ledger", fmt.Sprintf("%s: %s is %s and not %s", at, p.name, got, p.is)).
				WithHint("put the file on a local disk; a network share cannot hold it")
		}
	}
	return nil
}

func noFile(at place, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.Permanent, "open the ledger", "there is no "+at.path).WithHint(runMigrate).Because(err)
	}
	return fault.New(fault.Permanent, "open the ledger", at.path+" cannot be read").
		WithHint("check the owner and the mode of the file and of its directory").Because(err)
}

// sqlLog tells of slow statements, with placeholders in the place of values.
// Errors are returned to whoever called and are not logged here.
type sqlLog struct {
	to   *slog.Logger
	slow time.Duration // what takes this long is told
}

func (l sqlLog) LogMode(logger.LogLevel) logger.Interface { return l }
func (l sqlLog) Info(context.Context, string, ...any)     {}
func (l sqlLog) Warn(context.Context, string, ...any)     {}
func (l sqlLog) Error(context.Context, string, ...any)    {}
func (l sqlLog) Trace(ctx context.Context, began time.Time, statement func() (string, int64), _ error) {
	if took := time.Since(began); took >= l.slow {
		text, rows := statement()
		l.to.WarnContext(ctx, "slow statement in the ledger", "took", took, "statement", text, "rows", rows)
	}
}

// ParamsFilter keeps values out of what Trace sees. gorm does not ask it when a
// query ends in Scan; that is why every query here ends in Find or Take.
func (l sqlLog) ParamsFilter(_ context.Context, statement string, _ ...any) (string, []any) {
	return statement, nil
}
