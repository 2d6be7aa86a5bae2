package fhir_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ringback-health/ringback/fhir"
)

func TestParseBundle(t *testing.T) {
	raw := `{
		"resourceType": "Bundle", "type": "subscription-notification", "total": 5,
		"link": [{"relation": "self", "url": "https://ehr.example.org/fhir/Task"}, {"relation": "next", "url": "?page=2"}],
		"entry": [
			{"fullUrl": "https://ehr.example.org/fhir/Task/1", "resource": {"resourceType": "Task", "value": 1.10}, "search": {"mode": "made-up"}},
			{"resource": {"no": "type"}},
			"not an entry",
			{"fullUrl": 7, "resource": {"resourceType": "Patient"}},
			{"request": {"method": "DELETE", "url": "Task/2"}, "response": {"status": "204"}},
			null,
			{}
		]}`
	b, err := fhir.ParseBundle([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	if b.Type != "subscription-notification" || b.Total == nil || *b.Total != 5 || b.Links["next"] != "?page=2" || len(b.Entries) != 7 {
		t.Fatalf("%+v", b)
	}
	first := b.Entries[0]
	if first.Err != nil || first.ResourceType != "Task" || first.SearchMode != "made-up" || string(first.Resource) != `{"resourceType": "Task", "value": 1.10}` {
		t.Errorf("%+v", first)
	}
	deleted := b.Entries[4]
	if deleted.Err != nil || deleted.Resource != nil || deleted.RequestMethod != "DELETE" || deleted.RequestURL != "Task/2" || deleted.ResponseStatus != "204" {
		t.Errorf("%+v", deleted)
	}
	for i, want := range map[int]string{
		1: "Bundle.entry[1].resource: no resourceType", 2: "Bundle.entry[2]: not a JSON object",
		3: "Bundle.entry[3].fullUrl: not a string", 5: "Bundle.entry[5]: not a JSON object",
	} {
		if got := b.Entries[i].Err; got == nil || got.Error() != want {
			t.Errorf("entry %d: %v, want %s", i, got, want)
		}
	}
	if b.Entries[6].Err != nil {
		t.Errorf("an empty entry is no error: %v", b.Entries[6].Err)
	}
}

func TestEmptyIsNotFailed(t *testing.T) {
	b, err := fhir.ParseBundle([]byte(`{"resourceType":"Bundle","type":"searchset"}`))
	if err != nil || len(b.Entries) != 0 || b.Total != nil {
		t.Errorf("%+v %v", b, err)
	}
	for _, raw := range []string{
		`{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"login"}]}`, `<html></html>`, `{}`, ``, `[]`,
		`{"resourceType":"Task"}`, `{"resourceType":"Bundle","entry":{}}`, `{"resourceType":"Bundle","link":[{"relation":1}]}`,
	} {
		if b, err := fhir.ParseBundle([]byte(raw)); err == nil {
			t.Errorf("%s: %+v", raw, b)
		}
	}
}

func TestParseOutcome(t *testing.T) {
	o, ok := fhir.ParseOutcome([]byte(`{"resourceType":"OperationOutcome","issue":[
		{"severity":"success","code":"limited-filter","diagnostics":"Canary","details":{"coding":[{"code":"4101"}],"text":"Canary"}},
		{"severity":7,"code":"required"}, {"code":"required"}, {"severity":"fatal"}]}`))
	if !ok || len(o.Issues) != 4 || !o.Failed() {
		t.Fatalf("%+v %v", o, ok)
	}
	if i := o.Issues[0]; i.Severity != "success" || i.Diagnostics.Reveal() != "Canary" || i.Details.Codings[0].Code != "4101" {
		t.Errorf("%+v", i)
	}
	if got := fmt.Sprint(o.Codes()); got != "[limited-filter required an unknown code]" {
		t.Errorf("codes %s", got)
	}
	if out := fmt.Sprintf("%+v %#v", o, o); strings.Contains(out, "Canary") {
		t.Errorf("printed: %s", out)
	}
	for _, raw := range []string{`{"resourceType":"Bundle"}`, `<OperationOutcome/>`, ``} {
		if _, ok := fhir.ParseOutcome([]byte(raw)); ok {
			t.Errorf("%s passed for an outcome", raw)
		}
	}
	for path, raw := range corpus(t) {
		if o, ok := fhir.ParseOutcome(raw); ok != (typeIn(path) == "OperationOutcome") || ok && len(o.Codes()) == 0 {
			t.Errorf("%s: %+v %v", path, o, ok)
		}
	}
}

func FuzzParseBundle(f *testing.F) {
	f.Add([]byte(`{"resourceType":"Bundle","type":"searchset","total":1,"link":[{"relation":"next","url":"x"}],"entry":[{"resource":{"resourceType":"Task"}},null,7,{"search":{"mode":"match"}}]}`))
	f.Add([]byte(`{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"OperationOutcome","issue":[{}]}}]}`))
	f.Add([]byte(`{"resourceType":"OperationOutcome"}`))
	for _, raw := range corpus(f) {
		f.Add([]byte(`{"resourceType":"Bundle","entry":[{"resource":` + string(raw) + `}]}`))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, err := fhir.ParseBundle(raw)
		if err != nil {
			var wrong *fhir.TypeError
			var broken *fhir.MemberError
			if !errors.As(err, &wrong) && !errors.As(err, &broken) {
				t.Fatalf("%T %v", err, err)
			}
			return
		}
		for _, e := range b.Entries {
			if e.Resource == nil || e.Err != nil {
				continue
			}
			if got, err := fhir.ResourceType(e.Resource); err != nil || got != e.ResourceType {
				t.Fatalf("%q %v", got, err)
			}
			_, _ = fhir.ParseTask(e.Resource)
			_, _ = fhir.ParseAppointment(e.Resource)
			_, _ = fhir.ParsePatient(e.Resource)
			_, _ = fhir.ParseCapabilities(e.Resource)
		}
	})
}
