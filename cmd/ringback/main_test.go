package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ringback-health/ringback/sandbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cli is a folder with a configuration in which commands are run.
type cli struct {
	t   *testing.T
	dir string
}

const testConfig = `listen: 127.0.0.1:0
clinics:
  - {id: main-street, zone: America/New_York, region: US}
`

func newCLI(t *testing.T, config string) cli {
	t.Helper()
	c := cli{t, t.TempDir()}
	c.write("ringback.yaml", config)
	return c
}

func (c cli) write(name, content string) string {
	c.t.Helper()
	path := filepath.Join(c.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return path
}

// run runs one command and checks its exit code.
func (c cli) run(code int, args ...string) (out, errOut string) {
	c.t.Helper()
	var stdout, stderr bytes.Buffer
	if got := run(c.t.Context(), append(args, "--config", filepath.Join(c.dir, "ringback.yaml")), &stdout, &stderr); got != code {
		c.t.Fatalf("ringback %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), got, code, stdout.String(), stderr.String())
	}
	return stdout.String(), stderr.String()
}

// runJSON runs a command with --json and decodes what it prints.
func (c cli) runJSON(code int, into any, args ...string) {
	c.t.Helper()
	out, _ := c.run(code, append(args, "--json")...)
	if err := json.Unmarshal([]byte(out), into); err != nil {
		c.t.Fatalf("%v is not JSON: %v\n%s", args, err, out)
	}
}

// TestDemo plays the whole morning, as the README's first command does.
func TestDemo(t *testing.T) {
	var out, errOut bytes.Buffer
	if code := run(t.Context(), []string{"demo", "--once", "--json"}, &out, &errOut); code != exitDone {
		t.Fatalf("exit code %d: %s%s", code, out.String(), errOut.String())
	}
	var got demoCount
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	got.Seconds = 0
	want := demoCount{Sessions: 9, Callbacks: 9, WorkItems: 9, ClosedOnBooking: 3, ClosedInEHR: 3, Reopened: 1, Open: 3, NeedsReview: 1}
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// TestDemoTells: a count that differs from what was played is a failure.
func TestDemoTells(t *testing.T) {
	played := demoCount{Callbacks: 9, Open: 3}
	for name, c := range map[string]demoCount{
		"lost":      {Callbacks: 9, Open: 3, Lost: 1},
		"doubled":   {Callbacks: 9, Open: 3, DuplicateItems: 1},
		"otherwise": {Callbacks: 9, Open: 4},
	} {
		if c.wrong(played) == nil {
			t.Errorf("%s: nobody noticed", name)
		}
	}
	if err := (demoCount{Callbacks: 9, Open: 3, Seconds: 1}).wrong(played); err != nil {
		t.Error(err)
	}
}

// TestImportOfARealWeekend: a real PBX's call log, the same twice.
func TestImportOfARealWeekend(t *testing.T) {
	c := newCLI(t, strings.Replace(testConfig, "region: US", "region: RU", 1))
	c.run(exitDone, "migrate")
	log := "../../connectors/phone/asterisk/testdata/real-master-21-columns.csv"
	args := []string{"import", log, "--clinic", "main-street", "--format", "asterisk", "--zone", "UTC"}
	var dry, first, second importResult
	c.runJSON(exitDone, &dry, append(args, "--dry-run")...)
	if dry.Rows != 40 || dry.Sessions != 13 || dry.Callbacks != 9 || !dry.DryRun {
		t.Errorf("%+v", dry)
	}
	c.runJSON(exitDone, &first, args...)
	c.runJSON(exitDone, &second, args...)
	if first.Callbacks != 4 || first.Merged != 5 || first.Known != 0 || first.Verdicts["answered"] != 4 || first.Ignored["answered"] != 4 {
		t.Errorf("%+v", first)
	}
	if second.Callbacks != 0 || second.Merged != 0 || second.Known != 9 {
		t.Errorf("the second import: %+v", second)
	}
	var list struct{ Items []callbackRow }
	c.runJSON(exitDone, &list, "callbacks", "list")
	if len(list.Items) != 4 {
		t.Errorf("%d callbacks", len(list.Items))
	}
	out, _ := c.run(exitDone, append(args, "--dry-run")...)
	for _, want := range []string{"rows 4-6 ", "abandoned-ring", "40 rows: 40 in 13 calls"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	if _, errOut := c.run(exitUsage, "import", log, "--clinic", "main-street", "--format", "asterisk"); !strings.Contains(errOut, "--zone or --utc") {
		t.Errorf("a log of another zone: %s", errOut)
	}
	if strings.Contains(out, "9245367173") {
		t.Error("a caller's number is printed")
	}
}

const goodRow = `"","2125550150","2125550100","from-trunk","""x"" <2125550150>","SIP/trunk-00000001","SIP/101-00000002","Dial","","2026-11-20 08:02:00",,"2026-11-20 08:02:25",25,0,"NO ANSWER","DOCUMENTATION","1795179720.1","","","1795179720.1",1` + "\n"

// TestImportOfBadLogs: what is damaged is named, what is not is imported, and
// nothing is half done.
func TestImportOfBadLogs(t *testing.T) {
	c := newCLI(t, testConfig)
	c.run(exitDone, "migrate")
	torn := c.write("torn.csv", goodRow+goodRow[:60])
	out, errOut := c.run(exitFound, "import", torn, "--clinic", "main-street", "--format", "asterisk")
	if !strings.Contains(out, "line 2 ") || !strings.Contains(errOut, "1 rows of") || !strings.Contains(out, "callback 0") {
		t.Errorf("%s%s", out, errOut)
	}
	unknown := c.write("unknown.csv", "a,b,c\n1,2,3\n")
	for _, x := range []struct {
		args []string
		says string
	}{
		{[]string{"import", unknown, "--clinic", "main-street", "--format", "asterisk"}, "unknown.csv"},
		{[]string{"import", unknown, "--clinic", "main-street", "--format", "generic"}, "unknown.csv"},
		{[]string{"import", filepath.Join(c.dir, "none.csv"), "--clinic", "main-street", "--format", "asterisk"}, "cannot be read"},
		{[]string{"import", torn, "--clinic", "elsewhere", "--format", "asterisk"}, "there is main-street"},
		{[]string{"import", torn, "--clinic", "main-street", "--format", "fax"}, "asterisk"},
		{[]string{"import", torn, "--clinic", "main-street", "--format", "asterisk", "--zone", "Mars"}, "America/New_York"},
		{[]string{"import", torn, "--clinic", "main-street"}, "format"},
	} {
		if _, errOut := c.run(exitUsage, x.args...); !strings.Contains(errOut, x.says) {
			t.Errorf("%v says %q, should say %q", x.args[2:], errOut, x.says)
		}
	}
	var list struct{ Items []callbackRow }
	c.runJSON(exitDone, &list, "callbacks", "list")
	if len(list.Items) != 1 {
		t.Errorf("%d callbacks, want the one of the whole row", len(list.Items))
	}
}

// TestImportGoesOn: a call that cannot be taken does not hold up the others.
func TestImportGoesOn(t *testing.T) {
	c := newCLI(t, testConfig)
	c.run(exitDone, "migrate")
	future := strings.NewReplacer("2026-11-20", "2126-11-20", "1795179720.1", "4950853320.9", "50150", "50151").Replace(goodRow)
	var res importResult
	c.runJSON(exitFound, &res, "import", c.write("log.csv", future+goodRow), "--clinic", "main-street", "--format", "asterisk")
	if res.Refused != 1 || res.Callbacks != 1 {
		t.Errorf("%+v", res)
	}
}

// TestNumberThatCannotBeDialled: it is kept for a person.
func TestNumberThatCannotBeDialled(t *testing.T) {
	c := newCLI(t, testConfig)
	c.run(exitDone, "migrate")
	log := c.write("odd.csv", strings.ReplaceAll(goodRow, "2125550150", "00999912"))
	var res importResult
	c.runJSON(exitDone, &res, "import", log, "--clinic", "main-street", "--format", "asterisk", "--source", "old-pbx")
	if res.Unreadable != 1 {
		t.Errorf("nobody is told: %+v", res)
	}
	var list struct{ Items []callbackRow }
	c.runJSON(exitDone, &list, "callbacks", "list", "--source", "old-pbx")
	var detail callbackDetail
	c.runJSON(exitDone, &detail, "callbacks", "show", list.Items[0].ID)
	if detail.Phone != "" || !strings.Contains(detail.Text, "00999912") {
		t.Errorf("%+v", detail)
	}
}

func TestCallbacksAtTheTerminal(t *testing.T) {
	c := newCLI(t, testConfig)
	c.run(exitDone, "migrate")
	c.run(exitDone, "import", c.write("log.csv", goodRow), "--clinic", "main-street", "--format", "asterisk")
	var list struct{ Items []callbackRow }
	c.runJSON(exitDone, &list, "callbacks", "list", "--open", "--category", "other")
	id := list.Items[0].ID
	c.run(exitDone, "callbacks", "assign", id, "--owner", "kim")
	c.run(exitDone, "callbacks", "attempt", id, "--result", "no-answer", "--note", "rang out")
	c.run(exitDone, "callbacks", "close", id, "--outcome", "answered-question")
	if _, errOut := c.run(exitFound, "callbacks", "close", id, "--outcome", "spam"); !strings.Contains(errOut, "cannot close a callback that is closed") {
		t.Error(errOut)
	}
	c.run(exitDone, "callbacks", "reopen", id, "--reason", "called again")
	var d callbackDetail
	c.runJSON(exitDone, &d, "callbacks", "show", id)
	if d.Status != "in-progress" || d.Owner != "kim" || len(d.Attempts) != 1 || len(d.Timeline) != 7 || !strings.HasPrefix(d.Why, "Open again") {
		t.Errorf("%+v", d)
	}
	if out, _ := c.run(exitDone, "callbacks", "show", id); !strings.Contains(out, "rang out") || !strings.Contains(out, "Open again") {
		t.Error(out)
	}
	for _, args := range [][]string{
		{"callbacks", "list", "--status", "lost"}, {"callbacks", "list", "--category", "x"}, {"callbacks", "show", "x"},
		{"callbacks", "close", id, "--outcome", "no-answer"}, {"callbacks", "attempt", id, "--result", "booked"}, {"links", "list", "--state", "x"},
		{"callbacks", "close", id}, {"nonsense"},
	} {
		if _, errOut := c.run(exitUsage, args...); len(errOut) < 20 {
			t.Errorf("%v only says %q", args, errOut)
		}
	}
	c.run(exitFound, "callbacks", "show", "01920000-0000-7000-8000-000000000000")
	c.run(exitFound, "links", "retry", "01920000-0000-7000-8000-000000000000")
}

func TestTokens(t *testing.T) {
	c := newCLI(t, testConfig)
	c.run(exitDone, "migrate")
	out, _ := c.run(exitDone, "tokens", "create", "--name", "form", "--role", "intake")
	if !strings.HasPrefix(out, "rbk_") {
		t.Errorf("the token should be the only thing on standard output: %q", out)
	}
	c.run(exitFound, "tokens", "create", "--name", "form", "--role", "intake")
	c.run(exitUsage, "tokens", "create", "--name", "x", "--role", "king")
	if list, _ := c.run(exitDone, "tokens", "list", "--json"); strings.Contains(list, strings.TrimSpace(out)) || !strings.Contains(list, `"form"`) {
		t.Error("a list shows names, never tokens")
	}
	c.run(exitDone, "tokens", "revoke", "form")
	c.run(exitFound, "tokens", "revoke", "form")
}

func TestBeforeMigrating(t *testing.T) {
	c := newCLI(t, testConfig)
	for _, args := range [][]string{{"serve"}, {"callbacks", "list"}} {
		if _, errOut := c.run(exitUsage, args...); !strings.Contains(errOut, "ringback migrate") {
			t.Errorf("%v should say what to do: %s", args, errOut)
		}
	}
	out, _ := c.run(exitDone, "migrate")
	if !strings.Contains(out, "made the key file") {
		t.Error(out)
	}
	if out, _ = c.run(exitDone, "migrate"); !strings.Contains(out, "up to date") {
		t.Error(out)
	}
	// The key file is gone: no new one is made, it could not read the ledger.
	c.run(exitDone, "callbacks", "list")
	if err := os.Remove(filepath.Join(c.dir, "ringback.keys.json")); err != nil {
		t.Fatal(err)
	}
	c.run(exitDone, "migrate")
	if _, errOut := c.run(exitUsage, "callbacks", "list"); !strings.Contains(errOut, "restore it") {
		t.Error(errOut)
	}
}

func TestCheck(t *testing.T) {
	ehr := httptest.NewServer(sandbox.New(sandbox.Options{}))
	defer ehr.Close()
	config := func(url string) string {
		return fmt.Sprintf("clinics:\n  - id: a\n    zone: UTC\n    ehr: {id: e, connector: fhirr4, settings: {base_url: %q}}\n", url)
	}
	out, _ := newCLI(t, config(ehr.URL+"/fhir/R4")).run(exitDone, "check")
	if !strings.Contains(out, "Ringback sandbox") || !strings.Contains(out, "filed as Task") || !strings.Contains(out, "Nothing is wrong.") {
		t.Error(out)
	}
	html := httptest.NewServer(nil)
	defer html.Close()
	for name, url := range map[string]string{"a page that is no FHIR": html.URL, "nobody there": closedPort(t)} {
		out, errOut := newCLI(t, config(url)).run(exitFound, "check")
		if !strings.Contains(out, "cannot be asked") || !strings.Contains(errOut, "1 of 1 clinics") {
			t.Errorf("%s: %s%s", name, out, errOut)
		}
	}
	for name, x := range map[string]struct{ config, says string }{
		"an unknown connector": {"clinics: [{id: a, zone: UTC, ehr: {id: e, connector: fax}}]", "there is fhirr4"},
		"a misspelt setting":   {"clinics: [{id: a, zone: UTC, ehr: {id: e, connector: fhirr4, settings: {base_uri: x}}}]", `"base_url"`},
		"no address":           {"clinics: [{id: a, zone: UTC, ehr: {id: e, connector: fhirr4}}]", "base_url"},
		"a bad schedule":       {"clinics: [{id: a, zone: UTC, ehr: {id: e, connector: fhirr4, poll: often, settings: {base_url: \"" + ehr.URL + "/fhir/R4\"}}}]", "@every 30s"},
		"a misspelt key":       {"clinic: []", `"clinics"`},
	} {
		if _, errOut := newCLI(t, x.config).run(exitUsage, "check"); !strings.Contains(errOut, x.says) {
			t.Errorf("%s: %s", name, errOut)
		}
	}
	c := cli{t, t.TempDir()}
	if _, errOut := c.run(exitUsage, "check"); !strings.Contains(errOut, "--config") {
		t.Errorf("no configuration: %s", errOut)
	}
}

// closedPort returns an address at which nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "http://" + l.Addr().String()
}

// TestImportStops: a log without an end ends with the command.
func TestImportStops(t *testing.T) {
	c := newCLI(t, testConfig)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	args := []string{"import", "/dev/zero", "--clinic", "main-street", "--format", "asterisk", "--dry-run", "--config", filepath.Join(c.dir, "ringback.yaml")}
	if code := run(ctx, args, io.Discard, io.Discard); code == exitDone {
		t.Error("an import that was stopped is not done")
	}
}

// TestReady asks a daemon that is not there, at the port of the configuration.
func TestReady(t *testing.T) {
	c := newCLI(t, strings.Replace(testConfig, "127.0.0.1:0", strings.TrimPrefix(closedPort(t), "http://"), 1))
	if _, errOut := c.run(exitFound, "ready"); !strings.Contains(errOut, "does not answer") || strings.Contains(errOut, ":8080") {
		t.Error(errOut)
	}
}

// TestServeOnlyOnThisMachine: without a token nobody else is let in.
func TestServeOnlyOnThisMachine(t *testing.T) {
	c := newCLI(t, strings.Replace(testConfig, "127.0.0.1:0", "0.0.0.0:0", 1))
	c.run(exitDone, "migrate")
	if _, errOut := c.run(exitUsage, "serve"); !strings.Contains(errOut, "token") {
		t.Error(errOut)
	}
}

// TestServeStops: the daemon runs until it is told to stop, and then ends well.
func TestServeStops(t *testing.T) {
	c := newCLI(t, testConfig)
	c.run(exitDone, "migrate")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	stderr := &stopOn{text: "listening", stop: cancel}
	if code := run(ctx, []string{"serve", "--config", filepath.Join(c.dir, "ringback.yaml")}, io.Discard, stderr); code != exitDone {
		t.Errorf("exit code %d: %s", code, stderr.seen.String())
	}
	for _, want := range []string{"listening", "no API token", "stopping", "stopped"} {
		if !strings.Contains(stderr.seen.String(), want) {
			t.Errorf("%q is missing in\n%s", want, stderr.seen.String())
		}
	}
}

// stopOn is a log that calls stop when a text is written to it. The handler of
// the log writes one record at a time.
type stopOn struct {
	text string
	stop func()
	seen strings.Builder
}

func (s *stopOn) Write(p []byte) (int, error) {
	if strings.Contains(string(p), s.text) {
		s.stop()
	}
	return s.seen.Write(p)
}

func TestHelp(t *testing.T) {
	var out bytes.Buffer
	if code := run(t.Context(), []string{"--help"}, &out, &out); code != exitDone {
		t.Fatal(out.String())
	}
	for _, cmd := range []string{"demo", "serve", "sandbox", "import", "check", "doctor", "keys", "tokens", "callbacks", "links", "migrate", "version", "completion"} {
		if !strings.Contains(out.String(), "\n  "+cmd) {
			t.Errorf("%s is not in the help", cmd)
		}
	}
	if code := run(t.Context(), []string{"version"}, &out, &out); code != exitDone || !strings.Contains(out.String(), "ringback dev") {
		t.Error(out.String())
	}
}
