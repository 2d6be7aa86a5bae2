// Package intake is the one way into the ledger: whatever brings a request (the
// HTTP API, an imported call log, the demo) submits it here, so that it is
// checked, stored and triaged the same way everywhere.
//
// What a request means is decided in callback/workflow; how it travels belongs
// to whoever brings it.
package intake

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/workflow"
	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/internal/phone"
	"github.com/ringback-health/ringback/internal/redact"
)

// Submission is a request as it came, before it was checked. Texts are as the
// source wrote them.
type Submission struct {
	Source     string
	SourceID   string
	Clinic     string
	ReceivedAt time.Time // zero: now
	Name       redact.Text
	Phone      redact.Text // any notation; "anonymous" and its like when it was withheld
	Email      redact.Text
	BirthDate  redact.Text // YYYY-MM-DD
	MRN        redact.Text
	EHRID      redact.Text
	NewPatient callback.Answer
	Category   string // empty: triage decides
	Text       redact.Text
	Preferred  []callback.Period
	VisitKind  string
	Raw        []byte // what is stored as it came
}

// FieldError says what is wrong with one field of a submission. It never quotes
// what was sent.
type FieldError struct {
	Field   string // as the API names it: "caller.phone"
	Message string // what is wrong and what is expected
}

// Invalid is a submission that cannot be taken. Nothing was stored.
type Invalid struct{ Fields []FieldError }

// Error lists the fields.
func (e *Invalid) Error() string {
	var parts []string
	for _, f := range e.Fields {
		parts = append(parts, f.Field+": "+f.Message)
	}
	return strings.Join(parts, "; ")
}

// Clinic is what the desk has to know of a clinic.
type Clinic struct {
	ID     callback.ClinicID
	Region string // for phone numbers without a country code: "US"
	Rules  workflow.Rules
	EHR    callback.EHRID // where its work items go; empty: nowhere
	// ProposeVisits says that preferred times are also put into the EHR as a
	// proposed appointment.
	ProposeVisits bool
}

// Desk takes submissions for a number of clinics.
type Desk struct {
	ledger  callback.Callbacks
	clock   clock.Clock
	clinics map[callback.ClinicID]Clinic
	names   []string
	notify  func()
}

// NewDesk makes a desk. notify is called after a callback was made or changed
// and must not block; it may be nil.
func NewDesk(l callback.Callbacks, c clock.Clock, notify func(), clinics ...Clinic) *Desk {
	d := &Desk{ledger: l, clock: c, clinics: map[callback.ClinicID]Clinic{}, notify: notify}
	for _, cl := range clinics {
		d.clinics[cl.ID] = cl
		d.names = append(d.names, string(cl.ID))
	}
	return d
}

// clockSkew is how far in the future a source's clock may be before its
// received_at is refused. A source that is a few minutes fast is common; the
// time is then taken as now.
const clockSkew = 5 * time.Minute

// Take checks a submission, stores it and makes, or finds, its callback. The
// same (clinic, source, source id) again changes nothing and returns the same
// callback. From somebody else it is another request that lacks an id of its own,
// and refused, because it would be lost. The error is *Invalid when the submission is at fault, and the
// ledger's otherwise; in both cases nothing was stored.
func (d *Desk) Take(ctx context.Context, s Submission) (callback.Taken, error) {
	now := d.clock.Now()
	req, clinic, err := d.check(s, now)
	if err != nil {
		return callback.Taken{}, err
	}
	arrival := callback.Arrival{ID: callback.NewID(), Clinic: req.Clinic, Source: req.Source, SourceID: req.SourceID,
		ReceivedAt: req.ReceivedAt, StoredAt: now, Body: s.Raw, Content: content(req), Phone: req.Caller.Phone}
	since := now.Add(-clinic.Rules.ReopenOnCallWithin)
	taken, err := d.ledger.Take(ctx, arrival, since, func(candidates []callback.Record) (callback.Intake, error) {
		in, err := clinic.Rules.Intake(req, candidates, now)
		if err == nil && in.New != nil {
			d.link(in.New, clinic, now)
		}
		return in, err
	})
	if err != nil {
		return callback.Taken{}, fmt.Errorf("store the request: %w", err)
	}
	if taken.Other {
		return callback.Taken{}, &Invalid{[]FieldError{{"source_id", "was used before for the request of somebody else; " +
			"nothing was changed. Give each request an id of its own within its source"}}}
	}
	if d.notify != nil && !taken.Again && taken.Disposition != callback.Ignored {
		d.notify()
	}
	return taken, nil
}

