package store_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/ringback-health/ringback/store"
)

// SQLite compares times as text, so the text must sort as the times do.
func TestInstantsSortAsText(t *testing.T) {
	anyTime := rapid.Custom(func(rt *rapid.T) time.Time {
		sec := rapid.Int64Range(-62135596799, 253402300799).Draw(rt, "seconds") // years 1 to 9999
		zone := time.FixedZone("", rapid.IntRange(-14*3600, 14*3600).Draw(rt, "offset"))
		return time.Unix(sec, rapid.Int64Range(0, 999999999).Draw(rt, "ns")).In(zone)
	})
	rapid.Check(t, func(rt *rapid.T) {
		a := anyTime.Draw(rt, "a")
		b := rapid.OneOf(anyTime, rapid.Map(rapid.Int64Range(-5000, 5000), func(ns int64) time.Time {
			return a.Add(time.Duration(ns))
		})).Draw(rt, "b")
		if b.UTC().Year() < 1 || b.UTC().Year() > 9999 {
			rt.Skip()
		}
		ta, tb := text(rt, a), text(rt, b)
		if got, want := strings.Compare(ta, tb), a.UTC().Truncate(time.Microsecond).Compare(b.UTC().Truncate(time.Microsecond)); got != want {
			rt.Fatalf("%s and %s compare as %d, the times as %d", ta, tb, got, want)
		}
		if len(ta) != len(store.InstantLayout) {
			rt.Fatalf("%s is not of the fixed width", ta)
		}
		back, err := store.ScanInstant(ta)
		if err != nil || !back.Equal(a.Truncate(time.Microsecond)) || back.Location() != time.UTC {
			rt.Fatalf("%v came back as %v, %v", a, back, err)
		}
	})
}

func text(rt *rapid.T, t time.Time) string {
	v, err := store.InstantText(t)
	if err != nil {
		rt.Fatal(err)
	}
	return v.(string)
}

func TestInstantEdges(t *testing.T) {
	if v, err := store.InstantText(time.Time{}); v != nil || err != nil {
		t.Errorf("the zero time is stored as %v, %v; want NULL", v, err)
	}
	for _, year := range []int{-1, 0, 10000} {
		if _, err := store.InstantText(time.Date(year, 6, 1, 0, 0, 0, 0, time.UTC)); err == nil {
			t.Errorf("the year %d was stored", year)
		}
	}
	if got, err := store.ScanInstant(nil); !got.IsZero() || err != nil {
		t.Errorf("NULL is %v, %v", got, err)
	}
	for _, bad := range []any{"2026-03-02 12:00:00", "", 7} {
		if _, err := store.ScanInstant(bad); err == nil {
			t.Errorf("%#v was read as a time", bad)
		}
	}
}

func TestPlainTexts(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		in := string(rapid.SliceOf(rapid.Byte()).Draw(rt, "bytes"))
		out := store.Plain(in)
		if !utf8.ValidString(out) || strings.ContainsRune(out, 0) {
			rt.Fatalf("%q became %q", in, out)
		}
		if utf8.ValidString(in) && !strings.ContainsRune(in, 0) && out != in {
			rt.Fatalf("%q, which can be stored, became %q", in, out)
		}
	})
}
