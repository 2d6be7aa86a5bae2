// Package scopes reads SMART scopes, of version 1 (system/Task.read) and version 2
// (system/Task.rs?code=callback), and compares what is needed with what was granted.
//
// It is pure and knows neither HTTP nor connectors: what a connector needs it says
// itself, and what was granted stands in the answer of a token endpoint (package
// rest). Source: SMART App Launch 2.2, "Scopes for requesting FHIR Resources".
package scopes

import (
	"regexp"
	"strings"
)

// The interactions, one letter each, in the order in which version 2 writes them.
const (
	Create = "c"
	Read   = "r"
	Update = "u"
	Delete = "d"
	Search = "s"

	all = Create + Read + Update + Delete + Search
)

// words are the interactions for people.
var words = map[rune]string{'c': "create", 'r': "read", 'u': "update", 'd': "delete", 's': "search"}

// Scope is one scope for FHIR resources.
type Scope struct {
	Context  string // system, user or patient
	Resource string // a resource type, or "*" for all
	Letters  string // some of cruds, in this order
	Query    string // what it is limited to, as a search; "" for everything
}

// Groups: 1 context, 2 type, 3 the words of version 1 or the letters of version 2,
// 4 the query.
var pattern = regexp.MustCompile(`^(system|user|patient)/(\*|[A-Z][A-Za-z]*)\.(\*|read|write|c?r?u?d?s?)(?:\?(.+))?$`)

// Parse reads one scope. false means that it is none for FHIR resources, as openid,
// or breaks the syntax.
func Parse(text string) (Scope, bool) {
	m := pattern.FindStringSubmatch(text)
	if m == nil || m[3] == "" {
		return Scope{}, false
	}
	letters := m[3]
	switch letters {
	case "*":
		letters = all
	case "read":
		letters = Read + Search
	case "write":
		letters = Create + Update + Delete
	}
	return Scope{Context: m[1], Resource: m[2], Letters: letters, Query: m[4]}, true
}

// String returns the scope in the syntax of version 2.
func (s Scope) String() string {
	text := s.Context + "/" + s.Resource + "." + s.Letters
	if s.Query != "" {
		text += "?" + s.Query
	}
	return text
}

// covers reports whether the scope allows an interaction on all resources of a type.
func (s Scope) covers(resource string, letter rune) bool {
	return s.touches(resource, letter) && s.Query == "" && s.Context != "patient"
}

// touches reports whether it allows the interaction on some of them at least.
func (s Scope) touches(resource string, letter rune) bool {
	return (s.Resource == resource || s.Resource == "*") && strings.ContainsRune(s.Letters, letter)
}

// Need is what is done with one type of resource.
type Need struct {
	Resource string
	Letters  string // some of cruds
}

// Ask returns the scopes that cover the needs and nothing else, in the syntax of
// version 2 and in the order given.
func Ask(needs []Need) []string {
	var list []string
	for _, n := range needs {
		list = append(list, Scope{Context: "system", Resource: n.Resource, Letters: n.Letters}.String())
	}
	return list
}

// spell names the interactions: "create, read and update".
func spell(letters string) string {
	var list []string
	for _, l := range letters {
		list = append(list, words[l])
	}
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:len(list)-1], ", ") + " and " + list[len(list)-1]
}

// normal puts letters into the order of version 2, each once.
func normal(letters string) string {
	var b strings.Builder
	for _, l := range all {
		if strings.ContainsRune(letters, l) {
			b.WriteRune(l)
		}
	}
	return b.String()
}
