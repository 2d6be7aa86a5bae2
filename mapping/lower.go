package mapping

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/fhir"
)

// What stands here is common to the resources that take the place of a Task where
// an EHR has none: Communication, ServiceRequest and DocumentReference. They have no
// inputs and outputs, so that what is needed to call back is written as a text, and
// the appointments stand in a list of references.

// requestText is what is needed to call back, a line for each thing that is known.
// It is what stands in the inputs and the description of a Task.
func requestText(c callback.Callback, s Site) string {
	lines := []string{title(c)}
	add := func(name, value string) {
		if value != "" {
			lines = append(lines, name+": "+value)
		}
	}
	for _, in := range inputs(c) {
		code := codeIn(in.Type, SystemInput)
		value := in.Value.Text().Reveal()
		if in.Value.Kind() == fhir.KindPeriod {
			value = s.span(in.Value.Period())
		}
		add(parameterTitles[code], value)
	}
	if !c.DueAt.IsZero() {
		add("To be answered by, as of filing", s.clock(c.DueAt))
	}
	add("In the caller's words", clean(c.Text).Reveal())
	return strings.Join(lines, "\n")
}

// title is the one line that says what an item is. It holds no PHI.
func title(c callback.Callback) string { return "Callback: " + lower(categoryTitles[c.Category]) }

// isTitle reports whether a text is a title that Ringback gave.
func isTitle(text string) bool {
	for _, c := range callback.Categories {
		if text == title(callback.Callback{Category: c}) {
			return true
		}
	}
	return false
}

// clock writes a time for people at the site.
func (s Site) clock(t time.Time) string { return t.In(s.zone()).Format("Mon 2 Jan 2006 15:04 MST") }

func (s Site) span(p fhir.Period) string {
	switch {
	case p.End.IsZero():
		return "from " + s.clock(p.Start.Time)
	case p.Start.IsZero():
		return "until " + s.clock(p.End.Time)
	default:
		return s.clock(p.Start.Time) + " to " + s.clock(p.End.Time)
	}
}

// The words by which an appointment that Ringback has put into a list is known.
const (
	proposedVisit = "Proposed appointment"
	bookedVisit   = "Booked appointment"
)

// appointments are the appointments that Ringback ties to an item.
func appointments(w callback.WorkItem) []fhir.Reference {
	var list []fhir.Reference
	add := func(id, display string) {
		if r := reference(callback.AppointmentResource, id); !r.IsZero() {
			r.Display = phi(display)
			list = append(list, r)
		}
	}
	add(w.Proposal, proposedVisit)
	if w.Callback.Status == callback.Closed && w.Visit != w.Proposal {
		add(w.Visit, bookedVisit)
	}
	return list
}

// appointmentsIn are the appointments of this EHR in a list of references.
func (s Site) appointmentsIn(list []fhir.Reference) []string {
	var ids []string
	for _, r := range list {
		if id := s.localID(r, "Appointment"); id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// withAppointments adds the appointments to the references in raw that it lacks and
// takes out those that Ringback had put there and that are wrong by now. It reports
// whether anything changed.
func (s Site) withAppointments(raw []json.RawMessage, want []fhir.Reference) ([]json.RawMessage, bool) {
	var kept []json.RawMessage
	var there []string
	for _, element := range raw {
		var r referenceJSON
		_ = json.Unmarshal(element, &r) // what is no reference is not ours
		id := s.localID(fhir.Reference{Reference: r.Reference}, "Appointment")
		wanted := slices.ContainsFunc(want, func(w fhir.Reference) bool { return s.localID(w, "Appointment") == id })
		if ours := r.Display == proposedVisit || r.Display == bookedVisit; id != "" && ours && !wanted {
			continue
		}
		kept, there = append(kept, element), append(there, id)
	}
	changed := len(kept) != len(raw)
	for _, w := range want {
		if !slices.Contains(there, s.localID(w, "Appointment")) {
			kept, changed = append(kept, encoded(referenceJSON{w.Reference, w.Display.Reveal()})), true
		}
	}
	return kept, changed
}

// appointments edits a member that is a list of references.
func (e *edit) appointments(member string, w callback.WorkItem, s Site) {
	if list, changed := s.withAppointments(e.list(member), appointments(w)); changed {
		e.setList(member, list)
	}
}

// category edits the one category that is ours.
func (e *edit) category(have []fhir.Concept, c callback.Callback) {
	want := taskCode(c.Category)
	ours := func(c fhir.Concept) bool { return codeIn(c, SystemTaskKind) != "" }
	if i := slices.IndexFunc(have, ours); i >= 0 && slices.Equal(ownCodings(have[i]), ownCodings(want)) {
		return
	}
	list := e.list("category")
	for i, raw := range list {
		var k conceptJSON
		if json.Unmarshal(raw, &k) == nil && ours(k.concept()) {
			merged, err := withConcept(raw, want)
			if err != nil {
				e.err = err
				return
			}
			list[i] = merged
			e.setList("category", list)
			return
		}
	}
	e.append("category", want)
}

// categoryIn is the category of a callback that stands in a list of concepts.
func categoryIn(list []fhir.Concept) callback.Category {
	for _, c := range list {
		if k := callback.Category(codeIn(c, SystemCategory)); k.Valid() {
			return k
		}
	}
	return ""
}

// assignee edits who has the item in a list of references: the first of them. Those
// behind it are others' and stay.
func (e *edit) assignee(member string, have []fhir.Reference, a assignment, owner string) {
	want := a.to(owner)
	switch {
	case want.IsZero() || len(have) > 0 && sameReference(have[0], want) || owner != "" && a.owner(have) == owner:
		return
	case len(have) == 0:
		e.append(member, want)
		return
	}
	list := e.list(member)
	if len(list) == 0 {
		return
	}
	list[0] = encoded(referenceJSON{want.Reference, want.Display.Reveal()})
	e.setList(member, list)
}

func sameReference(a, b fhir.Reference) bool {
	if a.Reference != "" || b.Reference != "" {
		return a.Reference == b.Reference
	}
	return a.Display.Equal(b.Display)
}

// assignment is how an owner is named in a list of references.
type assignment struct {
	site   Site
	types  []string // that may stand there
	other  string   // the reference for an owner whom the EHR does not know; "": displayed only
	silent bool     // no display beside a reference
}

// to returns whom an item goes to for an owner of ours, absent when nobody has it.
func (a assignment) to(owner string) fhir.Reference {
	r := a.site.assignee(owner, a.types)
	if r.Reference == "" && a.other != "" {
		r = fhir.Reference{Reference: a.other}
	}
	if a.silent && r.Reference != "" {
		r.Display = phi("")
	}
	return r
}

// list is to as the members want it.
func (a assignment) list(owner string) []fhir.Reference {
	if r := a.to(owner); !r.IsZero() {
		return []fhir.Reference{r}
	}
	return nil
}

// owner reads who has an item. Where it went to for want of a better address, that
// says nothing.
func (a assignment) owner(have []fhir.Reference) string {
	if len(have) == 0 {
		return ""
	}
	name := a.site.ownerName(have[0])
	if a.other != "" && name == a.other {
		return ""
	}
	return name
}

type referenceJSON struct {
	Reference string `json:"reference,omitempty"`
	Display   string `json:"display,omitempty"`
}

// othersNotes are the notes that people wrote.
func othersNotes(all []fhir.Annotation, s Site) []callback.ItemNote {
	var list []callback.ItemNote
	for _, n := range all {
		if n.Author.Reveal() != noteAuthor {
			list = append(list, readNote(n, s))
		}
	}
	return list
}
