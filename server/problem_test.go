package server_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/intake"
	"github.com/ringback-health/ringback/server"
)

// TestRequestsThatCannotBeTaken goes through every way a request is refused.
func TestRequestsThatCannotBeTaken(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		name, body string
		status     int
		location   string // of one of the errors; empty: none expected
	}{
		{"nothing", ``, 400, ""},
		{"not JSON", `source=webform`, 400, "body"},
		{"cut off", form("x")[:40], 400, "body"},
		{"two values", form("x") + form("y"), 400, "body"},
		{"a list", `[]`, 422, "body"},
		{"a string", `"x"`, 422, "body"},
		{"no source", `{"source_id":"1","clinic":"main-street"}`, 422, "body.source"},
		{"no source_id", `{"source":"webform","clinic":"main-street"}`, 422, "body.source_id"},
		{"no clinic", `{"source":"webform","source_id":"1"}`, 422, "body.clinic"},
		{"unknown clinic", form("x", "clinic", `"nowhere"`), 422, "body.clinic"},
		{"unknown member", form("x", "colour", `"red"`), 422, "body.colour"},
		{"unknown inner member", form("x", "caller", `{"fone":"1"}`), 422, "body.caller.fone"},
		{"member in capitals", form("x", "Text", `"hello"`), 422, "body.Text"},
		{"unknown category", form("x", "category", `"red"`), 422, "body.category"},
		{"new_patient as text", form("x", "new_patient", `"yes"`), 422, "body.new_patient"},
		{"name as number", form("x", "caller", `{"name":1}`), 422, "body.caller.name"},
		{"phone of letters", form("x", "caller", `{"phone":"call me"}`), 422, "body.caller.phone"},
		{"birth date of its own form", form("x", "caller", `{"phone":"+15550100123","birth_date":"12/31/1985"}`), 422, "body.caller.birth_date"},
		{"received tomorrow", form("x", "received_at", `"2026-03-03T15:00:00Z"`), 422, "body.received_at"},
		{"received whenever", form("x", "received_at", `"this morning"`), 422, "body.received_at"},
		{"period without end", form("x", "preferred_times", `[{"start":"2026-03-03T15:00:00Z"}]`), 422, "body.preferred_times[0].end"},
		{"period backwards", form("x", "preferred_times", `[{"start":"2026-03-03T15:00:00Z","end":"2026-03-03T14:00:00Z"}]`), 422, "body.preferred_times[0]"},
		{"control character", form("x", "source", `"a\u0000"`), 422, "body.source"},
		{"endless name", form("x", "caller", `{"name":"`+strings.Repeat("a", 301)+`"}`), 422, "body.caller.name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := r.post("/v1/callbacks", c.body)
			a.t = t
			p := a.problem(c.status)
			if c.location != "" && p.at(t, c.location) == "" {
				t.Error("no message")
			}
		})
	}
	if n := len(r.get("/v1/callbacks").object()["items"].([]any)); n != 0 {
		t.Errorf("%d callbacks were made of requests that were refused", n)
	}
}

// TestContentTypes accepts JSON in UTF-8 and nothing else.
func TestContentTypes(t *testing.T) {
	r := newRig(t)
	for i, c := range []struct {
		contentType string
		status      int
	}{
		{"application/json", 201}, {"application/json; charset=utf-8", 201}, {"APPLICATION/JSON;charset=UTF-8", 201},
		{"text/plain", 415}, {"application/x-www-form-urlencoded", 415}, {"application/json; charset=latin1", 415},
		{"application/vnd.x+json", 415}, {"json", 415}, {"", 415}, {"application/json;", 201},
	} {
		a := r.post("/v1/callbacks", form(strings.Repeat("c", i+1)), "Content-Type", c.contentType)
		if c.status == 201 {
			a.want(201)
		} else {
			a.problem(c.status)
		}
	}
}

// counted counts what is read of a body that never ends.
type counted struct {
	n    atomic.Int64
	head string
}

