package fhir

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ringback-health/ringback/internal/redact"
)

// node is a JSON object that is read member by member. The first member that
// cannot be read is kept as the error of the whole; a member that is absent or
// null reads as zero.
type node struct {
	path    string
	members map[string]json.RawMessage
	state   *readState // shared by all nodes of a resource
}

type readState struct {
	err      error
	modifier bool // some object on the way has a modifierExtension
}

// root opens a resource of a type for reading.
func root(raw []byte, resourceType string) (node, error) {
	all, err := open(raw, resourceType)
	if err != nil {
		return node{}, err
	}
	return newNode(resourceType, all, &readState{}), nil
}

func newNode(path string, all []member, state *readState) node {
	n := node{path: path, members: make(map[string]json.RawMessage, len(all)), state: state}
	for _, m := range all {
		if !isNull(m.value) {
			n.members[m.name] = m.value
		}
	}
	if _, ok := n.members["modifierExtension"]; ok {
		state.modifier = true
	}
	return n
}

// err returns the first problem that was met in the resource.
func (n node) err() error { return n.state.err }

func (n node) fail(name, problem string) {
	if n.state.err == nil {
		n.state.err = &MemberError{Path: n.path + "." + name, Problem: problem}
	}
}

func (n node) has(name string) bool { _, ok := n.members[name]; return ok }

func (n node) str(name string) string {
	var s string
	if raw, ok := n.members[name]; ok && json.Unmarshal(raw, &s) != nil {
		n.fail(name, "not a string")
	}
	return s
}

func (n node) text(name string) redact.Text { return redact.NewText(n.str(name)) }

func (n node) boolean(name string) *bool {
	raw, ok := n.members[name]
	if !ok {
		return nil
	}
	var b bool
	if json.Unmarshal(raw, &b) != nil {
		n.fail(name, "not true or false")
		return nil
	}
	return &b
}

// child reads an object; absent, it is an empty one.
func (n node) child(name string) node {
	return n.object(name, n.members[name])
}

func (n node) object(name string, raw json.RawMessage) node {
	var all []member
	if raw != nil {
		var err error
		if all, err = members(raw); err != nil {
			n.fail(name, err.Error())
		}
	}
	return newNode(n.path+"."+name, all, n.state)
}

// list reads the elements of a list. R4 marks a gap in one with null.
func (n node) list(name string) []json.RawMessage {
	raw, ok := n.members[name]
	if !ok {
		return nil
	}
	all, err := elements(raw)
	if err != nil {
		n.fail(name, err.Error())
	}
	return all
}

// each reads a list of objects with f.
func each[T any](n node, name string, f func(node) T) []T {
	var out []T
	for i, raw := range n.list(name) {
		if !isNull(raw) {
			out = append(out, f(n.object(fmt.Sprintf("%s[%d]", name, i), raw)))
		}
	}
	return out
}

// texts reads a list of strings.
func (n node) texts(name string) []redact.Text {
	var out []redact.Text
	for i, raw := range n.list(name) {
		var s string
		if json.Unmarshal(raw, &s) != nil {
			n.fail(fmt.Sprintf("%s[%d]", name, i), "not a string")
		}
		if s != "" {
			out = append(out, redact.NewText(s))
		}
	}
	return out
}

func (n node) dateTime(name string) DateTime {
	s := n.str(name)
	if s == "" {
		return DateTime{}
	}
	d, err := ParseDateTime(s)
	if err != nil {
		n.fail(name, err.Error())
	}
	return d
}

func (n node) instant(name string) time.Time {
	s := n.str(name)
	if s == "" {
		return time.Time{}
	}
	t, err := ParseInstant(s)
	if err != nil {
		n.fail(name, err.Error())
	}
	return t
}

func (n node) meta() Meta {
	m := n.child("meta")
	return Meta{ID: n.str("id"), VersionID: m.str("versionId"), LastUpdated: m.instant("lastUpdated")}
}

func (n node) identifier() Identifier {
	return Identifier{System: n.str("system"), Value: n.text("value")}
}

func (n node) reference() Reference {
	r := Reference{Reference: n.str("reference"), Display: n.text("display")}
	if n.has("identifier") {
		// One level: the assigner of an identifier is a reference again.
		r.Identifier = n.child("identifier").identifier()
	}
	return r
}

func (n node) coding() Coding {
	return Coding{System: n.str("system"), Code: n.str("code"), Display: n.str("display")}
}

func (n node) concept() Concept {
	return Concept{Codings: each(n, "coding", node.coding), Text: n.text("text")}
}

func (n node) period() Period {
	return Period{Start: n.dateTime("start"), End: n.dateTime("end")}
}

func (n node) annotation() Annotation {
	return Annotation{
		Author: n.text("authorString"), AuthorReference: n.child("authorReference").reference(),
		Time: n.dateTime("time"), Text: n.text("text"),
	}
}

// attachment reads a text that stands in the resource itself. What is no text, or
// stands elsewhere, reads as empty.
func (n node) attachment() Attachment {
	a := Attachment{ContentType: n.str("contentType"), Title: n.str("title")}
	if data, err := base64.StdEncoding.DecodeString(n.str("data")); err == nil && utf8.Valid(data) {
		a.Text = redact.NewText(string(data))
	}
	return a
}

func (n node) extension() Extension {
	return Extension{URL: n.str("url"), Concept: n.child("valueCodeableConcept").concept()}
}

func (n node) parameter() Parameter {
	return Parameter{Type: n.child("type").concept(), Value: n.value()}
}

// value reads the one value[x] of n.
func (n node) value() Value {
	kind := ""
	for name := range n.members {
		k, ok := strings.CutPrefix(name, "value")
		if !ok || k == "" || k[0] < 'A' || k[0] > 'Z' {
			continue
		}
		if kind != "" {
			n.fail("value[x]", "more than one")
			return Value{}
		}
		kind = k
	}
	name := "value" + kind
	switch kind {
	case KindString:
		return StringValue(n.text(name))
	case KindReference:
		return ReferenceValue(n.child(name).reference())
	case KindPeriod:
		return PeriodValue(n.child(name).period())
	case KindDateTime:
		return DateTimeValue(n.dateTime(name))
	case KindCode:
		return CodeValue(n.str(name))
	default:
		return Value{kind: kind}
	}
}
