package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/redact"
	"github.com/ringback-health/ringback/store"
	"github.com/ringback-health/ringback/store/storetest"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// take stores a request and returns the callback that it made.
func take(t testing.TB, s *store.Store, sourceID string, caller callback.Caller, text string) callback.Callback {
	t.Helper()
	req := callback.Request{Clinic: "main-street", Source: "webform", SourceID: sourceID, ReceivedAt: noon,
		Caller: caller, Text: redact.NewText(text)}
	a := callback.Arrival{ID: callback.NewID(), Clinic: req.Clinic, Source: req.Source, SourceID: req.SourceID,
		ReceivedAt: noon, StoredAt: noon, Body: []byte(text), Phone: caller.Phone}
	taken, err := s.Take(context.Background(), a, noon, func([]callback.Record) (callback.Intake, error) {
		rec := callback.Capture(req, noon)
		rec.Links = []callback.Link{callback.NewLink(rec.Callback, "sandbox", callback.TaskResource, noon)}
		return callback.Intake{New: &rec}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return taken.Callback
}

func TestPragmasOnEveryConnection(t *testing.T) {
	s := storetest.Open(t)
	for i := range 8 { // the whole pool, held at once
		conn, err := s.Pool(t).Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		for pragma, want := range map[string]string{"journal_mode": "wal", "busy_timeout": "5000", "foreign_keys": "1", "synchronous": "2"} {
			var got string
			if err := conn.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
				t.Errorf("connection %d: %s is %s, %v; want %s", i, pragma, got, err, want)
			}
		}
	}
}

// TestDisposable: only who says so has a ledger that does not wait for the disk.
func TestDisposable(t *testing.T) {
	keys, err := store.GenerateKeys()
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), store.Options{DSN: storetest.SQLite(t), Keys: keys, Migrate: true, Disposable: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var got string
	if err := s.Pool(t).QueryRowContext(t.Context(), "PRAGMA synchronous").Scan(&got); err != nil || got != "0" {
		t.Errorf("synchronous is %s, %v; want 0", got, err)
	}
}

// A transaction that may write holds the write lock from its beginning; one that
// only reads does not.
func TestWritersTakeTheLockAtOnce(t *testing.T) {
	s := storetest.Open(t)
	pool := s.Pool(t)
	writer, err := pool.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Rollback()
	reader, err := pool.BeginTx(t.Context(), &sql.TxOptions{ReadOnly: true})
	if err != nil {
		t.Fatal("a reader waited for a writer:", err)
	}
	defer reader.Rollback()
	conn, err := pool.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(t.Context(), "PRAGMA busy_timeout = 0"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err == nil {
		t.Error("a second writer began while the first was under way")
	}
}

func TestDSN(t *testing.T) {
	keys := storetest.Keys(t)
	for _, dsn := range []string{"", "ledger.db", "sqlite:", "sqlite::memory:", "mysql://localhost/x",
		"postgres://user:s3cret@[bad/x", "postgres://user:s3cret@localhost:port/x"} {
		_, err := store.Open(t.Context(), store.Options{DSN: dsn, Keys: keys})
		refused(t, err, "DSN")
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

func TestServerOutOfReach(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().String()
	l.Close()
	_, err = store.Open(t.Context(), store.Options{DSN: "postgres://user:s3cret@" + at + "/ledger", Keys: storetest.Keys(t), Migrate: true})
	if !fault.Is(err, fault.Retry) || !strings.Contains(err.Error(), "cannot be reached") || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("error is %v (%s)", err, fault.Of(err))
	}
}

func TestNoDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("this is no database ", 500)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := store.Open(t.Context(), store.Options{DSN: "sqlite:" + path, Keys: storetest.Keys(t)})
	refused(t, err, path, "backup")
}

func TestOtherKeys(t *testing.T) {
	dialects(t, func(t *testing.T, dsn string) {
		dir := t.TempDir()
		right, wrong := filepath.Join(dir, "right"), filepath.Join(dir, "wrong")
		for _, file := range []string{right, wrong} {
			if err := store.SaveKeys(file, storetest.Keys(t)); err != nil {
				t.Fatal(err)
			}
		}
		s, err := store.Open(t.Context(), store.Options{DSN: dsn, KeysFile: right, Migrate: true})
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
		_, err = store.Open(t.Context(), store.Options{DSN: dsn, KeysFile: wrong})
		refused(t, err, wrong, "made with this ledger")
		storetest.OpenAt(t, store.Options{DSN: dsn, KeysFile: right})
	})
}

// After a rotation the old key still opens and finds what it sealed.
func TestRotatedKeys(t *testing.T) {
	dialects(t, func(t *testing.T, dsn string) {
		old := storetest.Keys(t)
		caller := callback.Caller{Name: redact.NewText("Ana Sample"), Phone: redact.NewText("+15550100123")}
		s, err := store.Open(t.Context(), store.Options{DSN: dsn, Keys: old, Migrate: true})
		if err != nil {
			t.Fatal(err)
		}
		first := take(t, s, "1", caller, "before")
		s.Close()

		s = storetest.OpenAt(t, store.Options{DSN: dsn, Keys: old.Rotated(t)})
		second := take(t, s, "2", caller, "after")
		a := callback.Arrival{ID: callback.NewID(), Clinic: "main-street", Source: "webform", SourceID: "3", ReceivedAt: noon, StoredAt: noon, Phone: caller.Phone}
		_, err = s.Take(t.Context(), a, noon, func(found []callback.Record) (callback.Intake, error) {
			if len(found) != 2 || found[0].ID != second.ID || found[1].ID != first.ID || !found[1].Caller.Name.Equal(caller.Name) {
				t.Errorf("%d callbacks of the number, want both", len(found))
			}
			return callback.Intake{Ignore: "looked"}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestRestart(t *testing.T) {
	dialects(t, func(t *testing.T, dsn string) {
		o := store.Options{DSN: dsn, Keys: storetest.Keys(t), Migrate: true}
		s, err := store.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		c := take(t, s, "1", callback.Caller{Name: redact.NewText("Ana Sample")}, "before")
		before, err := s.Record(t.Context(), c.ID)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Record(t.Context(), c.ID); err == nil {
			t.Error("a closed ledger was read")
		}
		after, err := storetest.OpenAt(t, o).Record(t.Context(), c.ID)
		if err != nil || len(after.Timeline) != len(before.Timeline) || !after.Caller.Name.Equal(before.Caller.Name) {
			t.Errorf("after the restart: %+v, %v", after, err)
		}
	})
}

// Two processes share a ledger: each has its own pool and its own queue.
func TestTwoProcesses(t *testing.T) {
	dialects(t, func(t *testing.T, dsn string) {
		o := store.Options{DSN: dsn, Keys: storetest.Keys(t)}
		both := []*store.Store{storetest.OpenAt(t, o), storetest.OpenAt(t, o)}
		c := take(t, both[0], "1", callback.Caller{}, "x")
		const each = 40
		done := make(chan error)
		for _, s := range both {
			go func() {
				for range each {
					_, err := s.Update(context.Background(), c.ID, func(r *callback.Record) error {
						r.Repeats++
						r.Note(redact.NewText("one more"), callback.Actor{Kind: callback.Automation}, noon)
						return nil
					})
					if err != nil {
						done <- err
						return
					}
				}
				done <- nil
			}()
		}
		for range both {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		rec, err := both[1].Record(t.Context(), c.ID)
		if err != nil || rec.Repeats != 2*each || len(rec.Timeline) != 1+2*each {
			t.Errorf("%d repeats, %d events, %v; want %d and %d", rec.Repeats, len(rec.Timeline), err, 2*each, 1+2*each)
		}
	})
}

// Ledgers of both kinds live side by side in one process.
func TestBothDialectsAtOnce(t *testing.T) {
	pg := storetest.OpenAt(t, store.Options{DSN: storetest.Postgres(t), Keys: storetest.Keys(t)})
	lite := storetest.Open(t)
	for _, s := range []*store.Store{pg, lite, pg} {
		take(t, s, string(callback.NewID()), callback.Caller{Name: redact.NewText("Ana Sample")}, "x")
	}
}

func TestLockedByAnother(t *testing.T) {
	dsn, keys := storetest.SQLite(t), storetest.Keys(t)
	s := storetest.OpenAt(t, store.Options{DSN: dsn, Keys: keys})
	other := storetest.OpenAt(t, store.Options{DSN: dsn, Keys: keys})
	tx, err := other.Pool(t).BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	s.DoNotWaitForLocks(t)
	if err := s.Ping(t.Context()); !fault.Is(err, fault.Retry) || !strings.Contains(err.Error(), "locked by another program") {
		t.Errorf("error is %v (%s)", err, fault.Of(err))
	}
	if _, _, err := s.List(t.Context(), callback.Filter{}); err != nil {
		t.Error("a reader waited for a writer:", err)
	}
}

func TestTimelineIsAppendOnly(t *testing.T) {
	dialects(t, func(t *testing.T, dsn string) {
		s := storetest.OpenAt(t, store.Options{DSN: dsn, Keys: storetest.Keys(t)})
		take(t, s, "1", callback.Caller{}, "x")
		statements := []string{"UPDATE callback_events SET detail = 'altered'", "DELETE FROM callback_events",
			"DELETE FROM callbacks"} // has events
		if !strings.HasPrefix(dsn, "sqlite") {
			statements = append(statements, "TRUNCATE callback_events")
		}
		for _, statement := range statements {
			if _, err := s.Pool(t).Exec(statement); err == nil {
				t.Errorf("%s was done", statement)
			}
		}
		var n int
		if err := s.Pool(t).QueryRow("SELECT count(*) FROM callback_events WHERE detail <> 'altered'").Scan(&n); err != nil || n != 1 {
			t.Errorf("%d events are whole, %v", n, err)
		}
	})
}

func TestSealedValuesStayInTheirPlace(t *testing.T) {
	dialects(t, func(t *testing.T, dsn string) {
		s := storetest.OpenAt(t, store.Options{DSN: dsn, Keys: storetest.Keys(t)})
		caller := callback.Caller{Name: redact.NewText("Ana Sample"), Email: redact.NewText("ana@example.org")}
		b := take(t, s, "untouched", caller, "x")
		for _, statement := range []string{
			"UPDATE callbacks SET caller_name = caller_email WHERE id = '%[1]s' AND id <> '%[2]s'",
			"UPDATE callbacks SET caller_name = (SELECT caller_name FROM callbacks WHERE id = '%[2]s') WHERE id = '%[1]s'",
			"UPDATE callbacks SET clinic = 'hill-road' WHERE id = '%[1]s' AND id <> '%[2]s'",
		} {
			a := take(t, s, string(callback.NewID()), caller, "x")
			if _, err := s.Pool(t).Exec(fmt.Sprintf(statement, a.ID, b.ID)); err != nil {
				t.Fatal(err)
			}
			_, err := s.Record(t.Context(), a.ID)
			refused(t, err, string(a.ID), "changed from outside")
			if _, err := s.Record(t.Context(), b.ID); err != nil {
				t.Error(err)
			}
		}
	})
}

// Nothing stands as NULL, in both dialects, so that the rules of the schema see it.
func TestNothingIsNull(t *testing.T) {
	dialects(t, func(t *testing.T, dsn string) {
		s := storetest.OpenAt(t, store.Options{DSN: dsn, Keys: storetest.Keys(t)})
		take(t, s, "1", callback.Caller{}, "")
		var n int
		err := s.Pool(t).QueryRow(`SELECT count(*) FROM callbacks c JOIN arrivals a ON a.callback_id = c.id WHERE caller_name IS NULL
			AND caller_phone IS NULL AND caller_phone_hash IS NULL AND patient_ehr_id IS NULL AND patient_chart_hash IS NULL AND request_text IS NULL
			AND preferred IS NULL AND closed_at IS NULL AND body IS NULL`).Scan(&n)
		if err != nil || n != 1 {
			t.Errorf("%d rows, %v; want the one", n, err)
		}
	})
}

// The same value has different hashes in different columns and clinics.
func TestHashesDoNotTellWhoStandsInTwoPlaces(t *testing.T) {
	s := storetest.Open(t)
	patient := redact.NewText("patient-1")
	for _, clinic := range []callback.ClinicID{"main-street", "hill-road"} {
		req := callback.Request{Clinic: clinic, Source: "s", SourceID: "1", ReceivedAt: noon, Patient: callback.PatientKeys{EHRID: patient}}
		req.Caller.Phone = patient
		a := callback.Arrival{ID: callback.NewID(), Clinic: clinic, Source: "s", SourceID: "1", ReceivedAt: noon, StoredAt: noon}
		if _, err := s.Take(t.Context(), a, noon, func([]callback.Record) (callback.Intake, error) {
			rec := callback.Capture(req, noon)
			return callback.Intake{New: &rec}, nil
		}); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.SaveAppointment(t.Context(), callback.Appointment{Clinic: clinic, EHR: "e", ID: "1", State: callback.ApptBooked, Patient: patient}); err != nil {
			t.Fatal(err)
		}
	}
	var n int
	err := s.Pool(t).QueryRow(`SELECT count(DISTINCT h) FROM (SELECT caller_phone_hash AS h FROM callbacks
		UNION ALL SELECT patient_chart_hash FROM callbacks UNION ALL SELECT patient_hash FROM appointments)`).Scan(&n)
	if err != nil || n != 6 {
		t.Errorf("%d different hashes, %v; want 6", n, err)
	}
}

func TestSlowStatementsAreToldWithoutValues(t *testing.T) {
	var log strings.Builder
	o := store.Options{DSN: storetest.SQLite(t), Keys: storetest.Keys(t), Logger: slog.New(slog.NewTextHandler(&log, nil))}
	s := storetest.OpenAt(t, o)
	s.LogEveryStatement()
	take(t, s, "source-id-7", callback.Caller{Name: redact.NewText("Ana Sample")}, "x")
	if !strings.Contains(log.String(), "slow statement") || strings.Contains(log.String(), "source-id-7") {
		t.Errorf("the log is\n%s", log.String())
	}
}

var errStop = errors.New("stop")

func TestAPanicOfTheCallerUndoes(t *testing.T) {
	s := storetest.Open(t)
	c := take(t, s, "1", callback.Caller{}, "x")
	func() {
		defer func() {
			if err, _ := recover().(error); !errors.Is(err, errStop) {
				t.Error("the panic was swallowed")
			}
		}()
		_, _ = s.Update(t.Context(), c.ID, func(r *callback.Record) error {
			r.Note(redact.NewText("lost"), callback.Actor{}, noon)
			panic(errStop)
		})
	}()
	take(t, s, "2", callback.Caller{}, "the ledger is not locked")
	rec, err := s.Record(t.Context(), c.ID)
	if err != nil || len(rec.Timeline) != 1 {
		t.Errorf("%d events, %v", len(rec.Timeline), err)
	}
}
