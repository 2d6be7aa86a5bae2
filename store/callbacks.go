package store

import (
	"context"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/ringback-health/ringback/callback"
)

// kept is a record as it was read, with the version of its row.
type kept struct {
	callback.Record
	version int64
}

// Record returns one callback with all that is known about it, as of one moment.
func (s *Store) Record(ctx context.Context, id callback.ID) (callback.Record, error) {
	const op = "read a callback"
	var k kept
	err := s.read(ctx, op, func(tx *gorm.DB) (err error) {
		k, err = s.load(tx, id)
		return err
	})
	return k.Record, err
}

// load reads one record. In a transaction that may write it keeps other writers
// of the record out until the end.
func (s *Store) load(tx *gorm.DB, id callback.ID, locking ...clause.Expression) (kept, error) {
	var r callbackRow
	if err := tx.Clauses(locking...).Where("id = ?", id).Take(&r).Error; err != nil {
		return kept{}, err
	}
	all, err := s.complete(tx, []callbackRow{r})
	if err != nil {
		return kept{}, err
	}
	return all[0], nil
}

// forUpdate locks the rows that are read; SQLite has no such lock and needs
// none, because its writers come one at a time.
var forUpdate = clause.Locking{Strength: clause.LockingStrengthUpdate}

// complete reads what belongs to the callbacks: one query per table, however
// many they are.
func (s *Store) complete(tx *gorm.DB, rows []callbackRow) ([]kept, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	all := make([]kept, len(rows))
	ids := make([]callback.ID, len(rows))
	at := map[callback.ID]*callback.Record{}
	for i, r := range rows {
		c, err := s.seal.callback(r)
		if err != nil {
			return nil, err
		}
		all[i] = kept{callback.Record{Callback: c}, r.RowVersion}
		ids[i], at[c.ID] = c.ID, &all[i].Record
	}
	if err := s.addEvents(tx, ids, at); err != nil {
		return nil, err
	}
	if err := s.addAttempts(tx, ids, at); err != nil {
		return nil, err
	}
	if err := addEvidence(tx, ids, at); err != nil {
		return nil, err
	}
	return all, addLinks(tx, ids, at)
}

func (s *Store) addEvents(tx *gorm.DB, ids []callback.ID, at map[callback.ID]*callback.Record) error {
	var rows []eventRow
	if err := tx.Where("callback_id IN ?", ids).Order("callback_id, seq").Find(&rows).Error; err != nil {
		return err
	}
	for _, r := range rows {
		e, err := s.seal.event(r)
		if err != nil {
			return err
		}
		rec := at[r.CallbackID]
		rec.Timeline = append(rec.Timeline, e)
	}
	return nil
}

func (s *Store) addAttempts(tx *gorm.DB, ids []callback.ID, at map[callback.ID]*callback.Record) error {
	var rows []attemptRow
	if err := tx.Where("callback_id IN ?", ids).Order("callback_id, position").Find(&rows).Error; err != nil {
		return err
	}
	for _, r := range rows {
		a, err := s.seal.attempt(r)
		if err != nil {
			return err
		}
		rec := at[r.CallbackID]
		rec.Attempts = append(rec.Attempts, a)
	}
	return nil
}

func addEvidence(tx *gorm.DB, ids []callback.ID, at map[callback.ID]*callback.Record) error {
	var rows []evidenceRow
	if err := tx.Where("callback_id IN ?", ids).Order("callback_id, position").Find(&rows).Error; err != nil {
		return err
	}
	for _, r := range rows {
		rec := at[r.CallbackID]
		rec.Evidence = append(rec.Evidence, r.evidence())
	}
	return nil
}

func addLinks(tx *gorm.DB, ids []callback.ID, at map[callback.ID]*callback.Record) error {
	var rows []linkRow
	if err := tx.Where("callback_id IN ?", ids).Order("callback_id, position").Find(&rows).Error; err != nil {
		return err
	}
	for _, r := range rows {
		rec := at[r.CallbackID]
		rec.Links = append(rec.Links, r.link())
	}
	return nil
}

// The size of a page of a list.
const (
	defaultLimit = 50
	maxLimit     = 500
)

func pageSize(limit int) int {
	if limit <= 0 {
		return defaultLimit
	}
	return min(limit, maxLimit)
}

// atMost is for lists without pages, which have no upper bound of their own.
func atMost(limit int) int {
	if limit <= 0 {
		return maxLimit
	}
	return limit
}

// List returns callbacks, newest first, and the id to continue after.
func (s *Store) List(ctx context.Context, f callback.Filter) (page []callback.Callback, next callback.ID, err error) {
	const op = "list callbacks"
	size := pageSize(f.Limit)
	var rows []callbackRow
	if err := filtered(s.one(ctx), f).Order("id DESC").Limit(size + 1).Find(&rows).Error; err != nil {
		return nil, "", s.fail(op, err)
	}
	if len(rows) > size {
		rows = rows[:size]
		next = rows[size-1].ID
	}
	for _, r := range rows {
		c, err := s.seal.callback(r)
		if err != nil {
			return nil, "", err
		}
		page = append(page, c)
	}
	return page, next, nil
}

// filtered restricts a query to f. The conditions without a parameter are
// spelled as in the partial indexes.
func filtered(q *gorm.DB, f callback.Filter) *gorm.DB {
	if f.Clinic != "" {
		q = q.Where("clinic = ?", f.Clinic)
	}
	if len(f.Statuses) > 0 {
		q = q.Where("status IN ?", f.Statuses)
	}
	if f.Category != "" {
		q = q.Where("category = ?", f.Category)
	}
	if f.Owner != "" {
		q = q.Where("owner = ?", plain(f.Owner))
	}
	if f.Source != "" {
		q = q.Where("source = ?", plain(f.Source))
	}
	if f.Review {
		q = q.Where("review")
	}
	if f.Open {
		q = q.Where("closed_at IS NULL")
	}
	if f.Unbound {
		q = q.Where("resolution <> ?", callback.Certain)
	}
	if f.Repeated {
		q = q.Where("repeats > 0")
	}
	if f.After != "" {
		q = q.Where("id < ?", f.After)
	}
	return q
}

// Count returns how many callbacks there are of each kind in a clinic, or in all
// clinics when clinic is "".
func (s *Store) Count(ctx context.Context, clinic callback.ClinicID) ([]callback.Tally, error) {
	q := s.one(ctx).Model(&callbackRow{}).
		Select("clinic, status, outcome, category, review, count(*) AS n").
		Group("clinic, status, outcome, category, review").
		Order("clinic, status, outcome, category, review")
	if clinic != "" {
		q = q.Where("clinic = ?", clinic)
	}
	var tallies []callback.Tally
	if err := q.Find(&tallies).Error; err != nil {
		return nil, s.fail("count callbacks", err)
	}
	return nilIfEmpty(tallies), nil
}
