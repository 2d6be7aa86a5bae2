//go:build !linux && !darwin

package main

import "errors"

// diskFree is not told on this kind of machine.
func diskFree(string) (uint64, error) { return 0, errors.ErrUnsupported }
