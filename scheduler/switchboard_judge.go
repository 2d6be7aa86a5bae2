package scheduler

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/intake"
	numbers "github.com/ringback-health/ringback/internal/phone"
	"github.com/ringback-health/ringback/internal/redact"
)

// tryAgainAfter is when a call is judged again that could not be taken.
const tryAgainAfter = 5 * time.Minute

// Take takes a call that a log tells of in full: it does what follows from it as if its
// events had been told, and returns what became of it. known says that it had been taken
// before and that nothing has changed.
func (b *Switchboard) Take(ctx context.Context, phone callback.PhoneID, s calls.Session) (c callback.Call, known bool, err error) {
	i := slices.IndexFunc(b.o.Phones, func(p Phone) bool { return p.ID == phone })
	if i < 0 {
		return c, false, fmt.Errorf("the switchboard has no phone system %q", phone)
	}
	p, now := b.o.Phones[i], b.o.Clock.Now()
	c, err = b.o.Ledger.Call(ctx, callback.CallKey{Clinic: p.Clinic, Phone: p.ID, Session: s.ID})
	switch {
	case errors.Is(err, callback.ErrNotFound):
		c = callback.Call{Clinic: p.Clinic, Phone: p.ID, Form: calls.FormHistory, LastAt: now}
	case err != nil:
		return c, false, err
	case c.Verdict == s.Verdict && c.SettlesAt.IsZero():
		return c, true, nil
	}
	before := c.Verdict
	s.Rows = nil
	c.Session, c.SettlesAt, c.JudgedAt, c.Number = s, time.Time{}, now, b.outside(p, s)
	if err := b.follow(ctx, p, &c, before, now); err != nil {
		return c, false, err
	}
	c, err = b.o.Ledger.SaveCall(ctx, c)
	return c, false, err
}

// judge says what a call was by all that was told of it, and does what follows from
// that. It may be done again at any point: everything that it does is done once.
func (b *Switchboard) judge(ctx context.Context, p Phone, c callback.Call, now time.Time) error {
	session, over, err := b.session(ctx, p, c)
	if err != nil {
		return err
	}
	if !over && now.Before(c.LastAt.Add(p.GiveUpAfter)) {
		c.SettlesAt = c.LastAt.Add(p.GiveUpAfter)
		return b.save(ctx, c)
	}
	if session.ID == "" {
		// Another version of Ringback took the events for a call, and this one does not.
		b.o.Logger.Error("the events of a call tell of none any more; they stay stored", "clinic", p.Clinic, "phone", p.ID, "call", c.ID)
		c.SettlesAt = now.Add(p.GiveUpAfter)
		return b.save(ctx, c)
	}
	before := c.Verdict
	c.Session, c.SettlesAt, c.JudgedAt = session, time.Time{}, now
	c.Number = b.outside(p, session)
	switch call, err := b.joined(ctx, p, c, now); {
	case err != nil:
		return err
	case call != "":
		c.Why = "the message of call " + call
		return b.save(ctx, c)
	}
	err = b.follow(ctx, p, &c, before, now)
	var invalid *intake.Invalid
	if errors.As(err, &invalid) {
		b.o.Logger.Error("a missed call cannot be taken as a callback; it is tried again", "clinic", p.Clinic, "phone", p.ID, "call", c.ID, "error", invalid.Error())
		c.Why, c.SettlesAt = "could not be taken: "+invalid.Error(), now.Add(tryAgainAfter)
		err = nil
	}
	if err != nil {
		return err
	}
	return b.save(ctx, c)
}

// save stores a call. When another event came meanwhile it is judged again anyway.
func (b *Switchboard) save(ctx context.Context, c callback.Call) error {
	_, err := b.o.Ledger.SaveCall(ctx, c)
	if errors.Is(err, callback.ErrConflict) {
		return nil
	}
	return err
}

// session puts together what was told of a call. An empty session: nothing was.
func (b *Switchboard) session(ctx context.Context, p Phone, c callback.Call) (s calls.Session, over bool, err error) {
	legs, err := b.legs(ctx, p, c.Key())
	if err != nil {
		return s, false, err
	}
	legs = slices.DeleteFunc(calls.JoinMessages(legs), func(l calls.Leg) bool { return l.Call() != c.ID })
	for _, s := range calls.Collapse(legs, p.Calls) {
		if s.ID == c.ID {
			if s.StartedAt.IsZero() {
				s.StartedAt = c.StartedAt // when the first event came
			}
			s.Rows = nil
			return s, calls.Over(legs), nil
		}
	}
	return s, true, nil
}

// legs is all that the events of a call tell, of it and of others.
func (b *Switchboard) legs(ctx context.Context, p Phone, k callback.CallKey) ([]calls.Leg, error) {
	events, err := b.o.Ledger.EventsOf(ctx, k)
	if err != nil {
		return nil, err
	}
	var legs []calls.Leg
	for _, e := range events {
		report, err := p.System.Read(e.Event)
		if err != nil {
			continue // it was told of when it came
		}
		legs = append(legs, report.Legs...)
	}
	return calls.Latest(legs), nil
}

