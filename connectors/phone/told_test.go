package phone_test

import (
	"strings"
	"testing"

	"github.com/ringback-health/ringback/connectors/phone"
)

func TestScalarID(t *testing.T) {
	for in, want := range map[phone.Scalar]string{
		"5635304278851584": "5635304278851584", " Y3MxNzE4NDE= ": "Y3MxNzE4NDE=", "s-a6abd24c": "s-a6abd24c", "1772460000.12": "1772460000.12",
		"": "", "0": "", "null": "", "None": "", "+12125550123": "", "Sam Sample": "", "a/b": "", phone.Scalar(strings.Repeat("1", 129)): "", "\x00": "",
	} {
		if got := in.ID(); got != want {
			t.Errorf("%q: %q, want %q", string(in), got, want)
		}
	}
}

func TestScalarRFC3339(t *testing.T) {
	for in, want := range map[phone.Scalar]string{
		"2026-03-02T16:00:00Z": "2026-03-02 16:00:00 +0000 UTC", "2026-03-02T10:00:00.5-06:00": "2026-03-02 16:00:00.5 +0000 UTC",
		"": "0001-01-01 00:00:00 +0000 UTC", "2026-03-02": "0001-01-01 00:00:00 +0000 UTC", "1970-01-01T00:00:00Z": "0001-01-01 00:00:00 +0000 UTC",
	} {
		if got := in.RFC3339().String(); got != want {
			t.Errorf("%q: %s, want %s", string(in), got, want)
		}
	}
}

func TestWhoCalled(t *testing.T) {
	if got := phone.Number("blocked", "", "+12125550123", "1"); got.Reveal() != "+12125550123" {
		t.Errorf("%q", got.Reveal())
	}
	if !phone.Number("anonymous").IsEmpty() {
		t.Error("a withheld number is one")
	}
	for in, want := range map[phone.Scalar]string{"Sam Sample": "Sam Sample", "(212) 555-0123": "", "+12125550123": "", "Anonymous": "", "": ""} {
		if got := phone.CallerName(in); got.Reveal() != want {
			t.Errorf("%q: %q", string(in), got.Reveal())
		}
	}
}
