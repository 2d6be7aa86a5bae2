package fhir

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"time"

	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/rest"
)

// maxPages ends a search whose server never stops saying "next".
const maxPages = 1000

// Page is one page of a search.
type Page struct {
	Body   []byte // as received, to be stored before it is interpreted
	Bundle Bundle
	Date   time.Time // the server's clock when it answered; zero when it does not tell
}

// SearchOption changes how a search is sent.
type SearchOption func(*searchOptions)

type searchOptions struct {
	post     bool
	maxPages int
}

// SearchPost sends the parameters in the body of POST [type]/_search: for
// parameters that are PHI, which must not stand in a URL.
func SearchPost() SearchOption { return func(o *searchOptions) { o.post = true } }

// MaxPages ends a search with an error after n pages instead of 1,000.
func MaxPages(n int) SearchOption { return func(o *searchOptions) { o.maxPages = n } }

// Search returns the pages of a search in order. A failure is the last thing
// it yields, with the zero Page; a search that ends without one is complete. It
// follows a "next" link only under the base URL, and only once.
//
// A page in which the server itself reports a failure (an OperationOutcome
// entry of severity error or fatal) is a failure: what is missing from it must
// not pass for empty. The answer is not taken from a cache.
func (c *Client) Search(ctx context.Context, resourceType string, params url.Values, opts ...SearchOption) iter.Seq2[Page, error] {
	o := searchOptions{maxPages: maxPages}
	for _, opt := range opts {
		opt(&o)
	}
	op := "search " + resourceType
	first := rest.Request{Op: op, Method: http.MethodGet, Path: resourceType, Query: params, Header: fresh()}
	if o.post {
		first = rest.Request{
			Op: op, Method: http.MethodPost, Path: resourceType + "/_search", Header: fresh(),
			Body: []byte(params.Encode()), ContentType: "application/x-www-form-urlencoded",
		}
	}
	return func(yield func(Page, error) bool) {
		req, seen := first, map[string]bool{}
		for range o.maxPages {
			page, err := c.page(ctx, req)
			if err != nil {
				yield(Page{}, notOffered(err, resourceType))
				return
			}
			next, f := c.next(op, page.Bundle)
			if !yield(page, nil) {
				return
			}
			switch {
			case f != nil:
				yield(Page{}, f)
				return
			case next == "":
				return
			case seen[next]:
				yield(Page{}, fault.New(fault.Permanent, op, "the pages of the search go in a circle").
					WithHint("the server names the same next page twice; tell its vendor, and narrow the search meanwhile"))
				return
			}
			seen[next] = true
			req = rest.Request{Op: op, Method: http.MethodGet, Path: next, Header: fresh()}
		}
		yield(Page{}, fault.New(fault.Permanent, op, fmt.Sprintf("the search has more than %d pages", o.maxPages)).
			WithHint("narrow the search, or ask for larger pages"))
	}
}

// fresh asks for an answer from what the server holds now: some servers give out the
// result of an earlier search again (HAPI FHIR: for a minute), and so may a cache on
// the way.
func fresh() http.Header { return http.Header{"Cache-Control": {"no-cache"}} }

func (c *Client) page(ctx context.Context, req rest.Request) (Page, error) {
	resp, err := c.do(ctx, req)
	if err != nil {
		return Page{}, err
	}
	if f := wrongBody(req.Op, "Bundle", resp, false); f != nil {
		return Page{}, f
	}
	b, err := ParseBundle(resp.Body)
	if err != nil {
		return Page{}, fault.New(fault.Permanent, req.Op, err.Error()).
			WithHint("the server sends a bundle that breaks the FHIR format; tell its vendor").Because(err)
	}
	for _, e := range b.Entries {
		if e.ResourceType != operationOutcome {
			continue
		}
		if o, _ := ParseOutcome(e.Resource); o.Failed() {
			return Page{}, fault.New(o.disposition(), req.Op, "the server could not search in full, "+o.summary()).
				WithHint("look at the issues the server reports").Because(&OutcomeError{Outcome: o})
		}
	}
	date, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		date = time.Time{} // nothing rests on it
	}
	return Page{Body: resp.Body, Bundle: b, Date: date}, nil
}

// next returns the absolute URL of the page after b, "" when b is the last.
func (c *Client) next(op string, b Bundle) (string, *fault.Error) {
	link := b.Links["next"]
	if link == "" {
		return "", nil
	}
	base, err := url.Parse(c.rest.BaseURL() + "/")
	if err == nil {
		var u *url.URL
		if u, err = base.Parse(link); err == nil {
			link = u.String()
			err = c.rest.SameOrigin(link)
		}
	}
	if err != nil {
		return "", fault.New(fault.Permanent, op, "the next page of the search lies outside base_url").
			WithHint("the server must know its public address; set it there, or set base_url to the address the server uses").Because(err)
	}
	return link, nil
}
