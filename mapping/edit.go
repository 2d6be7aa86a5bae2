package mapping

import (
	"encoding/json"
	"slices"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/fhir"
)

// EditTask moves the Task that the EHR holds to what w wants and reports whether
// anything changed; if not, it returns current itself. Members that Ringback
// does not own come back byte for byte. See the package comment for the rules.
//
//   - status moves only between classes (itemStatusOf), and a Task that staff
//     have ended in their own way stays ended that way.
//   - description, focus and inputs are filled where they are missing and never
//     replaced; a patient is replaced only where a person said so in Ringback.
//   - priority, owner and due window follow the callback.
//   - notes are only added. Outputs of ours stand while the callback is closed.
//
// A Task that was entered in error is left alone. One that cannot be understood
// is ErrNotUnderstood.
func EditTask(current []byte, w callback.WorkItem, s Site) (edited []byte, changed bool, err error) {
	view, err := fhir.ParseTask(current)
	if err != nil {
		return nil, false, err
	}
	have, known := itemStatusOf[view.Status]
	if !known || view.ModifierExtension {
		return nil, false, notUnderstood("Task", view.Status, view.ModifierExtension)
	}
	if have == callback.ItemVoid {
		return current, false, nil
	}
	e, err := openEdit(current, "Task")
	if err != nil {
		return nil, false, err
	}
	e.identifier(view.Identifiers, w.Link)
	byUs := codeIn(view.BusinessStatus, SystemStatus) == string(callback.Closed)
	e.status(w, view.Status, taskStatus(w.Callback), itemStatusOf, byUs)
	e.chart("for", view.For, w.Callback, s)
	e.taskPeople(view, w.Callback, s)
	e.taskSubject(view, w)
	e.taskInputs(view.Inputs, w.Callback)
	e.taskOutputs(w)
	e.notes(view.Notes, notes(w))
	return e.result(current)
}

// edit is a resource under edit that knows whether anything was changed.
type edit struct {
	*fhir.Document
	changed bool
	err     error
}

func openEdit(current []byte, resourceType string) (*edit, error) {
	d, err := fhir.Edit(current, resourceType)
	return &edit{Document: d}, err
}

func (e *edit) set(name string, v any)    { e.Set(name, v); e.changed = true }
func (e *edit) append(name string, v any) { e.Append(name, v); e.changed = true }
func (e *edit) remove(name string)        { e.Remove(name); e.changed = true }

func (e *edit) result(current []byte) ([]byte, bool, error) {
	if e.err != nil {
		return nil, false, e.err
	}
	if !e.changed {
		return current, false, nil
	}
	edited, err := e.Bytes()
	if err != nil {
		return nil, false, err
	}
	return edited, true, nil
}

func (e *edit) identifier(have []fhir.Identifier, l callback.Link) {
	if !slices.Contains(markers(have), l.Marker()) {
		e.append("identifier", markerIdentifier(l))
	}
}

// status moves the status between the classes that the codes of the type fall into.
// byUs says that Ringback had ended the item, so that it may end it otherwise.
func (e *edit) status(w callback.WorkItem, have, want string, classOf map[string]callback.ItemStatus, byUs bool) {
	is, wanted := classOf[have], classOf[want]
	endedByStaff := ended(is) && ended(wanted) && !byUs
	if is != wanted && !endedByStaff && !w.LeaveStatus {
		e.set("status", want)
	}
}

// chart puts the callback's chart into a member that names a patient.
func (e *edit) chart(member string, have fhir.Reference, c callback.Callback, s Site) {
	patient, err := certainPatient(c)
	if err != nil {
		e.err = err
		return
	}
	id := s.localID(have, "Patient")
	saidByPerson := c.Patient.How == boundByPerson
	if !patient.IsZero() && patient.Reference != "Patient/"+id && (id == "" || saidByPerson) {
		e.set(member, patient)
	}
}

// taskPeople edits by whom the Task is to be done, how urgent it is, and until when.
func (e *edit) taskPeople(view fhir.TaskView, c callback.Callback, s Site) {
	if c.Owner != "" && s.ownerName(view.Owner) != c.Owner {
		e.set("owner", s.owner(c.Owner))
	}
	if c.Priority.Valid() && view.Priority != string(c.Priority) {
		e.set("priority", string(c.Priority))
	}
	if due := dueWindow(c); !due.IsZero() && !samePeriod(view.RestrictionPeriod, due) {
		e.setInside("restriction", "period", periodJSON{due.Start.Format(), due.End.Format()})
	}
}

// boundByPerson is what Patient.How says when a person chose the chart.
const boundByPerson = "staff"

// taskSubject edits what the Task is about and where it stands.
func (e *edit) taskSubject(view fhir.TaskView, w callback.WorkItem) {
	if code := taskCode(w.Callback.Category); !slices.Equal(ownCodings(view.Code), ownCodings(code)) {
		e.merge("code", code)
	}
	e.standing("businessStatus", view.BusinessStatus, w)
	if text := clean(w.Callback.Text); view.Description.IsEmpty() && !text.IsEmpty() {
		e.set("description", text)
	}
	if view.Focus.IsZero() && w.Proposal != "" {
		e.set("focus", reference(callback.AppointmentResource, w.Proposal))
	}
}

// standing keeps the line that says where the callback stands, unless staff have
// written there what they see.
func (e *edit) standing(member string, have fhir.Concept, w callback.WorkItem) {
	want := businessStatus(w)
	own := codeIn(have, SystemStatus) != "" || have.IsZero()
	same := slices.Equal(ownCodings(have), ownCodings(want)) && have.Text.Equal(want.Text)
	if own && !same {
		e.merge(member, want)
	}
}

func (e *edit) taskInputs(have []fhir.Parameter, c callback.Callback) {
	for _, in := range inputs(c) {
		code := codeIn(in.Type, SystemInput)
		known := slices.ContainsFunc(have, func(p fhir.Parameter) bool { return codeIn(p.Type, SystemInput) == code })
		if !known {
			e.append("input", in)
		}
	}
}

// taskOutputs replaces the outputs of ours where they do not say what w wants,
// and keeps those of others in their order.
func (e *edit) taskOutputs(w callback.WorkItem) {
	var own, wanted []outputKey
	var foreign []json.RawMessage
	for _, raw := range e.list("output") {
		o := readOutput(raw)
		if k := o.key(); k.own() {
			own = append(own, k)
		} else {
			foreign = append(foreign, raw)
		}
	}
	want := outputs(w)
	for _, p := range want {
		wanted = append(wanted, keyOf(p))
	}
	if slices.Equal(own, wanted) {
		return
	}
	e.remove("output")
	if len(foreign) > 0 {
		e.set("output", foreign)
	}
	for _, p := range want {
		e.append("output", p)
	}
}

func (e *edit) notes(have []fhir.Annotation, want []note) {
	for _, n := range want {
		if !slices.ContainsFunc(have, n.is) {
			e.append("note", n.annotation())
		}
	}
}

// ownCodings are the codings in systems of ours, without what they display.
func ownCodings(c fhir.Concept) []fhir.Coding {
	var own []fhir.Coding
	for _, k := range c.Codings {
		if ours(k.System) {
			own = append(own, fhir.Coding{System: k.System, Code: k.Code})
		}
	}
	return own
}

func samePeriod(have, want fhir.Period) bool {
	return sameMoment(have.Start, want.Start.Time) && sameMoment(have.End, want.End.Time)
}
