package fhirr4

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/connectors/ehr/feed"
	"github.com/ringback-health/ringback/fhir"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/mapping"
)

// Changes reads work items by time of change, one type of resource after the other,
// and appointments the way the configuration says. The baseline is all work items of
// callbacks, and all appointments from the horizon on.
func (c *Connector) Changes(ctx context.Context, q callback.FeedQuery) feed.Pages {
	if q.Appointment != "" {
		return c.oneAppointment(ctx, q.Appointment)
	}
	if q.Feed == callback.FeedAppointments {
		return c.appointments().Read(ctx, q)
	}
	return func(yield func(callback.FeedPage, error) bool) {
		types, err := c.sources(ctx, q.Feed)
		if err != nil {
			yield(callback.FeedPage{}, err)
			return
		}
		var all feed.Watermarks
		for _, t := range types {
			all = append(all, c.watermark(t))
		}
		all.Read(ctx, q)(yield)
	}
}

// sources are the types of resources that a feed is made of. Of a server that hides
// /metadata it is not known which it can search.
func (c *Connector) sources(ctx context.Context, f callback.Feed) ([]callback.ResourceType, error) {
	switch f {
	case callback.FeedAppointments:
		return []callback.ResourceType{callback.AppointmentResource}, nil
	case callback.FeedItems:
	default:
		return nil, fault.New(fault.Permanent, "read feed", fmt.Sprintf("there is no feed %q", f))
	}
	m, told, err := c.known(ctx)
	if err != nil {
		return nil, err
	}
	resources := c.fed(m)
	switch {
	case !told:
		return []callback.ResourceType{callback.TaskResource}, nil
	case len(resources) == 0:
		return nil, fault.New(fault.Permanent, "read feed", "this EHR cannot search work items by time of change").
			WithHint("each open item is read by itself, where it can be read")
	}
	return resources, nil
}

// Interpret reads a page. What does not belong to the feed is passed over in
// silence, because servers send it along; what belongs to it and cannot be read is
// a problem.
func (c *Connector) Interpret(f callback.Feed, page []byte) (callback.Changes, error) {
	bundle, err := parsePage(f, page)
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

// parsePage reads a page of a search, or an appointment that was read by its id.
func parsePage(f callback.Feed, page []byte) (fhir.Bundle, error) {
	t, err := fhir.ResourceType(page)
	if err == nil && f == callback.FeedAppointments && t == string(callback.AppointmentResource) {
		return fhir.Bundle{Entries: []fhir.Entry{{Resource: page, ResourceType: t}}}, nil
	}
	return fhir.ParseBundle(page)
}

// entry reads one entry into changes and returns what is wrong with it, "" when
// nothing is.
func (c *Connector) entry(f callback.Feed, e fhir.Entry, into *callback.Changes) string {
	switch {
	case e.Err != nil:
		return e.Err.Error()
	case e.ResourceType == "OperationOutcome":
		return warning(e)
	case f == callback.FeedItems && slices.Contains(filed, callback.ResourceType(e.ResourceType)):
		return c.itemEntry(e, into)
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

func (c *Connector) itemEntry(e fhir.Entry, into *callback.Changes) string {
	item, err := mapping.Item(e.Resource, c.site)
	if err != nil {
		return err.Error()
	}
	if len(item.Markers) == 0 {
		return "" // a server that ignores "code" or "category" sends the whole inbox
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
