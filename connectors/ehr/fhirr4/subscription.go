package fhirr4

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/connectors/ehr"
	"github.com/ringback-health/ringback/fhir"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/redact"
	"github.com/ringback-health/ringback/mapping"
)

var _ ehr.Pusher = (*Connector)(nil)

const subscription = "Subscription"

// offRests is how long a Subscription stays off that was stopped before its end. Many
// servers stop one after failures; and if somebody stopped it, one who looks at it
// now and then is told so.
const offRests = time.Hour

// want is what the EHR should hold for one feed.
type want struct {
	feed     callback.Feed
	endpoint string
	criteria string
	topic    bool
	partial  bool
	reason   string // with a fingerprint of all that is in it
}

// Push asks the EHR to tell of changes in each feed, by a Subscription with the
// channel rest-hook. One of ours is known by its endpoint.
func (c *Connector) Push(ctx context.Context, r callback.PushRequest) ([]callback.Push, error) {
	return c.eachWanted(ctx, r, func(m fhir.Capabilities, w want, standing []fhir.SubscriptionView) (callback.Push, error) {
		return c.establish(ctx, m, r, w, standing)
	})
}

// look returns what stands for each feed and changes nothing.
func (c *Connector) look(ctx context.Context, r callback.PushRequest) ([]callback.Push, error) {
	return c.eachWanted(ctx, r, func(_ fhir.Capabilities, w want, standing []fhir.SubscriptionView) (callback.Push, error) {
		if len(standing) == 0 {
			return callback.Push{Feed: w.feed, State: callback.PushNone}, nil
		}
		return c.push(w, standing[0]), nil
	})
}

// eachWanted does something with what should stand, and with what stands, for each feed.
func (c *Connector) eachWanted(ctx context.Context, r callback.PushRequest,
	do func(fhir.Capabilities, want, []fhir.SubscriptionView) (callback.Push, error)) ([]callback.Push, error) {
	m, wants, err := c.wanted(ctx, r)
	if err != nil {
		return nil, err
	}
	var all []callback.Push
	for _, w := range wants {
		standing, err := c.standing(ctx, m, w)
		if err != nil {
			return all, err
		}
		p, err := do(m, w, standing)
		if err != nil {
			return all, err
		}
		all = append(all, p)
	}
	return all, nil
}

// wanted are the Subscriptions that should stand, and what the server can do.
func (c *Connector) wanted(ctx context.Context, r callback.PushRequest) (fhir.Capabilities, []want, error) {
	m, _, err := c.known(ctx)
	if err != nil {
		return m, nil, err
	}
	if !c.subscribes(m) {
		return m, nil, fault.New(fault.Permanent, "subscribe", "this EHR does not offer to create and search Subscriptions").
			WithHint("remove push from the configuration; or, if the EHR's vendor says that it does, set subscription.offered to always")
	}
	var wants []want
	for _, f := range callback.Feeds {
		w, is, err := c.wantedFor(ctx, m, r, f)
		if err != nil {
			return m, nil, err
		}
		if is {
			wants = append(wants, w)
		}
	}
	return m, wants, nil
}

// subscribes reports whether Subscriptions can be made and found again here. One that
// cannot be found again would be made anew at each look.
func (c *Connector) subscribes(m fhir.Capabilities) bool {
	return c.cfg.Subscription.Offered == offeredAlways || m.Can(subscription, "create") && m.Can(subscription, "search-type")
}

// changesSubscriptions reports whether what stands can be changed.
func (c *Connector) changesSubscriptions(m fhir.Capabilities) bool {
	return c.cfg.Subscription.Offered == offeredAlways || m.Can(subscription, "update")
}

// wantedFor is what should stand for a feed; false for a feed that is not read.
func (c *Connector) wantedFor(ctx context.Context, m fhir.Capabilities, r callback.PushRequest, f callback.Feed) (want, bool, error) {
	w := want{feed: f, endpoint: r.EndpointOf(f)}
	if topic := c.cfg.Subscription.Topics[f]; topic != "" {
		w.criteria, w.topic = topic, true
	} else {
		sources, err := c.sources(ctx, f)
		if fault.Is(err, fault.Permanent) {
			return want{}, false, nil // each open item is read by itself
		}
		if err != nil {
			return want{}, false, err
		}
		t := sources[0]
		if chosen := c.filedHere(m); slices.Contains(sources, chosen) {
			t = chosen
		}
		w.criteria, w.partial = criteria(t), len(sources) > 1
	}
	s := c.cfg.Subscription
	w.reason = "Ringback looks for " + string(f) + " again when it is told that they have changed; request " +
		r.Fingerprint(w.criteria, s.PayloadContent, s.Heartbeat.String(), s.SecretExtension)
	return w, true, nil
}

