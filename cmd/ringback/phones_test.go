package main

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/config"
)

const phoneSecret = "canary-of-a-phone-secret-0123456789abcdef"

// phoneConfig has a phone system of each of four vendors, and a form.
const phoneConfig = `
public_url: https://ringback.example
database: sqlite:%[1]s/ringback.db
keys_file: %[1]s/keys.json
queue_file: %[1]s/queue.db
clinics:
  - id: main-street
    zone: America/New_York
    region: US
    phones:
      - {id: twilio, system: twilio, secret_env: PHONE_SECRET, settle_after: 1ns}
      - {id: zoom, system: zoomphone, secret_env: PHONE_SECRET, settle_after: 1ns}
      - {id: dialpad, system: dialpad, secret_env: PHONE_SECRET, settle_after: 1ns}
      - {id: form, system: webform, secret_env: PHONE_SECRET}
`

// phoneApp is the daemon with its phones and no EHR. Its loops do not run.
func phoneApp(t *testing.T) *app {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("PHONE_SECRET", phoneSecret)
	file := filepath.Join(dir, "ringback.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, phoneConfig, dir), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	o, err := storeOptions(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := migrate(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	a, err := newApp(t.Context(), cfg, slog.New(slog.DiscardHandler), pace{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.stop(t.Context()); err != nil {
			t.Error(err)
		}
		if err := a.close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

// told is a request of a vendor.
type told struct {
	phone, contentType, body string
	header                   map[string]string
}

func mac(content string) []byte {
	m := hmac.New(sha256.New, []byte(phoneSecret))
	m.Write([]byte(content))
	return m.Sum(nil)
}

// byTwilio signs a form as Twilio does.
func byTwilio(form url.Values) told {
	signed := "https://ringback.example/v1/phones/main-street/twilio"
	for _, k := range slices.Sorted(maps.Keys(form)) {
		signed += k + form.Get(k)
	}
	m := hmac.New(sha1.New, []byte(phoneSecret))
	m.Write([]byte(signed))
	return told{"twilio", "application/x-www-form-urlencoded", form.Encode(), map[string]string{"X-Twilio-Signature": base64.StdEncoding.EncodeToString(m.Sum(nil))}}
}

func byZoom(body string, at time.Time) told {
	ts := fmt.Sprint(at.Unix())
	return told{"zoom", "application/json", body,
		map[string]string{"X-Zm-Request-Timestamp": ts, "X-Zm-Signature": "v0=" + hex.EncodeToString(mac("v0:"+ts+":"+body))}}
}

func byDialpad(claims string) told {
	enc := base64.RawURLEncoding.EncodeToString
	content := enc([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + enc([]byte(claims))
	return told{"dialpad", "application/jwt", content + "." + enc(mac(content)), nil}
}

func byForm(body string, at time.Time) told {
	ts := fmt.Sprint(at.Unix())
	return told{"form", "application/json", body, map[string]string{"X-Ringback-Timestamp": ts, "X-Ringback-Signature": "v1=" + hex.EncodeToString(mac(ts+"."+body))}}
}

// morningOf returns what four vendors tell of a number of callers each, none of whom was
// spoken with.
func morningOf(callers int, now time.Time) (events []told) {
	began := now.Add(-10 * time.Minute).UTC()
	for i := range callers {
		caller := func(vendor int) string { return fmt.Sprintf("+1212%d55%04d", 4+vendor, i) }
		status := url.Values{"AccountSid": {"AC1"}, "CallSid": {fmt.Sprintf("CA%032d", i)}, "From": {caller(0)}, "To": {"+12125550100"}, "Direction": {"inbound"},
			"CallStatus": {"completed"}, "CallDuration": {"30"}, "Timestamp": {began.Format(time.RFC1123Z)}}
		dial := maps.Clone(status)
		dial.Set("DialCallStatus", "no-answer")
		dial.Set("DialCallSid", fmt.Sprintf("CB%032d", i))
		events = append(events, byTwilio(status), byTwilio(dial))
		for colleague := range 2 { // Zoom tells of each whose phone rang
			events = append(events, byZoom(fmt.Sprintf(`{"event":"phone.callee_missed","event_ts":%d,"payload":{"account_id":"a","object":{"call_id":"z%d","caller":{"phone_number":"%s"},`+
				`"callee":{"extension_type":"user","extension_id":"x%d","extension_number":10%d,"phone_number":"+12125550100"},"ringing_start_time":"%s","call_end_time":"%s","handup_result":"No Answer"}}}`,
				now.UnixMilli(), i, caller(1), colleague, colleague, began.Format(time.RFC3339), began.Add(30*time.Second).Format(time.RFC3339)), now))
		}
		for n, state := range []string{"ringing", "missed"} {
			ended := ""
			if state == "missed" {
				ended = fmt.Sprintf(`,"date_ended":%d`, began.Add(30*time.Second).UnixMilli())
			}
			events = append(events, byDialpad(fmt.Sprintf(`{"call_id":%d,"direction":"inbound","external_number":"%s","internal_number":"+12125550100","date_started":%d,"date_rang":%d,`+
				`"event_timestamp":%d,"state":"%s","contact":{"phone":"%s"},"target":{"type":"user","id":1}%s}`,
				5_000_000_000+i, caller(2), began.UnixMilli(), began.UnixMilli(), began.Add(time.Duration(n)*30*time.Second).UnixMilli(), state, caller(2), ended)))
		}
		events = append(events, byForm(fmt.Sprintf(`{"id":"f%d","name":"Caller %d","phone":"%s","text":"please call me","consent":true}`, i, i, caller(3)), now))
	}
	return events
}

// TestAMorningOfManyVendors: whatever vendors tell, in whatever order and however often,
// is stored before it is answered; and each caller becomes one callback.
func TestAMorningOfManyVendors(t *testing.T) {
	const callers = 30
	a := phoneApp(t)
	web := httptest.NewServer(a.server.Handler())
	defer web.Close()
	events := morningOf(callers, time.Now())
	events = append(events, events[:len(events)/3]...)
	rand.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })

	began := time.Now()
	work := make(chan told)
	var senders sync.WaitGroup
	for range 16 {
		senders.Go(func() {
			for e := range work {
				if status := e.send(t, web); status/100 != 2 {
					t.Errorf("%s: answered %d", e.phone, status)
				}
			}
		})
	}
	for _, e := range events {
		work <- e
	}
	close(work)
	senders.Wait()
	t.Logf("%d requests, %.0f a second", len(events), float64(len(events))/time.Since(began).Seconds())

	if err := a.switchboard.RunOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := a.switchboard.RunOnce(t.Context()); err != nil { // with settle_after 1ns all is due
		t.Fatal(err)
	}
	tally := map[string]int{}
	all, err := a.ledger.CountCalls(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		if !c.Callback {
			t.Errorf("%d calls of %s are %q and have no callback", c.N, c.Phone, c.Verdict)
		}
		tally[string(c.Phone)] += c.N
	}
	if want := map[string]int{"twilio": callers, "zoom": callers, "dialpad": callers}; !maps.Equal(tally, want) {
		t.Errorf("calls %v, want %v", tally, want)
	}
	page, _, err := a.ledger.List(t.Context(), callback.Filter{Limit: 500})
	if err != nil {
		t.Fatal(err)
	}
	bySource := map[string]int{}
	for _, c := range page {
		bySource[c.Source]++
		if c.Repeats != 0 || c.Caller.Phone.IsEmpty() {
			t.Errorf("a callback of %s has %d repeats, a number: %t", c.Source, c.Repeats, !c.Caller.Phone.IsEmpty())
		}
	}
	if want := map[string]int{"twilio": callers, "zoom": callers, "dialpad": callers, "form": callers}; !maps.Equal(bySource, want) {
		t.Errorf("callbacks %v, want %v", bySource, want)
	}
}

func (e told) send(t *testing.T, web *httptest.Server) int {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, web.URL+"/v1/phones/main-street/"+e.phone, strings.NewReader(e.body))
	if err != nil {
		t.Error(err)
		return 0
	}
	req.Header.Set("Content-Type", e.contentType)
	for k, v := range e.header {
		req.Header.Set(k, v)
	}
	res, err := web.Client().Do(req)
	if err != nil {
		t.Error(err)
		return 0
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode
}

// TestPhonesAreChecked: check says where each phone system tells of its calls, and what
// nobody would find.
func TestPhonesAreChecked(t *testing.T) {
	a := phoneApp(t)
	cfg := config.Config{PublicURL: "https://ringback.example", Clinics: a.clinics}
	var b strings.Builder
	if err := check(t.Context(), &b, cfg, nil, a.phones, true); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"phone twilio by twilio, tells of calls at https://ringback.example/v1/phones/main-street/twilio", "is found by nobody"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("nothing of %q in\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), phoneSecret) {
		t.Error("it tells the secret")
	}
}
