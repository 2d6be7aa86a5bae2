package zoomphone_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/connectors/phone"
	"github.com/ringback-health/ringback/connectors/phone/phonetest"
	"github.com/ringback-health/ringback/connectors/phone/zoomphone"
	"github.com/ringback-health/ringback/internal/redact"
)

const secret = "zoom-secret-token"

func system(t testing.TB) phone.System {
	t.Helper()
	sys, err := zoomphone.New(phone.Settings{ID: "main-line", Secrets: []redact.Secret{redact.NewSecret(secret)}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return sys
}

func load(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// request is a webhook as Zoom signs it.
func request(secret, body string, at time.Time) phone.Request {
	stamp := strconv.FormatInt(at.Unix(), 10)
	m := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(m, "v0:%s:%s", stamp, body)
	h := http.Header{}
	h.Set("X-Zm-Request-Timestamp", stamp)
	h.Set("X-Zm-Signature", "v0="+hex.EncodeToString(m.Sum(nil)))
	return phone.Request{Method: http.MethodPost, URL: "https://phones.example.com/hooks/main-line", Header: h, Body: []byte(body), At: at}
}

func TestConformance(t *testing.T) {
	body := load(t, "callee_missed.json")
	phonetest.RunSystem(t, phonetest.SystemCase{
		New:    func(s phone.Settings) (phone.System, error) { return zoomphone.New(s, nil) },
		Sign:   func(secret string, at time.Time) phone.Request { return request(secret, body, at) },
		Secret: secret, Other: "another-token", SignsTime: true, SignsBody: true,
		Headers: []string{"X-Zm-Signature", "X-Zm-Request-Timestamp"},
		PHI:     []string{"2125550123"},
	})
}

// TestVectors were made by another implementation.
func TestVectors(t *testing.T) {
	at := time.Unix(1629407755, 0)
	h := http.Header{}
	h.Set("X-Zm-Request-Timestamp", "1629407755")
	h.Set("X-Zm-Signature", "v0=bdd8e6fff97305229a2d0a1661cb26649801a8e4d784ac5e81895cbe9e9ff5c2")
	r := phone.Request{Method: http.MethodPost, Header: h, At: at, Body: []byte(`{"event":"phone.callee_missed","payload":{},"event_ts":1629407755259}`)}
	if got, err := system(t).Receive(r); err != nil || len(got.Events) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	question := func(token string) string {
		return `{"payload":{"plainToken":"` + token + `"},"event_ts":1629407755259,"event":"endpoint.url_validation"}`
	}
	got, err := system(t).Receive(request(secret, question("qgg8vlvZRS6UYooatFL8Aw"), at))
	want := `{"encryptedToken":"d9e0d764a78494688ba3f2d5c0ed4ca311394b4834d959759213424d2df961e3","plainToken":"qgg8vlvZRS6UYooatFL8Aw"}`
	if err != nil || len(got.Events) != 0 || got.Answer.Status != http.StatusOK || string(got.Answer.Body) != want {
		t.Errorf("%+v %s, %v", got, got.Answer.Body, err)
	}
	// Nobody gets a text signed that could be the content of an event, nor without a signature.
	for name, r := range map[string]phone.Request{
		"what is signed of an event": request(secret, question("v0:1629407755:{}"), at), "no token": request(secret, question(""), at),
		"too long": request(secret, question(strings.Repeat("a", 300)), at), "not signed": {Method: http.MethodPost, Body: []byte(question("abc")), At: at},
	} {
		got, err := system(t).Receive(r)
		var refused *phone.Refused
		if !errors.As(err, &refused) || got.Answer.Body != nil {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// TestSamples reads what Zoom's documentation prints.
func TestSamples(t *testing.T) {
	for _, c := range []struct {
		file, session, id string
		want              calls.Verdict
	}{
		{"callee_missed.json", "6998252731812285292", "callee-DnEopNmXQEGU2uvvzjgojw", calls.VerdictAbandonedQueue},
		{"callee_answered.json", "6998252113337041462", "callee-DnEopNmXQEGU2uvvzjgojw", calls.VerdictAnswered},
		{"voicemail_received.json", "666888666865648555", "voicemail-70ea156dc8414742839569c1556c3314", calls.VerdictVoicemail},
		{"voicemail_transcript_completed.json", "666888666865648555", "voicemail-70ea156dc8414742839569c1556c3314", calls.VerdictVoicemail},
		{"callee_call_element_completed.json", "7018317023722949162", "20231008-48c1dfd4-91ce-4df5-8495-7c9e33d10869", calls.VerdictAnswered},
		{"callee_call_history_completed.json", "7018317023722949162", "20231008-48c1dfd4-91ce-4df5-8495-7c9e33d10869", calls.VerdictAnswered},
	} {
		report, err := system(t).Read(phone.Event{Body: []byte(load(t, c.file))})
		if err != nil || len(report.Legs) != 1 {
			t.Fatalf("%s: %+v, %v", c.file, report, err)
		}
		l := report.Legs[0]
		if l.Session != c.session || l.ID != c.id || l.Stated != c.want || l.From.Reveal() != "+12125550123" || l.Direction != calls.Inbound || l.Start.IsZero() {
			t.Errorf("%s: %s %s %s, from %q, %s", c.file, l.Session, l.ID, l.Stated, l.From.Reveal(), l.Direction)
		}
	}
}

type fields map[string]any

var began = time.Date(2026, 3, 2, 16, 0, 0, 0, time.UTC)

func sec(n int) string { return began.Add(time.Duration(n) * time.Second).Format(time.RFC3339) }

func event(t testing.TB, name string, n int, object fields) string {
	t.Helper()
	b, err := json.Marshal(fields{"event": "phone." + name, "event_ts": began.Add(time.Duration(n) * time.Second).UnixMilli(), "payload": fields{"account_id": "a", "object": object}})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// with is a copy of f with changes.
func with(f fields, changes ...fields) fields {
	out := maps.Clone(f)
	for _, c := range changes {
		maps.Copy(out, c)
	}
	return out
}

func TestStories(t *testing.T) {
	next := 7000
	id := func() string { next++; return strconv.Itoa(next) }
	outside := fields{"phone_number": "+12125550123"}
	desk := func(user string) fields {
		return fields{"user_id": user, "extension_type": "user", "extension_number": 1002, "phone_number": "+12125550100"}
	}
	call := func(callID string, callee fields, changes ...fields) fields {
		return with(fields{"call_id": callID, "caller": outside, "callee": callee, "ringing_start_time": sec(0)}, changes...)
	}
	missed := func(result string) fields { return fields{"call_end_time": sec(20), "handup_result": result} }
	element := func(callID, elementID string, changes ...fields) fields {
		return with(fields{"call_element_id": elementID, "call_id": callID, "direction": "inbound", "connect_type": "external", "caller_did_number": "+12125550123",
			"caller_number_type": "external_pstn", "callee_did_number": "+12125550100", "callee_ext_type": "user", "start_time": sec(0), "end_time": sec(60), "event": "incoming"}, changes...)
	}
	elements := func(list ...fields) string {
		return event(t, "callee_call_element_completed", 90, fields{"call_elements": list})
	}
	result := func(r string) fields { return fields{"result": r} }
	one := func(name string, want calls.Verdict, changes ...fields) phonetest.Story {
		callID := id()
		return phonetest.Story{Name: "element: " + name, Want: want, Rung: began, Events: []string{elements(element(callID, callID+"-e", changes...))}}
	}
	queue, menu := fields{"callee_ext_type": "call_queue"}, fields{"callee_ext_type": "auto_receptionist"}
	answered := fields{"result": "answered", "answer_time": sec(10), "talk_time": 50}

	a, b, c, d, e, f, g, h := id(), id(), id(), id(), id(), id(), id(), id()
	vm, transcript := fields{"id": "vm1", "call_id": c, "date_time": sec(25), "duration": 23, "caller_number": "12125550123", "caller_number_type": 2, "download_url": "https://example.com/vm1"}, fields{"transcription": fields{"status": 2, "content": "please call"}}
	stories := []phonetest.Story{
		{Name: "a colleague answers, and another is told missed", Want: calls.VerdictAnswered, Talk: 50 * time.Second, Rung: began, Events: []string{
			event(t, "callee_ringing", 0, call(a, desk("u1"))), event(t, "callee_ringing", 0, call(a, desk("u2"))),
			event(t, "callee_answered", 10, call(a, desk("u1"), fields{"answer_start_time": sec(10)})),
			event(t, "callee_missed", 10, call(a, desk("u2"), missed("Call Cancel"))),
			event(t, "callee_ended", 60, call(a, desk("u1"), fields{"answer_start_time": sec(10), "call_end_time": sec(60)})),
			elements(element(a, "a1", answered), element(a, "a2", result("no_answer"))),
		}},
		{Name: "three colleagues miss it", Want: calls.VerdictAbandonedRing, Rung: began, Events: []string{
			event(t, "callee_missed", 20, call(b, desk("u1"), missed("No Answer"))), event(t, "callee_missed", 20, call(b, desk("u2"), missed("No Answer"))),
			event(t, "callee_missed", 20, call(b, desk("u3"), missed(""))),
		}},
		{Name: "voicemail, with the transcript", Want: calls.VerdictVoicemail, Rung: began, Message: 23 * time.Second, Events: []string{
			event(t, "callee_missed", 20, call(c, desk("u1"), missed("No Answer"))),
			event(t, "voicemail_received", 50, vm), event(t, "voicemail_transcript_completed", 70, with(vm, transcript, fields{"duration": 0})),
			elements(element(c, "c1", result("voicemail"), fields{"voicemail_id": "vm1"})),
		}},
		{Name: "a queue in which nobody answers", Want: calls.VerdictAbandonedQueue, Events: []string{
			event(t, "callee_missed", 20, call(d, desk("u1"), missed("No Answer"), fields{"forwarded_by": fields{"extension_type": "callQueue"}})),
			event(t, "callee_missed", 20, call(d, desk("u2"), missed("Busy"), fields{"forwarded_by": fields{"extension_type": "callQueue"}})),
		}},
		{Name: "everybody is busy", Want: calls.VerdictBusy, Events: []string{event(t, "callee_missed", 20, call(e, desk("u1"), missed("Busy")))}},
		{Name: "declined", Want: calls.VerdictRejected, Events: []string{event(t, "callee_rejected", 20, call(f, desk("u1"), missed("Rejected")))}},
		{Name: "called out", Want: calls.VerdictOutbound, Talk: 50 * time.Second, Events: []string{
			event(t, "caller_connected", 10, fields{"call_id": g, "caller": desk("u1"), "callee": outside, "ringing_start_time": sec(0), "answer_start_time": sec(10)}),
			event(t, "caller_ended", 60, fields{"call_id": g, "caller": desk("u1"), "callee": outside, "ringing_start_time": sec(0), "answer_start_time": sec(10), "call_end_time": sec(60)}),
		}},
		{Name: "between colleagues", Want: calls.VerdictInternal, Talk: 50 * time.Second, Events: []string{
			event(t, "callee_answered", 10, call(h, desk("u1"), fields{"caller": desk("u2"), "answer_start_time": sec(10)})),
			event(t, "callee_ended", 60, call(h, desk("u1"), fields{"caller": desk("u2"), "call_end_time": sec(60)})),
		}},
		one("answered", calls.VerdictAnswered, answered),
		one("the menu answered", calls.VerdictAbandonedIVR, menu, fields{"result": "answered", "answer_time": sec(0)}),
		one("a wrong key in the menu", calls.VerdictAbandonedIVR, menu, result("invalid_key")),
		one("the queue answered, and nobody took the call", calls.VerdictAbandonedQueue, queue, fields{"result": "answered", "answer_time": sec(0)}),
		one("abandoned in the queue", calls.VerdictAbandonedQueue, queue, result("abandoned")),
		one("overflowed", calls.VerdictAbandonedQueue, queue, result("overflowed")),
		one("the ringing timed out", calls.VerdictAbandonedRing, result("ring_timeout")),
		one("canceled", calls.VerdictAbandonedRing, result("canceled")),
		one("busy", calls.VerdictBusy, result("busy")), one("rejected", calls.VerdictRejected, result("rejected")),
		one("blocked", calls.VerdictRejected, result("system_blocked")), one("failed", calls.VerdictFailed, result("call_failed")),
		one("voicemail", calls.VerdictVoicemail, result("voicemail")),
		one("a word that is new", calls.VerdictAbandonedRing, result("levitated")),
		one("called out", calls.VerdictOutbound, result("no_answer"), fields{"direction": "outbound"}),
		one("between colleagues", calls.VerdictInternal, result("no_answer"), fields{"connect_type": "internal", "caller_number_type": "", "caller_ext_number": "1003"}),
	}
	stories[8].Talk = 50 * time.Second
	// Passed on, Zoom gives the same call a suffix; a menu, a queue and the colleague who answered.
	i := id()
	stories = append(stories, phonetest.Story{Name: "menu, queue, colleague, passed on", Want: calls.VerdictAnswered, Talk: 50 * time.Second, Events: []string{elements(
		element(i, "i1", menu, fields{"result": "answered", "answer_time": sec(0), "end_time": sec(4)}), element(i, "i2", queue, fields{"result": "answered", "start_time": sec(4)}),
		element(i+"_1", "i3", answered), element(i+"_1", "i4", fields{"event": "monitor", "result": "answered"})),
	}})
	j := id()
	stories = append(stories, phonetest.Story{Name: "a supervisor who listened answered nobody", Want: calls.VerdictAbandonedQueue, Events: []string{elements(
		element(j, "j1", queue, result("abandoned")), element(j, "j2", answered, fields{"event": "monitor"}))}})
	phonetest.RunStories(t, system(t), calls.DefaultRules(), stories...)
}

// TestCallerOfAVoicemail: the number has no plus sign there.
func TestCallerOfAVoicemail(t *testing.T) {
	for _, c := range []struct {
		number any
		kind   int
		want   string
	}{
		{"12125550123", 2, "+12125550123"}, {"+12125550123", 2, "+12125550123"}, {"2125550123", 2, "2125550123"},
		{"442079460123", 2, "+442079460123"}, {1002, 1, "1002"}, {"anonymous", 2, ""}, {nil, 2, ""},
	} {
		report, err := system(t).Read(phone.Event{Body: []byte(event(t, "voicemail_received", 0, fields{"id": "v", "caller_number": c.number, "caller_number_type": c.kind}))})
		if err != nil || report.Legs[0].From.Reveal() != c.want || report.Legs[0].Session != "voicemail-v" || (report.Legs[0].Direction == calls.Internal) != (c.kind == 1) {
			t.Errorf("%v: %q, %+v, %v", c.number, report.Legs[0].From.Reveal(), report, err)
		}
	}
}

// TestNoCall: events of no call say why, and those that miss what they must have are errors.
func TestNoCall(t *testing.T) {
	for _, name := range []string{"recording_completed", "callee_hold", "sms_received"} {
		report, err := system(t).Read(phone.Event{Body: []byte(event(t, name, 0, fields{"call_id": "1"}))})
		if err != nil || report.Skip == "" || len(report.Legs) > 0 {
			t.Errorf("%s: %+v, %v", name, report, err)
		}
	}
	for _, name := range []string{"callee_missed", "voicemail_received"} {
		if _, err := system(t).Read(phone.Event{Body: []byte(event(t, name, 0, fields{}))}); err == nil {
			t.Errorf("%s without an id is no error", name)
		}
	}
	if _, err := system(t).Read(phone.Event{Body: []byte(event(t, "callee_call_element_completed", 0, fields{"call_elements": []fields{{"result": "answered"}}}))}); err == nil {
		t.Error("an element without an id is no error")
	}
}

func FuzzReceive(f *testing.F) {
	f.Add([]byte(`{"event":"endpoint.url_validation","payload":{"plainToken":"a"}}`), "v0=00", "1")
	f.Add([]byte(load(f, "callee_missed.json")), "v0=", "1772467200")
	sys := system(f)
	f.Fuzz(func(t *testing.T, body []byte, signature, stamp string) {
		signed := request(secret, string(body), began)
		if got, err := sys.Receive(signed); (err == nil) != (len(got.Events) == 1 || got.Answer.Status == http.StatusOK) {
			t.Fatalf("%+v, %v", got, err)
		}
		signed.Header.Set("X-Zm-Signature", signature)
		signed.Header.Set("X-Zm-Request-Timestamp", stamp)
		if got, err := sys.Receive(signed); err == nil && signature != request(secret, string(body), began).Header.Get("X-Zm-Signature") {
			t.Fatalf("taken with another signature: %d events", len(got.Events))
		}
	})
}

func FuzzRead(f *testing.F) {
	for _, name := range []string{"callee_missed.json", "callee_answered.json", "voicemail_received.json", "voicemail_transcript_completed.json", "callee_call_element_completed.json"} {
		f.Add(load(f, name), false)
	}
	f.Add(`{"call_history_uuid":"h","call_id":"1","call_result":"answered","talk_time":1e99}`, true)
	sys := system(f)
	f.Fuzz(func(t *testing.T, body string, history bool) {
		e := phone.Event{Key: "k", Body: []byte(body), At: began}
		if history {
			e.Form = phone.FormHistory
		}
		report, err := sys.Read(e)
		if err == nil && report.Skip == "" && len(report.Legs) == 0 {
			t.Fatal("neither a call, nor a reason, nor an error")
		}
		for _, l := range report.Legs {
			if l.Session == "" || l.ID == "" || l.Talk < 0 {
				t.Fatalf("session %q, leg %q, talk %s", l.Session, l.ID, l.Talk)
			}
		}
	})
}
