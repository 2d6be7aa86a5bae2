package scheduler_test

import (
	"testing"
	"time"

	"github.com/ringback-health/ringback/scheduler"
)

func TestPace(t *testing.T) {
	for _, tt := range []struct {
		pace scheduler.Pace
		age  time.Duration
		want time.Duration
	}{
		{scheduler.Pace{}, 0, time.Minute},
		{scheduler.Pace{}, 10 * time.Minute, time.Minute},
		{scheduler.Pace{}, time.Hour, 6 * time.Minute},
		{scheduler.Pace{}, 24 * time.Hour, 144 * time.Minute},
		{scheduler.Pace{}, 30 * 24 * time.Hour, 6 * time.Hour},
		{scheduler.Pace{}, -time.Hour, time.Minute}, // a clock that was set back
		{scheduler.Pace{AtFirst: 5 * time.Minute, AtMost: time.Hour}, 0, 5 * time.Minute},
		{scheduler.Pace{AtFirst: 5 * time.Minute, AtMost: time.Hour}, 24 * time.Hour, time.Hour},
		{scheduler.Pace{AtFirst: 8 * time.Hour}, 24 * time.Hour, 8 * time.Hour},
	} {
		if got := tt.pace.Next(tt.age); got != tt.want {
			t.Errorf("%+v after %s: %s, want %s", tt.pace, tt.age, got, tt.want)
		}
	}
	n := 0
	for age := time.Duration(0); age < 30*24*time.Hour; n++ {
		age += scheduler.Pace{}.Next(age)
	}
	if n > 200 {
		t.Errorf("%d requests in a month", n)
	}
}
