package scopes_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ringback-health/ringback/internal/scopes"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"system/Task.cruds":                 "system/Task.cruds",
		"system/Task.rs":                    "system/Task.rs",
		"system/Task.d":                     "system/Task.d",
		"system/Task.read":                  "system/Task.rs",
		"system/Task.write":                 "system/Task.cud",
		"system/Task.*":                     "system/Task.cruds",
		"user/*.read":                       "user/*.rs",
		"system/*.*":                        "system/*.cruds",
		"patient/Observation.rs?category=a": "patient/Observation.rs?category=a",
		"system/Task.rs?code=http://x|y":    "system/Task.rs?code=http://x|y",
		"system/Task.":                      "",
		"system/Task.sr":                    "",
		"system/Task.rr":                    "",
		"system/Task.rs?":                   "",
		"system/Task":                       "",
		"system/task.rs":                    "",
		"System/Task.rs":                    "",
		"openid":                            "",
		"launch/patient":                    "",
		"":                                  "",
		" system/Task.rs":                   "",
	} {
		s, ok := scopes.Parse(text)
		if ok != (want != "") || ok && s.String() != want {
			t.Errorf("%q: %v %v, want %q", text, s, ok, want)
		}
	}
}

func TestCompare(t *testing.T) {
	needs := []scopes.Need{{"Task", "crus"}, {"Appointment", "rs"}, {"Patient", "rs"}}
	for granted, want := range map[string]string{
		"system/Task.crus system/Appointment.rs system/Patient.rs":                       "",
		"system/Task.read system/Task.write system/Appointment.read system/Patient.read": "granted and not needed: delete Task",
		"system/*.cruds": "granted and not needed: create, read, update, delete and search all types of resources",
		"user/*.read":    "needed and not granted: create and update Task|granted and not needed: read and search all types of resources",
		"": "needed and not granted: read and search Appointment|needed and not granted: read and search Patient|" +
			"needed and not granted: create, read, update and search Task",
		"system/Task.crus?code=callback system/Appointment.cruds patient/Patient.rs openid fhirUser": "needed and granted only in part: read and search Patient; the scope is limited by a query or to one patient|" +
			"needed and granted only in part: create, read, update and search Task; the scope is limited by a query or to one patient|" +
			"granted and not needed: create, update and delete Appointment|granted and of no use here: openid fhirUser",
		"system/Task.cru system/Task.rs?a=b system/Appointment.rs system/Patient.rs":     "needed and granted only in part: search Task; the scope is limited by a query or to one patient",
		"system/Observation.rs system/Task.crus system/Appointment.rs system/Patient.rs": "granted and not needed: read and search Observation",
	} {
		d := scopes.Compare(needs, strings.Fields(granted))
		if got := strings.Join(d.Lines(), "|"); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", granted, got, want)
		}
		if lacking := strings.Contains(want, "needed and not granted") || strings.Contains(want, "only in part"); d.Enough() == lacking {
			t.Errorf("%s: enough %v", granted, d.Enough())
		}
	}
}

var (
	resource = rapid.SampledFrom([]string{"Task", "Appointment", "Patient", "Communication"})
	letters  = rapid.Custom(func(t *rapid.T) string {
		s := ""
		for _, l := range "cruds" {
			if rapid.Bool().Draw(t, "letter") {
				s += string(l)
			}
		}
		if s == "" {
			return "r"
		}
		return s
	})
	needs = rapid.SliceOf(rapid.Custom(func(t *rapid.T) scopes.Need {
		return scopes.Need{Resource: resource.Draw(t, "resource"), Letters: letters.Draw(t, "letters")}
	}))
	// anyScope is a scope of either version, or something else.
	anyScope = rapid.Custom(func(t *rapid.T) string {
		text := rapid.SampledFrom([]string{"system", "user", "patient"}).Draw(t, "context") + "/" +
			rapid.OneOf(resource, rapid.Just("*")).Draw(t, "type") + "." +
			rapid.OneOf(letters, rapid.SampledFrom([]string{"read", "write", "*"})).Draw(t, "what")
		return rapid.SampledFrom([]string{text, text, text, text + "?code=x", "openid"}).Draw(t, "scope")
	})
)

// count is how many interactions a list names.
func count(list []scopes.Access) (n int) {
	for _, a := range list {
		n += len(a.Letters)
	}
	return n
}

func TestWhatIsAskedIsExactlyWhatIsNeeded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := needs.Draw(t, "needs")
		if d := scopes.Compare(n, scopes.Ask(n)); !d.Enough() || len(d.Lines()) != 0 {
			t.Fatalf("%v", d)
		}
	})
}

func TestAnotherGrantTakesNothingAway(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, granted := needs.Draw(t, "needs"), rapid.SliceOf(anyScope).Draw(t, "granted")
		before := scopes.Compare(n, granted)
		after := scopes.Compare(n, append(slices.Clone(granted), anyScope.Draw(t, "more")))
		if count(after.Missing) > count(before.Missing) || count(after.Missing)+count(after.Partial) > count(before.Missing)+count(before.Partial) {
			t.Fatalf("before %v\nafter  %v", before, after)
		}
		if count(after.Surplus) < count(before.Surplus) {
			t.Fatalf("a surplus went away: before %v\nafter  %v", before, after)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"system/Task.cruds", "user/*.read", "patient/Observation.rs?category=x", "openid", "system/Task.?", "system/T.rs?a=b&c=d"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, ok := scopes.Parse(text)
		if !ok {
			return
		}
		if again, ok := scopes.Parse(s.String()); !ok || again != s {
			t.Errorf("%q is read as %v and written as %q, which is %v", text, s, s.String(), again)
		}
	})
}
