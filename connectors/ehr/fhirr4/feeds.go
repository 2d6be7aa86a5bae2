package fhirr4

import (
	"context"
	"fmt"
	"iter"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/fhir"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/mapping"
)

// Changes searches by modification time, oldest first. The baseline is all work
// items of callbacks, and all appointments from the horizon on.
func (c *Connector) Changes(ctx context.Context, f callback.Feed, since time.Time) iter.Seq2[[]byte, error] {
	params := url.Values{"_sort": {"_lastUpdated"}, "_count": {strconv.Itoa(c.cfg.PageSize)}}
	resource := callback.TaskResource
	switch f {
	case callback.FeedItems:
		params.Set("code", mapping.SystemTaskKind+"|"+mapping.KindCallback)
	case callback.FeedAppointments:
		resource = callback.AppointmentResource
		if since.IsZero() {
			params.Set("date", "ge"+c.today(c.cfg.AppointmentHorizon))
		}
	default:
		return func(yield func([]byte, error) bool) { yield(nil, noFeed(f)) }
	}
	if !since.IsZero() {
		// To the second, rounded down: finer times are cut off by some servers, and
		// reading something twice is harmless.
		params.Set("_lastUpdated", "ge"+since.UTC().Format("2006-01-02T15:04:05Z"))
	}
	return func(yield func([]byte, error) bool) {
		for page, err := range c.fhir.Search(ctx, string(resource), params) {
			if !yield(page.Body, err) {
				return
			}
		}
	}
}

func noFeed(f callback.Feed) error {
	return fault.New(fault.Permanent, "read feed", fmt.Sprintf("there is no feed %q", f))
}

// Interpret reads a page. What does not belong to the feed is passed over in
// silence, because servers send it along; what belongs to it and cannot be read is
// a problem.
func (c *Connector) Interpret(f callback.Feed, page []byte) (callback.Changes, error) {
	bundle, err := fhir.ParseBundle(page)
	if err != nil {
		return callback.Changes{}, fault.New(fault.Permanent, "interpret "+string(f), err.Error()).
			WithHint("the EHR sent something else than a page of resources; tell its vendor").Because(err)
	}
	var changes callback.Changes
	for i, e := range bundle.Entries {
		if meta, err := fhir.MetaOf(e.Resource); err == nil && meta.LastUpdated.After(changes.Latest) {
			changes.Latest = meta.LastUpdated
		}
		if problem := c.entry(f, e, &changes); problem != "" {
			changes.Problems = append(changes.Problems, name(i, e)+": "+problem)
		}
	}
	return changes, nil
}

// entry reads one entry into changes and returns what is wrong with it, "" when
// nothing is.
func (c *Connector) entry(f callback.Feed, e fhir.Entry, into *callback.Changes) string {
	switch {
	case e.Err != nil:
		return e.Err.Error()
	case e.ResourceType == "OperationOutcome":
		return warning(e)
	case f == callback.FeedItems && e.ResourceType == "Task":
		return c.taskEntry(e, into)
	case f == callback.FeedAppointments && e.ResourceType == "Appointment":
		a, err := mapping.Appointment(e.Resource, c.site)
		if err != nil {
			return err.Error()
		}
		into.Appointments = append(into.Appointments, a)
		if a.State == callback.ApptUnknown {
			return "its state is not understood; it is not taken for booked"
		}
	}
	return ""
}

func (c *Connector) taskEntry(e fhir.Entry, into *callback.Changes) string {
	item, err := mapping.Item(e.Resource, c.site)
	if err != nil {
		return err.Error()
	}
	if len(item.Markers) == 0 {
		return "" // a server that ignores "code" sends the whole inbox
	}
	into.Items = append(into.Items, item)
	if item.State.Status == "" {
		return "its state (" + item.State.Native + ") is not understood; it is left alone"
	}
	return ""
}

// warning returns the codes of an outcome that is more than information: servers
// report parameters that they have ignored this way.
func warning(e fhir.Entry) string {
	outcome, _ := fhir.ParseOutcome(e.Resource)
	if slices.ContainsFunc(outcome.Issues, func(i fhir.Issue) bool { return i.Severity != "information" }) {
		return "the EHR warns: " + strings.Join(outcome.Codes(), ", ")
	}
	return ""
}

// name names an entry without saying what is in it: type and id, or its place.
func name(i int, e fhir.Entry) string {
	if meta, err := fhir.MetaOf(e.Resource); err == nil && mapping.ValidID(meta.ID) && e.Err == nil {
		return e.ResourceType + "/" + meta.ID
	}
	return fmt.Sprintf("entry %d", i+1)
}
