package dialpad_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/connectors/phone"
	"github.com/ringback-health/ringback/connectors/phone/dialpad"
	"github.com/ringback-health/ringback/connectors/phone/phonetest"
	"github.com/ringback-health/ringback/internal/redact"
)

const secret = "dialpad-secret"

func system(t testing.TB) phone.System {
	t.Helper()
	sys, err := dialpad.New(phone.Settings{ID: "main-line", Secrets: []redact.Secret{redact.NewSecret(secret)}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return sys
}

// sign makes a JWT as Dialpad does.
func sign(secret, header, payload string) []byte {
	b64 := base64.RawURLEncoding.EncodeToString
	content := b64([]byte(header)) + "." + b64([]byte(payload))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(content))
	return []byte(content + "." + b64(mac.Sum(nil)))
}

const hs256 = `{"alg":"HS256","typ":"JWT"}`

// began is when the calls of the stories came in; ms is so many seconds later.
var began = time.Date(2026, 3, 2, 16, 0, 0, 0, time.UTC)

func ms(seconds float64) int64 { return began.UnixMilli() + int64(seconds*1000) }

type fields map[string]any

// tell is a call event with some fields changed, as Dialpad sends it.
func tell(t testing.TB, changes ...fields) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "call-event.json"))
	if err != nil {
		t.Fatal(err)
	}
	var e map[string]any
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.UseNumber()
	if err := d.Decode(&e); err != nil {
		t.Fatal(err)
	}
	for _, c := range changes {
		maps.Copy(e, c)
	}
	out, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestConformance(t *testing.T) {
	phonetest.RunSystem(t, phonetest.SystemCase{
		New: func(s phone.Settings) (phone.System, error) { return dialpad.New(s, nil) },
		Sign: func(secret string, at time.Time) phone.Request {
			return phone.Request{
				Method: http.MethodPost, URL: "https://phones.example.com/hooks/main-line", At: at,
				Header: http.Header{"Content-Type": {"application/jwt"}},
				Body:   sign(secret, hs256, `{"call_id":7,"state":"missed","direction":"inbound","external_number":"+12125550123","contact":{"name":"Sam Sample"},"date_started":1772467200000}`),
			}
		},
		Secret: secret, Other: "another-secret", SignsBody: true,
		PHI: []string{"2125550123", "Sam Sample"},
	})
}

// TestRefused: what is signed in another way, and what is not signed.
func TestRefused(t *testing.T) {
	plain := tell(t, fields{"state": "missed"})
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(plain)) + "."
	for name, body := range map[string][]byte{
		"plain JSON": []byte(plain), "alg none": []byte(none), "RS256": sign(secret, `{"alg":"RS256"}`, plain), "HS512": sign(secret, `{"alg":"HS512"}`, plain),
	} {
		_, err := system(t).Receive(phone.Request{Method: http.MethodPost, Body: body, At: began})
		var refused *phone.Refused
		if !errors.As(err, &refused) || refused.Status != http.StatusUnauthorized || strings.Contains(err.Error(), "Sam") {
			t.Errorf("%s: %v", name, err)
		}
		if name == "plain JSON" && !strings.Contains(err.Error(), "without the secret") {
			t.Errorf("does not say what to do: %v", err)
		}
	}
}

