package store_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/redact"
	"github.com/ringback-health/ringback/store"
	"github.com/ringback-health/ringback/store/storetest"
)

// phi are the canaries: one for each place where PHI enters the ledger.
type phi struct{ seen []string }

func (p *phi) text(place string) redact.Text {
	p.seen = append(p.seen, "CANARY-"+place)
	return redact.NewText("CANARY-" + place)
}

func (p *phi) body(place string) []byte { return []byte("<" + p.text(place).Reveal() + ">") }

// use writes a canary into every sealed column and reads it back.
func (p *phi) use(t *testing.T, s *store.Store) (errs []error) {
	ctx := context.Background()
	req := callback.Request{Clinic: "main-street", Source: "webform", SourceID: "1", ReceivedAt: noon,
		Caller:  callback.Caller{Name: p.text("name"), Phone: p.text("phone"), Email: p.text("email"), BirthDate: p.text("birth")},
		Patient: callback.PatientKeys{MRN: p.text("mrn"), EHRID: p.text("ehr-id")}, Text: p.text("text")}
	a := callback.Arrival{ID: callback.NewID(), Clinic: req.Clinic, Source: req.Source, SourceID: req.SourceID,
		ReceivedAt: noon, StoredAt: noon, Body: p.body("arrival"), Phone: req.Caller.Phone}
	taken, err := s.Take(ctx, a, noon, func([]callback.Record) (callback.Intake, error) {
		rec := callback.Capture(req, noon)
		return callback.Intake{New: &rec}, nil
	})
	check(t, err)
	staff := callback.Actor{Kind: callback.Person, Name: "kim"}
	_, err = s.Update(ctx, taken.Callback.ID, func(r *callback.Record) error {
		r.Status, r.Patient.Candidate = callback.Assigned, p.text("candidate")
		r.Note(p.text("note"), staff, noon)
		return r.Attempt(callback.Attempt{ID: callback.NewID(), At: noon, By: staff, Channel: "phone", Result: callback.Reached, Note: p.text("attempt")}, noon)
	})
	check(t, err)
	page := callback.Page{ID: callback.NewID(), Clinic: "main-street", EHR: "e", Feed: callback.FeedItems, FetchedAt: noon, Body: p.body("page")}
	check(t, s.SavePage(ctx, page))
	visit := callback.Appointment{Clinic: "main-street", EHR: "e", ID: "1", State: callback.ApptBooked, Patient: p.text("visitor")}
	_, _, err = s.SaveAppointment(ctx, visit)
	check(t, err)

	rec, err := s.Record(ctx, taken.Callback.ID)
	check(t, err)
	pages, err := s.PendingPages(ctx, "e", callback.FeedItems, 1)
	check(t, err)
	visits, err := s.Appointments(ctx, "main-street", "e", visit.Patient, nil, nil)
	check(t, err)
	if !rec.Caller.Name.Equal(req.Caller.Name) || !bytes.Equal(pages[0].Body, page.Body) || len(visits) != 1 || !visits[0].Patient.Equal(visit.Patient) {
		t.Error("what was sealed does not come back")
	}

	// What fails must not tell either.
	_, err = s.Update(ctx, rec.ID, func(r *callback.Record) error { r.Status = "lost"; return nil })
	errs = append(errs, err)
	again := a
	again.SourceID = "2"
	_, err = s.Take(ctx, again, noon, func([]callback.Record) (callback.Intake, error) { return callback.Intake{New: &rec}, nil })
	errs = append(errs, err)
	gone, cancel := context.WithCancel(ctx)
	cancel()
	errs = append(errs, s.SavePage(gone, page))
	for _, err := range errs {
		if err == nil {
			t.Error("what cannot be stored was stored")
		}
	}
	return errs
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// absent checks that no canary stands in what, plain or in a usual encoding.
func (p *phi) absent(t *testing.T, where string, what []byte) {
	t.Helper()
	for _, c := range p.seen {
		for _, form := range []string{c, hex.EncodeToString([]byte(c)), base64.StdEncoding.EncodeToString([]byte(c))[:12]} {
			if bytes.Contains(bytes.ToLower(what), []byte(strings.ToLower(form))) {
				t.Errorf("%s stands in %s", c, where)
			}
		}
	}
}

func TestNoPHIOutsideTheSeam(t *testing.T) {
	dialects(t, func(t *testing.T, dsn string) {
		var log bytes.Buffer
		s, err := store.Open(t.Context(), store.Options{DSN: dsn, Keys: storetest.Keys(t), Migrate: true,
			Logger: slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
		check(t, err)
		s.LogEveryStatement()
		var p phi
		for _, err := range p.use(t, s) {
			p.absent(t, "an error", fmt.Appendf(nil, "%v %+v %#v", err, err, err.Error()))
		}
		p.absent(t, "the log", log.Bytes())
		if !strings.Contains(log.String(), "INSERT INTO") {
			t.Error("nothing was logged: the test shows nothing")
		}
		path, onDisk := strings.CutPrefix(dsn, "sqlite:")
		if !onDisk {
			p.absentInTables(t, s)
			check(t, s.Close())
			return
		}
		read := func() int {
			files, err := filepath.Glob(path + "*")
			check(t, err)
			size := 0
			for _, f := range files {
				content, err := os.ReadFile(f)
				check(t, err)
				p.absent(t, filepath.Base(f), content)
				if !strings.HasSuffix(f, "-shm") && bytes.Contains(content, []byte("main-street")) {
					size += len(content)
				}
			}
			return size
		}
		if read() == 0 {
			t.Error("the clinic stands in no file: the test shows nothing")
		}
		_, err = s.Pool(t).Exec("PRAGMA wal_checkpoint(TRUNCATE)")
		check(t, err)
		if read() == 0 {
			t.Error("the clinic does not stand in the database: the test shows nothing")
		}
		check(t, s.Close())
		read()
	})
}

// absentInTables looks at every row of every table as PostgreSQL prints it.
func (p *phi) absentInTables(t *testing.T, s *store.Store) {
	rows, err := s.Pool(t).Query(`SELECT t.table_name, query_to_xml('SELECT * FROM ' || t.table_name, true, false, '')::text
		FROM information_schema.tables t WHERE t.table_schema = current_schema()`)
	check(t, err)
	defer rows.Close()
	size := 0
	for rows.Next() {
		var table, content string
		check(t, rows.Scan(&table, &content))
		p.absent(t, "table "+table, []byte(content))
		size += strings.Count(content, "main-street")
	}
	check(t, rows.Err())
	if size == 0 {
		t.Error("the clinic stands in no table: the test shows nothing")
	}
}
