package calllog

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/ringback-health/ringback/connectors/phone"
)

// dateOrder is how a date such as 03/04/2026 is meant.
type dateOrder int

const (
	orderUnknown dateOrder = iota
	monthFirst
	dayFirst
)

// orderOf is the order that people of the region write dates in.
func orderOf(region string) dateOrder {
	switch strings.ToUpper(region) {
	case "":
		return orderUnknown
	case "US", "PR", "PH":
		return monthFirst
	default:
		return dayFirst
	}
}

// timeReader reads the dates and times of one log.
type timeReader struct {
	zone  *time.Location
	order dateOrder
}

// What can be wrong with a time. The texts have nothing of the cell.
var (
	errNone      = errors.New("is missing")
	errForm      = errors.New("is in no form that this format reads; use 2006-01-02 15:04:05 in the export")
	errNoClock   = errors.New("has a date and no time of day")
	errNoDate    = errors.New("has a time of day and no date")
	errAmbiguous = errors.New("may be day/month or month/day; set the region of the clinic")
	errOrder     = errors.New("has no such day or month in the order of the region; set the region in which the log was written")
	errZoneName  = errors.New("names a time zone that the given zone does not have")
)

var (
	clock   = regexp.MustCompile(`(?i)([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:[.,][0-9]+)?)?\s*([ap]\.?m\b\.?)?`)
	yearDay = regexp.MustCompile(`^([0-9]{4})[-/.]([0-9]{1,2})[-/.]([0-9]{1,2})$`)
	dayYear = regexp.MustCompile(`^([0-9]{1,2})[-/.]([0-9]{1,2})[-/.]([0-9]{4}|[0-9]{2})$`)
	weekday = regexp.MustCompile(`(?i)^(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+`)
	offset  = regexp.MustCompile(`^([+-])([0-9]{2}):?([0-9]{2})?$`)
	epoch   = regexp.MustCompile(`^[0-9]{10}(?:[0-9]{3})?$`)
)

// read reads the time in cell; a cell with only a time of day takes its date
// from the cell date. Local times are resolved near near, as phone.Instant says.
func (r timeReader) read(cell, date string, near time.Time) (time.Time, error) {
	if cell == "" {
		return time.Time{}, errNone
	}
	if t, ok := plainTime(cell); ok {
		return r.inZone(t, "", near)
	}
	if epoch.MatchString(cell) {
		n, err := strconv.ParseInt(cell, 10, 64)
		if err != nil {
			return time.Time{}, errForm
		}
		if len(cell) == 13 {
			return time.UnixMilli(n).UTC(), nil
		}
		return time.Unix(n, 0).UTC(), nil
	}
	at := clock.FindStringSubmatchIndex(cell)
	if at == nil {
		if _, err := r.date(cell); err != nil {
			return time.Time{}, errForm
		}
		return time.Time{}, errNoClock
	}
	ofDay, ok := timeOfDay(clock.FindStringSubmatch(cell))
	if !ok {
		return time.Time{}, errForm
	}
	day, zone := strings.TrimRight(cell[:at[0]], " T,"), strings.TrimSpace(cell[at[1]:])
	if day == "" {
		if day = strings.TrimSpace(date); day == "" {
			return time.Time{}, errNoDate
		}
	}
	d, err := r.date(day)
	if err != nil {
		return time.Time{}, err
	}
	return r.inZone(d.Add(ofDay), zone, near)
}

// plainTime reads the form that most systems write. A million rows are read three times
// as fast by it as by the patterns for all forms, which read the same from it.
func plainTime(cell string) (time.Time, bool) {
	if len(cell) != len(time.DateTime) || cell[4] != '-' {
		return time.Time{}, false
	}
	t, err := time.Parse(time.DateTime, cell)
	return t, err == nil && t.Year() >= 1970
}

// onlyClock reports whether the cell is a time of day without a date.
func onlyClock(cell string) bool {
	at := clock.FindStringIndex(cell)
	return at != nil && at[0] == 0
}

// timeOfDay reads what clock matched.
func timeOfDay(m []string) (time.Duration, bool) {
	h, _ := strconv.Atoi(m[1])
	minutes, _ := strconv.Atoi(m[2])
	secs, _ := strconv.Atoi(m[3]) // "" is 0
	if half := strings.ToLower(m[4]); half != "" {
		if h < 1 || h > 12 {
			return 0, false
		}
		h %= 12
		if half[0] == 'p' {
			h += 12
		}
	}
	if h > 23 || minutes > 59 || secs > 59 {
		return 0, false
	}
	return time.Duration(h)*time.Hour + time.Duration(minutes)*time.Minute + time.Duration(secs)*time.Second, true
}

