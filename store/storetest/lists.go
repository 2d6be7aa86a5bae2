package storetest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/ringback-health/ringback/callback"
)

func idsOf(page []callback.Callback) []callback.ID {
	var ids []callback.ID
	for _, c := range page {
		ids = append(ids, c.ID)
	}
	return ids
}

func listPages(t *testing.T, l Ledger) {
	const before = 60
	var first []callback.ID
	for n := range before {
		first = append(first, newCallback(t, l, request(here, n)).ID)
	}
	slices.Reverse(first)

	page, next, err := l.List(t.Context(), callback.Filter{})
	must(t, err)
	same(t, "the default page", len(page), 50)
	same(t, "where it continues", next, page[49].ID)
	page, next, err = l.List(t.Context(), callback.Filter{Limit: 1000})
	must(t, err)
	same(t, "all at once", idsOf(page), first)
	same(t, "the end", next, callback.ID(""))
	page, next, err = l.List(t.Context(), callback.Filter{Limit: before})
	must(t, err)
	same(t, "exactly all", []any{len(page), next}, []any{before, callback.ID("")})

	// Rows that are added while somebody pages neither shift nor hide others.
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := range 40 {
			req := request(here, 1000+n)
			if _, err := l.Take(t.Context(), arrival(req), noon, asNew(req)); err != nil {
				t.Error(err)
			}
		}
	}()
	var seen []callback.ID
	after := callback.ID("")
	for {
		page, next, err := l.List(t.Context(), callback.Filter{Clinic: here, Limit: 7, After: after})
		must(t, err)
		seen = append(seen, idsOf(page)...)
		if next == "" {
			break
		}
		after = next
		newCallback(t, l, request(here, 2000+len(seen)))
	}
	<-done
	if !slices.IsSortedFunc(seen, func(a, b callback.ID) int { return -compare(a, b) }) || len(slices.Compact(slices.Clone(seen))) != len(seen) {
		t.Fatal("a row came twice, or not newest first")
	}
	seen = slices.DeleteFunc(seen, func(id callback.ID) bool { return !slices.Contains(first, id) })
	same(t, "the rows that were there before", seen, first)
}

func compare(a, b callback.ID) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func listFilters(t *testing.T, l Ledger) {
	captured := newCallback(t, l, request(here, 1))
	assigned := newCallback(t, l, request(here, 2))
	update(t, l, assigned.ID, func(r *callback.Record) error {
		_ = r.Triage(callback.Clinical, callback.ASAP, noon, "", automation, noon)
		return r.Assign("clinical", automation, noon)
	})
	closed := newCallback(t, l, request(here, 3))
	update(t, l, closed.ID, func(r *callback.Record) error {
		r.Patient.Resolution = callback.Certain
		return r.Close(callback.Spam, r.Text, staff, noon)
	})
	review := newCallback(t, l, request(here, 4))
	update(t, l, review.ID, func(r *callback.Record) error { r.AskReviewOf("look", automation, noon); return nil })
	byPhone := request(there, 5)
	byPhone.Source = "asterisk"
	called := newCallback(t, l, byPhone)

	for i, c := range []struct {
		f    callback.Filter
		want []callback.Record
	}{
		{callback.Filter{}, []callback.Record{called, review, closed, assigned, captured}},
		{callback.Filter{Clinic: here}, []callback.Record{review, closed, assigned, captured}},
		{callback.Filter{Clinic: "nowhere"}, nil},
		{callback.Filter{Statuses: []callback.Status{callback.Assigned, callback.Closed}}, []callback.Record{closed, assigned}},
		{callback.Filter{Category: callback.Clinical}, []callback.Record{assigned}},
		{callback.Filter{Owner: "clinical"}, []callback.Record{assigned}},
		{callback.Filter{Source: "asterisk"}, []callback.Record{called}},
		{callback.Filter{Review: true}, []callback.Record{review}},
		{callback.Filter{Open: true, Clinic: here}, []callback.Record{review, assigned, captured}},
		{callback.Filter{Unbound: true, Clinic: here}, []callback.Record{review, assigned, captured}},
		{callback.Filter{Repeated: true}, nil},
		{callback.Filter{After: closed.ID}, []callback.Record{assigned, captured}},
		{callback.Filter{Open: true, After: closed.ID, Limit: 1}, []callback.Record{assigned}},
	} {
		page, _, err := l.List(t.Context(), c.f)
		must(t, err)
		var ids []callback.ID
		for _, r := range c.want {
			ids = append(ids, r.ID)
		}
		same(t, fmt.Sprintf("filter %d", i), idsOf(page), ids)
	}
}

func counts(t *testing.T, l Ledger) {
	for n := range 3 {
		newCallback(t, l, request(here, n))
	}
	closed := newCallback(t, l, request(there, 9))
	update(t, l, closed.ID, func(r *callback.Record) error {
		r.AskReviewOf("look", automation, noon)
		_ = r.Close(callback.Spam, r.Text, staff, noon)
		r.Review = true
		return nil
	})
	open := callback.Tally{Clinic: here, Status: callback.Captured, Category: callback.Other, N: 3}
	spam := callback.Tally{Clinic: there, Status: callback.Closed, Outcome: callback.Spam, Category: callback.Other, Review: true, N: 1}
	for clinic, tallies := range map[callback.ClinicID][]callback.Tally{
		"": {spam, open}, here: {open}, there: {spam}, "nowhere": nil,
	} {
		got, err := l.Count(t.Context(), clinic)
		must(t, err)
		same(t, "the count of "+string(clinic), got, tallies)
	}
}
