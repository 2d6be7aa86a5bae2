package twilio

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/ringback-health/ringback/connectors/phone"
)

// params are the parameters of a callback, under Twilio's names.
type params map[string]string

// What can be wrong with an event. The texts have nothing of it.
var (
	errUnreadable = errors.New("twilio: neither a form nor a JSON object; it is no callback of Twilio's")
	errNoCall     = errors.New("twilio: it has no CallSid, so that it is not known which call it is about")
)

// columns are the fields of the list of calls, under the names that callbacks have.
var columns = map[string]string{
	"sid": "CallSid", "parent_call_sid": "ParentCallSid", "from": "From", "to": "To", "status": "CallStatus", "direction": "Direction",
	"duration": "CallDuration", "start_time": "StartTime", "end_time": "EndTime", "caller_name": "CallerName", "answered_by": "AnsweredBy",
}

// parse reads a callback, or a row of the list of calls. Of what occurs twice the first
// counts.
func parse(body []byte) (params, error) {
	p := params{}
	if bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) {
		var object map[string]json.RawMessage
		if json.Unmarshal(body, &object) != nil {
			return nil, errUnreadable
		}
		_, isRow := object["parent_call_sid"]
		for name, raw := range object {
			var v phone.Scalar
			if json.Unmarshal(raw, &v) != nil {
				continue // a list or an object, of which nothing is read
			}
			if isRow {
				name = columns[name]
			}
			p[name] = string(v)
		}
		return p, nil
	}
	form, err := url.ParseQuery(string(body))
	if err != nil || len(form) == 0 {
		return nil, errUnreadable
	}
	for name, values := range form {
		p[name] = values[0]
	}
	return p, nil
}

// has reports whether one of the parameters is there and not empty.
func (p params) has(names ...string) bool {
	for _, n := range names {
		if p[n] != "" {
			return true
		}
	}
	return false
}

// word is a parameter that is one of few words.
func (p params) word(name string) string { return strings.ToLower(strings.TrimSpace(p[name])) }

// length is a number of seconds; ok is false where none is told, which is not 0.
func (p params) length(name string) (d time.Duration, ok bool) {
	return phone.Scalar(p[name]).Length(time.Second), p[name] != ""
}

// time is a moment as Twilio writes it (RFC 2822), zero for none.
func (p params) time(name string) time.Time {
	for _, layout := range []string{time.RFC1123Z, "Mon, 2 Jan 2006 15:04:05 -0700", time.RFC1123, time.RFC3339} {
		if t, err := time.Parse(layout, p[name]); err == nil && t.Year() >= 2000 && t.Year() < 2200 {
			return t.UTC()
		}
	}
	return time.Time{}
}

// wantsTwiML reports whether Twilio waits for instructions: after an action, and after
// what is not known, for Twilio does not mind TwiML where it wants none.
func (p params) wantsTwiML() bool {
	switch {
	case p.has("DialCallStatus", "QueueResult"):
		return true
	case p.has("CallbackSource", "SequenceNumber", "CallDuration", "RecordingStatus", "TranscriptionSid", "TranscriptionStatus",
		"TranscriptionEvent", "StatusCallbackEvent", "MessageSid", "SmsSid"):
		return false
	default:
		return true
	}
}
