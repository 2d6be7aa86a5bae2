package fhir

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/ringback-health/ringback/internal/redact"
)

// CommunicationRequired is what R4 demands of a Communication.
type CommunicationRequired struct {
	Status string // one of the R4 event statuses: "preparation", "completed", …
}

// CommunicationFields is the rest of a Communication; what is zero is left out. In
// texts, characters that FHIR does not allow are left out.
type CommunicationFields struct {
	Identifiers  []Identifier
	StatusReason Concept
	Categories   []Concept
	Priority     string    // "routine", "urgent", "asap", "stat"
	Subject      Reference // a Patient or a Group
	Topic        Concept
	About        []Reference
	Sent         DateTime
	Recipients   []Reference
	Sender       Reference
	Payload      []Payload
	Notes        []Annotation
}

// Payload is one part of what a Communication says: a text, or an attachment. Only
// one of them is set.
type Payload struct {
	Text       redact.Text
	Attachment Attachment
}

// Communication is a valid Communication to be sent. Only NewCommunication makes one.
type Communication struct{ json redact.Text }

// NewCommunication makes a Communication. The error is a *MemberError: it names the
// member that breaks a rule of R4 (https://hl7.org/fhir/R4/communication.html).
func NewCommunication(r CommunicationRequired, f CommunicationFields) (Communication, error) {
	w := newWriter("Communication")
	w.list("identifier", f.Identifiers)
	w.code("status", r.Status, eventStatuses, true)
	w.opt("statusReason", f.StatusReason)
	w.list("category", f.Categories)
	w.code("priority", f.Priority, requestPriorities, false)
	w.opt("subject", f.Subject)
	w.opt("topic", f.Topic)
	w.list("about", f.About)
	w.opt("sent", f.Sent)
	w.list("recipient", f.Recipients)
	w.opt("sender", f.Sender)
	w.list("payload", f.Payload)
	w.list("note", f.Notes)
	raw, err := w.bytes()
	return Communication{redact.NewText(string(raw))}, err
}

// MarshalJSON writes the resource, PHI included: it is for the EHR. The zero
// Communication is an error.
func (c Communication) MarshalJSON() ([]byte, error) { return written("Communication", c.json) }

// LogValue gives slog the mark.
func (c Communication) LogValue() slog.Value { return c.json.LogValue() }

// Format writes the mark whatever the verb.
func (c Communication) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redact.Mark) }

// CommunicationView is what is read of a Communication.
type CommunicationView struct {
	Meta         Meta
	Identifiers  []Identifier
	Status       string
	StatusReason Concept
	Categories   []Concept
	Priority     string
	Subject      Reference
	Topic        Concept
	About        []Reference
	Recipients   []Reference
	Payload      []Payload // without those whose content cannot be read
	Notes        []Annotation
	Extensions   []Extension
	// ModifierExtension: as in TaskView.
	ModifierExtension bool
}

// ParseCommunication reads a Communication. The error is a *TypeError or a *MemberError.
func ParseCommunication(raw []byte) (CommunicationView, error) {
	n, err := root(raw, "Communication")
	if err != nil {
		return CommunicationView{}, err
	}
	v := CommunicationView{
		Meta:         n.meta(),
		Identifiers:  each(n, "identifier", node.identifier),
		Status:       n.str("status"),
		StatusReason: n.child("statusReason").concept(),
		Categories:   each(n, "category", node.concept),
		Priority:     n.str("priority"),
		Subject:      n.child("subject").reference(),
		Topic:        n.child("topic").concept(),
		About:        each(n, "about", node.reference),
		Recipients:   each(n, "recipient", node.reference),
		Notes:        each(n, "note", node.annotation),
		Extensions:   each(n, "extension", node.extension),
	}
	for _, p := range each(n, "payload", node.payload) {
		if p != (Payload{}) {
			v.Payload = append(v.Payload, p)
		}
	}
	if v.Status == "" {
		n.fail("status", "absent")
	}
	v.ModifierExtension = n.state.modifier
	return orZero(v, n.err())
}

func (n node) payload() Payload {
	return Payload{Text: n.text("contentString"), Attachment: n.child("contentAttachment").attachment()}
}
