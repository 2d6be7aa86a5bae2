package webform_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/connectors/phone"
	"github.com/ringback-health/ringback/connectors/phone/webform"
)

// served is a page as a browser would read it.
type served struct {
	lang, title, token, style, text string
	labelled                        []string          // ids that a label is for
	fields                          map[string]string // id of each field that people see, and its value
	invalid, described, ids         []string
	options                         []string
	scripts, alerts                 int
	loads                           []string // addresses from which anything would be loaded
}

func read(t testing.TB, a phone.Answer) served {
	t.Helper()
	out := served{fields: map[string]string{}}
	d := xml.NewDecoder(strings.NewReader(string(a.Body)))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	inside := ""
	area := ""
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatalf("the page is no HTML: %v", err)
		}
		switch e := tok.(type) {
		case xml.StartElement:
			attr := map[string]string{}
			for _, x := range e.Attr {
				attr[x.Name.Local] = x.Value
			}
			inside = e.Name.Local
			out.start(e.Name.Local, attr)
			if inside == "textarea" {
				area = attr["id"]
			}
		case xml.EndElement:
			inside, area = "", ""
		case xml.CharData:
			switch {
			case inside == "style":
				out.style += string(e)
			case inside == "title":
				out.title += string(e)
			case area != "":
				out.fields[area] += string(e)
			default:
				out.text += string(e)
			}
		}
	}
}

func (s *served) start(name string, attr map[string]string) {
	if attr["id"] != "" {
		s.ids = append(s.ids, attr["id"])
	}
	if attr["role"] == "alert" {
		s.alerts++
	}
	for _, a := range []string{"src", "action", "background"} {
		if attr[a] != "" {
			s.loads = append(s.loads, attr[a])
		}
	}
	switch name {
	case "html":
		s.lang = attr["lang"]
	case "script":
		s.scripts++
	case "link":
		s.loads = append(s.loads, attr["href"])
	case "label":
		s.labelled = append(s.labelled, attr["for"])
	case "option":
		s.options = append(s.options, attr["value"])
	case "input", "select", "textarea":
		if attr["type"] == "hidden" {
			s.token = attr["value"]
			return
		}
		s.fields[attr["id"]] = attr["value"]
		if attr["invalid"] == "true" || attr["aria-invalid"] == "true" {
			s.invalid = append(s.invalid, attr["id"])
		}
		s.described = append(s.described, strings.Fields(attr["aria-describedby"])...)
	}
}

func visit(t testing.TB, form *webform.System, language string, at time.Time) (phone.Answer, served) {
	t.Helper()
	h := http.Header{}
	h.Set("Accept-Language", language)
	a := form.Page(phone.Request{Method: http.MethodGet, Header: h, At: at})
	if a.Status != http.StatusOK {
		t.Fatalf("status %d", a.Status)
	}
	return a, read(t, a)
}

// post is what a browser posts: a form that is filled in well, with these changes.
func post(token string, at time.Time, change map[string]string) phone.Request {
	v := url.Values{"name": {"Robin Example"}, "phone": {"(212) 555-0123"}, "category": {"new-patient"}, "consent": {"yes"}, "homepage": {""}, "page": {token}}
	for k, s := range change {
		v.Set(k, s)
	}
	h := http.Header{}
	h.Set("Content-Type", "application/x-www-form-urlencoded")
	return phone.Request{Method: http.MethodPost, URL: "https://ringback.example/phones/site", Header: h, Body: []byte(v.Encode()), At: at}
}

