package fhirr4

import (
	"context"
	"net/url"
	"slices"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/fhir"
	"github.com/ringback-health/ringback/internal/doctor"
	"github.com/ringback-health/ringback/mapping"
)

const checkOrder = "visits-in-order"

// visitProbes are the searches of appointments that this way of watching sends.
func (e *exam) visitProbes() []probe {
	const resource = string(callback.AppointmentResource)
	const lost = "booked visits close nothing"
	kind := e.c.cfg.Appointments.kind()
	far := e.c.clock.Now().AddDate(20, 0, 0)
	byDate := probe{check: "visits-by-date", resource: resource, filters: []string{"date"},
		params: url.Values{"date": {"ge" + far.Format(time.DateOnly)}},
		what:   "appointments by date", lost: lost, flood: "the first look reads every appointment there ever was",
		fits: func(entry fhir.Entry) bool {
			a, err := mapping.Appointment(entry.Resource, e.c.site)
			return err == nil && !a.Start.Before(far.AddDate(0, 0, -2))
		}}
	if kind == callback.FeedWindow {
		byDate.params.Add("date", "lt"+far.AddDate(0, 0, 1).Format(time.DateOnly))
		byDate.flood = "every poll reads all appointments again"
		if of := e.c.cfg.Appointments.Of; len(of) > 0 {
			if param, id, err := partOf(of[0]); err == nil { // without it such an EHR refuses
				byDate.params.Set(param, id)
			}
		}
	}
	switch kind {
	case callback.FeedPatient:
		return []probe{{check: "visits-by-patient", resource: resource, filters: []string{"patient"}, params: url.Values{"patient": {nobody.number.Reveal()}},
			post: e.c.cfg.SearchByPost, what: "appointments by patient", lost: lost, flood: "every patient's poll reads all appointments"}}
	case callback.FeedWatermark:
		return []probe{byDate, e.byTime("visits-by-time", resource, "appointments by time of change", lost, "every poll reads all appointments again")}
	default:
		return []probe{byDate}
	}
}

// ordered reports whether the feed of appointments rests on their order.
func (e *exam) ordered() bool {
	a := e.c.cfg.Appointments
	return a.kind() == callback.FeedNewest || a.kind() == callback.FeedWatermark && !a.Unordered
}

// order looks whether appointments come in the order that is asked for.
func (e *exam) order(ctx context.Context) {
	switch {
	case !e.ordered() || e.late(ctx, checkOrder):
		return
	case !e.m.Can("Appointment", "search-type"):
		e.skip("this EHR offers no search of Appointment", checkOrder)
		return
	}
	newest := e.c.cfg.Appointments.kind() == callback.FeedNewest
	sort := "_lastUpdated"
	if newest {
		sort = "-_lastUpdated"
	}
	changed, err := e.changed(ctx, url.Values{"_sort": {sort}, "_count": {"20"}, "date": {"ge" + e.c.today(e.c.cfg.AppointmentHorizon)}})
	if newest {
		slices.Reverse(changed)
	}
	few := len(changed) < 3 || changed[0].Equal(changed[len(changed)-1])
	switch {
	case err != nil:
		_, what, _ := told(err)
		e.note(checkOrder, doctor.Warning, doctor.You, "the order of appointments could not be looked at: "+what,
			"set appointments.feed to what this EHR can do: window or patient, where it wants a date or a patient to be named")
	case slices.IsSortedFunc(changed, time.Time.Compare) && !few:
		e.note(checkOrder, doctor.OK, doctor.Nobody, "appointments come in the order of change", "")
	case few:
		e.skip("there are too few appointments to see an order", checkOrder)
	case newest:
		e.note(checkOrder, doctor.Failed, doctor.You, "this EHR ignores _sort: reading newest first stops too early, and bookings are missed",
			"set appointments.feed to another than newest-first")
	default:
		e.note(checkOrder, doctor.Warning, doctor.You, "this EHR ignores _sort: all pages of a read are followed, and a read of several is made twice; one that is cut off begins anew",
			"set appointments: {unordered: true}, so that nothing rests on an order that is there by chance")
	}
}

// changed returns when the entries of the first page of a search of appointments changed.
func (e *exam) changed(ctx context.Context, params url.Values) ([]time.Time, error) {
	ctx, cancel := step(ctx)
	defer cancel()
	for page, err := range e.c.fhir.Search(ctx, string(callback.AppointmentResource), params) {
		if err != nil {
			return nil, err
		}
		all, err := times(callback.AppointmentResource)(page.Body)
		for i := range all {
			all[i] = all[i].Truncate(time.Second)
		}
		return all, err
	}
	return nil, nil
}
