package fhir

import (
	"bytes"
	"encoding/json"
	"errors"
)

var (
	errNotJSON   = errors.New("not JSON")
	errNotObject = errors.New("not a JSON object")
)

// member is one member of a JSON object as it stood in the text.
type member struct {
	name  string          // decoded
	key   []byte          // as written, with quotes
	value json.RawMessage // as written
}

// members splits the object in raw. encoding/json alone would match names
// without regard to case and fold repeated ones.
func members(raw []byte) ([]member, error) {
	raw = bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf")) // a byte order mark
	if !json.Valid(raw) {
		return nil, errNotJSON
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errNotObject
	}
	var all []member
	for dec.More() {
		before := dec.InputOffset()
		t, err := dec.Token()
		if err != nil {
			return nil, errNotJSON
		}
		name, _ := t.(string)
		m := member{name: name, key: bytes.TrimLeft(raw[before:dec.InputOffset()], ", \t\r\n")}
		if err := dec.Decode(&m.value); err != nil {
			return nil, errNotJSON
		}
		all = append(all, m)
	}
	return all, nil
}

// elements splits the array in raw; null is an empty one.
func elements(raw json.RawMessage) ([]json.RawMessage, error) {
	var all []json.RawMessage
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, errors.New("not a list")
	}
	return all, nil
}

func isNull(raw json.RawMessage) bool { return string(raw) == "null" }

// plain writes v as JSON and leaves <, > and & alone.
func plain(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}
