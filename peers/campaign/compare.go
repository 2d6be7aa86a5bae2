package campaign

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// expectation is what a life knows of what should stand on both sides.
type expectation struct {
	owners  map[string]string
	notes   []string // of staff
	tries   []string // notes of attempts
	endedAs string   // the status that staff last ended the item with
}

func (l *life) expectation() expectation {
	return expectation{owners: l.cfg.Owners, notes: l.notes, tries: l.tries, endedAs: l.endedAs}
}

// itemStatuses are the statuses an item may have for a callback that is not closed.
var itemStatuses = map[string][]string{
	"captured": {"requested", "received", "accepted", "ready"}, "triaged": {"requested", "received", "accepted", "ready"},
	"assigned":    {"requested", "received", "accepted", "ready"},
	"in-progress": {"in-progress"}, "waiting": {"on-hold"},
}

// compare says where a callback and its item, in step, tell different things.
func compare(r record, item object, e expectation) (wrong []string) {
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	if s := text(item["status"]); !slices.Contains(allowed(r, e), s) {
		say("the callback is %s (%s), and the item is %s", r.Status, r.Outcome, s)
	}
	if p := text(item["priority"]); p != r.Priority {
		say("the callback's priority is %s, and the item's is %s", r.Priority, p)
	}
	if o := member(item["owner"], "reference"); text(o) != cmp.Or(e.owners[r.Owner], r.Owner) {
		say("the callback's owner is %s, and the item's is %v", r.Owner, o)
	}
	wrong = append(wrong, compareOutcome(r, item)...)
	return append(wrong, compareNotes(r, item, e)...)
}

// allowed returns the statuses that the item may have.
func allowed(r record, e expectation) []string {
	if r.Status != closed {
		return itemStatuses[r.Status]
	}
	may := []string{"completed"}
	if slices.Contains([]string{"duplicate", "spam", "cancelled-in-ehr"}, r.Outcome) {
		may = []string{"cancelled"}
	}
	if e.endedAs != "" {
		may = append(may, e.endedAs)
	}
	return may
}

// compareOutcome looks at where Ringback says how it stands and how it ended.
func compareOutcome(r record, item object) (wrong []string) {
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	if s := code(item["businessStatus"], systemStatus); s != "" && s != r.Status {
		say("the callback is %s, and the item's business status says %s", r.Status, s)
	} else if o := code(item["businessStatus"], systemOutcome); s != "" && o != r.Outcome {
		say("the callback's outcome is %q, and the item's business status says %q", r.Outcome, o)
	}
	var want []string
	if r.Status == closed {
		want = []string{r.Outcome}
	}
	if got := ownOutcomes(item); !slices.Equal(got, want) {
		say("the callback's outcome is %q, and the item's output says %v", r.Outcome, got)
	}
	return wrong
}

// compareNotes looks for each note and each attempt, once on either side.
func compareNotes(r record, item object, e expectation) (wrong []string) {
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	inItem := func(ok func(string) bool) (n int) {
		for _, note := range list(item["note"]) {
			if ok(text(member(note, "text"))) {
				n++
			}
		}
		return n
	}
	for _, note := range e.notes {
		if n := inItem(func(s string) bool { return s == note }); n != 1 {
			say("%q of staff stands in the item %d times", note, n)
		}
		n := 0
		for _, t := range r.Timeline {
			if t.Note == note && t.By.Kind == "ehr-staff" {
				n++
			}
		}
		if n != 1 {
			say("%q of staff stands in the timeline %d times", note, n)
		}
	}
	for _, note := range e.tries {
		n := 0
		for _, a := range r.Attempts {
			if a.Note == note {
				n++
			}
		}
		if n != 1 {
			say("the attempt %q stands in the ledger %d times", note, n)
		}
	}
	if len(r.Attempts) != len(e.tries) {
		say("%d attempts were recorded, and the ledger has %d", len(e.tries), len(r.Attempts))
	}
	for i := range r.Attempts {
		head := fmt.Sprintf("Attempt %d:", i+1)
		if n := inItem(func(s string) bool { return strings.HasPrefix(s, head) }); n != 1 {
			say("%q stands in the item %d times", head, n)
		}
	}
	return wrong
}
