package fhirr4

import (
	"slices"
	"strings"
	"unicode"

	"github.com/ringback-health/ringback/fhir"
	"github.com/ringback-health/ringback/internal/redact"
)

// sameName reports whether what a caller gave as a name can be that of a chart:
// every word of it stands in the chart's name, the whole family name is among
// them, and at least one given name. Case, accents, hyphens and order do not
// matter, and an initial stands for a name that begins with it, but one given name
// is written out. Twins share everything but that.
func sameName(caller redact.Text, n fhir.HumanName) bool {
	said := nameWords(caller.Reveal())
	family := nameWords(n.Family.Reveal())
	var given []string
	for _, g := range n.Given {
		given = append(given, nameWords(g.Reveal())...)
	}
	if len(family) == 0 || len(given) == 0 { // only a text: nobody can say which word is which
		text := nameWords(n.Text.Reveal())
		slices.Sort(text)
		slices.Sort(said)
		return len(said) > 1 && slices.Equal(said, text)
	}
	for _, f := range family {
		if !slices.Contains(said, f) {
			return false
		}
	}
	writtenOut := false
	for _, s := range said {
		inGiven := slices.Contains(given, s)
		writtenOut = writtenOut || inGiven && len(s) > 1
		initial := slices.ContainsFunc(given, func(g string) bool { return abbreviates(s, g) || abbreviates(g, s) })
		if !inGiven && !initial && !slices.Contains(family, s) {
			return false
		}
	}
	return writtenOut
}

func abbreviates(initial, name string) bool {
	return len(initial) == 1 && strings.HasPrefix(name, initial)
}

// nameWords splits a name into words that can be compared.
func nameWords(s string) []string {
	var plain strings.Builder
	for _, r := range strings.ToLower(s) {
		switch base, ok := unaccented[r]; {
		case ok:
			plain.WriteString(base)
		case unicode.Is(unicode.Mn, r), r == '\'', r == '’', r == 'ʼ':
			// An accent of its own, or an apostrophe inside a word: O'Brien, OBrien.
		case unicode.IsLetter(r), unicode.IsDigit(r):
			plain.WriteRune(r)
		default:
			plain.WriteByte(' ')
		}
	}
	return strings.Fields(plain.String())
}

// searchWords are the words of a name as they were written, without initials.
func searchWords(name redact.Text) []string {
	words := strings.FieldsFunc(name.Reveal(), func(r rune) bool { return unicode.IsSpace(r) || r == ',' || r == ';' })
	words = slices.DeleteFunc(words, func(w string) bool { return len([]rune(strings.Trim(w, "."))) < 2 })
	for i := range words {
		words[i] = escape(words[i])
	}
	return words
}

// unaccented maps accented Latin letters to what people type instead.
var unaccented = func() map[rune]string {
	m := map[rune]string{'ß': "ss", 'æ': "ae", 'œ': "oe", 'þ': "th"}
	for base, accented := range map[string]string{
		"a": "àáâãäåāăąǎ", "c": "çćĉċč", "d": "ďđð", "e": "èéêëēĕėęě", "g": "ĝğġģ", "h": "ĥħ", "i": "ìíîïĩīĭįı",
		"j": "ĵ", "k": "ķ", "l": "ĺļľŀł", "n": "ñńņňŉ", "o": "òóôõöøōŏőǒ", "r": "ŕŗř", "s": "śŝşšș", "t": "ţťŧț",
		"u": "ùúûüũūŭůűųǔ", "w": "ŵ", "y": "ýÿŷ", "z": "źżž",
	} {
		for _, r := range accented {
			m[r] = base
		}
	}
	return m
}()
