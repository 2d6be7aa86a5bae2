package webform

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the page and its style
	"encoding/base64"
	"html/template"
	"net/http"
	"strings"

	"github.com/ringback-health/ringback/connectors/phone"
)

//go:embed page.html
var pageSource string

//go:embed page.css
var styleSource string

var page = template.Must(template.New("page").Parse(pageSource))

// view is what the page shows.
type view struct {
	Words   words
	Page    string // the token
	Done    bool
	General string // what is to be done, about no field

	config   Config
	filled   filled
	problems []problem
}

// fault is what is wrong with a field, in words.
type fault struct{ Field, Text string }

// render makes the page. It is the person's own and nobody may keep it.
func (s *System) render(status int, v view) phone.Answer {
	v.config = s.config
	var b bytes.Buffer
	if err := page.Execute(&b, v); err != nil { // embedded, and filled by every test
		panic("webform: the page: " + err.Error())
	}
	h := s.headers.Clone()
	h.Set("Content-Language", v.Words.Lang)
	return phone.Answer{Status: status, Header: h, Body: b.Bytes()}
}

// pageHeaders are the headers of every page: nothing is loaded from anywhere, nobody
// keeps it, and only who the operator named may frame it.
func pageHeaders(c Config) http.Header {
	sum := sha256.Sum256([]byte(styleSource))
	frames := "'none'"
	if len(c.EmbedOn) > 0 {
		frames = strings.Join(c.EmbedOn, " ")
	}
	h := http.Header{}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+
		"'; form-action 'self'; base-uri 'none'; frame-ancestors "+frames)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Vary", "Accept-Language")
	return h
}

// Style is the style sheet, in the page itself.
func (v view) Style() template.CSS { return template.CSS(styleSource) }

// Title is the heading.
func (v view) Title() string {
	if v.config.ClinicName == "" {
		return v.Words.Title
	}
	return strings.ReplaceAll(v.Words.TitleOf, "{clinic}", v.config.ClinicName)
}

// Emergency says what to do in an emergency.
func (v view) Emergency() string {
	return strings.ReplaceAll(v.Words.Emergency, "{emergency}", v.config.Emergency)
}

// Trap is the name of the field that people do not see.
func (v view) Trap() string { return fieldTrap }

// PrivacyURL is the clinic's privacy notice, "" for none.
func (v view) PrivacyURL() string { return v.config.PrivacyURL }

// AskBirthDate says whether the page asks for it.
func (v view) AskBirthDate() bool { return v.config.AskBirthDate }

// Options are the reasons to choose from.
func (v view) Options() (out []option) {
	for _, c := range v.config.Categories {
		out = append(out, option{string(c), v.Words.Categories[c]})
	}
	return out
}

// Value is what was written in a field.
func (v view) Value(field string) string { return v.filled.get(field) }

// Agreed says whether the box of the consent was ticked.
func (v view) Agreed() bool { return v.filled.get(fieldConsent) != "" }

// Fault is what is wrong with a field, "" when nothing is.
func (v view) Fault(field string) string {
	for _, p := range v.problems {
		if p.field == field {
			return p.say(v.Words)
		}
	}
	return ""
}

// Faults are all of them, in the order of the page.
func (v view) Faults() (out []fault) {
	for _, p := range v.problems {
		out = append(out, fault{p.field, p.say(v.Words)})
	}
	return out
}