// TestVector is a JWT that another implementation made.
func TestVector(t *testing.T) {
	const jwt = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJjYWxsX2lkIjoxLCJzdGF0ZSI6Im1pc3NlZCJ9.wG9bIAbJwHrPV6Zx6o8JoAtp6dXdkkgtIQuNhe0S7kI"
	got, err := system(t).Receive(phone.Request{Method: http.MethodPost, Body: []byte(jwt), At: began})
	if err != nil || string(got.Events[0].Body) != `{"call_id":1,"state":"missed"}` {
		t.Fatalf("%+v, %v", got, err)
	}
	report, err := system(t).Read(got.Events[0])
	if err != nil || len(report.Legs) != 1 || report.Legs[0].Stated != calls.VerdictAbandonedRing || report.Legs[0].Session != "1" {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestStories(t *testing.T) {
	next := int64(5635304278851584)
	call := func(f fields) fields { return maps.Clone(f) }
	// story makes the events of one call, each with the fields of those before it.
	story := func(steps ...fields) (events []string) {
		next++
		soFar := fields{"call_id": next}
		for i, s := range steps {
			maps.Copy(soFar, call(s))
			soFar["event_timestamp"] = ms(float64(i) + 0.5)
			events = append(events, tell(t, soFar))
		}
		return events
	}
	rang, connected, ended := fields{"state": "ringing", "date_rang": ms(1)}, fields{"state": "connected", "date_connected": ms(9)}, fields{"state": "hangup", "date_ended": ms(69)}
	center := fields{"type": "callcenter", "name": "Front Desk Center"}

	// A department passes the call on to a call center, where a colleague answers: three
	// calls of Dialpad's, of which each names the next in another way.
	department := []string{
		tell(t, fields{"call_id": 100, "state": "ringing", "target": fields{"type": "department"}}),
		tell(t, fields{"call_id": 101, "master_call_id": 100, "state": "queued", "date_queued": ms(2), "target": center, "event_timestamp": ms(2)}),
		tell(t, fields{"call_id": 101, "master_call_id": 100, "operator_call_id": 102, "state": "hangup", "date_queued": ms(2), "date_connected": ms(10), "date_ended": ms(50), "talk_time": 40000, "target": center, "event_timestamp": ms(50)}),
		tell(t, fields{"call_id": 100, "state": "hangup", "date_ended": ms(50), "target": fields{"type": "department"}, "event_timestamp": ms(51)}),
	}
	// Every colleague of a call center is rung, and nobody answers.
	missed := []string{
		tell(t, fields{"call_id": 201, "state": "queued", "date_queued": ms(1), "target": center}),
		tell(t, fields{"call_id": 202, "entry_point_call_id": 201, "state": "missed", "date_rang": ms(3), "date_ended": ms(20)}),
		tell(t, fields{"call_id": 203, "entry_point_call_id": 201, "state": "missed", "date_rang": ms(3), "date_ended": ms(20)}),
		tell(t, fields{"call_id": 201, "state": "hangup", "date_queued": ms(1), "date_ended": ms(31), "target": center, "event_timestamp": ms(31)}),
	}
	phonetest.RunStories(t, system(t), calls.DefaultRules(),
		phonetest.Story{Name: "answered", Want: calls.VerdictAnswered, Talk: time.Minute, Rung: began,
			Events: story(fields{"state": "calling"}, rang, connected, fields{"state": "hangup", "date_ended": ms(69), "talk_time": 60000})},
		phonetest.Story{Name: "answered, and the end was lost", Want: calls.VerdictAnswered, Rung: began, Events: story(rang, connected)},
		phonetest.Story{Name: "answered, and only the recap came", Want: calls.VerdictAnswered, Talk: time.Minute,
			Events: story(fields{"state": "recap_summary", "date_connected": ms(9), "talk_time": 60000})},
		phonetest.Story{Name: "missed", Want: calls.VerdictAbandonedRing, Rung: began, Events: story(rang, fields{"state": "missed", "date_ended": ms(20)})},
		phonetest.Story{Name: "missed, and then hung up", Want: calls.VerdictAbandonedRing, Events: story(rang, fields{"state": "missed"}, ended)},
		phonetest.Story{Name: "it rang, and nothing more came", Want: calls.VerdictAbandonedRing, Events: story(rang)},
		phonetest.Story{Name: "voicemail", Want: calls.VerdictVoicemail, Message: 23 * time.Second, Events: story(
			rang, fields{"state": "voicemail", "voicemail_link": "https://dialpad.example.com/v/1"}, ended,
			fields{"state": "voicemail_uploaded", "voicemail_recording_id": "vm1", "recording_details": []any{fields{"recording_type": "voicemail", "duration": 23000}}},
			fields{"state": "transcription", "transcription_text": "please call me back"})},
		phonetest.Story{Name: "hung up during the greeting of the mailbox", Want: calls.VerdictVoicemail,
			Events: story(rang, fields{"state": "voicemail", "voicemail_link": "https://dialpad.example.com/v/2"}, fields{"state": "hangup", "date_ended": ms(30), "voicemail_link": nil})},
		phonetest.Story{Name: "the menu answered, and the caller hung up", Want: calls.VerdictAbandonedIVR,
			Events: story(fields{"state": "connected", "date_connected": ms(1), "target": fields{"type": "office"}}, ended)},
		phonetest.Story{Name: "hung up before anything rang", Want: calls.VerdictAbandonedIVR, Events: story(ended)},
		phonetest.Story{Name: "hung up in the queue", Want: calls.VerdictAbandonedQueue,
			Events: story(fields{"state": "queued", "date_queued": ms(2), "target": center}, ended)},
		phonetest.Story{Name: "asked to be called back", Want: calls.VerdictCallbackRequested,
			Events: story(fields{"state": "queued", "date_queued": ms(2), "target": center}, fields{"callback_requested": true}, ended)},
		phonetest.Story{Name: "while closed", Want: calls.VerdictAfterHours,
			Events: story(fields{"target_availability_status": "closed", "target": center}, ended)},
		phonetest.Story{Name: "blocked", Want: calls.VerdictRejected, Events: story(fields{"state": "blocked"})},
		phonetest.Story{Name: "called out", Want: calls.VerdictOutbound, Talk: time.Minute,
			Events: story(fields{"state": "calling", "direction": "outbound"}, connected, fields{"state": "hangup", "date_ended": ms(69), "talk_time": 60000})},
		phonetest.Story{Name: "called out, and nobody answered", Want: calls.VerdictOutbound, Events: story(fields{"state": "calling", "direction": "outbound"}, ended)},
		phonetest.Story{Name: "between colleagues", Want: calls.VerdictInternal, Talk: time.Minute,
			Events: story(fields{"state": "ringing", "is_internal": true}, connected, fields{"state": "hangup", "date_ended": ms(69), "talk_time": 60000})},
		phonetest.Story{Name: "gave up at once", Want: calls.VerdictShort, Events: story(rang, fields{"state": "missed", "date_ended": ms(2)})},
		phonetest.Story{Name: "a state that is new", Want: calls.VerdictAnswered, Talk: time.Minute,
			Events: story(connected, fields{"state": "levitating"}, fields{"state": "hangup", "date_ended": ms(69), "talk_time": 60000})},
		phonetest.Story{Name: "a department and its call center", Want: calls.VerdictAnswered, Talk: 40 * time.Second, Events: department},
		phonetest.Story{Name: "every colleague of a call center", Want: calls.VerdictAbandonedQueue, Events: missed},
	)
}

// TestWhoCalled: the outside end called, or was called.
func TestWhoCalled(t *testing.T) {
	for _, c := range []struct {
		name           string
		f              fields
		from, to, word string
	}{
		{"in", fields{}, "+12125550123", "+12125550100", "Sam Sample"},
		{"out", fields{"direction": "outbound"}, "+12125550100", "+12125550123", ""},
		{"withheld", fields{"external_number": "blocked", "contact": fields{"phone": "anonymous", "name": "Anonymous"}}, "", "+12125550100", ""},
		{"only the contact's", fields{"external_number": nil, "internal_number": "blocked"}, "+12125550123", "+12125550100", "Sam Sample"},
		{"a number for a name", fields{"contact": fields{"name": "(212) 555-0123"}}, "+12125550123", "+12125550100", ""},
	} {
		report, err := system(t).Read(phone.Event{Body: []byte(tell(t, c.f))})
		if err != nil {
			t.Fatal(err)
		}
		l := report.Legs[0]
		if l.From.Reveal() != c.from || l.To.Reveal() != c.to || l.FromName.Reveal() != c.word {
			t.Errorf("%s: from %q to %q, %q", c.name, l.From.Reveal(), l.To.Reveal(), l.FromName.Reveal())
		}
	}
}

// TestJunkIDsJoinNothing: what stands for no id is none.
func TestJunkIDsJoinNothing(t *testing.T) {
	for _, junk := range []any{nil, 0, "null", "", "0", " "} {
		report, err := system(t).Read(phone.Event{Body: []byte(tell(t, fields{"call_id": 7, "master_call_id": junk, "entry_point_call_id": junk}))})
		if err != nil || report.Legs[0].Session != "7" {
			t.Errorf("%v: %+v, %v", junk, report, err)
		}
	}
	if _, err := system(t).Read(phone.Event{Body: []byte(tell(t, fields{"call_id": nil}))}); err == nil {
		t.Error("a state without a call is no error")
	}
}

func TestConfig(t *testing.T) {
	if _, err := dialpad.New(phone.Settings{ID: "x"}, nil); err == nil {
		t.Error("made without a secret")
	}
	bad := func(into any) error { into.(*dialpad.Config).PersonTargets = []string{""}; return nil }
	if _, err := dialpad.New(phone.Settings{ID: "x", Secrets: []redact.Secret{redact.NewSecret("s")}}, bad); err == nil {
		t.Error("an empty type is taken")
	}
	if k := dialpad.Kind(); k.Name != "dialpad" || k.New == nil || k.What == "" {
		t.Errorf("%+v", k)
	}
}

func FuzzReceive(f *testing.F) {
	f.Add(sign(secret, hs256, `{"call_id":1,"state":"missed"}`))
	f.Add([]byte(`{"call_id":1}`))
	f.Add([]byte("a.b.c"))
	sys := system(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := sys.Receive(phone.Request{Method: http.MethodPost, Body: body, At: began})
		if (err == nil) != (len(got.Events) == 1) {
			t.Fatalf("%d events, %v", len(got.Events), err)
		}
	})
}

func FuzzRead(f *testing.F) {
	f.Add(tell(f))
	f.Add(tell(f, fields{"state": "voicemail_uploaded", "recording_details": []any{fields{"duration": 1e300}}}))
	f.Add(`{"call_id":1,"state":"hangup","date_started":1e18,"talk_time":-5,"contact":null}`)
	sys := system(f)
	f.Fuzz(func(t *testing.T, body string) {
		report, err := sys.Read(phone.Event{Key: "k", Body: []byte(body), At: began})
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
