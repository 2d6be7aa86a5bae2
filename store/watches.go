package store

import (
	"context"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/ringback-health/ringback/callback"
)

type watchRow struct {
	EHR          callback.EHRID     `gorm:"column:ehr;primaryKey"`
	Kind         callback.WatchKind `gorm:"primaryKey"`
	Subject      string             `gorm:"primaryKey"`
	Clinic       callback.ClinicID
	PatientHash  sealed
	Since        instant
	DueAt        instant
	SeenAt       instant
	Asked        int
	MissingSince instant
	LastError    string
}

func (watchRow) TableName() string { return "watches" }

func newWatchRow(w callback.Watch) watchRow {
	return watchRow{EHR: w.EHR, Kind: w.Kind, Subject: plain(w.Subject), Clinic: w.Clinic, Since: instant(w.Since), DueAt: instant(w.DueAt),
		SeenAt: instant(w.SeenAt), Asked: w.Asked, MissingSince: instant(w.MissingSince), LastError: plain(w.LastError)}
}

func (r watchRow) watch() callback.Watch {
	return callback.Watch{Clinic: r.Clinic, EHR: r.EHR, Kind: r.Kind, Subject: r.Subject, Since: r.Since.Time(), DueAt: r.DueAt.Time(),
		SeenAt: r.SeenAt.Time(), Asked: r.Asked, MissingSince: r.MissingSince.Time(), LastError: r.LastError}
}

// planAtOnce bounds how many watches one Plan begins; the next goes on.
const planAtOnce = 500

// wantedPatients are the open callbacks with a chart whose patient is not watched
// for them yet. The hashes of one callback are compared there, not looked up by.
const wantedPatients = `SELECT c.id AS subject, c.patient_chart_hash AS patient_hash,
	(SELECT max(w.seen_at) FROM watches w WHERE w.ehr = @ehr AND w.kind = @kind AND w.patient_hash = c.patient_chart_hash) AS seen_at
FROM callbacks c WHERE c.clinic = @clinic AND c.closed_at IS NULL AND c.patient_chart_hash IS NOT NULL
	AND NOT EXISTS (SELECT 1 FROM watches w WHERE w.ehr = @ehr AND w.kind = @kind AND w.subject = c.id
		AND NOT (w.patient_hash <> c.patient_chart_hash))
LIMIT @limit`

const stalePatients = `DELETE FROM watches WHERE ehr = @ehr AND kind = @kind AND NOT EXISTS (SELECT 1 FROM callbacks c
	WHERE c.id = watches.subject AND c.clinic = @clinic AND c.closed_at IS NULL
	AND NOT (c.patient_chart_hash <> watches.patient_hash))`

// credited are the visits that closed callbacks and are still to come.
const credited = `SELECT e.appointment FROM evidence e JOIN callbacks c ON c.id = e.callback_id
	LEFT JOIN appointments a ON a.clinic = e.clinic AND a.ehr = e.ehr AND a.id = e.appointment
	WHERE e.clinic = @clinic AND e.ehr = @ehr AND e.state = 'credited' AND c.closed_at >= @since
	AND (a.starts_at IS NULL OR a.starts_at > @now)`

const wantedVisits = `SELECT v.appointment AS subject FROM (` + credited + `) v WHERE NOT EXISTS
	(SELECT 1 FROM watches w WHERE w.ehr = @ehr AND w.kind = 'visit' AND w.subject = v.appointment) LIMIT @limit`

const staleVisits = `DELETE FROM watches WHERE ehr = @ehr AND kind = 'visit' AND subject NOT IN (` + credited + `)`

