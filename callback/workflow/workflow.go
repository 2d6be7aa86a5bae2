// Package workflow is the clinic's own rules: which category and priority a
// request gets, when it is due, who answers it, what is a repeat of what, and
// which visits answer which category. Pure: the rules are a value, the time is
// passed in.
//
// Which appointment answers which callback is decided in matching; when
// something is due by the clock of the clinic is computed in businesstime.
package workflow

import (
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/businesstime"
)

// Rules is the workflow of one clinic.
type Rules struct {
	Calendar   businesstime.Calendar
	Categories map[callback.Category]CategoryRule
	// Fallback is who gets what has no owner of its own.
	Fallback string
	// ReopenOnCallWithin is how long after closing a further call of the same
	// person opens the callback again instead of making a new one.
	ReopenOnCallWithin time.Duration
	// AttributionWindow is how long after the request a booked visit still counts
	// as its answer.
	AttributionWindow time.Duration
	// ReopenOnCancelWithin is how long after closing a visit that falls through
	// opens the callback again.
	ReopenOnCancelWithin time.Duration
	// ClockSkew is how far the EHR's clock may be from that of whoever took the
	// request. A booking that close to the request, by the EHR's word alone, is
	// neither before nor after it.
	ClockSkew time.Duration
	// TestCharts are ids of charts in the EHR, and TestNames words in names of charts
	// and callers, that are made up for testing: no visit of theirs closes anything.
	TestCharts []string
	TestNames  []string
}

// CategoryRule is what holds for one category.
type CategoryRule struct {
	Target   time.Duration // business time until the first attempt is due
	Days     int           // or, when Target is 0, business days
	Owner    string        // empty: the fallback
	Priority callback.Priority
	// Words suggest the category when the source did not name one, lower case.
	Words []string
	// Visit says that a booked visit answers it. Kinds narrows it to visits of
	// these kinds (codes or texts, lower case); empty means any kind.
	Visit bool
	Kinds []string
	// Moves says that it is about a visit that is booked already: one that is moved
	// after the request answers it, and one more beside it may not.
	Moves bool
}

// Default returns the rules that hold where a clinic says nothing else. The
// targets and windows are recommendations of the callback workflow; no
// published norm for them was found.
func Default(cal businesstime.Calendar) Rules {
	return Rules{
		Calendar: cal,
		Fallback: "front-desk",
		Categories: map[callback.Category]CategoryRule{
			callback.NewPatient: {Target: time.Hour, Priority: callback.Urgent, Visit: true,
				Words: []string{"new patient", "first visit", "first appointment", "accepting patients", "paciente nuevo", "primera cita"}},
			callback.ExistingScheduling: {Target: 2 * time.Hour, Priority: callback.Routine, Visit: true,
				Words: []string{"appointment", "schedule", "book", "follow-up", "follow up", "cita"}},
			callback.RescheduleCancel: {Target: 2 * time.Hour, Priority: callback.Routine, Visit: true, Moves: true,
				Words: []string{"reschedule", "cancel", "move my appointment", "change my appointment", "cambiar mi cita", "cancelar"}},
			callback.BenefitsBilling: {Days: 1, Priority: callback.Routine, Owner: "billing",
				Words: []string{"insurance", "benefits", "coverage", "copay", "deductible", "bill", "invoice", "seguro", "factura"}},
			callback.Clinical: {Target: 15 * time.Minute, Priority: callback.ASAP, Owner: "clinical",
				Words: []string{"pain", "bleeding", "emergency", "suicid", "chest", "breath", "overdose", "fever", "dolor", "emergencia", "sangr"}},
			callback.RecordsReferral: {Target: 4 * time.Hour, Priority: callback.Routine,
				Words: []string{"records", "referral", "fax", "expediente"}},
			callback.Other:           {Target: 4 * time.Hour, Priority: callback.Routine, Visit: true},
			callback.SpamWrongNumber: {Days: 1, Priority: callback.Routine},
		},
		ReopenOnCallWithin:   24 * time.Hour,
		AttributionWindow:    14 * 24 * time.Hour,
		ReopenOnCancelWithin: 7 * 24 * time.Hour,
		// Computers of one Windows domain are at most five minutes apart (Kerberos,
		// maximum tolerance for clock synchronisation).
		ClockSkew: 5 * time.Minute,
		TestNames: []string{"zztest", "zzztest"},
	}
}

