package matching

import (
	"slices"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/names"
	"github.com/ringback-health/ringback/callback/workflow"
	"github.com/ringback-health/ringback/internal/redact"
)

// Query is one way to look for a callback's chart.
type Query struct {
	Ask callback.PatientQuery
	How string // what is searched by, in machine words
}

// What a chart is searched by, and what makes one certain or not; callback.Patient.How
// holds them.
const (
	byID          = "ehr-id"
	byMRN         = "mrn"
	byNameBirth   = "name+birthdate"
	byPhoneName   = "phone+name"
	byPhone       = "phone-only"
	bySimilarName = "similar-name+birthdate"

	phoneBirth  = "phone+birthdate"
	phoneOther  = "phone, another name"
	phoneSimil  = "phone+similar-name"
	otherBirth  = "phone+name, another birth date"
	otherName   = "of another name"
	nothingSaid = "nothing-to-search-by"
	testPatient = "test-patient"
)

// Queries returns how the callback's chart can be looked for, surest first. None
// means that nothing is known to search by.
func Queries(c callback.Callback) []Query {
	var qs []Query
	keys, caller := c.Patient.Keys, c.Caller
	if !keys.EHRID.IsEmpty() {
		qs = append(qs, Query{callback.PatientQuery{ID: keys.EHRID}, byID})
	}
	if !keys.MRN.IsEmpty() {
		qs = append(qs, Query{callback.PatientQuery{MRN: keys.MRN}, byMRN})
	}
	named := !caller.Name.IsEmpty() && !caller.BirthDate.IsEmpty()
	if named {
		qs = append(qs, Query{callback.PatientQuery{Name: caller.Name, BirthDate: caller.BirthDate}, byNameBirth})
	}
	if !caller.Phone.IsEmpty() {
		how := byPhone
		if !caller.Name.IsEmpty() {
			how = byPhoneName
		}
		qs = append(qs, Query{callback.PatientQuery{Phone: caller.Phone}, how})
	}
	if named {
		qs = append(qs, Query{callback.PatientQuery{Name: caller.Name, BirthDate: caller.BirthDate, Similar: true}, bySimilarName})
	}
	return qs
}

// Resolve says what the charts that a query found mean for the callback. Merged charts
// count as the one they were merged into; inactive ones, and those that are made up for
// testing, not at all.
//
// Certain is one chart that an id, a chart number, name and birth date, phone and name,
// or phone and birth date tell from all others. A phone number alone never identifies:
// whole families share one. A name that is only similar never does either, but for a
// patient born on the day told, on the number told, of whom there is one.
func Resolve(c callback.Callback, q Query, charts []callback.Chart, rules workflow.Rules) callback.Patient {
	found, madeUp := candidates(c, charts, rules)
	none := callback.Patient{Keys: c.Patient.Keys, Resolution: callback.NoChart, How: q.How}
	if len(found) == 0 && madeUp {
		none.How = testPatient
		return none
	}
	if len(found) == 0 {
		return none
	}
	s := search{callback: c, found: found}
	switch q.How {
	case byMRN:
		return s.byNumber()
	case byPhone, byPhoneName:
		return s.byPhone()
	case bySimilarName:
		return s.ambiguous(s.agreeing(), q.How)
	default:
		return s.one(s.agreeing(), q.How)
	}
}

// search weighs what one query found.
type search struct {
	callback callback.Callback
	found    []callback.Chart
}

// candidates are the charts that count, one per person, under the id that they are kept
// under now.
func candidates(c callback.Callback, charts []callback.Chart, rules workflow.Rules) (found []callback.Chart, madeUp bool) {
	for _, ch := range charts {
		if ch.Test || rules.TestChart(ch.ID.Reveal()) || rules.TestName(wordsOf(ch)) {
			madeUp = true
			continue
		}
		if !ch.MergedInto.IsEmpty() {
			ch.ID = ch.MergedInto
		} else if ch.Inactive {
			continue
		}
		i := slices.IndexFunc(found, func(o callback.Chart) bool { return o.ID.Equal(ch.ID) })
		switch {
		case i < 0:
			found = append(found, ch)
		case names.OfChart(c.Caller.Name, ch) > names.OfChart(c.Caller.Name, found[i]):
			found[i] = ch
		}
	}
	return found, madeUp
}

func wordsOf(ch callback.Chart) []string {
	words := names.Words(ch.Name)
	for _, n := range ch.Names {
		words = append(words, names.Words(n.Family)...)
		words = append(words, names.Words(n.Text)...)
		for _, g := range n.Given {
			words = append(words, names.Words(g)...)
		}
	}
	return words
}

// one makes the only chart certain.
func (s search) one(charts []callback.Chart, how string) callback.Patient {
	if len(charts) != 1 {
		return s.ambiguous(charts, how)
	}
	p := callback.Patient{Keys: s.callback.Patient.Keys, Resolution: callback.Certain, How: how}
	p.Keys.EHRID = charts[0].ID
	return p
}

