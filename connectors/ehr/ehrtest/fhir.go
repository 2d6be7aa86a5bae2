package ehrtest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
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

var taskStatuses = map[callback.ItemStatus]string{
	callback.ItemOpen: "accepted", callback.ItemInProgress: "in-progress", callback.ItemOnHold: "on-hold",
	callback.ItemDone: "completed", callback.ItemCancelled: "cancelled", callback.ItemRejected: "rejected",
	callback.ItemFailed: "failed", callback.ItemVoid: "entered-in-error",
}

const foreignURL = "https://ehr.example/fhir/StructureDefinition/inbox"

// Change edits a Task.
func (f FHIRStaff) Change(t testing.TB, item callback.Item, c Change) {
	t.Helper()
	f.change(t, "Task/"+item.ID, func(r object) {
		if c.Status != "" {
			r["status"] = taskStatuses[c.Status]
		}
		if c.Outcome != "" {
			r["businessStatus"] = object{"text": string(c.Outcome)}
		}
		if c.Owner != "" {
			r["owner"] = object{"display": c.Owner}
		}
		if c.Priority != "" {
			r["priority"] = string(c.Priority)
		}
		if c.Note != "" {
			add(r, "note", object{"authorString": "Dr. Ng", "time": time.Now().UTC().Format(time.RFC3339), "text": c.Note})
		}
		if c.Patient != "" {
			r["for"] = object{"reference": "Patient/" + c.Patient}
		}
		if c.Foreign {
			add(r, "extension", object{"url": foreignURL, "valueString": "folder <7> & \"more\""})
			add(r, "identifier", object{"system": foreignURL, "value": "4711"})
			add(r, "input", object{"type": object{"text": "form"}, "valueInteger": 7})
			add(r, "output", object{"type": object{"text": "letter"}, "valueString": "sent"})
			r["statusReason"] = object{"text": "see the folder", "coding": []any{object{"system": foreignURL, "code": "F"}}}
		}
	})
}

// Foreign returns what Change had set with Foreign, as canonical JSON.
func (f FHIRStaff) Foreign(t testing.TB, item callback.Item) string {
	t.Helper()
	r := f.do(t, http.MethodGet, "Task/"+item.ID, nil)
	theirs := func(name string, is func(object) bool) (list []any) {
		all, _ := r[name].([]any)
		for _, v := range all {
			if o, ok := v.(object); ok && is(o) {
				list = append(list, o)
			}
		}
		return list
	}
	typed := func(words ...string) func(object) bool {
		return func(o object) bool {
			kind, _ := o["type"].(object)
			text, _ := kind["text"].(string)
			return slices.Contains(words, text)
		}
	}
	out, err := json.Marshal(object{
		"extension":    theirs("extension", func(o object) bool { return o["url"] == foreignURL }),
		"identifier":   theirs("identifier", func(o object) bool { return o["system"] == foreignURL }),
		"input":        theirs("input", typed("form")),
		"output":       theirs("output", typed("letter")),
		"statusReason": r["statusReason"],
		"intent":       r["intent"],
		"authoredOn":   r["authoredOn"],
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
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
