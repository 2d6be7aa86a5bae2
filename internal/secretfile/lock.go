package secretfile

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/ringback-health/ringback/internal/fault"
)

// lockPoll is how often a lock that another holds is tried again.
const lockPoll = 20 * time.Millisecond

// errLocked says that another process, or another part of this one, holds the lock.
var errLocked = errors.New("locked")

// Lock keeps everybody else who calls Lock for the same file out until release is
// called or the process ends. It waits as long as ctx lasts; the error is Retry then.
//
// What is locked is a file beside it, FILE.lock, because FILE itself is another one
// after each replacement. The lock is the operating system's and is never left
// behind by a process that was killed.
func Lock(ctx context.Context, op, file string) (release func(), err error) {
	f, err := os.OpenFile(file+".lock", os.O_CREATE|os.O_RDWR, Mode)
	if err != nil {
		return nil, failed(op, file+".lock cannot be made", err).
			WithHint("the folder must exist and the user that runs Ringback must be able to write to it")
	}
	tick := time.NewTicker(lockPoll)
	defer tick.Stop()
	for {
		err := lock(f)
		switch {
		case err == nil:
			return func() { _ = f.Close() }, nil // closing is what unlocks
		case !errors.Is(err, errLocked):
			_ = f.Close()
			return nil, failed(op, file+".lock cannot be locked", err).WithHint("put the file on a local disk")
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			_ = f.Close()
			return nil, fault.New(fault.Retry, op, "another process has been using "+file+" all the time").Because(ctx.Err())
		}
	}
}
