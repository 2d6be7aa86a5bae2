package fhirr4_test

import (
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/connectors/ehr"
	"github.com/ringback-health/ringback/connectors/ehr/ehrtest"
	"github.com/ringback-health/ringback/connectors/ehr/fhirr4"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/sandbox"
)

func fixture(base string, change func(*ehrtest.Fixture)) ehrtest.Fixture {
	f := ehrtest.Fixture{
		BaseURL: base, Staff: ehrtest.FHIRStaff{BaseURL: base}, Faults: outcomes, BodyHasAddress: true,
		Connect: func(t *testing.T, base string, pageSize int) ehr.Connector {
			cfg := config(base)
			if pageSize > 0 {
				cfg.PageSize = pageSize
			}
			return connect(t, cfg)
		},
	}
	if change != nil {
		change(&f)
	}
	return f
}

// outcomes are refusals in the format of FHIR. Their texts hold what must not be
// shown.
var outcomes = []ehrtest.Fault{
	outcome("422 with OperationOutcome", 422, "invariant", same(fault.Permanent)),
	outcome("403 with OperationOutcome", 403, "forbidden", same(fault.Unauthorized)),
	outcome("500 with OperationOutcome", 500, "exception", ehrtest.Fault{Read: one(fault.Retry), Search: one(fault.Retry),
		Create: one(fault.Ambiguous), Edit: one(fault.Ambiguous)}),
	outcome("200 with an OperationOutcome that says failure", 200, "exception", ehrtest.Fault{Read: one(fault.Retry), Search: one(fault.Retry),
		Create: one(fault.Ambiguous), Edit: one(fault.Ambiguous)}),
	outcome("200 with an OperationOutcome that says not found", 200, "not-found", ehrtest.Fault{Read: one(fault.NotFound),
		Create: one(fault.Ambiguous), Edit: one(fault.Ambiguous)}),
	outcome("200 with an OperationOutcome that says throttled", 200, "throttled", ehrtest.Fault{Read: one(fault.Throttled),
		Search: one(fault.Throttled), Create: one(fault.Ambiguous), Edit: one(fault.Ambiguous)}),
	{Name: "200 with another resource", Status: 200, ContentType: "application/fhir+json", Body: `{"resourceType":"Basic","id":"1"}`,
		Read: one(fault.Permanent), Search: one(fault.Permanent), Create: one(fault.Ambiguous), Edit: one(fault.Ambiguous)},
}

func one(d fault.Disposition) []fault.Disposition { return []fault.Disposition{d} }

func same(d fault.Disposition) ehrtest.Fault {
	return ehrtest.Fault{Read: one(d), Search: one(d), Create: one(d), Edit: one(d)}
}

func outcome(name string, status int, code string, f ehrtest.Fault) ehrtest.Fault {
	f.Name, f.Status, f.ContentType = name, status, "application/fhir+json"
	f.Body = `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"` + code +
		`","diagnostics":"Canaria Zebedee, born 1931-07-09, Bearer ` + secret + `"}]}`
	return f
}

func TestConformance(t *testing.T) {
	_, base := serve(t, sandbox.Options{})
	ehrtest.Exercise(t, fixture(base, nil))
}

// TestConformanceWithoutConditionalCreate: many servers have none.
func TestConformanceWithoutConditionalCreate(t *testing.T) {
	_, base := serve(t, sandbox.Options{NoConditionalCreate: true})
	ehrtest.Exercise(t, fixture(base, nil))
}

// TestConformanceStrict: a server that refuses parameters it does not know, with
// a login.
func TestConformanceStrict(t *testing.T) {
	_, base := serve(t, sandbox.Options{Strict: true, RequireAuth: true, ClientID: "ringback", ClientSecret: secret})
	token := fetchToken(t, base)
	ehrtest.Exercise(t, fixture(base, func(f *ehrtest.Fixture) {
		f.Staff = ehrtest.FHIRStaff{BaseURL: base, Header: map[string][]string{"Authorization": {"Bearer " + token}}}
		f.Secrets = []string{secret, token}
		f.Connect = func(t *testing.T, to string, pageSize int) ehr.Connector {
			cfg := config(to)
			if pageSize > 0 {
				cfg.PageSize = pageSize
			}
			cfg.Auth.Kind, cfg.Auth.ClientID, cfg.Auth.ClientSecretEnv = "client_credentials", "ringback", "SECRET"
			cfg.Auth.TokenURL, cfg.Auth.Scopes = tokenURL(base), []string{scopes}
			return connect(t, cfg)
		}
	}))
}

