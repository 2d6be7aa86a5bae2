package callback

import (
	"errors"
	"slices"
	"time"

	"github.com/ringback-health/ringback/internal/redact"
)

// ItemState returns what a work item of the callback should say.
func (c Callback) ItemState() ItemState {
	return ItemState{Status: c.itemStatus(), Owner: c.Owner, Priority: c.Priority, Category: c.Category, Due: c.DueAt, Told: c.Status}
}

func (c Callback) itemStatus() ItemStatus {
	switch {
	case c.Status == InProgress:
		return ItemInProgress
	case c.Status == Waiting:
		return ItemOnHold
	case c.Status == Closed && c.Outcome.Withdrawn():
		return ItemCancelled
	case c.Status == Closed:
		return ItemDone
	default:
		return ItemOpen
	}
}

// Ended reports whether nobody has anything left to do on the item.
func (s ItemStatus) Ended() bool { return s == ItemDone || s == ItemCancelled || s == ItemVoid }

// known returns the states of the item that Ringback has a hand in: what both
// sides agreed on, and what writes of unknown outcome wanted. Staff changed what
// differs from all of them. Where the item tells by our own codes from which of them
// it grew, it is only those. shown is the revision that staff saw for certain.
func (l *Link) known(now ItemState) (states []ItemState, shown int64) {
	var all []SentState
	if l.Base.Status != "" {
		all = append(all, SentState{l.Base, l.Holds})
	}
	all = append(all, l.Sent...)
	told := slices.DeleteFunc(slices.Clone(all), func(s SentState) bool { return now.Told == "" || s.Told != now.Told })
	if len(told) > 0 {
		all = told
	}
	for i, s := range all {
		states = append(states, s.ItemState)
		if i == 0 || s.Revision < shown {
			shown = s.Revision
		}
	}
	return states, shown
}

// merge takes what staff changed on a work item over into the callback, field by
// field. docs/two-way.md has the rules in words; change both together.
type merge struct {
	*Record
	base  ItemState   // what both sides agreed on
	known []ItemState // what staff did not make
	shown int64       // the revision that staff saw
	item  Item
	staff Actor
	at    time.Time
}

func (m merge) run() error {
	if len(m.known) == 0 {
		// Both sides never met: the item holds what an earlier life of ours wrote, and
		// nobody can tell that from what staff wrote. Only how it stands counts.
		return m.status()
	}
	if err := errors.Join(m.category(), m.owner(), m.priority()); err != nil {
		return err
	}
	m.due()
	return m.status()
}

// theirs reports whether staff gave a field its value: it is none that we know of.
func theirs[T any](m merge, now T, same func(a, b T) bool, field func(ItemState) T) bool {
	return !slices.ContainsFunc(m.known, func(s ItemState) bool { return same(now, field(s)) })
}

func equal[T comparable](a, b T) bool { return a == b }

// owner: whoever has the item in the EHR has the callback. An item that nobody has
// is given back to the callback's owner: a callback is never without one.
func (m merge) owner() error {
	owner := m.item.State.Owner
	if owner == "" || owner == m.Owner || !theirs(m, owner, equal, func(s ItemState) string { return s.Owner }) {
		return nil
	}
	if m.Status == Closed { // it stays closed, and has the owner that staff gave it
		m.Owner = owner
		m.stay(Event{Kind: EventAssigned, At: m.at, By: m.staff, Detail: "owner " + owner}, true)
		return nil
	}
	return tolerate(m.Assign(owner, m.staff, m.at))
}

// priority: staff may set any. Where Ringback's side was changed meanwhile, the
// more urgent stands.
func (m merge) priority() error {
	p := m.item.State.Priority
	if !p.Valid() || p == m.Priority || !theirs(m, p, equal, func(s ItemState) Priority { return s.Priority }) {
		return nil
	}
	changedHere := slices.ContainsFunc(m.known, func(s ItemState) bool { return s.Priority != m.Priority })
	if changedHere && m.Priority.Above(p) {
		return nil
	}
	return m.Prioritise(p, m.staff, m.at)
}

