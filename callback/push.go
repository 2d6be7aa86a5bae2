package callback

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"github.com/ringback-health/ringback/internal/redact"
)

// PushRequest is how an EHR is to tell that something has changed: where, and how it
// shows that it is the EHR. What it tells changes nothing but the time of the next
// poll.
type PushRequest struct {
	Endpoint string        // https://host/v1/ehr/main-ehr/notifications; the name of a feed follows
	Secret   redact.Secret // sent with each notification, as Authorization: Bearer
	// SigningSecret is what the EHR signs each notification with. Empty: it need not.
	SigningSecret redact.Secret
}

// EndpointOf is where the EHR tells of changes in one feed. It also is the mark by
// which a Subscription of ours is found again.
func (r PushRequest) EndpointOf(f Feed) string {
	return strings.TrimSuffix(r.Endpoint, "/") + "/" + string(f)
}

// Fingerprint tells requests that differ apart, without saying what is secret in them.
// more is what else the request depends on.
func (r PushRequest) Fingerprint(more ...string) string {
	parts := append([]string{r.Endpoint, r.Secret.Reveal(), r.SigningSecret.Reveal()}, more...)
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:6])
}

// PushState is the state of a Subscription, in the words of FHIR R4.
type PushState string

// The states of a Subscription. PushNone says that there is none.
const (
	PushNone      PushState = "none"
	PushRequested PushState = "requested" // the EHR has not taken it up yet
	PushActive    PushState = "active"
	PushError     PushState = "error" // the EHR could not deliver
	PushOff       PushState = "off"   // the EHR, somebody there, or its end has stopped it
)

// Push is what an EHR holds of the request to tell of changes in one feed.
type Push struct {
	Feed  Feed
	ID    string // of the Subscription; empty: there is none
	State PushState
	Until time.Time // when it ends by itself; zero: it does not
	// Partial says that the feed is made of more than what the EHR tells of.
	Partial bool
	Problem string // what is wrong with it and what to do, safe to show; empty: nothing
}

// Stands reports whether the EHR tells of changes at a time, by its own word.
func (p Push) Stands(at time.Time) bool {
	return p.State == PushActive && (p.Until.IsZero() || at.Before(p.Until))
}

// NotificationKind is what a notification of an EHR is for.
type NotificationKind string

// The kinds of notifications.
const (
	NotifiedChange    NotificationKind = "change"    // something has changed, or may have
	NotifiedHandshake NotificationKind = "handshake" // the EHR tries whether it reaches us
	NotifiedHeartbeat NotificationKind = "heartbeat" // the EHR says that it is still there
	NotifiedTrouble   NotificationKind = "trouble"   // the Subscription is not, or no longer, active
)
