package sandbox

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"
)

// FrontDesk is the practice's staff, simulated: it does in the store what people do
// in an EHR, one FHIR resource at a time, and knows nothing of who reads it. Its
// errors are those of Store; taking a slot that is not free is a 409.
//
// who is a name to show ("Dana at the desk") or a reference ("Practitioner/…").
type FrontDesk struct{ store *Store }

// NewFrontDesk returns the staff of the practice in store.
func NewFrontDesk(store *Store) *FrontDesk { return &FrontDesk{store: store} }

func (f *FrontDesk) now() string { return instant(f.store.clock.Now()) }

// edit changes a resource member by member and leaves the others as they are.
func (f *FrontDesk) edit(typ, id string, change func(o *object) error) (Resource, error) {
	return f.store.Edit(typ, id, func(raw json.RawMessage) (json.RawMessage, error) {
		o, err := parseObject(raw)
		if err != nil {
			return nil, err
		}
		if err := change(&o); err != nil {
			return nil, err
		}
		return o.encode(), nil
	})
}

// setTask sets members of a task, and when that was.
func (f *FrontDesk) setTask(id string, members ...member) (Resource, error) {
	return f.edit("Task", id, func(o *object) error {
		for _, m := range append(members, member{"lastModified", encode(f.modified(o))}) {
			o.set(m.name, m.raw)
		}
		return nil
	})
}

// modified is now, and not before the task was authored (invariant inv-1): whoever
// authored it may have a clock that is ahead of the practice's.
func (f *FrontDesk) modified(o *object) string {
	now := f.now()
	authored, _, okAuthored := parseDate(o.text("authoredOn"), dateTimeForm)
	at, _, okNow := parseDate(now, dateTimeForm)
	if okAuthored && okNow && authored > at {
		return o.text("authoredOn")
	}
	return now
}

// AcceptTask makes who the owner of the task and sets it to accepted.
func (f *FrontDesk) AcceptTask(id, who string) (Resource, error) {
	return f.setTask(id, member{"status", encode("accepted")}, member{"owner", encode(person(who))})
}

// HoldTask sets the task to on-hold for a reason.
func (f *FrontDesk) HoldTask(id, reason string) (Resource, error) {
	return f.setTask(id, member{"status", encode("on-hold")}, member{"statusReason", encode(codedConcept(reason))})
}

// CompleteTask sets the task to completed with who as its owner. businessStatus is
// "system|code", a text, or empty to leave it as it is.
func (f *FrontDesk) CompleteTask(id, who, businessStatus string) (Resource, error) {
	members := []member{{"status", encode("completed")}, {"owner", encode(person(who))}}
	if businessStatus != "" {
		members = append(members, member{"businessStatus", encode(codedConcept(businessStatus))})
	}
	return f.setTask(id, members...)
}

// CancelTask sets the task to cancelled for a reason.
func (f *FrontDesk) CancelTask(id, reason string) (Resource, error) {
	return f.setTask(id, member{"status", encode("cancelled")}, member{"statusReason", encode(codedConcept(reason))})
}

// SetPatient files the task in a patient's chart.
func (f *FrontDesk) SetPatient(taskID, patientID string) (Resource, error) {
	return f.setTask(taskID, member{"for", encode(reference{Reference: "Patient/" + patientID})})
}

// AddNote appends a note to the task.
func (f *FrontDesk) AddNote(id, who, text string) (Resource, error) {
	note := annotation{AuthorString: who, Time: f.now(), Text: text}
	if by := person(who); by.Reference != "" {
		note.AuthorString, note.AuthorReference = "", &by
	}
	return f.edit("Task", id, func(o *object) error {
		var notes []json.RawMessage
		if held := o.get("note"); held != nil {
			var err error
			if notes, err = parseArray(held); err != nil {
				return err
			}
		}
		o.set("note", encodeArray(append(notes, encode(note))))
		o.set("lastModified", encode(f.modified(o)))
		return nil
	})
}

// NewPatient is what the desk asks of somebody who has no chart yet.
type NewPatient struct {
	Family, Given string
	BirthDate     string // YYYY-MM-DD
	Phone, Email  string // may be empty
	MRN           string // the chart number; may be empty
	// Test marks the chart as made up for testing, as FHIR does: meta.security HTEST.
	Test bool
}

