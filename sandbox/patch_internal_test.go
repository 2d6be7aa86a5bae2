package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestPatch follows the examples of RFC 6902 appendix A and the corners of RFC 6901.
func TestPatch(t *testing.T) {
	for name, c := range map[string]struct {
		doc, patch, want string // want "" stands for a patch that cannot be applied
	}{
		"add member":                  {`{"foo":"bar"}`, `[{"op":"add","path":"/baz","value":"qux"}]`, `{"foo":"bar","baz":"qux"}`},
		"add element":                 {`{"foo":["bar","baz"]}`, `[{"op":"add","path":"/foo/1","value":"qux"}]`, `{"foo":["bar","qux","baz"]}`},
		"add at the end":              {`{"foo":["bar"]}`, `[{"op":"add","path":"/foo/-","value":["abc"]}]`, `{"foo":["bar",["abc"]]}`},
		"add at the length":           {`{"foo":["bar"]}`, `[{"op":"add","path":"/foo/1","value":null}]`, `{"foo":["bar",null]}`},
		"add past the end":            {`{"foo":["bar"]}`, `[{"op":"add","path":"/foo/2","value":1}]`, ``},
		"add to an empty array":       {`{"foo":[]}`, `[{"op":"add","path":"/foo/0","value":1}]`, `{"foo":[1]}`},
		"add over a member":           {`{"foo":1,"bar":2}`, `[{"op":"add","path":"/foo","value":3}]`, `{"foo":3,"bar":2}`},
		"add the document":            {`{"foo":1}`, `[{"op":"add","path":"","value":{"a":1}}]`, `{"a":1}`},
		"add without parent":          {`{"foo":1}`, `[{"op":"add","path":"/a/b","value":1}]`, ``},
		"add below a string":          {`{"foo":"x"}`, `[{"op":"add","path":"/foo/0","value":1}]`, ``},
		"unknown members":             {`{"foo":"bar"}`, `[{"op":"add","path":"/baz","value":1,"xyz":123}]`, `{"foo":"bar","baz":1}`},
		"remove member":               {`{"baz":"qux","foo":"bar"}`, `[{"op":"remove","path":"/baz"}]`, `{"foo":"bar"}`},
		"remove element":              {`{"foo":["bar","qux","baz"]}`, `[{"op":"remove","path":"/foo/1"}]`, `{"foo":["bar","baz"]}`},
		"remove nothing":              {`{"foo":1}`, `[{"op":"remove","path":"/bar"}]`, ``},
		"remove dash":                 {`{"foo":[1]}`, `[{"op":"remove","path":"/foo/-"}]`, ``},
		"remove the document":         {`{"foo":1}`, `[{"op":"remove","path":""}]`, ``},
		"replace":                     {`{"baz":"qux","foo":"bar"}`, `[{"op":"replace","path":"/baz","value":"boo"}]`, `{"baz":"boo","foo":"bar"}`},
		"replace nothing":             {`{"foo":1}`, `[{"op":"replace","path":"/bar","value":1}]`, ``},
		"replace by null":             {`{"foo":1}`, `[{"op":"replace","path":"/foo","value":null}]`, `{"foo":null}`},
		"move member":                 {`{"foo":{"bar":"baz","waldo":"fred"},"qux":{"corge":"grault"}}`, `[{"op":"move","from":"/foo/waldo","path":"/qux/thud"}]`, `{"foo":{"bar":"baz"},"qux":{"corge":"grault","thud":"fred"}}`},
		"move element":                {`{"foo":["all","grass","cows","eat"]}`, `[{"op":"move","from":"/foo/1","path":"/foo/3"}]`, `{"foo":["all","cows","eat","grass"]}`},
		"move into itself":            {`{"foo":{"bar":1}}`, `[{"op":"move","from":"/foo","path":"/foo/bar"}]`, ``},
		"move an element into itself": {`{"foo":[{"a":1},{"b":2}]}`, `[{"op":"move","from":"/foo/0","path":"/foo/0/x"}]`, ``},
		"move to itself":              {`{"foo":1,"bar":2}`, `[{"op":"move","from":"/foo","path":"/foo"}]`, `{"foo":1,"bar":2}`},
		"copy":                        {`{"foo":{"a":1}}`, `[{"op":"copy","from":"/foo","path":"/bar"},{"op":"replace","path":"/bar/a","value":2}]`, `{"foo":{"a":1},"bar":{"a":2}}`},
		"copy nothing":                {`{"foo":1}`, `[{"op":"copy","from":"/x","path":"/bar"}]`, ``},
		"test":                        {`{"baz":"qux","foo":["a",2,"c"]}`, `[{"op":"test","path":"/baz","value":"qux"},{"op":"test","path":"/foo/1","value":2.0}]`, `{"baz":"qux","foo":["a",2,"c"]}`},
		"test another order":          {`{"a":{"x":1,"y":[null]}}`, `[{"op":"test","path":"/a","value":{"y":[null],"x":1e0}}]`, `{"a":{"x":1,"y":[null]}}`},
		"test fails":                  {`{"baz":"qux"}`, `[{"op":"test","path":"/baz","value":"bar"}]`, ``},
		"test another type":           {`{"/":9,"~1":10}`, `[{"op":"test","path":"/~01","value":"10"}]`, ``},
		"escapes":                     {`{"/":9,"~1":10}`, `[{"op":"test","path":"/~01","value":10},{"op":"test","path":"/~1","value":9}]`, `{"/":9,"~1":10}`},
		"empty name":                  {`{"":1}`, `[{"op":"replace","path":"/","value":2}]`, `{"":2}`},
		"leading zero":                {`{"foo":[1,2]}`, `[{"op":"remove","path":"/foo/01"}]`, ``},
		"negative index":              {`{"foo":[1,2]}`, `[{"op":"remove","path":"/foo/-1"}]`, ``},
		"all or nothing":              {`{"foo":1}`, `[{"op":"remove","path":"/foo"},{"op":"remove","path":"/foo"}]`, ``},
		"text beside it stays":        {`{"a":1.10,"b":"\u00e9<","c":[1, 2]}`, `[{"op":"add","path":"/c/0","value":0}]`, `{"a":1.10,"b":"\u00e9<","c":[0,1,2]}`},
		"no operations":               {`{"foo":1}`, `[]`, `{"foo":1}`},
		"escaped name in the way":     {`{"a/b":{"c~d":1}}`, `[{"op":"replace","path":"/a~1b/c~0d","value":2}]`, `{"a/b":{"c~d":2}}`},
	} {
		t.Run(name, func(t *testing.T) {
			ops, err := parsePatch([]byte(c.patch))
			if err != nil {
				t.Fatal(err)
			}
			got, err := applyPatch(json.RawMessage(c.doc), ops)
			if c.want == "" {
				if p := asProblem(err); p == nil || p.Status != http.StatusUnprocessableEntity {
					t.Fatalf("got %s, %v; want a 422", got, err)
				}
				return
			}
			if err != nil || string(got) != c.want {
				t.Fatalf("got %s, %v; want %s", got, err, c.want)
			}
		})
	}
}

