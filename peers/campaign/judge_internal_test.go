package campaign

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// The acts of the tables, by the second in which they begin; each takes one.
func at(second int, a act) act {
	a.begin = time.Date(2026, 11, 24, 10, 0, second, 0, time.UTC)
	a.end = a.begin.Add(time.Second)
	return a
}

func staffAct(second int, a act) act { a.staff = true; return at(second, a) }

var assigned = view{Status: "assigned", Owner: "front-desk", Priority: "routine"}

func with(v view, change func(*view)) view { change(&v); return v }

func seeing(a act, saw view) act { a.saw = saw; return a }

// TestJudge says of each round what is right, and that everything else is wrong.
func TestJudge(t *testing.T) {
	shut := with(assigned, func(v *view) { v.Status, v.Outcome = closed, "spam" })
	apiClose := act{status: closed, outcomes: []string{"spam"}}
	staffEnd := act{status: closed, outcomes: []string{"completed-in-ehr", "answered-question"}}
	sawClosed := view{Status: closed}
	for _, c := range []struct {
		name   string
		before view
		acts   []act
		field  string
		want   []string
	}{
		{"nobody touched the owner", assigned, nil, "owner", []string{"front-desk"}},
		{"only staff", assigned, []act{staffAct(1, act{owner: "billing"}), staffAct(2, act{owner: "nurse"})}, "owner", []string{"nurse"}},
		{"only the API", assigned, []act{at(1, act{owner: "billing"}), at(2, act{owner: "nurse"})}, "owner", []string{"nurse"}},
		{"staff after the API", assigned, []act{at(1, act{owner: "billing"}), staffAct(2, act{owner: "nurse"})}, "owner", []string{"nurse"}},
		{"both at once", assigned, []act{at(1, act{owner: "billing"}), staffAct(1, act{owner: "nurse"})}, "owner", []string{"billing", "nurse"}},
		{"the API after staff", assigned, []act{staffAct(1, act{owner: "nurse"}), at(9, act{owner: "billing"})}, "owner", []string{"billing", "nurse"}},
		{"staff set what Ringback had written before", assigned, []act{at(1, act{owner: "nurse"}), at(3, act{owner: "billing"}), staffAct(5, act{owner: "nurse"})},
			"owner", []string{"billing", "nurse"}},
		{"staff go back to it, having seen what came after", assigned, []act{at(1, act{owner: "nurse"}), at(3, act{owner: "billing"}),
			staffAct(5, act{owner: "nurse", saw: view{Owner: "billing"}})}, "owner", []string{"nurse"}},
		{"staff put back what they found", assigned, []act{at(1, act{owner: "nurse"}), staffAct(2, act{owner: "front-desk", saw: view{Owner: "billing"}})},
			"owner", []string{"front-desk", "nurse"}},
		{"staff put back what they saw changed", assigned, []act{at(1, act{owner: "nurse"}), staffAct(2, act{owner: "front-desk", saw: view{Owner: "nurse"}})},
			"owner", []string{"front-desk"}},
		{"staff give it away as the API does at that moment, and give it back", assigned, []act{at(1, act{owner: "nurse"}), staffAct(1, act{owner: "nurse"}),
			staffAct(3, act{owner: "front-desk", saw: view{Owner: "nurse"}})}, "owner", []string{"front-desk", "nurse"}},

		{"staff lower what they saw raised", assigned, []act{at(1, act{priority: "urgent"}), staffAct(2, act{priority: "routine", saw: view{Priority: "urgent"}})},
			"priority", []string{"routine"}},
		{"staff set another, and did not see it raised", assigned, []act{at(1, act{priority: "urgent"}), staffAct(2, act{priority: "asap", saw: view{Priority: "routine"}})},
			"priority", []string{"asap", "urgent"}},

		{"nobody moved it", assigned, []act{staffAct(1, act{owner: "nurse"})}, "status", []string{"assigned"}},
		{"closed and opened again", assigned, []act{at(1, apiClose), at(2, act{status: "in-progress", reopens: true})}, "status", []string{"in-progress"}},
		{"staff end what is tried", assigned, []act{at(1, act{status: "in-progress"}), staffAct(1, staffEnd)}, "status", []string{closed}},
		{"staff end what is tried later", assigned, []act{staffAct(1, staffEnd), at(5, act{status: "in-progress"})}, "status", []string{closed}},
		{"ended in the EHR, opened through the API", assigned, []act{staffAct(1, staffEnd), at(5, act{status: "in-progress", reopens: true})}, "status", []string{closed, "in-progress"}},
		{"opened through the API, seen and ended in the EHR", shut, []act{at(1, act{status: "in-progress", reopens: true}),
			staffAct(5, seeing(staffEnd, view{Status: "in-progress"}))}, "status", []string{closed}},
		{"opened through the API, unseen, and ended once more in the EHR", shut, []act{at(1, act{status: "in-progress", reopens: true}),
			staffAct(5, staffEnd)}, "status", []string{closed, "in-progress"}},
		{"held by somebody who could not see it closed", assigned, []act{at(1, apiClose), staffAct(5, act{status: "waiting"})}, "status", []string{"waiting", closed}},
		{"opened by somebody who saw it closed", assigned, []act{at(1, apiClose), staffAct(5, act{status: "in-progress", saw: sawClosed})}, "status", []string{"in-progress"}},
		{"opened through the API, and ended in the EHR just as it was", assigned, []act{at(1, act{status: closed, outcomes: []string{"answered-question"}}),
			at(2, act{status: "in-progress", reopens: true}), staffAct(5, staffEnd)}, "status", []string{closed, "in-progress"}},
		{"opened through the API, and ended in the EHR in another way", assigned, []act{at(1, apiClose), at(2, act{status: "in-progress", reopens: true}),
			staffAct(5, staffEnd)}, "status", []string{closed}},
		{"put back", assigned, []act{staffAct(1, act{status: "in-progress"}), staffAct(2, act{status: "assigned"})}, "status", []string{"assigned"}},
		{"opened and put back", shut, []act{staffAct(1, act{status: "in-progress"}), staffAct(2, act{status: "assigned"})}, "status", []string{"assigned", "in-progress"}},
		{"ended, and the caller calls again", assigned, []act{at(1, act{calls: true}), staffAct(1, staffEnd)}, "status", []string{closed, "in-progress"}},

		{"nobody closed it anew", shut, []act{staffAct(1, act{owner: "nurse"})}, "outcome", []string{"spam"}},
		{"one of what staff said", assigned, []act{staffAct(1, staffEnd)}, "outcome", []string{"completed-in-ehr", "answered-question"}},
		{"the last that was said", assigned, []act{at(1, act{status: closed, outcomes: []string{"duplicate"}}), at(2, act{status: "in-progress"}), at(3, apiClose)}, "outcome", []string{"spam"}},
		{"ended by both", assigned, []act{at(1, apiClose), staffAct(1, staffEnd)}, "outcome", []string{"completed-in-ehr", "answered-question", "spam"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, v := range []string{"front-desk", "billing", "nurse", "routine", "urgent", "asap", "assigned", "in-progress", "waiting", closed,
				"spam", "duplicate", "completed-in-ehr", "answered-question"} {
				got := c.before
				switch c.field {
				case "owner":
					got.Owner = v
				case "priority":
					got.Priority = v
				case "status":
					got.Status = v
				case "outcome":
					got.Status, got.Outcome = closed, v
				}
				wrong := slices.ContainsFunc(judge(c.before, c.acts, got), func(w string) bool { return strings.HasPrefix(w, c.field) })
				if wrong == slices.Contains(c.want, v) {
					t.Errorf("%s %q is wrong: %v", c.field, v, wrong)
				}
			}
		})
	}
}