func TestPage(t *testing.T) {
	for language, want := range map[string]string{"": "en", "es-MX,es;q=0.9,en;q=0.8": "es", "en-US,es;q=0.9": "en", "de, es;q=0.5": "es", "de": "en", "es;q=0": "en", "es;q=0.2,en;q=0.7": "en"} {
		a, p := visit(t, newForm(t, webform.Config{ClinicName: "Main Street <Clinic>", AskBirthDate: true, PrivacyURL: "https://clinic.example/privacy"}), language, monday)
		if p.lang != want || a.Header.Get("Content-Language") != want || !strings.Contains(p.title, "Main Street <Clinic>") || !strings.Contains(p.text, "911") {
			t.Errorf("%q: %s, %q", language, p.lang, p.title)
		}
		for id := range p.fields {
			if !slices.Contains(p.labelled, id) {
				t.Errorf("%q has no label", id)
			}
		}
		for _, id := range p.described {
			if !slices.Contains(p.ids, id) {
				t.Errorf("described by %q, which is not there", id)
			}
		}
		if p.scripts > 0 || len(p.loads) > 0 || p.alerts > 0 || len(p.fields) != 9 {
			t.Errorf("scripts %d, loads %v, alerts %d, fields %v", p.scripts, p.loads, p.alerts, p.fields)
		}
		sum := sha256.Sum256([]byte(p.style))
		if csp := a.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'") || !strings.Contains(csp, "frame-ancestors 'none'") {
			t.Errorf("the style is not allowed by %s", csp)
		}
		for _, c := range callback.Categories {
			if slices.Contains(p.options, string(c)) != (c != callback.SpamWrongNumber) {
				t.Errorf("%s: %v", c, p.options)
			}
		}
	}
	a, p := visit(t, newForm(t, webform.Config{Categories: []callback.Category{callback.Other}, EmbedOn: []string{"https://www.clinic.example"}, Emergency: "112"}), "", monday)
	if !strings.Contains(a.Header.Get("Content-Security-Policy"), "frame-ancestors https://www.clinic.example") || len(p.fields) != 8 || strings.Contains(p.text, "911") || slices.Contains(p.options, "clinical") {
		t.Errorf("%v, %v", a.Header, p.options)
	}
	if a := newForm(t, webform.Config{}).Page(phone.Request{Method: http.MethodDelete}); a.Status != http.StatusMethodNotAllowed {
		t.Errorf("DELETE: %d", a.Status)
	}
}

func TestFromPageToInquiry(t *testing.T) {
	form := newForm(t, webform.Config{})
	_, p := visit(t, form, "", monday)
	first, err := form.Receive(post(p.token, monday.Add(time.Minute), nil))
	if err != nil || len(first.Events) != 1 || first.Answer.Status != http.StatusOK {
		t.Fatalf("%+v, %v", first, err)
	}
	if done := read(t, first.Answer); done.title != "Thank you" || len(done.fields) != 0 || strings.Contains(string(first.Answer.Body), "Robin") {
		t.Errorf("%+v", done)
	}
	if in := inquiry(t, form, first.Events[0]); in.Phone.Reveal() != "(212) 555-0123" || in.Category != callback.NewPatient {
		t.Error("another inquiry")
	}
	again, err := form.Receive(post(p.token, monday.Add(2*time.Minute), nil))
	if err != nil || again.Events[0].Key != first.Events[0].Key {
		t.Errorf("pressed twice, it is stored twice: %v", err)
	}
	_, p = visit(t, form, "", monday.Add(time.Hour))
	other, err := form.Receive(post(p.token, monday.Add(2*time.Hour), nil))
	if err != nil || other.Events[0].Key == first.Events[0].Key {
		t.Errorf("asked again an hour later, it is not stored: %v", err)
	}
}

// TestPostsThatAreNotTaken: a person gets the page back with all they wrote, and can
// send it from there.
func TestPostsThatAreNotTaken(t *testing.T) {
	for _, c := range []struct {
		what   string
		after  time.Duration
		change map[string]string
		fault  string // the field, "" for the page as a whole
	}{
		{"at once", time.Second, nil, ""},
		{"a day later", 24 * time.Hour, nil, ""},
		{"no phone", time.Minute, map[string]string{"phone": " "}, "phone"},
		{"half a number", time.Minute, map[string]string{"phone": "555"}, "phone"},
		{"a name for a number", time.Minute, map[string]string{"phone": "<b>Robin"}, "phone"},
		{"no consent", time.Minute, map[string]string{"consent": ""}, "consent"},
		{"yesterday", time.Minute, map[string]string{"preferred_date": "2026-03-01"}, "preferred_date"},
		{"no date", time.Minute, map[string]string{"preferred_date": "soon"}, "preferred_date"},
		{"born tomorrow", time.Minute, map[string]string{"birth_date": "2026-03-03"}, "birth_date"},
		{"a novel", time.Minute, map[string]string{"text": strings.Repeat("é", 5001)}, "text"},
		{"a long name", time.Minute, map[string]string{"name": strings.Repeat("é", 301)}, "name"},
	} {
		for _, language := range []string{"en", "es"} {
			form := newForm(t, webform.Config{AskBirthDate: true})
			_, p := visit(t, form, language, monday)
			at := monday.Add(c.after)
			r := post(p.token, at, c.change)
			r.Header.Set("Accept-Language", language)
			got, err := form.Receive(r)
			if err != nil || len(got.Events) != 0 || got.Answer.Status != http.StatusUnprocessableEntity {
				t.Fatalf("%s: %+v, %v", c.what, got, err)
			}
			back := read(t, got.Answer)
			if back.lang != language || back.alerts != 1 || (c.fault != "") != slices.Contains(back.invalid, c.fault) || len(back.invalid) > 1 {
				t.Errorf("%s: %s, %d alerts, invalid %v", c.what, back.lang, back.alerts, back.invalid)
			}
			for _, id := range back.described {
				if !slices.Contains(back.ids, id) {
					t.Errorf("%s: described by %q, which is not there", c.what, id)
				}
			}
			sent, _ := url.ParseQuery(string(r.Body))
			for _, field := range []string{"name", "phone", "text", "preferred_date", "birth_date"} {
				if back.fields[field] != strings.TrimSpace(sent.Get(field)) {
					t.Errorf("%s: what was written as %s is lost", c.what, field)
				}
			}
			if fixed, err := form.Receive(post(back.token, at.Add(5*time.Second), nil)); err != nil || len(fixed.Events) != 1 {
				t.Errorf("%s: it cannot be sent from the page that came back: %v", c.what, err)
			}
		}
	}
}

