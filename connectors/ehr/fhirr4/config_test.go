package fhirr4_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/connectors/ehr"
	"github.com/ringback-health/ringback/connectors/ehr/fhirr4"
	"github.com/ringback-health/ringback/internal/redact"
)

// decode is how the configuration is read in the daemon: strictly.
func decode(file string) ehr.Decode {
	return func(into any) error { return yaml.UnmarshalWithOptions([]byte(file), into, yaml.Strict()) }
}

func TestConfigurationFromAFile(t *testing.T) {
	var cfg fhirr4.Config
	file := `
base_url: https://ehr.example/fhir
auth: {kind: client_credentials, token_url: https://ehr.example/token, client_id: ringback, client_secret_file: /run/secrets/ehr, scopes: [system/Task.cruds], style: form}
owners: {front-desk: Organization/12, billing: CareTeam/b}
proposed_means_booked: true
timeout: 10s
max_per_second: 2.5
mrn_system: urn:mrn
page_size: 50
appointment_horizon: 48h
search_by_post: false
insecure_http: true
rung: communication
appointments: {feed: window, ahead: 720h, step: 168h, of: [Location/12, Practitioner/7]}
file_again: true
no_marker_search: true
guard: if-unmodified-since
communication:
  form: message
  sender: Practitioner/1
  recipient: Group/2
  category: {system: urn:c, code: notification, text: Note}
  payload: attachment
  marker: topic
  state_extension: https://ehr.example/state
  priorities: [routine, urgent]
  needs_patient: true
service_request: {code: {text: Call}, category: {code: x}, requester: Practitioner/1, performer: Organization/3}
document_reference: {type: {system: urn:t, code: letter}, author: Device/4, needs_patient: false}
subscription:
  offered: always
  initial_status: active
  lifetime: 24h
  topics: {appointments: https://ehr.example/topics/appointment}
  payload_content: id-only
  heartbeat: 10m
  secret_extension: https://ehr.example/secret
`
	if err := decode(file)(&cfg); err != nil {
		t.Fatal(err)
	}
	want := fhirr4.Config{BaseURL: "https://ehr.example/fhir",
		Auth: fhirr4.Auth{Kind: "client_credentials", TokenURL: "https://ehr.example/token", ClientID: "ringback",
			ClientSecretFile: "/run/secrets/ehr", Scopes: []string{"system/Task.cruds"}, Style: "form"},
		Owners: map[string]string{"front-desk": "Organization/12", "billing": "CareTeam/b"},
		Appointments: fhirr4.Appointments{Feed: callback.FeedWindow, Ahead: 720 * time.Hour, Step: 168 * time.Hour,
			Of: []string{"Location/12", "Practitioner/7"}},
		ProposedMeansBooked: true, Timeout: 10 * time.Second, MaxPerSecond: 2.5, MRNSystem: "urn:mrn", PageSize: 50,
		AppointmentHorizon: 48 * time.Hour, InsecureHTTP: true,
		Subscription: fhirr4.SubscriptionConfig{Offered: "always", InitialStatus: "active", Lifetime: 24 * time.Hour,
			Topics:         map[callback.Feed]string{"appointments": "https://ehr.example/topics/appointment"},
			PayloadContent: "id-only", Heartbeat: 10 * time.Minute, SecretExtension: "https://ehr.example/secret"},
		RungConfig: fhirr4.RungConfig{Rung: "communication", FileAgain: true, NoMarkerSearch: true, Guard: "if-unmodified-since",
			Communication: fhirr4.CommunicationConfig{Form: "message", Sender: "Practitioner/1", Recipient: "Group/2",
				Category: fhirr4.Coded{System: "urn:c", Code: "notification", Text: "Note"}, Payload: "attachment", Marker: "topic",
				StateExtension: "https://ehr.example/state", Priorities: []string{"routine", "urgent"}, NeedsPatient: true},
			ServiceRequest: fhirr4.ServiceRequestConfig{Code: fhirr4.Coded{Text: "Call"}, Category: fhirr4.Coded{Code: "x"},
				Requester: "Practitioner/1", Performer: "Organization/3"},
			DocumentReference: fhirr4.DocumentConfig{Type: fhirr4.Coded{System: "urn:t", Code: "letter"}, Author: "Device/4"}}}
	if !reflect.DeepEqual(cfg, want) {
		t.Errorf("%+v", cfg)
	}
	if err := cfg.Validate(); err != nil {
		t.Error(err)
	}
}

