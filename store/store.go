// Package store is the ledger: every callback, every arrival, every link to an
// EHR and what was seen there, in SQLite or in PostgreSQL.
//
// It implements callback.Ledger and callback.Tokens and is the only importer of
// gorm. Names, numbers, texts and raw bodies pass through one seam (seal.go),
// where each is encrypted for its row and column; nothing else in the module
// writes them to disk. Every change of a callback is one guarded transaction.
//
// What a change means is decided in package callback, when it happens in
// scheduler. The job queue has its own database and does not belong here.
package store

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"

	"gorm.io/gorm"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/clock"
)

// Options say which ledger to open.
type Options struct {
	// DSN is "sqlite:PATH" or "postgres://user@host/database".
	DSN string
	// KeysFile is the file of the keys, as SaveKeys writes it.
	KeysFile string
	// Keys are used instead of KeysFile when set.
	Keys *Keys
	// Migrate lets Open bring the schema up to date; else an old schema is an error.
	Migrate bool
	Clock   clock.Clock  // nil: the system's
	Logger  *slog.Logger // nil: nothing is logged
	// Disposable is for a ledger that is thrown away when the process ends, as that
	// of a simulation: SQLite does not wait for the disk, and a loss of power may
	// destroy the file. Never for callbacks of people; no configuration sets it.
	Disposable bool
}

func (o Options) withDefaults() Options {
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Store is an open ledger. It is safe for concurrent use, also by several
// processes.
type Store struct {
	db    *gorm.DB
	at    place
	clock clock.Clock
	seal  *sealer
	// writing admits one writer at a time to SQLite, so that writers queue here
	// and not in the database's polling; nil for PostgreSQL.
	writing chan struct{}
}

var (
	_ callback.Ledger = (*Store)(nil)
	_ callback.Tokens = (*Store)(nil)
)

// Open opens the ledger. It fails with a hint when the schema is not up to date
// (see Migrate), when the keys are not those the ledger was written with, and
// when the database lacks a setting that the ledger's guarantees rest on.
func Open(ctx context.Context, o Options) (*Store, error) {
	o = o.withDefaults()
	keys := o.Keys
	if keys == nil {
		var err error
		if keys, err = LoadKeys(o.KeysFile); err != nil {
			return nil, err
		}
	}
	sealer, err := newSealer(keys)
	if err != nil {
		return nil, err
	}
	if o.Migrate {
		if _, err := Migrate(ctx, o); err != nil {
			return nil, err
		}
	}
	at, err := parseDSN(o.DSN)
	if err != nil {
		return nil, err
	}
	at.disposable = o.Disposable
	db, err := connect(ctx, at, o.Logger)
	if err != nil {
		return nil, err
	}
	s := &Store{db: db, at: at, clock: o.Clock, seal: sealer}
	if at.dialect == sqlite {
		s.writing = make(chan struct{}, 1)
	}
	if err := s.check(ctx, o); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// check proves what the ledger rests on before anybody uses it.
func (s *Store) check(ctx context.Context, o Options) error {
	pool, err := s.db.DB()
	if err != nil {
		return s.fail("open the ledger", err)
	}
	if err := upToDate(ctx, pool, s.at); err != nil {
		return err
	}
	return s.checkKeys(ctx, o.KeysFile)
}

// Close ends all use of the ledger. What was committed is on disk.
func (s *Store) Close() error {
	pool, err := s.db.DB()
	if err == nil {
		err = pool.Close()
	}
	return s.fail("close the ledger", err)
}

// Ping reports whether the ledger can be read and written, by doing both.
func (s *Store) Ping(ctx context.Context) error {
	return s.write(ctx, "write to the ledger", func(tx *gorm.DB) error {
		return setMeta(tx, "ping", []byte(s.clock.Now().Format(instantLayout)))
	})
}

// maxTries bounds how often a write that lost a race is done again.
const maxTries = 10

// errLostRace says that a row moved since it was read: roll back, do it again.
var errLostRace = errors.New("lost a race")

// byCaller carries an error of a function that a caller passed in out of the
// transaction as it is.
type byCaller struct{ error }

// write runs do in one transaction that may write, again from the start when it
// lost a race. op says in an error what was tried, as "store a callback".
func (s *Store) write(ctx context.Context, op string, do func(tx *gorm.DB) error) error {
	if s.writing != nil {
		select {
		case s.writing <- struct{}{}:
			defer func() { <-s.writing }()
		case <-ctx.Done():
			return s.fail(op, ctx.Err())
		}
	}
	for range maxTries {
		err := s.transaction(ctx, nil, op, do)
		if !errors.Is(err, errLostRace) {
			return err
		}
	}
	return conflict(op, "the row kept changing")
}

// read runs do in one transaction that sees one state of the ledger.
func (s *Store) read(ctx context.Context, op string, do func(tx *gorm.DB) error) error {
	return s.transaction(ctx, &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead}, op, do)
}

// one is for an operation that is a single SELECT and so its own transaction.
func (s *Store) one(ctx context.Context) *gorm.DB { return s.db.WithContext(ctx) }

func (s *Store) transaction(ctx context.Context, o *sql.TxOptions, op string, do func(tx *gorm.DB) error) error {
	tx := s.db.WithContext(ctx).Begin(o)
	if tx.Error != nil {
		return s.fail(op, tx.Error)
	}
	defer tx.Rollback() // without effect after Commit
	err := do(tx)
	var theirs byCaller
	if errors.As(err, &theirs) {
		return theirs.error
	}
	if err == nil {
		if err = tx.Commit().Error; !errors.Is(err, sql.ErrTxDone) {
			return s.failCommit(op, err)
		}
	}
	if cutShort(err) && ctx.Err() != nil {
		err = ctx.Err()
	}
	return s.fail(op, err)
}
