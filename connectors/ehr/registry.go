package ehr

import (
	"fmt"
	"slices"
	"strings"
)

// Decode fills a connector's configuration from the operator's file, strictly:
// a key it does not know is an error.
type Decode func(into any) error

// Kind is one kind of connector: how it is named in the configuration and made.
type Kind struct {
	Name string // "fhirr4"
	What string // one line for the operator
	// New decodes and validates the configuration and makes the connector. It
	// does not talk to the EHR.
	New func(s Settings, decode Decode) (Connector, error)
}

// Registry holds the kinds of connectors that a build knows. It is a value made
// in cmd; nothing registers itself.
type Registry struct{ kinds []Kind }

// NewRegistry returns a registry of the kinds. Two of the same name are a
// programming error and panic.
func NewRegistry(kinds ...Kind) Registry {
	for i, k := range kinds {
		if k.Name == "" || k.New == nil || slices.ContainsFunc(kinds[:i], func(o Kind) bool { return o.Name == k.Name }) {
			panic("ehr: a connector kind without name or constructor, or twice: " + k.Name)
		}
	}
	return Registry{kinds: kinds}
}

// Kinds lists the kinds in the order they were given.
func (r Registry) Kinds() []Kind { return slices.Clone(r.kinds) }

// New makes a connector of the named kind. The error for an unknown name lists
// the known ones.
func (r Registry) New(kind string, s Settings, decode Decode) (Connector, error) {
	var known []string
	for _, k := range r.kinds {
		if k.Name == kind {
			return k.New(s, decode)
		}
		known = append(known, k.Name)
	}
	return nil, fmt.Errorf("ehr %q: there is no connector %q; there is %s", s.ID, kind, strings.Join(known, ", "))
}
