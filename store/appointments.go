package store

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/redact"
)

// SaveAppointment stores an appointment as it is now. A version that is known,
// or that the EHR says is older than the one stored, changes nothing. An EHR
// without versions is compared by content.
func (s *Store) SaveAppointment(ctx context.Context, a callback.Appointment) (stored callback.Appointment, changed bool, err error) {
	if a.Clinic == "" || a.EHR == "" || a.ID == "" || a.State == "" {
		return stored, false, fmt.Errorf("%w: an appointment needs a clinic, an EHR, an id and a state", callback.ErrInvalid)
	}
	a = asStored(a)
	err = s.write(ctx, "store an appointment", func(tx *gorm.DB) error {
		var old appointmentRow
		var known callback.Appointment
		err := tx.Clauses(forUpdate).Where("clinic = ? AND ehr = ? AND id = ?", a.Clinic, a.EHR, plain(a.ID)).Take(&old).Error
		put := replaceAppointment
		switch {
		case errors.Is(err, gorm.ErrRecordNotFound):
			put = insertAppointment
		case err != nil:
			return err
		default:
			if known, err = s.seal.appointment(old); err != nil {
				return err
			}
			if stored, changed = known, supersedes(a, known); !changed {
				return nil
			}
		}
		changed = true
		row, err := s.seal.appointmentRow(known.Observed(a))
		if err != nil {
			return err
		}
		if stored, err = s.seal.appointment(row); err != nil {
			return err
		}
		return put(tx, row)
	})
	if err != nil {
		return callback.Appointment{}, false, err
	}
	return stored, changed, nil
}

// supersedes reports whether a is news about an appointment that is known.
func supersedes(a, known callback.Appointment) bool {
	a.FirstSeen, a.NotBefore, a.FirstUpdated, a.History = known.FirstSeen, known.NotBefore, known.FirstUpdated, known.History
	switch {
	case !a.Updated.IsZero() && a.Updated.Before(known.Updated):
		return false // a page that was replayed, or came late
	case a.Version != "":
		return a.Version != known.Version
	}
	return !reflect.DeepEqual(a, known)
}

func insertAppointment(tx *gorm.DB, r appointmentRow) error {
	done := tx.Clauses(keepFirst).Create(&r)
	if done.Error != nil {
		return done.Error
	}
	if done.RowsAffected != 1 {
		return errLostRace
	}
	return storeMarkers(tx, r)
}

func replaceAppointment(tx *gorm.DB, r appointmentRow) error {
	done := tx.Model(&appointmentRow{}).Where("clinic = ? AND ehr = ? AND id = ?", r.Clinic, r.EHR, r.ID).
		Select(appointmentChanges).Updates(r)
	if done.Error != nil {
		return done.Error
	}
	if done.RowsAffected != 1 {
		return errLostRace
	}
	old := tx.Where("clinic = ? AND ehr = ? AND appointment_id = ?", r.Clinic, r.EHR, r.ID)
	if err := old.Delete(&markerRow{}).Error; err != nil {
		return err
	}
	return storeMarkers(tx, r)
}

func storeMarkers(tx *gorm.DB, r appointmentRow) error {
	var rows []markerRow
	for _, m := range r.Markers {
		rows = append(rows, markerRow{Clinic: r.Clinic, EHR: r.EHR, Marker: m, AppointmentID: r.ID})
	}
	if len(rows) == 0 {
		return nil
	}
	return tx.Clauses(keepFirst).Create(&rows).Error
}

