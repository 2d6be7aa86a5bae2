package fhir

import (
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/ringback-health/ringback/internal/redact"
)

// DocumentReferenceRequired is what R4 demands of a DocumentReference.
type DocumentReferenceRequired struct {
	Status  string       // "current", "superseded" or "entered-in-error"
	Content []Attachment // at least one
}

// DocumentReferenceFields is the rest of a DocumentReference; what is zero is left
// out. In texts, characters that FHIR does not allow are left out.
type DocumentReferenceFields struct {
	Identifiers []Identifier
	Type        Concept
	Categories  []Concept
	Subject     Reference
	Date        DateTime // an instant: to the second, with zone
	Authors     []Reference
	Description redact.Text
	Related     []Reference // context.related
}

// DocumentReference is a valid DocumentReference to be sent. Only
// NewDocumentReference makes one.
type DocumentReference struct{ json redact.Text }

// NewDocumentReference makes a DocumentReference. The error is a *MemberError: it
// names the member that breaks a rule of R4
// (https://hl7.org/fhir/R4/documentreference.html).
func NewDocumentReference(r DocumentReferenceRequired, f DocumentReferenceFields) (DocumentReference, error) {
	w := newWriter("DocumentReference")
	w.list("identifier", f.Identifiers)
	w.code("status", r.Status, documentStatuses, true)
	w.opt("type", f.Type)
	w.list("category", f.Categories)
	w.opt("subject", f.Subject)
	if !f.Date.IsZero() && f.Date.Precision != Second {
		w.fail("date", "an instant: to the second, with zone")
	}
	w.opt("date", f.Date)
	w.list("author", f.Authors)
	w.str("description", content(f.Description))
	if len(r.Content) == 0 {
		w.fail("content", "absent; R4 demands one")
	}
	w.list("content", documentContents(r.Content))
	if len(f.Related) > 0 {
		related, err := toWire(f.Related)
		if err != nil {
			w.fail("context.related", err.Error())
		}
		w.put("context", map[string]any{"related": related})
	}
	raw, err := w.bytes()
	return DocumentReference{redact.NewText(string(raw))}, err
}

// documentContent is DocumentReference.content, which holds nothing of ours but an
// attachment.
type documentContent struct{ Attachment }

func documentContents(list []Attachment) (out []documentContent) {
	for _, a := range list {
		out = append(out, documentContent{a})
	}
	return out
}

func (c documentContent) wire() (any, error) {
	if c.IsZero() {
		return nil, errors.New("a content without an attachment")
	}
	a, err := c.Attachment.wire()
	return map[string]any{"attachment": a}, err
}

// MarshalJSON writes the resource, PHI included: it is for the EHR. The zero
// DocumentReference is an error.
func (d DocumentReference) MarshalJSON() ([]byte, error) {
	return written("DocumentReference", d.json)
}

// LogValue gives slog the mark.
func (d DocumentReference) LogValue() slog.Value { return d.json.LogValue() }

// Format writes the mark whatever the verb.
func (d DocumentReference) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redact.Mark) }

// DocumentReferenceView is what is read of a DocumentReference.
type DocumentReferenceView struct {
	Meta        Meta
	Identifiers []Identifier
	Status      string
	Categories  []Concept
	Subject     Reference
	Description redact.Text
	Related     []Reference // context.related
	// ModifierExtension: as in TaskView.
	ModifierExtension bool
}

// ParseDocumentReference reads a DocumentReference. The error is a *TypeError or a
// *MemberError.
func ParseDocumentReference(raw []byte) (DocumentReferenceView, error) {
	n, err := root(raw, "DocumentReference")
	if err != nil {
		return DocumentReferenceView{}, err
	}
	v := DocumentReferenceView{
		Meta:        n.meta(),
		Identifiers: each(n, "identifier", node.identifier),
		Status:      n.str("status"),
		Categories:  each(n, "category", node.concept),
		Subject:     n.child("subject").reference(),
		Description: n.text("description"),
		Related:     each(n.child("context"), "related", node.reference),
	}
	if v.Status == "" {
		n.fail("status", "absent")
	}
	v.ModifierExtension = n.state.modifier
	return orZero(v, n.err())
}
