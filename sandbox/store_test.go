package sandbox_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/sandbox"
)

func TestStoreErrors(t *testing.T) {
	store := sandbox.New(sandbox.Options{}).Store()
	r, err := store.Create([]byte(task))
	if err != nil {
		t.Fatal(err)
	}
	check := func(want int, err error) {
		t.Helper()
		if got := status(t, err); got != want {
			t.Errorf("%v: got %d, want %d", err, got, want)
		}
	}
	_, err = store.Create([]byte(`[]`))
	check(http.StatusBadRequest, err)
	_, err = store.Update([]byte(task), "")
	check(http.StatusBadRequest, err)
	_, err = store.Update(r.Raw, "2")
	check(http.StatusPreconditionFailed, err)
	_, err = store.Update([]byte(`{"resourceType":"Task","id":"none","status":"ready","intent":"order"}`), "")
	check(http.StatusNotFound, err)
	_, err = store.Read("Observation", "1")
	check(http.StatusNotFound, err)
	_, err = store.Search("Task", url.Values{"colour": {"red"}})
	check(http.StatusBadRequest, err)
	_, err = store.Edit("Task", r.ID, func(json.RawMessage) (json.RawMessage, error) {
		return json.RawMessage(`{"resourceType":"Task","id":"x","status":"ready","intent":"order"}`), nil
	})
	check(http.StatusBadRequest, err)
	check(http.StatusNotFound, store.Delete("Observation", "1"))
	if err := store.Delete("Task", r.ID); err != nil {
		t.Fatal(err)
	}
	_, err = store.Update(r.Raw, "")
	check(http.StatusGone, err)
	versions, err := store.History("Task", r.ID)
	if err != nil || len(versions) != 2 || !versions[0].Deleted || versions[1].VersionID != "1" {
		t.Errorf("history: %+v %v", versions, err)
	}
	if store.List("Observation") != nil || len(store.List("Task")) != 0 {
		t.Error("List shows what is not there")
	}
}

func TestSeed(t *testing.T) {
	server := sandbox.New(sandbox.Options{})
	own := []byte(`{"resourceType":"Task","id":"own","status":"requested","intent":"order"}`)
	if err := server.Seed([]byte(task), own, own); err != nil {
		t.Fatal(err)
	}
	if r, err := server.Store().Read("Task", "own"); err != nil || r.VersionID != "2" || len(server.Store().List("Task")) != 2 {
		t.Errorf("seeded twice: version %s, %v", r.VersionID, err)
	}
	for _, bad := range []string{`x`, `{"resourceType":"Observation"}`, `{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Task"}}]}`, `{"resourceType":"Bundle","entry":[{}]}`} {
		if err := server.Seed([]byte(bad)); status(t, err) != http.StatusBadRequest {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// TestLastUpdatedIsUnique writes while the clock stands still.
func TestLastUpdatedIsUnique(t *testing.T) {
	store := sandbox.New(sandbox.Options{Clock: clock.NewManual(monday.Add(750 * time.Microsecond))}).Store()
	for i := range 5 {
		r, err := store.Create([]byte(task))
		if err != nil {
			t.Fatal(err)
		}
		if want := monday.Add(time.Duration(i) * time.Millisecond); !r.LastUpdated.Equal(want) {
			t.Errorf("write %d: got %v, want %v", i, r.LastUpdated, want)
		}
	}
}

// TestConcurrentUse lets many create the same marker, edit one task and search, all
// over HTTP at once.
func TestConcurrentUse(t *testing.T) {
	const workers, rounds = 8, 12
	e := start(t, sandbox.Options{PageSize: 3})
	shared := e.create(`{"resourceType":"Task","id":"x","status":"requested","intent":"order","note":[{"text":"0"}]}`)
	desk := sandbox.NewFrontDesk(e.Store())
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range rounds {
				marked := fmt.Sprintf(`{"resourceType":"Task","identifier":[{"system":"urn:m","value":"%d"}],"status":"requested","intent":"order"}`, i)
				a, err := e.try("POST", "/Task", marked, "If-None-Exist", fmt.Sprintf("identifier=urn:m|%d", i))
				if err != nil || a.StatusCode > 201 {
					t.Errorf("create: %d %v", a.StatusCode, err)
				}
				if _, err := desk.AddNote(shared, "desk", fmt.Sprintf("%d/%d", w, i)); err != nil {
					t.Errorf("note: %v", err)
				}
				if a, err := e.try("PATCH", "/Task/"+shared, `[{"op":"add","path":"/note/-","value":{"text":"x"}}]`); err != nil || a.StatusCode != http.StatusOK {
					t.Errorf("patch: %d %v", a.StatusCode, err)
				}
				if a, err := e.try("GET", "/Task?_sort=_lastUpdated&status=requested", ""); err != nil || a.StatusCode != http.StatusOK {
					t.Errorf("search: %d %v", a.StatusCode, err)
				}
			}
		})
	}
	wg.Wait()
	if n := len(e.Store().List("Task")); n != rounds+1 {
		t.Errorf("%d tasks, want %d: a conditional create made a duplicate", n, rounds+1)
	}
	var held struct{ Note []any }
	r, err := e.Store().Read("Task", shared)
	if err != nil || json.Unmarshal(r.Raw, &held) != nil || len(held.Note) != 1+2*workers*rounds || r.VersionID != fmt.Sprint(1+2*workers*rounds) {
		t.Errorf("an edit was lost: %d notes, version %s, %v", len(held.Note), r.VersionID, err)
	}
}

func BenchmarkSearch(b *testing.B) {
	store := sandbox.New(sandbox.Options{}).Store()
	for i := range 10_000 {
		raw := fmt.Sprintf(`{"resourceType":"Task","identifier":[{"system":"urn:m","value":"%d"}],"status":%q,"intent":"order","authoredOn":"2025-03-03"}`, i, []string{"requested", "completed"}[i%2])
		if _, err := store.Create([]byte(raw)); err != nil {
			b.Fatal(err)
		}
	}
	for name, q := range map[string]url.Values{
		"identifier": {"identifier": {"urn:m|7777"}},
		"scan":       {"status": {"requested"}, "authored-on": {"ge2025-03-01"}, "_sort": {"-_lastUpdated"}},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := store.Search("Task", q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
