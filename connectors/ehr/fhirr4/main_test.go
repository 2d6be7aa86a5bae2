package fhirr4_test

import (
	"net/http/httptest"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ringback-health/ringback/connectors/ehr"
	"github.com/ringback-health/ringback/connectors/ehr/fhirr4"
	"github.com/ringback-health/ringback/internal/redact"
	"github.com/ringback-health/ringback/sandbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// secret is the password and the token of these tests.
const secret = "canary-of-a-secret"

func settings(t testing.TB) ehr.Settings {
	t.Helper()
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	return ehr.Settings{ID: "ehr", Clinic: "main-street", Zone: zone, Region: "US",
		Secret: func(name, env, file string) (redact.Secret, error) {
			if env+file == "" {
				t.Errorf("%s was asked for without a place", name)
			}
			return redact.NewSecret(secret), nil
		}}
}

// serve starts an embedded EHR and returns the base URL of its FHIR interface.
func serve(t testing.TB, o sandbox.Options) (*sandbox.Server, string) {
	t.Helper()
	box := sandbox.New(o)
	server := httptest.NewServer(box)
	t.Cleanup(server.Close)
	return box, server.URL + sandbox.BasePath
}

// config is the configuration of most tests.
func config(base string) fhirr4.Config {
	cfg := fhirr4.Default()
	cfg.BaseURL = base
	cfg.Owners = map[string]string{"billing": "Organization/billing"}
	return cfg
}

func connect(t testing.TB, cfg fhirr4.Config) *fhirr4.Connector {
	t.Helper()
	c, err := fhirr4.New(settings(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}
