package sandbox

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

const (
	typeFHIR  = "application/fhir+json"
	typeJSON  = "application/json"
	typePatch = "application/json-patch+json"
	typeForm  = "application/x-www-form-urlencoded"
)

// Problem is why the sandbox did not do what it was asked: what an HTTP client gets
// as an OperationOutcome, and the error of Store and FrontDesk. It names members
// and parameters, never their values.
type Problem struct {
	Status int    // HTTP status
	Code   string // FHIR issue type: invalid, not-found, conflict, …
	Text   string
}

// Error returns the text and the status.
func (p *Problem) Error() string { return fmt.Sprintf("sandbox: %s (HTTP %d)", p.Text, p.Status) }

func problem(status int, code, format string, args ...any) error {
	return &Problem{Status: status, Code: code, Text: fmt.Sprintf(format, args...)}
}

// asProblem returns the Problem in err's chain; any other error is a 500, nil is nil.
func asProblem(err error) *Problem {
	if err == nil {
		return nil
	}
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	return &Problem{Status: http.StatusInternalServerError, Code: "exception", Text: "unexpected failure"}
}

// response is an answer that is not sent yet, so that a fault can still change it.
type response struct {
	status int
	header http.Header
	body   []byte
	cut    bool // announce the whole body and send half of it
}

func (r response) write(w http.ResponseWriter) {
	for name, values := range r.header {
		w.Header()[name] = values
	}
	if r.status != http.StatusNoContent {
		w.Header().Set("Content-Length", strconv.Itoa(len(r.body)))
	}
	w.WriteHeader(r.status)
	body := r.body
	if r.cut {
		body = body[:len(body)/2]
	}
	// An error here is a client that went away; nobody is left to be told.
	_, _ = w.Write(body)
}

func reply(status int, contentType string, body []byte) response {
	return response{status: status, header: http.Header{"Content-Type": {contentType}}, body: body}
}

func replyFHIR(status int, body []byte) response {
	return reply(status, typeFHIR+"; charset=utf-8", body)
}

// outcome is an OperationOutcome of one issue.
func outcome(severity, code, text string) []byte {
	type issue struct {
		Severity    string `json:"severity"`
		Code        string `json:"code"`
		Diagnostics string `json:"diagnostics"`
	}
	return encode(struct {
		ResourceType string  `json:"resourceType"`
		Issue        []issue `json:"issue"`
	}{"OperationOutcome", []issue{{severity, code, text}}})
}

// refuse answers err.
func refuse(err error) response {
	p := asProblem(err)
	return replyFHIR(p.Status, outcome("error", p.Code, p.Text))
}

// replyResource answers with a resource and the headers of its version.
func replyResource(status int, r Resource) response {
	out := replyFHIR(status, r.Raw)
	out.header.Set("ETag", etag(r))
	out.header.Set("Last-Modified", httpDate(r.LastUpdated))
	return out
}

// replyWrite answers a create or update as the Prefer header asks.
func replyWrite(status int, r Resource, base, prefer string) response {
	out := replyResource(status, r)
	out.header.Set("Location", base+"/"+r.Ref()+"/_history/"+r.VersionID)
	switch prefer {
	case "return=minimal":
		out.body = nil
		out.header.Del("Content-Type")
	case "return=OperationOutcome":
		out.body = outcome("information", "informational", "stored as version "+r.VersionID)
	}
	return out
}

func etag(r Resource) string { return `W/"` + r.VersionID + `"` }

func httpDate(t time.Time) string { return t.UTC().Format(http.TimeFormat) }
