package mapping_test

import (
	"testing"

	"github.com/ringback-health/ringback/mapping"
)

// TestLocal: a reference to another server must never pass for one to this EHR:
// the same id is another patient there.
func TestLocal(t *testing.T) {
	for reference, want := range map[string]string{
		"Patient/1":                                     "Patient 1",
		"Patient/1/_history/2":                          "Patient 1",
		"https://ehr.example/fhir/Patient/1":            "Patient 1",
		"https://ehr.example/fhir/Patient/1/_history/2": "Patient 1",
		"https://ehr.example/fhir2/Patient/1":           "",
		"https://ehr.example.evil.test/fhir/Patient/1":  "",
		"http://ehr.example/fhir/Patient/1":             "",
		"https://other.example/Patient/1":               "",
		"https://Patient/1":                             "",
		"urn:uuid:01920000-0000-7000-8000-000000000001": "",
		"#p1":                     "",
		"":                        "",
		"Patient":                 "",
		"Patient/":                "",
		"Patient/..":              "",
		"Patient/a b":             "",
		"patient/1":               "",
		"/Patient/1":              "",
		"Patient/1/_history":      "",
		"Patient/1/Observation/2": "",
		"Patient?identifier=1":    "",
	} {
		kind, id := site.Local(reference)
		got := kind
		if id != "" {
			got += " " + id
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", reference, got, want)
		}
	}
	if kind, _ := (mapping.Site{}).Local("https://ehr.example/fhir/Patient/1"); kind != "" {
		t.Error("without a base URL an absolute reference was taken for a local one")
	}
}
