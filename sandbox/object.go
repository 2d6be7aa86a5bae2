package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// member is one name and value of a JSON object.
type member struct {
	name string
	raw  json.RawMessage
}

// object is a JSON object that remembers the order of its members and the exact
// text of their values, so that an edit of one leaves the others untouched.
type object []member

var errTwice = errors.New("a member name occurs twice in one object")

// parseObject reads raw as one JSON object. A name that occurs twice is an error:
// two readers would disagree about its value.
func parseObject(raw json.RawMessage) (object, error) {
	dec, err := open(raw, '{', "an object")
	if err != nil {
		return nil, err
	}
	var o object
	seen := map[string]bool{}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return nil, err
		}
		m := member{name: token.(string)}
		if seen[m.name] {
			return nil, errTwice
		}
		seen[m.name] = true
		if err := dec.Decode(&m.raw); err != nil {
			return nil, err
		}
		o = append(o, m)
	}
	return o, nil
}

// parseArray reads raw as one JSON array and returns its elements.
func parseArray(raw json.RawMessage) ([]json.RawMessage, error) {
	dec, err := open(raw, '[', "an array")
	if err != nil {
		return nil, err
	}
	var list []json.RawMessage
	for dec.More() {
		var element json.RawMessage
		if err := dec.Decode(&element); err != nil {
			return nil, err
		}
		list = append(list, element)
	}
	return list, nil
}

// open checks that raw is valid JSON, which also bounds its depth, and returns a
// decoder that stands behind the opening delimiter.
func open(raw json.RawMessage, delim json.Delim, what string) (*json.Decoder, error) {
	if !json.Valid(raw) {
		return nil, errors.New("not valid JSON")
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	if token, err := dec.Token(); err != nil || token != delim {
		return nil, fmt.Errorf("not %s", what)
	}
	return dec, nil
}

// kindOf returns the first byte of the value: '{', '[', '"', or another one for a
// number or literal.
func kindOf(raw json.RawMessage) byte {
	trimmed := bytes.TrimLeft(raw, " \t\r\n")
	if len(trimmed) == 0 {
		return 0
	}
	return trimmed[0]
}

// get returns the member's value, nil if there is none.
func (o object) get(name string) json.RawMessage {
	for _, m := range o {
		if m.name == name {
			return m.raw
		}
	}
	return nil
}

// text returns the member's value if it is a string, else "".
func (o object) text(name string) string {
	var s string
	if json.Unmarshal(o.get(name), &s) != nil {
		return ""
	}
	return s
}

// set replaces the member where it stands, or inserts it behind the first of the
// members named in after that is there, or appends it.
func (o *object) set(name string, raw json.RawMessage, after ...string) {
	for i := range *o {
		if (*o)[i].name == name {
			(*o)[i].raw = raw
			return
		}
	}
	at := len(*o)
	for _, before := range after {
		if i := o.position(before); i >= 0 {
			at = i + 1
			break
		}
	}
	*o = append(*o, member{})
	copy((*o)[at+1:], (*o)[at:])
	(*o)[at] = member{name, raw}
}

// drop removes the member if it is there.
func (o *object) drop(name string) {
	if i := o.position(name); i >= 0 {
		*o = append((*o)[:i:i], (*o)[i+1:]...)
	}
}

func (o object) position(name string) int {
	for i, m := range o {
		if m.name == name {
			return i
		}
	}
	return -1
}

// encode writes the object without adding white space or escapes.
func (o object) encode() json.RawMessage {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(encode(m.name))
		b.WriteByte(':')
		b.Write(m.raw)
	}
	b.WriteByte('}')
	return b.Bytes()
}

// encodeArray writes the elements as a JSON array.
func encodeArray(list []json.RawMessage) json.RawMessage {
	return append(append(json.RawMessage{'['}, bytes.Join(rawBytes(list), []byte{','})...), ']')
}

func rawBytes(list []json.RawMessage) [][]byte {
	out := make([][]byte, len(list))
	for i, raw := range list {
		out[i] = raw
	}
	return out
}

// encode writes v as JSON and leaves <, > and & as they are. v is one of this
// package's own values, which always encode.
func encode(v any) json.RawMessage {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic("sandbox: a value of its own does not encode: " + err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'})
}

// tree reads raw into maps, slices, strings, json.Number, bool and nil. Unlike
// decoding into a struct it keeps names exact in case, and it refuses a name that
// occurs twice in one object at any depth.
func tree(raw json.RawMessage) (any, error) {
	if !json.Valid(raw) {
		return nil, errors.New("not valid JSON")
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	v, err := branch(dec)
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one JSON value")
	}
	return v, nil
}

func branch(dec *json.Decoder) (any, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('{'):
		return objectBranch(dec)
	case json.Delim('['):
		list := []any{}
		for dec.More() {
			v, err := branch(dec)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := dec.Token()
		return list, err
	}
	return token, nil
}

func objectBranch(dec *json.Decoder) (any, error) {
	m := map[string]any{}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return nil, err
		}
		name := token.(string)
		if _, twice := m[name]; twice {
			return nil, errTwice
		}
		if m[name], err = branch(dec); err != nil {
			return nil, err
		}
	}
	_, err := dec.Token()
	return m, err
}
