//go:build unix

package scheduler

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/ringback-health/ringback/internal/fault"
)

// locksHold says that lockFile keeps a second process out.
const locksHold = true

// lockFile takes the lock that says that a process works with the queue beside
// it, and returns what gives it up. It ends with the process, however that ends.
func lockFile(path string) (release func() error, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the lock of the job queue cannot be made: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, errors.Join(fault.New(fault.Permanent, "open the job queue", "another ringback works with "+path).
			WithHint("stop it first; several machines can share one ledger on PostgreSQL only"), f.Close())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the lock of the job queue cannot be taken: %w", err), f.Close())
	}
	return f.Close, nil
}
