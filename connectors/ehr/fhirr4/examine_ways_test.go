package fhirr4_test

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/ringback-health/ringback/connectors/ehr"
	"github.com/ringback-health/ringback/internal/doctor"
	"github.com/ringback-health/ringback/sandbox"
)

// capable is the metadata of a server that can do everything.
func capable(t *testing.T) []byte {
	t.Helper()
	w := httptest.NewRecorder()
	sandbox.New(sandbox.Options{}).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, sandbox.BasePath+"/metadata", nil))
	return w.Body.Bytes()
}

func newVendor(t *testing.T) *vendor {
	return &vendor{t: t, metadata: capable(t), date: examTime, scopes: "system/*.cruds",
		smart: []byte(`{"token_endpoint":"x","grant_types_supported":["client_credentials"],"token_endpoint_auth_methods_supported":["client_secret_basic"]}`)}
}

func TestExamineGood(t *testing.T) {
	v := newVendor(t)
	v.scopes = "system/Task.crus system/Appointment.crus system/Patient.rs"
	list := examine(t, t.Context(), withToken(v.start()), ehr.Examination{}, still(t))
	for _, f := range list {
		if f.Status != doctor.OK && !slices.Contains([]string{"tls", "paging", "visits-in-order", "push"}, f.Check) {
			t.Errorf("%+v", f)
		}
	}
	list.want(t, "paging", doctor.Skipped)
}

// TestExamineTokens: each refusal of a token endpoint in words.
func TestExamineTokens(t *testing.T) {
	for code, want := range map[string]string{
		"invalid_client": "does not accept this client", "invalid_scope": "does not grant a scope", "invalid_grant": "refuses the proof",
		"unauthorized_client": "does not let it log in without a person", "unsupported_grant_type": "does not offer this kind of login",
		"access_denied": "denies access", "invalid_request": "does not understand the token request", "of their own": "credentials were refused",
	} {
		v := newVendor(t)
		v.tokenCode = code
		if code == "of their own" {
			want = "token endpoint"
		}
		list := examine(t, t.Context(), withToken(v.start()), ehr.Examination{}, still(t))
		list.want(t, "token", doctor.Failed, want)
		list.want(t, "scopes", doctor.Skipped, "there is no token")
		list.want(t, "metadata", doctor.OK) // it is shown to everybody
		list.want(t, "rung", doctor.OK)
		list.want(t, "items-by-marker", doctor.Skipped, "does not let Ringback in")
	}
}

// TestExamineWrongPlaces: what answers is something else, or nobody.
func TestExamineWrongPlaces(t *testing.T) {
	html := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "<html><title>Login for Canaria Zebedee</title></html>")
	}))
	defer html.Close()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "http://" + l.Addr().String()
	l.Close()

	list := examine(t, t.Context(), withToken(html.URL), ehr.Examination{})
	list.want(t, "discovery", doctor.Note)
	list.want(t, "token", doctor.Failed, "something else than JSON", "→ this installation")
	list.want(t, "metadata", doctor.Failed, "HTML or XML instead of CapabilityStatement")
	list.want(t, "scopes", doctor.Skipped)

	cfg := withToken(html.URL)
	cfg.Auth.TokenURL = ""
	list = examine(t, t.Context(), cfg, ehr.Examination{})
	list.want(t, "discovery", doctor.Failed, "something else than a SMART configuration", "set auth.token_url")

	v := newVendor(t)
	cfg = withToken(v.start())
	cfg.Auth.TokenURL = nobody + "/token"
	list = examine(t, t.Context(), cfg, ehr.Examination{}, still(t))
	list.want(t, "discovery", doctor.Warning, "it hands out tokens at "+v.url+"/token, and auth.token_url is "+nobody+"/token")
	list.want(t, "token-tcp", doctor.Failed, "refuses connections", "check the port in auth.token_url")
	list.want(t, "token", doctor.Skipped)

	cfg.BaseURL = nobody + "/fhir"
	list = examine(t, t.Context(), cfg, ehr.Examination{RoundTrip: true})
	list.want(t, "tcp", doctor.Failed, "refuses connections", "base_url")
	for _, f := range list {
		if f.Check != "dns" && f.Check != "tcp" && f.Status != doctor.Skipped {
			t.Errorf("%+v", f)
		}
	}
	cfg.BaseURL = "https://ehr.invalid/fhir"
	list = examine(t, t.Context(), cfg, ehr.Examination{})
	list.want(t, "dns", doctor.Failed, "ehr.invalid")

	tlsOnly := httptest.NewUnstartedServer(http.NotFoundHandler())
	tlsOnly.Config.ErrorLog = log.New(io.Discard, "", 0)
	tlsOnly.StartTLS()
	defer tlsOnly.Close()
	cfg.BaseURL = tlsOnly.URL
	list = examine(t, t.Context(), cfg, ehr.Examination{})
	list.want(t, "tls", doctor.Failed, "self-signed")
	list.want(t, "token", doctor.Skipped, "cannot be reached")
}

func TestExamineScopes(t *testing.T) {
	v := newVendor(t)
	v.scopes = "system/Task.rs system/Patient.rs system/Observation.rs openid"
	list := examine(t, t.Context(), withToken(v.start()), ehr.Examination{}, still(t))
	list.want(t, "scopes", doctor.Failed, "Task.cu is not granted: callbacks cannot be filed as Task", "Appointment.crus is not granted: booked visits close nothing",
		"→ the EHR's operator", "system/Task.crus system/Appointment.crus system/Patient.rs")
	list.want(t, "scopes-excess", doctor.Note, "read and search Observation")
	v.scopes = "system/Task.crus system/Patient.rs system/Appointment.rs"
	list = examine(t, t.Context(), withToken(v.url+"/fhir"), ehr.Examination{}, still(t))
	list.want(t, "scopes", doctor.Warning, "Appointment.cu is not granted: visits cannot be proposed")
	v.scopes = ""
	list = examine(t, t.Context(), withToken(v.url+"/fhir"), ehr.Examination{}, still(t))
	list.want(t, "scopes", doctor.Note, "does not say what the token is good for")
}

func TestExamineClock(t *testing.T) {
	v := newVendor(t)
	v.date = examTime.Add(-10 * time.Minute)
	list := examine(t, t.Context(), withToken(v.start()), ehr.Examination{}, still(t))
	list.want(t, "clock", doctor.Failed, "10m0s ahead of", "timedatectl")
	list.want(t, "token", doctor.OK)
}

func TestExamineMetadata(t *testing.T) {
	v := newVendor(t)
	v.closed = true
	list := examine(t, t.Context(), withToken(v.start()), ehr.Examination{}, still(t))
	list.want(t, "metadata", doctor.OK)
	list.want(t, "rung", doctor.OK)
	list.want(t, "items-by-marker", doctor.OK)

	v.tokenCode = "invalid_client"
	list = examine(t, t.Context(), withToken(v.url+"/fhir"), ehr.Examination{}, still(t))
	list.want(t, "metadata", doctor.Skipped, "only after the login, which failed")
	list.want(t, "rung", doctor.Skipped)

	v = newVendor(t)
	v.metadata = bytes.Replace(v.metadata, []byte("4.0.1"), []byte("5.0.0"), 1)
	list = examine(t, t.Context(), withToken(v.start()), ehr.Examination{}, still(t))
	list.want(t, "metadata", doctor.Failed, "speaks FHIR 5.0.0", "→ this installation", "R4")
	list.want(t, "scopes", doctor.OK) // compared with what a Task needs
}
