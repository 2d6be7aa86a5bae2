package store

import (
	"context"
	"database/sql"
	"io/fs"
	"testing"
	"time"

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
