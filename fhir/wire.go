package fhir

import (
	"errors"
	"reflect"
	"strings"

	"github.com/ringback-health/ringback/internal/redact"
)

// The wire types are how the data types stand in JSON. The data types
// themselves do not marshal to their content: what is PHI in them prints as
// [redacted] wherever it is encoded by accident.
type (
	wireMeta struct {
		Tag []wireCoding `json:"tag"`
	}
	wireIdentifier struct {
		System string `json:"system,omitempty"`
		Value  string `json:"value,omitempty"`
	}
	wireReference struct {
		Reference  string         `json:"reference,omitempty"`
		Identifier wireIdentifier `json:"identifier,omitzero"`
		Display    string         `json:"display,omitempty"`
	}
	wireCoding struct {
		System  string `json:"system,omitempty"`
		Code    string `json:"code,omitempty"`
		Display string `json:"display,omitempty"`
	}
	wireConcept struct {
		Coding []wireCoding `json:"coding,omitempty"`
		Text   string       `json:"text,omitempty"`
	}
	wirePeriod struct {
		Start string `json:"start,omitempty"`
		End   string `json:"end,omitempty"`
	}
	wireAnnotation struct {
		AuthorReference *wireReference `json:"authorReference,omitempty"`
		AuthorString    string         `json:"authorString,omitempty"`
		Time            string         `json:"time,omitempty"`
		Text            string         `json:"text"`
	}
	wirePayload struct {
		ContentString     string          `json:"contentString,omitempty"`
		ContentAttachment *wireAttachment `json:"contentAttachment,omitempty"`
	}
	wireAttachment struct {
		ContentType string `json:"contentType,omitempty"`
		Data        []byte `json:"data,omitempty"` // written as base64
		Title       string `json:"title,omitempty"`
	}
	wireExtension struct {
		URL     string       `json:"url"`
		Concept *wireConcept `json:"valueCodeableConcept"`
	}
	wireParameter struct {
		Type           *wireConcept   `json:"type"`
		ValueString    string         `json:"valueString,omitempty"`
		ValueReference *wireReference `json:"valueReference,omitempty"`
		ValuePeriod    *wirePeriod    `json:"valuePeriod,omitempty"`
		ValueDateTime  string         `json:"valueDateTime,omitempty"`
		ValueCode      string         `json:"valueCode,omitempty"`
	}
)

// wirer is a data type that has a form on the wire, or an error that names the
// rule it breaks.
type wirer interface{ wire() (any, error) }

// encode writes a value of an edit: our own types with their content, anything
// else as encoding/json does.
func encode(v any) ([]byte, error) {
	w, err := toWire(v)
	if err != nil {
		return nil, err
	}
	return plain(w)
}

