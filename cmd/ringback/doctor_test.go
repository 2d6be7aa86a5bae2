package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ringback-health/ringback/internal/doctor"
	"github.com/ringback-health/ringback/sandbox"
)

// doctorWants runs the doctor and checks findings: for "about check" the status, and
// behind it words that stand in the finding.
func (c cli) doctorWants(code int, want map[string]string, args ...string) doctor.Report {
	c.t.Helper()
	var r doctor.Report
	c.runJSON(code, &r, append([]string{"doctor"}, args...)...)
	for name, expected := range want {
		i := slices.IndexFunc(r.Findings, func(f doctor.Finding) bool { return f.About+" "+f.Check == name })
		if i < 0 {
			c.t.Errorf("%s was not looked at", name)
			continue
		}
		f := r.Findings[i]
		status, words, _ := strings.Cut(expected, " ")
		if said := f.What + " → " + string(f.Whose) + ": " + f.Do; string(f.Status) != status || !strings.Contains(said, words) {
			c.t.Errorf("%s: %s %s\nwant %s", name, f.Status, said, expected)
		}
	}
	return r
}

func ehrConfig(base, settings string) string {
	return `listen: 127.0.0.1:0
clinics:
  - id: main-street
    zone: America/New_York
    region: US
    ehr:
      id: main-ehr
      connector: fhirr4
      settings:
        base_url: ` + base + "\n" + settings
}

func serveSandbox(t *testing.T, o sandbox.Options) string {
	t.Helper()
	box := sandbox.New(o)
	if _, err := sandbox.SeedClinic(box.Store(), sandbox.ClinicOptions{}); err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(box)
	t.Cleanup(s.Close)
	return s.URL + sandbox.BasePath
}

// TestDoctorOnANewMachine: each step that is still to be done is named, with the
// command that does it.
func TestDoctorOnANewMachine(t *testing.T) {
	c := newCLI(t, testConfig)
	c.doctorWants(exitFound, map[string]string{
		"configuration file":      "ok it can be read, and every key is known: 1 clinic, 0 EHRs",
		"clinic main-street zone": "ok America/New_York: it is ",
		"ledger keys":             "failed make one with: ringback migrate",
		"ledger database":         "skipped",
		"daemon listen":           "skipped",
		"clinic main-street ehr":  "note",
	})
	c.run(exitDone, "migrate")
	r := c.doctorWants(exitDone, map[string]string{
		"configuration permissions": "ok",
		"ledger keys":               "ok",
		"ledger database":           "ok",
		"ledger schema":             "ok",
		"ledger write":              "ok",
		"daemon listen":             "note 127.0.0.1:0 is open to this machine only",
		"daemon running":            "skipped",
	})
	if r.Summary != doctor.Summarize(r.Findings) || r.Summary.Failed != 0 {
		t.Errorf("%+v", r.Summary)
	}
	out, _ := c.run(exitDone, "doctor")
	for _, want := range []string{"configuration\n  ok    file ", "\n\nledger\n", "Nothing failed", "Nothing is wrong"} {
		if strings.Contains(out, want) == (want == "Nothing failed") {
			t.Errorf("%q:\n%s", want, out)
		}
	}
}

// TestDoctorWithoutAConfiguration: it is told as a finding too, and the exit code is
// that of a wrong configuration.
func TestDoctorWithoutAConfiguration(t *testing.T) {
	c := newCLI(t, "listen: 127.0.0.1:0\nclinics:\n  - {id: main-street, zone: Mars/Olympus}\nlog: {level: loud}\n")
	r := c.doctorWants(exitUsage, map[string]string{"configuration file": "failed"})
	if len(r.Findings) != 2 || r.Summary.Failed != 2 {
		t.Errorf("%+v", r)
	}
	c.write("ringback.yaml", "listen: 127.0.0.1:0\nclincs: []\n")
	out, errOut := c.run(exitUsage, "doctor")
	if out := strings.Join(strings.Fields(out), " "); !strings.Contains(out, `line 2: there is no key "clincs"; did you mean "clinics"?`) || !strings.Contains(errOut, "cannot be used") {
		t.Error(out, errOut)
	}
	if err := os.Remove(filepath.Join(c.dir, "ringback.yaml")); err != nil {
		t.Fatal(err)
	}
	c.doctorWants(exitUsage, map[string]string{"configuration file": "failed there is no configuration"})
}

