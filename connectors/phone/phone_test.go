package phone_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/connectors/phone"
)

// script is a format whose stream is given.
type script struct {
	name string
	rows []phone.Row
	errs map[int]error // by index of the row before which it comes
	fail error
}

func (s script) Name() string   { return s.name }
func (script) Describe() string { return "scripted" }
func (s script) Parse(io.Reader, phone.Options) (*phone.Stream, error) {
	if s.fail != nil {
		return nil, s.fail
	}
	return &phone.Stream{Layout: "L", Warnings: func() []string { return []string{"W"} }, Rows: func(yield func(phone.Row, error) bool) {
		for i, row := range s.rows {
			if err := s.errs[i]; err != nil && !yield(phone.Row{}, err) {
				return
			}
			if !yield(row, nil) {
				return
			}
		}
	}}, nil
}

func leg(line int) phone.Row { return phone.Row{Line: line, Leg: calls.Leg{Row: line}} }

func TestRead(t *testing.T) {
	s := script{name: "s", rows: []phone.Row{{Line: 1, Skip: "names"}, leg(2), leg(5)}, errs: map[int]error{2: &phone.RowError{Line: 4, Reason: "torn"}}}
	got, err := phone.Read(s, nil, phone.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := []phone.RowNote{{Line: 1, Reason: "names"}, {Line: 4, Reason: "torn", Damaged: true}}
	if diff := cmp.Diff(want, got.Explained); diff != "" {
		t.Error(diff)
	}
	if got.Rows != 4 || len(got.Legs) != 2 || got.Damaged() != 1 || got.Format != "s" || got.Layout != "L" || len(got.Warnings) != 1 {
		t.Errorf("%+v", got)
	}
}

func TestReadFails(t *testing.T) {
	broken := errors.New("broken")
	if _, err := phone.Read(script{fail: broken}, nil, phone.Options{}); !errors.Is(err, broken) {
		t.Error(err)
	}
	got, err := phone.Read(script{rows: []phone.Row{leg(1), leg(2)}, errs: map[int]error{1: broken}}, nil, phone.Options{})
	if !errors.Is(err, broken) || len(got.Legs) != 1 || got.Rows != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestAccount: a row that is in no session, in two, or in one though it was no
// leg, is found.
func TestAccount(t *testing.T) {
	l := phone.Log{Rows: 3, Legs: []calls.Leg{{Row: 2}, {Row: 3}}, Explained: []phone.RowNote{{Line: 1}}}
	for _, c := range []struct {
		name string
		rows [][]int
		says string
	}{
		{"complete", [][]int{{2}, {3}}, ""},
		{"one missing", [][]int{{2}}, "line 3 belongs to no session"},
		{"one twice", [][]int{{2, 3}, {3}}, "line 3 belongs to a session and was no call leg, or to several"},
		{"one that is none", [][]int{{1}, {2, 3}}, "line 1 belongs to a session and was no call leg, or to several"},
	} {
		var sessions []calls.Session
		for _, rows := range c.rows {
			sessions = append(sessions, calls.Session{Rows: rows})
		}
		err := l.Account(sessions)
		if (err != nil) != (c.says != "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	l.Rows = 4
	if l.Account([]calls.Session{{Rows: []int{2, 3}}}) == nil {
		t.Error("a row that is neither leg nor explained is not found")
	}
}

func TestRegistry(t *testing.T) {
	r, err := phone.NewRegistry(script{name: "a"}, script{name: "b"})
	if err != nil {
		t.Fatal(err)
	}
	if f, err := r.Lookup("b"); err != nil || f.Name() != "b" || len(r.Formats()) != 2 {
		t.Errorf("%v, %v", f, err)
	}
	if _, err := r.Lookup("c"); err == nil || !strings.Contains(err.Error(), "a, b") {
		t.Error(err)
	}
	if _, err := phone.NewRegistry(script{name: "a"}, script{name: "a"}); err == nil {
		t.Error("a name that occurs twice is accepted")
	}
	if _, err := phone.NewRegistry(script{}); err == nil {
		t.Error("an empty name is accepted")
	}
}

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestInstant(t *testing.T) {
	for _, c := range []struct{ zone, wall, near, want string }{
		{"America/Chicago", "2026-03-02T08:00:00Z", "", "2026-03-02T14:00:00Z"},
		{"America/Chicago", "2025-11-02T01:30:00Z", "", "2025-11-02T06:30:00Z"},
		{"America/Chicago", "2025-11-02T01:30:00Z", "2025-11-02T07:31:00Z", "2025-11-02T07:30:00Z"},
		{"America/Chicago", "2025-11-02T01:30:00Z", "2025-11-02T06:31:00Z", "2025-11-02T06:30:00Z"},
		{"America/Chicago", "2025-11-02T01:30:00Z", "2025-11-02T07:00:00Z", "2025-11-02T06:30:00Z"}, // as near: the earlier
		{"America/Chicago", "2025-11-02T02:00:00Z", "", "2025-11-02T08:00:00Z"},                     // no longer twice
		{"America/Chicago", "2025-03-09T02:30:00Z", "", "2025-03-09T08:30:00Z"},                     // skipped
		{"America/Chicago", "2025-03-09T03:30:00Z", "", "2025-03-09T08:30:00Z"},
		{"Europe/Berlin", "2025-10-26T02:30:00Z", "", "2025-10-26T00:30:00Z"},
		{"Europe/Berlin", "2025-10-26T02:30:00Z", "2025-10-26T03:00:00Z", "2025-10-26T01:30:00Z"},
		{"Australia/Lord_Howe", "2025-04-06T01:45:00Z", "", "2025-04-05T14:45:00Z"}, // half an hour twice
		{"Pacific/Kiritimati", "2026-03-02T08:00:00Z", "", "2026-03-01T18:00:00Z"},
		{"UTC", "2025-11-02T01:30:00Z", "", "2025-11-02T01:30:00Z"},
	} {
		wall, _ := time.Parse(time.RFC3339, c.wall)
		near, _ := time.Parse(time.RFC3339, c.near) // "" is the zero time
		if got := phone.Instant(wall, zone(t, c.zone), near).UTC().Format(time.RFC3339); got != c.want {
			t.Errorf("%s %s near %q: %s, want %s", c.zone, c.wall, c.near, got, c.want)
		}
	}
}

// TestInstantInverts: every moment comes back from what clocks showed then, if
// that moment is what the log is near to.
func TestInstantInverts(t *testing.T) {
	zones := []*time.Location{zone(t, "America/Chicago"), zone(t, "Europe/Berlin"), zone(t, "Australia/Lord_Howe"), zone(t, "America/St_Johns"), time.UTC}
	rapid.Check(t, func(t *rapid.T) {
		z := rapid.SampledFrom(zones).Draw(t, "zone")
		change := time.Date(2025, rapid.SampledFrom([]time.Month{3, 4, 10, 11}).Draw(t, "month"), 1, 0, 0, 0, 0, time.UTC)
		moment := change.Add(time.Duration(rapid.IntRange(0, 31*24*3600).Draw(t, "second")) * time.Second)
		if got := phone.Instant(moment.In(z), z, moment); !got.Equal(moment) {
			t.Fatalf("%s in %s became %s", moment, z, got.UTC())
		}
	})
}

func TestText(t *testing.T) {
	if got := phone.Text(" Jos\xe9\x00 "); got.Reveal() != "Jos\uFFFD" {
		t.Errorf("%q", got.Reveal())
	}
	if got := phone.RawText(" Jos\xe9\x00 "); got.Reveal() != " Jos\xe9\x00 " {
		t.Errorf("%q", got.Reveal())
	}
	if !phone.Text(" \x00").IsEmpty() {
		t.Error("nothing is something")
	}
}
