package phone

import (
	"strings"
	"time"

	number "github.com/ringback-health/ringback/internal/phone"
	"github.com/ringback-health/ringback/internal/redact"
)

// ID returns an identifier of the vendor's, "" for what stands for none (0, null, none)
// and for what is none: anything may stand in a damaged field, and an identifier is
// neither sealed nor hidden.
func (s Scalar) ID() string {
	v := Plain(string(s))
	switch {
	case v == "0", strings.EqualFold(v, "null"), strings.EqualFold(v, "none"), len(v) > 128:
		return ""
	case strings.Trim(v, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_=.") != "":
		return ""
	default:
		return v
	}
}

// RFC3339 reads a time with its zone, "2026-03-02T16:00:00.123Z"; the zero time for what
// is none, and for one at which no call was.
func (s Scalar) RFC3339() time.Time {
	t, err := time.Parse(time.RFC3339, string(s))
	if err != nil || t.Year() < 2000 || t.Year() > 2200 {
		return time.Time{}
	}
	return t.UTC()
}

// Number is the first of the numbers that was not withheld, as the vendor wrote it.
func Number(numbers ...Scalar) redact.Text {
	for _, n := range numbers {
		if !number.Withheld(string(n)) {
			return Text(string(n))
		}
	}
	return redact.Text{}
}

// CallerName is a caller's name, empty where it says no more than a number does.
func CallerName(name Scalar) redact.Text {
	if number.Withheld(string(name)) || strings.Trim(string(name), "+0123456789 ()-.") == "" {
		return redact.Text{}
	}
	return Text(string(name))
}
