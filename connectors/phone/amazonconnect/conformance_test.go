package amazonconnect_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/connectors/phone"
	"github.com/ringback-health/ringback/connectors/phone/amazonconnect"
	"github.com/ringback-health/ringback/connectors/phone/phonetest"
	"github.com/ringback-health/ringback/internal/redact"
)

const (
	secret = "access-key-of-the-test"
	other  = "another-key-of-the-test"
)

func load(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

func newSystem(t testing.TB, c amazonconnect.Config) phone.System {
	t.Helper()
	sys, err := amazonconnect.New(phone.Settings{ID: "cloud", Secrets: []redact.Secret{redact.NewSecret(secret)}}, c)
	if err != nil {
		t.Fatal(err)
	}
	return sys
}

// delivered is a Firehose request with these records.
func delivered(key string, at time.Time, records ...string) phone.Request {
	var d struct {
		RequestID string              `json:"requestId"`
		Timestamp int64               `json:"timestamp"`
		Records   []map[string]string `json:"records"`
	}
	d.RequestID, d.Timestamp = "ed4acda5-034f-9f42-bba1-f29aea6d7d8f", at.UnixMilli()
	d.Records = []map[string]string{}
	for _, r := range records {
		d.Records = append(d.Records, map[string]string{"data": base64.StdEncoding.EncodeToString([]byte(r))})
	}
	body, err := json.Marshal(d)
	if err != nil {
		panic(err)
	}
	h := http.Header{}
	h.Set("X-Amz-Firehose-Protocol-Version", "1.0")
	h.Set("X-Amz-Firehose-Request-Id", d.RequestID)
	h.Set("X-Amz-Firehose-Access-Key", key)
	h.Set("Content-Type", "application/json")
	return phone.Request{Method: http.MethodPost, URL: "https://ringback.example/phones/cloud", Header: h, Body: body, At: at}
}

// sent is an EventBridge request.
func sent(key string, at time.Time, event string) phone.Request {
	h := http.Header{}
	h.Set("X-Ringback-Key", key)
	h.Set("Content-Type", "application/json; charset=utf-8")
	return phone.Request{Method: http.MethodPost, URL: "https://ringback.example/phones/cloud", Header: h, Body: []byte(event), At: at}
}

func TestSystem(t *testing.T) {
	build := func(s phone.Settings) (phone.System, error) {
		return amazonconnect.New(s, amazonconnect.Config{})
	}
	record, event := load(t, "record-answered.json"), load(t, "event-disconnected.json")
	t.Run("Firehose", func(t *testing.T) {
		phonetest.RunSystem(t, phonetest.SystemCase{
			New:    build,
			Sign:   func(key string, at time.Time) phone.Request { return delivered(key, at, record) },
			Secret: secret, Other: other,
			Headers: []string{"X-Amz-Firehose-Access-Key"}, PHI: []string{"12125550101", "2125550101"},
		})
	})
	t.Run("EventBridge", func(t *testing.T) {
		phonetest.RunSystem(t, phonetest.SystemCase{
			New:    build,
			Sign:   func(key string, at time.Time) phone.Request { return sent(key, at, event) },
			Secret: secret, Other: other,
			Headers: []string{"X-Ringback-Key"}, PHI: []string{"12125550102", "2125550102"},
		})
	})
}

// record is a contact record of contact n; fields replace those of an inbound call
// that ended in a flow.
func record(n, first int, fields map[string]any) string {
	r := map[string]any{
		"ContactId": id(n), "InitialContactId": id(first), "Channel": "VOICE", "InitiationMethod": "INBOUND",
		"CustomerEndpoint": map[string]any{"Type": "TELEPHONE_NUMBER", "Address": fmt.Sprintf("+121255501%02d", first)},
		"SystemEndpoint":   map[string]any{"Type": "TELEPHONE_NUMBER", "Address": "+12125550100"},
	}
	if n == first {
		r["InitialContactId"] = nil
	}
	for k, v := range fields {
		r[k] = v
	}
	b, err := json.Marshal(r)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// event is a contact event of contact n.
func event(kind string, n, first int, at string, fields map[string]any) string {
	d := map[string]any{"eventType": kind, "contactId": id(n), "channel": "VOICE", "initiationMethod": "INBOUND"}
	if n != first {
		d["initialContactId"] = id(first)
	}
	for k, v := range fields {
		d[k] = v
	}
	b, err := json.Marshal(map[string]any{"id": fmt.Sprintf("e0000000-0000-4000-8000-%012d", n), "detail-type": "Amazon Connect Contact Event", "source": "aws.connect", "time": clock(at), "detail": d})
	if err != nil {
		panic(err)
	}
	return string(b)
}

func id(n int) string { return fmt.Sprintf("c0000000-0000-4000-8000-%012d", n) }

func clock(hms string) string { return "2026-03-02T" + hms + "Z" }

func queued(at string) map[string]any { return map[string]any{"EnqueueTimestamp": clock(at)} }

func connected(at string) map[string]any {
	return map[string]any{"ConnectedToAgentTimestamp": clock(at), "Username": "agent1"}
}

func TestStories(t *testing.T) {
	at := func(hms string) time.Time {
		v, err := time.Parse(time.RFC3339, clock(hms))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	sys := newSystem(t, amazonconnect.Config{Attributes: map[string]calls.Verdict{"vm_flag": calls.VerdictVoicemail, "closed": calls.VerdictAfterHours}})
	phonetest.RunStories(t, sys, calls.DefaultRules(),
		phonetest.Story{Name: "answered from a queue", Want: calls.VerdictAnswered, Talk: 33 * time.Second, Rung: at("14:59:38"),
			Events: []string{load(t, "record-answered.json")}},
		phonetest.Story{Name: "abandoned in a queue, event and record", Want: calls.VerdictAbandonedQueue, Rung: at("15:10:00"),
			Events: []string{load(t, "event-disconnected.json"), load(t, "record-abandoned.json")}},
		phonetest.Story{Name: "an event of 2021 alone", Want: calls.VerdictAnswered,
			Events: []string{load(t, "event-connected-2021.json")}},
		phonetest.Story{Name: "every event, and an end that forgets the agent", Want: calls.VerdictAnswered, Talk: 60 * time.Second, Rung: at("16:00:00"),
			Events: []string{
				event("INITIATED", 10, 10, "16:00:00", map[string]any{"initiationTimestamp": clock("16:00:00")}),
				event("QUEUED", 10, 10, "16:00:05", map[string]any{"queueInfo": map[string]any{"enqueueTimestamp": clock("16:00:05")}}),
				event("CONNECTED_TO_AGENT", 10, 10, "16:00:30", map[string]any{"agentInfo": map[string]any{"connectedToAgentTimestamp": clock("16:00:30")}}),
				event("DISCONNECTED", 10, 10, "16:01:30", map[string]any{"queueInfo": map[string]any{"enqueueTimestamp": clock("16:00:05")}, "disconnectTimestamp": clock("16:01:30")}),
			}},
		phonetest.Story{Name: "queued, and nothing more is told", Want: calls.VerdictAbandonedQueue,
			Events: []string{event("QUEUED", 11, 11, "16:05:00", map[string]any{"queueInfo": map[string]any{"enqueueTimestamp": clock("16:05:00")}})}},
		phonetest.Story{Name: "hung up in the flow", Want: calls.VerdictAbandonedIVR,
			Events: []string{record(12, 12, map[string]any{"InitiationTimestamp": clock("16:10:00"), "DisconnectTimestamp": clock("16:10:20"), "LastUpdateTimestamp": clock("16:11:00")})}},
		phonetest.Story{Name: "hung up at once", Want: calls.VerdictShort,
			Events: []string{record(13, 13, map[string]any{"InitiationTimestamp": clock("16:12:00"), "DisconnectTimestamp": clock("16:12:02"), "LastUpdateTimestamp": clock("16:13:00")})}},
		phonetest.Story{Name: "asked for a callback, not reached yet", Want: calls.VerdictCallbackRequested, Rung: at("16:20:00"),
			Events: []string{
				record(14, 14, map[string]any{"InitiationTimestamp": clock("16:20:00"), "DisconnectTimestamp": clock("16:22:00"), "LastUpdateTimestamp": clock("16:23:00"), "Queue": queued("16:20:00"), "NextContactId": id(15)}),
				event("INITIATED", 15, 14, "16:22:00", map[string]any{"initiationMethod": "CALLBACK", "initiationTimestamp": clock("16:22:00"), "previousContactId": id(14)}),
			}},
		phonetest.Story{Name: "asked for a callback and was reached", Want: calls.VerdictAnswered, Talk: 275 * time.Second, Rung: at("11:35:00"),
			Events: []string{
				record(16, 16, map[string]any{"InitiationTimestamp": clock("11:35:00"), "DisconnectTimestamp": clock("11:37:00"), "LastUpdateTimestamp": clock("11:38:00"), "Queue": queued("11:35:00"), "NextContactId": id(17)}),
				record(17, 16, map[string]any{"InitiationMethod": "CALLBACK", "InitiationTimestamp": clock("11:37:00"), "ConnectedToSystemTimestamp": clock("11:40:10"), "Agent": connected("11:40:25"),
					"DisconnectTimestamp": clock("11:45:00"), "LastUpdateTimestamp": clock("11:46:00"), "Queue": queued("11:38:39"), "PreviousContactId": id(16)}),
			}},
		phonetest.Story{Name: "asked for a callback, the agent was there and the caller did not answer", Want: calls.VerdictCallbackRequested,
			Events: []string{record(18, 18, map[string]any{"InitiationMethod": "CALLBACK", "InitiationTimestamp": clock("11:50:00"), "Agent": connected("11:50:25"), "DisconnectTimestamp": clock("11:51:00"), "LastUpdateTimestamp": clock("11:52:00")})}},
		phonetest.Story{Name: "transferred to a colleague", Want: calls.VerdictAnswered, Talk: 90 * time.Second, Rung: at("17:00:00"),
			Events: []string{
				record(20, 20, map[string]any{"InitiationTimestamp": clock("17:00:00"), "Agent": connected("17:00:30"), "DisconnectTimestamp": clock("17:01:00"), "LastUpdateTimestamp": clock("17:03:00"), "Queue": queued("17:00:10")}),
				record(21, 20, map[string]any{"InitiationMethod": "TRANSFER", "InitiationTimestamp": clock("17:00:50"), "Agent": connected("17:01:00"), "DisconnectTimestamp": clock("17:02:00"), "LastUpdateTimestamp": clock("17:03:00")}),
			}},
		phonetest.Story{Name: "put into another queue and gave up", Want: calls.VerdictAbandonedQueue, Rung: at("17:10:00"),
			Events: []string{
				record(22, 22, map[string]any{"InitiationTimestamp": clock("17:10:00"), "DisconnectTimestamp": clock("17:11:00"), "LastUpdateTimestamp": clock("17:13:00"), "Queue": queued("17:10:10")}),
				record(23, 22, map[string]any{"InitiationMethod": "QUEUE_TRANSFER", "InitiationTimestamp": clock("17:11:00"), "DisconnectTimestamp": clock("17:12:00"), "LastUpdateTimestamp": clock("17:13:00"), "Queue": queued("17:11:00")}),
			}},
		phonetest.Story{Name: "left a message", Want: calls.VerdictVoicemail,
			Events: []string{
				record(24, 24, map[string]any{"InitiationTimestamp": clock("17:20:00"), "DisconnectTimestamp": clock("17:21:00"), "LastUpdateTimestamp": clock("17:22:00"), "Queue": queued("17:20:10")}),
				record(24, 24, map[string]any{"InitiationTimestamp": clock("17:20:00"), "DisconnectTimestamp": clock("17:21:00"), "LastUpdateTimestamp": clock("17:25:00"), "Queue": queued("17:20:10"), "Attributes": map[string]any{"vm_flag": 1, "closed": "false"}}),
			}},
		phonetest.Story{Name: "placed by an agent", Want: calls.VerdictOutbound, Talk: 40 * time.Second,
			Events: []string{record(25, 25, map[string]any{"InitiationMethod": "OUTBOUND", "InitiationTimestamp": clock("17:30:00"), "ConnectedToSystemTimestamp": clock("17:30:20"), "Agent": connected("17:30:10"), "DisconnectTimestamp": clock("17:31:00"), "LastUpdateTimestamp": clock("17:32:00")})}},
	)
}

func TestWhoCalled(t *testing.T) {
	sys := newSystem(t, amazonconnect.Config{})
	const caller, clinic = "+12125550101", "+12125550100"
	for _, c := range []struct {
		what, body, from, to string
		direction            calls.Direction
	}{
		{"inbound", record(1, 1, nil), caller, clinic, calls.Inbound},
		{"a callback", record(1, 1, map[string]any{"InitiationMethod": "CALLBACK"}), caller, clinic, calls.Inbound},
		{"outbound", record(1, 1, map[string]any{"InitiationMethod": "OUTBOUND"}), clinic, caller, calls.Outbound},
		{"by the API", record(1, 1, map[string]any{"InitiationMethod": "API"}), clinic, caller, calls.Outbound},
		{"transferred", record(2, 1, map[string]any{"InitiationMethod": "TRANSFER"}), caller, clinic, ""},
		{"withheld", record(1, 1, map[string]any{"CustomerEndpoint": map[string]any{"Address": "anonymous"}}), "", clinic, calls.Inbound},
		{"no endpoint", record(1, 1, map[string]any{"CustomerEndpoint": nil}), "", clinic, calls.Inbound},
	} {
		got, err := sys.Read(phone.Event{Body: []byte(c.body)})
		if err != nil || len(got.Legs) != 1 {
			t.Fatalf("%s: %v", c.what, err)
		}
		if l := got.Legs[0]; l.From.Reveal() != c.from || l.To.Reveal() != c.to || l.Direction != c.direction {
			t.Errorf("%s: from, to or direction (%q) is wrong", c.what, l.Direction)
		}
	}
}

func TestNoCall(t *testing.T) {
	sys := newSystem(t, amazonconnect.Config{})
	for what, body := range map[string]string{
		"chat":         record(1, 1, map[string]any{"Channel": "CHAT"}),
		"task":         event("INITIATED", 1, 1, "10:00:00", map[string]any{"channel": "TASK"}),
		"monitoring":   record(1, 1, map[string]any{"InitiationMethod": "MONITOR"}),
		"another rule": `{"id":"1","detail-type":"Contact Lens Analysis State Change","detail":{}}`,
	} {
		if got, err := sys.Read(phone.Event{Body: []byte(body)}); err != nil || got.Skip == "" || len(got.Legs) != 0 {
			t.Errorf("%s: %+v, %v", what, got, err)
		}
	}
}

func TestFirehose(t *testing.T) {
	sys := newSystem(t, amazonconnect.Config{})
	at := time.Date(2026, 3, 2, 16, 0, 0, 0, time.UTC)
	a, b := load(t, "record-answered.json"), load(t, "record-abandoned.json")
	keys := func(r phone.Request) (out []string) {
		t.Helper()
		got, err := sys.Receive(r)
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf(`{"requestId":"ed4acda5-034f-9f42-bba1-f29aea6d7d8f","timestamp":%d}`, at.UnixMilli()); string(got.Answer.Body) != want ||
			got.Answer.Status != http.StatusOK || got.Answer.Header.Get("Content-Type") != "application/json" {
			t.Errorf("answer %d %s", got.Answer.Status, got.Answer.Body)
		}
		for _, e := range got.Events {
			out = append(out, e.Key)
		}
		return out
	}
	both := []string{"a0000000-0000-4000-8000-000000000001@20260302T150302.000Z", "a0000000-0000-4000-8000-000000000002@20260302T151240.000Z"}
	compressed := delivered(secret, at, a, b)
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	w.Write(compressed.Body)
	w.Close()
	compressed.Body = z.Bytes()
	compressed.Header.Set("Content-Encoding", "gzip")
	for what, r := range map[string]phone.Request{
		"two records":          delivered(secret, at, a, b),
		"in one record":        delivered(secret, at, a+b),
		"line breaks":          delivered(secret, at, a+"\n", "\n"+b+"\n"),
		"compressed":           compressed,
		"an empty record more": delivered(secret, at, a, "", b),
	} {
		if got := keys(r); fmt.Sprint(got) != fmt.Sprint(both) {
			t.Errorf("%s: %v", what, got)
		}
	}
	if got := keys(delivered(secret, at, a+"{damaged")); len(got) != 2 || got[0] != both[0] {
		t.Errorf("a record and rubbish after it: %v", got)
	}
	if got := keys(delivered(secret, at)); len(got) != 0 {
		t.Errorf("no records: %v", got)
	}
	broken := delivered(secret, at, a)
	broken.Body = []byte("no JSON")
	if got := keys(broken); len(got) != 1 {
		t.Errorf("what is no delivery is stored: %v", got)
	}
}

func TestDecompressionIsBounded(t *testing.T) {
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	w.Write(make([]byte, 17<<20))
	w.Close()
	r := delivered(secret, time.Now())
	r.Body = z.Bytes()
	r.Header.Set("Content-Encoding", "gzip")
	if _, err := newSystem(t, amazonconnect.Config{}).Receive(r); err == nil {
		t.Error("17 MiB of nothing were taken")
	}
}

func TestHeaderOfTheConnection(t *testing.T) {
	sys := newSystem(t, amazonconnect.Config{Header: "x-clinic-key"})
	r := sent(secret, time.Now(), "{}")
	if _, err := sys.Receive(r); err == nil {
		t.Error("taken by another header")
	}
	r.Header.Set("X-Clinic-Key", secret)
	if _, err := sys.Receive(r); err != nil {
		t.Error(err)
	}
}

func TestConfig(t *testing.T) {
	for what, c := range map[string]amazonconnect.Config{
		"header":    {Header: "x key"},
		"verdict":   {Attributes: map[string]calls.Verdict{"a": "answered"}},
		"attribute": {Attributes: map[string]calls.Verdict{"": calls.VerdictVoicemail}},
	} {
		if c.Validate() == nil {
			t.Errorf("%s: taken", what)
		}
	}
	if _, err := amazonconnect.New(phone.Settings{ID: "x"}, amazonconnect.Config{}); err == nil || !strings.Contains(err.Error(), "secret") {
		t.Errorf("without a secret: %v", err)
	}
	sys, err := amazonconnect.Kind().New(phone.Settings{ID: "x", Secrets: []redact.Secret{redact.NewSecret("s")}}, func(any) error { return nil })
	if err != nil || sys == nil {
		t.Error(err)
	}
}

func FuzzReceiveAndRead(f *testing.F) {
	for _, name := range []string{"record-answered.json", "record-abandoned.json", "event-connected-2021.json", "event-disconnected.json"} {
		f.Add([]byte(load(f, name)), true)
		f.Add([]byte(load(f, name)), false)
	}
	f.Add(delivered(secret, time.Now(), "{}").Body, true)
	f.Fuzz(func(t *testing.T, body []byte, firehose bool) {
		sys := newSystem(t, amazonconnect.Config{Attributes: map[string]calls.Verdict{"a": calls.VerdictVoicemail}})
		r := sent(secret, time.Now(), string(body))
		if firehose {
			r.Header.Set("X-Amz-Firehose-Access-Key", secret)
		}
		got, err := sys.Receive(r)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range got.Events {
			report, err := sys.Read(e)
			if err == nil && report.Skip == "" && len(report.Legs) == 0 {
				t.Error("neither a call, nor a reason, nor an error")
			}
			if e.Key == "" {
				t.Error("an event without a key")
			}
			for _, l := range report.Legs {
				if l.ID == "" || l.Session == "" {
					t.Error("a leg without an id")
				}
			}
			calls.Collapse(calls.Latest(report.Legs), calls.DefaultRules())
		}
	})
}
