package mapping_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/mapping"
)

// TestCodesArePinned: these names stand in EHRs. Whoever changes one loses the
// work items that are there.
func TestCodesArePinned(t *testing.T) {
	const base = "https://ringback-health.github.io/fhir/CodeSystem/"
	for got, want := range map[string]string{
		mapping.SystemTaskKind: base + "task-kind", mapping.SystemCategory: base + "callback-category",
		mapping.SystemStatus: base + "callback-status", mapping.SystemOutcome: base + "callback-outcome",
		mapping.SystemInput: base + "callback-input", mapping.SystemOutput: base + "callback-output",
		mapping.KindCallback: "callback", callback.MarkerSystem: "urn:ietf:rfc:3986",
		mapping.InputNumber: "callback-number", mapping.InputName: "caller-name", mapping.InputBirthDate: "caller-birth-date",
		mapping.InputPreferred: "preferred-time", mapping.InputVisitKind: "visit-kind",
		mapping.OutputOutcome: "outcome", mapping.OutputVisit: "booked-appointment",
	} {
		if got != want {
			t.Errorf("%s has become %s", want, got)
		}
	}
	if m := taskLink.Marker(); m != "urn:uuid:01920000-0000-7000-8000-000000000001" {
		t.Errorf("the marker has become %s", m)
	}
}

