package quo_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/connectors/phone"
	"github.com/ringback-health/ringback/connectors/phone/phonetest"
	"github.com/ringback-health/ringback/connectors/phone/quo"
	"github.com/ringback-health/ringback/internal/redact"
)

const (
	key   = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
	other = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA="
)

func load(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

func mac(secret, text string) string {
	k, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		panic(err)
	}
	m := hmac.New(sha256.New, k)
	m.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(m.Sum(nil))
}

func standard(secret, id, body string, at time.Time) phone.Request {
	ts := fmt.Sprint(at.Unix())
	return phone.Request{Method: http.MethodPost, Body: []byte(body), At: at, Header: http.Header{
		"Webhook-Id": {id}, "Webhook-Timestamp": {ts}, "Webhook-Signature": {"v1," + mac(secret, id+"."+ts+"."+body)},
	}}
}

func legacy(secret, body string, at time.Time) phone.Request {
	ts := fmt.Sprint(at.UnixMilli())
	return phone.Request{Method: http.MethodPost, Body: []byte(body), At: at, Header: http.Header{
		"Openphone-Signature": {"hmac;1;" + ts + ";" + mac(secret, ts+"."+body)},
	}}
}

func settings(secrets ...string) phone.Settings {
	s := phone.Settings{ID: "main-line", Zone: time.UTC}
	for _, one := range secrets {
		s.Secrets = append(s.Secrets, redact.NewSecret(one))
	}
	return s
}

func system(t testing.TB, c quo.Config, secrets ...string) phone.System {
	t.Helper()
	s, err := quo.New(settings(secrets...), c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSystem(t *testing.T) {
	c := phonetest.SystemCase{
		New:       func(s phone.Settings) (phone.System, error) { return quo.New(s, quo.Config{}) },
		SignsTime: true, SignsBody: true,
		PHI: []string{"2125550123", "refill"},
	}
	t.Run("2026-03-30", func(t *testing.T) {
		c := c
		body := load(t, "voicemail-2026-03-30.json")
		c.Secret, c.Other = "whsec_"+key, "whsec_"+other
		c.Sign = func(secret string, at time.Time) phone.Request { return standard(secret, "msg_2abcDEF", body, at) }
		c.Headers = []string{"Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"}
		phonetest.RunSystem(t, c)
	})
	t.Run("legacy", func(t *testing.T) {
		c := c
		body := load(t, "completed-legacy.json")
		c.Secret, c.Other = key, other
		c.Sign = func(secret string, at time.Time) phone.Request { return legacy(secret, body, at) }
		c.Headers = []string{"Openphone-Signature"}
		phonetest.RunSystem(t, c)
	})
}

func TestSignatureVectors(t *testing.T) {
	for _, c := range []struct {
		name, secret, body string
		header             http.Header
		at                 time.Time
	}{
		{"legacy", key, `{"id":"EV1"}`, http.Header{"Openphone-Signature": {"hmac;1;1639710054089;mLe5pxCG8uCHlcos36OMg1aQD6Tsp1KspOowTPVKiYY="}}, time.UnixMilli(1639710054089)},
		{"2026-03-30", key, `{"id":"EV1"}`, http.Header{"Webhook-Id": {"msg_1"}, "Webhook-Timestamp": {"1700000000"},
			"Webhook-Signature": {"v1,z4DevtjvEuUadqFDSAnahwd9TApplivK3cotm109ZRM="}}, time.Unix(1700000000, 0)},
		{"of Standard Webhooks", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", `{"test": 2432232314}`, http.Header{
			"Webhook-Id": {"msg_p5jXN8AQM9LWM0D4loKWxJek"}, "Webhook-Timestamp": {"1614265330"},
			"Webhook-Signature": {"v1,AAAA v1a,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="}}, time.Unix(1614265330, 0)},
	} {
		got, err := system(t, quo.Config{}, other, c.secret).Receive(phone.Request{Method: http.MethodPost, Body: []byte(c.body), Header: c.header, At: c.at})
		if err != nil || len(got.Events) != 1 || got.Events[0].Key == "" {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// A request with a header of the newer kind is not taken for one of the older.
func TestOneKindOfSignature(t *testing.T) {
	at := time.Date(2026, 3, 2, 16, 0, 0, 0, time.UTC)
	r := legacy(key, load(t, "completed-legacy.json"), at)
	r.Header.Set("Webhook-Id", "msg_1")
	if _, err := system(t, quo.Config{}, key).Receive(r); err == nil {
		t.Error("taken by its older signature")
	}
}

func TestConfig(t *testing.T) {
	for name, c := range map[string]quo.Config{
		"a national number":      {Numbers: []string{"212 555 0100"}},
		"a base URL, and no key": {BaseURL: "https://api.quo.com"},
		"a version that is none": {APIKeyEnv: "X", APIVersion: "v1"},
		"a key nobody can read":  {APIKeyEnv: "X"},
	} {
		if _, err := quo.New(settings(key), c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	for name, secrets := range map[string][]string{"none": nil, "no base64": {"!"}, "empty": {"whsec_"}, "the second is no base64": {key, "?"}} {
		if _, err := quo.New(settings(secrets...), quo.Config{}); err == nil || strings.Contains(err.Error(), key) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s, err := quo.Kind().New(settings(key), func(any) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := s.(phone.Historian); ok {
		t.Error("a system without an API key has a history")
	}
}

func FuzzReceive(f *testing.F) {
	for _, name := range []string{"completed-2026-03-30.json", "completed-legacy.json"} {
		f.Add([]byte(load(f, name)), "msg_1", "1700000000", "v1,AAAA", "")
		f.Add([]byte(load(f, name)), "", "", "", "hmac;1;1639710054089;AAAA,hmac;1;1;")
	}
	s := system(f, quo.Config{}, key)
	f.Fuzz(func(t *testing.T, body []byte, id, at, signature, old string) {
		h := http.Header{}
		for name, value := range map[string]string{"Webhook-Id": id, "Webhook-Timestamp": at, "Webhook-Signature": signature, "Openphone-Signature": old} {
			if value != "" {
				h.Set(name, value)
			}
		}
		now := time.Unix(1700000000, 0)
		if _, err := s.Receive(phone.Request{Method: http.MethodPost, Body: body, Header: h, At: now}); err == nil {
			t.Error("taken without a signature")
		}
		if len(body) == 0 || id == "" {
			return
		}
		if got, err := s.Receive(standard(key, id, string(body), now)); err != nil || strings.Contains(got.Events[0].Key, "+") {
			t.Errorf("refused: %v", err)
		}
	})
}

func FuzzRead(f *testing.F) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		f.Add([]byte(load(f, filepath.Base(file))))
	}
	s := system(f, quo.Config{Numbers: []string{"+12125550100"}}, key)
	f.Fuzz(func(t *testing.T, body []byte) {
		report, err := s.Read(phone.Event{Body: body})
		if err == nil && report.Skip == "" && len(report.Legs) == 0 {
			t.Error("neither a call, nor a reason, nor an error")
		}
		for _, l := range report.Legs {
			if l.Session == "" || l.ID == "" || l.Talk < 0 || l.Message.Length < 0 {
				t.Errorf("a leg %q of the session %q", l.ID, l.Session)
			}
		}
	})
}
