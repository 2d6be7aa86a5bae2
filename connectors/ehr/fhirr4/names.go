package fhirr4

import (
	"slices"
	"strings"
	"unicode"

	"github.com/ringback-health/ringback/internal/redact"
)

// searchWords are the words of a name as they were written, without initials.
func searchWords(name redact.Text) []string {
	words := strings.FieldsFunc(name.Reveal(), func(r rune) bool { return unicode.IsSpace(r) || r == ',' || r == ';' })
	words = slices.DeleteFunc(words, func(w string) bool { return len([]rune(strings.Trim(w, "."))) < 2 })
	for i := range words {
		words[i] = escape(words[i])
	}
	return words
}
