//go:build conformance

package peers_test

import (
	"bufio"
	"encoding/json"
	"net"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// service is a server of this folder that a test starts, stops and starts again.
type service struct {
	args []string

	cmd    *exec.Cmd
	exited chan struct{}

	mu    sync.Mutex
	lines []string // of its standard output, in all its lives
}

// newService starts a server and returns it with the address that it names.
func newService(t *testing.T, args ...string) (s *service, address string) {
	t.Helper()
	s = &service{args: args}
	t.Cleanup(func() {
		s.stop()
		if t.Failed() {
			t.Logf("%s said:\n%s", s.args[0], strings.Join(s.said(), "\n"))
		}
	})
	return s, s.start(t)
}

func (s *service) start(t testing.TB) (address string) {
	t.Helper()
	s.cmd = exec.Command("node", s.args...)
	s.exited = make(chan struct{})
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make(chan string, 1)
	go func() {
		defer close(s.exited)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			var line struct{ Ready string }
			if json.Unmarshal(lines.Bytes(), &line) == nil && line.Ready != "" {
				ready <- line.Ready
				continue
			}
			s.mu.Lock()
			s.lines = append(s.lines, lines.Text())
			s.mu.Unlock()
		}
		_ = s.cmd.Wait() // it is killed in the end
	}()
	select {
	case address := <-ready:
		return address
	case <-s.exited:
		t.Fatalf("%s ended: %s", s.args[0], s.cmd.ProcessState)
	case <-time.After(time.Minute):
		t.Fatalf("%s is not ready after a minute", s.args[0])
	}
	return ""
}

// stop kills the server.
func (s *service) stop() {
	if s.cmd == nil || s.cmd.Process == nil {
		return
	}
	_ = s.cmd.Process.Kill() // it may have ended by itself
	<-s.exited
	s.cmd = nil
}

// said returns what the server has printed, line by line.
func (s *service) said() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.lines)
}

// freeAddress returns an address on loopback where nobody listens now.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// status sends a request, with a Task that a write may write, and returns the status
// of the answer.
func status(t *testing.T, method, address, token string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(`{"resourceType":"Task","status":"ready","intent":"order"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/fhir+json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// decode reads a line of JSON.
func decode(line string, into any) bool { return json.Unmarshal([]byte(line), into) == nil }
