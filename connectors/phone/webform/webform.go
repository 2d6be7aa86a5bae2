// Package webform takes requests that people write in a form on the clinic's web site.
// They come in one of two ways, to one address:
//
// The clinic's own web server posts them, as JSON or as an HTML form, signed:
//
//	X-Ringback-Timestamp: 1772467200
//	X-Ringback-Signature: v1=<hex of HMAC-SHA256(secret, timestamp + "." + raw body)>
//
// The timestamp is in seconds since 1970 and not older than five minutes. The same
// signed request again is the same event. A server that signs anew when it tries again
// gives each request an id of its own in the field "id"; without one, what it sent twice
// counts as two.
//
// Or a browser posts the form that Ringback serves itself (Page), for clinics that have
// no such server. It needs no JavaScript and nothing of anybody else. A post is taken
// from a page that was loaded between two seconds and twelve hours before, which a
// token in the page proves, and answered in English or Spanish.
//
// Fields, in both ways: name, phone, category (a code of callback.Categories), text,
// preferred_date (2026-03-02), preferred_part (morning, afternoon, evening), birth_date
// (1985-12-31), consent (yes, no); in JSON also preferred_times, a list of {start, end}.
// A field homepage is hidden from people; whoever fills it in is a program and is told
// that it worked. What it sent is stored all the same, so that somebody can look.
//
// Whoever serves the address puts a Limiter in front of it.
package webform

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ringback-health/ringback/connectors/phone"
)

// SignatureHeader is the header that a request has which the clinic's web server signed,
// and one of a browser has not.
const SignatureHeader = "X-Ringback-Signature"

const (
	headerTime = "X-Ringback-Timestamp"
	version    = "v1="
)

// maxBody is the longest request that is taken, in bytes.
const maxBody = 64 << 10

// A page is older than youngest when a person has filled it in, and has to be loaded
// again when it is older than oldest. Programs post at once.
const (
	youngest = 2 * time.Second
	oldest   = 12 * time.Hour
)

// System is one form of one clinic.
type System struct {
	settings phone.Settings
	config   Config
	headers  http.Header
}

var _ phone.Page = (*System)(nil)

// New makes the form. The error says what is wrong with the configuration.
func New(s phone.Settings, c Config) (*System, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("phone system %q: %w", s.ID, err)
	}
	switch {
	case len(s.Secrets) == 0:
		return nil, fmt.Errorf("phone system %q: there is no secret; make one of at least 32 random characters, and give it to the clinic's web server if it has one", s.ID)
	case s.Zone == nil:
		return nil, fmt.Errorf("phone system %q: there is no time zone; set the clinic's", s.ID)
	}
	c = c.withDefaults()
	return &System{settings: s, config: c, headers: pageHeaders(c)}, nil
}

// Receive takes a signed request of the clinic's web server, or a post of the page. A
// post that cannot be taken as it is stores nothing and is answered with the page, what
// was written still in it, and what to change.
func (s *System) Receive(r phone.Request) (phone.Receipt, error) {
	switch {
	case r.Method != http.MethodPost:
		return phone.Receipt{}, &phone.Refused{Status: http.StatusMethodNotAllowed, Reason: "not a POST"}
	case len(r.Body) > maxBody:
		return phone.Receipt{}, &phone.Refused{Status: http.StatusRequestEntityTooLarge, Reason: fmt.Sprintf("longer than %d bytes", maxBody)}
	case len(r.Header.Values(headerTime)) > 0 || len(r.Header.Values(SignatureHeader)) > 0:
		return s.receiveSigned(r)
	default:
		return s.receivePost(r)
	}
}

func (s *System) receiveSigned(r phone.Request) (phone.Receipt, error) {
	times, signatures := r.Header.Values(headerTime), r.Header.Values(SignatureHeader)
	if len(times) != 1 || len(signatures) != 1 {
		return phone.Receipt{}, phone.Refuse("it has not exactly one " + headerTime + " and one " + SignatureHeader)
	}
	seconds, err := strconv.ParseInt(times[0], 10, 64)
	if err != nil || !s.settings.Fresh(time.Unix(seconds, 0), r.At) {
		return phone.Receipt{}, phone.Refuse("its timestamp is none, too old or in the future")
	}
	encoded, ok := strings.CutPrefix(signatures[0], version)
	mac, err := hex.DecodeString(encoded)
	if !ok || err != nil || !phone.SignedWith(s.settings.Secrets, sha256.New, mac, []byte(times[0]), []byte("."), r.Body) {
		return phone.Receipt{}, phone.Refuse("its signature is of another secret, another body or another form than v1=hex")
	}
	name := []byte("at " + times[0])
	if f, err := parse(r.Body); err == nil && f.get(fieldID) != "" {
		name = []byte("id " + f.get(fieldID))
	}
	return phone.Receipt{Events: []phone.Event{{Key: phone.KeyOf([]byte("signed"), name, r.Body), Body: r.Body, At: r.At}}}, nil
}

