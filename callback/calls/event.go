package calls

import "time"

// Event is one thing that a phone system told, as it is stored: the vendor's own bytes.
// It holds PHI and is sealed in the ledger.
type Event struct {
	// Form says how it came: FormWebhook or FormHistory.
	Form Form
	// Key is the same each time that the vendor sends the same event again: its id
	// where it has one, or else made of its content. No PHI.
	Key  string
	Body []byte
	At   time.Time // when it came in, by our clock
}

// Form says how an event came to us.
type Form string

// The forms.
const (
	FormWebhook Form = ""        // the vendor sent it; see connectors/phone.System
	FormHistory Form = "history" // we asked the vendor's own log of calls; see connectors/phone.Historian
)

// Subscription is what a vendor promised to tell.
type Subscription struct {
	ID      string
	Until   time.Time // when it ends unless it is renewed; zero: never
	RenewAt time.Time // when it wants to be renewed
}
