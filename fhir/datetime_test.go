package fhir_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ringback-health/ringback/fhir"
)

var noon = time.Date(2026, 3, 8, 12, 0, 0, 0, time.UTC)

func TestParseDateTime(t *testing.T) {
	cases := []struct {
		in        string
		precision fhir.Precision // 0: refused
		zone      bool
		utc, out  string // out "": as in
	}{
		{"2026", fhir.Year, false, "2026-01-01T00:00:00Z", ""},
		{"2026-03", fhir.Month, false, "2026-03-01T00:00:00Z", ""},
		{"2026-03-08", fhir.Day, false, "2026-03-08T00:00:00Z", ""},
		{"2024-02-29", fhir.Day, false, "2024-02-29T00:00:00Z", ""},
		{"2026-03-08T12:00:00Z", fhir.Second, true, "2026-03-08T12:00:00Z", ""},
		{"2026-03-08T12:00:00.000Z", fhir.Second, true, "2026-03-08T12:00:00Z", "2026-03-08T12:00:00Z"},
		{"2026-03-08T12:00:00.25-05:00", fhir.Second, true, "2026-03-08T17:00:00.25Z", ""},
		{"2026-03-08T12:00:00.1234567899Z", fhir.Second, true, "2026-03-08T12:00:00.123456789Z", "2026-03-08T12:00:00.123456789Z"},
		{"2026-03-08T12:00:00+14:00", fhir.Second, true, "2026-03-07T22:00:00Z", ""},
		{"2026-03-08T12:00:00+05:45", fhir.Second, true, "2026-03-08T06:15:00Z", ""},
		{"2026-03-08T12:00:00-00:00", fhir.Second, true, "2026-03-08T12:00:00Z", "2026-03-08T12:00:00Z"},
		{"2016-12-31T23:59:60Z", fhir.Second, true, "2017-01-01T00:00:00Z", "2017-01-01T00:00:00Z"},
		{"2026-03-08T12:00:00", fhir.Second, false, "2026-03-08T12:00:00Z", ""},
		{in: ""}, {in: "0000"}, {in: "26"}, {in: "2026-13"}, {in: "2026-00"}, {in: "2026-3-8"}, {in: "2026-02-30"}, {in: "2025-02-29"},
		{in: "2026-04-31"}, {in: "2026-03-08T12:00Z"}, {in: "2026-03-08T24:00:00Z"}, {in: "2026-03-08 12:00:00Z"}, {in: "2026-03-08T12:00:00z"},
		{in: "2026-03-08T12:00:00+14:01"}, {in: "2026-03-08T12:00:00+0500"}, {in: "2026-03-08T12:00:00.Z"}, {in: "2026-03-08T12:60:00Z"},
		{in: "2026-03-08T12:00:61Z"}, {in: "31/12/2026 9am"}, {in: " 2026"}, {in: "2026\n"}, {in: "2026-03-08T"}, {in: "٢٠٢٦"},
		{in: "9999-12-31T23:59:60Z"}, {in: "-2026"}, {in: "12026"},
	}
	for _, c := range cases {
		d, err := fhir.ParseDateTime(c.in)
		if c.precision == 0 {
			if err == nil || !d.IsZero() || c.in != "" && strings.Contains(err.Error(), c.in) {
				t.Errorf("%q: %v %v", c.in, d, err)
			}
			continue
		}
		if c.out == "" {
			c.out = c.in
		}
		if err != nil || d.Precision != c.precision || d.HasZone != c.zone || d.Time.UTC().Format(time.RFC3339Nano) != c.utc || d.Format() != c.out {
			t.Errorf("%q: %+v %v %q", c.in, d, err, d.Format())
		}
		_, err = fhir.ParseDate(c.in)
		if (err == nil) != (c.precision != fhir.Second) {
			t.Errorf("%q as a date: %v", c.in, err)
		}
		instant, err := fhir.ParseInstant(c.in)
		if (err == nil) != c.zone || err == nil && !instant.Equal(d.Time) {
			t.Errorf("%q as an instant: %v", c.in, err)
		}
	}
}

