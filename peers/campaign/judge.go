package campaign

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// view is what both sides may change about a callback, in the ledger's words.
type view struct{ Status, Outcome, Owner, Priority string }

// act is what somebody did in a round and what should come of it. A field that is
// empty was not touched.
type act struct {
	what       string // for the report
	staff      bool   // in the EHR; otherwise through the API
	begin, end time.Time

	status   string
	outcomes []string // what a closing act may leave
	reopens  bool     // from closed, through the API
	calls    bool     // the caller called again
	owner    string
	priority string
	saw      view // staff: what the item showed
}

const closed = "closed"

// judge says what is wrong with a callback that was before, was acted on, and is
// now got. Acts are in the order of their side; the two sides ran side by side.
func judge(before view, acts []act, got view) (wrong []string) {
	check := func(name, got string, want []string) {
		if !slices.Contains(want, got) {
			wrong = append(wrong, fmt.Sprintf("%s is %q, and should be %s", name, got, strings.Join(quoted(want), " or ")))
		}
	}
	check("owner", got.Owner, settled(before.Owner, acts, owner, seenOwner))
	check("priority", got.Priority, urgencies(before.Priority, acts))
	check("status", got.Status, statuses(before.Status, acts))
	if got.Status == closed {
		check("outcome", got.Outcome, outcomes(before, acts))
	}
	return wrong
}

func quoted(list []string) (all []string) {
	for _, s := range list {
		all = append(all, fmt.Sprintf("%q", s))
	}
	return all
}

// last returns the last act of one side that touched a field.
func last(acts []act, staff bool, field func(act) string) *act {
	for i := len(acts) - 1; i >= 0; i-- {
		if acts[i].staff == staff && field(acts[i]) != "" {
			return &acts[i]
		}
	}
	return nil
}

// settled returns what a field may be after a round.
func settled(before string, acts []act, field func(act) string, seen func(view) string) []string {
	staff, api := last(acts, true, field), last(acts, false, field)
	switch {
	case staff == nil && api == nil:
		return []string{before}
	case staff == nil:
		return []string{field(*api)}
	case api == nil:
		return []string{field(*staff)}
	case staff.begin.Before(api.end),
		!sawOf(acts, *staff, *api, field, seen) && (field(*staff) == before || saidBefore(acts, *api, field(*staff), field)):
		return []string{field(*staff), field(*api)}
	default:
		return []string{field(*staff)}
	}
}

// sawOf reports whether staff saw what the API had set, and not what one of them had set
// to the same a moment before.
func sawOf(acts []act, staff, api act, field func(act) string, seen func(view) string) bool {
	own := slices.ContainsFunc(acts, func(a act) bool { return a.staff && field(a) == field(api) && a.begin.Before(staff.begin) })
	return seen(staff.saw) == field(api) && !own
}

// saidBefore reports whether the API had set a field to value before its last word: when
// staff set it to the same, after that was written, they have changed nothing that shows.
func saidBefore(acts []act, last act, value string, field func(act) string) bool {
	return slices.ContainsFunc(acts, func(a act) bool { return !a.staff && field(a) == value && a.end.Before(last.begin) })
}

func owner(a act) string        { return a.owner }
func priority(a act) string     { return a.priority }
func status(a act) string       { return a.status }
func seenOwner(v view) string   { return v.Owner }
func seenUrgency(v view) string { return v.Priority }
func seenStatus(v view) string  { return v.Status }

// urgencies is settled for the priority: where staff lower it and could not see that
// it was raised meanwhile, the more urgent stands.
func urgencies(before string, acts []act) []string {
	may := settled(before, acts, priority, seenUrgency)
	staff, api := last(acts, true, priority), last(acts, false, priority)
	if staff != nil && api != nil && staff.saw.Priority != api.priority {
		may = append(may, api.priority)
	}
	return may
}

// statuses is settled for the status, which has rules of its own.
func statuses(before string, acts []act) []string {
	may := settled(before, acts, status, seenStatus)
	staff, api := last(acts, true, status), last(acts, false, status)
	if staff != nil && api != nil {
		switch {
		case staff.status == closed && !slices.ContainsFunc(acts, func(a act) bool { return a.reopens }):
			may = []string{closed}
		case api.status == closed && staff.saw.Status != closed:
			may = append(may, closed)
		}
	}
	if staff != nil && staff.status == "assigned" && (before == closed || slices.ContainsFunc(acts, func(a act) bool { return a.status == closed })) {
		may = append(may, "in-progress") // put back after it was opened again: what is open again is in progress
	}
	if staff != nil && api != nil && staff.status == closed && endedAlike(acts, *staff) {
		may = append(may, api.status)
	}
	called := slices.ContainsFunc(acts, func(a act) bool { return a.calls })
	if staff != nil && staff.status == closed && called {
		may = append(may, "in-progress") // whoever ended it could not see that the caller asks again
	}
	return may
}

// endedAlike reports whether staff opened the item and ended it again just as Ringback had
// ended it before, for a callback that was closed through the API and opened again
// meanwhile: whoever compares sees no change of staff's.
func endedAlike(acts []act, staff act) bool {
	return slices.ContainsFunc(acts, func(a act) bool {
		return !a.staff && a.status == closed && slices.ContainsFunc(a.outcomes, func(o string) bool { return slices.Contains(staff.outcomes, o) })
	}) && slices.ContainsFunc(acts, func(a act) bool { return a.reopens })
}

// outcomes returns how a closed callback may have ended.
func outcomes(before view, acts []act) []string {
	closing := func(a act) string {
		if a.status == closed {
			return closed
		}
		return ""
	}
	var may []string
	for _, a := range []*act{last(acts, true, closing), last(acts, false, closing)} {
		if a != nil {
			may = append(may, a.outcomes...)
		}
	}
	if may == nil {
		return []string{before.Outcome}
	}
	return may
}
