package store

import (
	"context"
	"database/sql"
	"io/fs"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/prf"
	tinkpb "github.com/tink-crypto/tink-go/v2/proto/tink_go_proto"
)

// What the tests see of the inside.
var (
	Plain         = plain
	MigrationsSQL = migrationFiles
)

const InstantLayout = instantLayout

func InstantText(t time.Time) (any, error) { return instant(t).Value() }

func ScanInstant(src any) (time.Time, error) {
	var i instant
	err := i.Scan(src)
	return i.Time(), err
}

func MigrateFrom(ctx context.Context, o Options, files fs.FS) ([]string, error) {
	return migrateFrom(ctx, o.withDefaults(), files)
}

// Pool is the connection pool under the ledger.
func (s *Store) Pool(t testing.TB) *sql.DB {
	t.Helper()
	pool, err := s.db.DB()
	if err != nil {
		t.Fatal(err)
	}
	return pool
}

// Rotated returns keys with a new primary key in front of the old ones.
func (k *Keys) Rotated(t testing.TB) *Keys {
	t.Helper()
	rotate := func(h *keyset.Handle, template *tinkpb.KeyTemplate) *keyset.Handle {
		m := keyset.NewManagerFromHandle(h)
		id, err := m.Add(template)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.SetPrimary(id); err != nil {
			t.Fatal(err)
		}
		out, err := m.Handle()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	return &Keys{aead: rotate(k.aead, aead.AES256GCMKeyTemplate()), hash: rotate(k.hash, prf.HMACSHA256PRFKeyTemplate())}
}

// DoNotWaitForLocks takes the patience from every connection of the pool.
func (s *Store) DoNotWaitForLocks(t testing.TB) {
	t.Helper()
	for range 8 {
		conn, err := s.Pool(t).Conn(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close() // not before all of them are held
		if _, err := conn.ExecContext(context.Background(), "PRAGMA busy_timeout = 0"); err != nil {
			t.Fatal(err)
		}
	}
}

// LogEveryStatement takes every statement for a slow one.
func (s *Store) LogEveryStatement() {
	l := s.db.Logger.(sqlLog)
	l.slow = 0
	s.db.Logger = l
}

// Fail and FailCommit are how a ledger of a dialect says that its database failed.
func Fail(dialect string, err error) error { return aLedger(dialect).fail("do it", err) }

func FailCommit(dialect string, err error) error { return aLedger(dialect).failCommit("do it", err) }

func aLedger(d string) *Store {
	at := place{dialect: dialect(d), path: "ledger.db"}
	if at.dialect == postgres {
		at.server, _ = pgx.ParseConfig("postgres://user:s3cret@db.example:5432/ledger")
	}
	return &Store{at: at}
}
