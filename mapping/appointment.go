package mapping

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/fhir"
	"github.com/ringback-health/ringback/internal/redact"
)

// Proposal returns the Appointment that proposes a visit for a callback, for
// staff to book: nobody is bound by it.
func Proposal(w callback.WorkItem, _ Site) (fhir.Appointment, error) {
	c := w.Callback
	patient, err := participant(c)
	if err != nil {
		return fhir.Appointment{}, err
	}
	urgency := urgencies[c.Priority]
	f := fhir.AppointmentFields{
		Identifiers:      []fhir.Identifier{markerIdentifier(w.Link)},
		Priority:         &urgency,
		Description:      phi("Callback: " + lower(categoryTitles[c.Category])),
		Created:          moment(c.ReceivedAt),
		RequestedPeriods: preferred(c),
	}
	if kind := clean(phi(c.VisitKind)); !kind.IsEmpty() {
		f.ServiceTypes = []fhir.Concept{{Text: kind}}
	}
	return fhir.NewAppointment(fhir.AppointmentRequired{Status: apptProposed, Participants: []fhir.Participant{patient}}, f)
}

// urgencies are the priorities of a callback on the scale of Appointment.priority
// (RFC 5545: 1 is the highest, 5 normal, 9 the lowest).
var urgencies = map[callback.Priority]uint{callback.Stat: 1, callback.ASAP: 2, callback.Urgent: 3, callback.Routine: 5}

// participant is the patient: the chart where it is certain, else a name to read.
func participant(c callback.Callback) (fhir.Participant, error) {
	p := fhir.Participant{Required: "required", Status: "needs-action"}
	actor, err := certainPatient(c)
	if err != nil {
		return p, err
	}
	if actor.IsZero() {
		actor.Display = clean(c.Caller.Name)
		if actor.Display.IsEmpty() {
			actor.Display = phi("Caller, name not known")
		}
	}
	p.Actor = actor
	return p, nil
}

// EditProposal moves a proposed Appointment to what w wants, as EditTask does. As
// long as it is a proposal, a patient who has become certain is put in, and it is
// withdrawn when the callback is closed by anything but this visit; one that
// Ringback has withdrawn is proposed again when the callback reopens. Once staff
// have moved it on, it is theirs and nothing is changed.
func EditProposal(current []byte, w callback.WorkItem, s Site) (edited []byte, changed bool, err error) {
	view, err := fhir.ParseAppointment(current)
	if err != nil {
		return nil, false, err
	}
	if _, known := apptStatuses[view.Status]; !known || view.ModifierExtension {
		return nil, false, notUnderstood("Appointment", view.Status, view.ModifierExtension)
	}
	d, err := fhir.Edit(current, "Appointment")
	if err != nil {
		return nil, false, err
	}
	e := &edit{Document: d}
	withdrawnByUs := view.Status == apptCancelled && codeIn(view.CancelationReason, SystemOutcome) != ""
	answered := w.Visit != "" && w.Visit == view.Meta.ID
	switch open := w.Callback.Status.Open(); {
	case view.Status == apptProposed && !open && !answered:
		e.set("status", apptCancelled)
		e.set("cancelationReason", concept("Callback closed: "+lower(outcomeTitles[w.Callback.Outcome]), outcomeCoding(w.Callback.Outcome)))
	case view.Status == apptProposed && open:
		e.bindPatient(view, w.Callback)
	case withdrawnByUs && open:
		e.set("status", apptProposed)
		e.remove("cancelationReason")
		e.bindPatient(view, w.Callback)
	}
	if e.changed {
		e.identifier(view.Identifiers, w.Link)
	}
	return e.result(current)
}

// bindPatient puts the chart in the place of the mere name that Ringback had
// written, and changes nothing when anybody else takes part.
func (e *edit) bindPatient(view fhir.AppointmentView, c callback.Callback) {
	patient, err := certainPatient(c)
	if err != nil {
		e.err = err
		return
	}
	list := e.list("participant")
	if len(list) != 1 || len(view.Participants) != 1 || view.Participants[0].Actor.Reference != "" || patient.IsZero() {
		return
	}
	bound, err := withField(list[0], "actor", map[string]string{"reference": patient.Reference})
	if err != nil {
		e.err = err
		return
	}
	e.set("participant", []json.RawMessage{bound})
}

