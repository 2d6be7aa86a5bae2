package main

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
)

// TestLinksAtTheTerminal: a link is given up, set right, and tied to an item that a
// person found; the callback's timeline tells.
func TestLinksAtTheTerminal(t *testing.T) {
	c := newCLI(t, strings.Replace(testConfig, "region: US}", "region: US, ehr: {id: main-ehr, connector: fhirr4, settings: {base_url: http://127.0.0.1:9/fhir}}}", 1))
	c.run(exitDone, "migrate")
	c.run(exitDone, "import", c.write("log.csv", goodRow), "--clinic", "main-street", "--format", "asterisk")
	var list struct{ Items []linkRow }
	c.runJSON(exitDone, &list, "links", "list")
	id := list.Items[0].ID
	c.run(exitUsage, "links", "discard", id)
	c.run(exitUsage, "links", "retry")
	c.run(exitUsage, "links", "retry", id, "--all")
	if out, _ := c.run(exitDone, "links", "retry", "--all"); !strings.HasPrefix(out, "0 links") {
		t.Error(out)
	}
	c.run(exitDone, "links", "discard", id, "--reason", "filed by hand")
	c.run(exitUsage, "links", "edit", id)
	c.run(exitUsage, "links", "edit", id, "--category", "nonsense")
	if out, _ := c.run(exitDone, "links", "edit", id, "--item", "t9", "--priority", "stat", "--reason", "found in the inbox"); !strings.Contains(out, "is synced now") {
		t.Error(out)
	}
	var link linkRow
	c.runJSON(exitDone, &link, "links", "show", id)
	if link.RemoteID != "t9" || link.Holds != 0 {
		t.Errorf("%+v", link)
	}
	var d callbackDetail
	c.runJSON(exitDone, &d, "callbacks", "show", link.Callback)
	var notes []string
	for _, e := range d.Timeline {
		if e.Kind == "noted" {
			notes = append(notes, e.Note)
		}
	}
	if d.Priority != "stat" || strings.Join(notes, "|") != "Given up: Task in main-ehr: filed by hand|Set right and tried again: Task in main-ehr: found in the inbox" {
		t.Errorf("%s %q", d.Priority, notes)
	}
}

// TestLinksSayWhyTheyWait: what is not filed yet is shown as that, and while the EHR is
// held back each link that waits for it says so, and no other does.
func TestLinksSayWhyTheyWait(t *testing.T) {
	c := newCLI(t, strings.Replace(testConfig, "region: US}", "region: US, ehr: {id: main-ehr, connector: fhirr4, settings: {base_url: http://127.0.0.1:9/fhir}}}", 1))
	c.run(exitDone, "migrate")
	c.run(exitDone, "import", c.write("log.csv", goodRow), "--clinic", "main-street", "--format", "asterisk")
	var list struct{ Items []linkRow }
	shown := func() string {
		t.Helper()
		c.runJSON(exitDone, &list, "links", "list")
		out, _ := c.run(exitDone, "links", "list")
		one, _ := c.run(exitDone, "links", "show", list.Items[0].ID)
		whole, _ := c.run(exitDone, "callbacks", "show", list.Items[0].Callback)
		for name, text := range map[string]string{"list": out, "show": one, "callbacks show": whole} {
			if strings.Contains(text, "Task/ ") || !strings.Contains(text, "Task (not filed yet)") {
				t.Errorf("%s:\n%s", name, text)
			}
			if strings.Contains(text, "waiting: the EHR") != (list.Items[0].Waiting != "") {
				t.Errorf("%s:\n%s", name, text)
			}
		}
		return list.Items[0].Waiting
	}
	if w := shown(); w != "" {
		t.Error(w)
	}
	c.ledger(func(l ledger) error {
		_, err := l.UpdateConnection(t.Context(), "main-street", "main-ehr", func(c *callback.Connection) {
			c.Since, c.Error = time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC), "no answer"
		})
		return err
	})
	if w := shown(); w != "waiting: the EHR has not done its work since 2026-11-24T10:00:00Z: no answer" {
		t.Error(w)
	}
	c.run(exitDone, "links", "discard", list.Items[0].ID, "--reason", "filed by hand")
	if out, _ := c.run(exitDone, "links", "list"); strings.Contains(out, "waiting") || !strings.Contains(out, "Task (not filed)") {
		t.Error(out)
	}
}

// ledger lets do work on the ledger of the folder.
func (c cli) ledger(do func(ledger) error) {
	c.t.Helper()
	cmd := newRoot()
	cmd.SetContext(c.t.Context())
	if err := cmd.ParseFlags([]string{"--config", filepath.Join(c.dir, "ringback.yaml")}); err != nil {
		c.t.Fatal(err)
	}
	if err := withLedger(cmd, func(_ context.Context, l ledger) error { return do(l) }); err != nil {
		c.t.Fatal(err)
	}
}
