package faultproxy_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/peers/faultproxy"
	"github.com/ringback-health/ringback/sandbox"
)

// TestSearchesLag: a server whose reads are current and whose searches are not.
func TestSearchesLag(t *testing.T) {
	const lag = 300 * time.Millisecond
	ehr := httptest.NewServer(sandbox.New(sandbox.Options{PageSize: 1}))
	defer ehr.Close()
	p, fhir := through(t, faultproxy.Config{Target: ehr.URL + base})
	p.LagSearches(lag)
	client := &http.Client{}
	defer client.CloseIdleConnections()

	write := func(method, address, body string) (made struct{ ID string }) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/fhir+json")
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if err := json.NewDecoder(resp.Body).Decode(&made); err != nil || resp.StatusCode > 201 {
			t.Fatal(resp.Status, err)
		}
		return made
	}
	// search returns how many a search finds, through all its pages, and whether
	// the server told how many there are.
	search := func(address string, post bool) (n int) {
		t.Helper()
		for address != "" {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
			if post {
				where, query, _ := strings.Cut(address, "?")
				req, err = http.NewRequestWithContext(t.Context(), http.MethodPost, where+"/_search", bytes.NewBufferString(query))
				req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			}
			if err != nil {
				t.Fatal(err)
			}
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			var bundle struct {
				Entry []any
				Link  []struct{ Relation, URL string }
			}
			if err != nil || json.Unmarshal(body, &bundle) != nil {
				t.Fatalf("%v %s", err, body)
			}
			n += len(bundle.Entry)
			address, post = "", false
			for _, l := range bundle.Link {
				if l.Relation == "next" {
					address = l.URL
				}
			}
		}
		return n
	}
	later := func() { <-time.After(lag + 50*time.Millisecond) }

	task := `{"resourceType":"Task","status":"ready","intent":"order","identifier":[{"system":"s","value":"v"}]}`
	made := write(http.MethodPost, fhir+"/Task", task)
	marked, changed := fhir+"/Task?identifier=s%7Cv", fhir+"/Task?_lastUpdated=ge2020-01-01"
	for _, address := range []string{marked, changed} {
		if n := search(address, false); n != 0 {
			t.Errorf("%d at once: %s", n, address)
		}
	}
	if n := search(marked, true); n != 0 {
		t.Errorf("%d at once with POST", n)
	}
	later()
	if a, b := search(marked, false), search(changed, true); a != 1 || b != 1 {
		t.Errorf("%d and %d after a while", a, b)
	}

	// An update does not take a resource out of the index by its marker.
	write(http.MethodPut, fhir+"/Task/"+made.ID, strings.Replace(task, "{", `{"id":"`+made.ID+`",`, 1))
	if a, b := search(marked, false), search(changed, false); a != 1 || b != 0 {
		t.Errorf("after an update %d are found by marker and %d by time", a, b)
	}

	// What staff make beside the proxy lags as well, and the pages go on.
	later()
	write(http.MethodPost, ehr.URL+base+"/Task", task)
	if n := search(marked, false); n != 1 {
		t.Errorf("%d, one of them made just now", n)
	}
	p.LagSearches(0)
	if n := search(marked, false); n != 2 {
		t.Errorf("%d without lag", n)
	}
}
