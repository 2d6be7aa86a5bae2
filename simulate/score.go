package simulate

import (
	"slices"
	"strings"
	"time"

	"github.com/ringback-health/ringback/callback"
)

// Tally is what became of everything in a simulation. Only what the truth says is counted
// as right or wrong.
type Tally struct {
	Requests  int `json:"requests"`
	Callbacks int `json:"callbacks"`
	Visits    int `json:"visits"`
	Polls     int `json:"polls"`
	// Unasked are callbacks that nobody asked for: the daemon made them by itself.
	Unasked int `json:"callbacks_nobody_asked_for"`

	Closes  Closes  `json:"closes"`
	Answers Answers `json:"answers"`
	Review  Review  `json:"review"`
	Reopens Reopens `json:"reopens"`

	Failures []Failure `json:"failures"`
}

// Counts are numbers by reason.
type Counts map[string]int

// Closes are the times that automation closed a callback.
type Closes struct {
	Right       int    `json:"right"`
	Wrong       int    `json:"wrong"`
	WrongOnWeak int    `json:"wrong_on_weak_evidence"`
	RightBy     Counts `json:"right_by_reasons"`
	WrongBy     Counts `json:"wrong_by_cause"`
}

// Answers are the times that a visit answered a request.
type Answers struct {
	Closed int `json:"closed"` // automation closed the callback on it
	Review int `json:"review"` // a person was asked instead
	Missed int `json:"missed"` // neither
	// Untold are those of Review and Missed of which nobody could tell by what stands in
	// the EHR and in the request.
	Untold int `json:"of_these_nobody_could_tell"`
	// What follows says nothing about the daemon: staff ended the item at once; the visit
	// fell through, or was replaced, before it had to be seen; it was booked after the
	// attribution window; it had answered another callback before and is credited once;
	// another request in the callback holds it open.
	StaffFirst int    `json:"staff_were_first"`
	Gone       int    `json:"gone"`
	Late       int    `json:"after_the_attribution_window"`
	Elsewhere  int    `json:"credited_elsewhere"`
	Held       int    `json:"held_open_by_another_request"`
	ReviewBy   Counts `json:"review_by_reasons"`
	MissedBy   Counts `json:"missed_by_reasons"`
}

// Review are the callbacks that a person had to look at.
type Review struct {
	Sent     int    `json:"sent"`
	Answered int    `json:"of_these_answered_by_a_visit"`
	By       Counts `json:"by_reasons"`
}

// Reopens are the times that a visit that had closed a callback changed.
type Reopens struct {
	Right   int `json:"right"`    // it fell through, and automation opened the callback again
	Missed  int `json:"missed"`   // ... and nobody did
	Wrong   int `json:"wrong"`    // opened again although a visit stands
	Kept    int `json:"kept"`     // given another time, and the callback is closed
	NotKept int `json:"not_kept"` // ... and it is open
	// Fresh are visits that fell through after the window, with a callback of their own;
	// NotFresh without one.
	Fresh    int `json:"fresh"`
	NotFresh int `json:"not_fresh"`
	// Between a cancellation and the visit booked in its place, because one visit of a
	// Series fell through or one booked Aside while a question was answered, Undone after a
	// wrong close: neither right nor wrong.
	Between int `json:"between"`
	Series  int `json:"of_a_series"`
	Aside   int `json:"booked_aside"`
	Undone  int `json:"undone"`
}

// Failure is something that came out wrong. Explain tells its story.
type Failure struct {
	Kind     string   `json:"kind"`
	Callback string   `json:"callback"`
	At       string   `json:"at"`
	Why      string   `json:"why"`
	Reasons  []string `json:"reasons"`
}

func newTally() Tally {
	return Tally{
		Closes: Closes{RightBy: Counts{}, WrongBy: Counts{}}, Answers: Answers{ReviewBy: Counts{}, MissedBy: Counts{}},
		Review: Review{By: Counts{}}, Failures: []Failure{},
	}
}

// add counts one for the reasons.
func (c Counts) add(reasons ...string) { c[strings.Join(reasons, ", ")]++ }

