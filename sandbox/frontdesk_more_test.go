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

func TestDeskSaysWhenItBooked(t *testing.T) {
	store, _, manual := clinic(t)
	desk := sandbox.NewFrontDesk(store)
	for created, want := range map[sandbox.Created]string{sandbox.CreatedAt: "2025-03-06T14:00:00.000Z", sandbox.CreatedDay: "2025-03-06", sandbox.NotCreated: ""} {
		r, err := desk.Book(sandbox.Booking{PatientID: "patient-01", Start: manual.Now().Add(-time.Hour), Created: created})
		v := see(t, r, err)
		if v.Created != want || strings.Contains(string(r.Raw), "created") != (want != "") || v.Start != "2025-03-06T13:00:00.000Z" {
			t.Errorf("%q: %s", created, r.Raw)
		}
	}
}

func TestDeskBooksASeries(t *testing.T) {
	store, c, manual := clinic(t)
	desk := sandbox.NewFrontDesk(store)
	made, err := desk.BookSeries(sandbox.Booking{PatientID: "patient-01", Start: manual.Now().Add(24 * time.Hour)}, 3, 7*24*time.Hour)
	if err != nil || len(made) != 3 {
		t.Fatalf("%d visits, %v", len(made), err)
	}
	if v := see(t, made[2], nil); v.Start != "2025-03-21T14:00:00.000Z" {
		t.Errorf("the third is at %s", v.Start)
	}
	if _, err := desk.BookSeries(sandbox.Booking{PatientID: "patient-01", SlotID: c.Slots[0].ID}, 2, time.Hour); status(t, err) != http.StatusBadRequest {
		t.Errorf("got %v", err)
	}
}

func TestDeskReplacesAVisit(t *testing.T) {
	store, c, manual := clinic(t)
	desk := sandbox.NewFrontDesk(store)
	old, err := desk.Book(sandbox.Booking{PatientID: "patient-01", Start: manual.Now().Add(time.Hour), Minutes: 45, ServiceType: sandbox.VisitFollowUp, Marker: "urn:uuid:m", TaskID: "7"})
	if err != nil {
		t.Fatal(err)
	}
	manual.Advance(time.Minute)
	made, err := desk.RescheduleAsNew(old.ID, manual.Now().Add(48*time.Hour))
	v := see(t, made, err)
	if made.ID == old.ID || v.Status != "booked" || v.Start != "2025-03-08T14:01:00.000Z" || v.End != "2025-03-08T14:46:00.000Z" || v.Created != "2025-03-06T14:01:00.000Z" ||
		strings.Contains(string(made.Raw), "urn:uuid:m") || strings.Contains(string(made.Raw), "Task/7") || !strings.Contains(string(made.Raw), `"Appointment/`+old.ID+`"`) {
		t.Errorf("in its place: %s", made.Raw)
	}
	gone, err := store.Read("Appointment", old.ID)
	if v := see(t, gone, err); v.Status != "cancelled" {
		t.Errorf("the old one: %+v", v)
	}
	if _, err := desk.RescheduleAsNew(old.ID, manual.Now()); status(t, err) != http.StatusConflict {
		t.Errorf("replaced twice: %v", err)
	}
	if _, err := desk.RescheduleAsNew(c.Appointments[0].ID, manual.Now()); status(t, err) != http.StatusConflict {
		t.Errorf("one in a slot: %v", err)
	}
}

func TestDeskRemovesAVisit(t *testing.T) {
	store, c, _ := clinic(t)
	desk := sandbox.NewFrontDesk(store)
	id := c.Appointments[0].ID
	r, err := desk.SetAppointment(id, "entered-in-error")
	if v := see(t, r, err); v.Status != "entered-in-error" {
		t.Errorf("%+v", v)
	}
	if err := desk.DeleteAppointment(id); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Read("Appointment", id); status(t, err) != http.StatusGone {
		t.Errorf("it is still there: %v", err)
	}
	if err := desk.DeleteAppointment(id); status(t, err) != http.StatusGone {
		t.Errorf("deleted twice: %v", err)
	}
}

