package aircall

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/ringback-health/ringback/connectors/phone"
	"github.com/ringback-health/ringback/internal/redact"
)

// sender is what a body says of who sent it.
type sender struct {
	token    string
	from, to int // where the token stands in the body, with its quotation marks
	at       time.Time
}

func bad(reason string) error {
	return &phone.Refused{Status: http.StatusBadRequest, Reason: reason}
}

// tokenOf finds the token and the time of a body. There must be one token only: of two,
// readers might take the one and check the other. The error is a *phone.Refused.
func tokenOf(body []byte) (sender, error) {
	var s sender
	d := json.NewDecoder(bytes.NewReader(body))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return s, bad("the body is no JSON object")
	}
	tokens := 0
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return s, bad("the body is damaged JSON")
		}
		var value json.RawMessage
		if d.Decode(&value) != nil {
			return s, bad("the body is damaged JSON")
		}
		switch name {
		case "token":
			tokens++
			s.to = int(d.InputOffset())
			s.from = s.to - len(value)
			if json.Unmarshal(value, &s.token) != nil {
				return s, bad("the token is no text")
			}
		case "timestamp":
			var at phone.Scalar
			if json.Unmarshal(value, &at) == nil {
				s.at = at.Seconds()
			}
		}
	}
	if _, err := d.Token(); err != nil {
		return s, bad("the body is damaged JSON")
	}
	if _, err := d.Token(); err != io.EOF {
		return s, bad("something follows the JSON object")
	}
	if tokens == 0 {
		return s, phone.Refuse("there is no token in it")
	}
	if tokens > 1 {
		return s, bad("there are two tokens in it")
	}
	return s, nil
}

// withoutToken is a body without its token, and without those of our webhooks wherever
// else they stand.
func (s *System) withoutToken(body []byte, sent sender) []byte {
	out := slices.Concat(body[:sent.from], []byte(`"`+redact.Mark+`"`), body[sent.to:])
	for _, secret := range s.settings.Secrets {
		out = bytes.ReplaceAll(out, []byte(secret.Reveal()), []byte(redact.Mark))
	}
	return out
}
