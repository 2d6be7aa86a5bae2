// Package jose holds the keys with which Ringback proves to EHRs who it is: a set
// in one file, its rotation, its public part as a JWK Set (RFC 7517), and the
// signing of JWTs (RFC 7519) with RS384 or ES384, the two algorithms of SMART
// Backend Services. It also opens the JWTs that vendors sign with a shared secret
// (OpenHS256). It is the only importer of the JOSE library.
//
// What is claimed in a token, and to whom, is the business of package rest. The
// keys that the ledger is sealed with are others and belong to package store.
package jose