// agreed are a callback and its item that tell the same.
func agreed() (record, object, expectation) {
	r := record{Status: closed, Outcome: "patient-declined", Owner: "billing", Priority: "urgent",
		Timeline: []event{{Note: "n1", By: struct{ Kind string }{"ehr-staff"}}}}
	r.Attempts = append(r.Attempts, struct{ Note string }{"a1"})
	coding := func(system, code string) object { return object{"system": system, "code": code} }
	item := object{
		"status": "completed", "priority": "urgent", "owner": object{"reference": "Organization/billing"},
		"businessStatus": object{"coding": []any{coding(systemStatus, closed), coding(systemOutcome, "patient-declined")}},
		"output": []any{object{"type": object{"text": "theirs"}},
			object{"type": object{"coding": []any{coding(systemOutput, "outcome")}}, "valueCode": "patient-declined"}},
		"note": []any{object{"text": "Attempt 1: phone, no answer. a1"}, object{"text": "n1"}},
	}
	return r, item, expectation{owners: map[string]string{"billing": "Organization/billing"}, notes: []string{"n1"}, tries: []string{"a1"}}
}

// TestCompare breaks the agreement in every way.
func TestCompare(t *testing.T) {
	r, item, e := agreed()
	if wrong := compare(r, item, e); len(wrong) > 0 {
		t.Fatalf("the same on both sides, and %v", wrong)
	}
	for says, break1 := range map[string]func(*record, object, *expectation){
		"the item is cancelled":                          func(_ *record, i object, _ *expectation) { i["status"] = "cancelled" },
		"the callback is waiting":                        func(r *record, _ object, _ *expectation) { r.Status = "waiting" },
		"the callback is closed (spam)":                  func(r *record, _ object, _ *expectation) { r.Outcome = "spam" },
		"priority is stat":                               func(r *record, _ object, _ *expectation) { r.Priority = "stat" },
		"owner is nurse":                                 func(r *record, _ object, _ *expectation) { r.Owner = "nurse" },
		"and the item's is <nil>":                        func(_ *record, i object, _ *expectation) { delete(i, "owner") },
		"business status says waiting":                   func(_ *record, i object, _ *expectation) { set(i, systemStatus, "waiting") },
		`business status says "spam"`:                    func(_ *record, i object, _ *expectation) { set(i, systemOutcome, "spam") },
		"output says []":                                 func(_ *record, i object, _ *expectation) { delete(i, "output") },
		`"n1" of staff stands in the item 0 times`:       func(_ *record, i object, _ *expectation) { i["note"] = list(i["note"])[:1] },
		`"n1" of staff stands in the item 2 times`:       func(_ *record, i object, _ *expectation) { i["note"] = append(list(i["note"]), list(i["note"])[1]) },
		`"n1" of staff stands in the timeline 0 times`:   func(r *record, _ object, _ *expectation) { r.Timeline = nil },
		`"n1" of staff stands in the timeline 2 times`:   func(r *record, _ object, _ *expectation) { r.Timeline = append(r.Timeline, r.Timeline[0]) },
		`"Attempt 1:" stands in the item 0 times`:        func(_ *record, i object, _ *expectation) { i["note"] = list(i["note"])[1:] },
		`"Attempt 1:" stands in the item 2 times`:        func(_ *record, i object, _ *expectation) { i["note"] = append(list(i["note"]), list(i["note"])[0]) },
		`the attempt "a1" stands in the ledger 2 times`:  func(r *record, _ object, _ *expectation) { r.Attempts = append(r.Attempts, r.Attempts[0]) },
		"1 attempts were recorded, and the ledger has 0": func(r *record, _ object, _ *expectation) { r.Attempts = nil },
		"0 attempts were recorded, and the ledger has 1": func(_ *record, _ object, e *expectation) { e.tries = nil },
		`the attempt "a2" stands in the ledger 0 times`:  func(_ *record, _ object, e *expectation) { e.tries = []string{"a2"} },
		`"n2" of staff stands in the timeline 0 times`:   func(_ *record, _ object, e *expectation) { e.notes = []string{"n2"} },
		`outcome is "", and the item's business status`:  func(r *record, _ object, _ *expectation) { r.Outcome = "" },
		`outcome is "patient-declined", and the item's out`: func(_ *record, i object, _ *expectation) {
			i["output"] = append(list(i["output"]), list(i["output"])[1])
		},
	} {
		r, item, e := agreed()
		break1(&r, item, &e)
		if wrong := fmt.Sprint(compare(r, item, e)); !strings.Contains(wrong, says) {
			t.Errorf("should say %q: %s", says, wrong)
		}
	}
	r, item, e = agreed()
	item["status"], e.endedAs = "cancelled", "cancelled"
	if wrong := compare(r, item, e); len(wrong) > 0 {
		t.Errorf("staff have ended it their way, and %v", wrong)
	}
}

// set changes a code of the business status.
func set(item object, system, code string) {
	for _, k := range list(member(item["businessStatus"], "coding")) {
		if o, ok := k.(object); ok && o["system"] == system {
			o["code"] = code
		}
	}
}
