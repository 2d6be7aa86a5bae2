package mapping

import (
	"errors"
	"fmt"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/fhir"
)

// ServiceRequestRules say how a ServiceRequest is written where the EHR has rules of
// its own.
type ServiceRequestRules struct {
	Code      fhir.Concept // what is ordered: it decides where the EHR sends the order
	Category  fhir.Concept // beside ours
	Requester string       // reference to who orders it; "": not said
	Performer string       // reference to who does it for owners who are not in Site.Owners; "": displayed only
}

// The codes of R4 request-status that Ringback writes.
const (
	requestActive    = "active"
	requestOnHold    = "on-hold"
	requestCompleted = "completed"
	requestRevoked   = "revoked"
)

// requestStatusOf says what status the ServiceRequest of a callback has. R4 has no
// word for one that is being worked on: it is active.
var requestStatusOf = map[callback.Status]string{
	callback.Captured:   requestActive,
	callback.Triaged:    requestActive,
	callback.Assigned:   requestActive,
	callback.InProgress: requestActive,
	callback.Waiting:    requestOnHold,
	callback.Closed:     requestCompleted,
}

func requestStatus(c callback.Callback) string {
	if c.Status == callback.Closed && c.Outcome.Withdrawn() {
		return requestRevoked
	}
	return requestStatusOf[c.Status]
}

// requestClassOf says what each code of R4 request-status means to a callback; the
// code "unknown" means nothing to us.
var requestClassOf = map[string]callback.ItemStatus{
	"draft":            callback.ItemOpen,
	requestActive:      callback.ItemOpen,
	requestOnHold:      callback.ItemOnHold,
	requestCompleted:   callback.ItemDone,
	requestRevoked:     callback.ItemCancelled,
	"entered-in-error": callback.ItemVoid,
}

// errNoChart says that a resource is about a patient, and whose callback it is is not
// known yet.
var errNoChart = errors.New("a ServiceRequest is about a patient, and the callback's chart is not known")

// ServiceRequest returns the ServiceRequest that is filed for a callback whose chart
// is certain. The error says which member cannot be written.
func ServiceRequest(w callback.WorkItem, s Site) (fhir.ServiceRequest, error) {
	c, rules := w.Callback, s.ServiceRequest
	if requestStatus(c) == "" {
		return fhir.ServiceRequest{}, fmt.Errorf("no ServiceRequest status for a callback that is %q", c.Status)
	}
	patient, err := certainPatient(c)
	if err != nil {
		return fhir.ServiceRequest{}, err
	}
	if patient.IsZero() {
		return fhir.ServiceRequest{}, errNoChart
	}
	f := fhir.ServiceRequestFields{
		Identifiers: []fhir.Identifier{markerIdentifier(w.Link)}, Categories: []fhir.Concept{taskCode(c.Category)},
		Priority: string(c.Priority), Code: rules.Code, OccurrencePeriod: dueWindow(c), AuthoredOn: moment(c.ReceivedAt),
		Requester: fhir.Reference{Reference: rules.Requester}, SupportingInfo: appointments(w),
	}
	if c.Owner != "" {
		f.Performers = s.performers().list(c.Owner)
	}
	if !rules.Category.IsZero() {
		f.Categories = append(f.Categories, rules.Category)
	}
	for _, n := range requestNotes(w, s) {
		f.Notes = append(f.Notes, n.annotation())
	}
	return fhir.NewServiceRequest(fhir.ServiceRequestRequired{Status: requestStatus(c), Intent: "order", Subject: patient}, f)
}

func (s Site) performers() assignment {
	return assignment{site: s, types: OwnerTypes, other: s.ServiceRequest.Performer}
}

// requestNotes are the notes of Ringback on a ServiceRequest, which has no other
// place for what is needed to call back.
func requestNotes(w callback.WorkItem, s Site) []note {
	return append([]note{{"Request", w.Callback.ReceivedAt, requestText(w.Callback, s)}}, notes(w)...)
}

// EditServiceRequest moves a ServiceRequest to what w wants, as EditTask does.
func EditServiceRequest(current []byte, w callback.WorkItem, s Site) (edited []byte, changed bool, err error) {
	view, err := fhir.ParseServiceRequest(current)
	if err != nil {
		return nil, false, err
	}
	have, known := requestClassOf[view.Status]
	if !known || view.ModifierExtension {
		return nil, false, notUnderstood("ServiceRequest", view.Status, view.ModifierExtension)
	}
	if have == callback.ItemVoid {
		return current, false, nil
	}
	e, err := openEdit(current, "ServiceRequest")
	if err != nil {
		return nil, false, err
	}
	c := w.Callback
	e.identifier(view.Identifiers, w.Link)
	e.status(w, view.Status, requestStatus(c), requestClassOf, false)
	e.category(view.Categories, c)
	if c.Priority.Valid() && view.Priority != string(c.Priority) {
		e.set("priority", string(c.Priority))
	}
	e.chart("subject", view.Subject, c, s)
	if due := dueWindow(c); !due.IsZero() && !samePeriod(view.OccurrencePeriod, due) && e.ownsOccurrence() {
		e.set("occurrencePeriod", due)
	}
	if c.Owner != "" {
		e.assignee("performer", view.Performers, s.performers(), c.Owner)
	}
	e.appointments("supportingInfo", w, s)
	e.notes(view.Notes, requestNotes(w, s))
	return e.result(current)
}

// ownsOccurrence reports whether nobody has said when it should be done in another of
// the forms of occurrence[x], of which only one can be there.
func (e *edit) ownsOccurrence() bool {
	return e.Raw("occurrenceDateTime") == nil && e.Raw("occurrenceTiming") == nil
}

func serviceRequestItem(raw []byte, s Site) (callback.Item, error) {
	view, err := fhir.ParseServiceRequest(raw)
	if err != nil {
		return callback.Item{}, err
	}
	item := callback.Item{
		Type: callback.ServiceRequestResource, ID: view.Meta.ID, Version: version(view.Meta, raw),
		UpdatedAt: view.Meta.LastUpdated, By: changedBy(raw, s), Markers: markers(view.Identifiers), Raw: raw,
		State: callback.ItemState{
			Status: requestClassOf[view.Status], Native: nativeStatus(view.Status), Owner: s.performers().owner(view.Performers),
			Priority: readPriority(view.Priority), Category: categoryIn(view.Categories), Due: readDue(view.OccurrencePeriod, s),
		},
		Patient:      phi(s.localID(view.Subject, "Patient")),
		Appointments: s.appointmentsIn(view.SupportingInfo), Notes: othersNotes(view.Notes, s),
	}
	item.State.Notes = len(item.Notes)
	if view.ModifierExtension {
		item.State.Status = ""
	}
	return item, nil
}
