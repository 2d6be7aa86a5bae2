package fhirr4_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/connectors/ehr"
	"github.com/ringback-health/ringback/connectors/ehr/fhirr4"
	"github.com/ringback-health/ringback/fhir"
	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/internal/doctor"
)

var examTime = time.Date(2026, 3, 8, 9, 0, 0, 0, time.UTC)

// findings is what an examination reported.
type findings []doctor.Finding

func examine(t *testing.T, ctx context.Context, cfg fhirr4.Config, o ehr.Examination, s ...ehr.Settings) findings { //nolint:revive // the test comes first, as everywhere
	t.Helper()
	set := settings(t)
	if len(s) > 0 {
		set = s[0]
	}
	c, err := fhirr4.New(set, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var list findings
	c.Examine(ctx, o, func(f doctor.Finding) { list = append(list, f) })
	for _, f := range list {
		switch {
		case f.Check == "" || f.What == "":
			t.Errorf("a finding without words: %+v", f)
		case (f.Status == doctor.Failed || f.Status == doctor.Warning) != (f.Whose != doctor.Nobody):
			t.Errorf("whose problem is it? %+v", f)
		case (f.Status == doctor.Failed || f.Status == doctor.Warning) && f.Do == "":
			t.Errorf("what is to be done? %+v", f)
		}
	}
	return list
}

// of returns the first finding of a check.
func (l findings) of(check string) doctor.Finding {
	i := slices.IndexFunc(l, func(f doctor.Finding) bool { return f.Check == check })
	if i < 0 {
		return doctor.Finding{}
	}
	return l[i]
}

func (l findings) String() string {
	var b bytes.Buffer
	p := doctor.NewPrinter(&b)
	for _, f := range l {
		f.About = "ehr main-ehr"
		p.Print(f)
	}
	p.Close(doctor.Summarize(l))
	return b.String()
}

// want checks the status of one finding and words in it.
func (l findings) want(t *testing.T, check string, s doctor.Status, words ...string) {
	t.Helper()
	f := l.of(check)
	text := f.What + " " + strings.Join(f.More, " ") + " → " + string(f.Whose) + ": " + f.Do
	if f.Status != s {
		t.Errorf("%s is %q, want %q\n%s", check, f.Status, s, l)
		return
	}
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("%s: %q is not in\n%s\n%s", check, w, text, l)
		}
	}
}

// vendor answers as a vendor's FHIR server, out of its real CapabilityStatement.
type vendor struct {
	t         *testing.T
	metadata  []byte
	smart     []byte // nil: none
	scopes    string // granted; "": not said
	date      time.Time
	search    func(resource string, q url.Values) (int, string) // overrides; 0: the plain answer
	closed    bool                                              // nothing is answered without a token
	tokenCode string                                            // refuse tokens with it
	url       string
}

const token = "canary-of-a-token"

func (v *vendor) start() string {
	s := httptest.NewServer(v)
	v.t.Cleanup(s.Close)
	v.url = s.URL
	return s.URL + "/fhir"
}

