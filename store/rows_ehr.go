package store

import (
	"time"

	"github.com/ringback-health/ringback/callback"
)

type linkRow struct {
	ID            callback.ID `gorm:"primaryKey"`
	Clinic        callback.ClinicID
	CallbackID    callback.ID
	Position      int
	EHR           callback.EHRID `gorm:"column:ehr"`
	Type          callback.ResourceType
	RemoteID      string
	RemoteVersion string
	Holds         int64
	Wanted        int64
	State         callback.LinkState
	Base          callback.ItemState   `gorm:"serializer:json"`
	Sent          []callback.SentState `gorm:"serializer:json"`
	SettlesAt     instant
	LastError     string
	Hint          string
	Failures      int
	NextAttemptAt instant
	Lock          int64
	CreatedAt     instant `gorm:"autoCreateTime:false"`
	UpdatedAt     instant `gorm:"autoUpdateTime:false"`
}

func (linkRow) TableName() string { return "links" }

// linkChanges are the columns of a link that may change. wanted is not one of
// them: it moves with the callback.
var linkChanges = []string{"type", "sent", "settles_at", "remote_id", "remote_version", "holds", "state", "base", "last_error", "hint", "failures",
	"next_attempt_at", "lock", "updated_at"}

func newLinkRow(l callback.Link, position int, wanted int64) linkRow {
	return linkRow{
		ID: l.ID, Clinic: l.Clinic, CallbackID: l.Callback, Position: position, EHR: l.EHR, Type: l.Type,
		RemoteID: plain(l.RemoteID), RemoteVersion: plain(l.RemoteVersion), Holds: l.Holds, Wanted: wanted,
		Sent: l.Sent, SettlesAt: instant(l.SettlesAt),
		State: l.State, Base: l.Base, LastError: plain(l.LastError), Hint: plain(l.Hint), Failures: l.Failures,
		NextAttemptAt: instant(l.NextAttemptAt), Lock: l.Lock,
		CreatedAt: instant(l.CreatedAt), UpdatedAt: instant(l.UpdatedAt),
	}
}

func (r linkRow) link() callback.Link {
	l := callback.Link{
		ID: r.ID, Clinic: r.Clinic, Callback: r.CallbackID, EHR: r.EHR, Type: r.Type,
		RemoteID: r.RemoteID, RemoteVersion: r.RemoteVersion, Holds: r.Holds,
		Sent: nilIfEmpty(r.Sent), SettlesAt: r.SettlesAt.Time(),
		State: r.State, Base: r.Base, LastError: r.LastError, Hint: r.Hint, Failures: r.Failures,
		NextAttemptAt: r.NextAttemptAt.Time(), Lock: r.Lock,
		CreatedAt: r.CreatedAt.Time(), UpdatedAt: r.UpdatedAt.Time(),
	}
	l.Base.Appointments = nilIfEmpty(l.Base.Appointments)
	return l
}

type connectionRow struct {
	Clinic   callback.ClinicID
	EHR      callback.EHRID `gorm:"column:ehr;primaryKey"`
	Failures int
	LastBy   string
	Since    instant
	Until    instant
	Error    string
	Hint     string
	Told     instant
}

func (connectionRow) TableName() string { return "connections" }

func newConnectionRow(c callback.Connection) connectionRow {
	return connectionRow{Clinic: c.Clinic, EHR: c.EHR, Failures: c.Failures, LastBy: plain(c.LastBy), Since: instant(c.Since),
		Until: instant(c.Until), Error: plain(c.Error), Hint: plain(c.Hint), Told: instant(c.Told)}
}

func (r connectionRow) connection() callback.Connection {
	return callback.Connection{Clinic: r.Clinic, EHR: r.EHR, Failures: r.Failures, LastBy: r.LastBy, Since: r.Since.Time(),
		Until: r.Until.Time(), Error: r.Error, Hint: r.Hint, Told: r.Told.Time()}
}

// tiedRow is one appointment of a link's base.
type tiedRow struct {
	LinkID      callback.ID `gorm:"primaryKey"`
	Appointment string      `gorm:"primaryKey"`
	CallbackID  callback.ID
	Clinic      callback.ClinicID
	EHR         callback.EHRID `gorm:"column:ehr"`
}

