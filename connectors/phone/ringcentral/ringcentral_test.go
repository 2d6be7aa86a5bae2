package ringcentral_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/connectors/phone"
	"github.com/ringback-health/ringback/connectors/phone/phonetest"
	"github.com/ringback-health/ringback/connectors/phone/ringcentral"
	"github.com/ringback-health/ringback/internal/redact"
)

const secret = "rc-verification-token-1"

// The extensions of the stories: desk and nurse are people.
const desk, nurse, queue, menu = "101", "102", "201", "301"

func system(t testing.TB) phone.System {
	t.Helper()
	sys, err := ringcentral.New(phone.Settings{ID: "main-line", Secrets: []redact.Secret{redact.NewSecret(secret)}}, func(into any) error {
		*into.(*ringcentral.Config) = ringcentral.Config{Queues: []string{queue}, Menus: []string{menu}}
		return nil
	})
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

func request(header, token, body string, at time.Time) phone.Request {
	h := http.Header{"Content-Type": {"application/json"}}
	h.Set(header, token)
	return phone.Request{Method: http.MethodPost, URL: "https://phones.example.com/hooks/main-line", Header: h, Body: []byte(body), At: at}
}

// TestConformance runs under both names of the header.
func TestConformance(t *testing.T) {
	body := load(t, "telephony-session.json")
	for _, header := range []string{"Verification-Token", "Validation-Token"} {
		t.Run(header, func(t *testing.T) {
			phonetest.RunSystem(t, phonetest.SystemCase{
				New:    func(s phone.Settings) (phone.System, error) { return ringcentral.New(s, nil) },
				Sign:   func(secret string, at time.Time) phone.Request { return request(header, secret, body, at) },
				Secret: secret, Other: "another-verification-token", Headers: []string{header},
				PHI: []string{"2125550123", "Sam Sample"},
			})
		})
	}
}

// TestHandshake: RingCentral's own token is sent back, and nothing else.
func TestHandshake(t *testing.T) {
	sys := system(t)
	got, err := sys.Receive(request("Validation-Token", "3a7c1d9e-0b52-4c1e", "", began))
	size := len("HTTP/1.1 200 OK\r\n")
	for name, values := range got.Answer.Header {
		size += len(name) + len(values[0]) + 4
	}
	if err != nil || len(got.Events) != 0 || got.Answer.Status != http.StatusOK || len(got.Answer.Body) != 0 ||
		got.Answer.Header.Get("Validation-Token") != "3a7c1d9e-0b52-4c1e" || got.Answer.Header.Get("Content-Type") != "application/json" || size > 300 {
		t.Errorf("%+v, %v", got, err)
	}
	longest, err := sys.Receive(request("Validation-Token", strings.Repeat("x", 512), "", began))
	if err != nil || len(longest.Answer.Header.Get("Validation-Token")) != 512 {
		t.Errorf("the longest: %v", err)
	}
	for name, r := range map[string]phone.Request{
		"too long":              request("Validation-Token", strings.Repeat("x", 513), "", began),
		"a line break":          request("Validation-Token", "a\r\nSet-Cookie: b", "", began),
		"with a body":           request("Validation-Token", "3a7c1d9e", `{"event":"x"}`, began),
		"no token":              request("Content-Type", "application/json", "", began),
		"the secret, no body":   request("Verification-Token", secret, "", began),
		"a token, and a secret": request("Verification-Token", "wrong", `{}`, began),
	} {
		got, err := sys.Receive(r)
		var refused *phone.Refused
		if !errors.As(err, &refused) || got.Answer.Header != nil || len(got.Events) > 0 {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// TestSamples reads what RingCentral's documentation prints.
func TestSamples(t *testing.T) {
	for _, c := range []struct {
		file, session, id, from string
		direction               calls.Direction
		stated                  calls.Verdict
	}{
		{"telephony-session.json", "s-a6abd24ca6774373a8120a3390d3cbe8", "p-a6abd24ca6774373a8120a3390d3cbe8-2", "+12125550123", calls.Inbound, ""},
		{"telephony-session-push.json", "Y3MxNzE4NDE5MDM0MzQwMTgzODRAMTAuNjIuMjUuMTEx", "cs171841903434018384-2", "103", calls.Internal, ""},
		{"voicemail.json", "voicemail-82063400004", "voicemail-82063400004", "+12125550123", calls.Inbound, calls.VerdictVoicemail},
	} {
		receipt, err := system(t).Receive(request("Verification-Token", secret, load(t, c.file), began))
		if err != nil {
			t.Fatal(err)
		}
		report, err := system(t).Read(receipt.Events[0])
		if err != nil || len(report.Legs) != 1 {
			t.Fatalf("%s: %+v, %v", c.file, report, err)
		}
		l := report.Legs[0]
		if l.Session != c.session || l.ID != c.id || l.From.Reveal() != c.from || l.Direction != c.direction || l.Stated != c.stated || l.Start.IsZero() {
			t.Errorf("%s: %+v from %q", c.file, l, l.From.Reveal())
		}
		if c.stated == calls.VerdictVoicemail && (l.Message.ID != "82063400004" || l.Message.Length != 3*time.Second || !strings.HasPrefix(l.Message.URL.Reveal(), "https://")) {
			t.Errorf("%+v", l.Message)
		}
	}
	report, err := system(t).Read(phone.Event{Form: phone.FormHistory, Body: []byte(load(t, "call-log-record.json"))})
	if err != nil || len(report.Legs) != 2 || report.Legs[0].Session != "s-13916417004" {
		t.Fatalf("%+v, %v", report, err)
	}
	for _, s := range calls.Collapse(calls.Latest(report.Legs), calls.DefaultRules()) {
		if s.Verdict != calls.VerdictAnswered || s.Talk != 55*time.Second || s.From.Reveal() != "+12125550123" || s.FromName.Reveal() != "Sam Sample" || s.To.Reveal() != "+12125550100" {
			t.Errorf("%+v from %q to %q", s, s.From.Reveal(), s.To.Reveal())
		}
	}
}

var began = time.Date(2026, 3, 2, 16, 0, 0, 0, time.UTC)

// call tells a telephony session, party by party, in the form of RingCentral's stream.
type call struct {
	id       string
	sequence int
}

type step struct {
	sec             int
	party           int
	extension       string // "" is outside
	direction, code string
	reason          string
	missed          bool
	from, to        map[string]any
}

func at(sec int) string {
	return began.Add(time.Duration(sec) * time.Second).Format("2006-01-02T15:04:05.000Z")
}

func (c *call) tell(steps ...step) (events []string) {
	c.sequence++ // RingCentral's begin with 2
	for _, s := range steps {
		c.sequence++
		from, to := map[string]any{"phoneNumber": "+12125550123"}, map[string]any{"phoneNumber": "+12125550100", "extensionId": s.extension}
		if s.from != nil {
			from = s.from
		}
		if s.to != nil {
			to = s.to
		}
		p := map[string]any{
			"accountId": "809646016", "id": fmt.Sprintf("p-%s-%d", c.id, s.party), "direction": s.direction, "from": from, "to": to,
			"status": map[string]any{"code": s.code, "rcc": false}, "park": map[string]any{}, "missedCall": s.missed, "standAlone": false, "muted": false,
		}
		if s.extension != "" {
			p["extensionId"] = s.extension
		}
		if s.reason != "" {
			p["status"].(map[string]any)["reason"] = s.reason
		}
		b, err := json.Marshal(map[string]any{
			"uuid": fmt.Sprintf("465479332935972%s%d", c.id, c.sequence), "event": "/restapi/v1.0/account/809646016/telephony/sessions", "timestamp": at(s.sec),
			"body": map[string]any{
				"sequence": c.sequence, "sessionId": "42918" + c.id, "telephonySessionId": "s-" + c.id, "eventTime": at(s.sec), "parties": []any{p}, "origin": map[string]any{"type": "Call"},
			},
		})
		if err != nil {
			panic(err)
		}
		events = append(events, string(b))
	}
	return events
}

// caller is the caller's own party, inbound one of the clinic's.
func caller(sec int, code string) step {
	return step{sec: sec, party: 1, direction: "Outbound", code: code, to: map[string]any{"phoneNumber": "+12125550100"}}
}

func inbound(sec, party int, extension, code string, more ...string) step {
	s := step{sec: sec, party: party, extension: extension, direction: "Inbound", code: code}
	for _, m := range more {
		if m == "missed" {
			s.missed = true
		} else {
			s.reason = m
		}
	}
	return s
}

func TestStories(t *testing.T) {
	next := 0
	story := func(name string, want calls.Verdict, talk time.Duration, steps ...step) phonetest.Story {
		next++
		c := call{id: fmt.Sprintf("%04d", next)}
		return phonetest.Story{Name: name, Want: want, Talk: talk, Events: c.tell(steps...)}
	}
	setup := []step{caller(0, "Setup"), caller(1, "Answered")}
	with := func(steps ...step) []step { return append(append([]step{}, setup...), steps...) }
	outside := map[string]any{"phoneNumber": "+12125550123"}
	own := map[string]any{"phoneNumber": "+12125550100", "extensionId": desk}
	colleague := map[string]any{"phoneNumber": "102", "extensionId": nurse}

	// A message names no call: it is put to the one that its caller made then.
	later := map[string]any{"phoneNumber": "+12125550177"}
	lateCall := (&call{id: "late"}).tell(
		step{sec: 7200, party: 2, extension: desk, direction: "Inbound", code: "Proceeding", from: later}, step{sec: 7220, party: 2, extension: desk, direction: "Inbound", code: "VoiceMail", from: later},
		step{sec: 7250, party: 2, extension: desk, direction: "Inbound", code: "Disconnected", from: later})
	lateMessage := strings.NewReplacer("82063400004", "82063400777", "+12125550123", "+12125550177", "2018-02-28T10:05:55.000Z", at(7222)).Replace(load(t, "voicemail.json"))

	phonetest.RunStories(t, system(t), calls.DefaultRules(),
		phonetest.Story{Name: "a mailbox and the message that names no call", Want: calls.VerdictVoicemail, Message: 3 * time.Second, Rung: began.Add(2 * time.Hour), Events: append(lateCall, lateMessage)},
		story("menu, then a person, with a hold", calls.VerdictAnswered, 15*time.Second, with(
			inbound(0, 2, menu, "Setup"), inbound(9, 2, menu, "Disconnected"), inbound(9, 3, desk, "Setup"), inbound(9, 3, desk, "Proceeding"),
			inbound(17, 3, desk, "Answered"), inbound(21, 3, desk, "Hold"), inbound(24, 3, desk, "Answered"), inbound(32, 3, desk, "Disconnected"), caller(32, "Disconnected"))...),
		story("missed by everybody", calls.VerdictAbandonedRing, 0, with(
			inbound(1, 2, desk, "Setup"), inbound(1, 3, nurse, "Proceeding"), inbound(20, 2, desk, "Disconnected", "missed"), inbound(20, 3, nurse, "Disconnected", "missed"), caller(20, "Disconnected"))...),
		story("missed by one and answered by another", calls.VerdictAnswered, 30*time.Second, with(
			inbound(1, 2, desk, "Proceeding"), inbound(1, 3, nurse, "Proceeding"), inbound(10, 3, nurse, "Answered"), inbound(10, 2, desk, "Disconnected", "missed"),
			inbound(40, 3, nurse, "Disconnected", "CallFinished"), caller(40, "Disconnected"))...),
		story("passed on: Disconnected is no end", calls.VerdictAnswered, 50*time.Second, with(
			inbound(1, 2, desk, "Proceeding"), inbound(10, 2, desk, "Answered"), inbound(30, 2, desk, "Disconnected", "BlindTransfer"),
			inbound(30, 3, nurse, "Setup"), inbound(35, 3, nurse, "Answered"), inbound(65, 3, nurse, "Disconnected"), caller(65, "Disconnected"))...),
		story("passed on to a mailbox", calls.VerdictVoicemail, 20*time.Second, with(
			inbound(1, 2, desk, "Proceeding"), inbound(10, 2, desk, "Answered"), inbound(30, 2, desk, "Disconnected", "BlindTransfer"),
			inbound(30, 3, nurse, "Setup"), inbound(45, 3, nurse, "VoiceMail"), inbound(65, 3, nurse, "Disconnected"), caller(65, "Disconnected"))...),
		story("mailbox", calls.VerdictVoicemail, 0, with(
			inbound(1, 2, desk, "Proceeding"), inbound(20, 2, desk, "VoiceMail"), inbound(50, 2, desk, "Disconnected"), caller(50, "Disconnected"))...),
		story("mailbox, and only the reason tells", calls.VerdictVoicemail, 0, with(inbound(20, 2, desk, "Disconnected", "Voicemail", "missed"))...),
		story("a queue that answers, and nobody else does", calls.VerdictAbandonedQueue, 0, with(
			inbound(0, 2, queue, "Setup"), inbound(2, 2, queue, "Answered"), inbound(10, 3, desk, "Proceeding"), inbound(25, 3, desk, "Disconnected", "NoAnswer", "missed"),
			inbound(60, 2, queue, "Disconnected", "CallFinished", "missed"), caller(60, "Disconnected"))...),
		story("a queue whose agent answers", calls.VerdictAnswered, 30*time.Second, with(
			inbound(0, 2, queue, "Setup"), inbound(2, 2, queue, "Answered"), inbound(10, 3, desk, "Proceeding"), inbound(15, 3, desk, "Answered"),
			inbound(15, 2, queue, "Disconnected", "AgentAnswered"), inbound(45, 3, desk, "Disconnected"), caller(45, "Disconnected"))...),
		story("an agent answered, and only the queue's party tells", calls.VerdictAnswered, 0, with(inbound(2, 2, queue, "Answered"), inbound(15, 2, queue, "Disconnected", "AgentAnswered"))...),
		story("told in the same millisecond: the sequence decides", calls.VerdictAnswered, 0, with(inbound(15, 2, queue, "Answered"), inbound(15, 2, queue, "Disconnected", "AgentAnswered"))...),
		story("missed by one while another was busy", calls.VerdictAbandonedRing, 0, with(inbound(20, 2, desk, "Disconnected", "missed"), inbound(2, 3, nurse, "Disconnected", "TargetBusy", "missed"))...),
		story("a menu answers, and the caller hangs up", calls.VerdictAbandonedIVR, 0, with(inbound(0, 2, menu, "Setup"), inbound(1, 2, menu, "Answered"), inbound(30, 2, menu, "Disconnected"), caller(30, "Disconnected"))...),
		story("busy", calls.VerdictBusy, 0, with(inbound(1, 2, desk, "Setup"), inbound(2, 2, desk, "Disconnected", "TargetBusy", "missed"))...),
		story("declined", calls.VerdictRejected, 0, with(inbound(1, 2, desk, "Setup"), inbound(8, 2, desk, "Disconnected", "Rejected", "missed"))...),
		story("failed", calls.VerdictFailed, 0, with(inbound(1, 2, desk, "Setup"), inbound(8, 2, desk, "Disconnected", "InternalError"))...),
		story("the caller gives up", calls.VerdictAbandonedRing, 0, with(inbound(1, 2, desk, "Proceeding"), inbound(14, 2, desk, "Disconnected", "Cancelled", "missed"), caller(14, "Disconnected"))...),
		story("gave up at once", calls.VerdictShort, 0, with(inbound(1, 2, desk, "Proceeding"), inbound(3, 2, desk, "Disconnected", "Cancelled", "missed"), caller(3, "Disconnected"))...),
		story("only the end came", calls.VerdictAbandonedRing, 0, inbound(20, 2, desk, "Disconnected", "missed")),
		story("only the caller's party came", calls.VerdictAbandonedRing, 0, setup...),
		story("a fax", calls.VerdictAbandonedIVR, 0, with(inbound(1, 2, desk, "FaxReceive"), inbound(60, 2, desk, "Disconnected"), caller(60, "Disconnected"))...),
		story("called out", calls.VerdictOutbound, 17*time.Second,
			step{sec: 0, party: 1, extension: desk, direction: "Outbound", code: "Setup", from: own, to: outside},
			step{sec: 0, party: 2, direction: "Inbound", code: "Proceeding", from: own, to: outside},
			step{sec: 7, party: 2, direction: "Inbound", code: "Answered", from: own, to: outside},
			step{sec: 7, party: 1, extension: desk, direction: "Outbound", code: "Answered", from: own, to: outside},
			step{sec: 24, party: 1, extension: desk, direction: "Outbound", code: "Disconnected", from: own, to: outside},
			step{sec: 24, party: 2, direction: "Inbound", code: "Disconnected", from: own, to: outside}),
		story("called out, and the outside party is not told", calls.VerdictOutbound, 17*time.Second,
			step{sec: 0, party: 1, extension: desk, direction: "Outbound", code: "Setup", from: own, to: outside},
			step{sec: 7, party: 1, extension: desk, direction: "Outbound", code: "Answered", from: own, to: outside},
			step{sec: 24, party: 1, extension: desk, direction: "Outbound", code: "Disconnected", from: own, to: outside}),
		story("called out, and nobody answered", calls.VerdictOutbound, 0,
			step{sec: 0, party: 1, extension: desk, direction: "Outbound", code: "Setup", from: own, to: outside},
			step{sec: 24, party: 1, extension: desk, direction: "Outbound", code: "Disconnected", from: own, to: outside}),
		story("between colleagues: Answered says only that the extension was found", calls.VerdictInternal, 14*time.Second,
			step{sec: 0, party: 1, extension: desk, direction: "Outbound", code: "Setup", from: own, to: map[string]any{"phoneNumber": "102"}},
			step{sec: 0, party: 2, extension: nurse, direction: "Inbound", code: "Setup", from: own, to: colleague},
			step{sec: 0, party: 1, extension: desk, direction: "Outbound", code: "Answered", from: own, to: colleague},
			step{sec: 7, party: 2, extension: nurse, direction: "Inbound", code: "Answered", from: own, to: colleague},
			step{sec: 21, party: 1, extension: desk, direction: "Outbound", code: "Disconnected", from: own, to: colleague},
			step{sec: 21, party: 2, extension: nurse, direction: "Inbound", code: "Disconnected", from: own, to: colleague}),
		phonetest.Story{Name: "voicemail", Want: calls.VerdictVoicemail, Message: 3 * time.Second, Rung: time.Date(2018, 2, 28, 10, 5, 55, 0, time.UTC), Events: []string{load(t, "voicemail.json")}},
	)
}

// TestReasonsTell says why a machine was no answer.
func TestReasonsTell(t *testing.T) {
	c := call{id: "9"}
	report, err := system(t).Read(phone.Event{Body: []byte(c.tell(inbound(2, 2, queue, "Answered"))[0])})
	if err != nil || !strings.Contains(report.Legs[0].Note, "queue, which the settings name") {
		t.Errorf("%+v, %v", report, err)
	}
}

// TestTranscript is taken once it is complete.
func TestTranscript(t *testing.T) {
	for status, want := range map[string]string{"Completed": "please call", "CompletedPartially": "please call", "InProgress": "", "": ""} {
		body := strings.Replace(load(t, "voicemail.json"), `"vmTranscriptionStatus": "Completed"`, `"subject": "please call", "vmTranscriptionStatus": "`+status+`"`, 1)
		report, err := system(t).Read(phone.Event{Body: []byte(body)})
		if err != nil || report.Legs[0].Message.Transcript.Reveal() != want {
			t.Errorf("%s: %q, %v", status, report.Legs[0].Message.Transcript.Reveal(), err)
		}
	}
}

func TestNoCall(t *testing.T) {
	for _, body := range []string{`{"event":"/restapi/v1.0/subscription/abc?threshold=1","body":{"expiresIn":9}}`, `{"event":"/restapi/v1.0/account/1/extension/2/presence","body":{}}`,
		`{"event":"/restapi/v1.0/account/1/telephony/sessions?direction=Inbound","body":{"telephonySessionId":"s","parties":[]}}`} {
		report, err := system(t).Read(phone.Event{Body: []byte(body)})
		if err != nil || report.Skip == "" || len(report.Legs) > 0 {
			t.Errorf("%s: %+v, %v", body, report, err)
		}
	}
	for _, body := range []string{`{"event":"/a/telephony/sessions","body":{"parties":[{"id":"p"}]}}`, `{"event":"/a/telephony/sessions","body":{"telephonySessionId":"s","parties":[{}]}}`, `{"event":"/a/voicemail","body":{}}`, `{"event":"/a/voicemail"}`} {
		if report, err := system(t).Read(phone.Event{Body: []byte(body)}); err == nil {
			t.Errorf("%s: %+v", body, report)
		}
	}
}

func FuzzReceive(f *testing.F) {
	f.Add([]byte(load(f, "telephony-session.json")), "", "abc")
	f.Add([]byte(nil), secret, "abc\r\nX: y")
	sys := system(f)
	f.Fuzz(func(t *testing.T, body []byte, verification, validation string) {
		h := http.Header{"Verification-Token": {verification}, "Validation-Token": {validation}}
		got, err := sys.Receive(phone.Request{Method: http.MethodPost, Header: h, Body: body, At: began})
		if len(got.Events) > 0 && (err != nil || verification != secret && validation != secret || got.Events[0].Key == "") {
			t.Fatalf("taken: %v", err)
		}
		if v := got.Answer.Header.Get("Validation-Token"); strings.ContainsAny(v, "\r\n\x00 ") || len(v) > 512 {
			t.Fatalf("sent back: %q", v)
		}
	})
}

func FuzzRead(f *testing.F) {
	for _, name := range []string{"telephony-session.json", "telephony-session-push.json", "voicemail.json"} {
		f.Add(load(f, name), false)
	}
	f.Add(load(f, "call-log-record.json"), true)
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
