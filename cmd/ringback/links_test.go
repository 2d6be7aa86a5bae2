package main

import (
	"strings"
	"testing"
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