func (s *System) receivePost(r phone.Request) (phone.Receipt, error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return phone.Receipt{}, &phone.Refused{Status: http.StatusUnsupportedMediaType, Reason: "neither signed nor a post of the page"}
	}
	f, err := parseForm(r.Body)
	if err != nil {
		return phone.Receipt{}, &phone.Refused{Status: http.StatusBadRequest, Reason: "not a form"}
	}
	loaded, ok := s.loaded(f.get(fieldPage))
	age := r.At.Sub(loaded)
	words := wordsFor(r.Header.Get("Accept-Language"))
	switch {
	case !ok || age < -phone.DefaultTolerance:
		return phone.Receipt{}, phone.Refuse("it does not come from a page of ours")
	case f.get(fieldTrap) != "":
		return s.thank(r, f, words), nil
	case age > oldest:
		return s.again(r, f, words, words.expired), nil
	case age < youngest:
		return s.again(r, f, words, words.tooFast), nil
	}
	if p := s.problems(f, r.At); len(p) > 0 {
		return s.again(r, f, words, "", p...), nil
	}
	return s.thank(r, f, words), nil
}

// thank stores what was posted and thanks. A person who sends the same page twice has
// sent one request.
func (s *System) thank(r phone.Request, f filled, w words) phone.Receipt {
	key := phone.KeyOf([]byte("page"), []byte(f.get(fieldPage)), r.Body)
	return phone.Receipt{Events: []phone.Event{{Key: key, Body: r.Body, At: r.At}}, Answer: s.render(http.StatusOK, view{Words: w, Done: true})}
}

// again shows the page once more with what was written, and says what is to be done:
// general when it is about no field.
func (s *System) again(r phone.Request, f filled, w words, general string, p ...problem) phone.Receipt {
	v := view{Words: w, General: general, Page: f.get(fieldPage), filled: f, problems: p}
	if loaded, _ := s.loaded(v.Page); r.At.Sub(loaded) > oldest {
		v.Page = s.token(r.At)
	}
	return phone.Receipt{Answer: s.render(http.StatusUnprocessableEntity, v)}
}

// Page serves the form.
func (s *System) Page(r phone.Request) phone.Answer {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return phone.Answer{Status: http.StatusMethodNotAllowed, Header: http.Header{"Allow": {"GET, HEAD, POST"}}}
	}
	return s.render(http.StatusOK, view{Words: wordsFor(r.Header.Get("Accept-Language")), Page: s.token(r.At)})
}

// Busy shows the form with what was written and asks to send it again after a while.
func (s *System) Busy(r phone.Request, wait time.Duration) phone.Answer {
	w := wordsFor(r.Header.Get("Accept-Language"))
	v := view{Words: w, General: w.busy, Page: s.token(r.At)}
	if f, err := parseForm(r.Body); err == nil && len(r.Body) <= maxBody {
		v.filled = f
	}
	a := s.render(http.StatusTooManyRequests, v)
	a.Header.Set("Retry-After", strconv.Itoa(max(1, int(wait.Round(time.Second)/time.Second))))
	return a
}

// token proves when a page was loaded: the time in seconds since 1970 and an HMAC of it
// that is of no use as the signature of a request.
func (s *System) token(at time.Time) string {
	seconds := strconv.FormatInt(at.Unix(), 10)
	return seconds + "." + hex.EncodeToString(sign(s.settings.Secrets[0], s.signed(seconds)))
}

// loaded is when the page with this token was loaded; ok is false for a token that is
// not ours.
func (s *System) loaded(token string) (at time.Time, ok bool) {
	seconds, encoded, _ := strings.Cut(token, ".")
	n, err := strconv.ParseInt(seconds, 10, 64)
	mac, bad := hex.DecodeString(encoded)
	if err != nil || bad != nil || !phone.SignedWith(s.settings.Secrets, sha256.New, mac, s.signed(seconds)) {
		return time.Time{}, false
	}
	return time.Unix(n, 0), true
}

func (s *System) signed(seconds string) []byte {
	return []byte("page of " + s.settings.ID + "\n" + seconds)
}
