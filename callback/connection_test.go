package callback_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ringback-health/ringback/callback"
)

func failing(t *testing.T) *callback.Connection {
	t.Helper()
	c := &callback.Connection{Clinic: "c", EHR: "e"}
	for i := range 5 {
		if c.Failing() {
			t.Fatalf("failing after %d failures", i)
		}
		c.Failed(fmt.Sprint("link ", i), false, "the server failed (HTTP 500)", "", start)
	}
	return c
}

func TestCircuitOpensAndCloses(t *testing.T) {
	c := failing(t)
	if !c.Failing() || c.Admit(start, time.Minute) {
		t.Fatalf("after five failures nothing is sent: %+v", c)
	}
	later := start.Add(time.Second)
	if !c.Admit(later, time.Minute) {
		t.Fatal("after a second one try is let through")
	}
	if c.Admit(later, time.Minute) || c.Admit(later.Add(59*time.Second), time.Minute) {
		t.Fatal("a second one while it is under way")
	}
	if !c.Admit(later.Add(time.Minute), time.Minute) {
		t.Fatal("whoever tried may have died")
	}
	c.Answered(later)
	if c.Failing() || !c.Admit(later, time.Minute) || !c.Admit(later, time.Minute) {
		t.Fatalf("it answers again: %+v", c)
	}
}

// TestPauses: an outage, however long, costs no more than half a minute on top.
func TestPauses(t *testing.T) {
	c := failing(t)
	at := start
	for i, want := range []int{1, 2, 4, 8, 16, 30, 30, 30} {
		if got := c.Until.Sub(at); got != time.Duration(want)*time.Second {
			t.Errorf("pause %d: %s, want %d s", i, got, want)
		}
		at = c.Until
		c.Failed("feed", true, "no answer", "", at)
	}
	if !c.Since.Equal(start) {
		t.Errorf("failing since %s", c.Since)
	}
}

// TestOneResourceThatFails: a server that fails over one callback works for all others.
func TestOneResourceThatFails(t *testing.T) {
	c := &callback.Connection{}
	for range 100 {
		c.Failed("link 1", false, "the server failed (HTTP 500)", "", start)
	}
	if c.Failing() {
		t.Error("the content of one callback stops all others")
	}
	for range 4 {
		c.Failed("link 1", true, "no answer", "", start)
	}
	if !c.Failing() {
		t.Error("an EHR that does not answer at all is failing, whatever is sent")
	}
}

// TestNotTried: whoever was let through and sent nothing does not hold up the next.
func TestNotTried(t *testing.T) {
	c := failing(t)
	at := c.Until
	if !c.Admit(at, time.Minute) {
		t.Fatal("nobody is let through")
	}
	c.NotTried(at, time.Minute)
	if !c.Admit(at, time.Minute) {
		t.Errorf("%+v", c)
	}
	c.Failed("feed", true, "no answer", "", at)
	until := c.Until
	c.NotTried(at, time.Minute)
	if !c.Until.Equal(until) {
		t.Error("a pause that was set meanwhile stays")
	}
}

func TestThrottledIsNoFailure(t *testing.T) {
	c := failing(t)
	until := start.Add(time.Hour)
	c.Throttled(until)
	if !c.Failing() || c.Admit(until.Add(-time.Second), 0) {
		t.Errorf("an EHR that fails and asks to wait still fails: %+v", c)
	}
	c = &callback.Connection{}
	c.Throttled(until)
	if c.Failing() || c.Admit(until.Add(-time.Second), 0) || !c.Admit(until, 0) {
		t.Errorf("%+v", c)
	}
	c.Throttled(start)
	c.Answered(start) // one that was under way
	if c.Admit(until.Add(-time.Second), 0) {
		t.Error("what it asked for holds, whatever else it answers")
	}
}

// TestTold: for every time it begins to fail there is one piece of news, and one
// when that is over, in turns, whenever somebody looks.
func TestTold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := &callback.Connection{Clinic: "c", EHR: "e"}
		at, recovered := start, true
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			at = at.Add(time.Second)
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0, 1, 2, 3, 4:
				c.Failed("feed", true, "no answer", "look at the cable", at)
			case 5:
				c.Answered(at)
			case 6:
				c.Throttled(at.Add(time.Second))
			default:
				news, is := c.News(at)
				if again, _ := c.News(at.Add(time.Minute)); again.ID() != news.ID() {
					t.Fatalf("told again it is something else: %+v, %+v", news, again)
				}
				if is {
					c.Heard(news)
				}
				if again, twice := c.News(at); twice {
					t.Fatalf("told twice: %+v", again)
				}
				if !is {
					if recovered == c.Failing() {
						t.Fatal("the operator believes something else")
					}
					continue
				}
				if news.Recovered == recovered || news.Since.IsZero() || news.Recovered != (news.Error == "") {
					t.Fatalf("%+v", news)
				}
				recovered = news.Recovered
			}
		}
	})
}
