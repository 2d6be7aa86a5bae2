package ehr

import (
	"context"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/doctor"
	"github.com/ringback-health/ringback/internal/redact"
)

// Examiner is a connector that can examine its own connection for `ringback
// doctor`, step by step from the name of the host to what the EHR will take.
type Examiner interface {
	// Examine makes each check and reports what it found as it goes. Nothing is
	// written to the EHR unless o asks for the round trip. About of the findings is
	// left empty. It ends early when ctx ends.
	Examine(ctx context.Context, o Examination, report func(doctor.Finding))
}

// Examination says how far to go.
type Examination struct {
	// RoundTrip files a work item for TestPatient, reads it, changes it, finds it
	// again and ends it as entered in error or cancelled.
	RoundTrip   bool
	TestPatient redact.Text // id of a Patient in the EHR that is no real person
	// SearchLag is how late the EHR's search is taken to show what was written; the
	// round trip measures it.
	SearchLag time.Duration
	// Push is how the EHR is to tell of changes; nil: it is not to.
	Push *callback.PushRequest
}
