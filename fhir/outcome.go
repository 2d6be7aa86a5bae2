package fhir

import (
	"slices"
	"strings"

	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/redact"
)

const operationOutcome = "OperationOutcome"

// Outcome is an OperationOutcome.
type Outcome struct{ Issues []Issue }

// Issue is one issue of an Outcome. The texts are data of the server and may
// hold PHI.
type Issue struct {
	Severity, Code string // as sent; not checked against the value sets
	Details        Concept
	Diagnostics    redact.Text
}

// ParseOutcome reads an OperationOutcome; false when raw is something else. An
// issue that is broken keeps what could be read of it.
func ParseOutcome(raw []byte) (Outcome, bool) {
	all, err := members(raw)
	if err != nil || typeOf(all) != operationOutcome {
		return Outcome{}, false
	}
	n := newNode(operationOutcome, all, &readState{})
	return Outcome{Issues: each(n, "issue", func(n node) Issue {
		return Issue{
			Severity: n.str("severity"), Code: n.str("code"),
			Details: n.child("details").concept(), Diagnostics: n.text("diagnostics"),
		}
	})}, true
}

// Codes returns the issue codes for an error text, without repetition. What
// does not look like a code is replaced.
func (o Outcome) Codes() []string {
	var codes []string
	for _, i := range o.Issues {
		if c := codeName(i.Code); !slices.Contains(codes, c) {
			codes = append(codes, c)
		}
	}
	return codes
}

// Failed reports whether an issue says that something did not work: severity
// error or fatal. Warnings accompany success.
func (o Outcome) Failed() bool {
	return slices.ContainsFunc(o.Issues, func(i Issue) bool { return i.Severity == "error" || i.Severity == "fatal" })
}

// summary is how an outcome appears in an error text.
func (o Outcome) summary() string {
	if len(o.Issues) == 0 {
		return "an OperationOutcome without issues"
	}
	return "OperationOutcome: " + strings.Join(o.Codes(), ", ")
}

// disposition says what a failed outcome means for a read when the HTTP status
// says nothing (https://hl7.org/fhir/R4/valueset-issue-type.html).
func (o Outcome) disposition() fault.Disposition {
	for _, i := range o.Issues {
		switch i.Code {
		case "not-found", "deleted":
			return fault.NotFound
		case "security", "login", "unknown", "expired", "forbidden", "suppressed":
			return fault.Unauthorized
		case "throttled":
			return fault.Throttled
		case "conflict", "multiple-matches":
			return fault.Conflict
		case "transient", "lock-error", "no-store", "exception", "timeout", "incomplete":
			return fault.Retry
		}
	}
	return fault.Permanent
}

// OutcomeError is in the chain of a *fault.Error when the server answered with
// an OperationOutcome, so that its texts can be shown to who may see them.
type OutcomeError struct {
	Outcome Outcome
	cause   error
}

// Error names the issue codes only.
func (e *OutcomeError) Error() string { return e.Outcome.summary() }

// Unwrap returns the error that the outcome explains, which may be nil.
func (e *OutcomeError) Unwrap() error { return e.cause }
