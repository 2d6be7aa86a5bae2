//go:build race

package main

// raceDetector says that this build is slow.
const raceDetector = true
