//go:build conformance

package peers_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringback-health/ringback/peers/faultproxy"
)

// coding returns whether a concept has a code.
func coding(concept any, code string) bool {
	c, _ := concept.(resource)
	list, _ := c["coding"].([]any)
	return slices.ContainsFunc(list, func(v any) bool { return v.(resource)["code"] == code })
}

func filed(t *testing.T, w *world) {
	who := somebody()
	chart := w.ehr.register(t, who)
	id := w.ask(t, who, nil)
	reference := w.inStep(t, id)
	w.one(t, id)

	task := w.ehr.read(t, reference)
	period, _ := task["restriction"].(resource)["period"].(resource)
	if task["status"] != "ready" || task["intent"] != "order" || task["priority"] != "routine" ||
		task["for"].(resource)["reference"] != chart || task["owner"].(resource)["reference"] != "Organization/front-desk" ||
		!strings.Contains(task["description"].(string), who.name()) || period["end"] == nil ||
		!coding(task["code"], "callback") || !coding(task["code"], "existing-scheduling") {
		t.Errorf("the Task does not say what is asked for: %v", task)
	}
	if input := fmt.Sprint(task["input"]); !strings.Contains(input, who.phone) {
		t.Errorf("whoever reads the Task does not see which number to call: %s", input)
	}

	var again callback
	form := w.form(who, nil)
	if status := w.must(t, http.MethodPost, "/v1/callbacks", form, &again); status != http.StatusOK || again.ID != id {
		t.Errorf("the same request again is answered with %d and callback %s of %s", status, again.ID, id)
	}
	w.inStep(t, id)
	w.one(t, id)
	if out := w.command(t, "check"); !strings.Contains(out, "Nothing is wrong.") {
		t.Errorf("ringback check finds something wrong:\n%s", out)
	}
}

func staffEdits(t *testing.T, w *world) {
	id := w.ask(t, somebody(), nil)
	reference := w.inStep(t, id)
	w.ehr.edit(t, reference, func(r resource) {
		r["status"], r["priority"] = "in-progress", "urgent"
		r["owner"] = resource{"reference": "Practitioner/dr-ng", "display": "Dr. Ng"}
		r["note"] = []any{resource{"authorString": "Dr. Ng", "time": time.Now().UTC().Format(time.RFC3339), "text": "On it."}}
	})
	c := w.until(t, id, "the callback follows", func(c callback) bool { return c.Status == "in-progress" })
	if c.Owner == nil || *c.Owner != "Practitioner/dr-ng" || c.Priority != "urgent" {
		t.Errorf("owner and priority do not follow: %+v", c)
	}
	var noted bool
	for _, e := range c.Timeline {
		noted = noted || e.By.Kind == "ehr-staff" && e.Note != nil && *e.Note == "On it."
	}
	if !noted {
		t.Error("the note of staff is not in the timeline")
	}
	w.inStep(t, id)
	if task := w.ehr.read(t, reference); task["status"] != "in-progress" || task["owner"].(resource)["reference"] != "Practitioner/dr-ng" ||
		!strings.Contains(fmt.Sprint(task["note"]), "On it.") {
		t.Errorf("Ringback has taken back what staff did: %v", task)
	}

	w.ehr.move(t, reference, "on-hold")
	w.until(t, id, "it waits", func(c callback) bool { return c.Status == "waiting" })
	w.inStep(t, id)
	w.ehr.move(t, reference, "completed")
	c = w.until(t, id, "it is closed", func(c callback) bool { return c.Status == "closed" })
	if c.Outcome == nil || *c.Outcome != "completed-in-ehr" {
		t.Errorf("completed in the EHR, and the outcome is another: %+v", c)
	}
	w.inStep(t, id)
	w.ehr.move(t, reference, "in-progress")
	w.until(t, id, "it is open again", func(c callback) bool { return c.Status == "in-progress" })
	w.inStep(t, id)
	w.ehr.edit(t, reference, func(r resource) {
		r["status"], r["businessStatus"] = "completed", resource{"text": "patient-declined"}
	})
	c = w.until(t, id, "it is closed again", func(c callback) bool { return c.Status == "closed" })
	if c.Outcome == nil || *c.Outcome != "patient-declined" {
		t.Errorf("staff said why, and the outcome is another: %+v", c)
	}
	w.inStep(t, id)
	w.one(t, id)
}

