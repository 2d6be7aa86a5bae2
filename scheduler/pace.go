package scheduler

import (
	"errors"
	"time"
)

// Pace is how often something is asked for by itself: often at first, and ever more
// rarely the longer it is watched.
type Pace struct {
	AtFirst time.Duration // shortest time between two requests; 0: 1 minute
	AtMost  time.Duration // longest; 0: 6 hours
}

// share is the part of its age after which something is asked for again. With the
// default bounds that makes some 180 requests in the first month and four a day then.
const share = 10

func (p Pace) withDefaults() Pace {
	if p.AtFirst == 0 {
		p.AtFirst = time.Minute
	}
	if p.AtMost == 0 {
		p.AtMost = max(6*time.Hour, p.AtFirst)
	}
	return p
}

func (p Pace) validate() error {
	if p.AtFirst < 0 || p.AtMost < p.AtFirst {
		return errors.New("the pace must not be negative, and its longest time not shorter than its first")
	}
	return nil
}

// Next returns how long to wait with something that is watched for a time.
func (p Pace) Next(watched time.Duration) time.Duration {
	p = p.withDefaults()
	return min(max(watched/share, p.AtFirst), p.AtMost)
}
