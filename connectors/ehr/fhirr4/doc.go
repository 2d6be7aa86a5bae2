// Package fhirr4 connects Ringback to an EHR that speaks plain FHIR R4: it files
// callbacks as Tasks, or as the next best kind of resource that the EHR takes (see
// rungs), proposes visits as Appointments, and reads both feeds by modification time.
// HAPI, Medplum, Google Healthcare, Azure and HealthLake are of this kind.
//
// What stands in a resource is decided in package mapping and how it travels in
// package fhir; here the two are put together, with the operator's configuration.
// What an EHR demands within the standard (who sends a message, where the marker
// stands) is a setting, never a question of which product it is. An EHR that departs
// from the standard (statuses of its own, work items of its own kind) gets a connector
// of its own.
package fhirr4
