package fhir_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ringback-health/ringback/fhir"
	"github.com/ringback-health/ringback/internal/fault"
)

func TestPatchOf(t *testing.T) {
	for _, c := range []struct{ before, after, want string }{
		{`{"a":1}`, `{"a": 1}`, `[]`},
		{`{"a":[1, 2]}`, `{"a":[1,2]}`, `[]`},
		{`{"a":1}`, `{"a":1.0}`, `[{"op":"replace","path":"/a","value":1.0}]`},
		{`{"a":1,"b":2}`, `{"b":2,"c":"<x>"}`, `[{"op":"remove","path":"/a"},{"op":"add","path":"/c","value":"<x>"}]`},
		{`{}`, `{"a/b~c":null}`, `[{"op":"add","path":"/a~1b~0c","value":null}]`},
		{`{"a":1,"a":2}`, `{"a":2}`, `[]`},
		{`{"a":1,"a":2}`, `{}`, `[{"op":"remove","path":"/a"}]`},
		{`{}`, `{"a":1,"a":2}`, `[{"op":"add","path":"/a","value":2}]`},
	} {
		got, err := fhir.PatchOf([]byte(c.before), []byte(c.after))
		if err != nil || string(got) != c.want {
			t.Errorf("%s to %s: %s, %v; want %s", c.before, c.after, got, err, c.want)
		}
	}
	for _, bad := range []string{``, `[]`, `{"a":`} {
		if _, err := fhir.PatchOf([]byte(bad), []byte(`{}`)); err == nil {
			t.Errorf("a patch of %q", bad)
		}
		if _, err := fhir.PatchOf([]byte(`{}`), []byte(bad)); err == nil {
			t.Errorf("a patch to %q", bad)
		}
	}
}

// TestPatchLeadsThere applies each patch as RFC 6902 says.
func TestPatchLeadsThere(t *testing.T) {
	names := rapid.SampledFrom([]string{"a", "A", "b/c", "~", "note"})
	values := rapid.SampledFrom([]string{`1`, `1.10`, `null`, `"x"`, `[1,{"b":2}]`, `{}`})
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string) map[string]json.RawMessage {
			m := map[string]json.RawMessage{}
			for range rapid.IntRange(0, 5).Draw(t, label) {
				m[names.Draw(t, "name")] = json.RawMessage(values.Draw(t, "value"))
			}
			return m
		}
		have, want := draw("before"), draw("after")
		before, _ := json.Marshal(have)
		after, _ := json.Marshal(want)
		raw, err := fhir.PatchOf(before, after)
		if err != nil {
			t.Fatal(err)
		}
		var ops []struct {
			Op, Path string
			Value    json.RawMessage
		}
		if err := json.Unmarshal(raw, &ops); err != nil {
			t.Fatal(err)
		}
		for _, op := range ops {
			name := strings.NewReplacer("~1", "/", "~0", "~").Replace(op.Path[1:])
			if _, there := have[name]; there != (op.Op != "add") {
				t.Fatalf("%s of a member that is there: %t", op.Op, there)
			}
			if op.Op == "remove" {
				delete(have, name)
				continue
			}
			have[name] = op.Value
		}
		got, _ := json.Marshal(have)
		if string(got) != string(after) {
			t.Fatalf("%s leads from %s to %s, want %s", raw, before, got, after)
		}
	})
}

func TestPatchIsSent(t *testing.T) {
	const patch = `[{"op":"replace","path":"/status","value":"completed"}]`
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPatch || r.URL.Path != "/fhir/Task/7" || r.Header.Get("Content-Type") != fhir.PatchType {
			t.Errorf("%s %s %v", r.Method, r.URL, r.Header)
		}
		if r.Header.Get("If-Unmodified-Since") != "Sun, 08 Mar 2026 12:00:00 GMT" || r.Header.Get("If-Match") != "" {
			answer(409, errorBody)(w, r)
			return
		}
		answer(200, "", `ETag: W/"4"`)(w, r)
	})
	got, err := c.Patch(t.Context(), "Task", "7", []byte(patch), fhir.Guard{Unmodified: noon})
	if err != nil || got.Version != "4" || got.ID != "7" || got.Body != nil {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := c.Patch(t.Context(), "Task", "7", []byte(patch), fhir.Guard{Version: "3"}); !fault.Is(err, fault.Conflict) {
		t.Errorf("a 409 gives %q: %v", fault.Of(err), err)
	}
}

// TestWhatAServerOffers: parameters that all types have, and the formats of a patch.
func TestWhatAServerOffers(t *testing.T) {
	statement := func(patchFormat string) fhir.Capabilities {
		caps, err := fhir.ParseCapabilities([]byte(`{"resourceType":"CapabilityStatement",` + patchFormat + `"rest":[{"mode":"server",
			"searchParam":[{"name":"_lastUpdated","type":"date"},{"name":"identifier","type":"string"}],
			"resource":[{"type":"Task","interaction":[{"code":"search-type"},{"code":"patch"}],"searchParam":[{"name":"identifier","type":"token"}]},
				{"type":"Patient","interaction":[{"code":"read"}]}]}]}`))
		if err != nil {
			t.Fatal(err)
		}
		return caps
	}
	c := statement("")
	if !c.Searches("Task", "identifier", "_lastUpdated") || c.Searches("Task", "identifier", "code") || c.Searches("Patient", "_lastUpdated") || c.Searches("Basic") {
		t.Errorf("%+v", c.Resources)
	}
	if c.Resources["Task"].SearchParams["identifier"] != "token" {
		t.Error("the parameter of all types hides that of the type")
	}
	for format, want := range map[string]bool{"": true, `"patchFormat":["application/json-patch+json"],`: true, `"patchFormat":["json"],`: true,
		`"patchFormat":["application/fhir+json","application/xml-patch+xml"],`: false} {
		if got := statement(format).CanPatch("Task"); got != want {
			t.Errorf("%s: %t", format, got)
		}
	}
	if statement("").CanPatch("Patient") || !slices.Equal(statement(`"patchFormat":["json"],`).PatchFormats, []string{"json"}) {
		t.Error("a type without the interaction takes a patch")
	}
}
