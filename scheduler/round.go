package scheduler

import "github.com/ringback-health/ringback/callback"

// round names a list of an EHR's callbacks that is gone through a few at a time.
type round struct {
	ehr  callback.EHRID
	list string
}

// upTo is behind which callback a round goes on; "" is its beginning. It is no more than
// a place: after a restart a round begins anew, and nothing is missed by that.
func (w *Worker) upTo(r round) callback.ID {
	after, _ := w.rounds.Load(r)
	last, _ := after.(callback.ID)
	return last
}

func (w *Worker) setUpTo(r round, last callback.ID) { w.rounds.Store(r, last) }
