//go:build conformance

// Package peers_test runs the real ringback binary against systems nobody here
// wrote: FHIR servers, a SMART token server, PostgreSQL. `make conformance` starts
// them and this. What a part does by itself is tested beside the part.
package peers_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/peers/faultproxy"
	"github.com/ringback-health/ringback/store/storetest"
)

// medplum and hapi are the FHIR servers that run.sh has started. A base of ""
// is a server that could not be had.
var (
	medplum = peer{name: "Medplum"}
	hapi    = peer{name: "HAPI"}
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	medplum.base, hapi.base = os.Getenv("RINGBACK_PEER_FHIR"), os.Getenv("RINGBACK_PEER_HAPI")
	if medplum.base == "" {
		fmt.Fprintln(os.Stderr, "RINGBACK_PEER_FHIR is not set; start this with: make conformance")
		return 1
	}
	medplum.tells = strings.TrimSuffix(medplum.base, "/fhir/R4") + "/__invalid"
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

// scenarios are what Ringback promises, in the words of its users. Those that are
// core run on every FHIR server with every database; all others on SQLite with
// every FHIR server, and on PostgreSQL with Medplum's.
var scenarios = []struct {
	name     string
	core     bool
	settings settings
	run      func(*testing.T, *world)
}{
	{"a request stands in the inbox", true, settings{}, filed},
	{"what staff do is followed", false, settings{}, staffEdits},
	{"what is not ours is kept", false, settings{}, lossless},
	{"a booked visit closes", true, settings{}, booked},
	{"a visit that points to the work item closes", false, settings{}, bookedExactly},
	{"a cancelled visit reopens", true, settings{}, cancelled},
	{"an old appointment closes nothing", false, settings{}, oldAppointments},
	{"weak evidence closes nothing", false, settings{}, weakEvidence},
	{"staff name the chart", false, settings{}, chartByStaff},
	{"a proposed visit is booked", false, settings{proposeVisits: true}, proposed},
	{"an overtaken page changes nothing", false, settings{}, overtaken},
	{"a deleted work item is filed again", false, settings{}, deleted},
	{"a lost answer makes no second item", true, settings{}, lostAnswers},
	{"a lost answer where creates are never conditional", false, settings{unconditional: true}, lostAnswers},
	{"killed between filing and booking", false, settings{}, killed},
	{"killed while filing", true, settings{}, killedWhileFiling},
	{"killed while filing where creates are never conditional", false, settings{unconditional: true}, killedWhileFiling},
	{"forty at once", false, settings{pageSize: 7}, fortyAtOnce},
	{"ends when told to", false, settings{}, stops},
}

// onEach runs a test on every FHIR server that there is.
func onEach(t *testing.T, test func(*testing.T, peer)) {
	for _, p := range []peer{medplum, hapi} {
		t.Run(p.name, func(t *testing.T) {
			if p.base == "" {
				t.Skipf("there is no %s: run.sh could not start it", p.name)
			}
			p.furnish(t)
			test(t, p)
		})
	}
}

// TestOnSQLite and TestOnPostgreSQL take most of the time, and most of that they
// wait: all of it runs at once. Each scenario has a clinic of its own, with people
// whom the others do not know.
func TestOnSQLite(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p peer) {
		t.Parallel()
		exercise(t, p, true, func(*testing.T) string { return "" })
	})
}

func TestOnPostgreSQL(t *testing.T) {
	if os.Getenv(storetest.PostgresEnv) == "" {
		t.Skip("there is no PostgreSQL: run.sh could not start one")
	}
	t.Parallel()
	onEach(t, func(t *testing.T, p peer) {
		t.Parallel()
		exercise(t, p, p == medplum, func(t *testing.T) string { return storetest.Postgres(t) })
	})
}

// exercise runs the scenarios, each with a ledger of its own. The server is the
// same for all, so that each finds what earlier ones left there, as in a real EHR.
func exercise(t *testing.T, ehr peer, all bool, ledger func(*testing.T) string) {
	for _, s := range scenarios {
		if !all && !s.core {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			w := newWorld(t, ehr, ledger(t), s.settings)
			w.start(t)
			w.baseline(t)
			s.run(t, w)
			w.judge(t)
		})
	}
}

// world is one clinic: its daemon, its EHR, what goes wrong between the two, and
// the people who called.
type world struct {
	*daemon
	ehr      peer
	between  *faultproxy.Proxy
	canaries []string // what must not stand in the log
}

// newWorld puts a proxy in front of the EHR and configures a daemon for it. dsn is
// that of the ledger, "" for SQLite.
func newWorld(t *testing.T, ehr peer, dsn string, s settings) *world {
	t.Helper()
	// Hold: long enough for other answers to overtake one that is held back, and
	// shorter than Ringback waits for it.
	between, err := faultproxy.New(faultproxy.Config{Target: ehr.base, Hold: 5 * time.Second, Unconditional: s.unconditional})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(between)
	t.Cleanup(server.Close)
	t.Cleanup(between.Close)
	base, err := url.Parse(ehr.base)
	if err != nil {
		t.Fatal(err)
	}
	return &world{daemon: newDaemon(t, server.URL+base.Path, dsn, s), ehr: ehr, between: between}
}

// fault makes something go wrong between Ringback and the EHR.
func (w *world) fault(t testing.TB, r faultproxy.Rule) {
	t.Helper()
	if err := w.between.Add(r); err != nil {
		t.Fatal(err)
	}
}

// posted returns how many Tasks Ringback has asked the EHR to create.
func (w *world) posted() (n int) {
	for _, r := range w.between.Log() {
		if r.Method == http.MethodPost && r.Path == "/Task" {
			n++
		}
	}
	return n
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
		if n := len(w.ehr.marked(t, l.ResourceType, l.LinkID)); n != 1 {
			t.Errorf("%d of %s carry the marker of one link", n, l.ResourceType)
		}
	}
}

// judge is what holds after every scenario: all that Ringback wrote is valid, what
// it asked for was understood, and its log tells nothing about anybody.
func (w *world) judge(t testing.TB) {
	t.Helper()
	for _, i := range w.ehr.invalid(t) {
		t.Errorf("not valid FHIR R4: %s", i)
	}
	for _, r := range w.between.Log() {
		if r.Fault == "" && slices.Contains([]int{400, 404, 405, 406, 415, 422, 500, 501, 502}, r.Status) {
			t.Errorf("%s has no answer to %s %s: %d", w.ehr.name, r.Method, r.Path, r.Status)
		}
	}
	log := w.logged()
	for _, canary := range w.canaries {
		if strings.Contains(log, canary) {
			t.Errorf("a name or a number stands in the log")
		}
	}
	for line := range strings.Lines(log) {
		if strings.Contains(line, `"level":"ERROR"`) && !strings.Contains(line, alert) {
			t.Errorf("an error stands in the log: %s", line)
		}
	}
}

// What operators are told, once each, when an EHR stops working and when it works again.
const (
	alert    = `"msg":"the EHR does not do its work;`
	recovery = `"msg":"the EHR answers again"`
)
