package campaign

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/ringback-health/ringback/sandbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestCount puts into an EHR, and into a ledger, what should not be there, and
// leaves out what should.
func TestCount(t *testing.T) {
	ehr := httptest.NewServer(sandbox.New(sandbox.Options{PageSize: 3}))
	defer ehr.Close()
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page := object{"items": []any{object{"id": "right"}, object{"id": "unfiled"}, object{"id": "twice"}}, "next_cursor": "x"}
		if r.URL.Query().Get("cursor") == "x" {
			page = object{"items": []any{object{"id": "wordy"}, object{"id": "odd"}, object{"id": "nobody's"}}}
		}
		_ = json.NewEncoder(w).Encode(page)
	}))
	defer api.Close()
	client := &http.Client{}
	defer client.CloseIdleConnections()
	c := &campaign{cfg: Config{API: api.URL, EHR: ehr.URL + sandbox.BasePath}, run: "r", client: client}
	life1 := func(id string, trouble ...string) {
		c.lives = append(c.lives, &life{campaign: c, number: len(c.lives), id: id, link: "link-" + id, token: "campaign r request " + id + ".", trouble: trouble})
	}
	for _, id := range []string{"right", "unfiled", "twice", "wordy", "forgotten"} {
		life1(id)
	}
	life1("odd", "the owner is another")
	file := func(marker, description string) {
		t.Helper()
		item := object{"resourceType": "Task", "status": "ready", "intent": "order", "description": description,
			"identifier": []any{object{"system": systemMarker, "value": markerPrefix + marker}}}
		if _, _, err := c.ehr(t.Context(), http.MethodPost, c.cfg.EHR+"/Task", nil, item); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []string{"right", "twice", "twice", "wordy", "forgotten", "odd"} {
		file("link-"+id, "campaign r request "+id+".")
	}
	file("link-other", "campaign r request wordy.")
	file("link-stranger", "campaign q request right.") // of another run

	r, err := c.count(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ids := func(list []Failure) (all []string) {
		for _, f := range list {
			all = append(all, f.Callback)
		}
		return all
	}
	if got := fmt.Sprint(ids(r.Lost)); got != "[unfiled forgotten]" {
		t.Errorf("lost: %s", got)
	}
	if got := fmt.Sprint(ids(r.Duplicates)); got != "[twice wordy nobody's ]" || r.Duplicates[3].Item == "" {
		t.Errorf("duplicates: %s", got)
	}
	if got := fmt.Sprint(ids(r.Diverged)); got != "[odd]" {
		t.Errorf("diverged: %s", got)
	}
	r.Seed, r.Requests, r.Faults = 7, 100, map[string]int{"a": 10, "b": 15}
	if got := r.Summary(); got != "campaign: n=6 seed=7 requests=100 faults=25 lost=2 duplicates=4 diverged=1" || r.OK() {
		t.Error(got)
	}
	if text := r.String(); !strings.Contains(text, "diverged: callback odd") || !strings.Contains(text, "2 items stand for it") {
		t.Error(text)
	}
}

func TestBadConfig(t *testing.T) {
	good := Config{API: "http://a", EHR: "http://e", Clinic: "c", N: 1, Owners: map[string]string{"a": "Organization/a", "b": "Organization/b"}}
	for name, spoil := range map[string]func(*Config){
		"no API": func(c *Config) { c.API = "" }, "no N": func(c *Config) { c.N = 0 }, "an unknown act": func(c *Config) { c.Without = []string{"api sing"} },
	} {
		cfg := good
		spoil(&cfg)
		if _, err := Run(context.Background(), cfg); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// TestEverybodyIsSomebodyElse, with a number of their own for ten thousand.
func TestEverybodyIsSomebodyElse(t *testing.T) {
	names, phones := map[string]bool{}, map[string]bool{}
	for i := range 10000 {
		p := somebody(i)
		names[p.name()], phones[p.phone] = true, true
		if len(p.phone) != 12 || !strings.Contains(p.phone, "55501") {
			t.Fatal(p.phone)
		}
	}
	if len(names) != 10000 || len(phones) != 10000 {
		t.Errorf("%d names, %d numbers", len(names), len(phones))
	}
}
