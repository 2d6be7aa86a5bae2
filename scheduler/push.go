package scheduler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/internal/fault"
)

// Pusher is an EHR that may be able to tell of changes; connectors/ehr.Pusher says
// what Push promises.
type Pusher interface {
	Push(ctx context.Context, r callback.PushRequest) ([]callback.Push, error)
}

// SitePush says that the EHR of a site is to tell of changes.
type SitePush struct {
	Request callback.PushRequest
	// Poll is the cron schedule of a feed in UTC while the EHR is seen to tell of its
	// changes. Empty: that of the site. Polls never end.
	Poll string
}

const (
	// pushProof is for how long a notification shows that they arrive: a Subscription can
	// be active in an EHR that a firewall keeps from reaching us.
	pushProof = 24 * time.Hour
	// pushSoon is when to look again at a Subscription that the EHR has not taken up.
	pushSoon = 15 * time.Second
	// pushLimit bounds one look.
	pushLimit = 30 * time.Second
)

// PushHealth is how it stands with what an EHR tells of one feed.
type PushHealth struct {
	Clinic  callback.ClinicID
	EHR     callback.EHRID
	Push    callback.Push
	Checked time.Time // when the EHR was asked last and answered; zero: not yet
	Error   string    // why it could not be asked, safe to show; empty: it could
	Heard   time.Time // when the last notification arrived here; zero: none yet
	// Proven says that the EHR tells of changes and that they arrive: the polls may be
	// further apart.
	Proven bool
}

// pusher keeps what EHRs were asked to tell in order, and knows whether they do.
type pusher struct {
	*loop
	sites map[callback.EHRID]Site
	every time.Duration
	clock clock.Clock
	log   *slog.Logger

	mu     sync.Mutex
	feeds  map[FeedArgs]*PushHealth
	looked map[callback.EHRID]time.Time
	due    map[callback.EHRID]time.Time
	bad    map[callback.EHRID]bool // that it does not work was logged
}

// newPusher makes it for the sites that are to be told. w has their circuits.
func newPusher(o Options, w *Worker) *pusher {
	p := &pusher{sites: map[callback.EHRID]Site{}, every: o.PushEvery, clock: o.Clock, log: o.Logger,
		feeds: map[FeedArgs]*PushHealth{}, looked: map[callback.EHRID]time.Time{}, due: map[callback.EHRID]time.Time{}, bad: map[callback.EHRID]bool{}}
	p.loop = newLoop(min(pushSoon, o.PushEvery), o.Logger, "it cannot be seen to that EHRs tell of changes", p.runOnce)
	for id, s := range w.sites {
		if s.Push == nil {
			continue
		}
		p.sites[id] = s
		for _, f := range callback.Feeds {
			p.feeds[FeedArgs{id, f}] = &PushHealth{Clinic: s.Clinic, EHR: id, Push: callback.Push{Feed: f, State: callback.PushNone}}
		}
	}
	return p
}

// look asks for a look at an EHR now, or soon after the last: what is asked for at a
// look may be what the EHR answers with another handshake.
func (p *pusher) look(id callback.EHRID) {
	p.mu.Lock()
	if soon := p.looked[id].Add(pushSoon); soon.Before(p.due[id]) {
		p.due[id] = soon
	}
	p.mu.Unlock()
	p.Wake()
}

// runOnce looks at each EHR whose turn it is. One that fails does not hold up others:
// what is wrong stands in its health. The error is the ledger's.
func (p *pusher) runOnce(ctx context.Context) error {
	var errs []error
	for id, s := range p.sites {
		now := p.clock.Now()
		p.mu.Lock()
		due := !now.Before(p.due[id])
		p.mu.Unlock()
		if !due || ctx.Err() != nil {
			continue
		}
		if err := p.site(ctx, s); err != nil {
			errs = append(errs, fmt.Errorf("ehr %s: %w", id, err))
		}
	}
	return errors.Join(errs...)
}

