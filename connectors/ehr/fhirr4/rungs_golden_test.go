package fhirr4_test

import (
	"bytes"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/connectors/ehr/fhirr4"
	"github.com/ringback-health/ringback/sandbox"
)

var update = flag.Bool("update", false, "write docs/rungs.md anew")

// server is one EHR of the table.
type server struct {
	title, file string // file: its CapabilityStatement
	note        string
	with        []settingsCase // beside the default
}

// settingsCase are settings that an operator may try, as they stand in the file.
type settingsCase struct {
	keys string
	set  func(*fhirr4.Config)
}

func pinned(rung string, set func(*fhirr4.Config)) settingsCase {
	return settingsCase{"rung: " + rung, func(c *fhirr4.Config) {
		c.Rung = rung
		if set != nil {
			set(c)
		}
	}}
}

var (
	recipient = settingsCase{"communication.recipient", func(c *fhirr4.Config) { c.Communication.Recipient = "Group/23" }}
	code      = settingsCase{"service_request.code", func(c *fhirr4.Config) { c.ServiceRequest.Code.Text = "Call the patient back" }}
	document  = settingsCase{"document_reference.type", func(c *fhirr4.Config) { c.DocumentReference.Type.Text = "Phone call" }}
)

// message is the form that Oracle Health describes for Communication.
func message(c *fhirr4.Config) {
	c.Communication = fhirr4.CommunicationConfig{Form: "message", Sender: "Practitioner/12", Recipient: "Group/23",
		Category: fhirr4.Coded{System: "http://terminology.hl7.org/CodeSystem/communication-category", Code: "notification"},
		Payload:  "attachment", Marker: "topic", Priorities: []string{"routine", "urgent"}}
}

const messageKeys = "communication: form message, sender, recipient, category, payload attachment, marker topic"

var servers = []server{
	{title: "Epic", file: "epic-r4", with: []settingsCase{recipient, code, document, pinned("task", nil)},
		note: "No resource of Epic's public R4 interface files an item in the In Basket of staff. Communication can be created, but (unconfirmed) for a workflow of Epic's own with community resources only; that a ServiceRequest or a DocumentReference gets to somebody, and that its status follows what they do, takes a build by the customer. The search parameter `identifier` is listed and not described: set `no_marker_search` if `ringback doctor` finds that it does nothing."},
	{title: "Oracle Health (Cerner Millennium)", file: "oracle-health-r4", with: []settingsCase{
		{messageKeys, message},
		{messageKeys + ", state_extension", func(c *fhirr4.Config) {
			message(c)
			c.Communication.StateExtension = "https://fhir-ehr.cerner.com/r4/StructureDefinition/email-status"
		}},
		document},
		note: "Communication goes to the message center of a Practitioner or a pool (Group), whose ids come from the client. It has no identifier. Whether the id of a created message tells what its recipients did is unconfirmed: set `state_extension` only after a try."},
	{title: "athenahealth", file: "athenahealth-r4", with: []settingsCase{pinned("communication", recipient.set)},
		note: "FHIR is read-only for what Ringback files; work items are patient cases of athenahealth's own API, for which a connector of its own is needed."},
	{title: "eClinicalWorks", file: "eclinicalworks-r4"},
	{title: "NextGen Enterprise", file: "nextgen-enterprise-r4"},
	{title: "Medplum", file: "medplum-like-r4", with: []settingsCase{
		pinned("communication", recipient.set), pinned("service-request", code.set), pinned("document-reference", document.set), pinned("worklist", nil)},
		note: "From the statement of a server made of Medplum's packages, reduced to these types. HAPI FHIR, Google Healthcare, Azure and HealthLake are of this kind."},
	{title: "Ringback's sandbox", note: "`ringback sandbox`; the demo runs on it.", with: []settingsCase{recipient}},
}

// capabilitiesOf asks a server that serves the statement.
func capabilitiesOf(t *testing.T, s server, set func(*fhirr4.Config)) callback.Capabilities {
	t.Helper()
	base := ""
	if s.file == "" {
		_, base = serve(t, sandbox.Options{})
	} else {
		raw, err := os.ReadFile("testdata/capability-statements/" + s.file + ".json")
		if err != nil {
			t.Fatal(err)
		}
		base = answering(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/metadata" {
				t.Errorf("asked for %s", r.URL.Path)
			}
			write(w, 200, string(raw))
		})
	}
	cfg := config(base)
	if set != nil {
		set(&cfg)
	}
	caps, err := connect(t, cfg).Capabilities(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return caps
}