// AnsweredByVisit reports whether a booked visit can answer a callback of c.
func (r Rules) AnsweredByVisit(c callback.Category) bool { return r.Categories[c].Visit }

// FitsVisit reports whether a visit of one of the kinds answers a callback of c.
func (r Rules) FitsVisit(c callback.Category, kinds []string) bool {
	rule := r.Categories[c]
	if !rule.Visit || len(rule.Kinds) == 0 {
		return rule.Visit
	}
	return slices.ContainsFunc(kinds, func(k string) bool { return slices.Contains(rule.Kinds, k) })
}

// TestChart reports whether the chart with the id in the EHR is made up for testing.
func (r Rules) TestChart(id string) bool { return id != "" && slices.Contains(r.TestCharts, id) }

// TestName reports whether one of the words of a name says that it is made up for
// testing; the words are as names.Words gives them.
func (r Rules) TestName(words []string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return slices.Contains(r.TestNames, w) })
}

// order is in which the words of the categories are looked for: what costs most
// to overlook comes first, and narrow categories come before wide ones.
var order = []callback.Category{callback.Clinical, callback.RescheduleCancel, callback.BenefitsBilling,
	callback.RecordsReferral, callback.NewPatient, callback.ExistingScheduling}

// Triage is what was decided about a new request.
type Triage struct {
	Category callback.Category
	Priority callback.Priority
	Owner    string
	DueAt    time.Time
	Why      string // machine words, free of PHI
}

// BySource is how Triage.Why begins where the source told the category.
const BySource = "category by source"

// Triage decides about a request. The source's own category stands; words in the
// text can only raise the priority of it, never lower it.
func (r Rules) Triage(req callback.Request) Triage {
	t := Triage{Category: req.Category, Why: BySource}
	found := r.suggested(req.Text.Reveal())
	if t.Category == "" {
		switch {
		case len(found) > 0 && found[0] == callback.Clinical:
			t.Category, t.Why = callback.Clinical, "category by words"
		case req.NewPatient == callback.Yes:
			t.Category, t.Why = callback.NewPatient, "category by new patient"
		case len(found) > 0:
			t.Category, t.Why = found[0], "category by words"
		default:
			t.Category, t.Why = callback.Other, "no category told"
		}
	}
	rule := r.Categories[t.Category]
	t.Priority = rule.Priority
	if !t.Priority.Valid() {
		t.Priority = callback.Routine
	}
	target := rule
	if clinical := r.Categories[callback.Clinical]; slices.Contains(found, callback.Clinical) && clinical.Priority.Above(t.Priority) {
		t.Priority, target = clinical.Priority, clinical
		t.Why += ", raised by clinical words"
	}
	if t.Owner = rule.Owner; t.Owner == "" {
		t.Owner = r.Fallback
	}
	t.DueAt = r.due(req.ReceivedAt, target)
	return t
}

func (r Rules) due(from time.Time, rule CategoryRule) time.Time {
	if rule.Target > 0 {
		return r.Calendar.Add(from, rule.Target)
	}
	return r.Calendar.AddDays(from, rule.Days)
}

// suggested returns the categories whose words stand in the text, in order.
func (r Rules) suggested(text string) []callback.Category {
	text = strings.ToLower(text)
	var found []callback.Category
	for _, c := range order {
		if slices.ContainsFunc(r.Categories[c].Words, func(w string) bool { return hasWord(text, w) }) {
			found = append(found, c)
		}
	}
	return found
}

// hasWord reports whether w stands in text at the start of a word.
func hasWord(text, w string) bool {
	for from := 0; ; {
		i := strings.Index(text[from:], w)
		if i < 0 {
			return false
		}
		i += from
		if i == 0 || !isLetter(text[:i]) {
			return true
		}
		from = i + len(w)
	}
}

func isLetter(before string) bool {
	runes := []rune(before)
	return unicode.IsLetter(runes[len(runes)-1])
}