// TestDoctorOnTheMachine: what is wrong on the machine itself.
func TestDoctorOnTheMachine(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no file modes, which is what is looked at")
	}
	c := newCLI(t, strings.Replace(ehrConfig("http://127.0.0.1:1/fhir", "        auth: {kind: bearer, token_file: token}\n"), "127.0.0.1:0", "0.0.0.0:0", 1)+
		"    closed: [\"2020-01-01\"]\n")
	c.run(exitDone, "migrate")
	token := c.write("token", "canary-of-a-secret")
	if err := os.Chmod(token, 0o644); err != nil { //nolint:gosec // that is what is looked for
		t.Fatal(err)
	}
	c.doctorWants(exitFound, map[string]string{
		"configuration permissions":   "warning everybody on this machine may read " + token + " (mode 0644) → this installation: run: chmod o= " + token,
		"daemon listen":               "failed listen: 0.0.0.0:0 is open to other machines",
		"clinic main-street holidays": "note",
		"ehr main-ehr connection":     "skipped not tried, because --offline",
	}, "--offline")
	keys := filepath.Join(c.dir, "ringback.keys.json")
	if err := os.Chmod(keys, 0o644); err != nil { //nolint:gosec // that is what is looked for
		t.Fatal(err)
	}
	c.doctorWants(exitFound, map[string]string{"ledger keys": "failed run: chmod 600 " + keys, "ledger schema": "skipped"}, "--offline")
	if err := os.Remove(token); err != nil {
		t.Fatal(err)
	}
	c.doctorWants(exitFound, map[string]string{"ehr main-ehr settings": "failed secret file cannot be read"}, "--offline")
	c.run(exitUsage, "doctor", "--clinic", "nowhere")
	c.run(exitUsage, "doctor", "--timeout", "0s")
	c.run(exitUsage, "doctor", "--offline", "--test-patient", "1")
}

// TestDoctorOfAnEHR: the whole way, with a test item.
func TestDoctorOfAnEHR(t *testing.T) {
	c := newCLI(t, ehrConfig(serveSandbox(t, sandbox.Options{}), ""))
	c.run(exitDone, "migrate")
	r := c.doctorWants(exitDone, map[string]string{
		"ehr main-ehr settings":        "ok",
		"ehr main-ehr metadata":        "ok FHIR 4.0.1, Ringback sandbox",
		"ehr main-ehr rung":            "ok callbacks are filed as Task",
		"ehr main-ehr items-by-marker": "ok",
		"ehr main-ehr trip-guard":      "ok",
		"ehr main-ehr trip-end":        "ok",
	}, "--test-patient", "patient-01", "--clinic", "main-street")
	for _, f := range r.Findings {
		if f.Status == doctor.Warning || f.Status == doctor.Failed {
			t.Errorf("%+v", f)
		}
	}
	c.write("ringback.yaml", testConfig)
	c.run(exitUsage, "doctor", "--test-patient", "patient-01")
}