func (v *vendor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !v.date.IsZero() {
		w.Header().Set("Date", v.date.Format(http.TimeFormat))
	}
	w.Header().Set("Content-Type", "application/fhir+json")
	path := strings.TrimPrefix(r.URL.Path, "/fhir/")
	if v.closed && path != "/token" && r.Header.Get("Authorization") != "Bearer "+token {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	switch path {
	case "metadata":
		w.Write(v.metadata)
	case ".well-known/smart-configuration":
		v.wellKnown(w)
	case "/token":
		v.grant(w)
	default:
		if r.Header.Get("Authorization") != "Bearer "+token {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		v.find(w, r, strings.TrimSuffix(path, "/_search"))
	}
}

// endpoint finds the token endpoint in a real SMART configuration.
var endpoint = regexp.MustCompile(`("token_endpoint": ?)"[^"]*"`)

func (v *vendor) wellKnown(w http.ResponseWriter) {
	if v.smart == nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	w.Write(endpoint.ReplaceAll(v.smart, []byte(`${1}"`+v.url+`/token"`)))
}

func (v *vendor) grant(w http.ResponseWriter) {
	if v.tokenCode != "" {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"error":%q,"error_description":"Canaria Zebedee, %s"}`, v.tokenCode, secret)
		return
	}
	fmt.Fprintf(w, `{"access_token":%q,"token_type":"bearer","expires_in":570,"scope":%q}`, token, v.scopes)
}

// find answers a search with nothing. Parameters that the statement does not list are
// ignored, as the self link shows.
func (v *vendor) find(w http.ResponseWriter, r *http.Request, resource string) {
	if err := r.ParseForm(); err != nil {
		v.t.Error(err)
	}
	if v.search != nil {
		if status, body := v.search(resource, r.Form); status != 0 {
			w.WriteHeader(status)
			fmt.Fprint(w, body)
			return
		}
	}
	said, err := fhir.ParseCapabilities(v.metadata)
	if err != nil {
		v.t.Error(err)
	}
	used := url.Values{}
	for name, values := range r.Form {
		if name == "_count" || said.Searches(resource, name) {
			used[name] = values
		}
	}
	fmt.Fprintf(w, `{"resourceType":"Bundle","type":"searchset","total":0,"link":[{"relation":"self","url":"%s/fhir/%s?%s"}]}`,
		v.url, resource, used.Encode())
}

func outcomeBody(severity, code, text string) string {
	return fmt.Sprintf(`{"resourceType":"OperationOutcome","issue":[{"severity":%q,"code":%q,"details":{"text":%q},"diagnostics":"Canaria Zebedee"}]}`, severity, code, text)
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile("testdata/capability-statements/" + name)
	if os.IsNotExist(err) && strings.Contains(name, "smart") {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// withToken is the configuration of a client with a secret.
func withToken(base string) fhirr4.Config {
	cfg := config(base)
	cfg.Auth.Kind, cfg.Auth.ClientID, cfg.Auth.ClientSecretEnv = "client_credentials", "ringback", "SECRET"
	cfg.Auth.TokenURL = strings.TrimSuffix(base, "/fhir") + "/token"
	return cfg
}

// still is settings with a clock that stands still.
func still(t *testing.T) ehr.Settings {
	s := settings(t)
	s.Clock = clock.NewManual(examTime)
	return s
}

var ports = regexp.MustCompile(`(127\.0\.0\.1:|port )\d+`)

// TestExamineVendors: what is said about each vendor's server, out of the statement
// that it really serves. How they answer searches is by their documentation.
func TestExamineVendors(t *testing.T) {
	none := outcomeBody("warning", "processing", "Resource request returns no results.")
	for name, v := range map[string]*vendor{
		"athenahealth-r4": {scopes: "athena/service/Athenanet.MDP.* system/Patient.rs", search: func(resource string, q url.Values) (int, string) {
			if resource == "Appointment" {
				return http.StatusBadRequest, outcomeBody("error", "invalid", "unknown parameter")
			}
			return 0, ""
		}},
		"eclinicalworks-r4": {},
		"epic-r4": {scopes: "system/Appointment.read system/Patient.read system/Task.read", search: func(resource string, q url.Values) (int, string) {
			switch {
			case resource == "Appointment":
				return http.StatusBadRequest, outcomeBody("error", "required", "A required parameter is missing.")
			case q.Has("phone"):
				return http.StatusOK, `{"resourceType":"Bundle","entry":[{"resource":` +
					outcomeBody("warning", "processing", "Unknown query-parameter phone") + `,"search":{"mode":"outcome"}}]}`
			default:
				return http.StatusOK, `{"resourceType":"Bundle","entry":[{"resource":` + none + `,"search":{"mode":"outcome"}}]}`
			}
		}},
		"nextgen-enterprise-r4": {scopes: "system/*.read"},
		// This one with what a clinic would set for it.
		"oracle-health-r4": {scopes: "system/Patient.read system/Appointment.read system/Communication.read", search: func(resource string, q url.Values) (int, string) {
			if resource == "Appointment" {
				return http.StatusBadRequest, outcomeBody("error", "required", "patient, practitioner or location is required")
			}
			return 0, ""
		}},
	} {
		t.Run(name, func(t *testing.T) {
			v.t, v.date = t, examTime
			v.metadata = read(t, name+".json")
			v.smart = read(t, name+".smart-configuration.json")
			cfg := withToken(v.start())
			if name == "oracle-health-r4" {
				cfg.Communication = fhirr4.CommunicationConfig{Form: "message", Sender: "Practitioner/1", Recipient: "Group/2",
					Payload: "attachment", Marker: "topic", Priorities: []string{"routine", "urgent"}}
			}
			list := examine(t, t.Context(), cfg, ehr.Examination{}, still(t))
			got := ports.ReplaceAllString(list.String(), "${1}PORT")
			golden := "testdata/examine/" + name + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil || got != string(want) {
				t.Errorf("%v\n%s", err, got)
			}
		})
	}
}
