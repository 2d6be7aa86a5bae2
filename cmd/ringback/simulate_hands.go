package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/mapping"
	"github.com/ringback-health/ringback/sandbox"
	"github.com/ringback-health/ringback/simulate"
)

// sandboxHands are the clinic's people at the sandbox EHR.
type sandboxHands struct {
	front   *sandbox.FrontDesk
	store   *sandbox.Store
	created sandbox.Created
}

var createdOf = map[simulate.Created]sandbox.Created{
	simulate.CreatedTime: sandbox.CreatedAt, simulate.CreatedDay: sandbox.CreatedDay, simulate.CreatedNot: sandbox.NotCreated,
}

// simulatedStaff is who works in the EHRs of a simulation.
const simulatedStaff = "Front desk"

func (h sandboxHands) Register(_ context.Context, c simulate.Chart) (string, error) {
	r, err := h.front.RegisterPatient(sandbox.NewPatient{Family: c.Family, Given: c.Given, BirthDate: c.BirthDate, Phone: c.Phone, MRN: c.MRN, Test: c.Test})
	return r.ID, err
}

func (h sandboxHands) Merge(_ context.Context, from, into string, move bool) error {
	return h.front.MergePatients(from, into, move)
}

func (h sandboxHands) Book(_ context.Context, b simulate.Booking) (string, error) {
	kind := sandbox.VisitFollowUp
	if b.First {
		kind = sandbox.VisitNewPatient
	}
	r, err := h.front.Book(sandbox.Booking{PatientID: b.Chart, Start: b.Start, ServiceType: kind, TaskID: b.Item, Created: h.created})
	return r.ID, err
}

func (h sandboxHands) Confirm(_ context.Context, proposal, chart string, start time.Time) (bool, error) {
	_, err := h.front.ConfirmProposal(proposal, chart, start, 30)
	var p *sandbox.Problem
	if errors.As(err, &p) && p.Status == http.StatusConflict {
		return false, nil
	}
	return err == nil, err
}

func (h sandboxHands) Move(_ context.Context, visit string, start time.Time) error {
	_, err := h.front.Reschedule(visit, start)
	return err
}

func (h sandboxHands) Replace(_ context.Context, visit string, start time.Time) (string, error) {
	r, err := h.front.RescheduleAsNew(visit, start)
	return r.ID, err
}

func (h sandboxHands) Set(_ context.Context, visit string, s callback.AppointmentState) (err error) {
	switch s {
	case callback.ApptCancelled:
		_, err = h.front.CancelAppointment(visit, "patient cancelled")
	case callback.ApptNoShow:
		_, err = h.front.NoShow(visit)
	default:
		_, err = h.front.SetAppointment(visit, apptStatus(s))
	}
	return err
}

// apptStatus is what FHIR R4 calls a state that staff set.
func apptStatus(s callback.AppointmentState) string {
	return map[callback.AppointmentState]string{callback.ApptArrived: "arrived", callback.ApptDone: "fulfilled", callback.ApptCancelled: "cancelled",
		callback.ApptNoShow: "noshow", callback.ApptVoid: "entered-in-error"}[s]
}

func (h sandboxHands) Delete(_ context.Context, visit string) error {
	return h.front.DeleteAppointment(visit)
}

func (h sandboxHands) Item(_ context.Context, id string) (simulate.Item, error) {
	r, err := h.store.Read("Task", id)
	if err != nil {
		return simulate.Item{}, err
	}
	return itemOf(r.Raw)
}

// itemOf reads a Task as staff see it.
func itemOf(raw []byte) (simulate.Item, error) {
	var t struct {
		Status string
		For    struct{ Reference string }
	}
	err := json.Unmarshal(raw, &t)
	ended := slices.Contains([]string{"completed", "cancelled", "entered-in-error", "rejected", "failed"}, t.Status)
	return simulate.Item{Open: !ended, Chart: strings.TrimPrefix(t.For.Reference, "Patient/")}, err
}

func (h sandboxHands) Start(_ context.Context, id string) error {
	_, err := h.front.StartTask(id, simulatedStaff)
	return err
}

func (h sandboxHands) File(_ context.Context, id, chart string) error {
	_, err := h.front.SetPatient(id, chart)
	return err
}

func (h sandboxHands) Note(_ context.Context, id, text string) error {
	_, err := h.front.AddNote(id, simulatedStaff, text)
	return err
}

func (h sandboxHands) End(_ context.Context, id string, o callback.Outcome, withdrawn bool) error {
	if withdrawn {
		_, err := h.front.CancelTask(id, "nothing to do")
		return err
	}
	_, err := h.front.CompleteTask(id, simulatedStaff, outcomeCode(o))
	return err
}

func outcomeCode(o callback.Outcome) string {
	if o == "" {
		return ""
	}
	return mapping.SystemOutcome + "|" + string(o)
}

func (h sandboxHands) Reopen(_ context.Context, id string) error {
	_, err := h.front.ReopenTask(id)
	return err
}
