package calllog_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/connectors/phone"
	"github.com/ringback-health/ringback/connectors/phone/calllog"
	"github.com/ringback-health/ringback/connectors/phone/phonetest"
)

func TestConformance(t *testing.T) {
	for file, header := range map[string]int{"ringcentral.csv": 1, "twilio-with-parents.csv": 1, "twilio-status-only.csv": 1, "semicolons.csv": 4} {
		t.Run(file, func(t *testing.T) {
			phonetest.Run(t, phonetest.Case{
				Format: calllog.Format{}, Log: load(t, file), Header: header,
				At: func(start string) string {
					return "start time,from,direction,result\n" + start + ",+12125550123,inbound,missed\n"
				},
			})
		})
	}
}

func load(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func chicago(t testing.TB) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("America/Chicago")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func read(t testing.TB, log string) phone.Log {
	t.Helper()
	l, err := phone.Read(calllog.Format{}, strings.NewReader(log), phone.Options{Zone: chicago(t), Region: "US"})
	if err != nil {
		t.Fatal(err)
	}
	return l
}
