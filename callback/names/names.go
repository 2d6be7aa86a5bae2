// Package names compares names of people: what a caller gave as a name, and what a
// chart holds. It is the one place where that is decided, for the search of charts
// and for matching alike. Pure; it keeps nothing.
//
// What a likeness means for a callback is decided in matching.
package names

import (
	"slices"
	"strings"
	"unicode"

	"github.com/hbollon/go-edlib"
	"golang.org/x/text/unicode/norm"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/redact"
)

// Likeness says how alike two names are.
type Likeness int

// The likenesses, the least first. Similar never identifies by itself: it is a typing
// error as often as it is a twin, a parent or a namesake.
const (
	Different Likeness = iota
	Similar
	Same
)

// OfChart returns the likeness of what a caller gave as a name and the name of the
// chart that is most like it. An empty name is Different from every other.
func OfChart(said redact.Text, c callback.Chart) Likeness {
	held := c.Names
	if len(held) == 0 {
		held = []callback.PersonName{{Text: c.Name}}
	}
	best := Different
	for _, n := range held {
		best = max(best, Compare(said, n))
	}
	return best
}

// Compare returns the likeness of what a caller gave as a name and one name of a chart.
//
// Same: every word of it stands in the chart's name, the whole family name is among
// them, and at least one given name. Case, accents, hyphens and order do not matter,
// and an initial stands for a name that begins with it, but one given name is written
// out. Twins share everything but that.
//
// Similar: a family name and a given name stand in it, each as it is, with a typing
// error, or the given one as an initial; and at most one word of it is left over.
func Compare(said redact.Text, n callback.PersonName) Likeness {
	words := Words(said)
	family, given := Words(n.Family), all(n.Given)
	if len(family) == 0 || len(given) == 0 {
		return compareTexts(words, Words(n.Text))
	}
	switch {
	case same(words, family, given):
		return Same
	case similar(words, family, given):
		return Similar
	default:
		return Different
	}
}

// compareTexts compares where nobody can say which word is which.
func compareTexts(said, held []string) Likeness {
	if len(said) < 2 || len(held) < 2 {
		return Different
	}
	if slices.Equal(slices.Sorted(slices.Values(said)), slices.Sorted(slices.Values(held))) {
		return Same
	}
	for i := range held {
		rest := slices.Delete(slices.Clone(held), i, i+1)
		if similar(said, held[i:i+1], rest) {
			return Similar
		}
	}
	return Different
}

func same(said, family, given []string) bool {
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

func similar(said, family, given []string) bool {
	alike := func(words []string, s string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return w == s || misspelt(w, s) })
	}
	asGiven := func(s string) bool {
		return alike(given, s) || slices.ContainsFunc(given, func(g string) bool { return abbreviates(s, g) || abbreviates(g, s) })
	}
	left, both := 0, false
	for i, s := range said {
		if alike(family, s) {
			for j, other := range said {
				both = both || i != j && asGiven(other)
			}
		} else if !asGiven(s) {
			left++
		}
	}
	return both && left <= 1
}

func abbreviates(initial, name string) bool {
	return len(initial) == 1 && strings.HasPrefix(name, initial)
}

// What counts as one name in two spellings: a letter too many, too few or wrong, or two
// that changed places (optimal string alignment); two of that in a long word; or almost
// the same with the same beginning (Jaro-Winkler).
const (
	shortWord = 3 // shorter ones are not compared but letter by letter
	longWord  = 8
	alikeFrom = 0.92
)

func misspelt(a, b string) bool {
	shorter, longer := len([]rune(a)), len([]rune(b))
	if shorter > longer {
		shorter, longer = longer, shorter
	}
	if shorter < shortWord || longer == shortWord {
		return false
	}
	allowed := 1
	if shorter >= longWord {
		allowed = 2
	}
	return edlib.OSADamerauLevenshteinDistance(a, b) <= allowed ||
		shorter > shortWord+1 && edlib.JaroWinklerSimilarity(a, b) >= alikeFrom
}

// Words splits a name into words that can be compared: in lower case, without accents
// and punctuation.
func Words(name redact.Text) []string {
	var plain strings.Builder
	for _, r := range norm.NFKD.String(strings.ToLower(name.Reveal())) {
		switch letters, ok := undecomposed[r]; {
		case ok:
			plain.WriteString(letters)
		case unicode.Is(unicode.Mn, r), r == '\'', r == '’', r == 'ʼ':
			// An accent, or an apostrophe inside a word: O'Brien, OBrien.
		case unicode.IsLetter(r), unicode.IsDigit(r):
			plain.WriteRune(r)
		default:
			plain.WriteByte(' ')
		}
	}
	return strings.Fields(plain.String())
}

func all(names []redact.Text) []string {
	var words []string
	for _, n := range names {
		words = append(words, Words(n)...)
	}
	return words
}

// undecomposed are the Latin letters that Unicode does not take for another one with an
// accent, and what people type instead.
var undecomposed = map[rune]string{'ß': "ss", 'æ': "ae", 'œ': "oe", 'þ': "th", 'ø': "o", 'ł': "l", 'đ': "d", 'ð': "d", 'ħ': "h", 'ŧ': "t", 'ı': "i", 'ŋ': "n"}
