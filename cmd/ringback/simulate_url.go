package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/mapping"
	"github.com/ringback-health/ringback/sandbox"
	"github.com/ringback-health/ringback/simulate"
)

// openURL puts a clinic on the bench whose EHR is a FHIR server by URL. Where nobody can
// set the clock of that, everything happens within moments; see docs/simulate.md.
func (b *benches) openURL(ctx context.Context, c simulate.Clinic, seen func(callback.Record)) (simulate.Bench, error) {
	hands := urlHands{base: strings.TrimSuffix(b.url, "/"), client: &http.Client{Timeout: 30 * time.Second}, created: c.Habits.Created, clock: clock.System{}}
	at := hands.clock
	setTime := func(context.Context, time.Time) error { return nil }
	if b.clockURL != "" {
		manual := clock.NewManual(c.Begin.AddDate(0, 0, -15))
		at, hands.clock = manual, skewed{manual, c.Habits.ClockOff}
		setTime = func(ctx context.Context, t time.Time) error {
			manual.Advance(t.Sub(manual.Now()))
			return hands.setClock(ctx, b.clockURL)
		}
		if err := hands.setClock(ctx, b.clockURL); err != nil {
			return simulate.Bench{}, err
		}
	}
	d, err := b.daemon(ctx, c, hands.base, at, seen)
	if err != nil {
		return simulate.Bench{}, err
	}
	return simulate.Bench{Daemon: d, EHR: hands, SetTime: setTime,
		Close: func() error { hands.client.CloseIdleConnections(); return d.close() }}, nil
}

// setClock tells the EHR what time it is by its clock.
func (h urlHands) setClock(ctx context.Context, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, address, strings.NewReader(fhirInstant(h.clock.Now())))
	if err != nil {
		return err
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return fmt.Errorf("the EHR's clock cannot be set: %w", err)
	}
	if resp.StatusCode >= 300 {
		err = fmt.Errorf("the EHR's clock cannot be set: %w", statusError(resp.StatusCode))
	}
	return errors.Join(err, resp.Body.Close())
}

// urlHands are the clinic's people at a FHIR server. They know nothing of Ringback's own
// FHIR client, so that they share no mistake with it.
type urlHands struct {
	base    string
	client  *http.Client
	created simulate.Created
	clock   clock.Clock // the EHR's
}

type fhirObject = map[string]any

// statusError is an answer that is no success.
type statusError int

func (e statusError) Error() string { return fmt.Sprintf("%d %s", int(e), http.StatusText(int(e))) }

// do sends a request and decodes the answer. What the EHR says of an error is quoted:
// all the data are made up.
func (h urlHands) do(ctx context.Context, method, path, version string, body, into any) error {
	var sent bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&sent).Encode(body); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, h.base+"/"+path, &sent)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/fhir+json")
	req.Header.Set("Accept", "application/fhir+json")
	req.Header.Set("Cache-Control", "no-cache") // what there is, not what was searched for lately
	if version != "" {
		req.Header.Set("If-Match", `W/"`+version+`"`)
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return fmt.Errorf("the EHR does not answer: %w", err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("the EHR's answer broke off: %w", err)
	}
	if resp.StatusCode >= 300 {
		place, _, _ := strings.Cut(path, "?")
		return fmt.Errorf("%s %s: the EHR answers %w: %s", method, place, statusError(resp.StatusCode), raw[:min(len(raw), 500)])
	}
	if into == nil || len(raw) == 0 {
		return nil
	}
	return json.Unmarshal(raw, into)
}

func (h urlHands) create(ctx context.Context, resource fhirObject) (string, error) {
	var made struct{ ID string }
	err := h.do(ctx, http.MethodPost, fmt.Sprint(resource["resourceType"]), "", resource, &made)
	if err == nil && made.ID == "" {
		err = errors.New("the EHR does not return what it has created")
	}
	return made.ID, err
}

// edits is how often an edit is tried that the daemon gets in the way of.
const edits = 5

