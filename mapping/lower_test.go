package mapping_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/fhir"
	"github.com/ringback-health/ringback/mapping"
)

// lowerSite is an EHR in which the kinds below a Task are filed.
func lowerSite() mapping.Site {
	s := site
	s.Zone = time.FixedZone("EST", -5*3600)
	s.Owners = map[string]string{"front-desk": "Group/desk", "billing": "CareTeam/billing"}
	s.Communication = mapping.CommunicationRules{Recipient: "Group/pool", Sender: "Practitioner/12"}
	s.ServiceRequest = mapping.ServiceRequestRules{Code: fhir.Concept{Text: text("Call the patient back")}, Requester: "Practitioner/12"}
	s.Document = mapping.DocumentRules{Type: fhir.Concept{Codings: []fhir.Coding{{System: "http://loinc.org", Code: "34748-4"}}}, Author: "Device/7"}
	return s
}

// messageSite is an EHR in which a Communication is a message.
func messageSite() mapping.Site {
	s := lowerSite()
	s.Communication = mapping.CommunicationRules{Message: true, Recipient: "Group/pool", Sender: "Practitioner/12",
		Category:   fhir.Concept{Codings: []fhir.Coding{{System: "http://terminology.hl7.org/CodeSystem/communication-category", Code: "notification"}}},
		Attachment: true, Marker: mapping.MarkerTopic, StateExtension: "https://ehr.example/state",
		Priorities: []callback.Priority{callback.Urgent, callback.Routine}}
	return s
}

func linkOf(t callback.ResourceType) callback.Link {
	l := taskLink
	l.Type = t
	return l
}

var lowerTypes = []callback.ResourceType{callback.CommunicationResource, callback.ServiceRequestResource, callback.DocumentReferenceResource}