// category: staff's, where they set one in our codes.
func (m merge) category() error {
	c := m.item.State.Category
	if !c.Valid() || c == m.Category || !theirs(m, c, equal, func(s ItemState) Category { return s.Category }) {
		return nil
	}
	return m.Categorise(c, m.staff, m.at)
}

// due: staff's.
func (m merge) due() {
	due := m.item.State.Due
	if due.IsZero() || !theirs(m, due, sameSecond, func(s ItemState) time.Time { return s.Due }) {
		return
	}
	m.Defer(due.UTC(), m.staff, m.at)
}

// sameSecond: an EHR may keep times to the second.
func sameSecond(a, b time.Time) bool {
	d := a.Sub(b)
	return -time.Second < d && d < time.Second
}

func (m merge) status() error {
	now := m.item.State.Status
	if m.Status == Closed && now.Ended() {
		m.outcome()
	}
	if !theirs(m, now, equal, func(s ItemState) ItemStatus { return s.Status }) {
		return nil
	}
	switch now {
	case ItemOpen, ItemInProgress, ItemOnHold:
		return m.underWay(now)
	case ItemDone, ItemCancelled, ItemVoid:
		return m.ended()
	case ItemRejected, ItemFailed:
		if m.Status.Open() {
			m.AskReviewOf("the work item was "+string(now)+" in the EHR", m.staff, m.at)
		}
	}
	return nil
}

// outcome: a callback that is closed ends as staff say last, if they have said
// anything since both sides agreed. One that a visit closed stays credited to it.
func (m merge) outcome() {
	o := m.item.State.Outcome
	if m.base.Status == "" || !o.Closes() || o == m.base.Outcome || o == m.Outcome || m.Outcome == Booked {
		return
	}
	m.Outcome = o
	m.stay(Event{Kind: EventClosed, At: m.at, By: m.staff, Detail: "outcome " + string(o)}, true)
}

// underWay: staff work on the item. One that had ended is open again, and so is
// its callback; a callback that ended here meanwhile stays closed.
func (m merge) underWay(now ItemStatus) error {
	reopens := slices.ContainsFunc(m.known, func(s ItemState) bool { return s.Status.Ended() })
	if reopens {
		if err := m.Reopen("opened again in the EHR", redact.Text{}, m.staff, m.at); err != nil {
			return err
		}
	}
	switch {
	case now == ItemInProgress:
		return tolerate(m.Start(m.staff, m.at))
	case now == ItemOnHold:
		return tolerate(m.Wait(m.staff, m.at))
	case reopens: // what is open again is in progress
		return nil
	default:
		return tolerate(m.Release(m.staff, m.at))
	}
}

// ended: staff are done with the item. If the caller has called again since, which
// the item did not show to whoever ended it, the callback is open again.
func (m merge) ended() error {
	if m.Status == Closed {
		return nil
	}
	unseen := m.unseenCall(m.shown)
	if err := m.Close(m.item.closingOutcome(), redact.Text{}, m.staff, m.at); err != nil || !unseen {
		return err
	}
	return m.Reopen("called again before it was ended in the EHR", redact.Text{}, Actor{Kind: CallerActor}, m.at)
}

// unseenCall reports whether the caller has called again since a revision.
func (r *Record) unseenCall(since int64) bool {
	return slices.ContainsFunc(r.Timeline, func(e Event) bool { return e.Kind == EventMerged && e.Revision > since })
}

// rejected reports whether staff rejected the link's item and nothing was decided
// since: the same owner, the same state, and no further call.
func (r *Record) rejected(l Link) bool {
	base := l.Base
	return (base.Status == ItemRejected || base.Status == ItemFailed) && r.Owner == base.Owner &&
		(base.Told == "" || base.Told == r.Status) && !r.unseenCall(l.Holds)
}

// tolerate drops ErrNotAllowed: staff moved the item in a way that the callback,
// closed meanwhile, no longer allows. The next write tells the EHR.
func tolerate(err error) error {
	if errors.Is(err, ErrNotAllowed) {
		return nil
	}
	return err
}
