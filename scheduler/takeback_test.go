package scheduler_test

import (
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/redact"
	"github.com/ringback-health/ringback/sandbox"
	"github.com/ringback-health/ringback/scheduler"
)

// TestDeathOnPostgreSQL: jobs that a daemon left running when it was killed are taken
// back when it starts again, at once; those of another daemon stay, whoever starts.
func TestDeathOnPostgreSQL(t *testing.T) {
	dsn := ownDatabase(t, postgres(t))
	w := newWorldOn(t, dsn, sandbox.Options{})
	dir := t.TempDir()
	mine := scheduler.QueueOptions{Postgres: redact.NewSecret(dsn), Cooldown: 10 * time.Millisecond, Identity: filepath.Join(dir, "mine")}
	other := mine
	other.Identity = filepath.Join(dir, "other")

	id := w.ask("1", nil)
	s := running(t, w, mine)
	delivered := func() bool { r := w.record(id); return w.taskLink(id).Holds >= r.Revision }
	eventually(t, "the first life files it", delivered)
	eventually(t, "and reads the feeds", func() bool {
		st, err := w.ledger.FeedState(t.Context(), clinic, ehrID, callback.FeedItems)
		return err == nil && !st.LastSuccess.IsZero()
	})
	stop(t, s)
	db, err := pgx.Connect(t.Context(), dsn)
	w.must(err)
	defer func() { _ = db.Close(t.Context()) }()
	killed, err := db.Exec(t.Context(), `UPDATE river_job SET state = 'running', finalized_at = NULL, attempted_at = now()
		WHERE id IN (SELECT max(id) FROM river_job GROUP BY unique_key)`)
	w.must(err)
	if killed.RowsAffected() != 3 {
		t.Fatalf("%d jobs, want one of the link and two of feeds", killed.RowsAffected())
	}
	_, err = w.ledger.Update(t.Context(), id, func(r *callback.Record) error {
		return r.Assign("billing", callback.Actor{Kind: callback.Person}, w.clock.Now())
	})
	w.must(err)

	theirs := running(t, w, other)
	var left int
	w.must(db.QueryRow(t.Context(), `SELECT count(*) FROM river_job WHERE state = 'running'`).Scan(&left))
	if left != 3 {
		t.Errorf("another daemon took %d jobs that are not its own", 3-left)
	}
	second := running(t, w, other) // on the same machine, which is no reason not to start
	stop(t, second)

	w.clock.Advance(time.Minute)
	before := len(w.ehr.Requests())
	s = running(t, w, mine)
	eventually(t, "the next life delivers the change", delivered)
	eventually(t, "and reads the feeds", func() bool {
		for _, r := range w.ehr.Requests()[before:] {
			if r.Method == http.MethodGet && r.Path == sandbox.BasePath+"/Appointment" {
				return true
			}
		}
		return false
	})
	stop(t, s)
	stop(t, theirs)
}
