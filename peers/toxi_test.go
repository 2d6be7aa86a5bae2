//go:build conformance

package peers_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"github.com/ringback-health/ringback/peers/faultproxy"
)

// toxics are what a bad network does.
var toxics = []struct {
	name  string
	json  string
	loses bool // requests or answers are lost, all of them, until Ringback has noticed
	// arrives says that what is lost are answers: the EHR has the items by then.
	arrives bool
}{
	{"latency and jitter", `{"type":"latency","stream":"downstream","attributes":{"latency":300,"jitter":250}}`, false, false},
	{"slow close", `{"type":"slow_close","stream":"downstream","attributes":{"delay":2000}}`, false, false},
	{"little bandwidth", `{"type":"bandwidth","stream":"downstream","attributes":{"rate":250}}`, false, false},
	{"reset before the request is read", `{"type":"reset_peer","stream":"upstream","attributes":{"timeout":0}}`, true, false},
	{"reset after the request was read", `{"type":"reset_peer","stream":"downstream","attributes":{"timeout":0}}`, true, true},
	{"the body is cut", `{"type":"limit_data","stream":"downstream","attributes":{"bytes":900}}`, true, true},
	{"requests vanish", `{"type":"timeout","stream":"upstream","attributes":{"timeout":700}}`, true, false},
	{"answers vanish", `{"type":"timeout","stream":"downstream","attributes":{"timeout":700}}`, true, true},
}

// TestBadNetwork lets requests be filed, tried, closed and edited while the network
// between Ringback and the EHR is bad; each has exactly one item in the end, in the
// right state.
func TestBadNetwork(t *testing.T) {
	medplum.furnish(t)
	for _, toxic := range toxics {
		t.Run(toxic.name, func(t *testing.T) {
			t.Parallel()
			w, network := throughToxics(t)
			w.start(t)
			w.baseline(t)
			w.inStep(t, w.ask(t, somebody(), nil)) // Ringback knows then what the EHR can do
			if _, err := network.Toxics.AddToxicJson(strings.NewReader(toxic.json)); err != nil {
				t.Fatal(err)
			}
			undelivered := func() int { return strings.Count(w.logged(), "work item not delivered") }
			w.workday(t, func() {
				if !toxic.loses {
					return
				}
				eventually(t, "Ringback notices that something is wrong", func() (bool, string) {
					n := undelivered()
					return n >= noticed, fmt.Sprintf("%d times", n)
				})
				if n := w.posted() - 1; (n > 0) != toxic.arrives {
					t.Errorf("%d of %d items have arrived", n, requests)
				}
				network.Toxics.ResetToxics(t.Context())
			})
			if n := undelivered(); n > 0 && !toxic.loses {
				t.Errorf("nothing is lost, and %d times a work item is not delivered", n)
			}
			w.judge(t)
		})
	}
}

// throughToxics makes a world with a network between Ringback and the EHR. The fault
// proxy behind it keeps links at the address that Ringback knows, and does no harm.
func throughToxics(t *testing.T) (*world, *toxiproxy.Proxy) {
	t.Helper()
	between, err := faultproxy.New(faultproxy.Config{Target: medplum.base})
	if err != nil {
		t.Fatal(err)
	}
	behind := httptest.NewServer(between)
	t.Cleanup(func() { between.Close(); behind.Close() })
	host := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	network := toxiproxy.NewProxy(host, "ehr", "127.0.0.1:0", strings.TrimPrefix(behind.URL, "http://"))
	if err := network.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(network.Stop)
	base, err := url.Parse(medplum.base)
	if err != nil {
		t.Fatal(err)
	}
	d := newDaemon(t, "http://"+network.Listen+base.Path, "", settings{})
	return &world{daemon: d, ehr: medplum, between: between}, network
}

// noticed is how many failures show that Ringback has noticed: it lets up on an EHR
// that answers nobody, so that there is not one for each request.
const noticed = 4

// requests is how many are filed on a workday.
const requests = 12

// workday files requests. Of each three one is closed, one is tried and one is edited
// by staff; meanwhile is called before staff come.
func (w *world) workday(t *testing.T, meanwhile func()) {
	t.Helper()
	var ids []string
	for range requests {
		ids = append(ids, w.ask(t, somebody(), nil))
	}
	var ignored callback
	for i, id := range ids {
		switch i % 3 {
		case 0:
			w.must(t, http.MethodPost, "/v1/callbacks/"+id+"/close", resource{"outcome": "patient-declined"}, &ignored)
		case 1:
			w.must(t, http.MethodPost, "/v1/callbacks/"+id+"/attempts", resource{"result": "no-answer", "at": time.Now().UTC()}, &ignored)
		}
	}
	meanwhile()
	for i, id := range ids {
		if i%3 == 2 {
			w.ehr.edit(t, w.inStep(t, id), func(r resource) { r["status"], r["priority"] = "on-hold", "asap" })
			w.until(t, id, "it waits", func(c callback) bool { return c.Status == "waiting" && c.Priority == "asap" })
		}
	}
	want := []resource{
		{"status": "completed", "priority": "routine"}, {"status": "in-progress", "priority": "routine"}, {"status": "on-hold", "priority": "asap"},
	}
	for i, id := range ids {
		task := w.ehr.read(t, w.inStep(t, id))
		w.one(t, id)
		for name, v := range want[i%3] {
			if task[name] != v {
				t.Errorf("request %d: %s is %v, and should be %v", i, name, task[name], v)
			}
		}
		if notes, _ := task["note"].([]any); len(notes) != []int{1, 1, 0}[i%3] {
			t.Errorf("request %d: %d notes", i, len(notes))
		}
	}
}