// TestEveryCodeHasATitle: a code without one would show up as an empty line in an
// inbox. The document for operators is written from the same titles.
func TestEveryCodeHasATitle(t *testing.T) {
	doc := codesDocument(t)
	if strings.Contains(doc, "|  |") {
		t.Errorf("a code has no title:\n%s", doc)
	}
	const path = "../docs/fhir-codes.md"
	if *update {
		if err := os.WriteFile(path, []byte(doc), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, []byte(doc)) {
		t.Errorf("%s does not say what the code does; go test ./mapping -update", path)
	}
}

const codesIntro = `# Codes that Ringback writes into an EHR

Ringback files each callback as a FHIR R4 Task, or as the [next best kind](rungs.md), and, where it is set up to, proposes the visit as
an Appointment. This page lists the codes in them, for whoever builds a work list, a report or a rule in the EHR on top. The names never change. The page is written by
` + "`go test ./mapping -update`" + `.

Every Task carries ` + "`%s|%s`" + ` in ` + "`Task.code`" + `; a
Communication, ServiceRequest or DocumentReference carries it in a category of its own. Every resource that Ringback has written carries
an identifier with the system ` + "`%s`" + ` and a value that begins with ` + "`urn:uuid:`" + `,
except Communications where the settings put it elsewhere.

## What staff can tell Ringback

| in the EHR | what Ringback does |
|---|---|
| status received, accepted | nothing; somebody has seen it |
| status in-progress, on-hold | the callback is in progress, or waits for the patient |
| status completed, cancelled, entered-in-error | the callback is closed |
| status ready, accepted again after that | the callback is open again |
| status rejected, failed | the callback stays open and a person is asked to look |
| any other status, or a modifier extension | the Task is left alone and shown as stuck |
| outcome, in the same edit that ends the Task: as text of the business status or the status reason, or as an output named "outcome" | the callback closes with it. The codes and the titles below are understood |
| for, owner, priority | taken over |
| focus, or an output that refers to an Appointment | that visit answers the callback |
| an Appointment whose supporting information refers to the Task | the same |
| notes | taken over; nothing is removed |

The due window (restriction.period) comes from the clinic's workflow file; staff may move its end. [Two-way](two-way.md) says who wins
where both sides change something.

## The same in the other kinds

| in a Task | Communication | ServiceRequest | DocumentReference |
|---|---|---|---|
| status: ready | preparation | active | current |
| in-progress | in-progress | active | current |
| on-hold | on-hold | on-hold | current |
| completed | completed | completed | superseded |
| cancelled | not-done (stopped is read as well) | revoked | superseded |
| entered-in-error | entered-in-error | entered-in-error | entered-in-error |
| business status | status reason | | |
| code | a category | a category | a category |
| for | subject | subject | subject |
| owner | the first recipient | the first performer | |
| priority | priority | priority | |
| restriction.period | | occurrencePeriod | |
| focus, outputs that are appointments | about | supportingInfo | context.related |
| inputs and description | the text of the payload | a note that begins with "Request:" | the text of the document |
| notes | notes | notes | |

A Communication of the form "message" is completed from the beginning, and only what its state extension says is read.
`

func codesDocument(t *testing.T) string {
	var doc strings.Builder
	fmt.Fprintf(&doc, codesIntro, mapping.SystemTaskKind, mapping.KindCallback, callback.MarkerSystem)
	section := func(system, where string, codes []string, title func(code string) string) {
		fmt.Fprintf(&doc, "\n## %s\n%s\n\n| code | title |\n|---|---|\n", system[strings.LastIndex(system, "/")+1:], where)
		for _, c := range codes {
			fmt.Fprintf(&doc, "| %s | %s |\n", c, title(c))
		}
	}
	w := func(c callback.Callback) string {
		c.Priority = callback.Routine
		if c.Category == "" {
			c.Category = callback.Other
		}
		if c.Status == "" {
			c.Status = callback.Captured
		}
		return string(taskJSON(t, callback.WorkItem{Link: taskLink, Callback: c, Visit: "1"}))
	}
	section(mapping.SystemCategory, "In Task.code, or the category of the other kinds: what the caller wants. System `"+mapping.SystemCategory+"`.", names(callback.Categories),
		func(c string) string { return display(t, w(callback.Callback{Category: callback.Category(c)}), c) })
	section(mapping.SystemStatus, "In Task.businessStatus and Communication.statusReason. System `"+mapping.SystemStatus+"`.", names(callback.Statuses),
		func(c string) string {
			return display(t, w(callback.Callback{Status: callback.Status(c), Outcome: callback.Booked}), c)
		})
	section(mapping.SystemOutcome, "In Task.output and Task.businessStatus of a Task that has ended, in Communication.statusReason, and in Appointment.cancelationReason of a proposal that was withdrawn. System `"+mapping.SystemOutcome+"`.",
		names(callback.ClosingOutcomes), func(c string) string {
			return display(t, w(callback.Callback{Status: callback.Closed, Outcome: callback.Outcome(c)}), c)
		})
	full := callback.Callback{Caller: webform().Caller, VisitKind: "visit", Preferred: webform().Preferred}
	section(mapping.SystemInput, "In Task.input.type. What is not known is left out. System `"+mapping.SystemInput+"`.",
		[]string{mapping.InputNumber, mapping.InputName, mapping.InputBirthDate, mapping.InputVisitKind, mapping.InputPreferred},
		func(c string) string { return display(t, w(full), c) })
	section(mapping.SystemOutput, "In Task.output.type. System `"+mapping.SystemOutput+"`.", []string{mapping.OutputOutcome, mapping.OutputVisit},
		func(c string) string {
			return display(t, w(callback.Callback{Status: callback.Closed, Outcome: callback.Booked}), c)
		})
	return doc.String()
}

func names[T ~string](list []T) []string {
	var out []string
	for _, v := range list {
		out = append(out, string(v))
	}
	return out
}

// display finds the display of a code anywhere in a resource.
func display(t *testing.T, resource, code string) string {
	var v any
	if err := json.Unmarshal([]byte(resource), &v); err != nil {
		t.Fatal(err)
	}
	var find func(v any) string
	find = func(v any) string {
		switch v := v.(type) {
		case map[string]any:
			if v["code"] == code {
				if d, ok := v["display"].(string); ok {
					return d
				}
			}
			for _, child := range v {
				if d := find(child); d != "" {
					return d
				}
			}
		case []any:
			for _, child := range v {
				if d := find(child); d != "" {
					return d
				}
			}
		}
		return ""
	}
	return find(v)
}
