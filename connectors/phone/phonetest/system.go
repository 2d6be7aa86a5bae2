package phonetest

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/connectors/phone"
	"github.com/ringback-health/ringback/internal/redact"
)

// SystemCase is a phone system and how its vendor signs.
type SystemCase struct {
	// New sets the system up.
	New func(phone.Settings) (phone.System, error)
	// Sign returns a request as the vendor sends it, signed with secret at a moment. It
	// tells of a call; calling it twice with the same arguments gives the same event.
	Sign func(secret string, at time.Time) phone.Request
	// Secret and Other are two secrets in the vendor's notation.
	Secret, Other string
	// SignsTime says that the signature covers a time, so that an old request is refused.
	SignsTime bool
	// SignsBody says that the signature covers the whole body. Systems that only send a
	// token cannot tell a body that was changed.
	SignsBody bool
	// Content is what of a body the signature covers where that is not its bytes: a
	// form can be written in more than one way. nil: the bytes.
	Content func(body []byte) string
	// Headers are those without which a request is refused.
	Headers []string
	// PHI is what the event tells about the caller: numbers and names. None of it may
	// stand in a key, an error or a reason.
	PHI []string
}

// received is when requests come in.
var received = time.Date(2026, 3, 2, 16, 0, 0, 0, time.UTC)

// RunSystem tests what holds for every phone system, whatever its events are.
func RunSystem(t *testing.T, c SystemCase) {
	t.Run("the vendor's", func(t *testing.T) { c.accepts(t, c.Secret, c.Secret) })
	t.Run("while the secret is rotated", func(t *testing.T) {
		c.accepts(t, c.Secret, c.Other, c.Secret)
		c.accepts(t, c.Other, c.Other, c.Secret)
	})
	t.Run("told twice", c.twice)
	t.Run("another secret", func(t *testing.T) { c.refuses(t, c.Sign(c.Other, received), "signed with another secret") })
	t.Run("missing headers", c.missing)
	t.Run("changed bits", c.changed)
	t.Run("old and early", c.stale)
	t.Run("no request of the vendor's", c.nonsense)
	t.Run("stored bytes that are no event", c.unreadable)
}

func (c SystemCase) system(t *testing.T, secrets ...string) phone.System {
	t.Helper()
	s := phone.Settings{Zone: options().Zone}
	for _, secret := range secrets {
		s.Secrets = append(s.Secrets, redact.NewSecret(secret))
	}
	sys, err := c.New(s)
	if err != nil {
		t.Fatal(err)
	}
	return sys
}

// accepts checks that what is signed with one secret is taken, stored as it came, and read.
func (c SystemCase) accepts(t *testing.T, signedWith string, valid ...string) {
	t.Helper()
	sys := c.system(t, valid...)
	got, err := sys.Receive(c.Sign(signedWith, received))
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Events) == 0 {
		t.Fatal("nothing to store")
	}
	for _, e := range got.Events {
		if e.Key == "" || len(e.Body) == 0 || !e.At.Equal(received) {
			t.Errorf("an event with the key %q, %d bytes, at %s", e.Key, len(e.Body), e.At)
		}
		c.silent(t, e.Key)
		report, err := sys.Read(e)
		if err != nil || len(report.Legs) == 0 {
			t.Fatalf("it tells of no call: %q, %v", report.Skip, err)
		}
		for _, l := range report.Legs {
			if l.Session == "" || l.ID == "" {
				t.Errorf("a leg without a session or an id: %q, %q", l.Session, l.ID)
			}
			c.silent(t, l.Session, l.ID, l.Note, l.Context, l.App)
		}
	}
}

func (c SystemCase) twice(t *testing.T) {
	sys := c.system(t, c.Secret)
	first, err1 := sys.Receive(c.Sign(c.Secret, received))
	second, err2 := sys.Receive(c.Sign(c.Secret, received))
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	for i := range first.Events {
		if first.Events[i].Key != second.Events[i].Key {
			t.Error("the same event has another key when it is sent again")
		}
	}
}

func (c SystemCase) refuses(t *testing.T, r phone.Request, what string) {
	t.Helper()
	got, err := c.system(t, c.Secret).Receive(r)
	var refused *phone.Refused
	switch {
	case err == nil:
		t.Errorf("%s: taken, %d events", what, len(got.Events))
	case !errors.As(err, &refused):
		t.Errorf("%s: the error is no *Refused: %v", what, err)
	case refused.Status < 400 || refused.Status > 499 || refused.Reason == "":
		t.Errorf("%s: refused with %d, %q", what, refused.Status, refused.Reason)
	case len(got.Events) > 0:
		t.Errorf("%s: refused, and events to store", what)
	default:
		c.silent(t, err.Error())
	}
}

func (c SystemCase) missing(t *testing.T) {
	for _, h := range c.Headers {
		r := c.Sign(c.Secret, received)
		if r.Header.Get(h) == "" {
			t.Fatalf("the vendor's request has no header %s", h)
		}
		r.Header.Del(h)
		c.refuses(t, r, "without "+h)
	}
}

// changed flips each bit of the body, and of the headers that prove it.
func (c SystemCase) changed(t *testing.T) {
	if c.SignsBody {
		r := c.Sign(c.Secret, received)
		signed := string(r.Body)
		for i := range len(signed) * 8 {
			r.Body = []byte(signed)
			r.Body[i/8] ^= 1 << (i % 8)
			if c.Content != nil && c.Content(r.Body) == c.Content([]byte(signed)) {
				continue
			}
			c.refuses(t, r, "a bit of the body")
		}
	}
	for _, h := range c.Headers {
		value := c.Sign(c.Secret, received).Header.Get(h)
		for i := range len(value) * 8 {
			r := c.Sign(c.Secret, received)
			b := []byte(value)
			b[i/8] ^= 1 << (i % 8)
			r.Header[http.CanonicalHeaderKey(h)] = []string{string(b)}
			if strings.EqualFold(string(b), value) {
				continue // hexadecimal digits have no case
			}
			c.refuses(t, r, "a bit of "+h)
		}
	}
}

func (c SystemCase) stale(t *testing.T) {
	for _, off := range []time.Duration{-phone.DefaultTolerance - time.Second, phone.DefaultTolerance + time.Second} {
		r := c.Sign(c.Secret, received.Add(off))
		r.At = received
		if c.SignsTime {
			c.refuses(t, r, "signed "+off.String()+" away")
		}
	}
}

func (c SystemCase) nonsense(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodPut} {
		r := c.Sign(c.Secret, received)
		r.Method = method
		c.refuses(t, r, method)
	}
	r := c.Sign(c.Secret, received)
	r.Body, r.Header = nil, http.Header{}
	c.refuses(t, r, "nothing")
}

// unreadable: what is stored and cannot be read is an error or tells nothing, never a call.
func (c SystemCase) unreadable(t *testing.T) {
	sys := c.system(t, c.Secret)
	whole, err := sys.Receive(c.Sign(c.Secret, received))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range whole.Events {
		for n := range len(e.Body) {
			if _, err := sys.Read(phone.Event{Key: e.Key, Body: e.Body[:n], At: e.At}); err != nil {
				c.silent(t, err.Error())
			}
		}
	}
	for _, body := range []string{"", "{", "null", "[]", `""`, "{}", "\x00\xff", `{"data":null}`, `{"payload":{"object":[]}}`, "a=b&a=c"} {
		got, err := sys.Read(phone.Event{Key: "k", Body: []byte(body), At: received})
		if err == nil && got.Skip == "" && len(got.Legs) == 0 {
			t.Errorf("%q: neither a call, nor a reason, nor an error", body)
		}
		if len(got.Legs) > 0 {
			t.Errorf("%q tells of a call", body)
		}
	}
}

// silent checks that a text holds nothing about the caller.
func (c SystemCase) silent(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		for _, phi := range c.PHI {
			if strings.Contains(text, phi) {
				t.Errorf("%q tells about the caller", text)
			}
		}
	}
}