func TestDefaultsHoldWhereNothingIsSaid(t *testing.T) {
	kind := fhirr4.Kind()
	if kind.Name != "fhirr4" || kind.What == "" {
		t.Errorf("%q %q", kind.Name, kind.What)
	}
	c, err := ehr.NewRegistry(kind).New("fhirr4", settings(t), decode("base_url: https://ehr.example/fhir\n"))
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if _, err := kind.New(settings(t), decode("base_url: https://ehr.example/fhir\npagesize: 4\n")); err == nil {
		t.Error("a key that is not known was taken")
	}
}

func TestEveryKindOfLogin(t *testing.T) {
	for file, asked := range map[string]string{
		"{kind: none}":                             "",
		"{kind: bearer, token_env: T}":             "auth.token T ",
		"{kind: basic, user: u, password_file: p}": "auth.password  p",
		"{kind: client_credentials, token_url: 'https://ehr.example/token', client_id: c, client_secret_env: S}": "auth.client_secret S ",
	} {
		s := settings(t)
		got := ""
		s.Secret = func(name, env, file string) (redact.Secret, error) {
			got = name + " " + env + " " + file
			return redact.NewSecret(secret), nil
		}
		c, err := fhirr4.Kind().New(s, decode("base_url: https://ehr.example/fhir\nauth: "+file+"\n"))
		if err != nil || got != asked {
			t.Errorf("%s: asked for %q, %v", file, got, err)
			continue
		}
		c.Close()
		s.Secret = func(string, string, string) (redact.Secret, error) {
			return redact.Secret{}, errors.New("no such variable")
		}
		if _, err := fhirr4.Kind().New(s, decode("base_url: https://ehr.example/fhir\nauth: "+file+"\n")); (err == nil) != (asked == "") {
			t.Errorf("%s: without its secret: %v", file, err)
		}
	}
}

