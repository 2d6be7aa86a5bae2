package fhirr4

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ringback-health/ringback/mapping"
)

// Config is what an operator says about one EHR. Default gives what holds where
// nothing is said.
type Config struct {
	BaseURL string `yaml:"base_url"` // https://host/path of the FHIR server
	Auth    Auth   `yaml:"auth"`
	// Owners maps an owner, as the workflow file names it, to who that is in the
	// EHR: "front-desk": "Organization/12". One that is missing is only displayed.
	Owners map[string]string `yaml:"owners"`
	// ProposedMeansBooked says that this EHR's own bookings have the status
	// "proposed". Visits are not proposed then: a proposal would close its callback.
	ProposedMeansBooked bool          `yaml:"proposed_means_booked"`
	Timeout             time.Duration `yaml:"timeout"`        // per request
	MaxPerSecond        float64       `yaml:"max_per_second"` // requests; 0: no limit
	// MRNSystem is the identifier system of chart numbers. Empty: a chart number is
	// looked for in all systems.
	MRNSystem string `yaml:"mrn_system"`
	PageSize  int    `yaml:"page_size"` // of searches
	// AppointmentHorizon is how far back the first look at appointments goes.
	AppointmentHorizon time.Duration `yaml:"appointment_horizon"`
	Appointments       Appointments  `yaml:"appointments"`
	// SearchByPost keeps names, birth dates and phone numbers out of URLs. Turn it
	// off only for an EHR that has no POST _search.
	SearchByPost bool `yaml:"search_by_post"`
	InsecureHTTP bool `yaml:"insecure_http"` // allow http:// beyond this machine
	// Subscription says how this EHR is asked to tell of changes.
	Subscription SubscriptionConfig `yaml:"subscription"`

	RungConfig `yaml:",inline"`

	push bool // Settings.Push
}

// Default returns what holds where the operator says nothing.
func Default() Config {
	return Config{
		Auth: Auth{Kind: authNone}, Timeout: 30 * time.Second, PageSize: 100,
		AppointmentHorizon: 24 * time.Hour, SearchByPost: true, Subscription: defaultSubscription(), RungConfig: defaultRungs(),
	}
}

const maxPageSize = 1000

// Validate lists everything that is wrong, each with what is expected.
func (c Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.BaseURL == "" {
		bad("base_url is missing; write it as https://host/path")
	}
	if c.Timeout <= 0 {
		bad("timeout must be more than 0, such as 30s")
	}
	if c.MaxPerSecond < 0 {
		bad("max_per_second must not be negative; 0 is no limit")
	}
	if c.PageSize < 1 || c.PageSize > maxPageSize {
		bad("page_size must be from 1 to %d", maxPageSize)
	}
	if c.AppointmentHorizon < 0 {
		bad("appointment_horizon must not be negative; write it as 24h")
	}
	return errors.Join(errors.Join(errs...), c.Appointments.validate(), c.validateOwners(), c.Subscription.validate(), c.RungConfig.validate(), c.Auth.validate())
}

func (c Config) validateOwners() error {
	var errs []error
	types := mapping.OwnerTypes
	if c.Communication.Recipient != "" {
		types = mapping.RecipientTypes // a Task never goes to a Group, a Communication may
	}
	known := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(c.Owners)) {
		reference := c.Owners[name]
		t, id, _ := strings.Cut(reference, "/")
		switch other, twice := known[reference]; {
		case name == "":
			errs = append(errs, errors.New("owners: an owner has no name"))
		case !mapping.ValidID(id) || !slices.Contains(types, t):
			errs = append(errs, fmt.Errorf("owners.%s: %q is no reference that a work item can be given to; write Organization/12, or one of %s",
				name, reference, strings.Join(types, ", ")))
		case twice:
			errs = append(errs, fmt.Errorf("owners.%s: %s is %s already; give each owner a reference of its own, or it cannot be told who has an item",
				name, reference, other))
		}
		known[reference] = name
	}
	return errors.Join(errs...)
}
