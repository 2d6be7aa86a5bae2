package fhir_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ringback-health/ringback/fhir"
	"github.com/ringback-health/ringback/internal/redact"
)

func fullTask(t *testing.T) fhir.TaskFields {
	concept := fhir.Concept{Codings: []fhir.Coding{{System: "s", Code: "c", Display: "d"}}, Text: text("<t>")}
	return fhir.TaskFields{
		Tags:              []fhir.Coding{{System: "https://ringback.example/tag", Code: "callback"}},
		Identifiers:       []fhir.Identifier{{System: "urn:ietf:rfc:3986", Value: text("urn:uuid:1")}},
		GroupIdentifier:   fhir.Identifier{Value: text("g")},
		StatusReason:      concept,
		BusinessStatus:    concept,
		Priority:          "urgent",
		Code:              concept,
		Description:       text("call & back"),
		Focus:             fhir.Reference{Reference: "Appointment/1"},
		For:               fhir.Reference{Reference: "Patient/1", Display: text("Ann Example")},
		Owner:             fhir.Reference{Reference: "Group/1"},
		AuthoredOn:        fhir.NewDateTime(noon),
		LastModified:      fhir.NewDateTime(noon.Add(time.Second)),
		Notes:             []fhir.Annotation{{Author: text("Ringback"), Time: fhir.NewDateTime(noon), Text: text("n")}},
		RestrictionPeriod: fhir.Period{End: date(t, "2026-03-09")},
		Inputs: []fhir.Parameter{
			{Type: concept, Value: fhir.StringValue(text("+15550100101"))},
			{Type: concept, Value: fhir.ReferenceValue(fhir.Reference{Reference: "Patient/1"})},
			{Type: concept, Value: fhir.PeriodValue(fhir.Period{Start: fhir.NewDateTime(noon)})},
		},
		Outputs: []fhir.Parameter{
			{Type: concept, Value: fhir.DateTimeValue(date(t, "2026-03"))},
			{Type: concept, Value: fhir.CodeValue("booked")},
		},
	}
}

func TestNewTaskWritesAllOfIt(t *testing.T) {
	task, err := fhir.NewTask(fhir.TaskRequired{Status: "requested", Intent: "order"}, fullTask(t))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := task.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	c := `{"coding":[{"system":"s","code":"c","display":"d"}],"text":"<t>"}`
	want := `{"resourceType":"Task","meta":{"tag":[{"system":"https://ringback.example/tag","code":"callback"}]},"identifier":[{"system":"urn:ietf:rfc:3986","value":"urn:uuid:1"}],"groupIdentifier":{"value":"g"},` +
		`"status":"requested","statusReason":` + c + `,"businessStatus":` + c + `,"intent":"order","priority":"urgent","code":` + c + `,"description":"call & back","focus":{"reference":"Appointment/1"},` +
		`"for":{"reference":"Patient/1","display":"Ann Example"},"authoredOn":"2026-03-08T12:00:00Z","lastModified":"2026-03-08T12:00:01Z","owner":{"reference":"Group/1"},` +
		`"note":[{"authorString":"Ringback","time":"2026-03-08T12:00:00Z","text":"n"}],"restriction":{"period":{"end":"2026-03-09"}},` +
		`"input":[{"type":` + c + `,"valueString":"+15550100101"},{"type":` + c + `,"valueReference":{"reference":"Patient/1"}},{"type":` + c + `,"valuePeriod":{"start":"2026-03-08T12:00:00Z"}}],` +
		`"output":[{"type":` + c + `,"valueDateTime":"2026-03"},{"type":` + c + `,"valueCode":"booked"}]}`
	if string(raw) != want {
		t.Errorf("got  %s\nwant %s", raw, want)
	}
	least, err := fhir.NewTask(fhir.TaskRequired{Status: "draft", Intent: "unknown"}, fhir.TaskFields{})
	if err != nil {
		t.Fatal(err)
	}
	if raw, _ := least.MarshalJSON(); string(raw) != `{"resourceType":"Task","status":"draft","intent":"unknown"}` {
		t.Errorf("%s", raw)
	}
}

