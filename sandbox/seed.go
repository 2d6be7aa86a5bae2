package sandbox

import (
	"fmt"
	"time"
)

// SystemMRN is the system of the chart numbers in the made-up practice.
const SystemMRN = "urn:ringback:sandbox:mrn"

// Kinds of visit in the made-up practice, as FrontDesk.Book takes them.
const (
	VisitNewPatient = "urn:ringback:sandbox:visit|new-patient"
	VisitFollowUp   = "urn:ringback:sandbox:visit|follow-up"
)

// ClinicOptions say when and where the made-up practice is.
type ClinicOptions struct {
	// Now is any time of the practice's first day; zero: by the store's clock.
	Now time.Time
	// Zone is where the practice is; nil: UTC.
	Zone *time.Location
	// Days is for how many working days there are slots, from the day after Now; 0: 5.
	Days int
}

// Clinic is the made-up practice as it was stored, each list in the order of its ids.
type Clinic struct {
	Location      Resource
	Practitioners []Resource
	Patients      []Resource
	Schedules     []Resource // one per practitioner, in the same order
	Slots         []Resource // by schedule, then by start
	Appointments  []Resource // booked before the first day
}

var madeUpStaff = []humanName{
	{Use: "official", Family: "Lindqvist", Given: []string{"Astrid"}, Prefix: []string{"Dr."}},
	{Use: "official", Family: "Okonkwo", Given: []string{"Chidi"}, Prefix: []string{"Dr."}},
	{Use: "official", Family: "Reyes", Given: []string{"Marisol"}},
}

// The patients: the Whitfields share one number, so do the two Castillos; two are
// named Maria Garcia and two James Lee; one has no number. Numbers are written in
// several ways, as people type them.
var madeUpPatients = []struct{ family, given, gender, birth, phone, email string }{
	{"Whitfield", "Laura", "female", "1984-03-12", "(212) 555-0101", "laura.whitfield@example.org"},
	{"Whitfield", "Owen", "male", "2014-07-02", "(212) 555-0101", ""},
	{"Whitfield", "Ivy", "female", "2017-11-23", "(212) 555-0101", ""},
	{"Garcia", "Maria", "female", "1971-05-30", "212-555-0104", "m.garcia@example.org"},
	{"García", "María", "female", "1993-10-08", "212-555-0105", ""},
	{"Lee", "James", "male", "1958-01-17", "+12125550106", ""},
	{"Lee", "James", "male", "1989-08-25", "+12125550107", "james.lee@example.org"},
	{"Castillo", "Renata", "female", "1990-12-01", "212.555.0108", ""},
	{"Castillo", "Bruno", "male", "1988-02-14", "212.555.0108", ""},
	{"Novák", "Tomáš", "male", "1966-06-06", "+1 212 555 0110", ""},
	{"Abebe", "Hana", "female", "2001-04-19", "+12125550111", "hana.abebe@example.org"},
	{"Osei", "Kwame", "male", "1949-09-03", "", ""},
}

// The visits booked already: patient, practitioner, day and half hour of the day.
var madeUpVisits = []struct{ patient, practitioner, day, half int }{{4, 1, 0, 2}, {6, 2, 1, 4}, {12, 3, 2, 0}, {1, 1, 2, 8}}

// SeedClinic stores a small made-up practice: one location, three practitioners with
// schedules and free half-hour slots on the working days to come, twelve patients,
// and four visits booked a week ago. The same options give the same resources.
func SeedClinic(store *Store, o ClinicOptions) (Clinic, error) {
	if o.Now.IsZero() {
		o.Now = store.clock.Now()
	}
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.Days == 0 {
		o.Days = 5
	}
	s := seeder{store: store, options: o}
	s.people()
	s.calendar()
	s.visits()
	return s.clinic, s.err
}

// seeder stores one resource after the other and stops at the first error.
type seeder struct {
	store   *Store
	options ClinicOptions
	clinic  Clinic
	err     error
}

