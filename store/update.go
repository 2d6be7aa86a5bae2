package store

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/ringback-health/ringback/callback"
)

// Update loads the record, lets change work on it and stores what changed, all
// in one transaction; it returns the record as stored. When the row moved
// meanwhile it starts again, so change may run more than once. change must not
// call the ledger. An error of change is returned as it is and nothing is stored.
//
// What change may do to the record: what its methods do. An event or an attempt
// that was altered, anything that was removed, or another id or clinic is
// ErrInvalid. ErrConflict also says that an appointment it credited answers
// another callback already, or that a link's resource is another link's.
func (s *Store) Update(ctx context.Context, id callback.ID, change func(*callback.Record) error) (callback.Record, error) {
	var out callback.Record
	err := s.write(ctx, "change a callback", func(tx *gorm.DB) error {
		before, err := s.load(tx, id, forUpdate)
		if err != nil {
			return err
		}
		after := before.Clone()
		if err := change(&after); err != nil {
			return byCaller{err}
		}
		changed, err := s.store(tx, before, after)
		if err != nil {
			return err
		}
		out = before.Record
		if changed {
			stored, err := s.load(tx, id)
			out = stored.Record
			return err
		}
		return nil
	})
	if err != nil {
		return callback.Record{}, err
	}
	return out, nil
}

// store writes what differs between before and after. The row of the callback
// is written, under its version, whatever part of the record changed.
func (s *Store) store(tx *gorm.DB, before kept, after callback.Record) (changed bool, err error) {
	if err := keepsThePast(before.Record, after); err != nil {
		return false, err
	}
	if reflect.DeepEqual(before.Record, after) {
		return false, nil
	}
	row, err := s.seal.callbackRow(after.Callback, before.version+1)
	if err != nil {
		return false, err
	}
	done := tx.Model(&callbackRow{}).Where("id = ? AND revision = ? AND row_version = ?", after.ID, before.Revision, before.version).
		Select(callbackChanges).Updates(row)
	if done.Error != nil {
		return false, done.Error
	}
	if done.RowsAffected != 1 {
		return false, errLostRace
	}
	if err := s.insertPast(tx, after, len(before.Timeline), len(before.Attempts)); err != nil {
		return false, err
	}
	if err := storeEvidence(tx, before.Evidence, after); err != nil {
		return false, err
	}
	return true, s.storeLinks(tx, before, after)
}

// keepsThePast checks that a change only added to what cannot change.
func keepsThePast(before, after callback.Record) error {
	wrong := func(what string) error {
		return fmt.Errorf("%w: a change of callback %s %s", callback.ErrInvalid, before.ID, what)
	}
	b, a := before.Callback, after.Callback
	switch {
	case a.ID != b.ID || a.Clinic != b.Clinic:
		return wrong("gave it another id or clinic")
	case a.Source != b.Source || a.SourceID != b.SourceID || !a.ReceivedAt.Equal(b.ReceivedAt) || !a.CapturedAt.Equal(b.CapturedAt):
		return wrong("altered where it came from")
	case a.Revision < b.Revision:
		return wrong("set its revision back")
	case !startsWith(after.Timeline, before.Timeline):
		return wrong("altered its timeline")
	case !startsWith(after.Attempts, before.Attempts):
		return wrong("altered an attempt")
	case len(after.Evidence) < len(before.Evidence) || len(after.Links) < len(before.Links):
		return wrong("removed evidence or a link")
	}
	for _, e := range after.Timeline[len(before.Timeline):] {
		if e.Seq != 0 {
			return wrong("numbered an event")
		}
	}
	for i, l := range before.Links {
		n := after.Links[i]
		if n.ID != l.ID || n.Callback != l.Callback || n.Clinic != l.Clinic || n.EHR != l.EHR || n.Lock != l.Lock {
			return wrong("gave a link another identity")
		}
		if n.Type != l.Type && n.RemoteID != "" && n.Type != callback.Worklist {
			return wrong("gave a resource in the EHR another type")
		}
	}
	for i, e := range before.Evidence {
		if n := after.Evidence[i]; n.EHR != e.EHR || n.Appointment != e.Appointment {
			return wrong("gave evidence another appointment")
		}
	}
	return nil
}

