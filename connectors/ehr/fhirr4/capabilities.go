package fhirr4

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/fhir"
	"github.com/ringback-health/ringback/internal/fault"
)

// capabilitiesLast is how long the answer of /metadata is taken for true. It
// changes with an upgrade of the EHR.
const capabilitiesLast = 10 * time.Minute

// capabilityCache keeps the last answer. turn is held by whoever asks, so that one
// request serves all who wait; a channel, because a wait must end with its context.
type capabilityCache struct {
	turn  chan struct{}
	at    time.Time
	known fhir.Capabilities
}

func newCapabilityCache() capabilityCache { return capabilityCache{turn: make(chan struct{}, 1)} }

// metadata returns what the server says about itself.
func (c *Connector) metadata(ctx context.Context) (fhir.Capabilities, error) {
	select {
	case c.caps.turn <- struct{}{}:
	case <-ctx.Done():
		return fhir.Capabilities{}, fault.New(fault.Retry, "read CapabilityStatement", "stopped before the EHR answered").Because(ctx.Err())
	}
	defer func() { <-c.caps.turn }()
	now := c.clock.Now()
	if !c.caps.at.IsZero() && now.Sub(c.caps.at) < capabilitiesLast {
		return c.caps.known, nil
	}
	known, err := c.fhir.Capability(ctx)
	if err != nil {
		return fhir.Capabilities{}, err
	}
	c.caps.at, c.caps.known = now, known
	return known, nil
}

// known returns what the server says about itself, and false where it refuses to say
// anything. One that cannot be reached is an error: it would not take a write either.
func (c *Connector) known(ctx context.Context) (m fhir.Capabilities, told bool, err error) {
	m, err = c.metadata(ctx)
	switch fault.Of(err) {
	case "":
		return m, true, nil
	case fault.Permanent, fault.NotFound, fault.Unauthorized:
		return fhir.Capabilities{}, false, nil
	default:
		return fhir.Capabilities{}, false, err
	}
}

// assumed is what is taken for true of an EHR that refuses to say anything in
// /metadata and of which the operator says that it takes Tasks. Conditional creates
// are not: relying on one that is ignored would make items twice.
var assumed = fhir.Capabilities{Resources: map[string]fhir.ResourceCapability{
	"Task": {Interactions: map[string]bool{"create": true, "read": true, "update": true, "search-type": true},
		SearchParams: map[string]string{"identifier": "token", "_lastUpdated": "date", "code": "token"}},
	"Appointment": {Interactions: map[string]bool{"read": true, "search-type": true}, SearchParams: map[string]string{"_lastUpdated": "date"}},
	"Patient": {Interactions: map[string]bool{"read": true, "search-type": true},
		SearchParams: map[string]string{"name": "string", "birthdate": "date", "phone": "token"}},
}}

// Capabilities asks /metadata; the answer may be ten minutes old. Where the EHR
// refuses to say anything, and rung is set to task, that is assumed.
func (c *Connector) Capabilities(ctx context.Context) (callback.Capabilities, error) {
	m, err := c.metadata(ctx)
	switch fault.Of(err) {
	case "":
	case fault.Permanent, fault.NotFound, fault.Unauthorized:
		if pins[c.cfg.Rung] != callback.TaskResource {
			return callback.Capabilities{}, err
		}
		m = assumed
	default:
		return callback.Capabilities{}, err
	}
	patient := m.Resources["Patient"]
	patientSearch := m.Can("Patient", "search-type")
	caps := callback.Capabilities{
		Software:        strings.TrimSpace(m.Software + " " + m.SoftwareVersion),
		Rungs:           c.rungs(m),
		Proposal:        c.proposal(m),
		ItemFeed:        len(c.fed(m)) > 0,
		AppointmentFeed: c.appointmentFeed(m),
		AppointmentByID: m.Can("Appointment", "read"),
		PatientByID:     m.Can("Patient", "read"),
		PatientByName:   patientSearch && offers(patient, "name") && offers(patient, "birthdate"),
		PatientByPhone:  patientSearch && offers(patient, "phone"),
	}
	caps.Missing = append(c.rungNotes(caps), c.missing(caps, m)...)
	return caps, nil
}

