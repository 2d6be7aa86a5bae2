package store

import (
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/ringback-health/ringback/callback"
)

// The rows are the tables as Go sees them. Columns of type sealed are sealed or
// hashed; gorm's own timestamps are off, because times come from the domain.

type metaRow struct {
	Name  string `gorm:"primaryKey"`
	Value sealed
}

func (metaRow) TableName() string { return "meta" }

// keepFirst leaves a row that is already there as it is.
var keepFirst = clause.OnConflict{DoNothing: true}

func setMeta(tx *gorm.DB, name string, value []byte) error {
	return tx.Clauses(clause.OnConflict{
		Columns:   []clause.Column{{Name: "name"}},
		DoUpdates: clause.AssignmentColumns([]string{"value"}),
	}).Create(&metaRow{Name: name, Value: value}).Error
}

type callbackRow struct {
	ID                callback.ID `gorm:"primaryKey"`
	Clinic            callback.ClinicID
	Source            string
	SourceID          string
	ReceivedAt        instant
	CapturedAt        instant
	AskedAt           instant
	CallerName        sealed
	CallerPhone       sealed
	CallerPhoneHash   sealed
	CallerEmail       sealed
	CallerBirthDate   sealed
	PatientMRN        sealed `gorm:"column:patient_mrn"`
	PatientEHRID      sealed `gorm:"column:patient_ehr_id"`
	PatientCandidate  sealed
	PatientChartHash  sealed
	Resolution        callback.Resolution
	ResolvedHow       string
	ResolutionTriedAt instant
	NewPatient        callback.Answer
	Category          callback.Category
	Priority          callback.Priority
	RequestText       sealed
	Preferred         []period `gorm:"serializer:json"`
	VisitKind         string
	Status            callback.Status
	Outcome           callback.Outcome
	Owner             string
	DueAt             instant
	Repeats           int
	Review            bool
	Revision          int64
	ClosedAt          instant
	ReopenedAt        instant
	UpdatedAt         instant `gorm:"autoUpdateTime:false"`
	RowVersion        int64
}

func (callbackRow) TableName() string { return "callbacks" }

// callbackChanges are the columns of a callback that may change.
var callbackChanges = []string{"asked_at", "caller_name", "caller_phone", "caller_phone_hash", "caller_email",
	"caller_birth_date", "patient_mrn", "patient_ehr_id", "patient_candidate", "patient_chart_hash", "resolution", "resolved_how",
	"resolution_tried_at", "new_patient", "category", "priority", "request_text", "preferred", "visit_kind", "status",
	"outcome", "owner", "due_at", "repeats", "review", "revision", "closed_at", "reopened_at", "updated_at", "row_version"}

// period is a callback.Period as it is stored.
type period struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

// microseconds is t as the ledger gives it back.
func microseconds(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}

func (s *sealer) callbackRow(c callback.Callback, version int64) (callbackRow, error) {
	r := s.row("callbacks", c.Clinic, string(c.ID))
	out := callbackRow{
		ID: c.ID, Clinic: c.Clinic, Source: plain(c.Source), SourceID: plain(c.SourceID),
		ReceivedAt: instant(c.ReceivedAt), CapturedAt: instant(c.CapturedAt), AskedAt: instant(c.AskedAt),
		CallerName:        r.sealText("caller_name", c.Caller.Name),
		CallerPhone:       r.sealText("caller_phone", c.Caller.Phone),
		CallerPhoneHash:   r.hash(hashedPhone, c.Caller.Phone),
		CallerEmail:       r.sealText("caller_email", c.Caller.Email),
		CallerBirthDate:   r.sealText("caller_birth_date", c.Caller.BirthDate),
		PatientMRN:        r.sealText("patient_mrn", c.Patient.Keys.MRN),
		PatientEHRID:      r.sealText("patient_ehr_id", c.Patient.Keys.EHRID),
		PatientCandidate:  r.sealText("patient_candidate", c.Patient.Candidate),
		PatientChartHash:  r.hash(hashedPatient, c.Patient.Chart()),
		Resolution:        c.Patient.Resolution,
		ResolvedHow:       plain(c.Patient.How),
		ResolutionTriedAt: instant(c.Patient.TriedAt),
		NewPatient:        c.NewPatient, Category: c.Category, Priority: c.Priority,
		RequestText: r.sealText("request_text", c.Text),
		VisitKind:   plain(c.VisitKind), Status: c.Status, Outcome: c.Outcome, Owner: plain(c.Owner),
		DueAt: instant(c.DueAt), Repeats: c.Repeats, Review: c.Review, Revision: c.Revision,
		ClosedAt: instant(c.ClosedAt), ReopenedAt: instant(c.ReopenedAt), UpdatedAt: instant(c.UpdatedAt),
		RowVersion: version,
	}
	for _, p := range c.Preferred {
		out.Preferred = append(out.Preferred, period{microseconds(p.Start), microseconds(p.End)})
	}
	return out, r.err
}