// TestRungsOfRealServers is the table of which EHR takes what, and what is lost. It is
// written as the page that operators read.
func TestRungsOfRealServers(t *testing.T) {
	page := rungsPage(t)
	const path = "../../../docs/rungs.md"
	if *update {
		if err := os.WriteFile(path, page, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(have, page) {
		t.Errorf("%s does not say what the connector does (%v); if the change is meant, go test ./connectors/ehr/fhirr4 -run Rungs -update\n%s", path, err, page)
	}
}

const rungsIntro = `# As what a callback is filed

An EHR takes some kinds of work items and not others. Ringback asks the EHR's ` + "`/metadata`" + `, adds what it knows and what the
settings say, and takes the best kind (the best *rung*) that can be filed:

1. ` + "`Task`" + `: made for this.
2. the EHR's own kind (patient case, message): only in a connector for that EHR. ` + "`fhirr4`" + ` has none.
3. ` + "`Communication`" + `: a message to a person or a pool.
4. ` + "`ServiceRequest`" + `: an order, for a patient whose chart is known.
5. ` + "`DocumentReference`" + `: a document in a chart.
6. Ringback's own work list: always there. Nothing is filed in the EHR.

A Task is filed wherever it can be created. **What stands below it is filed only where the settings say how**
(` + "`communication.recipient`, `service_request.code`, `document_reference.type`" + `): that an EHR lets a Communication be created does not
say that anybody sees it, and a callback that nobody sees is worse than one in a list that somebody does see. File one for
a test patient first (` + "`ringback doctor`" + ` with the round trip) and have staff look for it. ` + "`rung:`" + ` pins one kind; one that cannot be
filed is not replaced by another, and callbacks then stand in Ringback's own list.

Settings: [connect an EHR that speaks FHIR R4](connect-fhir-r4.md). This page is written by
` + "`go test ./connectors/ehr/fhirr4 -run Rungs -update`" + ` from what the connector says, asked of the servers' real CapabilityStatements.
`

const bestNotes = `
- ServiceRequest has no word for being worked on: it is active until it is on hold or done, and it does not say how a callback ended.
- DocumentReference has neither a word for being worked on or waiting nor a priority: it is current until the callback is
  closed, and superseded then. A callback that was withdrawn (spam, duplicate) is superseded as well.
- A message is what its name says: it was sent, and does not change. Where the EHR has an extension that tells what became
  of it, name it in ` + "`communication.state_extension`" + `.
- No EHR says in ` + "`/metadata`" + ` whether the status of what is below a Task follows what staff do with it. Try it before you rely on it.
- *Made once by the EHR* is a promise (conditional create). Some servers break it when two requests come at the same moment;
  Ringback writes one at a time and looks for its marker whenever an answer was lost.
`

func rungsPage(t *testing.T) []byte {
	var doc strings.Builder
	doc.WriteString(rungsIntro)
	doc.WriteString("\n## What each kind can do at best\n\nIn an EHR that offers all interactions and searches.\n\n")
	matrix(&doc, "kind", bestRungs(t))
	doc.WriteString(bestNotes)
	doc.WriteString("\n## What real servers take\n\n| EHR | with these settings | callbacks become | what is lost |\n|---|---|---|---|\n")
	var details strings.Builder
	for _, s := range servers {
		caps := capabilitiesOf(t, s, nil)
		row(&doc, s.title, "none", caps)
		fmt.Fprintf(&details, "\n### %s\n\n", s.title)
		if caps.Software != "" {
			fmt.Fprintf(&details, "The server calls itself %s.\n", caps.Software)
		}
		if s.note != "" {
			fmt.Fprintf(&details, "%s\n", s.note)
		}
		details.WriteString("\n| kind | without settings |\n|---|---|\n")
		for _, r := range caps.Rungs {
			fmt.Fprintf(&details, "| %s | %s |\n", r.Type, refusal(r))
		}
		var chosen []named
		for _, c := range append([]settingsCase{{keys: "none"}}, s.with...) {
			caps := capabilitiesOf(t, s, c.set)
			if c.set != nil {
				row(&doc, "", c.keys, caps)
			}
			if r := caps.RungFor(true); r.Type != callback.Worklist {
				chosen = append(chosen, named{string(r.Type) + "; settings: " + c.keys, r})
			}
		}
		if len(chosen) > 0 {
			details.WriteString("\n")
			matrix(&details, "filed as", chosen)
		}
	}
	doc.WriteString("\n## Server by server\n")
	doc.WriteString(details.String())
	return []byte(doc.String())
}

// bestRungs are the rungs in an EHR that offers everything.
func bestRungs(t *testing.T) []named {
	_, base := serve(t, sandbox.Options{Types: append(sandbox.StandardTypes(), "ServiceRequest", "DocumentReference")})
	var list []named
	for _, s := range []settingsCase{
		{"Task", func(*fhirr4.Config) {}}, {"Communication", recipient.set},
		{"Communication, form message", message}, {"Communication, form message, with state_extension", func(c *fhirr4.Config) {
			message(c)
			c.Communication.StateExtension = "https://ehr.example/state"
		}},
		{"ServiceRequest", code.set}, {"DocumentReference", document.set},
	} {
		cfg := config(base)
		s.set(&cfg)
		caps, err := connect(t, cfg).Capabilities(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		kind, _, _ := strings.Cut(s.keys, ",")
		list = append(list, named{s.keys, caps.On(callback.ResourceType(kind))})
	}
	return list
}

type named struct {
	name string
	callback.Rung
}

func matrix(doc *strings.Builder, first string, list []named) {
	fmt.Fprintf(doc, "| %s | for a callback without a chart | owner | due date | changed and closed | attempts and notes | what staff do is seen | found by our marker | made once by the EHR |\n", first)
	doc.WriteString("|---|---|---|---|---|---|---|---|---|\n")
	for _, r := range list {
		fmt.Fprintf(doc, "| %s |", r.name)
		for _, can := range []bool{!r.NeedsPatient, r.Assign, r.DueDate, r.Close, r.Comment, r.ReadBack, r.MarkerSearch, r.ConditionalCreate} {
			mark := "no"
			if can {
				mark = "yes"
			}
			fmt.Fprintf(doc, " %s |", mark)
		}
		doc.WriteString("\n")
	}
}

func row(doc *strings.Builder, title, keys string, caps callback.Capabilities) {
	r := caps.RungFor(true)
	name := string(r.Type)
	if r.Type == callback.Worklist {
		name = "Ringback's own list"
	}
	lost := "nothing"
	if list := r.Losses(); len(list) > 0 {
		for i, l := range list {
			list[i] = strings.ToUpper(l[:1]) + l[1:] + "."
		}
		lost = strings.Join(list, " ")
	}
	fmt.Fprintf(doc, "| %s | %s | %s | %s |\n", title, keys, name, lost)
}

func refusal(r callback.Rung) string {
	if r.Usable() {
		return "filed"
	}
	return "no: " + r.Refused
}
