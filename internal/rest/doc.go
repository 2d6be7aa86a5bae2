// Package rest is HTTP to the outside: one client per EHR, for FHIR and vendor
// APIs alike.
//
// It owns the connection pool, authentication, the limits (time, size, rate)
// and, above all, the verdict on a failed exchange: every error is a
// *fault.Error whose disposition says whether the same call may be sent again.
// It never retries on its own, except once after a 401, never follows a
// redirect, and never puts a query, a body or a credential into an error or a
// log line.
//
// What a body means is not its business: package fhir and the vendor
// connectors read bodies. Schedules and back-off belong to the scheduler.
package rest
