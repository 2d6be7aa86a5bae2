package callback

import "fmt"

// Status is where a callback stands.
type Status string

// The states. A reopened callback is in progress again.
const (
	Captured   Status = "captured"
	Triaged    Status = "triaged"
	Assigned   Status = "assigned"
	InProgress Status = "in-progress"
	Waiting    Status = "waiting"
	Closed     Status = "closed"
)

// Statuses lists all states in the order of a callback's life.
var Statuses = []Status{Captured, Triaged, Assigned, InProgress, Waiting, Closed}

// Open reports whether somebody still has to do something.
func (s Status) Open() bool { return s != Closed }

// Action is what moves a callback from one state to another.
type Action string

// The actions.
const (
	DoTriage  Action = "triage"
	DoAssign  Action = "assign"
	DoStart   Action = "start"
	DoAttempt Action = "attempt"
	DoWait    Action = "wait"
	DoRelease Action = "release" // back to the queue: nobody works on it now
	DoClose   Action = "close"
	DoReopen  Action = "reopen"
)

// Actions lists all actions.
var Actions = []Action{DoTriage, DoAssign, DoStart, DoAttempt, DoWait, DoRelease, DoClose, DoReopen}

// Transitions is the whole state machine: what is not in it is not allowed. The
// diagram in docs/states.md is generated from it.
var Transitions = map[Status]map[Action]Status{
	Captured:   {DoTriage: Triaged, DoClose: Closed},
	Triaged:    {DoTriage: Triaged, DoAssign: Assigned, DoClose: Closed},
	Assigned:   {DoTriage: Assigned, DoAssign: Assigned, DoStart: InProgress, DoAttempt: InProgress, DoWait: Waiting, DoRelease: Assigned, DoClose: Closed},
	InProgress: {DoTriage: InProgress, DoAssign: InProgress, DoStart: InProgress, DoAttempt: InProgress, DoWait: Waiting, DoRelease: Assigned, DoClose: Closed},
	Waiting:    {DoTriage: Waiting, DoAssign: Waiting, DoStart: InProgress, DoAttempt: InProgress, DoWait: Waiting, DoRelease: Assigned, DoClose: Closed},
	Closed:     {DoReopen: InProgress},
}

// Next returns the state after a, or ErrNotAllowed with both named.
func (s Status) Next(a Action) (Status, error) {
	to, ok := Transitions[s][a]
	if !ok {
		return s, fmt.Errorf("%w: cannot %s a callback that is %s", ErrNotAllowed, a, s)
	}
	return to, nil
}
