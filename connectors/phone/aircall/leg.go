package aircall

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/connectors/phone"
	number "github.com/ringback-health/ringback/internal/phone"
	"github.com/ringback-health/ringback/internal/redact"
)

// call is a call as events and the list of calls write it.
type call struct {
	ID           phone.Scalar `json:"id"`
	Direction    phone.Scalar `json:"direction"`
	Status       phone.Scalar `json:"status"` // initial, answered, done
	MissedReason phone.Scalar `json:"missed_call_reason"`
	StartedAt    phone.Scalar `json:"started_at"` // seconds since 1970
	AnsweredAt   phone.Scalar `json:"answered_at"`
	EndedAt      phone.Scalar `json:"ended_at"`
	RawDigits    phone.Scalar `json:"raw_digits"` // the other's number, or "anonymous"
	Voicemail    phone.Scalar `json:"voicemail"`  // where it can be heard, for some time
	Number       *struct {
		Digits phone.Scalar `json:"digits"`
	} `json:"number"`
	Contact *struct {
		FirstName phone.Scalar `json:"first_name"`
		LastName  phone.Scalar `json:"last_name"`
	} `json:"contact"`
}

// told is one event or row taken apart.
type told struct {
	event string // "" for a row of the list of calls
	about string // the resource: "call"
	at    time.Time
	call  call
}

// What can be wrong with an event. The texts have nothing of it.
var (
	errUnreadable = errors.New("aircall: it is no JSON object of the kind that Aircall documents")
	errNoCall     = errors.New("aircall: it has no id of a call")
)

// parse reads an event, or a row of the list of calls.
func parse(body []byte) (told, error) {
	var envelope struct {
		Event     string          `json:"event"`
		Resource  string          `json:"resource"`
		Timestamp phone.Scalar    `json:"timestamp"`
		Data      json.RawMessage `json:"data"`
	}
	body = bytes.TrimSpace(body)
	if !bytes.HasPrefix(body, []byte("{")) || json.Unmarshal(body, &envelope) != nil {
		return told{}, errUnreadable
	}
	t := told{event: envelope.Event, about: envelope.Resource, at: envelope.Timestamp.Seconds()}
	if t.event != "" {
		if body = envelope.Data; !strings.HasPrefix(t.event, "call.") {
			return t, nil
		}
	}
	if json.Unmarshal(body, &t.call) != nil {
		return told{}, errUnreadable
	}
	return t, nil
}

// Read makes a leg of a call, and one of its voicemail.
func (s *System) Read(e phone.Event) (phone.Report, error) {
	t, err := parse(e.Body)
	if err != nil {
		return phone.Report{}, err
	}
	if t.event != "" && !strings.HasPrefix(t.event, "call.") {
		return phone.Report{Skip: "an event of Aircall's that is not about a call"}, nil
	}
	c := t.call
	id := string(c.ID)
	if id == "" || len(id) > 20 || strings.Trim(id, "0123456789") != "" || c.Direction == "" {
		return phone.Report{}, errNoCall
	}
	legs := []calls.Leg{t.leg()}
	if c.Voicemail != "" || t.event == "call.voicemail_left" {
		legs = append(legs, calls.Leg{
			Session: id, ID: id + "-voicemail", At: t.at, Direction: legs[0].Direction, Stated: calls.VerdictVoicemail, Note: "left a message",
			Message: calls.Message{ID: id, URL: phone.Text(string(c.Voicemail))},
		})
	}
	return phone.Report{Legs: legs}, nil
}

// How far what is said of a call goes. It is the Seq of the leg: events come in any order.
const (
	saysNothing = iota
	saysAnswered
	saysDone
)

// reasons are Aircall's words for why a call was missed. That it was short is for the
// rules of the clinic to say.
var reasons = phone.Words{
	"out_of_opening_hours": calls.VerdictAfterHours, "short_abandoned": calls.VerdictAbandonedRing, "abandoned_in_ivr": calls.VerdictAbandonedIVR,
	"abandoned_in_classic": calls.VerdictAbandonedRing, "no_available_agent": calls.VerdictAbandonedRing, "agents_did_not_answer": calls.VerdictAbandonedRing,
}

// notes say what the words mean.
var notes = map[string]string{
	"out_of_opening_hours": "came in outside the opening hours", "short_abandoned": "hung up at once", "abandoned_in_ivr": "hung up in the phone menu",
	"abandoned_in_classic": "hung up before anybody answered", "no_available_agent": "nobody was available", "agents_did_not_answer": "rang and nobody answered",
}

// leg is the leg of the call.
func (t told) leg() calls.Leg {
	c := t.call
	leg := calls.Leg{Session: string(c.ID), ID: string(c.ID), At: t.at, Start: c.StartedAt.Seconds(), End: c.EndedAt.Seconds()}
	theirs, ours := party(c.RawDigits), redact.Text{}
	if c.Number != nil {
		ours = party(c.Number.Digits)
	}
	if c.Direction == "outbound" {
		leg.Direction, leg.From, leg.To = calls.Outbound, ours, theirs
	} else {
		leg.Direction, leg.From, leg.To = calls.Inbound, theirs, ours
		if c.Contact != nil {
			leg.FromName = phone.Text(string(c.Contact.FirstName) + " " + string(c.Contact.LastName))
		}
	}
	answered := c.AnsweredAt.Seconds()
	done := c.Status == "done" || t.event == "call.hungup" || t.event == "call.ended" || !leg.End.IsZero()
	switch {
	case c.MissedReason != "" && done:
		leg.Seq = saysDone
		if leg.Stated, leg.Note = reasons.Verdict(string(c.MissedReason)); leg.Stated == "" {
			leg.Stated = calls.VerdictAbandonedRing
		} else {
			leg.Note = notes[strings.ToLower(string(c.MissedReason))]
		}
	case !answered.IsZero():
		leg.Seq, leg.Stated, leg.Note, leg.Answer = saysAnswered, calls.VerdictAnswered, "a person answered", answered
		if done {
			leg.Seq = saysDone
		}
	case done:
		leg.Seq, leg.Stated, leg.Note = saysDone, calls.VerdictAbandonedRing, "nobody answered"
	}
	return leg
}

// party is a phone number, empty where it was withheld.
func party(s phone.Scalar) redact.Text {
	if number.Withheld(string(s)) {
		return redact.Text{}
	}
	return phone.Text(string(s))
}
