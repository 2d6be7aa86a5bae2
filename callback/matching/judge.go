package matching

import (
	"slices"

	"github.com/ringback-health/ringback/callback"
)

// Judge says what one appointment says about the callback. A verdict is the
// strongest claim for it, cut down by everything that speaks against it.
func (in Input) Judge(a callback.Appointment) callback.Evidence {
	ev := callback.Evidence{EHR: a.EHR, Appointment: a.ID, Verdict: callback.None}
	none := func(reason string) callback.Evidence {
		ev.Verdict, ev.Reasons = callback.None, append(ev.Reasons, reason)
		ev.Sentence = sentence(ev)
		return ev
	}
	r := in.Record
	switch {
	case !a.State.Stands():
		return none("not-booked")
	case !in.Rules.AnsweredByVisit(r.Category):
		return none("no-visit-answers-this-category")
	case in.CreditedElsewhere[a.ID]:
		return none("answers-another-callback")
	}
	if old, ok := r.EvidenceOf(a.EHR, a.ID); ok && old.State == callback.Refused {
		return none("refused-by-a-person")
	}
	if reason := in.exact(a); reason != "" {
		ev.Verdict, ev.Reasons = callback.Exact, []string{reason}
		ev.Sentence = sentence(ev)
		return ev
	}
	return in.byPatient(a, ev)
}

// exact returns why the appointment is certainly for this callback, or "".
func (in Input) exact(a callback.Appointment) string {
	if slices.Contains(in.StaffLinked, a.ID) {
		return "linked-by-staff"
	}
	for _, l := range in.Record.Links {
		if l.EHR != a.EHR {
			continue
		}
		switch {
		case slices.Contains(a.Markers, l.Marker()):
			return "marker"
		case l.Type == callback.AppointmentResource && l.RemoteID != "" && l.RemoteID == a.ID:
			return "our-proposal"
		case l.Type == callback.TaskResource && l.RemoteID != "" && slices.Contains(a.Tasks, l.RemoteID):
			return "points-to-our-task"
		}
	}
	return ""
}

// byPatient judges an appointment that only its patient ties to the callback.
func (in Input) byPatient(a callback.Appointment, ev callback.Evidence) callback.Evidence {
	r := in.Record
	if a.Patient.IsEmpty() || !a.Patient.Equal(r.Patient.Chart()) {
		ev.Reasons, ev.Verdict = []string{"other-patient"}, callback.None
		ev.Sentence = sentence(ev)
		return ev
	}
	booked, known := a.BookedNoEarlierThan()
	since := r.AskedAt
	until := later(r.AskedAt, r.ReopenedAt).Add(in.Rules.AttributionWindow)
	if !a.Created.IsZero() && a.Created.Before(since) {
		ev.Reasons, ev.Verdict = []string{"booked-before-request"}, callback.None
		ev.Sentence = sentence(ev)
		return ev
	}
	if known && booked.After(until) {
		ev.Reasons, ev.Verdict = []string{"booked-too-late"}, callback.None
		ev.Sentence = sentence(ev)
		return ev
	}
	if !known && !a.FirstSeen.After(since) {
		ev.Reasons, ev.Verdict = []string{"known-before-request"}, callback.None
		ev.Sentence = sentence(ev)
		return ev
	}
	ev.Verdict = callback.Strong
	doubt := func(is bool, reason, otherwise string) {
		if is {
			ev.Verdict = callback.Weak
			ev.Reasons = append(ev.Reasons, reason)
		} else {
			ev.Reasons = append(ev.Reasons, otherwise)
		}
	}
	doubt(r.Patient.Resolution != callback.Certain, "patient-uncertain", "patient-certain")
	doubt(a.Patients > 1, "several-patients", "one-patient")
	doubt(!known || booked.Before(since), "booking-time-uncertain", "booked-after-request")
	doubt(!in.Rules.FitsVisit(r.Category, a.Kinds), "kind-does-not-answer", "kind-answers")
	doubt(r.Category == callback.Other, "request-unclear", "request-clear")
	doubt(in.Rivals > 0, "several-open-callbacks", "only-open-callback")
	ev.Sentence = sentence(ev)
	return ev
}