func (c *counted) Read(b []byte) (int, error) {
	n := copy(b, c.head)
	c.head = c.head[n:]
	for i := n; i < len(b); i++ {
		b[i] = ' '
	}
	if c.n.Add(int64(len(b))) > 10<<20 {
		return 0, io.EOF
	}
	return len(b), nil
}

// TestLargeBodiesAreNotRead sends 10 MB, with and without saying so first.
func TestLargeBodiesAreNotRead(t *testing.T) {
	var taken int
	r := newRig(t, func(o *server.Options) {
		o.Take = func(context.Context, intake.Submission) (callback.Taken, error) {
			taken++
			return callback.Taken{Disposition: callback.Ignored, Reason: "test"}, nil
		}
	})
	fits := form("x", "text", `"`+strings.Repeat("a", 15000)+`"`)
	fits += strings.Repeat(" ", 1<<20-len(fits))
	r.post("/v1/callbacks", fits).want(http.StatusOK)
	r.post("/v1/callbacks", fits+" ").problem(http.StatusRequestEntityTooLarge)

	endless := &counted{head: form("x")}
	r.request(http.MethodPost, "/v1/callbacks", endless).problem(http.StatusRequestEntityTooLarge)
	// What the two sides' buffers hold beyond the limit is sent but not kept.
	if n := endless.n.Load(); n > 8<<20 {
		t.Errorf("%d bytes were sent before the server refused", n)
	}
	if taken != 1 {
		t.Errorf("%d requests were taken, want 1", taken)
	}
}

// TestAnAnnouncedLargeBodyIsRefusedAtOnce says that 10 MB will come and sends none.
func TestAnAnnouncedLargeBodyIsRefusedAtOnce(t *testing.T) {
	r := newRig(t)
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(conn, "POST /v1/callbacks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 10485760\r\n\r\n{")
	status, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || !strings.Contains(status, "413") {
		t.Errorf("answer %q, %v", status, err)
	}
}

// TestManyFaultsMakeASmallAnswer sends more unknown members than anybody reads.
func TestManyFaultsMakeASmallAnswer(t *testing.T) {
	r := newRig(t)
	var body strings.Builder
	body.WriteString(`{"` + strings.Repeat("k", 5000) + `":1`)
	for i := range 5000 {
		fmt.Fprintf(&body, `,"m%d":1`, i)
	}
	body.WriteString(`}`)
	a := r.post("/v1/callbacks", body.String())
	p := a.problem(http.StatusUnprocessableEntity)
	if len(p.Errors) != 51 || len(a.body) > 16<<10 {
		t.Errorf("%d errors in %d bytes", len(p.Errors), len(a.body))
	}
}

// TestWhatIsNotThere asks for paths and methods that do not exist.
func TestWhatIsNotThere(t *testing.T) {
	r := newRig(t)
	for _, path := range []string{"/nope", "/v1", "/v1/callbacks/", "/v1/callbacks/x/y", "/v2/callbacks", "/v1/links/x", "/v1/callbacks/x",
		"/v1/callbacks/01920000-0000-7000-8000-000000000000", "/v1/links/01920000-0000-7000-8000-000000000000"} {
		r.get(path).problem(http.StatusNotFound)
	}
	for _, c := range [][3]string{
		{"DELETE", "/v1/callbacks", "GET, HEAD, POST"}, {"PUT", "/v1/callbacks/x", "GET, HEAD"}, {"GET", "/v1/callbacks/x/close", "POST"},
		{"POST", "/livez", "GET, HEAD"}, {"PATIENT", "/v1/links", "GET, HEAD"},
	} {
		a := r.request(c[0], c[1], nil)
		a.problem(http.StatusMethodNotAllowed)
		if got := a.header.Get("Allow"); got != c[2] {
			t.Errorf("%s %s: Allow %q, want %q", c[0], c[1], got, c[2])
		}
	}
	if strings.Contains(r.log.String(), "PATIENT") {
		t.Error("a made-up method was logged")
	}
}

