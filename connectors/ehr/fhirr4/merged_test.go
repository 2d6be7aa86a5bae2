package fhirr4_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/fault"
)

// TestMergedCharts: a chart that names the one that replaced it, and one whose read is
// redirected, are followed once; nobody follows in circles, nor to another host.
func TestMergedCharts(t *testing.T) {
	lee := func(id, more string) string {
		return `{"resourceType":"Patient","id":"` + id + `","name":[{"family":"Lee","given":["Ann"]}],"birthDate":"1980-02-03"` + more + `}`
	}
	replaced := func(by string) string {
		return `,"link":[{"type":"replaced-by","other":{"reference":"Patient/` + by + `"}}]`
	}
	reads := 0
	c, _ := scripted(t, func(w http.ResponseWriter, r *http.Request) {
		reads++
		redirect := func(to string) {
			w.Header().Set("Location", to)
			write(w, http.StatusTemporaryRedirect, "")
		}
		switch id := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]; id {
		case "old":
			write(w, 200, `{"resourceType":"Patient","id":"old"`+replaced("new")+`}`)
		case "moved":
			redirect("https://elsewhere.example.org/Patient/new")
		case "a":
			write(w, 200, lee("a", replaced("b")))
		case "b":
			write(w, 200, lee("b", replaced("a")))
		case "nowhere":
			write(w, 200, lee("nowhere", replaced("gone")))
		case "round":
			redirect("Patient/round")
		case "new":
			write(w, 200, lee("new", ""))
		default:
			write(w, 404, "")
		}
	})
	ask := func(id, birth string) ([]callback.Chart, error) {
		reads = 0
		return c.Patients(t.Context(), callback.PatientQuery{ID: text(id), BirthDate: text(birth)})
	}
	for id, into := range map[string]string{"old": "new", "moved": "new", "a": "b", "nowhere": "gone", "new": ""} {
		charts, err := ask(id, "1980-02-03")
		if err != nil || len(charts) != 1 || charts[0].ID.Reveal() != id || charts[0].MergedInto.Reveal() != into || charts[0].Name.IsEmpty() {
			t.Errorf("%s: %d charts, %v", id, len(charts), err)
		}
		if reads > 3 {
			t.Errorf("%s: %d reads", id, reads)
		}
	}
	if charts, err := ask("old", "1999-09-09"); err != nil || len(charts) != 0 {
		t.Errorf("merged into the chart of somebody else: %d charts, %v", len(charts), err)
	}
	if _, err := ask("round", "1980-02-03"); !fault.Is(err, fault.Retry) {
		t.Errorf("a redirect to itself: %v", err)
	}
}
