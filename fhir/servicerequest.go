package fhir

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/ringback-health/ringback/internal/redact"
)

// ServiceRequestRequired is what R4 demands of a ServiceRequest.
type ServiceRequestRequired struct {
	Status  string // one of the R4 request statuses: "active", "revoked", …
	Intent  string // one of the R4 request intents: "order", "plan", …
	Subject Reference
}

// ServiceRequestFields is the rest of a ServiceRequest; what is zero is left out. In
// texts, characters that FHIR does not allow are left out.
type ServiceRequestFields struct {
	Identifiers      []Identifier
	Categories       []Concept
	Priority         string // "routine", "urgent", "asap", "stat"
	Code             Concept
	OccurrencePeriod Period // when it should be done
	AuthoredOn       DateTime
	Requester        Reference
	Performers       []Reference
	SupportingInfo   []Reference
	Notes            []Annotation
}

// ServiceRequest is a valid ServiceRequest to be sent. Only NewServiceRequest makes one.
type ServiceRequest struct{ json redact.Text }

// NewServiceRequest makes a ServiceRequest. The error is a *MemberError: it names the
// member that breaks a rule of R4 (https://hl7.org/fhir/R4/servicerequest.html).
func NewServiceRequest(r ServiceRequestRequired, f ServiceRequestFields) (ServiceRequest, error) {
	w := newWriter("ServiceRequest")
	w.list("identifier", f.Identifiers)
	w.code("status", r.Status, requestStatuses, true)
	w.code("intent", r.Intent, requestIntents, true)
	w.list("category", f.Categories)
	w.code("priority", f.Priority, requestPriorities, false)
	w.opt("code", f.Code)
	if r.Subject.IsZero() {
		w.fail("subject", "absent; R4 demands one")
	}
	w.opt("subject", r.Subject)
	w.opt("occurrencePeriod", f.OccurrencePeriod)
	w.opt("authoredOn", f.AuthoredOn)
	w.opt("requester", f.Requester)
	w.list("performer", f.Performers)
	w.list("supportingInfo", f.SupportingInfo)
	w.list("note", f.Notes)
	raw, err := w.bytes()
	return ServiceRequest{redact.NewText(string(raw))}, err
}

// MarshalJSON writes the resource, PHI included: it is for the EHR. The zero
// ServiceRequest is an error.
func (r ServiceRequest) MarshalJSON() ([]byte, error) { return written("ServiceRequest", r.json) }

// LogValue gives slog the mark.
func (r ServiceRequest) LogValue() slog.Value { return r.json.LogValue() }

// Format writes the mark whatever the verb.
func (r ServiceRequest) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redact.Mark) }

// ServiceRequestView is what is read of a ServiceRequest.
type ServiceRequestView struct {
	Meta             Meta
	Identifiers      []Identifier
	Status           string
	Categories       []Concept
	Priority         string
	Subject          Reference
	OccurrencePeriod Period // zero when it is given in another form
	Performers       []Reference
	SupportingInfo   []Reference
	Notes            []Annotation
	// ModifierExtension: as in TaskView, or doNotPerform is true.
	ModifierExtension bool
}

// ParseServiceRequest reads a ServiceRequest. The error is a *TypeError or a
// *MemberError.
func ParseServiceRequest(raw []byte) (ServiceRequestView, error) {
	n, err := root(raw, "ServiceRequest")
	if err != nil {
		return ServiceRequestView{}, err
	}
	not := n.boolean("doNotPerform")
	v := ServiceRequestView{
		Meta:             n.meta(),
		Identifiers:      each(n, "identifier", node.identifier),
		Status:           n.str("status"),
		Categories:       each(n, "category", node.concept),
		Priority:         n.str("priority"),
		Subject:          n.child("subject").reference(),
		OccurrencePeriod: n.child("occurrencePeriod").period(),
		Performers:       each(n, "performer", node.reference),
		SupportingInfo:   each(n, "supportingInfo", node.reference),
		Notes:            each(n, "note", node.annotation),
	}
	if v.Status == "" {
		n.fail("status", "absent")
	}
	v.ModifierExtension = n.state.modifier || not != nil && *not
	return orZero(v, n.err())
}