// Appointments returns what is known of appointments: those of the patient
// together with those named by id or carrying a marker.
func (s *Store) Appointments(ctx context.Context, clinic callback.ClinicID, ehr callback.EHRID, patient redact.Text,
	ids []string, markers []callback.Marker) ([]callback.Appointment, error) {
	hashes, err := s.seal.lookup(hashedAppointment, clinic, patient)
	if err != nil {
		return nil, err
	}
	var u union
	if len(hashes) > 0 {
		u.add("SELECT id FROM appointments WHERE clinic = ? AND ehr = ? AND patient_hash IN ?", clinic, ehr, hashes)
	}
	if len(ids) > 0 {
		u.add("SELECT id FROM appointments WHERE clinic = ? AND ehr = ? AND id IN ?", clinic, ehr, plains(ids))
	}
	if len(markers) > 0 {
		u.add("SELECT appointment_id FROM appointment_markers WHERE clinic = ? AND ehr = ? AND marker IN ?", clinic, ehr, markers)
	}
	if u.empty() {
		return nil, nil
	}
	var rows []appointmentRow
	err = s.one(ctx).Where("clinic = ? AND ehr = ? AND id IN (?)", clinic, ehr, u.expr()).Order("id").Find(&rows).Error
	if err != nil {
		return nil, s.fail("read appointments", err)
	}
	var all []callback.Appointment
	for _, r := range rows {
		a, err := s.seal.appointment(r)
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, nil
}

// Versions returns the versions of those appointments that are known, by id.
func (s *Store) Versions(ctx context.Context, clinic callback.ClinicID, ehr callback.EHRID, ids []string) (map[string]string, error) {
	var rows []appointmentRow
	err := s.one(ctx).Select("id", "version").Where("clinic = ? AND ehr = ? AND id IN ?", clinic, ehr, plains(ids)).Find(&rows).Error
	known := map[string]string{}
	for _, r := range rows {
		known[r.ID] = r.Version
	}
	return known, s.fail("read which versions of appointments are known", err)
}

// Affected returns the callbacks that an appointment may concern, oldest first.
func (s *Store) Affected(ctx context.Context, a callback.Appointment, since time.Time) ([]callback.ID, error) {
	hashes, err := s.seal.lookup(hashedPatient, a.Clinic, a.Patient)
	if err != nil {
		return nil, err
	}
	var u union
	if len(hashes) > 0 {
		u.add("SELECT id FROM callbacks WHERE clinic = ? AND patient_chart_hash IN ? AND (closed_at IS NULL OR closed_at >= ?)",
			a.Clinic, hashes, instant(since))
	}
	const remote = "SELECT callback_id FROM links WHERE clinic = ? AND ehr = ? AND type = ? AND remote_id IN ? AND remote_id <> ''"
	u.add(remote, a.Clinic, a.EHR, callback.AppointmentResource, []string{plain(a.ID)})
	if len(a.Tasks) > 0 {
		u.add(remote, a.Clinic, a.EHR, callback.TaskResource, plains(a.Tasks))
	}
	if len(a.Markers) > 0 {
		var links []callback.ID
		for _, m := range a.Markers {
			links = append(links, m.LinkID())
		}
		u.add("SELECT callback_id FROM links WHERE clinic = ? AND ehr = ? AND id IN ?", a.Clinic, a.EHR, links)
	}
	u.add("SELECT callback_id FROM evidence WHERE clinic = ? AND ehr = ? AND appointment = ?", a.Clinic, a.EHR, plain(a.ID))
	u.add("SELECT callback_id FROM link_appointments WHERE clinic = ? AND ehr = ? AND appointment = ?",
		a.Clinic, a.EHR, plain(a.ID))
	return s.ids(ctx, "find what an appointment concerns", u)
}

// CreditedTo returns which callback an appointment closed, "" for none.
func (s *Store) CreditedTo(ctx context.Context, clinic callback.ClinicID, ehr callback.EHRID, appointment string) (callback.ID, error) {
	var u union
	u.add("SELECT callback_id AS id FROM evidence WHERE clinic = ? AND ehr = ? AND appointment = ? AND state = 'credited'",
		clinic, ehr, plain(appointment))
	ids, err := s.ids(ctx, "find whom an appointment is credited to", u)
	if err != nil || len(ids) == 0 {
		return "", err
	}
	return ids[0], nil
}

// OpenFor returns the open callbacks whose chart is the patient's, certain or
// not, oldest first.
func (s *Store) OpenFor(ctx context.Context, clinic callback.ClinicID, patient redact.Text) ([]callback.ID, error) {
	hashes, err := s.seal.lookup(hashedPatient, clinic, patient)
	if err != nil || len(hashes) == 0 {
		return nil, err
	}
	var u union
	u.add("SELECT id FROM callbacks WHERE clinic = ? AND patient_chart_hash IN ? AND closed_at IS NULL", clinic, hashes)
	return s.ids(ctx, "find open callbacks of a patient", u)
}

// union is a query for ids that come from several tables.
type union struct {
	parts []string
	args  []any
}

func (u *union) add(query string, args ...any) {
	u.parts = append(u.parts, query)
	u.args = append(u.args, args...)
}

func (u *union) empty() bool { return len(u.parts) == 0 }

func (u *union) expr() clause.Expr {
	return clause.Expr{SQL: strings.Join(u.parts, " UNION "), Vars: u.args}
}

func (s *Store) ids(ctx context.Context, op string, u union) ([]callback.ID, error) {
	var ids []callback.ID
	err := s.one(ctx).Raw(strings.Join(u.parts, " UNION "), u.args...).Find(&ids).Error
	slices.Sort(ids)
	return ids, s.fail(op, err)
}

func plains(all []string) []string {
	clean := make([]string, len(all))
	for i, s := range all {
		clean[i] = plain(s)
	}
	return clean
}
