package phone_test

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ringback-health/ringback/internal/phone"
	"github.com/ringback-health/ringback/internal/redact"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		name, raw, region, want string
	}{
		{"fictional number, national", "(212) 555-0123", "US", "+12125550123"},
		{"fictional number in the fictional area code", "5555550123", "US", "+15555550123"},
		{"fictional number, digits of 555-01xx moved to the front", "+15550100123", "", "+15550100123"},
		{"country code without plus", "12125550123", "US", "+12125550123"},
		{"lower-case region", "2125550123", "us", "+12125550123"},
		{"plus needs no region", "+44 20 7946 0123", "", "+442079460123"},
		{"dialled with the international prefix", "011 44 20 7946 0123", "US", "+442079460123"},
		{"trunk prefix of another country", "89245550123", "RU", "+79245550123"},
		{"extension dropped", "212-555-0123 ext. 77", "US", "+12125550123"},
		{"extension dropped, short form", "212-555-0123x77", "US", "+12125550123"},
		{"tel URI", "tel:+1-212-555-0123", "US", "+12125550123"},
		{"SIP URI with host and parameters", "sip:+12125550123;tag=1@10.0.0.1:5060", "US", "+12125550123"},
		{"spreadsheet guard", `="2125550123"`, "US", "+12125550123"},
		{"digits of another script", "٢١٢٥٥٥٠١٢٣", "US", "+12125550123"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := phone.Parse(c.raw, c.region)
			if err != nil || got.Reveal() != c.want {
				t.Fatalf("got %q, %v, want %q", got.Reveal(), err, c.want)
			}
		})
	}
}

func TestParseSaysWhyNot(t *testing.T) {
	for _, c := range []struct {
		name, raw, region string
		is                error
		says              string
	}{
		{"empty", "", "US", phone.ErrWithheld, ""},
		{"blank", "  ", "US", phone.ErrWithheld, ""},
		{"word", "Anonymous", "US", phone.ErrWithheld, ""},
		{"words with punctuation", "<Private Number>", "US", phone.ErrWithheld, ""},
		{"word in a SIP URI", "sip:anonymous@anonymous.invalid", "US", phone.ErrWithheld, ""},
		{"ANONYMOUS on a keypad looks like a number of Lesotho", "+266696687", "US", phone.ErrWithheld, ""},
		{"UNAVAILABLE on a keypad looks like a number of China", "+86282452253", "US", phone.ErrWithheld, ""},
		{"extension", "301", "US", phone.ErrInternal, ""},
		{"longest extension", "20155", "US", phone.ErrInternal, ""},
		{"name of a device", "client1", "US", phone.ErrInvalid, "not made of digits"},
		{"name with a number in it", "Front desk 2125550123", "US", phone.ErrInvalid, "not made of digits"},
		{"a dash for an empty cell", "-", "US", phone.ErrWithheld, ""},
		{"punctuation", "*#", "US", phone.ErrInvalid, "not made of digits"},
		{"local number without area code", "555-0123", "US", phone.ErrInvalid, "area code is missing"},
		{"six-digit local number", "214943", "RU", phone.ErrInvalid, "too short"},
		{"too short behind a plus", "+123", "US", phone.ErrInvalid, "too short"},
		{"too long", "2125550123456789", "US", phone.ErrInvalid, "too long"},
		{"much too long", strings.Repeat("2125550123", 40), "US", phone.ErrInvalid, "too long"},
		{"no such country code", "+999123456789", "US", phone.ErrInvalid, "country code does not exist"},
		{"all zeros", "0000000000", "US", phone.ErrInvalid, "the same"},
		{"area code begins with 1", "1125550123", "US", phone.ErrInvalid, ""},
		{"no region", "2125550123", "", phone.ErrInvalid, "no default region"},
		{"no such region", "2125550123", "XX", phone.ErrInvalid, "such as US"},
		{"rounded by a spreadsheet", "1.21255E+10", "US", phone.ErrInvalid, "spreadsheet"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := phone.Parse(c.raw, c.region)
			if !errors.Is(err, c.is) || !got.IsEmpty() {
				t.Fatalf("got %q, %v, want %v", got.Reveal(), err, c.is)
			}
			if !strings.Contains(err.Error(), c.says) {
				t.Fatalf("%q does not say %q", err, c.says)
			}
		})
	}
}

// TestParseProperties: whatever comes in, there is either an E.164 number that
// parses to itself in every region, or an error that does not repeat the input.
func TestParseProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.OneOf(
			rapid.StringMatching(`\+?[0-9 ()-]{0,18}`),
			rapid.StringMatching(`[a-zA-Z]{0,9}[0-9]{3,12}(x[0-9]{2})?`),
			rapid.String(),
		).Draw(t, "raw")
		region := rapid.SampledFrom([]string{"US", "RU", "DE", "GB", "", "XX"}).Draw(t, "region")
		checkParse(t, raw, region)
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "anonymous", "301", "(212) 555-0123", "+266696687", "sip:1@x", "tel:", `="`, "+", "1e+10", "\xff\xfe", "212-555-0123 ext 9"} {
		f.Add(s, "US")
	}
	f.Fuzz(func(t *testing.T, raw, region string) { checkParse(t, raw, region) })
}

type failer interface{ Fatalf(string, ...any) }

func checkParse(t failer, raw, region string) {
	got, err := phone.Parse(raw, region)
	if err != nil {
		if !errors.Is(err, phone.ErrWithheld) && !errors.Is(err, phone.ErrInternal) && !errors.Is(err, phone.ErrInvalid) {
			t.Fatalf("error of no kind: %v", err)
		}
		if digits := strings.TrimSpace(raw); len(digits) > 3 && strings.ContainsAny(digits, "0123456789") && strings.Contains(err.Error(), digits) {
			t.Fatalf("the error repeats the input")
		}
		return
	}
	if !strings.HasPrefix(got.Reveal(), "+") {
		t.Fatalf("%q is not E.164", got.Reveal())
	}
	for _, other := range []string{"", "US", "RU"} {
		again, err := phone.Parse(got.Reveal(), other)
		if err != nil || !again.Equal(got) {
			t.Fatalf("%q parsed again in %q: %q, %v", got.Reveal(), other, again.Reveal(), err)
		}
	}
}

func TestDisplay(t *testing.T) {
	for _, c := range []struct{ number, region, want string }{
		{"+12125550123", "US", "(212) 555-0123"},
		{"+12125550123", "us", "(212) 555-0123"},
		{"+12125550123", "CA", "(212) 555-0123"},
		{"+12125550123", "GB", "+1 212-555-0123"},
		{"+12125550123", "", "+1 212-555-0123"},
		{"front desk", "US", "front desk"},
		{"", "US", ""},
	} {
		if got := phone.Display(redact.NewText(c.number), c.region); got.Reveal() != c.want {
			t.Errorf("Display(%q, %q) = %q, want %q", c.number, c.region, got.Reveal(), c.want)
		}
	}
}