// site looks at one EHR, unless it is held back.
func (p *pusher) site(ctx context.Context, s Site) error {
	in, tried, err := s.circuit.admit(ctx)
	defer tried()
	if err != nil || !in {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, pushLimit)
	defer cancel()
	stands, err := s.circuit.Push(ctx, s.Push.Request)
	p.learn(s.ID, stands, err)
	return nil
}

// learn takes over what a look has shown.
func (p *pusher) learn(id callback.EHRID, stands []callback.Push, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock.Now()
	p.looked[id], p.due[id] = now, now.Add(max(p.every, fault.After(err)))
	problem := ""
	if err != nil {
		problem = fault.Describe(err)
	} else {
		for _, f := range callback.Feeds { // a feed that is not read is not told of
			h := p.feeds[FeedArgs{id, f}]
			h.Checked, h.Push = now, callback.Push{Feed: f, State: callback.PushNone}
		}
		for _, s := range stands {
			p.feeds[FeedArgs{id, s.Feed}].Push = s
			if s.State == callback.PushRequested {
				p.due[id] = now.Add(min(p.every, pushSoon))
			} else if s.Problem != "" {
				problem = s.Problem
			}
		}
	}
	for _, f := range callback.Feeds {
		p.feeds[FeedArgs{id, f}].Error = fault.Describe(err)
	}
	switch {
	case problem != "" && !p.bad[id]:
		p.log.Warn("the EHR does not tell of changes; they are found by polls", "ehr", id, "problem", problem)
	case problem == "" && p.bad[id]:
		p.log.Info("the EHR is asked to tell of changes again", "ehr", id)
	}
	p.bad[id] = problem != ""
}

// heard takes note of a notification. It reports whether one of that feed is expected.
func (p *pusher) heard(f FeedArgs) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	h, known := p.feeds[f]
	if known {
		h.Heard = p.clock.Now()
	}
	return known
}

// health is how it stands with one feed.
func (p *pusher) health(f FeedArgs) PushHealth {
	p.mu.Lock()
	defer p.mu.Unlock()
	h, known := p.feeds[f]
	if !known {
		return PushHealth{}
	}
	now, v := p.clock.Now(), *h
	v.Proven = v.Error == "" && v.Push.Stands(now) && !v.Push.Partial &&
		now.Sub(v.Checked) <= 2*p.every && now.Sub(v.Heard) <= pushProof
	return v
}

// Pushes lists how it stands with what each EHR is to tell, for the operator. An EHR
// that is not to tell anything is not in it.
func (s *Scheduler) Pushes() []PushHealth {
	var all []PushHealth
	for _, site := range s.opts.Sites {
		for _, f := range callback.Feeds {
			if h := s.push.health(FeedArgs{site.ID, f}); h.EHR != "" {
				all = append(all, h)
			}
		}
	}
	return all
}

// Notified takes note of what an EHR has told of a feed, and lets it be polled where
// something has changed. It never blocks, and however often it is called, there is at
// most one poll at each sweep.
func (s *Scheduler) Notified(id callback.EHRID, f callback.Feed, kind callback.NotificationKind) {
	args := FeedArgs{EHR: id, Feed: f}
	if !s.push.heard(args) {
		return
	}
	switch kind {
	case callback.NotifiedHandshake:
		s.push.look(id)
	case callback.NotifiedHeartbeat:
	case callback.NotifiedTrouble:
		s.push.look(id)
		s.sweep.PollSoon(args, s.sites[id].indexLag)
	default:
		s.sweep.PollSoon(args, s.sites[id].indexLag)
	}
}

// Push asks the EHR, where its connector can, and takes note of how it answers.
func (c *circuit) Push(ctx context.Context, r callback.PushRequest) ([]callback.Push, error) {
	ehr, can := c.ehr.(Pusher)
	if !can {
		return nil, fault.New(fault.Permanent, "subscribe", "the connector of this EHR cannot be told of changes").
			WithHint("remove push from the configuration")
	}
	stands, err := ehr.Push(ctx, r)
	return stands, c.note(ctx, "push", err)
}
