package scheduler_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/intake"
	"github.com/ringback-health/ringback/internal/redact"
	"github.com/ringback-health/ringback/sandbox"
)

// TestEveryCallbackHasItsTurn: one poll weighs only so many of the callbacks that wait for
// nothing but time; the ones behind them are not left for ever.
func TestEveryCallbackHasItsTurn(t *testing.T) {
	w := newWorld(t)
	w.poll()
	var oldest callback.ID
	for i := range 60 {
		name, phone := fmt.Sprintf("Lee%c%c", 'a'+i/26, 'a'+i%26), fmt.Sprintf("+121255501%02d", i)
		chart, err := w.front.RegisterPatient(sandbox.NewPatient{Family: name, Given: "Ann", BirthDate: "1980-02-03", Phone: phone})
		w.must(err)
		said := func(s *intake.Submission) { s.Name, s.Phone = redact.NewText("Ann "+name), redact.NewText(phone) }
		id := w.ask(fmt.Sprint(i), said)
		w.ask(fmt.Sprint(i, " again"), said)
		w.must(w.Sync(t.Context(), w.taskLink(id).ID))
		if i == 0 { // it is the only one that is answered
			oldest = id
			w.clock.Advance(6 * time.Minute) // more than clocks may differ
			w.book(chart.ID, "")
			w.poll()
		}
	}
	w.is(oldest, callback.Assigned)
	w.clock.Advance(15 * time.Minute)
	w.poll()
	w.poll()
	w.is(oldest, callback.Closed)
}
