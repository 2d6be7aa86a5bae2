package businesstime_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ringback-health/ringback/callback/businesstime"
)

// TestTimetable: the table says what the calendar says, in its period and around
// it, across both changes of clocks, lunch breaks, nights and closures.
func TestTimetable(t *testing.T) {
	open := businesstime.Calendar{Close: map[string]bool{"2026-11-26": true}}
	for d := time.Monday; d <= time.Friday; d++ {
		open.Week[d] = spans(t, "08:00-12:00", "13:00-17:00")
	}
	open.Week[time.Sunday] = spans(t, "00:00-01:30", "02:30-24:00")
	rapid.Check(t, func(t *rapid.T) {
		cal := open
		cal.Zone = location(t, rapid.SampledFrom([]string{"America/New_York", "Europe/London", "America/Phoenix"}).Draw(t, "zone"))
		from := time.Date(2026, 2, 20, 0, 0, 0, 0, time.UTC)
		at := func(name string) time.Time {
			return from.Add(time.Duration(rapid.IntRange(-5*24*60, 300*24*60).Draw(t, name)) * time.Minute)
		}
		begin := at("begin")
		end := begin.Add(time.Duration(rapid.IntRange(0, 300*24).Draw(t, "hours")) * time.Hour)
		table := cal.Timetable(begin, end)
		a, b := at("a"), at("b")
		d := time.Duration(rapid.IntRange(0, 40*60).Draw(t, "d")) * time.Minute
		if got, want := table.Open(a), cal.Open(a); got != want {
			t.Fatalf("open at %s: %t, the calendar says %t", a, got, want)
		}
		if got, want := table.Between(a, b), cal.Between(a, b); got != want {
			t.Fatalf("from %s to %s: %s, the calendar says %s", a, b, got, want)
		}
		if got, want := table.Add(a, d), cal.Add(a, d); !got.Equal(want) {
			t.Fatalf("%s after %s: %s, the calendar says %s", d, a, got, want)
		}
		if got, want := table.NextOpen(a), cal.NextOpen(a); !got.Equal(want) {
			t.Fatalf("opens after %s: %s, the calendar says %s", a, got, want)
		}
	})
}

// TestTimetableOfYears: a period longer than the calendar looks ahead is whole.
func TestTimetableOfYears(t *testing.T) {
	cal := businesstime.Weekdays(zone(t, "America/New_York"))
	from := time.Date(2016, 1, 1, 0, 0, 0, 0, time.UTC)
	table := cal.Timetable(from, from.AddDate(8, 0, 0))
	if got, want := table.Between(from, from.AddDate(8, 0, 0)), time.Duration(2086*9)*time.Hour; got != want {
		t.Errorf("%s of business time in 2,086 weekdays of nine hours, want %s", got, want)
	}
	never := businesstime.Calendar{Zone: time.UTC}.Timetable(from, from.AddDate(1, 0, 0))
	if never.Open(from) || never.Between(from, from.AddDate(1, 0, 0)) != 0 {
		t.Error("what never opens has business time")
	}
}

func location(t *rapid.T, name string) *time.Location {
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}
