package ringcentral

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ringback-health/ringback/connectors/phone"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/rest"
)

// subscription is RingCentral's own of it.
type subscription struct {
	ID         string `json:"id"`
	Status     string `json:"status"` // Active, Suspended, Blacklisted
	Expiration string `json:"expirationTime"`
	Delivery   struct {
		Transport string `json:"transportType"`
		Address   string `json:"address"`
	} `json:"deliveryMode"`
}

// Subscribe makes sure that there is one active subscription to address, made with the
// current secret and for what the settings ask for now.
//
// One that RingCentral blacklisted, because an answer of ours was no 200 or we were away
// for long, never comes back: it is deleted and made anew, and so is one that was made
// with another secret, address or filter. RenewAt is soon whatever the subscription's life, because
// that is the only way to notice. What was missed meanwhile is found in the call log.
//
// The returned ID is RingCentral's and a fingerprint of what it was made for.
func (s *WithAPI) Subscribe(ctx context.Context, address string, have phone.Subscription) (phone.Subscription, error) {
	id, mark, _ := strings.Cut(have.ID, "/")
	if id != "" && mark == s.fingerprint(address) {
		renewed, good, err := s.renew(ctx, id, have)
		if err != nil || good {
			return renewed, err
		}
	}
	if err := s.clear(ctx, address, id); err != nil {
		return have, err
	}
	return s.create(ctx, address)
}

// renew looks at a subscription and makes it last. good is false for one that has to be
// made anew.
func (s *WithAPI) renew(ctx context.Context, id string, have phone.Subscription) (_ phone.Subscription, good bool, _ error) {
	found, err := s.ask(ctx, rest.Request{Op: "look at the subscription", Method: http.MethodGet, Path: path(id)})
	switch {
	case fault.Is(err, fault.NotFound):
		return have, false, nil
	case err != nil:
		return have, false, err
	case !strings.EqualFold(found.Status, "active"):
		return have, false, nil
	}
	if until := expiration(found); until.Sub(s.settings.Clock.Now()) < s.cfg.Lifetime/2 {
		// It is repeated as it is: a second renewal does nothing that the first did not.
		found, err = s.ask(ctx, rest.Request{Op: "renew the subscription", Method: http.MethodPut, Path: path(id), Body: s.wanted(nil), ContentType: "application/json"})
		if fault.Is(err, fault.NotFound) {
			return have, false, nil
		}
		if err != nil {
			return have, false, err
		}
	}
	return s.promised(found, have.ID), true, nil
}

// clear deletes the subscription of that id, and every other one to the address: one that
// was made and whose answer was lost would tell everything twice.
func (s *WithAPI) clear(ctx context.Context, address, id string) error {
	resp, err := s.api.Do(ctx, rest.Request{Op: "list the subscriptions", Method: http.MethodGet, Path: "subscription"})
	if err != nil {
		return err
	}
	var list struct {
		Records []subscription `json:"records"`
	}
	if err := json.Unmarshal(resp.Body, &list); err != nil {
		return noSubscription("list the subscriptions")
	}
	for _, r := range list.Records {
		if r.ID == "" || r.ID != id && r.Delivery.Address != address {
			continue
		}
		_, err := s.api.Do(ctx, rest.Request{Op: "delete a subscription", Method: http.MethodDelete, Path: path(r.ID)})
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
	}
	return nil
}

// create makes a subscription. While it is made RingCentral asks the address whether it
// answers; see Receive. An answer that is lost is found by the next call of Subscribe.
func (s *WithAPI) create(ctx context.Context, address string) (phone.Subscription, error) {
	delivery := map[string]string{"transportType": "WebHook", "address": address, "verificationToken": s.settings.Secrets[0].Reveal()}
	made, err := s.ask(ctx, rest.Request{
		Op: "make a subscription", Method: http.MethodPost, Path: "subscription", Body: s.wanted(delivery), ContentType: "application/json", Write: true,
	})
	if err != nil {
		return phone.Subscription{}, err
	}
	return s.promised(made, made.ID+"/"+s.fingerprint(address)), nil
}

// wanted is the body of a request for a subscription.
func (s *WithAPI) wanted(delivery map[string]string) []byte {
	body, err := json.Marshal(struct {
		Filters   []string          `json:"eventFilters"`
		Delivery  map[string]string `json:"deliveryMode,omitempty"`
		ExpiresIn int64             `json:"expiresIn"`
	}{s.filters(), delivery, int64(s.cfg.Lifetime / time.Second)})
	if err != nil { // strings and numbers can be encoded
		panic("ringcentral: " + err.Error())
	}
	return body
}

// filters are what it is to tell: every call in both directions, and the voicemails of
// the extensions that are named.
func (s *WithAPI) filters() []string {
	filters := []string{"/restapi/v1.0/account/~/telephony/sessions"}
	for _, id := range s.cfg.VoicemailExtensions {
		filters = append(filters, "/restapi/v1.0/account/~/extension/"+id+"/voicemail")
	}
	return filters
}

// fingerprint changes with whatever a subscription is made for. Too short to guess the
// secret by.
func (s *WithAPI) fingerprint(address string) string {
	return phone.KeyOf([]byte(s.settings.Secrets[0].Reveal()), []byte(address), []byte(strings.Join(s.filters(), "\n")))[:8]
}

func (s *WithAPI) promised(sub subscription, id string) phone.Subscription {
	now := s.settings.Clock.Now()
	until := expiration(sub)
	renewAt := now.Add(s.cfg.Check)
	if !until.IsZero() && until.Before(renewAt) {
		renewAt = until
	}
	return phone.Subscription{ID: id, Until: until, RenewAt: renewAt}
}

func expiration(sub subscription) time.Time { return phone.Scalar(sub.Expiration).RFC3339() }

func path(id string) string { return "subscription/" + url.PathEscape(id) }

func (s *WithAPI) ask(ctx context.Context, r rest.Request) (subscription, error) {
	resp, err := s.api.Do(ctx, r)
	if err != nil {
		return subscription{}, err
	}
	var sub subscription
	if err := json.Unmarshal(resp.Body, &sub); err != nil || sub.ID == "" {
		return subscription{}, noSubscription(r.Op)
	}
	return sub, nil
}

func noSubscription(op string) error {
	return fault.New(fault.Retry, op, "RingCentral answered something else than a subscription").WithHint("check base_url")
}
