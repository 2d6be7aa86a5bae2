package ringcentral

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/connectors/phone"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/rest"
)

// record is a record of the call log in its Detailed view, and one of its legs.
type record struct {
	ID        phone.Scalar `json:"id"`
	SessionID phone.Scalar `json:"telephonySessionId"`
	LegacyID  phone.Scalar `json:"sessionId"`
	Type      phone.Scalar `json:"type"` // Voice or Fax
	Direction phone.Scalar `json:"direction"`
	Result    phone.Scalar `json:"result"`
	Start     phone.Scalar `json:"startTime"`
	Duration  phone.Scalar `json:"duration"` // seconds
	From      end          `json:"from"`
	To        end          `json:"to"`
	Extension struct {
		ID phone.Scalar `json:"id"`
	} `json:"extension"`
	Message struct {
		ID   phone.Scalar `json:"id"`
		Type phone.Scalar `json:"type"`
		URI  phone.Scalar `json:"uri"`
	} `json:"message"`
	Deleted bool     `json:"deleted"`
	Legs    []record `json:"legs"`
}

// results are the words of result. "Answered Not Accepted" is a phone that was picked up,
// often by a mailbox of its own, where nobody pressed the key that accepts the call.
var results = phone.Words{
	"accepted": calls.VerdictAnswered, "call accepted": calls.VerdictAnswered, "call connected": calls.VerdictAnswered,
	"voicemail": calls.VerdictVoicemail, "reply": calls.VerdictVoicemail,
	"missed": calls.VerdictAbandonedRing, "no answer": calls.VerdictAbandonedRing, "hang up": calls.VerdictAbandonedRing, "stopped": calls.VerdictAbandonedRing,
	"abandoned": calls.VerdictAbandonedRing, "answered not accepted": calls.VerdictAbandonedRing,
	"busy": calls.VerdictBusy, "rejected": calls.VerdictRejected, "declined": calls.VerdictRejected, "blocked": calls.VerdictRejected, "restricted number": calls.VerdictRejected,
	"call failed": calls.VerdictFailed, "call failure": calls.VerdictFailed, "internal error": calls.VerdictFailed, "ip phone offline": calls.VerdictFailed,
	"wrong number": calls.VerdictFailed, "international disabled": calls.VerdictFailed, "international restricted": calls.VerdictFailed,
	"no calling credit": calls.VerdictFailed, "suspended account": calls.VerdictFailed, "account suspended": calls.VerdictFailed, "poor line quality": calls.VerdictFailed,
	"unknown": "", "resultempty": "", "resultinprogress": "", "in progress": "",
}

// readRecord reads a record of the call log: its legs where it has some, since the record
// itself only sums them up.
func (s *System) readRecord(body []byte) (phone.Report, error) {
	var r record
	if err := json.Unmarshal(body, &r); err != nil {
		return phone.Report{}, errors.New("ringcentral: the record of the call log is no JSON object with its fields")
	}
	name := sessionName(r.SessionID, r.LegacyID)
	switch {
	case r.Type != "" && !strings.EqualFold(string(r.Type), "voice"):
		return phone.Report{Skip: "it is a fax and no call"}, nil
	case name == "" && r.ID == "":
		return phone.Report{Skip: "it is no record of the call log"}, nil
	case name == "":
		return phone.Report{}, errors.New("ringcentral: the record of the call log names no session")
	}
	var out phone.Report
	for _, l := range r.Legs {
		out.Legs = append(out.Legs, s.logLeg(l))
	}
	// The record itself counts where it has no legs, and where only it knows of a voicemail.
	whole := s.logLeg(r)
	hasBox := slices.ContainsFunc(out.Legs, func(l calls.Leg) bool { return l.Stated == calls.VerdictVoicemail })
	if len(out.Legs) == 0 || whole.Stated == calls.VerdictVoicemail && !hasBox {
		out.Legs = append(out.Legs, whole)
	}
	for i := range out.Legs {
		l := &out.Legs[i]
		l.Session, l.ID, l.Seq, l.Direction = name, fmt.Sprintf("log-%s-%d", r.ID.ID(), i), int64(i+1), r.direction()
		l.From, l.FromName = r.From.number(), phone.CallerName(r.From.Name)
		if i == 0 {
			l.To = r.To.number()
		}
		if l.Message.ID == "" && l.Stated == calls.VerdictVoicemail {
			l.Message = r.voicemail()
		}
	}
	return out, nil
}

