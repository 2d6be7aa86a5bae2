// Package doctor holds what an examination of an installation found, how it is
// shown to a person and to a program, and what exit code it means. Who examines
// what stands elsewhere: cmd looks at the machine, a connector at its EHR.
package doctor

// Status says how a check went.
type Status string

// How a check can go. Only Failed stops work; Warning is for what works and loses
// something; Skipped could not be done, because something before it failed or the
// operator did not ask for it.
const (
	OK      Status = "ok"
	Note    Status = "note"
	Warning Status = "warning"
	Failed  Status = "failed"
	Skipped Status = "skipped"
)

// Party says whose problem it is.
type Party string

// Whose problem it can be.
const (
	You      Party = "this installation"  // the operator of this machine and its configuration
	Network  Party = "the network"        // names, routes, firewalls, certificates on the way
	EHRAdmin Party = "the EHR's operator" // who registers clients and grants scopes at the clinic's EHR
	Vendor   Party = "the EHR's vendor"   // what the product cannot do
	Nobody   Party = ""                   // nothing is wrong
)

// Finding is one thing that was looked at.
type Finding struct {
	About  string `json:"about"`           // what was examined: "configuration", "ledger", "ehr main-ehr"
	Check  string `json:"check"`           // stable name for programs: "dns", "tls", "scopes"
	Status Status `json:"status"`          //
	Whose  Party  `json:"whose,omitempty"` // Warning and Failed: who can mend it
	What   string `json:"what"`            // what was found; free of PHI and secrets

	// More are lines that belong to What, such as what is lost by it.
	More   []string `json:"more,omitempty"`
	Do     string   `json:"do,omitempty"`     // what to do about it
	Detail any      `json:"detail,omitempty"` // more for programs, such as the lists of scopes
}
