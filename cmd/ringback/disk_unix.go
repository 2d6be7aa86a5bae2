//go:build linux || darwin

package main

import "syscall"

// diskFree returns how many bytes an ordinary user may still write below dir.
func diskFree(dir string) (uint64, error) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return 0, err
	}
	return fs.Bavail * uint64(fs.Bsize), nil
}
