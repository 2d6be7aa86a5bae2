package mapping

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/fhir"
)

// Task returns the Task that stands in an EHR inbox for a callback. The error
// says which member cannot be written.
func Task(w callback.WorkItem, s Site) (fhir.Task, error) {
	c := w.Callback
	if taskStatus(c) == "" {
		return fhir.Task{}, fmt.Errorf("no Task status for a callback that is %q", c.Status)
	}
	patient, err := certainPatient(c)
	if err != nil {
		return fhir.Task{}, err
	}
	f := fhir.TaskFields{
		Identifiers:       []fhir.Identifier{markerIdentifier(w.Link)},
		BusinessStatus:    businessStatus(w),
		Priority:          string(c.Priority),
		Code:              taskCode(c.Category),
		Description:       clean(c.Text),
		Focus:             reference(callback.AppointmentResource, w.Proposal),
		For:               patient,
		AuthoredOn:        moment(c.ReceivedAt),
		RestrictionPeriod: dueWindow(c),
		Inputs:            inputs(c),
		Outputs:           outputs(w),
	}
	if c.Owner != "" {
		f.Owner = s.owner(c.Owner)
	}
	for _, n := range notes(w) {
		f.Notes = append(f.Notes, n.annotation())
	}
	return fhir.NewTask(fhir.TaskRequired{Status: taskStatus(c), Intent: "order"}, f)
}

// certainPatient returns the reference to the callback's chart, and an absent
// one unless exactly that chart is known to be the right one.
func certainPatient(c callback.Callback) (fhir.Reference, error) {
	id := c.Patient.Keys.EHRID.Reveal()
	if c.Patient.Resolution != callback.Certain || id == "" {
		return fhir.Reference{}, nil
	}
	if !ValidID(id) {
		return fhir.Reference{}, errors.New("the callback's chart has an id that is no FHIR id")
	}
	return fhir.Reference{Reference: "Patient/" + id}, nil
}

func taskCode(c callback.Category) fhir.Concept {
	return concept("Callback: "+lower(categoryTitles[c]),
		fhir.Coding{System: SystemTaskKind, Code: KindCallback, Display: "Callback"}, categoryCoding(c))
}

// dueWindow is the span in which the callback should be answered.
func dueWindow(c callback.Callback) fhir.Period {
	if c.DueAt.IsZero() {
		return fhir.Period{}
	}
	return period(c.ReceivedAt, c.DueAt)
}

// businessStatus says in one line where the callback stands and what was tried.
func businessStatus(w callback.WorkItem) fhir.Concept {
	c := w.Callback
	codings := []fhir.Coding{{System: SystemStatus, Code: string(c.Status), Display: statusTitles[c.Status]}}
	text := statusTitles[c.Status]
	switch {
	case c.Status == callback.Closed:
		codings = append(codings, outcomeCoding(c.Outcome))
		text += ": " + lower(outcomeTitles[c.Outcome])
	case !c.ReopenedAt.IsZero():
		text = "Reopened: " + lower(text)
	}
	said := []string{text}
	if c.Repeats > 0 {
		said = append(said, fmt.Sprintf("called %d times", c.Repeats+1))
	}
	if n := len(w.Attempts); n > 0 && c.Status != callback.Closed {
		said = append(said, fmt.Sprintf("%s, last: %s", count(n, "attempt"), lower(outcomeTitles[w.Attempts[n-1].Result])))
	}
	return concept(strings.Join(said, "; "), codings...)
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// inputs are what is needed to call back. What is not known is left out.
func inputs(c callback.Callback) []fhir.Parameter {
	var list []fhir.Parameter
	add := func(code string, v fhir.Value) {
		list = append(list, fhir.Parameter{Type: parameterType(SystemInput, code), Value: v})
	}
	for _, in := range []struct {
		code string
		text string
	}{
		{InputNumber, c.Caller.Phone.Reveal()},
		{InputName, c.Caller.Name.Reveal()},
		{InputBirthDate, c.Caller.BirthDate.Reveal()},
		{InputVisitKind, c.VisitKind},
	} {
		if text := clean(phi(in.text)); !text.IsEmpty() {
			add(in.code, fhir.StringValue(text))
		}
	}
	for _, p := range preferred(c) {
		add(InputPreferred, fhir.PeriodValue(p))
	}
	return list
}

// preferred are the times the caller would like; a span without either end says
// nothing.
func preferred(c callback.Callback) []fhir.Period {
	var list []fhir.Period
	for _, p := range c.Preferred {
		if span := period(p.Start, p.End); !span.IsZero() {
			list = append(list, span)
		}
	}
	return list
}

// outputs say how a closed callback ended; an open one has none.
func outputs(w callback.WorkItem) []fhir.Parameter {
	c := w.Callback
	if c.Status != callback.Closed {
		return nil
	}
	list := []fhir.Parameter{{Type: parameterType(SystemOutput, OutputOutcome), Value: fhir.CodeValue(string(c.Outcome))}}
	if w.Visit != "" {
		list = append(list, fhir.Parameter{Type: parameterType(SystemOutput, OutputVisit),
			Value: fhir.ReferenceValue(reference(callback.AppointmentResource, w.Visit))})
	}
	return list
}

// noteAuthor is the author of the notes that Ringback writes.
const noteAuthor = "Ringback"

// note is one note of Ringback on a work item. Its head and its time are its
// key: the words behind the head may change from one release to the next.
type note struct {
	head string
	at   time.Time
	text string // PHI
}

// notes are what Ringback has to tell on the work item: the attempts, and why it
// was closed or opened again.
func notes(w callback.WorkItem) []note {
	var list []note
	for i, a := range w.Attempts {
		list = append(list, note{fmt.Sprintf("Attempt %d", i+1), a.At, attemptText(a)})
	}
	c := w.Callback
	if !c.ReopenedAt.IsZero() {
		list = append(list, note{"Reopened", c.ReopenedAt, "the callback is open again."})
	}
	if c.Status == callback.Closed && !c.ClosedAt.IsZero() {
		text := lower(outcomeTitles[c.Outcome]) + "."
		if w.Sentence != "" {
			text += " " + w.Sentence
		}
		list = append(list, note{"Closed", c.ClosedAt, text})
	}
	return list
}

func attemptText(a callback.Attempt) string {
	said := []string{a.Channel, lower(outcomeTitles[a.Result])}
	if a.Talk > 0 {
		said = append(said, "talked "+a.Talk.Round(time.Second).String())
	}
	if a.By.Name != "" {
		said = append(said, "by "+a.By.Name)
	}
	text := strings.Join(said, ", ") + "."
	if !a.Note.IsEmpty() {
		text += " " + a.Note.Reveal()
	}
	return text
}

func (n note) annotation() fhir.Annotation {
	return fhir.Annotation{Author: phi(noteAuthor), Time: moment(n.at), Text: clean(phi(n.head + ": " + n.text))}
}

// is reports whether a is this note, whoever the server says has written it.
func (n note) is(a fhir.Annotation) bool {
	return sameMoment(a.Time, n.at) && strings.HasPrefix(a.Text.Reveal(), n.head+":")
}
