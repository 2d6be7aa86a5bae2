package callback

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/ringback-health/ringback/internal/redact"
)

// RetryLink puts a stuck or discarded link back to work; for any other it ends the
// wait before the next try. ErrNotFound: the callback has no such link.
func (r *Record) RetryLink(link ID, by Actor, at time.Time) error {
	l := r.Link(link)
	if l == nil {
		return ErrNotFound
	}
	if l.State != LinkStuck && l.State != LinkDiscarded {
		l.NextAttemptAt = time.Time{}
		return nil
	}
	l.Retry(at)
	r.noteLink("Try again", *l, "", by, at)
	return nil
}

// DiscardLink gives a link up. reason is free of PHI. ErrNotFound: the callback has
// no such link.
func (r *Record) DiscardLink(link ID, reason string, by Actor, at time.Time) error {
	l := r.Link(link)
	if l == nil {
		return ErrNotFound
	}
	if strings.TrimSpace(reason) == "" {
		return fmt.Errorf("%w: giving up needs a reason", ErrInvalid)
	}
	if l.State != LinkDiscarded {
		l.Discard(reason, at)
		r.noteLink("Given up", *l, reason, by, at)
	}
	return nil
}

// LinkEdit is what an operator sets right before a link is tried again. Zero fields
// stay as they are.
type LinkEdit struct {
	Item     string      // id of the resource in the EHR that the link belongs to
	Chart    redact.Text // id of the Patient in the EHR
	Owner    string
	Category Category
	Priority Priority
	Reason   string // free of PHI
}

// EditLink sets right what kept a link from being delivered and puts it back to
// work. ErrInvalid says what cannot be; ErrNotFound that the callback has no such link.
func (r *Record) EditLink(link ID, e LinkEdit, by Actor, at time.Time) error {
	l := r.Link(link)
	if l == nil {
		return ErrNotFound
	}
	if e.Item == "" && e.Chart.IsEmpty() && e.Owner == "" && e.Category == "" && e.Priority == "" {
		return fmt.Errorf("%w: nothing was changed; to send it as it is, retry the link", ErrInvalid)
	}
	if e.Category != "" {
		if err := r.Categorise(e.Category, by, at); err != nil {
			return err
		}
	}
	if e.Priority != "" {
		if err := r.Prioritise(e.Priority, by, at); err != nil {
			return err
		}
	}
	if e.Owner != "" {
		if err := r.Assign(e.Owner, by, at); err != nil {
			return err
		}
	}
	if !e.Chart.IsEmpty() {
		p := r.Patient
		p.Keys.EHRID, p.Candidate, p.Resolution, p.How = e.Chart, redact.Text{}, Certain, "staff"
		r.Resolve(p, by, at)
	}
	if e.Item != "" {
		if l.Type == Worklist {
			return fmt.Errorf("%w: the callback stands in Ringback's own list; it has no item in the EHR to be tied to", ErrInvalid)
		}
		if !idPattern.MatchString(e.Item) {
			return fmt.Errorf("%w: %q is no id of a resource; it has letters, digits, - and . and no more", ErrInvalid, e.Item)
		}
		l.tie(e.Item)
	}
	if l.State == LinkStuck || l.State == LinkDiscarded {
		l.Retry(at)
	} else {
		l.NextAttemptAt = time.Time{} // what was sent is still looked for when it can show
	}
	r.noteLink("Set right and tried again", *l, e.Reason, by, at)
	return nil
}

// idPattern is that of an id in FHIR R4 (datatypes, id).
var idPattern = regexp.MustCompile(`^[A-Za-z0-9.-]{1,64}$`)

// Tied reports whether an operator has named the link's item and nobody has looked
// into it yet.
func (l Link) Tied() bool {
	return l.RemoteID != "" && l.RemoteVersion == "" && l.Base.Status == "" && l.Type != Worklist
}

// tie makes the link belong to a resource that a person has found in the EHR. What
// it says is not known yet.
func (l *Link) tie(remoteID string) {
	l.RemoteID, l.RemoteVersion, l.Holds, l.Base = remoteID, "", 0, ItemState{}
	l.clearSent()
	if l.State == LinkPending || l.State == LinkSending {
		l.State = LinkSynced
	}
}

func (r *Record) noteLink(what string, l Link, reason string, by Actor, at time.Time) {
	text := fmt.Sprintf("%s: %s in %s", what, l.Type, l.EHR)
	if reason != "" {
		text += ": " + reason
	}
	r.Note(redact.NewText(text), by, at)
}
