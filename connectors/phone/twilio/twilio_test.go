package twilio_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/connectors/phone"
	"github.com/ringback-health/ringback/connectors/phone/phonetest"
	"github.com/ringback-health/ringback/connectors/phone/twilio"
	"github.com/ringback-health/ringback/internal/redact"
)

const address = "https://ringback.example.org/hooks/phone/main-line"

// sign is the signature of Twilio's documentation, written down a second time.
func sign(h func() hash.Hash, secret, to string, form url.Values) string {
	text := to
	names := []string{}
	for name := range form {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, v := range form[name] {
			text += name + v
		}
	}
	mac := hmac.New(h, []byte(secret))
	mac.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func load(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

func form(t testing.TB, body string) url.Values {
	t.Helper()
	v, err := url.ParseQuery(body)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// post is a callback as Twilio sends it.
func post(t testing.TB, secret, body string, at time.Time) phone.Request {
	return phone.Request{
		Method: http.MethodPost, URL: address, Body: []byte(body), At: at,
		Header: http.Header{
			"Content-Type":       {"application/x-www-form-urlencoded; charset=UTF-8"},
			"X-Twilio-Signature": {sign(sha1.New, secret, address, form(t, body))},
		},
	}
}

func settings(secrets ...string) phone.Settings {
	s := phone.Settings{ID: "main-line", Zone: time.UTC}
	for _, one := range secrets {
		s.Secrets = append(s.Secrets, redact.NewSecret(one))
	}
	return s
}

func system(t testing.TB, c twilio.Config, secrets ...string) phone.System {
	t.Helper()
	s, err := twilio.New(settings(secrets...), c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSystem(t *testing.T) {
	for name, body := range map[string]string{
		"child-completed": load(t, "child-completed.form"),
		"transcription":   story(1).voicemail("TranscriptionSid", "TR1", "TranscriptionText", "it is about my refill", "From", "+12125550123"),
	} {
		t.Run(name, func(t *testing.T) {
			phonetest.RunSystem(t, phonetest.SystemCase{
				New:    func(s phone.Settings) (phone.System, error) { return twilio.New(s, twilio.Config{}) },
				Sign:   func(secret string, at time.Time) phone.Request { return post(t, secret, body, at) },
				Secret: "12345", Other: "67890",
				SignsBody: true, Headers: []string{"X-Twilio-Signature"},
				Content: func(body []byte) string {
					if v, err := url.ParseQuery(string(body)); err == nil {
						return v.Encode()
					}
					return string(body)
				},
				PHI: []string{"2125550123", "my refill"},
			})
		})
	}
}

// The vectors are of the tests of Twilio's own libraries.
func TestSignatureVectors(t *testing.T) {
	const myApp = "https://mycompany.com/myapp.php?foo=1&bar=2"
	fields := url.Values{"Digits": {"1234"}, "CallSid": {"CA1234567890ABCDE"}, "To": {"+18005551212"}, "Caller": {"+14158675309"}, "From": {"+14158675309"}}.Encode()
	const json = `{"property": "value", "boolean": true}`
	sum := sha256.Sum256([]byte(json))
	withHash := myApp + "&bodySHA256=" + hex.EncodeToString(sum[:])
	if !strings.HasSuffix(withHash, "bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620") {
		t.Fatalf("the hash is another than Twilio's: %s", withHash)
	}
	for _, c := range []struct {
		name, url, body, signature string
		ok                         bool
	}{
		{"form", myApp, fields, "RSOYDt4T1cUTdK1PDd93/VVr8B8=", true},
		{"signed with the port, called without", myApp, fields, "kvajT1Ptam85bY51eRf/AJRuM3w=", true},
		{"signed without the port, called with it", "https://mycompany.com:443/myapp.php?foo=1&bar=2", fields, "RSOYDt4T1cUTdK1PDd93/VVr8B8=", true},
		{"signed and called with the port", "https://mycompany.com:443/myapp.php?foo=1&bar=2", fields, "kvajT1Ptam85bY51eRf/AJRuM3w=", true},
		{"another scheme", strings.Replace(myApp, "https", "http", 1), fields, "RSOYDt4T1cUTdK1PDd93/VVr8B8=", false},
		{"JSON", withHash, json, "a9nBmqA0ju/hNViExpshrM61xv4=", true},
		{"JSON with another body", withHash, json + " ", "a9nBmqA0ju/hNViExpshrM61xv4=", false},
		{"JSON with another hash", strings.Replace(withHash, "0a1f", "0a1e", 1), json, "a9nBmqA0ju/hNViExpshrM61xv4=", false},
		{"JSON without its hash", myApp, json, "a9nBmqA0ju/hNViExpshrM61xv4=", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := system(t, twilio.Config{}, "12345").Receive(phone.Request{
				Method: http.MethodPost, URL: c.url, Body: []byte(c.body), Header: http.Header{"X-Twilio-Signature": {c.signature}},
			})
			if (err == nil) != c.ok {
				t.Errorf("taken: %t, and it should be %t: %v", err == nil, c.ok, err)
			}
		})
	}
}

func TestSignaturesBesides(t *testing.T) {
	at := time.Date(2026, 3, 2, 16, 0, 0, 0, time.UTC)
	body := "CallSid=CA1234567890ABCDE&CallStatus=ringing&To=client%3Ajenny&ToCity=AUSTIN"
	refused := func(t *testing.T, r phone.Request, want int) {
		t.Helper()
		_, err := system(t, twilio.Config{}, "12345").Receive(r)
		var ref *phone.Refused
		if !errors.As(err, &ref) || ref.Status != want {
			t.Errorf("refused with %v instead of %d", err, want)
		}
	}
	t.Run("a name that begins with another", func(t *testing.T) {
		if _, err := system(t, twilio.Config{}, "12345").Receive(post(t, "12345", body, at)); err != nil {
			t.Error(err)
		}
	})
	t.Run("a shared key", func(t *testing.T) {
		r := post(t, "12345", body, at)
		r.Header.Set("X-Twilio-Webhooks-Signature-Settings", "key=webhooks_sharedkey_1,algorithm=HMAC_SHA256")
		refused(t, r, http.StatusUnauthorized)
		r.Header.Set("X-Twilio-Signature", sign(sha256.New, "12345", address, form(t, body)))
		if _, err := system(t, twilio.Config{}, "12345").Receive(r); err != nil {
			t.Error(err)
		}
		r.Header.Set("X-Twilio-Webhooks-Signature-Settings", "key=webhooks_sharedkey_1,algorithm=NONE")
		refused(t, r, http.StatusUnauthorized)
	})
	t.Run("two signatures", func(t *testing.T) {
		r := post(t, "12345", body, at)
		r.Header.Add("X-Twilio-Signature", r.Header.Get("X-Twilio-Signature"))
		refused(t, r, http.StatusUnauthorized)
	})
	t.Run("GET", func(t *testing.T) {
		r := post(t, "12345", body, at)
		r.Method, r.URL, r.Body = http.MethodGet, r.URL+"?"+body, nil
		r.Header.Set("X-Twilio-Signature", sign(sha1.New, "12345", r.URL, nil))
		refused(t, r, http.StatusMethodNotAllowed)
		_, err := system(t, twilio.Config{}, "12345").Receive(r)
		if !strings.Contains(err.Error(), "set the method of this callback to POST") {
			t.Errorf("the reason does not say what to do: %v", err)
		}
	})
}

func TestAnswers(t *testing.T) {
	at := time.Date(2026, 3, 2, 16, 0, 0, 0, time.UTC)
	const own = "<Response><Redirect>https://flow.example.org/voicemail</Redirect></Response>"
	for sample, action := range map[string]bool{
		"status-completed.form": false, "child-completed.form": false, "recording-completed.form": false, "transcription.form": false,
		"dial-no-answer.form": true, "enqueue-hangup.form": true, "record-action.form": true,
	} {
		for _, answer := range []string{"", own} {
			got, err := system(t, twilio.Config{ActionAnswer: answer}, "12345").Receive(post(t, "12345", load(t, sample), at))
			if err != nil {
				t.Fatal(err)
			}
			body := string(got.Answer.Body)
			switch {
			case !action && (got.Answer.Status != 0 || body != ""):
				t.Errorf("%s: a status callback is answered with %d %q", sample, got.Answer.Status, body)
			case action && (got.Answer.Status != http.StatusOK || !strings.HasPrefix(got.Answer.Header.Get("Content-Type"), "text/xml")):
				t.Errorf("%s: an action is answered with %d %v", sample, got.Answer.Status, got.Answer.Header)
			case action && answer == own && body != own, action && answer == "" && !strings.Contains(body, "<Response/>"):
				t.Errorf("%s: an action is answered with %q", sample, body)
			}
		}
	}
}

func TestConfig(t *testing.T) {
	for name, c := range map[string]twilio.Config{
		"no TwiML":                {ActionAnswer: "OK"},
		"two documents":           {ActionAnswer: "<Response/><Response/>"},
		"another element":         {ActionAnswer: "<html/>"},
		"a number as account":     {AccountSID: "12345"},
		"a key without secret":    {AccountSID: "AC1", APIKeySID: "SK1"},
		"a secret without key":    {AccountSID: "AC1", APISecretEnv: "X"},
		"an API without account":  {BaseURL: "https://api.twilio.com"},
		"a key that is a token":   {AccountSID: "AC1", APIKeySID: "12345", APISecretEnv: "X"},
		"a base URL with a query": {AccountSID: "AC1", BaseURL: "https://api.twilio.com/?a=b"},
	} {
		if _, err := twilio.New(settings("12345"), c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := twilio.New(settings(), twilio.Config{}); err == nil {
		t.Error("accepted without a secret")
	}
	s, err := twilio.Kind().New(settings("12345"), func(any) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := s.(phone.Historian); ok {
		t.Error("a system without an account has a history")
	}
}

func FuzzReceive(f *testing.F) {
	files, err := filepath.Glob("testdata/*.form")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		f.Add([]byte(load(f, filepath.Base(file))), "https://ringback.example.org/hooks", "", "")
	}
	f.Add([]byte(`{"a":1}`), "https://u@[::1]:8443/x?bodySHA256=00", "AAAA", "algorithm=HMAC_SHA256")
	s := system(f, twilio.Config{}, "12345")
	f.Fuzz(func(t *testing.T, body []byte, to, signature, algorithm string) {
		r := phone.Request{Method: http.MethodPost, URL: to, Body: body, Header: http.Header{"X-Twilio-Signature": {signature}}}
		if algorithm != "" {
			r.Header.Set("X-Twilio-Webhooks-Signature-Settings", algorithm)
		}
		if _, err := s.Receive(r); err == nil {
			t.Error("taken without a signature")
		}
		v, err := url.ParseQuery(string(body))
		if err != nil || len(body) == 0 || strings.Contains(to, "bodySHA256") || algorithm != "" {
			return
		}
		for name := range v {
			if len(v[name]) > 1 || strings.ContainsFunc(name, func(r rune) bool { return r > 0x7f }) {
				return // signed in an order that this test does not know
			}
		}
		if i := strings.IndexByte(to, ':'); i < 0 || to != "https://ringback.example.org/hooks" {
			return
		}
		r.Header.Set("X-Twilio-Signature", sign(sha1.New, "12345", to, v))
		if _, err := s.Receive(r); err != nil {
			t.Errorf("refused: %v", err)
		}
	})
}

func FuzzRead(f *testing.F) {
	files, err := filepath.Glob("testdata/*.*")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		f.Add([]byte(load(f, filepath.Base(file))))
	}
	s := system(f, twilio.Config{}, "12345")
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
