package fhirr4

import (
	"slices"
	"testing"

	"github.com/ringback-health/ringback/fhir"
	"github.com/ringback-health/ringback/internal/redact"
)

func TestSameName(t *testing.T) {
	chart := func(family string, given ...string) fhir.HumanName {
		n := fhir.HumanName{Family: redact.NewText(family)}
		for _, g := range given {
			n.Given = append(n.Given, redact.NewText(g))
		}
		return n
	}
	written := func(text string) fhir.HumanName { return fhir.HumanName{Text: redact.NewText(text)} }
	for _, tt := range []struct {
		caller string
		chart  fhir.HumanName
		want   bool
	}{
		{"Ann Lee", chart("Lee", "Ann"), true},
		{"LEE, ann", chart("Lee", "Ann"), true},
		{"Ann Lee", chart("Lee", "Ann", "Marie"), true},
		{"Ann M. Lee", chart("Lee", "Ann", "Marie"), true},
		{"Ann Marie Lee", chart("Lee", "Ann", "M."), true},
		{"A. Lee", chart("Lee", "Ann"), false},
		{"Ann Marie Lee", chart("Lee", "Ann"), false}, // it may be her sister Marie
		{"Ann Lee", chart("Lee", "Anna"), false},
		{"Ann Marie Lee", chart("Lee", "Anna", "Marie"), false},
		{"Ann", chart("Lee", "Ann"), false},
		{"Lee", chart("Lee", "Ann"), false},
		{"Lee Lee", chart("Lee", "Ann"), false},
		{"Lee Lee", chart("Lee", "Lee"), true},
		{"Ann van der Berg", chart("van der Berg", "Ann"), true},
		{"Ann Berg", chart("van der Berg", "Ann"), false},
		{"Zoe Munoz Garcia", chart("Muñoz-García", "Zoë"), true},
		{"Zoe\u0308 Munoz", chart("Muñoz", "Zoë"), true},
		{"Lukasz Grosse", chart("Große", "Łukasz"), true},
		{"Sean OBrien", chart("O’Brien", "Seán"), true},
		{"李 小龍", chart("李", "小龍"), true},
		{"", chart("Lee", "Ann"), false},
		{"Ann Lee", chart("", ""), false},
		{"Ann Lee", written("Lee, Ann"), true},
		{"Ann Lee", written("Ann Marie Lee"), false},
		{"Ann", written("Ann"), false},
		{"Ann Lee", fhir.HumanName{Family: redact.NewText("Lee"), Text: redact.NewText("Ann Lee")}, true},
	} {
		if got := sameName(redact.NewText(tt.caller), tt.chart); got != tt.want {
			t.Errorf("%q and %q %q %q: got %t", tt.caller, tt.chart.Family.Reveal(), nameWords(fullText(tt.chart)), tt.chart.Text.Reveal(), got)
		}
	}
}

func fullText(n fhir.HumanName) string {
	var s string
	for _, g := range n.Given {
		s += g.Reveal() + " "
	}
	return s
}

func TestSearchWords(t *testing.T) {
	for name, want := range map[string][]string{
		"Ann M. Lee":   {"Ann", "Lee"},
		"Lee,Ann":      {"Lee", "Ann"},
		"van der Berg": {"van", "der", "Berg"},
		`a|b c$d`:      {`a\|b`, `c\$d`},
		" , A. ":       nil,
		"李 小龍":         {"小龍"},
	} {
		if got := searchWords(redact.NewText(name)); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}
