package store

import (
	"database/sql/driver"
	"fmt"
	"strings"
	"time"

	"github.com/ringback-health/ringback/callback"
)

// instant is a point in time as both databases hold it: UTC, in microseconds,
// NULL for the zero time. SQLite has no type for it and compares the text, so
// the text has a fixed width and one offset.
type instant time.Time

// instantLayout sorts as text the way the times sort.
const instantLayout = "2006-01-02T15:04:05.000000Z"

// Time returns i in UTC.
func (i instant) Time() time.Time { return time.Time(i) }

// Value writes the text, for PostgreSQL too, which reads it into a timestamptz.
func (i instant) Value() (driver.Value, error) {
	t := time.Time(i)
	if t.IsZero() {
		return nil, nil
	}
	t = t.UTC()
	if t.Year() < 1 || t.Year() > 9999 {
		return nil, fmt.Errorf("%w: a time outside the years 1 to 9999", callback.ErrInvalid)
	}
	return t.Format(instantLayout), nil // Format cuts off, it does not round
}

// Scan reads what either driver returns.
func (i *instant) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*i = instant{}
	case time.Time:
		*i = instant(v.UTC())
	case string:
		t, err := time.Parse(instantLayout, v)
		if err != nil {
			return fmt.Errorf("a stored time is not of the form %s", instantLayout)
		}
		*i = instant(t.UTC())
	default:
		return fmt.Errorf("a stored time is a %T", src)
	}
	return nil
}

// plain is a text from outside that is not PHI as both databases can hold it.
// PostgreSQL holds neither NUL nor what is not UTF-8, so each such byte becomes
// U+FFFD: what nobody can read must not cost a callback.
func plain(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// plainAll is plain of each.
func plainAll(texts []string) []string {
	var all []string
	for _, t := range texts {
		all = append(all, plain(t))
	}
	return all
}

// sealed is a sealed value or a keyed hash; nothing is NULL. The SQLite driver
// would store an empty []byte as an empty value, which is not nothing.
type sealed []byte

// Value writes NULL for nothing.
func (s sealed) Value() (driver.Value, error) {
	if len(s) == 0 {
		return nil, nil
	}
	return []byte(s), nil
}