// RegisterPatient makes a chart.
func (f *FrontDesk) RegisterPatient(p NewPatient) (Resource, error) {
	made := patient{
		ResourceType: "Patient", Active: true, BirthDate: p.BirthDate,
		Name:    []humanName{{Use: "official", Family: p.Family, Given: []string{p.Given}}},
		Telecom: reachedAt(p.Phone, p.Email),
	}
	if p.MRN != "" {
		made.Identifier = []identifier{{SystemMRN, p.MRN}}
	}
	if p.Test {
		made.Meta = &meta{Security: []coding{{systemActReason, "HTEST"}}}
	}
	return f.store.Create(encode(made))
}

// Booking is one visit to book: into a slot, or at a time.
type Booking struct {
	PatientID string
	// SlotID names a free slot; the time and who attends come from it.
	SlotID string
	// Start and Minutes (0: 30) say when, and Practitioner (an id, may be empty) who
	// attends, if there is no SlotID.
	Start        time.Time
	Minutes      int
	Practitioner string
	// ServiceType is the kind of visit: "system|code", a text, or empty.
	ServiceType string
	// Marker is written as an identifier of system urn:ietf:rfc:3986; may be empty.
	Marker string
	// TaskID is a Task to name as supporting information; may be empty.
	TaskID string
	// Created is how the appointment says when it was made.
	Created Created
}

// Created is how an EHR says when an appointment was made: many do not say, and some
// only the day.
type Created string

// How an appointment says when it was made.
const (
	CreatedAt  Created = ""     // to the millisecond
	CreatedDay Created = "day"  // the date alone, in UTC
	NotCreated Created = "none" // not at all
)

// Book books a visit and marks its slot as busy. A Start that has passed is a visit
// of somebody who walked in, entered when it was over.
func (f *FrontDesk) Book(b Booking) (Resource, error) {
	a := f.draft(b)
	if b.SlotID != "" {
		return f.bookSlot(a, b.SlotID)
	}
	if b.Minutes == 0 {
		b.Minutes = 30
	}
	a.Start, a.End = instant(b.Start), instant(b.Start.Add(time.Duration(b.Minutes)*time.Minute))
	if b.Practitioner != "" {
		a.Participant = append(a.Participant, participant{reference{Reference: "Practitioner/" + b.Practitioner}, "accepted"})
	}
	return f.store.seed(encode(a))
}

// draft is the appointment without its time and who attends.
func (f *FrontDesk) draft(b Booking) appointment {
	a := appointment{
		ResourceType: "Appointment", Status: "booked", Created: f.now(),
		Participant: []participant{{reference{Reference: "Patient/" + b.PatientID}, "accepted"}},
	}
	switch b.Created {
	case NotCreated:
		a.Created = ""
	case CreatedDay:
		a.Created = a.Created[:len(time.DateOnly)]
	case CreatedAt: // as it is
	}
	if b.Marker != "" {
		a.Identifier = []identifier{{"urn:ietf:rfc:3986", b.Marker}}
	}
	if b.ServiceType != "" {
		a.ServiceType = []concept{codedConcept(b.ServiceType)}
	}
	if b.TaskID != "" {
		a.SupportingInformation = []reference{{Reference: "Task/" + b.TaskID}}
	}
	return a
}

// bookSlot takes the slot and stores the appointment with its time and its actors.
func (f *FrontDesk) bookSlot(a appointment, slotID string) (Resource, error) {
	taken, err := f.setSlot(slotID, "free", "busy")
	if err != nil {
		return Resource{}, err
	}
	a.Slot = []reference{{Reference: "Slot/" + slotID}}
	a.Start, a.End = taken.Start, taken.End
	var s schedule
	if err := f.load("Schedule", taken.Schedule, &s); err != nil {
		return Resource{}, errors.Join(err, f.freeSlots(a.Slot))
	}
	for _, actor := range s.Actor {
		a.Participant = append(a.Participant, participant{actor, "accepted"})
	}
	r, err := f.store.seed(encode(a))
	if err != nil {
		return Resource{}, errors.Join(err, f.freeSlots(a.Slot))
	}
	return r, nil
}

