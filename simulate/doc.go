// Package simulate is a labelled world to hold Ringback against: clinics whose
// patients call, book, cancel and do not come, whose staff work in the EHR by hand
// and make mistakes, and a truth about which visit answered which request. The
// truth is kept apart: what is examined sees the EHR and the requests and nothing
// else. At the end what was closed, reopened and sent to a person is scored.
//
// The package is pure: it knows what happens and when, by a seed, and acts through
// Bench. How the daemon's parts and the EHR are put on the bench belongs to the
// command. The world must not be tuned to the engine: its rates (rates.go) say what
// clinics do, not what is easy to match.
package simulate
