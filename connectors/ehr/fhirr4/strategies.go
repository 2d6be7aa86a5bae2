package fhirr4

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/connectors/ehr/feed"
	"github.com/ringback-health/ringback/fhir"
	"github.com/ringback-health/ringback/internal/redact"
	"github.com/ringback-health/ringback/mapping"
)

// Appointments says how appointments are watched. Keys that belong to another feed
// are an error.
type Appointments struct {
	// Feed is how the EHR lets them be read: watermark (also where nothing is said),
	// window, patient, newest-first.
	Feed callback.FeedKind `yaml:"feed"`
	// Ahead is how far into the future a window goes; 0: 90 days.
	Ahead time.Duration `yaml:"ahead"`
	// Step is how much of a window is asked for at once; 0: all.
	Step time.Duration `yaml:"step"`
	// Of names whose appointments a window is made of, one after the other, for an EHR
	// that wants to be told: Location/12, Practitioner/7. None: it does not.
	Of []string `yaml:"of"`
	// Unordered says that the EHR ignores _sort, where that does not show by itself.
	Unordered bool `yaml:"unordered"`
}

// defaultAhead is how far ahead clinics book as a rule.
const defaultAhead = 90 * 24 * time.Hour

// watched are the feeds that FHIR can do.
var watched = []callback.FeedKind{callback.FeedWatermark, callback.FeedWindow, callback.FeedPatient, callback.FeedNewest}

func (a Appointments) kind() callback.FeedKind {
	if a.Feed == "" {
		return callback.FeedWatermark
	}
	return a.Feed
}

func (a Appointments) validate() error {
	var errs []error
	bad := func(is bool, format string, args ...any) {
		if is {
			errs = append(errs, fmt.Errorf("appointments."+format, args...))
		}
	}
	kind := a.kind()
	bad(!slices.Contains(watched, kind), "feed: %q is none of watermark, window, patient, newest-first", a.Feed)
	window := kind == callback.FeedWindow
	bad(!window && a.Ahead != 0, "ahead belongs to feed: window; leave it out")
	bad(!window && a.Step != 0, "step belongs to feed: window; leave it out")
	bad(!window && len(a.Of) > 0, "of belongs to feed: window; leave it out")
	bad(kind != callback.FeedWatermark && a.Unordered, "unordered belongs to feed: watermark; leave it out")
	bad(a.Ahead < 0, "ahead must not be negative; write it as 2160h")
	bad(a.Step != 0 && a.Step < time.Hour, "step must be at least an hour, such as 168h")
	for i, of := range a.Of {
		_, _, err := partOf(of)
		bad(err != nil, "of[%d]: %q: %v", i, of, err)
	}
	return errors.Join(errs...)
}

// partOf returns the search parameter and the id of a reference in of.
func partOf(reference string) (param, id string, err error) {
	t, id, _ := strings.Cut(reference, "/")
	if (t != "Location" && t != "Practitioner") || !mapping.ValidID(id) {
		return "", "", errors.New("write Location/12 or Practitioner/7")
	}
	return strings.ToLower(t), id, nil
}

// appointments is how they are read.
func (c *Connector) appointments() feed.Strategy {
	a := c.cfg.Appointments
	switch a.kind() {
	case callback.FeedWindow:
		return feed.Window{Span: c.window, Parts: a.Of, Step: a.Step, Fetch: c.withinSpan}
	case callback.FeedPatient:
		return feed.Patient{Fetch: c.ofPatient}
	case callback.FeedNewest:
		return feed.Newest{Fetch: c.newestFirst, Times: times(callback.AppointmentResource)}
	default:
		w := c.watermark(callback.AppointmentResource)
		if a.Unordered {
			w.Times = nil
		}
		return w
	}
}

// watermark is how resources of a type are read by time of change.
func (c *Connector) watermark(t callback.ResourceType) feed.Watermark {
	return feed.Watermark{Times: times(t), Fetch: func(ctx context.Context, q callback.FeedQuery, in callback.Span) feed.Pages {
		return c.search(ctx, t, c.changed(t, q.Since.IsZero(), in))
	}}
}

