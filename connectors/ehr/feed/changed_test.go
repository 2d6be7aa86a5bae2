package feed_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/connectors/ehr/feed"
	"github.com/ringback-health/ringback/internal/fault"
)

// takeaway is a feed that takes away what was read.
type takeaway struct {
	*system
	unread []entry
	taken  []entry // kept for a while
	letGo  bool    // reading takes nothing away
	lostAt int     // the request whose answer is lost; 0: none
	asked  int
}

// write puts a page together and loses its answer, what was done being done.
func (a *takeaway) write(entries []entry, more bool) (callback.FeedPage, error) {
	if a.asked++; a.asked == a.lostAt {
		return callback.FeedPage{}, errDown
	}
	body, err := json.Marshal(entries)
	return callback.FeedPage{Body: body, More: more, Date: a.now}, err
}

func (a *takeaway) strategy() feed.Changed {
	c := feed.Changed{
		Take: func(context.Context) (callback.FeedPage, error) {
			page := slices.Clone(a.unread[:min(a.size, len(a.unread))])
			if !a.letGo {
				a.taken, a.unread = append(a.taken, page...), a.unread[len(page):]
				return a.write(page, len(a.unread) > 0)
			}
			return a.write(page, len(page) < len(a.unread))
		},
		Sweep: func(context.Context) feed.Pages { return a.fetch(func(entry) bool { return true }) },
	}
	if a.letGo {
		c.LetGo = func(_ context.Context, page callback.FeedPage) error {
			a.unread = a.unread[len(entriesOf(page.Body)):]
			_, err := a.write(nil, false)
			return err
		}
		return c
	}
	c.Again = func(_ context.Context, since time.Time) feed.Pages {
		return func(yield func(callback.FeedPage, error) bool) {
			var again []entry
			for _, e := range a.taken {
				if !e.At.Before(since) {
					again = append(again, e)
				}
			}
			yield(a.write(again, false))
		}
	}
	return c
}

// TestTakenIsNotLost: the answer is lost on its way, the ledger fails, the daemon dies,
// between any two steps.
func TestTakenIsNotLost(t *testing.T) {
	for _, letGo := range []bool{false, true} {
		t.Run(fmt.Sprintf("with letting go %t", letGo), func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				a := &takeaway{system: newSystem(rt, oldestFirst), letGo: letGo}
				r := &reader{strategy: a.strategy(), overlap: 3 * time.Second, seen: map[string]bool{}}
				for range rapid.IntRange(1, 6).Draw(rt, "reads") {
					for range rapid.IntRange(0, 10).Draw(rt, "changes before") {
						before := slices.Clone(a.held)
						a.change(false)
						for _, e := range a.held {
							if !slices.Contains(before, e) {
								a.unread = append(a.unread, e)
							}
						}
					}
					a.asked, a.lostAt = 0, rapid.IntRange(0, 4).Draw(rt, "answer that is lost")
					if err := r.read(rapid.IntRange(-1, 4).Draw(rt, "cut off behind")); err != nil && !errors.Is(err, errDown) {
						rt.Fatal(err)
					}
				}
				a.lostAt = 0
				if err := r.read(-1); err != nil {
					rt.Fatal(err)
				}
				if missed := r.missed(a.system); len(missed) > 0 {
					rt.Fatalf("lost %v", missed)
				}
			})
		})
	}
}

// TestNobodyIsAskedFor: a read without a patient fails; it does not show nothing.
func TestNobodyIsAskedFor(t *testing.T) {
	steps := 0
	for _, err := range (feed.Patient{}).Read(t.Context(), callback.FeedQuery{Feed: callback.FeedAppointments}) {
		steps++
		if !fault.Is(err, fault.Permanent) {
			t.Errorf("got %v", err)
		}
	}
	if steps != 1 {
		t.Errorf("%d steps", steps)
	}
}
