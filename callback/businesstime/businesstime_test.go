package businesstime_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ringback-health/ringback/callback/businesstime"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func spans(t testing.TB, ss ...string) []businesstime.Interval {
	t.Helper()
	var out []businesstime.Interval
	for _, s := range ss {
		i, err := businesstime.ParseInterval(s)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, i)
	}
	return out
}

// TestAdd lists what a clerk would work out with a calendar on the wall.
func TestAdd(t *testing.T) {
	ny := businesstime.Weekdays(zone(t, "America/New_York"))
	lunch := ny
	for d := time.Monday; d <= time.Friday; d++ {
		lunch.Week[d] = spans(t, "08:00-12:00", "13:00-17:00")
	}
	closed := ny
	closed.Close = map[string]bool{"2026-11-26": true}
	night := businesstime.Calendar{Zone: zone(t, "America/New_York")}
	night.Week[time.Sunday] = spans(t, "00:00-24:00")
	phoenix := businesstime.Weekdays(zone(t, "America/Phoenix"))
	london := businesstime.Weekdays(zone(t, "Europe/London"))

	for _, c := range []struct {
		name, from, want string
		cal              businesstime.Calendar
		d                time.Duration
	}{
		{"within the day", "2026-11-24T10:00:00-05:00", "2026-11-24T12:00:00-05:00", ny, 2 * time.Hour},
		{"up to closing", "2026-11-24T16:00:00-05:00", "2026-11-24T17:00:00-05:00", ny, time.Hour},
		{"over night", "2026-11-24T16:30:00-05:00", "2026-11-25T08:30:00-05:00", ny, time.Hour},
		{"over the weekend", "2026-11-27T16:30:00-05:00", "2026-11-30T09:30:00-05:00", ny, 2 * time.Hour},
		{"before opening", "2026-11-24T03:00:00-05:00", "2026-11-24T08:15:00-05:00", ny, 15 * time.Minute},
		{"after closing on Saturday", "2026-11-28T22:00:00-05:00", "2026-11-30T09:00:00-05:00", ny, time.Hour},
		{"over lunch", "2026-11-24T11:30:00-05:00", "2026-11-24T13:30:00-05:00", lunch, time.Hour},
		{"over a closure", "2026-11-25T16:30:00-05:00", "2026-11-27T08:30:00-05:00", closed, time.Hour},
		{"the 25-hour day", "2026-11-01T00:00:00-04:00", "2026-11-01T03:00:00-05:00", night, 4 * time.Hour},
		{"the 23-hour day", "2027-03-14T00:00:00-05:00", "2027-03-14T05:00:00-04:00", night, 4 * time.Hour},
		{"no summer time in Phoenix", "2027-03-12T16:30:00-07:00", "2027-03-15T08:30:00-07:00", phoenix, time.Hour},
		{"London's last summer weekend", "2026-10-23T16:30:00+01:00", "2026-10-26T08:30:00Z", london, time.Hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			from, _ := time.Parse(time.RFC3339, c.from)
			want, _ := time.Parse(time.RFC3339, c.want)
			if got := c.cal.Add(from.UTC(), c.d); !got.Equal(want) {
				t.Errorf("got %s, want %s", got.In(c.cal.Zone), want)
			}
		})
	}
}

func TestAddDays(t *testing.T) {
	ny := businesstime.Weekdays(zone(t, "America/New_York"))
	ny.Close = map[string]bool{"2026-11-26": true}
	for _, c := range []struct {
		from string
		n    int
		want string
	}{
		{"2026-11-24T10:00:00-05:00", 0, "2026-11-24T17:00:00-05:00"},
		{"2026-11-24T18:00:00-05:00", 0, "2026-11-25T17:00:00-05:00"},
		{"2026-11-25T10:00:00-05:00", 1, "2026-11-27T17:00:00-05:00"},
		{"2026-11-27T10:00:00-05:00", 1, "2026-11-30T17:00:00-05:00"},
	} {
		from, _ := time.Parse(time.RFC3339, c.from)
		want, _ := time.Parse(time.RFC3339, c.want)
		if got := ny.AddDays(from, c.n); !got.Equal(want) {
			t.Errorf("%s + %d days: got %s, want %s", c.from, c.n, got.In(ny.Zone), want)
		}
	}
}

// TestAddAndBetweenAgree: what Add walks, Between measures.
func TestAddAndBetweenAgree(t *testing.T) {
	outer := t
	zones := []string{"America/New_York", "America/Phoenix", "Europe/London"}
	rapid.Check(t, func(t *rapid.T) {
		c := businesstime.Weekdays(zone(outer, rapid.SampledFrom(zones).Draw(t, "zone")))
		c.Week[time.Wednesday] = []businesstime.Interval{{Start: 60, End: 90}, {Start: 120, End: 1440}}
		c.Close = map[string]bool{"2026-12-25": true}
		from := time.Unix(rapid.Int64Range(1767225600, 1830297600).Draw(t, "from"), 0)
		d := time.Duration(rapid.Int64Range(1, 100_000).Draw(t, "seconds")) * time.Second
		to := c.Add(from, d)
		if got := c.Between(from, to); got != d {
			t.Fatalf("%s + %s = %s, but between them are %s", from.In(c.Zone), d, to.In(c.Zone), got)
		}
		if c.Between(to, from) != 0 {
			t.Fatal("business time does not run backwards")
		}
		if !c.NextOpen(from).Before(to) {
			t.Fatal("time passes only after the next opening")
		}
	})
}

func TestValidate(t *testing.T) {
	c := businesstime.Calendar{Zone: time.UTC}
	if c.Validate() == nil {
		t.Error("a clinic that is never open should be refused")
	}
	c.Week[1] = spans(t, "08:00-12:00", "11:00-13:00")
	if c.Validate() == nil {
		t.Error("overlapping spans should be refused")
	}
	for _, s := range []string{"", "8", "08:00-25:00", "17:00-08:00", "08:00-08:00", "x-y"} {
		if _, err := businesstime.ParseInterval(s); err == nil {
			t.Errorf("%q should be refused", s)
		}
	}
	never := businesstime.Calendar{Zone: time.UTC}
	if !never.Add(time.Unix(0, 0), time.Second).IsZero() || never.Open(time.Now()) {
		t.Error("a clinic that is never open has no business time")
	}
}