// TestConformanceWithALaggingIndex: searches do not see what was just written.
func TestConformanceWithALaggingIndex(t *testing.T) {
	box, base := serve(t, sandbox.Options{})
	if err := box.Faults().Add(sandbox.Fault{Action: sandbox.ActionIndexLag, LagMS: 60}); err != nil {
		t.Fatal(err)
	}
	ehrtest.Exercise(t, fixture(base, nil))
}

// lower are settings with which each rung below Task can be filed in an EHR that has
// no rules of its own.
func lower(cfg *fhirr4.Config, rung callback.ResourceType) {
	switch rung {
	case callback.CommunicationResource:
		cfg.Rung, cfg.Communication.Recipient = "communication", "Group/front-desk"
		cfg.Owners["front-desk"] = "Group/desk"
	case callback.ServiceRequestResource:
		cfg.Rung, cfg.ServiceRequest.Code = "service-request", fhirr4.Coded{Text: "Call the patient back"}
		cfg.Owners["front-desk"] = "Organization/desk"
	case callback.DocumentReferenceResource:
		cfg.Rung, cfg.DocumentReference.Type = "document-reference", fhirr4.Coded{System: "http://loinc.org", Code: "34748-4"}
	default: // a Task needs none
	}
}

// TestConformanceOfLowerRungs: in an EHR without Tasks, with and without conditional
// create.
func TestConformanceOfLowerRungs(t *testing.T) {
	for _, rung := range []callback.ResourceType{callback.CommunicationResource, callback.ServiceRequestResource, callback.DocumentReferenceResource} {
		t.Run(string(rung), func(t *testing.T) {
			for name, o := range map[string]sandbox.Options{
				"alone":                              {Types: []string{"Patient", "Practitioner", "Appointment", string(rung)}},
				"beside Task, strict, unconditional": {Types: append(sandbox.StandardTypes(), "ServiceRequest", "DocumentReference"), NoConditionalCreate: true, Strict: true},
			} {
				t.Run(name, func(t *testing.T) {
					_, base := serve(t, o)
					ehrtest.Exercise(t, fixture(base, func(f *ehrtest.Fixture) {
						f.Rung, f.Words = rung, ehrtest.FHIRWords[rung]
						f.Connect = func(t *testing.T, to string, pageSize int) ehr.Connector {
							cfg := config(to)
							lower(&cfg, rung)
							if pageSize > 0 {
								cfg.PageSize = pageSize
							}
							return connect(t, cfg)
						}
					}))
				})
			}
		})
	}
}

// TestConformanceOfFeeds: each way of watching appointments, in an EHR whose index
// lags as well.
func TestConformanceOfFeeds(t *testing.T) {
	for name, watch := range map[string]fhirr4.Appointments{
		"window":              {Feed: callback.FeedWindow},
		"window in steps":     {Feed: callback.FeedWindow, Step: 5 * 24 * time.Hour, Ahead: 30 * 24 * time.Hour},
		"patient":             {Feed: callback.FeedPatient},
		"newest first":        {Feed: callback.FeedNewest},
		"watermark unordered": {Feed: callback.FeedWatermark, Unordered: true},
	} {
		t.Run(name, func(t *testing.T) {
			box, base := serve(t, sandbox.Options{})
			if err := box.Faults().Add(sandbox.Fault{Action: sandbox.ActionIndexLag, LagMS: 30}); err != nil {
				t.Fatal(err)
			}
			ehrtest.Exercise(t, fixture(base, func(f *ehrtest.Fixture) {
				f.Connect = func(t *testing.T, to string, pageSize int) ehr.Connector {
					cfg := config(to)
					cfg.Appointments = watch
					if pageSize > 0 {
						cfg.PageSize = pageSize
					}
					return connect(t, cfg)
				}
			}))
		})
	}
}
