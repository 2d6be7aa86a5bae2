package server

import (
	"net/http"
	"strings"
	"time"

	"github.com/ringback-health/ringback/callback"
)

type detailView struct {
	Row       row
	Clinic    string
	Source    string
	Email     string
	Born      string
	Age       string
	Text      string
	VisitKind string
	New       string
	Preferred []string
	Chart     string
	MRN       string
	Captured  moment
	Attempts  []attemptView
	Timeline  []entryView
	Links     []linkView
	Evidence  []evidenceView
}

type (
	attemptView struct {
		At                       moment
		By, Channel, Result, For string
		Note                     string
	}
	entryView struct {
		At, InEHR            moment
		What, By, Detail, To string
		Note                 string
	}
	linkView struct {
		ID, Callback, EHR, Resource string
		State                       ehrState
		Since                       moment
		Next                        moment
		Stuck                       bool
	}
	evidenceView struct {
		Appointment, Verdict, Sentence, State string
		At                                    moment
	}
)

func (s *Server) detailPage(w http.ResponseWriter, r *http.Request) error {
	rec, err := s.recordOf(r)
	if err != nil {
		return err
	}
	f := s.frame(r, "Callback", "callbacks")
	f.Body = s.detailOf(rec)
	s.updating(&f, r.URL.Query(), r.URL.Query().Get("refresh") == "off")
	s.render(w, http.StatusOK, "detail", f)
	return nil
}

func (s *Server) detailOf(r callback.Record) detailView {
	at := func(t time.Time) moment { return s.moment(r.Clinic, t) }
	v := detailView{
		Row: s.rowOf(r), Clinic: string(r.Clinic), Source: r.Source, Email: r.Caller.Email.Reveal(), Born: r.Caller.BirthDate.Reveal(),
		Age: age(r.Caller.BirthDate.Reveal(), s.clock.Now()), Text: r.Text.Reveal(), VisitKind: r.VisitKind,
		New: words(r.NewPatient), Chart: chartOf(r.Patient), MRN: r.Patient.Keys.MRN.Reveal(), Captured: at(r.CapturedAt),
	}
	for _, p := range r.Preferred {
		v.Preferred = append(v.Preferred, at(p.Start).Text+" to "+p.End.In(s.zone(r.Clinic)).Format("15:04"))
	}
	for _, a := range r.Attempts {
		one := attemptView{At: at(a.At), By: actorText(a.By), Channel: words(a.Channel), Result: words(a.Result), Note: a.Note.Reveal()}
		if a.Talk > 0 {
			one.For = a.Talk.Round(time.Second).String()
		}
		v.Attempts = append(v.Attempts, one)
	}
	for i := len(r.Timeline) - 1; i >= 0; i-- {
		e := r.Timeline[i]
		one := entryView{At: at(e.At), What: words(e.Kind), By: actorText(e.By), Detail: e.Detail, Note: e.Note.Reveal()}
		if !e.EHRAt.IsZero() {
			one.InEHR = at(e.EHRAt)
		}
		if e.From != e.To {
			one.To = words(e.To)
		}
		v.Timeline = append(v.Timeline, one)
	}
	for _, l := range r.Links {
		v.Links = append(v.Links, s.linkOf(l, r.Revision))
	}
	for _, e := range r.Evidence {
		v.Evidence = append(v.Evidence, evidenceView{Appointment: e.Appointment, Verdict: words(e.Verdict),
			Sentence: e.Sentence, State: words(e.State), At: at(e.At)})
	}
	return v
}

func (s *Server) linkOf(l callback.Link, revision int64) linkView {
	v := linkView{ID: string(l.ID), Callback: string(l.Callback), EHR: string(l.EHR), Resource: l.Resource(),
		State: stateOf(l, revision), Since: s.moment(l.Clinic, l.UpdatedAt), Stuck: l.State == callback.LinkStuck}
	if l.Failures > 0 && l.State != callback.LinkStuck && l.State != callback.LinkDiscarded {
		v.Next = s.moment(l.Clinic, l.NextAttemptAt)
	}
	return v
}

func chartOf(p callback.Patient) string {
	switch p.Resolution {
	case callback.Certain:
		return "Found in the EHR"
	case callback.Ambiguous:
		return "Not certain: several charts fit, or too little is known"
	case callback.NoChart:
		return "The EHR has no chart for this person yet"
	default:
		return "Not looked for yet"
	}
}

func actorText(a callback.Actor) string {
	kind := map[callback.ActorKind]string{callback.CallerActor: "Caller", callback.Automation: "Ringback",
		callback.Person: "Staff", callback.EHRStaff: "Staff in the EHR"}[a.Kind]
	if a.Name == "" {
		return kind
	}
	return kind + " (" + a.Name + ")"
}

type linksView struct {
	Links []linkView
	More  string
}

// linksPage lists what a person has to decide about: links that are stuck.
func (s *Server) linksPage(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	f := callback.LinkFilter{State: callback.LinkStuck, Limit: rowsPerPage}
	if after, err := callback.ParseID(q.Get("cursor")); err == nil {
		f.After = after
	}
	page, next, err := s.ledger.Links(r.Context(), f)
	if err != nil {
		return err
	}
	var v linksView
	for _, l := range page {
		v.Links = append(v.Links, s.linkOf(l, 0))
	}
	if next != "" {
		v.More = address(q, "cursor", string(next))
	}
	// It holds forms, so it does not load anew under somebody's hands.
	out := s.frame(r, "Stuck in the EHR", "links")
	out.Body = v
	s.render(w, http.StatusOK, "links", out)
	return nil
}

func (s *Server) retryFromPage(w http.ResponseWriter, r *http.Request) error {
	if _, err := s.retryLink(r.Context(), &linkInput{ID: r.PathValue("id")}); err != nil {
		return err
	}
	http.Redirect(w, r, "/links", http.StatusSeeOther)
	return nil
}

func (s *Server) discardFromPage(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, loginForm)
	reason := strings.Join(strings.Fields(r.PostFormValue("reason")), " ")
	if reason == "" || len(reason) > 200 {
		return kindInvalid.say("Giving up needs a reason of at most 200 characters. Go back and write one.")
	}
	if _, err := s.discardLink(r.Context(), &discardInput{ID: r.PathValue("id"), Body: DiscardRequest{Reason: Label(reason)}}); err != nil {
		return err
	}
	http.Redirect(w, r, "/links", http.StatusSeeOther)
	return nil
}
