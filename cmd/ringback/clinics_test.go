package main

import (
	"strings"
	"testing"
)

// TestUnknownClinic: a clinic that does not exist is an error that names those that
// do, for every command; one that was taken out of the configuration has its
// callbacks still.
func TestUnknownClinic(t *testing.T) {
	c := newCLI(t, testConfig+"  - {id: harbour, zone: America/New_York, region: US}\n")
	c.run(exitDone, "migrate")
	c.run(exitDone, "import", c.write("log.csv", goodRow), "--clinic", "main-street", "--format", "asterisk")
	for _, args := range [][]string{
		{"callbacks", "list"}, {"links", "list"}, {"links", "retry", "--all"}, {"doctor"},
		{"import", c.dir + "/log.csv", "--format", "asterisk"},
	} {
		for _, clinic := range []string{"nope", ""} {
			if _, errOut := c.run(exitUsage, append(args, "--clinic", clinic)...); !strings.Contains(errOut, "there is main-street, harbour") {
				t.Errorf("%v: %s", args, errOut)
			}
		}
		if args[0] != "doctor" { // which finds what else is wrong with this installation
			c.run(exitDone, append(args, "--clinic", "main-street")...)
		}
	}
	c.write("ringback.yaml", strings.Replace(testConfig, "main-street", "harbour", 1))
	if out, _ := c.run(exitDone, "callbacks", "list", "--clinic", "main-street"); !strings.Contains(out, "assigned") {
		t.Error(out)
	}
}
