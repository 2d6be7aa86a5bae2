package callback

import "errors"

// The domain's own errors. Callers test for them with errors.Is.
var (
	// ErrInvalid: a value cannot be what it claims to be. Correct it and call again.
	ErrInvalid = errors.New("invalid value")
	// ErrNotAllowed: the callback's state does not allow the change. Look at it again first.
	ErrNotAllowed = errors.New("not allowed in this state")
	// ErrNotFound: the ledger has no such row.
	ErrNotFound = errors.New("not found")
	// ErrConflict: somebody else changed the row since it was read. Read again.
	ErrConflict = errors.New("changed by somebody else meanwhile")
)
