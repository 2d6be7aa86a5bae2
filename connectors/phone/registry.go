package phone

import (
	"fmt"
	"slices"
	"strings"
)

// Registry is the formats a program knows. It is a value: whoever wires the
// program together makes one and passes it on.
type Registry struct{ formats []Format }

// NewRegistry returns a registry of formats. A name that is empty or occurs
// twice is an error.
func NewRegistry(formats ...Format) (Registry, error) {
	var r Registry
	for _, f := range formats {
		if f.Name() == "" {
			return Registry{}, fmt.Errorf("call log formats: %T has no name", f)
		}
		if slices.ContainsFunc(r.formats, func(g Format) bool { return g.Name() == f.Name() }) {
			return Registry{}, fmt.Errorf("call log formats: the name %q occurs twice", f.Name())
		}
		r.formats = append(r.formats, f)
	}
	return r, nil
}

// Formats are all formats in the order they were given.
func (r Registry) Formats() []Format { return slices.Clone(r.formats) }

// Lookup returns the format of that name, or an error that lists the names
// there are.
func (r Registry) Lookup(name string) (Format, error) {
	names := make([]string, 0, len(r.formats))
	for _, f := range r.formats {
		if f.Name() == name {
			return f, nil
		}
		names = append(names, f.Name())
	}
	return nil, fmt.Errorf("no call log format %q; known formats: %s", name, strings.Join(names, ", "))
}