func TestNewTaskRefusesWhatR4Refuses(t *testing.T) {
	ok := fhir.TaskRequired{Status: "requested", Intent: "order"}
	local := fhir.DateTime{Time: noon, Precision: fhir.Second}
	typ := fhir.Concept{Text: text("t")}
	cases := []struct {
		r    fhir.TaskRequired
		f    fhir.TaskFields
		want string
	}{
		{fhir.TaskRequired{Intent: "order"}, fhir.TaskFields{}, "Task.status: absent"},
		{fhir.TaskRequired{Status: "requested"}, fhir.TaskFields{}, "Task.intent: absent"},
		{fhir.TaskRequired{Status: "done", Intent: "order"}, fhir.TaskFields{}, "Task.status: not a code"},
		{fhir.TaskRequired{Status: "<unknown>", Intent: "order"}, fhir.TaskFields{}, "Task.status: not a code"},
		{fhir.TaskRequired{Status: "draft", Intent: "wish"}, fhir.TaskFields{}, "Task.intent: not a code"},
		{ok, fhir.TaskFields{Priority: "high"}, "Task.priority: not a code"},
		{ok, fhir.TaskFields{Identifiers: []fhir.Identifier{{System: "s"}}}, "Task.identifier: "},
		{ok, fhir.TaskFields{GroupIdentifier: fhir.Identifier{System: "s"}}, "Task.groupIdentifier: "},
		{ok, fhir.TaskFields{Tags: []fhir.Coding{{}}}, "Task.meta.tag: "},
		{ok, fhir.TaskFields{Code: fhir.Concept{Text: text(" ")}}, "Task.code: "},
		{ok, fhir.TaskFields{AuthoredOn: local}, "Task.authoredOn: "},
		{ok, fhir.TaskFields{AuthoredOn: fhir.NewDateTime(noon.AddDate(9000, 0, 0))}, "Task.authoredOn: "},
		{ok, fhir.TaskFields{AuthoredOn: fhir.NewDateTime(noon), LastModified: fhir.NewDateTime(noon.Add(-time.Second))}, "Task.lastModified: before authoredOn (inv-1)"},
		{ok, fhir.TaskFields{Notes: []fhir.Annotation{{}}}, "Task.note: "},
		{ok, fhir.TaskFields{RestrictionPeriod: fhir.Period{Start: date(t, "2026-03-09"), End: date(t, "2026-03-08")}}, "Task.restriction.period: a period that ends before it starts"},
		{ok, fhir.TaskFields{Inputs: []fhir.Parameter{{Type: typ}}}, "Task.input: "},
		{ok, fhir.TaskFields{Inputs: []fhir.Parameter{{Value: fhir.CodeValue("c")}}}, "Task.input: "},
		{ok, fhir.TaskFields{Inputs: []fhir.Parameter{{Type: typ, Value: fhir.StringValue(text("\x00"))}}}, "Task.input: "},
		{ok, fhir.TaskFields{Outputs: []fhir.Parameter{{Type: typ, Value: fhir.PeriodValue(fhir.Period{})}}}, "Task.output: "},
		{ok, fhir.TaskFields{Outputs: []fhir.Parameter{{Type: typ, Value: fhir.ReferenceValue(fhir.Reference{})}}}, "Task.output: "},
		{ok, fhir.TaskFields{Outputs: []fhir.Parameter{{Type: typ, Value: fhir.DateTimeValue(local)}}}, "Task.output: "},
	}
	for _, c := range cases {
		task, err := fhir.NewTask(c.r, c.f)
		var broken *fhir.MemberError
		if !errors.As(err, &broken) || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%v, want %s", err, c.want)
		}
		if raw, err := json.Marshal(task); err == nil {
			t.Errorf("%s: the refused Task was written: %s", c.want, raw)
		}
	}
}

func TestDatesOfDifferentPrecisionAreComparedByWhatTheyShare(t *testing.T) {
	late := fhir.NewDateTime(time.Date(2026, 3, 8, 23, 0, 0, 0, time.FixedZone("", -5*3600))) // already the 9th in UTC
	for end, ok := range map[string]bool{"2026-03-08": true, "2026-03": true, "2026": true, "2026-03-07": false, "2025": false} {
		_, err := fhir.NewTask(fhir.TaskRequired{Status: "draft", Intent: "order"}, fhir.TaskFields{RestrictionPeriod: fhir.Period{Start: late, End: date(t, end)}})
		if (err == nil) != ok {
			t.Errorf("%s to %s: %v", late.Format(), end, err)
		}
	}
}