// load reads what a reference names into v.
func (f *FrontDesk) load(typ string, ref reference, v any) error {
	r, err := f.store.Read(typ, readReference(ref.Reference).text)
	if err != nil {
		return err
	}
	return json.Unmarshal(r.Raw, v)
}

// setSlot moves a slot from one status to another and returns it; a 409 if it does
// not have the first.
func (f *FrontDesk) setSlot(id, from, to string) (s slot, err error) {
	r, err := f.edit("Slot", id, func(o *object) error {
		if o.text("status") != from {
			return problem(http.StatusConflict, "conflict", "Slot/%s is not %s", id, from)
		}
		o.set("status", encode(to))
		return nil
	})
	if err != nil {
		return slot{}, err
	}
	return s, json.Unmarshal(r.Raw, &s)
}

// CancelAppointment cancels the visit for a reason and frees its slots; a 409 if it
// is cancelled already.
func (f *FrontDesk) CancelAppointment(id, reason string) (Resource, error) {
	var slots []reference
	r, err := f.edit("Appointment", id, func(o *object) error {
		if o.text("status") == "cancelled" {
			return problem(http.StatusConflict, "conflict", "Appointment/%s is cancelled already", id)
		}
		slots = nil
		if held := o.get("slot"); held != nil {
			if err := json.Unmarshal(held, &slots); err != nil {
				return err
			}
		}
		o.set("status", encode("cancelled"))
		o.set("cancelationReason", encode(codedConcept(reason)))
		return nil
	})
	if err != nil {
		return Resource{}, err
	}
	return r, f.freeSlots(slots)
}

// NoShow records that the patient did not come.
func (f *FrontDesk) NoShow(id string) (Resource, error) {
	return f.edit("Appointment", id, func(o *object) error {
		o.set("status", encode("noshow"))
		return nil
	})
}

// Reschedule moves the visit to a new start and keeps its length and its id. A visit
// in a slot moves to the free slot of the same schedule that starts then. A 409 if
// there is none, or if the visit is cancelled or has no time.
func (f *FrontDesk) Reschedule(id string, start time.Time) (Resource, error) {
	var a appointment
	if err := f.load("Appointment", reference{Reference: "Appointment/" + id}, &a); err != nil {
		return Resource{}, err
	}
	from, _, okFrom := parseDate(a.Start, instantForm)
	until, _, okUntil := parseDate(a.End, instantForm)
	if a.Status == "cancelled" || !okFrom || !okUntil {
		return Resource{}, problem(http.StatusConflict, "conflict", "Appointment/%s is cancelled or has no time to move", id)
	}
	var to []reference
	if len(a.Slot) > 0 {
		var err error
		if to, err = f.takeSlotLike(a.Slot[0], start); err != nil {
			return Resource{}, err
		}
	}
	r, err := f.edit("Appointment", id, func(o *object) error {
		o.set("start", encode(instant(start)))
		o.set("end", encode(instant(start.Add(time.Duration(until-from)*time.Millisecond))))
		if to != nil {
			o.set("slot", encode(to))
		}
		return nil
	})
	if err != nil {
		return Resource{}, errors.Join(err, f.freeSlots(to))
	}
	return r, f.freeSlots(a.Slot)
}

// takeSlotLike takes the free slot at start in the schedule that held belongs to.
func (f *FrontDesk) takeSlotLike(held reference, start time.Time) ([]reference, error) {
	var s slot
	if err := f.load("Slot", held, &s); err != nil {
		return nil, err
	}
	free, err := f.store.Search("Slot", url.Values{
		"schedule": {s.Schedule.Reference}, "status": {"free"}, "start": {"ge" + instant(start), "lt" + instant(start.Add(time.Second))},
	})
	if err != nil {
		return nil, err
	}
	if len(free) == 0 {
		return nil, problem(http.StatusConflict, "conflict", "%s has no free slot then", s.Schedule.Reference)
	}
	if _, err := f.setSlot(free[0].ID, "free", "busy"); err != nil {
		return nil, err
	}
	return []reference{{Reference: free[0].Ref()}}, nil
}

// freeSlots frees the slots an appointment held.
func (f *FrontDesk) freeSlots(held []reference) error {
	for _, ref := range held {
		if _, err := f.setSlot(readReference(ref.Reference).text, "busy", "free"); err != nil {
			return err
		}
	}
	return nil
}
