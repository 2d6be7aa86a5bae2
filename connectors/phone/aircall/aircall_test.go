package aircall_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/connectors/phone"
	"github.com/ringback-health/ringback/connectors/phone/aircall"
	"github.com/ringback-health/ringback/connectors/phone/phonetest"
	"github.com/ringback-health/ringback/internal/redact"
)

const (
	token = "45XXYYZZa08cebcaac65"
	other = "0123456789abcdef0123"
)

func load(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

func settings(secrets ...string) phone.Settings {
	s := phone.Settings{ID: "main-line", Zone: time.UTC}
	for _, one := range secrets {
		s.Secrets = append(s.Secrets, redact.NewSecret(one))
	}
	return s
}

func system(t testing.TB, secrets ...string) phone.System {
	t.Helper()
	s, err := aircall.New(settings(secrets...), aircall.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func post(body string, at time.Time) phone.Request {
	return phone.Request{Method: http.MethodPost, Body: []byte(body), At: at, Header: http.Header{"Content-Type": {"application/json"}}}
}

func TestSystem(t *testing.T) {
	for _, sample := range []string{"ended-missed.json", "answered.json", "voicemail.json"} {
		t.Run(sample, func(t *testing.T) {
			body := load(t, sample)
			phonetest.RunSystem(t, phonetest.SystemCase{
				New: func(s phone.Settings) (phone.System, error) { return aircall.New(s, aircall.Config{}) },
				Sign: func(secret string, at time.Time) phone.Request {
					return post(strings.ReplaceAll(body, token, secret), at)
				},
				Secret: token, Other: other,
				PHI: []string{"555-0123", "Ann", "Example"},
			})
		})
	}
}

// at is when the sample events were made.
var made = time.Unix(1772467265, 0).UTC()

// What is stored holds no token and is otherwise what came.
func TestTokenIsNotStored(t *testing.T) {
	whole := load(t, "ended-missed.json")
	for name, c := range map[string]struct{ sent, stored string }{
		"as documented":  {whole, strings.Replace(whole, token, "[redacted]", 1)},
		"with space":     {"{ \"token\" :\n\t\"" + token + "\" , \"data\":1}\n", "{ \"token\" :\n\t\"[redacted]\" , \"data\":1}\n"},
		"escaped":        {`{"token":"\u0034` + token[1:] + `","a":"é"}`, `{"token":"[redacted]","a":"é"}`},
		"elsewhere too":  {`{"token":"` + token + `","data":{"hook":"` + token + `","old":"` + other + `"}}`, `{"token":"[redacted]","data":{"hook":"[redacted]","old":"[redacted]"}}`},
		"an escaped key": {`{"\u0074oken":"` + token + `"}`, `{"\u0074oken":"[redacted]"}`},
	} {
		got, err := system(t, token, other).Receive(post(c.sent, made))
		if err != nil || string(got.Events[0].Body) != c.stored {
			t.Errorf("%s: stored %q, %v", name, got.Events, err)
		}
	}
	first, err1 := system(t, token, other).Receive(post(whole, made))
	second, err2 := system(t, other, token).Receive(post(strings.ReplaceAll(whole, token, other), made))
	if err := errors.Join(err1, err2); err != nil || first.Events[0].Key != second.Events[0].Key {
		t.Errorf("the same event has another key under another token: %v", err)
	}
}

func TestRefused(t *testing.T) {
	whole := load(t, "ended-missed.json")
	for name, c := range map[string]struct {
		body   string
		at     time.Time
		status int
	}{
		"no token":               {`{"event":"call.ended"}`, made, http.StatusUnauthorized},
		"another token":          {strings.ReplaceAll(whole, token, other), made, http.StatusUnauthorized},
		"the token and more":     {strings.ReplaceAll(whole, token, token+"x"), made, http.StatusUnauthorized},
		"the token as a list":    {`{"token":["` + token + `"]}`, made, http.StatusBadRequest},
		"two tokens":             {`{"token":"` + token + `","token":"` + token + `"}`, made, http.StatusBadRequest},
		"a token further inside": {`{"data":{"token":"` + token + `"}}`, made, http.StatusUnauthorized},
		"a token in capitals":    {`{"TOKEN":"` + token + `"}`, made, http.StatusUnauthorized},
		"a list":                 {`[` + whole + `]`, made, http.StatusBadRequest},
		"two objects":            {whole + whole, made, http.StatusBadRequest},
		"cut off":                {whole[:len(whole)-1], made, http.StatusBadRequest},
		"of yesterday":           {whole, made.Add(14 * time.Hour), http.StatusUnauthorized},
		"of tomorrow":            {whole, made.Add(-6 * time.Minute), http.StatusUnauthorized},
	} {
		_, err := system(t, token).Receive(post(c.body, c.at))
		var refused *phone.Refused
		if !errors.As(err, &refused) || refused.Status != c.status || strings.Contains(err.Error(), token) {
			t.Errorf("%s: %v instead of %d", name, err, c.status)
		}
	}
	for name, c := range map[string]struct {
		body string
		at   time.Time
	}{
		"tried again after hours": {whole, made.Add(12 * time.Hour)},
		"without a time":          {`{"token":"` + token + `","event":"call.ended"}`, made},
	} {
		if _, err := system(t, token).Receive(post(c.body, c.at)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestConfig(t *testing.T) {
	for name, c := range map[string]aircall.Config{
		"a negative age":          {MaxAge: -1},
		"an ID without a token":   {APIID: "1"},
		"a token without an ID":   {APITokenEnv: "X"},
		"a base URL alone":        {BaseURL: "https://api.aircall.io"},
		"a token nobody can read": {APIID: "1", APITokenEnv: "X"},
	} {
		if _, err := aircall.New(settings(token), c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	for name, secrets := range map[string][]string{"none": nil, "short": {token, "short"}} {
		if _, err := aircall.New(settings(secrets...), aircall.Config{}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	s, err := aircall.Kind().New(settings(token), func(any) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := s.(phone.Historian); ok {
		t.Error("a system without an API ID has a history")
	}
}

func FuzzReceive(f *testing.F) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		f.Add([]byte(load(f, filepath.Base(file))))
	}
	f.Add([]byte("{\"a\":{\"token\":1}, \"token\" : \"\\u0034" + token[1:] + "\"}"))
	s := system(f, token)
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := s.Receive(phone.Request{Method: http.MethodPost, Body: body, At: made})
		var object map[string]json.RawMessage
		valid := json.Unmarshal(body, &object) == nil
		var sent string
		if err == nil && (!valid || json.Unmarshal(object["token"], &sent) != nil || sent != token) {
			t.Fatal("taken without the token")
		}
		if err == nil {
			stored := got.Events[0].Body
			if bytes.Contains(stored, []byte(token)) || !json.Valid(stored) {
				t.Errorf("stored with the token, or damaged: %q", stored)
			}
		}
		// What anybody writes behind the right token is stored.
		if valid && object != nil && object["token"] == nil && object["timestamp"] == nil {
			with := fmt.Appendf(nil, `{"token":%q,`, token)
			with = append(with, bytes.TrimSpace(body)[1:]...)
			if len(object) == 0 {
				with = fmt.Appendf(nil, `{"token":%q}`, token)
			}
			if _, err := s.Receive(phone.Request{Method: http.MethodPost, Body: with, At: made}); err != nil {
				t.Errorf("refused with the right token: %v", err)
			}
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
	s := system(f, token)
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