func startsWith[T any](list, head []T) bool {
	return len(list) >= len(head) && slices.EqualFunc(list[:len(head)], head, func(a, b T) bool { return reflect.DeepEqual(a, b) })
}

// insert stores a new record with all that it holds.
func (s *Store) insert(tx *gorm.DB, r callback.Record) error {
	row, err := s.seal.callbackRow(r.Callback, 1)
	if err != nil {
		return err
	}
	if err := tx.Create(&row).Error; err != nil {
		return err
	}
	if err := s.insertPast(tx, r, 0, 0); err != nil {
		return err
	}
	if err := storeEvidence(tx, nil, r); err != nil {
		return err
	}
	return s.storeLinks(tx, kept{Record: callback.Record{Callback: r.Callback}}, r)
}

// insertPast stores the events and attempts behind the first ones.
func (s *Store) insertPast(tx *gorm.DB, r callback.Record, events, attempts int) error {
	var past []eventRow
	for i, e := range r.Timeline[events:] {
		e.Seq = int64(events + i + 1)
		row, err := s.seal.eventRow(r.Callback, e)
		if err != nil {
			return err
		}
		past = append(past, row)
	}
	if len(past) > 0 {
		if err := tx.Create(&past).Error; err != nil {
			return err
		}
	}
	var tries []attemptRow
	for i, a := range r.Attempts[attempts:] {
		row, err := s.seal.attemptRow(r.Callback, attempts+i, a)
		if err != nil {
			return err
		}
		tries = append(tries, row)
	}
	if len(tries) > 0 {
		return tx.Create(&tries).Error
	}
	return nil
}

// storeEvidence stores what is new or changed.
func storeEvidence(tx *gorm.DB, before []callback.Evidence, r callback.Record) error {
	var rows []evidenceRow
	for i, e := range r.Evidence {
		if i >= len(before) || !reflect.DeepEqual(e, before[i]) {
			rows = append(rows, newEvidenceRow(r.Callback, i, e))
		}
	}
	if len(rows) == 0 {
		return nil
	}
	err := tx.Clauses(clause.OnConflict{
		Columns:   []clause.Column{{Name: "callback_id"}, {Name: "ehr"}, {Name: "appointment"}},
		DoUpdates: clause.AssignmentColumns([]string{"verdict", "reasons", "sentence", "state", "at"}),
	}).Create(&rows).Error
	if errors.Is(err, gorm.ErrDuplicatedKey) {
		return fmt.Errorf("the appointment answers another callback: %w", callback.ErrConflict)
	}
	return err
}

// storeLinks inserts new links, stores changed ones under their locks, and tells
// all of them which revision is wanted.
func (s *Store) storeLinks(tx *gorm.DB, before kept, r callback.Record) error {
	var fresh []linkRow
	for i, l := range r.Links {
		if i >= len(before.Links) {
			if l.Callback != r.ID || l.Clinic != r.Clinic {
				return fmt.Errorf("%w: a new link of callback %s names another callback or clinic", callback.ErrInvalid, r.ID)
			}
			l.Lock = 0
			fresh = append(fresh, newLinkRow(l, i, r.Revision))
			continue
		}
		if reflect.DeepEqual(l, before.Links[i]) {
			continue
		}
		row := newLinkRow(l, i, r.Revision)
		if err := updateLink(tx, row, append(slices.Clone(linkChanges), "wanted")); err != nil {
			return err
		}
	}
	if len(fresh) > 0 {
		if err := linkTaken(tx.Create(&fresh).Error); err != nil {
			return err
		}
	}
	if r.Revision == before.Revision || len(before.Links) == 0 {
		return nil
	}
	return tx.Model(&linkRow{}).Where("callback_id = ?", r.ID).Updates(map[string]any{"wanted": r.Revision}).Error
}
