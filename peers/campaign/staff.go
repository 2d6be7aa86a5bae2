package campaign

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The systems of the codes that Ringback writes.
const (
	codeSystems   = "https://ringback-health.github.io/fhir/CodeSystem/"
	systemStatus  = codeSystems + "callback-status"
	systemOutcome = codeSystems + "callback-outcome"
	systemOutput  = codeSystems + "callback-output"
	systemMarker  = "urn:ietf:rfc:3986"
	markerPrefix  = "urn:uuid:"
	author        = "Ringback"
)

// doctor is an owner that only the EHR knows.
const doctor = "Practitioner/dr-ng"

// owners are the names of all whom an item can be given to through the API.
func owners(configured map[string]string) []string { return slices.Sorted(maps.Keys(configured)) }

// ended reports whether nobody has anything left to do on an item of a status.
func ended(status string) bool { return status == "completed" || status == "cancelled" }

// status is what an item's status means to a callback; of an item that nobody has
// taken up it is "".
func statusOf(item object) string {
	switch s := text(item["status"]); {
	case s == "in-progress":
		return s
	case s == "on-hold":
		return "waiting"
	case ended(s):
		return closed
	default:
		return ""
	}
}

func text(v any) string { s, _ := v.(string); return s }

func member(v any, name string) any {
	m, _ := v.(object)
	return m[name]
}

func list(v any) []any { l, _ := v.([]any); return l }

func version(item object) string { return text(member(item["meta"], "versionId")) }

// code returns the code of a system in a CodeableConcept.
func code(concept any, system string) string {
	for _, k := range list(member(concept, "coding")) {
		if text(member(k, "system")) == system {
			return text(member(k, "code"))
		}
	}
	return ""
}

// ownOutcomes are the outcomes that Ringback has written into an item's output.
func ownOutcomes(item object) (all []string) {
	for _, o := range list(item["output"]) {
		if code(member(o, "type"), systemOutput) == "outcome" {
			all = append(all, text(member(o, "valueCode")))
		}
	}
	return all
}

// ehr asks the EHR as staff do.
func (c *campaign) ehr(ctx context.Context, method, address string, header http.Header, body any) (int, object, error) {
	if header == nil {
		header = http.Header{}
	}
	header.Set("Content-Type", "application/fhir+json")
	header.Set("User-Agent", "staff")
	header.Set("Cache-Control", "no-cache") // what there is, and not what somebody has searched for lately
	status, got, err := c.send(ctx, method, address, header, body)
	if err != nil {
		return 0, nil, fmt.Errorf("the EHR does not answer: %w", err)
	}
	if status >= 300 && status != http.StatusPreconditionFailed && status != http.StatusConflict {
		return status, nil, fmt.Errorf("the EHR answers staff with %d %.300s", status, got)
	}
	var r object
	if len(got) > 0 {
		err = json.Unmarshal(got, &r)
	}
	return status, r, err
}

func (c *campaign) read(ctx context.Context, id string) (object, error) {
	_, r, err := c.ehr(ctx, http.MethodGet, c.cfg.EHR+"/Task/"+id, nil, nil)
	return r, err
}

// marked returns the ids of all items that carry a marker.
func (c *campaign) marked(ctx context.Context, link string) (ids []string, err error) {
	q := url.Values{"identifier": {systemMarker + "|" + markerPrefix + link}}
	_, bundle, err := c.ehr(ctx, http.MethodGet, c.cfg.EHR+"/Task?"+q.Encode(), nil, nil)
	for _, e := range list(bundle["entry"]) {
		ids = append(ids, text(member(member(e, "resource"), "id")))
	}
	return ids, err
}

// find waits until the item stands in the inbox.
func (l *life) find(ctx context.Context) (id string, err error) {
	ctx, cancel := context.WithTimeout(ctx, l.cfg.RoundWithin)
	defer cancel()
	for wait := 30 * time.Millisecond; ; wait = min(wait*2, time.Second) {
		ids, err := l.marked(ctx, l.link)
		if err == nil && len(ids) > 0 {
			return ids[0], nil
		}
		if !pause(ctx, wait) {
			return "", err
		}
	}
}

// actStaff does what the script says, one after the other.
func (l *life) actStaff(ctx context.Context, script []string, random *rand.Rand) {
	script = slices.DeleteFunc(script, func(what string) bool { return slices.Contains(l.cfg.Without, what) })
	if len(script) == 0 {
		return
	}
	id, err := l.find(ctx)
	if id == "" {
		if err != nil && ctx.Err() == nil && !errors.Is(err, context.DeadlineExceeded) {
			l.fail("look for the item", err)
		}
		return // it is not filed yet: nobody can do anything with it
	}
	for _, what := range script {
		if !pause(ctx, time.Duration(random.Int64N(int64(maxPause)))) {
			return
		}
		if err := l.save(ctx, id, what, random); err != nil && ctx.Err() == nil {
			l.fail(what, err)
		}
	}
}

