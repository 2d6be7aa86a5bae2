package fhir

import (
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/ringback-health/ringback/internal/redact"
)

// TaskRequired is what R4 demands of a Task.
type TaskRequired struct {
	Status string // one of the R4 task statuses: "requested", "in-progress", …
	Intent string // one of the R4 task intents: "order", "plan", …
}

// TaskFields is the rest of a Task; what is zero is left out. In texts,
// characters that FHIR does not allow are left out.
type TaskFields struct {
	Tags              []Coding // meta.tag
	Identifiers       []Identifier
	GroupIdentifier   Identifier
	StatusReason      Concept
	BusinessStatus    Concept
	Priority          string // "routine", "urgent", "asap", "stat"
	Code              Concept
	Description       redact.Text
	Focus, For, Owner Reference
	AuthoredOn        DateTime
	LastModified      DateTime // not before AuthoredOn (R4 invariant inv-1)
	Notes             []Annotation
	RestrictionPeriod Period
	Inputs, Outputs   []Parameter
}

// Task is a valid Task to be sent. Only NewTask makes one.
type Task struct{ json redact.Text }

// NewTask makes a Task. The error is a *MemberError: it names the member that
// breaks a rule of R4 (https://hl7.org/fhir/R4/task.html).
func NewTask(r TaskRequired, f TaskFields) (Task, error) {
	w := newWriter("Task")
	w.tags(f.Tags)
	w.list("identifier", f.Identifiers)
	w.opt("groupIdentifier", f.GroupIdentifier)
	w.code("status", r.Status, taskStatuses, true)
	w.opt("statusReason", f.StatusReason)
	w.opt("businessStatus", f.BusinessStatus)
	w.code("intent", r.Intent, taskIntents, true)
	w.code("priority", f.Priority, requestPriorities, false)
	w.opt("code", f.Code)
	w.str("description", content(f.Description))
	w.opt("focus", f.Focus)
	w.opt("for", f.For)
	w.opt("authoredOn", f.AuthoredOn)
	w.opt("lastModified", f.LastModified)
	w.opt("owner", f.Owner)
	w.list("note", f.Notes)
	if !f.RestrictionPeriod.IsZero() {
		period, err := wireOf[wirePeriod](f.RestrictionPeriod)
		if err != nil {
			w.fail("restriction.period", err.Error())
		}
		w.put("restriction", map[string]any{"period": period})
	}
	w.list("input", f.Inputs)
	w.list("output", f.Outputs)
	if !f.AuthoredOn.IsZero() && !f.LastModified.IsZero() && f.LastModified.before(f.AuthoredOn) {
		w.fail("lastModified", "before authoredOn (inv-1)")
	}
	raw, err := w.bytes()
	return Task{redact.NewText(string(raw))}, err
}

// MarshalJSON writes the resource, PHI included: it is for the EHR. The zero
// Task is an error.
func (t Task) MarshalJSON() ([]byte, error) { return written("Task", t.json) }

// LogValue gives slog the mark.
func (t Task) LogValue() slog.Value { return t.json.LogValue() }

// Format writes the mark whatever the verb.
func (t Task) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redact.Mark) }

func written(resourceType string, json redact.Text) ([]byte, error) {
	if json.IsEmpty() {
		return nil, errors.New("the zero " + resourceType + " cannot be written; make one with New" + resourceType)
	}
	return []byte(json.Reveal()), nil
}
