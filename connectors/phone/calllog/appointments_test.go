package calllog_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/connectors/phone"
	"github.com/ringback-health/ringback/connectors/phone/calllog"
)

func TestReadAppointments(t *testing.T) {
	chicago, err := time.LoadLocation("America/Chicago")
	if err != nil {
		t.Fatal(err)
	}
	opts := phone.Options{Zone: chicago, Region: "US"}
	const export = "Appointments of March\n" +
		"Patient;Home Phone;Cell Phone;Appt Date;Created At;Status\n" +
		"Ann;;(212) 555-0123;3/9/2026 10:00 AM;3/2/2026 9:15 AM;Booked\n" +
		"Bob;212-555-0111;212-555-0112;3/10/2026;3/3/2026;\n" +
		"Cyd;2125550113;;3/11/2026 9:00;;Cancelled\n" +
		"Dee;;private;3/12/2026 9:00;3/2/2026;Booked\n" +
		"Emil;2125550114;;the 12th;3/2/2026;Booked\n" +
		"Fay;2125550115\n" +
		"Gus;2125550116;;;;Booked\n"
	got, err := calllog.ReadAppointments(strings.NewReader(export), opts)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.List) != 2 || got.Cancelled != 1 || got.NoPhone != 1 || len(got.Explained) != 3 {
		t.Fatalf("%d read, %d cancelled, %d without a number, explained %+v", len(got.List), got.Cancelled, got.NoPhone, got.Explained)
	}
	at := func(s string) time.Time {
		when, err := time.ParseInLocation(time.DateTime, s, chicago)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	ann, bob := got.List[0], got.List[1]
	if len(ann.Phones) != 1 || !ann.Created.Equal(at("2026-03-02 09:15:00")) || !ann.Start.Equal(at("2026-03-09 10:00:00")) {
		t.Errorf("Ann: %+v", ann)
	}
	// A day alone: booked by its end, taking place from its beginning.
	if len(bob.Phones) != 2 || !bob.Created.Equal(at("2026-03-03 23:59:59")) || !bob.Start.Equal(at("2026-03-10 00:00:00")) {
		t.Errorf("Bob: %+v", bob)
	}
	for i, line := range []int{7, 8, 9} {
		if got.Explained[i].Line != line {
			t.Errorf("line %d is explained, want %d", got.Explained[i].Line, line)
		}
	}

	for name, c := range map[string]struct{ table, want string }{
		"empty":           {"", "the file is empty"},
		"no phone number": {"Patient,Start\nAnn 2125550123,2026-03-02\n", "no usable column names"},
		"no time":         {"Phone,Patient\n2125550123,Ann\n", "no usable column names"},
	} {
		_, err := calllog.ReadAppointments(strings.NewReader(c.table), opts)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "2125550123") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := calllog.ReadAppointments(strings.NewReader(export), phone.Options{}); err == nil {
		t.Error("no zone is an error")
	}
}

func FuzzReadAppointments(f *testing.F) {
	f.Add("Phone,Created,Start\n2125550123,2026-03-02 09:00:00,2026-03-03\n")
	f.Add("Phone;Start\n\"2125550123;3/4/26 9:00 PM\n")
	f.Fuzz(func(t *testing.T, table string) {
		got, err := calllog.ReadAppointments(strings.NewReader(table), phone.Options{Zone: time.UTC, Region: "US"})
		if err != nil && !strings.HasPrefix(err.Error(), "read ") {
			t.Fatal(errors.New("an error that does not say what was being done"))
		}
		for _, a := range got.List {
			if len(a.Phones) == 0 || a.Created.IsZero() && a.Start.IsZero() {
				t.Fatal("an appointment without a number or a time")
			}
		}
	})
}
