package ehrtest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
)

// FHIRStaff works in an EHR through its FHIR R4 interface, with nothing but
// encoding/json, so that it shares no mistake with the connector.
type FHIRStaff struct {
	BaseURL string
	Header  http.Header // such as Authorization; nil: none
}

var _ Staff = FHIRStaff{}

type object = map[string]any

// staffClient keeps no connections, so that a test which looks for leaks sees only
// those of the connector.
var staffClient = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// do sends a request and returns the resource in the answer.
func (f FHIRStaff) do(t testing.TB, method, path string, resource object) object {
	t.Helper()
	var body bytes.Buffer
	if resource != nil {
		if err := json.NewEncoder(&body).Encode(resource); err != nil {
			t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), method, f.BaseURL+"/"+path, &body)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range f.Header {
		req.Header[name] = values
	}
	req.Header.Set("Accept", "application/fhir+json")
	req.Header.Set("Prefer", "return=representation")
	if resource != nil {
		req.Header.Set("Content-Type", "application/fhir+json")
	}
	resp, err := staffClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode >= 300 {
		t.Fatalf("staff could not %s %s: %d %s", method, path, resp.StatusCode, raw)
	}
	return decode(t, raw)
}

func decode(t testing.TB, raw []byte) object {
	t.Helper()
	out := object{}
	if len(bytes.TrimSpace(raw)) == 0 {
		return out
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

// change reads a resource, edits it and puts it back.
func (f FHIRStaff) change(t testing.TB, path string, edit func(object)) {
	t.Helper()
	r := f.do(t, http.MethodGet, path, nil)
	edit(r)
	f.do(t, http.MethodPut, path, r)
}

func add(r object, name string, v any) {
	list, _ := r[name].([]any)
	r[name] = append(list, v)
}

// fhirWords is how staff say something in one type of resource. An empty member
// says that the type has no place for it.
type fhirWords struct {
	statuses                     map[callback.ItemStatus]string
	outcome, owner, note, person string
	ownerIsList, priority        bool
	foreign                      func(object)
}

var fhirTypes = map[callback.ResourceType]fhirWords{
	callback.TaskResource: {
		statuses: map[callback.ItemStatus]string{callback.ItemOpen: "accepted", callback.ItemInProgress: "in-progress", callback.ItemOnHold: "on-hold",
			callback.ItemDone: "completed", callback.ItemCancelled: "cancelled", callback.ItemRejected: "rejected",
			callback.ItemFailed: "failed", callback.ItemVoid: "entered-in-error"},
		outcome: "businessStatus", owner: "owner", note: "note", person: "for", priority: true,
		foreign: func(r object) {
			add(r, "input", object{"type": object{"text": foreignText}, "valueInteger": 7})
			add(r, "output", object{"type": object{"text": foreignText}, "valueString": "sent"})
			r["statusReason"] = object{"text": foreignText, "coding": []any{object{"system": foreignURL, "code": "F"}}}
		},
	},
	callback.CommunicationResource: {
		statuses: map[callback.ItemStatus]string{callback.ItemInProgress: "in-progress", callback.ItemOnHold: "on-hold",
			callback.ItemDone: "completed", callback.ItemCancelled: "stopped", callback.ItemVoid: "entered-in-error"},
		outcome: "statusReason", owner: "recipient", ownerIsList: true, note: "note", person: "subject", priority: true,
		foreign: func(r object) {
			add(r, "category", object{"text": foreignText})
			add(r, "about", object{"display": foreignText})
			add(r, "recipient", object{"display": foreignText})
			r["medium"] = []any{object{"text": foreignText}}
		},
	},
	callback.ServiceRequestResource: {
		statuses: map[callback.ItemStatus]string{callback.ItemOnHold: "on-hold", callback.ItemDone: "completed",
			callback.ItemCancelled: "revoked", callback.ItemVoid: "entered-in-error"},
		owner: "performer", ownerIsList: true, note: "note", person: "subject", priority: true,
		foreign: func(r object) {
			add(r, "category", object{"text": foreignText})
			add(r, "supportingInfo", object{"display": foreignText})
			add(r, "performer", object{"display": foreignText})
			r["patientInstruction"] = foreignText
		},
	},
	callback.DocumentReferenceResource: {
		statuses: map[callback.ItemStatus]string{callback.ItemDone: "superseded", callback.ItemVoid: "entered-in-error"},
		person:   "subject",
		foreign: func(r object) {
			add(r, "category", object{"text": foreignText})
			r["context"] = object{"related": []any{object{"display": foreignText}}, "facilityType": object{"text": foreignText}}
			r["securityLabel"] = []any{object{"text": foreignText}}
		},
	},
}

const (
	foreignURL  = "https://ehr.example/fhir/StructureDefinition/inbox"
	foreignText = "folder <7> & \"more\""
)

// Change edits an item.
func (f FHIRStaff) Change(t testing.TB, item callback.Item, c Change) {
	t.Helper()
	words := fhirTypes[item.Type]
	f.change(t, string(item.Type)+"/"+item.ID, func(r object) {
		if c.Status != "" {
			r["status"] = words.statuses[c.Status]
		}
		if c.Outcome != "" && words.outcome != "" {
			r[words.outcome] = object{"text": string(c.Outcome)}
		}
		if owner := (object{"display": c.Owner}); c.Owner != "" && words.owner != "" {
			r[words.owner] = owner
			if words.ownerIsList {
				r[words.owner] = []any{owner}
			}
		}
		if c.Priority != "" && words.priority {
			r["priority"] = string(c.Priority)
		}
		if c.Note != "" && words.note != "" {
			add(r, words.note, object{"authorString": "Dr. Ng", "time": time.Now().UTC().Format(time.RFC3339), "text": c.Note})
		}
		if c.Patient != "" {
			r[words.person] = object{"reference": "Patient/" + c.Patient}
		}
		if c.Foreign {
			add(r, "extension", object{"url": foreignURL, "valueString": foreignText})
			add(r, "identifier", object{"system": foreignURL, "value": foreignText})
			words.foreign(r)
		}
	})
}

// Foreign returns, as canonical JSON, each element of the resource that holds the
// words which Change had written with Foreign.
func (f FHIRStaff) Foreign(t testing.TB, item callback.Item) string {
	t.Helper()
	theirs := object{}
	for name, value := range f.do(t, http.MethodGet, string(item.Type)+"/"+item.ID, nil) {
		list, many := value.([]any)
		if !many {
			list = []any{value}
		}
		var kept []any
		for _, v := range list {
			if raw := marshal(t, v); bytes.Contains(raw, marshal(t, foreignText)) {
				kept = append(kept, v)
			}
		}
		if kept != nil {
			theirs[name] = kept
		}
	}
	if len(theirs) == 0 {
		return ""
	}
	return string(marshal(t, theirs))
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// Delete removes an item.
func (f FHIRStaff) Delete(t testing.TB, item callback.Item) {
	t.Helper()
	f.do(t, http.MethodDelete, string(item.Type)+"/"+item.ID, nil)
}

// Register makes a Patient.
func (f FHIRStaff) Register(t testing.TB, p Person) string {
	t.Helper()
	return f.create(t, object{
		"resourceType": "Patient", "active": true, "birthDate": p.BirthDate,
		"name":    []any{object{"use": "official", "family": p.Family, "given": []any{p.Given}}},
		"telecom": []any{object{"system": "phone", "value": p.Phone, "use": "mobile"}},
	})
}

// Book makes an Appointment.
func (f FHIRStaff) Book(t testing.TB, v Visit) string {
	t.Helper()
	a := object{
		"resourceType": "Appointment", "status": "booked",
		"start": v.Start.UTC().Format(time.RFC3339), "end": v.Start.UTC().Add(30 * time.Minute).Format(time.RFC3339),
		"created":     time.Now().UTC().Format(time.RFC3339),
		"serviceType": []any{object{"text": v.Kind}},
		"participant": []any{object{"actor": object{"reference": "Patient/" + v.Patient}, "status": "accepted"}},
	}
	if v.Task != "" {
		a["supportingInformation"] = []any{object{"reference": "Task/" + v.Task}}
	}
	return f.create(t, a)
}

func (f FHIRStaff) create(t testing.TB, resource object) string {
	t.Helper()
	made := f.do(t, http.MethodPost, resource["resourceType"].(string), resource)
	id, _ := made["id"].(string)
	if id == "" {
		t.Fatalf("the EHR does not say which id the %s has", resource["resourceType"])
	}
	return id
}

var appointmentStatuses = map[callback.AppointmentState]string{
	callback.ApptBooked: "booked", callback.ApptArrived: "arrived", callback.ApptDone: "fulfilled",
	callback.ApptCancelled: "cancelled", callback.ApptNoShow: "noshow", callback.ApptVoid: "entered-in-error",
}

// Move gives an Appointment another status; one that gets booked without a time
// gets one.
func (f FHIRStaff) Move(t testing.TB, appointment string, state callback.AppointmentState) {
	t.Helper()
	f.change(t, "Appointment/"+appointment, func(r object) {
		r["status"] = appointmentStatuses[state]
		if r["start"] == nil {
			start := time.Now().UTC().Add(48 * time.Hour)
			r["start"], r["end"] = start.Format(time.RFC3339), start.Add(30*time.Minute).Format(time.RFC3339)
		}
	})
}
