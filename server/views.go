package server

import (
	"reflect"
	"time"

	"github.com/ringback-health/ringback/callback"
)

var (
	callbackType = reflect.TypeFor[Callback]()
	// known is the disposition of a request that came again.
	known        = callback.Disposition("known")
	dispositions = []callback.Disposition{callback.Created, callback.Merged, callback.Ignored, known}
)

// optional returns nil for the zero value: what is not known is null in JSON.
func optional[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// optionalTime is optional for times, whose zero value has several shapes.
func optionalTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// converted maps a slice; the result is never nil, so that JSON has [] and not null.
func converted[A, B any](in []A, convert func(A) B) []B {
	out := make([]B, 0, len(in))
	for _, v := range in {
		out = append(out, convert(v))
	}
	return out
}

func answerOf(yes *bool) callback.Answer {
	switch {
	case yes == nil:
		return callback.Unknown
	case *yes:
		return callback.Yes
	default:
		return callback.No
	}
}

func viewAnswer(a callback.Answer) *bool {
	if a == callback.Unknown {
		return nil
	}
	yes := a == callback.Yes
	return &yes
}

func viewCallback(c callback.Callback) Callback {
	return Callback{
		ID: string(c.ID), Clinic: string(c.Clinic), Source: c.Source, SourceID: c.SourceID,
		ReceivedAt: c.ReceivedAt.UTC(), CapturedAt: c.CapturedAt.UTC(),
		Caller: Caller{Name: Text{c.Caller.Name}, Phone: Text{c.Caller.Phone}, Email: Text{c.Caller.Email}, BirthDate: Text{c.Caller.BirthDate}},
		Patient: Patient{MRN: Text{c.Patient.Keys.MRN}, EHRID: Text{c.Patient.Keys.EHRID},
			Resolution: optional(string(c.Patient.Resolution)), How: optional(c.Patient.How)},
		NewPatient: viewAnswer(c.NewPatient), Text: Text{c.Text},
		PreferredTimes: converted(c.Preferred, func(p callback.Period) Period { return Period{p.Start.UTC(), p.End.UTC()} }),
		VisitKind:      optional(c.VisitKind), Repeats: c.Repeats, NeedsReview: c.Review,
		Status: Status(c.Status), Outcome: optional(Outcome(c.Outcome)), Category: Category(c.Category), Priority: Priority(c.Priority),
		Owner: optional(c.Owner), DueAt: optionalTime(c.DueAt), Revision: c.Revision, ClosedAt: optionalTime(c.ClosedAt),
	}
}

// withoutPHI takes out what tells about a person: for a token that may only
// send requests, which by sending a number could otherwise read what an earlier
// caller with that number had said.
func withoutPHI(c Callback) Callback {
	c.Caller, c.Text, c.PreferredTimes, c.VisitKind, c.NewPatient = Caller{}, Text{}, []Period{}, nil, nil
	c.Patient.MRN, c.Patient.EHRID = Text{}, Text{}
	return c
}

func viewDetail(r callback.Record) CallbackDetail {
	return CallbackDetail{
		Callback: viewCallback(r.Callback),
		Timeline: converted(r.Timeline, viewEvent),
		Attempts: converted(r.Attempts, viewAttempt),
		Links:    converted(r.Links, viewLink),
		Evidence: converted(r.Evidence, viewEvidence),
	}
}

func viewActor(a callback.Actor) Actor {
	return Actor{Kind: string(a.Kind), Name: optional(a.Name)}
}

func viewEvent(e callback.Event) TimelineEntry {
	return TimelineEntry{Seq: e.Seq, At: e.At.UTC(), EHRAt: optionalTime(e.EHRAt), Kind: string(e.Kind), By: viewActor(e.By),
		From: optional(string(e.From)), To: optional(string(e.To)), Detail: optional(e.Detail), Note: Text{e.Note}}
}

func viewAttempt(a callback.Attempt) Attempt {
	return Attempt{ID: string(a.ID), At: a.At.UTC(), By: viewActor(a.By), Channel: a.Channel,
		Result: AttemptResult(a.Result), TalkSeconds: int(a.Talk / time.Second), Note: Text{a.Note}}
}

func viewLink(l callback.Link) Link {
	return Link{
		LinkID: string(l.ID), CallbackID: string(l.Callback), Clinic: string(l.Clinic), EHR: string(l.EHR),
		ResourceType: string(l.Type), ID: optional(l.RemoteID), Version: optional(l.RemoteVersion),
		Status: LinkState(l.State), HoldsRevision: l.Holds, LastError: optional(l.LastError), Hint: optional(l.Hint),
		Failures: l.Failures, NextAttemptAt: optionalTime(l.NextAttemptAt), CreatedAt: l.CreatedAt.UTC(), UpdatedAt: l.UpdatedAt.UTC(),
	}
}

func viewEvidence(e callback.Evidence) Evidence {
	return Evidence{EHR: string(e.EHR), Appointment: e.Appointment, Verdict: string(e.Verdict),
		Reasons: converted(e.Reasons, func(r string) string { return r }), Sentence: e.Sentence, State: string(e.State), At: e.At.UTC()}
}
