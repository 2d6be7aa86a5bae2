//go:build conformance

package peers_test

import (
	"testing"
	"time"

	contract "github.com/ringback-health/ringback/connectors/ehr"
	"github.com/ringback-health/ringback/connectors/ehr/ehrtest"
	"github.com/ringback-health/ringback/connectors/ehr/fhirr4"
)

// TestConnector holds the generic FHIR connector against its contract, in EHRs
// that are not the sandbox.
func TestConnector(t *testing.T) {
	onEach(t, func(t *testing.T, ehr peer) {
		ehrtest.Exercise(t, ehrtest.Fixture{
			BaseURL: ehr.base,
			Staff:   ehrtest.FHIRStaff{BaseURL: ehr.base},
			Connect: func(t *testing.T, baseURL string, pageSize int) contract.Connector {
				t.Helper()
				cfg := fhirr4.Default()
				cfg.BaseURL = baseURL
				if pageSize > 0 {
					cfg.PageSize = pageSize
				}
				c, err := fhirr4.New(contract.Settings{ID: "peer", Clinic: clinic, Zone: time.UTC, Region: "US"}, cfg)
				if err != nil {
					t.Fatal(err)
				}
				return c
			},
			BodyHasAddress: true,
		})
		for _, i := range ehr.invalid(t) {
			t.Errorf("not valid FHIR R4: %s", i)
		}
	})
}
