package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"
)

// Problem is every error answer of the API: RFC 9457, application/problem+json.
// It holds nothing that the client sent but the names of members.
type Problem struct {
	Type   string         `json:"type" format:"uri-reference" doc:"What kind of problem it is; each kind is described at this place" example:"/docs#invalid"`
	Title  string         `json:"title" doc:"The kind in words; the same every time"`
	Status int            `json:"status" doc:"The HTTP status"`
	Detail string         `json:"detail" doc:"What happened and what to do about it"`
	Errors []FieldProblem `json:"errors,omitempty" doc:"What is wrong with which part of the request"`

	header http.Header
}

// FieldProblem says what is wrong with one part of a request. It never quotes
// what was sent there.
type FieldProblem struct {
	Location string `json:"location" doc:"Where: body.caller.phone, query.limit" example:"body.caller.phone"`
	Message  string `json:"message" doc:"What is wrong with it, or what is expected"`
}

// Error says what happened. It is safe to log.
func (p *Problem) Error() string { return p.Title + ": " + p.Detail }

// GetStatus returns the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders returns the headers that belong to the answer, as Retry-After.
func (p *Problem) GetHeaders() http.Header { return p.header }

// ContentType returns the media type of a problem.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// with sets a header of the answer and returns p.
func (p *Problem) with(header, value string) *Problem {
	if p.header == nil {
		p.header = http.Header{}
	}
	p.header.Set(header, value)
	return p
}

// write sends the problem.
func (p *Problem) write(w http.ResponseWriter) {
	for name, values := range p.header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(p) // the client is gone; there is nobody left to tell
}

// kind is a kind of problem; the page /docs describes all of them.
type kind struct {
	slug   string
	status int
	title  string
	detail string // what to do, where the case at hand has nothing better
}

var (
	kindMalformed = kind{"malformed", http.StatusBadRequest, "Malformed request",
		"The request cannot be read. Send one JSON object, complete and in UTF-8."}
	kindUnauthorized = kind{"unauthorized", http.StatusUnauthorized, "Token needed",
		"Send a valid API token as: Authorization: Bearer rbk_..."}
	kindForbidden = kind{"forbidden", http.StatusForbidden, "Not permitted",
		"The token's role does not allow this. Use a token with a role that does."}
	kindNotFound = kind{"not-found", http.StatusNotFound, "Not found",
		"Nothing is there. Check the path and the id; /docs lists all paths."}
	kindMethod = kind{"method-not-allowed", http.StatusMethodNotAllowed, "Method not allowed",
		"The path exists, but not with this method. Use one of those in the Allow header."}
	kindTimeout = kind{"timeout", http.StatusRequestTimeout, "Request too slow",
		"The body did not arrive in time. Send it again."}
	kindConflict = kind{"conflict", http.StatusConflict, "Changed meanwhile",
		"The callback is no longer at the revision that was sent. Read it again and decide again."}
	kindNotAllowed = kind{"not-allowed", http.StatusConflict, "Not allowed in this state",
		"The state does not allow this. Read it again first."}
	kindTooLarge = kind{"too-large", http.StatusRequestEntityTooLarge, "Body too large",
		"A body may have 1 MiB at most. Send less, or several requests."}
	kindMediaType = kind{"unsupported-media-type", http.StatusUnsupportedMediaType, "Wrong content type",
		"Send JSON in UTF-8, with Content-Type: application/json."}
	kindInvalid = kind{"invalid", http.StatusUnprocessableEntity, "Invalid request",
		"Nothing was changed. Correct what stands in errors and send the request again."}
	kindInternal = kind{"internal", http.StatusInternalServerError, "Fault in the server",
		"Whether the change was made is not known. Read it before sending it again, and report the time of this answer to whoever runs the server."}
	kindUnavailable = kind{"unavailable", http.StatusServiceUnavailable, "Ledger not available",
		"Nothing was changed. Send the same request again after the seconds in Retry-After."}

	kinds = []kind{kindMalformed, kindUnauthorized, kindForbidden, kindNotFound, kindMethod, kindTimeout, kindConflict,
		kindNotAllowed, kindTooLarge, kindMediaType, kindInvalid, kindInternal, kindUnavailable}
)

// problem makes a problem of kind k.
func (k kind) problem(fields ...FieldProblem) *Problem {
	return &Problem{Type: "/docs#" + k.slug, Title: k.title, Status: k.status, Detail: k.detail, Errors: fields}
}

// say makes a problem of kind k with a detail of its own. detail must be free of
// what the client sent.
func (k kind) say(detail string) *Problem {
	p := k.problem()
	p.Detail = detail
	return p
}

// init replaces what the HTTP library answers on its own account: its error
// model repeats the value that was sent, which here is PHI, and it takes member
// names in any letter case, so that a misspelt one would pass. The library
// offers package variables for this and nothing narrower.
func init() {
	huma.NewError = func(status int, _ string, errs ...error) huma.StatusError { return fromLibrary(status, errs) }
	huma.ValidateStrictCasing = true
	huma.DefaultArrayNullable = false
	validation.MsgUnexpectedProperty = "is not a member of this request; remove it or correct its name"
	validation.MsgExpectedOneOf = "is none of: %s"
	validation.MsgExpectedRFC3339DateTime = "is not a time; write it as 2026-03-02T10:15:00Z"
}

// fromLibrary makes a problem of what the HTTP library found wrong. Only texts
// that the library composes of the schema are taken over.
func fromLibrary(status int, errs []error) *Problem {
	k := kindInternal
	for _, candidate := range kinds {
		if candidate.status == status && candidate.slug != kindNotAllowed.slug {
			k = candidate
		}
	}
	var fields []FieldProblem
	for _, err := range errs {
		var detail *huma.ErrorDetail
		if errors.As(err, &detail) {
			fields = append(fields, fieldProblem(detail))
		}
	}
	return k.problem(bounded(fields)...)
}

// fieldProblem takes over location and message. A missing member is reported by
// the library at its parent; here it stands where it should have been.
func fieldProblem(d *huma.ErrorDetail) FieldProblem {
	f := FieldProblem{Location: shortened(d.Location), Message: strings.TrimSuffix(d.Message, ", ")}
	var missing string
	if n, _ := fmt.Sscanf(d.Message, validation.MsgExpectedRequiredProperty, &missing); n == 1 {
		f.Location, f.Message = f.Location+"."+missing, "is missing"
	}
	return f
}

const (
	maxFieldProblems = 50
	maxLocation      = 120
)

// bounded puts fields into a fixed order and keeps the answer small whatever was sent.
func bounded(fields []FieldProblem) []FieldProblem {
	slices.SortStableFunc(fields, func(a, b FieldProblem) int { return strings.Compare(a.Location, b.Location) })
	if more := len(fields) - maxFieldProblems; more > 0 {
		fields = append(fields[:maxFieldProblems:maxFieldProblems],
			FieldProblem{Location: "body", Message: fmt.Sprintf("has %d more problems like these", more)})
	}
	return fields
}

// shortened cuts a location, which may end in a member name of any length.
func shortened(location string) string {
	if len(location) <= maxLocation {
		return location
	}
	return strings.ToValidUTF8(location[:maxLocation], "") + "..."
}