func (w *world) fail(s *story, kind, why string, reasons []string) {
	s.daemon = append(s.daemon, Line{w.now, "score", strings.ToUpper(kind) + ": " + why})
	w.score.Failures = append(w.score.Failures, Failure{Kind: kind, Callback: s.label, At: w.now.UTC().Format(time.RFC3339),
		Why: why, Reasons: append([]string{}, reasons...)})
}

// Add adds what happened in another clinic.
func (t *Tally) Add(o Tally) {
	for _, p := range [][2]*int{
		{&t.Requests, &o.Requests}, {&t.Callbacks, &o.Callbacks}, {&t.Visits, &o.Visits}, {&t.Polls, &o.Polls}, {&t.Unasked, &o.Unasked},
		{&t.Closes.Right, &o.Closes.Right}, {&t.Closes.Wrong, &o.Closes.Wrong}, {&t.Closes.WrongOnWeak, &o.Closes.WrongOnWeak},
		{&t.Answers.Closed, &o.Answers.Closed}, {&t.Answers.Review, &o.Answers.Review}, {&t.Answers.Missed, &o.Answers.Missed},
		{&t.Answers.Untold, &o.Answers.Untold}, {&t.Answers.StaffFirst, &o.Answers.StaffFirst}, {&t.Answers.Gone, &o.Answers.Gone},
		{&t.Answers.Late, &o.Answers.Late}, {&t.Answers.Elsewhere, &o.Answers.Elsewhere}, {&t.Answers.Held, &o.Answers.Held},
		{&t.Review.Sent, &o.Review.Sent}, {&t.Review.Answered, &o.Review.Answered},
		{&t.Reopens.Right, &o.Reopens.Right}, {&t.Reopens.Missed, &o.Reopens.Missed}, {&t.Reopens.Wrong, &o.Reopens.Wrong},
		{&t.Reopens.Kept, &o.Reopens.Kept}, {&t.Reopens.NotKept, &o.Reopens.NotKept}, {&t.Reopens.Between, &o.Reopens.Between}, {&t.Reopens.Series, &o.Reopens.Series},
		{&t.Reopens.Aside, &o.Reopens.Aside}, {&t.Reopens.Undone, &o.Reopens.Undone}, {&t.Reopens.Fresh, &o.Reopens.Fresh}, {&t.Reopens.NotFresh, &o.Reopens.NotFresh},
	} {
		*p[0] += *p[1]
	}
	for _, p := range [][2]Counts{{t.Closes.RightBy, o.Closes.RightBy}, {t.Closes.WrongBy, o.Closes.WrongBy},
		{t.Answers.ReviewBy, o.Answers.ReviewBy}, {t.Answers.MissedBy, o.Answers.MissedBy}, {t.Review.By, o.Review.By}} {
		for reason, n := range p[1] {
			p[0][reason] += n
		}
	}
	t.Failures = append(t.Failures, o.Failures...)
}

// tellable reports whether the visit can be told to answer the need by what stands in the
// EHR and in the request: it names the work item, the work item stands in the patient's
// chart, or the request says who the patient is as the chart does.
func (n *need) tellable() bool {
	if n.episode == nil || n.episode.told {
		return true
	}
	return slices.ContainsFunc(n.stories, func(s *story) bool {
		return s.filed == n.patient || s.rec.Patient.Keys.MRN.Reveal() == n.patient.mrn || n.patient.holds.fits(s.rec.Caller)
	})
}

// fits reports whether a caller says who he is as a chart does: name and birth date, name
// and number, or all three with a part of the name mistyped.
func (i identity) fits(c callback.Caller) bool {
	said := c.Name.Reveal()
	named := strings.EqualFold(said, i.name())
	partly := said != "" && (strings.HasPrefix(said, i.given+" ") || strings.HasSuffix(said, " "+i.family))
	born, phone := c.BirthDate.Reveal() == i.born, c.Phone.Reveal() == i.phone
	return named && (born || phone) || partly && born && phone
}
