//go:build conformance

package peers_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary is the ringback that was built for this run, as it is shipped.
var binary string

// build makes the binary without cgo.
func build(dir string) error {
	binary = filepath.Join(dir, "ringback")
	cmd := exec.Command("go", "build", "-o", binary, "../cmd/ringback")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("build ringback: %w\n%s", err, out)
	}
	return nil
}

// daemon is `ringback serve` in a folder of its own. It can be killed and started
// again on the same ledger.
type daemon struct {
	dir    string
	base   string // of its API, while it runs
	cmd    *exec.Cmd
	exited chan struct{}
	quiet  bool // keep nothing of requests to the API in the log: there are very many

	mu  sync.Mutex
	log bytes.Buffer // of all its lives
}

// settings are what differs from one scenario to the next.
type settings struct {
	proposeVisits bool
	pageSize      int    // of searches; 0: Ringback's own
	unconditional bool   // an EHR that does not see to it that a work item is made only once: Ringback has to
	listen        string // address of the API; "": any port
	auth          string // how Ringback logs in to the EHR, as YAML; "": not at all
}

const clinic = "elm-street"

// newDaemon writes the configuration and makes the ledger. dsn is "" for SQLite.
func newDaemon(t *testing.T, base, dsn string, s settings) *daemon {
	t.Helper()
	d := &daemon{dir: t.TempDir()}
	database := "database: sqlite:ledger.db"
	if dsn != "" {
		database = "database_file: dsn"
		d.write(t, "dsn", dsn)
	}
	var more string
	if s.pageSize > 0 {
		more = fmt.Sprintf("\n        page_size: %d", s.pageSize)
	}
	if s.auth != "" {
		database += "\nsigning_keys_file: signing.json"
		more += "\n        auth: " + s.auth
	}
	d.write(t, "ringback.yaml", fmt.Sprintf(`listen: %s
%s
keys_file: keys.json
queue_file: queue.db
log: {level: info, format: json}
clinics:
  - id: %s
    name: Elm Street
    zone: America/Chicago
    region: US
    ehr:
      id: peer
      connector: fhirr4
      poll: "@every 1s"
      propose_visits: %t
      settings:
        base_url: %s
        owners: {front-desk: Organization/front-desk}%s
`, cmp.Or(s.listen, "127.0.0.1:0"), database, clinic, s.proposeVisits, base, more))
	d.command(t, "migrate")
	t.Cleanup(func() {
		d.kill(t)
		if t.Failed() {
			t.Logf("the log of ringback serve:\n%s", d.logged())
		}
	})
	return d
}

func (d *daemon) write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(d.dir, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// command runs another command of the binary on the same configuration.
func (d *daemon) command(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, append(args, "--config", filepath.Join(d.dir, "ringback.yaml"))...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("ringback %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// start runs the daemon and waits until it listens.
func (d *daemon) start(t *testing.T) {
	t.Helper()
	d.cmd = exec.Command(binary, "serve", "--config", filepath.Join(d.dir, "ringback.yaml"))
	d.exited = make(chan struct{})
	stderr, err := d.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	listening := make(chan string, 1)
	go func() {
		defer close(d.exited)
		d.read(stderr, listening)
		_ = d.cmd.Wait() // how it ended is asked of ProcessState
	}()
	select {
	case address := <-listening:
		d.base = "http://" + address
	case <-d.exited:
		t.Fatalf("ringback serve ended: %s", d.cmd.ProcessState)
	case <-time.After(30 * time.Second):
		t.Fatal("ringback serve does not listen after 30 seconds")
	}
}

// read keeps the log and tells where the daemon listens.
func (d *daemon) read(from io.Reader, listening chan<- string) {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line struct{ Msg, Address string }
		known := json.Unmarshal(lines.Bytes(), &line) == nil
		if known && line.Msg == "listening" {
			listening <- line.Address
		}
		if d.quiet && known && line.Msg == "request" {
			continue
		}
		d.mu.Lock()
		d.log.Write(append(slices.Clone(lines.Bytes()), '\n'))
		d.mu.Unlock()
	}
}

func (d *daemon) logged() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.String()
}

// kill ends the daemon as a power cut does.
func (d *daemon) kill(t testing.TB) {
	t.Helper()
	if d.cmd == nil {
		return
	}
	_ = d.cmd.Process.Kill() // it may have ended by itself
	<-d.exited
	d.cmd = nil
}

// stop ends the daemon as an operator does, and wants it to end well and soon.
func (d *daemon) stop(t *testing.T) {
	t.Helper()
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-d.exited:
		if !d.cmd.ProcessState.Success() {
			t.Errorf("ringback serve ended with: %s", d.cmd.ProcessState)
		}
	case <-time.After(10 * time.Second):
		t.Error("ringback serve still runs 10 seconds after SIGTERM")
	}
	d.kill(t)
}

// callback is what the API tells about a callback, as far as the tests look at it.
type callback struct {
	ID          string
	Status      string
	Outcome     *string
	Owner       *string
	Priority    string
	NeedsReview bool `json:"needs_review"`
	Revision    int64
	Patient     struct {
		EHRID      *string `json:"ehr_id"`
		Resolution *string
	}
	Timeline []event
	Links    []struct {
		LinkID        string  `json:"link_id"`
		ResourceType  string  `json:"resource_type"`
		ID            *string `json:"id"`
		Status        string
		HoldsRevision int64   `json:"holds_revision"`
		LastError     *string `json:"last_error"`
	}
	Evidence []struct {
		Appointment, Verdict, Sentence, State string
		Reasons                               []string
	}
}

// event is an entry of the timeline.
type event struct {
	Kind string
	By   struct{ Kind string }
	Note *string
}

// call sends a request to the API and returns the status of the answer.
func (d *daemon) call(ctx context.Context, method, path string, body, out any) (int, error) {
	var sent bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&sent).Encode(body); err != nil {
			return 0, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, d.base+path, &sent)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	if resp.StatusCode >= 300 {
		return resp.StatusCode, fmt.Errorf("%s %s: %d %s", method, path, resp.StatusCode, got)
	}
	return resp.StatusCode, json.Unmarshal(got, out)
}

// must is call for what has to succeed.
func (d *daemon) must(t testing.TB, method, path string, body, out any) int {
	t.Helper()
	status, err := d.call(t.Context(), method, path, body, out)
	if err != nil {
		t.Fatal(err)
	}
	return status
}

func (d *daemon) show(t testing.TB, id string) callback {
	t.Helper()
	var c callback
	d.must(t, http.MethodGet, "/v1/callbacks/"+id, nil, &c)
	return c
}
