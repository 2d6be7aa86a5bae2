package server_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// TestARequestIsTakenOnce sends the same request twice.
func TestARequestIsTakenOnce(t *testing.T) {
	r := newRig(t)
	first := r.post("/v1/callbacks", form("f-1")).want(http.StatusCreated)
	id := first.object()["id"].(string)
	if got := first.header.Get("Location"); got != "/v1/callbacks/"+id {
		t.Errorf("Location %q", got)
	}
	if got := first.object()["disposition"]; got != "created" {
		t.Errorf("disposition %v", got)
	}
	again := r.post("/v1/callbacks", form("f-1", "text", `"another text"`)).want(http.StatusOK)
	if got := again.object()["disposition"]; got != "known" {
		t.Errorf("disposition of the second answer %v", got)
	}
	same := cmpopts.IgnoreMapEntries(func(k string, _ any) bool { return k == "disposition" })
	if diff := cmp.Diff(first.object(), again.object(), same); diff != "" {
		t.Errorf("the second answer differs:\n%s", diff)
	}
	if got := again.header.Get("Location"); got != "/v1/callbacks/"+id {
		t.Errorf("Location of the second answer %q", got)
	}
	r.get(first.header.Get("Location")).want(http.StatusOK)
	r.post("/v1/callbacks", form("f-1", "caller", `{"name":"Somebody Else","phone":"+15550100199"}`)).want(http.StatusUnprocessableEntity)
}

// TestARepeatedCallIsMerged sends a further request of the same person.
func TestARepeatedCallIsMerged(t *testing.T) {
	r := newRig(t)
	id := r.create("f-1")
	merged := r.post("/v1/callbacks", form("f-2")).want(http.StatusOK).object()
	if merged["disposition"] != "merged" || merged["id"] != id || merged["repeats"] != 1.0 {
		t.Errorf("got %v", merged)
	}
}

