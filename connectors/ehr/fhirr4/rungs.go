package fhirr4

import (
	"fmt"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/fhir"
	"github.com/ringback-health/ringback/mapping"
)

// filed are the kinds of work items that this connector knows how to file, best
// first. A connector for one vendor puts the vendor's own kind behind Task.
var filed = []callback.ResourceType{callback.TaskResource, callback.CommunicationResource,
	callback.ServiceRequestResource, callback.DocumentReferenceResource}

// rungs says for each kind what can be done with it here: from what the EHR says in
// /metadata, from what R4 can express in it, and from the settings. A kind that
// cannot be filed any more, or by the settings is not, keeps the rest of what it
// says: items of an earlier time may stand there.
func (c *Connector) rungs(m fhir.Capabilities) []callback.Rung {
	var list []callback.Rung
	for _, t := range filed {
		r := c.expressed(t, changes(m, t))
		r.ReadBack = r.ReadBack && m.Can(string(t), "read")
		identified := t != callback.CommunicationResource || c.cfg.Communication.Marker == string(mapping.MarkerIdentifier)
		r.MarkerSearch = identified && !c.cfg.NoMarkerSearch && m.Searches(string(t), "identifier")
		r.ConditionalCreate = identified && m.Resources[string(t)].ConditionalCreate
		r.FileAgain = c.cfg.FileAgain
		r.Refused = c.refused(m, t)
		list = append(list, r)
	}
	return list
}

// changes reports whether the EHR lets a resource of the type be changed.
func changes(m fhir.Capabilities, t callback.ResourceType) bool {
	return m.Can(string(t), "update") || m.CanPatch(string(t))
}

// expressed is what R4 has members for, where the settings allow it.
func (c *Connector) expressed(t callback.ResourceType, change bool) callback.Rung {
	r := callback.Rung{Type: t, Assign: true, DueDate: true, Close: change, Comment: change, ReadBack: true}
	switch t {
	case callback.CommunicationResource:
		m := c.cfg.Communication
		r.NeedsPatient = m.NeedsPatient
		r.DueDate = false
		r.Assign = m.Recipient != "" || len(c.cfg.Owners) > 0
		if m.Form == formMessage {
			told := m.StateExtension != ""
			r.Comment, r.Close, r.ReadBack = false, change && told, told
		}
	case callback.ServiceRequestResource:
		r.NeedsPatient = true // subject is 1..1
	case callback.DocumentReferenceResource:
		r.NeedsPatient = c.cfg.DocumentReference.NeedsPatient
		r.Assign, r.DueDate, r.Comment = false, false, false
	default: // a Task has a member for everything
	}
	return r
}

// refused says why a kind cannot be filed here, "" when it can.
func (c *Connector) refused(m fhir.Capabilities, t callback.ResourceType) string {
	known, offered := m.Resources[string(t)]
	switch {
	case c.cfg.Rung != rungAuto && pins[c.cfg.Rung] != t:
		return "rung is set to " + c.cfg.Rung
	case !offered:
		return "this EHR does not offer it"
	case !known.Interactions["create"]:
		return "it cannot be created here"
	default:
		return c.unset(t)
	}
}

// unset says which setting a kind lacks. /metadata promises that it can be created
// and does not say who will see it.
func (c *Connector) unset(t callback.ResourceType) string {
	m := c.cfg.Communication
	const found = "it can be created here, and nobody has said who will see it: file one for a test patient, then set "
	switch {
	case t == callback.CommunicationResource && m.Recipient == "":
		return found + "communication.recipient to whom it goes"
	case t == callback.CommunicationResource && m.Form == formMessage && m.Sender == "":
		return "communication.sender is not set, and a message has a sender"
	case t == callback.ServiceRequestResource && c.cfg.ServiceRequest.Code == (Coded{}):
		return found + "service_request.code to what makes the EHR send it to the right work list"
	case t == callback.DocumentReferenceResource && c.cfg.DocumentReference.Type == (Coded{}):
		return found + "document_reference.type to what makes the EHR send it to the right work list"
	default:
		return ""
	}
}

// fed are the kinds of work items whose changes a search by time shows: Task, on
// which items may stand from an earlier time, and what is filed now. The lower kinds
// are used for much else in an EHR, so that they are fed only where the search can
// be narrowed to ours.
func (c *Connector) fed(m fhir.Capabilities) []callback.ResourceType {
	var list []callback.ResourceType
	for _, r := range c.rungs(m) {
		ours := r.Usable() && r.ReadBack && m.Searches(string(r.Type), "_lastUpdated", "category") &&
			!(r.Type == callback.CommunicationResource && c.site.Communication.Message)
		if r.Type == callback.TaskResource {
			ours = r.Usable() && m.Can("Task", "search-type") || m.Searches("Task", "_lastUpdated", "code")
		}
		if ours {
			list = append(list, r.Type)
		}
	}
	return list
}

// unsaid is what R4 has no word for in a kind, and so is lost on it.
var unsaid = map[callback.ResourceType]string{
	callback.ServiceRequestResource:    "ServiceRequest has no word for being worked on: it is active until it is done or on hold, and it does not say how a callback ended",
	callback.DocumentReferenceResource: "DocumentReference has no word for being worked on or waiting, nor for a priority: it is current until the callback is closed, and superseded then",
}

// rungNotes tells the operator about the rung that was chosen.
func (c *Connector) rungNotes(caps callback.Capabilities) []string {
	var list []string
	chosen := caps.RungFor(true)
	if pin, pinned := pins[c.cfg.Rung]; pinned && pin != callback.Worklist && chosen.Type != pin {
		list = append(list, fmt.Sprintf("rung is set to %s, and %s cannot be filed: %s; callbacks stand in Ringback's own list", c.cfg.Rung, pin, caps.On(pin).Refused))
	}
	switch {
	case chosen.Type == callback.Worklist:
		return append(list, "no work item is filed in this EHR")
	case chosen.Type != callback.TaskResource:
		list = append(list, fmt.Sprintf("no EHR says in /metadata in whose inbox a %s lands, and whether its status follows what staff do with it: have somebody look for one that was filed for a test patient", chosen.Type))
	}
	if chosen.Type == callback.CommunicationResource && c.site.Communication.Message && c.cfg.Communication.StateExtension == "" {
		list = append(list, "communication.state_extension is not set: what became of a message is not seen")
	}
	if text := unsaid[chosen.Type]; text != "" {
		list = append(list, text)
	}
	if !chosen.MarkerSearch && chosen.FileAgain {
		list = append(list, "file_again is set: after a lost answer an item may stand in the EHR twice")
	}
	return list
}