// content is who asks, in one form. What they say and when does not belong to it: a
// person who sends a form twice with another word in it is still the same person.
func content(req callback.Request) redact.Text {
	c, k := req.Caller, req.Patient
	parts := []string{c.Name.Reveal(), c.Phone.Reveal(), c.Email.Reveal(), c.BirthDate.Reveal(), k.MRN.Reveal(), k.EHRID.Reveal()}
	return redact.NewText(strings.Join(parts, "\x00"))
}

// link gives a new callback its places in the clinic's EHR.
func (d *Desk) link(r *callback.Record, c Clinic, now time.Time) {
	if c.EHR == "" {
		return
	}
	if c.ProposeVisits && len(r.Preferred) > 0 && c.Rules.AnsweredByVisit(r.Category) {
		r.Links = append(r.Links, callback.NewLink(r.Callback, c.EHR, callback.AppointmentResource, now))
	}
	r.Links = append(r.Links, callback.NewLink(r.Callback, c.EHR, callback.TaskResource, now))
}

// check turns a submission into a request, or says all that is wrong with it.
func (d *Desk) check(s Submission, now time.Time) (callback.Request, Clinic, error) {
	var bad Invalid
	fail := func(field, message string) { bad.Fields = append(bad.Fields, FieldError{field, message}) }

	clinic, ok := d.clinics[callback.ClinicID(s.Clinic)]
	if !ok {
		fail("clinic", "is not a clinic of this installation; known: "+strings.Join(d.names, ", "))
	}
	checkName(s.Source, "source", fail)
	checkName(s.SourceID, "source_id", fail)

	received := s.ReceivedAt.UTC()
	switch {
	case s.ReceivedAt.IsZero():
		received = now
	case received.Year() < 1990:
		fail("received_at", "is before there were such requests; check the clock of the source")
	case received.After(now.Add(clockSkew)):
		fail("received_at", "is in the future; check the clock of the source and the offset of the time")
	case received.After(now):
		received = now
	}
	number, err := phone.Parse(s.Phone.Reveal(), clinic.Region)
	if ok && err != nil && !errors.Is(err, phone.ErrWithheld) {
		fail("caller.phone", err.Error()+"; send it as +15551234567, or leave it out when it was withheld")
	}
	if e := s.Email.Reveal(); e != "" {
		if _, domain, ok := strings.Cut(e, "@"); !ok || domain == "" || strings.HasPrefix(e, "@") {
			fail("caller.email", "is not an e-mail address; send it as name@example.org")
		}
	}
	if !s.BirthDate.IsEmpty() {
		born, err := time.Parse(time.DateOnly, s.BirthDate.Reveal())
		if err != nil || born.After(now) || born.Year() < 1880 {
			fail("caller.birth_date", "is not a date of birth; send it as 1985-12-31")
		}
	}
	category := callback.Category(s.Category)
	if s.Category != "" && !category.Valid() {
		fail("category", "is none of the categories; leave it out to let triage decide")
	}
	for i, p := range s.Preferred {
		if p.Start.IsZero() || !p.End.After(p.Start) {
			fail(fmt.Sprintf("preferred_times[%d]", i), "needs a start and a later end")
		}
	}
	if s.Phone.IsEmpty() && s.Email.IsEmpty() && s.Name.IsEmpty() && s.Text.IsEmpty() && s.MRN.IsEmpty() && s.EHRID.IsEmpty() {
		fail("caller", "says nothing about who called; send at least a phone number, a name or an e-mail address, or the phone number \"anonymous\" when it was withheld")
	}
	if len(bad.Fields) > 0 {
		return callback.Request{}, Clinic{}, &bad
	}
	return callback.Request{
		Clinic: clinic.ID, Source: s.Source, SourceID: s.SourceID, ReceivedAt: received.Truncate(time.Microsecond),
		Caller:     callback.Caller{Name: s.Name, Phone: number, Email: s.Email, BirthDate: s.BirthDate},
		Patient:    callback.PatientKeys{MRN: s.MRN, EHRID: s.EHRID},
		NewPatient: s.NewPatient, Category: category, Text: s.Text, Preferred: s.Preferred, VisitKind: s.VisitKind,
	}, clinic, nil
}

func checkName(v, field string, fail func(field, message string)) {
	if v == "" {
		fail(field, "is missing; source and source_id together name the request")
	} else if len(v) > 200 {
		fail(field, "is longer than 200 characters")
	}
}
