package callback

import (
	"slices"
	"time"

	"github.com/ringback-health/ringback/internal/redact"
)

// Observe takes over what staff changed in the EHR since the link's two sides
// last agreed, and records that they agree now. What people did there wins over
// what automation wants; what Ringback wrote itself comes back unchanged and is
// nothing new. The rule for each field stands in docs/two-way.md. It reports
// whether the callback changed.
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
	if l.Type.IsWorkItem() {
		if err := r.observeItem(l, item, at); err != nil {
			return false, err
		}
	}
	for i := range r.Timeline[before:] {
		if e := &r.Timeline[before+i]; e.By.Kind == EHRStaff && e.EHRAt.IsZero() {
			e.EHRAt = item.UpdatedAt.UTC()
		}
	}
	l.agree(item, r.tied(*l, item))
	if l.Type.IsWorkItem() && item.State.Owner == "" && r.Owner != "" {
		l.Holds = min(l.Holds, r.Revision-1) // it is given back to the callback's owner
	}
	l.UpdatedAt = at
	return len(r.Timeline) > before, nil
}

func (r *Record) observeItem(l *Link, item Item, at time.Time) error {
	staff := Actor{Kind: EHRStaff, Name: item.By}
	r.observePatient(item, staff, at)
	for _, n := range item.Notes[min(l.Base.Notes, len(item.Notes)):] {
		r.Note(n.Text, Actor{Kind: EHRStaff, Name: n.By}, at)
		r.Timeline[len(r.Timeline)-1].EHRAt = n.At.UTC()
	}
	m := merge{Record: r, base: l.Base, item: item, staff: staff, at: at}
	m.known, m.shown = l.known(item.State)
	return m.run()
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
	l.clearSent()
	l.NextAttemptAt, l.UpdatedAt = time.Time{}, at
	if first {
		r.Filed(*l, at)
	}
	return nil
}

// Held records that the link has nothing more to tell of a revision: it stands in
// Ringback's own list, or its item in the EHR cannot be changed.
func (r *Record) Held(link ID, revision int64, at time.Time) error {
	l := r.Link(link)
	if l == nil {
		return ErrNotFound
	}
	if l.Type == Worklist {
		l.RemoteID, l.State = string(r.ID), LinkSynced
	}
	l.Holds, l.Failures, l.LastError, l.Hint = revision, 0, "", ""
	l.NextAttemptAt, l.UpdatedAt = time.Time{}, at
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
	l.clearSent()
	if r.Status.Open() && l.Type.IsWorkItem() {
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
