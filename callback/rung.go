package callback

import "slices"

// The kinds of work items, best first. Which of them an EHR takes is found out:
// a link begins on the first and steps down.
const (
	TaskResource              ResourceType = "Task"
	CommunicationResource     ResourceType = "Communication"
	ServiceRequestResource    ResourceType = "ServiceRequest"
	DocumentReferenceResource ResourceType = "DocumentReference"
	// Worklist is Ringback's own list: the last rung, always there. Its item is the
	// callback itself, so that its id there is the callback's.
	Worklist ResourceType = "worklist"
)

// Rungs lists the kinds of work items of FHIR, best first, and Ringback's own list
// last. A vendor's own kind stands between Task and Communication.
var Rungs = []ResourceType{TaskResource, CommunicationResource, ServiceRequestResource, DocumentReferenceResource, Worklist}

// IsWorkItem reports whether t is what staff work on, and not the visit that was
// proposed to them.
func (t ResourceType) IsWorkItem() bool { return t != AppointmentResource }

// Rung is one kind of resource that Ringback files, with what can be done with it
// in one EHR.
type Rung struct {
	Type ResourceType
	// Refused says why it cannot be filed here, for the operator; "" when it can.
	Refused string

	NeedsPatient      bool // only for a callback whose chart is certain
	Assign            bool
	DueDate           bool
	Close             bool // what is filed can be changed and ended
	Comment           bool
	ReadBack          bool // what staff do with it is seen
	MarkerSearch      bool // it can be found by our marker
	ConditionalCreate bool // the EHR itself sees to it that it is made once
	// FileAgain says that the operator would rather have an item twice than not at
	// all, where nobody can tell whether it arrived.
	FileAgain bool
}

// Usable reports whether it can be filed here.
func (r Rung) Usable() bool { return r.Refused == "" }

// Losses says what cannot be done on this rung, in words for the operator.
func (r Rung) Losses() []string {
	if r.Type == Worklist {
		return []string{"nothing is filed in the EHR: staff work in Ringback's own list"}
	}
	var list []string
	for _, x := range []struct {
		can  bool
		loss string
	}{
		{!r.NeedsPatient, "a callback is filed only once its chart is known; until then it stands in Ringback's own list"},
		{r.Assign, "nobody is named as its owner: everybody sees it, or nobody"},
		{r.DueDate, "it has no due date"},
		{r.Close, "it stays as it was filed: Ringback cannot change or close it"},
		{r.Comment, "attempts and notes made in Ringback do not show in it"},
		{r.ReadBack, "what staff do with it is not seen: they close the callback in Ringback"},
		{r.MarkerSearch, "it cannot be found again: after a lost answer a person has to look"},
	} {
		if !x.can {
			list = append(list, x.loss)
		}
	}
	return list
}

// RungFor returns the best rung on which a callback can be filed; patient says
// whether its chart is certain. Failing all others that is Ringback's own list.
func (c Capabilities) RungFor(patient bool) Rung {
	for _, r := range c.Rungs {
		if r.Usable() && (patient || !r.NeedsPatient) {
			return r
		}
	}
	return Rung{Type: Worklist, Assign: true, DueDate: true, Close: true, Comment: true, ReadBack: true, MarkerSearch: true}
}

// On returns what can be done with resources of type t, refused when the EHR does
// not take them.
func (c Capabilities) On(t ResourceType) Rung {
	if t == AppointmentResource {
		return c.Proposal
	}
	if i := slices.IndexFunc(c.Rungs, func(r Rung) bool { return r.Type == t }); i >= 0 {
		return c.Rungs[i]
	}
	return Rung{Type: t, Refused: "this EHR does not take it"}
}
