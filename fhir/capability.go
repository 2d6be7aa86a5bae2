package fhir

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/rest"
)

// Capabilities is what a server says about itself in /metadata. Servers say
// more and less than they do: it is a hint, not a proof.
type Capabilities struct {
	FHIRVersion     string
	Software        string
	SoftwareVersion string
	PatchFormats    []string                      // media types of PATCH; empty: not said
	Resources       map[string]ResourceCapability // by type
}

// ResourceCapability is what a server can do with one type.
type ResourceCapability struct {
	Interactions      map[string]bool   // "read", "create", "search-type", …
	SearchParams      map[string]string // name to type
	Versioning        string            // "no-version", "versioned", "versioned-update"; "" when not said
	ConditionalCreate bool
	UpdateCreate      bool
}

// Can reports whether the server offers an interaction on a type.
func (c Capabilities) Can(resourceType, interaction string) bool {
	return c.Resources[resourceType].Interactions[interaction]
}

// CanPatch reports whether the server takes a JSON Patch of a type. One that does
// not say which formats it takes is believed.
func (c Capabilities) CanPatch(resourceType string) bool {
	return c.Can(resourceType, "patch") &&
		(len(c.PatchFormats) == 0 || slices.Contains(c.PatchFormats, PatchType) || slices.Contains(c.PatchFormats, "json"))
}

// Searches reports whether the server searches a type by all of the parameters.
func (c Capabilities) Searches(resourceType string, params ...string) bool {
	for _, p := range params {
		if _, ok := c.Resources[resourceType].SearchParams[p]; !ok {
			return false
		}
	}
	return c.Can(resourceType, "search-type")
}

// Capability reads /metadata. A server that is not R4 (4.0.x) is Permanent.
func (c *Client) Capability(ctx context.Context) (Capabilities, error) {
	const op = "read CapabilityStatement"
	resp, err := c.do(ctx, rest.Request{Op: op, Method: http.MethodGet, Path: "metadata"})
	if err != nil {
		return Capabilities{}, notOffered(err, "/metadata")
	}
	if f := wrongBody(op, capabilityStatement, resp, false); f != nil {
		return Capabilities{}, f
	}
	caps, err := ParseCapabilities(resp.Body)
	if err != nil {
		return Capabilities{}, fault.New(fault.Permanent, op, "the server cannot be understood").Because(err).
			WithHint("set base_url to the address of a FHIR R4 server")
	}
	if caps.FHIRVersion != "4.0" && !strings.HasPrefix(caps.FHIRVersion, "4.0.") {
		speaks := "does not say which version of FHIR it speaks"
		if versionPattern.MatchString(caps.FHIRVersion) {
			speaks = "speaks FHIR " + caps.FHIRVersion
		}
		return Capabilities{}, fault.New(fault.Permanent, op, "the server "+speaks+"; this needs R4 (4.0.x)").
			WithHint("many servers have an address per version: set base_url to that of R4")
	}
	return caps, nil
}

var versionPattern = regexp.MustCompile(`^\d{1,2}(\.\d{1,3}){1,2}(-[a-z0-9]{1,20})?$`)

const capabilityStatement = "CapabilityStatement"

// ParseCapabilities reads a CapabilityStatement. A part of it that is broken is
// left out: what a server gets wrong about one type says nothing about another.
func ParseCapabilities(raw []byte) (Capabilities, error) {
	n, err := root(raw, capabilityStatement)
	if err != nil {
		return Capabilities{}, err
	}
	software := n.child("software")
	caps := Capabilities{
		FHIRVersion: n.str("fhirVersion"), Software: software.str("name"), SoftwareVersion: software.str("version"),
		Resources: map[string]ResourceCapability{},
	}
	for _, f := range n.texts("patchFormat") {
		caps.PatchFormats = append(caps.PatchFormats, f.Reveal())
	}
	for _, side := range each(n, "rest", func(n node) node { return n }) {
		if mode := side.str("mode"); mode != "" && mode != "server" {
			continue
		}
		common := side.searchParams()
		for _, r := range each(side, "resource", func(n node) node { return n }) {
			known := r.resourceCapability()
			for name, kind := range common {
				if _, own := known.SearchParams[name]; !own {
					known.SearchParams[name] = kind
				}
			}
			caps.Resources[r.str("type")] = known
		}
	}
	return caps, nil
}

func (n node) resourceCapability() ResourceCapability {
	r := ResourceCapability{
		Interactions: map[string]bool{}, SearchParams: n.searchParams(), Versioning: n.str("versioning"),
	}
	for _, code := range each(n, "interaction", func(n node) string { return n.str("code") }) {
		r.Interactions[code] = true
	}
	yes := func(b *bool) bool { return b != nil && *b }
	r.ConditionalCreate, r.UpdateCreate = yes(n.boolean("conditionalCreate")), yes(n.boolean("updateCreate"))
	return r
}

// searchParams reads the search parameters of a type, or those that all types have.
func (n node) searchParams() map[string]string {
	params := map[string]string{}
	for _, p := range each(n, "searchParam", func(n node) node { return n }) {
		params[p.str("name")] = p.str("type")
	}
	return params
}