func lossless(t *testing.T, w *world) {
	id := w.ask(t, somebody(), nil)
	reference := w.inStep(t, id)
	theirs := resource{
		"extension":     []any{resource{"url": "https://w.ehr.example/inbox", "valueDecimal": 1.50}},
		"performerType": []any{resource{"text": "Receptionist"}},
		"contained":     []any{resource{"resourceType": "Location", "id": "room", "name": "Room 3"}},
		"location":      resource{"reference": "#room"},
		"basedOn":       []any{resource{"display": "a referral on paper"}},
	}
	w.ehr.edit(t, reference, func(r resource) {
		for name, v := range theirs {
			r[name] = v
		}
		r["input"] = append(r["input"].([]any), resource{"type": resource{"text": "form"}, "valueBoolean": true})
	})
	for _, result := range []string{"no-answer", "left-voicemail"} {
		var c callback
		w.must(t, http.MethodPost, "/v1/callbacks/"+id+"/attempts", resource{"result": result, "note": "rang twice"}, &c)
	}
	w.inStep(t, id)
	task := w.ehr.read(t, reference)
	for name, v := range theirs {
		if fmt.Sprint(task[name]) != fmt.Sprint(v) {
			t.Errorf("%s was %v and is %v", name, v, task[name])
		}
	}
	if !strings.Contains(fmt.Sprint(task["input"]), "valueBoolean") {
		t.Errorf("an input of somebody else is lost: %v", task["input"])
	}
	if notes := fmt.Sprint(task["note"]); !strings.Contains(notes, "Attempt 1") || !strings.Contains(notes, "Attempt 2") {
		t.Errorf("the attempts do not stand on the Task: %s", notes)
	}
	// Ringback must not take its own notes for those of staff.
	for _, e := range w.show(t, id).Timeline {
		if e.By.Kind == "ehr-staff" && e.Note != nil {
			t.Errorf("a note of Ringback came back as one of staff: %s", *e.Note)
		}
	}
}

func booked(t *testing.T, w *world) {
	for name, created := range map[string]time.Time{"the EHR tells when": time.Now(), "the EHR does not": {}} {
		t.Run(name, func(t *testing.T) {
			who := somebody()
			chart := w.ehr.register(t, who)
			id := w.ask(t, who, nil)
			reference := w.inStep(t, id)
			appointment := w.ehr.book(t, visit{patient: chart, created: created})
			w.closedBy(t, id, appointment, "strong")
			w.inStep(t, id)
			task := w.ehr.read(t, reference)
			if task["status"] != "completed" || !strings.Contains(fmt.Sprint(task["output"]), appointment) {
				t.Errorf("the Task does not tell of the visit: %v", task)
			}
			w.one(t, id)
		})
	}
}

func bookedExactly(t *testing.T, w *world) {
	who := somebody() // without a chart: nothing but the reference ties them
	id := w.ask(t, who, resource{"caller": resource{"phone": who.phone}, "text": nil})
	reference := w.inStep(t, id)
	appointment := w.ehr.book(t, visit{patient: w.ehr.register(t, somebody()), created: time.Now(), task: reference})
	w.closedBy(t, id, appointment, "exact")
	w.inStep(t, id)
	w.one(t, id)
}

func cancelled(t *testing.T, w *world) {
	who := somebody()
	chart := w.ehr.register(t, who)
	id := w.ask(t, who, nil)
	reference := w.inStep(t, id)
	appointment := w.ehr.book(t, visit{patient: chart, created: time.Now()})
	w.closedBy(t, id, appointment, "strong")
	w.inStep(t, id)

	w.ehr.move(t, appointment, "cancelled")
	c := w.until(t, id, "the callback is open again", func(c callback) bool { return c.Status == "in-progress" })
	if c.Outcome != nil || len(c.Evidence) != 1 || c.Evidence[0].State != "revoked" {
		t.Errorf("open again, and still: %+v", c)
	}
	w.inStep(t, id)
	if task := w.ehr.read(t, reference); task["status"] != "in-progress" || strings.Contains(fmt.Sprint(task["output"]), appointment) {
		t.Errorf("the Task still tells of the visit: %v", task)
	}
	w.closedBy(t, id, w.ehr.book(t, visit{patient: chart, created: time.Now()}), "strong")
	w.inStep(t, id)
	w.one(t, id)
}