// Plan brings the watches of a kind in line with the ledger.
func (s *Store) Plan(ctx context.Context, clinic callback.ClinicID, ehr callback.EHRID, kind callback.WatchKind, since, now time.Time) error {
	wanted, stale := wantedPatients, stalePatients
	switch kind {
	case callback.WatchPatient, callback.WatchChart:
	case callback.WatchVisit:
		wanted, stale = wantedVisits, staleVisits
	default:
		return nil
	}
	by := map[string]any{"kind": kind, "clinic": clinic, "ehr": ehr, "since": instant(since), "now": instant(now), "limit": planAtOnce}
	return s.write(ctx, "plan what to ask an EHR for", func(tx *gorm.DB) error {
		var rows []watchRow
		if err := tx.Raw(wanted, by).Find(&rows).Error; err != nil {
			return err
		}
		// Only now: a new watch takes over when the patient was last asked for.
		if err := tx.Exec(stale, by).Error; err != nil || len(rows) == 0 {
			return err
		}
		for i := range rows {
			rows[i].Clinic, rows[i].EHR, rows[i].Kind = clinic, ehr, kind
			rows[i].Since, rows[i].DueAt = instant(now), instant(now)
		}
		return tx.Clauses(keepFirst).Create(&rows).Error
	})
}

// Due returns the watches that are due, those that wait longest first.
func (s *Store) Due(ctx context.Context, ehr callback.EHRID, kind callback.WatchKind, now time.Time, limit int) ([]callback.Watch, error) {
	var rows []watchRow
	err := s.one(ctx).Where("ehr = ? AND kind = ? AND due_at <= ?", ehr, kind, instant(now)).
		Order("due_at, subject").Limit(atMost(limit)).Find(&rows).Error
	if err != nil {
		return nil, s.fail("find what to ask an EHR for", err)
	}
	var due []callback.Watch
	for _, r := range rows {
		due = append(due, r.watch())
	}
	return due, nil
}

// StartWatch stores a watch, or makes one of an item that is there due earlier.
func (s *Store) StartWatch(ctx context.Context, w callback.Watch) error {
	row := newWatchRow(w)
	there := keepFirst
	if w.Kind == callback.WatchItem {
		there = clause.OnConflict{
			Columns:   []clause.Column{{Name: "ehr"}, {Name: "kind"}, {Name: "subject"}},
			Where:     clause.Where{Exprs: []clause.Expression{clause.Expr{SQL: "watches.due_at > excluded.due_at"}}},
			DoUpdates: clause.AssignmentColumns([]string{"due_at"}),
		}
	}
	return s.write(ctx, "begin to watch", func(tx *gorm.DB) error { return tx.Clauses(there).Create(&row).Error })
}

// SaveWatch stores how a watch stands, if it still does.
func (s *Store) SaveWatch(ctx context.Context, w callback.Watch) error {
	row := newWatchRow(w)
	return s.write(ctx, "store a watch", func(tx *gorm.DB) error {
		return tx.Model(&watchRow{}).Where("ehr = ? AND kind = ? AND subject = ?", row.EHR, row.Kind, row.Subject).
			Select("due_at", "seen_at", "asked", "missing_since", "last_error").Updates(row).Error
	})
}

// DropWatch ends a watch.
func (s *Store) DropWatch(ctx context.Context, w callback.Watch) error {
	return s.write(ctx, "end a watch", func(tx *gorm.DB) error {
		return tx.Where("ehr = ? AND kind = ? AND subject = ?", w.EHR, w.Kind, plain(w.Subject)).Delete(&watchRow{}).Error
	})
}

// Scheduled returns the appointments that begin in a span and did not fall through.
func (s *Store) Scheduled(ctx context.Context, clinic callback.ClinicID, ehr callback.EHRID, in callback.Span) ([]string, error) {
	var ids []string
	err := s.one(ctx).Model(&appointmentRow{}).
		Where("clinic = ? AND ehr = ? AND starts_at >= ? AND starts_at < ?", clinic, ehr, instant(in.From), instant(in.Until)).
		Where("state NOT IN ?", []callback.AppointmentState{callback.ApptCancelled, callback.ApptNoShow, callback.ApptVoid}).
		Pluck("id", &ids).Error
	return ids, s.fail("find what is scheduled", err)
}
