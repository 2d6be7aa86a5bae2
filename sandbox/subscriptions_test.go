package sandbox_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ringback-health/ringback/sandbox"
)

// endpoint is where notifications go in these tests.
type endpoint struct {
	url    string
	status atomic.Int64 // that it answers with; 0: 200
	got    []*http.Request
	bodies []string
}

func listen(t *testing.T) *endpoint {
	t.Helper()
	e := &endpoint{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		e.got, e.bodies = append(e.got, r), append(e.bodies, string(body))
		if s := e.status.Load(); s != 0 {
			w.WriteHeader(int(s))
		}
	}))
	t.Cleanup(srv.Close)
	e.url = srv.URL
	return e
}

func subscribing(t *testing.T, o sandbox.Options) *ehr {
	o.Types = append(sandbox.StandardTypes(), "Subscription")
	return start(t, o)
}

func (e *ehr) subscription(id string) string {
	e.t.Helper()
	r, err := e.Store().Read("Subscription", id)
	if err != nil {
		e.t.Fatal(err)
	}
	var s struct{ Status string }
	if err := json.Unmarshal(r.Raw, &s); err != nil {
		e.t.Fatal(err)
	}
	return s.Status
}

func (e *ehr) deliver(want int) {
	e.t.Helper()
	if got := e.Deliver(e.t.Context()); got != want {
		e.t.Fatalf("%d notifications, want %d", got, want)
	}
}

const searching = `{"resourceType":"Subscription","status":"requested","reason":"r","criteria":"Task?status=requested",
	"extension":[{"url":"https://www.medplum.com/fhir/StructureDefinition/subscription-secret","valueString":"key"}],
	"channel":{"type":"rest-hook","endpoint":%q,"header":["Authorization: Bearer word"]%s}}`

func TestSubscriptionToASearch(t *testing.T) {
	e, to := subscribing(t, sandbox.Options{}), listen(t)
	id := e.create(fmt.Sprintf(searching, to.url+"/here", ""))
	e.create(task)
	e.deliver(0)
	if got := e.subscription(id); got != "active" {
		t.Fatalf("status %s", got)
	}
	e.create(`{"resourceType":"Task","status":"completed","intent":"order"}`)
	one := e.create(task)
	e.deliver(1)
	e.deliver(0)
	e.do(http.StatusOK, http.MethodPut, "/Task/"+one, strings.Replace(task, `{`, `{"id":"`+one+`",`, 1))
	e.deliver(1)
	for i, r := range to.got {
		mac := hmac.New(sha256.New, []byte("key"))
		if r.Method != http.MethodPost || r.URL.Path != "/here" || to.bodies[i] != "" || r.Header.Get("Authorization") != "Bearer word" ||
			r.Header.Get("X-Signature") != hex.EncodeToString(mac.Sum(nil)) {
			t.Errorf("%s %s %q %v", r.Method, r.URL, to.bodies[i], r.Header)
		}
	}
	if found := e.ids("/Subscription?url=" + to.url + "/here"); len(found) != 1 {
		t.Errorf("found by its endpoint: %v", found)
	}
	if found := e.ids("/Subscription?url=" + to.url); len(found) != 0 {
		t.Errorf("found by the beginning of its endpoint: %v", found)
	}
}

func TestSubscriptionWithPayloadSendsTheResource(t *testing.T) {
	e, to := subscribing(t, sandbox.Options{}), listen(t)
	e.create(fmt.Sprintf(searching, to.url, `,"payload":"application/fhir+json"`))
	e.deliver(0)
	e.create(task)
	e.deliver(1)
	mac := hmac.New(sha256.New, []byte("key"))
	mac.Write([]byte(to.bodies[0]))
	if !strings.Contains(to.bodies[0], `"Task"`) || to.got[0].Header.Get("X-Signature") != hex.EncodeToString(mac.Sum(nil)) {
		t.Errorf("%q %v", to.bodies[0], to.got[0].Header)
	}
}

func TestSubscriptionFailsAndEnds(t *testing.T) {
	e, to := subscribing(t, sandbox.Options{}), listen(t)
	id := e.create(fmt.Sprintf(searching, to.url, ""))
	e.deliver(0)
	to.status.Store(500)
	e.create(task)
	e.deliver(1)
	e.deliver(1)
	if got := e.subscription(id); got != "active" {
		t.Errorf("after two failures: %s", got)
	}
	e.deliver(1)
	e.deliver(0)
	if got := e.subscription(id); got != "error" {
		t.Errorf("after three failures: %s", got)
	}
	ending := e.create(strings.Replace(fmt.Sprintf(searching, to.url, ""), `"reason"`, `"end":"2025-03-03T15:00:00Z","reason"`, 1))
	e.deliver(0)
	e.clock.Advance(time.Hour)
	e.create(task)
	e.deliver(0)
	if got := e.subscription(ending); got != "off" {
		t.Errorf("after its end: %s", got)
	}
}

func TestSubscriptionThatTheClientActivates(t *testing.T) {
	e, to := subscribing(t, sandbox.Options{ClientActivates: true}), listen(t)
	id := e.create(fmt.Sprintf(searching, to.url, ""))
	e.deliver(0)
	e.create(task)
	e.deliver(0)
	if got := e.subscription(id); got != "requested" {
		t.Errorf("status %s", got)
	}
}

func TestSubscriptionToATopic(t *testing.T) {
	const topic = "https://sandbox.example.org/topics/task"
	e, to := subscribing(t, sandbox.Options{Topics: map[string]string{topic: "Task?"}}), listen(t)
	id := e.create(fmt.Sprintf(`{"resourceType":"Subscription","status":"requested","reason":"r","criteria":%q,
		"meta":{"profile":["http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-subscription"]},
		"channel":{"type":"rest-hook","endpoint":%q,"payload":"application/fhir+json",
		"extension":[{"url":"http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-heartbeat-period","valueUnsignedInt":600}],
		"_payload":{"extension":[{"url":"http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-payload-content","valueCode":"empty"}]}}}`, topic, to.url))
	e.deliver(1)
	if got := e.subscription(id); got != "active" {
		t.Errorf("after the handshake: %s", got)
	}
	e.create(task)
	e.deliver(1)
	e.clock.Advance(10 * time.Minute)
	e.deliver(1)
	for i, kind := range []string{"handshake", "event-notification", "heartbeat"} {
		if !strings.Contains(to.bodies[i], `"valueCode":"`+kind+`"`) || strings.Contains(to.bodies[i], "Task/") {
			t.Errorf("%s: %s", kind, to.bodies[i])
		}
	}
	to.status.Store(404)
	refused := e.create(strings.ReplaceAll(string(mustRead(t, e, id)), `"active"`, `"requested"`))
	e.deliver(1)
	if got := e.subscription(refused); got != "error" {
		t.Errorf("after a handshake that was refused: %s", got)
	}
}

func mustRead(t *testing.T, e *ehr, id string) []byte {
	t.Helper()
	r, err := e.Store().Read("Subscription", id)
	if err != nil {
		t.Fatal(err)
	}
	return r.Raw
}