// TestALedgerThatFails answers 503 on every path, tells nothing of the inside,
// and comes back.
func TestALedgerThatFails(t *testing.T) {
	r := newRig(t).withToken(callback.RoleAdmin)
	at := "/v1/callbacks/" + r.create("f-1")
	if err := r.ledger.Close(); err != nil {
		t.Fatal(err)
	}
	for _, a := range []answer{
		r.post("/v1/callbacks", form("f-2")), r.get("/v1/callbacks"), r.get(at), r.post(at+"/close", `{"outcome":"spam"}`),
		r.get("/v1/links"), r.post(strings.Replace(at, "callbacks", "links", 1)+"/retry", ""),
	} {
		p := a.problem(http.StatusServiceUnavailable)
		if a.header.Get("Retry-After") == "" || strings.Contains(string(a.body), "sql") {
			t.Errorf("%v %s", a.header, a.body)
		}
		if p.Type != "/docs#unavailable" {
			t.Errorf("type %s", p.Type)
		}
	}
	if a := r.get("/"); a.status != http.StatusServiceUnavailable || !strings.Contains(string(a.body), `http-equiv="refresh"`) {
		t.Errorf("the console answers %d\n%s", a.status, a.body)
	}
	if !strings.Contains(r.log.String(), "the ledger failed") {
		t.Error("nothing was logged")
	}
}

// TestAPanicIsAnswered makes the intake panic with something that must not be shown.
func TestAPanicIsAnswered(t *testing.T) {
	r := newRig(t, func(o *server.Options) {
		o.Take = func(context.Context, intake.Submission) (callback.Taken, error) { panic("Ann Canary") }
	})
	a := r.post("/v1/callbacks", form("f-1"))
	a.problem(http.StatusInternalServerError)
	if all := string(a.body) + r.log.String(); strings.Contains(all, "Canary") || !strings.Contains(all, "createCallback") {
		t.Errorf("the log must name the place and not the value:\n%s", all)
	}
}

// TestAnIgnoredRequestHasNoCallback says why.
func TestAnIgnoredRequestHasNoCallback(t *testing.T) {
	r := newRig(t, func(o *server.Options) {
		o.Take = func(context.Context, intake.Submission) (callback.Taken, error) {
			return callback.Taken{Disposition: callback.Ignored, Reason: "shorter than 5 seconds"}, nil
		}
	})
	a := r.post("/v1/callbacks", form("f-1")).want(http.StatusOK)
	got := a.object()
	if got["disposition"] != "ignored" || got["reason"] != "shorter than 5 seconds" || len(got) != 2 || a.header.Get("Location") != "" {
		t.Errorf("%v %s", a.header, a.body)
	}
}

// TestTheRawBodyIsKept hands intake the bytes as they came.
func TestTheRawBodyIsKept(t *testing.T) {
	var raw []byte
	r := newRig(t, func(o *server.Options) {
		o.Take = func(_ context.Context, s intake.Submission) (callback.Taken, error) {
			raw = slices.Clone(s.Raw)
			return callback.Taken{Disposition: callback.Ignored, Reason: "test"}, nil
		}
	})
	body := "\n " + form("f-1") + "\t\n"
	r.post("/v1/callbacks", body).want(http.StatusOK)
	if string(raw) != body {
		t.Errorf("kept %q, sent %q", raw, body)
	}
}

// TestEveryAnswerIsGuarded looks at the headers of good and bad answers.
func TestEveryAnswerIsGuarded(t *testing.T) {
	r := newRig(t)
	for _, path := range []string{"/", "/docs", "/login", "/links", "/v1/callbacks", "/nope", "/livez", "/readyz", "/metrics", "/openapi.json"} {
		h := r.get(path).header
		if csp := h.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: CSP %q", path, csp)
		}
		if h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: %v", path, h)
		}
	}
}