// filedHere is the kind of work item that is filed now.
func (c *Connector) filedHere(m fhir.Capabilities) callback.ResourceType {
	return callback.Capabilities{Rungs: c.rungs(m)}.RungFor(true).Type
}

// criteria narrows a type to what its feed is made of, as far as a search can.
func criteria(t callback.ResourceType) string {
	const ours = mapping.SystemTaskKind + "|" + mapping.KindCallback
	switch t {
	case callback.AppointmentResource:
		return string(t) + "?"
	case callback.TaskResource:
		return string(t) + "?code=" + ours
	default:
		return string(t) + "?category=" + ours
	}
}

// standing returns the Subscriptions with the endpoint, the one to keep first: whoever
// looks chooses the same one.
func (c *Connector) standing(ctx context.Context, m fhir.Capabilities, w want) ([]fhir.SubscriptionView, error) {
	params := url.Values{"_count": {strconv.Itoa(c.cfg.PageSize)}}
	if m.Searches(subscription, "url") {
		params.Set("url", w.endpoint)
	}
	var ours []fhir.SubscriptionView
	for page, err := range c.fhir.Search(ctx, subscription, params, fhir.MaxPages(maxFound)) {
		if err != nil {
			return nil, err
		}
		for _, e := range page.Bundle.Entries {
			if e.ResourceType != subscription {
				continue
			}
			v, err := fhir.ParseSubscription(e.Resource)
			if err != nil {
				return nil, unreadable("search "+subscription, err)
			}
			if v.Endpoint == w.endpoint {
				ours = append(ours, v)
			}
		}
	}
	slices.SortStableFunc(ours, func(a, b fhir.SubscriptionView) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), older(callback.Item{ID: a.Meta.ID}, callback.Item{ID: b.Meta.ID}))
	})
	return ours, nil
}

// rank puts what works first.
func rank(v fhir.SubscriptionView) int {
	order := []string{string(callback.PushActive), string(callback.PushRequested), string(callback.PushError)}
	if i := slices.Index(order, v.Status); i >= 0 {
		return i
	}
	return len(order)
}

// establish makes one Subscription stand as it is wanted, and puts an end to others
// with the same endpoint: a change must not be told twice.
func (c *Connector) establish(ctx context.Context, m fhir.Capabilities, r callback.PushRequest, w want, standing []fhir.SubscriptionView) (callback.Push, error) {
	if len(standing) == 0 {
		return c.subscribe(ctx, m, r, w)
	}
	kept := standing[0]
	p, now := c.push(w, kept), c.clock.Now()
	for _, extra := range standing[1:] {
		if err := c.stop(ctx, m, r, w, extra); err != nil {
			return p, err
		}
	}
	if !c.renews(w, kept, now) {
		return p, nil
	}
	if !c.changesSubscriptions(m) {
		if p.Stands(now) || p.State == callback.PushRequested {
			return p, nil // it cannot be prolonged; another takes its place when it has ended
		}
		return c.subscribe(ctx, m, r, w)
	}
	return c.renew(ctx, r, w, kept)
}

// renews reports whether what stands has to be asked for again: because it has
// failed, because it is not what is wanted any more, or because its end is near.
func (c *Connector) renews(w want, v fhir.SubscriptionView, now time.Time) bool {
	ends := !v.End.IsZero()
	switch {
	case v.Reason != w.reason || v.ChannelType != "rest-hook":
		return true
	case v.Status == string(callback.PushError):
		return true
	case v.Status == string(callback.PushOff):
		return ends && !now.Before(v.End) || now.Sub(v.Meta.LastUpdated) >= offRests
	case !ends:
		return false
	}
	granted := c.cfg.Subscription.Lifetime
	if !v.Meta.LastUpdated.IsZero() {
		granted = v.End.Sub(v.Meta.LastUpdated) // a server may give less than was asked for
	}
	return v.End.Sub(now) <= granted/3
}

// push is how a Subscription looks from outside.
func (c *Connector) push(w want, v fhir.SubscriptionView) callback.Push {
	p := callback.Push{Feed: w.feed, ID: v.Meta.ID, State: callback.PushState(v.Status), Until: v.End, Partial: w.partial}
	switch p.State {
	case callback.PushActive:
	case callback.PushRequested:
		p.Problem = "the EHR has not taken it up yet; some leave that to the client: if it stays so, set subscription.initial_status to active"
	case callback.PushError:
		p.Problem = "the EHR says that it could not deliver: look whether it reaches public_url, and what stands in " + subscription + "/" + v.Meta.ID
	case callback.PushOff:
		p.Problem = "it was stopped, by the EHR or by somebody there; it is asked for again within the hour"
	default:
		p.State, p.Problem = callback.PushError, "its status is none that R4 has; tell the EHR's vendor"
	}
	return p
}

