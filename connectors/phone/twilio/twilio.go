// Package twilio reads what Twilio tells of calls: status callbacks, the actions of
// <Dial>, <Enqueue> and <Record>, recordings and transcriptions, and Twilio's own list
// of calls. All callbacks may come to one address.
//
// Twilio itself answers every call that reaches a TwiML application, so that the
// CallStatus of a missed call is "completed" like any other. Whether a person answered
// is told by other requests only. These must be set up, all with the method POST:
//
//   - "Call status changes" of each phone number: when a call came in and ended.
//   - statusCallback of each <Number>, <Client> and <Sip> in <Dial>, with
//     statusCallbackEvent="initiated ringing answered completed": what became of each
//     phone that rang, and when. It needs no change of the call flow.
//   - or, less exact, action of <Dial>: what became of the whole <Dial>; of a <Dial> of
//     a <Conference> nothing else tells. An action takes over the call: see
//     Config.ActionAnswer.
//   - action of <Enqueue>: whether the caller was connected or gave up.
//   - recordingStatusCallback and transcribeCallback of <Record>: messages.
//
// A call of which only the first is told looks missed whoever answered it; its reason
// says that nobody's answer was told.
//
// Calls that begin at the clinic: a call from a Twilio client ("client:...") or from a
// phone that is registered at Twilio ("sip:...@....sip.twilio.com"; not confirmed for
// every kind of registration) is outbound, although Twilio calls it inbound. Elastic SIP
// trunks are not served: there the PBX knows who answered, so connect the PBX.
//
// Signatures hold no time. A request that somebody caught and sends again has the same
// content and hence the same key, and changes nothing.
//
// Sources: Twilio's documentation (Webhooks security; TwiML Voice: Dial, Enqueue,
// Record; Call, Recording and Transcription resources) and its helper library for Node,
// which the signature is tested against in peers/.
package twilio

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/ringback-health/ringback/connectors/phone"
)

// Config is what the operator sets up beside the secrets, which are the account's auth
// tokens: the primary one, and the secondary one while tokens are changed. Where
// webhooks are signed with a shared key, they are its secrets.
type Config struct {
	// ActionAnswer is the TwiML that is answered to an action (of <Dial>, <Enqueue>,
	// <Record>); empty: <Response/>.
	//
	// What Twilio does next is what this says. With an empty <Response/> the call ENDS:
	// what stands after <Dial> in the document, such as a <Record> for those whom nobody
	// answered, is not executed any more. Where the flow goes on after <Dial>, either
	// leave its action out and set up status callbacks instead, or write the rest of
	// the flow here, for example <Response><Redirect>https://.../voicemail</Redirect></Response>.
	// It is the same for every call.
	ActionAnswer string `yaml:"action_answer"`

	// ConferencesAnswered says that whoever was put into a conference by <Dial> was
	// spoken with. Twilio tells that the caller was in it, and not whether anybody else
	// was; unless this is set, such a call counts as one that nobody answered.
	ConferencesAnswered bool `yaml:"conferences_answered"`

	// AccountSID ("AC...") opens Twilio's list of calls, with which the ledger is held
	// against; empty: it is not read.
	AccountSID string `yaml:"account_sid"`
	// APIKeySID ("SK...") logs in with an API key, whose secret APISecretEnv or
	// APISecretFile names; empty: the account's current auth token is used.
	APIKeySID     string `yaml:"api_key_sid"`
	APISecretEnv  string `yaml:"api_secret_env"`
	APISecretFile string `yaml:"api_secret_file"`
	// BaseURL is Twilio's API; empty: https://api.twilio.com. Accounts in other regions
	// have another.
	BaseURL string `yaml:"base_url"`
}

const (
	emptyTwiML = `<?xml version="1.0" encoding="UTF-8"?><Response/>`
	defaultAPI = "https://api.twilio.com"
)

