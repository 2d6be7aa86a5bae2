package mapping

import (
	"encoding/json"
	"fmt"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/fhir"
)

// DocumentRules say how a DocumentReference is written where the EHR has rules of
// its own.
type DocumentRules struct {
	Type     fhir.Concept // what kind of document it is: it decides where the EHR files it
	Category fhir.Concept // beside ours
	Author   string       // reference to who wrote it; "": not said
}

// The codes of R4 document-reference-status that Ringback writes.
const (
	documentCurrent    = "current"
	documentSuperseded = "superseded"
)

// documentStatus: a document is current as long as somebody has to act on it. R4 has
// no word for one that is being worked on, nor for one that was withdrawn.
func documentStatus(c callback.Callback) string {
	switch {
	case c.Status == callback.Closed:
		return documentSuperseded
	case taskStatusOf[c.Status] != "":
		return documentCurrent
	default:
		return ""
	}
}

// documentClassOf says what each code of R4 document-reference-status means to a
// callback.
var documentClassOf = map[string]callback.ItemStatus{
	documentCurrent:    callback.ItemOpen,
	documentSuperseded: callback.ItemDone,
	"entered-in-error": callback.ItemVoid,
}

// DocumentReference returns the document that is filed for a callback. The error says
// which member cannot be written.
func DocumentReference(w callback.WorkItem, s Site) (fhir.DocumentReference, error) {
	c, rules := w.Callback, s.Document
	if documentStatus(c) == "" {
		return fhir.DocumentReference{}, fmt.Errorf("no DocumentReference status for a callback that is %q", c.Status)
	}
	patient, err := certainPatient(c)
	if err != nil {
		return fhir.DocumentReference{}, err
	}
	f := fhir.DocumentReferenceFields{
		Identifiers: []fhir.Identifier{markerIdentifier(w.Link)}, Type: rules.Type, Categories: []fhir.Concept{taskCode(c.Category)},
		Subject: patient, Date: moment(c.ReceivedAt), Description: phi(title(c)), Related: appointments(w),
	}
	if !rules.Category.IsZero() {
		f.Categories = append(f.Categories, rules.Category)
	}
	if rules.Author != "" {
		f.Authors = []fhir.Reference{{Reference: rules.Author}}
	}
	text := fhir.Attachment{ContentType: plainText, Title: title(c), Text: phi(requestText(c, s))}
	return fhir.NewDocumentReference(fhir.DocumentReferenceRequired{Status: documentStatus(c), Content: []fhir.Attachment{text}}, f)
}

// EditDocumentReference moves a document to what w wants, as EditTask does. What it
// says is never written again.
func EditDocumentReference(current []byte, w callback.WorkItem, s Site) (edited []byte, changed bool, err error) {
	view, err := fhir.ParseDocumentReference(current)
	if err != nil {
		return nil, false, err
	}
	have, known := documentClassOf[view.Status]
	if !known || view.ModifierExtension {
		return nil, false, notUnderstood("DocumentReference", view.Status, view.ModifierExtension)
	}
	if have == callback.ItemVoid {
		return current, false, nil
	}
	e, err := openEdit(current, "DocumentReference")
	if err != nil {
		return nil, false, err
	}
	c := w.Callback
	e.identifier(view.Identifiers, w.Link)
	e.status(w, view.Status, documentStatus(c), documentClassOf, false)
	e.category(view.Categories, c)
	e.chart("subject", view.Subject, c, s)
	if text := view.Description.Reveal(); isTitle(text) && text != title(c) {
		e.set("description", title(c))
	}
	e.related(w, s)
	return e.result(current)
}

// related edits the appointments inside of context.
func (e *edit) related(w callback.WorkItem, s Site) {
	var context struct {
		Related []json.RawMessage `json:"related"`
	}
	if raw := e.Raw("context"); raw != nil && json.Unmarshal(raw, &context) != nil {
		e.err = fmt.Errorf("member context: %w", errNotObject)
		return
	}
	list, changed := s.withAppointments(context.Related, appointments(w))
	switch {
	case !changed:
	case len(list) == 0:
		e.removeInside("context", "related")
	default:
		e.setInside("context", "related", list)
	}
}

func documentItem(raw []byte, s Site) (callback.Item, error) {
	view, err := fhir.ParseDocumentReference(raw)
	if err != nil {
		return callback.Item{}, err
	}
	item := callback.Item{
		Type: callback.DocumentReferenceResource, ID: view.Meta.ID, Version: version(view.Meta, raw),
		UpdatedAt: view.Meta.LastUpdated, By: changedBy(raw, s), Markers: markers(view.Identifiers), Raw: raw,
		State:        callback.ItemState{Status: documentClassOf[view.Status], Native: nativeStatus(view.Status), Category: categoryIn(view.Categories)},
		Patient:      phi(s.localID(view.Subject, "Patient")),
		Appointments: s.appointmentsIn(view.Related),
	}
	if view.ModifierExtension {
		item.State.Status = ""
	}
	return item, nil
}