// joined puts a message that was told without its call to that call, which is judged
// again with it; see calls.JoinMessages. It returns the call's id, "" where it finds none.
func (b *Switchboard) joined(ctx context.Context, p Phone, c callback.Call, now time.Time) (string, error) {
	if c.Message.ID == "" || c.Number.IsEmpty() {
		return "", nil
	}
	near, err := b.callsWith(ctx, c, callback.Span{From: c.StartedAt.Add(-p.GiveUpAfter), Until: c.StartedAt.Add(p.SettleAfter)})
	if err != nil {
		return "", err
	}
	own, err := b.o.Ledger.EventsOf(ctx, c.Key())
	if err != nil {
		return "", err
	}
	legs, err := b.legs(ctx, p, c.Key())
	if err != nil {
		return "", err
	}
	for _, n := range near {
		if n.Phone != c.Phone || n.ID == c.ID {
			continue
		}
		more, err := b.legs(ctx, p, n.Key())
		if err != nil {
			return "", err
		}
		legs = append(legs, more...)
	}
	i := slices.IndexFunc(legs, func(l calls.Leg) bool { return l.Call() == c.ID })
	call := calls.JoinMessages(legs)[i].Call()
	if call == c.ID {
		return "", nil
	}
	var readings []callback.Reading
	for _, e := range own {
		readings = append(readings, callback.Reading{Told: e, Sessions: []string{call}, SettlesAt: now})
	}
	return call, b.o.Ledger.Heard(ctx, readings)
}

// outside is the number at the other end of a call, E.164; empty where there is none
// that can be dialled.
func (b *Switchboard) outside(p Phone, s calls.Session) redact.Text {
	raw := s.From
	if s.Verdict == calls.VerdictInternal {
		return redact.Text{}
	}
	if s.Verdict == calls.VerdictOutbound {
		raw = s.To
	}
	number, err := numbers.Parse(raw.Reveal(), p.Region)
	if err != nil {
		return redact.Text{}
	}
	return number
}

// follow does what follows from a call, and says in it what became of it. before is what
// it was judged to be last time, "" for the first.
func (b *Switchboard) follow(ctx context.Context, p Phone, c *callback.Call, before calls.Verdict, now time.Time) error {
	if c.Verdict.NeedsCallback() {
		return b.missed(ctx, p, c, now)
	}
	c.Why = callback.NoCallback(c.Verdict)
	if before.NeedsCallback() && c.Callback != "" {
		if err := b.turnedOut(ctx, *c, now); err != nil {
			return err
		}
	}
	if c.Number.IsEmpty() || c.Verdict != calls.VerdictAnswered && c.Verdict != calls.VerdictOutbound {
		return nil
	}
	return b.talked(ctx, p, *c, now)
}

// missed takes a missed call into a callback, unless the caller was spoken with since
// and had left nothing.
func (b *Switchboard) missed(ctx context.Context, p Phone, c *callback.Call, now time.Time) error {
	if c.Callback != "" {
		return b.heardMore(ctx, p, *c, now)
	}
	since, err := b.talkSince(ctx, *c)
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(since, func(l callback.Call) bool { return l.Spoken(p.SpokenAfter) }); i >= 0 {
		c.SettledBy, c.SettledHow = since[i].ID, since[i].Verdict
		if c.Verdict.SaysNothing() {
			c.Why = fmt.Sprintf("self-resolved: %s (call %s)", settledHow(c.SettledHow), c.SettledBy)
			return nil
		}
	}
	taken, err := b.o.Desk.Take(ctx, b.submission(p, *c))
	if err != nil {
		return err
	}
	c.Callback, c.Disposition, c.Why = taken.Callback.ID, taken.Disposition, taken.Reason
	b.o.Changed()
	for _, l := range since {
		if err := b.tell(ctx, p, l, now); err != nil {
			return err
		}
	}
	return nil
}

func settledHow(v calls.Verdict) string {
	if v == calls.VerdictOutbound {
		return "the clinic called back and reached somebody"
	}
	return "the caller called again and was spoken with"
}

// submission is what a missed call asks for. A number that cannot be dialled is kept as
// text for a person.
func (b *Switchboard) submission(p Phone, c callback.Call) intake.Submission {
	s := intake.Submission{Source: string(p.ID), SourceID: c.ID, Clinic: string(p.Clinic), ReceivedAt: c.StartedAt,
		Name: c.FromName, Phone: c.Number, Text: c.Message.Transcript, Raw: rawSession(c.Session)}
	switch _, err := numbers.Parse(c.From.Reveal(), p.Region); {
	case err == nil:
	case errors.Is(err, numbers.ErrWithheld):
		s.Phone = redact.NewText("anonymous")
	default:
		s.Text = asWritten(c.From, s.Text)
	}
	return s
}

