package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/internal/redact"
)

// Hear stores events that are not stored yet.
func (s *Store) Hear(ctx context.Context, events []callback.Told) (fresh int, err error) {
	rows := make([]toldRow, 0, len(events))
	for _, e := range events {
		if e.ID == "" || e.Clinic == "" || e.Phone == "" || e.Key == "" {
			return 0, fmt.Errorf("%w: an event needs an id, a clinic, a phone system and a key", callback.ErrInvalid)
		}
		row, err := s.seal.toldRow(e)
		if err != nil {
			return 0, err
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		return 0, nil
	}
	err = s.write(ctx, "store what a phone system told", func(tx *gorm.DB) error {
		fresh = 0
		for part := range slices.Chunk(rows, rowsAtOnce) {
			done := tx.Clauses(clause.OnConflict{Columns: columns("clinic", "phone", "key"), DoNothing: true}).Create(&part)
			if done.Error != nil {
				return done.Error
			}
			fresh += int(done.RowsAffected)
		}
		return nil
	})
	return fresh, err
}

// rowsAtOnce bounds the rows of one statement: databases bound its variables.
const rowsAtOnce = 200

func columns(names ...string) []clause.Column {
	var all []clause.Column
	for _, n := range names {
		all = append(all, clause.Column{Name: n})
	}
	return all
}

// Unread returns events that nobody has read, oldest first.
func (s *Store) Unread(ctx context.Context, clinic callback.ClinicID, phone callback.PhoneID, limit int) ([]callback.Told, error) {
	var rows []toldRow
	err := s.one(ctx).Where("clinic = ? AND phone = ? AND read_at IS NULL", clinic, phone).Order("id").Limit(atMost(limit)).Find(&rows).Error
	if err != nil {
		return nil, s.fail("find what a phone system told", err)
	}
	return s.seal.allTold(rows)
}

// Heard stores what events were found to tell.
func (s *Store) Heard(ctx context.Context, readings []callback.Reading) error {
	return s.write(ctx, "store what was read of phone systems", func(tx *gorm.DB) error {
		for _, r := range readings {
			done := tx.Model(&toldRow{}).Where("id = ?", r.ID).
				Updates(map[string]any{"read_at": instant(s.clock.Now()), "problem": plain(r.Problem), "skip": plain(r.Skip)})
			if err := one(done); err != nil {
				return err
			}
			for _, session := range r.Sessions {
				if err := heard(tx, r, plain(session)); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// heard notes that an event tells of a call, and has the call judged.
func heard(tx *gorm.DB, r callback.Reading, session string) error {
	call := callRow{Clinic: r.Clinic, Phone: r.Phone, Session: session, Form: r.Form, StartedAt: instant(r.At), LastAt: instant(r.At),
		SettlesAt: instant(r.SettlesAt), Lock: 1}
	// Events may be read in any order; the lock moves with each of them.
	again := clause.Assignments(map[string]any{
		"lock":       gorm.Expr("calls.lock + 1"),
		"last_at":    gorm.Expr("CASE WHEN calls.last_at < excluded.last_at THEN excluded.last_at ELSE calls.last_at END"),
		"settles_at": gorm.Expr("CASE WHEN calls.settles_at > excluded.settles_at THEN calls.settles_at ELSE excluded.settles_at END"),
	})
	if err := tx.Clauses(clause.OnConflict{Columns: columns("clinic", "phone", "session"), DoUpdates: again}).Create(&call).Error; err != nil {
		return err
	}
	return tx.Clauses(clause.OnConflict{Columns: columns("clinic", "phone", "session", "event_id"), DoNothing: true}).
		Create(&callEventRow{Clinic: r.Clinic, Phone: r.Phone, Session: session, EventID: r.ID}).Error
}

// Unsettled returns the calls that are to be judged.
func (s *Store) Unsettled(ctx context.Context, clinic callback.ClinicID, phone callback.PhoneID, now time.Time, limit int) ([]callback.Call, error) {
	var rows []callRow
	err := s.one(ctx).Where("clinic = ? AND phone = ? AND settles_at <= ?", clinic, phone, instant(now)).Order("settles_at").Limit(atMost(limit)).Find(&rows).Error
	if err != nil {
		return nil, s.fail("find calls to judge", err)
	}
	return s.opened(rows)
}

func (s *Store) opened(rows []callRow) ([]callback.Call, error) {
	var all []callback.Call
	for _, r := range rows {
		c, err := s.seal.call(r)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

// EventsOf returns the events that tell of a call, oldest first.
func (s *Store) EventsOf(ctx context.Context, k callback.CallKey) ([]callback.Told, error) {
	var rows []toldRow
	err := s.one(ctx).Joins("JOIN call_events ce ON ce.event_id = phone_events.id").
		Where("ce.clinic = ? AND ce.phone = ? AND ce.session = ?", k.Clinic, k.Phone, plain(k.Session)).
		Order("ce.event_id").Find(&rows).Error
	if err != nil {
		return nil, s.fail("read what was told of a call", err)
	}
	return s.seal.allTold(rows)
}

const oneCall = "clinic = ? AND phone = ? AND session = ?"

// Call returns a call.
func (s *Store) Call(ctx context.Context, k callback.CallKey) (callback.Call, error) {
	var r callRow
	if err := s.one(ctx).Where(oneCall, k.Clinic, k.Phone, plain(k.Session)).Take(&r).Error; err != nil {
		return callback.Call{}, s.fail("read a call", err)
	}
	return s.seal.call(r)
}

// SaveCall stores a call that nobody else wrote meanwhile.
func (s *Store) SaveCall(ctx context.Context, c callback.Call) (callback.Call, error) {
	was := c.Lock
	c.Lock++
	row, err := s.seal.callRow(c)
	if err != nil {
		return callback.Call{}, err
	}
	const op = "store a call"
	err = s.write(ctx, op, func(tx *gorm.DB) error {
		done := tx.Model(&callRow{}).Where(oneCall+" AND lock = ?", row.Clinic, row.Phone, row.Session, was).Select(callChanges).Updates(&row)
		if was == 0 {
			done = tx.Clauses(clause.OnConflict{Columns: columns("clinic", "phone", "session"), DoNothing: true}).Create(&row)
		}
		if done.Error == nil && done.RowsAffected != 1 {
			return byCaller{conflict(op, "somebody else wrote it, or another event of it came")}
		}
		return done.Error
	})
	if err != nil {
		return callback.Call{}, err
	}
	return c, nil
}

// Calls returns calls, newest first.
func (s *Store) Calls(ctx context.Context, f callback.CallFilter) (page []callback.Call, next string, err error) {
	const op = "list calls"
	limit := pageSize(f.Limit)
	q := s.one(ctx).Order("started_at DESC, clinic DESC, phone DESC, session DESC").Limit(limit + 1)
	if f.Clinic != "" {
		q = q.Where("clinic = ?", f.Clinic)
	}
	if f.Phone != "" {
		q = q.Where("phone = ?", f.Phone)
	}
	if !f.Began.From.IsZero() {
		q = q.Where("started_at >= ?", instant(f.Began.From))
	}
	if !f.Began.Until.IsZero() {
		q = q.Where("started_at < ?", instant(f.Began.Until))
	}
	if f.Verdict != "" {
		q = q.Where("verdict = ?", f.Verdict)
	}
	if f.Callback != "" {
		q = q.Where("callback_id = ?", f.Callback)
	}
	if f.Unjudged {
		q = q.Where("judged_at IS NULL")
	}
	if !f.Number.IsEmpty() {
		hashes, err := s.seal.lookup(hashedNumber, f.Clinic, f.Number)
		if err != nil {
			return nil, "", err
		}
		q = q.Where("number_hash IN ?", hashes)
	}
	if f.After != "" {
		at, k, err := parseCursor(f.After)
		if err != nil {
			return nil, "", err
		}
		q = q.Where("(started_at, clinic, phone, session) < (?, ?, ?, ?)", at, k.Clinic, k.Phone, k.Session)
	}
	var rows []callRow
	if err := q.Find(&rows).Error; err != nil {
		return nil, "", s.fail(op, err)
	}
	if len(rows) > limit {
		rows = rows[:limit]
		last := rows[limit-1]
		next = strings.Join([]string{last.StartedAt.Time().UTC().Format(instantLayout), string(last.Clinic), string(last.Phone), last.Session}, "|")
	}
	page, err = s.opened(rows)
	return page, next, err
}

// parseCursor reads where a page of calls ended. The names of clinics and phone systems
// hold no bar.
func parseCursor(cursor string) (instant, callback.CallKey, error) {
	parts := strings.SplitN(cursor, "|", 4)
	if len(parts) == 4 {
		if t, err := time.Parse(instantLayout, parts[0]); err == nil {
			return instant(t), callback.CallKey{Clinic: callback.ClinicID(parts[1]), Phone: callback.PhoneID(parts[2]), Session: parts[3]}, nil
		}
	}
	return instant{}, callback.CallKey{}, fmt.Errorf("%w: that is not where a page of calls ended", callback.ErrInvalid)
}

// OpenWith returns the open callbacks of a number, oldest first.
func (s *Store) OpenWith(ctx context.Context, clinic callback.ClinicID, number redact.Text) ([]callback.ID, error) {
	hashes, err := s.seal.lookup(hashedPhone, clinic, number)
	if err != nil || len(hashes) == 0 {
		return nil, err
	}
	var ids []callback.ID
	err = s.one(ctx).Model(&callbackRow{}).Where("clinic = ? AND caller_phone_hash IN ? AND closed_at IS NULL", clinic, hashes).
		Order("id").Pluck("id", &ids).Error
	return ids, s.fail("find the open callbacks of a caller", err)
}

// PhoneState returns how a phone system stands.
func (s *Store) PhoneState(ctx context.Context, clinic callback.ClinicID, phone callback.PhoneID) (callback.PhoneState, error) {
	var r phoneRow
	err := s.one(ctx).Where("clinic = ? AND phone = ?", clinic, phone).Take(&r).Error
	if err != nil && !errors.Is(err, gorm.ErrRecordNotFound) {
		return callback.PhoneState{}, s.fail("read the state of a phone system", err)
	}
	return callback.PhoneState{Clinic: clinic, Phone: phone, Reconciled: r.Reconciled.Time(), LastAttempt: r.LastAttempt.Time(), LastError: r.LastError,
		Subscription: calls.Subscription{ID: r.SubscriptionID, Until: r.SubscribedTill.Time(), RenewAt: r.RenewAt.Time()}}, nil
}

// SavePhoneState stores how a phone system stands.
func (s *Store) SavePhoneState(ctx context.Context, p callback.PhoneState) error {
	row := phoneRow{Clinic: p.Clinic, Phone: p.Phone, Reconciled: instant(p.Reconciled), LastAttempt: instant(p.LastAttempt),
		LastError:      plain(p.LastError),
		SubscriptionID: plain(p.Subscription.ID), SubscribedTill: instant(p.Subscription.Until), RenewAt: instant(p.Subscription.RenewAt)}
	return s.write(ctx, "store the state of a phone system", func(tx *gorm.DB) error {
		return tx.Clauses(clause.OnConflict{Columns: columns("clinic", "phone"), UpdateAll: true}).Create(&row).Error
	})
}

// CountCalls counts calls by what they were.
func (s *Store) CountCalls(ctx context.Context) ([]callback.CallTally, error) {
	var all []callback.CallTally
	err := s.one(ctx).Model(&callRow{}).Select("clinic, phone, verdict, form, callback_id IS NOT NULL AS callback, count(*) AS n").
		Group("clinic, phone, verdict, form, callback_id IS NOT NULL").Order("clinic, phone, verdict, form, callback").Find(&all).Error
	return all, s.fail("count calls", err)
}