func (tiedRow) TableName() string { return "link_appointments" }

type arrivalRow struct {
	ID          callback.ID `gorm:"primaryKey"`
	Clinic      callback.ClinicID
	Source      string
	SourceID    string
	ReceivedAt  instant
	StoredAt    instant
	Body        sealed
	ContentHash sealed
	Disposition callback.Disposition
	Reason      string
	CallbackID  *callback.ID
}

func (arrivalRow) TableName() string { return "arrivals" }

func (s *sealer) arrivalRow(a callback.Arrival, t callback.Taken) (arrivalRow, error) {
	r := s.row("arrivals", a.Clinic, string(a.ID))
	out := arrivalRow{
		ID: a.ID, Clinic: a.Clinic, Source: plain(a.Source), SourceID: plain(a.SourceID),
		ReceivedAt: instant(a.ReceivedAt), StoredAt: instant(a.StoredAt), Body: r.sealBytes("body", a.Body),
		ContentHash: r.hash(hashedContent, a.Content), Disposition: t.Disposition, Reason: plain(t.Reason),
	}
	if t.Disposition != callback.Ignored {
		out.CallbackID = &t.Callback.ID
	}
	return out, r.err
}

type feedRow struct {
	Clinic      callback.ClinicID `gorm:"primaryKey"`
	EHR         callback.EHRID    `gorm:"primaryKey;column:ehr"`
	Feed        callback.Feed     `gorm:"primaryKey"`
	Watermark   instant
	LastAttempt instant
	LastSuccess instant
	LastError   string
	SkewNS      int64 `gorm:"column:skew_ns"`
	SliceNS     int64 `gorm:"column:slice_ns"`
	Covered     instant
	Settled     instant
}

func (feedRow) TableName() string { return "feeds" }

type pageRow struct {
	ID        callback.ID `gorm:"primaryKey"`
	Clinic    callback.ClinicID
	EHR       callback.EHRID `gorm:"column:ehr"`
	Feed      callback.Feed
	FetchedAt instant
	NotBefore instant
	Baseline  bool
	Body      sealed
	Problem   string
	DoneAt    instant
}

func (pageRow) TableName() string { return "pages" }

func (s *sealer) pageRow(p callback.Page) (pageRow, error) {
	r := s.row("pages", p.Clinic, string(p.ID))
	return pageRow{
		ID: p.ID, Clinic: p.Clinic, EHR: p.EHR, Feed: p.Feed, FetchedAt: instant(p.FetchedAt),
		NotBefore: instant(p.NotBefore), Baseline: p.Baseline, Body: r.sealBytes("body", p.Body), Problem: plain(p.Problem),
	}, r.err
}

func (s *sealer) page(r pageRow) (callback.Page, error) {
	o := s.row("pages", r.Clinic, string(r.ID))
	return callback.Page{
		ID: r.ID, Clinic: r.Clinic, EHR: r.EHR, Feed: r.Feed, FetchedAt: r.FetchedAt.Time(),
		NotBefore: r.NotBefore.Time(), Baseline: r.Baseline, Body: o.openBytes("body", r.Body), Problem: r.Problem,
	}, o.err
}

type appointmentRow struct {
	Clinic      callback.ClinicID `gorm:"primaryKey"`
	EHR         callback.EHRID    `gorm:"primaryKey;column:ehr"`
	ID          string            `gorm:"primaryKey"`
	Version     string
	State       callback.AppointmentState
	Patient     sealed
	PatientHash sealed
	Patients    int
	StartsAt    instant
	EndsAt      instant
	BookedAt    instant
	Kinds       []string          `gorm:"serializer:json"`
	Markers     []callback.Marker `gorm:"serializer:json"`
	Tasks       []string          `gorm:"serializer:json"`
	ChangedAt   instant
	NotBefore   instant
	FirstSeen   instant

	BookedSpanNs time.Duration
	FirstChanged instant
	Replaces     []string `gorm:"serializer:json"`
	Test         bool
	History      []callback.AppointmentVersion `gorm:"serializer:json"`
}

