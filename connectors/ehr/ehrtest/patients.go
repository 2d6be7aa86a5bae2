package ehrtest

import (
	"strings"
	"testing"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/redact"
)

func (s *suite) patients(t *testing.T) {
	staff := s.staff(t)
	c := s.direct(t)
	caps := s.caps(t, c)
	zoe := somebody("Zebedee")
	id := staff.Register(t, zoe)
	brother := zoe
	brother.Given = "Ian"
	brotherID := staff.Register(t, brother) // a twin: the same family name, birth date and phone
	text := redact.NewText
	name := zoe.Given + " " + zoe.Family
	for _, tt := range []struct {
		what string
		can  bool
		q    callback.PatientQuery
		want []string
	}{
		{"by id", caps.PatientByID, callback.PatientQuery{ID: text(id)}, []string{id}},
		{"by an id nobody has", caps.PatientByID, callback.PatientQuery{ID: text("no-such-id-4711")}, nil},
		{"by what is no id", caps.PatientByID, callback.PatientQuery{ID: text("../metadata?x=" + canaryName)}, nil},
		{"by id, and the name of somebody else", caps.PatientByID, callback.PatientQuery{ID: text(id), Name: text("Ian " + zoe.Family)}, nil},
		{"by name and birth date", caps.PatientByName, callback.PatientQuery{Name: text(name), BirthDate: text(zoe.BirthDate)}, []string{id}},
		{"by name in another order and spelling", caps.PatientByName,
			callback.PatientQuery{Name: text(strings.ToUpper(zoe.Family) + ", ZOE"), BirthDate: text(zoe.BirthDate)}, []string{id}},
		{"by name and another birth date", caps.PatientByName, callback.PatientQuery{Name: text(name), BirthDate: text("1972-11-06")}, nil},
		{"by half of a name", caps.PatientByName, callback.PatientQuery{Name: text("Zo " + zoe.Family), BirthDate: text(zoe.BirthDate)}, nil},
		{"by the family name alone", caps.PatientByName, callback.PatientQuery{Name: text(zoe.Family), BirthDate: text(zoe.BirthDate)}, nil},
		{"by what looks like a query", caps.PatientByName, callback.PatientQuery{Name: text(`a,b|c$d\e &f=g`), BirthDate: text(zoe.BirthDate)}, nil},
		{"by phone: two share it", caps.PatientByPhone, callback.PatientQuery{Phone: text(zoe.Phone)}, []string{id, brotherID}},
		{"by phone and name", caps.PatientByPhone, callback.PatientQuery{Phone: text(zoe.Phone), Name: text(name)}, []string{id}},
		{"by a phone nobody has", caps.PatientByPhone, callback.PatientQuery{Phone: text("+15005550100"), Name: text(name)}, nil},
	} {
		t.Run(tt.what, func(t *testing.T) {
			need(t, tt.can, "search for patients "+tt.what)
			ask := func() []callback.Chart {
				charts, err := c.Patients(t.Context(), tt.q)
				s.must(t, err)
				return charts
			}
			if len(tt.want) > 0 {
				s.eventually(t, "the chart is found", func() bool { return len(ask()) >= len(tt.want) })
			}
			charts := ask()
			got := map[string]bool{}
			for _, ch := range charts {
				got[ch.ID.Reveal()] = true
			}
			for _, want := range tt.want {
				if !got[want] {
					t.Errorf("%d charts, and the right one is not among them", len(charts))
				}
			}
			if len(charts) != len(tt.want) {
				t.Errorf("%d charts, want %d", len(charts), len(tt.want))
			}
			for _, ch := range charts {
				if ch.ID.Reveal() == id && (ch.BirthDate.Reveal() != zoe.BirthDate || len(ch.Phones) != 1 || ch.Phones[0].Reveal() != zoe.Phone || ch.Inactive) {
					t.Errorf("the chart is not read as it was made: %d phones, inactive %t", len(ch.Phones), ch.Inactive)
				}
			}
		})
	}
	_, err := c.Patients(t.Context(), callback.PatientQuery{BirthDate: text(canaryBirth)})
	s.safe(t, err)
	if err == nil {
		t.Error("a query that identifies nobody was answered")
	}
}
