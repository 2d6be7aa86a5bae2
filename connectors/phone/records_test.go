package phone_test

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ringback-health/ringback/connectors/phone"
)

// records reads everything: one text for each record or damaged row.
func records(t testing.TB, in string, width int) []string {
	t.Helper()
	r, err := phone.NewRecords(strings.NewReader(in))
	if err != nil {
		t.Fatal(err)
	}
	if width > 0 {
		r.Fits = func(fields []string) bool { return len(fields) == width }
	}
	var out []string
	for {
		rec, err := r.Next()
		var damaged *phone.RowError
		switch {
		case errors.Is(err, io.EOF):
			return out
		case errors.As(err, &damaged):
			out = append(out, damaged.Error())
		case err != nil:
			t.Fatal(err)
		default:
			text := fmt.Sprintf("%d %q", rec.Line, rec.Fields)
			if !rec.Ended {
				text += " not ended"
			}
			out = append(out, text)
		}
	}
}

func TestRecords(t *testing.T) {
	for _, c := range []struct {
		name, in string
		width    int
		want     []string
	}{
		{"plain", "a,b\nc,d\n", 2, []string{`1 ["a" "b"]`, `2 ["c" "d"]`}},
		{"quoted", `"a","b ""c"" d",""` + "\n", 3, []string{`1 ["a" "b \"c\" d" ""]`}},
		{"empty cells", ",,\n", 3, []string{`1 ["" "" ""]`}},
		{"blank lines", "a\n\n  \nb\n", 1, []string{`1 ["a"]`, `2 []`, `3 []`, `4 ["b"]`}},
		{"line breaks in a cell", "\"a\nb\r\nc\",d\ne,f\n", 2, []string{`1 ["a\nb\nc" "d"]`, `4 ["e" "f"]`}},
		{"no line break last", "a,b\nc,d", 2, []string{`1 ["a" "b"]`, `2 ["c" "d"] not ended`}},
		{"cut off", "a,b\n\"c,d", 2, []string{`1 ["a" "b"]`, "line 2: cut off: the last row ends inside a quoted cell"}},
		{"a quote that never closes costs one row", "\"a,b\nc,d\ne,f\n", 2, []string{"line 1: its quotes do not match", `2 ["c" "d"]`, `3 ["e" "f"]`}},
		{"a quote too few, and quotes in the next row", "\"a,b\n\"c\",\"d\"\n\"e\",f\n", 2, []string{"line 1: its quotes do not match", `2 ["c" "d"]`, `3 ["e" "f"]`}},
		{"two stray quotes do not make one row", "\"a,b\nc,d\"\ne,f\n", 2, []string{"line 1: its quotes do not match", `2 ["c" "d\""]`, `3 ["e" "f"]`}},
		{"quotes not doubled", `""A" <1>","b"` + "\n", 2, []string{`1 ["\"A\" <1>" "b"]`}},
		{"one quote not doubled", "\"6\" pipe\",\"b\"\nc,d\n", 2, []string{`1 ["6\" pipe" "b"]`, `2 ["c" "d"]`}},
		{"a quote inside a plain cell", "a \"b\",c\n", 2, []string{`1 ["a \"b\"" "c"]`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, records(t, c.in, c.width)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLongLine(t *testing.T) {
	long := strings.Repeat("x", 1<<20) + "\n"
	got := records(t, "a\n"+long+"b\n\""+long+"c\n", 1)
	want := []string{`1 ["a"]`, "line 2: longer than 1048576 bytes", `3 ["b"]`, "line 4: longer than 1048576 bytes", `5 ["c"]`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestPeek(t *testing.T) {
	r, err := phone.NewRecords(strings.NewReader("a\nb\nc\n"))
	if err != nil {
		t.Fatal(err)
	}
	lines, err := r.Peek(2)
	if err != nil || strings.Join(lines, " ") != "a b" {
		t.Fatalf("%q, %v", lines, err)
	}
	if rec, err := r.Next(); err != nil || rec.Line != 1 || rec.Fields[0] != "a" {
		t.Errorf("%+v, %v: peeking used a line", rec, err)
	}
	if lines, err := r.Peek(9); err != nil || strings.Join(lines, " ") != "b c" {
		t.Errorf("%q, %v", lines, err)
	}
}

// TestRecordsAgreeWithCSV: what a writer of CSV wrote is read back as it was,
// whatever stands in the cells.
func TestRecordsAgreeWithCSV(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		width := rapid.IntRange(2, 5).Draw(t, "width")
		cell := rapid.StringMatching(`[a-c",; \n\x{e9}]{0,8}`)
		rows := rapid.SliceOfN(rapid.SliceOfN(cell, width, width), 1, 6).Draw(t, "rows")
		var b strings.Builder
		w := csv.NewWriter(&b)
		if err := w.WriteAll(rows); err != nil {
			t.Fatal(err)
		}
		r, err := phone.NewRecords(strings.NewReader(b.String()))
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range rows {
			rec, err := r.Next()
			if err != nil {
				t.Fatalf("row %d: %v", i, err)
			}
			if diff := cmp.Diff(want, rec.Fields); diff != "" {
				t.Fatal(diff)
			}
		}
		if _, err := r.Next(); !errors.Is(err, io.EOF) {
			t.Fatalf("more than was written: %v", err)
		}
	})
}
