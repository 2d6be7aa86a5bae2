package fhirr4

import (
	"context"
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

// conditionalCreate reports whether the server promises to honour If-None-Exist
// for a type. A server that refuses to say promises nothing; one that cannot be
// reached would not take the create either.
func (c *Connector) conditionalCreate(ctx context.Context, t callback.ResourceType) (bool, error) {
	m, err := c.metadata(ctx)
	switch fault.Of(err) {
	case "":
		return m.Resources[string(t)].ConditionalCreate, nil
	case fault.Permanent, fault.NotFound, fault.Unauthorized:
		return false, nil
	default:
		return false, err
	}
}

// Capabilities asks /metadata; the answer may be ten minutes old.
func (c *Connector) Capabilities(ctx context.Context) (callback.Capabilities, error) {
	m, err := c.metadata(ctx)
	if err != nil {
		return callback.Capabilities{}, err
	}
	task, appt, patient := m.Resources["Task"], m.Resources["Appointment"], m.Resources["Patient"]
	apptSearch, patientSearch := m.Can("Appointment", "search-type"), m.Can("Patient", "search-type")
	caps := callback.Capabilities{
		Software:        strings.TrimSpace(m.Software + " " + m.SoftwareVersion),
		Rungs:           []callback.Rung{c.taskRung(m)},
		Proposal:        c.proposal(m),
		ItemFeed:        m.Can("Task", "search-type"),
		AppointmentFeed: apptSearch,
		PatientByID:     m.Can("Patient", "read"),
		PatientByName:   patientSearch && offers(patient, "name") && offers(patient, "birthdate"),
		PatientByPhone:  patientSearch && offers(patient, "phone"),
	}
	caps.Missing = c.missing(caps, task, appt)
	return caps, nil
}

func (c *Connector) taskRung(m fhir.Capabilities) callback.Rung {
	task := m.Resources["Task"]
	create, update := m.Can("Task", "create"), m.Can("Task", "update")
	r := callback.Rung{Type: callback.TaskResource, Assign: create, DueDate: create, Close: update, Comment: update,
		ReadBack:          m.Can("Task", "read"),
		MarkerSearch:      m.Can("Task", "search-type") && offers(task, "identifier"),
		ConditionalCreate: task.ConditionalCreate}
	if !create {
		r.Refused = "Task cannot be created"
	}
	return r
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

func offers(r fhir.ResourceCapability, param string) bool {
	_, ok := r.SearchParams[param]
	return ok
}

// missing says to the operator what does not work here, and what follows from it.
func (c *Connector) missing(caps callback.Capabilities, task, appt fhir.ResourceCapability) []string {
	var list []string
	say := func(is bool, text string) {
		if is {
			list = append(list, text)
		}
	}
	rung := caps.On(callback.TaskResource)
	say(!rung.Usable(), "Task cannot be created: no work item can be filed in this EHR")
	say(!rung.Close, "Task cannot be updated: work items are filed and never change")
	say(!rung.ReadBack, "Task cannot be read: what staff do with a work item is not seen")
	say(!rung.MarkerSearch, "Task cannot be searched by identifier: after a lost answer a work item may be filed twice")
	say(!rung.ConditionalCreate, "Task has no conditional create: Ringback searches before it files")
	say(!caps.ItemFeed, "Task cannot be searched: changes by staff are seen only when Ringback edits an item")
	say(!caps.AppointmentFeed, "Appointment cannot be searched: booked visits close nothing")
	say(caps.ItemFeed && !offers(task, "_lastUpdated"), "Task does not list the search parameter _lastUpdated: if it is ignored, every poll reads all work items")
	say(caps.AppointmentFeed && !offers(appt, "_lastUpdated"), "Appointment does not list the search parameter _lastUpdated: if it is ignored, every poll reads all appointments")
	say(!caps.Proposal.Usable(), caps.Proposal.Refused+": visits are not proposed")
	say(!caps.PatientByID, "Patient cannot be read by id")
	say(!caps.PatientByName, "Patient cannot be searched by name and birth date")
	say(!caps.PatientByPhone, "Patient cannot be searched by phone")
	say(c.cfg.MRNSystem == "", "mrn_system is not set: a chart number is looked for among identifiers of every system")
	return list
}
