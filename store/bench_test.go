package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/redact"
	"github.com/ringback-health/ringback/store"
	"github.com/ringback-health/ringback/store/storetest"
)

const many = 100_000

// fill makes a ledger with many callbacks: nine in ten are closed, one in a
// hundred lags. It writes the rows in the database itself, with noise for what
// would be sealed.
func fill(b *testing.B) *store.Store {
	b.Helper()
	s := storetest.OpenAt(b, store.Options{DSN: storetest.SQLite(b), Keys: storetest.Keys(b)})
	values := strings.NewReplacer("{many}", fmt.Sprint(many), "{noon}", noon.Format(store.InstantLayout))
	for _, statement := range []string{
		`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {many})
		INSERT INTO callbacks (id, clinic, source, source_id, received_at, captured_at, asked_at, caller_name, caller_email,
			resolution, resolved_how, new_patient, category, priority, request_text, visit_kind, status, outcome, owner,
			repeats, review, revision, closed_at, updated_at, row_version)
		SELECT printf('01900000-0000-7000-8000-%012d', i), 'main-street', 'asterisk', 'call-' || i, '{noon}', '{noon}', '{noon}',
			randomblob(45), randomblob(60), '', '', '', 'other', 'routine', randomblob(200), '',
			iif(i % 10, 'closed', 'assigned'), iif(i % 10, 'booked', ''), 'front-desk', 0, 0, 5, iif(i % 10, '{noon}', NULL), '{noon}', 3
		FROM n`,
		`INSERT INTO callback_events (callback_id, seq, clinic, at, kind, by_kind, by_name, from_status, to_status, revision, detail)
		SELECT c.id, s.value, c.clinic, c.captured_at, 'triaged', 'automation', '', 'captured', 'triaged', s.value, 'from asterisk'
		FROM callbacks c, json_each('[1,2,3,4,5]') s`,
		`INSERT INTO links (id, clinic, callback_id, position, ehr, type, remote_id, remote_version, holds, wanted, state, base,
			last_error, hint, failures, lock, created_at, updated_at)
		SELECT '01900000-0000-7000-9000-' || substr(id, 25), clinic, id, 0, 'sandbox', 'Task', 'task-' || substr(id, 25), '3',
			iif(CAST(substr(id, 25) AS INTEGER) % 100, 5, 4), 5, 'synced', '{}', '', '', 0, 7, captured_at, captured_at
		FROM callbacks`,
	} {
		if _, err := s.Pool(b).Exec(values.Replace(statement)); err != nil {
			b.Fatal(err)
		}
	}
	return s
}

func BenchmarkTake(b *testing.B) {
	s := fill(b)
	n := 0
	for b.Loop() {
		n++
		take(b, s, fmt.Sprint("new-", n), callback.Caller{Name: redact.NewText("Ana Sample"), Phone: redact.NewText(fmt.Sprintf("+1555010%06d", n))}, "First visit")
	}
}

func BenchmarkUpdate(b *testing.B) {
	s := fill(b)
	c := take(b, s, "new", callback.Caller{Name: redact.NewText("Ana Sample")}, "First visit")
	for b.Loop() {
		if _, err := s.Update(b.Context(), c.ID, func(r *callback.Record) error {
			r.Patient.TriedAt = r.Patient.TriedAt.Add(time.Second)
			r.Revision++
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRecord(b *testing.B) {
	s := fill(b)
	c := take(b, s, "new", callback.Caller{Name: redact.NewText("Ana Sample")}, "First visit")
	for b.Loop() {
		if _, err := s.Record(b.Context(), c.ID); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLagging(b *testing.B) {
	s := fill(b)
	for b.Loop() {
		lags, err := s.Lagging(b.Context(), noon, 100)
		if err != nil || len(lags) != 100 {
			b.Fatal(len(lags), err)
		}
	}
}

func BenchmarkCount(b *testing.B) {
	s := fill(b)
	for b.Loop() {
		if tallies, err := s.Count(b.Context(), "main-street"); err != nil || len(tallies) != 2 {
			b.Fatal(tallies, err)
		}
	}
}