// Validate says what is wrong with the configuration and what to write instead.
func (c Config) Validate() error {
	switch {
	case c.ActionAnswer != "" && !isTwiML(c.ActionAnswer):
		return errors.New("action_answer is not TwiML; write one XML element <Response>...</Response>")
	case c.AccountSID != "" && !isSID(c.AccountSID, "AC"):
		return errors.New("account_sid is not an account; it begins with AC and stands on the first page of the Twilio console")
	case c.APIKeySID != "" && !isSID(c.APIKeySID, "SK"):
		return errors.New("api_key_sid is not an API key; it begins with SK. To log in with the auth token leave it out")
	case c.APIKeySID != "" && c.APISecretEnv == "" && c.APISecretFile == "":
		return errors.New("api_key_sid needs the key's secret; name it with api_secret_env or api_secret_file")
	case c.AccountSID == "" && (c.APIKeySID != "" || c.APISecretEnv != "" || c.APISecretFile != "" || c.BaseURL != ""):
		return errors.New("account_sid is missing; without it Twilio's list of calls cannot be read")
	case c.APIKeySID == "" && (c.APISecretEnv != "" || c.APISecretFile != ""):
		return errors.New("api_key_sid is missing; an API secret is of no use without it")
	default:
		return nil
	}
}

// isTwiML reports whether a text is XML with the one element Response.
func isTwiML(text string) bool {
	var root struct {
		XMLName xml.Name `xml:"Response"`
	}
	d := xml.NewDecoder(strings.NewReader(text))
	if d.Decode(&root) != nil {
		return false
	}
	for {
		switch t, err := d.Token(); {
		case errors.Is(err, io.EOF):
			return true
		case err != nil:
			return false
		default:
			if s, ok := t.(xml.CharData); !ok || strings.TrimSpace(string(s)) != "" {
				return false
			}
		}
	}
}

// isSID reports whether a text is an identifier of Twilio's with that prefix. Twilio
// says CA and 32 hexadecimal digits, and writes shorter ones in its own examples.
func isSID(s, prefix string) bool {
	const digits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	rest, ok := strings.CutPrefix(s, prefix)
	return ok && rest != "" && len(rest) <= 62 && strings.Trim(rest, digits) == ""
}

// Kind is how the system is named in the configuration and made.
func Kind() phone.Kind {
	return phone.Kind{
		Name: "twilio",
		What: "Twilio Voice: status, Dial, Enqueue, recording and transcription callbacks; list of calls",
		New: func(s phone.Settings, decode phone.Decode) (phone.System, error) {
			var c Config
			if err := decode(&c); err != nil {
				return nil, err
			}
			return New(s, c)
		},
	}
}

// System is one account of Twilio's.
type System struct {
	settings    phone.Settings
	answer      phone.Answer // to an action
	conferences bool         // count as answered
}

var _ phone.System = (*System)(nil)

// New makes the system: a phone.Historian where the configuration names an account. The
// error says what is wrong with the configuration.
func New(s phone.Settings, c Config) (phone.System, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("phone system %q: %w", s.ID, err)
	}
	if len(s.Secrets) == 0 {
		return nil, fmt.Errorf("phone system %q: there is no secret; set the auth token of the Twilio account", s.ID)
	}
	twiml := c.ActionAnswer
	if twiml == "" {
		twiml = emptyTwiML
	}
	sys := &System{settings: s, conferences: c.ConferencesAnswered, answer: phone.Answer{
		Status: http.StatusOK, Header: http.Header{"Content-Type": {"text/xml; charset=utf-8"}}, Body: []byte(twiml),
	}}
	if c.AccountSID == "" {
		return sys, nil
	}
	return newHistorian(sys, c)
}

// Receive takes one callback.
func (s *System) Receive(r phone.Request) (phone.Receipt, error) {
	if r.Method != http.MethodPost {
		return phone.Receipt{}, &phone.Refused{Status: http.StatusMethodNotAllowed, Reason: "not a POST; set the method of this callback to POST, in the Twilio console or in the TwiML"}
	}
	if err := s.signed(r); err != nil {
		return phone.Receipt{}, err
	}
	if len(r.Body) == 0 {
		return phone.Receipt{}, &phone.Refused{Status: http.StatusBadRequest, Reason: "the body is empty"}
	}
	receipt := phone.Receipt{Events: []phone.Event{{Key: phone.KeyOf(r.Body), Body: r.Body, At: r.At}}}
	if p, err := parse(r.Body); err == nil && p.wantsTwiML() {
		receipt.Answer = s.answer
	}
	return receipt, nil
}
