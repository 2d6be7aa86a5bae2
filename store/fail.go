package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/fault"
)

// fail turns an error inside the ledger into one that may be shown. The words of
// a driver may quote values, so they stay behind errors.Is and As. The domain's
// own errors, and those that are faults already, pass.
func (s *Store) fail(op string, err error) error {
	var known *fault.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known), errors.Is(err, errLostRace):
		return err
	case isDomain(err):
		return fmt.Errorf("%s: %w", op, err)
	case errors.Is(err, gorm.ErrRecordNotFound):
		return fmt.Errorf("%s: %w", op, callback.ErrNotFound)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fault.New(fault.Retry, op, "it was stopped before it finished; nothing was changed").Because(err)
	}
	var onPostgres *pgconn.PgError
	var onSQLite interface{ Code() int }
	switch {
	case errors.As(err, &onPostgres):
		return s.failPostgres(op, onPostgres, err)
	case errors.As(err, &onSQLite):
		return s.failSQLite(op, onSQLite.Code(), err)
	case errors.Is(err, gorm.ErrDuplicatedKey), errors.Is(err, gorm.ErrForeignKeyViolated):
		return s.broken(op, err)
	case unreachable(err):
		return fault.New(fault.Retry, op, s.at.String()+" cannot be reached").
			WithHint("check that the server runs and that host, user and password are right").Because(err)
	}
	return fault.New(fault.Permanent, op, fmt.Sprintf("%s: unexpected %T", s.at, err)).Because(err)
}

// cutShort reports whether err is how the end of its context looks to a
// statement: the transaction is gone, or SQLite was interrupted.
func cutShort(err error) bool {
	var onSQLite interface{ Code() int }
	return errors.Is(err, sql.ErrTxDone) || errors.As(err, &onSQLite) && onSQLite.Code()&0xff == sqlite3.SQLITE_INTERRUPT
}

// unreachable reports whether the connection to the server failed.
func unreachable(err error) bool {
	var dial *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &dial) || errors.As(err, &network) || errors.Is(err, driver.ErrBadConn) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// failCommit is fail for the end of a transaction. Where the connection broke
// there, nobody knows on which side.
func (s *Store) failCommit(op string, err error) error {
	var answered *pgconn.PgError
	if err == nil || s.at.dialect == sqlite || errors.As(err, &answered) {
		return s.fail(op, err)
	}
	return fault.New(fault.Ambiguous, op, s.at.String()+" did not say whether it was stored").
		WithHint("read it again").Because(err)
}

func isDomain(err error) bool {
	for _, e := range []error{callback.ErrInvalid, callback.ErrNotAllowed, callback.ErrNotFound, callback.ErrConflict} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func (s *Store) failPostgres(op string, e *pgconn.PgError, err error) error {
	switch e.Code[:2] {
	case "40": // serialization failure, deadlock
		return errors.Join(errLostRace, fault.New(fault.Retry, op, "it met another transaction").Because(err))
	case "08", "53", "57": // connection, resources, operator intervention
		return fault.New(fault.Retry, op, fmt.Sprintf("%s cannot serve it now (SQLSTATE %s)", s.at, e.Code)).Because(err)
	case "28", "3D", "42": // authorization, no such database, no such table or no right to it
		return fault.New(fault.Permanent, op, fmt.Sprintf("%s refused it (SQLSTATE %s)", s.at, e.Code)).
			WithHint("check that the database exists and that the user owns its tables").Because(err)
	case "22":
		return fmt.Errorf("%s: %w: a value that the database cannot hold (SQLSTATE %s)", op, callback.ErrInvalid, e.Code)
	case "23":
		return s.broken(op, err)
	}
	return fault.New(fault.Permanent, op, fmt.Sprintf("%s refused it (SQLSTATE %s)", s.at, e.Code)).Because(err)
}

func (s *Store) failSQLite(op string, code int, err error) error {
	switch code & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return fault.New(fault.Retry, op, s.at.path+" is locked by another program").
			WithHint("another Ringback, or a backup, holds it for long").Because(err)
	case sqlite3.SQLITE_INTERRUPT:
		return fault.New(fault.Retry, op, "it was stopped before it finished; nothing was changed").Because(err)
	case sqlite3.SQLITE_FULL:
		return fault.New(fault.Retry, op, "the disk of "+s.at.path+" is full").WithHint("make room").Because(err)
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM:
		return fault.New(fault.Permanent, op, s.at.path+" cannot be opened for writing").
			WithHint("the user that runs Ringback must own the file and its directory").Because(err)
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fault.New(fault.Permanent, op, s.at.path+" is damaged, or no SQLite database").
			WithHint("restore it from the backup").Because(err)
	case sqlite3.SQLITE_CONSTRAINT:
		return s.broken(op, err)
	}
	return fault.New(fault.Permanent, op, fmt.Sprintf("%s: SQLite error %d", s.at.path, code)).Because(err)
}

// broken is for a value that a rule of the schema refuses. What names the rule
// holds names of the schema only, never a value.
func (s *Store) broken(op string, err error) error {
	rule := "a rule of the schema"
	var e *pgconn.PgError
	if errors.As(err, &e) {
		rule = "the rule " + e.ConstraintName + e.ColumnName
	} else if _, name, ok := strings.Cut(err.Error(), " constraint failed: "); ok && s.at.dialect == sqlite {
		rule = "the rule " + name[:max(0, strings.LastIndex(name, " ("))]
	}
	return fault.New(fault.Permanent, op, "it breaks "+rule+"; nothing was changed").Because(err)
}

// conflict is a lost race that doing it again does not win.
func conflict(op, what string) error {
	return fmt.Errorf("%s: %s: %w", op, what, callback.ErrConflict)
}
