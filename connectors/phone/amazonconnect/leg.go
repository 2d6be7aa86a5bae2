package amazonconnect

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/connectors/phone"
	number "github.com/ringback-health/ringback/internal/phone"
)

// How far what a record says of the end of a contact goes: contact events come in any
// order, and a later one may know less. Once answered stays answered. It is the Seq
// of the leg, so that calls.Latest lets the farthest have the last word.
const (
	saysEnded = iota + 1
	saysAsked // a callback, a mailbox: by what the flow did
	saysAnswered
)

// Read makes a leg of a contact. A contact that was transferred, queued anew or called
// back is a leg of the session of the first contact of its chain.
func (s *System) Read(e phone.Event) (phone.Report, error) {
	m, err := parse(e.Body)
	if err != nil {
		return phone.Report{}, err
	}
	c := m.contact
	method := strings.ToUpper(c.InitiationMethod)
	switch {
	case m.event && m.kind != contactEvent:
		return phone.Report{Skip: "an event of EventBridge that is not about a contact"}, nil
	case c.Channel != "" && !strings.EqualFold(c.Channel, "VOICE"):
		return phone.Report{Skip: "not a phone call"}, nil
	case method == "MONITOR":
		return phone.Report{Skip: "a supervisor who listens in"}, nil
	}
	return phone.Report{Legs: []calls.Leg{s.leg(m, method)}}, nil
}

func (s *System) leg(m message, method string) calls.Leg {
	c := m.contact
	leg := calls.Leg{
		Session: phone.Plain(string(c.InitialContactID)),
		ID:      phone.Plain(string(c.ContactID)),
		At:      m.time,
		Start:   c.Initiated.Time,
		End:     c.Disconnected.Time,
	}
	if leg.Session == "" {
		leg.Session = leg.ID
	}
	if leg.At.IsZero() {
		leg.At = c.LastUpdate.Time
	}
	if leg.Start.IsZero() {
		leg.Start = leg.At // not before; the earliest that is told counts
	}
	leg.Direction = directionOf(method)
	setEnds(&leg, c)
	if leg.Answer = answered(c, method); leg.Answer.IsZero() && m.event && c.EventType == "CONNECTED_TO_AGENT" && !dials(method) {
		leg.Answer = m.time
	}
	s.state(&leg, c, method)
	return leg
}

// directionOf is who placed the call. What continues a call says nothing of it. A
// callback is the answer to a call that came in.
func directionOf(method string) calls.Direction {
	switch method {
	case "INBOUND", "CALLBACK":
		return calls.Inbound
	case "OUTBOUND", "API", "EXTERNAL_OUTBOUND":
		return calls.Outbound
	default:
		return ""
	}
}

// dials reports whether the system calls the customer, so that an agent may be
// connected before the customer is.
func dials(method string) bool {
	switch method {
	case "CALLBACK", "OUTBOUND", "API", "EXTERNAL_OUTBOUND":
		return true
	default:
		return false
	}
}

// setEnds sets who called whom. The customer endpoint is the person outside, whoever called.
func setEnds(leg *calls.Leg, c contact) {
	customer, clinic := c.CustomerEndpoint.Address, c.SystemEndpoint.Address
	if number.Withheld(customer) {
		customer = ""
	}
	if leg.Direction == calls.Outbound {
		customer, clinic = clinic, customer
	}
	leg.From, leg.To = phone.Text(customer), phone.Text(clinic)
}

// answered is when a person on each side was on the line; zero when that is not known.
// Where the system dials, the customer answers at ConnectedToSystemTimestamp.
func answered(c contact, method string) time.Time {
	agent := c.withAgent()
	if agent.IsZero() || !dials(method) {
		return agent
	}
	customer := c.ConnectedToSystem.Time
	if customer.IsZero() || customer.After(agent) {
		return customer
	}
	return agent
}

// state says how the contact ended, as far as it is told.
func (s *System) state(leg *calls.Leg, c contact, method string) {
	enqueued, queued := c.queued()
	say := func(rank int64, v calls.Verdict, note string) { leg.Seq, leg.Stated, leg.Note = rank, v, note }
	asked := s.asked(c)
	switch {
	case !leg.Answer.IsZero():
		say(saysAnswered, calls.VerdictAnswered, "connected to an agent")
	case asked != "":
		say(saysAsked, asked, "by a contact attribute that the flow set")
	case method == "CALLBACK":
		say(saysAsked, calls.VerdictCallbackRequested, "asked to be called back; Amazon Connect did not bring the caller to an agent")
	case leg.End.IsZero() && queued:
		leg.App = "Queue" // where it will have ended if nothing more is told
	case leg.End.IsZero():
	case queued && !enqueued.IsZero():
		say(saysEnded, calls.VerdictAbandonedQueue, fmt.Sprintf("ended while waiting in a queue, after %s", max(0, leg.End.Sub(enqueued)).Round(time.Second)))
	case queued:
		say(saysEnded, calls.VerdictAbandonedQueue, "ended while waiting in a queue")
	case dials(method):
		say(saysEnded, calls.VerdictAbandonedRing, "the call was placed and nobody answered")
	default:
		say(saysEnded, calls.VerdictAbandonedIVR, "ended in a flow, before a queue")
	}
}

// asked is what the first attribute that is set, in the order of names, says; "" when
// none is.
func (s *System) asked(c contact) calls.Verdict {
	for _, name := range slices.Sorted(maps.Keys(s.config.Attributes)) {
		if c.set(name) {
			return s.config.Attributes[name]
		}
	}
	return ""
}
