package callback

import (
	"errors"
	"slices"
	"time"

	"github.com/ringback-health/ringback/internal/redact"
)

// Observe takes over what staff changed in the EHR since the link's two sides
// last agreed, and records that they agree now. What people did there wins over
// what automation wants; what Ringback wrote itself comes back unchanged and is
// nothing new. It reports whether the callback changed.
func (r *Record) Observe(link ID, item Item, at time.Time) (bool, error) {
	l := r.Link(link)
	if l == nil {
		return false, ErrNotFound
	}
	before := len(r.Timeline)
	if item.Gone {
		r.observeGone(l, at)
		return len(r.Timeline) > before, nil
	}
	if item.UpdatedAt.Before(l.Base.Updated) {
		return false, nil // read before what both sides agreed on was written
	}
	if l.Type == TaskResource {
		staff := Actor{Kind: EHRStaff}
		r.observePatient(item, staff, at)
		for _, n := range item.Notes[min(l.Base.Notes, len(item.Notes)):] {
			r.Note(n.Text, Actor{Kind: EHRStaff, Name: n.By}, at)
		}
		if err := r.observeFields(l.Base, item, staff, at); err != nil {
			return false, err
		}
		if err := r.observeStatus(l.Base, item, staff, at); err != nil {
			return false, err
		}
	}
	l.agree(item, r.tied(*l, item))
	l.UpdatedAt = at
	return len(r.Timeline) > before, nil
}

// agree records that the resource stands in the EHR as item says.
func (l *Link) agree(item Item, tied []string) {
	l.RemoteID, l.RemoteVersion, l.State = item.ID, item.Version, LinkSynced
	l.Base = item.State
	l.Base.Notes, l.Base.Updated = len(item.Notes), item.UpdatedAt.UTC()
	l.Base.Appointments = tied
}

// Written records that a write succeeded: the resource stands as item says and
// holds the revision.
func (r *Record) Written(link ID, item Item, revision int64, at time.Time) error {
	l := r.Link(link)
	if l == nil {
		return ErrNotFound
	}
	first := l.RemoteID == ""
	l.agree(item, r.tied(*l, item))
	l.Holds, l.Failures, l.LastError, l.Hint = revision, 0, "", ""
	l.NextAttemptAt, l.UpdatedAt = time.Time{}, at
	if first {
		r.Filed(*l, at)
	}
	return nil
}

// tied returns the appointments that staff tied to the item: all it points to
// but those that Ringback wrote there itself.
func (r *Record) tied(l Link, item Item) []string {
	w := r.WorkItem(l)
	var ids []string
	for _, id := range item.Appointments {
		ev, known := r.EvidenceOf(l.EHR, id)
		ours := id == w.Proposal || (known && ev.Verdict != Exact && (ev.State == Credited || ev.State == Revoked))
		if !ours && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// observeGone: the item was deleted in the EHR. An open callback is filed anew,
// because nobody would see it otherwise, and a person is asked to look.
func (r *Record) observeGone(l *Link, at time.Time) {
	l.RemoteID, l.RemoteVersion, l.Base, l.UpdatedAt = "", "", ItemState{}, at
	if r.Status.Open() && l.Type == TaskResource {
		l.State, l.Holds = LinkPending, 0
		r.AskReviewOf("the work item was deleted in the EHR and is filed again", Actor{Kind: EHRStaff}, at)
		return
	}
	l.State, l.LastError = LinkDiscarded, "discarded: the resource was deleted in the EHR"
}

func (r *Record) observePatient(item Item, staff Actor, at time.Time) {
	if item.Patient.IsEmpty() || item.Patient.Equal(r.Patient.Keys.EHRID) && r.Patient.Resolution == Certain {
		return
	}
	p := r.Patient
	p.Keys.EHRID, p.Candidate, p.Resolution, p.How = item.Patient, redact.Text{}, Certain, "staff"
	r.Resolve(p, staff, at)
}

// observeFields takes over owner and priority where they differ from what both
// sides agreed on. Where they never agreed, the item holds what an earlier life of
// ours wrote, and nobody can tell that from what staff wrote: ours stands.
func (r *Record) observeFields(base ItemState, item Item, staff Actor, at time.Time) error {
	if base.Status == "" {
		return nil
	}
	s := item.State
	if s.Owner != "" && s.Owner != base.Owner && s.Owner != r.Owner {
		if err := tolerate(r.Assign(s.Owner, staff, at)); err != nil {
			return err
		}
	}
	if s.Priority.Valid() && s.Priority != base.Priority && s.Priority != r.Priority {
		return r.Prioritise(s.Priority, staff, at)
	}
	return nil
}

func (r *Record) observeStatus(base ItemState, item Item, staff Actor, at time.Time) error {
	if item.State.Status == base.Status {
		return nil
	}
	if ended := base.Status == ItemDone || base.Status == ItemCancelled; ended {
		switch item.State.Status {
		case ItemOpen, ItemInProgress, ItemOnHold:
			if err := r.Reopen("opened again in the EHR", redact.Text{}, staff, at); err != nil {
				return err
			}
		default: // ended otherwise: see below
		}
	}
	switch item.State.Status {
	case ItemInProgress:
		return tolerate(r.Start(staff, at))
	case ItemOnHold:
		return tolerate(r.Wait(staff, at))
	case ItemDone, ItemCancelled, ItemVoid:
		if r.Status == Closed {
			return nil
		}
		return r.Close(item.closingOutcome(), redact.Text{}, staff, at)
	case ItemRejected, ItemFailed:
		if r.Status.Open() {
			r.AskReviewOf("the work item was "+string(item.State.Status)+" in the EHR", staff, at)
		}
	case ItemOpen: // nothing that an open callback has to do
	}
	return nil
}

// closingOutcome is what the item says of how it ended, or that it does not say.
func (i Item) closingOutcome() Outcome {
	switch {
	case i.Outcome.Closes():
		return i.Outcome
	case i.State.Status == ItemDone:
		return CompletedInEHR
	default:
		return CancelledInEHR
	}
}

// tolerate drops ErrNotAllowed: staff moved the item in a way that the callback,
// closed meanwhile, no longer allows. The next write tells the EHR.
func tolerate(err error) error {
	if errors.Is(err, ErrNotAllowed) {
		return nil
	}
	return err
}
