package fhir

import (
	"time"

	"github.com/ringback-health/ringback/internal/redact"
)

// Meta is the version of a resource as its server tells it.
type Meta struct {
	ID          string
	VersionID   string    // "" when the server does not version
	LastUpdated time.Time // zero when the server does not say
}

// Identifier is a business identifier. Its value may be a chart number, so it
// is PHI until known to be ours.
type Identifier struct {
	System string
	Value  redact.Text
}

// IsZero reports whether the identifier is absent.
func (i Identifier) IsZero() bool { return i == Identifier{} }

// Is reports whether i is the identifier system|value.
func (i Identifier) Is(system, value string) bool {
	return i.System == system && i.Value.Reveal() == value
}

// Reference points at another resource: "Patient/123", an absolute URL, "#id",
// or nothing but an identifier.
type Reference struct {
	Reference  string
	Display    redact.Text
	Identifier Identifier
}

// IsZero reports whether the reference is absent.
func (r Reference) IsZero() bool { return r == Reference{} }

// Coding is one code of a code system.
type Coding struct {
	System, Code, Display string
}

// Concept is a CodeableConcept: codings, or text, or both. People type its
// text, so it is PHI.
type Concept struct {
	Codings []Coding
	Text    redact.Text
}

// IsZero reports whether the concept is absent.
func (c Concept) IsZero() bool { return len(c.Codings) == 0 && c.Text.IsEmpty() }

// Has reports whether one of the codings is system|code.
func (c Concept) Has(system, code string) bool {
	for _, k := range c.Codings {
		if k.System == system && k.Code == code {
			return true
		}
	}
	return false
}

// Period is a span of time; an absent end is open.
type Period struct {
	Start, End DateTime
}

// IsZero reports whether the period is absent.
func (p Period) IsZero() bool { return p.Start.IsZero() && p.End.IsZero() }

// Annotation is a note. Author holds authorString, AuthorReference the other
// choice; a written note has at most one of them.
type Annotation struct {
	Author          redact.Text
	AuthorReference Reference
	Time            DateTime
	Text            redact.Text
}

// Attachment is a text that stands in a resource as a document does.
type Attachment struct {
	ContentType string // media type with charset: "text/plain; charset=utf-8"
	Title       string
	Text        redact.Text // what is written as base64
}

// IsZero reports whether the attachment is absent.
func (a Attachment) IsZero() bool { return a == Attachment{} }

// Extension is an extension of a resource that holds a concept. Of others only the
// URL is read.
type Extension struct {
	URL     string
	Concept Concept
}

// Parameter is an input or output of a Task.
type Parameter struct {
	Type  Concept
	Value Value
}

// The kinds of Value that can be written.
const (
	KindString    = "String"
	KindReference = "Reference"
	KindPeriod    = "Period"
	KindDateTime  = "DateTime"
	KindCode      = "Code"
)

// Value is the one value[x] of a Parameter. The zero Value is absent and
// cannot be written.
type Value struct {
	kind      string
	text      redact.Text
	code      string
	reference Reference
	period    Period
	dateTime  DateTime
}

// StringValue makes a valueString.
func StringValue(s redact.Text) Value { return Value{kind: KindString, text: s} }

// ReferenceValue makes a valueReference.
func ReferenceValue(r Reference) Value { return Value{kind: KindReference, reference: r} }

// PeriodValue makes a valuePeriod.
func PeriodValue(p Period) Value { return Value{kind: KindPeriod, period: p} }

// DateTimeValue makes a valueDateTime.
func DateTimeValue(d DateTime) Value { return Value{kind: KindDateTime, dateTime: d} }

// CodeValue makes a valueCode.
func CodeValue(code string) Value { return Value{kind: KindCode, code: code} }

// Kind returns what stands behind "value": "String", "Reference", …, also for
// kinds whose content is not read, such as "Quantity"; "" when absent.
func (v Value) Kind() string { return v.kind }

// Text returns the content of a valueString, and is empty for other kinds.
func (v Value) Text() redact.Text { return v.text }

// Reference returns the content of a valueReference.
func (v Value) Reference() Reference { return v.reference }

// Period returns the content of a valuePeriod.
func (v Value) Period() Period { return v.period }

// DateTime returns the content of a valueDateTime.
func (v Value) DateTime() DateTime { return v.dateTime }

// Code returns the content of a valueCode.
func (v Value) Code() string { return v.code }
