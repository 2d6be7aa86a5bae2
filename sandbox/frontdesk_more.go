package sandbox

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"
)

// BookSeries books the same visit several times, every so often from its Start on. What
// was booked before an error stays booked.
func (f *FrontDesk) BookSeries(b Booking, times int, every time.Duration) ([]Resource, error) {
	if b.SlotID != "" {
		return nil, problem(http.StatusBadRequest, "invalid", "a series is booked at times, not into a slot")
	}
	var made []Resource
	for range times {
		r, err := f.Book(b)
		if err != nil {
			return made, err
		}
		made = append(made, r)
		b.Start = b.Start.Add(every)
	}
	return made, nil
}

// RescheduleAsNew cancels the visit and books another in its place, as EHRs do that
// cannot move one. The new one is like the old but for its id, its time and when it was
// made, and names the old one as supporting information: R4 has no member for that. A
// 409 if the visit is cancelled already or holds a slot.
func (f *FrontDesk) RescheduleAsNew(id string, start time.Time) (Resource, error) {
	var a appointment
	if err := f.load("Appointment", reference{Reference: "Appointment/" + id}, &a); err != nil {
		return Resource{}, err
	}
	from, _, okFrom := parseDate(a.Start, instantForm)
	until, _, okUntil := parseDate(a.End, instantForm)
	if len(a.Slot) > 0 || !okFrom || !okUntil {
		return Resource{}, problem(http.StatusConflict, "conflict", "Appointment/%s holds a slot or has no time to move", id)
	}
	if _, err := f.CancelAppointment(id, "rescheduled"); err != nil {
		return Resource{}, err
	}
	a.ID, a.Status, a.Identifier = "", "booked", nil
	a.Start, a.End = instant(start), instant(start.Add(time.Duration(until-from)*time.Millisecond))
	switch len(a.Created) {
	case 0: // the EHR does not say
	case len(time.DateOnly):
		a.Created = f.now()[:len(time.DateOnly)]
	default:
		a.Created = f.now()
	}
	a.SupportingInformation = []reference{{Reference: "Appointment/" + id}}
	return f.store.Create(encode(a))
}

// SetAppointment records where a visit stands, in FHIR's words: "arrived", "fulfilled",
// "entered-in-error". To cancel it there is CancelAppointment, which frees its slots.
func (f *FrontDesk) SetAppointment(id, status string) (Resource, error) {
	return f.edit("Appointment", id, func(o *object) error {
		o.set("status", encode(status))
		return nil
	})
}

// DeleteAppointment removes the visit: no search shows it again, and a read is a 410. A
// 404 or 410 if there is none.
func (f *FrontDesk) DeleteAppointment(id string) error {
	if _, err := f.store.Read("Appointment", id); err != nil {
		return err
	}
	return f.store.Delete("Appointment", id)
}

// ConfirmProposal books a visit that was proposed: it gives it a patient and a time. A
// 409 if it is not proposed any more.
func (f *FrontDesk) ConfirmProposal(id, patientID string, start time.Time, minutes int) (Resource, error) {
	return f.edit("Appointment", id, func(o *object) error {
		if o.text("status") != "proposed" {
			return problem(http.StatusConflict, "conflict", "Appointment/%s is not proposed", id)
		}
		o.set("status", encode("booked"))
		o.set("start", encode(instant(start)))
		o.set("end", encode(instant(start.Add(time.Duration(minutes)*time.Minute))))
		o.set("participant", encode([]participant{{reference{Reference: "Patient/" + patientID}, "accepted"}}))
		return nil
	})
}

// StartTask says that who works on the task.
func (f *FrontDesk) StartTask(id, who string) (Resource, error) {
	return f.setTask(id, member{"status", encode("in-progress")}, member{"owner", encode(person(who))})
}

// TieVisit says in the task which visit answers it.
func (f *FrontDesk) TieVisit(id, appointment string) (Resource, error) {
	return f.setTask(id, member{"focus", encode(reference{Reference: "Appointment/" + appointment})})
}

// ReopenTask sets a task that was ended back to requested.
func (f *FrontDesk) ReopenTask(id string) (Resource, error) {
	return f.setTask(id, member{"status", encode("requested")})
}

// CorrectPatient writes name, birth date and, unless they are empty, phone and e-mail of
// the chart anew, as somebody does who has noticed a typing error.
func (f *FrontDesk) CorrectPatient(id string, p NewPatient) (Resource, error) {
	return f.edit("Patient", id, func(o *object) error {
		o.set("name", encode([]humanName{{Use: "official", Family: p.Family, Given: []string{p.Given}}}))
		o.set("birthDate", encode(p.BirthDate))
		if telecom := reachedAt(p.Phone, p.Email); telecom != nil {
			o.set("telecom", encode(telecom))
		}
		return nil
	})
}

// MergePatients makes one chart of two: from is no longer active and names into as what
// replaced it. With move, its visits and tasks are filed under into; without, they go on
// naming from, and whoever reads them has to follow the link.
func (f *FrontDesk) MergePatients(from, into string, move bool) error {
	link := func(id, other, kind string) error {
		_, err := f.edit("Patient", id, func(o *object) error {
			var links []json.RawMessage
			if held := o.get("link"); held != nil {
				var err error
				if links, err = parseArray(held); err != nil {
					return err
				}
			}
			o.set("link", encodeArray(append(links, encode(patientLink{reference{Reference: "Patient/" + other}, kind}))))
			if kind == "replaced-by" {
				o.set("active", encode(false))
			}
			return nil
		})
		return err
	}
	if err := link(into, from, "replaces"); err != nil {
		return err
	}
	if err := link(from, into, "replaced-by"); err != nil || !move {
		return err
	}
	return f.refile(from, into)
}

// refile files the visits and tasks of one chart under another.
func (f *FrontDesk) refile(from, into string) error {
	old, now := reference{Reference: "Patient/" + from}, reference{Reference: "Patient/" + into}
	for _, typ := range []string{"Appointment", "Task"} {
		found, err := f.store.Search(typ, map[string][]string{"patient": {old.Reference}})
		if err != nil {
			return err
		}
		for _, r := range found {
			if _, err := f.edit(typ, r.ID, func(o *object) error { return pointTo(o, typ, old, now) }); err != nil {
				return err
			}
		}
	}
	return nil
}

func pointTo(o *object, typ string, old, now reference) error {
	if typ == "Task" {
		o.set("for", encode(now))
		return nil
	}
	var all []participant
	if err := json.Unmarshal(o.get("participant"), &all); err != nil {
		return err
	}
	if i := slices.IndexFunc(all, func(p participant) bool { return p.Actor.Reference == old.Reference }); i >= 0 {
		all[i].Actor = now
	}
	o.set("participant", encode(all))
	return nil
}
