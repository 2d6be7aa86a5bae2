package calllog

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/ringback-health/ringback/connectors/phone"
	number "github.com/ringback-health/ringback/internal/phone"
	"github.com/ringback-health/ringback/internal/redact"
)

// Appointment is one row of an export of appointments.
type Appointment struct {
	Phones []redact.Text // the patient's numbers, as written; at least one
	// Created is when it was booked; zero: not told. One that tells only the day is
	// taken for its end, so that a booking on the day of a call counts as after it.
	Created time.Time
	Start   time.Time // when it is; zero: not told
}

// Appointments is an export of appointments that was read.
type Appointments struct {
	List    []Appointment
	Columns []phone.Column
	// Cancelled rows and rows without a phone number are left out.
	Cancelled, NoPhone int
	Explained          []phone.RowNote
}

// appointmentNames are the names of columns in the form of normal.
var appointmentNames = struct{ phones, start, created, status []string }{
	phones: []string{
		"phone", "phone number", "patient phone", "patient phone number", "mobile", "mobile phone", "mobile number", "cell", "cell phone", "cell number",
		"home phone", "home number", "work phone", "primary phone", "contact phone", "contact number", "telephone", "tel", "number",
	},
	start: []string{
		"start", "start time", "appointment start", "appointment time", "appointment date", "appointment date time", "appointment", "appt date", "appt time",
		"appt start", "appt date time", "scheduled for", "scheduled start", "visit date", "visit start", "date time", "date and time", "date",
	},
	created: []string{
		"created", "created at", "created on", "created date", "created time", "creation date", "date created", "booked", "booked at", "booked on", "booked date",
		"date booked", "booking date", "booking time", "made on", "date made", "scheduled at", "scheduled on", "date scheduled", "scheduled date",
	},
	status: []string{"status", "appointment status", "appt status", "visit status", "state"},
}

// cancelledWords are the states of appointments that are none.
var cancelledWords = []string{"cancelled", "canceled", "deleted", "entered in error", "rescheduled", "void"}

// ReadAppointments reads a table of appointments with column names: at least one
// column of phone numbers, and one of when the appointment was booked or is.
//
// The error says what is missing, without any content of the table; nothing was read
// then.
func ReadAppointments(r io.Reader, opts phone.Options) (Appointments, error) {
	zone, err := opts.LocalZone()
	if err != nil {
		return Appointments{}, err
	}
	records, err := phone.NewRecords(r)
	if err != nil {
		return Appointments{}, err
	}
	t, err := findAppointments(records)
	if err != nil {
		return Appointments{}, err
	}
	records.Comma = t.comma
	records.Fits = func(fields []string) bool { return len(fields) == t.width }
	t.clock = timeReader{zone: zone, order: orderOf(opts.Region)}
	out := Appointments{Columns: t.columns}
	for {
		rec, err := records.Next()
		var damaged *phone.RowError
		switch {
		case errors.Is(err, io.EOF):
			return out, nil
		case errors.As(err, &damaged):
			out.Explained = append(out.Explained, phone.RowNote{Line: damaged.Line, Reason: damaged.Reason, Damaged: true})
		case err != nil:
			return out, err
		case rec.Fields != nil && rec.Line > t.line:
			if reason := t.read(rec, &out); reason != "" {
				out.Explained = append(out.Explained, phone.RowNote{Line: rec.Line, Reason: reason, Damaged: true})
			}
		}
	}
}

// appointmentTable is where the columns of a table stand; -1: nowhere.
type appointmentTable struct {
	line, width            int
	comma                  byte
	phones                 []int
	start, created, status int
	columns                []phone.Column
	clock                  timeReader
}

func findAppointments(records *phone.Records) (appointmentTable, error) {
	lines, failed := records.Peek(headerLines)
	content := false
	for i, text := range lines {
		content = content || strings.TrimSpace(text) != ""
		for _, sep := range separators {
			cells, ok := phone.Split(text, sep.comma)
			if !ok {
				continue
			}
			if t := newAppointmentTable(cells); len(t.phones) > 0 && (t.start >= 0 || t.created >= 0) {
				t.line, t.comma = i+1, sep.comma
				return t, nil
			}
		}
	}
	switch {
	case failed != nil:
		return appointmentTable{}, failed
	case !content:
		return appointmentTable{}, errors.New("read appointments: the file is empty; if there were appointments, export it again")
	default:
		return appointmentTable{}, errors.New("read appointments: no usable column names. Needed are a phone number (" + strings.Join(appointmentNames.phones, ", ") +
			") and the time of booking (" + strings.Join(appointmentNames.created, ", ") + ") or of the visit (" + strings.Join(appointmentNames.start, ", ") + ")")
	}
}

func newAppointmentTable(cells []string) appointmentTable {
	t := appointmentTable{width: len(cells), start: -1, created: -1, status: -1}
	best := func(names []string) int {
		for _, n := range names {
			if i := slices.IndexFunc(cells, func(c string) bool { return normal(c) == n }); i >= 0 {
				return i
			}
		}
		return -1
	}
	t.start, t.created, t.status = best(appointmentNames.start), best(appointmentNames.created), best(appointmentNames.status)
	for i, c := range cells {
		col := phone.Column{Header: phone.Plain(c)}
		switch {
		case i == t.start:
			col.Field = "start of the visit"
		case i == t.created:
			col.Field = "time of booking"
		case i == t.status:
			col.Field = "status"
		case slices.Contains(appointmentNames.phones, normal(c)):
			col.Field = "phone number"
			t.phones = append(t.phones, i)
		}
		t.columns = append(t.columns, col)
	}
	return t
}

// read reads one row, or says why it cannot be read.
func (t appointmentTable) read(rec phone.Record, out *Appointments) string {
	if len(rec.Fields) != t.width {
		return fmt.Sprintf("it has %d columns, not %d", len(rec.Fields), t.width)
	}
	cell := func(i int) string {
		if i < 0 {
			return ""
		}
		return strings.TrimSpace(rec.Fields[i])
	}
	if slices.Contains(cancelledWords, normal(cell(t.status))) {
		out.Cancelled++
		return ""
	}
	var a Appointment
	for _, i := range t.phones {
		if c := cell(i); !number.Withheld(c) {
			a.Phones = append(a.Phones, phone.Text(c))
		}
	}
	if len(a.Phones) == 0 {
		out.NoPhone++
		return ""
	}
	var err error
	if a.Created, err = t.clock.moment(cell(t.created), true); err != nil {
		return "its time of booking " + err.Error()
	}
	if a.Start, err = t.clock.moment(cell(t.start), false); err != nil {
		return "its start " + err.Error()
	}
	if a.Created.IsZero() && a.Start.IsZero() {
		return "it has neither a time of booking nor a start"
	}
	out.List = append(out.List, a)
	return ""
}

// moment reads a time, or a day alone: its end or its beginning. An empty cell is the
// zero time.
func (r timeReader) moment(cell string, end bool) (time.Time, error) {
	if cell == "" {
		return time.Time{}, nil
	}
	t, err := r.read(cell, "", time.Time{})
	if !errors.Is(err, errNoClock) {
		return t, err
	}
	day, err := r.date(cell)
	if err != nil {
		return time.Time{}, err
	}
	if end {
		return phone.Instant(day.AddDate(0, 0, 1), r.zone, time.Time{}).Add(-time.Second).UTC(), nil
	}
	return phone.Instant(day, r.zone, time.Time{}).UTC(), nil
}
