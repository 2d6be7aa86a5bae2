package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/sandbox"
	"github.com/ringback-health/ringback/simulate"
)

// simulated runs the command with --json and returns its result.
func simulated(t *testing.T, args ...string) (simulate.Report, string, int) {
	t.Helper()
	var out, errOut bytes.Buffer
	code := run(t.Context(), append([]string{"simulate", "--json"}, args...), &out, &errOut)
	if code == exitUsage {
		t.Fatalf("simulate %s: %s", strings.Join(args, " "), errOut.String())
	}
	var r simulate.Report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	return r, out.String(), code
}

// TestSimulation plays a few clinics against the daemon's own parts. It is too small to
// measure the goals, which `ringback simulate` does at length; what it measures must not
// be far from them.
func TestSimulation(t *testing.T) {
	clinics, days := 3, 14
	if raceDetector {
		clinics, days = 2, 8
	}
	r, _, code := simulated(t, "--clinics", strconv.Itoa(clinics), "--days", strconv.Itoa(days), "--seed", "2026")
	if (code == exitDone) != (r.Missed() == 0) {
		t.Errorf("exit code %d with %d goals missed", code, r.Missed())
	}
	atLeast := map[string]float64{"precision of automatic closes": 0.98, "recall of answers by a visit": 0.85, "recall of reopenings": 0.8}
	atMost := map[string]float64{"callbacks sent to review": 0.12, "wrong closes on weak evidence": 0}
	for _, g := range r.Goals {
		least, most := atLeast[g.Name], atMost[g.Name]
		if !raceDetector && (!g.AtMost && g.Is < least || g.AtMost && g.Is > most) {
			t.Errorf("%s is %.4f of %d", g.Name, g.Is, g.Of)
		}
	}
	if r.Callbacks < clinics*days || r.Closes.Right < r.Callbacks/5 {
		t.Errorf("%d callbacks, %d closed: hardly anything has happened", r.Callbacks, r.Closes.Right)
	}
}

// TestSimulationIsTheSameTwice, to the byte, and a failure's story is told by its name.
func TestSimulationIsTheSameTwice(t *testing.T) {
	args := []string{"--clinics", "2", "--days", "5", "--seed", "5"}
	_, first, _ := simulated(t, args...)
	if _, second, _ := simulated(t, args...); first != second {
		t.Errorf("not the same twice:\n%s\n%s", first, second)
	}
	var out, errOut bytes.Buffer
	if code := run(t.Context(), append([]string{"simulate", "--explain", "c2-1"}, args...), &out, &errOut); code != exitDone {
		t.Fatal(errOut.String())
	}
	for _, want := range []string{"truth", "daemon", "c2-1", "captured by caller"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the story lacks %q:\n%s", want, out.String())
		}
	}
}

// TestSimulationAtAServer plays at an EHR by URL, which has a clock of its own.
func TestSimulationAtAServer(t *testing.T) {
	srv := httptest.NewServer(sandbox.New(sandbox.Options{Clock: clock.System{}}))
	defer srv.Close()
	r, _, _ := simulated(t, "--days", "6", "--seed", "3", "--ehr", srv.URL+sandbox.BasePath)
	// Time runs fast there, and a daemon that is slowed down cannot tell when visits were booked.
	closes := r.Closes.Right > 0 || raceDetector
	if r.Callbacks == 0 || r.Visits < 50 || !closes || r.Closes.Wrong > 0 {
		t.Errorf("%+v", r.Tally)
	}
}

func TestSimulationRefuses(t *testing.T) {
	for args, want := range map[string]string{
		"--clinics 0":                             "at least 1",
		"--days 0":                                "at least 1",
		"--clinics 2 --ehr http://127.0.0.1:1":    "use --clinics 1",
		"--days 1 --explain nobody":               "c3-124",
		"--days 1 --explain c1-9999":              "nothing became a callback of the name",
		"--days 1 --ehr http://127.0.0.1:1":       "does not answer",
		"--days 1 --ehr-clock http://127.0.0.1:1": "name that as well",
	} {
		var out, errOut bytes.Buffer
		if code := run(t.Context(), append([]string{"simulate"}, strings.Fields(args)...), &out, &errOut); code != exitUsage || !strings.Contains(errOut.String(), want) {
			t.Errorf("simulate %s: exit code %d: %s", args, code, errOut.String())
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errOut bytes.Buffer
	if code := run(ctx, []string{"simulate"}, &out, &errOut); code == exitDone {
		t.Error("it does not stop when it is told to")
	}
	if left, err := filepath.Glob(filepath.Join(t.TempDir(), "ringback-simulate-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
