package fhir_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/fhir"
	"github.com/ringback-health/ringback/internal/redact"
)

var subscribed = fhir.SubscriptionRequired{Status: "requested", Reason: "to look again", Criteria: "Task?code=a|b",
	Endpoint: "https://ringback.example.org/v1/ehr/main/notifications/work-items"}

func TestNewSubscription(t *testing.T) {
	end := time.Date(2026, 3, 9, 8, 0, 0, 0, time.UTC)
	bearer := []redact.Secret{redact.NewSecret("Authorization: Bearer canary")}
	topic := subscribed
	topic.Criteria = "https://ehr.example.org/topics/task"
	cases := map[string]struct {
		required fhir.SubscriptionRequired
		fields   fhir.SubscriptionFields
		want     string
	}{
		"a search has no payload": {subscribed, fhir.SubscriptionFields{End: end, Headers: bearer}, `{"resourceType":"Subscription",
			"status":"requested","end":"2026-03-09T08:00:00Z","reason":"to look again","criteria":"Task?code=a|b",
			"channel":{"type":"rest-hook","endpoint":"https://ringback.example.org/v1/ehr/main/notifications/work-items","header":["Authorization: Bearer canary"]}}`},
		"a topic names what it wants to be told": {topic, fhir.SubscriptionFields{ID: "7", Topic: &fhir.Topic{Content: "empty", Heartbeat: time.Hour}},
			`{"resourceType":"Subscription","id":"7",
			"meta":{"profile":["http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-subscription"]},
			"status":"requested","reason":"to look again","criteria":"https://ehr.example.org/topics/task",
			"channel":{"extension":[{"url":"http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-heartbeat-period","valueUnsignedInt":3600}],
			"type":"rest-hook","endpoint":"https://ringback.example.org/v1/ehr/main/notifications/work-items","payload":"application/fhir+json",
			"_payload":{"extension":[{"url":"http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-payload-content","valueCode":"empty"}]}}}`},
		"a secret to sign with": {subscribed, fhir.SubscriptionFields{SecretExtension: "https://vendor.example/secret", Secret: redact.NewSecret("canary")},
			`{"resourceType":"Subscription","extension":[{"url":"https://vendor.example/secret","valueString":"canary"}],
			"status":"requested","reason":"to look again","criteria":"Task?code=a|b",
			"channel":{"type":"rest-hook","endpoint":"https://ringback.example.org/v1/ehr/main/notifications/work-items"}}`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s, err := fhir.NewSubscription(c.required, c.fields)
			if err != nil {
				t.Fatal(err)
			}
			raw, err := s.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			if got, want := canonical(t, raw), canonical(t, []byte(c.want)); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			if text := fmt.Sprintf("%v %+v %#v", s, s, s); strings.Contains(text, "canary") {
				t.Errorf("a secret is printed: %s", text)
			}
			v, err := fhir.ParseSubscription(raw)
			if err != nil || v.Status != "requested" || v.Endpoint != subscribed.Endpoint || v.Criteria != c.required.Criteria ||
				v.Reason != subscribed.Reason || v.ChannelType != "rest-hook" || !v.End.Equal(c.fields.End) || v.Meta.ID != c.fields.ID {
				t.Errorf("reads back as %+v, %v", v, err)
			}
		})
	}
}

func TestNewSubscriptionRefuses(t *testing.T) {
	for member, change := range map[string]func(*fhir.SubscriptionRequired, *fhir.SubscriptionFields){
		"status":           func(r *fhir.SubscriptionRequired, _ *fhir.SubscriptionFields) { r.Status = "on" },
		"reason":           func(r *fhir.SubscriptionRequired, _ *fhir.SubscriptionFields) { r.Reason = "" },
		"criteria":         func(r *fhir.SubscriptionRequired, _ *fhir.SubscriptionFields) { r.Criteria = "" },
		"channel.endpoint": func(r *fhir.SubscriptionRequired, _ *fhir.SubscriptionFields) { r.Endpoint = "" },
		"extension":        func(_ *fhir.SubscriptionRequired, f *fhir.SubscriptionFields) { f.Secret = redact.NewSecret("x") },
	} {
		r, f := subscribed, fhir.SubscriptionFields{}
		change(&r, &f)
		if _, err := fhir.NewSubscription(r, f); err == nil || !strings.Contains(err.Error(), "Subscription."+member+":") {
			t.Errorf("%s: %v", member, err)
		}
	}
}

// notification is a bundle as the backport guide has it for R4.
func notification(kind, status string) string {
	return fmt.Sprintf(`{"resourceType":"Bundle","type":"history","entry":[{"fullUrl":"urn:uuid:292d3c72-edc1-4d8a-afaa-d85e19c7f563",
		"resource":{"resourceType":"Parameters","parameter":[
			{"name":"subscription","valueReference":{"reference":"Subscription/7"}},
			{"name":"status","valueCode":%q},{"name":"type","valueCode":%q},
			{"name":"events-since-subscription-start","valueString":"2"},
			{"name":"notification-event","part":[{"name":"event-number","valueString":"2"},{"name":"focus","valueReference":{"reference":"Task/1"}}]}]},
		"request":{"method":"GET","url":"Subscription/7/$status"},"response":{"status":"200"}}]}`, status, kind)
}

func TestParseNotification(t *testing.T) {
	r4b := `{"resourceType":"Bundle","type":"history","entry":[{"resource":{"resourceType":"SubscriptionStatus","status":"active","type":"heartbeat",
		"subscription":{"reference":"Subscription/7"}}}]}`
	for name, c := range map[string]struct {
		body string
		want fhir.Notification
		is   bool
	}{
		"R4 handshake":          {notification("handshake", "requested"), fhir.Notification{Type: "handshake", Status: "requested"}, true},
		"R4 event":              {notification("event-notification", "active"), fhir.Notification{Type: "event-notification", Status: "active"}, true},
		"R4 error":              {notification("query-status", "error"), fhir.Notification{Type: "query-status", Status: "error"}, true},
		"R4B heartbeat":         {r4b, fhir.Notification{Type: "heartbeat", Status: "active"}, true},
		"a resource":            {`{"resourceType":"Task","status":"requested"}`, fhir.Notification{}, false},
		"nothing":               {``, fhir.Notification{}, false},
		"an empty object":       {`{}`, fhir.Notification{}, false},
		"a bundle of a search":  {`{"resourceType":"Bundle","type":"searchset","entry":[{"resource":{"resourceType":"Task"}}]}`, fhir.Notification{}, false},
		"a bundle with nothing": {`{"resourceType":"Bundle","type":"history"}`, fhir.Notification{}, false},
		"an entry with nothing": {`{"resourceType":"Bundle","type":"history","entry":[null]}`, fhir.Notification{}, false},
	} {
		got, is := fhir.ParseNotification([]byte(c.body))
		if is != c.is || is && got != c.want {
			t.Errorf("%s: %+v %v", name, got, is)
		}
	}
}

func FuzzParseNotification(f *testing.F) {
	for _, s := range []string{notification("handshake", "requested"), notification("event-notification", "active"), `{}`, ``, `[`,
		`{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Parameters","parameter":[{"name":"type","valueCode":7}]}}]}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		n, is := fhir.ParseNotification(raw)
		if is && (n.Type == "" || !json.Valid(bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf")))) {
			t.Errorf("%+v out of %q", n, raw)
		}
	})
}
