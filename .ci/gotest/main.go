// Gotest runs `go test` with its own arguments and prints what a person wants to
// read: a line per package, the whole output of what failed, and every skipped
// test with its reason, which `go test` keeps to itself. It is a program of our
// own so that `make test` needs nothing but Go and the modules of go.mod.
//
// A line per skipped test is also appended to the file that RINGBACK_SKIPPED names.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

func main() {
	status, err := run(os.Args[1:], os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "gotest:", err)
		status = max(status, 1)
	}
	os.Exit(status)
}

func run(args []string, out io.Writer) (status int, err error) {
	signal.Ignore(os.Interrupt) // go test gets it as well, and ends
	cmd := exec.CommandContext(context.Background(), "go", append([]string{"test", "-json"}, args...)...)
	cmd.Stderr = os.Stderr
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return 1, err
	}
	if err := cmd.Start(); err != nil {
		return 1, err
	}
	r := report{out: out, output: map[test][]string{}}
	lines := bufio.NewReader(pipe)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			r.line(line)
		}
		if err != nil {
			break
		}
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		status, err = exit.ExitCode(), nil
		if exit.Sys().(syscall.WaitStatus).Signaled() {
			status = 1
		}
	}
	fmt.Fprintf(out, "%d tests passed, %d failed, %d skipped\n", r.passed, r.failed, len(r.skipped))
	return status, errors.Join(err, r.saveSkipped())
}

// event is one line of `go test -json`; `go doc test2json` describes it.
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
}

type test struct{ pkg, name string } // name "": the package itself

type report struct {
	out            io.Writer
	output         map[test][]string // of tests that did not end yet
	passed, failed int
	skipped        []string
}

func (r *report) line(line string) {
	var e event
	if json.Unmarshal([]byte(line), &e) != nil {
		fmt.Fprint(r.out, line) // what the go command says for itself
		return
	}
	t := test{e.Package, e.Test}
	switch e.Action {
	case "output":
		r.output[t] = append(r.output[t], e.Output)
	case "build-output":
		fmt.Fprint(r.out, e.Output)
	case "pass", "fail", "skip":
		r.ended(e.Action, t)
		delete(r.output, t)
	}
}

func (r *report) ended(how string, t test) {
	switch {
	case how == "fail" && t.name == "":
		r.unfinished(t.pkg)
		r.print(t)
	case t.name == "":
		r.print(t, "PASS\n", "-test.shuffle", "testing: warning: no tests to run")
	case how == "fail":
		r.failed++
		r.print(t)
	case how == "skip":
		r.skip(t)
	default:
		r.passed++
	}
}

// unfinished prints the tests that a panic or the time limit cut off.
func (r *report) unfinished(pkg string) {
	var cut []test
	for t := range r.output {
		if t.pkg == pkg && t.name != "" {
			cut = append(cut, t)
		}
	}
	slices.SortFunc(cut, func(a, b test) int { return strings.Compare(a.name, b.name) })
	for _, t := range cut {
		r.failed++
		r.print(t)
	}
}

// print prints what t has put out, but for the lines that begin like one of without.
func (r *report) print(t test, without ...string) {
	for _, line := range r.output[t] {
		if !slices.ContainsFunc(append(without, "=== "), func(p string) bool { return strings.HasPrefix(line, p) }) {
			fmt.Fprint(r.out, line)
		}
	}
}

func (r *report) skip(t test) {
	var reason []string
	for _, line := range r.output[t] {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "=== ") && !strings.HasPrefix(line, "--- ") {
			reason = append(reason, line)
		}
	}
	line := fmt.Sprintf("SKIPPED: %s %s: %s", t.pkg, t.name, strings.Join(reason, " "))
	r.skipped = append(r.skipped, line)
	fmt.Fprintln(r.out, line)
}

func (r *report) saveSkipped() error {
	file := os.Getenv("RINGBACK_SKIPPED")
	if file == "" || len(r.skipped) == 0 {
		return nil
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, strings.Join(r.skipped, "\n"))
	return errors.Join(err, f.Close())
}
