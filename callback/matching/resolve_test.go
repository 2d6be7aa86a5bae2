package matching_test

import (
	"slices"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/businesstime"
	"github.com/ringback-health/ringback/callback/matching"
	"github.com/ringback-health/ringback/callback/workflow"
	"github.com/ringback-health/ringback/internal/redact"
)

func TestResolve(t *testing.T) {
	home := []redact.Text{text("+15555550101")}
	ann := callback.Chart{ID: text("p1"), Name: text("Lee, Ann"), BirthDate: text("1980-02-03"), Phones: home}
	bob := callback.Chart{ID: text("p2"), Name: text("Bob Lee"), BirthDate: text("2015-06-07"), Phones: home}
	twin := callback.Chart{ID: text("p4"), Name: text("Hanna Lee"), BirthDate: text("1980-02-03"), Phones: home}
	caller := callback.Caller{Name: text("ann lee"), Phone: text("+15555550101"), BirthDate: text("1980-02-03")}
	with := func(c callback.Chart, change func(*callback.Chart)) callback.Chart { change(&c); return c }
	who := func(name, born string) callback.Caller {
		return callback.Caller{Name: text(name), Phone: text("+15555550101"), BirthDate: text(born)}
	}
	merged := with(ann, func(c *callback.Chart) { c.MergedInto = text("p9") })
	inactive := with(ann, func(c *callback.Chart) { c.Inactive = true })
	madeUp := with(ann, func(c *callback.Chart) { c.Test = true })
	rules := workflow.Default(businesstime.Weekdays(time.UTC))
	rules.TestCharts = []string{"p7"}

	const (
		id, mrn, birth, phoneName, phoneOnly, similar = "ehr-id", "mrn", "name+birthdate", "phone+name", "phone-only", "similar-name+birthdate"
		certain, ambiguous, none                      = callback.Certain, callback.Ambiguous, callback.NoChart
	)
	for _, c := range []struct {
		name   string
		caller callback.Caller
		ask    string
		charts []callback.Chart
		want   callback.Resolution
		chart  string
		how    string
	}{
		{"by the EHR's own id", caller, id, []callback.Chart{ann}, certain, "p1", id},
		{"the id of somebody born on another day", caller, id, []callback.Chart{bob}, none, "", id},
		{"by chart number", caller, mrn, []callback.Chart{ann}, certain, "p1", mrn},
		{"a chart number of somebody born on another day", caller, mrn, []callback.Chart{bob}, none, "", mrn},
		{"a chart number of somebody else altogether", callback.Caller{Name: text("Zoe Ray")}, mrn, []callback.Chart{ann}, ambiguous, "p1", "mrn of another name"},
		{"a parent with the child's chart number", callback.Caller{Name: text("Zoe Ray"), Phone: home[0]}, mrn, []callback.Chart{bob}, certain, "p2", mrn},
		{"a chart number and no name", callback.Caller{}, mrn, []callback.Chart{ann}, certain, "p1", mrn},
		{"two charts of one number", caller, mrn, []callback.Chart{ann, twin}, ambiguous, "", mrn},
		{"by name and birth date", caller, birth, []callback.Chart{ann}, certain, "p1", birth},
		{"namesakes of one birth date", caller, birth, []callback.Chart{ann, {ID: text("p3")}}, ambiguous, "", birth},
		{"no chart", caller, birth, nil, none, "", birth},
		{"merged charts", caller, birth, []callback.Chart{merged, {ID: text("p9")}}, certain, "p9", birth},
		{"an inactive chart", caller, birth, []callback.Chart{inactive}, none, "", birth},
		{"a test patient, by the EHR's word", caller, birth, []callback.Chart{madeUp}, none, "", "test-patient"},
		{"a test patient, by the clinic's list", caller, birth, []callback.Chart{with(ann, func(c *callback.Chart) { c.ID = text("p7") })}, none, "", "test-patient"},
		{"a test patient, by name", caller, birth, []callback.Chart{with(ann, func(c *callback.Chart) { c.Name = text("ZZTEST Ann") })}, none, "", "test-patient"},
		{"a test patient beside the real one", caller, birth, []callback.Chart{with(madeUp, func(c *callback.Chart) { c.ID = text("p8") }), ann}, certain, "p1", birth},

		{"phone with name picks one of a family", caller, phoneName, []callback.Chart{ann, bob}, certain, "p1", phoneName},
		{"phone with a name nobody has there", who("Zoe Lee", ""), phoneName, []callback.Chart{ann, bob}, ambiguous, "", "phone, another name"},
		{"phone with another name, a single chart", who("Zoe Ray", ""), phoneName, []callback.Chart{bob}, ambiguous, "p2", "phone, another name"},
		{"father and son of one name", who("ann lee", ""), phoneName, []callback.Chart{ann, with(ann, func(c *callback.Chart) { c.ID = text("p5") })}, ambiguous, "", phoneName},
		{"a misspelt name alone is never certain", who("Anne Lee", ""), phoneName, []callback.Chart{ann, bob}, ambiguous, "p1", "phone+similar-name"},
		{"a misspelt name, two fit", who("Hannah Lee", ""), phoneName, []callback.Chart{twin, with(twin, func(c *callback.Chart) { c.ID = text("p6") })}, ambiguous, "", "phone+similar-name"},
		{"a misspelt name, and the birth date", who("Anne Lee", "1980-02-03"), phoneName, []callback.Chart{ann, bob}, certain, "p1", "phone+birthdate"},
		{"a misspelt name, and twins", who("Hann Lee", "1980-02-03"), phoneName, []callback.Chart{ann, twin}, ambiguous, "", "phone+similar-name"},
		{"one of twins by name", who("Hanna Lee", "1980-02-03"), phoneName, []callback.Chart{ann, twin}, certain, "p4", phoneName},
		{"a parent with the child's birth date", who("Zoe Lee", "2015-06-07"), phoneName, []callback.Chart{ann, bob}, certain, "p2", "phone+birthdate"},
		{"a patient with the child's birth date", who("Ann Lee", "2015-06-07"), phoneName, []callback.Chart{ann, bob}, certain, "p2", "phone+birthdate"},
		{"the birth date mistyped", who("Ann Lee", "1980-03-02"), phoneName, []callback.Chart{ann, bob}, ambiguous, "p1", "phone+name, another birth date"},
		{"phone alone, a single chart", callback.Caller{Phone: home[0]}, phoneOnly, []callback.Chart{ann}, ambiguous, "p1", phoneOnly},
		{"phone alone, a family", callback.Caller{Phone: home[0]}, phoneOnly, []callback.Chart{ann, bob}, ambiguous, "", phoneOnly},
		{"phone, of another birth date", callback.Caller{Phone: home[0], BirthDate: text("1999-01-01")}, phoneOnly, []callback.Chart{ann, bob}, ambiguous, "", phoneOnly},

		{"a late chart, misspelt, with another phone", caller, similar, []callback.Chart{with(ann, func(c *callback.Chart) { c.Name, c.Phones = text("Anne Lee"), nil })}, ambiguous, "p1", similar},
		{"late charts, two fit", caller, similar, []callback.Chart{ann, twin}, ambiguous, "", similar},
		{"no late chart", caller, similar, nil, none, "", similar},
	} {
		t.Run(c.name, func(t *testing.T) {
			cb := callback.Callback{Caller: c.caller, Patient: callback.Patient{Keys: callback.PatientKeys{MRN: text("M1")}}}
			got := matching.Resolve(cb, matching.Query{How: c.ask}, c.charts, rules)
			if got.Resolution != c.want || got.Chart().Reveal() != c.chart || got.How != c.how {
				t.Errorf("%s, chart %q by %q; want %s, %q by %q", got.Resolution, got.Chart().Reveal(), got.How, c.want, c.chart, c.how)
			}
			if got.Keys.MRN.Reveal() != "M1" {
				t.Error("what was known of the chart is lost")
			}
			if c.want != certain && !got.Keys.EHRID.IsEmpty() {
				t.Error("a chart that is not certain is bound")
			}
		})
	}
}