// proposal says what can be done with proposed appointments.
func (c *Connector) proposal(m fhir.Capabilities) callback.Rung {
	appt := m.Resources["Appointment"]
	r := callback.Rung{Type: callback.AppointmentResource, NeedsPatient: true, Close: m.Can("Appointment", "update"),
		ReadBack:          m.Can("Appointment", "read"),
		MarkerSearch:      m.Can("Appointment", "search-type") && offers(appt, "identifier"),
		ConditionalCreate: appt.ConditionalCreate}
	switch {
	case c.cfg.ProposedMeansBooked:
		r.Refused = "proposed_means_booked is set"
	case !m.Can("Appointment", "create") || !r.Close:
		r.Refused = "Appointment cannot be created and updated"
	}
	return r
}

// appointmentFeed is how appointments are watched, where they can be searched at all.
func (c *Connector) appointmentFeed(m fhir.Capabilities) callback.FeedKind {
	if !m.Can("Appointment", "search-type") {
		return callback.FeedNone
	}
	return c.cfg.Appointments.kind()
}

// searchedBy is what each feed of appointments rests on, and what follows where the
// EHR ignores it.
var searchedBy = map[callback.FeedKind]struct{ param, lost string }{
	callback.FeedWatermark: {"_lastUpdated", "if it is ignored, every poll reads all appointments"},
	callback.FeedNewest:    {"_lastUpdated", "if it cannot be sorted by, bookings are missed"},
	callback.FeedWindow:    {"date", "if it is ignored, every poll reads all appointments"},
	callback.FeedPatient:   {"patient", "if it is ignored, every patient's poll reads all appointments"},
}

func offers(r fhir.ResourceCapability, param string) bool {
	_, ok := r.SearchParams[param]
	return ok
}

// missing says to the operator what does not work here, and what follows from it.
func (c *Connector) missing(caps callback.Capabilities, m fhir.Capabilities) []string {
	var list []string
	say := func(is bool, text string) {
		if is {
			list = append(list, text)
		}
	}
	rung := caps.RungFor(true)
	name := string(rung.Type)
	if filed := rung.Type != callback.Worklist; filed {
		say(!rung.Close, name+" cannot be updated: work items are filed and never change")
		say(!rung.ReadBack, name+" cannot be read back: what staff do with a work item is not seen")
		say(!rung.MarkerSearch, name+" cannot be searched by identifier: after a lost answer nobody can tell whether a work item arrived")
		say(!rung.ConditionalCreate && rung.MarkerSearch, name+" has no conditional create: Ringback searches before it files")
		fed := slices.Contains(c.fed(m), rung.Type)
		say(rung.ReadBack && !fed, name+" cannot be searched by time of change: each open item is read by itself")
		say(fed && !m.Searches(name, "_lastUpdated"), name+" does not list the search parameter _lastUpdated: if it is ignored, every poll reads all work items")
	}
	say(caps.AppointmentFeed == callback.FeedNone, "Appointment cannot be searched: booked visits close nothing")
	if by := searchedBy[caps.AppointmentFeed]; by.param != "" {
		say(!m.Searches("Appointment", by.param), "Appointment does not list the search parameter "+by.param+": "+by.lost)
	}
	say(caps.AppointmentFeed != callback.FeedNone && !caps.AppointmentByID, "Appointment cannot be read by id: a visit that is deleted does not open its callback again")
	say(!caps.Proposal.Usable(), caps.Proposal.Refused+": visits are not proposed")
	say(!caps.PatientByID, "Patient cannot be read by id")
	say(!caps.PatientByName, "Patient cannot be searched by name and birth date")
	say(!caps.PatientByPhone, "Patient cannot be searched by phone")
	say(c.cfg.MRNSystem == "", "mrn_system is not set: a chart number is looked for among identifiers of every system")
	return list
}
