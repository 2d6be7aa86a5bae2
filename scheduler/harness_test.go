package scheduler_test

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"go.uber.org/goleak"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/businesstime"
	"github.com/ringback-health/ringback/callback/workflow"
	"github.com/ringback-health/ringback/connectors/ehr"
	"github.com/ringback-health/ringback/connectors/ehr/fhirr4"
	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/internal/intake"
	"github.com/ringback-health/ringback/internal/redact"
	"github.com/ringback-health/ringback/sandbox"
	"github.com/ringback-health/ringback/scheduler"
	"github.com/ringback-health/ringback/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	clinic = callback.ClinicID("main")
	ehrID  = callback.EHRID("sandbox")
)

// world is a clinic with a real ledger, a real connector and the sandbox EHR, on
// a clock that the test moves.
type world struct {
	t         *testing.T
	clock     *clock.Manual
	ledger    *store.Store
	ehr       *sandbox.Server
	connector ehr.Connector
	desk      *intake.Desk
	front     *sandbox.FrontDesk
	options   scheduler.Options
	*scheduler.Worker
}

// tuesday is ten o'clock in a clinic in UTC.
var tuesday = time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)

func newWorld(t *testing.T) *world {
	return newWorldOn(t, "sqlite:"+filepath.Join(t.TempDir(), "ledger.db"), sandbox.Options{})
}

func newWorldOn(t *testing.T, dsn string, so sandbox.Options) *world {
	t.Helper()
	w := &world{t: t, clock: clock.NewManual(tuesday)}
	keys, err := store.GenerateKeys()
	w.must(err)
	w.ledger, err = store.Open(t.Context(), store.Options{DSN: dsn, Keys: keys, Migrate: true, Clock: w.clock})
	w.must(err)
	t.Cleanup(func() { w.must(w.ledger.Close()) })

	so.Clock = w.clock
	w.ehr = sandbox.New(so)
	w.front = sandbox.NewFrontDesk(w.ehr.Store())
	srv := httptest.NewServer(w.ehr)
	t.Cleanup(srv.Close)
	w.connector, err = fhirr4.Kind().New(ehr.Settings{ID: ehrID, Clinic: clinic, Zone: time.UTC, Region: "US", Secret: noSecret, Clock: w.clock},
		func(into any) error { return yaml.Unmarshal([]byte("base_url: "+srv.URL+"/fhir/R4"), into) })
	w.must(err)
	t.Cleanup(w.connector.Close)

	rules := workflow.Default(businesstime.Weekdays(time.UTC))
	w.desk = intake.NewDesk(w.ledger, w.clock, nil, intake.Clinic{ID: clinic, Region: "US", Rules: rules, EHR: ehrID, ProposeVisits: true})
	w.options = scheduler.Options{Ledger: w.ledger, Clock: w.clock,
		Sites: []scheduler.Site{{Clinic: clinic, Rules: rules, ID: ehrID, EHR: w.connector, Poll: "@every 1h"}}}
	w.Worker = scheduler.NewWorker(w.options)
	return w
}

func noSecret(string, string, string) (redact.Secret, error) { return redact.Secret{}, nil }

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// with makes the world's worker talk to another EHR, usually a wrapper.
func (w *world) with(e scheduler.EHR) {
	w.options.Sites[0].EHR = e
	w.Worker = scheduler.NewWorker(w.options)
}

// ask submits a web form of Ann Lee and returns its callback.
func (w *world) ask(id string, change func(*intake.Submission)) callback.ID {
	w.t.Helper()
	s := intake.Submission{Source: "webform", SourceID: id, Clinic: string(clinic), ReceivedAt: w.clock.Now(), Category: string(callback.ExistingScheduling),
		Name: redact.NewText("Ann Lee"), Phone: redact.NewText("+12125550101"), BirthDate: redact.NewText("1980-02-03"), Raw: []byte(id)}
	if change != nil {
		change(&s)
	}
	taken, err := w.desk.Take(w.t.Context(), s)
	w.must(err)
	return taken.Callback.ID
}

// ann makes Ann's chart and returns its id.
func (w *world) ann() string {
	w.t.Helper()
	r, err := w.front.RegisterPatient(sandbox.NewPatient{Family: "Lee", Given: "Ann", BirthDate: "1980-02-03", Phone: "212-555-0101"})
	w.must(err)
	return r.ID
}

// book books a visit for a patient in two days.
func (w *world) book(patient, task string) string {
	w.t.Helper()
	r, err := w.front.Book(sandbox.Booking{PatientID: patient, Start: w.clock.Now().Add(48 * time.Hour), TaskID: task})
	w.must(err)
	return r.ID
}

// deliver syncs everything that lags and is due, until nothing does.
func (w *world) deliver() {
	w.t.Helper()
	for range 20 {
		lags, err := w.ledger.Lagging(w.t.Context(), w.clock.Now(), 100)
		w.must(err)
		if len(lags) == 0 {
			return
		}
		for _, l := range lags {
			w.must(w.Sync(w.t.Context(), l.Link))
		}
	}
	w.t.Fatal("the links still lag after twenty rounds")
}

// poll reads both feeds a minute later.
func (w *world) poll() {
	w.t.Helper()
	w.clock.Advance(time.Minute)
	for _, f := range callback.Feeds {
		w.must(w.Poll(w.t.Context(), ehrID, f))
	}
}

func (w *world) record(id callback.ID) callback.Record {
	w.t.Helper()
	r, err := w.ledger.Record(context.WithoutCancel(w.t.Context()), id)
	w.must(err)
	return r
}

// task returns the one work item of a callback as the EHR has it.
func (w *world) task(id callback.ID) (sandbox.Resource, map[string]any) {
	w.t.Helper()
	var found []sandbox.Resource
	for _, l := range w.record(id).Links {
		for _, r := range w.ehr.Store().List("Task") {
			var t struct{ Identifier []struct{ Value string } }
			w.must(json.Unmarshal(r.Raw, &t))
			for _, i := range t.Identifier {
				if i.Value == string(l.Marker()) {
					found = append(found, r)
				}
			}
		}
	}
	if len(found) != 1 {
		w.t.Fatalf("callback %s has %d work items, want 1", id, len(found))
	}
	var members map[string]any
	w.must(json.Unmarshal(found[0].Raw, &members))
	return found[0], members
}

// taskLink returns the link to the callback's work item.
func (w *world) taskLink(id callback.ID) callback.Link {
	w.t.Helper()
	for _, l := range w.record(id).Links {
		if l.Type == callback.TaskResource {
			return l
		}
	}
	w.t.Fatal("no link to a work item")
	return callback.Link{}
}

func (w *world) fault(f sandbox.Fault) {
	w.t.Helper()
	w.must(w.ehr.Faults().Add(f))
}

// postgres returns the DSN of a server that tests may use, or skips.
func postgres(t *testing.T) string {
	t.Helper()
	dsn := os.Getenv("RINGBACK_TEST_POSTGRES")
	if dsn == "" {
		t.Skip("PostgreSQL: RINGBACK_TEST_POSTGRES is not set; make conformance runs this")
	}
	return dsn
}