// date reads a day; the result is its midnight in UTC and has no zone yet.
func (r timeReader) date(s string) (time.Time, error) {
	s = weekday.ReplaceAllString(strings.TrimSpace(s), "")
	if m := yearDay.FindStringSubmatch(s); m != nil {
		return civil(m[1], m[2], m[3])
	}
	if m := dayYear.FindStringSubmatch(s); m != nil {
		return r.slashed(m[1], m[2], m[3])
	}
	s = strings.NewReplacer(",", " ", "-", " ").Replace(s)
	s = strings.Join(strings.Fields(s), " ")
	for _, form := range []string{"Jan 2 2006", "January 2 2006", "2 Jan 2006", "2 January 2006"} {
		if t, err := time.Parse(form, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errForm
}

// slashed reads the two first numbers of a date in the order of the region.
func (r timeReader) slashed(a, b, year string) (time.Time, error) {
	if len(year) == 2 {
		year = "20" + year
	}
	first, _ := strconv.Atoi(a)
	second, _ := strconv.Atoi(b)
	order := r.order
	if order == orderUnknown {
		switch {
		case first > 12, first == second:
			order = dayFirst
		case second > 12:
			order = monthFirst
		default:
			return time.Time{}, errAmbiguous
		}
	}
	if order == dayFirst {
		a, b = b, a
	}
	t, err := civil(year, a, b)
	if err != nil {
		return time.Time{}, errOrder
	}
	return t, nil
}

func civil(year, month, day string) (time.Time, error) {
	y, _ := strconv.Atoi(year)
	m, _ := strconv.Atoi(month)
	d, _ := strconv.Atoi(day)
	t := time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC)
	if y < 1970 || int(t.Month()) != m || t.Day() != d {
		return time.Time{}, errForm
	}
	return t, nil
}

// inZone is the moment of a wall-clock time, by what stands behind it.
func (r timeReader) inZone(wall time.Time, zone string, near time.Time) (time.Time, error) {
	if m := offset.FindStringSubmatch(zone); m != nil {
		hours, _ := strconv.Atoi(m[2])
		minutes, _ := strconv.Atoi(m[3])
		d := time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
		if m[1] == "-" {
			d = -d
		}
		return wall.Add(-d), nil
	}
	switch strings.ToUpper(zone) {
	case "Z", "UTC", "GMT":
		return wall, nil
	case "":
		return phone.Instant(wall, r.zone, near).UTC(), nil
	}
	// An abbreviation such as PDT means something only within a zone; there it
	// also says which of the two equal hours in autumn is meant.
	for _, hint := range []time.Time{{}, wall.AddDate(1, 0, 0)} {
		t := phone.Instant(wall, r.zone, hint)
		if name, _ := t.In(r.zone).Zone(); strings.EqualFold(name, zone) {
			return t.UTC(), nil
		}
	}
	return time.Time{}, errZoneName
}

var (
	plainNumber = regexp.MustCompile(`^[0-9]+(?:\.[0-9]+)?$`)
	colons      = regexp.MustCompile(`^(?:([0-9]+):)?([0-9]{1,2}):([0-9]{2})(?:\.[0-9]+)?$`)
	unitPart    = regexp.MustCompile(`(?i)([0-9]+)\s*(hours?|hrs?|h|minutes?|mins?|m|seconds?|secs?|s)\b\.?`)
)

// length reads a duration: "125", "0:02:05", "02:05", "2m 5s", "125 sec". A
// plain number is in unit. known is false for an empty cell and for anything
// else, which readable tells apart.
func length(cell string, unit time.Duration) (d time.Duration, known, readable bool) {
	switch normal(cell) {
	case "", "n a", "none", "null", "in progress":
		return 0, false, true
	}
	if plainNumber.MatchString(cell) {
		f, err := strconv.ParseFloat(cell, 64)
		if err != nil || f*float64(unit) > float64(maxLength) {
			return 0, false, false
		}
		return time.Duration(f * float64(unit)).Round(time.Millisecond), true, true
	}
	var parts [3]int // hours, minutes, seconds
	if m := colons.FindStringSubmatch(cell); m != nil {
		for i := range parts {
			parts[i], _ = strconv.Atoi(m[i+1]) // "" is 0
		}
	} else {
		if strings.Trim(unitPart.ReplaceAllString(cell, ""), " ,") != "" {
			return 0, false, false
		}
		for _, m := range unitPart.FindAllStringSubmatch(cell, -1) {
			n, _ := strconv.Atoi(m[1])
			parts[strings.IndexByte("hms", m[2][0]|0x20)] = n
		}
	}
	if parts[0] > 24*7 || parts[1] > 1e4 || parts[2] > 1e6 {
		return 0, false, false
	}
	d = time.Duration(parts[0])*time.Hour + time.Duration(parts[1])*time.Minute + time.Duration(parts[2])*time.Second
	return d, true, true
}

// maxLength is longer than any call.
const maxLength = 7 * 24 * time.Hour

// unitOf is the unit of plain numbers in a column, by its name.
func unitOf(name string) time.Duration {
	name = strings.ToLower(name)
	switch {
	case strings.Contains(name, "ms"), strings.Contains(name, "millisec"):
		return time.Millisecond
	case strings.Contains(name, "(min"), strings.Contains(name, "minutes"):
		return time.Minute
	default:
		return time.Second
	}
}