// put stores a resource under its id; after an error it does nothing.
func (s *seeder) put(v any) (r Resource) {
	if s.err == nil {
		r, s.err = s.store.seed(encode(v))
	}
	return r
}

func (s *seeder) people() {
	s.clinic.Location = s.put(location{
		ResourceType: "Location", ID: "location-1", Status: "active", Name: "Elm Street Practice (made up)",
		Telecom: []contactPoint{{System: "phone", Value: "+12125550100", Use: "work"}},
	})
	for i, name := range madeUpStaff {
		s.clinic.Practitioners = append(s.clinic.Practitioners, s.put(practitioner{
			ResourceType: "Practitioner", ID: fmt.Sprintf("practitioner-%d", i+1), Active: true, Name: []humanName{name},
		}))
	}
	for i, p := range madeUpPatients {
		s.clinic.Patients = append(s.clinic.Patients, s.put(patient{
			ResourceType: "Patient", ID: fmt.Sprintf("patient-%02d", i+1), Active: true,
			Identifier: []identifier{{SystemMRN, fmt.Sprintf("MRN-%d", 1001+i)}},
			Name:       []humanName{{Use: "official", Family: p.family, Given: []string{p.given}}},
			Telecom:    reachedAt(p.phone, p.email), Gender: p.gender, BirthDate: p.birth,
		}))
	}
}

// calendar stores the schedules and, from 09:00 to 12:00 and 13:00 to 17:00, the slots.
func (s *seeder) calendar() {
	for i := range madeUpStaff {
		id := fmt.Sprintf("schedule-%d", i+1)
		s.clinic.Schedules = append(s.clinic.Schedules, s.put(schedule{
			ResourceType: "Schedule", ID: id, Active: true,
			Actor: []reference{{Reference: fmt.Sprintf("Practitioner/practitioner-%d", i+1)}, {Reference: "Location/location-1"}},
		}))
		for n := range s.options.Days * halvesPerDay {
			start := s.slotStart(n/halvesPerDay, n%halvesPerDay)
			s.clinic.Slots = append(s.clinic.Slots, s.put(slot{
				ResourceType: "Slot", ID: slotID(i+1, start), Status: "free",
				Schedule: reference{Reference: "Schedule/" + id},
				Start:    start.Format(time.RFC3339), End: start.Add(30 * time.Minute).Format(time.RFC3339),
			}))
		}
	}
}

// halvesPerDay is how many half hours a working day has.
const halvesPerDay = 14

// slotStart returns the start of the half hour of the working day, both from 0.
func (s *seeder) slotStart(day, half int) time.Time {
	y, m, d := s.options.Now.In(s.options.Zone).Date()
	date := time.Date(y, m, d, 0, 0, 0, 0, s.options.Zone)
	for ; day >= 0; day-- {
		date = date.AddDate(0, 0, 1)
		for date.Weekday() == time.Saturday || date.Weekday() == time.Sunday {
			date = date.AddDate(0, 0, 1)
		}
	}
	hour := 9 + half/2
	if hour >= 12 {
		hour++
	}
	y, m, d = date.Date()
	return time.Date(y, m, d, hour, half%2*30, 0, 0, s.options.Zone)
}

func slotID(practitioner int, start time.Time) string {
	return fmt.Sprintf("slot-%d-%s", practitioner, start.Format("20060102-1504"))
}

func (s *seeder) visits() {
	desk := NewFrontDesk(s.store)
	for i, v := range madeUpVisits {
		if s.err != nil || v.day >= s.options.Days {
			return
		}
		a := desk.draft(Booking{PatientID: fmt.Sprintf("patient-%02d", v.patient), ServiceType: VisitFollowUp})
		a.ID = fmt.Sprintf("appointment-%d", i+1)
		a.Created = instant(s.options.Now.AddDate(0, 0, -7))
		var r Resource
		if r, s.err = desk.bookSlot(a, slotID(v.practitioner, s.slotStart(v.day, v.half))); s.err == nil {
			s.clinic.Appointments = append(s.clinic.Appointments, r)
		}
	}
}
