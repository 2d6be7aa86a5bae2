package mapping_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/redact"
	"github.com/ringback-health/ringback/mapping"
)

var update = flag.Bool("update", false, "write the golden files anew")

// monday is the fixed clock: 9:00 in New York on a Monday.
var monday = time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)

var site = mapping.Site{
	Clinic: "main-street", EHR: "ehr", BaseURL: "https://ehr.example/fhir", Region: "US",
	Owners: map[string]string{"front-desk": "Organization/desk", "billing": "CareTeam/billing"},
}

func text(s string) redact.Text { return redact.NewText(s) }

var (
	taskLink  = callback.Link{ID: "01920000-0000-7000-8000-000000000001", EHR: "ehr", Type: callback.TaskResource}
	visitLink = callback.Link{ID: "01920000-0000-7000-8000-000000000002", EHR: "ehr", Type: callback.AppointmentResource, RemoteID: "prop-1"}
	auto      = callback.Actor{Kind: callback.Automation}
	kim       = callback.Actor{Kind: callback.Person, Name: "kim"}
)

// story is a callback that is taken through its life step by step.
type story struct {
	t *testing.T
	callback.Record
}

func newStory(t *testing.T, req callback.Request) *story {
	t.Helper()
	if req.ReceivedAt.IsZero() {
		req.ReceivedAt = monday
	}
	return &story{t, callback.Capture(req, req.ReceivedAt.Add(2*time.Second))}
}

func (s *story) must(err error) *story {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
	return s
}

func (s *story) triaged(c callback.Category, p callback.Priority) *story {
	return s.must(s.Triage(c, p, monday.Add(time.Hour), "test", auto, monday.Add(3*time.Second)))
}

func (s *story) assigned(owner string) *story {
	return s.must(s.Assign(owner, auto, monday.Add(4*time.Second)))
}

func (s *story) attempted(after time.Duration, result callback.Outcome, note string) *story {
	a := callback.Attempt{ID: callback.NewID(), At: monday.Add(after), By: kim, Channel: "phone", Result: result, Note: text(note)}
	if result == callback.Reached {
		a.Talk = 125 * time.Second
	}
	return s.must(s.Attempt(a, a.At))
}

func (s *story) bound(id string) *story {
	p := s.Patient
	p.Keys.EHRID, p.Resolution, p.How = text(id), callback.Certain, "name+birthdate"
	s.Resolve(p, auto, monday.Add(time.Minute))
	return s
}

func (s *story) booked(appointment string) *story {
	ev := callback.Evidence{EHR: "ehr", Appointment: appointment, Verdict: callback.Strong,
		Sentence: "A visit is booked; it is for the same patient, and it was booked after the request."}
	return s.must(s.CloseOnVisit(ev, monday.Add(2*time.Hour)))
}

// proposed says that the EHR has the proposed visit.
func (s *story) proposed() *story {
	s.Links = append(s.Links, visitLink)
	return s
}

func (s *story) item(l callback.Link) callback.WorkItem { return s.WorkItem(l) }

func taskJSON(t testing.TB, w callback.WorkItem) []byte {
	t.Helper()
	task, err := mapping.Task(w, site)
	if err != nil {
		t.Fatal(err)
	}
	return marshal(t, task)
}

func proposalJSON(t testing.TB, w callback.WorkItem) []byte {
	t.Helper()
	a, err := mapping.Proposal(w, site)
	if err != nil {
		t.Fatal(err)
	}
	return marshal(t, a)
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func readItem(t testing.TB, raw []byte) callback.Item {
	t.Helper()
	item, err := mapping.Item(raw, site)
	if err != nil {
		t.Fatal(err)
	}
	return item
}

func editTask(t testing.TB, current []byte, w callback.WorkItem) (edited []byte, changed bool) {
	t.Helper()
	edited, changed, err := mapping.EditTask(current, w, site)
	if err != nil {
		t.Fatal(err)
	}
	return edited, changed
}

func editProposal(t testing.TB, current []byte, w callback.WorkItem) (edited []byte, changed bool) {
	t.Helper()
	edited, changed, err := mapping.EditProposal(current, w, site)
	if err != nil {
		t.Fatal(err)
	}
	return edited, changed
}

// members splits a resource into its members as they stand.
func members(t testing.TB, raw []byte) map[string]json.RawMessage {
	t.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// with returns the resource with members set, as somebody in the EHR does it.
func with(t testing.TB, raw []byte, set map[string]any) []byte {
	t.Helper()
	m := members(t, raw)
	for name, v := range set {
		if v == nil {
			delete(m, name)
			continue
		}
		m[name] = marshal(t, v)
	}
	return marshal(t, m)
}

// golden compares got with the file, indented; -update writes it.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, got, "", "  "); err != nil {
		t.Fatal(err)
	}
	pretty.WriteByte('\n')
	path := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.WriteFile(path, pretty.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; go test ./mapping -update writes it", err)
	}
	if !bytes.Equal(pretty.Bytes(), want) {
		t.Errorf("%s is not what was agreed on; if the change is meant, go test ./mapping -update\ngot:\n%s\nwant:\n%s", path, pretty.Bytes(), want)
	}
}
