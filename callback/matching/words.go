package matching

import (
	"slices"
	"strings"

	"github.com/ringback-health/ringback/callback"
)

// phrases says each reason to a person. None holds PHI; an empty one goes without saying.
var phrases = map[string]string{
	linkedByStaff:        "staff linked it to the work item",
	"marker":             "it carries this callback's marker",
	"our-proposal":       "it is the visit that was proposed for this callback",
	"points-to-our-task": "it points to this callback's work item",
	"replaces-the-visit": "it was booked in place of the one that had answered this callback",

	"patient-certain":        "it is for the same patient",
	"one-patient":            "",
	"booked-after-request":   "it was booked after the request",
	"moved-after-request":    "it was moved after the request",
	"kind-answers":           "its kind answers this request",
	"request-clear":          "",
	"soon-after-request":     "it came soon after the request, which did not say what it is about",
	"in-conversation":        "staff worked on this callback when they did it",
	"no-series-elsewhere":    "",
	"booked-since-reopening": "",
	"only-open-callback":     "",

	"patient-uncertain":       "it is not certain that it is the same patient",
	"several-patients":        "it names several patients",
	"booking-time-uncertain":  "it is not certain that it was booked after the request",
	"time-of-move-uncertain":  "it is not certain that it was moved after the request",
	"moved-only":              "it was there before the request and only moved since",
	"walked-in":               "it had begun when it was entered, as when somebody walks in",
	"earlier-visit-stands":    "the visit that was there before the request stands as it stood",
	"kind-does-not-answer":    "its kind does not answer this request",
	"request-unclear":         "nobody said what the caller wanted",
	"series-answers-another":  "it was booked together with one that answered another callback",
	"booked-before-reopening": "it was there before this callback was opened again",
	"called-again-since":      "the caller rang once more after it was booked",
	"called-again-meanwhile":  "the caller rang once more at about the time when it was booked, and nobody can tell which came first",
	"several-open-callbacks":  "the patient has several open callbacks",

	"not-booked":                     "it is not booked",
	"no-visit-answers-this-category": "no visit answers this kind of request",
	"test-patient":                   "the patient or the visit is made up for testing",
	"answers-another-callback":       "it answers another callback",
	"refused-by-a-person":            "a person decided that it is not the answer",
	"answered-before-reopening":      "it had answered this callback before that was opened again",
	"visit-to-be-moved":              "it is the one that the caller wants to have moved, and nobody has moved it yet",
	"chart-unknown":                  "it is not known whose chart the caller's is",
	"other-patient":                  "it is for somebody else",
	"booked-before-request":          "it was booked before the request",
	"booked-too-late":                "it was booked too long after the request",
	"known-before-request":           "it was there before the request",
	"took-place-before-request":      "it had begun before the request",
}

// doubts are the reasons that make strong evidence weak.
var doubts = []string{"patient-uncertain", "several-patients", "booking-time-uncertain", "time-of-move-uncertain", "moved-only",
	"walked-in", "earlier-visit-stands", "kind-does-not-answer", "request-unclear", "series-answers-another",
	"booked-before-reopening", "called-again-since", "called-again-meanwhile", "several-open-callbacks"}

func doubtful(reason string) bool { return slices.Contains(doubts, reason) }

// sentence says the verdict to a person.
func sentence(ev callback.Evidence) string {
	var said []string
	for _, reason := range ev.Reasons {
		if w := phrases[reason]; w != "" && (ev.Verdict != callback.Weak || doubtful(reason)) {
			said = append(said, w)
		}
	}
	list := strings.Join(said, ", and ")
	switch ev.Verdict {
	case callback.Exact, callback.Strong:
		return "A visit is booked; " + list + "."
	case callback.Weak:
		return "A visit may answer this callback, but " + list + ". Please look."
	default:
		return "The visit is no answer: " + list + "."
	}
}
