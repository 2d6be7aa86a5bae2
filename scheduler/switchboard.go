package scheduler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/callback/workflow"
	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/intake"
	numbers "github.com/ringback-health/ringback/internal/phone"
	"github.com/ringback-health/ringback/internal/redact"
)

// PhoneSystem is what the switchboard needs of a phone system; connectors/phone.System
// says what it promises.
type PhoneSystem interface {
	Read(calls.Event) (callback.Report, error)
}

// Phone is one phone system of one clinic. Zero durations take the defaults named
// beside them.
type Phone struct {
	Clinic callback.ClinicID
	ID     callback.PhoneID
	System PhoneSystem
	Calls  calls.Rules    // how its calls are judged
	Rules  workflow.Rules // the clinic's
	Region string         // for numbers without a country code
	// SettleAfter is how long nothing more may be told of a call before it is judged.
	SettleAfter time.Duration // 20s
	// GiveUpAfter is the same for a call of which nothing told the end.
	GiveUpAfter time.Duration // 15m
	// SpokenAfter is how long a talk lasts at least in which somebody was reached: a
	// shorter one may have been with a mailbox.
	SpokenAfter time.Duration // 30s
}

// Desk takes what calls ask for; see intake.Desk.
type Desk interface {
	Take(ctx context.Context, s intake.Submission) (callback.Taken, error)
}

// SwitchboardOptions is what a Switchboard is made of.
type SwitchboardOptions struct {
	Ledger interface {
		callback.Callbacks
		callback.Phones
	}
	Desk   Desk
	Phones []Phone
	Clock  clock.Clock
	Logger *slog.Logger
	// Changed is told that callbacks may have changed, and must not block. nil: nobody.
	Changed func()
}

// Switchboard makes calls of what phone systems told, judges them once they have
// settled, and has their callbacks follow. Like everything here it looks at the ledger
// and nothing else: what it did not come to is done by the next run.
type Switchboard struct {
	*loop
	o SwitchboardOptions
}

const (
	// listenEvery is how often it is looked what phone systems told; who stored
	// something wakes the switchboard.
	listenEvery = time.Second
	// eventsAtOnce bounds how many events are read, or calls judged, at once.
	eventsAtOnce = 200
	// windowOfCalls is how far calls of one caller may be apart to say something about
	// each other.
	windowOfCalls = 24 * time.Hour
)

// NewSwitchboard makes a switchboard; Start it.
func NewSwitchboard(o SwitchboardOptions) *Switchboard {
	o.Phones = slices.Clone(o.Phones)
	for i := range o.Phones {
		o.Phones[i] = o.Phones[i].withDefaults()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.Changed == nil {
		o.Changed = func() {}
	}
	b := &Switchboard{o: o}
	b.loop = newLoop(listenEvery, o.Logger, "calls cannot be taken from the phone systems", b.RunOnce)
	return b
}

func (p Phone) withDefaults() Phone {
	for _, d := range []struct {
		have *time.Duration
		want time.Duration
	}{{&p.SettleAfter, 20 * time.Second}, {&p.GiveUpAfter, 15 * time.Minute}, {&p.SpokenAfter, 30 * time.Second}} {
		if *d.have == 0 {
			*d.have = d.want
		}
	}
	return p
}

// RunOnce reads all that is unread and judges all that has settled. What goes wrong with
// one phone system, or with one call, does not keep the others waiting.
func (b *Switchboard) RunOnce(ctx context.Context) error {
	var errs []error
	for _, p := range b.o.Phones {
		for _, do := range []func(context.Context, Phone) error{b.listen, b.settle} {
			if err := do(ctx, p); err != nil {
				errs = append(errs, fmt.Errorf("phone system %s of %s: %w", p.ID, p.Clinic, err))
			}
		}
	}
	return errors.Join(errs...)
}

// listen reads the events that nobody has read.
func (b *Switchboard) listen(ctx context.Context, p Phone) error {
	for {
		events, err := b.o.Ledger.Unread(ctx, p.Clinic, p.ID, eventsAtOnce)
		if err != nil || len(events) == 0 {
			return err
		}
		readings := make([]callback.Reading, 0, len(events))
		for _, e := range events {
			r, err := b.read(ctx, p, e)
			if err != nil {
				return err
			}
			readings = append(readings, r)
		}
		if err := b.o.Ledger.Heard(ctx, readings); err != nil || len(events) < eventsAtOnce {
			return err
		}
	}
}

// read says which calls an event tells of, and takes in what was asked for in a form.
// The error is the ledger's.
func (b *Switchboard) read(ctx context.Context, p Phone, e callback.Told) (callback.Reading, error) {
	r := callback.Reading{Told: e, SettlesAt: e.At.Add(p.SettleAfter)}
	report, err := p.System.Read(e.Event)
	if err != nil {
		r.Problem = err.Error()
		b.o.Logger.Error("an event of a phone system cannot be read; it stays stored, and what it tells is missing", "clinic", p.Clinic, "phone", p.ID,
			"event", e.ID, "error", fault.Describe(err))
		return r, nil
	}
	r.Skip = report.Skip
	for _, in := range report.Inquiries {
		_, err := b.o.Desk.Take(ctx, asked(p, e, in))
		var invalid *intake.Invalid
		if errors.As(err, &invalid) {
			r.Problem = invalid.Error()
			b.o.Logger.Error("a form cannot be taken as a callback; it stays stored", "clinic", p.Clinic, "phone", p.ID, "event", e.ID, "error", r.Problem)
		} else if err != nil {
			return r, err
		}
		b.o.Changed()
	}
	for _, l := range report.Legs {
		if s := l.Call(); s != "" && !slices.Contains(r.Sessions, s) {
			r.Sessions = append(r.Sessions, s)
		}
	}
	return r, nil
}

// asked is what a form asks for. A number that cannot be dialled is kept as text, as
// that of a call is.
func asked(p Phone, e callback.Told, in callback.Inquiry) intake.Submission {
	s := intake.Submission{Source: string(p.ID), SourceID: e.Key, Clinic: string(p.Clinic), ReceivedAt: e.At, Name: in.Name, Phone: in.Phone, BirthDate: in.BirthDate,
		Category: string(in.Category), Text: in.Text, Preferred: in.Preferred, Raw: e.Body}
	if _, err := numbers.Parse(in.Phone.Reveal(), p.Region); err != nil && !errors.Is(err, numbers.ErrWithheld) {
		s.Phone, s.Text = redact.Text{}, asWritten(in.Phone, in.Text)
	}
	return s
}

// asWritten keeps a number that cannot be dialled for a person, who may know what it means.
func asWritten(number, text redact.Text) redact.Text {
	return redact.NewText(strings.TrimSpace("Number as it was written: " + number.Reveal() + "\n" + text.Reveal()))
}

// settle judges the calls of which nothing more was told for a while.
func (b *Switchboard) settle(ctx context.Context, p Phone) error {
	var errs []error
	for {
		now := b.o.Clock.Now()
		due, err := b.o.Ledger.Unsettled(ctx, p.Clinic, p.ID, now, eventsAtOnce)
		if err != nil {
			return errors.Join(append(errs, err)...)
		}
		for _, c := range due {
			if err := b.judge(ctx, p, c, now); err != nil {
				errs = append(errs, fmt.Errorf("call %s: %w", c.ID, err))
			}
		}
		if len(due) < eventsAtOnce || len(errs) > 0 || ctx.Err() != nil {
			return errors.Join(errs...)
		}
	}
}
