package simulate

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/ringback-health/ringback/callback"
)

// knows is an engine that knows the truth. It closes and reopens as it should, so that
// whatever the score has against it is a fault of the world.
func knows(f *fake, r *callback.Record) {
	s := f.w.stories[r.ID]
	if !r.Status.Open() {
		if !s.expects.IsZero() {
			if err := r.ReopenOnVisitLost("lost", f.now); err != nil {
				panic(err)
			}
		}
		return
	}
	for _, n := range s.needs {
		for _, v := range n.answers {
			ev, known := r.EvidenceOf("ehr", v.id)
			if f.w.whyWrong(s, v) == "" && (!known || ev.State != callback.Refused) && !slices.ContainsFunc(v.credited, func(o *story) bool { return o != s }) {
				f.close(r, v.id)
				return
			}
		}
	}
}

func TestWhoKnowsTheTruthReachesTheGoals(t *testing.T) {
	o := Options{Clinics: 4, Days: 90, Seed: 7}
	tally, err := play(t.Context(), o, knows)
	if err != nil {
		t.Fatal(err)
	}
	r := NewReport(o, tally)
	for _, f := range tally.Failures {
		t.Errorf("%s: %s, %s", f.Callback, f.Kind, f.Why)
	}
	if r.Missed() > 0 || tally.Closes.Wrong+tally.Answers.Missed+tally.Answers.Review+tally.Reopens.Missed+tally.Reopens.Wrong > 0 {
		t.Errorf("%+v", r.Goals)
	}
	// All that the world is made of has happened.
	for name, n := range map[string]int{"closes": tally.Closes.Right / 100, "reopenings": tally.Reopens.Right / 10, "fresh callbacks": tally.Reopens.Fresh,
		"kept closed": tally.Reopens.Kept, "staff first": tally.Answers.StaffFirst} {
		if n == 0 {
			t.Errorf("there are no or hardly any: %s", name)
		}
	}
}

// TestWrongEnginesAreFoundOut puts engines on the bench that do one thing wrong.
func TestWrongEnginesAreFoundOut(t *testing.T) {
	after := func(f *fake, r *callback.Record) string {
		for _, v := range f.visits {
			if _, known := r.EvidenceOf("ehr", v.id); v.stands && v.bookedAt.After(r.AskedAt) && !known {
				return v.id
			}
		}
		return ""
	}
	for name, tt := range map[string]struct {
		engine engine
		missed string // the goal it must miss
	}{
		"closes on any visit": {func(f *fake, r *callback.Record) {
			if v := after(f, r); v != "" && r.Status.Open() {
				f.close(r, v)
			}
		}, "precision of automatic closes"},
		"closes on weak evidence": {func(f *fake, r *callback.Record) {
			if v := after(f, r); v != "" && r.Status.Open() {
				f.close(r, v)
				r.Evidence[len(r.Evidence)-1].Verdict = callback.Weak
			}
		}, "wrong closes on weak evidence"},
		"closes what no visit answers": {func(f *fake, r *callback.Record) {
			knows(f, r)
			if s := f.w.stories[r.ID]; r.Status.Open() && len(s.open()) == 0 && !s.needs[0].wish.bookable() {
				f.close(r, f.visits[0].id)
			}
		}, "precision of automatic closes"},
		"never closes": {func(*fake, *callback.Record) {}, "recall of answers by a visit"},
		"asks a person about everything": {func(f *fake, r *callback.Record) {
			if len(r.Evidence) > 0 || !r.Status.Open() {
				return
			}
			if v := after(f, r); v != "" {
				r.AskReview([]callback.Evidence{{EHR: "ehr", Appointment: v, Verdict: callback.Weak, Reasons: []string{"who-knows"}}}, f.now)
			}
		}, "callbacks sent to review"},
		"never reopens": {func(f *fake, r *callback.Record) {
			if r.Status.Open() {
				knows(f, r)
			}
		}, "recall of reopenings"},
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{Clinics: 2, Days: 40, Seed: 8}
			tally, err := play(t.Context(), o, tt.engine)
			if err != nil {
				t.Fatal(err)
			}
			r := NewReport(o, tally)
			i := slices.IndexFunc(r.Goals, func(g Goal) bool { return g.Name == tt.missed })
			if i < 0 || r.Goals[i].Met {
				t.Errorf("not found out: %+v", r.Goals)
			}
			if len(tally.Failures) == 0 && tt.missed != "callbacks sent to review" {
				t.Error("no failure is named")
			}
		})
	}
}

// TestTheWorldDoesNotDependOnTheEngine: what is asked for, and by whom, is the same
// whatever the daemon does.
func TestTheWorldDoesNotDependOnTheEngine(t *testing.T) {
	o := Options{Clinics: 1, Days: 20, Seed: 9}
	asked := func(e engine) []string {
		var list []string
		o := o
		var w *world
		o.begun = func(begun *world) { w = begun }
		o.Only = 1
		_, err := Run(t.Context(), o, bench(func() *world { return w }, e))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range w.order {
			for _, n := range s.needs {
				list = append(list, n.asked.String()+n.caller.truth.name()+string(n.told))
			}
		}
		slices.Sort(list)
		return slices.Compact(list)
	}
	first, second := asked(knows), asked(func(*fake, *callback.Record) {})
	same := 0
	for _, a := range first {
		if slices.Contains(second, a) {
			same++
		}
	}
	if same*10 < len(first)*9 { // who has a chart by then differs for some
		t.Errorf("only %d of %d are the same", same, len(first))
	}
}

func TestTheSameSeedIsTheSameWorld(t *testing.T) {
	o := Options{Clinics: 3, Days: 15, Seed: 10}
	var results []string
	for range 2 {
		tally, err := play(t.Context(), o, knows)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := json.Marshal(NewReport(o, tally))
		if err != nil {
			t.Fatal(err)
		}
		results = append(results, string(raw))
	}
	if results[0] != results[1] {
		t.Errorf("not the same twice:\n%s\n%s", results[0], results[1])
	}
	o.Seed = 11
	if other, err := play(t.Context(), o, knows); err != nil || other.Visits == 0 {
		t.Fatal(err)
	} else if raw, err := json.Marshal(NewReport(o, other)); err != nil || string(raw) == results[0] {
		t.Error("another seed is the same world")
	}
}
