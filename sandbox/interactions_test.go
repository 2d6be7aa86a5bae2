package sandbox_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/sandbox"
)

func TestLifeOfAResource(t *testing.T) {
	e := start(t, sandbox.Options{})
	made := e.do(http.StatusCreated, "POST", "/Task", task)
	id := made.doc["id"].(string)
	self := "/Task/" + id
	if got, want := made.Header.Get("Location"), e.base+self+"/_history/1"; got != want {
		t.Errorf("Location: got %s, want %s", got, want)
	}
	if made.Header.Get("ETag") != `W/"1"` || !strings.HasPrefix(made.Header.Get("Content-Type"), "application/fhir+json") {
		t.Errorf("headers of a create: %v", made.Header)
	}
	if meta := made.doc["meta"].(map[string]any); meta["versionId"] != "1" || meta["lastUpdated"] != "2025-03-03T14:00:00.000Z" {
		t.Errorf("meta: %v", meta)
	}
	read := e.do(http.StatusOK, "GET", self, "")
	if read.text != made.text || read.Header.Get("ETag") != `W/"1"` || read.Header.Get("Last-Modified") != monday.Format(http.TimeFormat) {
		t.Errorf("a read is not what was created: %s %v", read.text, read.Header)
	}
	e.clock.Advance(time.Minute)
	body := strings.Replace(read.text, "requested", "accepted", 1)
	e.do(http.StatusPreconditionFailed, "PUT", self, body, "If-Match", `W/"7"`)
	e.do(http.StatusBadRequest, "PUT", self, body, "If-Match", `seven`)
	if got := e.do(http.StatusOK, "PUT", self, body, "If-Match", `W/"1"`).Header.Get("ETag"); got != `W/"2"` {
		t.Errorf("ETag of the update: %s", got)
	}
	e.do(http.StatusOK, "PATCH", self, `[{"op":"replace","path":"/status","value":"completed"}]`, "If-Match", `W/"2"`)
	e.do(http.StatusPreconditionFailed, "DELETE", self, "", "If-Match", `W/"2"`)
	e.do(http.StatusNoContent, "DELETE", self, "")
	e.do(http.StatusNoContent, "DELETE", self, "")
	e.do(http.StatusGone, "GET", self, "")
	e.do(http.StatusGone, "PUT", self, body)
	if old := e.do(http.StatusOK, "GET", self+"/_history/1", ""); old.text != made.text {
		t.Errorf("version 1 changed: %s", old.text)
	}
	e.do(http.StatusGone, "GET", self+"/_history/4", "")
	e.do(http.StatusNotFound, "GET", self+"/_history/5", "")

	history := list(e.do(http.StatusOK, "GET", self+"/_history", "").doc["entry"])
	var methods []string
	for _, entry := range history {
		methods = append(methods, entry["request"].(map[string]any)["method"].(string))
	}
	if got := strings.Join(methods, " "); got != "DELETE PUT PUT POST" || history[0]["resource"] != nil {
		t.Errorf("history: %s", got)
	}
}

