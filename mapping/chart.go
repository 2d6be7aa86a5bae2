package mapping

import (
	"slices"
	"strings"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/fhir"
	"github.com/ringback-health/ringback/internal/phone"
	"github.com/ringback-health/ringback/internal/redact"
)

// Chart reads a Patient. The error is a *fhir.TypeError or a *fhir.MemberError.
func Chart(raw []byte, s Site) (callback.Chart, error) {
	view, err := fhir.ParsePatient(raw)
	if err != nil {
		return callback.Chart{}, err
	}
	c := callback.Chart{
		ID:        phi(view.Meta.ID),
		Name:      chartName(view.Names),
		BirthDate: view.BirthDate,
		Phones:    phones(view.Telecoms, s.Region),
		Inactive:  view.Active != nil && !*view.Active,
		Test:      view.Test,
	}
	for _, n := range view.Names {
		c.Names = append(c.Names, callback.PersonName{Family: n.Family, Given: n.Given, Text: n.Text})
	}
	for _, l := range view.Links {
		switch id := s.localID(l.Other, "Patient"); {
		case id == "":
		case l.Type == "replaced-by":
			c.MergedInto = phi(id)
		case l.Type == "replaces":
			c.Replaces = append(c.Replaces, phi(id))
		}
	}
	return c, nil
}

// nameUses is which of several names of a person is shown, the best first.
var nameUses = []string{"official", "usual", "", "nickname", "anonymous", "temp", "maiden", "old"}

func chartName(names []fhir.HumanName) redact.Text {
	for _, use := range nameUses {
		for _, n := range names {
			if n.Use == use {
				if text := fullName(n); !text.IsEmpty() {
					return text
				}
			}
		}
	}
	return redact.Text{}
}

// fullName writes given names and family, or the text where there are none.
func fullName(n fhir.HumanName) redact.Text {
	var parts []string
	for _, part := range append(slices.Clone(n.Given), n.Family) {
		if s := strings.TrimSpace(part.Reveal()); s != "" {
			parts = append(parts, s)
		}
	}
	if len(parts) == 0 {
		return n.Text
	}
	return phi(strings.Join(parts, " "))
}

// phones are the numbers somebody can be called under, in E.164 where they can be
// read as such; old ones are left out.
func phones(points []fhir.ContactPoint, region string) []redact.Text {
	var list []redact.Text
	for _, p := range points {
		if p.System != "phone" && p.System != "sms" || p.Use == "old" || p.Value.IsEmpty() {
			continue
		}
		number, err := phone.Parse(p.Value.Reveal(), region)
		if err != nil {
			number = p.Value
		}
		if !slices.ContainsFunc(list, number.Equal) {
			list = append(list, number)
		}
	}
	return list
}