func (l *life) fail(what string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wrong("%s: %v", what, err)
}

// save changes the item as a person at a screen does: read, change, save, and from
// the start when somebody else has saved in between.
func (l *life) save(ctx context.Context, id, what string, random *rand.Rand) error {
	choice := random.Uint64() // the same change however often it is tried
	for range 50 {
		begin := time.Now()
		item, err := l.read(ctx, id)
		if err != nil {
			return err
		}
		saw := l.seen(item)
		did, ok := l.edit(item, what, rand.New(rand.NewPCG(choice, 3)))
		if !ok {
			return nil // as it is, there is nothing to do
		}
		did.act.what, did.act.staff, did.act.begin, did.act.saw = what+" "+did.act.what, true, begin, saw
		status, _, err := l.ehr(ctx, http.MethodPut, l.cfg.EHR+"/Task/"+id, http.Header{"If-Match": {`W/"` + version(item) + `"`}}, item)
		if err != nil {
			return err
		}
		if status >= 300 {
			continue
		}
		did.act.end = time.Now()
		l.mu.Lock()
		if did.note != "" {
			l.notes = append(l.notes, did.note)
		}
		if s := text(item["status"]); ended(s) && did.act.status == closed {
			l.endedAs = s
		}
		l.mu.Unlock()
		l.did(did.act)
		return nil
	}
	return errors.New("the item changes faster than a person can save")
}

// seen is what an item shows of its callback: of the status what Ringback has said
// there itself, for the item's own may be what staff have just made of it.
func (l *life) seen(item object) view {
	v := view{Status: code(item["businessStatus"], systemStatus), Priority: text(item["priority"])}
	if len(ownOutcomes(item)) > 0 && statusOf(item) == closed {
		v.Status = closed
	}
	v.Owner = text(member(item["owner"], "reference"))
	for name, reference := range l.cfg.Owners {
		if reference == v.Owner {
			v.Owner = name
		}
	}
	return v
}

// done is what a change comes to.
type done struct {
	act  act
	note string
}

// edit changes item; false when there is nothing to change.
func (l *life) edit(item object, what string, random *rand.Rand) (d done, ok bool) {
	status := text(item["status"])
	to := func(s string) bool {
		item["status"] = s
		d.act.status = statusOf(item)
		return true
	}
	switch what {
	case "staff accept":
		ok = slices.Contains([]string{"requested", "received", "ready"}, status) && to("accepted")
	case "staff start":
		ok = !ended(status) && status != "in-progress" && to("in-progress")
	case "staff hold":
		ok = !ended(status) && status != "on-hold" && to("on-hold")
	case "staff put back":
		if ok = (status == "in-progress" || status == "on-hold") && to("ready"); ok {
			d.act.status = "assigned"
		}
	case "staff complete":
		ok = !ended(status) && to("completed")
	case "staff cancel":
		ok = !ended(status) && to("cancelled")
	case "staff reopen":
		if ok = ended(status) && to("in-progress"); ok && code(item["businessStatus"], systemStatus) == "" {
			delete(item, "businessStatus") // what they had said of how it ended
		}
	case "staff owner":
		name := append(owners(l.cfg.Owners), doctor)[random.IntN(len(l.cfg.Owners)+1)]
		reference := cmp.Or(l.cfg.Owners[name], name)
		ok = reference != text(member(item["owner"], "reference"))
		item["owner"], d.act.owner, d.act.what = object{"reference": reference}, name, name
	case "staff priority":
		p := priorities[random.IntN(len(priorities))]
		ok = p != text(item["priority"])
		item["priority"], d.act.priority, d.act.what = p, p, p
	case "staff note":
		ok = true
	}
	if ok && d.act.status == closed {
		d.act.outcomes = said(item, random)
		d.act.what = strings.Join(d.act.outcomes, "|")
	}
	if what == "staff note" || ok && random.IntN(4) == 0 {
		d.note = fmt.Sprintf("staff note %08x", random.Uint32())
		item["note"] = append(list(item["note"]), object{"authorString": "Dr. Ng", "text": d.note})
	}
	return d, ok
}

// said writes how the item ended, half of the time, and returns what may be read
// out of it: what is said, or else what was said there before, or that nothing is.
func said(item object, random *rand.Rand) []string {
	if random.IntN(2) == 0 {
		outcome := closings[random.IntN(len(closings))]
		item["businessStatus"] = object{"text": outcome}
		return []string{outcome}
	}
	silent := "completed-in-ehr"
	if text(item["status"]) == "cancelled" {
		silent = "cancelled-in-ehr"
	}
	may := append([]string{silent}, ownOutcomes(item)...)
	if before := text(member(item["businessStatus"], "text")); slices.Contains(closings, before) {
		may = append(may, before)
	}
	return may
}
