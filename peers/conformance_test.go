//go:build conformance

// Package peers_test runs the real ringback binary against systems nobody here
// wrote: Medplum's FHIR server, and PostgreSQL. `make conformance` starts them and
// this. What a part does by itself is tested beside the part.
package peers_test

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/store/storetest"
)

// ehr is the peer that run.sh has started.
var ehr peer

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	ehr.base = os.Getenv("RINGBACK_PEER_FHIR")
	if ehr.base == "" {
		fmt.Fprintln(os.Stderr, "RINGBACK_PEER_FHIR is not set; start this with: make conformance")
		return 1
	}
	dir, err := os.MkdirTemp("", "ringback-conformance-")
	if err == nil {
		defer os.RemoveAll(dir)
		err = build(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// plain is an EHR that does not see to it that a work item is made only once:
// Ringback has to.
var plain = settings{without: "conditional-create"}

// scenarios are what Ringback promises, in the words of its users.
var scenarios = []struct {
	name     string
	settings settings
	run      func(*testing.T, *world)
}{
	{"a request stands in the inbox", settings{}, filed},
	{"what staff do is followed", settings{}, staffEdits},
	{"what is not ours is kept", settings{}, lossless},
	{"a booked visit closes", settings{}, booked},
	{"a visit that points to the work item closes", settings{}, bookedExactly},
	{"a cancelled visit reopens", settings{}, cancelled},
	{"an old appointment closes nothing", settings{}, oldAppointments},
	{"weak evidence closes nothing", settings{}, weakEvidence},
	{"staff name the chart", settings{}, chartByStaff},
	{"a proposed visit is booked", settings{proposeVisits: true}, proposed},
	{"an overtaken page changes nothing", settings{}, overtaken},
	{"a deleted work item is filed again", settings{}, deleted},
	{"a lost answer makes no second item", settings{}, lostAnswers},
	{"a lost answer where creates are never conditional", plain, lostAnswers},
	{"killed between filing and booking", settings{}, killed},
	{"killed while filing", settings{}, killedWhileFiling},
	{"killed while filing where creates are never conditional", plain, killedWhileFiling},
	{"forty at once", settings{pageSize: 7}, fortyAtOnce},
	{"ends when told to", settings{}, stops},
}

func TestOnSQLite(t *testing.T) {
	exercise(t, func(*testing.T) string { return "" })
}

func TestOnPostgreSQL(t *testing.T) {
	if os.Getenv(storetest.PostgresEnv) == "" {
		t.Skip("there is no PostgreSQL: run.sh could not start one")
	}
	exercise(t, func(t *testing.T) string { return storetest.Postgres(t) })
}

// exercise runs every scenario with a ledger of its own. The peer is the same for
// all, so that each finds what earlier ones left there, as in a real EHR.
func exercise(t *testing.T, ledger func(*testing.T) string) {
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			ehr.reset(t)
			if s.settings.without != "" {
				ehr.without(t, s.settings.without)
			}
			w := &world{daemon: newDaemon(t, ehr.base, ledger(t), s.settings)}
			w.start(t)
			w.baseline(t)
			s.run(t, w)
			w.judge(t)
		})
	}
}

// world is one clinic: its daemon and the people who called.
type world struct {
	*daemon
	canaries []string // what must not stand in the log
}

// patience is how long something may take that happens by itself. A job that a
// kill cut off on PostgreSQL is rescued after two minutes.
const patience = 3 * time.Minute

// eventually waits until ok holds and ends the test when it does not come. ok says
// what it sees, for whoever has to find out why.
func eventually(t testing.TB, what string, ok func() (bool, string)) {
	t.Helper()
	deadline := time.After(patience)
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		done, seen := ok()
		if done {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("%s: not so after %s: %s", what, patience, seen)
		case <-again.C:
		}
	}
}

// baseline waits until both feeds were read once.
func (w *world) baseline(t testing.TB) {
	t.Helper()
	eventually(t, "both feeds are read", func() (bool, string) {
		var ready struct {
			Checks []struct{ Name, What string }
		}
		if _, err := w.call(t.Context(), http.MethodGet, "/readyz", nil, &ready); err != nil {
			return false, err.Error()
		}
		read := 0
		for _, c := range ready.Checks {
			if strings.HasPrefix(c.What, "last read") {
				read++
			}
		}
		return read == 2, fmt.Sprint(ready.Checks)
	})
}