// search returns the pages of a search.
func (c *Connector) search(ctx context.Context, t callback.ResourceType, params url.Values, opts ...fhir.SearchOption) feed.Pages {
	params.Set("_count", strconv.Itoa(c.cfg.PageSize))
	return func(yield func(callback.FeedPage, error) bool) {
		for page, err := range c.fhir.Search(ctx, string(t), params, opts...) {
			if !yield(callback.FeedPage{Body: page.Body, More: page.Bundle.Links["next"] != "", Date: page.Date}, err) {
				return
			}
		}
	}
}

// changed are the parameters that ask for what has changed, oldest first.
func (c *Connector) changed(t callback.ResourceType, baseline bool, in callback.Span) url.Values {
	params := url.Values{"_sort": {"_lastUpdated"}}
	switch ours := mapping.SystemTaskKind + "|" + mapping.KindCallback; {
	case t == callback.TaskResource:
		params.Set("code", ours)
	case t != callback.AppointmentResource:
		params.Set("category", ours)
	case baseline:
		params.Set("date", "ge"+c.today(c.cfg.AppointmentHorizon))
	}
	// To the second: finer times are cut off by some servers, and reading something
	// twice is harmless.
	if !in.From.IsZero() {
		params.Set("_lastUpdated", "ge"+instant(in.From))
	}
	if !in.Until.IsZero() {
		params.Add("_lastUpdated", "lt"+instant(in.Until.Add(time.Second)))
	}
	return params
}

func (c *Connector) newestFirst(ctx context.Context, q callback.FeedQuery) feed.Pages {
	params := url.Values{"_sort": {"-_lastUpdated"}}
	if q.Since.IsZero() {
		params.Set("date", "ge"+c.today(c.cfg.AppointmentHorizon))
	}
	return c.search(ctx, callback.AppointmentResource, params)
}

// window goes from the horizon on, by whole days of the clinic: what is asked for
// changes once a day.
func (c *Connector) window() callback.Span {
	zone := c.site.Zone
	if zone == nil {
		zone = time.UTC
	}
	ahead := c.cfg.Appointments.Ahead
	if ahead == 0 {
		ahead = defaultAhead
	}
	midnight := func(t time.Time) time.Time {
		y, m, d := t.In(zone).Date()
		return time.Date(y, m, d, 0, 0, 0, 0, zone)
	}
	now := c.clock.Now()
	return callback.Span{From: midnight(now.Add(-c.cfg.AppointmentHorizon)), Until: midnight(now.Add(ahead + 24*time.Hour))}
}

func (c *Connector) withinSpan(ctx context.Context, part string, in callback.Span) feed.Pages {
	params := url.Values{"date": {"ge" + instant(in.From), "lt" + instant(in.Until)}}
	if part != "" {
		param, id, err := partOf(part)
		if err != nil {
			return feed.Failed(unreadable("search Appointment", err))
		}
		params.Set(param, id)
	}
	return c.search(ctx, callback.AppointmentResource, params)
}

func (c *Connector) ofPatient(ctx context.Context, patient redact.Text) feed.Pages {
	var opts []fhir.SearchOption
	if c.cfg.SearchByPost {
		opts = append(opts, fhir.SearchPost())
	}
	params := url.Values{"patient": {escape(patient.Reveal())}, "date": {"ge" + c.today(c.cfg.AppointmentHorizon)}}
	return c.search(ctx, callback.AppointmentResource, params, opts...)
}

// oneAppointment reads one by its id; the page is the resource itself.
func (c *Connector) oneAppointment(ctx context.Context, id string) feed.Pages {
	return func(yield func(callback.FeedPage, error) bool) {
		raw, _, err := c.fhir.Read(ctx, string(callback.AppointmentResource), id)
		yield(callback.FeedPage{Body: raw}, err)
	}
}

// times returns when the resources of a type in a page changed, in its order.
func times(t callback.ResourceType) func([]byte) ([]time.Time, error) {
	return func(body []byte) (all []time.Time, err error) {
		bundle, err := fhir.ParseBundle(body)
		if err != nil {
			return nil, err
		}
		for _, e := range bundle.Entries {
			if e.ResourceType != string(t) && e.Err == nil {
				continue
			}
			meta, err := fhir.MetaOf(e.Resource)
			if err == nil && meta.LastUpdated.IsZero() {
				err = errors.New("an entry does not say when it changed")
			}
			if err := errors.Join(e.Err, err); err != nil {
				return nil, err
			}
			all = append(all, meta.LastUpdated)
		}
		return all, nil
	}
}

// instant writes a time for a search.
func instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }
