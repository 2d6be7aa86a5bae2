package callback

import (
	"fmt"
	"slices"
	"time"

	"github.com/ringback-health/ringback/internal/redact"
)

// Record is a callback with all that the ledger keeps about it. Its methods are
// the only way to change a callback: each obeys Transitions, appends to the
// timeline, and moves the revision when the EHR has something to learn. A method
// that finds nothing to change does nothing and is no error, so that repeating
// one is harmless.
//
// The ledger gives new events (Seq 0) their place and stores what changed.
type Record struct {
	Callback
	Attempts []Attempt
	Evidence []Evidence
	Links    []Link
	Timeline []Event
}

// Capture makes the record of a request that arrived. It does not judge the
// request; triage does.
func Capture(req Request, at time.Time) Record {
	r := Record{Callback: Callback{
		ID: NewID(), Clinic: req.Clinic, Source: req.Source, SourceID: req.SourceID,
		ReceivedAt: req.ReceivedAt, CapturedAt: at, AskedAt: req.ReceivedAt,
		Caller: req.Caller, Patient: Patient{Keys: req.Patient}, NewPatient: req.NewPatient,
		Category: Other, Priority: Routine, Text: req.Text, Preferred: req.Preferred,
		VisitKind: req.VisitKind, Status: Captured,
	}}
	r.log(Event{Kind: EventCaptured, At: at, By: Actor{Kind: CallerActor}, To: Captured, Detail: "from " + req.Source}, true)
	return r
}

// log appends an event; revise says that the EHR has to learn of it.
func (r *Record) log(e Event, revise bool) {
	if revise {
		r.Revision++
	}
	e.Revision = r.Revision
	r.UpdatedAt = e.At
	r.Timeline = append(r.Timeline, e)
}

// move applies action a and logs e with the states filled in.
func (r *Record) move(a Action, e Event) error {
	to, err := r.Status.Next(a)
	if err != nil {
		return err
	}
	e.From, e.To = r.Status, to
	r.Status = to
	r.log(e, true)
	return nil
}

// stay logs e without a change of state.
func (r *Record) stay(e Event, revise bool) {
	e.From, e.To = r.Status, r.Status
	r.log(e, revise)
}

// Triage sets what the callback is about, how urgent it is and when it is due.
// detail says why, free of PHI.
func (r *Record) Triage(c Category, p Priority, due time.Time, detail string, by Actor, at time.Time) error {
	if !c.Valid() || !p.Valid() {
		return fmt.Errorf("%w: category %q, priority %q", ErrInvalid, c, p)
	}
	if r.Status != Captured && r.Category == c && r.Priority == p && r.DueAt.Equal(due) {
		return nil
	}
	if err := r.move(DoTriage, Event{Kind: EventTriaged, At: at, By: by, Detail: detail}); err != nil {
		return err
	}
	r.Category, r.Priority, r.DueAt = c, p, due
	return nil
}

// Assign gives the callback to a person or a queue.
func (r *Record) Assign(owner string, by Actor, at time.Time) error {
	if owner == "" {
		return fmt.Errorf("%w: a callback is never without an owner", ErrInvalid)
	}
	if r.Owner == owner && r.Status != Triaged {
		return nil
	}
	if err := r.move(DoAssign, Event{Kind: EventAssigned, At: at, By: by, Detail: "owner " + owner}); err != nil {
		return err
	}
	r.Owner = owner
	return nil
}

// Start says that somebody has taken the callback up.
func (r *Record) Start(by Actor, at time.Time) error {
	if r.Status == InProgress {
		return nil
	}
	return r.move(DoStart, Event{Kind: EventStarted, At: at, By: by})
}

// Wait says that the next move is the caller's.
func (r *Record) Wait(by Actor, at time.Time) error {
	if r.Status == Waiting {
		return nil
	}
	return r.move(DoWait, Event{Kind: EventWaiting, At: at, By: by})
}

// Release puts the callback back to its owner's queue: nobody works on it now.
func (r *Record) Release(by Actor, at time.Time) error {
	if r.Status == Assigned {
		return nil
	}
	return r.move(DoRelease, Event{Kind: EventReleased, At: at, By: by})
}

// Attempt records one try to reach the caller. An attempt whose id is already
// there is the same attempt.
func (r *Record) Attempt(a Attempt, at time.Time) error {
	if slices.ContainsFunc(r.Attempts, func(b Attempt) bool { return b.ID == a.ID }) {
		return nil
	}
	if !a.Result.EndsAttempt() {
		return fmt.Errorf("%w: an attempt cannot end with %q", ErrInvalid, a.Result)
	}
	e := Event{Kind: EventAttempted, At: at, By: a.By, Detail: a.Channel + ", " + string(a.Result), Note: a.Note}
	if err := r.move(DoAttempt, e); err != nil {
		return err
	}
	r.Attempts = append(r.Attempts, a)
	return nil
}

// Close ends the callback. Closing it again with the same outcome does nothing;
// with another it is ErrNotAllowed: reopen it first.
func (r *Record) Close(o Outcome, note redact.Text, by Actor, at time.Time) error {
	if !o.Closes() {
		return fmt.Errorf("%w: a callback cannot close with %q", ErrInvalid, o)
	}
	if r.Status == Closed && r.Outcome == o {
		return nil
	}
	if err := r.move(DoClose, Event{Kind: EventClosed, At: at, By: by, Detail: "outcome " + string(o), Note: note}); err != nil {
		return err
	}
	r.Outcome, r.ClosedAt, r.Review = o, at, false
	return nil
}

// CloseOnVisit closes the callback because of an appointment and credits it.
// Evidence that is not exact or strong is ErrInvalid: nothing closes on it. A
// callback that the same visit closed already stays as it is.
func (r *Record) CloseOnVisit(ev Evidence, at time.Time) error {
	if !ev.Verdict.Closes() {
		return fmt.Errorf("%w: %s evidence closes nothing", ErrInvalid, ev.Verdict)
	}
	if old := r.evidenceOf(ev.EHR, ev.Appointment); old != nil && old.State == Credited {
		return nil
	}
	e := Event{Kind: EventClosed, At: at, By: Actor{Kind: Automation}, Detail: "outcome booked; " + ev.Sentence}
	if err := r.move(DoClose, e); err != nil {
		return err
	}
	r.Outcome, r.ClosedAt, r.Review = Booked, at, false
	ev.State, ev.At = Credited, at
	r.keep(ev)
	return nil
}

// Reopen opens a closed callback again. When a person does it, the appointment
// that had closed it is refused for good: what people do wins over what
// automation wants. detail says why, free of PHI.
func (r *Record) Reopen(detail string, note redact.Text, by Actor, at time.Time) error {
	if r.Status != Closed {
		return nil
	}
	return r.reopen(Event{Kind: EventReopened, At: at, By: by, Detail: detail, Note: note})
}

func (r *Record) reopen(e Event) error {
	if err := r.move(DoReopen, e); err != nil {
		return err
	}
	state := Revoked
	if e.By.Human() {
		state = Refused
	}
	for i := range r.Evidence {
		if r.Evidence[i].State == Credited {
			r.Evidence[i].State = state
		}
	}
	r.Outcome, r.ClosedAt, r.ReopenedAt = "", time.Time{}, e.At
	return nil
}

// ReopenOnVisitLost opens the callback again because the visit that closed it
// fell through. detail says how.
func (r *Record) ReopenOnVisitLost(detail string, at time.Time) error {
	return r.Reopen(detail, redact.Text{}, Actor{Kind: Automation}, at)
}

// AskReview shows evidence that is too weak to act on to a person. The same
// evidence is shown once.
func (r *Record) AskReview(evs []Evidence, at time.Time) {
	fresh := false
	for _, ev := range evs {
		if old := r.evidenceOf(ev.EHR, ev.Appointment); old != nil {
			continue
		}
		ev.State, ev.At = Shown, at
		r.keep(ev)
		fresh = true
	}
	if fresh && r.Status.Open() {
		r.Review = true
		r.stay(Event{Kind: EventReviewAsked, At: at, By: Actor{Kind: Automation}, Detail: evs[0].Sentence}, false)
	}
}

// AskReviewOf asks a person to look at the callback for another reason than an
// appointment.
func (r *Record) AskReviewOf(detail string, by Actor, at time.Time) {
	for _, e := range slices.Backward(r.Timeline) {
		if r.Review && e.Kind == EventReviewAsked && e.Detail == detail {
			return
		}
	}
	r.Review = true
	r.stay(Event{Kind: EventReviewAsked, At: at, By: by, Detail: detail}, false)
}

// Merge adds a further request of the same caller to this callback: a closed one
// opens again, the priority goes up with the first repeat, and what the new
// request knows better is kept.
func (r *Record) Merge(req Request, at time.Time) error {
	if r.Status == Closed {
		e := Event{Kind: EventReopened, At: at, By: Actor{Kind: CallerActor}, Detail: "called again"}
		if err := r.reopen(e); err != nil {
			return err
		}
		r.AskedAt = req.ReceivedAt
	}
	r.Repeats++
	if r.Repeats == 1 {
		r.Priority = r.Priority.Raised()
	}
	r.adopt(req)
	r.stay(Event{Kind: EventMerged, At: at, By: Actor{Kind: CallerActor}, Note: req.Text,
		Detail: fmt.Sprintf("call %d, from %s, priority %s", r.Repeats+1, req.Source, r.Priority)}, true)
	return nil
}

// adopt fills what the callback does not know from a further request.
func (r *Record) adopt(req Request) {
	fill := func(have *redact.Text, got redact.Text) {
		if have.IsEmpty() {
			*have = got
		}
	}
	fill(&r.Caller.Name, req.Caller.Name)
	fill(&r.Caller.Email, req.Caller.Email)
	fill(&r.Caller.BirthDate, req.Caller.BirthDate)
	fill(&r.Patient.Keys.MRN, req.Patient.MRN)
	fill(&r.Patient.Keys.EHRID, req.Patient.EHRID)
	fill(&r.Text, req.Text)
	if len(r.Preferred) == 0 {
		r.Preferred = req.Preferred
	}
	if r.VisitKind == "" {
		r.VisitKind = req.VisitKind
	}
	if r.NewPatient == Unknown {
		r.NewPatient = req.NewPatient
	}
	if r.Category == Other && req.Category != "" {
		r.Category = req.Category
	}
	if r.Patient.Resolution != Certain {
		r.Patient.Resolution, r.Patient.TriedAt = NotResolved, time.Time{}
	}
}

// Heard sets what the caller said, where nothing was known of that.
func (r *Record) Heard(text redact.Text, by Actor, at time.Time) {
	if text.IsEmpty() || !r.Text.IsEmpty() {
		return
	}
	r.Text = text
	r.stay(Event{Kind: EventNoted, At: at, By: by, Detail: "what was said on the message, as a machine heard it", Note: text}, true)
}

// Prioritise sets the priority.
func (r *Record) Prioritise(p Priority, by Actor, at time.Time) error {
	if !p.Valid() {
		return fmt.Errorf("%w: priority %q", ErrInvalid, p)
	}
	if r.Priority != p {
		r.Priority = p
		r.stay(Event{Kind: EventPrioritised, At: at, By: by, Detail: "priority " + string(p)}, true)
	}
	return nil
}

// Defer sets when the callback is due.
func (r *Record) Defer(due time.Time, by Actor, at time.Time) {
	if !r.DueAt.Equal(due) {
		r.DueAt = due
		r.stay(Event{Kind: EventDueMoved, At: at, By: by, Detail: "due " + due.UTC().Format(time.RFC3339)}, true)
	}
}

// Categorise says what the callback is about. It changes nothing else: whoever
// knows better sets the rest too.
func (r *Record) Categorise(c Category, by Actor, at time.Time) error {
	if !c.Valid() {
		return fmt.Errorf("%w: category %q", ErrInvalid, c)
	}
	if r.Category != c {
		r.Category = c
		r.stay(Event{Kind: EventCategorised, At: at, By: by, Detail: "category " + string(c)}, true)
	}
	return nil
}

// Resolve records what is known of the callback's chart. Only a change of the
// chart is an event; a mere new try is not.
func (r *Record) Resolve(p Patient, by Actor, at time.Time) {
	changed := !p.Keys.EHRID.Equal(r.Patient.Keys.EHRID) || p.Resolution != r.Patient.Resolution
	told := p.Resolution == Certain || r.Patient.Resolution == Certain
	r.Patient = p
	if changed && told {
		r.stay(Event{Kind: EventPatientBound, At: at, By: by,
			Detail: fmt.Sprintf("chart %s by %s", p.Resolution, p.How)}, true)
	}
}

// Note adds a free text of a person to the timeline.
func (r *Record) Note(text redact.Text, by Actor, at time.Time) {
	r.stay(Event{Kind: EventNoted, At: at, By: by, Note: text}, false)
}

// Filed records in the timeline that the EHR has the callback's resource now.
func (r *Record) Filed(l Link, at time.Time) {
	kind := EventFiled
	if l.Type == AppointmentResource {
		kind = EventProposed
	}
	// A proposal has to be shown in the work item; the work item itself is news to nobody.
	r.stay(Event{Kind: kind, At: at, By: Actor{Kind: Automation},
		Detail: fmt.Sprintf("%s/%s in %s", l.Type, l.RemoteID, l.EHR)}, kind == EventProposed)
}

// keep inserts or replaces the evidence of one appointment.
func (r *Record) keep(ev Evidence) {
	if old := r.evidenceOf(ev.EHR, ev.Appointment); old != nil {
		*old = ev
		return
	}
	r.Evidence = append(r.Evidence, ev)
}

func (r *Record) evidenceOf(ehr EHRID, appointment string) *Evidence {
	for i := range r.Evidence {
		if r.Evidence[i].EHR == ehr && r.Evidence[i].Appointment == appointment {
			return &r.Evidence[i]
		}
	}
	return nil
}

// EvidenceOf returns what was held against the callback for one appointment.
func (r *Record) EvidenceOf(ehr EHRID, appointment string) (Evidence, bool) {
	if ev := r.evidenceOf(ehr, appointment); ev != nil {
		return *ev, true
	}
	return Evidence{}, false
}

// Link returns the link with the id, to be changed in place; nil if there is none.
func (r *Record) Link(id ID) *Link {
	for i := range r.Links {
		if r.Links[i].ID == id {
			return &r.Links[i]
		}
	}
	return nil
}

// WorkItem returns what should stand in the EHR for the link now.
func (r *Record) WorkItem(l Link) WorkItem {
	w := WorkItem{Link: l, Callback: r.Callback, Attempts: slices.Clone(r.Attempts)}
	for _, other := range r.Links {
		if other.EHR == l.EHR && other.Type == AppointmentResource && other.State != LinkDiscarded {
			w.Proposal = other.RemoteID
		}
	}
	for _, ev := range r.Evidence {
		if ev.EHR == l.EHR && ev.State == Credited && r.Status == Closed {
			w.Visit, w.Sentence = ev.Appointment, ev.Sentence
		}
	}
	w.LeaveStatus = r.rejected(l)
	return w
}

// Clone returns a deep copy.
func (r Record) Clone() Record {
	r.Preferred = slices.Clone(r.Preferred)
	r.Attempts = slices.Clone(r.Attempts)
	r.Evidence = slices.Clone(r.Evidence)
	for i := range r.Evidence {
		r.Evidence[i].Reasons = slices.Clone(r.Evidence[i].Reasons)
	}
	r.Links = slices.Clone(r.Links)
	r.Timeline = slices.Clone(r.Timeline)
	return r
}