func TestToday(t *testing.T) {
	form := newForm(t, webform.Config{})
	night := time.Date(2026, 3, 3, 3, 0, 0, 0, time.UTC) // still 2 March in Chicago
	_, p := visit(t, form, "", night)
	if got, err := form.Receive(post(p.token, night.Add(time.Minute), map[string]string{"preferred_date": "2026-03-02"})); err != nil || len(got.Events) != 1 {
		t.Errorf("today at the clinic is in the past: %v", err)
	}
}

func TestHoneypot(t *testing.T) {
	form := newForm(t, webform.Config{})
	_, p := visit(t, form, "", monday)
	honest, err := form.Receive(post(p.token, monday.Add(time.Minute), nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, after := range []time.Duration{0, time.Minute, 24 * time.Hour} {
		got, err := form.Receive(post(p.token, monday.Add(after), map[string]string{"homepage": "https://spam.example", "phone": ""}))
		if err != nil || len(got.Events) != 1 || got.Answer.Status != http.StatusOK || string(got.Answer.Body) != string(honest.Answer.Body) {
			t.Fatalf("after %s it is not answered as if it had worked: %v", after, err)
		}
		if report, err := form.Read(got.Events[0]); err != nil || report.Skip != "honeypot" || len(report.Inquiries) != 0 {
			t.Errorf("%+v, %v", report, err)
		}
	}
}

// TestForged: nothing that no page of ours was loaded for is taken, whatever stands in it.
func TestForged(t *testing.T) {
	form := newForm(t, webform.Config{})
	_, p := visit(t, form, "", monday)
	elsewhere, err := webform.New(phone.Settings{ID: "another site", Secrets: settings(t, secret).Secrets, Zone: time.UTC}, webform.Config{})
	if err != nil {
		t.Fatal(err)
	}
	_, foreign := visit(t, elsewhere, "", monday)
	_, future := visit(t, form, "", monday.Add(time.Hour))
	tokens := map[string]string{"none": "", "no token": "x", "a time alone": "1772467200.", "another form's": foreign.token, "of the future": future.token}
	for i := range len(p.token) * 8 {
		b := []byte(p.token)
		b[i/8] ^= 1 << (i % 8)
		if !strings.EqualFold(string(b), p.token) {
			tokens[string(b)] = string(b)
		}
	}
	for what, token := range tokens {
		for _, trap := range []string{"", "x"} {
			got, err := form.Receive(post(token, monday.Add(time.Minute), map[string]string{"homepage": trap}))
			var refused *phone.Refused
			if !errors.As(err, &refused) || len(got.Events) != 0 {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	r := post(p.token, monday.Add(time.Minute), nil)
	r.Header.Set("Content-Type", "text/plain")
	if _, err := form.Receive(r); err == nil {
		t.Error("text/plain is taken")
	}
	// A token is no signature: whoever loads a page cannot sign with it.
	seconds, mac, _ := strings.Cut(p.token, ".")
	for _, body := range []string{"page of site\n" + seconds, "page of site", "site", ""} {
		r = phone.Request{Method: http.MethodPost, Header: http.Header{}, Body: []byte(body), At: monday}
		r.Header.Set("X-Ringback-Timestamp", seconds)
		r.Header.Set("X-Ringback-Signature", "v1="+mac)
		if _, err := form.Receive(r); err == nil {
			t.Errorf("the token of a page signs %q", body)
		}
	}
}

func TestRotation(t *testing.T) {
	old := newForm(t, webform.Config{})
	_, p := visit(t, old, "", monday)
	form, err := webform.New(settings(t, other, secret), webform.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := form.Receive(post(p.token, monday.Add(time.Minute), nil)); err != nil || len(got.Events) != 1 {
		t.Errorf("a page that was open while the secret was rotated: %v", err)
	}
}

func TestTooLarge(t *testing.T) {
	r := post("", monday, map[string]string{"text": strings.Repeat("x", 64<<10)})
	var refused *phone.Refused
	if _, err := newForm(t, webform.Config{}).Receive(r); !errors.As(err, &refused) || refused.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("%v", err)
	}
}

func TestBusy(t *testing.T) {
	form := newForm(t, webform.Config{})
	_, p := visit(t, form, "", monday)
	a := form.Busy(post(p.token, monday.Add(time.Minute), nil), 90*time.Second)
	back := read(t, a)
	if a.Status != http.StatusTooManyRequests || a.Header.Get("Retry-After") != "90" || back.fields["phone"] != "(212) 555-0123" || back.alerts != 1 {
		t.Errorf("%d %v %+v", a.Status, a.Header, back)
	}
}

func TestLimiter(t *testing.T) {
	ann, ben := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	l := webform.NewLimiter(3, time.Minute, 100)
	for i := range 3 {
		if _, ok := l.Allow(ann, monday); !ok {
			t.Fatalf("post %d is not allowed", i)
		}
	}
	if wait, ok := l.Allow(ann, monday); ok || wait != time.Minute {
		t.Errorf("a fourth: %v, %s", ok, wait)
	}
	if _, ok := l.Allow(netip.MustParseAddr("::ffff:192.0.2.1"), monday); ok {
		t.Error("the same address written otherwise")
	}
	if _, ok := l.Allow(ben, monday); !ok {
		t.Error("another address")
	}
	if _, ok := l.Allow(ann, monday.Add(time.Minute)); !ok {
		t.Error("a minute later")
	}
	if _, ok := l.Allow(ann, monday.Add(time.Minute)); ok {
		t.Error("two a minute later")
	}
	six := webform.NewLimiter(1, time.Minute, 100)
	if _, ok := six.Allow(netip.MustParseAddr("2001:db8::1"), monday); !ok {
		t.Error("an IPv6 address")
	}
	if _, ok := six.Allow(netip.MustParseAddr("2001:db8::2"), monday); ok {
		t.Error("another address of the same network")
	}
	if _, ok := six.Allow(netip.MustParseAddr("2001:db8:0:1::1"), monday); !ok {
		t.Error("another network")
	}
	if _, ok := six.Allow(netip.Addr{}, monday); !ok {
		t.Error("no address")
	}
}

// TestLimiterProperty: whatever comes when, no address is let through more often than
// its burst and one more for each time that passed, and a flood of others makes it
// forget nobody who keeps coming.
func TestLimiterProperty(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		burst := rapid.IntRange(1, 5).Draw(rt, "burst")
		l := webform.NewLimiter(burst, time.Second, 20)
		ann := netip.MustParseAddr("192.0.2.1")
		now, allowed := monday, 0
		for i := range rapid.IntRange(1, 300).Draw(rt, "posts") {
			now = now.Add(time.Duration(rapid.IntRange(0, 900).Draw(rt, "ms")) * time.Millisecond)
			if _, ok := l.Allow(ann, now); ok {
				allowed++
			}
			for j := range rapid.IntRange(0, 5).Draw(rt, "others") {
				l.Allow(netip.AddrFrom4([4]byte{198, 51, byte(i), byte(j)}), now)
			}
			if most := burst + int(now.Sub(monday)/time.Second); allowed > most {
				rt.Fatalf("%d posts in %s", allowed, now.Sub(monday))
			}
		}
	})
}