func TestPatchIsRefused(t *testing.T) {
	for _, patch := range []string{
		``, `{}`, `null`, `[1]`, `[{}]`, `[{"op":"add","path":"/a"}]`, `[{"op":"ADD","path":"/a","value":1}]`,
		`[{"op":"add","path":"a","value":1}]`, `[{"op":"add","path":"/~2","value":1}]`, `[{"op":"add","path":"/~","value":1}]`,
		`[{"op":"add","path":1,"value":1}]`, `[{"op":"move","path":"/a"}]`, `[{"op":"copy","from":"x","path":"/a"}]`,
		`[{"op":"remove","op":"add","path":"/a"}]`,
	} {
		if _, err := parsePatch([]byte(patch)); err == nil || asProblem(err).Status != http.StatusBadRequest {
			t.Errorf("%s: got %v, want a 400", patch, err)
		}
	}
	// Each copy doubles the document.
	var copies []string
	for i := range 40 {
		copies = append(copies, fmt.Sprintf(`{"op":"copy","from":"","path":"/x%d"}`, i))
	}
	ops, err := parsePatch([]byte("[" + strings.Join(copies, ",") + "]"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := applyPatch(json.RawMessage(`{"a":"`+strings.Repeat("x", 1000)+`"}`), ops); err == nil {
		t.Error("a document may grow without limit")
	}
}

// TestPatchUndoesItself adds a value at a new place and removes it again.
func TestPatchUndoesItself(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		doc := json.RawMessage(`{"a":[1,{"b":"x"}],"c~/":{"d":null}}`)
		path := rapid.SampledFrom([]string{"/a/0", "/a/1", "/a/2", "/a/1/new", "/c~0~1/new", "/new"}).Draw(t, "path")
		value := encode(rapid.String().Draw(t, "value"))
		ops, err := parsePatch([]byte(`[{"op":"add","path":"` + path + `","value":` + string(value) + `},{"op":"test","path":"` + path + `","value":` + string(value) + `},{"op":"remove","path":"` + path + `"}]`))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := applyPatch(doc, ops); err != nil || string(got) != string(doc) {
			t.Fatalf("got %s, %v", got, err)
		}
	})
}

func FuzzPatch(f *testing.F) {
	for _, seed := range []string{
		`[{"op":"add","path":"/a/-","value":{"x":[1]}},{"op":"move","from":"/a/0","path":"/b"}]`,
		`[{"op":"copy","from":"","path":"/a/0"},{"op":"test","path":"","value":{}}]`,
		`[{"op":"remove","path":"/c~1d/e"}]`,
	} {
		f.Add(`{"a":[1,"x"],"c/d":{"e":1.0}}`, seed)
	}
	f.Fuzz(func(t *testing.T, doc, patch string) {
		ops, err := parsePatch([]byte(patch))
		if err != nil || !json.Valid([]byte(doc)) {
			return
		}
		got, err := applyPatch(json.RawMessage(doc), ops)
		if err != nil {
			if asProblem(err).Status != http.StatusUnprocessableEntity {
				t.Fatalf("%v", err)
			}
			return
		}
		if !json.Valid(got) {
			t.Fatalf("not JSON any more: %s", got)
		}
	})
}
