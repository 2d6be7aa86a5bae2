// Package server is Ringback over HTTP: requests in, the JSON API, the console
// for people, health and metrics.
//
// What belongs here is the translation between HTTP and the domain, who may do
// what, and what may be shown to whom. What a request means is decided in
// internal/intake and callback; where it is kept is the ledger's business; what
// an EHR is told is the scheduler's. The address to listen on, TLS and the
// configuration belong to cmd.
//
// Two rules hold everywhere. No value that a client sent, and nothing about a
// caller, reaches a log line, a metric or an error answer: errors name the
// member and say what is expected. And every error is an RFC 9457 problem that
// says what to do next.
package server
