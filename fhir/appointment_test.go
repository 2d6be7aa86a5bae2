package fhir_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/fhir"
)

func proposed() fhir.AppointmentRequired {
	return fhir.AppointmentRequired{
		Status:       "proposed",
		Participants: []fhir.Participant{{Actor: fhir.Reference{Reference: "Patient/1"}, Status: "needs-action"}},
	}
}

func TestNewAppointmentWritesAllOfIt(t *testing.T) {
	priority := uint(0)
	r := proposed()
	r.Participants = append(r.Participants, fhir.Participant{Types: []fhir.Concept{{Text: text("t")}}, Required: "required", Status: "tentative"})
	a, err := fhir.NewAppointment(r, fhir.AppointmentFields{
		Tags:                  []fhir.Coding{{Code: "callback"}},
		Identifiers:           []fhir.Identifier{{System: "urn:ietf:rfc:3986", Value: text("urn:uuid:1")}},
		ServiceTypes:          []fhir.Concept{{Text: text("visit")}},
		ReasonCodes:           []fhir.Concept{{Text: text("knee")}},
		Priority:              &priority,
		Description:           text("d"),
		SupportingInformation: []fhir.Reference{{Reference: "Task/1"}},
		Start:                 fhir.NewDateTime(noon),
		End:                   fhir.NewDateTime(noon.Add(time.Hour)),
		Created:               date(t, "2026-03-08"),
		Comment:               text("c"),
		RequestedPeriods:      []fhir.Period{{Start: date(t, "2026-03-09"), End: date(t, "2026-03-13")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := a.MarshalJSON()
	want := `{"resourceType":"Appointment","meta":{"tag":[{"code":"callback"}]},"identifier":[{"system":"urn:ietf:rfc:3986","value":"urn:uuid:1"}],"status":"proposed",` +
		`"serviceType":[{"text":"visit"}],"reasonCode":[{"text":"knee"}],"priority":0,"description":"d","supportingInformation":[{"reference":"Task/1"}],` +
		`"start":"2026-03-08T12:00:00Z","end":"2026-03-08T13:00:00Z","created":"2026-03-08","comment":"c",` +
		`"participant":[{"actor":{"reference":"Patient/1"},"status":"needs-action"},{"type":[{"text":"t"}],"required":"required","status":"tentative"}],` +
		`"requestedPeriod":[{"start":"2026-03-09","end":"2026-03-13"}]}`
	if err != nil || string(raw) != want {
		t.Errorf("%v\ngot  %s\nwant %s", err, raw, want)
	}
	v, err := fhir.ParseAppointment(raw)
	if err != nil || v.Status != "proposed" || !v.Start.Equal(noon) || len(v.Participants) != 2 {
		t.Errorf("%+v %v", v, err)
	}
}

// TestAppointmentInvariants tries app-1 to app-4 for every status.
func TestAppointmentInvariants(t *testing.T) {
	statuses := []string{"proposed", "pending", "booked", "arrived", "fulfilled", "cancelled", "noshow", "entered-in-error", "checked-in", "waitlist"}
	start, end := fhir.NewDateTime(noon), fhir.NewDateTime(noon.Add(time.Minute))
	reason := fhir.Concept{Text: text("r")}
	for _, status := range statuses {
		with := func(f fhir.AppointmentFields) error {
			r := proposed()
			r.Status = status
			_, err := fhir.NewAppointment(r, f)
			return err
		}
		mayLackTimes := slices.Contains([]string{"proposed", "cancelled", "waitlist"}, status)
		mayHaveReason := slices.Contains([]string{"cancelled", "noshow"}, status)
		for rule, c := range map[string]struct {
			f  fhir.AppointmentFields
			ok bool
		}{
			"both times":   {fhir.AppointmentFields{Start: start, End: end}, true},
			"(app-3)":      {fhir.AppointmentFields{}, mayLackTimes},
			"(app-2)":      {fhir.AppointmentFields{Start: start}, false},
			"(app-2) ":     {fhir.AppointmentFields{End: end}, false},
			"(app-4)":      {fhir.AppointmentFields{Start: start, End: end, CancelationReason: reason}, mayHaveReason},
			"before start": {fhir.AppointmentFields{Start: end, End: start}, false},
			"instants":     {fhir.AppointmentFields{Start: date(t, "2026-03-08"), End: end}, false},
		} {
			err := with(c.f)
			if (err == nil) != c.ok || err != nil && !strings.Contains(err.Error(), strings.TrimSpace(rule)) {
				t.Errorf("%s %s: %v", status, rule, err)
			}
		}
	}
}

func TestNewAppointmentRefusesWhatR4Refuses(t *testing.T) {
	actor := fhir.Reference{Reference: "Patient/1"}
	for want, r := range map[string]fhir.AppointmentRequired{
		"Appointment.status: absent":                      {Participants: proposed().Participants},
		"Appointment.status: not a code":                  {Status: "rescheduled", Participants: proposed().Participants},
		"Appointment.participant: absent":                 {Status: "proposed"},
		"Appointment.participant: a participant without":  {Status: "proposed", Participants: []fhir.Participant{{Status: "accepted"}}},
		"Appointment.participant[0].status: absent":       {Status: "proposed", Participants: []fhir.Participant{{Actor: actor}}},
		"Appointment.participant[0].status: not a code":   {Status: "proposed", Participants: []fhir.Participant{{Actor: actor, Status: "maybe"}}},
		"Appointment.participant[0].required: not a code": {Status: "proposed", Participants: []fhir.Participant{{Actor: actor, Status: "accepted", Required: "yes"}}},
		"Appointment.participant: a concept without":      {Status: "proposed", Participants: []fhir.Participant{{Types: []fhir.Concept{{}}, Status: "accepted"}}},
	} {
		a, err := fhir.NewAppointment(r, fhir.AppointmentFields{})
		var broken *fhir.MemberError
		if !errors.As(err, &broken) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
		if raw, err := json.Marshal(a); err == nil {
			t.Errorf("%s: the refused Appointment was written: %s", want, raw)
		}
	}
}
