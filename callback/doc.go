// Package callback is Ringback's domain: one request from one person that
// somebody at the clinic must answer, from the call that was missed to the
// visit that was booked.
//
// Here stand the nouns (Callback, Attempt, Link, Evidence, Appointment), their
// states, the rules that move them, and the contracts with the ledger and with
// an EHR in the domain's own words. The package is pure: no I/O, no clock, no
// framework; the time and the actor are passed in. What a subject needs beyond
// that has a sub-package: calls, matching, workflow, businesstime, metrics.
//
// How something is stored (package store), sent (connectors) or scheduled
// (scheduler) does not belong here.
package callback