func TestRefusals(t *testing.T) {
	e := start(t, sandbox.Options{})
	id := e.create(task)
	for name, c := range map[string]struct {
		status       int
		method, path string
		body         string
		header       []string
	}{
		"unknown type":             {404, "GET", "/Observation", "", nil},
		"unknown id":               {404, "GET", "/Task/none", "", nil},
		"unknown path":             {404, "GET", "/Task/1/_history/1/x", "", nil},
		"outside of the base":      {404, "GET", e.root + "/other", "", nil},
		"method":                   {405, "DELETE", "/Task", "", nil},
		"update of nothing":        {405, "PUT", "/Task/none", `{"resourceType":"Task","id":"none","status":"ready","intent":"order"}`, nil},
		"content type":             {415, "POST", "/Task", task, []string{"Content-Type", "text/plain"}},
		"patch content type":       {415, "PATCH", "/Task/" + id, `[]`, []string{"Content-Type", "application/json"}},
		"search content type":      {415, "POST", "/Task/_search", `{}`, nil},
		"accept":                   {406, "GET", "/Task", "", []string{"Accept", "application/fhir+xml"}},
		"not JSON":                 {400, "POST", "/Task", `{"resourceType":"Task",`, nil},
		"two values":               {400, "POST", "/Task", task + task, nil},
		"not UTF-8":                {400, "POST", "/Task", "{\"resourceType\":\"Task\",\"status\":\"ready\",\"intent\":\"order\",\"description\":\"\xff\"}", nil},
		"too large":                {413, "POST", "/Task", `{"x":"` + strings.Repeat("x", 4<<20) + `"}`, nil},
		"another type":             {400, "POST", "/Task", `{"resourceType":"Patient"}`, nil},
		"no status":                {400, "POST", "/Task", `{"resourceType":"Task","intent":"order"}`, nil},
		"status in another case":   {400, "POST", "/Task", `{"resourceType":"Task","STATUS":"ready","intent":"order"}`, nil},
		"bad status":               {400, "POST", "/Task", `{"resourceType":"Task","status":"open","intent":"order"}`, nil},
		"bad intent":               {400, "POST", "/Task", `{"resourceType":"Task","status":"ready","intent":""}`, nil},
		"bad priority":             {400, "POST", "/Task", `{"resourceType":"Task","status":"ready","intent":"order","priority":"high"}`, nil},
		"bad date":                 {400, "POST", "/Task", `{"resourceType":"Task","status":"ready","intent":"order","authoredOn":"03/03/2025"}`, nil},
		"time without zone":        {400, "POST", "/Task", `{"resourceType":"Task","status":"ready","intent":"order","authoredOn":"2025-03-03T10:00:00"}`, nil},
		"inv-1":                    {400, "POST", "/Task", `{"resourceType":"Task","status":"ready","intent":"order","authoredOn":"2025-03-03","lastModified":"2025-03-02"}`, nil},
		"member twice":             {400, "POST", "/Task", `{"resourceType":"Task","status":"ready","intent":"order","status":"draft"}`, nil},
		"member twice deep inside": {400, "POST", "/Task", `{"resourceType":"Task","status":"ready","intent":"order","code":{"text":"a","text":"b"}}`, nil},
		"null":                     {400, "POST", "/Task", `{"resourceType":"Task","status":"ready","intent":"order","owner":null}`, nil},
		"empty array":              {400, "POST", "/Task", `{"resourceType":"Task","status":"ready","intent":"order","note":[]}`, nil},
		"two values of a choice":   {400, "POST", "/Task", `{"resourceType":"Task","status":"ready","intent":"order","input":[{"type":{"text":"x"},"valueString":"a","valueBoolean":false}]}`, nil},
		"id not that of the URL":   {400, "PUT", "/Task/" + id, `{"resourceType":"Task","id":"other","status":"ready","intent":"order"}`, nil},
		"no id":                    {400, "PUT", "/Task/" + id, task, nil},
		"patch is no patch":        {400, "PATCH", "/Task/" + id, `[{"op":"increase","path":"/status"}]`, nil},
		"patch of nothing":         {422, "PATCH", "/Task/" + id, `[{"op":"remove","path":"/owner"}]`, nil},
		"patch test fails":         {422, "PATCH", "/Task/" + id, `[{"op":"test","path":"/status","value":"draft"}]`, nil},
		"patch of the id":          {400, "PATCH", "/Task/" + id, `[{"op":"replace","path":"/id","value":"x"}]`, nil},
		"patch to something bad":   {400, "PATCH", "/Task/" + id, `[{"op":"remove","path":"/status"}]`, nil},
		"no participant":           {400, "POST", "/Appointment", `{"resourceType":"Appointment","status":"proposed"}`, nil},
		"participant is no array":  {400, "POST", "/Appointment", `{"resourceType":"Appointment","status":"proposed","participant":{"status":"accepted"}}`, nil},
		"slot on a day":            {400, "POST", "/Slot", `{"resourceType":"Slot","schedule":{"reference":"Schedule/1"},"status":"free","start":"2025-03-03","end":"2025-03-03"}`, nil},
		"birth at a time":          {400, "POST", "/Patient", `{"resourceType":"Patient","birthDate":"2025-03-03T10:00:00Z"}`, nil},
		"no such day":              {400, "POST", "/Patient", `{"resourceType":"Patient","birthDate":"2025-02-29"}`, nil},
		"slot without end":         {400, "POST", "/Slot", `{"resourceType":"Slot","schedule":{"reference":"Schedule/1"},"status":"free","start":"2025-03-03T10:00:00Z"}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			e := e.in(t)
			before := e.do(http.StatusOK, "GET", "/Task/"+id, "").text
			e.do(c.status, c.method, c.path, c.body, c.header...)
			if e.do(http.StatusOK, "GET", "/Task/"+id, "").text != before || len(e.Store().List("Task")) != 1 {
				t.Fatal("a refused write was stored")
			}
		})
	}
}

func TestAppointmentInvariants(t *testing.T) {
	const when = `,"start":"2025-03-04T10:00:00Z","end":"2025-03-04T10:30:00Z"`
	for name, c := range map[string]struct{ members, broken string }{
		"booked":                {`"status":"booked","participant":[{"actor":{"reference":"Patient/1"},"status":"accepted"}]` + when, ""},
		"proposed without time": {`"status":"proposed","participant":[{"type":[{"text":"any doctor"}],"status":"needs-action"}]`, ""},
		"app-1":                 {`"status":"booked","participant":[{"status":"accepted"}]` + when, "app-1"},
		"app-2":                 {`"status":"booked","participant":[{"actor":{"reference":"Patient/1"},"status":"accepted"}],"start":"2025-03-04T10:00:00Z"`, "app-2"},
		"app-3":                 {`"status":"booked","participant":[{"actor":{"reference":"Patient/1"},"status":"accepted"}]`, "app-3"},
		"app-4":                 {`"status":"booked","cancelationReason":{"text":"x"},"participant":[{"actor":{"reference":"Patient/1"},"status":"accepted"}]` + when, "app-4"},
		"reason of a no-show":   {`"status":"noshow","cancelationReason":{"text":"x"},"participant":[{"actor":{"reference":"Patient/1"},"status":"accepted"}]` + when, ""},
		"participant status":    {`"status":"booked","participant":[{"actor":{"reference":"Patient/1"}}]` + when, "participant.status"},
		"unknown status":        {`"status":"rescheduled","participant":[{"actor":{"reference":"Patient/1"},"status":"accepted"}]` + when, "status must be"},
	} {
		t.Run(name, func(t *testing.T) {
			store := sandbox.New(sandbox.Options{}).Store()
			_, err := store.Create([]byte(`{"resourceType":"Appointment",` + c.members + `}`))
			if (err == nil) != (c.broken == "") || err != nil && !strings.Contains(err.Error(), c.broken) {
				t.Fatalf("got %v, want %q", err, c.broken)
			}
		})
	}
}

func TestPrefer(t *testing.T) {
	e := start(t, sandbox.Options{})
	if a := e.do(http.StatusCreated, "POST", "/Task", task, "Prefer", "return=minimal"); a.text != "" || a.Header.Get("Location") == "" || a.Header.Get("ETag") == "" {
		t.Errorf("minimal: %q %v", a.text, a.Header)
	}
	if a := e.do(http.StatusCreated, "POST", "/Task", task, "Prefer", "return=OperationOutcome"); a.doc["resourceType"] != "OperationOutcome" {
		t.Errorf("outcome: %s", a.text)
	}
	if a := e.do(http.StatusCreated, "POST", "/Task", task, "Prefer", "return=representation"); a.doc["resourceType"] != "Task" {
		t.Errorf("representation: %s", a.text)
	}
}

func TestConditionalCreate(t *testing.T) {
	const marked = `{"resourceType":"Task","identifier":[{"system":"urn:ietf:rfc:3986","value":"urn:uuid:a"}],"status":"requested","intent":"order"}`
	const condition = "identifier=urn:ietf:rfc:3986|urn:uuid:a"
	e := start(t, sandbox.Options{})
	first := e.do(http.StatusCreated, "POST", "/Task", marked, "If-None-Exist", condition)
	again := e.do(http.StatusOK, "POST", "/Task", marked, "If-None-Exist", condition)
	if again.text != first.text || again.Header.Get("Location") != first.Header.Get("Location") {
		t.Error("a repeated conditional create does not answer with the first resource")
	}
	e.do(http.StatusBadRequest, "POST", "/Task", marked, "If-None-Exist", "status=draft&identifer=typo")
	e.do(http.StatusBadRequest, "POST", "/Task", marked, "If-None-Exist", "_sort=_lastUpdated")
	e.create(marked)
	e.do(http.StatusPreconditionFailed, "POST", "/Task", marked, "If-None-Exist", condition)
	if n := len(e.Store().List("Task")); n != 2 {
		t.Errorf("%d tasks, want 2", n)
	}

	off := start(t, sandbox.Options{NoConditionalCreate: true})
	off.do(http.StatusCreated, "POST", "/Task", marked, "If-None-Exist", condition)
	off.do(http.StatusCreated, "POST", "/Task", marked, "If-None-Exist", condition)
}

func TestUpdateAsCreate(t *testing.T) {
	e := start(t, sandbox.Options{UpdateCreate: true})
	body := `{"resourceType":"Task","id":"mine","status":"requested","intent":"order"}`
	e.do(http.StatusPreconditionFailed, "PUT", "/Task/mine", body, "If-Match", `W/"1"`)
	e.do(http.StatusCreated, "PUT", "/Task/mine", body)
	e.do(http.StatusOK, "PUT", "/Task/mine", body)
	e.do(http.StatusNoContent, "DELETE", "/Task/mine", "")
	if v := e.do(http.StatusCreated, "PUT", "/Task/mine", body).Header.Get("ETag"); v != `W/"4"` {
		t.Errorf("a resource brought back has version %s", v)
	}
}

func TestMembersAreKept(t *testing.T) {
	e := start(t, sandbox.Options{})
	const before = `{"resourceType":"Task","ze<bra":{"b":1.10,"a":"<&>\u00e9"},"status":"requested","_authoredOn":{"extension":[{"url":"x","valueCode":"unknown"}]},"intent":"order","meta":{"tag":[{"code":"t"}]},"contained":[{"resourceType":"Other","id":"c"}]}`
	got := e.do(http.StatusCreated, "POST", "/Task", before).text
	const want = `{"resourceType":"Task","id":"1001","ze<bra":{"b":1.10,"a":"<&>\u00e9"},"status":"requested","_authoredOn":{"extension":[{"url":"x","valueCode":"unknown"}]},"intent":"order","meta":{"tag":[{"code":"t"}],"versionId":"1","lastUpdated":"2025-03-03T14:00:00.000Z"},"contained":[{"resourceType":"Other","id":"c"}]}`
	if got != want {
		t.Errorf("stored otherwise than sent:\n got %s\nwant %s", got, want)
	}
	e.do(http.StatusOK, "PATCH", "/Task/1001", `[{"op":"replace","path":"/status","value":"ready"}]`)
	page := e.do(http.StatusOK, "GET", "/Task", "").text
	patched := strings.NewReplacer("requested", "ready", `"versionId":"1"`, `"versionId":"2"`, ".000Z", ".001Z").Replace(want)
	if !strings.Contains(page, patched) {
		t.Errorf("a patch or a Bundle changed other members:\n got %s\nwant %s", page, patched)
	}
}
