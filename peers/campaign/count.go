package campaign

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Failure is one callback that did not come out right.
type Failure struct {
	Callback string // its id, empty where there is none
	Item     string // "Task/1", empty where there is none
	What     string
}

// Result is what a campaign came to.
type Result struct {
	Callbacks  int // that were made
	Acts       int // of people
	Unmet      int // lives that were not in step in time while faults struck, and ended early
	Requests   int // between Ringback and the EHR, until the faults ended
	Faults     map[string]int
	Lost       []Failure
	Duplicates []Failure
	Diverged   []Failure
	Seed       uint64
	Played     time.Duration // until the faults ended
	Took       time.Duration
}

// OK reports whether nothing went wrong.
func (r Result) OK() bool { return len(r.Lost)+len(r.Duplicates)+len(r.Diverged) == 0 }

// Struck returns how many requests suffered.
func (r Result) Struck() (n int) {
	for _, k := range r.Faults {
		n += k
	}
	return n
}

// Summary is the result in one line.
func (r Result) Summary() string {
	return fmt.Sprintf("campaign: n=%d seed=%d requests=%d faults=%d lost=%d duplicates=%d diverged=%d",
		r.Callbacks, r.Seed, r.Requests, r.Struck(), len(r.Lost), len(r.Duplicates), len(r.Diverged))
}

// maxTold is how many failures of a kind are told.
const maxTold = 20

// String is the summary, and what went wrong below it.
func (r Result) String() string {
	var b strings.Builder
	b.WriteString(r.Summary())
	for _, kind := range []struct {
		name string
		list []Failure
	}{{"lost", r.Lost}, {"duplicate", r.Duplicates}, {"diverged", r.Diverged}} {
		for i, f := range kind.list {
			if i == maxTold {
				fmt.Fprintf(&b, "\n  and %d more", len(kind.list)-maxTold)
				break
			}
			fmt.Fprintf(&b, "\n  %s: callback %s %s: %s", kind.name, f.Callback, f.Item, f.What)
		}
	}
	return b.String()
}

// inbox is what the EHR has of this run.
type inbox struct {
	byMarker map[string][]string // marker → references
	byText   map[string][]string // text of the request → references
	unknown  []string            // of this run by its text, without a marker that anybody knows
}

// count holds what both sides have against what was asked for.
func (c *campaign) count(ctx context.Context) (Result, error) {
	r := Result{Callbacks: len(c.lives)}
	links := map[string]bool{}
	for _, l := range c.lives {
		links[l.link] = true
	}
	box, err := c.inbox(ctx, links)
	if err != nil {
		return r, err
	}
	listed, err := c.listed(ctx)
	if err != nil {
		return r, err
	}
	for _, l := range c.lives {
		f := Failure{Callback: l.id, Item: "Task/" + l.itemID}
		add := func(to *[]Failure, format string, args ...any) {
			f.What = fmt.Sprintf("request %d: ", l.number) + fmt.Sprintf(format, args...)
			*to = append(*to, f)
		}
		items := box.byMarker[l.link]
		for _, other := range box.byText[l.token] {
			if !slices.Contains(items, other) {
				items = append(items, other)
			}
		}
		switch {
		case l.id == "" || !listed[l.id]:
			add(&r.Lost, "the ledger does not have it: %s", strings.Join(l.trouble, "; "))
			continue
		case len(box.byMarker[l.link]) == 0:
			add(&r.Lost, "no item carries its marker")
		case len(items) > 1:
			add(&r.Duplicates, "%d items stand for it: %s", len(items), strings.Join(items, ", "))
		}
		delete(listed, l.id)
		if len(l.trouble) > 0 {
			add(&r.Diverged, "%s", strings.Join(l.trouble, "\n    "))
		}
	}
	for id := range listed {
		r.Duplicates = append(r.Duplicates, Failure{Callback: id, What: "a callback that nobody has asked for"})
	}
	for _, reference := range box.unknown {
		r.Duplicates = append(r.Duplicates, Failure{Item: reference, What: "an item of this run that no callback knows"})
	}
	return r, nil
}

// inbox lists all items of the EHR, a page at a time: what a search by marker does
// not show is seen as well.
func (c *campaign) inbox(ctx context.Context, links map[string]bool) (inbox, error) {
	box := inbox{byMarker: map[string][]string{}, byText: map[string][]string{}}
	mine := "campaign " + c.run + " "
	seen := map[string]bool{} // paging by place may show an item twice
	for next := c.cfg.EHR + "/Task?_count=200"; next != ""; {
		_, bundle, err := c.ehr(ctx, http.MethodGet, next, nil, nil)
		if err != nil {
			return box, err
		}
		for _, e := range list(bundle["entry"]) {
			item, _ := member(e, "resource").(object)
			reference := "Task/" + text(item["id"])
			if seen[reference] {
				continue
			}
			seen[reference] = true
			known := false
			for _, i := range list(item["identifier"]) {
				if m, ok := strings.CutPrefix(text(member(i, "value")), markerPrefix); ok && links[m] {
					box.byMarker[m] = append(box.byMarker[m], reference)
					known = true
				}
			}
			if d := text(item["description"]); strings.HasPrefix(d, mine) {
				box.byText[d] = append(box.byText[d], reference)
				if !known {
					box.unknown = append(box.unknown, reference)
				}
			}
		}
		if next, err = nextOf(bundle, next); err != nil {
			return box, err
		}
	}
	return box, nil
}

// nextOf returns the address of the page after one, "" after the last.
func nextOf(bundle object, at string) (string, error) {
	for _, l := range list(bundle["link"]) {
		if text(member(l, "relation")) != "next" {
			continue
		}
		base, err := url.Parse(at)
		if err != nil {
			return "", err
		}
		next, err := base.Parse(text(member(l, "url")))
		if err != nil {
			return "", err
		}
		return next.String(), nil
	}
	return "", nil
}

// listed returns the ids of all callbacks of this run in the ledger.
func (c *campaign) listed(ctx context.Context) (map[string]bool, error) {
	ids := map[string]bool{}
	q := url.Values{"limit": {"500"}, "source": {"campaign-" + c.run}}
	for {
		var page struct {
			Items []record
			Next  *string `json:"next_cursor"`
		}
		if err := c.apiInto(ctx, http.MethodGet, "/v1/callbacks?"+q.Encode(), nil, &page); err != nil {
			return nil, err
		}
		for _, r := range page.Items {
			ids[r.ID] = true
		}
		if page.Next == nil {
			return ids, nil
		}
		q.Set("cursor", *page.Next)
	}
}