// TestDoctorOfAnEHRThatIsNotThere: two clinics, and one of them does not keep the
// other from being looked at.
func TestDoctorOfAnEHRThatIsNotThere(t *testing.T) {
	nobody := closedPort(t)
	second := strings.NewReplacer("main-street", "uptown", "main-ehr", "uptown-ehr").Replace(
		strings.SplitAfter(ehrConfig(serveSandbox(t, sandbox.Options{}), ""), "clinics:\n")[1])
	c := newCLI(t, ehrConfig(nobody+"/fhir", "        base_urll: x\n")+second)
	c.run(exitDone, "migrate")
	c.doctorWants(exitFound, map[string]string{
		"ehr main-ehr settings":   `failed did you mean "base_url"?`,
		"ehr main-ehr connection": "skipped",
		"ehr uptown-ehr rung":     "ok",
	})
	c.write("ringback.yaml", ehrConfig(nobody+"/fhir", "")+second)
	c.doctorWants(exitFound, map[string]string{
		"ehr main-ehr tcp":     "failed refuses connections",
		"ehr main-ehr rung":    "skipped",
		"ehr uptown-ehr rung":  "ok",
		"ehr uptown-ehr token": "note",
	})
}

// TestDoctorBesideADaemon: a running daemon is no fault, and is not disturbed.
func TestDoctorBesideADaemon(t *testing.T) {
	addr := strings.TrimPrefix(closedPort(t), "http://")
	c := newCLI(t, strings.Replace(testConfig, "127.0.0.1:0", addr, 1))
	c.run(exitDone, "migrate")
	c.doctorWants(exitDone, map[string]string{"daemon running": "note no daemon answers"})

	ctx, cancel := context.WithCancel(t.Context())
	ended, listening := make(chan int, 1), make(chan struct{})
	stderr := &stopOn{text: "listening", stop: sync.OnceFunc(func() { close(listening) })}
	go func() {
		ended <- run(ctx, []string{"serve", "--config", filepath.Join(c.dir, "ringback.yaml")}, io.Discard, stderr)
	}()
	select {
	case <-listening:
	case code := <-ended:
		t.Fatalf("the daemon ended with %d", code)
	}
	c.doctorWants(exitDone, map[string]string{"ledger write": "ok", "daemon running": "ok a daemon runs at " + addr})
	cancel()
	if code := <-ended; code != exitDone {
		t.Errorf("the daemon ended with %d", code)
	}

	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	c.write("ringback.yaml", strings.Replace(testConfig, "127.0.0.1:0", other.Listener.Addr().String(), 1))
	c.doctorWants(exitDone, map[string]string{"daemon running": "warning something else than Ringback answers"})
}

// TestSecretOnTwoLines: a secret that was cut in two is refused by whatever reads it,
// in words, before anything is sent.
func TestSecretOnTwoLines(t *testing.T) {
	c := newCLI(t, ehrConfig("http://127.0.0.1:1/fhir", "        auth: {kind: bearer, token_file: token}\n"))
	c.run(exitDone, "migrate")
	c.write("token", "canary-of-\na-secret\n")
	for _, cmd := range [][]string{{"check", "--offline"}, {"serve"}} {
		if _, errOut := c.run(exitUsage, cmd...); !strings.Contains(errOut, "has a line break inside") || strings.Contains(errOut, "canary") {
			t.Errorf("%v: %s", cmd, errOut)
		}
	}
	c.doctorWants(exitFound, map[string]string{"ehr main-ehr settings": "failed has a line break inside"}, "--offline")
	c.write("token", "canary-of-a-secret\n")
	c.run(exitDone, "check", "--offline")

	c.write("hook", "https://chat.example/\ncanary-of-a-secret")
	c.write("ringback.yaml", testConfig+"alerts: {webhook_file: hook}\n")
	for _, cmd := range [][]string{{"check", "--offline"}, {"serve"}} {
		if _, errOut := c.run(exitUsage, cmd...); !strings.Contains(errOut, "alerts.webhook") || !strings.Contains(errOut, "has a line break inside") {
			t.Errorf("%v: %s", cmd, errOut)
		}
	}
	c.doctorWants(exitFound, map[string]string{"configuration alerts": "failed has a line break inside"}, "--offline")
	c.write("hook", "https://chat.example/canary-of-a-secret\n")
	c.run(exitDone, "check", "--offline")
	c.doctorWants(exitDone, map[string]string{"configuration alerts": "ok"}, "--offline")
}
