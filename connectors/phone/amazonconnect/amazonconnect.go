// Package amazonconnect reads what Amazon Connect tells of calls: contact records, as
// Amazon Data Firehose posts them, and contact events, as an EventBridge API
// destination does. Both may come to the same address.
//
// Contact records are the truth: they are delivered at least once and carry the
// caller's number. Contact events are sooner, of best effort and unordered, and many
// carry no number; send both, or the records alone. Sources: Amazon Connect
// Administrator Guide, "Contact records data model", "Amazon Connect contact events",
// "About queued callbacks in metrics"; Amazon Data Firehose Developer Guide,
// "HTTP endpoint delivery request and response specifications".
//
// Nothing is signed. What proves a request is a secret that AWS sends in a header.
package amazonconnect

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/connectors/phone"
)

// Config is what the operator sets up, beside the secret: the value of the header, or
// the access key of the Firehose stream.
type Config struct {
	// Header is the name of the header in which the EventBridge connection
	// (authorization type API key) sends the secret; empty: X-Ringback-Key. The access
	// key of a Firehose stream always comes in X-Amz-Firehose-Access-Key.
	Header string `yaml:"header"`
	// Attributes are contact attributes that the clinic's flows set, and what a contact
	// was on which one is set: voicemail, callback-requested or after-hours. Amazon
	// Connect itself knows no mailbox and no opening hours. "", "0", "false" and "no"
	// count as not set.
	Attributes map[string]calls.Verdict `yaml:"attributes"`
}

const defaultHeader = "X-Ringback-Key"

// accessKey is where Firehose puts the secret, requestID what it wants to hear back.
const (
	accessKey = "X-Amz-Firehose-Access-Key"
	requestID = "X-Amz-Firehose-Request-Id"
)

// Validate says what is wrong with the configuration and what to write instead.
func (c Config) Validate() error {
	if strings.Trim(strings.ToLower(c.Header), "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		return errors.New("header is not the name of an HTTP header; write it as in the EventBridge connection, for example X-Ringback-Key")
	}
	allowed := []calls.Verdict{calls.VerdictVoicemail, calls.VerdictCallbackRequested, calls.VerdictAfterHours}
	for name, v := range c.Attributes {
		if name == "" || !slices.Contains(allowed, v) {
			return fmt.Errorf("attributes: %q says %q; an attribute has a name and says voicemail, callback-requested or after-hours", name, v)
		}
	}
	return nil
}

// Kind is how the system is named in the configuration and made.
func Kind() phone.Kind {
	return phone.Kind{
		Name: "amazonconnect",
		What: "Amazon Connect: contact records by Firehose, contact events by EventBridge",
		New: func(s phone.Settings, decode phone.Decode) (phone.System, error) {
			var c Config
			if err := decode(&c); err != nil {
				return nil, err
			}
			return New(s, c)
		},
	}
}

// System is one instance of Amazon Connect.
type System struct {
	settings phone.Settings
	config   Config
}

var _ phone.System = (*System)(nil)

// New makes the system. The error says what is wrong with the configuration.
func New(s phone.Settings, c Config) (*System, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("phone system %q: %w", s.ID, err)
	}
	if len(s.Secrets) == 0 {
		return nil, fmt.Errorf("phone system %q: there is no secret; set the value that the EventBridge connection or the Firehose stream sends", s.ID)
	}
	if c.Header == "" {
		c.Header = defaultHeader
	}
	return &System{settings: s, config: c}, nil
}

// Receive takes a Firehose delivery, each record of which becomes an event, or one
// EventBridge event.
func (s *System) Receive(r phone.Request) (phone.Receipt, error) {
	if r.Method != http.MethodPost {
		return phone.Receipt{}, &phone.Refused{Status: http.StatusMethodNotAllowed, Reason: "not a POST"}
	}
	firehose := len(r.Header.Values(accessKey)) > 0
	header := s.config.Header
	if firehose {
		header = accessKey
	}
	if sent := r.Header.Values(header); len(sent) != 1 || !phone.SameSecret(s.settings.Secrets, sent[0]) {
		return phone.Receipt{}, phone.Refuse("the header " + http.CanonicalHeaderKey(header) + " is missing or holds another secret")
	}
	body, err := plain(r)
	if err != nil {
		return phone.Receipt{}, err
	}
	if firehose {
		return receiveFirehose(r, body), nil
	}
	return phone.Receipt{Events: []phone.Event{eventOf(body, r)}}, nil
}

// eventOf is an event of one record or contact event, under a name that is the same
// whenever AWS sends it again.
func eventOf(body []byte, r phone.Request) phone.Event {
	return phone.Event{Key: keyOf(body), Body: body, At: r.At}
}

// keyOf names a contact event by its id and a contact record by the contact and the
// time of its last update, as AWS says to.
func keyOf(body []byte) string {
	m, err := parse(body)
	switch {
	case err == nil && m.event && isID(m.id):
		return "event-" + m.id
	case err == nil && !m.event && isID(string(m.contact.ContactID)) && !m.contact.LastUpdate.IsZero():
		return string(m.contact.ContactID) + "@" + m.contact.LastUpdate.UTC().Format("20060102T150405.000Z")
	default:
		return phone.KeyOf(body)
	}
}

// isID reports whether a text looks like the UUIDs that AWS gives out; anything else
// may hold what belongs in no key.
func isID(s string) bool {
	return len(s) == 36 && strings.Trim(strings.ToLower(s), "0123456789abcdef-") == ""
}
