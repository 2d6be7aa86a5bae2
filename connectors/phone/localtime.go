package phone

import "time"

// Instant is the moment at which clocks in zone showed the date and time of
// wall (whose own location does not matter).
//
// When clocks are put back they show an hour twice. Of the two moments it takes
// the one nearer to near, which is what else the log says about the time (a
// time stamp in an identifier, the end of a call that has a start and a
// length); with the zero near, the earlier one. A time that clocks skip when
// they are put forward is read as if they had not been.
func Instant(wall time.Time, zone *time.Location, near time.Time) time.Time {
	wall = time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), wall.Nanosecond(), time.UTC)
	before := wall.Add(-offset(wall.Add(-day), zone))
	after := wall.Add(-offset(wall.Add(day), zone))
	first, second := shows(before, zone, wall), shows(after, zone, wall)
	switch {
	case first && second:
		return nearer(before, after, near)
	case second:
		return after
	default:
		return before
	}
}

// day is longer than any change of clocks, and no zone changes its offset twice
// within it and back.
const day = 24 * time.Hour

func offset(t time.Time, zone *time.Location) time.Duration {
	_, seconds := t.In(zone).Zone()
	return time.Duration(seconds) * time.Second
}

func shows(t time.Time, zone *time.Location, wall time.Time) bool {
	return t.Add(offset(t, zone)).Equal(wall)
}

func nearer(a, b, near time.Time) time.Time {
	if b.Before(a) {
		a, b = b, a
	}
	if !near.IsZero() && near.Sub(a).Abs() > near.Sub(b).Abs() {
		return b
	}
	return a
}
