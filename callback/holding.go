package callback

import "time"

// Resource names the link's resource for a person, as "Task/4711", or says that the EHR
// has none yet.
func (l Link) Resource() string {
	switch {
	case l.Type == Worklist:
		return string(l.Type)
	case l.RemoteID != "":
		return string(l.Type) + "/" + l.RemoteID
	case l.State == LinkDiscarded:
		return string(l.Type) + " (not filed)"
	default:
		return string(l.Type) + " (not filed yet)"
	}
}

// HeldBack says for a person why nothing is sent to the EHR at a time, whatever waits
// for it; empty: it is not held back. It is safe to show.
func (c Connection) HeldBack(at time.Time) string {
	switch {
	case c.Failing():
		return "waiting: the EHR has not done its work since " + c.Since.UTC().Format(time.RFC3339) + ": " + c.Error
	case at.Before(c.Until):
		return "waiting: the EHR asked to be sent nothing before " + c.Until.UTC().Format(time.RFC3339)
	default:
		return ""
	}
}
