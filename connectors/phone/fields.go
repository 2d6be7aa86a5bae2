package phone

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/ringback-health/ringback/callback/calls"
)

// Scalar is a JSON value as text: vendors write one and the same id as a number today
// and as a string tomorrow, and with more digits than a float64 can hold. Null is "".
type Scalar string

// UnmarshalJSON takes a string, a number, true, false and null.
func (s *Scalar) UnmarshalJSON(b []byte) error {
	switch {
	case len(b) == 0 || b[0] == '{' || b[0] == '[':
		return fmt.Errorf("a list or an object where one value is expected")
	case string(b) == "null":
		*s = ""
	case b[0] == '"':
		return json.Unmarshal(b, (*string)(s))
	default:
		*s = Scalar(b)
	}
	return nil
}

// Milliseconds reads milliseconds since 1970, as many vendors write times; the zero
// time for "", 0 and what is no number.
func (s Scalar) Milliseconds() time.Time { return s.since1970(time.Millisecond) }

// Seconds reads seconds since 1970.
func (s Scalar) Seconds() time.Time { return s.since1970(time.Second) }

func (s Scalar) since1970(unit time.Duration) time.Time {
	n, err := json.Number(s).Float64()
	// Before 2000 and after 2200 no call was: the field has another unit or none.
	if err != nil || n*unit.Seconds() < 946_684_800 || n*unit.Seconds() > 7_258_118_400 {
		return time.Time{}
	}
	return time.UnixMicro(int64(n * float64(unit.Microseconds()))).UTC()
}

// Length reads a number of units of time, such as seconds; 0 for what is none.
func (s Scalar) Length(unit time.Duration) time.Duration {
	n, err := json.Number(s).Float64()
	if err != nil || n <= 0 || n*unit.Hours() > 24*7 {
		return 0
	}
	return time.Duration(n * float64(unit))
}

// Words are a vendor's words for how a call or a leg ended.
type Words map[string]calls.Verdict

// Verdict finds a word without regard to letter case. For one that is not known the
// verdict is "" and the note says so, so that a new word of the vendor's is seen; it
// names the word only where it is one, since anything may stand in a damaged field.
func (w Words) Verdict(word string) (v calls.Verdict, note string) {
	plain := strings.ToLower(strings.TrimSpace(word))
	v, ok := w[plain]
	switch {
	case ok || plain == "":
		return v, ""
	case len(plain) <= 40 && strings.Trim(plain, "abcdefghijklmnopqrstuvwxyz -_") == "":
		return "", fmt.Sprintf("the phone system's word %q is not known", plain)
	default:
		return "", "the phone system's word for how it ended is not known"
	}
}
