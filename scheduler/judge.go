package scheduler

import (
	"context"

	"github.com/ringback-health/ringback/callback"
)

// Judge says what one appointment that the ledger knows says about a callback as things
// stand, and changes nothing: for whoever asks why a callback is still open. An
// appointment that was not seen yet, or that nothing ties to the callback, is
// callback.None for the reason "not-tied".
func (w *Worker) Judge(ctx context.Context, id callback.ID, appointment string) (callback.Evidence, error) {
	untied := callback.Evidence{Appointment: appointment, Verdict: callback.None, Reasons: []string{"not-tied"}}
	rec, err := w.opts.Ledger.Record(ctx, id)
	if err != nil {
		return untied, err
	}
	site, ok := w.siteOf(rec)
	if !ok {
		return untied, nil
	}
	in, err := w.evidence(ctx, site, rec, nil)
	if err != nil {
		return untied, err
	}
	for _, a := range in.Appointments {
		if a.ID == appointment {
			return in.Judge(a), nil
		}
	}
	return untied, nil
}