func (appointmentRow) TableName() string { return "appointments" }

// appointmentChanges are the columns of an appointment that a new version
// changes: all but the key and what was first observed.
var appointmentChanges = []string{"version", "state", "patient", "patient_hash", "patients", "starts_at", "ends_at",
	"booked_at", "booked_span_ns", "kinds", "markers", "tasks", "replaces", "test", "changed_at", "history"}

type markerRow struct {
	Clinic        callback.ClinicID `gorm:"primaryKey"`
	EHR           callback.EHRID    `gorm:"primaryKey;column:ehr"`
	Marker        callback.Marker   `gorm:"primaryKey"`
	AppointmentID string            `gorm:"primaryKey"`
}

func (markerRow) TableName() string { return "appointment_markers" }

func appointmentID(ehr callback.EHRID, id string) string { return string(joined(string(ehr), id)) }

func (s *sealer) appointmentRow(a callback.Appointment) (appointmentRow, error) {
	r := s.row("appointments", a.Clinic, appointmentID(a.EHR, plain(a.ID)))
	return appointmentRow{
		Clinic: a.Clinic, EHR: a.EHR, ID: plain(a.ID), Version: plain(a.Version), State: a.State,
		Patient: r.sealText("patient", a.Patient), PatientHash: r.hash(hashedAppointment, a.Patient), Patients: a.Patients,
		StartsAt: instant(a.Start), EndsAt: instant(a.End), BookedAt: instant(a.Created),
		Kinds: a.Kinds, Markers: a.Markers, Tasks: a.Tasks,
		ChangedAt: instant(a.Updated), NotBefore: instant(a.NotBefore), FirstSeen: instant(a.FirstSeen),
		BookedSpanNs: a.CreatedSpan, FirstChanged: instant(a.FirstUpdated), Replaces: a.Replaces, Test: a.Test, History: a.History,
	}, r.err
}

func (s *sealer) appointment(r appointmentRow) (callback.Appointment, error) {
	o := s.row("appointments", r.Clinic, appointmentID(r.EHR, r.ID))
	return callback.Appointment{
		Clinic: r.Clinic, EHR: r.EHR, ID: r.ID, Version: r.Version, State: r.State,
		Patient: o.openText("patient", r.Patient), Patients: r.Patients,
		Start: r.StartsAt.Time(), End: r.EndsAt.Time(), Created: r.BookedAt.Time(),
		Kinds: nilIfEmpty(r.Kinds), Markers: nilIfEmpty(r.Markers), Tasks: nilIfEmpty(r.Tasks),
		Updated: r.ChangedAt.Time(), NotBefore: r.NotBefore.Time(), FirstSeen: r.FirstSeen.Time(),
		CreatedSpan: r.BookedSpanNs, FirstUpdated: r.FirstChanged.Time(), Replaces: nilIfEmpty(r.Replaces), Test: r.Test, History: nilIfEmpty(r.History),
	}, o.err
}

// asStored is what comes back when a is stored: times in UTC to the microsecond,
// empty lists as none.
func asStored(a callback.Appointment) callback.Appointment {
	for _, t := range []*time.Time{&a.Start, &a.End, &a.Created, &a.Updated, &a.NotBefore, &a.FirstSeen} {
		*t = microseconds(*t)
	}
	a.Kinds, a.Markers, a.Tasks, a.Replaces = nilIfEmpty(a.Kinds), nilIfEmpty(a.Markers), nilIfEmpty(a.Tasks), nilIfEmpty(a.Replaces)
	return a
}

type tokenRow struct {
	ID        callback.ID `gorm:"primaryKey"`
	Name      string
	Role      callback.Role
	Hash      string
	CreatedAt instant `gorm:"autoCreateTime:false"`
	RevokedAt instant
}

func (tokenRow) TableName() string { return "tokens" }

func (r tokenRow) token() callback.Token {
	return callback.Token{ID: r.ID, Name: r.Name, Role: r.Role, Hash: r.Hash,
		CreatedAt: r.CreatedAt.Time(), RevokedAt: r.RevokedAt.Time()}
}
