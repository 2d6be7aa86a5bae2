package fhir

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
)

// Document is a resource under edit. Every member that is not set, appended to
// or removed stays as it is: order, unknown members, extensions, the scale of
// numbers, byte for byte. Names match exactly, case included. The extensions of
// a primitive stand in a member of their own, "_name", and stay too.
type Document struct {
	resourceType string
	members      []member
	err          error // the first edit that failed
}

// Edit opens raw for editing; it must be a resource of the type, else the error
// is a *TypeError.
func Edit(raw []byte, resourceType string) (*Document, error) {
	all, err := open(bytes.Clone(raw), resourceType)
	if err != nil {
		return nil, err
	}
	return &Document{resourceType: resourceType, members: all}, nil
}

// Raw returns the value of a member as it stands, nil when it is absent. Of a
// repeated member it is the last, as for every JSON reader.
func (d *Document) Raw(name string) json.RawMessage {
	for _, m := range slices.Backward(d.members) {
		if m.name == name {
			return bytes.Clone(m.value)
		}
	}
	return nil
}

// Set gives a member a value: a type of this package, a slice of one, a
// redact.Text, or whatever encoding/json writes. A new member goes to the end.
// A value that cannot be written is reported by Bytes.
func (d *Document) Set(name string, v any) {
	value, err := encode(v)
	if err == nil && name == "resourceType" {
		err = errReadOnly
	}
	if err != nil {
		d.fail(name, err)
		return
	}
	d.put(name, value)
}

// Append adds a value to a list member and leaves its other elements alone. It
// makes the list where there is none.
func (d *Document) Append(name string, v any) {
	value, err := encode(v)
	if err != nil {
		d.fail(name, err)
		return
	}
	old := bytes.TrimSpace(d.Raw(name))
	if old == nil || isNull(old) {
		d.put(name, slices.Concat([]byte("["), value, []byte("]")))
		return
	}
	all, err := elements(old)
	if err != nil {
		d.fail(name, err)
		return
	}
	head, comma := old[:len(old)-1], []byte(",")
	if len(all) == 0 {
		comma = nil
	}
	d.put(name, slices.Concat(head, comma, value, []byte("]")))
}

// Remove takes a member out. One that is absent is no error.
func (d *Document) Remove(name string) {
	if name == "resourceType" {
		d.fail(name, errReadOnly)
		return
	}
	d.members = slices.DeleteFunc(d.members, func(m member) bool { return m.name == name })
}

// Bytes returns the edited resource, or what went wrong in an edit.
func (d *Document) Bytes() ([]byte, error) {
	if d.err != nil {
		return nil, d.err
	}
	out := []byte("{")
	for i, m := range d.members {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(append(out, m.key...), ':'), m.value...)
	}
	return append(out, '}'), nil
}

// put replaces the value of a member in its place, or adds it to the end. A
// repeated member is left once.
func (d *Document) put(name string, value []byte) {
	i := slices.IndexFunc(d.members, func(m member) bool { return m.name == name })
	if i < 0 {
		key, err := plain(name)
		if err != nil {
			d.fail(name, err)
			return
		}
		d.members = append(d.members, member{name: name, key: key, value: value})
		return
	}
	d.members[i].value = value
	seen := false
	d.members = slices.DeleteFunc(d.members, func(m member) bool {
		again := m.name == name && seen
		seen = seen || m.name == name
		return again
	})
}

var errReadOnly = errors.New("the type of a resource cannot be edited")

func (d *Document) fail(name string, err error) {
	if d.err == nil {
		d.err = &MemberError{Path: d.resourceType + "." + name, Problem: err.Error()}
	}
}