func TestDeskConfirmsAProposal(t *testing.T) {
	store, _, manual := clinic(t)
	desk := sandbox.NewFrontDesk(store)
	made, err := store.Create([]byte(`{"resourceType":"Appointment","status":"proposed","identifier":[{"system":"urn:ietf:rfc:3986","value":"urn:uuid:m"}],"participant":[{"actor":{"display":"Ann"},"status":"needs-action"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	r, err := desk.ConfirmProposal(made.ID, "patient-01", manual.Now().Add(time.Hour), 30)
	if v := see(t, r, err); v.Status != "booked" || v.End != "2025-03-06T15:30:00.000Z" || !strings.Contains(string(r.Raw), "Patient/patient-01") || !strings.Contains(string(r.Raw), "urn:uuid:m") {
		t.Errorf("%s", r.Raw)
	}
	if _, err := desk.ConfirmProposal(made.ID, "patient-01", manual.Now(), 30); status(t, err) != http.StatusConflict {
		t.Errorf("confirmed twice: %v", err)
	}
}

// TestDeskNeverBreaksATask: the practice's clock may be behind that of whoever filed it.
func TestDeskNeverBreaksATask(t *testing.T) {
	store, _, _ := clinic(t)
	desk := sandbox.NewFrontDesk(store)
	made, err := store.Create([]byte(`{"resourceType":"Task","status":"requested","intent":"order","authoredOn":"2025-03-06T14:03:00Z"}`))
	if err != nil {
		t.Fatal(err)
	}
	r, err := desk.StartTask(made.ID, "Dana")
	if v := see(t, r, err); v.Status != "in-progress" || v.Owner.Display != "Dana" || v.LastModified != "2025-03-06T14:03:00Z" {
		t.Errorf("%+v", v)
	}
	if _, err := desk.AddNote(made.ID, "Dana", "no answer"); err != nil {
		t.Error(err)
	}
	if _, err := desk.CompleteTask(made.ID, "Dana", ""); err != nil {
		t.Error(err)
	}
	r, err = desk.ReopenTask(made.ID)
	if v := see(t, r, err); v.Status != "requested" {
		t.Errorf("%+v", v)
	}
}

func TestDeskMergesCharts(t *testing.T) {
	for _, move := range []bool{true, false} {
		store := sandbox.New(sandbox.Options{Clock: clock.NewManual(monday)}).Store()
		desk := sandbox.NewFrontDesk(store)
		var ids []string
		for range 2 {
			r, err := desk.RegisterPatient(sandbox.NewPatient{Family: "Sand", Given: "Ada", BirthDate: "1990-01-02", MRN: "MRN-1", Test: true})
			if err != nil || !strings.Contains(string(r.Raw), "HTEST") || !strings.Contains(string(r.Raw), `"MRN-1"`) {
				t.Fatalf("%s, %v", r.Raw, err)
			}
			ids = append(ids, r.ID)
		}
		old, now := ids[0], ids[1]
		visit, err := desk.Book(sandbox.Booking{PatientID: old, Start: monday})
		if err != nil {
			t.Fatal(err)
		}
		item, err := store.Create([]byte(`{"resourceType":"Task","status":"requested","intent":"order","for":{"reference":"Patient/` + old + `"}}`))
		if err != nil {
			t.Fatal(err)
		}
		if err := desk.MergePatients(old, now, move); err != nil {
			t.Fatal(err)
		}
		want := old
		if move {
			want = now
		}
		for typ, id := range map[string]string{"Appointment": visit.ID, "Task": item.ID} {
			found, err := store.Search(typ, url.Values{"patient": {"Patient/" + want}})
			if err != nil || len(found) != 1 || found[0].ID != id {
				t.Errorf("move %t: %s is not filed under %s: %v", move, typ, want, err)
			}
		}
		for id, link := range map[string]string{old: "replaced-by", now: "replaces"} {
			var p struct {
				Active bool
				Link   []struct{ Type string }
			}
			r, err := store.Read("Patient", id)
			if err != nil || json.Unmarshal(r.Raw, &p) != nil || p.Active != (id == now) || len(p.Link) != 1 || p.Link[0].Type != link {
				t.Errorf("Patient/%s: %s, %v", id, r.Raw, err)
			}
		}
		r, err := desk.CorrectPatient(now, sandbox.NewPatient{Family: "Sands", Given: "Ada", BirthDate: "1990-02-01", Phone: "212-555-0150"})
		if err != nil || !strings.Contains(string(r.Raw), "Sands") || !strings.Contains(string(r.Raw), "replaces") {
			t.Errorf("corrected: %s, %v", r.Raw, err)
		}
	}
}