// ask sends a request for a callback, from an hour ago, and returns its id.
func (w *world) ask(t testing.TB, who person, more resource) string {
	t.Helper()
	var c callback
	if status := w.must(t, http.MethodPost, "/v1/callbacks", w.form(who, more), &c); status != http.StatusCreated {
		t.Fatalf("a new request is answered with %d", status)
	}
	return c.ID
}

// form is what a web form sends for a person. A member of more that is nil is left out.
func (w *world) form(who person, more resource) resource {
	w.canaries = append(w.canaries, who.family, who.phone[2:])
	r := resource{
		"source": "webform", "source_id": who.family, "clinic": clinic, "category": "existing-scheduling",
		"received_at": time.Now().Add(-time.Hour).UTC().Format(time.RFC3339),
		"caller":      resource{"name": who.name(), "phone": who.phone, "birth_date": who.birthDate},
		"text":        "Please call " + who.name() + " back.",
	}
	for name, v := range more {
		r[name] = v
		if v == nil {
			delete(r, name)
		}
	}
	return r
}

// until waits until the callback is as ok wants it.
func (w *world) until(t testing.TB, id, what string, ok func(callback) bool) callback {
	t.Helper()
	var c callback
	eventually(t, what, func() (bool, string) {
		c = w.show(t, id)
		return ok(c), fmt.Sprintf("%+v", c)
	})
	return c
}

// inStep waits until the EHR holds the callback's revision, and returns the
// reference to its work item.
func (w *world) inStep(t testing.TB, id string) (reference string) {
	t.Helper()
	w.until(t, id, "the work item is in step", func(c callback) bool {
		for _, l := range c.Links {
			if l.Status != "discarded" && (l.Status != "synced" || l.HoldsRevision != c.Revision || l.ID == nil) {
				return false
			}
			if l.ResourceType == "Task" && l.ID != nil {
				reference = "Task/" + *l.ID
			}
		}
		return reference != ""
	})
	return reference
}

// closedBy waits until the callback is closed as booked by the appointment.
func (w *world) closedBy(t testing.TB, id, appointment, verdict string) callback {
	t.Helper()
	c := w.until(t, id, "the callback is closed", func(c callback) bool { return c.Status == "closed" })
	if c.Outcome == nil || *c.Outcome != "booked" {
		t.Errorf("closed, and not as booked: %+v", c)
	}
	for _, e := range c.Evidence {
		if "Appointment/"+e.Appointment == appointment {
			if e.Verdict != verdict || e.State != "credited" || e.Sentence == "" || len(e.Reasons) == 0 {
				t.Errorf("the evidence is %+v, and should be %s", e, verdict)
			}
			return c
		}
	}
	t.Errorf("%s is not among the evidence %+v", appointment, c.Evidence)
	return c
}

// one ends the test unless exactly one resource carries each link's marker.
func (w *world) one(t testing.TB, id string) {
	t.Helper()
	for _, l := range w.show(t, id).Links {
		if n := len(ehr.marked(t, l.ResourceType, l.LinkID)); n != 1 {
			t.Errorf("%d of %s carry the marker of one link", n, l.ResourceType)
		}
	}
}

// judge is what holds after every scenario: all that Ringback wrote is valid, what
// it asked for was understood, and its log tells nothing about anybody.
func (w *world) judge(t testing.TB) {
	t.Helper()
	for _, i := range ehr.invalid(t) {
		t.Errorf("not valid FHIR R4: %s", i)
	}
	for _, r := range ehr.requests(t) {
		if slices.Contains([]int{400, 404, 405, 406, 415, 422, 500}, r.Status) {
			t.Errorf("the peer has no answer to %s %s: %d", r.Method, r.Path, r.Status)
		}
	}
	log := w.logged()
	for _, canary := range w.canaries {
		if strings.Contains(log, canary) {
			t.Errorf("a name or a number stands in the log")
		}
	}
	if strings.Contains(log, `"level":"ERROR"`) {
		t.Error("errors stand in the log")
	}
}
