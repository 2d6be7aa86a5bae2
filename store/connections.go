package store

import (
	"context"
	"errors"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/ringback-health/ringback/callback"
)

// Connection returns how an EHR answers.
func (s *Store) Connection(ctx context.Context, clinic callback.ClinicID, ehr callback.EHRID) (callback.Connection, error) {
	c, err := connectionOf(s.one(ctx), clinic, ehr)
	return c, s.fail("read how an EHR answers", err)
}

func connectionOf(q *gorm.DB, clinic callback.ClinicID, ehr callback.EHRID) (callback.Connection, error) {
	r := connectionRow{}
	err := q.Where("ehr = ?", ehr).Take(&r).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return callback.Connection{Clinic: clinic, EHR: ehr}, nil
	}
	c := r.connection()
	c.Clinic = clinic
	return c, err
}

// UpdateConnection lets change work on how an EHR answers and stores it if it
// changed. The first to fail makes the row, so that the others wait for it.
func (s *Store) UpdateConnection(ctx context.Context, clinic callback.ClinicID, ehr callback.EHRID, change func(*callback.Connection)) (callback.Connection, error) {
	var after callback.Connection
	err := s.write(ctx, "store how an EHR answers", func(tx *gorm.DB) error {
		fresh := newConnectionRow(callback.Connection{Clinic: clinic, EHR: ehr})
		if err := tx.Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "ehr"}}, DoNothing: true}).Create(&fresh).Error; err != nil {
			return err
		}
		before, err := connectionOf(tx.Clauses(forUpdate), clinic, ehr)
		if err != nil {
			return err
		}
		after = before
		change(&after)
		if after == before {
			return nil
		}
		return tx.Model(&connectionRow{}).Where("ehr = ?", ehr).
			Select("clinic", "failures", "last_by", "since", "until", "error", "hint", "told").Updates(newConnectionRow(after)).Error
	})
	return after, err
}

// Troubled returns the EHRs that fail, and those of whose recovery nobody was told.
func (s *Store) Troubled(ctx context.Context) ([]callback.Connection, error) {
	var rows []connectionRow
	// Spelled as in the index connections_troubled.
	err := s.one(ctx).Where("since IS NOT NULL OR told IS NOT NULL").Order("ehr").Find(&rows).Error
	var list []callback.Connection
	for _, r := range rows {
		list = append(list, r.connection())
	}
	return list, s.fail("find the EHRs that fail", err)
}

type slotRow struct {
	EHR  callback.EHRID `gorm:"column:ehr;primaryKey"`
	Next instant        `gorm:"column:next_slot"`
}

func (slotRow) TableName() string { return "slots" }

// Slot takes the next turn of a limit. next_slot is when the turn after the last one
// taken is; it lies at most burst-1 turns back, so that a quiet time is no credit
// without end.
func (s *Store) Slot(ctx context.Context, ehr callback.EHRID, now time.Time, every time.Duration, burst int) (time.Time, error) {
	var turn time.Time
	err := s.write(ctx, "take a turn of an EHR's limit", func(tx *gorm.DB) error {
		fresh := slotRow{EHR: ehr, Next: instant(now)}
		if err := tx.Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "ehr"}}, DoNothing: true}).Create(&fresh).Error; err != nil {
			return err
		}
		r := slotRow{}
		if err := tx.Clauses(forUpdate).Where("ehr = ?", ehr).Take(&r).Error; err != nil {
			return err
		}
		turn = r.Next.Time()
		if earliest := now.Add(-time.Duration(max(burst, 1)-1) * every); turn.Before(earliest) {
			turn = earliest
		}
		return tx.Model(&slotRow{}).Where("ehr = ?", ehr).Updates(map[string]any{"next_slot": instant(turn.Add(every))}).Error
	})
	if turn.Before(now) {
		turn = now
	}
	return turn, err
}