// TestAllMembersArrive sends a request with every member and reads it back.
func TestAllMembersArrive(t *testing.T) {
	r := newRig(t)
	id := r.create("f-1", "source", `"front-desk"`,
		"caller", `{"name":"Ann Example","phone":"+15550100123","email":"ann@example.org","birth_date":"1985-12-31"}`,
		"patient", `{"mrn":"M-1","ehr_id":"p-1"}`, "new_patient", `true`, "category", `"new-patient"`, "text", `"Hello <b>"`,
		"preferred_times", `[{"start":"2026-03-03T09:00:00-05:00","end":"2026-03-03T12:00:00-05:00"}]`, "visit_kind", `"intake"`)
	a := r.get("/v1/callbacks/" + id).want(http.StatusOK)
	if got := a.header.Get("ETag"); got != fmt.Sprintf(`"%v"`, a.object()["revision"]) {
		t.Errorf("ETag %s does not say the revision", got)
	}
	got := a.object()
	want := map[string]any{
		"id": id, "clinic": "main-street", "source": "front-desk", "source_id": "f-1",
		"received_at": "2026-03-02T14:58:00Z", "captured_at": "2026-03-02T15:00:00Z",
		"caller":      map[string]any{"name": "Ann Example", "phone": "+15550100123", "email": "ann@example.org", "birth_date": "1985-12-31"},
		"patient":     map[string]any{"mrn": "M-1", "ehr_id": "p-1", "resolution": nil, "how": nil},
		"new_patient": true, "text": "Hello <b>", "visit_kind": "intake",
		"preferred_times": []any{map[string]any{"start": "2026-03-03T14:00:00Z", "end": "2026-03-03T17:00:00Z"}},
		"repeats":         0.0, "needs_review": false, "status": "assigned", "outcome": nil, "category": "new-patient", "priority": "urgent",
		"owner": "front-desk", "due_at": "2026-03-02T15:58:00Z", "revision": 3.0, "closed_at": nil,
		"attempts": []any{}, "evidence": []any{},
	}
	for _, list := range []string{"timeline", "links"} {
		if len(got[list].([]any)) == 0 {
			t.Errorf("%s is empty", list)
		}
		delete(got, list)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestWhatIsNotKnownIsNull leaves out all that may be left out.
func TestWhatIsNotKnownIsNull(t *testing.T) {
	r := newRig(t)
	body := `{"source":"asterisk","source_id":"1","clinic":"main-street","caller":{"phone":"+15550100199"}}`
	got := r.post("/v1/callbacks", body).want(http.StatusCreated).object()
	for _, name := range []string{"new_patient", "text", "visit_kind", "outcome", "closed_at"} {
		if v, there := got[name]; !there || v != nil {
			t.Errorf("%s is %v, want null", name, v)
		}
	}
	if got["received_at"] != "2026-03-02T15:00:00Z" {
		t.Errorf("received_at is %v, want now", got["received_at"])
	}
	r.create("null", "caller", `{"phone":"+15550100198","name":null}`, "category", "null", "text", "null", "patient", "null",
		"preferred_times", "null", "new_patient", "null", "visit_kind", "null", "received_at", "null")
	r.create("empty", "caller", `{"phone":"+15550100197","name":"","email":"","birth_date":""}`, "category", `""`, "text", `""`, "visit_kind", `""`)
}

// TestTheLifeOfACallback takes one through all changes that a person can make.
func TestTheLifeOfACallback(t *testing.T) {
	r := newRig(t).withToken("staff")
	id := r.create("f-1")
	at := "/v1/callbacks/" + id
	steps := []struct {
		path, body, status string
		check              func(map[string]any) bool
	}{
		{"/assign", `{"owner":"dana"}`, "assigned", func(c map[string]any) bool { return c["owner"] == "dana" }},
		{"/attempts", `{"result":"left-voicemail","channel":"phone","talk_seconds":20,"at":"2026-03-02T15:00:00Z","note":"no name left"}`, "in-progress",
			func(c map[string]any) bool {
				a := c["attempts"].([]any)[0].(map[string]any)
				by := a["by"].(map[string]any)
				return a["talk_seconds"] == 20.0 && a["note"] == "no name left" && by["kind"] == "person" && by["name"] == "staff"
			}},
		{"/attempts", `{"result":"reached"}`, "in-progress", func(c map[string]any) bool {
			a := c["attempts"].([]any)[1].(map[string]any)
			return a["channel"] == "phone" && a["at"] == "2026-03-02T15:00:00Z"
		}},
		{"/close", `{"outcome":"answered-question","note":"hours"}`, "closed",
			func(c map[string]any) bool {
				return c["outcome"] == "answered-question" && c["closed_at"] == "2026-03-02T15:00:00Z"
			}},
		{"/close", `{"outcome":"answered-question"}`, "closed", func(c map[string]any) bool { return true }},
		{"/reopen", `{"reason":"wrong patient"}`, "in-progress", func(c map[string]any) bool {
			events := c["timeline"].([]any)
			last := events[len(events)-1].(map[string]any)
			return c["outcome"] == nil && last["kind"] == "reopened" && last["note"] == "wrong patient" && last["from"] == "closed"
		}},
	}
	for _, s := range steps {
		a := r.post(at+s.path, s.body).want(http.StatusOK)
		c := a.object()
		if c["status"] != s.status || !s.check(c) {
			t.Errorf("after %s %s: %s", s.path, s.body, a.body)
		}
		if a.header.Get("ETag") == "" {
			t.Errorf("%s: no ETag", s.path)
		}
	}
	if n := r.wakes.Load(); n != int64(len(steps)) {
		t.Errorf("the sync was woken %d times, want %d", n, len(steps))
	}
}

// TestChangesThatCannotBe tries what the state, the revision or the values forbid.
func TestChangesThatCannotBe(t *testing.T) {
	r := newRig(t)
	open, closed := "/v1/callbacks/"+r.create("f-1"), "/v1/callbacks/"+r.create("f-22")
	r.post(closed+"/close", `{"outcome":"spam"}`).want(http.StatusOK)
	nobody := "/v1/callbacks/01920000-0000-7000-8000-000000000000"
	for _, c := range []struct {
		name, path, body, header string
		status                   int
		kind, location           string
	}{
		{"another outcome", closed + "/close", `{"outcome":"booked"}`, "", 409, "not-allowed", ""},
		{"attempt on a closed one", closed + "/attempts", `{"result":"busy"}`, "", 409, "not-allowed", ""},
		{"assign a closed one", closed + "/assign", `{"owner":"dana"}`, "", 409, "not-allowed", ""},
		{"stale revision", open + "/close", `{"outcome":"spam","revision":1}`, "", 409, "conflict", ""},
		{"stale If-Match", open + "/assign", `{"owner":"dana"}`, `"1"`, 409, "conflict", ""},
		{"strange If-Match", open + "/assign", `{"owner":"dana"}`, `"abc"`, 422, "invalid", "header.If-Match"},
		{"unknown outcome", open + "/close", `{"outcome":"left-voicemail"}`, "", 422, "invalid", "body.outcome"},
		{"no outcome", open + "/close", `{}`, "", 422, "invalid", "body.outcome"},
		{"unknown result", open + "/attempts", `{"result":"booked"}`, "", 422, "invalid", "body.result"},
		{"unknown channel", open + "/attempts", `{"result":"busy","channel":"pigeon"}`, "", 422, "invalid", "body.channel"},
		{"negative talk", open + "/attempts", `{"result":"busy","talk_seconds":-1}`, "", 422, "invalid", "body.talk_seconds"},
		{"attempt tomorrow", open + "/attempts", `{"result":"busy","at":"2026-03-03T15:00:00Z"}`, "", 422, "invalid", "body.at"},
		{"attempt before the call", open + "/attempts", `{"result":"busy","at":"2026-03-01T15:00:00Z"}`, "", 422, "invalid", "body.at"},
		{"no owner", open + "/assign", `{"owner":""}`, "", 422, "invalid", "body.owner"},
		{"no reason", open + "/reopen", `{}`, "", 422, "invalid", "body.reason"},
		{"null reason", open + "/reopen", `{"reason":null}`, "", 422, "invalid", "body.reason"},
		{"no body", open + "/close", ``, "", 400, "malformed", ""},
		{"nobody", nobody + "/close", `{"outcome":"spam"}`, "", 404, "not-found", ""},
		{"no id", "/v1/callbacks/x/close", `{"outcome":"spam"}`, "", 404, "not-found", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := r.post(c.path, c.body, "If-Match", c.header)
			a.t = t
			p := a.problem(c.status)
			if p.Type != "/docs#"+c.kind {
				t.Errorf("type %s, want %s", p.Type, c.kind)
			}
			if c.location != "" && p.at(t, c.location) == "" {
				t.Error("no message")
			}
		})
	}
	if n := r.wakes.Load(); n != 1 {
		t.Errorf("the sync was woken %d times, want once for the one change", n)
	}
}

// TestTheRevisionThatWasSeenIsAccepted sends it in each of its forms.
func TestTheRevisionThatWasSeenIsAccepted(t *testing.T) {
	r := newRig(t)
	at := "/v1/callbacks/" + r.create("f-1")
	for _, seen := range []func(tag string) (header, body string){
		func(tag string) (string, string) { return tag, `{"owner":"a"}` },
		func(tag string) (string, string) { return "W/" + tag, `{"owner":"b"}` },
		func(string) (string, string) { return "*", `{"owner":"c"}` },
		func(tag string) (string, string) {
			return "", `{"owner":"d","revision":` + strings.Trim(tag, `"`) + `}`
		},
	} {
		tag := r.get(at).header.Get("ETag")
		header, body := seen(tag)
		r.post(at+"/assign", body, "If-Match", header).want(http.StatusOK)
		if header != "*" {
			r.post(at+"/close", `{"outcome":"spam"}`, "If-Match", tag).problem(http.StatusConflict)
		}
	}
}

// TestListing filters and pages.
func TestListing(t *testing.T) {
	r := newRig(t)
	ids := map[string]string{}
	for i := range 7 {
		name := "f-" + strings.Repeat("x", i)
		ids[name] = r.create(name)
		r.clock.Advance(time.Millisecond)
	}
	other := r.create("other-clinic", "clinic", `"harbor"`, "category", `"clinical"`, "source", `"asterisk"`)
	r.post("/v1/callbacks/"+ids["f-"]+"/close", `{"outcome":"spam"}`).want(http.StatusOK)
	r.post("/v1/callbacks/"+ids["f-x"]+"/assign", `{"owner":"dana"}`).want(http.StatusOK)

	page := func(q string) ([]string, any) {
		t.Helper()
		var got []string
		a := r.get("/v1/callbacks?" + q).want(http.StatusOK).object()
		for _, item := range a["items"].([]any) {
			got = append(got, item.(map[string]any)["id"].(string))
		}
		return got, a["next_cursor"]
	}
	for q, want := range map[string]int{
		"": 8, "clinic=harbor": 1, "clinic=nowhere": 0, "category=clinical": 1, "source=asterisk": 1, "owner=dana": 1, "open=true": 7, "open=false": 1,
		"status=closed": 1, "status=closed,assigned": 8, "review=true": 0, "clinic=main-street&open=true": 6,
	} {
		if got, _ := page(q); len(got) != want {
			t.Errorf("?%s: %d callbacks, want %d", q, len(got), want)
		}
	}
	var all []string
	for cursor := ""; ; {
		got, next := page("limit=3&cursor=" + cursor)
		all = append(all, got...)
		if next == nil {
			break
		}
		cursor = url.QueryEscape(next.(string))
	}
	if len(all) != 8 || all[0] != other || all[7] != ids["f-"] {
		t.Errorf("paging gives %d callbacks, newest first: %v", len(all), all)
	}
	for q, location := range map[string]string{
		"limit=0": "query.limit", "limit=501": "query.limit", "limit=x": "query.limit", "status=open": "query.status[0]", "category=x": "query.category",
		"cursor=urn:uuid:Ann": "query.cursor", "open=maybe": "query.open", "open=false&status=assigned": "query.open", "review=false": "query.review",
		"colour=red": "query.colour", "owner=%00": "query.owner",
	} {
		r.get("/v1/callbacks?"+q).problem(http.StatusUnprocessableEntity).at(t, location)
	}
}
