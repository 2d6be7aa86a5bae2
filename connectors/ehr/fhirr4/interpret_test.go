package fhirr4_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/fault"
)

const ourMarker = `"identifier":[{"system":"urn:ietf:rfc:3986","value":"urn:uuid:01920000-0000-7000-8000-000000000001"}]`

// mixed is a page as servers send it: good entries beside broken ones, and things
// that nobody asked for.
const mixed = `{"resourceType":"Bundle","type":"searchset","entry":[
	{"resource":{"resourceType":"Task","id":"t1","meta":{"lastUpdated":"2026-11-23T14:00:00Z"},"status":"ready","intent":"order",` + ourMarker + `}},
	{"resource":{"resourceType":"Task","id":"t2","meta":{"lastUpdated":"2026-11-23T14:03:00Z"},"status":"ready","intent":"order","for":"Ann Canary",` + ourMarker + `}},
	{"resource":{"resourceType":"Task","id":"t3","status":"postponed","intent":"order",` + ourMarker + `}},
	{"resource":{"resourceType":"Task","id":"t4","status":"ready","intent":"order","description":"somebody else's"}},
	{"resource":{"resourceType":"Task","id":"Ann Canary","intent":"order",` + ourMarker + `}},
	"Ann Canary",
	{"resource":{"id":"no type"}},
	{"resource":{"resourceType":"Appointment","id":"a1","meta":{"versionId":"2","lastUpdated":"2026-11-23T14:02:00Z"},"status":"booked","participant":[{"actor":{"reference":"Patient/1"},"status":"accepted"}]}},
	{"resource":{"resourceType":"Appointment","id":"a2","status":"rescheduled"}},
	{"resource":{"resourceType":"Appointment","id":"a3","status":"booked","start":"24.11.2026 9am"}},
	{"search":{"mode":"outcome"},"resource":{"resourceType":"OperationOutcome","issue":[{"severity":"warning","code":"not-supported","diagnostics":"Ann Canary"}]}},
	{"search":{"mode":"outcome"},"resource":{"resourceType":"OperationOutcome","issue":[{"severity":"information","code":"informational"}]}},
	{"search":{"mode":"include"},"resource":{"resourceType":"Patient","id":"1"}}]}`

func TestOneBadEntrySpoilsNothing(t *testing.T) {
	c := connect(t, config("https://ehr.example/fhir"))
	items, err := c.Interpret(callback.FeedItems, []byte(mixed))
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, i := range items.Items {
		ids = append(ids, i.ID+" "+string(i.State.Status))
	}
	if !slices.Equal(ids, []string{"t1 open", "t3 "}) || len(items.Appointments) != 0 {
		t.Errorf("items %q, %d appointments", ids, len(items.Appointments))
	}
	appts, err := c.Interpret(callback.FeedAppointments, []byte(mixed))
	if err != nil {
		t.Fatal(err)
	}
	ids = nil
	for _, a := range appts.Appointments {
		ids = append(ids, a.ID+" "+string(a.State))
	}
	if !slices.Equal(ids, []string{"a1 booked", "a2 unknown"}) || len(appts.Items) != 0 {
		t.Errorf("appointments %q, %d items", ids, len(appts.Items))
	}
	// The watermark passes what cannot be read as well, or the feed would stand still.
	if want := time.Date(2026, 11, 23, 14, 3, 0, 0, time.UTC); !items.Latest.Equal(want) || !appts.Latest.Equal(want) {
		t.Errorf("latest %s and %s, want %s", items.Latest, appts.Latest, want)
	}
	for _, tt := range []struct {
		problems []string
		want     []string
	}{
		{items.Problems, []string{"Task/t2: Task.for: ", "Task/t3: its state (postponed)", "entry 5: Task.status: absent", "entry 6: ", "entry 7: ", "entry 11: the EHR warns: not-supported"}},
		{appts.Problems, []string{"entry 6: ", "entry 7: ", "Appointment/a2: ", "Appointment/a3: Appointment.start: ", "entry 11: the EHR warns: not-supported"}},
	} {
		if len(tt.problems) != len(tt.want) {
			t.Errorf("%d problems, want %d:\n%s", len(tt.problems), len(tt.want), strings.Join(tt.problems, "\n"))
			continue
		}
		for i, p := range tt.problems {
			if !strings.HasPrefix(p, tt.want[i]) || strings.Contains(p, "Canary") || strings.Contains(p, "9am") {
				t.Errorf("problem %q, want %q and nothing of the content", p, tt.want[i])
			}
		}
	}
}

func TestPageThatIsNone(t *testing.T) {
	c := connect(t, config("https://ehr.example/fhir"))
	for _, page := range []string{"", "<html>", `{"resourceType":"OperationOutcome"}`, `{"resourceType":"Bundle","entry":{}}`, `{"resourceType":"Bundle"`} {
		if _, err := c.Interpret(callback.FeedItems, []byte(page)); !fault.Is(err, fault.Permanent) {
			t.Errorf("%q: %v", page, err)
		}
	}
}

// FuzzInterpret: whatever is stored as a page, reading it does not panic.
func FuzzInterpret(f *testing.F) {
	f.Add([]byte(mixed))
	f.Add([]byte(`{"resourceType":"Bundle","entry":[null,{},{"resource":null},{"resource":[]}]}`))
	c := connect(f, config("https://ehr.example/fhir"))
	f.Fuzz(func(t *testing.T, page []byte) {
		for _, feed := range callback.Feeds {
			changes, err := c.Interpret(feed, page)
			if err != nil && !fault.Is(err, fault.Permanent) {
				t.Errorf("%q: %v", fault.Of(err), err)
			}
			if feed == callback.FeedItems && len(changes.Appointments) > 0 {
				t.Error("an appointment came out of the work items")
			}
		}
	})
}
