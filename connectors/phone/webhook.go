package phone

import (
	"context"
	"net/http"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/internal/redact"
)

// System is one phone system, or one form, that tells of its calls over HTTP, set up
// for one clinic. It is safe for concurrent use and keeps nothing: what it says of an
// event today it says of the stored event tomorrow.
//
// What a vendor says of a call is one record of one leg at one moment. Systems send
// such records more than once, out of order and with gaps, so that a System makes no
// difference by what came before; calls.Latest and calls.Collapse put together what
// was stored.
type System interface {
	// Receive checks that a request comes from the vendor and says what to store and
	// what to answer once it is stored. It asks nothing of anybody.
	//
	// The error is a *Refused: nothing is stored, and whoever answers sends its status
	// and nothing else. What has the right signature and cannot be understood is no
	// error: it is stored, and Read says what is wrong with it.
	Receive(Request) (Receipt, error)
	// Read says what a stored event tells of calls. The error says what is wrong with
	// an event that may have told of a call and cannot be read, without any of its
	// content; it stays stored for whoever mends that.
	Read(Event) (Report, error)
}

// Request is one HTTP request as it came, before anybody trusts it.
type Request struct {
	Method string
	// URL is the address that the vendor was told to call, query included, as the
	// vendor wrote it: the public one, from the configuration, and never from a Host
	// header. Signatures are made over it.
	URL    string
	Header http.Header
	Body   []byte
	At     time.Time // when it came in, by our clock
}

// Receipt is what to do about a request that is the vendor's.
type Receipt struct {
	// Events are what to store before it is answered; none for a handshake.
	Events []Event
	Answer Answer
}

// What systems tell is in the domain's words, so that whoever keeps and judges it needs
// to know no connector.
type (
	// Event is one thing that a phone system told, as it is stored.
	Event = calls.Event
	// Form says how an event came to us.
	Form = calls.Form
	// Report is what one event tells.
	Report = callback.Report
	// Subscription is what a vendor promised to tell.
	Subscription = calls.Subscription
)

// The forms of events.
const (
	FormWebhook = calls.FormWebhook
	FormHistory = calls.FormHistory
)

// Historian is a System whose vendor keeps a log of calls that can be asked for. It is
// how calls are found of which no event reached us.
type Historian interface {
	System
	// History asks for the vendor's record of every call that began in the span, inbound
	// and outbound, and hands them over page by page, each as an Event of FormHistory that Read understands; its
	// legs have the same Session as those that the vendor's events tell of the same
	// call. An error of page ends it and is returned. Every error means that there may
	// be calls that were not handed over: the history is unknown, not empty. What talks to the vendor
	// is a *fault.Error, by whose disposition it is tried again.
	History(ctx context.Context, in callback.Span, page func([]Event) error) error
}

// Subscriber is a System whose vendor tells of calls only while a subscription lasts.
type Subscriber interface {
	System
	// Subscribe makes sure that the vendor tells its events to address. have is what it
	// returned last time, the zero Subscription at first; what is still good is renewed, and what is not
	// is deleted and made anew. Errors are *fault.Error; have is still to be kept then.
	Subscribe(ctx context.Context, address string, have Subscription) (Subscription, error)
}

// Page is a System that people reach with a browser, at the address at which it
// receives: a form that Ringback serves itself.
type Page interface {
	System
	// Page answers a GET or HEAD of the address.
	Page(Request) Answer
	// Busy answers a request that is not to be received now because there were too many
	// from its address, and says to try again after wait.
	Busy(r Request, wait time.Duration) Answer
}

// Answer is what a vendor expects to hear. The zero Answer is 204 without a body.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Refused is a request that is not taken for the vendor's. Reason is for the log and
// never for the answer: whoever guesses at signatures learns nothing from it. It holds
// neither PHI nor anything of the secret or the signature.
type Refused struct {
	Status int // 401 for a signature, 400 for what is no such request, 405, 413, 415
	Reason string
}

// Error says why.
func (e *Refused) Error() string { return "webhook refused: " + e.Reason }

// Refuse returns a *Refused of status 401.
func Refuse(reason string) error { return &Refused{Status: http.StatusUnauthorized, Reason: reason} }

// Settings are what every system is given besides its own.
type Settings struct {
	// ID is what the clinic calls this phone system, "main-line". It is the source of its callbacks.
	ID string
	// Secrets are those of the vendor that are valid now, the current one first: two
	// while one is rotated. Never empty.
	Secrets []redact.Secret
	// Zone is the clinic's, for vendors that write times without one.
	Zone *time.Location
	// Secret reads a secret from the environment variable or the file that the system's
	// own configuration names, and returns an empty one when it names neither. name is
	// for the error. It is for the vendor's API; nil where there is none.
	Secret func(name, env, file string) (redact.Secret, error)
	Clock  clock.Clock // nil: the system's
	// Tolerance is how old a signed time may be, and how far ahead. 0: DefaultTolerance.
	Tolerance time.Duration
}

// DefaultTolerance is how far the signed time of a request may be from ours. Five
// minutes is what the vendors recommend who say anything.
const DefaultTolerance = 5 * time.Minute

// Fresh reports whether a signed time is near enough to when the request came in.
func (s Settings) Fresh(signed, at time.Time) bool {
	tolerance := s.Tolerance
	if tolerance == 0 {
		tolerance = DefaultTolerance
	}
	return !signed.IsZero() && at.Sub(signed).Abs() <= tolerance
}