// edit reads a resource, changes it and writes it back, again if somebody else was faster.
func (h urlHands) edit(ctx context.Context, path string, change func(fhirObject) error) error {
	for n := 1; ; n++ {
		var r fhirObject
		if err := h.do(ctx, http.MethodGet, path, "", nil, &r); err != nil {
			return err
		}
		if err := change(r); err != nil {
			return err
		}
		version := ""
		if m, ok := r["meta"].(fhirObject); ok {
			version, _ = m["versionId"].(string)
		}
		err := h.do(ctx, http.MethodPut, path, version, r, nil)
		var status statusError
		if n < edits && errors.As(err, &status) && (status == http.StatusPreconditionFailed || status == http.StatusConflict) {
			continue
		}
		return err
	}
}

func (h urlHands) set(ctx context.Context, path string, members fhirObject) error {
	return h.edit(ctx, path, func(r fhirObject) error {
		for name, v := range members {
			r[name] = v
		}
		return nil
	})
}

func (h urlHands) Register(ctx context.Context, c simulate.Chart) (string, error) {
	p := fhirObject{"resourceType": "Patient", "active": true, "birthDate": c.BirthDate,
		"name": []fhirObject{{"use": "official", "family": c.Family, "given": []string{c.Given}}}}
	if c.MRN != "" {
		p["identifier"] = []fhirObject{{"system": sandbox.SystemMRN, "value": c.MRN}}
	}
	if c.Phone != "" {
		p["telecom"] = []fhirObject{{"system": "phone", "value": c.Phone, "use": "mobile"}}
	}
	if c.Test {
		p["meta"] = fhirObject{"security": []fhirObject{{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST"}}}
	}
	return h.create(ctx, p)
}

func (h urlHands) Merge(ctx context.Context, from, into string, move bool) error {
	link := func(id, other, kind string, active bool) error {
		return h.edit(ctx, "Patient/"+id, func(r fhirObject) error {
			links, _ := r["link"].([]any)
			r["link"] = append(links, fhirObject{"other": patientReference(other), "type": kind})
			r["active"] = active
			return nil
		})
	}
	if err := link(into, from, "replaces", true); err != nil {
		return err
	}
	if err := link(from, into, "replaced-by", false); err != nil || !move {
		return err
	}
	return errors.Join(h.refile(ctx, "Task", from, func(r fhirObject) { r["for"] = patientReference(into) }),
		h.refile(ctx, "Appointment", from, func(r fhirObject) { r["participant"] = attends(into) }))
}

// refile moves what is filed under a chart.
func (h urlHands) refile(ctx context.Context, typ, from string, change func(fhirObject)) error {
	var found struct {
		Entry []struct{ Resource struct{ ID string } }
	}
	q := url.Values{"patient": {"Patient/" + from}, "_count": {"200"}}
	if err := h.do(ctx, http.MethodGet, typ+"?"+q.Encode(), "", nil, &found); err != nil {
		return err
	}
	for _, e := range found.Entry {
		if err := h.edit(ctx, typ+"/"+e.Resource.ID, func(r fhirObject) error { change(r); return nil }); err != nil {
			return err
		}
	}
	return nil
}

func patientReference(id string) fhirObject { return fhirObject{"reference": "Patient/" + id} }

func attends(chart string) []fhirObject {
	return []fhirObject{{"actor": patientReference(chart), "status": "accepted"}}
}

// visitLength is how long every visit takes.
const visitLength = 30 * time.Minute

func (h urlHands) Book(ctx context.Context, b simulate.Booking) (string, error) {
	kind := "follow-up"
	if b.First {
		kind = "new-patient"
	}
	a := fhirObject{"resourceType": "Appointment", "status": "booked", "participant": attends(b.Chart),
		"start": fhirInstant(b.Start), "end": fhirInstant(b.Start.Add(visitLength)), "serviceType": []fhirObject{{"text": kind}}}
	h.date(a)
	if b.Item != "" {
		a["supportingInformation"] = []fhirObject{{"reference": "Task/" + b.Item}}
	}
	return h.create(ctx, a)
}

// date says when the appointment was made, in the way of this EHR.
func (h urlHands) date(a fhirObject) {
	switch now := h.clock.Now().UTC(); h.created {
	case simulate.CreatedTime:
		a["created"] = fhirInstant(now)
	case simulate.CreatedDay:
		a["created"] = now.Format(time.DateOnly)
	case simulate.CreatedNot:
		delete(a, "created")
	}
}

func fhirInstant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func timesOf(start time.Time) fhirObject {
	return fhirObject{"start": fhirInstant(start), "end": fhirInstant(start.Add(visitLength))}
}

var errNotProposed = errors.New("it is not proposed any more")

func (h urlHands) Confirm(ctx context.Context, proposal, chart string, start time.Time) (bool, error) {
	err := h.edit(ctx, "Appointment/"+proposal, func(r fhirObject) error {
		if r["status"] != "proposed" {
			return errNotProposed
		}
		r["status"], r["participant"] = "booked", attends(chart)
		for name, v := range timesOf(start) {
			r[name] = v
		}
		return nil
	})
	if errors.Is(err, errNotProposed) {
		return false, nil
	}
	return err == nil, err
}

func (h urlHands) Move(ctx context.Context, visit string, start time.Time) error {
	return h.set(ctx, "Appointment/"+visit, timesOf(start))
}

func (h urlHands) Replace(ctx context.Context, visit string, start time.Time) (string, error) {
	var old fhirObject
	err := h.edit(ctx, "Appointment/"+visit, func(r fhirObject) error {
		r["status"], r["cancelationReason"] = "cancelled", fhirObject{"text": "rescheduled"}
		old = r
		return nil
	})
	if err != nil {
		return "", err
	}
	a := fhirObject{"resourceType": "Appointment", "status": "booked", "participant": old["participant"], "serviceType": old["serviceType"],
		"supportingInformation": []fhirObject{{"reference": "Appointment/" + visit}}}
	if a["serviceType"] == nil {
		delete(a, "serviceType")
	}
	for name, v := range timesOf(start) {
		a[name] = v
	}
	h.date(a)
	return h.create(ctx, a)
}

func (h urlHands) Set(ctx context.Context, visit string, s callback.AppointmentState) error {
	return h.set(ctx, "Appointment/"+visit, fhirObject{"status": apptStatus(s)})
}

func (h urlHands) Delete(ctx context.Context, visit string) error {
	return h.do(ctx, http.MethodDelete, "Appointment/"+visit, "", nil, nil)
}

func (h urlHands) Item(ctx context.Context, id string) (simulate.Item, error) {
	var raw json.RawMessage
	if err := h.do(ctx, http.MethodGet, "Task/"+id, "", nil, &raw); err != nil {
		return simulate.Item{}, err
	}
	return itemOf(raw)
}

func (h urlHands) setTask(ctx context.Context, id string, members fhirObject) error {
	return h.edit(ctx, "Task/"+id, func(r fhirObject) error {
		for name, v := range members {
			r[name] = v
		}
		// To the second, as the daemon writes when it was authored: some servers compare the
		// two letter by letter.
		r["lastModified"] = h.clock.Now().UTC().Format(time.RFC3339)
		return nil
	})
}

func (h urlHands) Start(ctx context.Context, id string) error {
	return h.setTask(ctx, id, fhirObject{"status": "in-progress", "owner": fhirObject{"display": simulatedStaff}})
}

func (h urlHands) File(ctx context.Context, id, chart string) error {
	return h.setTask(ctx, id, fhirObject{"for": patientReference(chart)})
}

func (h urlHands) Note(ctx context.Context, id, text string) error {
	return h.edit(ctx, "Task/"+id, func(r fhirObject) error {
		notes, _ := r["note"].([]any)
		r["note"] = append(notes, fhirObject{"authorString": simulatedStaff, "time": fhirInstant(h.clock.Now()), "text": text})
		return nil
	})
}

func (h urlHands) End(ctx context.Context, id string, o callback.Outcome, withdrawn bool) error {
	if withdrawn {
		return h.setTask(ctx, id, fhirObject{"status": "cancelled"})
	}
	members := fhirObject{"status": "completed", "owner": fhirObject{"display": simulatedStaff}}
	if o != "" {
		members["businessStatus"] = fhirObject{"coding": []fhirObject{{"system": mapping.SystemOutcome, "code": string(o)}}}
	}
	return h.setTask(ctx, id, members)
}

func (h urlHands) Reopen(ctx context.Context, id string) error {
	return h.setTask(ctx, id, fhirObject{"status": "requested"})
}
