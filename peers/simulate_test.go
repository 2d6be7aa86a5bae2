//go:build conformance

package peers_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/ringback-health/ringback/simulate"
)

// TestSimulation plays the simulation's clinic at Medplum, on virtual time: what it says
// of the engine must not depend on the sandbox being ours.
func TestSimulation(t *testing.T) {
	_, base := newService(t, "fhir-server.mjs", "--clock")
	beside := strings.TrimSuffix(base, "/fhir/R4")
	cmd := exec.CommandContext(t.Context(), binary, "simulate", "--days", "12", "--seed", "61", "--json", "--ehr", base, "--ehr-clock", beside+"/__clock")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	var r simulate.Report
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	if r.Closes.Right < 8 || r.Reopens.Right == 0 {
		t.Errorf("%d closed rightly, %d opened again: hardly anything has happened", r.Closes.Right, r.Reopens.Right)
	}
	if r.Closes.Wrong+r.Answers.Missed+r.Reopens.Missed+r.Reopens.Wrong > 0 || r.Review.Sent > 1 {
		t.Errorf("%d closed wrongly, %d answers missed, %d reopenings missed, %d wrong, %d sent to review; play it again with\nringback simulate --days 12 --seed 61 --ehr URL --ehr-clock URL\n%s",
			r.Closes.Wrong, r.Answers.Missed, r.Reopens.Missed, r.Reopens.Wrong, r.Review.Sent, out)
	}
	ehr := peer{name: "Medplum with a clock", base: base, tells: beside + "/__invalid"}
	for _, i := range ehr.invalid(t) {
		t.Errorf("not valid FHIR R4: %s", i)
	}
}
