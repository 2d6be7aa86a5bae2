package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/ringback-health/ringback/callback"
)

// maxCandidates is how many records of one phone number Take shows to decide.
const maxCandidates = 20

// Take stores an arrival together with what decide makes of it; see
// callback.Callbacks. Of two arrivals with one phone number, taken at once, the
// second sees what became of the first.
func (s *Store) Take(ctx context.Context, a callback.Arrival, since time.Time,
	decide func(candidates []callback.Record) (callback.Intake, error)) (callback.Taken, error) {
	var taken callback.Taken
	if a.ID == "" || a.Clinic == "" || a.Source == "" || a.SourceID == "" {
		return taken, fmt.Errorf("%w: an arrival needs an id, a clinic, a source and its id there", callback.ErrInvalid)
	}
	err := s.write(ctx, "take an arrival", func(tx *gorm.DB) error {
		if err := s.onePhoneAtATime(tx, a); err != nil {
			return err
		}
		known, again, err := s.arrived(tx, a)
		if err != nil || again {
			taken = known
			return err
		}
		candidates, err := s.candidates(tx, a, since)
		if err != nil {
			return err
		}
		taken, err = s.decided(tx, a, candidates, decide)
		if err != nil {
			return err
		}
		row, err := s.seal.arrivalRow(a, taken)
		if err != nil {
			return err
		}
		done := tx.Clauses(clause.OnConflict{
			Columns:   []clause.Column{{Name: "clinic"}, {Name: "source"}, {Name: "source_id"}},
			DoNothing: true,
		}).Create(&row)
		if done.Error == nil && done.RowsAffected != 1 {
			return errLostRace // it arrived twice at once; the next try finds the other
		}
		return done.Error
	})
	if err != nil {
		return callback.Taken{}, err
	}
	return taken, nil
}

// onePhoneAtATime makes arrivals with the same number wait for each other.
// Writers of SQLite do so anyway.
func (s *Store) onePhoneAtATime(tx *gorm.DB, a callback.Arrival) error {
	if s.at.dialect == sqlite || a.Phone.IsEmpty() {
		return nil
	}
	h, err := s.seal.hash(hashedPhone, a.Clinic, a.Phone)
	if err != nil {
		return err
	}
	return tx.Exec("SELECT pg_advisory_xact_lock(?)", int64(binary.BigEndian.Uint64(h))).Error
}

// arrived returns what became of the arrival when it was stored earlier.
func (s *Store) arrived(tx *gorm.DB, a callback.Arrival) (t callback.Taken, again bool, err error) {
	var r arrivalRow
	err = tx.Where("clinic = ? AND source = ? AND source_id = ?", a.Clinic, plain(a.Source), plain(a.SourceID)).
		Omit("body").Take(&r).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return t, false, nil
	}
	if err != nil {
		return t, false, err
	}
	same, err := s.seal.lookup(hashedContent, a.Clinic, a.Content)
	if err != nil {
		return t, false, err
	}
	t = callback.Taken{Disposition: r.Disposition, Reason: r.Reason, Again: true,
		Other: !slices.ContainsFunc(same, func(h []byte) bool { return bytes.Equal(h, r.ContentHash) }) && len(same)+len(r.ContentHash) > 0}
	if r.CallbackID != nil {
		t.Callback, err = s.callbackAsStored(tx, *r.CallbackID)
	}
	return t, true, err
}

func (s *Store) callbackAsStored(tx *gorm.DB, id callback.ID) (callback.Callback, error) {
	var r callbackRow
	if err := tx.Where("id = ?", id).Take(&r).Error; err != nil {
		return callback.Callback{}, err
	}
	return s.seal.callback(r)
}

func (s *Store) candidates(tx *gorm.DB, a callback.Arrival, since time.Time) ([]kept, error) {
	hashes, err := s.seal.lookup(hashedPhone, a.Clinic, a.Phone)
	if err != nil || len(hashes) == 0 {
		return nil, err
	}
	var rows []callbackRow
	err = tx.Clauses(forUpdate).Where("clinic = ? AND caller_phone_hash IN ?", a.Clinic, hashes).
		Where("closed_at IS NULL OR closed_at >= ?", instant(since)).
		Order("id DESC").Limit(maxCandidates).Find(&rows).Error
	if err != nil {
		return nil, err
	}
	return s.complete(tx, rows)
}

// decided carries out what decide wants.
func (s *Store) decided(tx *gorm.DB, a callback.Arrival, candidates []kept,
	decide func([]callback.Record) (callback.Intake, error)) (callback.Taken, error) {
	shown := make([]callback.Record, len(candidates))
	for i, k := range candidates {
		shown[i] = k.Clone()
	}
	in, err := decide(shown)
	if err != nil {
		return callback.Taken{}, byCaller{err}
	}
	switch {
	case in.New != nil && in.Merge == nil && in.Ignore == "":
		if in.New.Clinic != a.Clinic {
			return callback.Taken{}, fmt.Errorf("%w: the new callback is of another clinic than its arrival", callback.ErrInvalid)
		}
		if err := s.insert(tx, *in.New); err != nil {
			return callback.Taken{}, err
		}
		c, err := s.callbackAsStored(tx, in.New.ID)
		return callback.Taken{Callback: c, Disposition: callback.Created}, err
	case in.New == nil && in.Merge != nil && in.Ignore == "":
		for _, k := range candidates {
			if k.ID == in.Merge.ID {
				return s.merge(tx, k, *in.Merge)
			}
		}
		return callback.Taken{}, fmt.Errorf("%w: an arrival was merged into what is no candidate", callback.ErrInvalid)
	case in.New == nil && in.Merge == nil && in.Ignore != "":
		return callback.Taken{Disposition: callback.Ignored, Reason: plain(in.Ignore)}, nil
	}
	return callback.Taken{}, fmt.Errorf("%w: an arrival becomes a new callback, part of one, or is ignored: one of the three", callback.ErrInvalid)
}

func (s *Store) merge(tx *gorm.DB, before kept, after callback.Record) (callback.Taken, error) {
	if _, err := s.store(tx, before, after); err != nil {
		return callback.Taken{}, err
	}
	c, err := s.callbackAsStored(tx, before.ID)
	return callback.Taken{Callback: c, Disposition: callback.Merged}, err
}
