package feed

import (
	"context"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/redact"
)

// Patient reads all appointments of one patient, from an EHR that wants to be told
// whose (Epic). Which patients are asked for, and when, is the reader's to say.
type Patient struct {
	// Fetch returns the pages of a patient.
	Fetch func(ctx context.Context, patient redact.Text) Pages
}

// Read yields what q.Patient has. Without a patient it fails: that nobody was asked
// for must not look like nothing being there.
func (p Patient) Read(ctx context.Context, q callback.FeedQuery) Pages {
	if q.Patient.IsEmpty() {
		return Failed(fault.New(fault.Permanent, "read "+string(q.Feed), "this EHR shows appointments of one patient at a time, and none was named"))
	}
	return p.Fetch(ctx, q.Patient)
}
