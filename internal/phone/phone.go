// Package phone reads phone numbers: it turns what a phone system wrote down as
// the caller into E.164, or says why that cannot be dialled.
//
// It is the only importer of the libphonenumber port, so that the rules for
// what counts as a number stand in one place. What a caller wants, and whether
// two callers are the same person, does not belong here.
package phone

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/nyaruka/phonenumbers"

	"github.com/ringback-health/ringback/internal/redact"
)

// Why a raw caller is no number that can be called back. None of the errors
// that Parse returns contains the number.
var (
	// ErrWithheld: the caller's number was withheld or the network did not
	// deliver it. There is nobody to call; never merge two of these.
	ErrWithheld = errors.New("caller number withheld")
	// ErrInternal: a short number of the phone system itself, such as an
	// extension. Colleagues need no callback.
	ErrInternal = errors.New("internal extension, not a public number")
	// ErrInvalid: not a number that can be dialled; the text says why. Keep the
	// raw value, a person may know what it means.
	ErrInvalid = errors.New("not a number that can be dialled")
)

// maxInternalDigits is the longest number taken for an extension. Extensions
// have 2 to 5 digits in practice; the shortest local numbers of the public
// network have 5 or 6, and a 5-digit caller cannot be dialled from elsewhere.
const maxInternalDigits = 5

var (
	// extensionSuffix is what may follow a number: "x12", "ext. 12", "#12".
	extensionSuffix = regexp.MustCompile(`(?i)\s*[,;]?\s*(?:ext(?:ension|n)?\.?|x|#)\s*[0-9]{1,7}\s*$`)
	letter          = regexp.MustCompile(`\p{L}`)
	// spreadsheet is a number that a spreadsheet turned into a float; its last
	// digits are gone.
	spreadsheet = regexp.MustCompile(`(?i)^[0-9](?:[.,][0-9]+)?e\+?[0-9]+$`)
)

// Parse reads raw, as a phone system or a person wrote it, into E.164.
// defaultRegion (ISO 3166-1 alpha-2, "US") says whose national form a number
// without "+" is in; it may be empty when every number carries its country code.
//
// A number is accepted when its length is possible in its numbering plan and it
// is not plainly made up (all digits the same, +1 followed by 0 or 1). It need
// not be "valid" in libphonenumber's sense, that is, lie in a range known to be
// assigned: ranges open faster than metadata is updated, a refused caller is a
// lost callback, and the fictional numbers 555-01xx are in no assigned range.
// An extension after the number ("x12") is dropped: E.164 has no place for it.
//
// Errors wrap ErrWithheld, ErrInternal or ErrInvalid.
func Parse(raw, defaultRegion string) (redact.Text, error) {
	if Withheld(raw) {
		return redact.Text{}, ErrWithheld
	}
	s := bare(raw)
	if spreadsheet.MatchString(s) {
		return redact.Text{}, invalid("a spreadsheet turned it into a rounded figure; export the log again as text")
	}
	s = extensionSuffix.ReplaceAllString(s, "")
	digits := phonenumbers.NormalizeDigitsOnly(s)
	switch {
	case letter.MatchString(s) || digits == "":
		return redact.Text{}, invalid("it is not made of digits")
	case len(digits) <= maxInternalDigits && !strings.HasPrefix(s, "+"):
		return redact.Text{}, ErrInternal
	}
	region, err := regionOf(defaultRegion, s)
	if err != nil {
		return redact.Text{}, err
	}
	number, err := phonenumbers.Parse(s, region)
	if err != nil {
		return redact.Text{}, invalid(whyUnparsed(err))
	}
	if why := implausible(number); why != "" {
		return redact.Text{}, invalid(why)
	}
	return redact.NewText(phonenumbers.Format(number, phonenumbers.E164)), nil
}

// KnownRegion reports whether region (ISO 3166-1 alpha-2) has a numbering plan.
func KnownRegion(region string) bool { return phonenumbers.GetCountryCodeForRegion(region) != 0 }

// Display formats a number for a person: in national form when it belongs to
// region's numbering plan, in international form otherwise. What cannot be read
// as a number comes back as it is.
func Display(number redact.Text, region string) redact.Text {
	region = strings.ToUpper(strings.TrimSpace(region))
	parsed, err := phonenumbers.Parse(number.Reveal(), region)
	if err != nil {
		return number
	}
	form := phonenumbers.INTERNATIONAL
	if int(parsed.GetCountryCode()) == phonenumbers.GetCountryCodeForRegion(region) {
		form = phonenumbers.NATIONAL
	}
	return redact.NewText(phonenumbers.Format(parsed, form))
}

func invalid(why string) error { return fmt.Errorf("%w: %s", ErrInvalid, why) }

// bare removes what phone systems put around a number: a URI scheme, a SIP
// host, the guards that keep a spreadsheet from rounding it.
func bare(raw string) string {
	s := strings.TrimSpace(raw)
	if guarded, ok := strings.CutPrefix(s, `="`); ok {
		s = strings.TrimSuffix(guarded, `"`)
	}
	s = strings.TrimPrefix(s, "'")
	scheme, rest, ok := strings.Cut(s, ":")
	if ok {
		switch strings.ToLower(scheme) {
		case "tel", "sip", "sips", "whatsapp":
			s = rest
		}
	}
	s, _, _ = strings.Cut(s, "@")
	s, _, _ = strings.Cut(s, ";")
	return strings.TrimSpace(s)
}

// regionOf checks the default region where the number depends on it.
func regionOf(defaultRegion, s string) (string, error) {
	region := strings.ToUpper(strings.TrimSpace(defaultRegion))
	if strings.HasPrefix(s, "+") || phonenumbers.GetCountryCodeForRegion(region) != 0 {
		return region, nil
	}
	if region == "" {
		return "", invalid("it has no country code and no default region is set")
	}
	return "", invalid("it has no country code and the default region is not a country code such as US")
}

func whyUnparsed(err error) string {
	switch {
	case errors.Is(err, phonenumbers.ErrInvalidCountryCode):
		return "its country code does not exist"
	case errors.Is(err, phonenumbers.ErrTooShortNSN), errors.Is(err, phonenumbers.ErrTooShortAfterIDD):
		return "too short"
	case errors.Is(err, phonenumbers.ErrNumTooLong):
		return "too long"
	default:
		return "it does not read as a phone number"
	}
}

// implausible says why nobody can have this number, "" when somebody can.
func implausible(n *phonenumbers.PhoneNumber) string {
	switch phonenumbers.IsPossibleNumberWithReason(n) {
	case phonenumbers.IS_POSSIBLE:
	case phonenumbers.IS_POSSIBLE_LOCAL_ONLY:
		return "its area code is missing"
	case phonenumbers.TOO_SHORT:
		return "too short; its area code may be missing"
	case phonenumbers.TOO_LONG:
		return "too long"
	case phonenumbers.INVALID_COUNTRY_CODE:
		return "its country code does not exist"
	default:
		return "its length does not occur in its country"
	}
	national := phonenumbers.GetNationalSignificantNumber(n)
	if strings.Count(national, national[:1]) == len(national) {
		return "all its digits are the same"
	}
	// The North American plan has no area code that begins with 0 or 1.
	if n.GetCountryCode() == 1 && national[0] < '2' {
		return "its area code does not exist"
	}
	return ""
}
