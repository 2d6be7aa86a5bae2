package mapping

import (
	"strings"
	"time"
	"unicode"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/fhir"
	"github.com/ringback-health/ringback/internal/redact"
)

func phi(s string) redact.Text { return redact.NewText(s) }

// clean makes a text fit to be a FHIR string: no control characters but tab and
// line ends, valid UTF-8, not blank (R4 datatypes, string).
func clean(t redact.Text) redact.Text {
	s := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\t' && r != '\n' && r != '\r' {
			return -1
		}
		return r
	}, strings.ToValidUTF8(t.Reveal(), "\uFFFD"))
	return phi(strings.TrimSpace(s))
}

// moment writes an instant to the second: nobody reads an inbox more finely, and
// servers disagree about how much more they keep.
func moment(t time.Time) fhir.DateTime {
	if t.IsZero() {
		return fhir.DateTime{}
	}
	return fhir.NewDateTime(t.UTC().Truncate(time.Second))
}

// sameMoment reports whether d is the instant t to the second.
func sameMoment(d fhir.DateTime, t time.Time) bool {
	if d.IsZero() || t.IsZero() {
		return d.IsZero() && t.IsZero()
	}
	return d.Precision == fhir.Second && d.Time.Unix() == t.Unix()
}

// period is the span from start to end; one that is turned round has no start.
func period(start, end time.Time) fhir.Period {
	if !end.IsZero() && end.Before(start) {
		start = time.Time{}
	}
	return fhir.Period{Start: moment(start), End: moment(end)}
}

func concept(text string, codings ...fhir.Coding) fhir.Concept {
	return fhir.Concept{Codings: codings, Text: phi(text)}
}

func markerIdentifier(l callback.Link) fhir.Identifier {
	return fhir.Identifier{System: callback.MarkerSystem, Value: phi(string(l.Marker()))}
}

// markers returns Ringback's markers among the identifiers.
func markers(ids []fhir.Identifier) []callback.Marker {
	var found []callback.Marker
	for _, i := range ids {
		if m, ok := callback.ParseMarker(i.Value.Reveal()); ok && i.System == callback.MarkerSystem {
			found = append(found, m)
		}
	}
	return found
}

// reference points at a resource of this EHR; an empty id at none.
func reference(resourceType callback.ResourceType, id string) fhir.Reference {
	if id == "" {
		return fhir.Reference{}
	}
	return fhir.Reference{Reference: string(resourceType) + "/" + id}
}

// lower makes the first letter of a title small, to stand inside a sentence.
func lower(title string) string {
	if title == "" || len(title) > 1 && title[1] >= 'A' && title[1] <= 'Z' {
		return title
	}
	return strings.ToLower(title[:1]) + title[1:]
}