func TestRange(t *testing.T) {
	newYork, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct{ in, start, end string }{
		{"2026", "2026-01-01T05:00:00Z", "2027-01-01T05:00:00Z"},
		{"2026-03", "2026-03-01T05:00:00Z", "2026-04-01T04:00:00Z"},
		{"2026-03-08", "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z"}, // clocks go forward: 23 hours
		{"2026-11-01", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"}, // and back: 25
		{"2026-12-31", "2026-12-31T05:00:00Z", "2027-01-01T05:00:00Z"},
		{"2026-03-08T12:00:00", "2026-03-08T16:00:00Z", "2026-03-08T16:00:01Z"},
		{"2026-03-08T12:00:00.75Z", "2026-03-08T12:00:00Z", "2026-03-08T12:00:01Z"},
		{"2026-03-08T12:00:00+02:00", "2026-03-08T10:00:00Z", "2026-03-08T10:00:01Z"},
	}
	for _, c := range cases {
		d, err := fhir.ParseDateTime(c.in)
		if err != nil {
			t.Fatal(err)
		}
		start, end := d.Range(newYork)
		if got := [2]string{start.UTC().Format(time.RFC3339), end.UTC().Format(time.RFC3339)}; got != [2]string{c.start, c.end} {
			t.Errorf("%s: %v, want %s %s", c.in, got, c.start, c.end)
		}
	}
}

func TestNewDateTimeWritesOnlyOffsetsThatFHIRHas(t *testing.T) {
	for offset, want := range map[int]string{
		0: "2026-03-08T12:00:00Z", -5 * 3600: "2026-03-08T07:00:00-05:00",
		-4*3600 - 56*60 - 2: "2026-03-08T12:00:00Z", 15 * 3600: "2026-03-08T12:00:00Z",
	} {
		if got := fhir.NewDateTime(noon.In(time.FixedZone("", offset))).Format(); got != want {
			t.Errorf("%d: %s, want %s", offset, got, want)
		}
	}
	if (fhir.DateTime{}).Format() != "" {
		t.Error("the zero DateTime is absent")
	}
}

// TestDateTimeRoundTrip: what is written is read back as the same.
func TestDateTimeRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := drawDateTime(rt, "at")
		got, err := fhir.ParseDateTime(d.Format())
		if err != nil || !same(got, d) {
			rt.Fatalf("%s: %+v %v", d.Format(), got, err)
		}
	})
}

// drawDateTime draws a date that can be written.
func drawDateTime(t *rapid.T, label string) fhir.DateTime {
	at := time.Unix(rapid.Int64Range(-62135596800+86400, 253402300799-86400).Draw(t, label), rapid.Int64Range(0, 999999999).Draw(t, label+" ns"))
	offset := rapid.IntRange(-14*60, 14*60).Draw(t, label+" offset")
	d := fhir.NewDateTime(at.In(time.FixedZone("", offset*60)))
	if p := rapid.SampledFrom([]fhir.Precision{fhir.Year, fhir.Month, fhir.Day, fhir.Second}).Draw(t, label+" precision"); p != fhir.Second {
		y, m, day := d.Time.Date()
		if p == fhir.Year {
			m = 1
		}
		if p != fhir.Day {
			day = 1
		}
		d = fhir.DateTime{Time: time.Date(y, m, day, 0, 0, 0, 0, time.UTC), Precision: p}
	}
	return d
}

func same(a, b fhir.DateTime) bool {
	return a.Time.Equal(b.Time) && a.Precision == b.Precision && a.HasZone == b.HasZone
}

func FuzzParseDateTime(f *testing.F) {
	for _, s := range []string{"2026", "2026-03", "2026-03-08", "2026-03-08T12:00:00Z", "2026-03-08T12:00:00.123456789-05:00", "2016-12-31T23:59:60+14:00", "0000-00-00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := fhir.ParseDateTime(s)
		if err != nil {
			return
		}
		again, err := fhir.ParseDateTime(d.Format())
		if err != nil || !same(again, d) || again.Format() != d.Format() {
			t.Fatalf("%q became %q: %+v, %+v, %v", s, d.Format(), d, again, err)
		}
		start, end := d.Range(time.UTC)
		if !start.Before(end) || d.Time.Before(start) || !d.Time.Before(end) {
			t.Fatalf("%q: [%s, %s)", s, start, end)
		}
	})
}
