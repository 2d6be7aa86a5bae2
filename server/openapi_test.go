package server_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestOpenAPI compares the document with what others build on.
func TestOpenAPI(t *testing.T) {
	r := newRig(t)
	a := r.get("/openapi.json").want(http.StatusOK)
	var got bytes.Buffer
	if err := json.Indent(&got, a.body, "", "  "); err != nil {
		t.Fatal(err)
	}
	got.WriteByte('\n')
	const golden = "testdata/openapi.json"
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("the OpenAPI document changed; look at it and run: go test ./server -run TestOpenAPI -update")
	}
}

// TestOpenAPIHoldsTogether follows every reference and looks for what must not
// be there: the member with which the HTTP library repeats values.
func TestOpenAPIHoldsTogether(t *testing.T) {
	r := newRig(t)
	doc := r.get("/openapi.json").want(http.StatusOK)
	schemas := doc.object()["components"].(map[string]any)["schemas"].(map[string]any)
	for _, m := range regexp.MustCompile(`"\$ref":"#/components/schemas/(\w+)"`).FindAllSubmatch(doc.body, -1) {
		if schemas[string(m[1])] == nil {
			t.Errorf("there is no schema %s", m[1])
		}
	}
	if schemas["FieldProblem"].(map[string]any)["properties"].(map[string]any)["value"] != nil {
		t.Error("problems have a value")
	}
	if strings.Contains(string(doc.body), "octet-stream") {
		t.Error("a body of any bytes is offered")
	}
}

// TestDocs shows every operation and every problem, and loads nothing from elsewhere.
func TestDocs(t *testing.T) {
	r := newRig(t)
	page := string(r.get("/docs").want(http.StatusOK).body)
	for path, item := range r.get("/openapi.json").object()["paths"].(map[string]any) {
		for method := range item.(map[string]any) {
			if !strings.Contains(page, strings.ToUpper(method)+" "+path) {
				t.Errorf("%s %s is not described", method, path)
			}
		}
	}
	for _, text := range []string{`id="conflict"`, "caller.birth_date", "preferred_times[].start", "unreachable-policy-complete", "Token of role: staff, admin."} {
		if !strings.Contains(page, text) {
			t.Errorf("%s is not described", text)
		}
	}
	if strings.Contains(page, "<script") || strings.Contains(page, "http://") || strings.Contains(page, "https://") {
		t.Error("the page loads something from elsewhere")
	}
}
