// Package fhirr4 connects Ringback to an EHR that speaks plain FHIR R4: it files
// callbacks as Tasks, proposes visits as Appointments, and reads both feeds by
// modification time. HAPI, Medplum, Google Healthcare, Azure and HealthLake are of
// this kind.
//
// What stands in a resource is decided in package mapping and how it travels in
// package fhir; here the two are put together, with the operator's configuration.
// An EHR that departs from the standard (statuses of its own, no search by
// modification time) gets a connector of its own and no switch here.
package fhirr4