// subscribe makes a Subscription. Where the server promises it, one that another
// process makes at the same moment is taken instead.
func (c *Connector) subscribe(ctx context.Context, m fhir.Capabilities, r callback.PushRequest, w want) (callback.Push, error) {
	body, err := c.body(r, w, "", callback.PushState(c.cfg.Subscription.InitialStatus))
	if err != nil {
		return callback.Push{}, err
	}
	condition := ""
	if m.Resources[subscription].ConditionalCreate && m.Searches(subscription, "url", "status") {
		condition = url.Values{"url": {w.endpoint}, "status": {"requested,active"}}.Encode()
	}
	written, err := c.fhir.Create(ctx, subscription, body, condition)
	if condition != "" && fault.Is(err, fault.Conflict) {
		return c.unseen(w, ""), nil // another process was faster; the next look sees which one stands
	}
	if err != nil {
		return callback.Push{}, err
	}
	return c.written(w, written), nil
}

// renew asks again for what stands. It is the same Subscription, so that none is left
// behind.
func (c *Connector) renew(ctx context.Context, r callback.PushRequest, w want, v fhir.SubscriptionView) (callback.Push, error) {
	body, err := c.body(r, w, v.Meta.ID, callback.PushState(c.cfg.Subscription.InitialStatus))
	if err != nil {
		return callback.Push{}, err
	}
	written, err := c.fhir.Update(ctx, subscription, v.Meta.ID, body, fhir.Guard{Version: v.Meta.VersionID})
	if fault.Is(err, fault.Conflict) {
		return c.push(w, v), nil // somebody changed it meanwhile; the next look decides
	}
	if err != nil {
		return callback.Push{}, err
	}
	return c.written(w, written), nil
}

// stop switches a Subscription off that is one too many.
func (c *Connector) stop(ctx context.Context, m fhir.Capabilities, r callback.PushRequest, w want, v fhir.SubscriptionView) error {
	if v.Status == string(callback.PushOff) || v.Status == string(callback.PushError) || !c.changesSubscriptions(m) {
		return nil
	}
	body, err := c.body(r, w, v.Meta.ID, callback.PushOff)
	if err != nil {
		return err
	}
	_, err = c.fhir.Update(ctx, subscription, v.Meta.ID, body, fhir.Guard{Version: v.Meta.VersionID})
	if fault.Is(err, fault.Conflict) || fault.Is(err, fault.NotFound) {
		return nil
	}
	return err
}

// written is a Subscription after a write, as far as the answer shows it.
func (c *Connector) written(w want, by fhir.Written) callback.Push {
	if v, err := fhir.ParseSubscription(by.Body); err == nil {
		v.Meta.ID = by.ID
		return c.push(w, v)
	}
	return c.unseen(w, by.ID)
}

// unseen is a Subscription that stands and was not looked at yet.
func (c *Connector) unseen(w want, id string) callback.Push {
	return c.push(w, fhir.SubscriptionView{Meta: fhir.Meta{ID: id}, Status: string(callback.PushRequested)})
}

// body is the Subscription as it should stand.
func (c *Connector) body(r callback.PushRequest, w want, id string, status callback.PushState) ([]byte, error) {
	s := c.cfg.Subscription
	fields := fhir.SubscriptionFields{ID: id, Headers: []redact.Secret{redact.NewSecret("Authorization: Bearer " + r.Secret.Reveal())}}
	if s.Lifetime > 0 {
		fields.End = c.clock.Now().Add(s.Lifetime)
	}
	if !r.SigningSecret.IsEmpty() {
		fields.SecretExtension, fields.Secret = s.SecretExtension, r.SigningSecret
	}
	if w.topic {
		fields.Topic = &fhir.Topic{Content: s.PayloadContent, Heartbeat: s.Heartbeat}
	}
	made, err := fhir.NewSubscription(fhir.SubscriptionRequired{Status: string(status), Reason: w.reason, Criteria: w.criteria, Endpoint: w.endpoint}, fields)
	if err != nil {
		return nil, fault.New(fault.Permanent, "create "+subscription, err.Error()).Because(err)
	}
	return made.MarshalJSON()
}

// Notified reads what a notification of a topic says of itself. Everything else, an
// empty body or a whole resource, is a change.
func (c *Connector) Notified(body []byte) callback.NotificationKind {
	n, is := fhir.ParseNotification(body)
	switch {
	case !is:
		return callback.NotifiedChange
	case n.Status == string(callback.PushError) || n.Status == string(callback.PushOff):
		return callback.NotifiedTrouble
	case n.Type == "handshake":
		return callback.NotifiedHandshake
	case n.Type == "heartbeat":
		return callback.NotifiedHeartbeat
	default:
		return callback.NotifiedChange
	}
}