// rawSession is what is stored of a call as it came. A vendor's own words stand in its events.
func rawSession(s calls.Session) []byte {
	return fmt.Appendf(nil, "session=%s\nfrom=%s\nname=%s\nto=%s\nstarted=%s\nverdict=%s\nreasons=%s\n", s.ID,
		s.From.Reveal(), s.FromName.Reveal(), s.To.Reveal(), s.StartedAt.UTC().Format(time.RFC3339), s.Verdict, strings.Join(s.Reasons, "; "))
}

// talkSince returns the later calls that were answered, and those of the clinic to the
// caller, oldest first: a missed call may become known after them.
func (b *Switchboard) talkSince(ctx context.Context, c callback.Call) ([]callback.Call, error) {
	if c.Number.IsEmpty() {
		return nil, nil
	}
	later, err := b.callsWith(ctx, c, callback.Span{From: c.StartedAt, Until: c.StartedAt.Add(windowOfCalls)})
	if err != nil {
		return nil, err
	}
	slices.Reverse(later)
	return slices.DeleteFunc(later, func(l callback.Call) bool {
		talk := l.Verdict == calls.VerdictAnswered || l.Verdict == calls.VerdictOutbound
		return !talk || l.Key() == c.Key() || !l.StartedAt.After(c.StartedAt)
	}), nil
}

// callsWith returns the calls with the number of c in a span, newest first.
func (b *Switchboard) callsWith(ctx context.Context, c callback.Call, in callback.Span) ([]callback.Call, error) {
	page, _, err := b.o.Ledger.Calls(ctx, callback.CallFilter{Clinic: c.Clinic, Number: c.Number, Began: in, Limit: 500})
	return page, err
}

// talked has the callbacks of a number follow a call that was no missed one.
func (b *Switchboard) talked(ctx context.Context, p Phone, c callback.Call, now time.Time) error {
	if c.Spoken(p.SpokenAfter) {
		if err := b.settleEarlier(ctx, c); err != nil {
			return err
		}
	}
	return b.tell(ctx, p, c, now)
}

// settleEarlier says at the missed calls of a number that somebody talked with them since.
func (b *Switchboard) settleEarlier(ctx context.Context, c callback.Call) error {
	earlier, err := b.callsWith(ctx, c, callback.Span{From: c.StartedAt.Add(-windowOfCalls), Until: c.StartedAt})
	if err != nil {
		return err
	}
	for _, e := range earlier {
		if !e.Verdict.NeedsCallback() || e.SettledBy != "" {
			continue
		}
		e.SettledBy, e.SettledHow = c.ID, c.Verdict
		if err := b.save(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

// tell has the open callbacks of a number learn of a call in which the clinic and the
// caller talked, or in which the clinic tried to.
func (b *Switchboard) tell(ctx context.Context, p Phone, c callback.Call, now time.Time) error {
	if c.Verdict == calls.VerdictAnswered && !c.Spoken(p.SpokenAfter) {
		return nil
	}
	open, err := b.o.Ledger.OpenWith(ctx, c.Clinic, c.Number)
	if err != nil {
		return err
	}
	for _, id := range open {
		from, err := b.takenInto(ctx, id)
		if err != nil {
			return err
		}
		_, err = b.o.Ledger.Update(ctx, id, func(r *callback.Record) error {
			if c.Verdict == calls.VerdictOutbound {
				return r.CalledBack(c, p.SpokenAfter, len(open) == 1, now)
			}
			return r.CallerSpoken(c, from, len(open) == 1, now)
		})
		if err != nil {
			return err
		}
	}
	if len(open) > 0 {
		b.o.Changed()
	}
	return nil
}

// takenInto returns the calls that were taken into a callback.
func (b *Switchboard) takenInto(ctx context.Context, id callback.ID) ([]callback.Call, error) {
	page, _, err := b.o.Ledger.Calls(ctx, callback.CallFilter{Callback: id, Limit: 500})
	return page, err
}

// turnedOut has a callback follow when the call that it was made of was no missed one.
func (b *Switchboard) turnedOut(ctx context.Context, c callback.Call, now time.Time) error {
	from, err := b.takenInto(ctx, c.Callback)
	if err != nil {
		return err
	}
	for i := range from {
		if from[i].Key() == c.Key() {
			from[i] = c
		}
	}
	_, err = b.o.Ledger.Update(ctx, c.Callback, func(r *callback.Record) error { return r.TurnedOut(c, from, now) })
	b.o.Changed()
	return err
}

// heardMore has a callback learn what was told of its call since: what a machine heard
// on the mailbox comes minutes after the call.
func (b *Switchboard) heardMore(ctx context.Context, p Phone, c callback.Call, now time.Time) error {
	if c.Message.Transcript.IsEmpty() {
		return nil
	}
	_, err := b.o.Ledger.Update(ctx, c.Callback, func(r *callback.Record) error { return p.Rules.Transcribed(r, c.Message.Transcript, now) })
	if err != nil {
		return fmt.Errorf("add what was said to the callback: %s", fault.Describe(err))
	}
	b.o.Changed()
	return nil
}
