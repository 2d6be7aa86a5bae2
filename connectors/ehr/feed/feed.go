// Package feed holds the five ways in which EHRs let changes be read, as parts that
// connectors put together: Watermark, Changed, Window, Patient and Newest. Each is
// given functions that fetch raw pages from one EHR, and is read as a sequence of
// them.
//
// All of them keep these rules, whoever reads has to keep his:
//
//   - A page is handed on before the next is fetched, and the reader has stored it
//     durably when it asks for the next. A feed that takes away what was read is told
//     so then and not before.
//   - A failure is the last thing that is handed on. A sequence that ends without one
//     is complete; a failure is never shown as an end, nor as nothing.
//   - The same change may be shown many times, in one read or in several; the reader
//     knows it again by id and version, or by content where there is no version.
//   - Nothing is kept between two reads. Where a read goes on is the reader's to store:
//     callback.FeedQuery takes it in, callback.FeedPage hands it out. Times are the
//     EHR's own.
//
// What pages hold, how they are fetched and how often is none of this package's
// business: it knows neither FHIR nor HTTP nor the ledger.
package feed

import (
	"context"
	"iter"

	"github.com/ringback-health/ringback/callback"
)

// Pages are the steps of a read. A failure is the last.
type Pages = iter.Seq2[callback.FeedPage, error]

// Strategy is one way of reading.
type Strategy interface {
	Read(ctx context.Context, q callback.FeedQuery) Pages
}

// handOn yields all pages that are fetched and reports whether the read goes on: no
// failure came, and the reader wants more. n is how many there were.
func handOn(pages Pages, yield func(callback.FeedPage, error) bool) (n int, goesOn bool) {
	for page, err := range pages {
		if !yield(page, err) || err != nil {
			return n, false
		}
		n++
	}
	return n, true
}

// Failed is a read that fails before anything is fetched.
func Failed(err error) Pages {
	return func(yield func(callback.FeedPage, error) bool) { yield(callback.FeedPage{}, err) }
}