// ambiguous makes the only chart a candidate, and says of none that there is no chart.
func (s search) ambiguous(charts []callback.Chart, how string) callback.Patient {
	p := callback.Patient{Keys: s.callback.Patient.Keys, Resolution: callback.Ambiguous, How: how}
	switch len(charts) {
	case 0:
		p.Resolution = callback.NoChart
	case 1:
		p.Candidate = charts[0].ID
	}
	return p
}

// agreeing are the charts that do not say another date of birth than the caller.
func (s search) agreeing() []callback.Chart {
	return s.those(func(ch callback.Chart) bool {
		born := s.callback.Caller.BirthDate
		return born.IsEmpty() || ch.BirthDate.IsEmpty() || born.Equal(ch.BirthDate)
	})
}

func (s search) those(fit func(callback.Chart) bool) []callback.Chart {
	var fitting []callback.Chart
	for _, ch := range s.found {
		if fit(ch) {
			fitting = append(fitting, ch)
		}
	}
	return fitting
}

// byNumber: a chart number may have been mistyped and be somebody else's. Where nothing
// else that is known of the caller fits the chart, a person has to look.
func (s search) byNumber() callback.Patient {
	charts := s.agreeing()
	caller := s.callback.Caller
	if len(charts) != 1 || caller.Name.IsEmpty() {
		return s.one(charts, byMRN)
	}
	ch := charts[0]
	fits := names.OfChart(caller.Name, ch) != names.Different || s.born(ch) ||
		!caller.Phone.IsEmpty() && slices.ContainsFunc(ch.Phones, caller.Phone.Equal) ||
		slices.ContainsFunc(names.Words(caller.Name), func(w string) bool { return len(w) > 1 && slices.Contains(wordsOf(ch), w) })
	if !fits {
		return s.ambiguous(charts, byMRN+" "+otherName)
	}
	return s.one(charts, byMRN)
}

// born reports whether the chart says the very date of birth that the caller said.
func (s search) born(ch callback.Chart) bool {
	return !ch.BirthDate.IsEmpty() && ch.BirthDate.Equal(s.callback.Caller.BirthDate)
}

// byPhone picks one of those who share the number.
func (s search) byPhone() callback.Patient {
	name := s.callback.Caller.Name
	like := func(l names.Likeness) func(callback.Chart) bool {
		return func(ch callback.Chart) bool { return names.OfChart(name, ch) == l }
	}
	agreeing := search{s.callback, s.agreeing()}
	born := search{s.callback, s.those(s.born)}
	same, similar := agreeing.those(like(names.Same)), agreeing.those(like(names.Similar))
	switch {
	case len(same) > 0:
		return s.one(same, byPhoneName)
	case len(born.found) == 1:
		// A name written differently, or a parent's name with the child's birth date.
		return s.one(born.found, phoneBirth)
	case len(similar) > 0:
		return s.ambiguous(similar, phoneSimil)
	case len(s.those(like(names.Same))) > 0:
		return s.maybe(s.those(like(names.Same)), otherBirth)
	case name.IsEmpty():
		return s.maybe(agreeing.found, byPhone)
	default:
		return s.maybe(agreeing.found, phoneOther)
	}
}

// maybe is ambiguous also where no chart is left: somebody has that number.
func (s search) maybe(charts []callback.Chart, how string) callback.Patient {
	p := s.ambiguous(charts, how)
	p.Resolution = callback.Ambiguous
	return p
}

// NotSearched is what is known of a chart when there is nothing to search by.
func NotSearched(c callback.Callback) callback.Patient {
	return callback.Patient{Keys: c.Patient.Keys, Resolution: callback.NoChart, How: nothingSaid}
}

// Better returns the answer of two queries that says more: one that is certain, else one
// that names a candidate, else one that found charts at all, else the first.
func Better(p, q callback.Patient) callback.Patient {
	value := func(p callback.Patient) int {
		switch {
		case p.Resolution == callback.Certain:
			return 3
		case !p.Candidate.IsEmpty():
			return 2
		case p.Resolution == callback.Ambiguous:
			return 1
		default:
			return 0
		}
	}
	if value(q) > value(p) {
		return q
	}
	return p
}

// Moved reports whether the chart that a callback is bound to was merged into another
// one, given what the EHR says of it, and under which id it is kept now.
func Moved(bound redact.Text, charts []callback.Chart) (redact.Text, bool) {
	for _, ch := range charts {
		if ch.ID.Equal(bound) && !ch.MergedInto.IsEmpty() && !ch.MergedInto.Equal(bound) {
			return ch.MergedInto, true
		}
	}
	return redact.Text{}, false
}
