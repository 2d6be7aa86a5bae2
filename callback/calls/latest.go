package calls

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/ringback-health/ringback/internal/redact"
)

// Latest puts records that tell of the same leg at different moments together into one
// leg each. It is for phone systems that send events; the rows of a call log are
// each a leg of their own.
//
// It wants all records of a call that there are: their order, and records that occur
// twice, make no difference then. Records without an ID are legs of their own.
//
// Of what changes (Stated, Note, Disposition) the last record that says anything
// counts, by Seq, and by At where the vendor numbers nothing. A time that was once told
// stays: a leg began at its earliest Start, was answered at its earliest Answer, and
// ended at its latest End. Talk that nobody told is from Answer to End.
func Latest(records []Leg) []Leg {
	byLeg := make(map[string][]Leg)
	var out []Leg
	for _, r := range records {
		if r.ID == "" {
			out = append(out, r)
			continue
		}
		key := r.Session + "\x00" + r.ID
		byLeg[key] = append(byLeg[key], r)
	}
	for _, same := range byLeg {
		slices.SortFunc(same, compareRecords)
		leg := same[0]
		for _, r := range same[1:] {
			leg = leg.updated(r)
		}
		if leg.Talk == 0 && !leg.Answer.IsZero() && leg.End.After(leg.Answer) {
			leg.Talk = leg.End.Sub(leg.Answer)
		}
		out = append(out, leg)
	}
	slices.SortFunc(out, func(a, b Leg) int {
		return cmp.Or(a.Start.Compare(b.Start), strings.Compare(a.Session, b.Session), strings.Compare(a.ID, b.ID), strings.Compare(a.identity(), b.identity()))
	})
	return slices.CompactFunc(out, func(a, b Leg) bool { return a.ID == "" && b.ID == "" && a.identity() == b.identity() })
}

// Over reports whether a call has ended, as far as its legs tell: the caller's own leg,
// which is named as the call is, or else all of them. Legs are as Latest returns them.
func Over(legs []Leg) bool {
	all := len(legs) > 0
	for _, l := range legs {
		ended := !l.end().IsZero()
		if l.ID == l.Session && l.ID != "" {
			return ended
		}
		all = all && ended
	}
	return all
}

// compareRecords orders records of one leg by when they were true.
func compareRecords(a, b Leg) int {
	return cmp.Or(cmp.Compare(a.Seq, b.Seq), a.At.Compare(b.At), strings.Compare(a.identity(), b.identity()))
}

// updated is the leg after a later record of it.
func (l Leg) updated(r Leg) Leg {
	l.Seq, l.At = r.Seq, r.At
	if r.Stated != "" {
		l.Stated, l.Note = r.Stated, r.Note
	}
	l.Disposition = cmp.Or(r.Disposition, l.Disposition)
	l.Direction = cmp.Or(l.Direction, r.Direction)
	l.Context, l.App = cmp.Or(l.Context, r.Context), cmp.Or(l.App, r.App)
	for _, text := range []struct{ have, told *redact.Text }{
		{&l.From, &r.From}, {&l.FromName, &r.FromName}, {&l.CallerID, &r.CallerID}, {&l.To, &r.To},
		{&l.Channel, &r.Channel}, {&l.DstChannel, &r.DstChannel}, {&l.AppData, &r.AppData},
	} {
		*text.have = firstText(*text.have, *text.told)
	}
	l.Start, l.Answer = earliest(l.Start, r.Start), earliest(l.Answer, r.Answer)
	if r.End.After(l.End) {
		l.End = r.End
	}
	l.Duration, l.Talk = max(l.Duration, r.Duration), max(l.Talk, r.Talk)
	l.Message = l.Message.and(r.Message)
	l.Row = cmp.Or(l.Row, r.Row)
	return l
}

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
