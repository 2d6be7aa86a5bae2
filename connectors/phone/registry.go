package phone

import (
	"fmt"
	"slices"
	"strings"
)

// Decode fills a system's own configuration from the operator's file, strictly: a key
// it does not know is an error.
type Decode func(into any) error

// Kind is one kind of phone system: how it is named in the configuration and made.
type Kind struct {
	Name string // "twilio"
	What string // one line for the operator
	// New decodes and checks the configuration and makes the system. It talks to nobody.
	New func(s Settings, decode Decode) (System, error)
}

// Systems are the kinds of phone systems that a build knows. It is a value made in cmd;
// nothing registers itself.
type Systems struct{ kinds []Kind }

// NewSystems returns a registry of the kinds. One without a name or twice is a programming
// error and panics.
func NewSystems(kinds ...Kind) Systems {
	for i, k := range kinds {
		if k.Name == "" || k.New == nil || slices.ContainsFunc(kinds[:i], func(o Kind) bool { return o.Name == k.Name }) {
			panic("phone: a kind of phone system without name or constructor, or twice: " + k.Name)
		}
	}
	return Systems{kinds: kinds}
}

// Kinds lists the kinds in the order they were given.
func (r Systems) Kinds() []Kind { return slices.Clone(r.kinds) }

// New makes a system of the named kind. The error for an unknown name lists the known
// ones.
func (r Systems) New(kind string, s Settings, decode Decode) (System, error) {
	known := make([]string, 0, len(r.kinds))
	for _, k := range r.kinds {
		if k.Name == kind {
			return k.New(s, decode)
		}
		known = append(known, k.Name)
	}
	return nil, fmt.Errorf("phone system %q: there is no kind %q; there is %s", s.ID, kind, strings.Join(known, ", "))
}

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