func (s *sealer) callback(r callbackRow) (callback.Callback, error) {
	o := s.row("callbacks", r.Clinic, string(r.ID))
	c := callback.Callback{
		ID: r.ID, Clinic: r.Clinic, Source: r.Source, SourceID: r.SourceID,
		ReceivedAt: r.ReceivedAt.Time(), CapturedAt: r.CapturedAt.Time(), AskedAt: r.AskedAt.Time(),
		Caller: callback.Caller{
			Name:      o.openText("caller_name", r.CallerName),
			Phone:     o.openText("caller_phone", r.CallerPhone),
			Email:     o.openText("caller_email", r.CallerEmail),
			BirthDate: o.openText("caller_birth_date", r.CallerBirthDate),
		},
		Patient: callback.Patient{
			Keys: callback.PatientKeys{
				MRN:   o.openText("patient_mrn", r.PatientMRN),
				EHRID: o.openText("patient_ehr_id", r.PatientEHRID),
			},
			Resolution: r.Resolution, How: r.ResolvedHow, TriedAt: r.ResolutionTriedAt.Time(),
			Candidate: o.openText("patient_candidate", r.PatientCandidate),
		},
		NewPatient: r.NewPatient, Category: r.Category, Priority: r.Priority,
		Text:      o.openText("request_text", r.RequestText),
		VisitKind: r.VisitKind, Status: r.Status, Outcome: r.Outcome, Owner: r.Owner,
		DueAt: r.DueAt.Time(), Repeats: r.Repeats, Review: r.Review, Revision: r.Revision,
		ClosedAt: r.ClosedAt.Time(), ReopenedAt: r.ReopenedAt.Time(), UpdatedAt: r.UpdatedAt.Time(),
	}
	for _, p := range r.Preferred {
		c.Preferred = append(c.Preferred, callback.Period{Start: p.Start, End: p.End})
	}
	return c, o.err
}

type eventRow struct {
	CallbackID callback.ID `gorm:"primaryKey"`
	Seq        int64       `gorm:"primaryKey;autoIncrement:false"`
	Clinic     callback.ClinicID
	At         instant
	EHRAt      instant `gorm:"column:ehr_at"`
	Kind       callback.EventKind
	ByKind     callback.ActorKind
	ByName     string
	FromStatus callback.Status
	ToStatus   callback.Status
	Revision   int64
	Detail     string
	Note       sealed
}

func (eventRow) TableName() string { return "callback_events" }

func eventID(id callback.ID, seq int64) string { return fmt.Sprintf("%s/%d", id, seq) }

func (s *sealer) eventRow(c callback.Callback, e callback.Event) (eventRow, error) {
	r := s.row("callback_events", c.Clinic, eventID(c.ID, e.Seq))
	return eventRow{
		CallbackID: c.ID, Seq: e.Seq, Clinic: c.Clinic, At: instant(e.At), EHRAt: instant(e.EHRAt), Kind: e.Kind,
		ByKind: e.By.Kind, ByName: plain(e.By.Name), FromStatus: e.From, ToStatus: e.To,
		Revision: e.Revision, Detail: plain(e.Detail), Note: r.sealText("note", e.Note),
	}, r.err
}

func (s *sealer) event(r eventRow) (callback.Event, error) {
	o := s.row("callback_events", r.Clinic, eventID(r.CallbackID, r.Seq))
	return callback.Event{
		Seq: r.Seq, At: r.At.Time(), EHRAt: r.EHRAt.Time(), Kind: r.Kind, By: callback.Actor{Kind: r.ByKind, Name: r.ByName},
		From: r.FromStatus, To: r.ToStatus, Revision: r.Revision, Detail: r.Detail,
		Note: o.openText("note", r.Note),
	}, o.err
}

type attemptRow struct {
	CallbackID callback.ID `gorm:"primaryKey"`
	ID         callback.ID `gorm:"primaryKey"`
	Clinic     callback.ClinicID
	Position   int
	At         instant
	ByKind     callback.ActorKind
	ByName     string
	Channel    string
	Result     callback.Outcome
	TalkNS     int64 `gorm:"column:talk_ns"`
	Note       sealed
}

func (attemptRow) TableName() string { return "attempts" }

func (s *sealer) attemptRow(c callback.Callback, position int, a callback.Attempt) (attemptRow, error) {
	r := s.row("attempts", c.Clinic, string(c.ID)+"/"+string(a.ID))
	return attemptRow{
		CallbackID: c.ID, ID: a.ID, Clinic: c.Clinic, Position: position, At: instant(a.At),
		ByKind: a.By.Kind, ByName: plain(a.By.Name), Channel: plain(a.Channel), Result: a.Result,
		TalkNS: int64(a.Talk), Note: r.sealText("note", a.Note),
	}, r.err
}

func (s *sealer) attempt(r attemptRow) (callback.Attempt, error) {
	o := s.row("attempts", r.Clinic, string(r.CallbackID)+"/"+string(r.ID))
	return callback.Attempt{
		ID: r.ID, At: r.At.Time(), By: callback.Actor{Kind: r.ByKind, Name: r.ByName},
		Channel: r.Channel, Result: r.Result, Talk: time.Duration(r.TalkNS),
		Note: o.openText("note", r.Note),
	}, o.err
}

type evidenceRow struct {
	CallbackID  callback.ID    `gorm:"primaryKey"`
	EHR         callback.EHRID `gorm:"primaryKey;column:ehr"`
	Appointment string         `gorm:"primaryKey"`
	Clinic      callback.ClinicID
	Position    int
	Verdict     callback.Verdict
	Reasons     []string `gorm:"serializer:json"`
	Sentence    string
	State       callback.EvidenceState
	At          instant
}

func (evidenceRow) TableName() string { return "evidence" }

func newEvidenceRow(c callback.Callback, position int, e callback.Evidence) evidenceRow {
	return evidenceRow{
		CallbackID: c.ID, EHR: e.EHR, Appointment: plain(e.Appointment), Clinic: c.Clinic, Position: position,
		Verdict: e.Verdict, Reasons: e.Reasons, Sentence: plain(e.Sentence), State: e.State, At: instant(e.At),
	}
}

func (r evidenceRow) evidence() callback.Evidence {
	return callback.Evidence{
		EHR: r.EHR, Appointment: r.Appointment, Verdict: r.Verdict, Reasons: nilIfEmpty(r.Reasons),
		Sentence: r.Sentence, State: r.State, At: r.At.Time(),
	}
}

// nilIfEmpty gives lists that are read back one form.
func nilIfEmpty[T any](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	return slices.Clone(list)
}
