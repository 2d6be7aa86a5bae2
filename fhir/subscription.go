package fhir

import (
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/ringback-health/ringback/internal/redact"
)

// The canonical URLs of the guide that brings the topics of R5 to R4 and R4B
// (http://hl7.org/fhir/uv/subscriptions-backport).
const (
	backport                = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"
	backportSubscription    = backport + "backport-subscription"
	backportPayloadContent  = backport + "backport-payload-content"
	backportHeartbeatPeriod = backport + "backport-heartbeat-period"
)

// SubscriptionRequired is what R4 demands of a Subscription with the channel
// rest-hook.
type SubscriptionRequired struct {
	Status   string // "requested", "active", "error" or "off"
	Reason   string
	Criteria string // a search, "Task?code=…"; with Topic the canonical URL of a topic
	Endpoint string // where notifications are posted to
}

// SubscriptionFields is the rest of a Subscription; what is zero is left out. There
// is no payload but with Topic: R4 then sends a mere notification.
type SubscriptionFields struct {
	ID      string          // of an update
	End     time.Time       // to the second
	Headers []redact.Secret // "Name: value", sent with each notification
	// SecretExtension is the URL of the extension of a vendor in which Secret stands,
	// for servers that sign what they send.
	SecretExtension string
	Secret          redact.Secret
	Topic           *Topic
}

// Topic makes a Subscription one to a topic, as the backport guide has it.
type Topic struct {
	Content   string // "empty" or "id-only"
	Heartbeat time.Duration
}

// Subscription is a valid Subscription to be sent. Only NewSubscription makes one.
type Subscription struct{ json redact.Text }

type (
	wireExtended struct {
		Extension []wirePrimitive `json:"extension,omitempty"`
	}
	wirePrimitive struct {
		URL         string `json:"url"`
		ValueString string `json:"valueString,omitempty"`
		ValueCode   string `json:"valueCode,omitempty"`
		ValueUint   int    `json:"valueUnsignedInt,omitempty"`
	}
	wireChannel struct {
		wireExtended
		Type      string        `json:"type"`
		Endpoint  string        `json:"endpoint"`
		Payload   string        `json:"payload,omitempty"`
		AtPayload *wireExtended `json:"_payload,omitempty"`
		Header    []string      `json:"header,omitempty"`
	}
)

const restHook = "rest-hook"

// NewSubscription makes a Subscription. The error is a *MemberError: it names the
// member that breaks a rule of R4 (https://hl7.org/fhir/R4/subscription.html).
func NewSubscription(r SubscriptionRequired, f SubscriptionFields) (Subscription, error) {
	w := newWriter("Subscription")
	w.str("id", f.ID)
	if f.Topic != nil {
		w.put("meta", map[string]any{"profile": []string{backportSubscription}})
	}
	if !f.Secret.IsEmpty() {
		w.put("extension", []wirePrimitive{{URL: f.SecretExtension, ValueString: f.Secret.Reveal()}})
		if f.SecretExtension == "" {
			w.fail("extension", "a secret without the extension that it stands in")
		}
	}
	w.code("status", r.Status, subscriptionStatuses, true)
	if !f.End.IsZero() {
		w.opt("end", NewDateTime(f.End))
	}
	for _, m := range [][2]string{{"reason", r.Reason}, {"criteria", r.Criteria}, {"channel.endpoint", r.Endpoint}} {
		if m[1] == "" {
			w.fail(m[0], "absent; R4 demands one")
		}
	}
	w.str("reason", r.Reason)
	w.str("criteria", r.Criteria)
	w.put("channel", channelOf(r, f))
	raw, err := w.bytes()
	return Subscription{redact.NewText(string(raw))}, err
}

func channelOf(r SubscriptionRequired, f SubscriptionFields) wireChannel {
	c := wireChannel{Type: restHook, Endpoint: r.Endpoint}
	for _, h := range f.Headers {
		c.Header = append(c.Header, h.Reveal())
	}
	if f.Topic == nil {
		return c
	}
	c.Payload = mediaType
	c.AtPayload = &wireExtended{[]wirePrimitive{{URL: backportPayloadContent, ValueCode: f.Topic.Content}}}
	if s := int(f.Topic.Heartbeat / time.Second); s > 0 {
		c.Extension = []wirePrimitive{{URL: backportHeartbeatPeriod, ValueUint: s}}
	}
	return c
}

// MarshalJSON writes the resource, secrets included: it is for the EHR. The zero
// Subscription is an error.
func (s Subscription) MarshalJSON() ([]byte, error) { return written("Subscription", s.json) }

// LogValue gives slog the mark.
func (s Subscription) LogValue() slog.Value { return s.json.LogValue() }

// Format writes the mark whatever the verb.
func (s Subscription) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redact.Mark) }

// SubscriptionView is what is read of a Subscription. Headers and secrets are not.
type SubscriptionView struct {
	Meta        Meta
	Status      string
	End         time.Time // zero: none
	Reason      string
	Criteria    string
	ChannelType string
	Endpoint    string
}

// ParseSubscription reads a Subscription. The error is a *TypeError or a *MemberError.
func ParseSubscription(raw []byte) (SubscriptionView, error) {
	n, err := root(raw, "Subscription")
	if err != nil {
		return SubscriptionView{}, err
	}
	channel := n.child("channel")
	v := SubscriptionView{
		Meta:        n.meta(),
		Status:      n.str("status"),
		End:         n.instant("end"),
		Reason:      n.str("reason"),
		Criteria:    n.str("criteria"),
		ChannelType: channel.str("type"),
		Endpoint:    channel.str("endpoint"),
	}
	return orZero(v, n.err())
}

// Notification is what a notification of a Subscription to a topic says of itself.
type Notification struct {
	Type   string // "handshake", "heartbeat", "event-notification", "query-status", …
	Status string // of the Subscription: "active", "error", …
}

// ParseNotification reads the first entry of a notification bundle: Parameters in
// R4, a SubscriptionStatus in R4B. What it tells of is not read. False: raw is
// something else, such as the notification of a Subscription with a search.
func ParseNotification(raw []byte) (Notification, bool) {
	n, err := root(raw, "Bundle")
	if err != nil {
		return Notification{}, false
	}
	entries := n.list("entry")
	if len(entries) == 0 {
		return Notification{}, false
	}
	first := n.object("entry[0]", entries[0]).child("resource")
	var v Notification
	switch first.str("resourceType") {
	case "Parameters":
		for _, p := range each(first, "parameter", func(n node) node { return n }) {
			switch p.str("name") {
			case "type":
				v.Type = p.str("valueCode")
			case "status":
				v.Status = p.str("valueCode")
			}
		}
	case "SubscriptionStatus":
		v.Type, v.Status = first.str("type"), first.str("status")
	}
	return v, v.Type != "" && n.err() == nil
}
