package config

import (
	"errors"
	"fmt"
	"os"

	"github.com/ringback-health/ringback/callback/businesstime"
	"github.com/ringback-health/ringback/internal/phone"
)

// Hours is a workflow file as far as it says when a clinic is open. The keys are those
// of a clinic in ringback.yaml and mean the same.
type Hours struct {
	Zone   string              `yaml:"zone"`   // IANA name: America/New_York
	Region string              `yaml:"region"` // for phone numbers without a country code: US
	Hours  map[string][]string `yaml:"hours"`  // mon: ["08:00-12:00", "13:00-17:00"]
	Closed []string            `yaml:"closed"` // days: 2026-12-25
}

// LoadHours reads and checks the file. The error names it and says what is wrong.
func LoadHours(path string) (Hours, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return Hours{}, fmt.Errorf("the opening hours cannot be read: %w", err)
	}
	h, err := ParseHours(raw)
	if err != nil {
		return Hours{}, fmt.Errorf("%s: %w", path, err)
	}
	return h, nil
}

// ParseHours reads and checks a workflow file.
func ParseHours(raw []byte) (Hours, error) {
	var h Hours
	if err := decodeStrict(raw, &h); err != nil {
		return Hours{}, err
	}
	var errs []error
	if len(h.Hours) == 0 {
		errs = append(errs, errors.New(`hours is missing; write it as  hours: {mon: ["08:00-12:00", "13:00-17:00"]}`))
	}
	if h.Region != "" && !phone.KnownRegion(h.Region) {
		errs = append(errs, fmt.Errorf("region %q is not known; write the country's two letters, as US", h.Region))
	}
	if _, err := h.Calendar(); err != nil {
		errs = append(errs, err)
	}
	return h, errors.Join(errs...)
}

// Calendar returns when the clinic is open.
func (h Hours) Calendar() (businesstime.Calendar, error) {
	return Clinic{Zone: h.Zone, Hours: h.Hours, Closed: h.Closed}.Calendar()
}
