package matching

import (
	"slices"
	"strings"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/redact"
)

// Query is one way to look for a callback's chart.
type Query struct {
	Ask callback.PatientQuery
	How string // what identifies, in machine words
	// Identifies says that a single answer is certain. A phone number alone never
	// identifies: whole families share one.
	Identifies bool
}

// Queries returns how the callback's chart can be looked for, surest first. None
// means that nothing is known to search by.
func Queries(c callback.Callback) []Query {
	var qs []Query
	keys, caller := c.Patient.Keys, c.Caller
	if !keys.EHRID.IsEmpty() {
		qs = append(qs, Query{callback.PatientQuery{ID: keys.EHRID}, "ehr-id", true})
	}
	if !keys.MRN.IsEmpty() {
		qs = append(qs, Query{callback.PatientQuery{MRN: keys.MRN}, "mrn", true})
	}
	named := !caller.Name.IsEmpty()
	if named && !caller.BirthDate.IsEmpty() {
		qs = append(qs, Query{callback.PatientQuery{Name: caller.Name, BirthDate: caller.BirthDate}, "name+birthdate", true})
	}
	if !caller.Phone.IsEmpty() {
		how, sure := "phone-only", false
		if named {
			how, sure = "phone+name", true
		}
		qs = append(qs, Query{callback.PatientQuery{Phone: caller.Phone}, how, sure})
	}
	return qs
}

// Resolve says what the charts that a query found mean for the callback. Merged
// charts count as the one they were merged into, inactive ones not at all.
func Resolve(c callback.Callback, q Query, charts []callback.Chart) callback.Patient {
	p := callback.Patient{Keys: c.Patient.Keys, Resolution: callback.NoChart, How: q.How}
	var ids []redact.Text
	for _, ch := range charts {
		id := ch.ID
		if !ch.MergedInto.IsEmpty() {
			id = ch.MergedInto
		} else if ch.Inactive {
			continue
		}
		if q.How == "phone+name" && !SameName(ch.Name, c.Caller.Name) {
			continue
		}
		if contradicts(c, ch) {
			continue
		}
		if !slices.ContainsFunc(ids, id.Equal) {
			ids = append(ids, id)
		}
	}
	switch {
	case len(ids) == 0 && len(charts) > 0 && q.How == "phone+name":
		p.Resolution, p.How = callback.Ambiguous, "phone-only"
	case len(ids) == 0:
	case len(ids) == 1 && q.Identifies:
		p.Resolution, p.Keys.EHRID = callback.Certain, ids[0]
	case len(ids) == 1:
		p.Resolution, p.Candidate = callback.Ambiguous, ids[0]
	default:
		p.Resolution = callback.Ambiguous
	}
	return p
}

// contradicts reports whether the chart says another date of birth than the caller.
func contradicts(c callback.Callback, ch callback.Chart) bool {
	return !ch.BirthDate.IsEmpty() && !c.Caller.BirthDate.IsEmpty() && !ch.BirthDate.Equal(c.Caller.BirthDate)
}

// SameName reports whether two names have the same words, in any order, but for
// letter case and punctuation.
func SameName(a, b redact.Text) bool {
	return slices.Equal(nameWords(a), nameWords(b)) && len(nameWords(a)) > 0
}

func nameWords(t redact.Text) []string {
	words := strings.FieldsFunc(strings.ToLower(t.Reveal()), func(r rune) bool {
		return strings.ContainsRune(" .,;'\"-\t\n", r)
	})
	slices.Sort(words)
	return words
}
