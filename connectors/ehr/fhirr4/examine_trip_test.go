package fhirr4_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/connectors/ehr"
	"github.com/ringback-health/ringback/internal/doctor"
	"github.com/ringback-health/ringback/internal/redact"
	"github.com/ringback-health/ringback/sandbox"
)

// TestExamineTrip: a work item from its beginning to its end, and what an EHR gets
// wrong with it.
func TestExamineTrip(t *testing.T) {
	for name, c := range map[string]struct {
		faults  []sandbox.Fault
		patient string
		lag     time.Duration
		want    func(*testing.T, findings)
	}{
		"good": {patient: "patient-01", want: func(t *testing.T, l findings) {
			for _, f := range l {
				if strings.HasPrefix(f.Check, "trip") && f.Status != doctor.OK {
					t.Errorf("%+v", f)
				}
			}
			l.want(t, "trip-find", doctor.OK, "at once")
			l.want(t, "trip-end", doctor.OK, "cancelled")
		}},
		"a lagging index": {patient: "patient-01", lag: time.Second, faults: []sandbox.Fault{{Action: sandbox.ActionIndexLag, LagMS: 1600}},
			want: func(t *testing.T, l findings) {
				l.want(t, "trip-find", doctor.Warning, "only after 2s, and search_lag is 1s", "set ehr.search_lag: ")
			}},
		"a lag that is known": {patient: "patient-01", lag: 10 * time.Second, faults: []sandbox.Fault{{Action: sandbox.ActionIndexLag, LagMS: 1100}},
			want: func(t *testing.T, l findings) { l.want(t, "trip-find", doctor.OK, "within search_lag (10s)") }},
		"no guard": {patient: "patient-01", faults: []sandbox.Fault{{Action: sandbox.ActionIgnoreIfMatch}}, want: func(t *testing.T, l findings) {
			l.want(t, "trip-guard", doctor.Warning, "can be lost", "If-Match")
			l.want(t, "trip-end", doctor.OK)
		}},
		"no such patient": {patient: "canary-4711", want: func(t *testing.T, l findings) {
			l.want(t, "trip-patient", doctor.Failed, "no patient with the id")
			l.want(t, "trip-create", doctor.Skipped)
		}},
		"refused": {patient: "patient-01", faults: []sandbox.Fault{{Method: "POST", PathPrefix: "/Task", Action: sandbox.ActionStatus, Status: 422}},
			want: func(t *testing.T, l findings) {
				l.want(t, "trip-create", doctor.Failed, "cannot be filed as Task", "(HTTP 422)")
				l.want(t, "trip-end", doctor.Skipped, "nothing was filed")
			}},
		"the answer is lost": {patient: "patient-01", faults: []sandbox.Fault{{Method: "POST", PathPrefix: "/Task", Times: 1, Action: sandbox.ActionDropAfter}},
			want: func(t *testing.T, l findings) {
				l.want(t, "trip-create", doctor.Warning, "not known")
				l.want(t, "trip-find", doctor.OK)
				l.want(t, "trip-edit", doctor.OK)
				l.want(t, "trip-end", doctor.OK)
			}},
		"no change": {patient: "patient-01", faults: []sandbox.Fault{{Method: "PUT", Action: sandbox.ActionStatus, Status: 403}},
			want: func(t *testing.T, l findings) {
				l.want(t, "trip-edit", doctor.Failed)
				l.want(t, "trip-guard", doctor.Skipped)
				l.want(t, "trip-end", doctor.Failed, "not ended")
			}},
	} {
		t.Run(name, func(t *testing.T) {
			box, base := serve(t, sandbox.Options{})
			if _, err := sandbox.SeedClinic(box.Store(), sandbox.ClinicOptions{}); err != nil {
				t.Fatal(err)
			}
			for _, f := range c.faults {
				if err := box.Faults().Add(f); err != nil {
					t.Fatal(err)
				}
			}
			list := examine(t, t.Context(), config(base), ehr.Examination{RoundTrip: true, TestPatient: redact.NewText(c.patient), SearchLag: c.lag})
			c.want(t, list)
			if strings.Contains(list.String(), c.patient) {
				t.Error("the patient is named")
			}
		})
	}
}

// TestExamineWritesNothing: unless the round trip is asked for.
func TestExamineWritesNothing(t *testing.T) {
	box, base := serve(t, sandbox.Options{})
	examine(t, t.Context(), config(base), ehr.Examination{TestPatient: redact.NewText("patient-01")})
	for _, r := range box.Requests() {
		if r.Method != http.MethodGet && !strings.HasSuffix(r.Path, "/_search") {
			t.Errorf("%s %s", r.Method, r.Path)
		}
	}
}

// TestExamineKeepsSecrets: nothing that an EHR holds or that proves who we are is in
// a finding, whatever goes wrong.
func TestExamineKeepsSecrets(t *testing.T) {
	patient := `{"resourceType":"Patient","id":"canaria-1","name":[{"family":"Zebedee","given":["Canaria"]}],"birthDate":"1931-07-09"}`
	for _, answer := range []func(string, url.Values) (int, string){
		func(string, url.Values) (int, string) {
			return 500, outcomeBody("error", "exception", "Canaria "+secret)
		},
		func(string, url.Values) (int, string) { return 400, outcomeBody("error", "Canaria Zebedee", token) },
		func(string, url.Values) (int, string) { return 200, "Canaria Zebedee " + token },
		func(string, url.Values) (int, string) {
			return 200, `{"resourceType":"Bundle","link":[{"relation":"next","url":"http://canaria.invalid/` + token + `"}],"entry":[{"resource":` + patient + `}]}`
		},
	} {
		v := newVendor(t)
		v.search = answer
		v.scopes = "system/*.cruds launch/canaria"
		list := examine(t, t.Context(), withToken(v.start()), ehr.Examination{RoundTrip: true, TestPatient: redact.NewText("canaria-1")}, still(t))
		raw, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		for _, canary := range []string{"anaria", "Zebedee", "1931", secret, token} {
			if said := string(raw) + list.String(); strings.Contains(said, canary) {
				t.Errorf("%q is told:\n%s", canary, said)
			}
		}
	}
}
