package fhirr4

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/connectors/ehr"
	"github.com/ringback-health/ringback/internal/doctor"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/redact"
)

// The steps of the round trip. checkTrip stands for all of them where it cannot be
// made.
const (
	checkTrip        = "trip"
	checkTripPatient = "trip-patient"
	checkTripCreate  = "trip-create"
	checkTripRead    = "trip-read"
	checkTripFind    = "trip-find"
	checkTripEdit    = "trip-edit"
	checkTripGuard   = "trip-guard"
	checkTripEnd     = "trip-end"
)

const (
	// lagLimit is how long a new item is waited for in the EHR's search.
	lagLimit = 30 * time.Second
	// tidyLimit is what the end of the test item may take, also when time is up.
	tidyLimit = 10 * time.Second
)

// testText stands in the item that the round trip files.
const testText = "TEST by `ringback doctor`. Nobody called; please ignore. It is ended within a minute."

// trip is a round trip under way: one work item from its beginning to its end.
type trip struct {
	*exam
	record callback.Record
	link   callback.Link
	rung   callback.Rung
	item   callback.Item // as last seen
	now    time.Time

	searchLag time.Duration // as configured
}

var tester = callback.Actor{Kind: callback.Automation, Name: "ringback doctor"}

// trip files a work item for a patient who is no real person and follows it to its
// end. Whatever happens, the item is ended.
func (e *exam) trip(ctx context.Context, o ehr.Examination) {
	t := &trip{exam: e, rung: e.caps.RungFor(true), now: e.c.clock.Now().UTC().Truncate(time.Second), searchLag: o.SearchLag}
	if t.rung.Type == callback.Worklist {
		e.skip("nothing can be filed in this EHR", checkTrip)
		return
	}
	if !t.patient(ctx, o.TestPatient) {
		e.skip("there is nobody to file it for", checkTripCreate, checkTripRead, checkTripFind, checkTripEdit, checkTripGuard, checkTripEnd)
		return
	}
	if err := t.begin(o.TestPatient); err != nil { // our own rules do not allow what they should
		e.note(checkTrip, doctor.Failed, doctor.You, "the test item could not be prepared", "report this: it is a fault of Ringback")
		return
	}
	if err := t.create(ctx); (err != nil && !fault.Is(err, fault.Ambiguous)) || (!t.find(ctx) && err != nil) {
		e.skip("nothing was filed", checkTripRead, checkTripEdit, checkTripGuard, checkTripEnd)
		return
	}
	defer t.end(ctx)
	if !t.read(ctx) {
		e.skip("the item cannot be read", checkTripEdit, checkTripGuard)
		return
	}
	if !t.rung.Close {
		e.skip("this EHR keeps an item as it was filed", checkTripEdit, checkTripGuard)
		return
	}
	stale := t.item
	if !t.edit(ctx) {
		e.skip("the item cannot be changed", checkTripGuard)
		return
	}
	t.guard(ctx, stale)
}

func (t *trip) patient(ctx context.Context, id redact.Text) bool {
	ctx, cancel := step(ctx)
	defer cancel()
	charts, err := t.c.Patients(ctx, callback.PatientQuery{ID: id})
	switch {
	case err != nil:
		whose, what, do := told(err)
		t.note(checkTripPatient, doctor.Failed, whose, "the test patient cannot be read: "+what, do)
	case len(charts) == 0:
		t.note(checkTripPatient, doctor.Failed, doctor.You, "there is no patient with the id that --test-patient gives",
			"give the id of the Patient resource, not the chart number")
	default:
		t.note(checkTripPatient, doctor.OK, doctor.Nobody, "the test patient is there", "")
		return true
	}
	return false
}

// begin makes the callback that the item is for.
func (t *trip) begin(patient redact.Text) error {
	t.record = callback.Capture(callback.Request{
		Clinic: t.c.site.Clinic, Source: "doctor", SourceID: string(callback.NewID()), ReceivedAt: t.now,
		Caller: callback.Caller{Name: redact.NewText("Ringback Test"), Phone: nobody.phone}, Text: redact.NewText(testText),
	}, t.now)
	t.record.Resolve(callback.Patient{Resolution: callback.Certain, Keys: callback.PatientKeys{EHRID: patient}}, tester, t.now)
	t.link = callback.NewLink(t.record.Callback, t.c.site.EHR, t.rung.Type, t.now)
	return errors.Join(t.record.Triage(callback.Other, callback.Routine, t.now.Add(time.Hour), "test", tester, t.now),
		t.record.Assign(tester.Name, tester, t.now))
}

// tick moves on to a time at which something new has happened.
func (t *trip) tick() time.Time {
	t.now = t.now.Add(time.Second)
	return t.now
}

func (t *trip) work() callback.WorkItem { return t.record.WorkItem(t.link) }

// did reports a step, and how it failed.
func (t *trip) did(check string, err error, done, failed string) bool {
	if err == nil {
		t.note(check, doctor.OK, doctor.Nobody, done, "")
		return true
	}
	whose, what, do := told(err)
	t.note(check, doctor.Failed, whose, failed+": "+what, do)
	return false
}

// create files the item. Where the answer is lost, the search shows whether it is
// there, as for every other item.
func (t *trip) create(ctx context.Context) error {
	ctx, cancel := step(ctx)
	defer cancel()
	item, err := t.c.Create(ctx, t.work())
	if fault.Is(err, fault.Ambiguous) {
		whose, what, do := told(err)
		t.note(checkTripCreate, doctor.Warning, whose, "whether the test item was filed is not known: "+what+"; the search shows it", do)
		return err
	}
	t.item, t.link.RemoteID = item, item.ID
	t.did(checkTripCreate, err, "a test item is filed as "+string(t.rung.Type), "a test item cannot be filed as "+string(t.rung.Type))
	return err
}

