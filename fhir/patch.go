package fhir

import (
	"bytes"
	"encoding/json"
	"strings"
)

// PatchType is the media type of a JSON Patch.
const PatchType = "application/json-patch+json"

// operation is one operation of a JSON Patch (RFC 6902).
type operation struct {
	Op    string          `json:"op"`
	Path  string          `json:"path"`
	Value json.RawMessage `json:"value,omitempty"`
}

// PatchOf returns the JSON Patch that makes after of before, both resources of one
// type: each member that differs is added, replaced or removed as a whole. Two that
// do not differ give an empty list of operations.
func PatchOf(before, after []byte) ([]byte, error) {
	old, err := members(before)
	if err != nil {
		return nil, err
	}
	now, err := members(after)
	if err != nil {
		return nil, err
	}
	had, has := byName(old), byName(now)
	ops := []operation{}
	for _, m := range old {
		if _, stays := has[m.name]; !stays {
			ops = append(ops, operation{Op: "remove", Path: pointer(m.name)})
			has[m.name] = nil // once, should the member be repeated
		}
	}
	for _, m := range now {
		value := has[m.name]
		was, known := had[m.name]
		switch {
		case value == nil || known && bytes.Equal(compact(was), compact(value)):
			continue
		case known:
			ops = append(ops, operation{"replace", pointer(m.name), value})
		default:
			ops = append(ops, operation{"add", pointer(m.name), value})
		}
		has[m.name] = nil
	}
	return plain(ops)
}

// byName returns the members by name; of a repeated one the last counts.
func byName(all []member) map[string]json.RawMessage {
	m := make(map[string]json.RawMessage, len(all))
	for _, one := range all {
		m[one.name] = one.value
	}
	return m
}

// pointer is the JSON Pointer of a member (RFC 6901).
func pointer(name string) string {
	return "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

func compact(raw []byte) []byte {
	var out bytes.Buffer
	if json.Compact(&out, raw) != nil {
		return raw
	}
	return out.Bytes()
}
