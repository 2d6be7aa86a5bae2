package server

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ringback-health/ringback/callback"
)

// EHRCounts counts the requests that are sent to EHRs. Make one, hand what Of returns to
// each connector, and give it to the server that shows it.
type EHRCounts struct{ sent *prometheus.CounterVec }

// NewEHRCounts makes one that has counted nothing.
func NewEHRCounts() *EHRCounts {
	return &EHRCounts{prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ringback_ehr_requests_total",
		Help: "Requests sent to an EHR, by what was tried. Divided by ringback_callbacks: what a callback costs."},
		[]string{"clinic", "ehr", "op"})}
}

// Of returns what counts the requests to one EHR. op is what is tried, in Ringback's own
// words ("search Appointment"), never what was sent.
func (c *EHRCounts) Of(clinic callback.ClinicID, ehr callback.EHRID) func(op string) {
	return func(op string) { c.sent.WithLabelValues(string(clinic), string(ehr), op).Inc() }
}