// overtaken holds back a page of work items until Ringback has closed its own:
// what stands in the page is old by then, and nothing that staff did.
func overtaken(t *testing.T, w *world) {
	who := somebody()
	chart := w.ehr.register(t, who)
	id := w.ask(t, who, nil)
	reference := w.inStep(t, id)
	w.fault(t, faultproxy.Rule{Kind: faultproxy.Late, Method: "GET", Path: "/Task?", Times: 1})
	eventually(t, "the page is asked for", func() (bool, string) {
		return w.between.Counts()[string(faultproxy.Late)] == 1, "not yet"
	})
	w.closedBy(t, id, w.ehr.book(t, visit{patient: chart, created: time.Now()}), "strong")
	w.inStep(t, id)
	w.ehr.edit(t, reference, func(r resource) {
		r["note"] = append(r["note"].([]any), resource{"authorString": "Dr. Ng", "text": "Seen."})
	})
	c := w.until(t, id, "the note of staff is read", func(c callback) bool {
		return slices.ContainsFunc(c.Timeline, func(e event) bool { return e.Note != nil && *e.Note == "Seen." })
	})
	for _, e := range c.Timeline {
		if e.Kind == "reopened" {
			t.Errorf("nobody has opened it again, and the timeline says: by %s", e.By.Kind)
		}
	}
	w.inStep(t, id)
	if task := w.ehr.read(t, reference); c.Status != "closed" || task["status"] != "completed" {
		t.Errorf("the callback is %s, the Task %v", c.Status, task["status"])
	}
}

func oldAppointments(t *testing.T, w *world) {
	who := somebody()
	chart := w.ehr.register(t, who)
	silent := w.ehr.book(t, visit{patient: chart})
	told := w.ehr.book(t, visit{patient: chart, created: time.Now().Add(-24 * time.Hour)})
	// The daemon starts when they are there already, and once more later: what a
	// baseline shows is old.
	w.stop(t)
	w.start(t)
	w.baseline(t)
	id := w.ask(t, who, resource{"received_at": nil})
	reference := w.inStep(t, id)
	late := w.ehr.book(t, visit{patient: chart, created: time.Now().Add(-48 * time.Hour)})
	for _, a := range []string{silent, told, late} { // somebody touches them
		w.ehr.edit(t, a, func(r resource) { r["comment"] = "Bring the referral." })
	}
	// The feed is in order: when this one is seen, all before it have been.
	exact := w.ehr.book(t, visit{patient: chart, created: time.Now(), task: reference})
	w.closedBy(t, id, exact, "exact")
	w.inStep(t, id)
	w.one(t, id)
}

func weakEvidence(t *testing.T, w *world) {
	// Two of a family share the phone, and the caller did not say who it was.
	mother, son := somebody(), somebody()
	son.phone = mother.phone
	chart, other := w.ehr.register(t, mother), w.ehr.register(t, son)
	id := w.ask(t, mother, resource{"caller": resource{"phone": mother.phone}, "text": nil})
	reference := w.inStep(t, id)
	if task := w.ehr.read(t, reference); task["for"] != nil {
		t.Errorf("the Task names a patient by a shared phone number: %v", task["for"])
	}
	w.ehr.book(t, visit{patient: chart, created: time.Now()})
	w.ehr.book(t, visit{patient: other, created: time.Now()})

	// One chart with the caller's number, but nothing that identifies.
	single := somebody()
	only := w.ehr.register(t, single)
	weak := w.ask(t, single, resource{"caller": resource{"phone": single.phone}, "text": nil})
	w.inStep(t, weak)
	w.ehr.book(t, visit{patient: only, created: time.Now()})
	c := w.until(t, weak, "a person is asked", func(c callback) bool { return c.NeedsReview || c.Status == "closed" })
	if c.Status == "closed" || len(c.Evidence) != 1 || c.Evidence[0].Verdict != "weak" {
		t.Errorf("a phone number alone: %+v", c)
	}
	if c := w.show(t, id); c.Status == "closed" {
		t.Errorf("closed by the visit of whoever has the same phone: %+v", c)
	}
	w.inStep(t, weak)
	w.inStep(t, id)
}

