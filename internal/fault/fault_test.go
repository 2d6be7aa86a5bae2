package fault_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/internal/fault"
)

func TestDispositionTravelsThroughWrapping(t *testing.T) {
	base := fault.New(fault.Throttled, "create Task", "the EHR asked to slow down").
		WithStatus(429).WithAfter(3 * time.Second).WithHint("lower max_per_second")
	err := fmt.Errorf("sync: %w", base)
	if !fault.Is(err, fault.Throttled) || fault.After(err) != 3*time.Second {
		t.Fatalf("disposition lost: %v", fault.Of(err))
	}
	want := "create Task: the EHR asked to slow down (HTTP 429); lower max_per_second"
	if fault.Describe(err) != want {
		t.Fatalf("got %q", fault.Describe(err))
	}
}

func TestForeignErrorsAreAmbiguousAndNeverQuoted(t *testing.T) {
	foreign := errors.New(`Get "https://ehr/Patient?name=Canary": EOF`)
	if fault.Of(foreign) != fault.Ambiguous || fault.Of(nil) != "" {
		t.Fatal("an unknown failure is ambiguous, no failure is none")
	}
	for _, err := range []error{foreign, fault.New(fault.Retry, "op", "lost").Because(foreign)} {
		if strings.Contains(fault.Describe(err), "Canary") {
			t.Fatalf("quoted: %s", fault.Describe(err))
		}
	}
	if fault.Describe(fmt.Errorf("x: %w", context.DeadlineExceeded)) != "timed out" {
		t.Fatal("a timeout should be named")
	}
	if !errors.Is(fault.New(fault.Retry, "op", "lost").Because(foreign), foreign) {
		t.Fatal("the cause should stay reachable")
	}
}
