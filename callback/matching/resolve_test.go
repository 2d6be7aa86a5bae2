package matching_test

import (
	"testing"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/matching"
	"github.com/ringback-health/ringback/internal/redact"
)

func text(s string) redact.Text { return redact.NewText(s) }

func TestResolve(t *testing.T) {
	ann := callback.Chart{ID: text("p1"), Name: text("Lee, Ann"), BirthDate: text("1980-02-03")}
	bob := callback.Chart{ID: text("p2"), Name: text("Bob Lee"), BirthDate: text("2015-06-07")}
	caller := callback.Caller{Name: text("ann lee"), Phone: text("+15555550101"), BirthDate: text("1980-02-03")}
	merged := ann
	merged.MergedInto = text("p9")
	inactive := ann
	inactive.Inactive = true

	for _, c := range []struct {
		name   string
		caller callback.Caller
		keys   callback.PatientKeys
		how    string
		charts []callback.Chart
		want   callback.Resolution
		chart  string
	}{
		{"by the EHR's own id", caller, callback.PatientKeys{EHRID: text("p1")}, "ehr-id", []callback.Chart{ann}, callback.Certain, "p1"},
		{"by chart number", caller, callback.PatientKeys{MRN: text("M1")}, "mrn", []callback.Chart{ann}, callback.Certain, "p1"},
		{"a chart number of somebody born on another day", caller, callback.PatientKeys{MRN: text("M1")}, "mrn", []callback.Chart{bob}, callback.NoChart, ""},
		{"by name and birth date", caller, callback.PatientKeys{}, "name+birthdate", []callback.Chart{ann}, callback.Certain, "p1"},
		{"two of the same name and birth date", caller, callback.PatientKeys{}, "name+birthdate", []callback.Chart{ann, {ID: text("p3")}}, callback.Ambiguous, ""},
		{"no chart", caller, callback.PatientKeys{}, "name+birthdate", nil, callback.NoChart, ""},
		{"merged charts", caller, callback.PatientKeys{}, "name+birthdate", []callback.Chart{merged, {ID: text("p9")}}, callback.Certain, "p9"},
		{"an inactive chart", caller, callback.PatientKeys{}, "name+birthdate", []callback.Chart{inactive}, callback.NoChart, ""},
		{"phone with name picks one of a family", caller, callback.PatientKeys{}, "phone+name", []callback.Chart{ann, bob}, callback.Certain, "p1"},
		{"phone with a name nobody has there", callback.Caller{Name: text("Zoe Lee"), Phone: text("+15555550101")}, callback.PatientKeys{}, "phone+name", []callback.Chart{ann, bob}, callback.Ambiguous, ""},
		{"phone alone, a single chart", callback.Caller{Phone: text("+15555550101")}, callback.PatientKeys{}, "phone-only", []callback.Chart{ann}, callback.Ambiguous, "p1"},
		{"phone alone, a family", callback.Caller{Phone: text("+15555550101")}, callback.PatientKeys{}, "phone-only", []callback.Chart{ann, bob}, callback.Ambiguous, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			cb := callback.Callback{Caller: c.caller, Patient: callback.Patient{Keys: c.keys}}
			for _, q := range matching.Queries(cb) {
				if q.How != c.how {
					continue
				}
				got := matching.Resolve(cb, q, c.charts)
				if got.Resolution != c.want || got.Chart().Reveal() != c.chart && c.keys.EHRID.IsEmpty() {
					t.Errorf("%s, chart %q; want %s, %q", got.Resolution, got.Chart().Reveal(), c.want, c.chart)
				}
				return
			}
			t.Fatalf("no query %s", c.how)
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
	want := []string{"ehr-id", "mrn", "name+birthdate", "phone+name"}
	if len(hows) != 4 || hows[0] != want[0] || hows[1] != want[1] || hows[2] != want[2] || hows[3] != want[3] {
		t.Errorf("%v, want %v", hows, want)
	}
}