func chartByStaff(t *testing.T, w *world) {
	who := somebody()
	id := w.ask(t, who, resource{"category": "new-patient", "new_patient": true})
	reference := w.inStep(t, id)
	if c := w.show(t, id); c.Patient.Resolution == nil || *c.Patient.Resolution != "none" {
		t.Errorf("there is no chart, and the callback says: %+v", c.Patient)
	}
	who.family += "-Misspelt"
	chart := w.ehr.register(t, who)
	w.ehr.edit(t, reference, func(r resource) { r["for"] = resource{"reference": chart} })
	w.until(t, id, "the chart is bound", func(c callback) bool {
		return c.Patient.EHRID != nil && "Patient/"+*c.Patient.EHRID == chart
	})
	w.closedBy(t, id, w.ehr.book(t, visit{patient: chart, created: time.Now()}), "strong")
	w.inStep(t, id)
	w.one(t, id)
}

func proposed(t *testing.T, w *world) {
	at := time.Now().Add(48 * time.Hour).UTC().Truncate(time.Hour)
	times := []any{resource{"start": at.Format(time.RFC3339), "end": at.Add(2 * time.Hour).Format(time.RFC3339)}}
	who := somebody()
	w.ehr.register(t, who)
	id := w.ask(t, who, resource{"preferred_times": times, "visit_kind": "physical therapy"})
	reference := w.inStep(t, id)
	var proposal string
	for _, l := range w.show(t, id).Links {
		if l.ResourceType == "Appointment" && l.ID != nil {
			proposal = "Appointment/" + *l.ID
		}
	}
	if proposal == "" {
		t.Fatal("no visit is proposed")
	}
	a := w.ehr.read(t, proposal)
	if a["status"] != "proposed" || a["start"] != nil || len(a["requestedPeriod"].([]any)) != 1 || !strings.Contains(fmt.Sprint(a["serviceType"]), "physical therapy") {
		t.Errorf("the proposal is %v", a)
	}
	if focus, _ := w.ehr.read(t, reference)["focus"].(resource); focus["reference"] != proposal {
		t.Errorf("the Task points to %v and not to %s", focus, proposal)
	}
	w.ehr.edit(t, proposal, func(r resource) {
		r["status"], r["start"], r["end"] = "booked", at.Format(time.RFC3339), at.Add(time.Hour).Format(time.RFC3339)
	})
	w.closedBy(t, id, proposal, "exact")
	w.inStep(t, id)
	w.one(t, id)

	// One that is closed otherwise withdraws its proposal.
	id = w.ask(t, somebody(), resource{"preferred_times": times})
	w.inStep(t, id)
	var c callback
	w.must(t, http.MethodPost, "/v1/callbacks/"+id+"/close", resource{"outcome": "patient-declined"}, &c)
	w.inStep(t, id)
	for _, l := range w.show(t, id).Links {
		if r := w.ehr.read(t, l.ResourceType+"/"+*l.ID); l.ResourceType == "Appointment" && r["status"] != "cancelled" {
			t.Errorf("nobody wants the visit any more, and the proposal is %v", r["status"])
		}
	}
}

func deleted(t *testing.T, w *world) {
	id := w.ask(t, somebody(), nil)
	first := w.inStep(t, id)
	w.ehr.delete(t, first)
	var c callback
	w.must(t, http.MethodPost, "/v1/callbacks/"+id+"/attempts", resource{"result": "busy"}, &c)
	second := w.inStep(t, id)
	if second == first {
		t.Error("the work item was deleted, and the link still names it")
	}
	w.one(t, id)
	if !w.show(t, id).NeedsReview {
		t.Error("staff have deleted the work item, and nobody is asked to look")
	}
}