// find waits until a search shows the item, and measures how long that takes.
func (t *trip) find(ctx context.Context) bool {
	if !t.rung.MarkerSearch {
		t.skip("this EHR does not search by our marker", checkTripFind)
		return false
	}
	began := time.Now()
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 500*time.Millisecond) {
		found, err := t.c.Find(ctx, t.rung.Type, t.link.Marker())
		lag := time.Since(began)
		if err != nil {
			return t.did(checkTripFind, err, "", "the test item cannot be searched for")
		}
		if len(found) > 0 {
			t.item, t.link.RemoteID = found[0], found[0].ID
			t.found(lag, len(found))
			return true
		}
		if lag > lagLimit || pause(ctx, wait) != nil {
			t.note(checkTripFind, doctor.Failed, doctor.Vendor, fmt.Sprintf("a search does not show the new item within %s: after a lost answer it would be filed again", lag.Round(time.Second)),
				"ask the vendor how late its search shows what is new")
			return false
		}
	}
}

// found says how late the search showed the item.
func (t *trip) found(lag time.Duration, n int) {
	seconds := lag.Round(time.Second)
	if n > 1 {
		t.note(checkTripFind, doctor.Warning, doctor.Vendor, fmt.Sprintf("the search shows the new item %d times", n),
			"the EHR files one request twice; tell its vendor")
		return
	}
	if seconds < time.Second {
		t.note(checkTripFind, doctor.OK, doctor.Nobody, "the search shows the new item at once", "")
		return
	}
	what := fmt.Sprintf("the search shows a new item only after %s", seconds)
	if lag <= t.searchLag {
		t.note(checkTripFind, doctor.OK, doctor.Nobody, fmt.Sprintf("%s, within search_lag (%s)", what, t.searchLag), "")
		return
	}
	t.note(checkTripFind, doctor.Warning, doctor.You, fmt.Sprintf("%s, and search_lag is %s: after a lost answer it would be taken for missing and filed again", what, t.searchLag),
		fmt.Sprintf("set ehr.search_lag: %s for this EHR", (lag*3/2).Truncate(time.Second)+time.Second))
}

func (t *trip) read(ctx context.Context) bool {
	ctx, cancel := step(ctx)
	defer cancel()
	item, err := t.c.Read(ctx, t.rung.Type, t.link.RemoteID)
	if err == nil && len(item.Markers) == 0 {
		err = fault.New(fault.Permanent, "", "the EHR has dropped our marker from it").
			WithHint("without the marker Ringback cannot tell its items from others; ask the vendor whether identifiers are kept")
	}
	if err == nil {
		t.item = item
	}
	return t.did(checkTripRead, err, "the test item can be read, with our marker in it", "the test item cannot be read back")
}

// change adds an attempt, as staff would, and writes it into what was read.
func (t *trip) change(ctx context.Context, read callback.Item) (callback.Item, error) {
	ctx, cancel := step(ctx)
	defer cancel()
	at := t.tick()
	if err := t.record.Attempt(callback.Attempt{ID: callback.NewID(), At: at, By: tester, Channel: "phone", Result: callback.NoAnswer}, at); err != nil {
		return callback.Item{}, err
	}
	return t.c.Edit(ctx, read, t.work())
}

func (t *trip) edit(ctx context.Context) bool {
	item, err := t.change(ctx, t.item)
	if err == nil {
		t.item = item
	}
	return t.did(checkTripEdit, err, "the test item can be changed", "the test item cannot be changed")
}

// guard changes the item as it was before the last change. An EHR that takes that
// would let Ringback and staff overwrite each other.
func (t *trip) guard(ctx context.Context, stale callback.Item) {
	_, err := t.change(ctx, stale)
	switch {
	case fault.Is(err, fault.Conflict):
		t.note(checkTripGuard, doctor.OK, doctor.Nobody, "a change that is based on an older version is refused, as it must be", "")
	case err == nil:
		t.note(checkTripGuard, doctor.Warning, doctor.Vendor,
			"the EHR takes a change that is based on an older version: what staff and Ringback change in the same moment can be lost",
			"ask whether it honours If-Match or If-Unmodified-Since, and set guard; until then Ringback reads an item right before it changes it")
	default:
		t.did(checkTripGuard, err, "", "a change that is based on an older version fails otherwise than it should")
	}
}

func (t *trip) end(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyLimit)
	defer cancel()
	const byHand = "end it by hand in the EHR: its text begins with TEST"
	if !t.rung.Close {
		t.note(checkTripEnd, doctor.Warning, doctor.You, "the test item stays in the EHR, which keeps items as they were filed", byHand)
		return
	}
	err := t.record.Close(callback.Spam, redact.Text{}, tester, t.tick())
	if err == nil {
		t.item, err = t.c.Read(ctx, t.rung.Type, t.item.ID)
	}
	if err == nil {
		t.item, err = t.c.Edit(ctx, t.item, t.work())
	}
	if err == nil && !t.item.State.Status.Ended() {
		err = fault.New(fault.Permanent, "", "the EHR still shows it as open")
	}
	if err != nil {
		whose, what, _ := told(err)
		t.note(checkTripEnd, doctor.Failed, whose, "the test item is not ended: "+what, byHand)
		return
	}
	t.note(checkTripEnd, doctor.OK, doctor.Nobody, "the test item is ended ("+t.item.State.Native+")", "")
}

// pause waits, or ends with ctx.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
