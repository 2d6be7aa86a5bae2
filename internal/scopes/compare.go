package scopes

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Access is interactions with one type of resource.
type Access struct {
	Resource string `json:"resource"` // "*": all types
	Letters  string `json:"letters"`  // some of cruds
}

func (a Access) subject() string {
	if a.Resource == "*" {
		return "all types of resources"
	}
	return a.Resource
}

// Difference is what stands between what is needed and what was granted.
type Difference struct {
	Missing []Access `json:"missing,omitempty"` // needed and not granted
	// Partial is needed and granted only for some resources: those of a query, or
	// those of one patient.
	Partial []Access `json:"partial,omitempty"`
	Surplus []Access `json:"surplus,omitempty"` // granted and not needed
	// Other are granted scopes that are not for FHIR resources, or not understood.
	Other []string `json:"other,omitempty"`
}

// Compare holds the granted scopes against the needs.
func Compare(needs []Need, granted []string) Difference {
	var d Difference
	var held []Scope
	for _, text := range granted {
		if s, ok := Parse(text); ok {
			held = append(held, s)
		} else {
			d.Other = append(d.Other, text)
		}
	}
	needed := map[string]string{} // letters by resource
	for _, n := range needs {
		needed[n.Resource] = normal(needed[n.Resource] + n.Letters)
	}
	for resource, letters := range needed {
		missing, partial := "", ""
		for _, l := range letters {
			switch {
			case slices.ContainsFunc(held, func(s Scope) bool { return s.covers(resource, l) }):
			case slices.ContainsFunc(held, func(s Scope) bool { return s.touches(resource, l) }):
				partial += string(l)
			default:
				missing += string(l)
			}
		}
		d.Missing = add(d.Missing, resource, missing)
		d.Partial = add(d.Partial, resource, partial)
	}
	for _, s := range held {
		d.Surplus = add(d.Surplus, s.Resource, without(s.Letters, needed[s.Resource]))
	}
	for _, list := range [][]Access{d.Missing, d.Partial, d.Surplus} {
		slices.SortFunc(list, func(a, b Access) int { return cmp.Compare(a.Resource, b.Resource) })
	}
	return d
}

// add puts letters to those that the list has for the resource.
func add(list []Access, resource, letters string) []Access {
	if letters == "" {
		return list
	}
	for i := range list {
		if list[i].Resource == resource {
			list[i].Letters = normal(list[i].Letters + letters)
			return list
		}
	}
	return append(list, Access{resource, letters})
}

// without returns the letters that are not in other.
func without(letters, other string) string {
	return strings.Map(func(l rune) rune {
		if strings.ContainsRune(other, l) {
			return -1
		}
		return l
	}, letters)
}

// Enough reports whether everything that is needed was granted.
func (d Difference) Enough() bool { return len(d.Missing) == 0 && len(d.Partial) == 0 }

// Lines says the difference in words, one line for each type of resource; none when
// there is no difference.
func (d Difference) Lines() []string {
	var lines []string
	for _, a := range d.Missing {
		lines = append(lines, fmt.Sprintf("needed and not granted: %s %s", spell(a.Letters), a.subject()))
	}
	for _, a := range d.Partial {
		lines = append(lines, fmt.Sprintf("needed and granted only in part: %s %s; the scope is limited by a query or to one patient", spell(a.Letters), a.subject()))
	}
	for _, a := range d.Surplus {
		lines = append(lines, fmt.Sprintf("granted and not needed: %s %s", spell(a.Letters), a.subject()))
	}
	if len(d.Other) > 0 {
		lines = append(lines, "granted and of no use here: "+strings.Join(d.Other, " "))
	}
	return lines
}
