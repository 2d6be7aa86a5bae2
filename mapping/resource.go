package mapping

import (
	"encoding/json"
	"fmt"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/fhir"
)

// form is how resources of one type are written, edited and read.
type form struct {
	write func(callback.WorkItem, Site) (json.Marshaler, error)
	edit  func([]byte, callback.WorkItem, Site) ([]byte, bool, error)
	read  func([]byte, Site) (callback.Item, error)
}

var forms = map[callback.ResourceType]form{
	callback.TaskResource:              {writes(Task), EditTask, taskItem},
	callback.CommunicationResource:     {writes(Communication), EditCommunication, communicationItem},
	callback.ServiceRequestResource:    {writes(ServiceRequest), EditServiceRequest, serviceRequestItem},
	callback.DocumentReferenceResource: {writes(DocumentReference), EditDocumentReference, documentItem},
	callback.AppointmentResource:       {writes(Proposal), EditProposal, proposalItem},
}

func writes[T json.Marshaler](f func(callback.WorkItem, Site) (T, error)) func(callback.WorkItem, Site) (json.Marshaler, error) {
	return func(w callback.WorkItem, s Site) (json.Marshaler, error) { return f(w, s) }
}

// Resource returns the resource that the link of w is for, as it is sent. The error
// says which member cannot be written.
func Resource(w callback.WorkItem, s Site) ([]byte, error) {
	k, ok := forms[w.Link.Type]
	if !ok {
		return nil, fmt.Errorf("there is no way to write a %s", w.Link.Type)
	}
	r, err := k.write(w, s)
	if err != nil {
		return nil, err
	}
	return r.MarshalJSON()
}

// Edit moves the resource that the EHR holds for the link of w to what w wants, as
// EditTask does for a Task.
func Edit(current []byte, w callback.WorkItem, s Site) (edited []byte, changed bool, err error) {
	k, ok := forms[w.Link.Type]
	if !ok {
		return nil, false, fmt.Errorf("there is no way to edit a %s", w.Link.Type)
	}
	return k.edit(current, w, s)
}

// Item reads a work item of ours, or an Appointment that was proposed.
// State.Status is "" when the state cannot be understood; State.Native then says
// what stands there. Leave such an item alone and show it to a person. The error
// is a *fhir.TypeError or a *fhir.MemberError and means that nothing was read.
func Item(raw []byte, s Site) (callback.Item, error) {
	t, err := fhir.ResourceType(raw)
	if err != nil {
		return callback.Item{}, err
	}
	if k, ok := forms[callback.ResourceType(t)]; ok {
		return k.read(raw, s)
	}
	return taskItem(raw, s) // says that it is none
}
