// Package mapping says what a callback looks like in FHIR R4, and what a FHIR
// resource says to Ringback: callback to Task or, where an EHR takes none, to
// Communication, ServiceRequest or DocumentReference; visit proposal to Appointment;
// and back, with Patient for the chart.
//
// Everything here is a pure function: no clock, no I/O, the same input gives the
// same bytes. The meaning of a member, its code systems and the rules of who may
// change what stand here; how a resource travels belongs to package fhir and the
// connectors, and when, to the scheduler.
//
// Edits are lossless. Ringback touches only the members it owns, only where they
// differ, and only add to lists that others write too. An edit assumes that what
// staff had changed in the resource was taken over into the callback first: what
// still differs then is what Ringback knows and the EHR does not.
package mapping
