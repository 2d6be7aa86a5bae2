// Package fault holds the error that steers: it says what happened, to what,
// what a person should do about it, and, for the machine, what to do next.
//
// Everything that talks to the outside returns *Error; the scheduler decides by
// its Disposition. No field may hold PHI, a secret, a response body or a URL
// with a query: Error prints all of them. Domain rules (a transition that is
// not allowed, a revision that moved) are sentinel errors of package callback
// and do not belong here.
package fault

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Disposition says what the caller should do next.
type Disposition string

// The dispositions. An error that is not a *Error is Ambiguous: for a write that
// means look before you send again.
const (
	// Retry: nothing was done and the same call may work later.
	Retry Disposition = "retry"
	// Permanent: the same call will fail again because of what is in it; a person has
	// to change that. What is wrong with the way to the other side, or with its login,
	// is Retry or Unauthorized: it heals without a change of what is sent.
	Permanent Disposition = "permanent"
	// Ambiguous: the outcome of the call is unknown; search before sending again.
	Ambiguous Disposition = "ambiguous"
	// Unauthorized: the credentials or scopes were refused, or there are none to show.
	Unauthorized Disposition = "unauthorized"
	// Throttled: the other side asked to wait until a time.
	Throttled Disposition = "throttled"
	// Conflict: the resource moved since it was read; read again and merge.
	Conflict Disposition = "conflict"
	// NotFound: the resource is not there, or no longer.
	NotFound Disposition = "not-found"
)

// Error is a failure with its disposition. The zero value is not useful; use New.
type Error struct {
	Disposition Disposition
	Op          string        // what was tried: "create Task", "search Appointment"
	What        string        // what happened, for the person who reads it
	Hint        string        // what to do about it; may be empty for Retry
	Status      int           // HTTP status, 0 when there was none
	After       time.Duration // Retry and Throttled: wait at least this long; 0: the caller's own back-off
	cause       error         // for errors.Is and As; never printed
}

// New makes an error. what must be free of PHI, secrets and bodies.
func New(d Disposition, op, what string) *Error {
	return &Error{Disposition: d, Op: op, What: what}
}

// WithHint sets what to do about it and returns e.
func (e *Error) WithHint(hint string) *Error { e.Hint = hint; return e }

// WithStatus sets the HTTP status and returns e.
func (e *Error) WithStatus(code int) *Error { e.Status = code; return e }

// WithAfter sets how long to wait at least and returns e.
func (e *Error) WithAfter(d time.Duration) *Error { e.After = d; return e }

// Because records the cause for errors.Is and errors.As and returns e. The
// cause is not printed: the text of a foreign error may hold a URL or a body.
func (e *Error) Because(cause error) *Error { e.cause = cause; return e }

// Error says what happened and what to do, in one line.
func (e *Error) Error() string {
	s := e.What
	if e.Op != "" {
		s = e.Op + ": " + s
	}
	if e.Status != 0 {
		s = fmt.Sprintf("%s (HTTP %d)", s, e.Status)
	}
	if e.Hint != "" {
		s += "; " + e.Hint
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.cause }

// Of returns the disposition of err: that of the *Error in its chain, and
// Ambiguous for every other error. Of(nil) is "".
func Of(err error) Disposition {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Disposition
	}
	return Ambiguous
}

// Is reports whether err has disposition d.
func Is(err error, d Disposition) bool { return err != nil && Of(err) == d }

// After returns how long err asks to wait, 0 when it does not say.
func After(err error) time.Duration {
	var e *Error
	if errors.As(err, &e) {
		return e.After
	}
	return 0
}

// Describe returns a text of err that is safe to store and show: that of the
// *Error in its chain, or a fixed text by kind. A foreign error's own words may
// carry a URL, a value or a body and are never shown.
func Describe(err error) string {
	var e *Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e):
		return e.Error()
	case errors.Is(err, context.DeadlineExceeded):
		return "timed out"
	case errors.Is(err, context.Canceled):
		return "stopped before it finished"
	default:
		return fmt.Sprintf("unexpected %T", err)
	}
}
