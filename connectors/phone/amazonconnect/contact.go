package amazonconnect

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ringback-health/ringback/connectors/phone"
)

// contact is what is read of a contact record and of the detail of a contact event.
// Both have the same fields under names that differ in letter case, which
// encoding/json does not mind; where they differ in more, both stand here.
type contact struct {
	EventType        string       `json:"eventType"` // of events: INITIATED, QUEUED, …
	ContactID        phone.Scalar `json:"contactId"`
	InitialContactID phone.Scalar `json:"initialContactId"`
	Channel          string       `json:"channel"`
	InitiationMethod string       `json:"initiationMethod"`

	Initiated         instant `json:"initiationTimestamp"`
	ConnectedToSystem instant `json:"connectedToSystemTimestamp"`
	Disconnected      instant `json:"disconnectTimestamp"`
	LastUpdate        instant `json:"lastUpdateTimestamp"`

	CustomerEndpoint endpoint `json:"customerEndpoint"`
	SystemEndpoint   endpoint `json:"systemEndpoint"`

	Queue     *queue `json:"queue"`     // of records
	QueueInfo *queue `json:"queueInfo"` // of events
	Agent     *agent `json:"agent"`     // of records
	AgentInfo *agent `json:"agentInfo"` // of events

	Attributes map[string]json.RawMessage `json:"attributes"`
}

type endpoint struct {
	Address string `json:"address"`
}

type queue struct {
	Enqueued instant `json:"enqueueTimestamp"`
}

type agent struct {
	Connected instant `json:"connectedToAgentTimestamp"`
}

// instant is a time as AWS writes it; zero for none and for what is no time.
type instant struct{ time.Time }

// UnmarshalJSON reads RFC 3339. A time that cannot be read is not known.
func (i *instant) UnmarshalJSON(b []byte) error {
	i.Time = time.Time{}
	var s string
	if json.Unmarshal(b, &s) != nil {
		return nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil && t.Year() >= 2000 && t.Year() < 2200 {
		i.Time = t.UTC()
	}
	return nil
}

// queued is when the contact entered a queue. It may have been queued without a time:
// events of some years ago have none.
func (c contact) queued() (at time.Time, was bool) {
	for _, q := range []*queue{c.Queue, c.QueueInfo} {
		if q != nil {
			return q.Enqueued.Time, true
		}
	}
	return time.Time{}, c.EventType == "QUEUED"
}

// withAgent is when the contact was connected to an agent, zero when it is not known
// that it was.
func (c contact) withAgent() time.Time {
	for _, a := range []*agent{c.Agent, c.AgentInfo} {
		if a != nil && !a.Connected.IsZero() {
			return a.Connected.Time
		}
	}
	return time.Time{}
}

// message is one record or event taken apart.
type message struct {
	contact contact
	event   bool      // an EventBridge event
	id      string    // its id
	kind    string    // its detail-type
	time    time.Time // when it happened
}

const contactEvent = "Amazon Connect Contact Event"

// What can be wrong with an event. The texts have nothing of it.
var (
	errNoJSON    = errors.New("amazon connect: neither a contact record nor a contact event in JSON; check that the stream sends records as they are, without a transformation")
	errNoContact = errors.New("amazon connect: it has no contact id; send contact records (or the whole matched event of EventBridge)")
)

// parse reads a contact record or an EventBridge event.
func parse(body []byte) (message, error) {
	var envelope struct {
		ID         string          `json:"id"`
		DetailType *string         `json:"detail-type"`
		Time       instant         `json:"time"`
		Detail     json.RawMessage `json:"detail"`
	}
	body = bytes.TrimSpace(body)
	if !bytes.HasPrefix(body, []byte("{")) || json.Unmarshal(body, &envelope) != nil {
		return message{}, errNoJSON
	}
	var m message
	if envelope.DetailType != nil {
		m = message{event: true, id: envelope.ID, kind: *envelope.DetailType, time: envelope.Time.Time}
		if m.kind != contactEvent {
			return m, nil
		}
		body = envelope.Detail
	}
	if err := json.Unmarshal(body, &m.contact); err != nil {
		return message{}, fmt.Errorf("%w (a field is of another kind than Amazon documents)", errNoJSON)
	}
	if m.contact.ContactID == "" {
		return message{}, errNoContact
	}
	return m, nil
}

// set reports whether a contact attribute is set to something that means yes.
func (c contact) set(attribute string) bool {
	var v phone.Scalar
	if json.Unmarshal(c.Attributes[attribute], &v) != nil {
		return false
	}
	switch strings.ToLower(strings.TrimSpace(string(v))) {
	case "", "0", "false", "no":
		return false
	default:
		return true
	}
}
