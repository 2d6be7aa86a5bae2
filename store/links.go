package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"

	"github.com/ringback-health/ringback/callback"
)

// Lagging returns links that the EHR has something to learn through and that are
// due at now, oldest first, but for those of an EHR that is held back. Each EHR has
// its share of limit, so that one with many does not hide another.
func (s *Store) Lagging(ctx context.Context, now time.Time, limit int) ([]callback.Lag, error) {
	due := func() *gorm.DB {
		return s.one(ctx).Model(&linkRow{}).
			Where(lags).Where("next_attempt_at IS NULL OR next_attempt_at <= ?", instant(now)).
			Where("NOT EXISTS (SELECT 1 FROM connections WHERE connections.ehr = links.ehr AND connections.until > ?)", instant(now))
	}
	var ehrs []callback.EHRID
	if err := due().Distinct("ehr").Find(&ehrs).Error; err != nil || len(ehrs) == 0 {
		return nil, s.fail("find what lags", err)
	}
	var list []callback.Lag
	for _, ehr := range ehrs {
		var share []callback.Lag
		err := due().Select("id AS link, callback_id AS callback, ehr").Where("ehr = ?", ehr).
			Order("id").Limit(max(1, atMost(limit)/len(ehrs))).Find(&share).Error
		if err != nil {
			return nil, s.fail("find what lags", err)
		}
		list = append(list, share...)
	}
	slices.SortFunc(list, func(a, b callback.Lag) int { return strings.Compare(string(a.Link), string(b.Link)) })
	return list[:min(len(list), atMost(limit))], nil
}

// lags is spelled as in the index links_lagging.
const lags = "holds < wanted AND state NOT IN ('stuck', 'discarded')"

// Hasten makes the links of an EHR due that wait because it failed.
func (s *Store) Hasten(ctx context.Context, ehr callback.EHRID) error {
	return s.write(ctx, "make links due", func(tx *gorm.DB) error {
		return tx.Model(&linkRow{}).Where(lags).Where("state <> 'sending' AND ehr = ? AND next_attempt_at IS NOT NULL", ehr).
			Updates(map[string]any{"next_attempt_at": nil}).Error
	})
}

// LinkByID returns one link.
func (s *Store) LinkByID(ctx context.Context, id callback.ID) (callback.Link, error) {
	return s.link(s.one(ctx).Where("id = ?", id))
}

// LinkByRemote returns the link to a resource of an EHR.
func (s *Store) LinkByRemote(ctx context.Context, ehr callback.EHRID, t callback.ResourceType, remoteID string) (callback.Link, error) {
	return s.link(s.one(ctx).Where("ehr = ? AND type = ? AND remote_id = ? AND remote_id <> ''", ehr, t, plain(remoteID)))
}

func (s *Store) link(q *gorm.DB) (callback.Link, error) {
	var r linkRow
	if err := q.Take(&r).Error; err != nil {
		return callback.Link{}, s.fail("read a link", err)
	}
	return r.link(), nil
}

// Links returns links, newest first, and the id to continue after.
func (s *Store) Links(ctx context.Context, f callback.LinkFilter) (page []callback.Link, next callback.ID, err error) {
	size := pageSize(f.Limit)
	q := s.one(ctx)
	if f.Clinic != "" {
		q = q.Where("clinic = ?", f.Clinic)
	}
	if f.State != "" {
		q = q.Where("state = ?", f.State)
	}
	if f.After != "" {
		q = q.Where("id < ?", f.After)
	}
	var rows []linkRow
	if err := q.Order("id DESC").Limit(size + 1).Find(&rows).Error; err != nil {
		return nil, "", s.fail("list links", err)
	}
	if len(rows) > size {
		rows = rows[:size]
		next = rows[size-1].ID
	}
	for _, r := range rows {
		page = append(page, r.link())
	}
	return page, next, nil
}

// SaveLink stores l where the stored row still has l.Lock and returns it as
// stored, with the new Lock. What the link ties together does not change.
func (s *Store) SaveLink(ctx context.Context, l callback.Link) (callback.Link, error) {
	var stored linkRow
	err := s.write(ctx, "store a link", func(tx *gorm.DB) error {
		err := updateLink(tx, newLinkRow(l, 0, 0), linkChanges)
		if err != nil && !errors.Is(err, errLostRace) {
			return err
		}
		stored = linkRow{}
		if missing := tx.Where("id = ?", l.ID).Take(&stored).Error; missing != nil {
			return missing
		}
		if err != nil {
			return fmt.Errorf("link %s: %w", l.ID, callback.ErrConflict)
		}
		return nil
	})
	if err != nil {
		return callback.Link{}, err
	}
	return stored.link(), nil
}

// updateLink stores the columns of a link under its lock and moves the lock.
func updateLink(tx *gorm.DB, r linkRow, columns []string) error {
	read := r.Lock
	r.Lock++
	done := tx.Model(&linkRow{}).Where("id = ? AND lock = ?", r.ID, read).Select(columns).Updates(r)
	if done.Error != nil {
		return linkTaken(done.Error)
	}
	if done.RowsAffected != 1 {
		return errLostRace
	}
	return storeTied(tx, r)
}

// storeTied keeps link_appointments as the base of the link says.
func storeTied(tx *gorm.DB, r linkRow) error {
	if err := tx.Where("link_id = ?", r.ID).Delete(&tiedRow{}).Error; err != nil {
		return err
	}
	var tied []tiedRow
	for _, id := range r.Base.Appointments {
		tied = append(tied, tiedRow{LinkID: r.ID, Appointment: plain(id), CallbackID: r.CallbackID, Clinic: r.Clinic, EHR: r.EHR})
	}
	if len(tied) == 0 {
		return nil
	}
	return tx.Clauses(keepFirst).Create(&tied).Error
}

// linkTaken says what it means that a link cannot stand beside another.
func linkTaken(err error) error {
	if errors.Is(err, gorm.ErrDuplicatedKey) {
		return fmt.Errorf("another link has its id or its resource in the EHR: %w", callback.ErrConflict)
	}
	return err
}
