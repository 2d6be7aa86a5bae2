package sandbox

import (
	"strings"
	"unicode"
)

// value is one comparable value of a search parameter, read once when the resource
// is written. What is there but cannot be compared (a reference that has only a
// display) is the zero value: it counts for :missing and matches nothing.
type value struct {
	system      string // token: the system; reference: the type
	text        string // token: the code; reference: the id or the whole URL; string: folded
	from, until int64  // date: see parseDate
}

// read returns the values of doc for each of the type's parameters.
func (d *typeDef) read(doc map[string]any) [][]value {
	index := make([][]value, len(d.params))
	for i, p := range d.params {
		if p.path == "" {
			continue // id and lastUpdated are known only when the version is made
		}
		for _, v := range walk(doc, p.path) {
			index[i] = append(index[i], p.read(v)...)
		}
	}
	return index
}

// walk returns the values at a path of members joined with dots; arrays are entered.
func walk(v any, path string) []any {
	if list, ok := v.([]any); ok {
		var all []any
		for _, element := range list {
			all = append(all, walk(element, path)...)
		}
		return all
	}
	if path == "" {
		if v == nil {
			return nil
		}
		return []any{v}
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil
	}
	first, rest, _ := strings.Cut(path, ".")
	return walk(m[first], rest)
}

func (p *param) read(v any) []value {
	switch p.form {
	case codeForm:
		return []value{{system: p.system, text: str(v)}}
	case conceptForm:
		return readConcept(v)
	case identifierForm:
		return []value{{system: memberText(v, "system"), text: memberText(v, "value")}}
	case contactForm:
		system := memberText(v, "system")
		if p.system != "" && system != p.system {
			return nil
		}
		return []value{{system: system, text: contactKey(memberText(v, "value"))}}
	case referenceForm:
		found := readReference(memberText(v, "reference"))
		if p.target != "" && found.system != p.target {
			return nil
		}
		return []value{found}
	case nameForm:
		var parts []value
		for _, part := range []string{"text", "family", "given", "prefix", "suffix"} {
			for _, s := range walk(v, part) {
				parts = append(parts, value{text: fold(str(s))})
			}
		}
		return parts
	case textForm:
		return []value{{text: fold(str(v))}}
	default: // the date forms; validate has let only valid ones through
		from, until, _ := parseDate(str(v), p.form)
		return []value{{from: from, until: until}}
	}
}

// readConcept reads a CodeableConcept, or a Coding standing alone.
func readConcept(v any) []value {
	codings := walk(v, "coding")
	if len(codings) == 0 {
		codings = []any{v}
	}
	var out []value
	for _, c := range codings {
		out = append(out, value{system: memberText(c, "system"), text: memberText(c, "code")})
	}
	return out
}

// readReference splits "Type/id", with or without a version behind it. Of an
// absolute URL the type is known, but the URL stays whole: it may be another
// server's. Anything else, as a contained "#id", has no type.
func readReference(s string) value {
	parts := strings.Split(s, "/")
	if n := len(parts); n >= 4 && parts[n-2] == "_history" {
		parts = parts[:n-2]
	}
	switch n := len(parts); {
	case n == 2 && parts[0] != "" && idPattern.MatchString(parts[1]):
		return value{system: parts[0], text: parts[1]}
	case n >= 4 && strings.Contains(s, "://"):
		return value{system: parts[n-2], text: strings.Join(parts, "/")}
	}
	return value{text: s}
}

func str(v any) string { s, _ := v.(string); return s }

// memberText returns the text of a member of v, "" if v is no object or has no such text.
func memberText(v any, name string) string {
	m, _ := v.(map[string]any)
	return str(m[name])
}

// contactKey is what a phone number or an address is compared by: of a number its
// digits without the country code 1, of anything else the text without case. EHRs
// store a number as somebody typed it and find it however it is written.
func contactKey(s string) string {
	digits := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
	if digits == "" || strings.ContainsFunc(s, unicode.IsLetter) {
		return fold(s)
	}
	if len(digits) == 11 && digits[0] == '1' {
		return digits[1:]
	}
	return digits
}

// unaccented gives the letters that a name is searched by for those of the Latin
// alphabets of Europe; x/text would do more and is not needed for a sandbox.
var unaccented = func() map[rune]string {
	m := map[rune]string{'ß': "ss", 'æ': "ae", 'œ': "oe", 'þ': "th"}
	for to, from := range map[string]string{
		"a": "àáâãäåāăą", "c": "çćĉċč", "d": "ďđð", "e": "èéêëēĕėęě", "g": "ĝğġģ",
		"h": "ĥħ", "i": "ìíîïĩīĭįı", "j": "ĵ", "k": "ķ", "l": "ĺļľŀł", "n": "ñńņňŉ",
		"o": "òóôõöøōŏő", "r": "ŕŗř", "s": "śŝşšș", "t": "ţťŧț", "u": "ùúûüũūŭůűų",
		"w": "ŵ", "y": "ýÿŷ", "z": "źżž",
	} {
		for _, r := range from {
			m[r] = to
		}
	}
	return m
}()

// fold removes case and accents.
func fold(s string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(s) {
		switch plain, ok := unaccented[r]; {
		case ok:
			b.WriteString(plain)
		case unicode.Is(unicode.Mn, r): // an accent written as a character of its own
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
