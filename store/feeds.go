package store

import (
	"context"
	"errors"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/ringback-health/ringback/callback"
)

// FeedState returns how far a feed was read.
func (s *Store) FeedState(ctx context.Context, clinic callback.ClinicID, ehr callback.EHRID, f callback.Feed) (callback.FeedState, error) {
	var r feedRow
	err := s.one(ctx).Where("clinic = ? AND ehr = ? AND feed = ?", clinic, ehr, f).Take(&r).Error
	if err != nil && !errors.Is(err, gorm.ErrRecordNotFound) {
		return callback.FeedState{}, s.fail("read the state of a feed", err)
	}
	return callback.FeedState{Clinic: clinic, EHR: ehr, Feed: f, Watermark: r.Watermark.Time(),
		LastAttempt: r.LastAttempt.Time(), LastSuccess: r.LastSuccess.Time(), LastError: r.LastError,
		Skew: time.Duration(r.SkewNS), Slice: time.Duration(r.SliceNS), Covered: r.Covered.Time(), Settled: r.Settled.Time()}, nil
}

// SaveFeedState stores how far a feed was read.
func (s *Store) SaveFeedState(ctx context.Context, f callback.FeedState) error {
	return s.write(ctx, "store the state of a feed", func(tx *gorm.DB) error {
		return tx.Clauses(clause.OnConflict{
			Columns:   []clause.Column{{Name: "clinic"}, {Name: "ehr"}, {Name: "feed"}},
			DoUpdates: clause.AssignmentColumns([]string{"watermark", "last_attempt", "last_success", "last_error", "skew_ns", "slice_ns", "covered", "settled"}),
		}).Create(&feedRow{Clinic: f.Clinic, EHR: f.EHR, Feed: f.Feed, Watermark: instant(f.Watermark),
			LastAttempt: instant(f.LastAttempt), LastSuccess: instant(f.LastSuccess), LastError: plain(f.LastError),
			SkewNS: int64(f.Skew), SliceNS: int64(f.Slice), Covered: instant(f.Covered), Settled: instant(f.Settled)}).Error
	})
}

// SavePage stores a raw page. A page with an id that is there is the same page.
func (s *Store) SavePage(ctx context.Context, p callback.Page) error {
	row, err := s.seal.pageRow(p)
	if err != nil {
		return err
	}
	return s.write(ctx, "store a page of a feed", func(tx *gorm.DB) error {
		return tx.Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "id"}}, DoNothing: true}).Create(&row).Error
	})
}

// PendingPages returns pages that were not interpreted yet, oldest first.
func (s *Store) PendingPages(ctx context.Context, ehr callback.EHRID, f callback.Feed, limit int) ([]callback.Page, error) {
	var rows []pageRow
	err := s.one(ctx).Where("ehr = ? AND feed = ? AND done_at IS NULL", ehr, f).Order("id").Limit(atMost(limit)).Find(&rows).Error
	if err != nil {
		return nil, s.fail("find pages to interpret", err)
	}
	var pages []callback.Page
	for _, r := range rows {
		p, err := s.seal.page(r)
		if err != nil {
			return nil, err
		}
		pages = append(pages, p)
	}
	return pages, nil
}

// PageDone says that a page was interpreted. Old pages are looked for only where a page is
// kept: most polls show nothing new.
func (s *Store) PageDone(ctx context.Context, id callback.ID, r callback.PageReading) error {
	return s.write(ctx, "mark a page as interpreted", func(tx *gorm.DB) error {
		if !r.News && r.Problem == "" {
			return one(tx.Where("id = ?", id).Delete(&pageRow{}))
		}
		err := one(tx.Model(&pageRow{}).Where("id = ?", id).Updates(map[string]any{"done_at": instant(r.At), "problem": plain(r.Problem)}))
		if err != nil {
			return err
		}
		var p pageRow
		if err := tx.Select("ehr", "feed").Where("id = ?", id).Take(&p).Error; err != nil {
			return err
		}
		return tx.Where("ehr = ? AND feed = ? AND done_at IS NOT NULL AND (done_at < ? OR problem <> '' AND problem = ? AND id < ?)",
			p.EHR, p.Feed, instant(r.KeepSince), plain(r.Problem), id).Delete(&pageRow{}).Error
	})
}

// one says that there was nothing to change where one row had to be.
func one(done *gorm.DB) error {
	if done.Error == nil && done.RowsAffected != 1 {
		return gorm.ErrRecordNotFound
	}
	return done.Error
}
