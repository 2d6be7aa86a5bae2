//go:build !unix

package secretfile

import "os"

// lock does nothing where there is no flock: two processes that replace one file
// are then not kept apart.
func lock(*os.File) error { return nil }
