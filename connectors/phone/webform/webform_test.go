package webform_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/connectors/phone"
	"github.com/ringback-health/ringback/connectors/phone/phonetest"
	"github.com/ringback-health/ringback/connectors/phone/webform"
	"github.com/ringback-health/ringback/internal/redact"
)

const (
	secret = "a-secret-of-the-test-of-32-chars"
	other  = "another-secret-of-the-test-of-32"
)

// monday is when pages are loaded.
var monday = time.Date(2026, 3, 2, 16, 0, 0, 0, time.UTC)

func load(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

func settings(t testing.TB, secrets ...string) phone.Settings {
	t.Helper()
	zone, err := time.LoadLocation("America/Chicago")
	if err != nil {
		t.Fatal(err)
	}
	s := phone.Settings{ID: "site", Zone: zone}
	for _, one := range secrets {
		s.Secrets = append(s.Secrets, redact.NewSecret(one))
	}
	return s
}

func newForm(t testing.TB, c webform.Config) *webform.System {
	t.Helper()
	form, err := webform.New(settings(t, secret), c)
	if err != nil {
		t.Fatal(err)
	}
	return form
}

// signed is a request of the clinic's web server.
func signed(key string, at time.Time, body, contentType string) phone.Request {
	stamp := fmt.Sprint(at.Unix())
	m := hmac.New(sha256.New, []byte(key))
	m.Write([]byte(stamp + "." + body))
	h := http.Header{}
	h.Set("X-Ringback-Timestamp", stamp)
	h.Set("X-Ringback-Signature", "v1="+hex.EncodeToString(m.Sum(nil)))
	h.Set("Content-Type", contentType)
	return phone.Request{Method: http.MethodPost, URL: "https://ringback.example/phones/site", Header: h, Body: []byte(body), At: at}
}

// asCalls lets the suite for phone systems judge the form: an inquiry counts as a leg.
type asCalls struct{ phone.System }

func (a asCalls) Read(e phone.Event) (phone.Report, error) {
	r, err := a.System.Read(e)
	for range r.Inquiries {
		r.Legs = append(r.Legs, calls.Leg{Session: e.Key, ID: e.Key})
	}
	return r, err
}

func TestSigned(t *testing.T) {
	for file, contentType := range map[string]string{"signed.json": "application/json", "signed.txt": "application/x-www-form-urlencoded"} {
		t.Run(file, func(t *testing.T) {
			phonetest.RunSystem(t, phonetest.SystemCase{
				New: func(s phone.Settings) (phone.System, error) {
					form, err := webform.New(s, webform.Config{})
					return asCalls{form}, err
				},
				Sign:   func(key string, at time.Time) phone.Request { return signed(key, at, load(t, file), contentType) },
				Secret: secret, Other: other, SignsTime: true, SignsBody: true,
				Headers: []string{"X-Ringback-Timestamp", "X-Ringback-Signature"},
				PHI:     []string{"Robin", "555-0123", "1985-12-31", "March"},
			})
		})
	}
}

// TestVector: so that whoever signs can hold their own code against it.
func TestVector(t *testing.T) {
	body := `{"name":"Robin Example","phone":"+12125550123"}`
	r := signed(secret, time.Unix(1772467200, 0), body, "application/json")
	r.Header.Set("X-Ringback-Signature", "v1=4fb57195d0bfd2f1b1d3b03c1f810cc57c263b9c339cd2cd43af73ebd9997c44")
	got, err := newForm(t, webform.Config{}).Receive(r)
	if err != nil || len(got.Events) != 1 || got.Answer.Status != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

// inquiry is the one that a request or a body tells of.
func inquiry(t *testing.T, form *webform.System, e phone.Event) callback.Inquiry {
	t.Helper()
	got, err := form.Read(e)
	if err != nil || len(got.Inquiries) != 1 || got.Skip != "" {
		t.Fatalf("%+v, %v", got, err)
	}
	return got.Inquiries[0]
}

func TestSameInquiryInEveryForm(t *testing.T) {
	form := newForm(t, webform.Config{})
	for _, file := range []string{"signed.json", "signed.txt", "filled.txt"} {
		in := inquiry(t, form, phone.Event{Body: []byte(load(t, file))})
		wants := callback.Period{Start: time.Date(2026, 3, 4, 14, 0, 0, 0, time.UTC), End: time.Date(2026, 3, 4, 18, 0, 0, 0, time.UTC)}
		if file == "signed.json" {
			wants.Start = wants.Start.Add(time.Hour)
		}
		if in.Name.Reveal() != "Robin Example" || in.Phone.Reveal() != "(212) 555-0123" || in.Text.Reveal() != "Is there an appointment in March?" ||
			in.Category != callback.NewPatient || in.Consent != callback.Yes || len(in.Preferred) != 1 || in.Preferred[0] != wants {
			t.Errorf("%s: %v %v %v %q", file, in.Category, in.Consent, in.Preferred, in.Text.Reveal())
		}
		if got := in.BirthDate.Reveal(); (got == "1985-12-31") != (file != "filled.txt") {
			t.Errorf("%s: another date of birth", file)
		}
	}
}

// TestNothingWrittenIsLost: what cannot be taken for what it should be is text.
func TestNothingWrittenIsLost(t *testing.T) {
	in := inquiry(t, newForm(t, webform.Config{}), phone.Event{Body: []byte(
		`{"phone":12125550123,"category":"teeth","preferred_date":"next week","preferred_part":"morning","birth_date":"31.12.85","text":"Hello","consent":"maybe","preferred_times":[{"start":"2026-03-04T12:00:00Z","end":"2026-03-04T11:00:00Z"}]}`)})
	want := "Hello\nReason, as written: teeth\nDate of birth, as written: 31.12.85\nPreferred time, as written: next week morning"
	if in.Text.Reveal() != want || in.Phone.Reveal() != "12125550123" || in.Category != "" || !in.BirthDate.IsEmpty() || len(in.Preferred) != 0 || in.Consent != callback.Unknown {
		t.Errorf("%q, %+v", in.Text.Reveal(), in)
	}
}

func TestControlCharacters(t *testing.T) {
	for _, body := range []string{"phone=1&text=a%0D%0Ab%17%00%C2%85c%09d%FF", "{\"phone\":\"1\",\"text\":\"a\\r\\nb\\u0017\\u0000\\u0085c\\td\xFF\"}"} {
		if in := inquiry(t, newForm(t, webform.Config{}), phone.Event{Body: []byte(body)}); in.Text.Reveal() != "a\nbc\td\uFFFD" {
			t.Errorf("%q", in.Text.Reveal())
		}
	}
}

func TestKeys(t *testing.T) {
	form := newForm(t, webform.Config{})
	key := func(at time.Time, body string) string {
		t.Helper()
		got, err := form.Receive(signed(secret, at, body, "application/json"))
		if err != nil || len(got.Events) != 1 {
			t.Fatal(err)
		}
		return got.Events[0].Key
	}
	later := monday.Add(time.Minute)
	if key(monday, load(t, "signed.json")) != key(later, load(t, "signed.json")) {
		t.Error("with an id of its own it is another request when it is signed anew")
	}
	if key(monday, `{"id":"1","phone":"a"}`) == key(monday, `{"id":"1","phone":"b"}`) {
		t.Error("two people who were given the same id are one")
	}
	if key(monday, `{"phone":"a"}`) == key(later, `{"phone":"a"}`) {
		t.Error("without an id, a person who asks again a minute later has asked once")
	}
}

func TestUnreadable(t *testing.T) {
	form := newForm(t, webform.Config{})
	for _, body := range []string{"", "{}", `{"name":" "}`, "a=b", "%zz", `{"name":{}}`, `{"phone":"1","preferred_times":"soon"}`, "consent=yes&category=other"} {
		if got, err := form.Read(phone.Event{Body: []byte(body)}); err == nil {
			t.Errorf("%q: %+v", body, got)
		}
	}
	if got, err := form.Receive(signed(secret, monday, "no form at all", "text/plain")); err != nil || len(got.Events) != 1 {
		t.Errorf("what is signed is stored, whatever it is: %v", err)
	}
}

func TestConfig(t *testing.T) {
	for what, c := range map[string]webform.Config{
		"region": {Region: "XX"}, "category": {Categories: []callback.Category{"teeth"}}, "spam": {Categories: []callback.Category{callback.SpamWrongNumber}},
		"twice": {Categories: []callback.Category{callback.Other, callback.Other}}, "emergency": {Emergency: "nine one one"},
		"privacy": {PrivacyURL: "http://clinic.example"}, "frame": {EmbedOn: []string{"https://clinic.example/path"}},
		"frames": {EmbedOn: []string{"https://a.example; script-src *"}},
	} {
		if c.Validate() == nil {
			t.Errorf("%s: taken", what)
		}
		if _, err := webform.New(settings(t, secret), c); err == nil {
			t.Errorf("%s: made", what)
		}
	}
	if _, err := webform.New(settings(t), webform.Config{}); err == nil || !strings.Contains(err.Error(), "secret") {
		t.Errorf("without a secret: %v", err)
	}
	if _, err := webform.New(phone.Settings{Secrets: settings(t, secret).Secrets}, webform.Config{}); err == nil || !strings.Contains(err.Error(), "zone") {
		t.Errorf("without a zone: %v", err)
	}
	wrong := errors.New("unknown key")
	if _, err := webform.Kind().New(settings(t, secret), func(any) error { return wrong }); !errors.Is(err, wrong) {
		t.Errorf("%v", err)
	}
	if sys, err := webform.Kind().New(settings(t, secret), func(any) error { return nil }); err != nil || sys == nil {
		t.Error(err)
	}
}

func FuzzRead(f *testing.F) {
	for _, name := range []string{"signed.json", "signed.txt", "filled.txt"} {
		f.Add([]byte(load(f, name)))
	}
	f.Add([]byte("phone=1&preferred_date=0000-01-01&preferred_part=evening"))
	f.Fuzz(func(t *testing.T, body []byte) {
		form := newForm(t, webform.Config{})
		got, err := form.Read(phone.Event{Body: body})
		if err == nil && got.Skip == "" && len(got.Inquiries) != 1 {
			t.Error("neither an inquiry, nor a reason, nor an error")
		}
		for _, in := range got.Inquiries {
			if in.Category != "" && !in.Category.Valid() {
				t.Error("a category of their own")
			}
			for _, p := range in.Preferred {
				if !p.End.After(p.Start) {
					t.Errorf("a time that ends before it begins: %v", p)
				}
			}
		}
	})
}

func FuzzPost(f *testing.F) {
	f.Add(load(f, "filled.txt"), "es")
	f.Add("phone=%3Cscript%3E&text=%22%3E%3C/textarea%3E&consent=yes", "en;q=0.1, es;q=x")
	f.Fuzz(func(t *testing.T, body, language string) {
		form := newForm(t, webform.Config{AskBirthDate: true})
		_, page := visit(t, form, "", monday)
		r := post(page.token, monday.Add(time.Minute), nil)
		r.Body = []byte(body + "&page=" + url.QueryEscape(page.token))
		r.Header.Set("Accept-Language", language)
		got, err := form.Receive(r)
		if err != nil {
			return
		}
		back := read(t, got.Answer)
		if (len(got.Events) == 1) != (got.Answer.Status == http.StatusOK) || len(got.Events) > 1 || back.scripts > 0 {
			t.Errorf("%d events, status %d, %d scripts", len(got.Events), got.Answer.Status, back.scripts)
		}
		for _, e := range got.Events {
			report, err := form.Read(e)
			if err != nil || report.Skip == "" && len(report.Inquiries) != 1 {
				t.Errorf("thanked for what cannot be read: %v", err)
			}
		}
	})
}