// proposalItem reads an Appointment that was proposed as the work item it is for
// a link.
func proposalItem(raw []byte, s Site) (callback.Item, error) {
	view, err := fhir.ParseAppointment(raw)
	if err != nil {
		return callback.Item{}, err
	}
	patients := patientsOf(view, s)
	item := callback.Item{
		Type: callback.AppointmentResource, ID: view.Meta.ID, Version: version(view.Meta, raw),
		UpdatedAt: view.Meta.LastUpdated, Markers: markers(view.Identifiers), Raw: raw,
		State: callback.ItemState{Status: apptStatuses[view.Status].item, Native: nativeStatus(view.Status)},
	}
	if view.ModifierExtension {
		item.State.Status = ""
	}
	if len(patients) == 1 {
		item.Patient = phi(patients[0])
	}
	return item, nil
}

// Appointment reads an appointment of the EHR for matching. A status that R4 does
// not know, or a modifier extension, is ApptUnknown: it is not taken for booked.
func Appointment(raw []byte, s Site) (callback.Appointment, error) {
	view, err := fhir.ParseAppointment(raw)
	if err != nil {
		return callback.Appointment{}, err
	}
	patients := patientsOf(view, s)
	a := callback.Appointment{
		Clinic: s.Clinic, EHR: s.EHR, ID: view.Meta.ID, Version: version(view.Meta, raw),
		State: apptState(view, s), Patients: len(patients), Start: view.Start, End: view.End,
		Kinds: kinds(view), Markers: markers(view.Identifiers), Test: view.Test, Updated: view.Meta.LastUpdated,
	}
	a.Created, a.CreatedSpan = bookedAt(view.Created, s)
	if len(patients) > 0 {
		a.Patient = phi(patients[0])
	}
	a.Tasks = s.idsOf(view.SupportingInformation, "Task")
	// R4 has no member for the appointment that this one replaces; EHRs name it here.
	a.Replaces = s.idsOf(slices.Concat(view.Replaces, view.SupportingInformation), "Appointment")
	return a, nil
}

// idsOf returns the ids of those references that are to resources of the type in this EHR.
func (s Site) idsOf(refs []fhir.Reference, resourceType string) []string {
	var ids []string
	for _, r := range refs {
		if id := s.localID(r, resourceType); id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

func apptState(view fhir.AppointmentView, s Site) callback.AppointmentState {
	if view.Status == apptProposed && s.ProposedMeansBooked && !view.ModifierExtension {
		return callback.ApptBooked
	}
	known, ok := apptStatuses[view.Status]
	if !ok || view.ModifierExtension {
		return callback.ApptUnknown
	}
	return known.state
}

// patientsOf returns the ids of the patients who take part, without those who
// declined.
func patientsOf(view fhir.AppointmentView, s Site) []string {
	var ids []string
	for _, p := range view.Participants {
		id := s.localID(p.Actor, "Patient")
		if id != "" && p.Status != "declined" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// bookedAt returns when the appointment was made and how exactly that is known; zero
// when the EHR does not tell. A time without an offset is the clinic's, and in the hour
// that an autumn night has twice, either of the two.
func bookedAt(created fhir.DateTime, s Site) (from time.Time, span time.Duration) {
	switch {
	case created.IsZero():
		return time.Time{}, 0
	case created.Precision == fhir.Second && created.HasZone:
		return created.Time, 0
	}
	start, end := created.Range(s.zone())
	if created.Precision == fhir.Second {
		start, end = widest(start, end)
	}
	return start, end.Sub(start)
}

// widest extends a span by the other hour that its wall clock may mean.
func widest(start, end time.Time) (from, until time.Time) {
	const wall = "2006-01-02T15:04:05"
	if other := start.Add(-time.Hour); other.Format(wall) == start.Format(wall) {
		return other, end
	}
	if other := start.Add(time.Hour); other.Format(wall) == start.Format(wall) {
		return start, end.Add(time.Hour)
	}
	return start, end
}

// kinds are the codes and texts that say what kind of visit it is. The text of a
// reason is not among them: people type there what is the matter with a patient,
// and kinds are kept and shown as they are.
func kinds(view fhir.AppointmentView) []string {
	var list []string
	add := func(word string) {
		word = strings.ToLower(strings.TrimSpace(word))
		if word != "" && !slices.Contains(list, word) {
			list = append(list, word)
		}
	}
	typed := slices.Concat(view.ServiceCategories, view.ServiceTypes, []fhir.Concept{view.AppointmentType})
	reasons := slices.Clone(view.ReasonCodes)
	for i := range reasons {
		reasons[i].Text = redact.Text{}
	}
	for _, c := range slices.Concat(typed, reasons) {
		for _, k := range c.Codings {
			add(k.Code)
			add(k.Display)
		}
		add(c.Text.Reveal())
	}
	return list
}