func toWire(v any) (any, error) {
	switch v := v.(type) {
	case wirer:
		return v.wire()
	case redact.Text:
		return content(v), nil
	}
	list := reflect.ValueOf(v)
	if list.Kind() != reflect.Slice || !list.Type().Elem().Implements(reflect.TypeFor[wirer]()) {
		return v, nil
	}
	out := make([]any, list.Len())
	for i := range out {
		var err error
		if out[i], err = list.Index(i).Interface().(wirer).wire(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// content returns a text as a FHIR string may hold it: valid UTF-8, no control
// characters but tab and line ends, "" when only white space is left. What a
// caller said must not keep a work item from being written.
func content(t redact.Text) string { return clean(t.Reveal()) }

func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
	if strings.TrimSpace(s) == "" {
		return ""
	}
	return s
}

func (i Identifier) wire() (any, error) {
	w := wireIdentifier{System: i.System, Value: content(i.Value)}
	if w.Value == "" {
		return nil, errors.New("an identifier without a value")
	}
	return w, nil
}

func (r Reference) wire() (any, error) {
	w := wireReference{
		Reference: r.Reference, Display: content(r.Display),
		Identifier: wireIdentifier{System: r.Identifier.System, Value: content(r.Identifier.Value)},
	}
	if w == (wireReference{}) {
		return nil, errors.New("a reference to nothing")
	}
	return w, nil
}

func (c Coding) wire() (any, error) {
	if c.Code == "" && c.Display == "" {
		return nil, errors.New("a coding without a code")
	}
	return wireCoding(c), nil
}

func (c Concept) wire() (any, error) {
	w := wireConcept{Text: content(c.Text)}
	for _, k := range c.Codings {
		if _, err := k.wire(); err != nil {
			return nil, err
		}
		w.Coding = append(w.Coding, wireCoding(k))
	}
	if w.Coding == nil && w.Text == "" {
		return nil, errors.New("a concept without a coding or a text")
	}
	return w, nil
}

func (d DateTime) wire() (any, error) {
	if !d.valid() {
		return nil, errors.New("a date that cannot be written: a time needs its zone and a year four digits")
	}
	return d.Format(), nil
}

func (p Period) wire() (any, error) {
	if p.IsZero() {
		return nil, errors.New("a period without start and end")
	}
	for _, d := range []DateTime{p.Start, p.End} {
		if !d.IsZero() && !d.valid() {
			return nil, errors.New("a period with a date that cannot be written: a time needs its zone and a year four digits")
		}
	}
	if !p.Start.IsZero() && !p.End.IsZero() && p.End.before(p.Start) {
		return nil, errors.New("a period that ends before it starts (per-1)")
	}
	return wirePeriod{Start: p.Start.Format(), End: p.End.Format()}, nil
}

func (a Annotation) wire() (any, error) {
	w := wireAnnotation{AuthorString: content(a.Author), Time: a.Time.Format(), Text: content(a.Text)}
	switch {
	case w.Text == "":
		return nil, errors.New("a note without a text")
	case !a.Time.IsZero() && !a.Time.valid():
		return nil, errors.New("a note with a time that cannot be written")
	case a.AuthorReference.IsZero():
		return w, nil
	case w.AuthorString != "":
		return nil, errors.New("a note with two authors")
	}
	r, err := wireOf[wireReference](a.AuthorReference)
	w.AuthorReference = r
	return w, err
}

func (a Attachment) wire() (any, error) {
	w := wireAttachment{ContentType: a.ContentType, Title: clean(a.Title), Data: []byte(content(a.Text))}
	if len(w.Data) == 0 {
		return nil, errors.New("an attachment without content")
	}
	if w.ContentType == "" {
		return nil, errors.New("an attachment with data and without a contentType (att-1)")
	}
	return w, nil
}

func (p Payload) wire() (any, error) {
	w := wirePayload{ContentString: content(p.Text)}
	switch {
	case p.Attachment.IsZero() && w.ContentString == "":
		return nil, errors.New("a payload without content")
	case p.Attachment.IsZero():
		return w, nil
	case w.ContentString != "":
		return nil, errors.New("a payload with two contents")
	}
	a, err := wireOf[wireAttachment](p.Attachment)
	w.ContentAttachment = a
	return w, err
}

func (x Extension) wire() (any, error) {
	if x.URL == "" {
		return nil, errors.New("an extension without a url")
	}
	c, err := wireOf[wireConcept](x.Concept)
	return wireExtension{URL: x.URL, Concept: c}, err
}

func (p Parameter) wire() (any, error) {
	concept, err := wireOf[wireConcept](p.Type)
	if err != nil {
		return nil, errors.New("a parameter without a type")
	}
	w := wireParameter{Type: concept}
	switch v := p.Value; v.kind {
	case KindString:
		w.ValueString = content(v.text)
	case KindCode:
		w.ValueCode = v.code
	case KindReference:
		w.ValueReference, err = wireOf[wireReference](v.reference)
	case KindPeriod:
		w.ValuePeriod, err = wireOf[wirePeriod](v.period)
	case KindDateTime:
		if !v.dateTime.valid() {
			return nil, errors.New("a parameter with a date that cannot be written")
		}
		w.ValueDateTime = v.dateTime.Format()
	}
	if err == nil && w == (wireParameter{Type: concept}) {
		err = errors.New("a parameter without a value that can be written")
	}
	return w, err
}

// wireOf writes v, whose form on the wire is a T.
func wireOf[T any](v wirer) (*T, error) {
	w, err := v.wire()
	if err != nil {
		return nil, err
	}
	t := w.(T)
	return &t, nil
}
