package fhir_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ringback-health/ringback/fhir"
	"github.com/ringback-health/ringback/internal/redact"
)

func edit(t testing.TB, raw []byte, resourceType string, f func(*fhir.Document)) []byte {
	t.Helper()
	d, err := fhir.Edit(raw, resourceType)
	if err != nil {
		t.Fatal(err)
	}
	f(d)
	out, err := d.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestEditingKeepsEveryOtherMember reads every resource of the corpus, edits
// each of its members in turn, and compares what is left, byte for byte.
func TestEditingKeepsEveryOtherMember(t *testing.T) {
	for path, raw := range corpus(t) {
		before := pairs(t, raw)
		untouched := edit(t, raw, typeIn(path), func(*fhir.Document) {})
		if got := pairs(t, untouched); !slices.Equal(got, before) {
			t.Errorf("%s: opening and closing changed it: %s", path, cmp.Diff(before, got, cmp.AllowUnexported(pair{})))
		}
		if canonical(t, untouched) != canonical(t, raw) {
			t.Errorf("%s: opening and closing changed its meaning", path)
		}
		names := []string{"status", "note", "notThereYet"}
		for _, p := range before {
			if p.name != "resourceType" {
				names = append(names, p.name)
			}
		}
		for _, name := range names {
			others := slices.DeleteFunc(slices.Clone(before), func(p pair) bool { return p.name == name })
			set := edit(t, raw, typeIn(path), func(d *fhir.Document) { d.Set(name, "<new> & shiny") })
			removed := edit(t, raw, typeIn(path), func(d *fhir.Document) { d.Remove(name) })
			gotSet, gotRemoved := pairs(t, set), pairs(t, removed)
			if !slices.Equal(gotRemoved, others) {
				t.Errorf("%s: removing %s changed another member", path, name)
			}
			at := slices.IndexFunc(gotSet, func(p pair) bool { return p.name == name })
			wantAt := slices.IndexFunc(before, func(p pair) bool { return p.name == name })
			if wantAt < 0 {
				wantAt = len(before)
			}
			if at != wantAt || gotSet[at].value != `"<new> & shiny"` {
				t.Errorf("%s: %s stands at %d, want %d: %v", path, name, at, wantAt, gotSet[at])
			}
			if rest := slices.Delete(gotSet, at, at+1); !slices.Equal(rest, others) {
				t.Errorf("%s: setting %s changed another member", path, name)
			}
		}
	}
}

func TestAppendKeepsTheOtherElements(t *testing.T) {
	raw := load(t, "testdata/made/Task-everything.json")
	out := edit(t, raw, "Task", func(d *fhir.Document) {
		d.Append("note", fhir.Annotation{Author: redact.NewText("Ringback"), Text: redact.NewText("third <3")})
		d.Append("relevantHistory", fhir.Reference{Reference: "Provenance/1"})
	})
	got := map[string]string{}
	for _, p := range pairs(t, out) {
		got[p.name] = p.value
	}
	wantNote := `[ {"authorString": "Sam Staff", "time": "2026-03-08", "text": "first"}, {"authorReference": {"reference": "Practitioner/1"}, "text": "second"}, null ,{"authorString":"Ringback","text":"third <3"}]`
	if got["note"] != wantNote {
		t.Errorf("note: %s", got["note"])
	}
	if got["relevantHistory"] != `[{"reference":"Provenance/1"}]` {
		t.Errorf("relevantHistory: %s", got["relevantHistory"])
	}
	for _, empty := range []string{`[]`, `[ ]`, `null`} {
		out := edit(t, []byte(`{"resourceType":"Task","note":`+empty+`}`), "Task", func(d *fhir.Document) { d.Append("note", 1) })
		if canonical(t, out) != `{"note":[1],"resourceType":"Task"}` {
			t.Errorf("%s: %s", empty, out)
		}
	}
}

func TestSetWritesOurTypesWithTheirContent(t *testing.T) {
	canary := redact.NewText("Ann <Example>")
	end := fhir.DateTime{Time: noon, Precision: fhir.Day}
	cases := []struct {
		value any
		want  string
	}{
		{"completed", `"completed"`},
		{true, `true`},
		{json.RawMessage(`{"a":1.10}`), `{"a":1.10}`},
		{canary, `"Ann <Example>"`},
		{redact.NewText("a\x00b\x1f\tc\xff"), "\"ab\\tc\ufffd\""},
		{fhir.Identifier{System: "s", Value: canary}, `{"system":"s","value":"Ann <Example>"}`},
		{fhir.Reference{Reference: "Patient/1", Display: canary}, `{"reference":"Patient/1","display":"Ann <Example>"}`},
		{fhir.Reference{Identifier: fhir.Identifier{Value: canary}}, `{"identifier":{"value":"Ann <Example>"}}`},
		{fhir.Concept{Codings: []fhir.Coding{{Code: "c"}}, Text: canary}, `{"coding":[{"code":"c"}],"text":"Ann <Example>"}`},
		{fhir.NewDateTime(noon), `"2026-03-08T12:00:00Z"`},
		{fhir.Period{End: end}, `{"end":"2026-03-08"}`},
		{[]fhir.Coding{{System: "s", Code: "c", Display: "d"}}, `[{"system":"s","code":"c","display":"d"}]`},
		{[]fhir.Annotation{{AuthorReference: fhir.Reference{Reference: "Practitioner/1"}, Time: end, Text: canary}}, `[{"authorReference":{"reference":"Practitioner/1"},"time":"2026-03-08","text":"Ann <Example>"}]`},
		{[]fhir.Parameter{{Type: fhir.Concept{Text: canary}, Value: fhir.CodeValue("x")}}, `[{"type":{"text":"Ann <Example>"},"valueCode":"x"}]`},
		{[]fhir.Identifier{}, `[]`},
	}
	for _, c := range cases {
		out := edit(t, []byte(`{"resourceType":"Task"}`), "Task", func(d *fhir.Document) { d.Set("x", c.value) })
		if got := pairs(t, out)[1].value; got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

func TestAnEditThatCannotBeWrittenIsReported(t *testing.T) {
	day := fhir.DateTime{Time: noon, Precision: fhir.Day}
	local := fhir.DateTime{Time: noon, Precision: fhir.Second}
	note := redact.NewText("n")
	for name, f := range map[string]func(*fhir.Document){
		"resourceType": func(d *fhir.Document) { d.Set("resourceType", "Patient") },
		"removal":      func(d *fhir.Document) { d.Remove("resourceType") },
		"append":       func(d *fhir.Document) { d.Append("id", "x") },
		"function":     func(d *fhir.Document) { d.Set("x", func() {}) },
		"identifier":   func(d *fhir.Document) { d.Set("x", fhir.Identifier{System: "s"}) },
		"reference":    func(d *fhir.Document) { d.Set("x", fhir.Reference{}) },
		"coding":       func(d *fhir.Document) { d.Set("x", []fhir.Coding{{System: "s"}}) },
		"concept":      func(d *fhir.Document) { d.Set("x", fhir.Concept{Text: redact.NewText(" \x01")}) },
		"period":       func(d *fhir.Document) { d.Set("x", fhir.Period{}) },
		"backwards": func(d *fhir.Document) {
			d.Set("x", fhir.Period{Start: fhir.NewDateTime(noon), End: fhir.NewDateTime(noon.Add(-1))})
		},
		"no zone": func(d *fhir.Document) { d.Set("x", local) },
		"note":    func(d *fhir.Document) { d.Append("note", fhir.Annotation{Time: day}) },
		"two authors": func(d *fhir.Document) {
			d.Append("note", fhir.Annotation{Author: note, AuthorReference: fhir.Reference{Reference: "a"}, Text: note})
		},
		"note time": func(d *fhir.Document) { d.Append("note", fhir.Annotation{Time: local, Text: note}) },
		"parameter": func(d *fhir.Document) { d.Append("input", fhir.Parameter{Type: fhir.Concept{Text: note}}) },
		"no type":   func(d *fhir.Document) { d.Append("input", fhir.Parameter{Value: fhir.StringValue(note)}) },
	} {
		d, err := fhir.Edit([]byte(`{"resourceType":"Task","id":"1"}`), "Task")
		if err != nil {
			t.Fatal(err)
		}
		f(d)
		var broken *fhir.MemberError
		if out, err := d.Bytes(); !errors.As(err, &broken) || out != nil {
			t.Errorf("%s: %s %v", name, out, err)
		}
	}
}

func TestEditNeedsAResourceOfTheType(t *testing.T) {
	for _, raw := range []string{
		``, `null`, `[]`, `"Task"`, `{}`, `{"resourceType":"Patient"}`, `{"ResourceType":"Task"}`, `{"resourceType":"Task"} {}`,
		`{"resourceType":"Task",}`, `{"resourceType":["Task"]}`, `<Task/>`, `{"resourceType":"Task"`,
	} {
		var wrong *fhir.TypeError
		if _, err := fhir.Edit([]byte(raw), "Task"); !errors.As(err, &wrong) {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

func TestRawIsACopy(t *testing.T) {
	raw := []byte(`{"resourceType":"Task","id":"1","id":"22"}`)
	d, err := fhir.Edit(raw, "Task")
	if err != nil {
		t.Fatal(err)
	}
	copy(raw, strings.Repeat("x", len(raw)))
	id := d.Raw("id")
	if string(id) != `"22"` || d.Raw("ID") != nil {
		t.Fatalf("%s", id)
	}
	id[1] = 'x'
	if out, _ := d.Bytes(); string(out) != `{"resourceType":"Task","id":"1","id":"22"}` {
		t.Fatalf("%s", out)
	}
}

// TestDocumentAgainstAModel runs random edits on random objects, with repeated
// names and names that differ in case only, against a list of pairs.
func TestDocumentAgainstAModel(t *testing.T) {
	names := rapid.SampledFrom([]string{"status", "Status", "STATUS", "_status", "note", "é", "a\"b", ""})
	values := rapid.SampledFrom([]string{`1.10`, `"x"`, `null`, `[1, 2.0]`, `{ "b":1, "a":2 }`, `"\u003cdiv"`, `[ ]`})
	rapid.Check(t, func(rt *rapid.T) {
		model := []pair{{"resourceType", `"Task"`}}
		for range rapid.IntRange(0, 6).Draw(rt, "members") {
			model = append(model, pair{names.Draw(rt, "name"), values.Draw(rt, "value")})
		}
		d, err := fhir.Edit(object(model), "Task")
		if err != nil {
			rt.Fatal(err)
		}
		for range rapid.IntRange(1, 6).Draw(rt, "edits") {
			name, value := names.Draw(rt, "edited"), values.Draw(rt, "set")
			is := func(p pair) bool { return p.name == name }
			at := slices.IndexFunc(model, is)
			if rapid.Bool().Draw(rt, "remove") {
				d.Remove(name)
				model = slices.DeleteFunc(model, is)
				continue
			}
			// Compacted, because encoding/json compacts a RawMessage.
			var v any
			_ = json.Unmarshal([]byte(value), &v)
			d.Set(name, v)
			compact, _ := json.Marshal(v)
			model = slices.DeleteFunc(model, is)
			if at < 0 {
				at = len(model)
			}
			model = slices.Insert(model, at, pair{name, strings.ReplaceAll(string(compact), `\u003c`, "<")})
		}
		out, err := d.Bytes()
		if err != nil {
			rt.Fatal(err)
		}
		if got := pairs(t, out); !slices.Equal(got, model) {
			rt.Fatalf("got  %v\nwant %v", got, model)
		}
	})
}

func object(model []pair) []byte {
	var parts []string
	for _, p := range model {
		key, _ := json.Marshal(p.name)
		parts = append(parts, fmt.Sprintf(" %s : %s\n", key, p.value))
	}
	return []byte("{" + strings.Join(parts, ",") + "}")
}

func FuzzEdit(f *testing.F) {
	for _, raw := range corpus(f) {
		f.Add(raw)
	}
	f.Add([]byte("\xef\xbb\xbf{\"resourceType\":\"Task\",\"status\":null}"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		resourceType, err := fhir.ResourceType(raw)
		if err != nil {
			return
		}
		d, err := fhir.Edit(raw, resourceType)
		if err != nil {
			t.Fatalf("a %s that cannot be opened: %v", resourceType, err)
		}
		d.Set("status", "done")
		out, err := d.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		if !json.Valid(out) {
			t.Fatalf("not JSON: %s", out)
		}
		again, err := fhir.Edit(out, resourceType)
		if err != nil || string(again.Raw("status")) != `"done"` {
			t.Fatalf("%v: %s", err, out)
		}
	})
}