// TestTaskRoundTrip: whatever NewTask accepts is read back as it was given, and
// each parameter has exactly one value.
func TestTaskRoundTrip(t *testing.T) {
	statuses := []string{"draft", "requested", "received", "accepted", "rejected", "ready", "cancelled", "in-progress", "on-hold", "failed", "completed", "entered-in-error"}
	intents := []string{"unknown", "proposal", "plan", "order", "original-order", "reflex-order", "filler-order", "instance-order", "option"}
	rapid.Check(t, func(rt *rapid.T) {
		r := fhir.TaskRequired{Status: rapid.SampledFrom(statuses).Draw(rt, "status"), Intent: rapid.SampledFrom(intents).Draw(rt, "intent")}
		f := fhir.TaskFields{
			Priority:    rapid.SampledFrom([]string{"", "routine", "urgent", "asap", "stat"}).Draw(rt, "priority"),
			Description: drawText(rt, "description"),
			AuthoredOn:  drawDateTime(rt, "authoredOn"),
			Inputs:      rapid.SliceOfN(rapid.Custom(drawParameter), 0, 4).Draw(rt, "inputs"),
			Outputs:     rapid.SliceOfN(rapid.Custom(drawParameter), 0, 2).Draw(rt, "outputs"),
			Notes:       rapid.SliceOfN(rapid.Custom(drawNote), 0, 3).Draw(rt, "notes"),
		}
		task, err := fhir.NewTask(r, f)
		if err != nil {
			rt.Fatal(err)
		}
		raw, err := json.Marshal(task)
		if err != nil {
			rt.Fatal(err)
		}
		if got, want := strings.Count(string(raw), `"value`), len(f.Inputs)+len(f.Outputs); got != want {
			rt.Fatalf("%d values for %d parameters: %s", got, want, raw)
		}
		v, err := fhir.ParseTask(raw)
		if err != nil {
			rt.Fatal(err)
		}
		if v.Status != r.Status || v.Intent != r.Intent || v.Priority != f.Priority || !v.Description.Equal(f.Description) || !same(v.AuthoredOn, f.AuthoredOn) || len(v.Notes) != len(f.Notes) {
			rt.Fatalf("%s", raw)
		}
		for i, n := range v.Notes {
			if !n.Text.Equal(f.Notes[i].Text) || !same(n.Time, f.Notes[i].Time) {
				rt.Fatalf("note %d: %s", i, raw)
			}
		}
		for i, p := range append(v.Inputs, v.Outputs...) {
			want := append(f.Inputs, f.Outputs...)[i].Value
			got := p.Value
			if got.Kind() != want.Kind() || !got.Text().Equal(want.Text()) || got.Code() != want.Code() || got.Reference().Reference != want.Reference().Reference ||
				!same(got.DateTime(), want.DateTime()) || !same(got.Period().Start, want.Period().Start) {
				rt.Fatalf("parameter %d: %s", i, raw)
			}
		}
	})
}

func drawText(t *rapid.T, label string) redact.Text {
	return text(rapid.StringMatching(`[a-zA-Z0-9 <>&"\\é\n]{0,20}[a-z]`).Draw(t, label))
}

func drawNote(t *rapid.T) fhir.Annotation {
	return fhir.Annotation{Author: drawText(t, "author"), Time: drawDateTime(t, "time"), Text: drawText(t, "text")}
}

func drawParameter(t *rapid.T) fhir.Parameter {
	reference := fhir.Reference{Reference: "Patient/" + rapid.StringMatching(`[a-z0-9]{1,8}`).Draw(t, "id")}
	value := rapid.SampledFrom([]fhir.Value{
		fhir.StringValue(drawText(t, "string")), fhir.CodeValue("c"), fhir.ReferenceValue(reference),
		fhir.DateTimeValue(drawDateTime(t, "dateTime")), fhir.PeriodValue(fhir.Period{Start: drawDateTime(t, "start")}),
	}).Draw(t, "value")
	return fhir.Parameter{Type: fhir.Concept{Text: drawText(t, "type")}, Value: value}
}

// TestWrittenResourcesDoNotPrint prints and logs what is on its way to the EHR.
func TestWrittenResourcesDoNotPrint(t *testing.T) {
	task, err := fhir.NewTask(fhir.TaskRequired{Status: "draft", Intent: "order"}, fhir.TaskFields{Description: text("Canary")})
	if err != nil {
		t.Fatal(err)
	}
	appointment, err := fhir.NewAppointment(proposed(), fhir.AppointmentFields{Comment: text("Canary")})
	if err != nil {
		t.Fatal(err)
	}
	concept := fhir.Concept{Text: text("Canary")}
	var out bytes.Buffer
	fmt.Fprintf(&out, "%v %+v %#v %s %d %v %+v %#v", task, &task, task, task, task, appointment, appointment, struct{ A fhir.Appointment }{appointment})
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "task", task, "appointment", appointment, "concept", concept)
	if s := out.String(); strings.Contains(s, "Canary") || strings.Contains(s, "67 97 110") {
		t.Errorf("printed: %s", s)
	}
}
