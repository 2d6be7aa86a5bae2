package simulate

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
)

// The goals, on worlds that nobody tuned the engine to.
const (
	GoalPrecision    = 0.999 // of automatic closes are right
	GoalRecall       = 0.98  // of answers by a visit close their callback
	GoalReview       = 0.03  // of callbacks at most go to a person
	GoalReopenRecall = 0.995 // of visits that fall through open their callback again
	GoalWeak         = 0     // wrong closes on weak evidence
)

// Report is the result of a simulation.
type Report struct {
	Clinics int    `json:"clinics"`
	Days    int    `json:"days"`
	Seed    uint64 `json:"seed"`
	Goals   []Goal `json:"goals"`
	// RecallOfTellable leaves out the answers of which nobody could tell by what stands
	// in the EHR: no engine gets further than the distance to it.
	RecallOfTellable float64 `json:"recall_of_what_can_be_told"`
	Tally
}

// Goal is one measure and what it has to be.
type Goal struct {
	Name   string  `json:"name"`
	Want   float64 `json:"want"`
	AtMost bool    `json:"at_most"` // else at least
	Is     float64 `json:"is"`
	Of     int     `json:"of"` // how many it was measured on
	Met    bool    `json:"met"`
}

// NewReport measures what was counted against the goals.
func NewReport(o Options, t Tally) Report {
	recall := t.Answers.Closed + t.Answers.Review + t.Answers.Missed
	goals := []Goal{
		atLeast("precision of automatic closes", GoalPrecision, t.Closes.Right, t.Closes.Right+t.Closes.Wrong),
		atLeast("recall of answers by a visit", GoalRecall, t.Answers.Closed, recall),
		atMost("callbacks sent to review", GoalReview, t.Review.Sent, t.Callbacks),
		{Name: "wrong closes on weak evidence", Want: GoalWeak, AtMost: true, Is: float64(t.Closes.WrongOnWeak), Of: t.Closes.Wrong, Met: t.Closes.WrongOnWeak == GoalWeak},
		atLeast("recall of reopenings", GoalReopenRecall, t.Reopens.Right, t.Reopens.Right+t.Reopens.Missed),
	}
	return Report{Clinics: o.Clinics, Days: o.Days, Seed: o.Seed, Goals: goals, Tally: t,
		RecallOfTellable: ratio(t.Answers.Closed, recall-t.Answers.Untold, 1)}
}

// ratio returns part of whole, or what holds of nothing.
func ratio(part, whole int, ofNothing float64) float64 {
	if whole == 0 {
		return ofNothing
	}
	return float64(part) / float64(whole)
}

func atLeast(name string, want float64, part, whole int) Goal {
	is := ratio(part, whole, 1)
	return Goal{Name: name, Want: want, Is: is, Of: whole, Met: is >= want}
}

func atMost(name string, want float64, part, whole int) Goal {
	is := ratio(part, whole, 0)
	return Goal{Name: name, Want: want, AtMost: true, Is: is, Of: whole, Met: is <= want}
}

// Missed returns how many goals are missed.
func (r Report) Missed() int {
	n := 0
	for _, g := range r.Goals {
		if !g.Met {
			n++
		}
	}
	return n
}

// shownFailures is how many failures Print names.
const shownFailures = 20

// Print writes the report for a person.
func (r Report) Print(w io.Writer) error {
	p := &printer{w: w}
	p.line("%d clinics for %d days, seed %d: %d requests became %d callbacks; %d visits were booked; the daemon polled %d times.",
		r.Clinics, r.Days, r.Seed, r.Requests, r.Callbacks, r.Visits, r.Polls)
	p.line("")
	p.line("%-34s %9s %12s %8s", "goal", "is", "wanted", "of")
	for _, g := range r.Goals {
		bound, met := "≥", ""
		if g.AtMost {
			bound = "≤"
		}
		if !g.Met {
			met = "  MISSED"
		}
		if g.Want == GoalWeak {
			p.line("%-34s %9.0f %12.0f %8d%s", g.Name, g.Is, g.Want, g.Of, met)
			continue
		}
		p.line("%-34s %8.2f%% %2s %8.2f%% %8d%s", g.Name, 100*g.Is, bound, 100*g.Want, g.Of, met)
	}
	p.line("%-34s %8.2f%%", "recall of what can be told", 100*r.RecallOfTellable)
	p.matrix(r.Tally)
	p.counts("right closes by reason", r.Closes.RightBy)
	p.counts("wrong closes by cause", r.Closes.WrongBy)
	p.counts("answers missed, by what the engine thinks of the visit", r.Answers.MissedBy)
	p.counts("answers left to a person, by what the engine thinks of the visit", r.Answers.ReviewBy)
	p.counts("callbacks sent to review by reason", r.Review.By)
	p.failures(r)
	return p.err
}

// printer writes lines and keeps the first error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

func (p *printer) matrix(t Tally) {
	p.line("")
	p.line("%-34s %9s %9s %9s", "", "right", "wrong", "missed")
	p.line("%-34s %9d %9d %9d", "closes", t.Closes.Right, t.Closes.Wrong, t.Answers.Missed+t.Answers.Review)
	p.line("%-34s %9d %9d %9d", "reopenings", t.Reopens.Right, t.Reopens.Wrong, t.Reopens.Missed)
	p.line("%-34s %9d %9s %9d", "fresh callbacks after the window", t.Reopens.Fresh, "", t.Reopens.NotFresh)
	p.line("%-34s %9d %9d", "kept closed when moved", t.Reopens.Kept, t.Reopens.NotKept)
	a, o := t.Answers, t.Reopens
	p.line("%d callbacks went to review, %d of them answered by a visit. Of the answers that were missed or left to a person, %d could be told by nobody.",
		t.Review.Sent, t.Review.Answered, a.Untold)
	p.line("Not counted: %d answers where staff were first, %d gone before they had to be seen, %d too late for attribution, %d by a visit credited elsewhere, %d in a callback that another request holds open;",
		a.StaffFirst, a.Gone, a.Late, a.Elsewhere, a.Held)
	p.line("%d reopenings between a cancellation and the next visit, %d by one visit of a series, %d by one booked aside, %d after a wrong close; %d callbacks nobody asked for.",
		o.Between, o.Series, o.Aside, o.Undone, t.Unasked)
}

func (p *printer) counts(title string, c Counts) {
	if len(c) == 0 {
		return
	}
	p.line("\n%s:", title)
	keys := slices.SortedFunc(maps.Keys(c), func(a, b string) int { return cmp.Or(c[b]-c[a], cmp.Compare(a, b)) })
	for _, k := range keys {
		p.line("%6d  %s", c[k], k)
	}
}

func (p *printer) failures(r Report) {
	if len(r.Failures) == 0 {
		return
	}
	p.line("\n%d failures; --explain tells the story of one:", len(r.Failures))
	shown := slices.SortedStableFunc(slices.Values(r.Failures), func(a, b Failure) int { return -cmp.Compare(a.Kind, b.Kind) })
	for _, f := range shown[:min(len(shown), shownFailures)] {
		p.line("  %-10s %-17s %s %v", f.Callback, f.Kind, f.Why, f.Reasons)
	}
	if len(shown) > shownFailures {
		p.line("  and %d more; --json has them all", len(shown)-shownFailures)
	}
}
