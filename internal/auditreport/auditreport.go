// Package auditreport writes an audit (package callback/audit) down for people and for
// spreadsheets: one HTML page that needs nothing beside it, tables as CSV, and a
// suggested workflow file.
//
// Nothing it writes holds a phone number or a name. What the numbers mean is decided in
// callback/audit.
package auditreport

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/ringback-health/ringback/callback/audit"
)

// Input is all that a report is made of.
type Input struct {
	Report  audit.Report
	Sources []Source // the logs, in the order of MissedCall.Log
	// Appointments is how the appointments were read; nil: none were given.
	Appointments *Source
	Repeated     int // rows left out because another log had them
	Late         int // rows that stand far from where their time belongs
	Region       string
	Made         time.Time // when the report was made
	Version      string    // of the program
}

// Source is how one file was read.
type Source struct {
	File    string
	Format  string
	Layout  string
	Empty   bool
	Rows    int
	Skipped int // rows that are no calls and say so
	Damaged int // rows that may have been calls and could not be read
	// Notes name the first damaged rows and why.
	Notes       []string
	Warnings    []string
	Unused      []string // columns that were not used
	First, Last time.Time
	Sessions    int
}

// Files are the files of a report, in the order in which one reads them.
var Files = []string{"report.html", "summary.csv", "verdicts.csv", "hours.csv", "days.csv", "unreturned.csv", "callers.csv", "missed-calls.csv", "workflow.yaml"}

// Write writes the files of the report into the folder dir, which it makes if there is
// none. Files of an earlier report are replaced, each as a whole; others stay.
func Write(dir string, in Input) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("the folder for the report cannot be made: %w", err)
	}
	tables := csvTables(in)
	for _, name := range Files {
		write := tables[name]
		switch name {
		case "report.html":
			write = func(w io.Writer) error { return HTML(w, in) }
		case "workflow.yaml":
			write = func(w io.Writer) error { return Workflow(w, in) }
		}
		if err := replace(filepath.Join(dir, name), write); err != nil {
			return fmt.Errorf("the report cannot be written: %w", err)
		}
	}
	return nil
}

// replace writes a file beside the old one and then takes its place.
func replace(path string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	w := bufio.NewWriter(f)
	err = errors.Join(write(w), w.Flush(), f.Chmod(0o640))
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
