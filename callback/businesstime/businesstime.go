// Package businesstime computes with the hours in which a clinic is open: when
// something is due that may take two business hours, and how many business
// minutes lie between two instants.
//
// It walks the open intervals of the clinic's own days in its own zone, so that
// lunch breaks, closures and days of 23 or 25 hours come out right: an hour of
// business time is sixty minutes that really pass while the clinic is open.
package businesstime

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Interval is a span of a day in minutes after midnight by the wall clock;
// Start is in it, End is not. End is at most 24*60.
type Interval struct{ Start, End int }

// ParseInterval reads "08:30-17:00".
func ParseInterval(s string) (Interval, error) {
	from, to, ok := strings.Cut(strings.ReplaceAll(s, " ", ""), "-")
	start, err1 := parseMinute(from)
	end, err2 := parseMinute(to)
	if !ok || err1 != nil || err2 != nil || end <= start {
		return Interval{}, fmt.Errorf("%q is not a span of opening hours; write it as 08:30-17:00", s)
	}
	return Interval{start, end}, nil
}

func parseMinute(s string) (int, error) {
	if s == "24:00" {
		return 24 * 60, nil
	}
	t, err := time.Parse("15:04", s)
	return t.Hour()*60 + t.Minute(), err
}

// Calendar is when a clinic is open.
type Calendar struct {
	Zone  *time.Location
	Week  [7][]Interval   // by time.Weekday; sorted, not overlapping
	Close map[string]bool // days it stays closed, as "2026-12-25"
}

// Weekdays returns a calendar that is open from 8 to 17 o'clock, Monday to Friday.
func Weekdays(zone *time.Location) Calendar {
	c := Calendar{Zone: zone}
	for d := time.Monday; d <= time.Friday; d++ {
		c.Week[d] = []Interval{{8 * 60, 17 * 60}}
	}
	return c
}

// Validate reports intervals that overlap or stand in the wrong order, and a
// calendar that is never open.
func (c Calendar) Validate() error {
	open := false
	for day, spans := range c.Week {
		for i, s := range spans {
			open = true
			if i > 0 && s.Start < spans[i-1].End {
				return fmt.Errorf("%s: the spans of opening hours overlap or are out of order", time.Weekday(day))
			}
		}
	}
	if !open {
		return fmt.Errorf("there is no opening hour in the whole week; nothing could ever be due")
	}
	return nil
}

// horizon bounds the walk: a clinic that stays closed for two years has no
// business time.
const horizon = 2 * 366

// spans yields the open spans of instants that end after t, in order.
func (c Calendar) spans(t time.Time) func(yield func(start, end time.Time) bool) {
	return func(yield func(start, end time.Time) bool) {
		local := t.In(c.Zone)
		for i := range horizon {
			// A day is named by its date, not by adding 24 hours: days differ in length.
			day := time.Date(local.Year(), local.Month(), local.Day()+i, 12, 0, 0, 0, c.Zone)
			if c.Close[day.Format(time.DateOnly)] {
				continue
			}
			for _, s := range c.Week[day.Weekday()] {
				start, end := wall(day, s.Start), wall(day, s.End)
				if end.After(t) && end.After(start) && !yield(start, end) {
					return
				}
			}
		}
	}
}

// wall returns the instant at which the wall clock of the day shows minute m.
func wall(day time.Time, m int) time.Time {
	return time.Date(day.Year(), day.Month(), day.Day(), m/60, m%60, 0, 0, day.Location())
}

// Open reports whether the clinic is open at t.
func (c Calendar) Open(t time.Time) bool {
	for start := range c.spans(t) {
		return !start.After(t)
	}
	return false
}

// NextOpen returns t when the clinic is open, and otherwise when it opens next;
// the zero time when it does not open within two years.
func (c Calendar) NextOpen(t time.Time) time.Time {
	for start := range c.spans(t) {
		return latest(t, start)
	}
	return time.Time{}
}

// Add returns the instant at which d of business time has passed since t. When
// the clinic is closed at t the time starts to run at the next opening. The zero
// time means that it is not open for that long within two years.
func (c Calendar) Add(t time.Time, d time.Duration) time.Time {
	for start, end := range c.spans(t) {
		from := latest(t, start)
		if open := end.Sub(from); open < d {
			d -= open
			continue
		}
		return from.Add(d).UTC()
	}
	return time.Time{}
}

// AddDays returns the end of business n business days after the day of t; a day
// on which the clinic is closed does not count. n of 0 is the end of the day
// itself, or of the next open day.
func (c Calendar) AddDays(t time.Time, n int) time.Time {
	var days []string
	var last time.Time
	for start, end := range c.spans(t) {
		if day := start.In(c.Zone).Format(time.DateOnly); !slices.Contains(days, day) {
			if len(days) > n {
				break
			}
			days = append(days, day)
		}
		last = end
	}
	if len(days) <= n {
		return time.Time{}
	}
	return last.UTC()
}

// Between returns the business time from a to b; 0 when b is not after a.
func (c Calendar) Between(a, b time.Time) time.Duration {
	var sum time.Duration
	if !b.After(a) {
		return 0
	}
	for start, end := range c.spans(a) {
		if !start.Before(b) {
			break
		}
		sum += earliest(end, b).Sub(latest(start, a))
	}
	return sum
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
