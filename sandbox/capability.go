package sandbox

import (
	"maps"
	"net/http"
	"slices"
)

// The parts of a CapabilityStatement that are filled.
type (
	statement struct {
		ResourceType   string         `json:"resourceType"`
		Status         string         `json:"status"`
		Date           string         `json:"date"`
		Kind           string         `json:"kind"`
		Software       named          `json:"software"`
		Implementation implementation `json:"implementation"`
		FHIRVersion    string         `json:"fhirVersion"`
		Format         []string       `json:"format"`
		PatchFormat    []string       `json:"patchFormat"`
		Rest           []rest         `json:"rest"`
	}
	named struct {
		Name string `json:"name"`
	}
	implementation struct {
		Description string `json:"description"`
		URL         string `json:"url"`
	}
	rest struct {
		Mode     string     `json:"mode"`
		Security *security  `json:"security,omitempty"`
		Resource []restType `json:"resource"`
	}
	restType struct {
		Type              string        `json:"type"`
		Interaction       []coded       `json:"interaction"`
		Versioning        string        `json:"versioning"`
		ReadHistory       bool          `json:"readHistory"`
		UpdateCreate      bool          `json:"updateCreate"`
		ConditionalCreate bool          `json:"conditionalCreate"`
		ConditionalUpdate bool          `json:"conditionalUpdate"`
		ConditionalDelete string        `json:"conditionalDelete"`
		SearchParam       []searchParam `json:"searchParam"`
	}
	coded struct {
		Code string `json:"code"`
	}
	searchParam struct {
		Name string `json:"name"`
		Type kind   `json:"type"`
	}
	security struct {
		Extension []extension `json:"extension"`
		Service   []concept   `json:"service"`
	}
	extension struct {
		URL       string      `json:"url"`
		ValueURI  string      `json:"valueUri,omitempty"`
		Extension []extension `json:"extension,omitempty"`
	}
)

// metadata answers with the CapabilityStatement. It is made from the table that
// the search runs on and from the interactions that are routed.
func (c *call) metadata() response {
	s := statement{
		ResourceType: "CapabilityStatement", Status: "active", Date: instant(c.started), Kind: "instance",
		Software: named{"Ringback sandbox"},
		Implementation: implementation{
			Description: "For demonstration and tests only; synthetic data only; nothing is kept.",
			URL:         c.base,
		},
		FHIRVersion: "4.0.1", Format: []string{"json"}, PatchFormat: []string{typePatch},
	}
	server := rest{Mode: "server"}
	if c.options.RequireAuth {
		server.Security = &security{
			Extension: []extension{{
				URL:       "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
				Extension: []extension{{URL: "token", ValueURI: c.root(c.r) + "/token"}},
			}},
			Service: []concept{codedConcept("http://terminology.hl7.org/CodeSystem/restful-security-service|SMART-on-FHIR")},
		}
	}
	for _, def := range definitions {
		if slices.Contains(c.options.Types, def.name) {
			server.Resource = append(server.Resource, c.capability(def))
		}
	}
	s.Rest = []rest{server}
	return replyFHIR(http.StatusOK, encode(s))
}

func (c *call) capability(def *typeDef) restType {
	t := restType{
		Type: def.name, Versioning: "versioned-update", ReadHistory: true,
		UpdateCreate:      c.options.UpdateCreate,
		ConditionalCreate: !c.options.NoConditionalCreate && !c.faults.has(ActionNoConditionalCreate),
		ConditionalDelete: "not-supported",
	}
	codes := map[string]bool{}
	for _, level := range []map[string]interaction{typeLevel, searchLevel, instanceLevel, historyLevel, versionLevel} {
		for _, what := range level {
			codes[what.code] = true
		}
	}
	for _, code := range slices.Sorted(maps.Keys(codes)) {
		t.Interaction = append(t.Interaction, coded{code})
	}
	for _, p := range def.params {
		t.SearchParam = append(t.SearchParam, searchParam{p.name, p.kind})
	}
	return t
}
