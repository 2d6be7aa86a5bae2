package sandbox

import (
	"cmp"
	"slices"
	"time"
)

// find returns the versions that match q, in its order; without one, in the order
// the resources were created. asOf is the time up to which the index has caught up,
// zero for everything. The caller holds the lock.
func (s *Store) find(q query, asOf time.Time) []*version {
	type hit struct {
		*version
		number int
	}
	var hits []hit
	for _, e := range s.tables[q.def.name].candidates(q) {
		if v := e.at(asOf); v != nil && !v.Deleted && q.matches(v) {
			hits = append(hits, hit{v, e.number})
		}
	}
	slices.SortFunc(hits, func(a, b hit) int {
		if c := q.compare(a.version, b.version); c != 0 {
			return c
		}
		return cmp.Compare(a.number, b.number)
	})
	versions := make([]*version, len(hits))
	for i, h := range hits {
		versions[i] = h.version
	}
	return versions
}

// candidates returns the entries that can match: those an index names, or all.
func (t *table) candidates(q query) []*entry {
	for _, c := range q.clauses {
		if len(c.any) != 1 || c.any[0].text == "" {
			continue
		}
		switch text := c.any[0].text; c.param {
		case idParam:
			if e := t.byID[text]; e != nil {
				return []*entry{e}
			}
			return nil
		case identifierParam:
			return t.identified[text]
		}
	}
	return t.all
}

// at returns the version that an index of the time asOf shows, nil if none yet.
func (e *entry) at(asOf time.Time) *version {
	if asOf.IsZero() {
		return e.current()
	}
	for _, v := range slices.Backward(e.versions) {
		if !v.committed.After(asOf) {
			return v
		}
	}
	return nil
}

func (q *query) matches(v *version) bool {
	for _, c := range q.clauses {
		if !c.holds(&q.def.params[c.param], v.index[c.param]) {
			return false
		}
	}
	return true
}

// compare orders by the sort keys; what has no value comes last either way.
func (q *query) compare(a, b *version) int {
	for _, key := range q.order {
		x, y := a.index[key.param], b.index[key.param]
		c := 0
		switch {
		case len(x) == 0 || len(y) == 0:
			if c = cmp.Compare(len(y), len(x)); c != 0 {
				return c
			}
		default:
			c = cmp.Compare(x[0].from, y[0].from)
		}
		if key.down {
			c = -c
		}
		if c != 0 {
			return c
		}
	}
	return 0
}
