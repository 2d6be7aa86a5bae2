package workflow

import (
	"fmt"
	"slices"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/redact"
)

// automation is who triages and assigns.
var automation = callback.Actor{Kind: callback.Automation}

// Intake decides what a request becomes: part of a callback of the same person
// that is open or closed lately, or a callback of its own. candidates are the
// clinic's records with the same phone number, newest first; the one merged into
// is changed in place.
func (r Rules) Intake(req callback.Request, candidates []callback.Record, now time.Time) (callback.Intake, error) {
	for i := range candidates {
		if !r.repeats(req, candidates[i]) {
			continue
		}
		rec := candidates[i].Clone()
		before := rec.Category
		if err := rec.Merge(req, now); err != nil {
			return callback.Intake{}, fmt.Errorf("merge a repeated call: %w", err)
		}
		if rec.Category != before {
			t := r.Triage(callback.Request{Category: rec.Category, Text: req.Text, ReceivedAt: rec.ReceivedAt})
			p := rec.Priority
			if t.Priority.Above(p) {
				p = t.Priority
			}
			if err := rec.Triage(rec.Category, p, earlier(rec.DueAt, t.DueAt), t.Why, automation, now); err != nil {
				return callback.Intake{}, fmt.Errorf("triage a repeated call: %w", err)
			}
		}
		return callback.Intake{Merge: &rec}, nil
	}
	rec, err := r.fresh(req, now)
	if err != nil {
		return callback.Intake{}, err
	}
	return callback.Intake{New: &rec}, nil
}

// Transcribed adds to a callback what was said on its caller's message, once that is
// known. It can raise the priority and bring the target forward, never the other way, and
// finds the category only where there is none. A text that is there already stays.
func (r Rules) Transcribed(rec *callback.Record, text redact.Text, now time.Time) error {
	if text.IsEmpty() || !rec.Text.IsEmpty() {
		return nil
	}
	rec.Heard(text, automation, now)
	if !rec.Status.Open() {
		return nil
	}
	req := callback.Request{Category: rec.Category, Text: text, NewPatient: rec.NewPatient, ReceivedAt: rec.ReceivedAt}
	if rec.Category == callback.Other {
		req.Category = ""
	}
	t := r.Triage(req)
	p := rec.Priority
	if t.Priority.Above(p) {
		p = t.Priority
	}
	if err := rec.Triage(t.Category, p, earlier(rec.DueAt, t.DueAt), t.Why, automation, now); err != nil {
		return fmt.Errorf("triage what was said: %w", err)
	}
	if t.Category == req.Category || slices.ContainsFunc(rec.Timeline, func(e callback.Event) bool { return e.By.Human() }) {
		return nil // who has it keeps it
	}
	return rec.Assign(t.Owner, automation, now)
}

// fresh makes a callback of its own: captured, triaged and with an owner.
func (r Rules) fresh(req callback.Request, now time.Time) (callback.Record, error) {
	rec := callback.Capture(req, now)
	t := r.Triage(req)
	if err := rec.Triage(t.Category, t.Priority, t.DueAt, t.Why, automation, now); err != nil {
		return rec, fmt.Errorf("triage: %w", err)
	}
	if err := rec.Assign(t.Owner, automation, now); err != nil {
		return rec, fmt.Errorf("assign: %w", err)
	}
	return rec, nil
}

// repeats reports whether a request is the same person asking again for what the
// candidate is about. A number alone can be a whole family's: where both say who
// they are and it differs, they are two people. Where both name a category and
// it differs, they are two requests.
func (r Rules) repeats(req callback.Request, c callback.Record) bool {
	if req.Caller.Phone.IsEmpty() || !req.Caller.Phone.Equal(c.Caller.Phone) {
		return false
	}
	if req.ReceivedAt.Before(c.ReceivedAt.Add(-r.ReopenOnCallWithin)) {
		return false // out of an old log, and not a repeat of what came long after it
	}
	if c.Status == callback.Closed && (c.Outcome.Withdrawn() || req.ReceivedAt.Before(c.ClosedAt)) {
		return false
	}
	differ := func(a, b interface{ IsEmpty() bool }, equal bool) bool {
		return !a.IsEmpty() && !b.IsEmpty() && !equal
	}
	a, b := req.Caller, c.Caller
	pa, pb := req.Patient, c.Patient.Keys
	if differ(a.Name, b.Name, a.Name.EqualFold(b.Name)) ||
		differ(a.BirthDate, b.BirthDate, a.BirthDate.Equal(b.BirthDate)) ||
		differ(pa.MRN, pb.MRN, pa.MRN.Equal(pb.MRN)) ||
		differ(pa.EHRID, pb.EHRID, pa.EHRID.Equal(pb.EHRID)) {
		return false
	}
	wide := []callback.Category{"", callback.Other}
	want := r.Triage(req).Category
	return want == c.Category || slices.Contains(wide, want) || c.Category == callback.Other
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
