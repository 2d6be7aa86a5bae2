package quo

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/connectors/phone"
	number "github.com/ringback-health/ringback/internal/phone"
	"github.com/ringback-health/ringback/internal/redact"
)

// call is a call as events of both generations and the list of calls write it.
type call struct {
	ID          phone.Scalar `json:"id"`
	CallID      phone.Scalar `json:"callId"`      // of a voicemail: the call that it belongs to
	VoicemailID phone.Scalar `json:"voicemailId"` // of a voicemail
	Direction   phone.Scalar `json:"direction"`
	Status      phone.Scalar `json:"status"`

	CreatedAt   phone.Scalar `json:"createdAt"`
	AnsweredAt  phone.Scalar `json:"answeredAt"`
	CompletedAt phone.Scalar `json:"completedAt"`
	UpdatedAt   phone.Scalar `json:"updatedAt"`
	Duration    phone.Scalar `json:"duration"` // seconds

	From         phone.Scalar  `json:"from"`
	To           phone.Scalar  `json:"to"`
	Participants []participant `json:"participants"`

	HasVoicemail bool         `json:"hasVoicemail"`
	Voicemail    *message     `json:"voicemail"`
	AIHandled    phone.Scalar `json:"aiHandled"`
	CallRoute    phone.Scalar `json:"callRoute"`

	RecordingURL phone.Scalar `json:"recordingUrl"` // of a voicemail
	Transcript   phone.Scalar `json:"transcript"`   // of a voicemail
}

// message is a voicemail within a call.
type message struct {
	ID           phone.Scalar `json:"id"`
	Duration     phone.Scalar `json:"duration"`
	URL          phone.Scalar `json:"url"`
	RecordingURL phone.Scalar `json:"recordingUrl"`
	Transcript   phone.Scalar `json:"transcript"`
}

// participant is one end of a call: a number, with who of the workspace was on it where
// that is told.
type participant struct {
	Number  phone.Scalar
	ActorID phone.Scalar
}

// UnmarshalJSON takes a number, and an object with it.
func (p *participant) UnmarshalJSON(b []byte) error {
	if !bytes.HasPrefix(b, []byte("{")) {
		return json.Unmarshal(b, &p.Number)
	}
	var o struct {
		Number  phone.Scalar `json:"phoneNumber"`
		ActorID phone.Scalar `json:"actorId"`
	}
	err := json.Unmarshal(b, &o)
	p.Number, p.ActorID = o.Number, o.ActorID
	return err
}

// surroundings is what newer events say around a call.
type surroundings struct {
	Participants struct {
		Workspace []phone.Scalar `json:"workspace"`
		External  []phone.Scalar `json:"external"`
	} `json:"participants"`
}

// told is one event or row taken apart.
type told struct {
	kind    string // the event's type; "" for a row of the list of calls
	at      time.Time
	call    call
	context surroundings
}

// What can be wrong with an event. The texts have nothing of it.
var (
	errUnreadable = errors.New("quo: it is no JSON object of the kind that Quo documents")
	errNoCall     = errors.New("quo: it has no id of a call")
)

// parse reads an event of either generation, or a row of the list of calls.
func parse(body []byte) (told, error) {
	var envelope struct {
		Type      string       `json:"type"`
		Object    string       `json:"object"`
		CreatedAt phone.Scalar `json:"createdAt"`
		Data      *struct {
			Object   json.RawMessage `json:"object"`   // legacy
			Resource json.RawMessage `json:"resource"` // 2026-03-30
			Context  json.RawMessage `json:"context"`
		} `json:"data"`
	}
	body = bytes.TrimSpace(body)
	if !bytes.HasPrefix(body, []byte("{")) || json.Unmarshal(body, &envelope) != nil {
		return told{}, errUnreadable
	}
	t := told{kind: envelope.Type, at: instant(envelope.CreatedAt)}
	inner := body
	switch {
	case envelope.Type == "": // a row
	case envelope.Data == nil:
		return told{}, errUnreadable
	default:
		inner = envelope.Data.Resource
		if inner == nil {
			inner = envelope.Data.Object
		}
	}
	if !isCall(t.kind) {
		return t, nil
	}
	if json.Unmarshal(inner, &t.call) != nil {
		return told{}, errUnreadable
	}
	if envelope.Data != nil && envelope.Data.Context != nil && json.Unmarshal(envelope.Data.Context, &t.context) != nil {
		return told{}, errUnreadable
	}
	if t.kind == "" {
		t.at = time.Time{} // a row is true as of now, and says all there is
	}
	return t, nil
}

// isCall reports whether an event tells how a call goes or went. Recordings, summaries
// and transcripts are of conversations.
func isCall(kind string) bool {
	return slices.Contains([]string{"", "call.ringing", "call.answered", "call.completed", "call.missed", "call.forwarded", "call.menu.selected", "call.voicemail.completed"}, kind)
}

// instant is a time as Quo writes it, zero for none.
func instant(s phone.Scalar) time.Time {
	if t, err := time.Parse(time.RFC3339, string(s)); err == nil && t.Year() >= 2000 && t.Year() < 2200 {
		return t.UTC()
	}
	return time.Time{}
}

// parties are the ends of a call: that of the clinic and the other, each empty where it
// is not known.
func (s *System) parties(t told) (ours, theirs redact.Text) {
	c := t.call
	incoming := c.Direction != "outgoing"
	if c.From != "" || c.To != "" {
		if incoming {
			return party(c.To), party(c.From)
		}
		return party(c.From), party(c.To)
	}
	if p := t.context.Participants; len(p.External)+len(p.Workspace) > 0 {
		return first(p.Workspace), first(p.External)
	}
	var own, others, unknown []phone.Scalar
	for _, p := range c.Participants {
		list := &unknown
		switch {
		case p.ActorID != "", slices.Contains(s.config.Numbers, string(p.Number)):
			list = &own
		case len(s.config.Numbers) > 0:
			list = &others
		}
		if !slices.Contains(*list, p.Number) {
			*list = append(*list, p.Number)
		}
	}
	// Where the clinic's end is known, the one that is left is the other.
	if len(own) > 0 {
		others = append(others, unknown...)
	}
	if len(others) != 1 {
		return first(own), redact.Text{}
	}
	return first(own), first(others)
}

func first(numbers []phone.Scalar) redact.Text {
	if len(numbers) == 0 {
		return redact.Text{}
	}
	return party(numbers[0])
}

// party is a phone number, empty where it was withheld.
func party(s phone.Scalar) redact.Text {
	if number.Withheld(string(s)) {
		return redact.Text{}
	}
	return phone.Text(string(s))
}

// of is the message of a voicemail within a call.
func (m message) of() calls.Message {
	url := m.RecordingURL
	if url == "" {
		url = m.URL
	}
	return calls.Message{ID: plainID(m.ID), URL: phone.Text(string(url)), Length: m.Duration.Length(time.Second), Transcript: phone.Text(string(m.Transcript))}
}
