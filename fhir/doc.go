// Package fhir is FHIR R4 (4.0.1) over HTTP: a client, bundles and paging,
// OperationOutcome, /metadata, dates, lossless editing of resources, and the
// few resources that are written, built so that an invalid one cannot exist.
//
// Reading is lenient: codes are strings, what is unknown is kept or skipped,
// and an error names the member that is broken, never its value. Names,
// numbers and free text are redact.Text. Editing is lossless: a Document keeps
// every member that it was not told to change, byte for byte.
//
// What a callback looks like as a resource is decided in package mapping, and
// when to read or write in the scheduler.
package fhir