func written(t testing.TB, w callback.WorkItem, s mapping.Site) []byte {
	t.Helper()
	raw, err := mapping.Resource(w, s)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func edited(t testing.TB, current []byte, w callback.WorkItem, s mapping.Site) ([]byte, bool) {
	t.Helper()
	raw, changed, err := mapping.Edit(current, w, s)
	if err != nil {
		t.Fatal(err)
	}
	return raw, changed
}

func itemIn(t testing.TB, raw []byte, s mapping.Site) callback.Item {
	t.Helper()
	item, err := mapping.Item(raw, s)
	if err != nil {
		t.Fatal(err)
	}
	return item
}

func TestLowerGolden(t *testing.T) {
	for name, tt := range map[string]struct {
		story string
		site  mapping.Site
		as    callback.ResourceType
	}{
		"communication-late-patient":   {"task-late-patient", lowerSite(), callback.CommunicationResource},
		"communication-closed-booked":  {"task-closed-booked", lowerSite(), callback.CommunicationResource},
		"communication-captured-only":  {"task-captured-only", lowerSite(), callback.CommunicationResource},
		"message-new-patient-form":     {"task-new-patient-form", messageSite(), callback.CommunicationResource},
		"message-closed-booked":        {"task-closed-booked", messageSite(), callback.CommunicationResource},
		"servicerequest-late-patient":  {"task-late-patient", lowerSite(), callback.ServiceRequestResource},
		"servicerequest-closed-booked": {"task-closed-booked", lowerSite(), callback.ServiceRequestResource},
		"document-late-patient":        {"task-late-patient", lowerSite(), callback.DocumentReferenceResource},
		"document-closed-booked":       {"task-closed-booked", lowerSite(), callback.DocumentReferenceResource},
	} {
		t.Run(name, func(t *testing.T) {
			golden(t, name, written(t, told(tt.story)(t).item(linkOf(tt.as)), tt.site))
		})
	}
}

// TestWhatIsNeededToCallBack is in the text, in the order of the Task's inputs.
func TestWhatIsNeededToCallBack(t *testing.T) {
	want := `Callback: new patient
Number to call back: +15555550101
Name of the caller: Ann Lee
Birth date of the patient: 1980-02-29
Kind of visit wanted: new patient visit
Preferred time: Tue 24 Nov 2026 09:00 EST to Tue 24 Nov 2026 12:00 EST
Preferred time: from Wed 25 Nov 2026 09:00 EST
To be answered by, as of filing: Mon 23 Nov 2026 10:00 EST
In the caller's words: I am looking for a new dentist. <Mornings> & "early" please.
Thank you`
	w := told("task-late-patient")(t)
	var c struct {
		Payload []struct{ ContentString string }
	}
	var r struct{ Note []struct{ Text string } }
	var d struct {
		Content []struct {
			Attachment struct{ ContentType, Data string }
		}
	}
	for as, into := range map[callback.ResourceType]any{callback.CommunicationResource: &c, callback.ServiceRequestResource: &r, callback.DocumentReferenceResource: &d} {
		if err := json.Unmarshal(written(t, w.item(linkOf(as)), lowerSite()), into); err != nil {
			t.Fatal(err)
		}
	}
	document, err := base64.StdEncoding.DecodeString(d.Content[0].Attachment.Data)
	if err != nil || d.Content[0].Attachment.ContentType != "text/plain; charset=utf-8" {
		t.Errorf("%+v, %v", d.Content, err)
	}
	for as, got := range map[string]string{"Communication": c.Payload[0].ContentString,
		"ServiceRequest": strings.TrimPrefix(r.Note[0].Text, "Request: "), "DocumentReference": string(document)} {
		if got != want {
			t.Errorf("%s says\n%s", as, got)
		}
	}
}

// TestLowerStatuses is the table of each type's statuses: what is read in them, and
// what a callback makes of them.
func TestLowerStatuses(t *testing.T) {
	read := map[callback.ResourceType]map[string]callback.ItemStatus{
		callback.CommunicationResource: {"preparation": callback.ItemOpen, "in-progress": callback.ItemInProgress, "on-hold": callback.ItemOnHold,
			"completed": callback.ItemDone, "not-done": callback.ItemCancelled, "stopped": callback.ItemCancelled,
			"entered-in-error": callback.ItemVoid, "unknown": "", "ready": ""},
		callback.ServiceRequestResource: {"draft": callback.ItemOpen, "active": callback.ItemOpen, "on-hold": callback.ItemOnHold,
			"completed": callback.ItemDone, "revoked": callback.ItemCancelled, "entered-in-error": callback.ItemVoid, "unknown": "", "in-progress": ""},
		callback.DocumentReferenceResource: {"current": callback.ItemOpen, "superseded": callback.ItemDone, "entered-in-error": callback.ItemVoid, "final": ""},
	}
	write := map[callback.ResourceType]map[string]string{
		callback.CommunicationResource:     {"ready": "preparation", "in-progress": "in-progress", "on-hold": "on-hold", "completed": "completed", "cancelled": "not-done"},
		callback.ServiceRequestResource:    {"ready": "active", "in-progress": "active", "on-hold": "on-hold", "completed": "completed", "cancelled": "revoked"},
		callback.DocumentReferenceResource: {"ready": "current", "in-progress": "current", "on-hold": "current", "completed": "superseded", "cancelled": "superseded"},
	}
	ended := []callback.ItemStatus{callback.ItemDone, callback.ItemCancelled}
	for _, as := range lowerTypes {
		for code, class := range read[as] {
			s := told("task-late-patient")(t)
			raw := with(t, written(t, s.item(linkOf(as)), lowerSite()), map[string]any{"id": "1", "status": code})
			if got := itemIn(t, raw, lowerSite()).State; got.Status != class || got.Native != code {
				t.Errorf("%s %s is read as %+v, want %q", as, code, got, class)
			}
			for state, status := range write[as] {
				w := moved(t, state).item(linkOf(as))
				after, changed, err := mapping.Edit(raw, w, lowerSite())
				if class == "" {
					if !errors.Is(err, mapping.ErrNotUnderstood) {
						t.Errorf("%s %s was edited: %v", as, code, err)
					}
					continue
				}
				if class == callback.ItemVoid {
					if changed || err != nil {
						t.Errorf("%s that was entered in error was edited: %v", as, err)
					}
					continue
				}
				want, wanted := status, read[as][status]
				if wanted == class || slices.Contains(ended, wanted) && slices.Contains(ended, class) {
					want = code // the same class, or ended by staff in their own way
				}
				if got := string(members(t, after)["status"]); got != `"`+want+`"` {
					t.Errorf("%s %s, and the callback is %s: got %s, want %s", as, code, state, got, want)
				}
			}
		}
		modified := with(t, written(t, told("task-late-patient")(t).item(linkOf(as)), lowerSite()),
			map[string]any{"modifierExtension": json.RawMessage(`[{"url":"https://ehr.example/not","valueBoolean":true}]`)})
		if got := itemIn(t, modified, lowerSite()).State.Status; got != "" {
			t.Errorf("%s with a modified meaning was read as %q", as, got)
		}
	}
	request := written(t, told("task-late-patient")(t).item(linkOf(callback.ServiceRequestResource)), lowerSite())
	if got := itemIn(t, with(t, request, map[string]any{"doNotPerform": true}), lowerSite()).State.Status; got != "" {
		t.Errorf("an order not to do it was read as %q", got)
	}
}

// moved is the story of a late patient, taken to a state.
func moved(t *testing.T, state string) *story {
	s := told("task-late-patient")(t)
	switch state {
	case "in-progress":
		s.must(s.Start(kim, monday))
	case "on-hold":
		s.must(s.Wait(kim, monday))
	case "completed":
		s.must(s.Close(callback.AnsweredQuestion, text(""), kim, monday))
	case "cancelled":
		s.must(s.Close(callback.Spam, text(""), kim, monday))
	}
	return s
}

// TestRejectionIsLeft: staff rejected it and nobody has decided since.
func TestRejectionIsLeft(t *testing.T) {
	for _, as := range lowerTypes {
		w := moved(t, "completed").item(linkOf(as))
		current := written(t, told("task-late-patient")(t).item(linkOf(as)), lowerSite())
		w.LeaveStatus = true
		after, _ := edited(t, current, w, lowerSite())
		if string(members(t, after)["status"]) != string(members(t, current)["status"]) {
			t.Errorf("%s: the status became %s", as, members(t, after)["status"])
		}
	}
}

// TestWhoHasIt: the first of the recipients and of the performers; the others stay.
func TestWhoHasIt(t *testing.T) {
	for as, member := range map[callback.ResourceType]string{callback.CommunicationResource: "recipient", callback.ServiceRequestResource: "performer"} {
		s := lowerSite()
		s.Owners["front-desk"] = "CareTeam/desk"
		s.ServiceRequest.Performer = "Group/pool" // nobody's name: what is read there says nothing
		w := told("task-late-patient")(t).item(linkOf(as))
		raw := written(t, w, s)
		if got := itemIn(t, raw, s).State.Owner; got != "front-desk" {
			t.Errorf("%s: owner %q", as, got)
		}
		theirs := with(t, raw, map[string]any{member: json.RawMessage(`[{"reference":"CareTeam/desk","type":"CareTeam"},{"reference":"Practitioner/9"}]`)})
		if after, changed := edited(t, theirs, w, s); changed {
			t.Errorf("%s: edited without need: %s", as, after)
		}
		w.Callback.Owner = "billing"
		after, _ := edited(t, theirs, w, s)
		if got := string(members(t, after)[member]); got != `[{"reference":"CareTeam/billing","display":"billing"},{"reference":"Practitioner/9"}]` {
			t.Errorf("%s: given to billing it is %s", as, got)
		}
		w.Callback.Owner = "night-nurse"
		after, _ = edited(t, after, w, s)
		if got := string(members(t, after)[member]); !strings.HasPrefix(got, `[{"reference":"Group/pool"},`) || itemIn(t, after, s).State.Owner != "" {
			t.Errorf("%s: given to somebody the EHR does not know it is %s, read as %q", as, got, itemIn(t, after, s).State.Owner)
		}
		if again, changed := edited(t, after, w, s); changed {
			t.Errorf("%s: edited again: %s", as, again)
		}
		bare := with(t, raw, map[string]any{member: nil})
		if after, _ := edited(t, bare, w, s); itemIn(t, bare, s).State.Owner != "" || members(t, after)[member] == nil {
			t.Errorf("%s: nobody had it, and nobody has it", as)
		}
	}
	// A pool that a Communication goes to cannot have a Task.
	task, err := mapping.Task(told("task-missed-call")(t).item(taskLink), lowerSite())
	if err != nil {
		t.Fatal(err)
	}
	if got := string(members(t, marshal(t, task))["owner"]); got != `{"display":"front-desk"}` {
		t.Errorf("a Task is given to %s", got)
	}
}

// TestAppointmentsOfAnItem: what Ringback has put there goes when it is wrong, what
// staff have put there stays and is read.
func TestAppointmentsOfAnItem(t *testing.T) {
	for as, member := range map[callback.ResourceType]string{callback.CommunicationResource: "about",
		callback.ServiceRequestResource: "supportingInfo", callback.DocumentReferenceResource: "context"} {
		booked := told("task-closed-booked")(t).item(linkOf(as))
		raw := written(t, booked, lowerSite())
		if got := itemIn(t, raw, lowerSite()).Appointments; !slices.Equal(got, []string{"appt-5"}) {
			t.Errorf("%s: appointments %v", as, got)
		}
		open := told("task-reopened")(t).item(linkOf(as))
		after, _ := edited(t, raw, open, lowerSite())
		if got := itemIn(t, after, lowerSite()).Appointments; len(got) != 0 || members(t, after)[member] != nil {
			t.Errorf("%s: the visit fell through, and it is still there: %v %s", as, got, members(t, after)[member])
		}
		list := `[{"reference":"Appointment/appt-9"},{"reference":"Encounter/3","display":"Booked appointment"}]`
		if as == callback.DocumentReferenceResource {
			list = `{"period":{"start":"2026"},"related":` + list + `}`
		}
		theirs := with(t, after, map[string]any{member: json.RawMessage(list)})
		again, changed := edited(t, theirs, booked, lowerSite())
		if got := itemIn(t, again, lowerSite()).Appointments; !changed || !slices.Equal(got, []string{"appt-9", "appt-5"}) || !bytes.Contains(again, []byte("Encounter/3")) ||
			bytes.Contains(theirs, []byte("period")) != bytes.Contains(again, []byte("period")) {
			t.Errorf("%s: appointments %v: %s", as, got, members(t, again)[member])
		}
	}
}

func TestLowerNeedsAChart(t *testing.T) {
	w := told("task-missed-call")(t).item(linkOf(callback.ServiceRequestResource))
	if _, err := mapping.Resource(w, lowerSite()); err == nil || !strings.Contains(err.Error(), "chart") {
		t.Errorf("an order for nobody: %v", err)
	}
	for _, as := range lowerTypes {
		s := told("task-missed-call")(t).bound("../Patient/1")
		if _, err := mapping.Resource(s.item(linkOf(as)), lowerSite()); err == nil || strings.Contains(err.Error(), "..") {
			t.Errorf("%s: %v", as, err)
		}
		odd := callback.WorkItem{Link: linkOf(as), Callback: callback.Callback{Status: "lost"}}
		if _, err := mapping.Resource(odd, lowerSite()); err == nil {
			t.Errorf("%s was made for a status that does not exist", as)
		}
		current := written(t, told("task-late-patient")(t).item(linkOf(as)), lowerSite())
		if _, _, err := mapping.Edit(current, s.item(linkOf(as)), lowerSite()); err == nil {
			t.Errorf("%s was edited for a chart that is none", as)
		}
		if _, _, err := mapping.Edit([]byte(`{"resourceType":"OperationOutcome"}`), s.item(linkOf(as)), lowerSite()); err == nil {
			t.Errorf("an OperationOutcome was edited as %s", as)
		}
	}
	for _, as := range []callback.ResourceType{"", "PatientCase", callback.Worklist} {
		if _, err := mapping.Resource(callback.WorkItem{Link: linkOf(as)}, site); err == nil {
			t.Errorf("%q was written", as)
		}
		if _, _, err := mapping.Edit(nil, callback.WorkItem{Link: linkOf(as)}, site); err == nil {
			t.Errorf("%q was edited", as)
		}
	}
}

// TestLowerEditGolden: an item that people had their hands on, when the callback is
// called, closed by a visit and given to somebody else.
func TestLowerEditGolden(t *testing.T) {
	for name, as := range map[string]callback.ResourceType{"edit-communication": callback.CommunicationResource,
		"edit-servicerequest": callback.ServiceRequestResource, "edit-document": callback.DocumentReferenceResource} {
		t.Run(name, func(t *testing.T) {
			raw := written(t, told("task-late-patient")(t).item(linkOf(as)), lowerSite())
			current := with(t, raw, map[string]any{"id": "1", "meta": map[string]any{"versionId": "3"}, "vendorOwn": json.RawMessage(`{"b": 1, "a":  [1e2]}`),
				"_status":   json.RawMessage(`{"extension":[{"url":"https://ehr.example/clock","valueString":"front"}]}`),
				"extension": json.RawMessage(`[{"url":"https://ehr.example/weight","valueDecimal":1.10}]`)})
			s := told("task-attempts")(t).bound("pat-1").booked("appt-5")
			s.Owner, s.Category = "billing", callback.BenefitsBilling
			after, changed := edited(t, current, s.item(linkOf(as)), lowerSite())
			if !changed {
				t.Fatal("nothing was changed")
			}
			golden(t, name, after)
			before, now := members(t, current), members(t, after)
			for _, member := range []string{"id", "meta", "vendorOwn", "_status", "extension", "payload", "content", "sent", "date", "authoredOn", "code", "type"} {
				if !bytes.Equal(before[member], now[member]) {
					t.Errorf("%s was %s and is %s", member, before[member], now[member])
				}
			}
			notes := map[callback.ResourceType]int{callback.CommunicationResource: 3, callback.ServiceRequestResource: 4}[as]
			if got := strings.Count(string(now["note"]), `"Ringback"`); got != notes {
				t.Errorf("%d notes, want %d", got, notes)
			}
		})
	}
}

// TestStaffChangesOnALowerItem: what staff wrote is read, and survives an edit.
func TestStaffChangesOnALowerItem(t *testing.T) {
	note := map[string]any{"authorReference": map[string]any{"reference": "Practitioner/ng"}, "time": "2026-11-23T15:10:00Z", "text": "Mother called."}
	for _, as := range lowerTypes {
		set := map[string]any{"id": "1", "meta": map[string]any{"versionId": "3", "lastUpdated": "2026-11-23T15:30:00Z"},
			"subject": map[string]any{"reference": "Patient/pat-2"}}
		if as != callback.DocumentReferenceResource {
			set["priority"], set["note"] = "stat", []any{note}
		}
		if as == callback.CommunicationResource {
			set["status"], set["statusReason"] = "completed", map[string]any{"text": "Patient declined"}
		}
		if as == callback.ServiceRequestResource {
			set["occurrencePeriod"] = map[string]any{"end": "2026-11-30T10:00:00Z"}
		}
		raw := with(t, written(t, told("task-new-patient-form")(t).bound("pat-1").item(linkOf(as)), lowerSite()), set)
		i := itemIn(t, raw, lowerSite())
		if i.Type != as || i.ID != "1" || i.Version != "3" || i.UpdatedAt.IsZero() || i.Patient.Reveal() != "pat-2" || i.State.Category != callback.NewPatient {
			t.Errorf("%s: %s %s version %s, right chart %t, %+v", as, i.Type, i.ID, i.Version, i.Patient.Reveal() == "pat-2", i.State)
		}
		if as == callback.CommunicationResource && i.Outcome != callback.PatientDeclined {
			t.Errorf("outcome %q", i.Outcome)
		}
		if as == callback.ServiceRequestResource && !i.State.Due.Equal(time.Date(2026, 11, 30, 10, 0, 0, 0, time.UTC)) {
			t.Errorf("due %s", i.State.Due)
		}
		if as != callback.DocumentReferenceResource && (i.State.Priority != callback.Stat || i.State.Notes != 1 || i.Notes[0].By != "Practitioner/ng") {
			t.Errorf("%s: %+v, %d notes", as, i.State, len(i.Notes))
		}
	}
}

// TestAnOrderThatIsTimedOtherwise: occurrence[x] is there once.
func TestAnOrderThatIsTimedOtherwise(t *testing.T) {
	w := told("task-late-patient")(t).item(linkOf(callback.ServiceRequestResource))
	raw := with(t, written(t, w, lowerSite()), map[string]any{"occurrencePeriod": nil, "occurrenceDateTime": "2026-12-01"})
	after, _ := edited(t, raw, w, lowerSite())
	if m := members(t, after); m["occurrencePeriod"] != nil || string(m["occurrenceDateTime"]) != `"2026-12-01"` {
		t.Errorf("%v", slices.Sorted(maps.Keys(m)))
	}
}
