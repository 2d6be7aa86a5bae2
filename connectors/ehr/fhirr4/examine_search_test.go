package fhirr4_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/connectors/ehr"
	"github.com/ringback-health/ringback/internal/doctor"
)

// TestExamineSearches: supported, ignored, refused, forbidden, each told from the
// others.
func TestExamineSearches(t *testing.T) {
	task := `{"resourceType":"Task","id":"1","status":"ready","intent":"order","description":"Canaria Zebedee"}`
	patient := `{"resourceType":"Patient","id":"1","name":[{"family":"Zebedee","given":["Canaria"]}],"birthDate":"1931-07-09"}`
	bundle := func(entry, more string) (int, string) {
		return http.StatusOK, `{"resourceType":"Bundle","type":"searchset"` + more + `,"entry":[{"resource":` + entry + `}]}`
	}
	for name, c := range map[string]struct {
		answer func(resource string, q url.Values) (int, string)
		check  string
		status doctor.Status
		words  []string
	}{
		"contradicted": {func(r string, q url.Values) (int, string) { return bundle(task, "") }, "items-by-marker", doctor.Warning,
			[]string{"ignores identifier (the answer holds what does not fit)", "→ the EHR's vendor", "its /metadata promises it"}},
		"contradicted by a patient": {func(r string, q url.Values) (int, string) { return bundle(patient, "") }, "patients-by-name", doctor.Warning,
			[]string{"ignores name, birthdate (the answer holds what does not fit)", "staff tie callbacks to charts by hand"}},
		"left out of the self link": {func(r string, q url.Values) (int, string) {
			return http.StatusOK, `{"resourceType":"Bundle","link":[{"relation":"self","url":"http://x/Task?_count=1"}]}`
		}, "items-by-time", doctor.Warning, []string{"ignores _lastUpdated (it repeats the question without it)"}},
		"a self link without a question": {func(r string, q url.Values) (int, string) {
			return http.StatusOK, `{"resourceType":"Bundle","link":[{"relation":"self","url":"http://x/Task"}]}`
		}, "items-by-time", doctor.OK, nil},
		"warned of": {func(r string, q url.Values) (int, string) {
			return bundle(outcomeBody("warning", "processing", "Unknown parameter: DATE"), "")
		}, "visits-by-date", doctor.Warning, []string{"ignores date (it says so)"}},
		"not supported": {func(r string, q url.Values) (int, string) {
			return bundle(outcomeBody("warning", "not-supported", ""), "")
		},
			"visits-by-time", doctor.Warning, []string{"it says so"}},
		"warned of something else": {func(r string, q url.Values) (int, string) {
			return bundle(outcomeBody("warning", "processing", "Resource request returns no results."), "")
		}, "visits-by-date", doctor.OK, nil},
		"refused": {func(r string, q url.Values) (int, string) {
			return http.StatusBadRequest, outcomeBody("error", "invalid", "Canaria Zebedee")
		}, "patients-by-phone", doctor.Warning, []string{"OperationOutcome: invalid (HTTP 400)", "ask how it is searched"}},
		"forbidden": {func(r string, q url.Values) (int, string) { return http.StatusForbidden, "" }, "visits-by-date", doctor.Warning,
			[]string{"(HTTP 403)", "→ the EHR's operator", "grant this client the search of Appointment"}},
		"failed": {func(r string, q url.Values) (int, string) { return http.StatusInternalServerError, "" }, "items-by-kind", doctor.Warning,
			[]string{"could not be tried", "→ the EHR's operator"}},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVendor(t)
			v.search = c.answer
			list := examine(t, t.Context(), withToken(v.start()), ehr.Examination{}, still(t))
			list.want(t, c.check, c.status, c.words...)
		})
	}
}

// TestExamineWithoutPost: an EHR that has no POST _search is told from one that does
// not search.
func TestExamineWithoutPost(t *testing.T) {
	v := newVendor(t)
	base := v.start()
	noPost := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/_search") {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		v.ServeHTTP(w, r)
	}))
	defer noPost.Close()
	cfg := withToken(base)
	cfg.BaseURL = noPost.URL + "/fhir"
	list := examine(t, t.Context(), cfg, ehr.Examination{}, still(t))
	list.want(t, "patients-by-phone", doctor.Warning, "has no POST _search", "search_by_post: false")
	cfg.SearchByPost = false
	list = examine(t, t.Context(), cfg, ehr.Examination{}, still(t))
	list.want(t, "patients-by-phone", doctor.OK)
}

func TestExaminePaging(t *testing.T) {
	for next, want := range map[string]doctor.Status{"?page=2": doctor.OK, "http://10.0.0.5/fhir/Task?page=2": doctor.Failed} {
		v := newVendor(t)
		v.search = func(resource string, _ url.Values) (int, string) {
			return http.StatusOK, `{"resourceType":"Bundle","link":[{"relation":"next","url":"` + next + `"}]}`
		}
		examine(t, t.Context(), withToken(v.start()), ehr.Examination{}, still(t)).want(t, "paging", want)
	}
}

// TestExamineHanging: a server that takes everything and answers nothing ends with
// the time that was given, and every check says how it went.
func TestExamineHanging(t *testing.T) {
	release := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer s.Close()
	defer close(release)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	list := examine(t, ctx, withToken(s.URL), ehr.Examination{})
	list.want(t, "http", doctor.Failed, "does not answer in time")
	list.want(t, "token", doctor.Skipped)

	v := newVendor(t)
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/Task") {
			<-r.Context().Done()
			return
		}
		v.ServeHTTP(w, r)
	}))
	defer slow.Close()
	cfg := withToken(v.start())
	cfg.BaseURL = slow.URL + "/fhir"
	ctx, cancel = context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	list = examine(t, ctx, cfg, ehr.Examination{}, still(t))
	list.want(t, "items-by-marker", doctor.Warning, "could not be tried")
	list.want(t, "patients-by-name", doctor.Skipped, "--timeout")
	list.want(t, "paging", doctor.Skipped, "--timeout")
}
