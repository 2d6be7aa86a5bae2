package fhirr4

import (
	"slices"
	"testing"

	"github.com/ringback-health/ringback/internal/redact"
)

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