// TestAllFaultsAreListed: an operator corrects a file once, not seven times.
func TestAllFaultsAreListed(t *testing.T) {
	_, err := fhirr4.New(settings(t), fhirr4.Config{RungConfig: fhirr4.Default().RungConfig,
		Auth:         fhirr4.Auth{Kind: "basic", TokenEnv: "T", Style: "header"},
		Subscription: fhirr4.SubscriptionConfig{Offered: "yes", InitialStatus: "off", PayloadContent: "full-resource"},
		Owners:       map[string]string{"a": "Group/1", "b": "Organization/1", "c": "Organization/1", "": "CareTeam/1", "d": "CareTeam/../1"},
		Timeout:      -1, MaxPerSecond: -1, PageSize: 5000, AppointmentHorizon: -1})
	if err == nil {
		t.Fatal("taken")
	}
	for _, want := range []string{"base_url is missing", "timeout", "max_per_second", "page_size", "appointment_horizon",
		"owners.a", "owners.c", "owners: an owner has no name", "owners.d", "basic needs user", "basic needs password_env or password_file",
		"token_env or token_file belongs to kind bearer", "style belongs to kind client_credentials", "auth.style",
		"subscription.offered", "subscription.initial_status", "subscription.payload_content", "subscription.secret_extension"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in:\n%v", want, err)
		}
	}
	if n := strings.Count(err.Error(), "\n") + 1; n != 18 {
		t.Errorf("%d faults are listed:\n%v", n, err)
	}
	for _, c := range []struct {
		change func(*fhirr4.Config)
		want   string
	}{
		{func(c *fhirr4.Config) { c.Auth.Kind = "jwt" }, "auth.kind"},
		{func(c *fhirr4.Config) { c.Rung = "patient-case" }, "rung: "},
		{func(c *fhirr4.Config) { c.Guard = "etag" }, "guard: "},
		{func(c *fhirr4.Config) { c.Communication.Form = "letter" }, "communication.form"},
		{func(c *fhirr4.Config) { c.Communication.Payload = "pdf" }, "communication.payload"},
		{func(c *fhirr4.Config) { c.Communication.Marker = "note" }, "communication.marker"},
		{func(c *fhirr4.Config) { c.Communication.Priorities = []string{"high"} }, "communication.priorities"},
		{func(c *fhirr4.Config) { c.Communication.StateExtension = "https://ehr.example/state" }, "form message"},
		{func(c *fhirr4.Config) { c.Communication.Recipient = "front desk" }, "communication.recipient"},
		{func(c *fhirr4.Config) { c.Communication.Sender = "Group/1" }, "communication.sender"},
		{func(c *fhirr4.Config) { c.ServiceRequest.Performer = "Group/1" }, "service_request.performer"},
		{func(c *fhirr4.Config) { c.ServiceRequest.Requester = "CareTeam/1" }, "service_request.requester"},
		{func(c *fhirr4.Config) { c.DocumentReference.Author = "Practitioner/.." }, "document_reference.author"},
		{func(c *fhirr4.Config) { c.DocumentReference.Type.System = "urn:t" }, "document_reference.type"},
		{func(c *fhirr4.Config) { c.BaseURL = "http://ehr.example/fhir" }, "plain http"},
		{func(c *fhirr4.Config) { c.BaseURL = "ehr.example" }, "base_url"},
		{func(c *fhirr4.Config) {
			c.Auth = fhirr4.Auth{Kind: "client_credentials", TokenURL: "ehr", ClientID: "c", ClientSecretEnv: "S"}
		}, "token_url"},
	} {
		cfg := config("https://ehr.example/fhir")
		c.change(&cfg)
		if _, err := fhirr4.New(settings(t), cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q is not in %v", c.want, err)
		}
	}
}

// TestAppointmentsSettings: what one feed has no use for is not said in vain.
func TestAppointmentsSettings(t *testing.T) {
	for yaml, fault := range map[string]string{
		"{}":                                          "",
		"{feed: watermark, unordered: true}":          "",
		"{unordered: true}":                           "",
		"{feed: patient}":                             "",
		"{feed: newest-first}":                        "",
		"{feed: window, of: [Location/1]}":            "",
		"{feed: changed-feed}":                        `"changed-feed" is none of watermark, window, patient, newest-first`,
		"{feed: patient, ahead: 24h}":                 "ahead belongs to feed: window",
		"{step: 24h}":                                 "step belongs to feed: window",
		"{feed: newest-first, of: [Location/1]}":      "of belongs to feed: window",
		"{feed: window, unordered: true}":             "unordered belongs to feed: watermark",
		"{feed: window, ahead: -1h}":                  "ahead must not be negative",
		"{feed: window, step: 1s}":                    "step must be at least an hour",
		"{feed: window, of: [Location/1, Patient/2]}": `of[1]: "Patient/2": write Location/12 or Practitioner/7`,
		"{feed: window, of: [\"Location/1?x=y\"]}":    "write Location/12",
	} {
		_, err := fhirr4.Kind().New(settings(t), decode("base_url: https://ehr.example/fhir\nappointments: "+yaml+"\n"))
		if fault == "" && err != nil || fault != "" && (err == nil || !strings.Contains(err.Error(), fault)) {
			t.Errorf("%s: %v, want %q", yaml, err, fault)
		}
	}
}
