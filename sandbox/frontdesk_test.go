package sandbox_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/sandbox"
)

func clinic(t *testing.T) (*sandbox.Store, sandbox.Clinic, *clock.Manual) {
	t.Helper()
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	manual := clock.NewManual(time.Date(2025, 3, 6, 14, 0, 0, 0, time.UTC)) // a Thursday; the clocks change on Sunday
	store := sandbox.New(sandbox.Options{Clock: manual}).Store()
	c, err := sandbox.SeedClinic(store, sandbox.ClinicOptions{Zone: zone})
	if err != nil {
		t.Fatal(err)
	}
	return store, c, manual
}

func TestSeedClinic(t *testing.T) {
	store, c, _ := clinic(t)
	if len(c.Patients) != 12 || len(c.Practitioners) != 3 || len(c.Schedules) != 3 || len(c.Slots) != 3*5*14 || len(c.Appointments) != 4 || c.Location.ID == "" {
		t.Fatalf("%d patients, %d practitioners, %d schedules, %d slots, %d appointments", len(c.Patients), len(c.Practitioners), len(c.Schedules), len(c.Slots), len(c.Appointments))
	}
	var first, later struct{ Start string }
	if json.Unmarshal(c.Slots[0].Raw, &first) != nil || json.Unmarshal(c.Slots[14].Raw, &later) != nil ||
		first.Start != "2025-03-07T09:00:00-05:00" || later.Start != "2025-03-10T09:00:00-04:00" {
		t.Errorf("slots begin at %s and %s", first.Start, later.Start)
	}
	for query, want := range map[string]int{
		"Patient?phone=%2B12125550101":                                       3, // a family
		"Patient?family=garcia&given=maria":                                  2, // namesakes
		"Patient?phone:missing=true":                                         1,
		"Slot?status=busy":                                                   4,
		"Appointment?status=booked&date=ge2025-03-07":                        4,
		"Appointment?practitioner=practitioner-1":                            2,
		"Appointment?service-type=" + url.QueryEscape(sandbox.VisitFollowUp): 4,
	} {
		typ, raw, _ := strings.Cut(query, "?")
		params, err := url.ParseQuery(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := store.Search(typ, params); err != nil || len(got) != want {
			t.Errorf("%s: %d, want %d (%v)", query, len(got), want, err)
		}
	}
	again, same, _ := clinic(t)
	for i, r := range append(again.List("Slot"), again.List("Patient")...) {
		if want := append(store.List("Slot"), store.List("Patient")...)[i]; string(r.Raw) != string(want.Raw) {
			t.Fatalf("not the same twice: %s\n%s", r.Raw, want.Raw)
		}
	}
	if string(same.Appointments[0].Raw) != string(c.Appointments[0].Raw) {
		t.Error("appointments differ between two runs")
	}
}

// view is what the tests look at.
type view struct {
	Status, Start, End, Created, LastModified string
	Owner, For                                struct{ Reference, Display string }
	BusinessStatus, StatusReason              struct {
		Text   string
		Coding []struct{ System, Code string }
	}
	Note       []struct{ Text, Time, AuthorString string }
	Identifier []struct{ System, Value string }
	Slot       []struct{ Reference string }
	Futures    string
}

func see(t *testing.T, r sandbox.Resource, err error) view {
	t.Helper()
	var v view
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(r.Raw, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestDeskWorksOnTasks(t *testing.T) {
	store, c, manual := clinic(t)
	desk := sandbox.NewFrontDesk(store)
	made, err := store.Create([]byte(strings.Replace(task, "{", `{"futures":"kept",`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	manual.Advance(time.Hour)
	r, err := desk.AcceptTask(made.ID, "Practitioner/practitioner-1")
	if v := see(t, r, err); v.Status != "accepted" || v.Owner.Reference != "Practitioner/practitioner-1" || v.LastModified != "2025-03-06T15:00:00.000Z" || v.Futures != "kept" {
		t.Errorf("accepted: %+v", v)
	}
	r, err = desk.HoldTask(made.ID, "waits for a referral")
	if v := see(t, r, err); v.Status != "on-hold" || v.StatusReason.Text == "" {
		t.Errorf("on hold: %+v", v)
	}
	r, err = desk.SetPatient(made.ID, c.Patients[0].ID)
	if v := see(t, r, err); v.For.Reference != "Patient/patient-01" {
		t.Errorf("patient: %+v", v)
	}
	for range 2 {
		r, err = desk.AddNote(made.ID, "Dana", "no answer")
	}
	if v := see(t, r, err); len(v.Note) != 2 || v.Note[1].AuthorString != "Dana" {
		t.Errorf("notes: %+v", v.Note)
	}
	r, err = desk.CompleteTask(made.ID, "Dana", "urn:x|answered-question")
	if v := see(t, r, err); v.Status != "completed" || v.Owner.Display != "Dana" || v.BusinessStatus.Coding[0].Code != "answered-question" || r.VersionID != "7" {
		t.Errorf("completed: %+v", v)
	}
	r, err = desk.CancelTask(made.ID, "a duplicate")
	if v := see(t, r, err); v.Status != "cancelled" {
		t.Errorf("cancelled: %+v", v)
	}
	_, err = desk.AcceptTask("none", "Dana")
	if status(t, err) != http.StatusNotFound {
		t.Errorf("got %v", err)
	}
}

func TestDeskBooks(t *testing.T) {
	store, c, _ := clinic(t)
	desk := sandbox.NewFrontDesk(store)
	slotIs := func(id, want string) {
		t.Helper()
		r, err := store.Read("Slot", id)
		if v := see(t, r, err); v.Status != want {
			t.Errorf("Slot/%s is %s, want %s", id, v.Status, want)
		}
	}
	old, next := c.Slots[0].ID, c.Slots[1].ID
	patient, err := desk.RegisterPatient(sandbox.NewPatient{Family: "Sand", Given: "Ada", BirthDate: "1990-01-02", Phone: "212-555-0150"})
	if err != nil {
		t.Fatal(err)
	}
	booking := sandbox.Booking{PatientID: patient.ID, SlotID: old, ServiceType: sandbox.VisitNewPatient, Marker: "urn:uuid:m", TaskID: "7"}
	visit, err := desk.Book(booking)
	v := see(t, visit, err)
	if v.Status != "booked" || v.Start != "2025-03-07T09:00:00-05:00" || v.Created != "2025-03-06T14:00:00.000Z" || v.Identifier[0].Value != "urn:uuid:m" {
		t.Errorf("booked: %+v", v)
	}
	slotIs(old, "busy")
	for _, q := range []string{"supporting-info=Task/7", "patient=" + patient.ID, "practitioner=practitioner-1&service-type=new-patient", "location=location-1&_id=" + visit.ID, "identifier=urn:ietf:rfc:3986|urn:uuid:m"} {
		params, err := url.ParseQuery(q)
		if err != nil {
			t.Fatal(err)
		}
		if found, err := store.Search("Appointment", params); err != nil || len(found) != 1 {
			t.Errorf("%s: %d %v", q, len(found), err)
		}
	}
	if _, err := desk.Book(booking); status(t, err) != http.StatusConflict {
		t.Errorf("a slot was booked twice: %v", err)
	}
	start, err := time.Parse(time.RFC3339, "2025-03-07T09:30:00-05:00")
	if err != nil {
		t.Fatal(err)
	}
	moved, err := desk.Reschedule(visit.ID, start)
	if v := see(t, moved, err); v.Start != "2025-03-07T14:30:00.000Z" || v.End != "2025-03-07T15:00:00.000Z" || v.Slot[0].Reference != "Slot/"+next || moved.VersionID != "2" {
		t.Errorf("moved: %+v", v)
	}
	slotIs(old, "free")
	slotIs(next, "busy")
	if _, err := desk.Reschedule(visit.ID, start.Add(time.Minute)); status(t, err) != http.StatusConflict {
		t.Errorf("moved to where no slot is: %v", err)
	}
	gone, err := desk.CancelAppointment(visit.ID, "patient asked")
	if v := see(t, gone, err); v.Status != "cancelled" {
		t.Errorf("cancelled: %+v", v)
	}
	slotIs(next, "free")
	if _, err := desk.Book(sandbox.Booking{PatientID: "patient-02", SlotID: next}); err != nil {
		t.Fatal(err)
	}
	if _, err := desk.CancelAppointment(visit.ID, "again"); status(t, err) != http.StatusConflict {
		t.Errorf("cancelled twice: %v", err)
	}
	slotIs(next, "busy")
	if _, err := desk.Reschedule(visit.ID, start.Add(time.Hour)); status(t, err) != http.StatusConflict {
		t.Errorf("moved after it was cancelled: %v", err)
	}
	missed, err := desk.NoShow(c.Appointments[0].ID)
	if v := see(t, missed, err); v.Status != "noshow" {
		t.Errorf("no-show: %+v", v)
	}
	free, err := desk.Book(sandbox.Booking{PatientID: patient.ID, Start: start, Minutes: 45, Practitioner: "practitioner-2"})
	if v := see(t, free, err); v.Start != "2025-03-07T14:30:00.000Z" || v.End != "2025-03-07T15:15:00.000Z" || len(v.Slot) != 0 {
		t.Errorf("booked without a slot: %+v", v)
	}
	if _, err := desk.Reschedule(free.ID, start.Add(24*time.Hour)); err != nil {
		t.Error(err)
	}
}

// TestBookingThatFailsFreesTheSlot deletes the schedule behind a slot first.
func TestBookingThatFailsFreesTheSlot(t *testing.T) {
	store, c, _ := clinic(t)
	if err := store.Delete("Schedule", c.Schedules[0].ID); err != nil {
		t.Fatal(err)
	}
	if _, err := sandbox.NewFrontDesk(store).Book(sandbox.Booking{PatientID: "patient-01", SlotID: c.Slots[0].ID}); status(t, err) != http.StatusGone {
		t.Errorf("got %v", err)
	}
	r, err := store.Read("Slot", c.Slots[0].ID)
	if v := see(t, r, err); v.Status != "free" {
		t.Errorf("the slot stays %s", v.Status)
	}
}
