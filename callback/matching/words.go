package matching

import (
	"strings"
	"time"

	"github.com/ringback-health/ringback/callback"
)

// words says each reason to a person. None holds PHI.
var words = map[string]string{
	"linked-by-staff":    "staff linked it to the work item",
	"marker":             "it carries this callback's marker",
	"our-proposal":       "it is the visit that was proposed for this callback",
	"points-to-our-task": "it points to this callback's work item",

	"patient-certain":      "it is for the same patient",
	"one-patient":          "",
	"booked-after-request": "it was booked after the request",
	"kind-answers":         "its kind answers this request",
	"request-clear":        "",
	"only-open-callback":   "",

	"patient-uncertain":      "it is not certain that it is the same patient",
	"several-patients":       "it names several patients",
	"booking-time-uncertain": "it is not certain that it was booked after the request",
	"kind-does-not-answer":   "its kind does not answer this request",
	"request-unclear":        "nobody said what the caller wanted",
	"several-open-callbacks": "the patient has several open callbacks",

	"not-booked":                     "it is not booked",
	"no-visit-answers-this-category": "no visit answers this kind of request",
	"answers-another-callback":       "it already answered another callback",
	"refused-by-a-person":            "a person decided that it is not the answer",
	"other-patient":                  "it is for somebody else",
	"booked-before-request":          "it was booked before the request",
	"booked-too-late":                "it was booked too long after the request",
	"known-before-request":           "it was there before the request",
}

var doubts = map[string]bool{"patient-uncertain": true, "several-patients": true, "booking-time-uncertain": true,
	"kind-does-not-answer": true, "request-unclear": true, "several-open-callbacks": true}

// sentence says the verdict to a person.
func sentence(ev callback.Evidence) string {
	var said []string
	for _, reason := range ev.Reasons {
		if w := words[reason]; w != "" && (ev.Verdict != callback.Weak || doubts[reason]) {
			said = append(said, w)
		}
	}
	list := strings.Join(said, ", and ")
	switch ev.Verdict {
	case callback.Exact, callback.Strong:
		return "A visit is booked: " + list + "."
	case callback.Weak:
		return "A visit may answer this callback, but " + list + ". Please look."
	default:
		return "The visit is no answer: " + list + "."
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
