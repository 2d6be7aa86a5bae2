package sandbox

import (
	"regexp"
	"time"
)

// Groups: 1 month, 2 day, 3 time, 4 seconds, 5 fraction, 6 zone. time.Parse alone
// takes more than FHIR does: a comma for the point, an hour of one digit.
var datePattern = regexp.MustCompile(`^\d{4}(-\d\d(-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)?)?)?)?$`)

var dateNames = map[form]string{dateForm: "date", dateTimeForm: "dateTime", instantForm: "instant"}

// parseDate reads a date, dateTime or instant as the milliseconds of Unix time it
// covers, from (included) to until (excluded): a year covers a year, a second a
// second, and what has a fraction one millisecond. Without a zone it is UTC.
func parseDate(s string, f form) (from, until int64, ok bool) {
	m := datePattern.FindStringSubmatch(s)
	if m == nil {
		return 0, 0, false
	}
	isTime, isFull := m[3] != "", m[4] != "" && m[6] != ""
	switch {
	case f == dateForm && isTime, f == dateTimeForm && isTime && !isFull, f == instantForm && !isFull:
		return 0, 0, false
	}
	layout, end := precision(m)
	if m[6] != "" {
		layout += "Z07:00"
	}
	t, err := time.Parse(layout, s)
	if err != nil {
		return 0, 0, false
	}
	return t.UnixMilli(), end(t).UnixMilli(), true
}

// precision returns the layout for what datePattern found, and what makes the end
// of the time it covers from its start.
func precision(m []string) (layout string, end func(time.Time) time.Time) {
	after := func(d time.Duration) func(time.Time) time.Time {
		return func(t time.Time) time.Time { return t.Add(d) }
	}
	switch {
	case m[5] != "":
		return "2006-01-02T15:04:05", after(time.Millisecond) // Parse takes the fraction by itself
	case m[4] != "":
		return "2006-01-02T15:04:05", after(time.Second)
	case m[3] != "":
		return "2006-01-02T15:04", after(time.Minute)
	case m[2] != "":
		return "2006-01-02", func(t time.Time) time.Time { return t.AddDate(0, 0, 1) }
	case m[1] != "":
		return "2006-01", func(t time.Time) time.Time { return t.AddDate(0, 1, 0) }
	}
	return "2006", func(t time.Time) time.Time { return t.AddDate(1, 0, 0) }
}

// matchDate tells whether the time of a resource (from, until) stands to the time
// asked for as the prefix says (FHIR R4, search, 3.1.1.4.5).
func matchDate(prefix string, asked, found value) bool {
	inside := asked.from <= found.from && found.until <= asked.until
	switch prefix {
	case "ne":
		return !inside
	case "gt":
		return found.until > asked.until
	case "lt":
		return found.from < asked.from
	case "ge":
		return inside || found.until > asked.until
	case "le":
		return inside || found.from < asked.from
	case "sa":
		return found.from >= asked.until
	case "eb":
		return found.until <= asked.from
	default: // eq
		return inside
	}
}
