package fhir

import (
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/ringback-health/ringback/internal/redact"
)

// AppointmentRequired is what R4 demands of an Appointment.
type AppointmentRequired struct {
	Status       string        // one of the R4 appointment statuses: "proposed", …
	Participants []Participant // at least one
}

// Participant takes part in an appointment. It has types or an actor, or both
// (R4 invariant app-1).
type Participant struct {
	Types    []Concept
	Actor    Reference
	Required string // "required", "optional", "information-only"; "" leaves it out
	Status   string // "accepted", "declined", "tentative", "needs-action"
}

// AppointmentFields is the rest of an Appointment; what is zero is left out. In
// texts, characters that FHIR does not allow are left out.
type AppointmentFields struct {
	Tags                  []Coding // meta.tag
	Identifiers           []Identifier
	CancelationReason     Concept // with status cancelled or noshow only (app-4)
	ServiceTypes          []Concept
	ReasonCodes           []Concept
	Priority              *uint // nil: none; 0 is a priority of its own (RFC 5545)
	Description           redact.Text
	SupportingInformation []Reference
	// Start and End are times, both or neither (app-2); only a proposed,
	// cancelled or waitlist appointment may lack them (app-3).
	Start, End       DateTime
	Created          DateTime
	Comment          redact.Text
	RequestedPeriods []Period
}

// Appointment is a valid Appointment to be sent. Only NewAppointment makes one.
type Appointment struct{ json redact.Text }

// NewAppointment makes an Appointment. The error is a *MemberError: it names
// the member that breaks a rule of R4 (https://hl7.org/fhir/R4/appointment.html).
func NewAppointment(r AppointmentRequired, f AppointmentFields) (Appointment, error) {
	w := newWriter("Appointment")
	w.tags(f.Tags)
	w.list("identifier", f.Identifiers)
	w.code("status", r.Status, appointmentStatuses, true)
	w.opt("cancelationReason", f.CancelationReason)
	w.list("serviceType", f.ServiceTypes)
	w.list("reasonCode", f.ReasonCodes)
	if f.Priority != nil {
		w.put("priority", *f.Priority)
	}
	w.str("description", content(f.Description))
	w.list("supportingInformation", f.SupportingInformation)
	w.opt("start", f.Start)
	w.opt("end", f.End)
	w.opt("created", f.Created)
	w.str("comment", content(f.Comment))
	w.participants(r.Participants)
	w.list("requestedPeriod", f.RequestedPeriods)
	w.appointmentTimes(r.Status, f.Start, f.End)
	if !f.CancelationReason.IsZero() && r.Status != "cancelled" && r.Status != "noshow" {
		w.fail("cancelationReason", "only a cancelled or missed appointment has one (app-4)")
	}
	raw, err := w.bytes()
	return Appointment{redact.NewText(string(raw))}, err
}

// MarshalJSON writes the resource, PHI included: it is for the EHR. The zero
// Appointment is an error.
func (a Appointment) MarshalJSON() ([]byte, error) { return written("Appointment", a.json) }

// LogValue gives slog the mark.
func (a Appointment) LogValue() slog.Value { return a.json.LogValue() }

// Format writes the mark whatever the verb.
func (a Appointment) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redact.Mark) }

type wireParticipant struct {
	Type     any    `json:"type,omitempty"`
	Actor    any    `json:"actor,omitempty"`
	Required string `json:"required,omitempty"`
	Status   string `json:"status"`
}

func (p Participant) wire() (any, error) {
	w := wireParticipant{Required: p.Required, Status: p.Status}
	if len(p.Types) == 0 && p.Actor.IsZero() {
		return nil, errors.New("a participant without a type or an actor (app-1)")
	}
	var err error
	if len(p.Types) > 0 {
		if w.Type, err = toWire(p.Types); err != nil {
			return nil, err
		}
	}
	if !p.Actor.IsZero() {
		w.Actor, err = p.Actor.wire()
	}
	return w, err
}

func (w *writer) participants(list []Participant) {
	if len(list) == 0 {
		w.fail("participant", "absent; R4 demands one")
		return
	}
	for i, p := range list {
		at := fmt.Sprintf("participant[%d].", i)
		w.checkCode(at+"required", p.Required, participantRequired, false)
		w.checkCode(at+"status", p.Status, participantStatuses, true)
	}
	w.list("participant", list)
}

// appointmentTimes checks what R4 says of start and end.
func (w *writer) appointmentTimes(status string, start, end DateTime) {
	switch {
	case start.IsZero() != end.IsZero():
		w.fail("start", "start and end go together (app-2)")
	case start.IsZero() && status != "proposed" && status != "cancelled" && status != "waitlist":
		w.fail("start", "only a proposed, cancelled or waitlist appointment may lack a start and an end (app-3)")
	case start.IsZero():
	case start.Precision != Second || end.Precision != Second:
		w.fail("start", "start and end are instants: to the second, with zone")
	case end.before(start):
		w.fail("end", "before start")
	}
}
