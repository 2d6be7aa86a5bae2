package fhir

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
)

// writer builds a resource member by member, in the order of R4. The first
// member that breaks a rule is kept as the error of the whole.
type writer struct {
	resourceType string
	buf          bytes.Buffer
	err          error
}

func newWriter(resourceType string) *writer {
	w := &writer{resourceType: resourceType}
	w.buf.WriteString(`{"resourceType":"` + resourceType + `"`)
	return w
}

func (w *writer) fail(name, problem string) {
	if w.err == nil {
		w.err = &MemberError{Path: w.resourceType + "." + name, Problem: problem}
	}
}

// put writes a member that must be there.
func (w *writer) put(name string, v any) {
	value, err := encode(v)
	if err != nil {
		w.fail(name, err.Error())
		return
	}
	w.buf.WriteString(`,"` + name + `":`)
	w.buf.Write(value)
}

// opt writes a member that is there.
func (w *writer) opt(name string, v interface{ IsZero() bool }) {
	if !v.IsZero() {
		w.put(name, v)
	}
}

// str writes a string that is not empty.
func (w *writer) str(name, s string) {
	if s != "" {
		w.put(name, s)
	}
}

// code writes a code of a value set. "" is left out, unless it is required.
func (w *writer) code(name, code string, set []string, required bool) {
	w.checkCode(name, code, set, required)
	w.str(name, code)
}

func (w *writer) checkCode(name, code string, set []string, required bool) {
	switch {
	case code == "" && required:
		w.fail(name, "absent; R4 has "+strings.Join(set, ", "))
	case code != "" && !slices.Contains(set, code):
		w.fail(name, "not a code of R4, which has "+strings.Join(set, ", "))
	}
}

// list writes a slice that is not empty.
func (w *writer) list(name string, slice any) {
	if reflect.ValueOf(slice).Len() > 0 {
		w.put(name, slice)
	}
}

func (w *writer) tags(tags []Coding) {
	var meta wireMeta
	for _, t := range tags {
		if _, err := t.wire(); err != nil {
			w.fail("meta.tag", err.Error())
		}
		meta.Tag = append(meta.Tag, wireCoding(t))
	}
	if len(meta.Tag) > 0 {
		w.put("meta", meta)
	}
}

// bytes returns the finished resource.
func (w *writer) bytes() ([]byte, error) {
	if w.err != nil {
		return nil, w.err
	}
	return append(bytes.Clone(w.buf.Bytes()), '}'), nil
}
