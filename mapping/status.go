package mapping

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/ringback-health/ringback/callback"
)

// ErrNotUnderstood says that a resource is in a state this package has no word
// for, or carries an extension that may change its meaning. It is left alone; a
// person has to look at it in the EHR.
var ErrNotUnderstood = errors.New("the resource is in a state that Ringback does not understand")

// notUnderstood says why a resource is left alone.
func notUnderstood(resourceType, status string, modified bool) error {
	if modified {
		return fmt.Errorf("%w: the %s carries a modifier extension", ErrNotUnderstood, resourceType)
	}
	return fmt.Errorf("%w: %s status %s", ErrNotUnderstood, resourceType, nativeStatus(status))
}

// The codes of R4 task-status that Ringback writes.
const (
	taskReady      = "ready"
	taskInProgress = "in-progress"
	taskOnHold     = "on-hold"
	taskCompleted  = "completed"
	taskCancelled  = "cancelled"
)

// taskStatusOf says what status the Task of a callback has. A closed callback
// whose outcome means that there was nothing to answer is cancelled instead.
var taskStatusOf = map[callback.Status]string{
	callback.Captured:   taskReady,
	callback.Triaged:    taskReady,
	callback.Assigned:   taskReady,
	callback.InProgress: taskInProgress,
	callback.Waiting:    taskOnHold,
	callback.Closed:     taskCompleted,
}

func taskStatus(c callback.Callback) string {
	if c.Status == callback.Closed && c.Outcome.Withdrawn() {
		return taskCancelled
	}
	return taskStatusOf[c.Status]
}

// itemStatusOf says what each code of R4 task-status means to a callback. The
// first five are one class: a Task that moves within it was taken note of, and
// nothing more has happened. A code that is not here means nothing to us.
var itemStatusOf = map[string]callback.ItemStatus{
	"draft":            callback.ItemOpen,
	"requested":        callback.ItemOpen,
	"received":         callback.ItemOpen,
	"accepted":         callback.ItemOpen,
	taskReady:          callback.ItemOpen,
	taskInProgress:     callback.ItemInProgress,
	taskOnHold:         callback.ItemOnHold,
	taskCompleted:      callback.ItemDone,
	taskCancelled:      callback.ItemCancelled,
	"rejected":         callback.ItemRejected,
	"failed":           callback.ItemFailed,
	"entered-in-error": callback.ItemVoid,
}

// ended reports whether nobody has anything left to do on an item.
func ended(s callback.ItemStatus) bool {
	switch s {
	case callback.ItemDone, callback.ItemCancelled, callback.ItemRejected, callback.ItemFailed:
		return true
	default:
		return false
	}
}

// The codes of R4 appointmentstatus that Ringback writes.
const (
	apptProposed  = "proposed"
	apptCancelled = "cancelled"
)

// apptStatuses says what each code of R4 appointmentstatus means: to matching,
// and to the link of a proposal. A proposal is done when a visit has come of it.
var apptStatuses = map[string]struct {
	state callback.AppointmentState
	item  callback.ItemStatus
}{
	apptProposed:       {callback.ApptRequested, callback.ItemOpen},
	"pending":          {callback.ApptRequested, callback.ItemInProgress},
	"waitlist":         {callback.ApptRequested, callback.ItemOnHold},
	"booked":           {callback.ApptBooked, callback.ItemDone},
	"arrived":          {callback.ApptArrived, callback.ItemDone},
	"checked-in":       {callback.ApptArrived, callback.ItemDone},
	"fulfilled":        {callback.ApptDone, callback.ItemDone},
	apptCancelled:      {callback.ApptCancelled, callback.ItemCancelled},
	"noshow":           {callback.ApptNoShow, callback.ItemFailed},
	"entered-in-error": {callback.ApptVoid, callback.ItemVoid},
}

// nativeStatus returns a server's status code where it can be shown: a server
// can write anything there.
func nativeStatus(code string) string {
	if statusPattern.MatchString(code) {
		return code
	}
	return "unreadable"
}

var statusPattern = regexp.MustCompile(`^[a-z][a-z-]{0,31}$`)
