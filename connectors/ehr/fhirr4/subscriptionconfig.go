package fhirr4

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"time"

	"github.com/ringback-health/ringback/callback"
)

// SubscriptionConfig says how this EHR wants to be asked to tell of changes. It is
// used only where the daemon is set up to be told.
type SubscriptionConfig struct {
	// Offered is auto: as /metadata says; or always: /metadata does not list
	// Subscription, and it can be created, searched and updated all the same.
	Offered string `yaml:"offered"`
	// InitialStatus is requested, as R4 has it, or active, for servers that leave it to
	// the client to begin.
	InitialStatus string `yaml:"initial_status"`
	// Lifetime is for how long the EHR is asked to tell; it is prolonged in time. 0: for
	// ever, also after this installation is gone.
	Lifetime time.Duration `yaml:"lifetime"`
	// Topics maps a feed (work-items, appointments) to the canonical URL of the topic
	// that covers it, for EHRs that have topics instead of searches.
	Topics map[callback.Feed]string `yaml:"topics"`
	// PayloadContent is how much of a change an EHR with topics is to tell: empty or
	// id-only. Neither is looked at.
	PayloadContent string `yaml:"payload_content"`
	// Heartbeat is how often an EHR with topics is to say that it is there; 0: never.
	Heartbeat time.Duration `yaml:"heartbeat"`
	// SecretExtension is the URL of the extension that takes the secret with which the
	// EHR signs. It is sent only where there is such a secret.
	SecretExtension string `yaml:"secret_extension"`
}

const (
	offeredAuto   = "auto"
	offeredAlways = "always"

	contentEmpty  = "empty"
	contentIDOnly = "id-only"
)

// leastLifetime leaves time to prolong a Subscription before it ends.
const leastLifetime = time.Hour

// medplumSecret is the one extension of this kind that is known
// (medplum.com/docs/subscriptions/subscription-extensions).
const medplumSecret = "https://www.medplum.com/fhir/StructureDefinition/subscription-secret"

func defaultSubscription() SubscriptionConfig {
	return SubscriptionConfig{Offered: offeredAuto, InitialStatus: string(callback.PushRequested), Lifetime: 7 * 24 * time.Hour,
		PayloadContent: contentEmpty, SecretExtension: medplumSecret}
}

func (s SubscriptionConfig) validate() error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("subscription."+format, args...))
	}
	if s.Offered != offeredAuto && s.Offered != offeredAlways {
		bad("offered: %q is neither auto nor always", s.Offered)
	}
	if s.InitialStatus != string(callback.PushRequested) && s.InitialStatus != string(callback.PushActive) {
		bad("initial_status: %q is neither requested nor active", s.InitialStatus)
	}
	if s.Lifetime != 0 && s.Lifetime < leastLifetime {
		bad("lifetime must be %s at least, or 0 for one without end", leastLifetime)
	}
	for _, f := range slices.Sorted(maps.Keys(s.Topics)) {
		if !slices.Contains(callback.Feeds, f) {
			bad("topics: there is no feed %q; write work-items or appointments", f)
		}
		if u, err := url.Parse(s.Topics[f]); err != nil || u.Scheme == "" {
			bad("topics.%s: it is no canonical URL; write it as the EHR's vendor names it, https://…", f)
		}
	}
	if s.PayloadContent != contentEmpty && s.PayloadContent != contentIDOnly {
		bad("payload_content: %q is neither empty nor id-only", s.PayloadContent)
	}
	if s.Heartbeat < 0 || s.Heartbeat%time.Second != 0 {
		bad("heartbeat must be whole seconds, such as 10m, or 0 for none")
	}
	if s.SecretExtension == "" {
		bad("secret_extension is empty; leave it out, or write the URL that the EHR's vendor names")
	}
	return errors.Join(errs...)
}
