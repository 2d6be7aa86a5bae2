package fhir

import (
	"errors"
	"regexp"
	"strconv"
	"time"
)

// Precision says how much of a DateTime was given.
type Precision int

// The precisions. The zero value means that there is no date.
const (
	Year Precision = iota + 1
	Month
	Day
	Second
)

// DateTime is a FHIR date or dateTime. The zero DateTime is absent.
type DateTime struct {
	Time      time.Time // what is not given is the lowest: January, the 1st, midnight
	Precision Precision
	HasZone   bool // false: the numbers of Time are local to a zone that the caller knows
}

// NewDateTime makes a DateTime of an instant. It keeps the offset of t where
// FHIR can write it, and takes UTC where not.
func NewDateTime(t time.Time) DateTime {
	if _, offset := t.Zone(); offset%60 != 0 || offset > 14*3600 || offset < -14*3600 {
		t = t.UTC()
	}
	return DateTime{Time: t.Round(0), Precision: Second, HasZone: true}
}

// IsZero reports whether the date is absent.
func (d DateTime) IsZero() bool { return d.Precision == 0 }

var (
	errDateTime = errors.New("not a FHIR dateTime")
	errDate     = errors.New("not a FHIR date")
	errInstant  = errors.New("not a FHIR instant")
)

// dateTimePattern is the pattern of a FHIR dateTime, except that the zone is
// optional: R4 demands one with a time, and some servers leave it out.
var dateTimePattern = regexp.MustCompile(`^(\d{4})(?:-(0[1-9]|1[0-2])(?:-(0[1-9]|[12]\d|3[01])` +
	`(?:T([01]\d|2[0-3]):([0-5]\d):([0-5]\d|60)(?:\.(\d+))?(Z|[+-](?:(?:0\d|1[0-3]):[0-5]\d|14:00))?)?)?)?$`)

// ParseDateTime reads a FHIR dateTime: a year, a month, a day, or a time to the
// second or finer (https://hl7.org/fhir/R4/datatypes.html#dateTime). A time
// without a zone is read too, with HasZone false. The error does not hold s.
func ParseDateTime(s string) (DateTime, error) {
	g := dateTimePattern.FindStringSubmatch(s)
	if g == nil || g[1] == "0000" {
		return DateTime{}, errDateTime
	}
	d := DateTime{Precision: Year, HasZone: g[8] != ""}
	month, day := 1, 1
	if g[2] != "" {
		d.Precision, month = Month, number(g[2])
	}
	if g[3] != "" {
		d.Precision, day = Day, number(g[3])
	}
	if g[4] != "" {
		d.Precision = Second
	}
	loc := time.UTC
	if g[8] != "" && g[8] != "Z" {
		offset := number(g[8][1:3])*3600 + number(g[8][4:6])*60
		if g[8][0] == '-' {
			offset = -offset
		}
		if offset != 0 {
			loc = time.FixedZone("", offset)
		}
	}
	if time.Date(number(g[1]), time.Month(month), day, 0, 0, 0, 0, time.UTC).Day() != day {
		return DateTime{}, errDateTime // the 30th of February
	}
	d.Time = time.Date(number(g[1]), time.Month(month), day, number(g[4]), number(g[5]), number(g[6]), nanoseconds(g[7]), loc)
	if d.Time.Year() > 9999 {
		return DateTime{}, errDateTime // the leap second at the end of it
	}
	return d, nil
}

// ParseDate reads a FHIR date: a year, a month or a day.
func ParseDate(s string) (DateTime, error) {
	d, err := ParseDateTime(s)
	if err != nil || d.Precision == Second {
		return DateTime{}, errDate
	}
	return d, nil
}

// ParseInstant reads a FHIR instant: a time to the second or finer, with zone.
func ParseInstant(s string) (time.Time, error) {
	d, err := ParseDateTime(s)
	if err != nil || !d.HasZone {
		return time.Time{}, errInstant
	}
	return d.Time, nil
}

// number reads digits that a pattern has found; "" is 0.
func number(s string) int { n, _ := strconv.Atoi(s); return n }

// nanoseconds reads the digits of a fraction; what is finer is dropped.
func nanoseconds(s string) int { return number((s + "000000000")[:9]) }

// Format writes d as FHIR does, to its precision; the zero DateTime is "".
func (d DateTime) Format() string {
	switch {
	case d.Precision == 0:
		return ""
	case d.Precision == Year:
		return d.Time.Format("2006")
	case d.Precision == Month:
		return d.Time.Format("2006-01")
	case d.Precision == Day:
		return d.Time.Format("2006-01-02")
	case !d.HasZone:
		return d.Time.Format("2006-01-02T15:04:05.999999999")
	default:
		return d.Time.Format("2006-01-02T15:04:05.999999999Z07:00")
	}
}

// Range returns the span [start, end) that d may mean: the whole year, month,
// day or second. loc is the zone of a d without one and must not be nil.
func (d DateTime) Range(loc *time.Location) (start, end time.Time) {
	t := d.Time
	if !d.HasZone {
		t = time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), loc)
	}
	switch d.Precision {
	case Year:
		return t, t.AddDate(1, 0, 0)
	case Month:
		return t, t.AddDate(0, 1, 0)
	case Day:
		return t, t.AddDate(0, 0, 1)
	default:
		t = t.Truncate(time.Second)
		return t, t.Add(time.Second)
	}
}

// valid reports whether d can be written: a time needs its zone, a year four
// digits.
func (d DateTime) valid() bool {
	return d.Precision >= Year && d.Precision <= Second && d.HasZone == (d.Precision == Second) &&
		d.Time.Year() >= 1 && d.Time.Year() <= 9999
}

// before reports whether d is certainly before e. Of different precisions only
// what both have is compared, and a date without a zone as it is written.
func (d DateTime) before(e DateTime) bool {
	if d.HasZone && e.HasZone {
		return d.Time.Before(e.Time)
	}
	n := min(len(d.Format()), len(e.Format()), len("2006-01-02"))
	return d.Format()[:n] < e.Format()[:n]
}
