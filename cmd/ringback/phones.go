package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/connectors/phone"
	"github.com/ringback-health/ringback/connectors/phone/webform"
	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/internal/config"
	"github.com/ringback-health/ringback/internal/redact"
	"github.com/ringback-health/ringback/scheduler"
	"github.com/ringback-health/ringback/server"
)

// phoneLine is one phone system of a clinic, made.
type phoneLine struct {
	clinic config.Clinic
	config config.Phone
	system phone.System
}

func (l phoneLine) clinicID() callback.ClinicID { return callback.ClinicID(l.clinic.ID) }
func (l phoneLine) id() callback.PhoneID        { return callback.PhoneID(l.config.ID) }

// newPhoneLines makes the phone systems of all clinics.
func newPhoneLines(cfg config.Config) ([]phoneLine, error) {
	var lines []phoneLine
	var errs []error
	for _, cl := range cfg.Clinics {
		for _, p := range cl.Phones {
			sys, err := newPhoneSystem(cfg, cl, p)
			if err != nil {
				errs = append(errs, fmt.Errorf("clinic %s: phone %s: %w", cl.ID, p.ID, err))
				continue
			}
			lines = append(lines, phoneLine{clinic: cl, config: p, system: sys})
		}
	}
	return lines, errors.Join(errs...)
}

func newPhoneSystem(cfg config.Config, cl config.Clinic, p config.Phone) (phone.System, error) {
	zone, err := cl.Location()
	if err != nil {
		return nil, err
	}
	secret, err := cfg.Secret("secret", p.SecretEnv, p.SecretFile)
	if err != nil {
		return nil, err
	}
	next, err := cfg.Secret("next_secret", p.NextSecretEnv, p.NextSecretFile)
	if err != nil {
		return nil, err
	}
	s := phone.Settings{ID: p.ID, Zone: zone, Secret: cfg.Secret, Clock: clock.System{}, Tolerance: p.Tolerance}
	for _, v := range []redact.Secret{secret, next} {
		if !v.IsEmpty() {
			s.Secrets = append(s.Secrets, v)
		}
	}
	if len(s.Secrets) == 0 {
		return nil, errors.New("the secret is empty")
	}
	return phoneSystems.New(p.System, s, p.DecodeSettings())
}

// address is where the phone system tells of its calls.
func (l phoneLine) address(cfg config.Config) string {
	return strings.TrimSuffix(cfg.PublicURL, "/") + server.PhonePath(l.clinicID(), l.id())
}

// hook lets the phone system in.
func (l phoneLine) hook(cfg config.Config, heard func()) server.PhoneHook {
	address := l.address(cfg)
	h := server.PhoneHook{Clinic: l.clinicID(), Phone: l.id(), Heard: heard,
		Receive: func(method, query string, header http.Header, body []byte, at time.Time) (server.PhoneReceipt, error) {
			url := address
			if query != "" {
				url += "?" + query
			}
			got, err := l.system.Receive(phone.Request{Method: method, URL: url, Header: header, Body: body, At: at})
			var refused *phone.Refused
			if errors.As(err, &refused) {
				return server.PhoneReceipt{}, &server.PhoneRefused{Status: refused.Status, Reason: refused.Reason}
			}
			r := receipt(got.Answer)
			r.Events = got.Events
			return r, err
		}}
	if page, can := l.system.(phone.Page); can {
		show(&h, page, address)
	}
	return h
}

func receipt(a phone.Answer) server.PhoneReceipt {
	return server.PhoneReceipt{Status: a.Status, Header: a.Header, Body: a.Body}
}

// A person fills in a form once or twice; an office behind one address does so more often.
const (
	formsAtOnce = 5
	formEvery   = 20 * time.Second
	formClients = 10_000
)

// show shows a form to whoever comes with a browser, and keeps away who sends too many.
func show(h *server.PhoneHook, page phone.Page, address string) {
	limiter := webform.NewLimiter(formsAtOnce, formEvery, formClients)
	h.Page = func(method, query string, header http.Header, at time.Time) server.PhoneReceipt {
		url := address
		if query != "" {
			url += "?" + query
		}
		return receipt(page.Page(phone.Request{Method: method, URL: url, Header: header, At: at}))
	}
	h.Busy = func(client netip.Addr, header http.Header, at time.Time) (server.PhoneReceipt, bool) {
		if header.Get(webform.SignatureHeader) != "" { // all of them come from the clinic's web server
			return server.PhoneReceipt{}, false
		}
		wait, ok := limiter.Allow(client, at)
		if ok {
			return server.PhoneReceipt{}, false
		}
		return receipt(page.Busy(phone.Request{Method: http.MethodPost, URL: address, Header: header, At: at}, wait)), true
	}
}

// phone is the switchboard's part of it.
func (l phoneLine) phone() (scheduler.Phone, error) {
	rules, err := clinicRules(l.clinic)
	return scheduler.Phone{Clinic: l.clinicID(), ID: l.id(), System: l.system, Calls: l.config.Calls.Rules(), Rules: rules, Region: l.clinic.Region,
		SettleAfter: l.config.SettleAfter, GiveUpAfter: l.config.GiveUpAfter, SpokenAfter: l.config.SpokenAfter}, err
}

// carrier is the reconciler's part of it; false where the system cannot be asked for anything.
func (l phoneLine) carrier(cfg config.Config) (scheduler.Carrier, bool) {
	c := scheduler.Carrier{Clinic: l.clinicID(), Phone: l.id(), Every: l.config.Reconcile, Address: l.address(cfg)}
	if h, can := l.system.(phone.Historian); can {
		c.History = h.History
	}
	if s, can := l.system.(phone.Subscriber); can {
		c.Subscribe = s.Subscribe
	}
	return c, c.History != nil || c.Subscribe != nil
}

// newSwitchboard makes what listens to the phone systems, and what asks them.
func (a *app) newSwitchboard(cfg config.Config) error {
	var o scheduler.SwitchboardOptions
	var r scheduler.ReconcilerOptions
	for _, l := range a.phones {
		p, err := l.phone()
		if err != nil {
			return err
		}
		o.Phones = append(o.Phones, p)
		if c, can := l.carrier(cfg); can {
			r.Carriers = append(r.Carriers, c)
		}
	}
	o.Ledger, o.Desk, o.Clock, o.Logger, o.Changed = a.ledger, a.desk, clock.System{}, a.log, a.scheduler.Wake
	a.switchboard = scheduler.NewSwitchboard(o)
	r.Ledger, r.Clock, r.Logger, r.Heard = a.ledger, clock.System{}, a.log, a.switchboard.Wake
	a.reconciler = scheduler.NewReconciler(r)
	return nil
}

// hooks are the phone systems that the server lets tell of calls.
func (a *app) hooks(cfg config.Config) []server.PhoneHook {
	var all []server.PhoneHook
	for _, l := range a.phones {
		all = append(all, l.hook(cfg, a.switchboard.Wake))
	}
	return all
}