// direction is that of the record and of all its legs: of an inbound call, those that
// RingCentral placed to reach somebody say Outbound.
func (r record) direction() calls.Direction {
	inside := func(e end) bool {
		return !strings.HasPrefix(string(e.Number), "+") && (e.ExtensionNumber != "" || e.ExtensionID != "")
	}
	switch {
	case inside(r.From) && inside(r.To):
		return calls.Internal
	case strings.EqualFold(string(r.Direction), "inbound"):
		return calls.Inbound
	case strings.EqualFold(string(r.Direction), "outbound"):
		return calls.Outbound
	default:
		return ""
	}
}

// voicemail is the message that a record links to.
func (r record) voicemail() calls.Message {
	if r.Message.Type != "" && !strings.EqualFold(string(r.Message.Type), "voicemail") {
		return calls.Message{}
	}
	return calls.Message{ID: r.Message.ID.ID(), URL: phone.Text(string(r.Message.URI))}
}

func (s *System) logLeg(r record) calls.Leg {
	l := calls.Leg{Start: r.Start.RFC3339(), Duration: r.Duration.Length(time.Second), To: r.To.number()}
	if !l.Start.IsZero() {
		l.End = l.Start.Add(l.Duration)
	}
	v, note := results.Verdict(string(r.Result))
	k := s.kindOf(r.Extension.ID)
	switch {
	case v == calls.VerdictVoicemail:
		l.Stated, l.Note = v, "the call log says voicemail"
		l.Message = r.voicemail()
	case k != aPerson && (v == calls.VerdictAnswered || v == calls.VerdictAbandonedRing):
		l.Stated, l.Note = k.waited()
	case v == calls.VerdictAnswered:
		l.Stated, l.Note, l.Answer, l.Talk = v, "a person answered", l.Start, l.Duration
	case v == calls.VerdictAbandonedRing:
		l.Stated, l.Note = v, "rang and nobody answered"
	case v == "" && note != "": // a new word: a call that nobody is known to have answered
		l.Stated, l.Note = calls.VerdictAbandonedRing, note
	case v != "":
		l.Stated, l.Note = v, "the call log says that it ended so: "+string(v)
	}
	return l
}

const (
	// perPage is the most that is asked for at once; RingCentral allows 1000 and recommends
	// fewer in the Detailed view.
	perPage = 250
	// maxPages stops a log whose pages do not end.
	maxPages = 10_000
)

// History asks for the account's call log in the Detailed view
// (https://developers.ringcentral.com/guide/voice/call-log). RingCentral counts it among
// its heavy requests, ten a minute: the client waits where the answers say that the limit
// is used up.
func (s *WithAPI) History(ctx context.Context, in callback.Span, page func([]phone.Event) error) error {
	const op = "read the call log of RingCentral"
	query := url.Values{
		"view": {"Detailed"}, "type": {"Voice"}, "perPage": {strconv.Itoa(perPage)},
		"dateFrom": {in.From.UTC().Format(time.RFC3339)}, "dateTo": {in.Until.UTC().Format(time.RFC3339)},
	}
	for n := 1; n <= maxPages; n++ {
		query.Set("page", strconv.Itoa(n))
		resp, err := s.api.Do(ctx, rest.Request{Op: op, Method: http.MethodGet, Path: "account/~/call-log", Query: query})
		if err != nil {
			return err
		}
		var answer struct {
			Records    []json.RawMessage `json:"records"`
			Navigation struct {
				Next *struct{} `json:"nextPage"`
			} `json:"navigation"`
		}
		if err := json.Unmarshal(resp.Body, &answer); err != nil || answer.Records == nil {
			return fault.New(fault.Retry, op, "RingCentral answered something else than a call log").WithHint("check base_url")
		}
		events := make([]phone.Event, 0, len(answer.Records))
		for _, raw := range answer.Records {
			events = append(events, phone.Event{Form: phone.FormHistory, Key: phone.KeyOf([]byte("history"), raw), Body: raw, At: s.settings.Clock.Now()})
		}
		if err := page(events); err != nil {
			return err
		}
		if answer.Navigation.Next == nil {
			return nil
		}
	}
	return fault.New(fault.Retry, op, "the pages do not end").WithHint("ask for a shorter span")
}