func TestQueriesSurestFirst(t *testing.T) {
	c := callback.Callback{}
	if len(matching.Queries(c)) != 0 {
		t.Error("nothing known, nothing to ask")
	}
	c.Caller = callback.Caller{Name: text("a"), Phone: text("b"), BirthDate: text("c")}
	c.Patient.Keys = callback.PatientKeys{MRN: text("d"), EHRID: text("e")}
	var hows []string
	for _, q := range matching.Queries(c) {
		hows = append(hows, q.How)
	}
	if want := []string{"ehr-id", "mrn", "name+birthdate", "phone+name", "similar-name+birthdate"}; !slices.Equal(hows, want) {
		t.Errorf("%v, want %v", hows, want)
	}
}

func TestBetter(t *testing.T) {
	answers := []callback.Patient{ // from the least to the most
		{Resolution: callback.NoChart}, {Resolution: callback.Ambiguous},
		{Resolution: callback.Ambiguous, Candidate: text("p1")}, {Resolution: callback.Certain, Keys: callback.PatientKeys{EHRID: text("p2")}},
	}
	for i, p := range answers {
		for j, q := range answers {
			if got := matching.Better(p, q); got != answers[max(i, j)] {
				t.Errorf("of %d and %d: %+v", i, j, got)
			}
		}
	}
}

func TestMoved(t *testing.T) {
	charts := []callback.Chart{{ID: text("p0"), MergedInto: text("p5")}, {ID: text("p1"), MergedInto: text("p9")}}
	if now, merged := matching.Moved(text("p1"), charts); !merged || now.Reveal() != "p9" {
		t.Errorf("%q, %t", now.Reveal(), merged)
	}
	for _, id := range []string{"p2", "p9"} {
		if _, merged := matching.Moved(text(id), charts); merged {
			t.Errorf("%s was not merged", id)
		}
	}
}
