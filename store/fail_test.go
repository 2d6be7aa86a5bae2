package store_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/redact"
	"github.com/ringback-health/ringback/store"
	"github.com/ringback-health/ringback/store/storetest"
)

// sqliteError is what the driver's error looks like from outside.
type sqliteError int

func (e sqliteError) Error() string {
	return fmt.Sprintf("constraint failed: CHECK constraint failed: closed_has_time (%d)", int(e))
}
func (e sqliteError) Code() int { return int(e) }

// Every failure of a database says what to do next, and none of its words.
func TestFailures(t *testing.T) {
	const leak = "CANARY"
	pg := func(code string) error {
		return &pgconn.PgError{Code: code, Message: leak, Detail: leak, Where: leak, ConstraintName: "closed_has_time"}
	}
	for _, c := range []struct {
		dialect string
		err     error
		want    fault.Disposition // or
		is      error
		says    string
	}{
		{"postgres", pg("40001"), fault.Retry, nil, "another transaction"},
		{"postgres", pg("40P01"), fault.Retry, nil, "another transaction"},
		{"postgres", pg("53300"), fault.Retry, nil, "cannot serve it now (SQLSTATE 53300)"},
		{"postgres", pg("57P01"), fault.Retry, nil, "cannot serve it now"},
		{"postgres", pg("28P01"), fault.Permanent, nil, "check that the database exists"},
		{"postgres", pg("3D000"), fault.Permanent, nil, "check that the database exists"},
		{"postgres", pg("42501"), fault.Permanent, nil, "owns its tables"},
		{"postgres", pg("23514"), fault.Permanent, nil, "the rule closed_has_time"},
		{"postgres", fmt.Errorf("%w: %w", gorm.ErrDuplicatedKey, pg("23505")), fault.Permanent, nil, "the rule closed_has_time"},
		{"postgres", pg("22021"), "", callback.ErrInvalid, "cannot hold"},
		{"postgres", pg("XX000"), fault.Permanent, nil, "SQLSTATE XX000"},
		{"postgres", &pgconn.ConnectError{}, fault.Retry, nil, "database ledger on db.example:5432 cannot be reached"},
		{"postgres", fmt.Errorf(leak+" %w", io.ErrUnexpectedEOF), fault.Retry, nil, "cannot be reached"},
		{"postgres", driver.ErrBadConn, fault.Retry, nil, "cannot be reached"},
		{"sqlite", sqliteError(5), fault.Retry, nil, "locked by another program"},
		{"sqlite", sqliteError(5 | 2<<8), fault.Retry, nil, "locked by another program"},
		{"sqlite", sqliteError(9), fault.Retry, nil, "stopped"},
		{"sqlite", sqliteError(13), fault.Retry, nil, "full; make room"},
		{"sqlite", sqliteError(8), fault.Permanent, nil, "must own the file"},
		{"sqlite", sqliteError(14), fault.Permanent, nil, "must own the file"},
		{"sqlite", sqliteError(11), fault.Permanent, nil, "restore it"},
		{"sqlite", sqliteError(19 | 1<<8), fault.Permanent, nil, "the rule closed_has_time;"},
		{"sqlite", sqliteError(1), fault.Permanent, nil, "SQLite error 1"},
		{"sqlite", gorm.ErrForeignKeyViolated, fault.Permanent, nil, "a rule of the schema"},
		{"sqlite", gorm.ErrRecordNotFound, "", callback.ErrNotFound, "do it: not found"},
		{"sqlite", context.DeadlineExceeded, fault.Retry, context.DeadlineExceeded, "nothing was changed"},
		{"sqlite", errors.New(leak), fault.Permanent, nil, "unexpected *errors.errorString"},
	} {
		err := store.Fail(c.dialect, c.err)
		if c.want != "" && fault.Of(err) != c.want {
			t.Errorf("%v is %s, want %s", err, fault.Of(err), c.want)
		}
		if c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%v is not %v", err, c.is)
		}
		if !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), leak) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("it says %q, want %q", err, c.says)
		}
	}
	for err, want := range map[error]fault.Disposition{
		io.ErrUnexpectedEOF:     fault.Ambiguous,
		pg("23514"):             fault.Permanent,
		context.Canceled:        fault.Ambiguous,
		gorm.ErrDuplicatedKey:   fault.Ambiguous,
		pg("40001"):             fault.Retry,
		errors.New("no answer"): fault.Ambiguous,
	} {
		if got := store.FailCommit("postgres", err); fault.Of(got) != want {
			t.Errorf("at the end of a transaction %v is %s, want %s", err, fault.Of(got), want)
		}
	}
	if store.Fail("sqlite", nil) != nil || store.FailCommit("postgres", nil) != nil {
		t.Error("success is an error")
	}
}

// A server that goes away under a change leaves nothing of it, and the ledger
// works again when it is back.
func TestServerGoesAway(t *testing.T) {
	at, err := url.Parse(storetest.Postgres(t))
	check(t, err)
	name := string(callback.NewID())
	q := at.Query()
	q.Set("application_name", name)
	at.RawQuery = q.Encode()
	s := storetest.OpenAt(t, store.Options{DSN: at.String(), Keys: storetest.Keys(t)})
	c := take(t, s, "1", callback.Caller{}, "x")
	killer := storetest.OpenAt(t, store.Options{DSN: storetest.Postgres(t), Keys: storetest.Keys(t)}).Pool(t)
	_, err = s.Update(t.Context(), c.ID, func(r *callback.Record) error {
		r.Note(redact.NewText("lost"), callback.Actor{}, noon)
		_, err := killer.Exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1", name)
		return err
	})
	if !fault.Is(err, fault.Retry) {
		t.Errorf("error is %v (%s), want one to retry", err, fault.Of(err))
	}
	for tries := 0; ; tries++ {
		rec, err := s.Record(t.Context(), c.ID)
		if fault.Is(err, fault.Retry) && tries < 20 {
			continue // a connection of the pool that nobody has noticed to be dead
		}
		if err != nil || len(rec.Timeline) != 1 {
			t.Errorf("%d events, %v", len(rec.Timeline), err)
		}
		return
	}
}
