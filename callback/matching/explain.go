package matching

import (
	"slices"
	"strings"

	"github.com/ringback-health/ringback/callback"
)

// Explain says in one sentence, free of PHI, why the callback stands as it does: what
// closed it, what a person has to look at, or why no visit has closed it.
func Explain(in Input) string {
	r := in.Record
	if r.Status == callback.Closed {
		return closedBecause(r)
	}
	if r.Review {
		return "Open, for a person to look at: " + reviewBecause(r)
	}
	how := "Open"
	if e, ok := lastOf(r, callback.EventReopened); ok {
		how = "Open again (" + strings.TrimSuffix(lowerFirst(e.Detail), ".") + ")"
	}
	return how + ": " + in.openBecause() + "."
}

func closedBecause(r callback.Record) string {
	for _, ev := range r.Evidence {
		if ev.State == callback.Credited {
			return "Closed: " + lowerFirst(ev.Sentence)
		}
	}
	e, ok := lastOf(r, callback.EventClosed)
	if changed, later := lastOf(r, callback.EventVisitChanged); later && changed.Seq > e.Seq {
		return "Closed: " + lowerFirst(changed.Detail)
	}
	if !ok {
		return "Closed."
	}
	who := string(e.By.Kind)
	if e.By.Name != "" {
		who += " " + e.By.Name
	}
	return "Closed by " + who + ": " + strings.TrimSuffix(e.Detail, ".") + "."
}

func reviewBecause(r callback.Record) string {
	e, asked := lastOf(r, callback.EventReviewAsked)
	shown := slices.IndexFunc(r.Evidence, func(ev callback.Evidence) bool {
		return ev.State == callback.Shown && (!asked || ev.Sentence == e.Detail)
	})
	switch {
	case shown >= 0:
		return lowerFirst(r.Evidence[shown].Sentence)
	case asked:
		return strings.TrimSuffix(lowerFirst(e.Detail), ".") + "."
	default:
		return "nobody said why."
	}
}

// openBecause says why no visit has closed the callback.
func (in Input) openBecause() string {
	p := in.Record.Patient
	switch {
	case !in.Rules.AnsweredByVisit(in.Record.Category):
		return phrases["no-visit-answers-this-category"] + ", so a person closes it"
	case p.How == testPatient:
		return phrases["test-patient"] + ", and no visit closes such a callback"
	}
	in.Appointments = latest(in.Appointments)
	if ev, _ := in.weigh(); ev.Verdict != "" {
		return "a visit that answers it was seen a moment ago, and it is closed when nobody is dealing with its other calls any more"
	}
	best := -1
	for _, a := range in.Appointments {
		for _, reason := range in.Judge(a).Reasons {
			best = max(best, slices.Index(closest, reason))
		}
	}
	switch {
	case best >= 0:
		return "a visit was seen, but " + phrases[closest[best]]
	case p.Resolution == callback.Certain:
		return "no visit of the patient was seen that was booked after the request"
	case p.Resolution == callback.NoChart:
		return "the EHR has no chart yet that fits the caller, so no visit can be held against it"
	case p.Resolution == callback.Ambiguous:
		return "it is not certain whose chart the caller's is, so no visit can be held against it"
	default:
		return "the caller's chart was not looked for yet"
	}
}

// closest are the reasons why a visit is no answer, the one last that would be the most
// surprising to whoever sees that visit.
var closest = []string{"took-place-before-request", "known-before-request", "booked-before-request", "not-booked", "test-patient",
	"booked-too-late", "answered-before-reopening", "visit-to-be-moved", "answers-another-callback", "refused-by-a-person"}

func lastOf(r callback.Record, kind callback.EventKind) (callback.Event, bool) {
	for _, e := range slices.Backward(r.Timeline) {
		if e.Kind == kind {
			return e, true
		}
	}
	return callback.Event{}, false
}

func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}
