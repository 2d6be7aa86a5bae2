package fhir

import (
	"bytes"
	"errors"

	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/rest"
)

// The kinds of a body that is no FHIR resource in JSON.
const (
	kindMarkup = "HTML or XML"
	kindJSON   = "JSON that is no FHIR resource"
	kindOther  = "something else than JSON"
)

// kindOf returns the type of the resource in a body, "" for an empty body, or
// one of the kinds above. The Content-Type is not asked: it is often wrong.
func kindOf(body []byte) string {
	body = bytes.TrimSpace(body)
	if len(body) == 0 {
		return ""
	}
	t, err := ResourceType(body)
	switch {
	case err == nil:
		return typeName(t)
	case body[0] == '<':
		return kindMarkup
	case errors.Is(err, errNotJSON):
		return kindOther
	default:
		return kindJSON
	}
}

// wrongBody judges a 2xx answer by its body: nil when it holds a resource of
// the type. After a write the outcome is unknown whatever it holds. A read may
// be repeated, except when the server means what it says.
func wrongBody(op, want string, resp *rest.Response, write bool) *fault.Error {
	const elsewhere = "base_url may point to a login page, a portal or a proxy"
	what, hint, d := "", "", fault.Retry
	var cause error
	switch kind := kindOf(resp.Body); kind {
	case want:
		return nil
	case "":
		what = "the server answered with an empty body"
	case kindMarkup, kindOther:
		what, hint = "the server answered "+kind+" instead of "+want, elsewhere
	case kindJSON:
		what, hint, d = "the server answered "+kind+" instead of "+want, elsewhere, fault.Permanent
	case operationOutcome:
		outcome, _ := ParseOutcome(resp.Body)
		what, d = "the server answered "+outcome.summary(), outcome.disposition()
		hint = "the server says 2xx and means a failure; look at its issues"
		cause = &OutcomeError{Outcome: outcome}
	default:
		what, hint, d = "the server answered "+kind+" instead of "+want, "check base_url", fault.Permanent
	}
	if write {
		d = fault.Ambiguous
	}
	return fault.New(d, op, what).WithHint(hint).WithStatus(resp.Status).Because(cause)
}