func lostAnswers(t *testing.T, w *world) {
	w.fault(t, faultproxy.Rule{Kind: faultproxy.Lost, Method: "POST", Path: "/Task", Times: 3})
	// The feed is down for a while, so that it cannot tell instead of a search.
	w.fault(t, faultproxy.Rule{Kind: faultproxy.Unavailable, Method: "GET", Path: "/Task?_count=100&", Times: 10})
	var ids []string
	for range 5 {
		ids = append(ids, w.ask(t, somebody(), nil))
	}
	for _, id := range ids {
		w.inStep(t, id)
		w.one(t, id)
	}
	w.fault(t, faultproxy.Rule{Kind: faultproxy.Lost, Method: "PUT", Path: "/Task", Times: 1})
	w.fault(t, faultproxy.Rule{Kind: faultproxy.Unavailable, Method: "GET", Path: "/Appointment", Times: 2})
	var c callback
	w.must(t, http.MethodPost, "/v1/callbacks/"+ids[0]+"/attempts", resource{"result": "no-answer"}, &c)
	reference := w.inStep(t, ids[0])
	if notes, _ := w.ehr.read(t, reference)["note"].([]any); len(notes) != 1 {
		t.Errorf("one attempt, and %d notes of it: %v", len(notes), notes)
	}
}

func killed(t *testing.T, w *world) {
	who := somebody()
	chart := w.ehr.register(t, who)
	id := w.ask(t, who, nil)
	w.inStep(t, id)
	w.kill(t)
	appointment := w.ehr.book(t, visit{patient: chart, created: time.Now()})
	w.start(t)
	w.closedBy(t, id, appointment, "strong")
	w.inStep(t, id)
	w.one(t, id)
}

// killedWhileFiling kills the daemon over and over while work items go out and
// before it hears of the first: each callback has exactly one in the end.
func killedWhileFiling(t *testing.T, w *world) {
	var ids []string
	for range 3 {
		before := w.posted()
		w.fault(t, faultproxy.Rule{Kind: faultproxy.Late, Method: "POST", Path: "/Task", Times: 2})
		for range 8 {
			ids = append(ids, w.ask(t, somebody(), nil))
		}
		eventually(t, "some work items go out", func() (bool, string) {
			n := w.posted() - before
			return n > 0, fmt.Sprintf("%d were sent", n)
		})
		w.kill(t)
		w.start(t)
	}
	for _, id := range ids {
		w.inStep(t, id)
		w.one(t, id)
	}
}

func fortyAtOnce(t *testing.T, w *world) {
	const n = 40
	ids, faults := make([]string, n), make([]error, n)
	var forms []resource
	for range n {
		forms = append(forms, w.form(somebody(), nil))
	}
	var all sync.WaitGroup
	for i, form := range forms {
		all.Go(func() {
			var c callback
			_, faults[i] = w.call(t.Context(), http.MethodPost, "/v1/callbacks", form, &c)
			ids[i] = c.ID
		})
	}
	all.Wait()
	items := map[string]bool{}
	for i, id := range ids {
		if faults[i] != nil {
			t.Fatal(faults[i])
		}
		items[w.inStep(t, id)] = true
		w.one(t, id)
	}
	if len(items) != n {
		t.Errorf("%d callbacks, and %d work items", n, len(items))
	}
	if sent := w.posted(); sent != n {
		t.Errorf("%d callbacks, and %d creates were sent", n, sent)
	}
	for reference := range items { // the feed has to go through many small pages
		w.ehr.move(t, reference, "in-progress")
	}
	for _, id := range ids {
		w.until(t, id, "it follows", func(c callback) bool { return c.Status == "in-progress" })
		w.inStep(t, id)
	}
}

func stops(t *testing.T, w *world) {
	id := w.ask(t, somebody(), nil)
	w.inStep(t, id)
	w.ask(t, somebody(), nil)
	w.stop(t)
	if log := w.logged(); !strings.Contains(log, `"msg":"stopped"`) {
		t.Error("it does not say that it has stopped")
	}
	w.start(t)
	w.one(t, id)
	w.stop(t)
}
