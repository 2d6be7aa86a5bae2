package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ringback-health/ringback/callback/businesstime"
)

var days = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"} // by time.Weekday

// Calendar returns when the clinic is open: its hours, or Monday to Friday from
// 8 to 17 o'clock when it gives none, less the days on which it is closed.
func (cl Clinic) Calendar() (businesstime.Calendar, error) {
	zone, err := cl.Location()
	if err != nil {
		return businesstime.Calendar{}, err
	}
	cal := businesstime.Weekdays(zone)
	var errs []error
	if len(cl.Hours) > 0 {
		cal = businesstime.Calendar{Zone: zone}
	}
	for day, spans := range cl.Hours {
		i := slices.Index(days, strings.ToLower(day))
		if i < 0 {
			errs = append(errs, fmt.Errorf("hours: %q is not a day; use %s", day, strings.Join(days, ", ")))
			continue
		}
		for _, s := range spans {
			span, err := businesstime.ParseInterval(s)
			if err != nil {
				errs = append(errs, fmt.Errorf("hours.%s: %w", day, err))
				continue
			}
			cal.Week[i] = append(cal.Week[i], span)
		}
	}
	cal.Close = map[string]bool{}
	for _, d := range cl.Closed {
		if _, err := time.Parse(time.DateOnly, d); err != nil {
			errs = append(errs, fmt.Errorf("closed: %q is not a day; write it as 2026-12-25", d))
		}
		cal.Close[d] = true
	}
	if len(errs) == 0 {
		if err := cal.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("hours: %w", err))
		}
	}
	return cal, errors.Join(errs...)
}
