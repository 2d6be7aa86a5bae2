package callback

import "time"

// Connection is how an EHR answers, as all processes that talk to it know
// together. While it fails nothing is sent to it, but for one try at a time.
type Connection struct {
	Clinic   ClinicID
	EHR      EHRID
	Failures int       // failures of the EHR itself in a row
	LastBy   string    // what failed last: the id of a link, or a feed
	Since    time.Time // since when it is taken for failing; zero: it is not
	Until    time.Time // nothing is sent before; zero: send
	Error    string    // the last failure, safe to show
	Hint     string
	// Told is since when it fails by what the operator was told. Zero: he was told
	// nothing, or that it is over.
	Told time.Time
}

// Failing reports whether the EHR is taken for failing: the circuit is open.
func (c Connection) Failing() bool { return !c.Since.IsZero() }

const (
	// failuresUntilOpen is how many failures in a row open the circuit.
	failuresUntilOpen = 5
	// longestPause is the longest time between two tries of a failing EHR: what an
	// outage costs beyond its own length.
	longestPause = 30 * time.Second
)

// Admit reports whether something may be sent at a time. While the EHR fails it
// lets one through for as long as a try may take, and holds the others back.
func (c *Connection) Admit(at time.Time, try time.Duration) bool {
	if at.Before(c.Until) {
		return false
	}
	if c.Failing() {
		c.Until = at.Add(try)
	}
	return true
}

// Failed records a failure of the EHR itself. by is what was tried; silent says
// that there was no answer at all, or none to the request for a token. The same
// thing refused again and again is not taken for an EHR that fails: its content may
// be to blame.
func (c *Connection) Failed(by string, silent bool, text, hint string, at time.Time) {
	c.Error, c.Hint = text, hint
	if by != c.LastBy || silent || c.Failures == 0 {
		c.Failures++
	}
	c.LastBy = by
	if !c.Failing() && c.Failures >= failuresUntilOpen {
		c.Since = at
	}
	if c.Failing() {
		c.Until = at.Add(pause(c.Failures - failuresUntilOpen))
	}
}

// pause doubles from one second to longestPause.
func pause(n int) time.Duration {
	d := time.Second
	for range n {
		if d >= longestPause {
			return longestPause
		}
		d *= 2
	}
	return min(d, longestPause)
}

// NotTried gives back what Admit let through at a time, because nothing was sent.
func (c *Connection) NotTried(at time.Time, try time.Duration) {
	if c.Failing() && c.Until.Equal(at.Add(try)) {
		c.Until = at
	}
}

// Throttled records that the EHR asks to wait. It is no failure, and no sign that
// one is over.
func (c *Connection) Throttled(until time.Time) {
	if until.After(c.Until) {
		c.Until = until
	}
}

// Answered records that the EHR did what it was asked, or refused it for a reason
// of its content.
func (c *Connection) Answered(at time.Time) {
	c.answers()
	if !at.Before(c.Until) {
		c.Until = time.Time{}
	}
}

func (c *Connection) answers() {
	if c.Failing() {
		c.Until = time.Time{}
	}
	c.Failures, c.LastBy, c.Since, c.Error, c.Hint = 0, "", time.Time{}, "", ""
}

// News is what an operator should be told once.
type News struct {
	Clinic    ClinicID
	EHR       EHRID
	Recovered bool
	Since     time.Time // when it began to fail
	At        time.Time // when that was known
	Error     string    // why, safe to show; empty when it has recovered
	Hint      string    // what to do about it
}

// ID names the news, the same however often it is told: whoever gets it twice knows.
func (n News) ID() string {
	what := "failing"
	if n.Recovered {
		what = "recovered"
	}
	return string(n.EHR) + "/" + what + "/" + n.Since.UTC().Format(time.RFC3339Nano)
}

// News returns what the operator was not told yet. That it recovered and failed again
// while nobody looked is no news. Whoever told him calls Heard.
func (c Connection) News(at time.Time) (News, bool) {
	if c.Told.IsZero() != c.Failing() {
		return News{}, false
	}
	n := News{Clinic: c.Clinic, EHR: c.EHR, Recovered: true, Since: c.Told, At: at}
	if c.Failing() {
		n.Recovered, n.Since, n.Error, n.Hint = false, c.Since, c.Error, c.Hint
	}
	return n, true
}

// Heard remembers that the operator was told, whatever happened meanwhile.
func (c *Connection) Heard(n News) {
	c.Told = n.Since
	if n.Recovered {
		c.Told = time.Time{}
	}
}
